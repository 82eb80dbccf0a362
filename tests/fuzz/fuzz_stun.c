/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STUN: what is accepted is built again with the same attributes, typed reads agree with typed
 * writes, and what we protect verifies.
 */
#include "fuzz.h"
#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "sallyport/stun_auth.h"

#define MESSAGE_MAX (SP_STUN_HEADER_LEN + 65536)

/* What a first message shows, a second shows too, in the same order. */
static void same_attributes(const struct sp_stun_msg *m, const struct sp_stun_msg *again)
{
    struct sp_stun_attr a, b;
    size_t pos_a = 0, pos_b = 0;

    while (sp_stun_next(m, &pos_a, &a)) {
        REQUIRE(a.value.p >= m->raw.p + SP_STUN_HEADER_LEN + 4);
        REQUIRE(a.value.p + a.value.len <= m->raw.p + m->raw.len);
        REQUIRE(sp_stun_next(again, &pos_b, &b));
        REQUIRE(a.type == b.type && sp_span_eq(a.value, b.value));
    }
    REQUIRE(!sp_stun_next(again, &pos_b, &b));
    REQUIRE(!sp_stun_next(m, &pos_a, &a));
}

static void rebuild(const struct sp_stun_msg *m, uint8_t *out)
{
    struct sp_stun_builder b;
    struct sp_stun_msg again;
    struct sp_stun_attr a;
    size_t pos = 0, len;

    sp_stun_begin(&b, out, MESSAGE_MAX, m->method, m->cls, m->id);
    while (sp_stun_next(m, &pos, &a))
        sp_stun_put(&b, a.type, a.value);
    REQUIRE(sp_stun_end(&b, &len) == 0);
    REQUIRE(len <= m->raw.len);
    REQUIRE(memcmp(out, m->raw.p, 2) == 0 && memcmp(out + 4, m->raw.p + 4, 16) == 0);
    REQUIRE(sp_stun_parse(sp_span(out, len), &again) == 0);
    REQUIRE(again.method == m->method && again.cls == m->cls);
    same_attributes(m, &again);
}

static void read_address(const struct sp_stun_msg *m, const struct sp_stun_attr *a)
{
    uint8_t out[SP_STUN_HEADER_LEN + 24];
    struct sp_stun_builder b;
    struct sp_stun_msg again;
    struct sp_addr addr, addr_again;
    size_t len;

    if (sp_stun_xor_addr(m, a->value, &addr))
        return;
    REQUIRE(addr.family == SP_IPV4 || addr.family == SP_IPV6);
    sp_stun_begin(&b, out, sizeof(out), m->method, m->cls, m->id);
    sp_stun_put_xor_addr(&b, a->type, &addr);
    REQUIRE(sp_stun_end(&b, &len) == 0);
    REQUIRE(sp_stun_parse(sp_span(out, len), &again) == 0);
    REQUIRE(sp_stun_next(&again, &(size_t){0}, &(struct sp_stun_attr){0}));
    REQUIRE(sp_stun_find_xor_addr(&again, a->type, &addr_again) == 0);
    REQUIRE(sp_addr_eq(&addr, &addr_again));
}

static void read_typed(const struct sp_stun_msg *m)
{
    struct sp_stun_attr a;
    size_t pos = 0;

    while (sp_stun_next(m, &pos, &a)) {
        struct sp_span first;
        uint32_t v;

        REQUIRE(sp_stun_find(m, a.type, &first));
        REQUIRE(first.p <= a.value.p);
        REQUIRE(sp_stun_find_u32(m, a.type, &v) == (first.len == 4 ? 0 : SP_EBADMSG));
        read_address(m, &a);
    }

    struct sp_span reason;
    unsigned code;
    int err = sp_stun_find_error(m, &code, &reason);

    REQUIRE(err == 0 || err == SP_ENOENT || err == SP_EBADMSG);
    REQUIRE(err != 0 || (code >= 300 && code <= 699));
}

static void list_unknown(const struct sp_stun_msg *m)
{
    static const uint16_t known[] = {SP_ATTR_USERNAME, SP_ATTR_MESSAGE_INTEGRITY, SP_ATTR_DATA};
    uint16_t got[16];
    size_t n = sp_stun_unknown(m, known, SP_ARRAY_LEN(known), got, SP_ARRAY_LEN(got));
    struct sp_span v;

    REQUIRE(n <= SP_ARRAY_LEN(got));
    for (size_t i = 0; i < n; i++) {
        REQUIRE(got[i] < 0x8000 && sp_stun_find(m, got[i], &v));
        for (size_t k = 0; k < i; k++)
            REQUIRE(got[k] != got[i]);
        for (size_t k = 0; k < SP_ARRAY_LEN(known); k++)
            REQUIRE(got[i] != known[k]);
    }
}

/* Any message that isn't protected yet can be, and then verifies. */
static void protect(const struct sp_stun_msg *m, uint8_t *out)
{
    struct sp_span key = sp_span_str("key"), other = sp_span_str("other");
    struct sp_stun_builder b;
    struct sp_stun_msg again;
    struct sp_stun_attr a;
    size_t pos = 0, len;

    REQUIRE(sp_stun_check_integrity(m, key) <= 0);
    REQUIRE(sp_stun_check_integrity_sha256(m, key) <= 0);
    REQUIRE(sp_stun_check_fingerprint(m) <= 0);

    sp_stun_begin(&b, out, MESSAGE_MAX, m->method, m->cls, m->id);
    while (sp_stun_next(m, &pos, &a)) {
        if (a.type != SP_ATTR_MESSAGE_INTEGRITY && a.type != SP_ATTR_MESSAGE_INTEGRITY_SHA256 &&
            a.type != SP_ATTR_FINGERPRINT)
            sp_stun_put(&b, a.type, a.value);
    }
    sp_stun_put_integrity(&b, key);
    sp_stun_put_integrity_sha256(&b, key);
    sp_stun_put_fingerprint(&b);
    if (sp_stun_end(&b, &len)) {
        REQUIRE(m->raw.len > UINT16_MAX - 24 - 36 - 8);
        return;
    }
    REQUIRE(sp_stun_parse(sp_span(out, len), &again) == 0);
    REQUIRE(sp_stun_check_integrity(&again, key) == 0);
    REQUIRE(sp_stun_check_integrity_sha256(&again, key) == 0);
    REQUIRE(sp_stun_check_fingerprint(&again) == 0);
    REQUIRE(sp_stun_check_integrity(&again, other) == SP_EAUTH);
    REQUIRE(sp_stun_check_integrity_sha256(&again, other) == SP_EAUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[MESSAGE_MAX];
    struct sp_stun_msg m;
    int err = sp_stun_parse(sp_span(data, size), &m);

    if (err) {
        REQUIRE(err == SP_EBADMSG);
        return 0;
    }
    REQUIRE(sp_stun_looks_like(m.raw));
    REQUIRE(m.raw.p == data && m.raw.len == size);
    rebuild(&m, out);
    read_typed(&m);
    list_unknown(&m);
    protect(&m, out);
    return 0;
}
