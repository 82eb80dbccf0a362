/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program as a table of commands, each with its options: finds the command, reads its options,
 * and answers --help and --version. Knows no command but those that tell of the table itself.
 */
#ifndef SALLYPORT_PROGRAM_H
#define SALLYPORT_PROGRAM_H

#include <stddef.h>

#include "sallyport/options.h"

struct sp_command {
    const char *name;
    const struct sp_options_spec *spec;
    int (*run)(struct sp_options *o);  /* takes over `o`; returns the exit status */
    int (*raw)(int argc, char **argv); /* not NULL: instead; reads its arguments by itself */
};

struct sp_program {
    const char *name;                  /* "sallyport-server" */
    const struct sp_command *commands; /* the first is what runs when none is named */
    size_t n;
};

/* The whole of main: returns the exit status. 2 for what was typed wrong, which one line on
 * standard error names. */
int sp_program_main(const struct sp_program *p, int argc, char **argv, char **env);

#endif
