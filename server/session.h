/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels of one worker: made and found by their secret id, owned by the subject whose token
 * opened them, alive as long as a lane is there or for the linger time after. Each flow gets an
 * endpoint. Knows no HTTP: who may join was decided before.
 */
#ifndef SALLYPORT_SERVER_SESSION_H
#define SALLYPORT_SERVER_SESSION_H

#include "env.h"
#include "sallyport/stream.h"
#include "sallyport/tunnel.h"
#include "sallyport/upgrade.h"

struct sp_sessions; /* the table */
struct sp_session;  /* one tunnel and what belongs to it */

struct sp_sessions_config {
    uint64_t linger_us;
};

struct sp_sessions_counters {
    uint64_t opened, ended, refused, lanes;
    uint64_t busy; /* of refused: new ones, by a worker that can't carry what there is */
    struct sp_tunnel_counters tunnels; /* of those that have ended */
};

int sp_sessions_new(const struct sp_env *env, const struct sp_sessions_config *c,
                    struct sp_sessions **out);
/* Ends all of them. */
void sp_sessions_free(struct sp_sessions *all);

/*
 * The stream becomes a lane, of a new tunnel or of one that `u` names by its id. *id (borrowed) is
 * the tunnel's, to be told to the gateway before anything else is sent. On an error nothing has
 * changed and the stream is still the caller's: SP_EFULL: at a bound; SP_EDENIED: draining;
 * SP_ENOENT: no such tunnel, or another subject's; SP_ENOMEM.
 */
int sp_session_join(struct sp_sessions *all, const struct sp_upgrade *u, const char *subject,
                    struct sp_stream *stream, const struct sp_tunnel_id **id);

/* A new tunnel's gateway, as its token names it, may be asked to open ports for ends of rendezvous
 * sessions from now on. Harmless for a tunnel that has a name already. */
void sp_session_name(struct sp_sessions *all, const struct sp_tunnel_id *id, const char *gateway);

/* No tunnel is made from now on (SP_EDENIED); those that are there may still replace their lanes.
 * Gateways are told, and the flows that hold no allocation are closed. */
void sp_sessions_drain(struct sp_sessions *all);

/* Ends all tunnels in good order: gateways are told, flows are closed, then lanes, within
 * `timeout_us`. The tunnels are there until freed; sp_sessions_lane_count says whether it is
 * done. */
void sp_sessions_finish(struct sp_sessions *all, uint64_t timeout_us);

size_t sp_sessions_count(const struct sp_sessions *all);
size_t sp_sessions_lane_count(const struct sp_sessions *all);
size_t sp_sessions_flow_count(const struct sp_sessions *all);

/* One tunnel after the other, for /status: first with NULL, NULL at the end. Nothing may end
 * meanwhile. */
const struct sp_session *sp_sessions_next(const struct sp_sessions *all,
                                          const struct sp_session *before);
struct sp_session_view {
    const char *subject;
    const struct sp_addr *gateway; /* where its last lane came from */
    uint64_t opened_us;
    bool leaving; /* the gateway said that it ends */
    struct sp_tunnel *tunnel;
};
void sp_session_view(const struct sp_session *s, struct sp_session_view *out);

/* The sum over all tunnels that there are and were. */
void sp_sessions_counters(const struct sp_sessions *all, struct sp_sessions_counters *out);

#endif
