/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts a TCP or TLS byte stream into STUN and ChannelData messages (RFC 8656 section 12.5 and
 * RFC 8489 section 6.2.2): a pure function over what has arrived.
 */
#ifndef SALLYPORT_TURN_STREAM_H
#define SALLYPORT_TURN_STREAM_H

#include "sallyport/bytes.h"

/* The longest message that a stream may carry: header and 65,535 bytes, padded. */
#define SP_TURN_STREAM_MAX (20 + 65536)

/*
 * The first message of `s`: *msg is the message without ChannelData padding, *used what to consume
 * (padding included). SP_EMORE: not whole yet. SP_EBADMSG: neither STUN nor ChannelData; the
 * stream can't be trusted any more.
 */
int sp_turn_stream_next(struct sp_span s, struct sp_span *msg, size_t *used);

#endif
