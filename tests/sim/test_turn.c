/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dual-sided call in a simulated world: two gateways, each with its tunnel to one edge whose
 * relays are virtual. Browsers behind them allocate, exchange relayed addresses, install
 * permissions and channels, and talk by hairpin, while lanes stall, die and come back; requests are
 * repeated as RFC 8489 says. A stranger behind a third gateway, who has no permission anywhere,
 * talks to all of them and is never heard.
 */
#include <check.h>
#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/stun_auth.h"
#include "sim_edge.h"
#include "turn_user.h"

#define GATEWAYS      3 /* the third is the stranger's */
#define PAIRS_MAX     6
#define MEDIA_MAX     4096
#define DEFAULT_SEEDS 25
#define RTO_US        SP_MS(500)
#define SENDS_MAX     7

enum befalls {
    OUTAGES = 1 << 0,
    DEATHS = 1 << 1,
    RESETS = 1 << 2,
};

struct scenario {
    const char *name;
    struct sim_path path;
    unsigned pairs;
    uint64_t run_ms;
    unsigned befalls;
    uint64_t each_us;
    uint64_t away_ms;    /* the first gateway's network is away for so long */
    uint64_t away_at_ms; /* from then on; 0: 3 s */
    bool late_permits;   /* the callee waits before it lets the caller in */
    bool clean;          /* nothing is lost */
    bool expires;        /* the first gateway is given up */
    unsigned least_percent;
    unsigned seen;
};

enum seen {
    NO_PERMISSION = 1 << 0, /* sent before it was permitted */
    REPEATED = 1 << 1,      /* requests by browsers */
    SUSPECT = 1 << 2,
    STRANGER_TRIED = 1 << 3,
    LOST = 1 << 4,
};

/* --- the world ------------------------------------------------------------------------------ */

enum step { PROBE, CHALLENGE, ALLOCATE, WAIT, PERMIT, BIND, TALK, LEAVE, DONE };

struct browser {
    struct gateway *gateway;
    unsigned id;
    struct turn_user user;
    struct sp_flow *flow;
    enum step step;
    struct sp_span request; /* under way; in user.msg */
    struct sp_timer repeat, media;
    unsigned sends;
    struct browser *peer;
    bool allocated, permits, alone; /* alone: the flow was closed by the far side */
    uint16_t channel;
    uint32_t sent, got;
    bool came[MEDIA_MAX]; /* from its peer, by index */
};

struct gateway {
    struct world *world;
    unsigned number;
    struct sim_tunnel tunnel;
    struct browser browsers[PAIRS_MAX];
    unsigned n_browsers;
    uint64_t sent; /* datagrams offered by its browsers */
};

struct world {
    struct sim sim;
    const struct scenario *scenario;
    struct edge edge;
    struct gateway gateways[GATEWAYS];
    struct sp_timer fault, away;
    bool quiet;
    unsigned repeats;
};

static struct world *world_of(const struct browser *b)
{
    return b->gateway->world;
}

static bool is_stranger(const struct browser *b)
{
    return b->gateway->number == 2;
}

/* --- requests ------------------------------------------------------------------------------- */

static void transmit(struct browser *b, struct sp_span s)
{
    if (b->flow == NULL)
        return;
    b->gateway->sent++;
    sp_flow_send(b->flow, &s, 1, world_of(b)->sim.now_us);
}

static void begin_request(struct browser *b, struct sp_span request)
{
    b->request = request;
    b->sends = 1;
    sim_set(&world_of(b)->sim, &b->repeat, RTO_US);
    transmit(b, request);
}

static void take_step(struct browser *b, enum step step)
{
    b->step = step;
    switch (step) {
    case PROBE:
        begin_request(b, turn_user_binding(&b->user));
        break;
    case CHALLENGE:
    case ALLOCATE:
        begin_request(b, turn_user_allocate(&b->user));
        break;
    case PERMIT:
        b->permits = true; /* from now on the peer's datagrams may come */
        begin_request(b, turn_user_permit(&b->user, &b->peer->user.relayed));
        break;
    case BIND:
        begin_request(b, turn_user_bind(&b->user, b->channel, &b->peer->user.relayed));
        break;
    case LEAVE:
        begin_request(b, turn_user_refresh(&b->user, 0));
        break;
    case TALK:
        sim_set(&world_of(b)->sim, &b->media, sim_between(&world_of(b)->sim, 1, SP_MS(20)));
        break;
    case WAIT:
    case DONE:
        break;
    }
}

/* RFC 8489 section 6.2.1: 500 ms, doubling, seven times; a browser then begins anew. */
static void on_repeat(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct browser *b = arg;
    (void)now_us;

    if (b->request.len == 0 || b->alone)
        return;
    world_of(b)->repeats++;
    if (b->sends == SENDS_MAX) {
        take_step(b, b->step);
        return;
    }
    sim_set(&world_of(b)->sim, t, RTO_US << b->sends);
    b->sends++;
    transmit(b, b->request);
}

/* Both know their relayed addresses: signalling tells each the other's. */
static void call(struct browser *b)
{
    bool waits = world_of(b)->scenario->late_permits && b->gateway->number == 1;

    if (b->step == WAIT && !waits)
        take_step(b, PERMIT);
    else if (b->step == WAIT) /* the media timer ends the wait */
        sim_set(&world_of(b)->sim, &b->media, SP_MS(1500));
}

static void check_signature(struct browser *b, struct sp_span answer)
{
    struct sim *s = &world_of(b)->sim;
    struct sp_stun_key key;
    struct sp_stun_msg m;

    sp_stun_key_md5(sp_span_str(b->user.name), sp_span_str(EDGE_REALM),
                    sp_span_str(b->user.password), &key);
    SIM_REQUIRE(s, sp_stun_parse(answer, &m) == 0);
    SIM_REQUIRE(s, sp_stun_check_integrity(&m, sp_span(key.bytes, key.len)) == 0);
}

static void on_allocated(struct browser *b)
{
    struct sim *s = &world_of(b)->sim;
    struct sp_addr ip = edge_relay_ip(b->gateway->number);

    SIM_REQUIRE(s, sp_addr_same_ip(&b->user.relayed, &ip));
    /* A browser gets no server-reflexive candidate, and publishes no local address. */
    SIM_REQUIRE(s, sp_addr_eq(&b->user.mapped, &b->user.relayed));
    b->allocated = true;
    take_step(b, WAIT);
    if (is_stranger(b)) {
        sim_set(s, &b->media, SP_MS(500));
    } else if (b->peer->allocated) {
        call(b);
        call(b->peer);
    }
}

static void on_answer(struct browser *b, int code, struct sp_span answer)
{
    struct sim *s = &world_of(b)->sim;
    static const int expected[] = {
        [PROBE] = 403, [CHALLENGE] = 401, [ALLOCATE] = 0, [PERMIT] = 0, [BIND] = 0, [LEAVE] = 0};

    SIM_REQUIRE(s, b->request.len > 0 && code == expected[b->step]);
    if (b->step >= ALLOCATE)
        check_signature(b, answer);
    b->request = (struct sp_span){0};
    sp_timerq_cancel(&s->timers, &b->repeat);
    if (b->step == ALLOCATE)
        on_allocated(b);
    else
        take_step(b, b->step + 1);
}

/* --- media ---------------------------------------------------------------------------------- */

static void on_media(struct sp_timer *t, uint64_t now_us, void *arg)
{
    uint8_t msg[SP_CHANDATA_HEADER_LEN + 1200];
    struct browser *b = arg;
    struct world *w = world_of(b);
    uint16_t len = (uint16_t)sim_between(&w->sim, 8, 1200);
    (void)now_us;

    if (b->step == WAIT && b->peer->allocated)
        take_step(b, PERMIT);
    else if (b->step == WAIT) /* a stranger who was too early */
        sim_set(&w->sim, t, SP_MS(500));
    if (b->step != TALK || w->quiet || b->alone)
        return;
    SIM_REQUIRE(&w->sim, b->sent < MEDIA_MAX);
    sp_chandata_header(msg, b->channel, len);
    memset(msg + 4, (int)(b->sent + b->id), len);
    sp_put_be32(msg + 4, b->sent++);
    sp_put_be32(msg + 8, b->id);
    transmit(b, sp_span(msg, 4u + len));
    sim_set(&w->sim, t, SP_MS(20));
}

static void on_channel_data(struct browser *b, struct sp_span s)
{
    struct sim *sim = &world_of(b)->sim;
    struct sp_chandata c;

    SIM_REQUIRE(sim, sp_chandata_parse(s, &c) == 0);
    SIM_REQUIRE(sim, !is_stranger(b) && c.channel == b->channel && c.data.len >= 8);
    uint32_t index = sp_get_be32(c.data.p);
    SIM_REQUIRE(sim, sp_get_be32(c.data.p + 4) == b->peer->id && index < b->peer->sent);
    SIM_REQUIRE(sim, b->permits && !b->came[index]);
    for (size_t i = 8; i < c.data.len; i++)
        SIM_REQUIRE(sim, c.data.p[i] == (uint8_t)(index + b->peer->id));
    b->came[index] = true;
    b->got++;
}

/* Permission, but no channel yet. */
static void on_indication(struct browser *b, struct sp_span s)
{
    struct sim *sim = &world_of(b)->sim;
    struct sp_addr from;
    struct sp_span data;

    SIM_REQUIRE(sim, turn_user_is_data(s, &from, &data) && data.len >= 8);
    SIM_REQUIRE(sim, b->permits && sp_addr_eq(&from, &b->peer->user.relayed));
    uint32_t index = sp_get_be32(data.p);
    SIM_REQUIRE(sim, sp_get_be32(data.p + 4) == b->peer->id && index < b->peer->sent);
    SIM_REQUIRE(sim, !b->came[index]);
    b->came[index] = true;
    b->got++;
}

/* --- the two sides of a flow ---------------------------------------------------------------- */

static void on_gateway_datagram(struct browser *b, struct sp_span s)
{
    if (sp_chandata_looks_like(s)) {
        on_channel_data(b, s);
        return;
    }
    int code = turn_user_take(&b->user, s);
    struct sp_stun_msg m;
    SIM_REQUIRE(&world_of(b)->sim, sp_stun_parse(s, &m) == 0);
    if (m.cls == SP_STUN_INDICATION)
        on_indication(b, s);
    else if (code >= 0 && b->request.len > 0) /* else: the answer to a repeat */
        on_answer(b, code, s);
}

static void on_datagrams(struct sim_tunnel *t, unsigned side, struct sp_flow *f,
                         const struct sp_span *d, size_t n, void *arg)
{
    (void)t;
    (void)arg;
    if (side == SIM_EDGE) {
        edge_input(sp_flow_user(f), d, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        on_gateway_datagram(sp_flow_user(f), d[i]);
}

static int on_flow_opened(struct sim_tunnel *t, struct sp_flow *f, void *arg)
{
    struct gateway *g = arg;
    (void)t;
    edge_flow_opened(&g->world->edge, g->number, f);
    return 0;
}

static void on_flow_closed(struct sim_tunnel *t, unsigned side, struct sp_flow *f, unsigned code,
                           void *arg)
{
    struct gateway *g = arg;
    (void)t;

    SIM_REQUIRE(&g->world->sim, code == 0 || code == SP_CONTROL_RESTING);
    if (side == SIM_EDGE) {
        edge_endpoint_free(sp_flow_user(f));
        return;
    }
    struct browser *b = sp_flow_user(f);
    b->flow = NULL;
    b->alone = true;
}

static void on_expired(struct sim_tunnel *t, void *arg)
{
    struct gateway *g = arg;
    (void)t;
    edge_gateway_gone(&g->world->edge, g->number);
}

static const struct sim_tunnel_user user = {
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .expired = on_expired,
};

/* --- what befalls them ---------------------------------------------------------------------- */

static void on_fault(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    struct gateway *g = &w->gateways[sim_below(&w->sim, 2)];
    struct sim_lane *l =
        sim_tunnel_lane(&g->tunnel, (unsigned)sim_below(&w->sim, g->tunnel.config.lanes));
    unsigned what;
    (void)now_us;

    if (w->quiet)
        return;
    do
        what = 1u << sim_below(&w->sim, 3);
    while ((w->scenario->befalls & what) == 0);
    if (l != NULL && what == OUTAGES)
        sim_lane_outage(l, SP_MS(300));
    else if (l != NULL && what == DEATHS)
        sim_lane_die(l);
    else if (l != NULL)
        sim_lane_reset(l);
    sim_set(&w->sim, t, sim_between(&w->sim, w->scenario->each_us / 2, w->scenario->each_us * 2));
}

static void on_away(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct world *w = arg;
    struct sim_tunnel *tunnel = &w->gateways[0].tunnel;
    (void)now_us;

    if (tunnel->network_down) {
        sim_tunnel_network_up(tunnel);
        return;
    }
    sim_tunnel_network_down(tunnel);
    sim_set(&w->sim, t, SP_MS(w->scenario->away_ms));
}

/* --- a run ---------------------------------------------------------------------------------- */

static void add_browser(struct gateway *g, struct browser *peer)
{
    struct world *w = g->world;
    struct browser *b = &g->browsers[g->n_browsers];
    struct sp_addr local = sp_addr_v4(127, 0, 0, 1, (uint16_t)(40000 + g->n_browsers));

    *b = (struct browser){.gateway = g,
                          .id = g->number * 1000 + g->n_browsers++,
                          .peer = peer,
                          .channel = (uint16_t)sim_between(&w->sim, SP_CHANNEL_MIN, 0x4FFF)};
    turn_user_init(&b->user, g->number == 0 ? "alice" : "bob",
                   g->number == 0 ? "wonder" : "builder", b->id + 1);
    sp_timer_init(&b->repeat, on_repeat, b);
    sp_timer_init(&b->media, on_media, b);
    SIM_REQUIRE(&w->sim, sp_flow_open(g->tunnel.end[SIM_GATEWAY].tunnel, SP_FLOW_TURN, &local,
                                      w->sim.now_us, &b->flow) == 0);
    sp_flow_set_user(b->flow, b);
    take_step(b, PROBE);
}

static void begin(struct world *w, const struct scenario *sc, uint64_t seed)
{
    static const char *const users[] = {"alice:wonder", "bob:builder"};
    struct sim_tunnel_config c;

    w->scenario = sc;
    sim_init(&w->sim, sc->name, seed);
    edge_init(&w->edge, &w->sim, users, 2);
    sim_tunnel_config_default(&c);
    c.path = sc->path;
    c.path.delay_us = SP_MS(30);
    c.path.recover_us = SP_MS(70);
    for (unsigned i = 0; i < GATEWAYS; i++) {
        w->gateways[i].world = w;
        w->gateways[i].number = i;
        sim_tunnel_init(&w->gateways[i].tunnel, &w->sim, &c, &user, &w->gateways[i]);
    }
    sp_timer_init(&w->fault, on_fault, w);
    sp_timer_init(&w->away, on_away, w);
    for (unsigned i = 0; i < sc->pairs; i++) {
        add_browser(&w->gateways[0], &w->gateways[1].browsers[i]);
        add_browser(&w->gateways[1], &w->gateways[0].browsers[i]);
    }
    add_browser(&w->gateways[2], &w->gateways[0].browsers[0]);
    if (sc->befalls != 0)
        sim_set(&w->sim, &w->fault, sc->each_us);
    if (sc->away_ms != 0)
        sim_set(&w->sim, &w->away, SP_MS(sc->away_at_ms != 0 ? sc->away_at_ms : 3000));
}

static void check_call(struct world *w, const struct browser *b)
{
    const struct browser *peer = b->peer;

    /* Waiting for permissions costs the first ones; then, what is asked for arrives. */
    SIM_REQUIRE(&w->sim, b->got <= peer->sent);
    SIM_REQUIRE(&w->sim, b->got * 100 >= peer->sent * w->scenario->least_percent);
    if (w->scenario->clean && !w->scenario->late_permits)
        SIM_REQUIRE(&w->sim, peer->sent - b->got <= 15); /* before its permission was there */
}

/* The relayed address that the browser was told is the one that its allocation has. */
static void check_relayed(struct world *w, const struct browser *b)
{
    bool found = false;

    SP_LIST_EACH(&w->edge.endpoints, link, next)
    {
        struct edge_endpoint *ep = SP_LIST_ITEM(link, struct edge_endpoint, link);
        if (ep->gateway == b->gateway->number && b->flow != NULL &&
            sp_flow_number(ep->flow) == sp_flow_number(b->flow))
            found = sp_turn_path_has_alloc(w->edge.turn, &ep->path);
    }
    SIM_REQUIRE(&w->sim, found);
    SIM_REQUIRE(&w->sim, w->edge.relay[b->user.relayed.port - EDGE_FIRST_PORT]);
}

/* All talked, and nobody's allocation ended. */
static void check_all_is_there(struct world *w)
{
    SIM_REQUIRE(&w->sim, sp_turn_alloc_count(w->edge.turn) == 2 * w->scenario->pairs + 1);
    SIM_REQUIRE(&w->sim, w->edge.begun == 2 * w->scenario->pairs + 1); /* repeats make none */
    for (unsigned g = 0; g < 2; g++)
        for (unsigned i = 0; i < w->scenario->pairs; i++) {
            const struct browser *b = &w->gateways[g].browsers[i];
            SIM_REQUIRE(&w->sim, b->step == TALK && b->sent > 20);
            check_relayed(w, b);
            check_call(w, b);
        }
}

/* The first gateway's part is gone, and nobody else's. */
static void check_expired(struct world *w)
{
    SIM_REQUIRE(&w->sim, w->gateways[0].tunnel.expired == 1);
    SIM_REQUIRE(&w->sim, w->gateways[1].tunnel.expired + w->gateways[2].tunnel.expired == 0);
    SIM_REQUIRE(&w->sim, w->edge.ended[SP_TURN_END_PATH] == w->scenario->pairs);
    SIM_REQUIRE(&w->sim, sp_turn_alloc_count(w->edge.turn) == w->scenario->pairs + 1);
}

/* Browsers hang up; their flows end by themselves. */
static void hang_up(struct world *w)
{
    for (unsigned g = 0; g < GATEWAYS; g++)
        for (unsigned i = 0; i < w->gateways[g].n_browsers; i++)
            if (!w->gateways[g].browsers[i].alone)
                take_step(&w->gateways[g].browsers[i], LEAVE);
    sim_run_for(&w->sim, SP_SEC(10));
    SIM_REQUIRE(&w->sim, sp_turn_alloc_count(w->edge.turn) == 0);
    sim_run_for(&w->sim, 2 * EDGE_IDLE_US + SP_SEC(5));
    for (unsigned g = 0; g < GATEWAYS; g++)
        for (unsigned side = 0; side < 2; side++)
            SIM_REQUIRE(&w->sim, sp_tunnel_flow_count(w->gateways[g].tunnel.end[side].tunnel) == 0);
    SIM_REQUIRE(&w->sim, sp_list_empty(&w->edge.endpoints));
}

static unsigned what_was_seen(const struct world *w)
{
    const struct sp_turn_counters *c = sp_turn_counters(w->edge.turn);
    unsigned seen = 0;

    seen |= c->dropped_no_permission > 0 ? NO_PERMISSION : 0;
    seen |= w->repeats > 0 ? REPEATED : 0;
    seen |= w->gateways[0].tunnel.suspected > 0 ? SUSPECT : 0;
    seen |= w->gateways[2].browsers[0].sent > 20 ? STRANGER_TRIED : 0;
    for (unsigned g = 0; g < 2; g++)
        for (unsigned i = 0; i < w->scenario->pairs; i++) {
            const struct browser *b = &w->gateways[g].browsers[i];
            seen |= b->got < b->peer->sent ? LOST : 0;
        }
    return seen;
}

static void end(struct world *w)
{
    sp_timerq_cancel(&w->sim.timers, &w->fault);
    sp_timerq_cancel(&w->sim.timers, &w->away);
    for (unsigned g = 0; g < GATEWAYS; g++) {
        for (unsigned i = 0; i < w->gateways[g].n_browsers; i++) {
            sp_timerq_cancel(&w->sim.timers, &w->gateways[g].browsers[i].repeat);
            sp_timerq_cancel(&w->sim.timers, &w->gateways[g].browsers[i].media);
        }
        edge_gateway_gone(&w->edge, g);
        sim_tunnel_fini(&w->gateways[g].tunnel);
    }
    edge_fini(&w->edge);
    sim_fini(&w->sim);
    free(w);
}

static void check_laws(struct world *w)
{
    edge_check(&w->edge);
    for (unsigned g = 0; g < GATEWAYS; g++) {
        const uint64_t offered[2] = {w->gateways[g].sent, w->edge.sent[g]};
        sim_tunnel_check(&w->gateways[g].tunnel, offered);
    }
}

static unsigned run(const struct scenario *sc, uint64_t seed)
{
    struct world *w = sim_alloc(sizeof *w);

    begin(w, sc, seed);
    for (uint64_t ms = 0; ms < sc->run_ms; ms += 100) {
        sim_run_for(&w->sim, SP_MS(100));
        check_laws(w);
    }
    w->quiet = true;
    sim_run_for(&w->sim, SP_SEC(15)); /* all that is under way comes to an end */
    check_laws(w);
    unsigned seen = what_was_seen(w);
    if (sc->expires) {
        check_expired(w);
    } else {
        check_all_is_there(w);
        hang_up(w);
    }
    end(w);
    return seen;
}

static const struct scenario scenarios[] = {
    {.name = "clean", .pairs = 3, .run_ms = 3000, .clean = true, .seen = STRANGER_TRIED},
    {.name = "permissions come late",
     .pairs = 2,
     .run_ms = 5000,
     .clean = true,
     .late_permits = true,
     .seen = NO_PERMISSION | STRANGER_TRIED | LOST},
    {.name = "losses",
     .path = {.loss_ppm = 20000, .cut = SIM_CUT_RANDOMLY},
     .pairs = 3,
     .run_ms = 4000,
     .least_percent = 90,
     .seen = STRANGER_TRIED},
    {.name = "outages",
     .path = {.loss_ppm = 10000, .cut = SIM_CUT_RANDOMLY},
     .pairs = 3,
     .run_ms = 5000,
     .befalls = OUTAGES,
     .each_us = SP_MS(100),
     .least_percent = 70,
     .seen = STRANGER_TRIED},
    {.name = "lanes die",
     .path = {.loss_ppm = 10000, .cut = SIM_CUT_RANDOMLY},
     .pairs = 3,
     .run_ms = 8000,
     .befalls = DEATHS | RESETS | OUTAGES,
     .each_us = SP_MS(100),
     .least_percent = 30,
     .seen = STRANGER_TRIED | SUSPECT | LOST},
    {.name = "one network is away while calls are set up",
     .pairs = 3,
     .run_ms = 12000,
     .away_ms = 3000,
     .away_at_ms = 300,
     .least_percent = 20,
     .seen = REPEATED},
    {.name = "one network is away",
     .pairs = 3,
     .run_ms = 16000,
     .away_ms = 6000,
     .least_percent = 20,
     .seen = SUSPECT | LOST},
    {.name = "one network is away for nearly the linger time",
     .pairs = 2,
     .run_ms = 60000,
     .away_ms = 48000, /* of which 20 s pass before the ends notice */
     .least_percent = 5,
     .seen = SUSPECT | LOST},
    {.name = "one network is away for longer",
     .pairs = 2,
     .run_ms = 56000,
     .away_ms = 100000,
     .expires = true,
     .seen = LOST},
};

START_TEST(scenario)
{
    const struct scenario *sc = &scenarios[_i];
    unsigned n = sim_seeds(DEFAULT_SEEDS), seen = 0;

    for (unsigned i = 0; i < n; i++)
        seen |= run(sc, sim_first_seed() + i);
    if (n >= DEFAULT_SEEDS)
        ck_assert_msg((seen & sc->seen) == sc->seen, "%s: of 0x%x, 0x%x never happened", sc->name,
                      sc->seen, sc->seen & ~seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_turn");
    TCase *tc = tcase_create("turn");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, scenario, 0, (int)SP_ARRAY_LEN(scenarios));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
