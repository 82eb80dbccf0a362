/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network for one test alone, in which nothing happens but what it does. For root, and for
 * whoever may be root in a namespace.
 */
#ifndef TESTS_OWN_NETWORK_H
#define TESTS_OWN_NETWORK_H

#include <stdbool.h>

/* From here on this process is in a network that has "lo", and that is down. False: it may not. */
bool own_network(void);

/* For skips_add_test: why this could not be had, or NULL when it could. */
const char *own_network_lack(void);

#endif
