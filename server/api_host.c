/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_host.h"

#include "ends.h"
#include "sallyport/err.h"

_Static_assert(SP_API_CANDIDATES_MAX >= SP_ENDS_CANDIDATES_MAX, "all that there may be");

static size_t candidates(void *arg, const struct sp_addr *local,
                         struct sp_api_candidate out[static SP_API_CANDIDATES_MAX])
{
    struct sp_ends_candidate c[SP_ENDS_CANDIDATES_MAX];
    size_t n = sp_ends_candidates(arg, local, c);

    for (size_t i = 0; i < n; i++)
        out[i] = (struct sp_api_candidate){.tcp = c[i].tcp, .addr = c[i].addr};
    return n;
}

static int ask_gateway(void *arg, struct sp_rdv_session *s, unsigned end, struct sp_span gateway,
                       sp_api_gateway_fn *fn, void *fn_arg, void **ask)
{
    struct sp_ends_ask *asked;
    const struct sp_ends_whom whom = {.name = gateway};
    int err = sp_ends_ask_gateway(arg, s, end, &whom, fn, fn_arg, &asked);

    if (err == 0)
        *ask = asked;
    return err;
}

static void cancel(void *arg, void *ask)
{
    (void)arg;
    sp_ends_ask_cancel(ask);
}

static const void *next_gateway(void *arg, const void *before, struct sp_api_gateway *out)
{
    const struct sp_gate *g = sp_ends_gateway_next(arg, before);

    if (g == NULL)
        return NULL;
    const struct sp_ends_gateway *about = sp_gate_about(g);
    *out = (struct sp_api_gateway){about->name, about->subject, about->since_us};
    return g;
}

static const struct sp_api_host host = {.candidates = candidates,
                                        .ask_gateway = ask_gateway,
                                        .cancel = cancel,
                                        .next_gateway = next_gateway};

int sp_api_host_new(const struct sp_env *env, const struct sp_shared *shared, struct sp_api **out)
{
    const struct sp_api_config c = {.worker = env->worker,
                                    .origins = shared->config.origins,
                                    .requests = &env->commons->api_requests,
                                    .bounds = env->bounds,
                                    .hits = env->hits};

    return sp_api_new(&c, &host, env->ends, sp_ends_registry(env->ends), env->rng, out);
}
