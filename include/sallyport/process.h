/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process that holds secrets and thousands of sockets sets up for itself, once, first thing
 * in main; and what it uses of the machine.
 */
#ifndef SALLYPORT_PROCESS_H
#define SALLYPORT_PROCESS_H

#include <stdint.h>

/* No core dumps (also where the kernel pipes them to a collector), as many descriptors as the hard
 * limit allows, and no SIGPIPE: a write to a closed socket is an error like others. Standard files
 * that the caller closed become /dev/null. Ports below 1024 may be bound, if the program's file
 * permits it ("setcap cap_net_bind_service=p": unlike "ep" that doesn't keep the program from
 * starting where the capability is not to be had). What the system refuses stays as it is. */
void sp_process_prepare(void);

/* What looks on while this process runs, and for that does what our own code would not: a sanitizer
 * that it was built with, or valgrind. Its name, or NULL. */
const char *sp_process_watched(void);

/* So many threads can work at once here: processors that we may run on, and no more than what a
 * container's share of processor time (cgroup v2) is worth. At least 1. */
unsigned sp_process_cpus(void);

struct sp_process_usage {
    uint64_t cpu_us; /* user and kernel */
    /* 0 where the system does not tell: */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds;
};
void sp_process_usage(struct sp_process_usage *out);

#endif
