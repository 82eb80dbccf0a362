/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/rfc4571.h"

#include <assert.h>

#include "sallyport/err.h"

#define FLOW_LEN 2
#define SEQ_LEN  4

int sp_rfc4571_next(struct sp_span s, size_t max, struct sp_span *packet, size_t *used)
{
    if (s.len < SP_RFC4571_HEADER_LEN)
        return SP_EMORE;

    size_t len = sp_get_be16(s.p);

    if (len > max)
        return SP_ETOOBIG;
    if (s.len - SP_RFC4571_HEADER_LEN < len)
        return SP_EMORE;
    *packet = sp_span(s.p + SP_RFC4571_HEADER_LEN, len);
    *used = SP_RFC4571_HEADER_LEN + len;
    return 0;
}

static int parse_data(uint16_t flow, struct sp_span rest, struct sp_frame *out)
{
    if (rest.len < SEQ_LEN || rest.len - SEQ_LEN > SP_DATAGRAM_MAX)
        return SP_EBADMSG;
    *out = (struct sp_frame){
        .kind = SP_FRAME_DATA,
        .flow = flow,
        .seq = sp_get_be32(rest.p),
        .body = sp_span_skip(rest, SEQ_LEN),
    };
    return 0;
}

int sp_frame_parse(struct sp_span packet, struct sp_frame *out)
{
    if (packet.len == 0)
        return SP_ENOENT;
    if (packet.len < FLOW_LEN)
        return SP_EBADMSG;

    uint16_t flow = sp_get_be16(packet.p);
    struct sp_span rest = sp_span_skip(packet, FLOW_LEN);

    if (flow != SP_FLOW_CONTROL && flow != SP_FLOW_PARITY)
        return parse_data(flow, rest, out);
    if (rest.len == 0)
        return SP_EBADMSG;
    *out = (struct sp_frame){
        .kind = flow == SP_FLOW_CONTROL ? SP_FRAME_CONTROL : SP_FRAME_PARITY,
        .flow = flow,
        .body = rest,
    };
    return 0;
}

void sp_frame_data_header(uint8_t out[static SP_FRAME_HEADER_LEN], uint16_t flow, uint32_t seq,
                          size_t len)
{
    assert(flow != SP_FLOW_CONTROL && flow != SP_FLOW_PARITY && len <= SP_DATAGRAM_MAX);
    sp_put_be16(out, (uint16_t)(FLOW_LEN + SEQ_LEN + len));
    sp_put_be16(out + 2, flow);
    sp_put_be32(out + 4, seq);
}

void sp_frame_control_header(uint8_t out[static SP_FRAME_CONTROL_HEADER_LEN], size_t len)
{
    assert(len > 0 && len <= SP_FRAME_MAX - FLOW_LEN);
    sp_put_be16(out, (uint16_t)(FLOW_LEN + len));
    sp_put_be16(out + 2, SP_FLOW_CONTROL);
}

void sp_frame_parity_header(uint8_t out[static SP_FRAME_CONTROL_HEADER_LEN], size_t len)
{
    assert(len > 0 && len <= SP_FRAME_MAX - FLOW_LEN);
    sp_put_be16(out, (uint16_t)(FLOW_LEN + len));
    sp_put_be16(out + 2, SP_FLOW_PARITY);
}
