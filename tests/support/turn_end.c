/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_end.h"

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
#include "sallyport/turn_stream.h"

#define CHANNEL      0x4000
#define QUEUE_MAX    65536 /* as libwebrtc's */
#define PATIENCE_US  SP_SEC(10)
#define ASK_AGAIN_MS 500
#define RECEIVE_ROOM (8 << 20) /* a burst each way loses nothing here */

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", which, what);
    exit(1);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void connect_to(struct turn_end *e, const struct sp_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);

    if (connect(e->fd, (struct sockaddr *)&ss, len) != 0)
        die(strerror(errno), e->target);
}

struct opening {
    struct turn_end *e;
    struct sp_addr addr;
    bool tcp;
};

/* In the end's namespace. */
static void open_socket(void *arg)
{
    struct opening *o = arg;
    struct turn_end *e = o->e;
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(&o->addr, false, &ss);
    int on = 1, room = RECEIVE_ROOM;

    e->fd = socket(ss.ss_family, (o->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        die(strerror(errno), e->target);
    if (!o->tcp) /* beyond the system's bound only for root; less may do */
        setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (e->direct) {
        if (bind(e->fd, (struct sockaddr *)&ss, len) != 0)
            die(strerror(errno), e->target);
        return;
    }
    if (o->tcp && setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die(strerror(errno), e->target);
    connect_to(e, &o->addr);
}

static void wait_for(const struct turn_end *e, short events, int timeout_ms)
{
    struct pollfd p = {e->fd, events, 0};

    poll(&p, 1, timeout_ms);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

void turn_end_flush(struct turn_end *e)
{
    struct sp_buf *out = e->tls != NULL ? sp_tls_cipher_out(e->tls) : NULL;

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

bool turn_end_waits(const struct turn_end *e)
{
    return e->tls != NULL && sp_tls_cipher_out(e->tls)->len > 0;
}

/* False: nothing there now. */
static bool read_cipher(struct turn_end *e)
{
    struct sp_buf *in = sp_tls_cipher_in(e->tls);
    uint8_t *p = sp_buf_reserve(in, 16384);
    ssize_t n;

    if (p == NULL)
        die("no room for what comes", e->target);
    n = recv(e->fd, p, 16384, MSG_DONTWAIT);
    if (n == 0)
        die("the server closed the connection", e->target);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        die(strerror(errno), e->target);
    if (n > 0)
        sp_buf_commit(in, (size_t)n);
    return n > 0;
}

static void start_tls(struct turn_end *e, struct sp_tls_ctx *ctx)
{
    uint64_t until = sp_clock_us() + PATIENCE_US;
    int status;

    if (sp_tls_client(ctx, "edge.test", &e->tls) != 0)
        die("no memory", e->target);
    while ((status = sp_tls_handshake(e->tls)) == SP_EAGAIN && sp_clock_us() < until) {
        turn_end_flush(e);
        wait_for(e, POLLIN, 100);
        read_cipher(e);
    }
    if (status != 0)
        die(status == SP_EAGAIN ? "no TLS in time" : sp_tls_why(e->tls), e->target);
    turn_end_flush(e);
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool send_message(struct turn_end *e, struct sp_span msg)
{
    if (e->tls == NULL) {
        /* A full socket or a refused port loses it, as everywhere. */
        return send(e->fd, msg.p, msg.len, MSG_DONTWAIT) >= 0;
    }
    turn_end_flush(e);
    if (sp_tls_cipher_out(e->tls)->len + msg.len > QUEUE_MAX) {
        e->refused++;
        return false;
    }
    if (sp_tls_write(e->tls, msg) != 0)
        die(sp_tls_why(e->tls), e->target);
    turn_end_flush(e);
    return true;
}

bool turn_end_send(struct turn_end *e, struct sp_span data)
{
    uint8_t msg[SP_CHANDATA_HEADER_LEN + 1500 + 3] = {0};

    if (e->direct)
        return send_message(e, data);
    sp_chandata_header(msg, CHANNEL, (uint16_t)data.len);
    memcpy(msg + SP_CHANDATA_HEADER_LEN, data.p, data.len);
    return send_message(e, sp_span(msg, SP_CHANDATA_HEADER_LEN + data.len +
                                            (e->tls != NULL ? sp_chandata_padding(data.len) : 0)));
}

static void take_message(struct turn_end *e, struct sp_span msg, turn_end_input_fn *fn, void *arg)
{
    struct sp_chandata c;

    if (e->direct) {
        fn(msg.p, msg.len, arg);
    } else if (sp_chandata_looks_like(msg)) {
        if (sp_chandata_parse(msg, &c) == 0)
            fn(c.data.p, c.data.len, arg);
    } else {
        int answer = turn_user_take(&e->user, msg);
        e->answer = answer >= 0 ? answer : e->answer;
    }
}

static void take_stream(struct turn_end *e, turn_end_input_fn *fn, void *arg)
{
    struct sp_span msg;
    size_t used;
    int status;

    while ((status = sp_turn_stream_next(sp_buf_span(&e->plain), &msg, &used)) == 0) {
        take_message(e, msg, fn, arg);
        sp_buf_consume(&e->plain, used);
    }
    if (status == SP_EBADMSG)
        die("neither STUN nor ChannelData came", e->target);
}

static void read_tls(struct turn_end *e, turn_end_input_fn *fn, void *arg)
{
    while (read_cipher(e)) {
        int status;

        do {
            status = sp_tls_read(e->tls, &e->plain);
            take_stream(e, fn, arg);
        } while (status == SP_EFULL);
        if (status != 0 && status != SP_EAGAIN)
            die(status == SP_ECLOSED ? "the server ended TLS" : sp_tls_why(e->tls), e->target);
    }
}

void turn_end_read(struct turn_end *e, turn_end_input_fn *fn, void *arg)
{
    uint8_t bytes[2048];
    ssize_t n;

    if (e->tls != NULL) {
        read_tls(e, fn, arg);
        return;
    }
    while ((n = recv(e->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0)
        take_message(e, sp_span(bytes, (size_t)n), fn, arg);
}

/* ---- TURN ------------------------------------------------------------------------------------ */

static void ignore(const uint8_t *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
}

/* By UDP it asks again; by TLS nothing is lost. */
static int transact(struct turn_end *e, struct sp_span request)
{
    uint64_t now = sp_clock_us(), until = now + PATIENCE_US, ask = now;

    e->answer = -1;
    for (; e->answer < 0 && now < until; now = sp_clock_us()) {
        if (now >= ask) {
            send_message(e, request);
            ask = e->tls == NULL ? now + SP_MS(ASK_AGAIN_MS) : SP_NEVER;
        }
        wait_for(e, POLLIN, 50);
        turn_end_read(e, ignore, NULL);
    }
    if (e->answer < 0)
        die("no answer", e->target);
    return e->answer;
}

static void allocate(struct turn_end *e, uint32_t number)
{
    turn_user_init(&e->user, "test", "test", number);
    int code = transact(e, turn_user_allocate(&e->user));

    if (code == 401)
        code = transact(e, turn_user_allocate(&e->user));
    if (code != 0)
        die("no allocation", e->target);
}

struct sp_addr turn_end_address(const struct turn_end *e)
{
    return e->direct ? e->addr : e->user.relayed;
}

void turn_end_join(struct turn_end *e, const struct sp_addr *peer)
{
    if (e->direct)
        connect_to(e, peer);
    else if (transact(e, turn_user_bind(&e->user, CHANNEL, peer)) != 0)
        die("no channel", e->target);
}

void turn_end_open(struct turn_end *e, const char *target, struct sp_tls_ctx *tls, uint32_t number)
{
    struct opening o = {.e = e};
    const char *comma = strchr(target, ','), *kind = comma != NULL ? comma + 1 : "", *addr;

    *e = (struct turn_end){.target = target, .fd = -1};
    o.tcp = strncmp(kind, "tls:", 4) == 0;
    e->direct = strncmp(kind, "direct:", 7) == 0;
    addr = strchr(kind, ':');
    if ((!o.tcp && !e->direct && strncmp(kind, "udp:", 4) != 0) ||
        sp_addr_parse(addr + 1, &o.addr) != 0)
        die("want NETNS, a comma and udp:ADDR:PORT, tls:ADDR:PORT or direct:ADDR:PORT", target);
    sp_buf_init(&e->plain, 2 * SP_TURN_STREAM_MAX);
    e->addr = o.addr;
    netns_run(target, (size_t)(comma - target), open_socket, &o);
    if (o.tcp)
        start_tls(e, tls);
    if (!e->direct)
        allocate(e, number);
}

void turn_end_close(struct turn_end *e)
{
    if (e->tls != NULL)
        sp_tls_free(e->tls);
    sp_buf_fini(&e->plain);
    close(e->fd);
}
