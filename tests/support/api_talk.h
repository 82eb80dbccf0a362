/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an application says to the control API on a bench (api_rig.h), as its tests put it: one rig,
 * one back end, one session at a time.
 */
#ifndef SALLYPORT_TESTS_API_TALK_H
#define SALLYPORT_TESTS_API_TALK_H

#include <check.h>
#include <stdio.h>

#include "api_rig.h"

#define NO_ID "000300000000000000000000000000000000"

#define JOIN(...)       "{\"holder\":\"" API_HOLDER "\"" __VA_ARGS__ "}"
#define JOIN_OTHER(...) "{\"holder\":\"" API_HOLDER2 "\"" __VA_ARGS__ "}"

static struct api_rig r;
static char maker[SP_TOKEN_MAX + 1];
static char id[SP_RDV_ID_LEN + 1], tickets[2][SP_TOKEN_MAX + 1];

static inline void open_rig(void)
{
    api_rig_open(&r);
    api_token(&r, "app", SP_TOKEN_SCOPE_SESSION, 3600, maker);
}

static inline void close_rig(void)
{
    api_rig_close(&r);
}

static inline unsigned ask(const char *method, const char *path, const char *token,
                           const char *body)
{
    const struct api_ask a = {.method = method, .path = path, .token = token, .body = body};
    return api_ask(&r, &a);
}

static inline unsigned create(const char *body)
{
    unsigned status = ask("POST", "/v1/sessions", maker, body);

    if (status == 201) {
        snprintf(id, sizeof id, "%s", api_text(&r, "id"));
        snprintf(tickets[0], sizeof tickets[0], "%s", api_text(&r, "ends/0/ticket"));
        snprintf(tickets[1], sizeof tickets[1], "%s", api_text(&r, "ends/1/ticket"));
    }
    return status;
}

static inline const char *session_path(void)
{
    static char path[80];
    snprintf(path, sizeof path, "/v1/sessions/%s", id);
    return path;
}

static inline unsigned join(const char *ticket, const char *body)
{
    const struct api_ask a = {
        .method = "PUT", .path = "/v1/end", .token = ticket, .origin = API_ORIGIN, .body = body};
    return api_ask(&r, &a);
}

static inline void check_problem(unsigned status, const char *code, const char *field)
{
    ck_assert_uint_eq(r.status, status);
    ck_assert_str_eq(api_text(&r, "code"), code);
    ck_assert_int_eq(api_number(&r, "status"), status);
    if (field != NULL)
        ck_assert_str_eq(api_text(&r, "field"), field);
    else
        ck_assert_ptr_null(json_object_get(r.body, "field"));
}

static inline bool has_line(const char *line)
{
    char text[200];
    snprintf(text, sizeof text, "\r\n%s\r\n", line);
    return strstr(r.head, text) != NULL;
}

#endif
