/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is still worth something when it has waited for too long, since more came than could be
 * carried: what calls are held together by (STUN, DTLS, TURN's requests), told from media by its
 * first bytes (RFC 7983). Knows no queue.
 */
#ifndef SALLYPORT_SERVER_LATE_H
#define SALLYPORT_SERVER_LATE_H

#include <stdbool.h>

#include "sallyport/bytes.h"

/* A browser's only connection, a socket, a ring: what waits longer can't be played any more. */
#define SP_MEDIA_MAX_AGE_US UINT64_C(400000)

/* Of a datagram between ends: whether it is none of media. */
bool sp_late_is_control(struct sp_span body);

/* The same for what a TURN client sends: ChannelData and Send indications are judged by what they
 * carry, as far as that is seen at once. */
bool sp_late_is_turn_control(struct sp_span msg);

#endif
