/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request that wants in: the attributes that the input says, right, spoilt or made up, and a MAC
 * by some key or none. Whatever they are, nobody gets in without the key of the user that is named,
 * a nonce that was made for this client within the hour, and this realm. The first byte may ask for
 * a request that is right but for foreign attributes in it: that one gets in.
 */
#include "fuzz.h"

#include <string.h>

#include "sallyport/err.h"
#include "sallyport/token.h"
#include "turn_auth.h"
#include "turn_nonce.h"

#define REALM  "example.org"
#define NOW_US (UINT64_C(100000) * 1000000)
#define UNIX_S UINT64_C(1700000000)
#define NONCES 16

struct input {
    const uint8_t *p;
    size_t len;
};

/* Names that mean something; the last two don't get in. */
static const char *const names[] = {
    "alice", "bob", "1700000001:carol", "1700000001", "1699999999:carol", "nobody"};
#define N_GOOD 4

static struct sp_turn_auth *auth;
static struct sp_turn_nonces nonces;
static struct sp_addr client;
static struct sp_stun_builder b;
static char good_nonces[NONCES][SP_TURN_NONCE_MAX];
static size_t n_good_nonces;

static uint8_t byte(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->p++;
}

static struct sp_span run(struct input *in)
{
    size_t len = byte(in);
    struct sp_span s = sp_span(in->p, len < in->len ? len : in->len);

    in->p += s.len;
    in->len -= s.len;
    return s;
}

/* --- who gets in ---------------------------------------------------------------------------- */

static void key_of(const char *name, bool sha256, struct sp_stun_key *out)
{
    char rest[SP_REST_PASSWORD_LEN + 1];
    const char *password = strcmp(name, "alice") == 0 ? "wonder" : "builder";

    if (name[0] == '1') {
        sp_rest_password(sp_span_str("north"), sp_span_str(name), rest);
        password = rest;
    }
    (sha256 ? sp_stun_key_sha256 : sp_stun_key_md5)(sp_span_str(name), sp_span_str(REALM),
                                                    sp_span_str(password), out);
}

static void user_hash(const char *name, uint8_t out[static SP_SHA256_LEN])
{
    const struct sp_span parts[] = {sp_span_str(name), sp_span_str(":" REALM)};

    sp_sha256(parts, 2, out);
}

/* Whom the request names, as one who reads RFC 8489 does; NULL: nobody who may get in. */
static const char *named(const struct sp_stun_msg *m)
{
    uint8_t hash[SP_SHA256_LEN];
    struct sp_span v;

    for (size_t i = 0; i < N_GOOD; i++) {
        user_hash(names[i], hash);
        if (sp_stun_find(m, SP_ATTR_USERNAME, &v)) {
            if (sp_span_eq(v, sp_span_str(names[i])))
                return names[i];
        } else if (sp_stun_find(m, SP_ATTR_USERHASH, &v) && i < 2 &&
                   sp_span_eq(v, sp_span(hash, sizeof hash))) {
            return names[i];
        }
    }
    return NULL;
}

static bool nonce_is_good(struct sp_span nonce)
{
    for (size_t i = 0; i < n_good_nonces; i++)
        if (sp_span_eq(nonce, sp_span_str(good_nonces[i])))
            return true;
    return false;
}

static void check_let_in(const struct sp_stun_msg *m, const struct sp_turn_auth_result *r)
{
    const char *name = named(m);
    struct sp_span v;
    struct sp_stun_key key;

    REQUIRE(name != NULL && sp_span_eq(r->username, sp_span_str(name)));
    REQUIRE(sp_stun_find(m, SP_ATTR_REALM, &v) && sp_span_eq(v, sp_span_str(REALM)));
    REQUIRE(sp_stun_find(m, SP_ATTR_NONCE, &v) && nonce_is_good(v));
    key_of(name, sp_stun_find(m, SP_ATTR_PASSWORD_ALGORITHM, &v) && v.p[1] == 2, &key);
    REQUIRE(sp_span_eq(sp_span(key.bytes, key.len), sp_span(r->key.bytes, r->key.len)));
    if (r->sha256)
        REQUIRE(sp_stun_check_integrity_sha256(m, sp_span(key.bytes, key.len)) == 0);
    else
        REQUIRE(sp_stun_check_integrity(m, sp_span(key.bytes, key.len)) == 0);
}

/* --- requests ------------------------------------------------------------------------------- */

static void make_nonce(struct input *in, char out[static SP_TURN_NONCE_MAX])
{
    uint8_t how = byte(in);
    uint64_t age_us = (uint64_t)(how >> 2) * 120 * 1000000; /* up to two hours */
    struct sp_addr whose = client;

    whose.port = (uint16_t)(whose.port + (how & 1));
    sp_turn_nonce_make(&nonces, &whose, sp_turn_auth_features(auth), NOW_US - age_us, out);
    if (!(how & 1) && age_us <= UINT64_C(3600) * 1000000 && n_good_nonces < NONCES)
        strcpy(good_nonces[n_good_nonces++], out);
    if (how & 2)
        out[byte(in) % strlen(out)] ^= (char)(byte(in) & 0x7f);
}

static void put_hash(struct input *in)
{
    uint8_t hash[SP_SHA256_LEN];

    user_hash(names[byte(in) % SP_ARRAY_LEN(names)], hash);
    sp_stun_put(&b, SP_ATTR_USERHASH, sp_span(hash, sizeof hash));
}

static void put_attribute(struct input *in)
{
    static const uint16_t types[] = {
        SP_ATTR_USERNAME, SP_ATTR_USERHASH,           SP_ATTR_REALM,
        SP_ATTR_NONCE,    SP_ATTR_PASSWORD_ALGORITHM, SP_ATTR_PASSWORD_ALGORITHMS};
    char nonce[SP_TURN_NONCE_MAX];

    switch (byte(in) % 8) {
    case 0:
        sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str(names[byte(in) % SP_ARRAY_LEN(names)]));
        break;
    case 1:
        put_hash(in);
        break;
    case 2:
        sp_stun_put(&b, SP_ATTR_REALM, sp_span_str(REALM));
        break;
    case 3:
        if (n_good_nonces == NONCES)
            break;
        make_nonce(in, nonce);
        sp_stun_put(&b, SP_ATTR_NONCE, sp_span_str(nonce));
        break;
    case 4:
        sp_stun_put_u32(&b, SP_ATTR_PASSWORD_ALGORITHM, (uint32_t)(byte(in) % 4) << 16);
        break;
    case 5:
        sp_stun_put(&b, SP_ATTR_PASSWORD_ALGORITHMS, sp_turn_auth_algorithms());
        break;
    case 6:
        sp_stun_put(&b, types[byte(in) % SP_ARRAY_LEN(types)], run(in));
        break;
    default:
        sp_stun_put(&b, byte(in), run(in));
    }
}

static void put_mac(uint8_t how)
{
    struct sp_stun_key key;

    key_of(names[how % N_GOOD], how & 0x40, &key);
    if (how & 0x20)
        key.bytes[0] ^= 1;
    if (how & 0x10)
        sp_stun_put_integrity(&b, sp_span(key.bytes, key.len));
    if (how & 0x80)
        sp_stun_put_integrity_sha256(&b, sp_span(key.bytes, key.len));
}

static void put_right_one(struct input *in)
{
    uint8_t how = byte(in);
    char nonce[SP_TURN_NONCE_MAX];

    sp_stun_put(&b, (uint16_t)(0xF000 | byte(in)), run(in));
    sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str(names[how % N_GOOD]));
    sp_stun_put(&b, SP_ATTR_REALM, sp_span_str(REALM));
    sp_turn_nonce_make(&nonces, &client, sp_turn_auth_features(auth), NOW_US, nonce);
    strcpy(good_nonces[n_good_nonces++], nonce);
    sp_stun_put(&b, SP_ATTR_NONCE, sp_span_str(nonce));
    if (how & 0x40)
        sp_stun_put(&b, SP_ATTR_PASSWORD_ALGORITHM, sp_span("\0\2\0\0", 4));
    sp_stun_put(&b, (uint16_t)(0xF000 | byte(in)), run(in));
    put_mac((uint8_t)((how & 0x43) | (how & 0x80 ? 0x80 : 0x10)));
}

static void open_auth(struct sp_rng_seeded *rng)
{
    static const char *const users[] = {"alice:wonder", "bob:builder"};
    const struct sp_span secrets[] = {sp_span_str("south"), sp_span_str("north")};

    client = sp_addr_v4(203, 0, 113, 9, 5000);
    n_good_nonces = 0;
    sp_rng_seeded_init(rng, 7);
    REQUIRE(sp_turn_auth_new(REALM, &rng->rng, &auth) == 0);
    REQUIRE(sp_turn_auth_set_users(auth, users, 2) == 0);
    sp_turn_nonces_init(&nonces, 0, &rng->rng);
    REQUIRE(sp_turn_auth_set_secrets(auth, secrets, 2) == 0);
}

/* As the engine asks: the nonce last. */
static int check(const struct sp_stun_msg *m, struct sp_turn_auth_result *r)
{
    int code = sp_turn_auth_check(auth, m, UNIX_S, r);

    if (code == 0 && sp_turn_nonce_check(&nonces, &client, r->nonce, NOW_US) != 0)
        code = 438;
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[8192];
    struct input in = {data, size};
    struct sp_turn_auth_result r;
    struct sp_rng_seeded rng;
    struct sp_stun_msg m;
    size_t len;
    uint8_t how = byte(&in);

    open_auth(&rng);
    sp_stun_begin(&b, bytes, sizeof bytes, SP_TURN_ALLOCATE, SP_STUN_REQUEST,
                  (const uint8_t *)"transaction!");
    if (how == 0)
        put_right_one(&in);
    else
        for (unsigned n = how % 12; n > 0; n--)
            put_attribute(&in);
    if (how != 0)
        put_mac(byte(&in));
    if (sp_stun_end(&b, &len) == 0 && sp_stun_parse(sp_span(bytes, len), &m) == 0) {
        int code = check(&m, &r);

        REQUIRE(code == 0 || code == 400 || code == 401 || code == 438);
        REQUIRE(how != 0 || code == 0);
        if (code == 0)
            check_let_in(&m, &r);
    }
    sp_turn_auth_free(auth);
    return 0;
}
