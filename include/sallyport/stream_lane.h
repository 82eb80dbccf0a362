/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane over a stream: joins TLS over TCP, once it has been upgraded, to a tunnel. The same on
 * both ends. It owns its stream, and itself: it lives until the connection ends or the tunnel lets
 * go of it, and tells so once.
 */
#ifndef SALLYPORT_STREAM_LANE_H
#define SALLYPORT_STREAM_LANE_H

#include "sallyport/stream.h"
#include "sallyport/tunnel.h"

struct sp_stream_lane;

/*
 * The lane is out of its tunnel and its stream is closed; both are gone when this returns. `why`:
 * SP_EEXIST when the tunnel let go of it (another lane took its number, or the tunnel is being
 * freed: don't touch the tunnel then), SP_EBADMSG when the far side broke framing, else as in
 * sp_stream_events; `text` says it in one line.
 */
typedef void sp_stream_lane_closed_fn(struct sp_stream_lane *l, int why, const char *text,
                                      void *arg);

/* Takes over the stream and what waits in it, which is read from the loop, not from within.
 * SP_ENOMEM or SP_EINVAL (lane number): it is still the caller's. */
int sp_stream_lane_new(struct sp_stream *s, struct sp_ticker *ticker, struct sp_tunnel *t,
                       unsigned number, sp_stream_lane_closed_fn *closed, void *arg,
                       struct sp_stream_lane **out);

/* Ends the connection and takes the lane out of its tunnel; `closed` is not called. */
void sp_stream_lane_free(struct sp_stream_lane *l);

struct sp_lane *sp_stream_lane_lane(const struct sp_stream_lane *l);
struct sp_stream *sp_stream_lane_stream(const struct sp_stream_lane *l);

#endif
