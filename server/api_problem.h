/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be wrong with a request to the control API, and how that is said: a problem document
 * (RFC 9457) with two members more, "code" for programs and "field" for what it is about. Knows no
 * connection.
 *
 *     {"type": "about:blank", "title": "Bad Request", "status": 400, "code": "bad_field",
 *      "detail": "wants a whole number from 10 to 600", "field": "/ttl"}
 */
#ifndef SALLYPORT_SERVER_API_PROBLEM_H
#define SALLYPORT_SERVER_API_PROBLEM_H

#include <jansson.h>

/* (name, code, status): each is described in API.md. */
#define SP_API_PROBLEMS(X)                         \
    X(MALFORMED, "malformed", 400)                 \
    X(BAD_FIELD, "bad_field", 400)                 \
    X(NO_TOKEN, "no_token", 401)                   \
    X(BAD_TOKEN, "bad_token", 401)                 \
    X(EXPIRED_TOKEN, "expired_token", 401)         \
    X(WRONG_SCOPE, "wrong_scope", 403)             \
    X(WRONG_GATEWAY, "wrong_gateway", 403)         \
    X(GATEWAY_REFUSED, "gateway_refused", 403)     \
    X(NO_SUCH_PATH, "no_such_path", 404)           \
    X(NO_SUCH_SESSION, "no_such_session", 404)     \
    X(WRONG_METHOD, "wrong_method", 405)           \
    X(TICKET_USED, "ticket_used", 409)             \
    X(UFRAG_USED, "ufrag_used", 409)               \
    X(NO_LENGTH, "no_length", 411)                 \
    X(TOO_LARGE, "too_large", 413)                 \
    X(TOO_MANY_REQUESTS, "too_many_requests", 429) \
    X(TOO_MANY_SESSIONS, "too_many_sessions", 429) \
    X(FULL, "full", 503)                           \
    X(DRAINING, "draining", 503)                   \
    X(NO_GATEWAY, "no_gateway", 503)               \
    X(GATEWAY_FULL, "gateway_full", 503)

#define SP_API_PROBLEM_ENUM(name, ...) SP_API_##name,
enum sp_api_problem { SP_API_PROBLEMS(SP_API_PROBLEM_ENUM) };
#define SP_API_PROBLEM_ONE(...) +1
enum { SP_API_PROBLEMS_N = SP_API_PROBLEMS(SP_API_PROBLEM_ONE) };

struct sp_api_problem_kind {
    const char *code;
    unsigned status;
};
extern const struct sp_api_problem_kind sp_api_problem_kinds[SP_API_PROBLEMS_N];

#define SP_API_FIELD_MAX  80
#define SP_API_DETAIL_MAX 256

/* One that was met. */
struct sp_api_fault {
    enum sp_api_problem problem;
    unsigned retry_s;             /* Retry-After; 0: it would not help */
    char field[SP_API_FIELD_MAX]; /* JSON pointer into the body, or a header's name; may be "" */
    char detail[SP_API_DETAIL_MAX];
};

/* Fills it in; what is too long is cut. Returns SP_EPROTO, so that a caller can return at once. */
__attribute__((format(printf, 4, 5))) int sp_api_fault(struct sp_api_fault *f,
                                                       enum sp_api_problem problem,
                                                       const char *field, const char *form, ...);

/* "Bad Request": of every status that the API answers with. */
const char *sp_api_reason(unsigned status);

/* The document; NULL: no memory. */
json_t *sp_api_fault_json(const struct sp_api_fault *f);

#endif
