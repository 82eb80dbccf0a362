/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long datagrams take from one client of a TURN server to another, on one host and by one
 * clock. Several paths are measured in turn, a datagram each, so that whatever else the machine
 * does meets all of them alike.
 *
 *     turn_delay COUNT INTERVAL_MS BYTES NAME=TARGET[,TARGET]...
 *
 * COUNT datagrams of BYTES go by each path, one by each every INTERVAL_MS, spread evenly. TARGET is
 * "udp:ADDR:PORT" or "tls:ADDR:PORT" of a TURN server that knows the user test:test; sender and
 * receiver may have different ones, as when each is behind a gateway of its own. "direct" is a pair
 * of UDP sockets on loopback, with nothing in between: what the others are compared with.
 * "relays:N" is the same with N processes in between that do nothing but send on (bare_relays.h).
 *
 * Prints a JSON object a path, delays in microseconds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bare_relays.h"
#include "io_loop.h"
#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/msg_stream.h"
#include "sallyport/sock.h"
#include "sallyport/tls_ctx.h"
#include "turn_user.h"

#define CHANNEL    0x4000
#define PATHS_MAX  16
#define BYTES_MAX  1400
#define RELAYS_MAX 16
#define STAMP_LEN  12 /* nanoseconds, number */
#define WAIT_S     1  /* for the last ones */

struct bench;

/* One client, or one socket of a direct path. */
struct end {
    struct bench *bench;
    struct path *path;
    const char *target;
    int fd; /* UDP; else -1 */
    ev_io readable;
    struct sp_stream *stream; /* TLS, until it is up */
    struct sp_msg_stream *messages;
    struct turn_user user;
    bool up, answered;
    int answer;
};

struct path {
    char name[64];
    bool bare;       /* no TURN: two sockets, */
    unsigned relays; /* and so many processes in between */
    struct end from, to;
    unsigned sent, came;
    uint32_t *delays_ns; /* of those that came */
};

struct bench {
    struct io_loop loop;
    struct sp_tls_ctx *tls;
    struct sp_rng_seeded rng; /* of maps' keys */
    unsigned count, bytes;
    double interval_s;
    struct path paths[PATHS_MAX];
    size_t n_paths, next;
    ev_timer tick, end;
};

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "turn_delay: %s: %s\n", which, what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void take_stamp(struct path *p, struct sp_span data, uint64_t at_ns)
{
    if (data.len >= STAMP_LEN && p->came < p->sent)
        p->delays_ns[p->came++] = (uint32_t)(at_ns - sp_get_be64(data.p));
}

static void take_message(struct end *e, struct sp_span msg, uint64_t at_ns)
{
    struct sp_chandata c;

    if (e->path->bare) {
        take_stamp(e->path, msg, at_ns);
    } else if (sp_chandata_looks_like(msg)) {
        if (sp_chandata_parse(msg, &c) == 0)
            take_stamp(e->path, c.data, at_ns);
    } else if ((e->answer = turn_user_take(&e->user, msg)) >= 0) {
        e->answered = true;
    }
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct end *e = w->data;
    uint8_t bytes[2048];
    ssize_t n;

    (void)loop;
    (void)events;
    while ((n = recv(e->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0)
        take_message(e, sp_span(bytes, (size_t)n), now_ns());
    if (errno != EAGAIN)
        die(strerror(errno), e->target);
}

static void on_messages(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n, void *arg)
{
    uint64_t at_ns = now_ns();

    (void)m;
    for (size_t i = 0; i < n; i++)
        take_message(arg, msgs[i], at_ns);
}

static void on_messages_closed(struct sp_msg_stream *m, int why, void *arg)
{
    struct end *e = arg;

    (void)m;
    die(sp_strerror(why), e->target);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void on_established(struct sp_stream *s, void *arg)
{
    struct end *e = arg;

    if (sp_stream_tls(s) == NULL) {
        if (sp_stream_start_tls_client(s, e->bench->tls, "edge.test", SP_SEC(5)) != 0)
            die("no TLS", e->target);
        return;
    }
    e->up = true;
}

static void on_input(struct sp_stream *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct end *e = arg;

    (void)why;
    die(sp_stream_why(s), e->target);
}

static bool is_up(void *arg)
{
    struct end *e = arg;
    return e->up;
}

static void open_tls(struct end *e, const struct sp_addr *server)
{
    static const struct sp_stream_events first = {
        .established = on_established, .input = on_input, .closed = on_closed};
    static const struct sp_msg_stream_events events = {on_messages, on_messages_closed};
    const struct sp_msg_stream_config config = {256 * 1024, SP_SEC(5), &e->bench->rng.rng,
                                                SP_MSG_TURN};
    struct sp_ticker *ticker = &e->bench->loop.ticker;

    if (sp_stream_connect(ticker, server, SP_SEC(5), &first, e, &e->stream) != 0 ||
        !io_loop_until(&e->bench->loop, is_up, e))
        die("cannot connect", e->target);
    if (sp_msg_stream_new(e->stream, ticker, &config, &events, e, &e->messages) != 0)
        die("no memory", e->target);
}

/* `server` NULL: one of a bare pair. */
static struct sp_addr open_udp(struct end *e, const struct sp_addr *server)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound;

    if (server != NULL)
        any = (struct sp_addr){.family = server->family};
    if (sp_sock_udp(&any, NULL, &e->fd, &bound) != 0)
        die(strerror(errno), e->target);
    ev_io_init(&e->readable, on_readable, e->fd, EV_READ);
    e->readable.data = e;
    ev_io_start(e->bench->loop.loop, &e->readable);
    return bound;
}

static void connect_udp(struct end *e, const struct sp_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);

    if (connect(e->fd, (struct sockaddr *)&ss, len) != 0)
        die(strerror(errno), e->target);
}

static void send_message(struct end *e, struct sp_span msg)
{
    if (e->fd < 0)
        sp_msg_stream_send(e->messages, &msg, 1, sp_clock_us());
    else if (send(e->fd, msg.p, msg.len, 0) < 0)
        die(strerror(errno), e->target);
}

/* ---- TURN ------------------------------------------------------------------------------------ */

static bool is_answered(void *arg)
{
    struct end *e = arg;
    return e->answered;
}

static int transact(struct end *e, struct sp_span request)
{
    e->answered = false;
    send_message(e, request);
    if (!io_loop_until(&e->bench->loop, is_answered, e))
        die("no answer", e->target);
    return e->answer;
}

static void allocate(struct end *e)
{
    static uint32_t seed;

    turn_user_init(&e->user, "test", "test", ++seed);
    int code = transact(e, turn_user_allocate(&e->user));

    if (code == 401)
        code = transact(e, turn_user_allocate(&e->user));
    if (code != 0)
        die("no allocation", e->target);
}

static void bind_channel(struct end *e, const struct sp_addr *peer)
{
    if (transact(e, turn_user_bind(&e->user, CHANNEL, peer)) != 0)
        die("no channel", e->target);
}

static void open_end(struct end *e)
{
    struct sp_addr server;

    if (sp_addr_parse(strchr(e->target, ':') + 1, &server) != 0)
        die("not an address with a port", e->target);
    if (strncmp(e->target, "tls:", 4) == 0) {
        open_tls(e, &server);
    } else {
        open_udp(e, &server);
        connect_udp(e, &server);
    }
    allocate(e);
}

static void open_path(struct path *p)
{
    if (p->bare) {
        struct sp_addr to = open_udp(&p->to, NULL);
        to = bare_relays_start(p->relays, &to);
        open_udp(&p->from, NULL);
        connect_udp(&p->from, &to);
        return;
    }
    open_end(&p->from);
    open_end(&p->to);
    bind_channel(&p->from, &p->to.user.relayed);
    bind_channel(&p->to, &p->from.user.relayed);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void send_stamped(struct bench *b, struct path *p)
{
    uint8_t bytes[SP_CHANDATA_HEADER_LEN + BYTES_MAX] = {0};
    uint8_t *stamp = bytes + SP_CHANDATA_HEADER_LEN;

    sp_chandata_header(bytes, CHANNEL, (uint16_t)b->bytes);
    sp_put_be32(stamp + 8, p->sent++);
    sp_put_be64(stamp, now_ns());
    if (p->bare)
        send_message(&p->from, sp_span(stamp, b->bytes));
    else
        send_message(&p->from, sp_span(bytes, SP_CHANDATA_HEADER_LEN + b->bytes));
}

static void on_end(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)w;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
    struct bench *b = w->data;
    struct path *p = &b->paths[b->next++ % b->n_paths];

    (void)events;
    send_stamped(b, p);
    if (b->next == b->n_paths * b->count) {
        ev_timer_stop(loop, w);
        ev_timer_start(loop, &b->end);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_us(const struct path *p, double q)
{
    return p->delays_ns[(size_t)(q * (p->came - 1) + 0.5)] / 1000.0;
}

static void report(const struct bench *b, struct path *p)
{
    if (p->came == 0)
        die("nothing came", p->name);
    qsort(p->delays_ns, p->came, sizeof *p->delays_ns, by_size);
    printf("{\"path\": \"%s\", \"interval_ms\": %.0f, \"bytes\": %u, \"sent\": %u, \"lost\": %u, "
           "\"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           p->name, b->interval_s * 1000, b->bytes, p->sent, p->sent - p->came, quantile_us(p, 0.5),
           quantile_us(p, 0.9), quantile_us(p, 0.99), quantile_us(p, 1));
}

/* ---- the command line ------------------------------------------------------------------------ */

static unsigned number(const char *text, unsigned min, unsigned max, const char *what)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n < min || n > max) {
        fprintf(stderr, "turn_delay: %s %s: from %u to %u\n", what, text, min, max);
        exit(2);
    }
    return (unsigned)n;
}

static void init_end(struct end *e, struct bench *b, struct path *p, const char *target)
{
    e->bench = b;
    e->path = p;
    e->target = target;
    e->fd = -1;
}

/* "NAME=TARGET,TARGET"; one target serves both. Cuts it to pieces. */
static void add_path(struct bench *b, char *text)
{
    struct path *p = &b->paths[b->n_paths++];
    char *from = strchr(text, '='), *to;

    if (from == NULL || b->n_paths > PATHS_MAX) {
        fprintf(stderr, "turn_delay: %s: want NAME=TARGET[,TARGET], at most %d\n", text, PATHS_MAX);
        exit(2);
    }
    *from++ = '\0';
    snprintf(p->name, sizeof p->name, "%s", text);
    if ((to = strchr(from, ',')) != NULL)
        *to++ = '\0';
    else
        to = from;
    if (strncmp(from, "relays:", 7) == 0)
        p->relays = number(from + 7, 1, RELAYS_MAX, "relays:N");
    p->bare = p->relays > 0 || strcmp(from, "direct") == 0;
    if (!p->bare && (strchr(from, ':') == NULL || strchr(to, ':') == NULL)) {
        fprintf(stderr, "turn_delay: %s: want udp:ADDR:PORT, tls:ADDR:PORT, relays:N or direct\n",
                from);
        exit(2);
    }
    init_end(&p->from, b, p, from);
    init_end(&p->to, b, p, to);
    if ((p->delays_ns = calloc(b->count, sizeof *p->delays_ns)) == NULL)
        die("no memory", text);
}

int main(int argc, char **argv)
{
    static struct bench b;
    char why[SP_TLS_ERROR_MAX];

    if (argc < 5) {
        fprintf(stderr, "usage: turn_delay COUNT INTERVAL_MS BYTES NAME=TARGET[,TARGET]...\n");
        return 2;
    }
    b.count = number(argv[1], 1, 10000000, "COUNT");
    b.interval_s = number(argv[2], 1, 10000, "INTERVAL_MS") / 1000.0;
    b.bytes = number(argv[3], STAMP_LEN, BYTES_MAX, "BYTES");
    for (int i = 4; i < argc; i++)
        add_path(&b, argv[i]);
    if (sp_tls_ctx_client(getenv("TURN_DELAY_CA"), NULL, &b.tls, why) != 0)
        die(why, "TLS");
    io_loop_init(&b.loop);
    sp_rng_seeded_init(&b.rng, 1);
    for (size_t i = 0; i < b.n_paths; i++)
        open_path(&b.paths[i]);
    ev_timer_init(&b.tick, on_tick, 0.1, b.interval_s / (double)b.n_paths);
    ev_timer_init(&b.end, on_end, WAIT_S, 0);
    b.tick.data = &b;
    ev_timer_start(b.loop.loop, &b.tick);
    ev_run(b.loop.loop, 0);
    for (size_t i = 0; i < b.n_paths; i++)
        report(&b, &b.paths[i]);
    return 0; /* what is open ends with the process */
}
