/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process that holds secrets and thousands of sockets sets up for itself, once, first thing
 * in main.
 */
#ifndef SALLYPORT_PROCESS_H
#define SALLYPORT_PROCESS_H

/* No core dumps (also where the kernel pipes them to a collector), as many descriptors as the hard
 * limit allows, and no SIGPIPE: a write to a closed socket is an error like others. Standard files
 * that the caller closed become /dev/null. What the system refuses stays as it is. */
void sp_process_prepare(void);

#endif
