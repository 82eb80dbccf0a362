/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/chandata.h"

#include "sallyport/err.h"

bool sp_chandata_looks_like(struct sp_span s)
{
    return s.len > 0 && (s.p[0] & 0xC0) == 0x40;
}

int sp_chandata_parse(struct sp_span s, struct sp_chandata *out)
{
    if (s.len < SP_CHANDATA_HEADER_LEN)
        return SP_EBADMSG;

    uint16_t channel = sp_get_be16(s.p);
    size_t len = sp_get_be16(s.p + 2);

    if (channel < SP_CHANNEL_MIN || channel > SP_CHANNEL_MAX)
        return SP_EBADMSG;
    if (len > s.len - SP_CHANDATA_HEADER_LEN)
        return SP_EBADMSG;
    out->channel = channel;
    out->data = sp_span(s.p + SP_CHANDATA_HEADER_LEN, len);
    return 0;
}

void sp_chandata_header(uint8_t out[static SP_CHANDATA_HEADER_LEN], uint16_t channel, uint16_t len)
{
    sp_put_be16(out, channel);
    sp_put_be16(out + 2, len);
}
