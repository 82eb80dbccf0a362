/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answer of the control API as HTTP: head and body, with what a browser wants to hear before it
 * shows them to a page of another origin (CORS, fetch.spec.whatwg.org). Knows no request. Pure.
 */
#ifndef SALLYPORT_SERVER_API_ANSWER_H
#define SALLYPORT_SERVER_API_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api_problem.h"
#include "origin.h"
#include "sallyport/bytes.h"

#define SP_API_HEAD_MAX 1024

struct sp_api_answer {
    unsigned status;
    struct sp_span head; /* with the empty line; lies in `text`, so don't copy this struct */
    struct sp_span body; /* goes right behind the head */
    bool keep_alive;     /* false: the head says so, end the connection when all is written */
    char *owned;         /* what the body lies in, or NULL */
    char text[SP_API_HEAD_MAX];
};

/* What every answer is told. */
struct sp_api_manner {
    const char *origin; /* of the page that asked, an allowed one; NULL: no page */
    uint64_t unix_s;    /* for Date */
    bool keep_alive;
};

/* Takes over `body` (NULL: no memory, which is answered 503). `field`: a line more of the head, or
 * "". Each is to be freed with sp_api_answer_fini. */
void sp_api_answer_json(struct sp_api_answer *a, const struct sp_api_manner *m, unsigned status,
                        const char *field, json_t *body);
void sp_api_answer_fault(struct sp_api_answer *a, const struct sp_api_manner *m, const char *field,
                         const struct sp_api_fault *f);
/* 204. */
void sp_api_answer_empty(struct sp_api_answer *a, const struct sp_api_manner *m, const char *field);
/* What lives as long as the program. `fields`: more lines of the head, or "". */
void sp_api_answer_page(struct sp_api_answer *a, const struct sp_api_manner *m, const char *type,
                        const char *fields, struct sp_span body);
/* The same, for an hour's sixth good without being asked for again. */
void sp_api_answer_file(struct sp_api_answer *a, const struct sp_api_manner *m, const char *type,
                        struct sp_span body);

void sp_api_answer_fini(struct sp_api_answer *a);

#endif
