/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 4571 framing and the tunnel's frame header: the same packets however the stream is cut, none
 * over the bound, and each frame is built again as it was. The first two bytes of the input seed
 * the sizes of the pieces, the rest is the stream.
 */
#include "fuzz.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

static void check_data(struct sp_span packet, const struct sp_frame *f)
{
    uint8_t header[SP_FRAME_HEADER_LEN];

    REQUIRE(f->flow != SP_FLOW_CONTROL && f->flow != SP_FLOW_PARITY);
    REQUIRE(f->body.len <= SP_DATAGRAM_MAX);
    sp_frame_data_header(header, f->flow, f->seq, f->body.len);
    REQUIRE(memcmp(header, packet.p - SP_RFC4571_HEADER_LEN, sizeof(header)) == 0);
}

static void check_control(struct sp_span packet, const struct sp_frame *f)
{
    uint8_t header[SP_FRAME_CONTROL_HEADER_LEN];

    REQUIRE(f->flow == SP_FLOW_CONTROL && f->body.len > 0);
    sp_frame_control_header(header, f->body.len);
    REQUIRE(memcmp(header, packet.p - SP_RFC4571_HEADER_LEN, sizeof(header)) == 0);
}

static void check_packet(struct sp_span packet)
{
    struct sp_frame f;
    int err = sp_frame_parse(packet, &f);

    REQUIRE((err == SP_ENOENT) == (packet.len == 0));
    if (err) {
        REQUIRE(err == SP_ENOENT || err == SP_EBADMSG);
        return;
    }
    REQUIRE(f.body.p > packet.p && f.body.p + f.body.len == packet.p + packet.len);
    switch (f.kind) {
    case SP_FRAME_DATA:
        check_data(packet, &f);
        break;
    case SP_FRAME_CONTROL:
        check_control(packet, &f);
        break;
    case SP_FRAME_PARITY:
        REQUIRE(f.flow == SP_FLOW_PARITY && f.body.len > 0);
        break;
    }
}

/* Takes all whole packets of the first `have` bytes. Returns how it ended. */
static int take(const uint8_t *stream, size_t have, size_t *off, size_t *n)
{
    struct sp_span packet;
    size_t used;
    int err;

    while ((err = sp_rfc4571_next(sp_span(stream + *off, have - *off), SP_FRAME_MAX, &packet,
                                  &used)) == 0) {
        REQUIRE(packet.p == stream + *off + SP_RFC4571_HEADER_LEN);
        REQUIRE(used == packet.len + SP_RFC4571_HEADER_LEN && used <= have - *off);
        REQUIRE(packet.len <= SP_FRAME_MAX);
        check_packet(packet);
        *off += used;
        (*n)++;
    }
    REQUIRE(err == SP_EMORE || err == SP_ETOOBIG);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;

    uint32_t seed = sp_get_be16(data);
    const uint8_t *stream = data + 2;
    size_t whole_off = 0, whole_n = 0, off = 0, n = 0, have = 0;
    int whole_err, err;

    size -= 2;
    whole_err = take(stream, size, &whole_off, &whole_n);

    do {
        err = take(stream, have, &off, &n);
        seed = seed * 1103515245 + 12345;

        size_t piece = 1 + (seed >> 16) % 40;

        if (err == SP_ETOOBIG || have == size)
            break;
        have += piece < size - have ? piece : size - have;
    } while (true);

    REQUIRE(off == whole_off && n == whole_n);
    REQUIRE(err == whole_err);
    return 0;
}
