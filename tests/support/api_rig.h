/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API on a bench: a registry of sessions, a host whose gateways do as they are told,
 * and requests as text. Every answer is held against openapi.json.
 */
#ifndef SALLYPORT_TESTS_API_RIG_H
#define SALLYPORT_TESTS_API_RIG_H

#include <jansson.h>

#include "api.h"
#include "sallyport/timerq.h"

#define API_SECRET  "a secret that is long enough to be one"
#define API_ORIGIN  "https://app.example"
#define API_NOW_S   2000000000 /* seconds since 1970 when it opens */
#define API_T0_US   UINT64_C(5000000000)
#define API_WORKER  3
#define API_HOLDER  "holder-of-an-end"
#define API_HOLDER2 "holder-of-another"

struct api_rig {
    struct sp_rng_seeded rng;
    struct sp_timerq timers;
    struct sp_bounds bounds;
    struct sp_bound_hits hits;
    struct sp_tally tally;
    struct sp_quota shares;
    struct sp_log log;
    struct sp_keys keys;
    struct sp_rdv *rdv;
    struct sp_pace requests;
    struct sp_api *api;
    json_t *openapi;
    uint64_t now_us;

    /* the host */
    size_t n_candidates;
    int ask_err; /* what asking a gateway returns at once */
    sp_api_gateway_fn *fn;
    void *fn_arg;
    struct sp_rdv_session *asked;
    char asked_gateway[SP_TOKEN_NAME_MAX + 1];
    unsigned asked_end, cancelled, n_gateways;

    unsigned fail_at; /* not 0: this allocation of the next request fails … */
    bool failed;      /* … if there were so many */

    /* the last request and what came of it */
    enum sp_api_outcome outcome;
    unsigned status, worker;
    struct sp_api_call *call;
    char method[16], path[256];
    char head[SP_API_HEAD_MAX + 1];
    json_t *body;     /* NULL: none, or a file */
    char text[20000]; /* the same as text */
};

void api_rig_open(struct api_rig *r);
void api_rig_close(struct api_rig *r);

struct api_ask {
    const char *method, *path;
    const char *token;  /* NULL: none */
    const char *origin; /* NULL: none */
    const char *fields; /* more lines of the head, or NULL */
    const char *body;   /* NULL: none */
};

/* The status of the answer; 0: it was not the API's, or the answer is not there yet. */
unsigned api_ask(struct api_rig *r, const struct api_ask *a);

/* The gateway that was asked says this. The status of the answer. */
unsigned api_gateway_says(struct api_rig *r, int err);

/* A token; `good_for_s` may be negative. `out` as long as SP_TOKEN_MAX + 1. */
void api_token(const struct api_rig *r, const char *subject, const char *scope, int64_t good_for_s,
               char *out);

/* Of the last answer: a member's text, also of "ends" and "candidates" by "ends/0/ticket". */
const char *api_text(const struct api_rig *r, const char *path);
json_int_t api_number(const struct api_rig *r, const char *path);
bool api_is(const struct api_rig *r, const char *path); /* true */

/* Time passes for all. */
void api_rig_pass(struct api_rig *r, uint64_t us);

/* Reads a file of the source tree. */
char *api_read_source(const char *path);

#endif
