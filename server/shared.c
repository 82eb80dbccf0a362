/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shared.h"

#include <stdio.h>
#include <stdlib.h>

#include "own_addrs.h"
#include "sallyport/err.h"

int sp_shared_make_policy(const struct sp_shared *s, struct sp_peer_policy **out)
{
    const struct sp_shared_config *c = &s->config;
    struct sp_peer_policy *p;
    int err = sp_peer_policy_new(&p);

    if (err != 0)
        return err;
    for (size_t i = 0; i < c->n_allow && err == 0; i++)
        err = sp_peer_policy_allow(p, &c->allow[i]);
    for (size_t i = 0; i < c->n_deny && err == 0; i++)
        err = sp_peer_policy_deny(p, &c->deny[i]);
    if (err == 0)
        err = sp_own_addrs_read(p);
    for (size_t i = 0; i < c->n_own && err == 0; i++)
        err = sp_peer_policy_own(p, &c->own[i]);
    if (err != 0) {
        sp_peer_policy_free(p);
        return err;
    }
    *out = p;
    return 0;
}

/* Without the site every page is missing; that is an answer as well. */
static int make_site(struct sp_shared *s, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_site_config folder = {.folder = s->config.site}, nothing = {0};
    const struct sp_site_config *config = s->config.site != NULL ? &folder : NULL;
    char site_why[SP_SITE_WHY_MAX];

    if (!(s->config.serve & SP_SERVE_SITE))
        config = &nothing;
    int err = sp_site_new(config, &s->site, site_why);
    if (err != 0 && err != SP_ENOMEM)
        snprintf(why, SP_SHARED_WHY_MAX, "%s", site_why);
    return err;
}

int sp_shared_new(const struct sp_shared_config *c, struct sp_shared **out,
                  char why[static SP_SHARED_WHY_MAX])
{
    struct sp_shared *s = calloc(1, sizeof *s);

    snprintf(why, SP_SHARED_WHY_MAX, "no memory");
    if (s == NULL)
        return SP_ENOMEM;
    s->config = *c;
    int err = make_site(s, why);
    if (err != 0) {
        sp_shared_free(s);
        return err;
    }
    *out = s;
    return 0;
}

void sp_shared_free(struct sp_shared *s)
{
    if (s == NULL)
        return;
    sp_site_free(s->site);
    free(s);
}
