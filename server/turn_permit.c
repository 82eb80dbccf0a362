/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_permit.h"

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "turn_engine.h"

/* What a request makes of the permissions: 0, or a STUN error code. */
typedef unsigned change_fn(struct sp_turn_request *r, struct sp_turn_perms *perms);

/* Works on a copy of the permissions, which takes their place only if all went well. */
static unsigned change(struct sp_turn_request *r, change_fn *fn)
{
    struct sp_turn_perms next;

    if (sp_turn_perms_copy(&r->alloc->perms, r->now_us, &next) != 0)
        return 508;

    unsigned code = fn(r, &next);

    if (code != 0) {
        sp_turn_perms_fini(&next);
        return code;
    }
    sp_turn_perms_fini(&r->alloc->perms);
    r->alloc->perms = next;
    return 0;
}

static void answer(struct sp_turn_request *r, unsigned code)
{
    struct sp_stun_builder b;

    if (code != 0) {
        sp_turn_answer_error(r, code);
        return;
    }
    sp_turn_answer_begin(r, &b);
    sp_turn_answer_send(r, &b);
}

/* 443: a family that the allocation has no address of. 403: not to be relayed to. */
static unsigned permit(struct sp_turn_request *r, struct sp_turn_perms *perms,
                       const struct sp_addr *peer)
{
    struct sp_turn *t = r->turn;

    if (sp_turn_alloc_leg(r->alloc, peer->family) == NULL)
        return 443;
    if (!sp_turn_routes_may_permit(&t->routes, peer))
        return 403;

    int err = sp_turn_perms_set(perms, peer, t->config.max_perms_per_alloc, r->now_us);

    t->hits->permissions += err == SP_EFULL;
    return err == 0 ? 0 : 508;
}

/* Each XOR-PEER-ADDRESS; there must be one at least. */
static unsigned permit_all(struct sp_turn_request *r, struct sp_turn_perms *perms)
{
    struct sp_stun_attr at;
    size_t pos = 0;
    bool any = false;

    while (sp_stun_next(r->msg, &pos, &at)) {
        struct sp_addr peer;

        if (at.type != SP_ATTR_XOR_PEER_ADDRESS)
            continue;
        if (sp_stun_xor_addr(r->msg, at.value, &peer) != 0)
            return 400;

        unsigned code = permit(r, perms, &peer);

        if (code != 0)
            return code;
        any = true;
    }
    return any ? 0 : 400;
}

static unsigned bind_channel(struct sp_turn_request *r, struct sp_turn_perms *perms)
{
    const struct sp_turn_config *c = &r->turn->config;
    uint32_t v;
    struct sp_addr peer;

    if (sp_stun_find_u32(r->msg, SP_ATTR_CHANNEL_NUMBER, &v) != 0 ||
        sp_stun_find_xor_addr(r->msg, SP_ATTR_XOR_PEER_ADDRESS, &peer) != 0)
        return 400;

    uint16_t number = (uint16_t)(v >> 16);

    if (number < SP_CHANNEL_MIN || number > SP_CHANNEL_MAX || peer.port == 0)
        return 400;

    unsigned code = permit(r, perms, &peer);

    if (code != 0)
        return code;

    int err =
        sp_turn_chans_bind(&r->alloc->chans, number, &peer, c->max_channels_per_alloc, r->now_us);

    if (err == SP_EEXIST)
        return 400;
    r->turn->hits->channels += err == SP_EFULL;
    return err == 0 ? 0 : 508;
}

void sp_turn_answer_create_permission(struct sp_turn_request *r)
{
    answer(r, change(r, permit_all));
}

void sp_turn_answer_channel_bind(struct sp_turn_request *r)
{
    answer(r, change(r, bind_channel));
}
