/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * API.md, openapi.json and the code name the same paths, fields and problems. (That answers are
 * what openapi.json says: test_api.)
 */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_body.h"
#include "api_rig.h"
#include "api_route.h"
#include "json_schema.h"
#include "sallyport/token.h"

static json_t *openapi;
static char *page;

static void setup(void)
{
    char *text = api_read_source("server/openapi.json");
    openapi = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    ck_assert_ptr_nonnull(openapi);
    page = api_read_source("server/API.md");
}

static void teardown(void)
{
    json_decref(openapi);
    free(page);
}

static bool page_has(const char *text)
{
    char quoted[200];
    snprintf(quoted, sizeof quoted, "`%s`", text);
    return strstr(page, quoted) != NULL;
}

START_TEST(paths)
{
    const json_t *all = json_object_get(openapi, "paths");
    size_t n = 0;
    const char *path, *method;
    json_t *item, *operation;

    for (size_t i = 0; i < SP_API_ROUTES_N; i++) {
        const struct sp_api_route *r = &sp_api_routes[i];
        char lower[16] = "", row[200];
        for (size_t k = 0; r->method[k] != '\0'; k++)
            lower[k] = (char)tolower(r->method[k]);
        operation = json_object_get(json_object_get(all, r->path), lower);
        ck_assert_msg(operation != NULL, "openapi.json: %s %s", r->method, r->path);
        ck_assert_msg((json_object_get(operation, "requestBody") != NULL) == r->has_body, "%s",
                      r->path);
        snprintf(row, sizeof row, "| `%s` `%s` | %s |", r->method, r->path,
                 r->scope == NULL                            ? "none"
                 : strcmp(r->scope, SP_TOKEN_SCOPE_END) == 0 ? "ticket"
                                                             : "`session`");
        ck_assert_msg(strstr(page, row) != NULL, "API.md: no row \"%s\"", row);
    }
    json_object_foreach((json_t *)all, path, item) json_object_foreach(
        item, method, operation) if (json_object_get(operation, "responses") != NULL) n++;
    ck_assert_uint_eq(n, SP_API_ROUTES_N);
}
END_TEST

static const json_t *properties(const char *schema)
{
    const json_t *all = json_object_get(json_object_get(openapi, "components"), "schemas");
    const json_t *p = json_object_get(json_object_get(all, schema), "properties");
    ck_assert_msg(p != NULL, "%s", schema);
    return p;
}

START_TEST(fields_of_requests)
{
    const struct {
        const char *schema;
        const char *const *fields;
    } cases[] = {
        {"Order", sp_api_order_fields},
        {"OrderedEnd", sp_api_end_fields},
        {"Join", sp_api_join_fields},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        const json_t *p = properties(cases[i].schema);
        size_t n = 0;
        for (; cases[i].fields[n] != NULL; n++)
            ck_assert_msg(json_object_get(p, cases[i].fields[n]) != NULL, "%s", cases[i].fields[n]);
        ck_assert_uint_eq(json_object_size(p), n);
    }
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(properties("Order"), "ttl"), "maximum")),
        SP_API_TTL_MAX);
}
END_TEST

/* Every field of every schema is explained. */
START_TEST(fields_in_words)
{
    const json_t *all = json_object_get(json_object_get(openapi, "components"), "schemas");
    const char *schema, *field;
    json_t *item, *ignored;

    json_object_foreach((json_t *)all, schema, item)
    {
        json_object_foreach(json_object_get(item, "properties"), field, ignored)
        {
            char quoted[100];
            snprintf(quoted, sizeof quoted, "\"%s\":", field); /* in an example */
            ck_assert_msg(page_has(field) || strstr(page, quoted) != NULL, "API.md: %s.%s", schema,
                          field);
        }
    }
}
END_TEST

START_TEST(problems)
{
    const json_t *codes = json_object_get(json_object_get(properties("Problem"), "code"), "enum");

    ck_assert_uint_eq(json_array_size(codes), SP_API_PROBLEMS_N);
    for (size_t i = 0; i < SP_API_PROBLEMS_N; i++) {
        ck_assert_str_eq(json_string_value(json_array_get(codes, i)), sp_api_problem_kinds[i].code);
        ck_assert_msg(page_has(sp_api_problem_kinds[i].code), "API.md: %s",
                      sp_api_problem_kinds[i].code);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api_docs");
    TCase *tc = tcase_create("api_docs");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, paths);
    tcase_add_test(tc, fields_of_requests);
    tcase_add_test(tc, fields_in_words);
    tcase_add_test(tc, problems);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
