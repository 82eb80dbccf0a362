/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bounds.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* As the list says it. */
static const struct row {
    const char *option;
    uint64_t preset, least, most;
    size_t offset;
} rows[] = {
#define ROW(field, option, argument, preset, least, most, ...) \
    {option, preset, least, most, offsetof(struct sp_bounds, field)},
    SP_BOUNDS(ROW, ROW)
#undef ROW
};

static uint64_t value(const struct sp_bounds *b, const struct row *r)
{
    return *(const uint64_t *)(const void *)((const char *)b + r->offset);
}

START_TEST(defaults_are_within)
{
    struct sp_bounds b;

    sp_bounds_default(&b);
    ck_assert_uint_eq(SP_ARRAY_LEN(rows), SP_BOUNDS_N);
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        ck_assert_uint_eq(value(&b, &rows[i]), rows[i].preset);
        ck_assert_uint_ge(rows[i].preset, rows[i].least);
        ck_assert_uint_le(rows[i].preset, rows[i].most);
    }
}
END_TEST

/* Each option sets its own field, and no other. */
START_TEST(options_set_them)
{
    struct sp_bounds was, b;

    sp_bounds_default(&was);
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        uint64_t n = rows[i].preset == rows[i].least ? rows[i].most : rows[i].least;
        char name[64], text[32], why[SP_OPTIONS_ERR_MAX];
        char *argv[] = {(char *)"server", name, text, NULL};
        struct sp_options *o;

        snprintf(name, sizeof name, "--%s", rows[i].option);
        snprintf(text, sizeof text, "%llu", (unsigned long long)n);
        ck_assert_msg(sp_options_parse(&sp_edge_options, 3, argv, NULL, &o, why) == 0, "%s", why);
        sp_bounds_read(o, &b);
        sp_options_free(o);
        for (size_t k = 0; k < SP_ARRAY_LEN(rows); k++)
            ck_assert_uint_eq(value(&b, &rows[k]), k == i ? n : value(&was, &rows[k]));
    }
}
END_TEST

START_TEST(each_is_counted)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        char label[80];

        snprintf(label, sizeof label, "bound=\"%s\"", rows[i].option);
        ck_assert_str_eq(sp_bound_hits_table[i].labels, label);
        ck_assert_uint_eq(sp_bound_hits_table[i].offset, rows[i].offset);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bounds");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, defaults_are_within);
    tcase_add_test(t, options_set_them);
    tcase_add_test(t, each_is_counted);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
