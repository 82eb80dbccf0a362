/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request to the control API says in its body, read from JSON. Every field is known and
 * checked: one that nobody knows is a mistake that is told, not a wish that is overheard. Pure.
 */
#ifndef SALLYPORT_SERVER_API_BODY_H
#define SALLYPORT_SERVER_API_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api_problem.h"
#include "rendezvous.h"
#include "sallyport/bytes.h"
#include "sallyport/token.h"

#define SP_API_BODY_MAX    4096 /* bytes */
#define SP_API_TTL_MIN     10   /* seconds that both ends have to join */
#define SP_API_TTL_DEFAULT 120
#define SP_API_TTL_MAX     600

#define SP_API_ANY_GATEWAY "*"

/* POST /v1/sessions */
struct sp_api_order {
    uint64_t ttl_s;
    bool early;
    struct {
        /* The only one that this end may ask; "": none, SP_API_ANY_GATEWAY: any. So does its
         * ticket say it. */
        char gateway[SP_TOKEN_NAME_MAX + 1];
    } ends[2];
};

/* PUT /v1/end; "" for what was not said. */
struct sp_api_join {
    char holder[SP_RDV_HOLDER_MAX + 1];
    char gateway[SP_TOKEN_NAME_MAX + 1];
    char ufrag[SP_RDV_UFRAG_MAX + 1];
    char password[SP_RDV_PASSWORD_MAX + 1];
};

/* SP_EPROTO: *fault says what is wrong; SP_ENOMEM. An empty order is one without wishes. */
int sp_api_read_order(struct sp_span body, struct sp_api_order *out, struct sp_api_fault *fault);
int sp_api_read_join(struct sp_span body, struct sp_api_join *out, struct sp_api_fault *fault);

/* The names of all fields that they know, NULL behind the last: for the test of what API.md and
 * openapi.json say. "ends" of an order holds objects of `sp_api_end_fields`. */
extern const char *const sp_api_order_fields[], *const sp_api_end_fields[],
                                                    *const sp_api_join_fields[];

#endif
