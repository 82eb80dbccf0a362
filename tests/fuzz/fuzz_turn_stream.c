/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream cutter: however a stream arrives, the same messages come out, ending the same way. The
 * first two bytes of the input seed the sizes of the pieces, the rest is the stream.
 */
#include "fuzz.h"
#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "sallyport/turn_stream.h"

static void check_message(struct sp_span msg, size_t used)
{
    REQUIRE(msg.len > 0 && msg.len <= used && used <= SP_TURN_STREAM_MAX);
    REQUIRE(used - msg.len <= 3 && used % 4 == 0);
    if (sp_chandata_looks_like(msg)) {
        struct sp_chandata c;

        REQUIRE(sp_chandata_parse(msg, &c) == 0);
        REQUIRE(c.data.len + SP_CHANDATA_HEADER_LEN == msg.len);
    } else {
        REQUIRE(sp_stun_looks_like(msg));
        REQUIRE(used == msg.len);
        REQUIRE(msg.len == SP_STUN_HEADER_LEN + (size_t)sp_get_be16(msg.p + 2));
    }
}

/* Takes all whole messages of the first `have` bytes, which must be those of `whole`, the rest of
 * the stream in one piece. Returns how it ended. */
static int take(const uint8_t *stream, size_t size, size_t have, size_t *off)
{
    struct sp_span msg, want;
    size_t used, want_used;
    int err;

    while ((err = sp_turn_stream_next(sp_span(stream + *off, have - *off), &msg, &used)) == 0) {
        REQUIRE(msg.p == stream + *off && used <= have - *off);
        check_message(msg, used);
        REQUIRE(sp_turn_stream_next(sp_span(stream + *off, size - *off), &want, &want_used) == 0);
        REQUIRE(want.p == msg.p && want.len == msg.len && want_used == used);
        *off += used;
    }
    REQUIRE(err == SP_EMORE || err == SP_EBADMSG);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;

    uint32_t seed = sp_get_be16(data);
    const uint8_t *stream = data + 2;
    size_t whole_off = 0, off = 0, have = 0;
    int whole_err, err;

    size -= 2;
    whole_err = take(stream, size, size, &whole_off);

    do {
        err = take(stream, size, have, &off);
        seed = seed * 1103515245 + 12345;

        size_t piece = 1 + (seed >> 16) % 40;

        if (err == SP_EBADMSG || have == size)
            break;
        have += piece < size - have ? piece : size - have;
    } while (true);

    REQUIRE(off == whole_off);
    REQUIRE(err == whole_err);
    return 0;
}
