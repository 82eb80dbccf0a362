/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo_host.h"

#include "ends.h"
#include "http_demo.h"

/* Who comes from the same address stands behind the same NAT, or is the same host: most likely on
 * its LAN. The one that came last. */
static const char *gateway_at(void *arg, const struct sp_addr *from)
{
    for (const struct sp_gate *g = NULL; (g = sp_ends_gateway_next(arg, g)) != NULL;) {
        const struct sp_ends_gateway *about = sp_gate_about(g);
        if (sp_addr_same_ip(&about->from, from))
            return about->name;
    }
    return NULL;
}

static const struct sp_demo_host host = {
    .send = sp_http_demo_send, .close = sp_http_demo_close, .gateway_at = gateway_at};

int sp_demo_host_new(const struct sp_env *env, struct sp_demo **out)
{
    const struct sp_demo_config c = {
        .worker = env->worker,
        .workers = env->post != NULL ? sp_post_workers(env->post) : 1,
        .rooms = {.tally = &env->commons->demo_rooms,
                  .max = (size_t)env->bounds->demo_rooms,
                  .hits = &env->hits->demo_rooms},
        .joins = &env->commons->demo_joins,
        .join_hits = &env->hits->demo_joins,
        .keys = env->keys,
        .rdv = sp_ends_registry(env->ends),
    };

    return sp_demo_new(&c, &host, env->ends, &env->ticker->timers, env->rng, out);
}
