/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/token.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "sallyport/base64.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"

#define PREFIX     "v1."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define MAC_STRLEN (SP_BASE64_ENC_MAX(SP_SHA256_LEN) - 2) /* unpadded, without NUL */

struct parts {
    struct sp_span is_signed; /* "v1." and the claims as text */
    struct sp_span claims;    /* as text */
    uint8_t mac[SP_SHA256_LEN];
};

static void derive(struct sp_span secret, uint8_t key[static SP_SHA256_LEN])
{
    sp_hkdf_sha256(secret, "sallyport token v1", key, SP_SHA256_LEN);
}

static void mac_of(struct sp_span secret, struct sp_span text, uint8_t mac[static SP_SHA256_LEN])
{
    uint8_t key[SP_SHA256_LEN];

    derive(secret, key);
    sp_hmac_sha256(sp_span(key, sizeof(key)), &text, 1, mac);
    sp_crypto_wipe(key, sizeof(key));
}

static void key_id_of(struct sp_span secret, char out[static 9])
{
    uint8_t key[SP_SHA256_LEN], digest[SP_SHA256_LEN];
    struct sp_span part = {key, sizeof(key)};

    derive(secret, key);
    sp_sha256(&part, 1, digest);
    snprintf(out, 9, "%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    sp_crypto_wipe(key, sizeof(key));
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    return false;
}

/* Tickets name an end of a session, and nothing else does. */
static bool names_its_end(const struct sp_claims *c)
{
    bool is_ticket = strcmp(c->scope, SP_TOKEN_SCOPE_END) == 0;

    return is_ticket == (c->session[0] != '\0') && c->end <= (is_ticket ? 1 : 0);
}

/* What not every token has. */
static int add_optional(json_t *o, const struct sp_claims *c)
{
    if (c->gateway[0] != '\0' && json_object_set_new(o, "gw", json_string(c->gateway)) < 0)
        return SP_EINVAL;
    if (c->session[0] != '\0' && (json_object_set_new(o, "sid", json_string(c->session)) < 0 ||
                                  json_object_set_new(o, "end", json_integer(c->end)) < 0))
        return SP_EINVAL;
    return 0;
}

/* The claims as JSON; jansson refuses what isn't UTF-8. */
static int claims_to_json(const struct sp_claims *c, const char *key_id, char *out, size_t cap,
                          size_t *len)
{
    json_t *o;
    size_t n;

    if (c->subject[0] == '\0' || c->scope[0] == '\0' || c->expires_s > INT64_MAX ||
        has_control(c->subject) || has_control(c->scope) || has_control(c->gateway) ||
        has_control(c->session) || !names_its_end(c))
        return SP_EINVAL;
    o = json_pack("{s:s, s:s, s:s, s:I}", "kid", key_id, "sub", c->subject, "scope", c->scope,
                  "exp", (json_int_t)c->expires_s);
    if (o && add_optional(o, c) != 0) {
        json_decref(o);
        o = NULL;
    }
    if (!o)
        return SP_EINVAL;
    n = json_dumpb(o, out, cap, JSON_COMPACT);
    json_decref(o);
    if (n == 0 || n > cap)
        return SP_ETOOBIG;
    *len = n;
    return 0;
}

int sp_token_sign(struct sp_span secret, const struct sp_claims *claims, char *out, size_t cap)
{
    char json[SP_BASE64_DEC_MAX(SP_TOKEN_MAX)], key_id[9], text[SP_TOKEN_MAX + 1];
    uint8_t mac[SP_SHA256_LEN];
    size_t json_len, len;
    int err;

    key_id_of(secret, key_id);
    err = claims_to_json(claims, key_id, json, sizeof(json), &json_len);
    if (err < 0)
        return err;
    len = PREFIX_LEN + sp_base64_enc_len(SP_BASE64URL, json_len);
    if (len + 1 + MAC_STRLEN > SP_TOKEN_MAX || len + 1 + MAC_STRLEN >= cap)
        return SP_ETOOBIG;
    memcpy(text, PREFIX, PREFIX_LEN);
    sp_base64_encode(SP_BASE64URL, sp_span(json, json_len), text + PREFIX_LEN,
                     sizeof(text) - PREFIX_LEN);
    mac_of(secret, sp_span(text, len), mac);
    text[len++] = '.';
    sp_base64_encode(SP_BASE64URL, sp_span(mac, sizeof(mac)), text + len, sizeof(text) - len);
    memcpy(out, text, len + MAC_STRLEN + 1);
    return 0;
}

static int split(struct sp_span token, struct parts *out)
{
    const uint8_t *dot;
    size_t mac_len;

    if (token.len > SP_TOKEN_MAX || token.len < PREFIX_LEN ||
        memcmp(token.p, PREFIX, PREFIX_LEN) != 0)
        return SP_EBADMSG;
    out->claims = sp_span_skip(token, PREFIX_LEN);
    dot = out->claims.len ? memchr(out->claims.p, '.', out->claims.len) : NULL;
    if (!dot)
        return SP_EBADMSG;
    out->is_signed = sp_span(token.p, (size_t)(dot - token.p));
    out->claims.len = out->is_signed.len - PREFIX_LEN;
    if (sp_base64_decode(SP_BASE64URL, sp_span_skip(token, out->is_signed.len + 1), out->mac,
                         sizeof(out->mac), &mac_len) < 0 ||
        mac_len != sizeof(out->mac))
        return SP_EBADMSG;
    return 0;
}

/* An absent string is an empty one. */
static int get_text(const json_t *o, const char *name, char *out, size_t cap)
{
    const json_t *v = json_object_get(o, name);
    const char *s = json_string_value(v);

    if (!v) {
        out[0] = '\0';
        return 0;
    }
    if (!s || strlen(s) >= cap || has_control(s))
        return SP_EBADMSG;
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

/* An absent number is 0; what is too large for `most` is refused. */
static int get_number(const json_t *o, const char *name, json_int_t most, uint64_t *out)
{
    const json_t *v = json_object_get(o, name);

    if (v && (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > most))
        return SP_EBADMSG;
    *out = (uint64_t)json_integer_value(v);
    return 0;
}

static int claims_from_json(struct sp_span text, struct sp_claims *out)
{
    struct sp_claims c = {.expires_s = 0};
    json_error_t error;
    uint64_t end;
    json_t *o;
    int err = SP_EBADMSG;

    /* Without JSON_ALLOW_NUL a string can't hide anything behind a NUL. */
    o = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!o)
        return json_error_code(&error) == json_error_out_of_memory ? SP_ENOMEM : SP_EBADMSG;
    if (get_text(o, "kid", c.key_id, sizeof(c.key_id)) < 0 ||
        get_text(o, "sub", c.subject, sizeof(c.subject)) < 0 ||
        get_text(o, "scope", c.scope, sizeof(c.scope)) < 0 ||
        get_text(o, "gw", c.gateway, sizeof(c.gateway)) < 0 ||
        get_text(o, "sid", c.session, sizeof(c.session)) < 0)
        goto out;
    if (!json_object_get(o, "exp") || get_number(o, "exp", INT64_MAX, &c.expires_s) < 0 ||
        get_number(o, "end", 1, &end) < 0)
        goto out;
    c.end = (unsigned)end;
    if (c.subject[0] == '\0' || c.scope[0] == '\0' || !names_its_end(&c))
        goto out;
    *out = c;
    err = 0;
out:
    json_decref(o);
    return err;
}

static int read_claims(struct sp_span text, struct sp_claims *out)
{
    uint8_t json[SP_BASE64_DEC_MAX(SP_TOKEN_MAX)];
    size_t len;

    if (sp_base64_decode(SP_BASE64URL, text, json, sizeof(json), &len) < 0)
        return SP_EBADMSG;
    return claims_from_json(sp_span(json, len), out);
}

int sp_token_verify(struct sp_span token, const struct sp_span *secrets, size_t n, uint64_t now_s,
                    struct sp_claims *out)
{
    struct parts t;
    struct sp_claims c;
    bool good = false;
    int err = split(token, &t);

    if (err < 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        uint8_t mac[SP_SHA256_LEN];

        mac_of(secrets[i], t.is_signed, mac);
        /* no early end: the time must not tell which secret it was */
        good |= sp_crypto_equal(sp_span(mac, sizeof(mac)), sp_span(t.mac, sizeof(t.mac)));
        sp_crypto_wipe(mac, sizeof(mac));
    }
    if (!good)
        return SP_EAUTH;
    err = read_claims(t.claims, &c);
    if (err < 0)
        return err;
    *out = c;
    return now_s < c.expires_s ? 0 : SP_EEXPIRED;
}

int sp_token_peek(struct sp_span token, struct sp_claims *out)
{
    struct parts t;
    int err = split(token, &t);

    return err < 0 ? err : read_claims(t.claims, out);
}

int sp_rest_username(uint64_t expires_s, const char *user,
                     char out[static SP_REST_USERNAME_MAX + 1])
{
    char text[SP_REST_USERNAME_MAX + 1];
    int n = snprintf(text, sizeof(text), "%" PRIu64 "%s%s", expires_s, user[0] ? ":" : "", user);

    if (n < 0 || (size_t)n >= sizeof(text))
        return SP_ETOOBIG;
    memcpy(out, text, (size_t)n + 1);
    return 0;
}

void sp_rest_password(struct sp_span secret, struct sp_span username,
                      char out[static SP_REST_PASSWORD_LEN + 1])
{
    uint8_t mac[SP_SHA1_LEN];

    sp_hmac_sha1(secret, &username, 1, mac);
    sp_base64_encode(SP_BASE64, sp_span(mac, sizeof(mac)), out, SP_REST_PASSWORD_LEN + 1);
    sp_crypto_wipe(mac, sizeof(mac));
}

int sp_rest_expiry(struct sp_span username, uint64_t *expires_s)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < username.len && username.p[i] != ':'; i++) {
        unsigned digit = (unsigned)username.p[i] - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return SP_EBADMSG;
        v = v * 10 + digit;
    }
    if (i == 0)
        return SP_EBADMSG;
    *expires_s = v;
    return 0;
}
