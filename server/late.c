/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "late.h"

#include "sallyport/chandata.h"

#define SEND_INDICATION 0x0016
#define MEDIA_FROM      64 /* below are STUN, DTLS and others; 64 to 79 are channels, above is RTP */

bool sp_late_is_control(struct sp_span body)
{
    return body.len > 0 && body.p[0] < MEDIA_FROM;
}

/* What a Send indication carries is behind attributes: a check that is lost with it comes again. */
bool sp_late_is_turn_control(struct sp_span msg)
{
    if (sp_chandata_looks_like(msg))
        return msg.len > SP_CHANDATA_HEADER_LEN &&
               sp_late_is_control(sp_span_skip(msg, SP_CHANDATA_HEADER_LEN));
    return sp_late_is_control(msg) && msg.len >= 2 && sp_get_be16(msg.p) != SEND_INDICATION;
}
