/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program as a table of commands, each with its options: finds the command, reads its options,
 * and answers --help and --version. The same table is the manual page (command "manual") and what
 * bash completes (command "completion"), so that neither can lag behind.
 */
#ifndef SALLYPORT_PROGRAM_H
#define SALLYPORT_PROGRAM_H

#include <stddef.h>
#include <stdio.h>

#include "sallyport/options.h"

struct sp_command {
    const char *name;
    const struct sp_options_spec *spec;
    int (*run)(struct sp_options *o);  /* takes over `o`; returns the exit status */
    int (*raw)(int argc, char **argv); /* not NULL: instead; reads its arguments by itself */
};

/* A part of the manual that no table knows. Paragraphs have an empty line between them; one whose
 * first line starts with a blank is shown as it is. */
struct sp_manual_part {
    const char *title; /* "EXIT STATUS"; conventional ones in the order of mdoc(7) */
    const char *text;
};

struct sp_program {
    const char *name;                  /* "sallyport-server" */
    const char *summary;               /* half a line, for whatis(1) */
    const char *section;               /* of the manual: "8" */
    const struct sp_command *commands; /* the first is what runs when none is named */
    size_t n;
    const struct sp_manual_part *manual; /* "DESCRIPTION" first; the last has no title */
};

/* The whole of main: returns the exit status. 2 for what was typed wrong, which one line on
 * standard error names. */
int sp_program_main(const struct sp_program *p, int argc, char **argv, char **env);

/* The manual page, mdoc. */
void sp_program_manual(const struct sp_program *p, FILE *out);

/* What bash sources to complete commands, options and their values. */
void sp_program_completion(const struct sp_program *p, FILE *out);

#endif
