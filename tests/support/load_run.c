/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "sallyport/clock.h"

#define IN_FLIGHT   64  /* pairs that are being set up at once */
#define TURN_MAX    512 /* datagrams sent before what came is read */
#define REMIND_S    0.1
#define PATIENCE_MS 10000
#define EACH_MS     10
#define QUIET_MS    100       /* nothing came for so long: nothing will come */
#define DRAIN_MAX   100       /* times that */
#define USELESS_NS  100000000 /* of a call it is as good as lost then */
#define MORE_FILES  64

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_burst(struct load *l, enum load_stream_kind stream, uint32_t end)
{
    struct load_shape *s = &l->shapes[stream];

    for (unsigned i = 0; i < s->burst && l->left > 0; i++) {
        load_end_send(&l->ends[end], stream, s->bytes);
        l->sent++;
        l->left--;
    }
}

static void send_due(struct load *l, enum load_stream_kind stream)
{
    struct load_shape *s = &l->shapes[stream];
    uint64_t now_ns = load_now_ns(), until = l->sent + TURN_MAX;
    uint32_t end;

    if (s->ends == 0)
        return;
    if ((double)now_ns - s->due_ns > (double)l->behind_ns)
        l->behind_ns = (uint64_t)((double)now_ns - s->due_ns);
    while (l->left > 0 && l->sent < until && load_shape_next(s, now_ns, &end))
        send_burst(l, stream, end);
}

static void send_all_due(struct load *l)
{
    if (!l->sending)
        return;
    for (int stream = 0; stream < LOAD_STREAMS; stream++)
        send_due(l, (enum load_stream_kind)stream);
    load_world_flush(&l->world);
}

static void on_tick(struct ev_loop *loop, ev_io *w, int events)
{
    struct load *l = w->data;
    uint64_t ticks;

    (void)loop;
    (void)events;
    if (read(l->timer_fd, &ticks, sizeof ticks) >= 0)
        send_all_due(l);
}

/* Sleeps in between whatever comes, so that nobody who sends to us has to wake us up. */
static bool run_by_ticks(struct load *l, io_loop_fn *done, uint64_t us)
{
    uint64_t next_ns = load_now_ns(), until_ns = next_ns + us * 1000;
    bool is_done = false;

    while (!(is_done = done != NULL && done(l)) && load_now_ns() < until_ns) {
        next_ns += (uint64_t)l->c.tick_us * 1000;
        const struct timespec at = {(time_t)(next_ns / 1000000000), (long)(next_ns % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        ev_run(l->loop.loop, EVRUN_NOWAIT);
        send_all_due(l);
        ev_run(l->loop.loop, EVRUN_NOWAIT); /* what was put off leaves */
        if (load_now_ns() > next_ns + 1000000)
            next_ns = load_now_ns(); /* it does not catch up by haste */
    }
    return is_done;
}

static bool run(struct load *l, io_loop_fn *done, unsigned ms)
{
    if (l->c.by_ticks)
        return run_by_ticks(l, done, SP_MS(ms));
    l->loop.patience_ms = ms;
    if (done != NULL)
        return io_loop_until(&l->loop, done, l);
    io_loop_for(&l->loop, ms);
    return false;
}

static void start_ticking(struct load *l, unsigned us)
{
    if (l->c.by_ticks)
        return;
    struct itimerspec t = {{us / 1000000, us % 1000000 * 1000},
                           {us / 1000000, us % 1000000 * 1000}};

    if (timerfd_settime(l->timer_fd, 0, &t, NULL) != 0)
        die(strerror(errno));
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* Pairs are started as others are done. */
static void open_more(struct load *l)
{
    while (l->opened < l->n_ends && l->opened - l->world.ready < 2 * IN_FLIGHT) {
        load_end_open(&l->ends[l->opened]);
        load_end_open(&l->ends[l->opened + 1]);
        l->opened += 2;
    }
    load_world_flush(&l->world);
}

static bool is_open(void *arg)
{
    struct load *l = arg;

    open_more(l);
    return l->world.ready == l->n_ends;
}

static void on_remind(struct ev_loop *loop, ev_timer *w, int events)
{
    struct load *l = w->data;
    uint64_t now_us = sp_clock_us();

    (void)loop;
    (void)events;
    for (uint32_t i = 0; i < l->opened; i++)
        load_end_remind(&l->ends[i], now_us);
    load_world_flush(&l->world);
}

static void take_udp(uint32_t host, struct sp_span datagram, void *arg)
{
    struct load *l = arg;

    if (host < l->n_ends)
        load_end_take(&l->ends[host], datagram, load_now_ns());
}

static struct sp_flow *open_flow(struct load_end *e, void *arg)
{
    struct load *l = arg;

    return load_tunnels_flow(&l->tunnels[e->number & 1], e->number / 2 / l->c.flows, e);
}

static uint64_t loop_now_us(void *arg)
{
    struct load *l = arg;
    return sp_ticker_now(&l->loop.ticker);
}

static void raise_files(uint64_t want)
{
    struct rlimit r;
    char why[128];

    getrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur >= want)
        return;
    r.rlim_cur = want;
    if (r.rlim_max < want) /* root may */
        r.rlim_max = want;
    if (setrlimit(RLIMIT_NOFILE, &r) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &r);
    snprintf(why, sizeof why, "needs %llu descriptors, and may have %llu (ulimit -n)",
             (unsigned long long)want, (unsigned long long)r.rlim_max);
    die(why);
}

static uint64_t open_tunnels(struct load *l)
{
    const struct load_config *c = &l->c;
    uint64_t lanes = 0;

    for (int i = 0; i < 2; i++) {
        const struct load_tunnels_config t = {(c->pairs + c->flows - 1) / c->flows, c->lanes,
                                              c->sides[i].server, c->tls, c->token};
        if (c->sides[i].kind == LOAD_TUNNEL) {
            raise_files(MORE_FILES + lanes + t.n * t.lanes);
            load_tunnels_open(&l->tunnels[i], &l->loop, &t);
            lanes += t.n * t.lanes;
        }
    }
    return lanes;
}

static void init_ends(struct load *l)
{
    l->n_ends = l->c.tunnels_only ? 0 : 2 * l->c.pairs;
    l->ends = calloc(2 * l->c.pairs, sizeof *l->ends);
    l->world.dirty = calloc(2 * l->c.pairs, sizeof *l->world.dirty);
    if (l->ends == NULL || l->world.dirty == NULL)
        die("no memory");
    for (uint32_t i = 0; i < l->n_ends; i++)
        l->ends[i] = (struct load_end){.world = &l->world,
                                       .number = i,
                                       .kind = l->c.sides[i & 1].kind,
                                       .server = l->c.sides[i & 1].server,
                                       .other = &l->ends[i ^ 1]};
}

/* Of ends, each of which wants a descriptor. */
static uint64_t connections(const struct load *l)
{
    uint64_t n = 0;

    for (int i = 0; i < 2; i++)
        if (l->c.sides[i].kind == LOAD_TCP || l->c.sides[i].kind == LOAD_TLS)
            n += l->n_ends / 2;
    return n;
}

void load_open(struct load *l, const struct load_config *c)
{
    uint64_t start_us = sp_clock_us(), lanes;

    *l = (struct load){.c = *c};
    io_loop_init(&l->loop);
    l->world = (struct load_world){.loop = l->loop.loop,
                                   .tls = c->tls,
                                   .since_ns = UINT64_MAX,
                                   .arg = l,
                                   .flow_open = open_flow,
                                   .now_us = loop_now_us};
    init_ends(l);
    load_udp_init(&l->world.udp, l->loop.loop, &c->sources, take_udp, l);
    lanes = open_tunnels(l);
    raise_files(MORE_FILES + lanes + connections(l));
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ev_io_init(&l->tick, on_tick, l->timer_fd, EV_READ);
    ev_timer_init(&l->remind, on_remind, REMIND_S, REMIND_S);
    l->tick.data = l->remind.data = l;
    ev_io_start(l->loop.loop, &l->tick);
    ev_timer_start(l->loop.loop, &l->remind);
    l->loop.patience_ms = PATIENCE_MS + EACH_MS * l->n_ends;
    if (!io_loop_until(&l->loop, is_open, l)) {
        char why[96];
        snprintf(why, sizeof why, "%u of %u ends were ready within %u s", l->world.ready, l->n_ends,
                 l->loop.patience_ms / 1000);
        die(why);
    }
    ev_timer_stop(l->loop.loop, &l->remind);
    l->opened_us = sp_clock_us() - start_us;
}

void load_close(struct load *l)
{
    ev_io_stop(l->loop.loop, &l->tick);
    close(l->timer_fd);
    for (uint32_t i = 0; i < l->n_ends; i++)
        load_end_close(&l->ends[i]);
    for (int i = 0; i < 2; i++)
        if (l->tunnels[i].n > 0)
            load_tunnels_close(&l->tunnels[i]);
    load_udp_fini(&l->world.udp);
    free(l->ends);
    free(l->world.dirty);
    io_loop_fini(&l->loop);
}

/* ---- measuring ------------------------------------------------------------------------------- */

void load_shape(struct load *l, enum load_stream_kind stream, double per_s, unsigned burst,
                unsigned bytes)
{
    l->shapes[stream] = (struct load_shape){0};
    l->world.len[stream] = per_s > 0 ? bytes : 0;
    if (per_s > 0)
        load_shape_init(&l->shapes[stream], l->n_ends, per_s, burst, bytes);
}

static double total_rate(const struct load *l)
{
    double rate = 0;

    for (int i = 0; i < LOAD_STREAMS; i++)
        if (l->shapes[i].ends > 0)
            rate += load_shape_rate(&l->shapes[i]);
    return rate;
}

static bool is_sent(void *arg)
{
    struct load *l = arg;
    return l->left == 0;
}

/* Sends as many as belong into that time; true unless it takes three times as long. */
static bool send_for(struct load *l, double seconds)
{
    uint64_t now_ns = load_now_ns();

    for (int i = 0; i < LOAD_STREAMS; i++)
        load_shape_start(&l->shapes[i], now_ns);
    l->sent = l->behind_ns = 0;
    l->left = (uint64_t)(total_rate(l) * seconds + 0.5);
    l->sending = true;
    bool done = run(l, is_sent, (unsigned)(3000 * seconds) + 1000);
    l->sending = false;
    return done;
}

/* Until nothing comes any more, of this or of earlier times; where nothing of this has come at all,
 * longer: on a busy machine a program in between may not have had its turn yet. */
static void drain(struct load *l, const uint64_t *of_this)
{
    const struct load_tally *t = &l->world.tally;
    uint64_t before, now = t->delivered + t->before;
    unsigned times = 0;

    do {
        before = now;
        run(l, NULL, QUIET_MS);
        now = t->delivered + t->before;
    } while ((now != before || (*of_this == 0 && l->sent > 0)) && times++ < DRAIN_MAX);
}

static void mark(const struct load *l, const char *what)
{
    char command[1024];

    if (l->c.mark == NULL)
        return;
    snprintf(command, sizeof command, "%s %s >&2", l->c.mark, what);
    if (system(command) != 0)
        die("the command that marks failed");
}

static void look_at(pid_t pid, const char *what, struct process_use *out)
{
    *out = (struct process_use){0};
    if (pid != 0 && !process_use_read(pid, out)) {
        fprintf(stderr, "load: the %s is gone\n", what);
        exit(1);
    }
}

static uint64_t own_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void load_measure(struct load *l, double warm_s, double seconds, struct load_result *out)
{
    struct load_tally *t = &l->world.tally;
    struct process_use server[2], gateway[2];
    uint64_t own, start_ns;

    l->world.since_ns = UINT64_MAX;
    start_ticking(l, l->c.tick_us);
    send_for(l, warm_s);
    drain(l, &t->before);
    mark(l, "start");
    *t = (struct load_tally){0};
    l->world.refused = 0;
    start_ns = l->world.since_ns = load_now_ns();
    own = own_cpu_ns();
    look_at(l->c.server, "server", &server[0]);
    look_at(l->c.gateway, "gateway", &gateway[0]);
    send_for(l, seconds);
    out->seconds = (double)(load_now_ns() - start_ns) / 1e9;
    start_ticking(l, 0);
    drain(l, &t->delivered);
    look_at(l->c.server, "server", &server[1]);
    look_at(l->c.gateway, "gateway", &gateway[1]);
    *out = (struct load_result){.rate = total_rate(l),
                                .seconds = out->seconds,
                                .sent = l->sent,
                                .delivered = t->delivered,
                                .copies = t->copies,
                                .wrong = t->wrong,
                                .late = load_tally_longer(t, USELESS_NS),
                                .refused = l->world.refused,
                                .p50_us = load_tally_quantile_us(t, 0.5),
                                .p99_us = load_tally_quantile_us(t, 0.99),
                                .p999_us = load_tally_quantile_us(t, 0.999),
                                .behind_ms = (double)l->behind_ns / 1e6,
                                .own_cpu_ns = own_cpu_ns() - own,
                                .server_cpu_ns = server[1].cpu_ns - server[0].cpu_ns,
                                .gateway_cpu_ns = gateway[1].cpu_ns - gateway[0].cpu_ns,
                                .server_rss_kb = server[1].rss_kb};
    mark(l, "end");
    for (int i = 0; i < 2; i++)
        load_tunnels_check(&l->tunnels[i]);
}
