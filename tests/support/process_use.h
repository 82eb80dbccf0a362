/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running process has used so far, by the kernel's own account. */
#ifndef SALLYPORT_TEST_PROCESS_USE_H
#define SALLYPORT_TEST_PROCESS_USE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    uint64_t cpu_ns; /* of all its threads that live */
    uint64_t rss_kb;
};

/* False: there is no such process. */
bool process_use_read(pid_t pid, struct process_use *out);

#endif
