/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "sallyport/err.h"
#include "sallyport/stun.h"
#include "stun_vector.h"

static const uint8_t id[SP_STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* Parses a copy in memory that ends where the message ends. `*copy` is the caller's to free. */
static int parse_exact(const uint8_t *p, size_t len, struct sp_stun_msg *m, uint8_t **copy)
{
    *copy = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(*copy);
    memcpy(*copy, p, len);
    return sp_stun_parse(sp_span(*copy, len), m);
}

static bool parses(const uint8_t *p, size_t len)
{
    struct sp_stun_msg m = {.method = 0xEEEE};
    uint8_t *copy;
    int err = parse_exact(p, len, &m, &copy);

    free(copy);
    ck_assert(err == 0 || err == SP_EBADMSG);
    ck_assert_msg(err == 0 || m.method == 0xEEEE, "written on failure");
    return err == 0;
}

/* ---- vectors ---- */

static const char *const class_names[] = {"request", "indication", "success", "error"};

static void check_fields(const struct stun_vector *v, const struct sp_stun_msg *m)
{
    for (size_t i = 0; i < v->n_fields; i++) {
        const char *name = v->fields[i].name, *want = v->fields[i].value;
        char text[SP_ADDR_STRLEN];
        struct sp_addr addr;
        struct sp_span value;

        if (strncmp(name, "text ", 5) == 0) {
            ck_assert(sp_stun_find(m, (uint16_t)strtoul(name + 5, NULL, 16), &value));
            ck_assert_msg(sp_span_eq(value, sp_span_str(want)), "%s: %s", v->file, name);
        } else if (strncmp(name, "address ", 8) == 0) {
            uint16_t type = (uint16_t)strtoul(name + 8, NULL, 16);

            ck_assert_int_eq(sp_stun_find_xor_addr(m, type, &addr), 0);
            ck_assert_str_eq(sp_addr_format(&addr, text), want);
        }
    }
}

static void vector_reads(const struct stun_vector *v)
{
    struct sp_stun_msg m;
    struct sp_stun_attr a;
    uint8_t want_id[SP_STUN_ID_LEN];
    uint8_t *copy;
    char list[512] = "";
    size_t pos = 0;

    ck_assert_msg(parse_exact(v->msg, v->len, &m, &copy) == 0, "%s", v->file);
    ck_assert_str_eq(class_names[m.cls], stun_vector_field(v, "class"));
    ck_assert_uint_eq(m.method, strtoul(stun_vector_field(v, "method"), NULL, 16));
    ck_assert_uint_eq(stun_vector_unhex(stun_vector_field(v, "id"), want_id, sizeof(want_id)),
                      sizeof(want_id));
    ck_assert_mem_eq(m.id, want_id, sizeof(want_id));
    ck_assert_uint_eq(m.raw.len, v->len);

    while (sp_stun_next(&m, &pos, &a)) {
        size_t n = strlen(list);

        snprintf(list + n, sizeof(list) - n, "%s%04x/%zu", n ? " " : "", a.type, a.value.len);
    }
    ck_assert_str_eq(list, stun_vector_field(v, "attributes"));
    check_fields(v, &m);
    free(copy);
}

START_TEST(vectors_read)
{
    stun_vectors(vector_reads);
}
END_TEST

static void vector_cut(const struct stun_vector *v)
{
    uint8_t longer[sizeof(v->msg) + 4] = {0};

    for (size_t n = 0; n < v->len; n++)
        ck_assert_msg(!parses(v->msg, n), "%s cut at %zu", v->file, n);
    memcpy(longer, v->msg, v->len);
    for (size_t n = 1; n <= 4; n++)
        ck_assert_msg(!parses(longer, v->len + n), "%s and %zu bytes", v->file, n);
}

START_TEST(vectors_cut_at_each_byte)
{
    stun_vectors(vector_cut);
}
END_TEST

/* ---- the attribute table ---- */

/* Whether an attribute ends at `end`, walking by hand. */
static bool is_boundary(const uint8_t *p, size_t end)
{
    size_t off = SP_STUN_HEADER_LEN;

    while (off < end)
        off += 4 + ((size_t)sp_get_be16(p + off + 2) + 3) / 4 * 4;
    return off == end;
}

/* Cut with a header that agrees: only the attributes tell. */
static void vector_table_cut(const struct stun_vector *v)
{
    uint8_t msg[sizeof(v->msg)];
    unsigned good = 0;

    memcpy(msg, v->msg, v->len);
    for (size_t n = SP_STUN_HEADER_LEN; n < v->len; n++) {
        bool want = n % 4 == 0 && is_boundary(v->msg, n);

        sp_put_be16(msg + 2, (uint16_t)(n - SP_STUN_HEADER_LEN));
        ck_assert_msg(parses(msg, n) == want, "%s with its table cut at %zu", v->file, n);
        good += want;
    }
    ck_assert_uint_gt(good, 1);
}

/* Each attribute in turn claims more than is there. */
static void vector_table_overlong(const struct stun_vector *v)
{
    size_t size;

    for (size_t off = SP_STUN_HEADER_LEN; off < v->len; off += size) {
        size_t room = v->len - off - 4;
        uint8_t msg[sizeof(v->msg)];

        size = 4 + ((size_t)sp_get_be16(v->msg + off + 2) + 3) / 4 * 4;
        memcpy(msg, v->msg, v->len);
        sp_put_be16(msg + off + 2, (uint16_t)room);
        ck_assert(parses(msg, v->len));
        for (size_t claim = room + 1; claim <= UINT16_MAX; claim += claim < 200 ? 1 : 509) {
            sp_put_be16(msg + off + 2, (uint16_t)claim);
            ck_assert_msg(!parses(msg, v->len), "%s: %zu at %zu", v->file, claim, off);
        }
        sp_put_be16(msg + off + 2, UINT16_MAX);
        ck_assert(!parses(msg, v->len));
    }
}

START_TEST(table_cut)
{
    stun_vectors(vector_table_cut);
}
END_TEST

START_TEST(table_overlong)
{
    stun_vectors(vector_table_overlong);
}
END_TEST

START_TEST(table_of_empty_attributes)
{
    uint8_t p[SP_STUN_HEADER_LEN + 12];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_stun_attr a;
    size_t len, pos = 0, n = 0;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    for (uint16_t i = 0; i < 3; i++)
        sp_stun_put(&b, (uint16_t)(0x8100 + i), sp_span(NULL, 0));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_uint_eq(len, sizeof(p));
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    while (sp_stun_next(&m, &pos, &a)) {
        ck_assert_uint_eq(a.type, 0x8100 + n++);
        ck_assert_uint_eq(a.value.len, 0);
    }
    ck_assert_uint_eq(n, 3);
    /* The end stays the end. */
    ck_assert(!sp_stun_next(&m, &pos, &a));
}
END_TEST

/* ---- header ---- */

START_TEST(looks_like_stun)
{
    uint8_t p[SP_STUN_HEADER_LEN] = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};

    for (size_t n = 0; n <= sizeof(p); n++)
        ck_assert_int_eq(sp_stun_looks_like(sp_span(p, n)), n >= 8);
    for (size_t i = 4; i < 8; i++) {
        p[i] ^= 1;
        ck_assert(!sp_stun_looks_like(sp_span(p, sizeof(p))));
        ck_assert(!parses(p, sizeof(p)));
        p[i] ^= 1;
    }
    for (unsigned first = 0; first < 256; first++) {
        p[0] = (uint8_t)first;
        ck_assert_int_eq(sp_stun_looks_like(sp_span(p, sizeof(p))), first < 0x40);
        ck_assert_int_eq(parses(p, sizeof(p)), first < 0x40);
    }
}
END_TEST

/* ---- which attributes count ---- */

#define MI  SP_ATTR_MESSAGE_INTEGRITY
#define MI2 SP_ATTR_MESSAGE_INTEGRITY_SHA256
#define FP  SP_ATTR_FINGERPRINT
#define A   SP_ATTR_USERNAME
#define B   SP_ATTR_SOFTWARE

static const struct {
    uint16_t types[8]; /* as sent, up to a 0 */
    uint16_t shown[8];
} orders[] = {
    {{A, B, A}, {A, B, A}},
    {{A, MI}, {A, MI}},
    {{A, MI, B}, {A, MI}},
    {{A, MI, B, FP, A}, {A, MI, FP}},
    {{A, MI, MI2, FP}, {A, MI, MI2, FP}},
    {{A, MI, B, MI2, B, FP, B}, {A, MI, MI2, FP}},
    {{A, MI2, B, FP}, {A, MI2, FP}},
    {{A, MI2, MI, FP}, {A, MI2, FP}},
    {{A, MI, MI, MI2, MI2}, {A, MI, MI2}},
    {{A, FP, A, MI, MI2, FP}, {A, FP}},
    {{FP}, {FP}},
    {{MI, A}, {MI}},
};

START_TEST(behind_the_protection)
{
    uint8_t p[256];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_stun_attr a;
    struct sp_span v;
    size_t len, pos = 0, n = 0;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    for (size_t i = 0; orders[_i].types[i]; i++)
        sp_stun_put(&b, orders[_i].types[i], sp_span_str("12345"));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    while (sp_stun_next(&m, &pos, &a)) {
        ck_assert_uint_eq(a.type, orders[_i].shown[n++]);
        ck_assert(sp_span_eq(a.value, sp_span_str("12345")));
    }
    ck_assert_uint_eq(orders[_i].shown[n], 0);
    ck_assert(!sp_stun_next(&m, &pos, &a));

    /* Who searches sees no more than who walks. */
    for (size_t i = 0; orders[_i].types[i]; i++) {
        bool shown = false;

        for (size_t k = 0; orders[_i].shown[k]; k++)
            shown |= orders[_i].shown[k] == orders[_i].types[i];
        ck_assert_int_eq(sp_stun_find(&m, orders[_i].types[i], &v), shown);
    }
}
END_TEST

START_TEST(first_of_repeated)
{
    uint8_t p[64];
    struct sp_stun_builder b;
    struct sp_stun_msg m;
    struct sp_span v = {NULL, 77};
    size_t len;

    sp_stun_begin(&b, p, sizeof(p), SP_STUN_BINDING, SP_STUN_REQUEST, id);
    sp_stun_put(&b, SP_ATTR_SOFTWARE, sp_span_str("first"));
    sp_stun_put(&b, SP_ATTR_SOFTWARE, sp_span_str("second"));
    ck_assert_int_eq(sp_stun_end(&b, &len), 0);
    ck_assert_int_eq(sp_stun_parse(sp_span(p, len), &m), 0);
    ck_assert(!sp_stun_find(&m, SP_ATTR_NONCE, &v));
    ck_assert_uint_eq(v.len, 77);
    ck_assert(sp_stun_find(&m, SP_ATTR_SOFTWARE, &v));
    ck_assert(sp_span_eq(v, sp_span_str("first")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stun");
    TCase *vectors = tcase_create("vectors"), *read = tcase_create("read");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, vectors);
    tcase_add_test(vectors, vectors_read);
    tcase_add_test(vectors, vectors_cut_at_each_byte);
    tcase_add_test(vectors, table_cut);
    tcase_add_test(vectors, table_overlong);

    suite_add_tcase(suite, read);
    tcase_add_test(read, table_of_empty_attributes);
    tcase_add_test(read, looks_like_stun);
    tcase_add_loop_test(read, behind_the_protection, 0, (int)SP_ARRAY_LEN(orders));
    tcase_add_test(read, first_of_repeated);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
