/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "options_impl.h"

#define COLUMN 28 /* where the explanation starts */
#define WIDTH  80

const struct sp_option sp_options_builtin[SP_OPTIONS_N_BUILTIN] = {
    {.name = "config",
     .arg = "FILE",
     .help = "more options, one \"name value\" a line",
     .more = "Empty lines and those that start with # say nothing. A switch stands alone, or "
             "before yes or no.",
     .flags = SP_OPTION_NOT_IN_FILE},
    {.name = "help",
     .help = "print this and exit; --help all: with every option",
     .flags = SP_OPTION_ARGV_ONLY},
    {.name = "version",
     .help = "print what this is made of and exit",
     .flags = SP_OPTION_ARGV_ONLY},
};

void sp_option_env_name(const struct sp_option *opt, char out[static SP_OPTION_ENV_MAX])
{
    snprintf(out, SP_OPTION_ENV_MAX, SP_OPTIONS_ENV_PREFIX "%s", opt->name);
    for (char *p = out; *p; p++) {
        if (*p == '-')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
}

/* Words from column `column` on; `at` is the column where the cursor stands. */
static void wrap(FILE *out, const char *text, int column, int at)
{
    while (*text) {
        int len = (int)strcspn(text, " ");

        if (at > column && at + 1 + len > WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        if (at > column)
            at += fprintf(out, " ");
        else
            at += fprintf(out, "%*s", column - at, "");
        at += fprintf(out, "%.*s", len, text);
        text += len + (text[len] == ' ');
    }
    fputc('\n', out);
}

/* What `opt` looks like where it is typed. */
static void put_name(const struct sp_option *opt, char *out, size_t room)
{
    char name[SP_OPTION_ENV_MAX];

    if (opt->flags & SP_OPTION_ENV_ONLY) {
        sp_option_env_name(opt, name);
        snprintf(out, room, "%s", name);
    } else {
        snprintf(out, room, "--%s%s%s", opt->name, opt->arg ? " " : "", opt->arg ? opt->arg : "");
    }
}

/* The short help has a line for each: what doesn't fit is in the long one. */
static void help_line(FILE *out, const struct sp_option *opt, bool all)
{
    char name[SP_OPTION_ENV_MAX + 64], text[600], preset[300] = "";
    int at;

    put_name(opt, name, sizeof(name));
    if (opt->preset)
        snprintf(preset, sizeof(preset), " (default: %s)", opt->preset);
    if (!all && COLUMN + strlen(opt->help) + strlen(preset) > WIDTH)
        preset[0] = '\0';
    snprintf(text, sizeof(text), "%s%s%s", opt->help,
             all && (opt->flags & SP_OPTION_REPEAT) ? ", repeatable" : "", preset);
    at = fprintf(out, "  %s", name);
    if (at + 2 > COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    wrap(out, text, COLUMN, at);
}

static bool is_shown(const struct sp_option *opt, bool all)
{
    return all || !(opt->flags & (SP_OPTION_RARE | SP_OPTION_ENV_ONLY));
}

void sp_options_help(const struct sp_options_spec *spec, bool all, FILE *out)
{
    const struct sp_option *opt;
    size_t hidden = 0, n = 0;

    fprintf(out, "Usage: %s\n", spec->usage);
    wrap(out, spec->about, 0, 0);
    fputc('\n', out);
    for (; (opt = sp_options_row(spec, n)) != NULL; n++) {
        if (all && opt->group)
            fprintf(out, "%s%s:\n", n > 0 ? "\n" : "", opt->group);
        if (is_shown(opt, all))
            help_line(out, opt, all);
        hidden += !is_shown(opt, all);
    }
    if (all && n > 0)
        fputc('\n', out);
    for (size_t i = 0; i < SP_OPTIONS_N_BUILTIN; i++)
        help_line(out, &sp_options_builtin[i], all);
    if (all) {
        fputc('\n', out);
        wrap(out,
             "Every option can also be given as " SP_OPTIONS_ENV_PREFIX
             "<NAME> in the environment (dashes as underscores, repeated values separated by "
             "spaces) and as a line \"name value\" in the file of --config. The command line wins "
             "over the environment, the environment over the file.",
             0, 0);
    } else if (hidden > 0) {
        fprintf(out, "\n%zu more: --help all\n", hidden);
    }
}
