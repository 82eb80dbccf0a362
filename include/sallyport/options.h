/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of a program from four places: the command line wins over the environment, the
 * environment over the file of --config, the file over the default, which is the caller's. One
 * table feeds all of them and the text of --help. Knows no program, no subcommand, and not what a
 * value means beyond its form.
 *
 *     command line   --listen 192.0.2.1:443 --listen=[::]:443
 *     environment    SALLYPORT_LISTEN="192.0.2.1:443 [::]:443"
 *     file           listen 192.0.2.1:443         one value a line, to the end of the line;
 *                    # a comment                  "#" only where a line starts
 *
 * A source that names an option replaces all that weaker sources say of it, also for repeatable
 * ones. On the command line the last of two wins, so that a wrapper can be overruled; in a file a
 * second line for an option that is not repeatable is a mistake. A switch is "yes" or "no" in the
 * environment and in the file, where its bare name means yes. An empty variable says nothing. A
 * file that holds a secret must not be open to everyone.
 */
#ifndef SALLYPORT_OPTIONS_H
#define SALLYPORT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SP_OPTIONS_ENV_PREFIX "SALLYPORT_"
#define SP_OPTIONS_ERR_MAX    1024 /* enough for any message, the NUL included */

enum sp_option_flag {
    SP_OPTION_REPEAT = 1,    /* any number of values */
    SP_OPTION_CHOICE = 2,    /* `arg` is the list of what is allowed: "text|json" */
    SP_OPTION_NUMBER = 4,    /* a decimal from `min` to `max` */
    SP_OPTION_SECRET = 8,    /* shown by no message; wiped from argv, from the environment and at
                                the end from memory */
    SP_OPTION_ENV_ONLY = 16, /* neither on the command line nor in the file: bare secrets */
    SP_OPTION_LIST = 64,     /* a list of `words`, with commas */
    SP_OPTION_RARE = 32      /* not in --help, which fits a screen: in --help all, and the manual */
};

/* NULL when `value` is good, else what is allowed ("wants ADDR:PORT, such as [::]:443"): a text
 * that outlives the call and doesn't repeat the value. */
typedef const char *sp_option_check_fn(const char *value);

struct sp_option {
    const char *name;   /* "relay-ip", as after the dashes */
    const char *arg;    /* "ADDR[=PUBLIC]"; NULL: a switch, without value */
    const char *help;   /* one line of --help, after the name; every option has it */
    const char *more;   /* what the manual says beside that, in sentences; may be NULL */
    const char *preset; /* what stands in its place, for these texts alone; may be NULL */
    const char *group;  /* not NULL: the heading of this row and those behind it */
    const char *words;  /* "none", "tunnel|turn": values that completion offers; may be NULL */
    unsigned flags;
    uint64_t min, max;         /* with SP_OPTION_NUMBER */
    sp_option_check_fn *check; /* may be NULL: any value that is not empty */
};

/* One command's options. --help, --version and --config are in addition to the table. */
struct sp_options_spec {
    const char *usage; /* "sallyport-server [run] [OPTION]..." */
    const char *about; /* what it does, a line or two */
    const struct sp_option *table;
    size_t n;
    const struct sp_options_spec *also; /* another command, whose options this one has as well */
};

/* Its rows one by one, those of `also` at the end; NULL behind the last. */
const struct sp_option *sp_options_row(const struct sp_options_spec *spec, size_t i);

struct sp_options;

/*
 * Reads everything: argv[1] to argv[argc - 1], then `env` (as environ; may be NULL), then the file.
 * Overwrites the values of secret options in argv and env. `spec` must live as long as the result.
 *
 * SP_EINVAL: `why` holds one line, without newline, that names what is wrong and says what is
 * allowed; exit status 2. SP_ENOMEM: `why` says so. When --help or --version is on the command
 * line, nothing behind it is read and nothing else is: ask sp_options_switch() for them first.
 */
int sp_options_parse(const struct sp_options_spec *spec, int argc, char **argv, char **env,
                     struct sp_options **out, char why[static SP_OPTIONS_ERR_MAX]);

/* NULL is allowed. Wipes secret values. */
void sp_options_free(struct sp_options *o);

/*
 * What was given. `name` must be in the table, or be "help", "version" or "config": anything else
 * is a bug and aborts. Strings live as long as `o`.
 */
size_t sp_options_count(const struct sp_options *o, const char *name);
const char *sp_options_nth(const struct sp_options *o, const char *name, size_t i);
/* The value, or `fallback` (may be NULL) when none was given. */
const char *sp_options_get(const struct sp_options *o, const char *name, const char *fallback);
uint64_t sp_options_number(const struct sp_options *o, const char *name, uint64_t fallback);
bool sp_options_switch(const struct sp_options *o, const char *name);

/* Whether --help was asked for; *all: --help all. */
bool sp_options_wants_help(const struct sp_options *o, bool *all);

/* The text of --help, lines of at most 80 columns; not `all`: without the rare ones, so that a
 * screen of 24 lines holds it. */
void sp_options_help(const struct sp_options_spec *spec, bool all, FILE *out);

/* A decimal without sign, blanks or anything behind it. SP_EINVAL. */
int sp_option_parse_number(const char *value, uint64_t min, uint64_t max, uint64_t *out);

/* Checks that both programs need; "none" is for options that can be switched off. */
const char *sp_option_check_addr(const char *value);
const char *sp_option_check_addr_or_none(const char *value);
const char *sp_option_check_cidr(const char *value);

#endif
