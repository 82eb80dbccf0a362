/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/turn_stream.h"

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"

/* Judges by length and cookie as soon as they are there: a length that a stranger chose must not
 * keep the connection waiting for bytes that are no STUN. */
static int next_stun(struct sp_span s, size_t *len)
{
    if (s.len >= 4 && s.p[3] % 4 != 0)
        return SP_EBADMSG;
    if (s.len < 8)
        return SP_EMORE;
    if (!sp_stun_looks_like(s))
        return SP_EBADMSG;
    *len = SP_STUN_HEADER_LEN + (size_t)sp_get_be16(s.p + 2);
    return 0;
}

static int next_chandata(struct sp_span s, size_t *len)
{
    if (s.len >= 2 && sp_get_be16(s.p) > SP_CHANNEL_MAX)
        return SP_EBADMSG;
    if (s.len < SP_CHANDATA_HEADER_LEN)
        return SP_EMORE;
    *len = SP_CHANDATA_HEADER_LEN + (size_t)sp_get_be16(s.p + 2);
    return 0;
}

int sp_turn_stream_next(struct sp_span s, struct sp_span *msg, size_t *used)
{
    size_t len;
    int err;

    if (s.len == 0)
        return SP_EMORE;
    if (s.p[0] < 0x40)
        err = next_stun(s, &len);
    else if (sp_chandata_looks_like(s))
        err = next_chandata(s, &len);
    else
        err = SP_EBADMSG;
    if (err)
        return err;

    /* Both headers are a multiple of four long, and a STUN message is one as a whole. */
    size_t whole = len + sp_chandata_padding(len);

    if (s.len < whole)
        return SP_EMORE;
    *msg = sp_span(s.p, len);
    *used = whole;
    return 0;
}
