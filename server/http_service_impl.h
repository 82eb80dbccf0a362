/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What http_service.c (connections, requests, strangers) http_api.c (the control API's)
 * and http_demo.c (the demo page's) have in common.
 */
#ifndef SALLYPORT_SERVER_HTTP_SERVICE_IMPL_H
#define SALLYPORT_SERVER_HTTP_SERVICE_IMPL_H

#include "guests.h"
#include "http_service.h"
#include "sallyport/ratelimit.h"
#include "site_send.h"

#define SP_HTTP_IDLE_US SP_SEC(60) /* between requests, and until a bit of an answer is taken */

struct sp_http_service {
    struct sp_env env;
    const struct sp_shared *shared;
    struct sp_sessions *sessions;
    struct sp_api *api;           /* or NULL */
    struct sp_demo *demo;         /* or NULL */
    struct sp_fallback *fallback; /* or NULL: the site answers */
    struct sp_guests guests;
    struct sp_ratelimit log_limit;
    struct sp_http_counters counters;
    bool draining;
};

struct sp_http_conn {
    struct sp_http_service *service;
    struct sp_guest guest;
    struct sp_stream *stream;
    struct sp_timer timer;
    struct sp_timer turn;      /* to go on sending when others have had theirs */
    struct sp_site_send file;  /* the rest of the answer */
    uint64_t body_left;        /* of a request that has been answered */
    struct sp_api_call *call;  /* its answer comes later; nothing else is looked at until then */
    struct sp_demo_seat *seat; /* it listens in a room of the demo, and says nothing any more */
    bool is_call;              /* a request to the API, of which some of the body is missing */
    bool continued;            /* its client was told to go on */
    bool head_began;
    bool last;      /* nothing follows the answer that is being sent */
    bool heard_all; /* nothing follows what was received */
    bool finishing;
};

/* What became of a request. */
enum sp_http_served {
    SP_HTTP_STRANGER, /* it is not for whom it was given to */
    SP_HTTP_GONE,     /* the connection is not here any more */
    SP_HTTP_WAITS,    /* for its body, or for its answer */
    SP_HTTP_ANSWERED,
};

/* Inside TLS, to a path of the API's. */
bool sp_http_is_for_api(const struct sp_http_conn *c, const struct sp_http_head *h);
enum sp_http_served sp_http_serve_api(struct sp_http_conn *c, const struct sp_http_head *h,
                                      size_t head_len);

/* The same of the demo page's. */
bool sp_http_is_for_demo(const struct sp_http_conn *c, const struct sp_http_head *h);
enum sp_http_served sp_http_serve_demo(struct sp_http_conn *c, const struct sp_http_head *h,
                                       size_t head_len);
/* It listens no longer. */
void sp_http_demo_forget(struct sp_http_conn *c);

/* --- of http_service.c ---------------------------------------------------------------------- */

/* Forgets the connection, not its stream. */
void sp_http_leave(struct sp_http_conn *c);
/* Nothing more is said, and nothing is heard. */
void sp_http_finish(struct sp_http_conn *c);
/* Looks at what has arrived, and sends what waits. */
void sp_http_go_on(struct sp_http_conn *c);
int sp_http_wait_at_most(struct sp_http_conn *c, uint64_t us);
/* The head of a request is read; its body is passed over when it has been answered. */
void sp_http_take_request(struct sp_http_conn *c, const struct sp_http_head *h, size_t head_len);
/* An answer. */
void sp_http_put(struct sp_http_conn *c, struct sp_span head, struct sp_span body, bool keep_alive);
/* Some of a request's body is missing; a client that asked whether it is wanted is told so. */
void sp_http_wait_for_body(struct sp_http_conn *c, const struct sp_http_head *h);

#endif
