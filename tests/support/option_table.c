/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "option_table.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS    80
#define LINES      24
#define HELP_WIDTH 52 /* what is left of a line behind the names */

static char *help_of(const struct sp_options_spec *spec, bool all, size_t *lines)
{
    char *text = NULL;
    size_t len, column = 0;
    FILE *f = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(f);
    sp_options_help(spec, all, f);
    ck_assert_int_eq(fclose(f), 0);
    *lines = 0;
    for (size_t i = 0; i < len; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        *lines += text[i] == '\n';
        ck_assert_msg(column <= COLUMNS, "line %zu is too long:\n%s", *lines + 1, text);
    }
    return text;
}

static void row_is_sound(const struct sp_options_spec *spec, const struct sp_option *o)
{
    ck_assert_msg(o->help != NULL && o->help[0] != '\0', "--%s has no help", o->name);
    ck_assert_msg(strlen(o->help) <= HELP_WIDTH, "--%s: help longer than a line", o->name);
    ck_assert_msg(o->help[strlen(o->help) - 1] != '.', "--%s: help is no sentence", o->name);
    if (o->more != NULL)
        ck_assert_msg(o->more[strlen(o->more) - 1] == '.', "--%s: more is sentences", o->name);
    const struct sp_option *other;
    for (size_t i = 0; (other = sp_options_row(spec, i)) != o; i++)
        ck_assert_msg(strcmp(o->name, other->name) != 0, "--%s twice", o->name);
}

void option_table_is_sound(const struct sp_options_spec *spec)
{
    size_t lines;
    char *text = help_of(spec, false, &lines);

    ck_assert_msg(lines < LINES, "--help has %zu lines, and the prompt needs one:\n%s", lines,
                  text);
    free(text);
    text = help_of(spec, true, &lines);
    const struct sp_option *o;
    for (size_t i = 0; (o = sp_options_row(spec, i)) != NULL; i++) {
        char name[64];

        row_is_sound(spec, o);
        snprintf(name, sizeof name, "\n  --%s%s", o->name, o->arg != NULL ? " " : "  ");
        if (!(o->flags & SP_OPTION_ENV_ONLY))
            ck_assert_msg(strstr(text, name) != NULL, "--help all has no --%s", o->name);
    }
    free(text);
}
