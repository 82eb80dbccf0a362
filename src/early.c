/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/early.h"

#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/stun_auth.h"

#define LASTS_US SP_SEC(2)

static bool is_known(const struct sp_early *e, const uint8_t *id)
{
    for (unsigned i = 0; i < e->n; i++)
        if (memcmp(e->ids[i], id, SP_STUN_ID_LEN) == 0)
            return true;
    return false;
}

static bool nominates(const struct sp_stun_msg *m)
{
    struct sp_span v;
    return sp_stun_find(m, SP_ATTR_USE_CANDIDATE, &v);
}

static bool may_answer(struct sp_early *e, struct sp_span password, const struct sp_stun_msg *m,
                       uint64_t now_us)
{
    if (e->over || password.len == 0 || m->method != SP_STUN_BINDING || m->cls != SP_STUN_REQUEST ||
        nominates(m) || sp_stun_check_integrity(m, password) != 0)
        return false;
    if (e->began_us == 0)
        e->began_us = now_us;
    e->over = now_us - e->began_us >= LASTS_US;
    return !e->over && (is_known(e, m->id) || e->n < SP_EARLY_CHECKS_MAX);
}

size_t sp_early_answer(struct sp_early *e, struct sp_span password, const struct sp_stun_msg *m,
                       const struct sp_addr *from, uint64_t now_us,
                       uint8_t out[static SP_EARLY_ANSWER_MAX])
{
    struct sp_stun_builder b;
    size_t len;

    if (!may_answer(e, password, m, now_us))
        return 0;
    sp_stun_begin(&b, out, SP_EARLY_ANSWER_MAX, SP_STUN_BINDING, SP_STUN_SUCCESS, m->id);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, from);
    sp_stun_put_integrity(&b, password);
    sp_stun_put_fingerprint(&b);
    if (sp_stun_end(&b, &len) != 0)
        return 0;
    if (!is_known(e, m->id))
        memcpy(e->ids[e->n++], m->id, SP_STUN_ID_LEN);
    return len;
}

bool sp_early_swallows(struct sp_early *e, const struct sp_stun_msg *m)
{
    if (m->method != SP_STUN_BINDING || (m->cls != SP_STUN_SUCCESS && m->cls != SP_STUN_ERROR))
        return false;
    e->over = true;
    return is_known(e, m->id);
}
