/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first frame of an ICE-TCP connection, and whose it is: what is found is a Binding request
 * with the USERNAME of the one session there is; and then whatever a path may bring, which gives
 * the far end's path nothing but STUN as long as it is not proven.
 */
#include <string.h>

#include "fuzz.h"
#include "rendezvous.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"
#include "sallyport/stun.h"

#define NOW SP_SEC(1)

static void on_send(void *arg, void *via, struct sp_span d, uint64_t now_us)
{
    (void)arg;
    (void)via;
    (void)now_us;
    REQUIRE(sp_stun_looks_like(d)); /* nobody was ever proven, or it was by an answer */
}

static void on_close(void *arg, void *via)
{
    (void)arg;
    (void)via;
}

static const struct sp_rdv_effects effects = {.send = on_send, .close = on_close};

static void look(struct sp_rdv *r, struct sp_rdv_session *s, struct sp_span packet)
{
    struct sp_rdv_spot spot;
    struct sp_stun_msg m;
    struct sp_span name;
    int err = sp_rdv_look_up(r, packet, &spot);

    REQUIRE(err == 0 || err == SP_EBADMSG || err == SP_ENOENT);
    if (err != 0)
        return;
    REQUIRE(spot.session == s && spot.end < 2);
    REQUIRE(sp_stun_parse(packet, &m) == 0 && m.cls == SP_STUN_REQUEST);
    REQUIRE(sp_stun_find(&m, SP_ATTR_USERNAME, &name) && name.len == 9);
    REQUIRE(memcmp(name.p, spot.end == 0 ? "BBBB:AAAA" : "AAAA:BBBB", 9) == 0);
}

static void feed(struct sp_rdv *r, struct sp_rdv_session *s, struct sp_span in)
{
    struct sp_rdv_path *paths[2];
    struct sp_span packet;
    size_t used;
    unsigned turn = 0;

    for (unsigned end = 0; end < 2; end++)
        REQUIRE(sp_rdv_path_add(s, end, SP_RDV_TCP, &paths[end], NOW, &paths[end]) == 0);
    while (sp_rfc4571_next(in, UINT16_MAX, &packet, &used) == 0) {
        look(r, s, packet);
        if (sp_stun_looks_like(packet)) /* who is proven may send anything */
            sp_rdv_input(paths[turn++ % 2], packet, NOW);
        in = sp_span_skip(in, used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_rng_seeded rng;
    struct sp_timerq timers;
    struct sp_bounds bounds;
    struct sp_bound_hits hits = {0};
    struct sp_tally tally = {0};
    struct sp_quota shares;
    struct sp_log log = {.level = SP_LOG_ERROR};
    struct sp_rdv_session *s;
    struct sp_rdv *r;

    sp_rng_seeded_init(&rng, 1);
    sp_timerq_init(&timers);
    sp_bounds_default(&bounds);
    sp_quota_init(&shares, &rng.rng);
    const struct sp_rdv_config config = {.idle_us = SP_SEC(30),
                                         .bounds = &bounds,
                                         .hits = &hits,
                                         .tally = &tally,
                                         .shares = &shares,
                                         .log = &log};
    const struct sp_rdv_order order = {.subject = sp_span_str("app"), .ttl_us = SP_SEC(60)};
    REQUIRE(sp_rdv_new(&config, &effects, NULL, &timers, &rng.rng, &r) == 0);
    REQUIRE(sp_rdv_create(r, &order, NOW, &s) == 0);
    for (unsigned end = 0; end < 2; end++) {
        const struct sp_rdv_join j = {.holder = sp_span_str("somebody-who-joins"),
                                      .ufrag = sp_span_str(end == 0 ? "AAAA" : "BBBB")};
        REQUIRE(sp_rdv_join(s, end, &j, NOW) == 0);
    }
    feed(r, s, sp_span(data, size));
    sp_rdv_free(r, NOW);
    sp_quota_fini(&shares);
    sp_timerq_fini(&timers);
    return 0;
}
