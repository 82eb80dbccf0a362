/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo page (--demo): a call of two browsers that anybody who has the link of a room can try,
 * with signalling through this server, by server-sent events and POST. Parsed requests go in,
 * answers come out; the page's files, what may be asked of a room, and how the two who meet in one
 * get a rendezvous session. Knows no connection.
 *
 *     GET  /demo/                               the page
 *     GET  /demo/rooms/NAME?seat=KEY            takes a seat and listens: what happens, as events
 *     POST /demo/rooms/NAME?seat=KEY            says something to the other one
 *     POST /demo/rooms/NAME/leave?seat=KEY      leaves
 *
 * It is for showing, and for nothing else: whoever comes gets a ticket without having proven
 * anything. So it is off unless it is asked for, and all of it has a bound (demo_room.h).
 */
#ifndef SALLYPORT_SERVER_DEMO_H
#define SALLYPORT_SERVER_DEMO_H

#include "api_answer.h"
#include "demo_room.h"
#include "keys.h"
#include "prefix_limit.h"
#include "rendezvous.h"
#include "sallyport/http.h"

struct sp_demo;

#define SP_DEMO_SUBJECT "demo"     /* of its sessions */
#define SP_DEMO_TTL_US  SP_SEC(60) /* for both to join theirs */

/* What the worker knows, and does. */
struct sp_demo_host {
    bool (*send)(void *arg, void *listener, struct sp_span text);
    void (*close)(void *arg, void *listener);
    /* The name of a gateway whose tunnel comes from this address, or NULL: it is on the LAN of whom
     * else comes from there. */
    const char *(*gateway_at)(void *arg, const struct sp_addr *from);
};

struct sp_demo_config {
    unsigned worker, workers;
    struct sp_demo_rooms_config rooms;
    struct sp_prefix_limit *joins; /* all workers' */
    uint64_t *join_hits;
    const struct sp_keyring *keys;
    struct sp_rdv *rdv;
};

/* All of it is borrowed, and outlives it. SP_ENOMEM. */
int sp_demo_new(const struct sp_demo_config *c, const struct sp_demo_host *host, void *arg,
                struct sp_timerq *timers, struct sp_rng *rng, struct sp_demo **out);
void sp_demo_free(struct sp_demo *d, uint64_t now_us);
const struct sp_demo_counters *sp_demo_counters(const struct sp_demo *d);

struct sp_demo_request {
    const struct sp_http_head *head;
    struct sp_span body; /* as far as it is there */
    const struct sp_addr *remote;
    uint64_t now_us, unix_s;
    bool stay;      /* it can't go to another worker */
    void *listener; /* what the host knows it by, if it becomes one */
};

enum sp_demo_outcome {
    SP_DEMO_NOT_OURS,  /* the site answers */
    SP_DEMO_ANSWERED,  /* out->answer, which the caller frees */
    SP_DEMO_MORE,      /* the same again when more of the body is there */
    SP_DEMO_ELSEWHERE, /* the room is of worker out->worker: it wants the request as it came */
    SP_DEMO_LISTENS,   /* the host was told what to send, and will be; out->seat */
};

struct sp_demo_reply {
    struct sp_api_answer answer;
    unsigned worker;
    struct sp_demo_seat *seat; /* for sp_demo_lost() */
};

bool sp_demo_is_path(struct sp_span target);

/* A request with such a target that came by TLS. */
enum sp_demo_outcome sp_demo_serve(struct sp_demo *d, const struct sp_demo_request *r,
                                   struct sp_demo_reply *out);

#endif
