/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of secrets, and what its lines are for: TURN users. What is accepted means the same when
 * it is written anew; every user that is taken over can sign in, and nobody without the password.
 */
#include "fuzz.h"

#include <string.h>

#include "sallyport/err.h"
#include "sallyport/secret_file.h"
#include "turn_auth.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void check_item(const struct sp_secrets *s, struct sp_span item)
{
    REQUIRE(item.len > 0 && item.p >= (const uint8_t *)s->mem);
    REQUIRE(item.p + item.len <= (const uint8_t *)s->mem + s->mem_len);
    REQUIRE(item.p[0] != '#' && !is_blank(item.p[0]) && !is_blank(item.p[item.len - 1]));
    for (size_t i = 0; i < item.len; i++)
        REQUIRE(item.p[i] >= ' ' && item.p[i] != 0x7f);
}

/* Its items, a line each; behind an empty line, since the file's first bytes are special. */
static void again(const struct sp_secrets *s)
{
    char why[SP_SECRET_ERR_MAX], *text = malloc(s->mem_len + 3), *p = text;
    struct sp_secrets back;

    REQUIRE(text != NULL);
    *p++ = '\n';
    for (size_t i = 0; i < s->n; i++) {
        memcpy(p, s->items[i].p, s->items[i].len);
        p += s->items[i].len;
        *p++ = '\n';
    }
    REQUIRE(sp_secrets_from_text("again", sp_span(text, (size_t)(p - text)), &back, why) == 0);
    REQUIRE(back.n == s->n);
    for (size_t i = 0; i < s->n; i++)
        REQUIRE(sp_span_eq(back.items[i], s->items[i]));
    sp_secrets_fini(&back);
    free(text);
}

/* Whether a request with these credentials is let in. */
static bool signs_in(struct sp_turn_auth *auth, struct sp_span name, struct sp_span password)
{
    static uint8_t bytes[4096];
    struct sp_span realm = sp_span_str(sp_turn_auth_realm(auth));
    struct sp_turn_auth_result result;
    struct sp_stun_builder b;
    struct sp_stun_key key;
    struct sp_stun_msg m;
    size_t len;

    sp_stun_key_md5(name, realm, password, &key);
    sp_stun_begin(&b, bytes, sizeof bytes, SP_TURN_ALLOCATE, SP_STUN_REQUEST,
                  (const uint8_t *)"transaction!");
    sp_stun_put(&b, SP_ATTR_USERNAME, name);
    sp_stun_put(&b, SP_ATTR_REALM, realm);
    sp_stun_put(&b, SP_ATTR_NONCE, sp_span_str("nonce"));
    sp_stun_put_integrity(&b, sp_span(key.bytes, key.len));
    REQUIRE(sp_stun_end(&b, &len) == 0 && sp_stun_parse(sp_span(bytes, len), &m) == 0);

    int code = sp_turn_auth_check(auth, &m, 1, &result);

    REQUIRE(code == 0 || code == 401);
    return code == 0;
}

static void try_users(const struct sp_secrets *s)
{
    struct sp_rng_seeded rng;
    struct sp_turn_auth *auth;
    char **lines = calloc(s->n, sizeof *lines);

    REQUIRE(lines != NULL);
    for (size_t i = 0; i < s->n; i++)
        REQUIRE((lines[i] = strndup((const char *)s->items[i].p, s->items[i].len)) != NULL);
    sp_rng_seeded_init(&rng, 7);
    REQUIRE(sp_turn_auth_new("example.org", &rng.rng, &auth) == 0);
    REQUIRE(sp_turn_auth_set_secrets(auth, s->items, s->n) == 0);

    int err = sp_turn_auth_set_users(auth, (const char *const *)lines, s->n);

    REQUIRE(err == 0 || err == SP_EINVAL || err == SP_ETOOBIG || err == SP_EEXIST);
    for (size_t i = 0; i < s->n && i < 4 && err == 0; i++) {
        struct sp_span name = sp_span(lines[i], strcspn(lines[i], ":"));

        REQUIRE(signs_in(auth, name, sp_span_str(lines[i] + name.len + 1)));
        REQUIRE(!signs_in(auth, name, sp_span_str("not the password")) ||
                strcmp(lines[i] + name.len + 1, "not the password") == 0);
    }
    sp_turn_auth_free(auth);
    for (size_t i = 0; i < s->n; i++)
        free(lines[i]);
    free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SP_SECRET_ERR_MAX] = "";
    struct sp_secrets s;
    int err = sp_secrets_from_text("file", sp_span(data, size), &s, why);

    if (err != 0) {
        REQUIRE(err == SP_EINVAL && why[0] != '\0' && strchr(why, '\n') == NULL);
        return 0;
    }
    REQUIRE(s.n > 0);
    for (size_t i = 0; i < s.n; i++)
        check_item(&s, s.items[i]);
    again(&s);
    try_users(&s);
    sp_secrets_fini(&s);
    REQUIRE(s.mem == NULL && s.n == 0);
    return 0;
}
