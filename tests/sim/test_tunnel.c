/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnel in a simulated world: traffic both ways over lanes that delay, stall, die, end and are
 * replaced, and flows that come and go meanwhile. Of each datagram it is known when it was offered,
 * when it left, when it came; what must hold of it is required on the way, and at the end nothing
 * is unaccounted for. Scenarios are a table, each run with many seeds; what it is there to show
 * must have happened in some of them.
 */
#include <check.h>
#include <stdlib.h>

#include "sim_tunnel.h"
#include "tunnel_impl.h"

#define HEAD          12 /* index, flow, length: what every datagram begins with */
#define FLOWS_MAX     4096
#define REST_US       SP_SEC(120) /* PROTOCOL.md */
#define DEFAULT_SEEDS 40

enum befalls {
    OUTAGES = 1 << 0,
    DEATHS = 1 << 1,
    CLOSES = 1 << 2,
    RESETS = 1 << 3,
};

/* What must have happened in some run of the scenario. */
enum seen {
    COPY = 1 << 0,
    LATE = 1 << 1,
    AGE = 1 << 2,
    FULL = 1 << 3,
    UNKNOWN_FLOW = 1 << 4,
    SUSPECT = 1 << 5,
    LANE_LOST = 1 << 6,
    REPEAT = 1 << 7,
    REFUSED = 1 << 8,
    REUSED = 1 << 9,
    WRAPPED = 1 << 10,
    TOO_BIG = 1 << 11,
};

struct scenario {
    const char *name;
    struct sim_path path;
    unsigned lanes, flows;
    uint64_t spread_us;
    uint64_t run_ms;     /* 0: 3000 */
    unsigned befalls;    /* a lane … */
    uint64_t each_us;    /* … about this often */
    uint64_t away_ms;    /* the whole network is away for so long, once */
    uint64_t drain_ms;   /* when the edge says that it will end */
    uint64_t churn_us;   /* flows are closed and opened about this often */
    uint32_t refuse_ppm; /* flows that the edge's owner refuses */
    size_t queue_bytes;  /* 0: the default */
    size_t max_flows[2];
    uint32_t first_seq;
    uint64_t pace;          /* traffic is so many times slower */
    unsigned least_percent; /* of the datagrams arrive */
    bool clean;             /* all of them, in order */
    bool expires;           /* the edge gives up */
    bool reuse_numbers;     /* as soon as they may be */
    unsigned seeds;         /* 0: DEFAULT_SEEDS */
    unsigned seen;
};

/* --- the world ------------------------------------------------------------------------------ */

enum kind { VOICE, VIDEO, ODD, KINDS };

struct flow {
    struct world *world;
    uint32_t id;
    enum kind kind;
    uint16_t number;
    struct sp_flow *end[2];
    bool closed_by_us[2];
    bool used, handed;  /* a datagram was offered, was handed to a lane, on the gateway */
    bool was_open;      /* on the edge */
    uint64_t closed_us; /* on the gateway */
    struct sp_timer talk[2];
};

struct dgram {
    uint64_t offered_us, handed_us, order;
    uint32_t flow, len;
    bool handed, delivered;
};

/* The highest that was delivered so far, each time it rose. */
struct mark {
    uint64_t at_us, handed_us, order;
};

struct lane_order {
    uint32_t *index;
    size_t n, cap, next;
};

struct way { /* of datagrams from one side */
    struct dgram *d;
    uint32_t n, cap;
    uint64_t handed, delivered;
    struct mark *marks;
    size_t n_marks, cap_marks;
    struct lane_order lanes[1024]; /* by link */
};

struct world {
    struct sim sim;
    const struct scenario *scenario;
    struct sim_tunnel tunnel;
    struct flow flows[FLOWS_MAX];
    unsigned n_flows;
    struct flow *of_number[65536]; /* the last one that the gateway gave it to */
    struct way way[2];
    struct sp_timer fault, churn, away, drain;
    bool quiet; /* no more traffic and faults */
    unsigned closed_on_us, refused, reused;
    uint64_t opened_before; /* the edge drained */
};

static void *grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 256;
    p = realloc(p, *cap * size);
    if (p == NULL)
        abort();
    return p;
}

/* What stands behind the head of a datagram: a piece of this, that depends on the datagram. */
#define NOISE_PERIOD 251
static uint8_t noise[SP_DATAGRAM_MAX + 1 + NOISE_PERIOD];

static void make_noise(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 1);
    sp_rng_bytes(&rng.rng, noise, sizeof noise);
}

/* --- traffic -------------------------------------------------------------------------------- */

static void offer(struct flow *f, unsigned side, uint32_t len)
{
    static uint8_t bytes[SP_DATAGRAM_MAX + 1];
    struct world *w = f->world;
    struct way *way = &w->way[side];
    size_t cap = way->cap;
    uint32_t index = way->n;

    way->d = grow(way->d, way->n, &cap, sizeof *way->d);
    way->cap = (uint32_t)cap;
    f->used |= side == SIM_GATEWAY && len <= SP_DATAGRAM_MAX;
    way->d[way->n++] = (struct dgram){.offered_us = w->sim.now_us, .flow = f->id, .len = len};
    sp_put_be32(bytes, index);
    sp_put_be32(bytes + 4, f->id);
    sp_put_be32(bytes + 8, len);
    memcpy(bytes + HEAD, noise + index % NOISE_PERIOD, len - HEAD);
    size_t cut = (size_t)sim_below(&w->sim, len + 1);
    struct sp_span parts[] = {sp_span(bytes, cut), sp_span(bytes + cut, len - cut)};
    sp_flow_send(f->end[side], parts, 2, w->sim.now_us);
    memset(bytes, 0, len);
}

static uint32_t odd_length(struct world *w)
{
    switch (sim_below(&w->sim, 50)) {
    case 0:
        return SP_DATAGRAM_MAX + 1;
    case 1:
        return SP_DATAGRAM_MAX;
    case 2:
        return HEAD;
    default:
        return (uint32_t)sim_between(&w->sim, HEAD, 1500);
    }
}

static void on_talk(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct flow *f = arg;
    struct world *w = f->world;
    unsigned side = timer == &f->talk[SIM_EDGE];
    uint64_t next_us = SP_MS(20);
    (void)now_us;

    if (f->end[side] == NULL || w->quiet)
        return;
    switch (f->kind) {
    case VOICE:
        offer(f, side, 160);
        break;
    case VIDEO:
        for (uint64_t n = sim_between(&w->sim, 1, 5); n > 0; n--)
            offer(f, side, (uint32_t)sim_between(&w->sim, 900, 1200));
        next_us = SP_MS(33);
        break;
    case ODD:
    case KINDS:
        offer(f, side, odd_length(w));
        next_us = sim_between(&w->sim, 1, SP_MS(120));
        break;
    }
    sim_set(&w->sim, timer, next_us * (w->scenario->pace ? w->scenario->pace : 1));
}

static void talk_soon(struct flow *f, unsigned side)
{
    sim_set(&f->world->sim, &f->talk[side], sim_between(&f->world->sim, 1, SP_MS(20)));
}

/* --- flows ---------------------------------------------------------------------------------- */

static bool open_flow(struct world *w)
{
    struct sp_tunnel *gateway = w->tunnel.end[SIM_GATEWAY].tunnel;
    struct sp_addr local = sp_addr_v4(192, 168, 0, 1, (uint16_t)w->n_flows);
    struct sp_flow *end;

    SIM_REQUIRE(&w->sim, w->n_flows < FLOWS_MAX);
    if (w->scenario->reuse_numbers)
        gateway->last_number = 0;
    int err = sp_flow_open(gateway, SP_FLOW_TURN, &local, w->sim.now_us, &end);
    SIM_REQUIRE(&w->sim, err == 0 || sp_tunnel_flow_count(gateway) == gateway->config.max_flows ||
                             gateway->n_resting >= 4 * gateway->config.max_flows);
    if (err != 0)
        return false;
    struct flow *f = &w->flows[w->n_flows];
    *f =
        (struct flow){.world = w, .id = w->n_flows++, .kind = (enum kind)sim_below(&w->sim, KINDS)};
    f->number = sp_flow_number(end);
    f->end[SIM_GATEWAY] = end;
    sp_flow_set_user(end, f);
    struct flow *before = w->of_number[f->number];
    if (before != NULL) { /* a number rests, unless nobody but us ever heard of it */
        SIM_REQUIRE(&w->sim, before->end[SIM_GATEWAY] == NULL);
        SIM_REQUIRE(&w->sim, !before->used || w->sim.now_us - before->closed_us >= REST_US);
        w->reused += before->used;
    }
    w->of_number[f->number] = f;
    sp_timer_init(&f->talk[SIM_GATEWAY], on_talk, f);
    sp_timer_init(&f->talk[SIM_EDGE], on_talk, f);
    if (!sim_chance(&w->sim, 30000)) /* a few are opened and never used */
        talk_soon(f, SIM_GATEWAY);
    return true;
}

static void forget(struct flow *f, unsigned side)
{
    f->end[side] = NULL;
    sp_timerq_cancel(&f->world->sim.timers, &f->talk[side]);
    if (side == SIM_GATEWAY)
        f->closed_us = f->world->sim.now_us;
}

static void close_flow(struct flow *f, unsigned side)
{
    struct sp_flow *end = f->end[side];

    f->closed_by_us[side] = true;
    forget(f, side);
    sp_flow_close(end, f->world->sim.now_us);
}

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *end, void *arg)
{
    struct world *w = arg;
    struct flow *f = w->of_number[sp_flow_number(end)];
    struct sp_addr local = sp_addr_v4(192, 168, 0, 1, (uint16_t)f->id);
    (void)t;

    SIM_REQUIRE(&w->sim, f != NULL && !f->was_open); /* once in its life */
    SIM_REQUIRE(&w->sim, sp_flow_kind(end) == SP_FLOW_TURN);
    SIM_REQUIRE(&w->sim, sp_addr_eq(sp_flow_local(end), &local));
    if (sim_chance(&w->sim, w->scenario->refuse_ppm))
        return SP_CONTROL_FULL;
    f->was_open = true;
    f->end[SIM_EDGE] = end;
    sp_flow_set_user(end, f);
    if (!w->quiet && sim_chance(&w->sim, 700000))
        talk_soon(f, SIM_EDGE);
    return 0;
}

static void on_flow_closed(struct sim_tunnel *t, unsigned side, struct sp_flow *end, unsigned code,
                           void *arg)
{
    struct world *w = arg;
    struct flow *f = sp_flow_user(end);
    (void)t;

    SIM_REQUIRE(&w->sim, f != NULL && f->end[side] == end);
    SIM_REQUIRE(&w->sim, code == 0 || side == SIM_GATEWAY);
    if (code == SP_CONTROL_RESTING) { /* closed before its OPEN was answered here */
        SIM_REQUIRE(&w->sim, f->closed_by_us[SIM_EDGE]);
    } else if (code != 0) {
        w->refused++;
        SIM_REQUIRE(&w->sim, code == SP_CONTROL_FULL);
    } else { /* somebody closed it, and it was not us */
        SIM_REQUIRE(&w->sim, f->closed_by_us[1 - side] || w->scenario->refuse_ppm > 0);
        w->closed_on_us++;
    }
    forget(f, side);
}

/* --- what befalls a datagram ---------------------------------------------------------------- */

static uint32_t index_of(struct world *w, unsigned from, struct sp_span s)
{
    SIM_REQUIRE(&w->sim, s.len >= HEAD);
    uint32_t index = sp_get_be32(s.p);
    SIM_REQUIRE(&w->sim, index < w->way[from].n);
    return index;
}

static void on_handed(struct sim_link *link, unsigned side, struct sp_span s, bool again, void *arg)
{
    struct world *w = arg;
    struct way *way = &w->way[side];
    uint32_t index = index_of(w, side, s);
    struct dgram *d = &way->d[index];

    SIM_REQUIRE(&w->sim, d->handed == again);
    SIM_REQUIRE(&w->sim, w->sim.now_us - d->offered_us <= w->tunnel.config.end[side].max_age_us);
    if (!again) {
        d->handed = true;
        d->handed_us = w->sim.now_us;
        d->order = way->handed++;
        if (side == SIM_GATEWAY)
            w->flows[d->flow].handed = true;
    }
    SIM_REQUIRE(&w->sim, link->index < SP_ARRAY_LEN(way->lanes));
    struct lane_order *o = &way->lanes[link->index];
    o->index = grow(o->index, o->n, &o->cap, sizeof *o->index);
    o->index[o->n++] = index;
}

/* It may not come later than the bound after one that left later. */
static void check_lateness(struct world *w, struct way *way, const struct dgram *d,
                           uint64_t bound_us)
{
    size_t low = 0, high = way->n_marks;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (way->marks[mid].order > d->order)
            high = mid;
        else
            low = mid + 1;
    }
    if (low < way->n_marks) {
        /* Lanes that are alike swap nothing but what left at the same moment. */
        SIM_REQUIRE(&w->sim, !w->scenario->clean || way->marks[low].handed_us == d->handed_us);
        SIM_REQUIRE(&w->sim, w->sim.now_us - way->marks[low].at_us <= bound_us + bound_us / 32);
        return;
    }
    way->marks = grow(way->marks, way->n_marks, &way->cap_marks, sizeof *way->marks);
    way->marks[way->n_marks++] = (struct mark){w->sim.now_us, d->handed_us, d->order};
}

static void check_lane_order(struct world *w, struct way *way, uint32_t index)
{
    struct lane_order *o = &way->lanes[w->tunnel.reading->index];

    while (o->next < o->n && o->index[o->next] != index)
        o->next++;
    SIM_REQUIRE(&w->sim, o->next < o->n);
    o->next++;
}

static void on_datagram(struct world *w, unsigned to, struct flow *f, struct sp_span s)
{
    struct way *way = &w->way[1 - to];
    uint32_t index = index_of(w, 1 - to, s);
    struct dgram *d = &way->d[index];

    SIM_REQUIRE(&w->sim, d->handed && !d->delivered);
    SIM_REQUIRE(&w->sim, f != NULL && d->flow == f->id && sp_get_be32(s.p + 4) == f->id);
    SIM_REQUIRE(&w->sim, s.len == d->len && sp_get_be32(s.p + 8) == d->len);
    SIM_REQUIRE(&w->sim, memcmp(s.p + HEAD, noise + index % NOISE_PERIOD, s.len - HEAD) == 0);
    check_lateness(w, way, d, w->tunnel.config.end[to].max_age_us);
    check_lane_order(w, way, index);
    d->delivered = true;
    way->delivered++;
}

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *end,
                         const struct sp_span *d, size_t n, void *arg)
{
    struct flow *f = sp_flow_user(end);
    (void)t;

    for (size_t i = 0; i < n; i++)
        on_datagram(arg, side, f, d[i]);
}

static void on_expired(struct sim_tunnel *t, void *arg)
{
    struct world *w = arg;
    (void)t;

    for (unsigned i = 0; i < w->n_flows; i++)
        if (w->flows[i].end[SIM_EDGE] != NULL)
            forget(&w->flows[i], SIM_EDGE);
}

static const struct sim_tunnel_user user = {
    .expired = on_expired,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .handed = on_handed,
};

/* --- what befalls lanes and flows ----------------------------------------------------------- */

static void befall(struct world *w, struct sim_lane *l, unsigned what)
{
    switch (what) {
    case OUTAGES:
        sim_lane_outage(l, SP_MS(300));
        break;
    case DEATHS:
        sim_lane_die(l);
        break;
    case CLOSES:
        sim_lane_close(l, (unsigned)sim_below(&w->sim, 2));
        break;
    case RESETS:
        sim_lane_reset(l);
        break;
    }
}

static uint64_t about(struct world *w, uint64_t us)
{
    return sim_between(&w->sim, us / 2, us * 3 / 2);
}

static void on_fault(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    struct sim_lane *l =
        sim_tunnel_lane(&w->tunnel, (unsigned)sim_below(&w->sim, w->scenario->lanes));
    unsigned what;
    (void)now_us;

    if (w->quiet)
        return;
    do
        what = 1u << sim_below(&w->sim, 4);
    while ((w->scenario->befalls & what) == 0);
    if (l != NULL)
        befall(w, l, what);
    sim_set(&w->sim, timer, about(w, w->scenario->each_us));
}

static void on_churn(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)now_us;

    if (w->quiet)
        return;
    for (unsigned tries = 0; tries < 20; tries++) {
        struct flow *f = &w->flows[sim_below(&w->sim, w->n_flows)];
        unsigned side = (unsigned)sim_below(&w->sim, 2);
        if (f->end[side] == NULL)
            continue;
        close_flow(f, side);
        if (sim_chance(&w->sim, 100000) && f->end[1 - side] != NULL)
            close_flow(f, 1 - side); /* both at once */
        break;
    }
    open_flow(w);
    sim_set(&w->sim, timer, about(w, w->scenario->churn_us));
}

static void on_away(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)now_us;

    if (w->tunnel.network_down) {
        sim_tunnel_network_up(&w->tunnel);
        return;
    }
    sim_tunnel_network_down(&w->tunnel);
    sim_set(&w->sim, timer, SP_MS(w->scenario->away_ms));
}

/* Those that are open on the edge by then live on; see check_drain. */
static void on_drain(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    (void)timer;

    sp_tunnel_drain(w->tunnel.end[SIM_EDGE].tunnel, now_us);
    w->opened_before = sp_tunnel_counters(w->tunnel.end[SIM_EDGE].tunnel)->flows_opened;
}

/* --- a run ---------------------------------------------------------------------------------- */

static void begin(struct world *w, const struct scenario *sc, uint64_t seed)
{
    struct sim_tunnel_config c;

    w->scenario = sc;
    sim_init(&w->sim, sc->name, seed);
    sim_tunnel_config_default(&c);
    c.path = sc->path;
    if (c.path.delay_us == 0)
        c.path.delay_us = SP_MS(30);
    c.path.recover_us = 2 * c.path.delay_us + SP_MS(10);
    c.lanes = sc->lanes;
    c.spread_us = sc->spread_us;
    for (unsigned side = 0; side < 2; side++) {
        if (sc->queue_bytes > 0)
            c.end[side].max_queue_bytes = sc->queue_bytes;
        if (sc->max_flows[side] > 0)
            c.end[side].max_flows = sc->max_flows[side];
    }
    sim_tunnel_init(&w->tunnel, &w->sim, &c, &user, w);
    for (unsigned side = 0; side < 2 && sc->first_seq != 0; side++)
        w->tunnel.end[side].tunnel->next_seq = sc->first_seq;
    sp_timer_init(&w->fault, on_fault, w);
    sp_timer_init(&w->churn, on_churn, w);
    sp_timer_init(&w->away, on_away, w);
    sp_timer_init(&w->drain, on_drain, w);
    sim_run_for(&w->sim, SP_MS(100)); /* lanes are there */
    for (unsigned i = 0; i < sc->flows; i++)
        open_flow(w);
    if (sc->befalls != 0)
        sim_set(&w->sim, &w->fault, about(w, sc->each_us));
    if (sc->churn_us != 0)
        sim_set(&w->sim, &w->churn, about(w, sc->churn_us));
    if (sc->away_ms != 0)
        sim_set(&w->sim, &w->away, about(w, SP_SEC(1)));
    if (sc->drain_ms != 0)
        sim_set(&w->sim, &w->drain, about(w, SP_MS(sc->drain_ms)));
}

static void check_bounds(struct world *w)
{
    const uint64_t offered[2] = {w->way[SIM_GATEWAY].n, w->way[SIM_EDGE].n};
    sim_tunnel_check(&w->tunnel, offered);
}

/* Both ends think the same of every flow, and no transaction is under way. */
static void check_agreement(struct world *w)
{
    size_t open = 0;

    for (unsigned i = 0; i < w->n_flows; i++) {
        const struct flow *f = &w->flows[i];
        bool there = f->end[SIM_GATEWAY] != NULL, here = f->end[SIM_EDGE] != NULL;
        SIM_REQUIRE(&w->sim, here == (there && f->handed));
        open += here;
    }
    SIM_REQUIRE(&w->sim, sp_tunnel_flow_count(w->tunnel.end[SIM_EDGE].tunnel) == open);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned number = 0; number < 65536; number++) {
            const struct sp_flow *f = flow_find(w->tunnel.end[side].tunnel, (uint16_t)number);
            SIM_REQUIRE(&w->sim, f == NULL || f->state != FLOW_CLOSING);
            SIM_REQUIRE(&w->sim,
                        f == NULL || f->state != FLOW_OPENING || !w->of_number[number]->handed);
        }
}

static void check_delivery(struct world *w)
{
    const struct scenario *sc = w->scenario;

    for (unsigned from = 0; from < 2; from++) {
        const struct way *way = &w->way[from];
        const struct sp_tunnel_counters *c = sp_tunnel_counters(w->tunnel.end[1 - from].tunnel);
        uint64_t too_big = sp_tunnel_counters(w->tunnel.end[from].tunnel)->dropped_too_big;

        SIM_REQUIRE(&w->sim, way->delivered == c->datagrams_in);
        SIM_REQUIRE(&w->sim,
                    way->delivered * 100 >= (uint64_t)sc->least_percent * (way->n - too_big));
        if (sc->clean)
            SIM_REQUIRE(&w->sim, way->delivered + too_big == way->n);
    }
    if (sc->churn_us == 0 && sc->refuse_ppm == 0) /* whatever happened to lanes, flows stayed */
        SIM_REQUIRE(&w->sim, w->closed_on_us == 0 && w->refused == 0);
}

/* The gateway has heard it, whatever happened to lanes, and no flow began after that. */
static void check_drain(struct world *w)
{
    const struct sim_end *gateway = &w->tunnel.end[SIM_GATEWAY], *edge = &w->tunnel.end[SIM_EDGE];

    SIM_REQUIRE(&w->sim, gateway->draining == (w->scenario->drain_ms != 0));
    SIM_REQUIRE(&w->sim, edge->draining == 0);
    SIM_REQUIRE(&w->sim, w->scenario->drain_ms == 0 ||
                             sp_tunnel_counters(edge->tunnel)->flows_opened == w->opened_before);
}

static unsigned what_was_seen(struct world *w)
{
    unsigned seen = w->refused > 0 ? REFUSED : 0;

    if (w->reused > 0)
        seen |= REUSED;
    if (w->tunnel.suspected > 0)
        seen |= SUSPECT;
    for (unsigned side = 0; side < 2 && w->tunnel.end[side].tunnel != NULL; side++) {
        const struct sp_tunnel_counters *c = sp_tunnel_counters(w->tunnel.end[side].tunnel);
        seen |= c->dropped_copy > 0 ? COPY : 0;
        seen |= c->dropped_late > 0 ? LATE : 0;
        seen |= c->dropped_age > 0 ? AGE : 0;
        seen |= c->dropped_full > 0 ? FULL : 0;
        seen |= c->dropped_too_big > 0 ? TOO_BIG : 0;
        seen |= c->dropped_unknown_flow > 0 ? UNKNOWN_FLOW : 0;
        seen |= c->lanes_lost > 0 ? LANE_LOST : 0;
        seen |= c->control_repeats > 0 ? REPEAT : 0;
        if (w->tunnel.end[side].tunnel->next_seq < w->scenario->first_seq)
            seen |= WRAPPED;
    }
    return seen;
}

static void end(struct world *w)
{
    sp_timerq_cancel(&w->sim.timers, &w->fault);
    sp_timerq_cancel(&w->sim.timers, &w->churn);
    sp_timerq_cancel(&w->sim.timers, &w->away);
    sp_timerq_cancel(&w->sim.timers, &w->drain);
    for (unsigned i = 0; i < w->n_flows; i++)
        for (unsigned side = 0; side < 2; side++)
            sp_timerq_cancel(&w->sim.timers, &w->flows[i].talk[side]);
    sim_tunnel_fini(&w->tunnel);
    for (unsigned side = 0; side < 2; side++) {
        struct way *way = &w->way[side];
        for (size_t i = 0; i < SP_ARRAY_LEN(way->lanes); i++)
            free(way->lanes[i].index);
        free(way->marks);
        free(way->d);
    }
    sim_fini(&w->sim);
    free(w);
}

/* One that the edge gave up: once, after the linger time, not before. */
static void check_expiry(struct world *w)
{
    SIM_REQUIRE(&w->sim, w->tunnel.expired == 1 && w->tunnel.end[SIM_EDGE].tunnel == NULL);
    SIM_REQUIRE(&w->sim, w->tunnel.expired_us - w->tunnel.alone_us ==
                             w->tunnel.config.end[SIM_EDGE].linger_us);
}

static unsigned run(const struct scenario *sc, uint64_t seed)
{
    struct world *w = sim_alloc(sizeof *w);
    uint64_t left_ms = sc->run_ms ? sc->run_ms : 3000;

    begin(w, sc, seed);
    for (; left_ms > 0; left_ms -= left_ms < 50 ? left_ms : 50) {
        sim_run_for(&w->sim, SP_MS(left_ms < 50 ? left_ms : 50));
        check_bounds(w);
    }
    w->quiet = true;
    sim_run_for(&w->sim,
                SP_SEC(30) + SP_MS(sc->away_ms)); /* all that is under way comes to an end */
    check_bounds(w);
    if (sc->expires) {
        check_expiry(w);
    } else {
        SIM_REQUIRE(&w->sim, w->tunnel.expired == 0);
        check_agreement(w);
        check_delivery(w);
        check_drain(w);
    }
    unsigned seen = what_was_seen(w);
    end(w);
    return seen;
}

/* --- scenarios ------------------------------------------------------------------------------ */

static const struct scenario scenarios[] = {
    {.name = "one clean lane", .lanes = 1, .flows = 3, .clean = true},
    {.name = "clean lanes", .lanes = 4, .flows = 6, .clean = true, .run_ms = 2000},
    {.name = "cut at each byte",
     .path = {.cut = SIM_CUT_BYTES},
     .seeds = 8,
     .lanes = 2,
     .flows = 2,
     .clean = true,
     .run_ms = 500},
    {.name = "cut anywhere",
     .path = {.cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .clean = true},
    {.name = "losses",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .least_percent = 95,
     .seen = 0},
    {.name = "one lane with losses",
     .path = {.loss_ppm = 30000},
     .lanes = 1,
     .flows = 4,
     .least_percent = 100 - 5},
    {.name = "the edge drains",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES | CLOSES | RESETS,
     .each_us = SP_MS(150),
     .drain_ms = 1500,
     .least_percent = 70,
     .seen = LANE_LOST | REPEAT},
    {.name = "outages",
     .path = {.loss_ppm = 10000},
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES,
     .each_us = SP_MS(150),
     .least_percent = 90},
    {.name = "silent deaths",
     .path = {.cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .run_ms = 6000,
     .befalls = DEATHS,
     .each_us = SP_MS(800),
     .least_percent = 50,
     .seen = SUSPECT},
    {.name = "ends and resets",
     .path = {.loss_ppm = 10000, .cut = SIM_CUT_RANDOMLY},
     .lanes = 4,
     .flows = 4,
     .befalls = CLOSES | RESETS,
     .each_us = SP_MS(200),
     .least_percent = 80,
     .seen = LANE_LOST},
    {.name = "the network is away",
     .lanes = 4,
     .flows = 4,
     .run_ms = 8000,
     .away_ms = 3000,
     .least_percent = 30,
     .seen = AGE | SUSPECT},
    {.name = "no lane for nearly the linger time",
     .lanes = 3,
     .flows = 3,
     .run_ms = 60000,
     .away_ms = 48000, /* of which 20 s pass before the ends notice */
     .pace = 10,
     .seen = AGE | LANE_LOST},
    {.name = "no lane for longer",
     .lanes = 3,
     .flows = 3,
     .run_ms = 60000,
     .away_ms = 55000,
     .pace = 10,
     .expires = true},
    {.name = "lanes of different length",
     .path = {.delay_us = SP_MS(20)},
     .spread_us = SP_MS(900),
     .lanes = 4,
     .flows = 4,
     .least_percent = 20,
     .seen = LATE},
    {.name = "a narrow path",
     .path = {.bytes_per_s = 30000, .window_bytes = 8000, .room_bytes = 4000},
     .lanes = 2,
     .flows = 6,
     .churn_us = SP_MS(100),
     .seen = AGE | REPEAT},
    {.name = "a small queue",
     .path = {.bytes_per_s = 100000, .window_bytes = 8000, .room_bytes = 2000},
     .lanes = 2,
     .flows = 6,
     .queue_bytes = 6000,
     .seen = FULL | TOO_BIG},
    {.name = "flows come and go",
     .path = {.loss_ppm = 30000},
     .spread_us = SP_MS(100),
     .seeds = 20,
     .lanes = 4,
     .flows = 6,
     .churn_us = SP_MS(15),
     .least_percent = 30,
     .seen = UNKNOWN_FLOW | REPEAT | COPY},
    {.name = "flows come and go over dying lanes",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .spread_us = SP_MS(60),
     .seeds = 20,
     .lanes = 4,
     .flows = 6,
     .run_ms = 5000,
     .churn_us = SP_MS(20),
     .befalls = OUTAGES | DEATHS | CLOSES | RESETS,
     .each_us = SP_MS(300),
     .least_percent = 20,
     .seen = UNKNOWN_FLOW | REPEAT | COPY | SUSPECT | LANE_LOST},
    {.name = "flows come and go while the network is away",
     .lanes = 3,
     .flows = 16,
     .run_ms = 20000,
     .away_ms = 16000,
     .churn_us = SP_MS(200),
     .pace = 5,
     .seen = REPEAT | SUSPECT},
    {.name = "flows at their bound",
     .path = {.loss_ppm = 20000},
     .lanes = 3,
     .flows = 8,
     .max_flows = {8, 6},
     .churn_us = SP_MS(50),
     .refuse_ppm = 1,
     .seen = REFUSED},
    {.name = "flows refused",
     .path = {.loss_ppm = 20000},
     .spread_us = SP_MS(100),
     .lanes = 3,
     .flows = 8,
     .churn_us = SP_MS(40),
     .refuse_ppm = 400000,
     .seen = REFUSED},
    {.name = "numbers in use again",
     .path = {.loss_ppm = 50000},
     .spread_us = SP_MS(200),
     .seeds = 6,
     .lanes = 3,
     .flows = 4,
     .run_ms = 300000,
     .pace = 100,
     .churn_us = SP_MS(300),
     .befalls = DEATHS | RESETS,
     .each_us = SP_SEC(20),
     .reuse_numbers = true,
     .seen = REUSED},
    {.name = "sequence numbers wrap",
     .path = {.loss_ppm = 30000},
     .spread_us = SP_MS(100),
     .lanes = 4,
     .flows = 4,
     .befalls = OUTAGES | RESETS,
     .each_us = SP_MS(300),
     .first_seq = UINT32_MAX - 150,
     .least_percent = 70,
     .seen = WRAPPED},
    {.name = "clean lanes, sequence numbers wrap",
     .lanes = 4,
     .flows = 4,
     .first_seq = UINT32_MAX - 100,
     .clean = true,
     .seen = WRAPPED},
};

START_TEST(scenario)
{
    const struct scenario *sc = &scenarios[_i];
    unsigned least = sc->seeds ? sc->seeds : DEFAULT_SEEDS, n = sim_seeds(least), seen = 0;

    make_noise();
    for (unsigned i = 0; i < n; i++)
        seen |= run(sc, sim_first_seed() + i);
    if (n >= least)
        ck_assert_msg((seen & sc->seen) == sc->seen, "%s: of 0x%x, 0x%x never happened", sc->name,
                      sc->seen, sc->seen & ~seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_tunnel");
    TCase *tc = tcase_create("tunnel");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, scenario, 0, (int)SP_ARRAY_LEN(scenarios));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
