/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that a program needs once it runs, and no others: a seccomp filter. What is not
 * on the list fails with EPERM and is logged, once each, so that a library that wants something new
 * ends no calls, and so that somebody who has found a way in gets no further: no new program, no
 * file written, no code made, no trace of another process.
 */
#ifndef SALLYPORT_SANDBOX_H
#define SALLYPORT_SANDBOX_H

#include "sallyport/log.h"

#define SP_SANDBOX_WHY_MAX 256

/* From here on, for all threads and for ever. `log` (borrowed for ever, may be NULL) is told of
 * what is refused. SP_EDENIED: this process is watched in a way that needs other calls (a
 * sanitizer, valgrind); SP_ESYS: the kernel doesn't do it; SP_ENOMEM: nothing has changed, and
 * `why` says so in one line. */
int sp_sandbox_enter(const struct sp_log *log, char why[static SP_SANDBOX_WHY_MAX]);

#endif
