/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP requests that want to become lanes: whose token is good, and what their tunnel says. Knows
 * no answer but the one that opens a lane, and nothing of what strangers see.
 */
#ifndef SALLYPORT_SERVER_HTTP_LANE_H
#define SALLYPORT_SERVER_HTTP_LANE_H

#include "env.h"
#include "sallyport/http.h"
#include "sallyport/stream.h"
#include "sallyport/upgrade.h"
#include "session.h"
#include "shared.h"

/* Whether a request that came by `s` asks for a lane: only inside TLS, since a token that travels
 * in the clear is anybody's. */
bool sp_http_lane_wanted(const struct sp_shared *shared, const struct sp_stream *s,
                         const struct sp_http_head *h, struct sp_upgrade *out);

struct sp_http_lane {
    const struct sp_tunnel_id *id; /* of its tunnel; NULL: another worker has the connection now */
    bool not_now;
};

/*
 * 0: the stream is a lane, or will be one elsewhere, and no longer the caller's. Otherwise why it
 * isn't; not_now: the token is good, and nothing is wrong but that there is no room, or no future,
 * for what it asks. Who learns that is no stranger; from the site's answer a gateway would take it
 * that its tunnel is forgotten, and blame its token.
 */
int sp_http_lane_join(const struct sp_env *env, struct sp_sessions *sessions,
                      const struct sp_upgrade *u, struct sp_stream *s, struct sp_http_lane *out);

/* Tells a lane that it is one; `head_len` bytes of its input were the request. */
void sp_http_lane_welcome(struct sp_stream *s, const struct sp_tunnel_id *id, size_t head_len);

/* A token on any other page is looked at as well, so that the time it takes tells nobody which page
 * is the right one. */
void sp_http_lane_look(const struct sp_env *env, const struct sp_http_head *h);

#endif
