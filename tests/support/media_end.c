/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "media_end.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"
#include "sallyport/turn_stream.h"

#define CHANNEL      0x4000
#define QUEUE_MAX    65536 /* as libwebrtc's */
#define READ_MAX     16384
#define DATAGRAM_MAX 1500
#define PATIENCE_US  SP_SEC(10)
#define ASK_AGAIN_MS 500
#define RECEIVE_ROOM (8 << 20) /* a burst each way loses nothing here */
#define CHECK_US     SP_MS(50) /* between checks; as often as RFC 8445 has it at most */
#define CONSENT_US   SP_SEC(5) /* RFC 7675 */

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", which, what);
    exit(1);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void connect_to(struct media_end *e, const struct sp_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);

    if (connect(e->fd, (struct sockaddr *)&ss, len) != 0)
        die(strerror(errno), e->target);
}

static bool by_tcp(const struct media_end *e)
{
    return e->kind == MEDIA_END_TLS || e->kind == MEDIA_END_ICE_TCP;
}

/* In the end's namespace. */
static void open_socket(void *arg)
{
    struct media_end *e = arg;
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(&e->addr, false, &ss);
    int on = 1, room = RECEIVE_ROOM;

    e->fd = socket(ss.ss_family, (by_tcp(e) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        die(strerror(errno), e->target);
    if (!by_tcp(e)) /* beyond the system's bound only for root; less may do */
        setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (e->kind == MEDIA_END_DIRECT) {
        if (bind(e->fd, (struct sockaddr *)&ss, len) != 0)
            die(strerror(errno), e->target);
        return;
    }
    if (by_tcp(e) && setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die(strerror(errno), e->target);
    connect_to(e, &e->addr);
}

static void wait_for(const struct media_end *e, short events, int timeout_ms)
{
    struct pollfd p = {e->fd, events, 0};

    poll(&p, 1, timeout_ms);
}

/* ---- TCP and TLS ----------------------------------------------------------------------------- */

/* NULL: by UDP. */
static struct sp_buf *out_of(struct media_end *e)
{
    if (e->kind == MEDIA_END_ICE_TCP)
        return &e->out;
    return e->tls != NULL ? sp_tls_cipher_out(e->tls) : NULL;
}

void media_end_flush(struct media_end *e)
{
    struct sp_buf *out = out_of(e);

    while (out != NULL && out->len > 0) {
        struct sp_span s = sp_buf_span(out);
        ssize_t n = send(e->fd, s.p, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            die(strerror(errno), e->target);
        if (n < 0)
            return;
        sp_buf_consume(out, (size_t)n);
    }
}

bool media_end_waits(const struct media_end *e)
{
    return e->out.len > 0 || (e->tls != NULL && sp_tls_cipher_out(e->tls)->len > 0);
}

/* False: nothing there now. */
static bool read_stream(struct media_end *e, struct sp_buf *in)
{
    uint8_t *p = sp_buf_reserve(in, READ_MAX);
    ssize_t n;

    if (p == NULL)
        die("no room for what comes", e->target);
    n = recv(e->fd, p, READ_MAX, MSG_DONTWAIT);
    if (n == 0)
        die("the server closed the connection", e->target);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        die(strerror(errno), e->target);
    if (n > 0)
        sp_buf_commit(in, (size_t)n);
    return n > 0;
}

static void start_tls(struct media_end *e, struct sp_tls_ctx *ctx)
{
    uint64_t until = sp_clock_us() + PATIENCE_US;
    int status;

    if (sp_tls_client(ctx, "edge.test", &e->tls) != 0)
        die("no memory", e->target);
    while ((status = sp_tls_handshake(e->tls)) == SP_EAGAIN && sp_clock_us() < until) {
        media_end_flush(e);
        wait_for(e, POLLIN, 100);
        read_stream(e, sp_tls_cipher_in(e->tls));
    }
    if (status != 0)
        die(status == SP_EAGAIN ? "no TLS in time" : sp_tls_why(e->tls), e->target);
    media_end_flush(e);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* By TLS in a record of its own. */
static void write_stream(struct media_end *e, struct sp_span msg)
{
    if (e->tls == NULL ? sp_buf_append(&e->out, msg) != 0 : sp_tls_write(e->tls, msg) != 0)
        die(e->tls == NULL ? "no memory" : sp_tls_why(e->tls), e->target);
}

static bool send_message(struct media_end *e, struct sp_span msg)
{
    struct sp_buf *out = out_of(e);

    if (out == NULL) {
        /* A full socket or a refused port loses it, as everywhere. */
        return send(e->fd, msg.p, msg.len, MSG_DONTWAIT) >= 0;
    }
    media_end_flush(e);
    if (out->len + msg.len > QUEUE_MAX) {
        e->refused++;
        return false;
    }
    write_stream(e, msg);
    media_end_flush(e);
    return true;
}

static bool send_framed(struct media_end *e, struct sp_span datagram)
{
    uint8_t msg[SP_RFC4571_HEADER_LEN + DATAGRAM_MAX];

    sp_put_be16(msg, (uint16_t)datagram.len);
    memcpy(msg + SP_RFC4571_HEADER_LEN, datagram.p, datagram.len);
    return send_message(e, sp_span(msg, SP_RFC4571_HEADER_LEN + datagram.len));
}

static bool send_channel(struct media_end *e, struct sp_span data)
{
    uint8_t msg[SP_CHANDATA_HEADER_LEN + DATAGRAM_MAX + 3] = {0};
    size_t padding = e->kind == MEDIA_END_TLS ? sp_chandata_padding(data.len) : 0;

    sp_chandata_header(msg, CHANNEL, (uint16_t)data.len);
    memcpy(msg + SP_CHANDATA_HEADER_LEN, data.p, data.len);
    return send_message(e, sp_span(msg, SP_CHANDATA_HEADER_LEN + data.len + padding));
}

static void check(struct media_end *e)
{
    uint64_t now = sp_clock_us();

    if (now < e->check_us)
        return;
    e->check_us = now + (e->ice.connected ? CONSENT_US : CHECK_US);
    send_framed(e, ice_user_check(&e->ice));
}

bool media_end_send(struct media_end *e, struct sp_span data)
{
    switch (e->kind) {
    case MEDIA_END_DIRECT:
        return send_message(e, data);
    case MEDIA_END_ICE_TCP:
        check(e);
        return send_framed(e, data);
    default:
        return send_channel(e, data);
    }
}

static void take_turn(struct media_end *e, struct sp_span msg, media_end_input_fn *fn, void *arg)
{
    struct sp_chandata c;

    if (sp_chandata_looks_like(msg)) {
        if (sp_chandata_parse(msg, &c) == 0)
            fn(c.data.p, c.data.len, arg);
    } else {
        int answer = turn_user_take(&e->user, msg);
        e->answer = answer >= 0 ? answer : e->answer;
    }
}

static void take_ice(struct media_end *e, struct sp_span msg, media_end_input_fn *fn, void *arg)
{
    struct sp_span answer;

    if (msg.len == 0)
        return; /* it says nothing, and is legal */
    if (!sp_stun_looks_like(msg))
        fn(msg.p, msg.len, arg);
    else if (ice_user_take(&e->ice, msg, &e->addr, &answer))
        send_framed(e, answer);
}

static void take_message(struct media_end *e, struct sp_span msg, media_end_input_fn *fn, void *arg)
{
    if (e->kind == MEDIA_END_DIRECT)
        fn(msg.p, msg.len, arg);
    else if (e->kind == MEDIA_END_ICE_TCP)
        take_ice(e, msg, fn, arg);
    else
        take_turn(e, msg, fn, arg);
}

static int next_message(const struct media_end *e, struct sp_span *msg, size_t *used)
{
    struct sp_span s = sp_buf_span(&e->plain);

    return e->kind == MEDIA_END_ICE_TCP ? sp_rfc4571_next(s, UINT16_MAX, msg, used)
                                        : sp_turn_stream_next(s, msg, used);
}

static void take_stream(struct media_end *e, media_end_input_fn *fn, void *arg)
{
    struct sp_span msg;
    size_t used;
    int status;

    while ((status = next_message(e, &msg, &used)) == 0) {
        take_message(e, msg, fn, arg);
        sp_buf_consume(&e->plain, used);
    }
    if (status == SP_EBADMSG)
        die("neither STUN nor ChannelData came", e->target);
}

static void read_tls(struct media_end *e, media_end_input_fn *fn, void *arg)
{
    while (read_stream(e, sp_tls_cipher_in(e->tls))) {
        int status;

        do {
            status = sp_tls_read(e->tls, &e->plain);
            take_stream(e, fn, arg);
        } while (status == SP_EFULL);
        if (status != 0 && status != SP_EAGAIN)
            die(status == SP_ECLOSED ? "the server ended TLS" : sp_tls_why(e->tls), e->target);
    }
}

static void read_datagrams(struct media_end *e, media_end_input_fn *fn, void *arg)
{
    uint8_t bytes[2048];
    ssize_t n;

    while ((n = recv(e->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0)
        take_message(e, sp_span(bytes, (size_t)n), fn, arg);
}

void media_end_read(struct media_end *e, media_end_input_fn *fn, void *arg)
{
    if (e->kind == MEDIA_END_TLS) {
        read_tls(e, fn, arg);
    } else if (e->kind == MEDIA_END_ICE_TCP) {
        while (read_stream(e, &e->plain))
            take_stream(e, fn, arg);
    } else {
        read_datagrams(e, fn, arg);
    }
}

/* ---- TURN ------------------------------------------------------------------------------------ */

static void ignore(const uint8_t *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
}

/* By UDP it asks again; by TLS nothing is lost. */
static int transact(struct media_end *e, struct sp_span request)
{
    uint64_t now = sp_clock_us(), until = now + PATIENCE_US, ask = now;

    e->answer = -1;
    for (; e->answer < 0 && now < until; now = sp_clock_us()) {
        if (now >= ask) {
            send_message(e, request);
            ask = e->kind == MEDIA_END_UDP ? now + SP_MS(ASK_AGAIN_MS) : SP_NEVER;
        }
        wait_for(e, POLLIN, 50);
        media_end_read(e, ignore, NULL);
    }
    if (e->answer < 0)
        die("no answer", e->target);
    return e->answer;
}

static void allocate(struct media_end *e, uint32_t number)
{
    turn_user_init(&e->user, "test", "test", number);
    int code = transact(e, turn_user_allocate(&e->user));

    if (code == 401)
        code = transact(e, turn_user_allocate(&e->user));
    if (code != 0)
        die("no allocation", e->target);
}

static void bind_channel(struct media_end *e, const struct media_end *peer)
{
    if (transact(e, turn_user_bind(&e->user, CHANNEL, &peer->user.relayed)) != 0)
        die("no channel", e->target);
}

/* ---- ICE ------------------------------------------------------------------------------------- */

/* The first to come checks into the void, so both go on until both know. */
static void check_both(struct media_end *ends[static 2])
{
    uint64_t until = sp_clock_us() + PATIENCE_US;

    while (!ends[0]->ice.connected || !ends[1]->ice.connected) {
        struct pollfd fds[2] = {{ends[0]->fd, POLLIN, 0}, {ends[1]->fd, POLLIN, 0}};

        if (sp_clock_us() >= until)
            die("no answer to its checks", ends[ends[0]->ice.connected]->target);
        for (int i = 0; i < 2; i++)
            check(ends[i]);
        poll(fds, 2, (int)(CHECK_US / 1000));
        for (int i = 0; i < 2; i++)
            media_end_read(ends[i], ignore, NULL);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void media_ends_join(struct media_end *a, struct media_end *b)
{
    if (a->kind == MEDIA_END_DIRECT) {
        connect_to(a, &b->addr);
        connect_to(b, &a->addr);
    } else if (a->kind == MEDIA_END_ICE_TCP) {
        check_both((struct media_end *[2]){a, b});
    } else {
        bind_channel(a, b);
        bind_channel(b, a);
    }
}

/* "OWN,FAR" */
static bool parse_credentials(const char *text, struct ice_credentials *own,
                              struct ice_credentials *far)
{
    const char *comma = strchr(text, ',');

    return comma != NULL && ice_credentials_parse(sp_span(text, (size_t)(comma - text)), own) &&
           ice_credentials_parse(sp_span_str(comma + 1), far);
}

/* What stands behind NETNS and a comma. */
static bool parse_target(struct media_end *e, const char *text, uint32_t number)
{
    static const char *const kinds[] = {
        [MEDIA_END_DIRECT] = "direct",
        [MEDIA_END_UDP] = "udp",
        [MEDIA_END_TLS] = "tls",
        [MEDIA_END_ICE_TCP] = "ice-tcp",
    };
    size_t len = strcspn(text, ":"), addr_len;
    struct ice_credentials own, far;
    char addr[64];

    for (e->kind = 0; e->kind < sizeof kinds / sizeof *kinds; e->kind++)
        if (len == strlen(kinds[e->kind]) && memcmp(text, kinds[e->kind], len) == 0)
            break;
    if (e->kind == sizeof kinds / sizeof *kinds || text[len] == '\0')
        return false;
    text += len + 1;
    addr_len = strcspn(text, ",");
    if (addr_len >= sizeof addr)
        return false;
    snprintf(addr, sizeof addr, "%.*s", (int)addr_len, text);
    text += addr_len;
    if (sp_addr_parse(addr, &e->addr) != 0 || (*text == ',') != (e->kind == MEDIA_END_ICE_TCP))
        return false;
    if (e->kind == MEDIA_END_ICE_TCP) {
        if (!parse_credentials(text + 1, &own, &far))
            return false;
        ice_user_init(&e->ice, &own, &far, number == 1, number);
    }
    return true;
}

void media_end_open(struct media_end *e, const char *target, struct sp_tls_ctx *tls,
                    uint32_t number)
{
    const char *comma = strchr(target, ',');

    *e = (struct media_end){.target = target, .fd = -1};
    if (comma == NULL || !parse_target(e, comma + 1, number))
        die("want NETNS, a comma and udp:, tls: or direct:ADDR:PORT, or "
            "ice-tcp:ADDR:PORT,UFRAG:PASSWORD,UFRAG:PASSWORD",
            target);
    sp_buf_init(&e->plain, READ_MAX + 2 * SP_TURN_STREAM_MAX);
    sp_buf_init(&e->out, QUEUE_MAX);
    netns_run(target, (size_t)(comma - target), open_socket, e);
    if (e->kind == MEDIA_END_TLS)
        start_tls(e, tls);
    if (e->kind == MEDIA_END_UDP || e->kind == MEDIA_END_TLS)
        allocate(e, number);
}

void media_end_close(struct media_end *e)
{
    if (e->tls != NULL)
        sp_tls_free(e->tls);
    sp_buf_fini(&e->plain);
    sp_buf_fini(&e->out);
    close(e->fd);
}
