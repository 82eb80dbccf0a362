/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the options module share: the options that every program has, and what the
 * rows of the table say, in words. options.c keeps the values, options_read.c reads the sources,
 * options_help.c writes --help, options_check.c tells good values from bad.
 */
#ifndef SALLYPORT_OPTIONS_IMPL_H
#define SALLYPORT_OPTIONS_IMPL_H

#include "sallyport/options.h"

/* Flags of the built-in options, beside those of enum sp_option_flag. */
#define SP_OPTION_NOT_IN_FILE 256
#define SP_OPTION_ARGV_ONLY   512

#define SP_OPTIONS_N_BUILTIN 3
extern const struct sp_option sp_options_builtin[SP_OPTIONS_N_BUILTIN];

enum sp_option_source { SP_FROM_NOWHERE, SP_FROM_ARGV, SP_FROM_ENV, SP_FROM_FILE };

struct sp_option_slot {
    const struct sp_option *opt;
    enum sp_option_source source;
    char **values; /* a switch that is on has one, "yes"; one that was set to no has none */
    size_t n;
};

struct sp_options {
    size_t n;
    struct sp_option_slot slots[];
};

/* NULL: no such option. */
struct sp_option_slot *sp_options_find(const struct sp_options *o, const char *name, size_t len);
/* Wipes and frees its values. */
void sp_option_slot_clear(struct sp_option_slot *s);

/* All sources, as sp_options_parse. */
int sp_options_read(struct sp_options *o, int argc, char **argv, char **env,
                    char why[static SP_OPTIONS_ERR_MAX]);

#define SP_OPTION_ENV_MAX 64
/* "SALLYPORT_<NAME>" */
void sp_option_env_name(const struct sp_option *opt, char out[static SP_OPTION_ENV_MAX]);

#define SP_OPTION_WANTS_MAX 256
/* NULL when the value is good, else what is wanted; `text` is room for that. */
const char *sp_option_wants(const struct sp_option *opt, const char *value,
                            char text[static SP_OPTION_WANTS_MAX]);

#endif
