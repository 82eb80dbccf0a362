/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What api.c (who may ask for what) and api_session.c (what is done then) have in common.
 */
#ifndef SALLYPORT_SERVER_API_IMPL_H
#define SALLYPORT_SERVER_API_IMPL_H

#include "api.h"
#include "api_route.h"
#include "pace.h"

struct sp_api {
    struct sp_api_config config;
    const struct sp_api_host *host;
    void *arg; /* the host's */
    struct sp_rdv *rdv;
    struct sp_pace tickets; /* requests by these: their worker is always the same */
    struct sp_api_counters counters;
    bool draining;
};

/* One that is being answered. */
struct sp_api_task {
    struct sp_api *api;
    const struct sp_api_request *request;
    struct sp_api_place place;
    struct sp_api_manner manner;
    struct sp_claims claims;
    bool expired; /* the token is, and was good */
    struct sp_span body;
};

/* Each answers, or returns SP_EPROTO and *fault; join may return SP_EAGAIN: *call is there, and
 * answers later. */
int sp_api_create(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault);
int sp_api_show(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault);
int sp_api_end(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault);
int sp_api_join(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault,
                struct sp_api_call **call);
int sp_api_gateways(struct sp_api_task *t, struct sp_api_answer *a);

/* Says it, and counts it. */
void sp_api_complain(struct sp_api *api, const struct sp_api_manner *m, const char *field,
                     const struct sp_api_fault *fault, struct sp_api_answer *a);

#endif
