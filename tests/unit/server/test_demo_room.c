/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rooms of the demo page: who hears what, what is kept for whom, and every bound.
 */
#include "demo_room.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "require.h"
#include "sallyport/err.h"

#define T0 SP_SEC(1000)

#define ANA  "ana-0123456789abcdef"
#define BEN  "ben_0123456789abcdef"
#define CLEO "cleo0123456789abcdef"

/* A listener, and what it heard. */
struct ear {
    char text[300000];
    size_t len;
    bool closed, deaf;
};

struct rig {
    struct sp_rng_seeded rng;
    struct sp_timerq timers;
    struct sp_tally tally;
    uint64_t hits, now_us;
    struct sp_demo_rooms *rooms;
    unsigned introduced, parted;
    int err; /* of the next introduction */
    struct ear ears[4];
};

static bool on_send(void *arg, void *listener, struct sp_span text)
{
    struct ear *e = listener;
    (void)arg;

    REQUIRE(!e->closed);
    REQUIRE(e->len + text.len < sizeof e->text);
    memcpy(e->text + e->len, text.p, text.len);
    e->len += text.len;
    e->text[e->len] = '\0';
    return !e->deaf;
}

static void on_close(void *arg, void *listener)
{
    struct ear *e = listener;
    (void)arg;
    e->closed = true;
}

static int on_introduce(void *arg, const struct sp_addr from[static 2], uint64_t now_us,
                        struct sp_demo_meeting *out)
{
    struct rig *r = arg;

    REQUIRE(now_us == r->now_us);
    REQUIRE(from[0].ip[3] == 1);
    REQUIRE(from[1].ip[3] == 2);
    if (r->err != 0)
        return r->err;
    snprintf(out->session, sizeof out->session, "session-%u", ++r->introduced);
    snprintf(out->text[0], sizeof out->text[0], "{\"for\":0}");
    snprintf(out->text[1], sizeof out->text[1], "{\"for\":1}");
    return 0;
}

static void on_part(void *arg, const char *session, uint64_t now_us)
{
    struct rig *r = arg;
    char want[64];
    (void)now_us;

    snprintf(want, sizeof want, "session-%u", r->introduced);
    REQUIRE(strcmp(session, want) == 0);
    r->parted++;
}

static const struct sp_demo_effects effects = {on_send, on_close, on_introduce, on_part};

static void open_rig(struct rig *r)
{
    const struct sp_demo_rooms_config c = {.tally = &r->tally, .max = 2, .hits = &r->hits};

    *r = (struct rig){.now_us = T0};
    sp_rng_seeded_init(&r->rng, 7);
    sp_timerq_init(&r->timers);
    ck_assert_int_eq(sp_demo_rooms_new(&c, &effects, r, &r->timers, &r->rng.rng, &r->rooms), 0);
}

static void close_rig(struct rig *r)
{
    sp_demo_rooms_free(r->rooms, r->now_us);
    ck_assert_uint_eq(atomic_load(&r->tally.n), 0);
    ck_assert_uint_eq(sp_timerq_next(&r->timers), SP_NEVER);
    sp_timerq_fini(&r->timers);
}

static int listen_at(struct rig *r, const char *room, const char *key, unsigned ear, uint64_t heard,
                     struct sp_demo_seat **out)
{
    const struct sp_demo_visit v = {.name = sp_span_str(room),
                                    .key = sp_span_str(key),
                                    .from = sp_addr_v4(192, 0, 2, (uint8_t)(ear + 1), 1000),
                                    .heard = heard,
                                    .head = sp_span_str("HEAD\n"),
                                    .listener = &r->ears[ear]};

    r->ears[ear] = (struct ear){.deaf = r->ears[ear].deaf};
    return sp_demo_listen(r->rooms, &v, r->now_us, out);
}

/* Two who have met in a room. */
static void meet(struct rig *r, struct sp_demo_seat *seats[static 2])
{
    ck_assert_int_eq(listen_at(r, "room", ANA, 0, 0, &seats[0]), 0);
    ck_assert_int_eq(listen_at(r, "room", BEN, 1, 0, &seats[1]), 0);
}

static int say(struct rig *r, const char *key, const char *text)
{
    return sp_demo_say(r->rooms, sp_span_str("room"), sp_span_str(key), sp_span_str(text),
                       r->now_us);
}

static void pass(struct rig *r, uint64_t us)
{
    const uint64_t end = r->now_us + us;

    for (uint64_t next; (next = sp_timerq_next(&r->timers)) <= end;) {
        r->now_us = next;
        sp_timerq_run(&r->timers, next);
    }
    r->now_us = end;
}

static bool heard(const struct rig *r, unsigned ear, const char *text)
{
    return strstr(r->ears[ear].text, text) != NULL;
}

START_TEST(names)
{
    static const struct {
        const char *name;
        bool room, seat;
    } cases[] = {
        {"abc", false, false},
        {"abcd", true, false},
        {"x7kd-92mf-aq4h", true, false},
        {"0123456789abcdef", true, true},
        {"0123456789abcde_", false, true},
        {"0123456789abcde/", false, false},
        {"0123456789012345678901234567890123456789", true, true},
        {"01234567890123456789012345678901234567890", false, true},
        {"0123456789012345678901234567890123456789012345678901234567890123", false, true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false, false},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_msg(sp_demo_name_ok(sp_span_str(cases[i].name)) == cases[i].room, "%s",
                      cases[i].name);
        ck_assert_msg(sp_demo_key_ok(sp_span_str(cases[i].name)) == cases[i].seat, "%s",
                      cases[i].name);
    }
    ck_assert(!sp_demo_name_ok(sp_span("ab\0cd", 5)));
}
END_TEST

START_TEST(two_meet)
{
    struct sp_demo_seat *seats[2];
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(listen_at(&r, "room", ANA, 0, 0, &seats[0]), 0);
    ck_assert_str_eq(r.ears[0].text, "HEAD\nid: 1\nevent: seat\ndata: {}\n\n");
    ck_assert_uint_eq(r.introduced, 0);
    ck_assert_int_eq(say(&r, ANA, "hello?"), SP_ECLOSED);
    ck_assert_int_eq(listen_at(&r, "room", BEN, 1, 0, &seats[1]), 0);
    ck_assert_uint_eq(r.introduced, 1);
    ck_assert(heard(&r, 0, "id: 2\nevent: meet\ndata: {\"for\":0}\n\n"));
    ck_assert(heard(&r, 1, "id: 2\nevent: meet\ndata: {\"for\":1}\n\n"));
    ck_assert_int_eq(say(&r, ANA, "{\"sdp\":1}"), 0);
    ck_assert(heard(&r, 1, "id: 3\nevent: message\ndata: {\"sdp\":1}\n\n"));
    ck_assert(!heard(&r, 0, "message"));
    ck_assert_int_eq(say(&r, CLEO, "me too"), SP_ENOENT);
    sp_demo_leave(r.rooms, sp_span_str("room"), sp_span_str(BEN), r.now_us);
    ck_assert(r.ears[1].closed);
    ck_assert_uint_eq(r.parted, 1);
    ck_assert(heard(&r, 0, "event: left\n"));
    ck_assert(!sp_demo_has_seat(r.rooms, sp_span_str("room"), sp_span_str(BEN)));
    ck_assert(sp_demo_has_seat(r.rooms, sp_span_str("room"), sp_span_str(ANA)));
    ck_assert_int_eq(listen_at(&r, "room", CLEO, 1, 0, &seats[1]), 0);
    ck_assert_uint_eq(r.introduced, 2);
    close_rig(&r);
    ck_assert_uint_eq(r.parted, 2);
}
END_TEST

START_TEST(no_third_one)
{
    struct sp_demo_seat *seats[2], *third;
    struct rig r;

    open_rig(&r);
    meet(&r, seats);
    ck_assert_int_eq(listen_at(&r, "room", CLEO, 2, 0, &third), SP_EEXIST);
    ck_assert_uint_eq(r.ears[2].len, 0);
    ck_assert_uint_eq(sp_demo_rooms_counters(r.rooms)->occupied, 1);
    ck_assert_int_eq(listen_at(&r, "room2", CLEO, 2, 0, &third), 0);
    ck_assert_int_eq(listen_at(&r, "room3", CLEO, 3, 0, &third), SP_EFULL);
    ck_assert_uint_eq(r.hits, 1);
    close_rig(&r);
}
END_TEST

/* A connection breaks, and its browser comes back and says what it heard last. */
START_TEST(back_again)
{
    struct sp_demo_seat *seats[2], *again;
    struct rig r;

    open_rig(&r);
    meet(&r, seats);
    ck_assert_int_eq(say(&r, ANA, "one"), 0);
    sp_demo_lost(seats[1], r.now_us);
    ck_assert_int_eq(say(&r, ANA, "two"), 0);
    ck_assert(!heard(&r, 1, "two"));
    pass(&r, SP_DEMO_AWAY_US - SP_DEMO_TICK_US);
    ck_assert_int_eq(listen_at(&r, "room", BEN, 2, 3, &again), 0);
    ck_assert_ptr_eq(again, seats[1]);
    ck_assert_str_eq(r.ears[2].text, "HEAD\nid: 4\nevent: message\ndata: two\n\n");
    ck_assert_uint_eq(r.introduced, 1);
    /* A second window of the same seat is the seat from then on. */
    ck_assert_int_eq(listen_at(&r, "room", BEN, 3, 4, &again), 0);
    ck_assert(r.ears[2].closed);
    ck_assert_int_eq(say(&r, ANA, "three"), 0);
    ck_assert(heard(&r, 3, "three"));
    /* Who doesn't read is no listener any more, and may come back. */
    r.ears[3].deaf = true;
    ck_assert_int_eq(say(&r, ANA, "four"), 0);
    pass(&r, SP_DEMO_AWAY_US + SP_DEMO_TICK_US);
    ck_assert(heard(&r, 0, "event: left\n"));
    ck_assert_uint_eq(r.parted, 1);
    close_rig(&r);
}
END_TEST

START_TEST(away_for_good)
{
    struct sp_demo_seat *seats[2];
    struct rig r;

    open_rig(&r);
    meet(&r, seats);
    sp_demo_lost(seats[0], r.now_us);
    pass(&r, SP_DEMO_AWAY_US + SP_DEMO_TICK_US);
    ck_assert(heard(&r, 1, "event: left\n"));
    ck_assert(heard(&r, 1, ":\n\n")); /* that it is still there */
    sp_demo_lost(seats[1], r.now_us);
    pass(&r, SP_DEMO_AWAY_US + SP_DEMO_TICK_US);
    ck_assert_uint_eq(atomic_load(&r.tally.n), 0);
    close_rig(&r);
}
END_TEST

START_TEST(rooms_end)
{
    struct sp_demo_seat *seats[2];
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(listen_at(&r, "room", ANA, 0, 0, &seats[0]), 0);
    pass(&r, SP_DEMO_ALONE_US - SP_DEMO_TICK_US);
    ck_assert(!r.ears[0].closed);
    pass(&r, SP_DEMO_TICK_US);
    ck_assert(heard(&r, 0, "event: over\n") && r.ears[0].closed);
    meet(&r, seats);
    pass(&r, SP_DEMO_LAST_US - SP_DEMO_TICK_US);
    ck_assert(!r.ears[0].closed);
    pass(&r, SP_DEMO_TICK_US);
    ck_assert(r.ears[0].closed && r.ears[1].closed);
    ck_assert(heard(&r, 1, "event: over\n"));
    ck_assert_uint_eq(sp_demo_rooms_counters(r.rooms)->expired, 2);
    ck_assert_uint_eq(r.parted, 1);
    close_rig(&r);
}
END_TEST

/* As much as is allowed, and no more, is kept for who is away. */
START_TEST(what_is_kept)
{
    struct sp_demo_seat *seats[2], *again;
    static char text[SP_DEMO_TEXT_MAX + 1];
    char small[16];
    struct rig r;

    open_rig(&r);
    meet(&r, seats);
    sp_demo_lost(seats[1], r.now_us);
    for (unsigned i = 0; i < SP_DEMO_KEPT_MAX + 5; i++) {
        snprintf(small, sizeof small, "<%u>", i);
        ck_assert_int_eq(say(&r, ANA, small), 0);
    }
    ck_assert_uint_eq(sp_demo_rooms_counters(r.rooms)->dropped, 2 + 5);
    ck_assert_int_eq(listen_at(&r, "room", BEN, 1, 0, &again), 0);
    ck_assert(!heard(&r, 1, "<4>") && heard(&r, 1, "<5>") && heard(&r, 1, "<68>"));
    sp_demo_lost(again, r.now_us);
    memset(text, 'x', SP_DEMO_TEXT_MAX);
    for (unsigned i = 0; i < 2 * SP_DEMO_KEPT_BYTES / SP_DEMO_TEXT_MAX; i++)
        ck_assert_int_eq(say(&r, ANA, text), 0);
    ck_assert_int_eq(listen_at(&r, "room", BEN, 1, 0, &again), 0);
    ck_assert_uint_le(r.ears[1].len, SP_DEMO_KEPT_BYTES + 5);
    ck_assert_uint_gt(r.ears[1].len, SP_DEMO_KEPT_BYTES - SP_DEMO_TEXT_MAX - 200);
    pass(&r, SP_DEMO_KEPT_US + 2 * SP_DEMO_TICK_US);
    sp_demo_lost(again, r.now_us);
    ck_assert_int_eq(listen_at(&r, "room", BEN, 1, 0, &again), 0);
    ck_assert_str_eq(r.ears[1].text, "HEAD\n");
    close_rig(&r);
}
END_TEST

START_TEST(how_often)
{
    struct sp_demo_seat *seats[2];
    unsigned n = 0;
    struct rig r;

    open_rig(&r);
    meet(&r, seats);
    while (say(&r, ANA, "x") == 0)
        n++;
    ck_assert_uint_eq(n, 2 * SP_DEMO_MESSAGES_S);
    ck_assert_int_eq(say(&r, ANA, "x"), SP_EAGAIN);
    ck_assert_int_eq(say(&r, BEN, "x"), 0);
    ck_assert_uint_eq(sp_demo_rooms_counters(r.rooms)->hasty, 2);
    pass(&r, SP_SEC(1));
    ck_assert_int_eq(say(&r, ANA, "x"), 0);
    close_rig(&r);
}
END_TEST

START_TEST(not_introduced)
{
    struct sp_demo_seat *seats[2];
    struct rig r;

    open_rig(&r);
    r.err = SP_EFULL;
    meet(&r, seats);
    ck_assert(heard(&r, 0, "event: refused\ndata: {\"code\":\"full\"}\n"));
    ck_assert(heard(&r, 1, "event: refused\ndata: {\"code\":\"full\"}\n"));
    ck_assert_uint_eq(sp_demo_rooms_counters(r.rooms)->meetings, 0);
    close_rig(&r);
    ck_assert_uint_eq(r.parted, 0);
}
END_TEST

START_TEST(no_memory)
{
    struct sp_demo_seat *seat;
    struct rig r;
    bool failed = true;

    for (unsigned k = 1; failed; k++) {
        open_rig(&r);
        alloc_fail_at(k);
        int err = listen_at(&r, "room", ANA, 0, 0, &seat);
        if (err == 0)
            err = listen_at(&r, "room", BEN, 1, 0, &seat);
        if (err == 0)
            (void)say(&r, ANA, "x");
        failed = alloc_fail_disarm();
        ck_assert(err == 0 || (failed && err == SP_ENOMEM));
        close_rig(&r);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("demo_room");
    TCase *t = tcase_create("all");
    SRunner *sr = srunner_create(s);

    tcase_add_test(t, names);
    tcase_add_test(t, two_meet);
    tcase_add_test(t, no_third_one);
    tcase_add_test(t, back_again);
    tcase_add_test(t, away_for_good);
    tcase_add_test(t, rooms_end);
    tcase_add_test(t, what_is_kept);
    tcase_add_test(t, how_often);
    tcase_add_test(t, not_introduced);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
