/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "sallyport/chandata.h"
#include "sallyport/classify.h"
#include "sallyport/clock.h"
#include "sallyport/stun.h"

static struct sp_classify c;
static uint64_t now_us;

static void begin(void)
{
    struct sp_rng_seeded rng;

    sp_rng_seeded_init(&rng, 1);
    sp_classify_init(&c, &rng.rng);
    now_us = SP_SEC(100);
}

static void end(void)
{
    sp_classify_fini(&c);
}

/* ---- datagrams ---- */

enum wrap { BARE, CHANNEL, SEND, DATA, N_WRAPS };

static uint8_t inner[2048], wire[2200];

/* Puts the first `len` bytes of `inner` into a TURN layer. The result ends where its memory ends,
 * so that reading on is noticed; it is the caller's. */
static uint8_t *wrapped(enum wrap wrap, size_t len, struct sp_span *s)
{
    static const uint8_t id[SP_STUN_ID_LEN] = "transaction";
    struct sp_stun_builder b;
    struct sp_addr peer = sp_addr_v4(198, 51, 100, 3, 5000);
    size_t n = 0;

    switch (wrap) {
    case CHANNEL:
        sp_chandata_header(wire, 0x4001, (uint16_t)len);
        memcpy(wire + SP_CHANDATA_HEADER_LEN, inner, len);
        n = SP_CHANDATA_HEADER_LEN + len;
        break;
    case SEND:
    case DATA:
        sp_stun_begin(&b, wire, sizeof(wire), wrap == SEND ? SP_TURN_SEND : SP_TURN_DATA,
                      SP_STUN_INDICATION, id);
        sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, &peer);
        sp_stun_put(&b, SP_ATTR_DATA, sp_span(inner, len));
        ck_assert_int_eq(sp_stun_end(&b, &n), 0);
        break;
    default:
        memcpy(wire, inner, len);
        n = len;
    }

    uint8_t *exact = malloc(n ? n : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, wire, n);
    *s = sp_span(exact, n);
    return exact;
}

static enum sp_class ask(enum wrap wrap, uint16_t flow, size_t len)
{
    struct sp_span s;
    uint8_t *exact = wrapped(wrap, len, &s);
    enum sp_class class = sp_classify(&c, flow, s, now_us);

    free(exact);
    return class;
}

/* One stream of RTP. */
struct source {
    uint16_t flow, seq;
    uint32_t ssrc, ts;
    bool pad;
};

static void rtp_packet(const struct source *s, size_t len)
{
    memset(inner, 0xAA, len);
    inner[0] = s->pad ? 0xB0 : 0x90;
    inner[1] = 96;
    sp_put_be16(inner + 2, s->seq);
    sp_put_be32(inner + 4, s->ts);
    sp_put_be32(inner + 8, s->ssrc);
}

static enum sp_class rtp(struct source *s, size_t len)
{
    rtp_packet(s, len);
    s->seq++;
    return ask(CHANNEL, s->flow, len);
}

/* `packets` every `ms` at `hz`; the class of the last one. */
static enum sp_class play(struct source *s, unsigned packets, unsigned ms, unsigned hz, size_t len)
{
    enum sp_class class = SP_CLASS_DATA;

    for (unsigned i = 0; i < packets; i++) {
        class = rtp(s, len);
        now_us += SP_MS(ms);
        s->ts += hz / 1000 * ms;
    }
    return class;
}

/* ---- what is told by the first bytes ---- */

static const struct first {
    uint8_t byte[2];
    enum sp_class class;
} firsts[] = {
    {{16, 0}, SP_CLASS_CONTROL}, /* ZRTP */
    {{19, 0}, SP_CLASS_CONTROL},
    {{4, 0}, SP_CLASS_DATA},
    {{15, 0}, SP_CLASS_DATA},
    {{20, 254}, SP_CLASS_CONTROL}, /* change cipher spec, alert, handshake */
    {{21, 254}, SP_CLASS_CONTROL},
    {{22, 254}, SP_CLASS_CONTROL},
    {{23, 254}, SP_CLASS_DATA},    /* application data */
    {{24, 254}, SP_CLASS_CONTROL}, /* heartbeat */
    {{25, 254}, SP_CLASS_DATA},    /* any, hidden */
    {{26, 254}, SP_CLASS_CONTROL}, /* acknowledgement */
    {{0x2E, 0}, SP_CLASS_CONTROL}, /* DTLS 1.3, epoch 2: Chromium's handshake */
    {{0x2F, 0}, SP_CLASS_DATA},    /* epoch 3: its data channels */
    {{0x2D, 0}, SP_CLASS_DATA},    /* epoch 1: early data */
    {{64, 0}, SP_CLASS_DATA},      /* TURN inside of TURN */
    {{127, 0}, SP_CLASS_DATA},
    {{128, 96}, SP_CLASS_VOICE}, /* small, and never seen before */
    {{191, 96}, SP_CLASS_VIDEO}, /* padded */
    {{128, 191}, SP_CLASS_VOICE},
    {{128, 192}, SP_CLASS_RTCP},
    {{128, 200}, SP_CLASS_RTCP},
    {{128, 223}, SP_CLASS_RTCP},
    {{128, 224}, SP_CLASS_VOICE},
    {{192, 200}, SP_CLASS_DATA},
    {{255, 0}, SP_CLASS_DATA},
};

START_TEST(first_bytes)
{
    const struct first *f = &firsts[_i];

    begin();
    for (int wrap = BARE; wrap < N_WRAPS; wrap++) {
        if (wrap == BARE && (f->byte[0] & 0xC0) == 0x40)
            continue; /* that is the TURN layer itself */
        memset(inner, 0, 64);
        memcpy(inner, f->byte, 2);
        ck_assert_int_eq(ask((enum wrap)wrap, 7, 64), f->class);
    }
    end();
}
END_TEST

START_TEST(stun)
{
    static const uint8_t id[SP_STUN_ID_LEN] = "transaction";
    struct sp_stun_builder b;
    size_t n;

    begin();
    for (unsigned method = 1; method <= SP_TURN_CHANNEL_BIND; method++) {
        for (unsigned cls = SP_STUN_REQUEST; cls <= SP_STUN_ERROR; cls++) {
            sp_stun_begin(&b, inner, sizeof(inner), (uint16_t)method, (enum sp_stun_class)cls, id);
            ck_assert_int_eq(sp_stun_end(&b, &n), 0);
            for (int wrap = BARE; wrap < N_WRAPS; wrap++)
                ck_assert_int_eq(ask((enum wrap)wrap, 7, n), SP_CLASS_CONTROL);
        }
    }
    end();
}
END_TEST

/* All beginnings of an RTP packet, in each wrapping; and TURN layers that say more than is there.
 */
START_TEST(cut_short)
{
    begin();
    for (size_t len = 0; len < 64; len++) {
        memset(inner, 0, sizeof(inner));
        inner[0] = 0x90;
        for (int wrap = BARE; wrap < N_WRAPS; wrap++)
            ck_assert_int_eq(ask((enum wrap)wrap, 7, len),
                             len < 12 ? SP_CLASS_DATA : SP_CLASS_VOICE);
    }
    for (int wrap = CHANNEL; wrap < N_WRAPS; wrap++) {
        struct sp_span s;
        uint8_t *exact = wrapped((enum wrap)wrap, 40, &s);

        for (size_t len = 0; len < s.len; len++) {
            memcpy(inner, s.p, len);
            /* Who can't look inside takes STUN for control, and a torn channel for nothing. */
            ck_assert_int_eq(ask(BARE, 7, len),
                             wrap == CHANNEL || len < 8 ? SP_CLASS_DATA : SP_CLASS_CONTROL);
        }
        free(exact);
    }
    end();
}
END_TEST

/* ---- voice and video ---- */

static const struct stream {
    const char *what;
    unsigned packets, ms, hz;
    size_t len;
    enum sp_class first, class; /* of the first packet, and once it is known */
} streams[] = {
    {"Opus", 100, 20, 48000, 110, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"Opus, 10 ms", 100, 10, 48000, 60, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"Opus, 60 ms", 30, 60, 48000, 380, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"Opus, 510 kbit/s", 60, 20, 48000, 1313, SP_CLASS_VIDEO, SP_CLASS_VOICE},
    {"PCM, 160 ms", 20, 160, 8000, 1302, SP_CLASS_VIDEO, SP_CLASS_VOICE},
    {"PCM, 20 ms", 100, 20, 8000, 182, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"wide band", 100, 20, 16000, 120, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"comfort noise alone", 20, 400, 48000, 40, SP_CLASS_VOICE, SP_CLASS_VOICE},
    {"thumbnail", 60, 33, 90000, 150, SP_CLASS_VOICE, SP_CLASS_VIDEO},
    {"still screen", 12, 1000, 90000, 90, SP_CLASS_VOICE, SP_CLASS_VIDEO},
    {"60 pictures a second", 60, 16, 90000, 1100, SP_CLASS_VIDEO, SP_CLASS_VIDEO},
};

START_TEST(single_packets)
{
    const struct stream *s = &streams[_i];

    for (uint32_t ts = 0; ts < 3; ts++) { /* wrapping is nothing special */
        struct source src = {.flow = 9, .ssrc = 5, .ts = 0 - ts * 10000, .seq = 65530};

        begin();
        ck_assert_int_eq(play(&src, 1, s->ms, s->hz, s->len), s->first);
        ck_assert_int_eq(play(&src, s->packets, s->ms, s->hz, s->len), s->class);
        /* And it stays: each of a second and all after a break of ten. */
        for (int i = 0; i < 20; i++)
            ck_assert_int_eq(play(&src, 1, s->ms, s->hz, s->len), s->class);
        now_us += SP_SEC(10);
        src.ts += 12345678;
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(play(&src, 1, s->ms, s->hz, s->len), s->class);
        end();
    }
}
END_TEST

START_TEST(burst_is_video)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    ck_assert_int_eq(rtp(&src, 1100), SP_CLASS_VIDEO);
    ck_assert_int_eq(rtp(&src, 90), SP_CLASS_VIDEO); /* the rest of the picture */
    src.ts += 3000;
    ck_assert_int_eq(rtp(&src, 90), SP_CLASS_VIDEO); /* a small picture */
    end();
}
END_TEST

/* A large voice packet that came twice is no burst. */
START_TEST(copy_is_no_burst)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    for (int i = 0; i < 5; i++) {
        rtp(&src, 500);
        src.seq--;
        rtp(&src, 500);
        src.ts += 960;
        now_us += SP_MS(20);
    }
    ck_assert_int_eq(rtp(&src, 120), SP_CLASS_VOICE);
    end();
}
END_TEST

/* RFC 4733: all packets of an event have one timestamp, and the last comes three times. */
START_TEST(dtmf_is_voice)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    for (int event = 0; event < 10; event++) {
        for (int i = 0; i < 12; i++) {
            ck_assert_int_eq(rtp(&src, 36), SP_CLASS_VOICE);
            now_us += i < 10 ? SP_MS(20) : 0;
        }
        src.ts += 960 * 10;
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(play(&src, 1, 20, 48000, 110), SP_CLASS_VOICE);
    }
    end();
}
END_TEST

/* Chromium pads its voice when there is no video to ask for bandwidth with. */
START_TEST(padding_teaches_nothing)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    src.pad = true;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(rtp(&src, 280), SP_CLASS_VIDEO);
    src.pad = false;
    src.ts += 77777;
    ck_assert_int_eq(rtp(&src, 110), SP_CLASS_VOICE);
    play(&src, 50, 20, 48000, 110);
    src.ts -= 960;
    src.pad = true;
    ck_assert_int_eq(rtp(&src, 280), SP_CLASS_VIDEO);
    src.pad = false;
    src.ts += 960;
    ck_assert_int_eq(rtp(&src, 1100), SP_CLASS_VOICE);
    /* Whereas padded speech is speech. */
    src.pad = true;
    src.ts += 960;
    ck_assert_int_eq(rtp(&src, 110), SP_CLASS_VOICE);
    end();
}
END_TEST

/* A key frame that is paced out for 300 ms, and the pictures behind it in a heap. */
START_TEST(slow_start_of_video)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    for (int i = 0; i < 60; i++, now_us += SP_MS(5))
        ck_assert_int_eq(rtp(&src, 1100), SP_CLASS_VIDEO);
    for (int i = 0; i < 9; i++, now_us += SP_MS(1), src.ts += 3000)
        ck_assert_int_eq(rtp(&src, 200), SP_CLASS_VIDEO);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(play(&src, 1, 33, 90000, 200), SP_CLASS_VIDEO);
    end();
}
END_TEST

/* Delays that vary by up to 80 ms, with reordering, turn neither into the other. */
START_TEST(jitter)
{
    struct source voice = {.flow = 9, .ssrc = 5}, video = {.flow = 9, .ssrc = 6};
    struct sp_rng_seeded rng;

    begin();
    sp_rng_seeded_init(&rng, 77 + (uint64_t)_i);
    play(&voice, 30, 20, 48000, 110);
    play(&video, 30, 30, 90000, 150);
    for (int ms = 0; ms < 30000; ms += 10) {
        uint64_t was_us = now_us;

        now_us += sp_rng_below(&rng.rng, SP_MS(80));
        if (ms % 20 == 0) {
            voice.ts = (uint32_t)ms * 48;
            ck_assert_int_eq(rtp(&voice, 110), SP_CLASS_VOICE);
        }
        if (ms % 30 == 0) {
            video.ts = (uint32_t)ms * 90;
            ck_assert_int_eq(rtp(&video, 150), SP_CLASS_VIDEO);
        }
        now_us = was_us + SP_MS(10);
    }
    end();
}
END_TEST

/* A stall of 400 ms, after which all comes at once. */
START_TEST(stall)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    play(&src, 100, 20, 48000, 110);
    for (int round = 0; round < 10; round++) {
        now_us += SP_MS(400);
        for (int i = 0; i < 20; i++, src.ts += 960)
            ck_assert_int_eq(rtp(&src, 110), SP_CLASS_VOICE);
        for (int i = 0; i < 50; i++)
            ck_assert_int_eq(play(&src, 1, 20, 48000, 110), SP_CLASS_VOICE);
    }
    end();
}
END_TEST

/* Stalls of 600 ms of which each makes video look slow for a few pictures: they don't add up. */
START_TEST(stalls_of_video)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    play(&src, 100, 30, 90000, 110);
    for (int round = 0; round < 40; round++) {
        now_us += SP_MS(600);
        for (int i = 0; i < 20; i++, src.ts += 2700)
            ck_assert_int_eq(rtp(&src, 110), SP_CLASS_VIDEO);
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(play(&src, 1, 30, 90000, 110), SP_CLASS_VIDEO);
    }
    end();
}
END_TEST

/* One SSRC that becomes something else (a renegotiated call) is believed after a while. */
START_TEST(changes_its_mind)
{
    struct source src = {.flow = 9, .ssrc = 5};

    begin();
    ck_assert_int_eq(play(&src, 100, 20, 48000, 110), SP_CLASS_VOICE);
    ck_assert_int_eq(play(&src, 100, 33, 90000, 110), SP_CLASS_VIDEO);
    ck_assert_int_eq(play(&src, 200, 20, 48000, 110), SP_CLASS_VOICE);
    src.ts -= 0x40000000; /* begins anew, far below */
    ck_assert_int_eq(play(&src, 100, 33, 90000, 110), SP_CLASS_VIDEO);
    end();
}
END_TEST

/* ---- bounds ---- */

START_TEST(flows_are_apart)
{
    struct source video = {.flow = 9, .ssrc = 5}, voice = {.flow = 10, .ssrc = 5};

    begin();
    ck_assert_int_eq(play(&video, 50, 33, 90000, 150), SP_CLASS_VIDEO);
    ck_assert_int_eq(play(&voice, 50, 20, 48000, 150), SP_CLASS_VOICE);
    ck_assert_int_eq(rtp(&video, 150), SP_CLASS_VIDEO);
    sp_classify_forget(&c, 10);
    ck_assert_int_eq(rtp(&video, 150), SP_CLASS_VIDEO);
    sp_classify_forget(&c, 9);
    ck_assert_int_eq(rtp(&video, 150), SP_CLASS_VOICE);
    ck_assert_uint_eq(c.streams.len, 1);
    end();
}
END_TEST

START_TEST(least_recently_used_goes)
{
    struct source video = {.flow = 9, .ssrc = 5}, used = {.flow = 9, .ssrc = 6};

    begin();
    play(&video, 50, 33, 90000, 150);
    play(&used, 50, 33, 90000, 150);
    for (uint32_t i = 0; i < SP_CLASSIFY_STREAMS - 2; i++)
        rtp(&(struct source){.flow = 11, .ssrc = i}, 100);
    ck_assert_int_eq(rtp(&used, 150), SP_CLASS_VIDEO);
    for (uint32_t i = 0; i < SP_CLASSIFY_STREAMS - 1; i++)
        rtp(&(struct source){.flow = 12, .ssrc = i}, 100);
    ck_assert_uint_eq(c.streams.len, SP_CLASSIFY_STREAMS);
    ck_assert_int_eq(rtp(&used, 150), SP_CLASS_VIDEO);
    ck_assert_int_eq(rtp(&video, 150), SP_CLASS_VOICE);
    ck_assert_uint_eq(c.streams.len, SP_CLASSIFY_STREAMS);
    end();
}
END_TEST

START_TEST(no_memory)
{
    struct sp_span s;
    uint8_t *exact;

    begin();
    for (uint32_t i = 0; i < 40; i++) {
        bool failed = true;

        memset(inner, 0, 500);
        inner[0] = 0x80;
        sp_put_be32(inner + 8, i);
        exact = wrapped(CHANNEL, i % 2 ? 500 : 100, &s);
        for (unsigned k = 1; failed; k++) {
            alloc_fail_at(k);
            enum sp_class class = sp_classify(&c, 1, s, now_us);
            failed = alloc_fail_disarm();
            ck_assert_int_eq(class, i % 2 ? SP_CLASS_VIDEO : SP_CLASS_VOICE);
            ck_assert_uint_eq(c.streams.len, failed ? i : i + 1);
        }
        /* A stream that is known needs none. */
        unsigned long before = alloc_fail_count();

        sp_classify(&c, 1, s, now_us);
        ck_assert_uint_eq(alloc_fail_count(), before);
        free(exact);
    }
    end();
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(sp_class_name(SP_CLASS_CONTROL), "control");
    ck_assert_str_eq(sp_class_name(SP_CLASS_DATA), "data");
    for (int i = 0; i < SP_N_CLASSES; i++)
        ck_assert_str_ne(sp_class_name((enum sp_class)i), "unknown");
    ck_assert_str_eq(sp_class_name(SP_N_CLASSES), "unknown");
}
END_TEST

/* ---- what browsers send (tests/vectors/media) ---- */

#define KNOWN_AFTER SP_MS(400)

struct track {
    struct source source;
    uint64_t first_us;
};

static enum sp_class class_named(const char *name)
{
    for (int i = 0; i < SP_N_CLASSES; i++) {
        if (strcmp(name, sp_class_name((enum sp_class)i)) == 0)
            return (enum sp_class)i;
    }
    ck_abort_msg("no class '%s'", name);
}

/* What is not RTP is known at once. */
static void replay_other(enum wrap wrap, const char *class, size_t len, const char *hex)
{
    memset(inner, 0, len);
    for (size_t i = 0; hex[2 * i] && i < len; i++)
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2hhx", &inner[i]), 1);
    ck_assert_int_eq(ask(wrap, 7, len), class_named(class));
}

/* An RTP packet: its class is known some time after the first of its stream, a mere padding's at
 * once. */
static void replay_rtp(enum wrap wrap, struct track *t, const char *class, size_t len)
{
    bool padding = strcmp(class, "padding") == 0;
    enum sp_class want = padding ? SP_CLASS_VIDEO : class_named(class), got;

    t->source.pad = padding;
    rtp_packet(&t->source, len);
    got = ask(wrap, 7, len);
    if (t->first_us == 0 && !padding)
        t->first_us = now_us;
    if (padding || now_us >= t->first_us + KNOWN_AFTER)
        ck_assert_msg(got == want, "%s as %s after %lu us", class, sp_class_name(got),
                      (unsigned long)(now_us - t->first_us));
}

static void replay_line(enum wrap wrap, struct track tracks[static 26], const char *line)
{
    unsigned us, len;
    int ticks, step = 1;
    char class[16], rest[160], name[2];

    if (line[0] == '#')
        return;
    ck_assert_msg(sscanf(line, "%u %15s %u %159[^\n]", &us, class, &len, rest) == 4, "%s", line);
    ck_assert_uint_le(len, sizeof(inner));
    now_us += us;
    if (sscanf(rest, "%1[A-Z] %d %d", name, &ticks, &step) < 2) {
        replay_other(wrap, class, len, rest);
        return;
    }

    struct track *t = &tracks[name[0] - 'A'];

    t->source.ssrc = (uint32_t)name[0];
    t->source.ts += (uint32_t)ticks;
    t->source.seq = (uint16_t)(t->source.seq + step);
    replay_rtp(wrap, t, class, len);
}

static void replay_file(const char *path)
{
    char line[256];

    for (int wrap = BARE; wrap < N_WRAPS; wrap++) {
        struct track tracks[26] = {0};
        FILE *f = fopen(path, "r");
        unsigned n = 0;

        ck_assert_ptr_nonnull(f);
        begin();
        for (; fgets(line, sizeof(line), f); n++)
            replay_line((enum wrap)wrap, tracks, line);
        end();
        fclose(f);
        ck_assert_uint_gt(n, 100);
    }
}

START_TEST(recorded)
{
    char folder[512], path[800];
    const char *slash = strrchr(__FILE__, '/');
    unsigned n = 0;

    snprintf(folder, sizeof(folder), "%.*s/../vectors/media", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".");

    DIR *dir = opendir(folder);

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!strstr(e->d_name, ".txt"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        replay_file(path);
        n++;
    }
    closedir(dir);
    ck_assert_uint_ge(n, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("classify");
    TCase *tc = tcase_create("classify");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, first_bytes, 0, (int)SP_ARRAY_LEN(firsts));
    tcase_add_test(tc, stun);
    tcase_add_test(tc, cut_short);
    tcase_add_loop_test(tc, single_packets, 0, (int)SP_ARRAY_LEN(streams));
    tcase_add_test(tc, burst_is_video);
    tcase_add_test(tc, copy_is_no_burst);
    tcase_add_test(tc, dtmf_is_voice);
    tcase_add_test(tc, padding_teaches_nothing);
    tcase_add_test(tc, slow_start_of_video);
    tcase_add_loop_test(tc, jitter, 0, 8);
    tcase_add_test(tc, stall);
    tcase_add_test(tc, stalls_of_video);
    tcase_add_test(tc, changes_its_mind);
    tcase_add_test(tc, flows_are_apart);
    tcase_add_test(tc, least_recently_used_goes);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, names);
    tcase_add_test(tc, recorded);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
