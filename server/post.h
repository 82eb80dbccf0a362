/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the workers of a server send each other: datagrams for a relayed address that another one
 * has, connections that belong to another one's tunnel or session, and notes. From each to each a
 * ring (ring.h), and one wake-up for all that is put into it in a turn of the loop. Knows neither
 * TURN nor HTTP.
 */
#ifndef SALLYPORT_SERVER_POST_H
#define SALLYPORT_SERVER_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/stream.h"
#include "sallyport/ticker.h"

struct sp_post_office; /* of all workers */
struct sp_post;        /* where one of them sends and receives */

/* From the loop. A connection is in none yet (sp_stream_enter). */
struct sp_post_events {
    void (*datagram)(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                     struct sp_span body);
    void (*connection)(void *arg, struct sp_stream *s);
    void (*note)(void *arg, unsigned from, struct sp_span note);
};

/* SP_EINVAL: none, or more than SP_WORKERS_MAX (port_pool.h); SP_ENOMEM. */
int sp_post_office_new(unsigned workers, struct sp_post_office **out);
/* When all posts are closed. */
void sp_post_office_free(struct sp_post_office *o);

/* All before the first loop runs, each closed when none runs any more. `worker`: of this post, each
 * once. SP_ENOMEM. */
int sp_post_open(struct sp_post_office *o, unsigned worker, struct sp_ticker *ticker,
                 const struct sp_post_events *events, void *arg, struct sp_post **out);
void sp_post_close(struct sp_post *p);

/* By the post's own thread. `to` is any number: SP_ENOENT when it is none of another worker.
 * SP_EFULL: he has not taken what there was; nothing was sent. */
int sp_post_datagram(struct sp_post *p, unsigned to, const struct sp_addr *relayed,
                     const struct sp_addr *from, struct sp_span body);
/* A stream, which is here no longer when this was 0. SP_ECLOSED: it has ended. */
int sp_post_connection(struct sp_post *p, unsigned to, struct sp_stream *s);

/* Bytes that both sides know how to read; `head` at a boundary of 8 bytes over there. */
int sp_post_note(struct sp_post *p, unsigned to, struct sp_span head, struct sp_span body);
/* How many workers there are, with this one. */
unsigned sp_post_workers(const struct sp_post *p);

struct sp_post_counters {
    uint64_t datagrams_dropped; /* the other one had not taken what there was */
    uint64_t datagrams_late;    /* they had waited here too long */
    uint64_t notes_dropped;     /* so, too */
    uint64_t connections;       /* sent */
};
const struct sp_post_counters *sp_post_counters(const struct sp_post *p);

#endif
