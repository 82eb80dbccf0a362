/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doing something in another network namespace: what is opened there stays there, while this
 * process goes on where it was.
 */
#ifndef SALLYPORT_TEST_NETNS_H
#define SALLYPORT_TEST_NETNS_H

#include <stddef.h>

/* Calls `fn` in the namespace whose name, as of 'ip netns', is the first `len` bytes; none: this
 * one. What goes wrong ends the process with a line that names it. */
void netns_run(const char *name, size_t len, void (*fn)(void *arg), void *arg);

#endif
