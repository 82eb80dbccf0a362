/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport/http.h"

#define RETRY_S     10 /* when there was no memory */
#define NEVER_STORE "Cache-Control: no-store\r\n"

/* Appends to the head. All that goes into it has a bound, so that it fits. */
__attribute__((format(printf, 2, 3))) static void put(struct sp_api_answer *a, const char *form,
                                                      ...)
{
    size_t cap = sizeof a->text - a->head.len;
    va_list args;

    va_start(args, form);
    int n = vsnprintf(a->text + a->head.len, cap, form, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < cap);
    a->head.len += (size_t)n;
}

static void begin(struct sp_api_answer *a, const struct sp_api_manner *m, unsigned status)
{
    char date[30];

    a->status = status;
    a->head = sp_span(a->text, 0);
    a->body = sp_span(NULL, 0);
    a->owned = NULL;
    a->keep_alive = m->keep_alive;
    sp_http_date(m->unix_s, date);
    put(a, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, sp_api_reason(status), date);
    if (m->origin != NULL)
        put(a,
            "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n"
            "Access-Control-Expose-Headers: Location, Retry-After\r\n",
            m->origin);
}

static void end(struct sp_api_answer *a)
{
    put(a, "Connection: %s\r\n\r\n", a->keep_alive ? "keep-alive" : "close");
}

static void put_body(struct sp_api_answer *a, const char *type, const char *more)
{
    put(a, "Content-Type: %s\r\nContent-Length: %zu\r\n%s", type, a->body.len, more);
    end(a);
}

/* A problem in the only words that need no memory. */
static void no_memory(struct sp_api_answer *a, const struct sp_api_manner *m)
{
    begin(a, m, 503);
    put(a, "Retry-After: %d\r\n", RETRY_S);
    a->body = sp_span_str("{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                          "\"status\":503,\"code\":\"full\",\"detail\":\"no memory\"}");
    put_body(a, "application/problem+json", NEVER_STORE);
}

/* Measured, then written: json_dumps() may leave out a name when it gets no memory for it. */
static char *dump(const json_t *o)
{
    size_t len = o != NULL ? json_dumpb(o, NULL, 0, JSON_COMPACT) : 0;
    char *text = len > 0 ? malloc(len + 1) : NULL;

    if (text == NULL)
        return NULL;
    if (json_dumpb(o, text, len, JSON_COMPACT) != len) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static void put_json(struct sp_api_answer *a, const struct sp_api_manner *m, unsigned status,
                     const char *type, const char *field, json_t *body)
{
    char *text = dump(body);

    json_decref(body);
    if (text == NULL) {
        no_memory(a, m);
        return;
    }
    begin(a, m, status);
    put(a, "%s", field);
    a->owned = text;
    a->body = sp_span_str(text);
    put_body(a, type, NEVER_STORE);
}

void sp_api_answer_json(struct sp_api_answer *a, const struct sp_api_manner *m, unsigned status,
                        const char *field, json_t *body)
{
    put_json(a, m, status, "application/json", field, body);
}

void sp_api_answer_fault(struct sp_api_answer *a, const struct sp_api_manner *m, const char *field,
                         const struct sp_api_fault *f)
{
    unsigned status = sp_api_problem_kinds[f->problem].status;
    char fields[160] = "";

    /* RFC 6750 section 3 */
    if (status == 401)
        snprintf(fields, sizeof fields, "WWW-Authenticate: Bearer%s\r\n",
                 f->problem == SP_API_NO_TOKEN ? "" : " error=\"invalid_token\"");
    else if (f->retry_s > 0)
        snprintf(fields, sizeof fields, "Retry-After: %u\r\n", f->retry_s);
    else
        snprintf(fields, sizeof fields, "%s", field);
    put_json(a, m, status, "application/problem+json", fields, sp_api_fault_json(f));
}

void sp_api_answer_empty(struct sp_api_answer *a, const struct sp_api_manner *m, const char *field)
{
    begin(a, m, 204);
    put(a, "%s", field);
    end(a);
}

void sp_api_answer_page(struct sp_api_answer *a, const struct sp_api_manner *m, const char *type,
                        const char *fields, struct sp_span body)
{
    begin(a, m, 200);
    a->body = body;
    put_body(a, type, fields);
}

void sp_api_answer_file(struct sp_api_answer *a, const struct sp_api_manner *m, const char *type,
                        struct sp_span body)
{
    sp_api_answer_page(a, m, type, "Cache-Control: max-age=600\r\n", body);
}

void sp_api_answer_fini(struct sp_api_answer *a)
{
    free(a->owned);
    a->owned = NULL;
    a->body = sp_span(NULL, 0);
}
