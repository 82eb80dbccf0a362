/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void die(const char *which)
{
    fprintf(stderr, "%s: %s\n", which, strerror(errno));
    exit(1);
}

static int open_ns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die(path);
    return fd;
}

void netns_run(const char *name, size_t len, void (*fn)(void *arg), void *arg)
{
    char path[256];
    int own, ns;

    if (len == 0) {
        fn(arg);
        return;
    }
    snprintf(path, sizeof path, "/run/netns/%.*s", (int)len, name);
    own = open_ns("/proc/self/ns/net");
    ns = open_ns(path);
    if (setns(ns, CLONE_NEWNET) != 0)
        die(path);
    fn(arg);
    if (setns(own, CLONE_NEWNET) != 0)
        die("back to the own namespace");
    close(ns);
    close(own);
}
