/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_nonce.h"

#include <assert.h>

#include "sallyport/base64.h"
#include "sallyport/err.h"

#define COOKIE         "obMatJos2"
#define COOKIE_LEN     9
#define FEATURES_CHARS 4
#define PREFIX_LEN     (COOKIE_LEN + FEATURES_CHARS)
#define STAMP_LEN      6 /* seconds and worker */
#define MAC_LEN        9
#define BODY_LEN       (STAMP_LEN + MAC_LEN)
#define LIFETIME_S     3600u /* RFC 8656 section 5 */
#define US_PER_S       1000000u

_Static_assert(PREFIX_LEN + BODY_LEN / 3 * 4 == SP_TURN_NONCE_LEN && BODY_LEN % 3 == 0,
               "the nonce's length");

void sp_turn_nonces_init(struct sp_turn_nonces *n, uint16_t worker, struct sp_rng *rng)
{
    *n = (struct sp_turn_nonces){.worker = worker};
    sp_rng_bytes(rng, n->key, sizeof n->key);
}

void sp_turn_nonces_fini(struct sp_turn_nonces *n)
{
    sp_crypto_wipe(n, sizeof *n);
}

static void mac(const struct sp_turn_nonces *n, const struct sp_addr *client, struct sp_span prefix,
                const uint8_t stamp[static STAMP_LEN], uint8_t out[static MAC_LEN])
{
    const struct sp_span parts[] = {
        prefix,
        sp_span(stamp, STAMP_LEN),
        sp_span(client, sizeof *client),
    };
    uint8_t whole[SP_SHA256_LEN];

    sp_hmac_sha256(sp_span(n->key, sizeof n->key), parts, SP_ARRAY_LEN(parts), whole);
    memcpy(out, whole, MAC_LEN);
}

static void encode(struct sp_span in, char *out, size_t cap)
{
    int err = sp_base64_encode(SP_BASE64, in, out, cap);

    assert(err == 0); /* both lengths are constants of this file */
    (void)err;
}

void sp_turn_nonce_make(const struct sp_turn_nonces *n, const struct sp_addr *client,
                        uint32_t features, uint64_t now_us, char out[static SP_TURN_NONCE_MAX])
{
    uint8_t bits[3] = {(uint8_t)(features >> 16), (uint8_t)(features >> 8), (uint8_t)features};
    uint8_t body[BODY_LEN];

    memcpy(out, COOKIE, COOKIE_LEN);
    encode(sp_span(bits, sizeof bits), out + COOKIE_LEN, FEATURES_CHARS + 1);
    sp_put_be32(body, (uint32_t)(now_us / US_PER_S));
    sp_put_be16(body + 4, n->worker);
    mac(n, client, sp_span(out, PREFIX_LEN), body, body + STAMP_LEN);
    encode(sp_span(body, sizeof body), out + PREFIX_LEN, SP_TURN_NONCE_LEN - PREFIX_LEN + 1);
}

int sp_turn_nonce_check(const struct sp_turn_nonces *n, const struct sp_addr *client,
                        struct sp_span nonce, uint64_t now_us)
{
    uint8_t body[BODY_LEN], want[MAC_LEN];
    size_t len;

    if (nonce.len != SP_TURN_NONCE_LEN)
        return SP_EAUTH;
    if (sp_base64_decode(SP_BASE64, sp_span_skip(nonce, PREFIX_LEN), body, sizeof body, &len) !=
            0 ||
        len != sizeof body)
        return SP_EAUTH;
    mac(n, client, sp_span(nonce.p, PREFIX_LEN), body, want);
    if (!sp_crypto_equal(sp_span(want, MAC_LEN), sp_span(body + STAMP_LEN, MAC_LEN)))
        return SP_EAUTH;

    /* In 32 bits, so that a wrap of the seconds does no harm; a time ahead of ours wraps to a great
     * age. */
    uint32_t age_s = (uint32_t)(now_us / US_PER_S) - sp_get_be32(body);

    return age_s <= LIFETIME_S ? 0 : SP_EEXPIRED;
}
