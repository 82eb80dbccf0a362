/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both programs do once their ports are bound, before anything is read from them: they give up
 * what they need no more, and say in the log what is left.
 */
#ifndef SALLYPORT_CONFINE_H
#define SALLYPORT_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/log.h"
#include "sallyport/privilege.h"

/* A file that is read again later, as whoever the program then is. */
struct sp_confine_file {
    const char *option; /* "--cert" */
    const char *path;   /* NULL: there is none */
    bool needed;        /* else what was read of it already will do */
};

/* What an operator wants of it. */
struct sp_confinement {
    bool has_run_as; /* else it stays who it is */
    struct sp_identity run_as;
    bool sandbox;
};

#define SP_CONFINE_WHY_MAX 512

/* A file that can't be read any more, and a sandbox that can't be had, are warnings. SP_EDENIED
 * (also for a needed file), SP_ESYS: `why` names the option in one line; the process has to end. */
int sp_confine(const struct sp_confinement *c, const struct sp_confine_file *files, size_t n_files,
               const struct sp_log *log, char why[static SP_CONFINE_WHY_MAX]);

#endif
