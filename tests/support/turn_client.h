/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of the engine on the bench (turn_rig.h): they make and sign requests, and judge what
 * comes back.
 */
#ifndef TESTS_TURN_CLIENT_H
#define TESTS_TURN_CLIENT_H

#include "sallyport/chandata.h"
#include "sallyport/stun.h"
#include "sallyport/stun_auth.h"
#include "turn_nonce.h"
#include "turn_rig.h"

enum rig_mac { RIG_SHA1, RIG_SHA256 };

struct rig_client {
    struct rig *rig;
    struct sp_turn_path path;
    const char *user, *password;
    char nonce[SP_TURN_NONCE_MAX]; /* empty: requests go without credentials */
    enum rig_mac mac;
    bool sha256_key; /* and PASSWORD-ALGORITHM(S) */
    bool fingerprint;
    uint32_t id; /* of the last request */
    struct sp_addr relayed;
    struct sp_stun_builder b;
    uint8_t msg[RIG_MSG_MAX];
};

/* `via` is its own address: no two are the same. */
static inline void rig_client_init(struct rig_client *c, struct rig *rig,
                                   enum sp_turn_transport transport, uint16_t port)
{
    struct sp_addr remote = {.family = SP_FAMILY_NONE}, local = rig_addr("10.1.1.1:3478");

    memset(c, 0, sizeof *c);
    if (transport != SP_TURN_FLOW)
        remote = sp_addr_v4(203, 0, 113, 9, port);
    c->rig = rig;
    c->path = sp_turn_path_make(transport, c, &remote, &local);
    c->user = "alice";
    c->password = "wonder";
    c->id = (uint32_t)port << 16;
}

static inline void rig_msgs(struct rig_client *c, const struct sp_span *msgs, size_t n)
{
    c->rig->n_out = 0;
    sp_turn_from_client(c->rig->turn, &c->path, msgs, n, c->rig->now_us, c->rig->unix_s);
    rig_check(c->rig);
}

static inline void rig_msg(struct rig_client *c, const void *p, size_t len)
{
    struct sp_span s = sp_span(p, len);

    rig_msgs(c, &s, 1);
}

/* Begins a request with an id of its own; attributes go to c->b. */
static inline struct sp_stun_builder *rig_begin(struct rig_client *c, uint16_t method)
{
    uint8_t id[SP_STUN_ID_LEN] = {0};

    sp_put_be32(id + 8, ++c->id);
    sp_stun_begin(&c->b, c->msg, sizeof c->msg, method, SP_STUN_REQUEST, id);
    return &c->b;
}

static inline void rig_key(const struct rig_client *c, struct sp_stun_key *key)
{
    (c->sha256_key ? sp_stun_key_sha256 : sp_stun_key_md5)(
        sp_span_str(c->user), sp_span_str(RIG_REALM), sp_span_str(c->password), key);
}

static inline void rig_sign(struct rig_client *c)
{
    struct sp_stun_key key;

    rig_key(c, &key);
    sp_stun_put(&c->b, SP_ATTR_USERNAME, sp_span_str(c->user));
    sp_stun_put(&c->b, SP_ATTR_REALM, sp_span_str(RIG_REALM));
    sp_stun_put(&c->b, SP_ATTR_NONCE, sp_span_str(c->nonce));
    if (c->sha256_key) {
        sp_stun_put(&c->b, SP_ATTR_PASSWORD_ALGORITHMS, sp_turn_auth_algorithms());
        sp_stun_put(&c->b, SP_ATTR_PASSWORD_ALGORITHM, sp_span("\0\2\0\0", 4));
    }
    if (c->mac == RIG_SHA256)
        sp_stun_put_integrity_sha256(&c->b, sp_span(key.bytes, key.len));
    else
        sp_stun_put_integrity(&c->b, sp_span(key.bytes, key.len));
}

/* Ends the request; its bytes are c->msg. */
static inline size_t rig_end(struct rig_client *c)
{
    size_t len;

    if (c->nonce[0] != '\0')
        rig_sign(c);
    if (c->fingerprint)
        sp_stun_put_fingerprint(&c->b);
    REQUIRE(sp_stun_end(&c->b, &len) == 0);
    return len;
}

/* Whether the last out is an answer to the client's last request. */
static inline bool rig_answer(const struct rig_client *c, struct sp_stun_msg *m)
{
    if (c->rig->n_out == 0)
        return false;

    const struct rig_out *o = &c->rig->out[c->rig->n_out - 1];

    return o->to_client && memcmp(&o->client, &c->path, sizeof c->path) == 0 &&
           sp_stun_parse(sp_span(o->msg, o->len), m) == 0 &&
           (m->cls == SP_STUN_SUCCESS || m->cls == SP_STUN_ERROR) &&
           memcmp(m->id, c->msg + 8, SP_STUN_ID_LEN) == 0;
}

/* Whether an answer is signed as the requests are. */
static inline bool rig_is_signed(const struct rig_client *c, const struct sp_stun_msg *m)
{
    struct sp_stun_key key;
    struct sp_span k, other;

    rig_key(c, &key);
    k = sp_span(key.bytes, key.len);
    if (c->mac == RIG_SHA256)
        return sp_stun_check_integrity_sha256(m, k) == 0 &&
               !sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY, &other);
    return sp_stun_check_integrity(m, k) == 0 &&
           !sp_stun_find(m, SP_ATTR_MESSAGE_INTEGRITY_SHA256, &other);
}

/*
 * What was answered: 0 success, an error code, or -1 for no answer. What must be true of any answer
 * is checked on the way: its method, who signed it, its FINGERPRINT.
 */
static inline int rig_code(const struct rig_client *c)
{
    struct sp_stun_msg m, request;
    unsigned code = 0;

    if (!rig_answer(c, &m))
        return -1;
    REQUIRE(sp_stun_parse(sp_span(c->msg, 20u + sp_get_be16(c->msg + 2)), &request) == 0);
    REQUIRE(m.method == request.method);
    REQUIRE((sp_stun_check_fingerprint(&m) == 0) == c->fingerprint);
    if (m.cls == SP_STUN_ERROR)
        REQUIRE(sp_stun_find_error(&m, &code, NULL) == 0);
    if (c->nonce[0] != '\0' && m.method != SP_STUN_BINDING && code != 401 && code != 438 &&
        code != 400)
        REQUIRE(rig_is_signed(c, &m));
    return (int)code;
}

/* Ends and sends the request, and returns what was answered. */
static inline int rig_do(struct rig_client *c)
{
    size_t len = rig_end(c);

    rig_msg(c, c->msg, len);
    return rig_code(c);
}

/* Sends the last request once more, byte by byte the same. */
static inline int rig_again(struct rig_client *c)
{
    rig_msg(c, c->msg, 20u + sp_get_be16(c->msg + 2));
    return rig_code(c);
}

/* Takes the nonce of the last answer. */
static inline bool rig_take_nonce(struct rig_client *c)
{
    struct sp_stun_msg m;
    struct sp_span nonce;

    if (!rig_answer(c, &m) || !sp_stun_find(&m, SP_ATTR_NONCE, &nonce) ||
        nonce.len >= sizeof c->nonce)
        return false;
    memcpy(c->nonce, nonce.p, nonce.len);
    c->nonce[nonce.len] = '\0';
    return true;
}

static inline struct sp_stun_builder *rig_allocate(struct rig_client *c)
{
    struct sp_stun_builder *b = rig_begin(c, SP_TURN_ALLOCATE);

    sp_stun_put_u32(b, SP_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    return b;
}

/* Gets the first challenge. */
static inline bool rig_hello(struct rig_client *c)
{
    c->nonce[0] = '\0';
    rig_allocate(c);
    return rig_do(c) == 401 && rig_take_nonce(c);
}

/* A whole conversation: an IPv4 allocation. Returns what the last request was answered. */
static inline int rig_make(struct rig_client *c)
{
    struct sp_stun_msg m;

    if (!rig_hello(c))
        return -1;
    rig_allocate(c);

    int code = rig_do(c);

    if (code == 0)
        REQUIRE(rig_answer(c, &m) &&
                sp_stun_find_xor_addr(&m, SP_ATTR_XOR_RELAYED_ADDRESS, &c->relayed) == 0);
    return code;
}

static inline int rig_permit_addr(struct rig_client *c, const struct sp_addr *peer)
{
    rig_begin(c, SP_TURN_CREATE_PERMISSION);
    sp_stun_put_xor_addr(&c->b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    return rig_do(c);
}

static inline int rig_permit(struct rig_client *c, const char *peer)
{
    struct sp_addr a = rig_addr(peer);

    return rig_permit_addr(c, &a);
}

static inline int rig_bind_addr(struct rig_client *c, uint16_t number, const struct sp_addr *peer)
{
    rig_begin(c, SP_TURN_CHANNEL_BIND);
    sp_stun_put_u32(&c->b, SP_ATTR_CHANNEL_NUMBER, (uint32_t)number << 16);
    sp_stun_put_xor_addr(&c->b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    return rig_do(c);
}

static inline int rig_bind(struct rig_client *c, uint16_t number, const char *peer)
{
    struct sp_addr a = rig_addr(peer);

    return rig_bind_addr(c, number, &a);
}

static inline int rig_refresh(struct rig_client *c, uint32_t lifetime_s)
{
    rig_begin(c, SP_TURN_REFRESH);
    sp_stun_put_u32(&c->b, SP_ATTR_LIFETIME, lifetime_s);
    return rig_do(c);
}

/* LIFETIME of the last answer; 0 when there is none. */
static inline uint32_t rig_lifetime(const struct rig_client *c)
{
    struct sp_stun_msg m;
    uint32_t v = 0;

    if (rig_answer(c, &m))
        (void)sp_stun_find_u32(&m, SP_ATTR_LIFETIME, &v);
    return v;
}

static inline void rig_send_addr(struct rig_client *c, const struct sp_addr *peer, const void *p,
                                 size_t len)
{
    struct sp_stun_builder b;
    uint8_t msg[RIG_MSG_MAX];
    size_t n;

    sp_stun_begin(&b, msg, sizeof msg, SP_TURN_SEND, SP_STUN_INDICATION,
                  (const uint8_t *)"send-send-se");
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, peer);
    sp_stun_put(&b, SP_ATTR_DATA, sp_span(p, len));
    REQUIRE(sp_stun_end(&b, &n) == 0);
    rig_msg(c, msg, n);
}

static inline void rig_send(struct rig_client *c, const char *peer, const void *p, size_t len)
{
    struct sp_addr a = rig_addr(peer);

    rig_send_addr(c, &a, p, len);
}

static inline void rig_channel(struct rig_client *c, uint16_t number, const void *p, size_t len)
{
    uint8_t msg[RIG_MSG_MAX];

    REQUIRE(len + SP_CHANDATA_HEADER_LEN <= sizeof msg);
    sp_chandata_header(msg, number, (uint16_t)len);
    if (len > 0)
        memcpy(msg + SP_CHANDATA_HEADER_LEN, p, len);
    rig_msg(c, msg, SP_CHANDATA_HEADER_LEN + len);
}

#endif
