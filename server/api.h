/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API (API.md): makes, shows and ends sessions, lets browsers join their ends, and asks
 * gateways to open one on their LAN. A parsed request goes in, an answer comes out. Knows no
 * connection and no gateway: what is to be had on this host it asks its worker for.
 *
 * Whoever shows neither a token of ours nor an origin of --origin does not learn that it is here:
 * for him it is no request of the API, and the site answers.
 */
#ifndef SALLYPORT_SERVER_API_H
#define SALLYPORT_SERVER_API_H

#include "api_answer.h"
#include "bounds.h"
#include "keys.h"
#include "origin.h"
#include "pace.h"
#include "rendezvous.h"
#include "sallyport/addr.h"
#include "sallyport/http.h"
#include "sallyport/rng.h"

struct sp_api;
struct sp_api_call; /* a request whose answer comes later */

#define SP_API_CANDIDATES_MAX    8
#define SP_API_GATEWAYS_MAX      1000 /* of a list */
#define SP_API_TICKET_REQUESTS_S 20   /* requests a second by one ticket */

struct sp_api_candidate {
    bool tcp;
    struct sp_addr addr;
};

struct sp_api_gateway {
    const char *name, *subject; /* borrowed until the next call */
    uint64_t since_us;
};

/* 0: the addresses (UDP) that it opened; SP_ENOENT, SP_ETIMEDOUT: it is not there (any more);
 * SP_EFULL: at its bound; SP_EDENIED: it refused. */
typedef void sp_api_gateway_fn(int err, const struct sp_addr *addrs, size_t n, void *arg);

/* What the worker knows. */
struct sp_api_host {
    /* What a browser without a gateway connects to, whose request came by `local`; how many. */
    size_t (*candidates)(void *arg, const struct sp_addr *local,
                         struct sp_api_candidate out[static SP_API_CANDIDATES_MAX]);
    /* Asks a gateway to open the end. 0: `fn` follows, never from within; until then *ask can be
     * cancelled. SP_ENOENT, SP_EFULL, SP_ENOMEM: at once. */
    int (*ask_gateway)(void *arg, struct sp_rdv_session *s, unsigned end, struct sp_span gateway,
                       sp_api_gateway_fn *fn, void *fn_arg, void **ask);
    void (*cancel)(void *arg, void *ask);
    /* The gateways that are there: first with NULL, then with what it returned; NULL: no more. */
    const void *(*next_gateway)(void *arg, const void *before, struct sp_api_gateway *out);
};

struct sp_api_config {
    uint16_t worker;
    struct sp_origins origins;
    struct sp_pace *requests; /* by tokens that make sessions; all workers' */
    const struct sp_bounds *bounds;
    struct sp_bound_hits *hits;
};

struct sp_api_counters {
    uint64_t requests;  /* that were the API's, preflights among them */
    uint64_t problems;  /* of these: answered with one */
    uint64_t strangers; /* to its paths, without token or origin: the site answered */
};

/* All of it is borrowed, and outlives the API. SP_ENOMEM. */
int sp_api_new(const struct sp_api_config *c, const struct sp_api_host *host, void *arg,
               struct sp_rdv *rdv, struct sp_rng *rng, struct sp_api **out);
/* When no call is left. */
void sp_api_free(struct sp_api *api);

/* No session is made from now on. */
void sp_api_drain(struct sp_api *api);

const struct sp_api_counters *sp_api_counters(const struct sp_api *api);

/* The answer that was to come later. */
typedef void sp_api_done_fn(struct sp_api_answer *a, void *arg);

struct sp_api_request {
    const struct sp_http_head *head;
    struct sp_span body;         /* as far as it is there */
    const struct sp_addr *local; /* where the request came to */
    const struct sp_addr *from;  /* and from; NULL: not known */
    const struct sp_keys *keys;
    uint64_t now_us, unix_s;
    bool stay; /* it can't go to another worker */
    sp_api_done_fn *done;
    void *arg;
};

enum sp_api_outcome {
    SP_API_NOT_OURS,  /* the site answers. A token, if there was one, has been looked at */
    SP_API_ANSWERED,  /* out->answer, which the caller frees */
    SP_API_MORE,      /* the same again when more of the body is there */
    SP_API_ELSEWHERE, /* the session is of worker out->worker: it wants the request as it came */
    SP_API_LATER,     /* `done` follows, unless out->call is cancelled */
};

struct sp_api_reply {
    struct sp_api_answer answer;
    unsigned worker;
    struct sp_api_call *call;
};

/* Whether a target may be the API's at all. */
bool sp_api_is_path(struct sp_span target);

/* A request with such a target that came by TLS: a token that travels in the clear is anybody's. */
enum sp_api_outcome sp_api_serve(struct sp_api *api, const struct sp_api_request *request,
                                 struct sp_api_reply *out);

void sp_api_cancel(struct sp_api_call *call);

#endif
