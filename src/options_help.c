/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "options_impl.h"

#define COLUMN 28 /* where the explanation starts */
#define WIDTH  80

const struct sp_option sp_options_builtin[SP_OPTIONS_N_BUILTIN] = {
    {.name = "config",
     .arg = "FILE",
     .help = "more options, one \"name value\" a line",
     .flags = SP_OPTION_NOT_IN_FILE},
    {.name = "help", .help = "print this and exit", .flags = SP_OPTION_ARGV_ONLY},
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

static void help_line(FILE *out, const struct sp_option *opt)
{
    char left[SP_OPTION_ENV_MAX + 64], text[600];
    int at;

    if (opt->flags & SP_OPTION_ENV_ONLY)
        sp_option_env_name(opt, left);
    else
        snprintf(left, sizeof(left), "--%s%s%s", opt->name, opt->arg ? " " : "",
                 opt->arg ? opt->arg : "");
    snprintf(text, sizeof(text), "%s%s%s%s%s", opt->help,
             opt->flags & SP_OPTION_REPEAT ? ", repeatable" : "", opt->preset ? " (default: " : "",
             opt->preset ? opt->preset : "", opt->preset ? ")" : "");
    at = fprintf(out, "  %s", left);
    if (at + 2 > COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    wrap(out, text, COLUMN, at);
}

void sp_options_help(const struct sp_options_spec *spec, FILE *out)
{
    fprintf(out, "Usage: %s\n", spec->usage);
    if (spec->about) {
        fputc('\n', out);
        wrap(out, spec->about, 0, 0);
    }
    fputc('\n', out);
    for (size_t i = 0; i < spec->n; i++)
        if (spec->table[i].help)
            help_line(out, &spec->table[i]);
    for (size_t i = 0; i < SP_OPTIONS_N_BUILTIN; i++)
        help_line(out, &sp_options_builtin[i]);
    fputc('\n', out);
    wrap(out,
         "Every option can also be given as " SP_OPTIONS_ENV_PREFIX
         "<NAME> in the environment (dashes as underscores, repeated values separated by spaces) "
         "and as a line \"name value\" in the file of --config. The command line wins over the "
         "environment, the environment over the file.",
         0, 0);
}
