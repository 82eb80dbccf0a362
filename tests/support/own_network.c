/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "own_network.h"

#include <sched.h>
#include <stddef.h>

#include "apart.h"

bool own_network(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static int try_it(void *arg)
{
    (void)arg;
    return own_network() ? 0 : 1;
}

const char *own_network_lack(void)
{
    return apart(try_it, NULL) == 0 ? NULL
                                    : "needs a network of its own: root, or a user namespace";
}
