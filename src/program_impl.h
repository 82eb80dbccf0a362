/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the program module share. program.c runs commands, manual.c writes the manual
 * page, completion.c what bash completes.
 */
#ifndef SALLYPORT_PROGRAM_IMPL_H
#define SALLYPORT_PROGRAM_IMPL_H

#include "options_impl.h"
#include "sallyport/program.h"

#define SP_PROGRAM_N_BUILTIN 2

/* Its commands one by one, those that every program has at the end; NULL behind the last. */
const struct sp_command *sp_program_command(const struct sp_program *p, size_t i);

/* An option of a command one by one, the built-in ones at the end; NULL behind the last. */
static inline const struct sp_option *sp_command_option(const struct sp_command *c, size_t i)
{
    size_t n = 0;

    for (const struct sp_options_spec *s = c->spec; s != NULL; s = s->also)
        n += s->n;
    if (i < n)
        return sp_options_row(c->spec, i);
    return i - n < SP_OPTIONS_N_BUILTIN ? &sp_options_builtin[i - n] : NULL;
}

#endif
