/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The classes of a run of datagrams: each in the input is FLOW 8, MILLISECONDS 8, LENGTH 8, bytes.
 * What stands in a datagram's first bytes decides what it may be, whatever came before; and each
 * ends where its memory ends.
 */
#include "fuzz.h"

#include "sallyport/chandata.h"
#include "sallyport/classify.h"
#include "sallyport/stun.h"

/* What RFC 7983 and 5761 say, for a datagram without TURN layer. */
static void check_bare(struct sp_span s, enum sp_class class)
{
    bool rtp = s.len >= 12 && s.p[0] >= 128 && s.p[0] < 192 && (s.p[1] < 192 || s.p[1] > 223);
    bool rtcp = s.len >= 8 && s.p[0] >= 128 && s.p[0] < 192 && s.p[1] >= 192 && s.p[1] <= 223;

    REQUIRE(rtp == (class == SP_CLASS_VOICE || class == SP_CLASS_VIDEO));
    REQUIRE(rtcp == (class == SP_CLASS_RTCP));
    if (class == SP_CLASS_CONTROL)
        REQUIRE(s.len > 0 && s.p[0] < 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_rng_seeded rng;
    struct sp_classify c;
    uint64_t now_us = 1;

    sp_rng_seeded_init(&rng, 1);
    sp_classify_init(&c, &rng.rng);
    while (size >= 3) {
        uint16_t flow = data[0];
        size_t len = data[2] < size - 3 ? data[2] : size - 3;
        uint8_t *exact = malloc(len ? len : 1);

        REQUIRE(exact);
        memcpy(exact, data + 3, len);
        now_us += data[1] * 1000u;

        struct sp_span s = sp_span(exact, len);
        enum sp_class class = sp_classify(&c, flow, s, now_us);

        REQUIRE((unsigned)class < SP_N_CLASSES);
        REQUIRE(c.streams.len <= SP_CLASSIFY_STREAMS);
        if (!sp_chandata_looks_like(s) && !sp_stun_looks_like(s))
            check_bare(s, class);
        free(exact);
        if (flow == 255)
            sp_classify_forget(&c, data[1]);
        data += 3 + len;
        size -= 3 + len;
    }
    sp_classify_fini(&c);
    return 0;
}
