/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the quality bench counts with: media_source and media_tally. */
#include <check.h>
#include <stdlib.h>

#include "media_source.h"
#include "media_tally.h"

#define MS 1000000ull
#define S  1000000000ull

static struct sp_rng_seeded rng;
static struct media_source source;
static uint8_t datagram[MEDIA_BYTES_MAX];

static void make(enum media_class what, unsigned bps)
{
    sp_rng_seeded_init(&rng, 7);
    media_source_init(&source, what, bps, &rng.rng, 100 * S);
}

START_TEST(voice_is_fifty_a_second)
{
    uint64_t start;

    make(MEDIA_VOICE, 0);
    start = source.due_ns;
    ck_assert_uint_ge(start, 100 * S);
    ck_assert_uint_lt(start, 100 * S + 20 * MS);
    for (unsigned i = 0; i < 500; i++) {
        uint32_t timestamp = source.timestamp, ssrc = source.ssrc;
        uint16_t sequence = source.sequence;

        ck_assert_uint_eq(source.due_ns, start + i * 20 * MS);
        ck_assert_uint_eq(media_source_next(&source, datagram, source.due_ns), MEDIA_VOICE_BYTES);
        ck_assert_uint_eq(datagram[0], 0x80);
        ck_assert_uint_eq(datagram[1], 111 | (i == 0 ? 0x80 : 0));
        ck_assert_uint_eq(sp_get_be16(datagram + 2), sequence);
        ck_assert_uint_eq(sp_get_be32(datagram + 4), timestamp);
        ck_assert_uint_eq(sp_get_be32(datagram + 8), ssrc);
        ck_assert_uint_eq((uint16_t)(source.sequence - sequence), 1);
        ck_assert_uint_eq(source.timestamp - timestamp, 960);
    }
}
END_TEST

START_TEST(video_is_frames_of_its_rate)
{
    static const unsigned rates[] = {500000, 2000000, 6000000};

    for (size_t r = 0; r < 3; r++) {
        uint64_t bytes = 0, start;
        unsigned frames = 0, key_packets = 0, largest = 0;

        make(MEDIA_VIDEO, rates[r]);
        start = source.due_ns;
        while (source.due_ns < start + 60 * S) {
            uint32_t timestamp = source.timestamp;
            size_t len = media_source_next(&source, datagram, source.due_ns);
            bool ends = (datagram[1] & 0x80) != 0;

            ck_assert_uint_le(len, MEDIA_BYTES_MAX);
            ck_assert_uint_eq(datagram[1] & 0x7f, 96);
            ck_assert_uint_eq(sp_get_be32(datagram + 4), timestamp);
            ck_assert_uint_eq(source.timestamp - timestamp, ends ? 3000 : 0);
            bytes += len;
            largest = len > largest ? (unsigned)len : largest;
            key_packets += frames == 0;
            frames += ends;
        }
        ck_assert_uint_eq(frames, 60 * 30 + 1); /* 33.3 ms is rounded down */
        ck_assert_double_eq_tol((double)bytes * 8 / 60, rates[r], rates[r] * 0.02);
        ck_assert_uint_gt(largest, 900);
        /* A key frame has a burst of its own. */
        ck_assert_uint_ge(key_packets, (unsigned)(rates[r] / 8 / 30 * 3 / MEDIA_BYTES_MAX));
    }
}
END_TEST

START_TEST(stamps_are_read_and_changes_seen)
{
    struct media_stamp stamp;
    size_t len;

    make(MEDIA_VIDEO, 2000000);
    for (unsigned i = 0; i < 50; i++) {
        len = media_source_next(&source, datagram, 1000 + i);
        ck_assert(media_stamp_read(sp_span(datagram, len), &stamp));
        ck_assert_uint_eq(stamp.ssrc, source.ssrc);
        ck_assert_uint_eq(stamp.number, i);
        ck_assert_uint_eq(stamp.sent_ns, 1000 + i);
        for (size_t at = 8; at < len; at += 37) { /* SSRC, stamp, number and all that follows */
            datagram[at] ^= 1;
            ck_assert(!media_stamp_read(sp_span(datagram, len), &stamp));
            datagram[at] ^= 1;
        }
        ck_assert(!media_stamp_read(sp_span(datagram, 23), &stamp));
    }
}
END_TEST

START_TEST(a_tally_counts_what_came)
{
    struct media_tally t;
    char *text;
    size_t len;
    FILE *f;

    media_tally_init(&t);
    for (unsigned i = 0; i < 5000; i++)
        media_tally_sent(&t, S + i * 20 * MS, 160);
    for (unsigned i = 0; i < 5000; i++) {
        if (i % 100 != 3) /* 50 are lost, 50 take 111 ms, 50 take 170 */
            media_tally_came(&t, i,
                             S + i * 20 * MS +
                                 (i % 100 == 7    ? 111
                                  : i % 100 == 50 ? 170
                                                  : 60) *
                                     MS);
    }
    media_tally_came(&t, 0, 900 * S);
    media_tally_came(&t, 5000, 900 * S);
    ck_assert_uint_eq(t.came, 4950);
    ck_assert_uint_eq(t.copies, 1);
    ck_assert_uint_eq(t.unknown, 1);
    ck_assert_uint_eq(t.bytes, 5000 * 160);
    ck_assert_uint_eq(media_tally_later(&t, 110 * MS), 150);
    ck_assert_uint_eq(media_tally_later(&t, 111 * MS), 100);
    ck_assert_uint_eq(media_tally_later(&t, 160 * MS), 100);
    ck_assert_uint_eq(media_tally_later(&t, 170 * MS), 50);
    f = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(f);
    media_tally_print(&t, 60 * MS, f);
    fclose(f);
    ck_assert_ptr_nonnull(strstr(text, "\"sent\": 5000, \"bytes\": 800000, \"lost\": 50, "));
    ck_assert_ptr_nonnull(strstr(text, "\"p50_ms\": 60.00, "));
    ck_assert_ptr_nonnull(strstr(text, "\"late50\": 150, \"late100\": 100, "));
    ck_assert_ptr_nonnull(
        strstr(text, "\"tenths\": [[5, 1, 60.0, 60.0], [5, 1, 60.0, 111.0], [5, 0, "));
    free(text);
    media_tally_fini(&t);
}
END_TEST

START_TEST(a_gap_is_the_longest_time_without_any)
{
    struct media_tally t;

    media_tally_init(&t);
    for (unsigned i = 0; i < 10; i++)
        media_tally_sent(&t, S + i * 20 * MS, 160);
    for (unsigned i = 0; i < 10; i++) {
        if (i < 3 || i > 6)
            media_tally_came(&t, i, S + i * 20 * MS + 10 * MS);
    }
    ck_assert_uint_eq(t.longest_gap_ns, 100 * MS);
    media_tally_fini(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("media");
    TCase *t = tcase_create("media");

    tcase_add_test(t, voice_is_fifty_a_second);
    tcase_add_test(t, video_is_frames_of_its_rate);
    tcase_add_test(t, stamps_are_read_and_changes_seen);
    tcase_add_test(t, a_tally_counts_what_came);
    tcase_add_test(t, a_gap_is_the_longest_time_without_any);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
