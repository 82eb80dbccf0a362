/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "sallyport/clock.h"
#include "sallyport/dgram.h"
#include "sallyport/err.h"
#include "sallyport/resolve.h"

enum { TYPE_A = 1, TYPE_AAAA = 28 };

/* A name server on loopback that knows a handful of names. */
struct rig {
    struct io_loop loop;
    struct sp_dgram_pool *pool;
    struct sp_dgram *server;
    size_t queries;
    struct sp_resolver *r;
};

struct answer {
    struct sp_resolve *q;
    int calls, err;
    char why[300];
    struct sp_addr addrs[SP_RESOLVE_MAX];
    size_t n;
};

static const struct {
    const char *name;
    int rcode;
    unsigned n_v4, n_v6;
} zone[] = {
    {"two.test", 0, 2, 2},    {"four.test", 0, 3, 0},  {"six.test", 0, 0, 1},
    {"many.test", 0, 20, 20}, {"empty.test", 0, 0, 0}, {"broken.test", 2, 0, 0},
    {"none.test", 3, 0, 0},
};

/* The labels behind a DNS header as text; returns where the name ends. */
static size_t read_name(struct sp_span q, char out[static 256])
{
    size_t at = 12, len = 0;

    while (at < q.len && q.p[at] != 0) {
        size_t label = q.p[at];
        ck_assert(at + 1 + label < q.len && len + label + 2 < 256);
        memcpy(out + len, q.p + at + 1, label);
        len += label;
        out[len++] = '.';
        at += 1 + label;
    }
    out[len > 0 ? len - 1 : 0] = '\0';
    return at + 1;
}

static size_t put_record(uint8_t *out, unsigned type, unsigned i)
{
    size_t len = type == TYPE_A ? 4 : 16;

    sp_put_be16(out, 0xc00c); /* the name of the question */
    sp_put_be16(out + 2, (uint16_t)type);
    sp_put_be16(out + 4, 1);
    sp_put_be32(out + 6, 60);
    sp_put_be16(out + 10, (uint16_t)len);
    memset(out + 12, 0, len);
    if (type == TYPE_A)
        memcpy(out + 12, (uint8_t[]){192, 0, 2, (uint8_t)(i + 1)}, 4);
    else
        memcpy(out + 12, (uint8_t[]){0x20, 1, 0x0d, 0xb8, (uint8_t)(i + 1)}, 5);
    return 12 + len;
}

static void on_query(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct rig *rig = arg;

    for (size_t i = 0; i < n; i++) {
        uint8_t out[4096];
        char name[256];
        size_t len = read_name(in[i].body, name) + 4, k;

        rig->queries++;
        ck_assert_uint_le(len, in[i].body.len);
        unsigned type = sp_get_be16(in[i].body.p + len - 4);
        for (k = 0; k < SP_ARRAY_LEN(zone) && strcmp(zone[k].name, name) != 0; k++)
            continue;
        if (k == SP_ARRAY_LEN(zone))
            continue; /* mute */
        unsigned records = type == TYPE_A ? zone[k].n_v4 : type == TYPE_AAAA ? zone[k].n_v6 : 0;
        memcpy(out, in[i].body.p, len);
        sp_put_be16(out + 2, (uint16_t)(0x8180 | zone[k].rcode));
        sp_put_be16(out + 6, (uint16_t)records);
        sp_put_be32(out + 8, 0);
        for (unsigned j = 0; j < records; j++)
            len += put_record(out + len, type, j);
        struct sp_span s = sp_span(out, len);
        sp_dgram_send(d, &in[i].remote, &in[i].local, &s, 1);
    }
}

static void open_rig(struct rig *r)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    *r = (struct rig){0};
    io_loop_init(&r->loop);
    ck_assert_int_eq(sp_dgram_pool_new(&r->loop.ticker, &r->pool), 0);
    ck_assert_int_eq(sp_dgram_open(r->pool, &any, NULL, on_query, r, &r->server), 0);
    ck_assert_int_eq(sp_resolver_new(&r->loop.ticker, &r->r), 0);
    ck_assert_int_eq(sp_resolver_use_server(r->r, sp_dgram_local(r->server)), 0);
}

static void close_rig(struct rig *r)
{
    sp_resolver_free(r->r);
    sp_dgram_close(r->server);
    sp_dgram_pool_free(r->pool);
    io_loop_fini(&r->loop);
}

static void on_answer(int err, const char *why, const struct sp_addr *addrs, size_t n, void *arg)
{
    struct answer *a = arg;

    a->calls++;
    a->err = err;
    a->n = n;
    if (err != 0) {
        ck_assert_ptr_nonnull(why);
        ck_assert_ptr_null(strchr(why, '\n'));
        strncpy(a->why, why, sizeof a->why - 1);
        return;
    }
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, SP_RESOLVE_MAX);
    memcpy(a->addrs, addrs, n * sizeof *addrs);
}

static bool has_answer(void *arg)
{
    return ((struct answer *)arg)->calls > 0;
}

static void ask(struct rig *r, const char *host, struct answer *a)
{
    *a = (struct answer){0};
    ck_assert_int_eq(sp_resolve_start(r->r, host, 443, on_answer, a, &a->q), 0);
    ck_assert_int_eq(a->calls, 0); /* never from within */
    ck_assert(io_loop_until(&r->loop, has_answer, a));
    io_loop_for(&r->loop, 5);
    ck_assert_int_eq(a->calls, 1);
}

START_TEST(literals)
{
    static const char *const hosts[] = {"192.0.2.9", "2001:db8::9", "[2001:db8::9]"};
    struct answer a;
    struct rig r;

    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++) {
        struct sp_addr want;
        ask(&r, hosts[i], &a);
        ck_assert_int_eq(a.err, 0);
        ck_assert_uint_eq(a.n, 1);
        ck_assert_int_eq(sp_addr_parse_ip(hosts[i], &want), 0);
        want.port = 443;
        ck_assert(sp_addr_eq(&a.addrs[0], &want));
    }
    ck_assert_uint_eq(r.queries, 0);
    close_rig(&r);
}
END_TEST

START_TEST(hosts_file)
{
    struct answer a;
    struct rig r;

    open_rig(&r);
    ask(&r, "localhost", &a);
    ck_assert_int_eq(a.err, 0);
    for (size_t i = 0; i < a.n; i++) {
        ck_assert(sp_addr_is_loopback(&a.addrs[i]));
        ck_assert_uint_eq(a.addrs[i].port, 443);
    }
    ck_assert_uint_eq(r.queries, 0);
    close_rig(&r);
}
END_TEST

START_TEST(families_in_turn)
{
    struct answer a;
    struct rig r;

    open_rig(&r);
    ask(&r, "two.test", &a);
    ck_assert_msg(a.err == 0, "%s", a.why);
    ck_assert_uint_eq(a.n, 4);
    for (size_t i = 1; i < a.n; i++)
        ck_assert_uint_ne(a.addrs[i].family, a.addrs[i - 1].family);
    ask(&r, "four.test", &a);
    ck_assert_uint_eq(a.n, 3);
    ck_assert_uint_eq(a.addrs[0].family, SP_IPV4);
    ask(&r, "six.test", &a);
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(a.addrs[0].family, SP_IPV6);
    ask(&r, "many.test", &a);
    ck_assert_uint_eq(a.n, SP_RESOLVE_MAX);
    close_rig(&r);
}
END_TEST

START_TEST(no_address)
{
    struct answer a;
    struct rig r;

    open_rig(&r);
    ask(&r, "none.test", &a);
    ck_assert_int_eq(a.err, SP_ENOENT);
    ck_assert_ptr_nonnull(strstr(a.why, "none.test"));
    ask(&r, "empty.test", &a);
    ck_assert_int_eq(a.err, SP_ENOENT);
    ask(&r, "broken.test", &a);
    ck_assert_int_lt(a.err, 0);
    ck_assert_ptr_nonnull(strstr(a.why, "broken.test"));
    ask(&r, "not a name..test", &a);
    ck_assert_int_lt(a.err, 0);
    ask(&r, "two.test", &a); /* it still works */
    ck_assert_int_eq(a.err, 0);
    close_rig(&r);
}
END_TEST

START_TEST(mute_server)
{
    struct answer a;
    struct rig r;

    open_rig(&r);
    uint64_t start = sp_clock_us();
    ask(&r, "mute.test", &a);
    ck_assert_int_eq(a.err, SP_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(a.why, "mute.test"));
    ck_assert_uint_lt(sp_clock_us() - start, SP_MS(5500));
    ck_assert_uint_ge(r.queries, 2);
    ask(&r, "two.test", &a); /* while c-ares still waits for the other */
    ck_assert_int_eq(a.err, 0);
    close_rig(&r);
}
END_TEST

START_TEST(cancelled)
{
    static const char *const hosts[] = {"two.test", "mute.test", "192.0.2.9", "localhost"};
    struct answer a[SP_ARRAY_LEN(hosts)] = {0};
    struct rig r;

    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++)
        ck_assert_int_eq(sp_resolve_start(r.r, hosts[i], 1, on_answer, &a[i], &a[i].q), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++)
        sp_resolve_cancel(a[i].q);
    io_loop_for(&r.loop, 50);
    /* And some that are under way, or answered but not told, when all ends. */
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++)
        ck_assert_int_eq(sp_resolve_start(r.r, hosts[i], 1, on_answer, &a[i], &a[i].q), 0);
    close_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++)
        ck_assert_int_eq(a[i].calls, 0);
}
END_TEST

/* Asks again from within an answer, as one does who tries the next server. */
struct chain {
    struct rig *r;
    struct answer last;
    int left;
};

/* Whatever a question meets at its start, c-ares's own allocations included: it is refused, or it
 * is answered once, as one that failed or as ever; and the next one is answered well. */
START_TEST(no_memory)
{
    static const char *const hosts[] = {"two.test", "192.0.2.9", "localhost"};
    struct answer a;
    struct rig r;

    ev_set_allocator(alloc_fail_never);
    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++)
        for (unsigned k = 1;; k++) {
            a = (struct answer){0};
            alloc_fail_at(k);
            int err = sp_resolve_start(r.r, hosts[i], 443, on_answer, &a, &a.q);
            bool failed = alloc_fail_disarm();
            ck_assert_int_eq(a.calls, 0);
            if (err != 0) {
                ck_assert(failed);
                ck_assert_int_eq(err, SP_ENOMEM);
                ck_assert_ptr_null(a.q);
                continue;
            }
            ck_assert(io_loop_until(&r.loop, has_answer, &a));
            ck_assert_int_eq(a.calls, 1);
            if (!failed) {
                ck_assert_int_eq(a.err, 0);
                ck_assert_uint_ge(k, 2);
                break;
            }
        }
    close_rig(&r);
}
END_TEST

/* As above, for the resolver itself. */
START_TEST(no_memory_for_a_resolver)
{
    struct sp_resolver *resolver = NULL;
    struct io_loop loop;

    ev_set_allocator(alloc_fail_never);
    io_loop_init(&loop);
    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int err = sp_resolver_new(&loop.ticker, &resolver);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_ge(k, 3);
            break;
        }
        ck_assert(err == SP_ENOMEM || err == 0); /* c-ares does without what it can */
        if (err == 0)
            sp_resolver_free(resolver);
    }
    sp_resolver_free(resolver);
    io_loop_fini(&loop);
}
END_TEST

static void on_link(int err, const char *why, const struct sp_addr *addrs, size_t n, void *arg)
{
    struct chain *c = arg;

    if (--c->left == 0) {
        on_answer(err, why, addrs, n, &c->last);
        return;
    }
    ck_assert_int_eq(sp_resolve_start(c->r->r, c->left % 2 ? "two.test" : "192.0.2.9", 443, on_link,
                                      c, &c->last.q),
                     0);
}

START_TEST(asked_from_within)
{
    struct rig r;
    struct chain c = {.r = &r, .left = 5};

    open_rig(&r);
    ck_assert_int_eq(sp_resolve_start(r.r, "two.test", 443, on_link, &c, &c.last.q), 0);
    ck_assert(io_loop_until(&r.loop, has_answer, &c.last));
    ck_assert_int_eq(c.last.err, 0);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *tc = tcase_create("resolve");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, literals);
    tcase_add_test(tc, hosts_file);
    tcase_add_test(tc, families_in_turn);
    tcase_add_test(tc, no_address);
    tcase_add_test(tc, mute_server);
    tcase_add_test(tc, cancelled);
    tcase_add_test(tc, asked_from_within);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, no_memory_for_a_resolver);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
