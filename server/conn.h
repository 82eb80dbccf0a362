/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP connection at the door: from accept until its first bytes, outside and then inside TLS,
 * have told what it is and who takes it. Bounded in time and in number, since whoever stands here
 * has proven nothing yet.
 */
#ifndef SALLYPORT_SERVER_CONN_H
#define SALLYPORT_SERVER_CONN_H

#include "env.h"
#include "sallyport/stream.h"
#include "shared.h"

struct sp_conns; /* those at the door of one worker */

/* Where a connection goes once it is known; each takes over the stream (what waits in it is still
 * unread), or returns an error and leaves it to be closed. */
struct sp_conn_takers {
    int (*turn)(struct sp_stream *s, void *arg);
    int (*ice)(struct sp_stream *s, void *arg);
    /* HTTP, and all that nobody knows: a web server would answer that, too. */
    int (*http)(struct sp_stream *s, void *arg);
};

struct sp_conns_counters {
    uint64_t accepted, tls_failed, timed_out;
    uint64_t pushed_out, crowded; /* too many there; too many from one address */
    uint64_t queued;              /* handshakes that waited for a later turn of the loop */
    uint64_t turn, ice, http, unknown;
};

int sp_conns_new(const struct sp_env *env, const struct sp_shared *shared,
                 const struct sp_conn_takers *takers, void *arg, struct sp_conns **out);
void sp_conns_free(struct sp_conns *all);

/* Takes over `fd`. When too many stand at the door (env.max_strangers) the one that came first has
 * to go. */
void sp_conn_accept(struct sp_conns *all, int fd);

const struct sp_conns_counters *sp_conns_counters(const struct sp_conns *all);

#endif
