/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_allocate.h"

#include "sallyport/err.h"
#include "turn_engine.h"

#define TRANSPORT_UDP 17
#define EVEN_PORT_R   0x80 /* reserve the next one as well */

/* What an Allocate asks for. Codes are STUN error codes; 0: none. */
struct wish {
    uint16_t family[SP_TURN_LEGS_MAX];
    size_t n_families;
    bool even_port, reserve, dont_fragment;
    bool has_token;
    uint8_t token[SP_TURN_TOKEN_LEN];
    struct sp_turn_reservation reserved; /* with has_token */
    uint32_t lifetime_s;
};

int sp_turn_lifetime_of(const struct sp_turn_request *r, uint32_t *out)
{
    const struct sp_turn_config *c = &r->turn->config;
    uint32_t v = c->default_lifetime_s;
    int err = sp_stun_find_u32(r->msg, SP_ATTR_LIFETIME, &v);

    if (err == SP_EBADMSG)
        return err;
    if (v > c->max_lifetime_s)
        v = c->max_lifetime_s;
    if (v != 0 && v < c->default_lifetime_s)
        v = c->default_lifetime_s;
    *out = v;
    return 0;
}

/* --- reading ------------------------------------------------------------------------------ */

static unsigned read_transport(const struct sp_turn_request *r)
{
    uint32_t v;

    if (sp_stun_find_u32(r->msg, SP_ATTR_REQUESTED_TRANSPORT, &v) != 0)
        return 400;
    return v >> 24 == TRANSPORT_UDP ? 0 : 442;
}

static unsigned read_ports(const struct sp_turn_request *r, struct wish *w)
{
    struct sp_span v;

    w->dont_fragment = sp_stun_find(r->msg, SP_ATTR_DONT_FRAGMENT, &v);
    if (sp_stun_find(r->msg, SP_ATTR_EVEN_PORT, &v)) {
        if (v.len != 1)
            return 400;
        w->even_port = true;
        w->reserve = (v.p[0] & EVEN_PORT_R) != 0;
    }
    if (sp_stun_find(r->msg, SP_ATTR_RESERVATION_TOKEN, &v)) {
        if (v.len != sizeof w->token || w->even_port)
            return 400;
        memcpy(w->token, v.p, sizeof w->token);
        w->has_token = true;
    }
    return 0;
}

/* Checks 5 to 9 of RFC 8656 section 7.2, as far as they concern families. */
static unsigned read_families(const struct sp_turn_request *r, struct wish *w)
{
    uint32_t one = (uint32_t)SP_IPV4 << 24, more = 0;
    int err_one = sp_stun_find_u32(r->msg, SP_ATTR_REQUESTED_ADDRESS_FAMILY, &one);
    int err_more = sp_stun_find_u32(r->msg, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, &more);
    bool has_one = err_one == 0, has_more = err_more == 0;

    if (err_one == SP_EBADMSG || err_more == SP_EBADMSG)
        return 400;
    if ((has_one && has_more) || (w->has_token && (has_one || has_more)))
        return 400;
    if (has_more && (more >> 24 != SP_IPV6 || w->reserve))
        return 400;
    w->family[w->n_families++] = (uint16_t)(one >> 24);
    if (has_more)
        w->family[w->n_families++] = SP_IPV6;
    return w->family[0] == SP_IPV4 || w->family[0] == SP_IPV6 ? 0 : 440;
}

static unsigned read_lifetime(const struct sp_turn_request *r, struct wish *w)
{
    if (sp_turn_lifetime_of(r, &w->lifetime_s) != 0)
        return 400;
    if (w->lifetime_s == 0) /* deletes in a Refresh; here section 7.2 makes it the default */
        w->lifetime_s = r->turn->config.default_lifetime_s;
    return 0;
}

static unsigned find_reservation(const struct sp_turn_request *r, struct wish *w)
{
    if (!w->has_token)
        return 0;
    if (sp_turn_reservations_find(&r->turn->common->reservations, w->token, &w->reserved) != 0)
        return 508;
    w->family[0] = w->reserved.local.family;
    return 0;
}

static unsigned read_wish(const struct sp_turn_request *r, struct wish *w)
{
    unsigned code = read_transport(r);

    if (code == 0)
        code = read_ports(r, w);
    if (code == 0)
        code = read_families(r, w);
    if (code == 0)
        code = read_lifetime(r, w);
    if (code == 0)
        code = find_reservation(r, w);
    return code;
}

/* --- carrying out ------------------------------------------------------------------------- */

static unsigned code_of(int err)
{
    return err == SP_EINVAL ? 440 : 508;
}

static int open_leg(struct sp_turn_alloc *a, const struct wish *w, uint16_t family)
{
    struct sp_turn_relay_request want = {
        .family = family,
        .even_port = w->even_port,
        .reserve = w->reserve,
        .dont_fragment = w->dont_fragment,
    };

    if (w->has_token) {
        want.port = w->reserved.local.port;
        want.reserved = w->reserved.local;
    }
    return sp_turn_alloc_open_leg(a, &want);
}

/* One family of two may be missing; then the answer says so (section 7.2, check 9). */
static unsigned open_legs(struct sp_turn_alloc *a, const struct wish *w)
{
    unsigned code = 0;

    for (size_t i = 0; i < w->n_families; i++) {
        int err = open_leg(a, w, w->family[i]);

        if (err == 0)
            continue;
        code = code_of(err);
        a->birth.missing_family = w->family[i];
        a->birth.missing_code = (uint16_t)code;
    }
    return a->n_legs > 0 ? 0 : code;
}

/* Undoes what follows, when the allocation can't be had in the end. */
static void unreserve(struct sp_turn *t, struct sp_turn_alloc *a)
{
    struct sp_turn_reservation v;

    if (!a->birth.has_token ||
        sp_turn_reservations_take(&t->common->reservations, a->birth.token, &v) != 0)
        return;
    sp_quota_give(&t->common->users, v.quota);
    (void)sp_turn_sweep(t); /* at a later time, if at all */
    sp_turn_alloc_end_reserved(a, &a->legs[0].relay.local);
}

/* The owner has reserved the port beside the one it gave: from here on it has a token. */
static unsigned reserve(struct sp_turn_request *r, struct sp_turn_alloc *a)
{
    struct sp_turn *t = r->turn;
    const struct sp_addr *local = &a->legs[0].relay.local;
    struct sp_turn_reservation v = {.local = *local};
    int err =
        sp_quota_take(&t->common->users, r->auth.account, t->config.max_allocs_per_user, &v.quota);

    v.local.port++;
    t->hits->user_allocations += err == SP_EFULL;
    if (err == 0) {
        err = sp_turn_reservations_add(&t->common->reservations, &v, t->rng, r->now_us,
                                       a->birth.token);
        a->birth.has_token = err == 0;
        if (err == 0 && sp_turn_sweep(t) == 0)
            return 0;
        if (err == 0) {
            unreserve(t, a);
            return 508;
        }
        sp_quota_give(&t->common->users, v.quota);
    }
    sp_turn_alloc_end_reserved(a, local);
    return err == SP_EFULL ? 486 : 508;
}

/* A token is spent when it is shown: the port goes to the relay that is opened now, or, if that
 * fails, back to the owner. False: another engine was first. */
static bool spend(struct sp_turn *t, struct wish *w)
{
    if (sp_turn_reservations_take(&t->common->reservations, w->token, &w->reserved) != 0)
        return false;
    sp_quota_give(&t->common->users, w->reserved.quota);
    return true;
}

static unsigned fill(struct sp_turn_request *r, struct sp_turn_alloc *a, const struct wish *w)
{
    unsigned code = open_legs(a, w);

    if (code == 0 && w->reserve)
        code = reserve(r, a);
    if (code != 0)
        return code;
    memcpy(a->birth.request_id, r->msg->id, SP_STUN_ID_LEN);
    a->birth.lifetime_s = w->lifetime_s;
    return sp_turn_alloc_begin(a, r->now_us) == 0 ? 0 : 508;
}

/* An allocation that counts as one, in all and of its user. */
static unsigned begin(struct sp_turn_request *r, const struct wish *w, struct sp_turn_alloc **out)
{
    struct sp_turn *t = r->turn;
    struct sp_quota_user *quota;
    size_t max = t->config.max_allocs_per_user;

    if (!sp_tally_take(&t->common->allocs, t->config.max_allocs)) {
        t->hits->allocations++;
        return 508;
    }
    if (w->has_token && max < SIZE_MAX)
        max++; /* the reservation's own share is given back in a moment */

    int err = sp_quota_take(&t->common->users, r->auth.account, max, &quota);

    t->hits->user_allocations += err == SP_EFULL;
    if (err == 0 && (err = sp_turn_alloc_new(t, r->path, r->auth.username, quota, out)) != 0)
        sp_quota_give(&t->common->users, quota);
    if (err != 0)
        sp_tally_give(&t->common->allocs);
    return err == 0 ? 0 : err == SP_EFULL ? 486 : 508;
}

static unsigned allocate(struct sp_turn_request *r, struct wish *w)
{
    struct sp_turn *t = r->turn;
    struct sp_turn_alloc *a;

    if (t->effects.busy != NULL && t->effects.busy(t->arg)) {
        t->counters.busy++;
        return 508;
    }
    unsigned code = begin(r, w, &a);

    if (code != 0)
        return code;
    code = !w->has_token || spend(t, w) ? fill(r, a, w) : 508;

    if (code != 0) {
        unreserve(t, a);
        sp_turn_alloc_end(a, SP_TURN_END_SHUTDOWN);
        return code;
    }
    r->alloc = a;
    return 0;
}

/* --- answering ---------------------------------------------------------------------------- */

/* RFC 8656 section 18.12:  | Family 8 | Reserved 13 | Class 3 | Number 8 | Reason … */
static void put_address_error(struct sp_stun_builder *b, uint16_t family, uint16_t code)
{
    uint8_t *p = sp_stun_put_space(b, SP_ATTR_ADDRESS_ERROR_CODE, 4);

    if (p == NULL)
        return;
    p[0] = (uint8_t)family;
    p[1] = 0;
    p[2] = (uint8_t)(code / 100);
    p[3] = (uint8_t)(code % 100);
}

static void answer(struct sp_turn_request *r)
{
    const struct sp_turn_alloc *a = r->alloc;
    const struct sp_turn_alloc_birth *birth = &a->birth;
    struct sp_stun_builder b;

    sp_turn_answer_begin(r, &b);
    for (size_t i = 0; i < a->n_legs; i++)
        sp_stun_put_xor_addr(&b, SP_ATTR_XOR_RELAYED_ADDRESS, &a->legs[i].relay.public_);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, birth->lifetime_s);
    /* On a flow the client's own address is nobody's business: see Binding. */
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS,
                         r->path->transport == SP_TURN_FLOW ? &a->legs[0].relay.public_
                                                            : &r->path->remote);
    if (birth->has_token)
        sp_stun_put(&b, SP_ATTR_RESERVATION_TOKEN, sp_span(birth->token, sizeof birth->token));
    if (birth->missing_code != 0)
        put_address_error(&b, birth->missing_family, birth->missing_code);
    sp_turn_answer_send(r, &b);
}

/* The same request again, or another one for a path that is in use. */
static bool is_repeat(const struct sp_turn_request *r)
{
    const struct sp_turn_alloc *a = r->alloc;

    return memcmp(a->birth.request_id, r->msg->id, SP_STUN_ID_LEN) == 0 &&
           sp_span_eq(r->auth.username, sp_span(a->username, a->username_len));
}

/* The client takes the same transport there, so the address must be of the family by which it came
 * here (RFC 8489 section 10). */
static unsigned turn_away(struct sp_turn_request *r)
{
    const struct sp_turn_alternates *a = &r->turn->alternates;
    uint16_t family = r->path->remote.family;
    bool somewhere =
        r->path->transport != SP_TURN_FLOW && ((family == SP_IPV4 && a->v4.family == SP_IPV4) ||
                                               (family == SP_IPV6 && a->v6.family == SP_IPV6));

    r->turn->counters.turned_away++;
    return somewhere ? 300 : 508;
}

void sp_turn_answer_allocate(struct sp_turn_request *r)
{
    struct wish w = {.n_families = 0};
    unsigned code;

    if (r->alloc != NULL)
        code = is_repeat(r) ? 0 : 437;
    else if ((code = read_wish(r, &w)) == 0)
        code = r->turn->draining ? turn_away(r) : allocate(r, &w);
    if (code == 0)
        answer(r);
    else
        sp_turn_answer_error(r, code);
}
