/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_user.h"

#include <stdio.h>
#include <string.h>

#include "require.h"
#include "sallyport/stun_auth.h"

void turn_user_init(struct turn_user *u, const char *name, const char *password, uint32_t seed)
{
    memset(u, 0, sizeof *u);
    u->name = name;
    u->password = password;
    sp_put_be32(u->id, seed);
}

static void begin(struct turn_user *u, struct sp_stun_builder *b, uint16_t method,
                  enum sp_stun_class cls)
{
    sp_put_be32(u->id + 8, ++u->requests);
    sp_stun_begin(b, u->msg, sizeof u->msg, method, cls, u->id);
}

static struct sp_span end(struct turn_user *u, struct sp_stun_builder *b)
{
    size_t len;

    REQUIRE(sp_stun_end(b, &len) == 0);
    return sp_span(u->msg, len);
}

static struct sp_span sign(struct turn_user *u, struct sp_stun_builder *b)
{
    struct sp_stun_key key;

    if (u->nonce[0] == '\0')
        return end(u, b);
    sp_stun_key_md5(sp_span_str(u->name), sp_span_str(u->realm), sp_span_str(u->password), &key);
    sp_stun_put(b, SP_ATTR_USERNAME, sp_span_str(u->name));
    sp_stun_put(b, SP_ATTR_REALM, sp_span_str(u->realm));
    sp_stun_put(b, SP_ATTR_NONCE, sp_span_str(u->nonce));
    sp_stun_put_integrity(b, sp_span(key.bytes, key.len));
    return end(u, b);
}

struct sp_span turn_user_binding(struct turn_user *u)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_STUN_BINDING, SP_STUN_REQUEST);
    return end(u, &b);
}

static struct sp_span allocate(struct turn_user *u, bool pair)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_TURN_ALLOCATE, SP_STUN_REQUEST);
    sp_stun_put_u32(&b, SP_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    if (pair)
        sp_stun_put(&b, SP_ATTR_EVEN_PORT, sp_span("\x80", 1));
    else if (u->has_token)
        sp_stun_put(&b, SP_ATTR_RESERVATION_TOKEN, sp_span(u->token, sizeof u->token));
    return sign(u, &b);
}

struct sp_span turn_user_allocate(struct turn_user *u)
{
    return allocate(u, false);
}

struct sp_span turn_user_allocate_pair(struct turn_user *u)
{
    return allocate(u, true);
}

struct sp_span turn_user_refresh(struct turn_user *u, uint32_t lifetime_s)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_TURN_REFRESH, SP_STUN_REQUEST);
    sp_stun_put_u32(&b, SP_ATTR_LIFETIME, lifetime_s);
    return sign(u, &b);
}

struct sp_span turn_user_permit(struct turn_user *u, const struct sp_addr *peer)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_TURN_CREATE_PERMISSION, SP_STUN_REQUEST);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    return sign(u, &b);
}

struct sp_span turn_user_bind(struct turn_user *u, uint16_t channel, const struct sp_addr *peer)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_TURN_CHANNEL_BIND, SP_STUN_REQUEST);
    sp_stun_put_u32(&b, SP_ATTR_CHANNEL_NUMBER, (uint32_t)channel << 16);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    return sign(u, &b);
}

struct sp_span turn_user_send(struct turn_user *u, const struct sp_addr *peer, struct sp_span data)
{
    struct sp_stun_builder b;

    begin(u, &b, SP_TURN_SEND, SP_STUN_INDICATION);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    sp_stun_put(&b, SP_ATTR_DATA, data);
    return end(u, &b);
}

static void copy_text(const struct sp_stun_msg *m, uint16_t type, char *out, size_t cap)
{
    struct sp_span v;

    if (sp_stun_find(m, type, &v))
        snprintf(out, cap, "%.*s", (int)v.len, (const char *)v.p);
}

int turn_user_take(struct turn_user *u, struct sp_span msg)
{
    struct sp_stun_msg m;
    struct sp_span token;
    unsigned code;

    if (sp_stun_parse(msg, &m) != 0 || memcmp(m.id, u->id, sizeof u->id) != 0)
        return -1;
    if (m.cls == SP_STUN_ERROR && sp_stun_find_error(&m, &code, NULL) == 0) {
        copy_text(&m, SP_ATTR_REALM, u->realm, sizeof u->realm);
        copy_text(&m, SP_ATTR_NONCE, u->nonce, sizeof u->nonce);
        return (int)code;
    }
    if (m.cls != SP_STUN_SUCCESS)
        return -1;
    sp_stun_find_xor_addr(&m, SP_ATTR_XOR_RELAYED_ADDRESS, &u->relayed);
    sp_stun_find_xor_addr(&m, SP_ATTR_XOR_MAPPED_ADDRESS, &u->mapped);
    if (sp_stun_find(&m, SP_ATTR_RESERVATION_TOKEN, &token) && token.len == sizeof u->token) {
        memcpy(u->token, token.p, token.len);
        u->has_token = true;
    }
    return 0;
}

bool turn_user_is_data(struct sp_span msg, struct sp_addr *from, struct sp_span *data)
{
    struct sp_stun_msg m;

    return sp_stun_parse(msg, &m) == 0 && m.cls == SP_STUN_INDICATION && m.method == SP_TURN_DATA &&
           sp_stun_find_xor_addr(&m, SP_ATTR_XOR_PEER_ADDRESS, from) == 0 &&
           sp_stun_find(&m, SP_ATTR_DATA, data);
}
