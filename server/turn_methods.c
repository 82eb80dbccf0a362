/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_methods.h"

#include "sallyport/err.h"
#include "sallyport/stun_auth.h"
#include "turn_allocate.h"
#include "turn_attrs.h"
#include "turn_data.h"
#include "turn_engine.h"
#include "turn_permit.h"
#include "turn_request.h"

static void answer_binding(struct sp_turn_request *r);
static void answer_refresh(struct sp_turn_request *r);

static const struct method {
    uint16_t method;
    bool authenticated;
    bool wants_alloc; /* 437 without one, 441 by another user (RFC 8656 section 5) */
    void (*answer)(struct sp_turn_request *r);
} methods[] = {
    {SP_STUN_BINDING, false, false, answer_binding},
    {SP_TURN_ALLOCATE, true, false, sp_turn_answer_allocate},
    {SP_TURN_REFRESH, true, true, answer_refresh},
    {SP_TURN_CREATE_PERMISSION, true, true, sp_turn_answer_create_permission},
    {SP_TURN_CHANNEL_BIND, true, true, sp_turn_answer_channel_bind},
};

static const struct method *find_method(uint16_t method)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++) {
        if (methods[i].method == method)
            return &methods[i];
    }
    return NULL;
}

/* By UDP, who has no allocation may not be who the datagram says: a success is longer than what was
 * asked with. */
static bool is_held_back(struct sp_turn_request *r)
{
    struct sp_turn *t = r->turn;

    if (r->path->transport != SP_TURN_UDP || r->alloc != NULL ||
        sp_prefix_limit_take(&t->common->bindings, &r->path->remote, r->now_us))
        return false;
    t->counters.bindings_limited++;
    t->hits->answers_per_s++;
    return true;
}

/*
 * A flow shows no address that a browser should publish: its own would be the one that mDNS hides.
 * Outside an allocation there is nothing to tell, and 403 ends gathering at once; inside, the
 * relayed address stands in, as it does in the answer to Allocate.
 */
static void answer_binding(struct sp_turn_request *r)
{
    const struct sp_addr *mapped = &r->path->remote;
    struct sp_stun_builder b;

    r->turn->counters.binding_requests++;
    if (r->path->transport == SP_TURN_FLOW) {
        if (r->alloc == NULL) {
            sp_turn_answer_error(r, 403);
            return;
        }
        mapped = &r->alloc->legs[0].relay.public_;
    }
    if (is_held_back(r))
        return;
    sp_turn_answer_begin(r, &b);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, mapped);
    sp_turn_answer_send(r, &b);
}

/* RFC 8656 section 8.2. One that arrives again after it has deleted the allocation gets 437, which
 * section 8.3 has a client take for success. */
static void answer_refresh(struct sp_turn_request *r)
{
    uint32_t lifetime_s = 0, family;
    int err = sp_stun_find_u32(r->msg, SP_ATTR_REQUESTED_ADDRESS_FAMILY, &family);
    struct sp_stun_builder b;

    if (err == SP_EBADMSG || sp_turn_lifetime_of(r, &lifetime_s) != 0) {
        sp_turn_answer_error(r, 400);
        return;
    }
    if (err == 0 && sp_turn_alloc_leg(r->alloc, (uint16_t)(family >> 24)) == NULL) {
        sp_turn_answer_error(r, 443);
        return;
    }
    if (lifetime_s == 0) {
        sp_turn_alloc_end(r->alloc, SP_TURN_END_REFRESH);
        r->alloc = NULL;
    } else {
        sp_turn_alloc_set_lifetime(r->alloc, lifetime_s, r->now_us);
    }
    sp_turn_answer_begin(r, &b);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, lifetime_s);
    sp_turn_answer_send(r, &b);
}

static bool is_owner(const struct sp_turn_request *r)
{
    return sp_span_eq(r->auth.username, sp_span(r->alloc->username, r->alloc->username_len));
}

/* What RFC 8489 section 6.3 and RFC 8656 section 5 want of any request, in their order. */
static void handle(struct sp_turn_request *r, const struct method *m)
{
    if (m->authenticated && !sp_turn_request_authenticate(r))
        return;
    r->n_unknown = sp_turn_attrs_unknown(r->msg, r->unknown, SP_ARRAY_LEN(r->unknown));
    if (r->n_unknown > 0) {
        sp_turn_answer_error(r, 420);
        return;
    }
    if (m->wants_alloc && r->alloc == NULL) {
        sp_turn_answer_error(r, 437);
        return;
    }
    if (m->wants_alloc && !is_owner(r)) {
        r->turn->counters.auth_errors++;
        sp_turn_answer_error(r, 441);
        return;
    }
    m->answer(r);
}

static void indication(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_stun_msg *m,
                       uint64_t now_us)
{
    if (m->method == SP_TURN_SEND)
        sp_turn_data_send(t, a, m, now_us);
    else if (m->method != SP_STUN_BINDING) /* a Binding indication keeps a NAT open: no more */
        t->counters.unknown_method++;
}

struct sp_turn_alloc *sp_turn_stun_input(struct sp_turn *t, const struct sp_turn_path *path,
                                         struct sp_turn_alloc *a, struct sp_span msg,
                                         uint64_t now_us, uint64_t unix_s)
{
    struct sp_stun_msg m;

    if (sp_stun_parse(msg, &m) != 0) {
        t->counters.malformed++;
        return a;
    }
    if (m.cls == SP_STUN_INDICATION) {
        indication(t, a, &m, now_us);
        return a;
    }

    const struct method *method = m.cls == SP_STUN_REQUEST ? find_method(m.method) : NULL;

    if (method == NULL) {
        t->counters.unknown_method++;
        return a;
    }

    int err = sp_stun_check_fingerprint(&m);

    if (err == SP_EAUTH) {
        t->counters.malformed++;
        return a;
    }

    struct sp_turn_request r = {
        .turn = t,
        .path = path,
        .alloc = a,
        .msg = &m,
        .now_us = now_us,
        .unix_s = unix_s,
        .has_fingerprint = err == 0,
    };

    handle(&r, method);
    sp_crypto_wipe(&r.auth, sizeof r.auth);
    return r.alloc;
}
