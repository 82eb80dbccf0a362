/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "healthcheck", a command of both programs: asks the admin port of one that runs here whether all
 * is well. For container engines, whose images hold no curl and no shell. Knows nothing of what
 * makes a program well: /healthz does.
 */
#ifndef SALLYPORT_HEALTH_H
#define SALLYPORT_HEALTH_H

#include "sallyport/options.h"

#define SP_HEALTH_ARGUMENTS "healthcheck [PID | OPTION...]"
#define SP_HEALTH_ABOUT                                                                      \
    "Asks the admin port of one that runs here whether all is well. PID: the port that the " \
    "process with that number was started with, in a container 1. Exit status 0: it is."

/*
 * `program` is our name, `run` the options of its command "run", which must have "admin" with a
 * preset: healthcheck finds the port where run finds it, on its own command line, in the
 * environment, in the --config file, or it is the default.
 *
 * With one argument, the number of a process ("healthcheck 1", in a container), --admin and
 * --config are those of that process; if that is the other program, the other's healthcheck takes
 * over. A program without an admin port counts as well as long as it runs.
 *
 * Prints one line. Exit status: 0 well, 1 not well, 2 wrong use.
 */
int sp_health_main(const char *program, const struct sp_options_spec *run, int argc, char **argv);

#endif
