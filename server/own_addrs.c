/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "own_addrs.h"

#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/netwatch.h"
#include "sallyport/sock.h"

#define FIRST_CAP 64
#define SPARE     16 /* some more may come between two looks */

struct sp_own_addrs {
    struct sp_netwatch *watch;
    struct sp_peer_policy *policy;
    const struct sp_log *log;
};

int sp_own_addrs_read(struct sp_peer_policy *policy)
{
    struct sp_addr *ips = NULL;
    size_t cap = FIRST_CAP, n;

    for (;;) {
        struct sp_addr *more = realloc(ips, cap * sizeof *ips);
        if (more == NULL) {
            free(ips);
            return SP_ENOMEM;
        }
        ips = more;
        n = sp_sock_own_addrs(ips, cap);
        if (n <= cap)
            break;
        cap = n + SPARE;
    }
    int err = n == 0 ? 0 : sp_peer_policy_set_host(policy, ips, n);
    free(ips);
    return err;
}

static void on_change(void *arg)
{
    struct sp_own_addrs *o = arg;
    uint32_t was = sp_peer_policy_generation(o->policy);

    if (sp_own_addrs_read(o->policy) != 0)
        sp_log_error(o->log, "no memory to learn this host's new addresses");
    else if (sp_peer_policy_generation(o->policy) != was)
        sp_log_info(o->log, "this host's addresses have changed; none is relayed to");
}

int sp_own_addrs_watch(struct sp_ticker *ticker, struct sp_peer_policy *policy,
                       const struct sp_log *log, struct sp_own_addrs **out)
{
    struct sp_own_addrs *o = calloc(1, sizeof *o);

    if (o == NULL)
        return SP_ENOMEM;
    *o = (struct sp_own_addrs){.policy = policy, .log = log};
    if (sp_netwatch_new(ticker, SP_NETWATCH_ADDRESSES, on_change, o, &o->watch) != 0) {
        free(o);
        return SP_ENOMEM;
    }
    on_change(o); /* what happened between the first look and now */
    *out = o;
    return 0;
}

void sp_own_addrs_free(struct sp_own_addrs *o)
{
    if (o == NULL)
        return;
    sp_netwatch_free(o->watch);
    free(o);
}
