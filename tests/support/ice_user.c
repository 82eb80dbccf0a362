/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ice_user.h"

#include <stdio.h>
#include <string.h>

#include "require.h"
#include "sallyport/stun_auth.h"

#define PRIORITY (80u << 24 | 0xFFFF << 8 | 255) /* of a peer-reflexive candidate by TCP */

static bool copy(struct sp_span from, char *to, size_t cap)
{
    if (from.len == 0 || from.len >= cap)
        return false;
    memcpy(to, from.p, from.len);
    to[from.len] = '\0';
    return true;
}

bool ice_credentials_parse(struct sp_span text, struct ice_credentials *out)
{
    const uint8_t *colon = text.len > 0 ? memchr(text.p, ':', text.len) : NULL;
    size_t len = colon != NULL ? (size_t)(colon - text.p) : 0;

    return colon != NULL && copy(sp_span(text.p, len), out->ufrag, sizeof out->ufrag) &&
           copy(sp_span_skip(text, len + 1), out->password, sizeof out->password);
}

void ice_user_init(struct ice_user *u, const struct ice_credentials *own,
                   const struct ice_credentials *far, bool controlling, uint32_t seed)
{
    *u = (struct ice_user){.own = *own, .far = *far, .controlling = controlling};
    sp_put_be32(u->id, seed);
}

/* Whoever is asked comes first. */
static struct sp_span username(const struct ice_credentials *asked,
                               const struct ice_credentials *asks,
                               char out[static 2 * ICE_USER_UFRAG_MAX + 2])
{
    sprintf(out, "%s:%s", asked->ufrag, asks->ufrag);
    return sp_span_str(out);
}

static struct sp_span end(struct ice_user *u, struct sp_stun_builder *b, const char *password)
{
    size_t len;

    sp_stun_put_integrity(b, sp_span_str(password));
    sp_stun_put_fingerprint(b);
    REQUIRE(sp_stun_end(b, &len) == 0);
    return sp_span(u->msg, len);
}

/* With each check the pair is nominated: there is but one. */
struct sp_span ice_user_check(struct ice_user *u)
{
    uint8_t breaker[8] = {0};
    char name[2 * ICE_USER_UFRAG_MAX + 2];
    struct sp_stun_builder b;

    sp_put_be32(u->id + 8, ++u->checks);
    sp_put_be32(breaker, sp_get_be32(u->id));
    sp_stun_begin(&b, u->msg, sizeof u->msg, SP_STUN_BINDING, SP_STUN_REQUEST, u->id);
    sp_stun_put(&b, SP_ATTR_USERNAME, username(&u->far, &u->own, name));
    sp_stun_put(&b, u->controlling ? SP_ATTR_ICE_CONTROLLING : SP_ATTR_ICE_CONTROLLED,
                sp_span(breaker, sizeof breaker));
    if (u->controlling)
        sp_stun_put(&b, SP_ATTR_USE_CANDIDATE, sp_span(breaker, 0));
    sp_stun_put_u32(&b, SP_ATTR_PRIORITY, PRIORITY);
    return end(u, &b, u->far.password);
}

static struct sp_span answer_to(struct ice_user *u, const struct sp_stun_msg *m,
                                const struct sp_addr *from)
{
    struct sp_stun_builder b;

    sp_stun_begin(&b, u->msg, sizeof u->msg, SP_STUN_BINDING, SP_STUN_SUCCESS, m->id);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, from);
    return end(u, &b, u->own.password);
}

static bool is_to_me(const struct ice_user *u, const struct sp_stun_msg *m)
{
    char name[2 * ICE_USER_UFRAG_MAX + 2];
    struct sp_span said;

    return sp_stun_find(m, SP_ATTR_USERNAME, &said) &&
           sp_span_eq(said, username(&u->own, &u->far, name)) &&
           sp_stun_check_integrity(m, sp_span_str(u->own.password)) == 0;
}

static bool was_asked(const struct ice_user *u, const struct sp_stun_msg *m)
{
    uint32_t ago = u->checks - sp_get_be32(m->id + 8);

    return memcmp(m->id, u->id, 8) == 0 && ago < u->checks && ago < ICE_USER_REMEMBERED;
}

bool ice_user_take(struct ice_user *u, struct sp_span msg, const struct sp_addr *from,
                   struct sp_span *answer)
{
    struct sp_stun_msg m;

    if (sp_stun_parse(msg, &m) != 0 || m.method != SP_STUN_BINDING) {
        u->foreign++;
    } else if (m.cls == SP_STUN_REQUEST && is_to_me(u, &m)) {
        u->answered++;
        *answer = answer_to(u, &m, from);
        return true;
    } else if (m.cls == SP_STUN_SUCCESS && was_asked(u, &m) &&
               sp_stun_check_integrity(&m, sp_span_str(u->far.password)) == 0) {
        u->connected = true;
    } else {
        u->foreign++;
    }
    return false;
}
