/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keys.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "tls_files.h"

struct rig {
    struct tls_files tls, other;
    char secrets[80], users[80];
    struct sp_rng rng;
    struct sp_keys_config c;
    struct sp_keys *k;
    char why[SP_KEYS_WHY_MAX];
};

__attribute__((format(printf, 2, 3))) static void put(const char *path, const char *form, ...)
{
    va_list args;
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    va_start(args, form);
    vfprintf(f, form, args);
    va_end(args);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void copy(const char *from, const char *to)
{
    char text[16384] = "";
    FILE *f = fopen(from, "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, f), 0);
    fclose(f);
    put(to, "%s", text);
}

static void open_rig(struct rig *r)
{
    *r = (struct rig){.k = NULL};
    tls_files_make(&r->tls, NULL);
    tls_files_make(&r->other, NULL);
    snprintf(r->secrets, sizeof r->secrets, "%s/secrets", r->tls.dir);
    snprintf(r->users, sizeof r->users, "%s/users", r->tls.dir);
    put(r->secrets, "%s\n", SERVER_ENV_SECRET);
    put(r->users, "carol:card\n");
    sp_rng_system_init(&r->rng);
    r->c = (struct sp_keys_config){.cert_file = r->tls.cert,
                                   .key_file = r->tls.key,
                                   .turn_in_tls = true,
                                   .realm = "test",
                                   .secret_file = r->secrets,
                                   .user_file = r->users};
}

static int load(struct rig *r)
{
    return sp_keys_load(&r->c, &r->rng, &r->k, r->why);
}

/* As a worker takes a reload: all that was there goes on until the new ones are complete. */
static int reload(struct rig *r)
{
    struct sp_keys *fresh;
    int err = sp_keys_load(&r->c, &r->rng, &fresh, r->why);

    if (err == 0) {
        sp_keys_unref(r->k);
        r->k = fresh;
    }
    return err;
}

static void close_rig(struct rig *r)
{
    sp_keys_unref(r->k);
    unlink(r->secrets);
    unlink(r->users);
    tls_files_remove(&r->tls);
    tls_files_remove(&r->other);
}

static int check_token(const struct rig *r, const char *subject, const char *scope, int64_t s)
{
    char token[SP_TOKEN_MAX + 1];
    struct sp_claims c = {.expires_s = 0};

    server_env_token(subject, scope, s, token);
    int err = sp_keys_check_token(r->k, sp_span_str(token), sp_clock_unix_s(), &c);
    ck_assert_str_eq(c.subject, err == 0 ? subject : "");
    return err;
}

START_TEST(tokens)
{
    char token[SP_TOKEN_MAX + 1];
    struct sp_claims c;
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(load(&r), 0);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    ck_assert_int_eq(check_token(&r, "office", "something else", 60), SP_EDENIED);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, -1), SP_EEXPIRED);
    ck_assert_int_eq(sp_keys_check_token(r.k, sp_span_str("v1.e30.xxxx"), 0, &c), SP_EBADMSG);
    ck_assert_int_eq(sp_keys_read_token(r.k, sp_span_str("v1.e30.xxxx"), 0, &c), SP_EBADMSG);
    server_env_token("office", "something else", 60, token);
    ck_assert_int_eq(sp_keys_read_token(r.k, sp_span_str(token), sp_clock_unix_s(), &c), 0);
    ck_assert_str_eq(c.scope, "something else");
    put(r.secrets, "another secret that is long enough\n");
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
    put(r.secrets, "another secret that is long enough\n%s\n", SERVER_ENV_SECRET);
    ck_assert_int_eq(reload(&r), 0); /* the first signs, all verify */
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    close_rig(&r);
}
END_TEST

/* A certificate that is too old is served, and known to be. */
START_TEST(certificate)
{
    struct tls_files_spec spec = {.expired = true};
    struct tls_files old;
    struct rig r;

    open_rig(&r);
    tls_files_make(&old, &spec);
    ck_assert_int_eq(load(&r), 0);
    ck_assert_uint_gt(r.k->certificate.until_s, sp_clock_unix_s());
    r.c.cert_file = old.cert;
    r.c.key_file = old.key;
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_str_eq(r.k->certificate.until, "2021-01-01");
    r.c.cert_file = r.c.key_file = NULL;
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_uint_eq(r.k->certificate.until_s, 0);
    tls_files_remove(&old);
    close_rig(&r);
}
END_TEST

/* Each is told in one line, which names the file or setting. */
START_TEST(bad_settings)
{
    static const char *const users[] = {"dave:x", "dave:y"};
    struct rig r;

    open_rig(&r);
    for (int i = 0; i < 9; i++) {
        const struct sp_keys_config good = r.c;
        const char *named = r.secrets;
        switch (i) {
        case 0:
            r.c.cert_file = named = "/nowhere/cert.pem";
            break;
        case 1:
            r.c.key_file = named = r.other.key; /* of another certificate */
            break;
        case 2:
            r.c.key_file = named = r.tls.cert;
            break;
        case 3:
            ck_assert_int_eq(chmod(r.secrets, 0644), 0);
            break;
        case 4:
            r.c.secret_file = named = "/nowhere/secrets";
            break;
        case 5:
            put(r.secrets, "# nothing\n");
            break;
        case 6:
            put(r.users, "carol\n");
            named = r.users;
            break;
        case 7:
            r.c.users = users;
            r.c.n_users = 2;
            r.c.user_file = NULL;
            named = "--user";
            break;
        case 8:
            r.c.realm = "";
            named = "--realm";
            break;
        }
        ck_assert_msg(load(&r) < 0, "case %d", i);
        ck_assert_ptr_null(r.k);
        ck_assert_msg(strstr(r.why, named) != NULL, "case %d: %s", i, r.why);
        ck_assert_ptr_null(strchr(r.why, '\n'));
        put(r.secrets, "%s\n", SERVER_ENV_SECRET);
        put(r.users, "carol:card\n");
        r.c = good;
    }
    ck_assert_int_eq(load(&r), 0);
    close_rig(&r);
}
END_TEST

/* All or nothing: certificate, secrets and users stay as they were, whichever is wrong. */
START_TEST(reload_keeps_the_old)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(load(&r), 0);
    struct sp_tls_ctx *tls = r.k->tls;
    const char *bad[] = {r.tls.key, r.secrets, r.users};
    for (size_t i = 0; i < 3; i++) {
        copy(r.other.cert, r.tls.cert);
        copy(r.other.key, r.tls.key);
        put(r.secrets, "another secret that is long enough\n");
        put(r.users, "carol:new\n");
        put(bad[i], "# nothing\n");
        ck_assert_int_lt(reload(&r), 0);
        ck_assert_ptr_nonnull(strstr(r.why, bad[i]));
        ck_assert_ptr_eq(r.k->tls, tls);
        ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    }
    put(r.users, "carol:new\n");
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_ptr_ne(r.k->tls, tls);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
    close_rig(&r);
}
END_TEST

/* A handshake that began before a reload ends with the certificate that it began with. */
START_TEST(reload_leaves_users_of_the_old)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(load(&r), 0);
    struct sp_tls_ctx *mine = sp_tls_ctx_ref(r.k->tls);
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_ptr_ne(r.k->tls, mine);
    sp_tls_ctx_unref(mine);
    close_rig(&r);
}
END_TEST

/* Each allocation fails in turn, all the way through: nothing, or everything. */
START_TEST(no_memory)
{
    struct rig r;
    unsigned k;

    open_rig(&r);
    ck_assert_int_eq(load(&r), 0);
    put(r.secrets, "another secret that is long enough\n");
    put(r.users, "carol:new\ndave:x\n");
    const struct sp_keys *old = r.k;
    for (k = 1;; k++) {
        alloc_fail_at(k);
        int err = reload(&r);
        bool failed = alloc_fail_disarm();
        if (!failed || err == 0) /* a library may do without what it wanted */
            ck_assert_int_eq(err, 0);
        if (!failed)
            break;
        if (err == 0) {
            ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
            put(r.secrets, "%s\n", SERVER_ENV_SECRET);
            ck_assert_int_eq(reload(&r), 0);
            put(r.secrets, "another secret that is long enough\n");
            old = r.k;
            continue;
        }
        ck_assert_ptr_eq(r.k, old);
        ck_assert(strlen(r.why) > 0);
        ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    }
    ck_assert_uint_gt(k, 10);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
    close_rig(&r);
}
END_TEST

/* The last one to let go frees them. */
START_TEST(holders)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(load(&r), 0);
    struct sp_keys *mine = sp_keys_ref(r.k);
    ck_assert_ptr_eq(mine, r.k);
    put(r.secrets, "another secret that is long enough\n");
    ck_assert_int_eq(reload(&r), 0);
    ck_assert_ptr_ne(mine, r.k);
    ck_assert_uint_eq(mine->secrets.n, 1);
    ck_assert(sp_span_eq(mine->secrets.items[0], sp_span_str(SERVER_ENV_SECRET)));
    sp_keys_unref(mine);
    sp_keys_unref(NULL);
    close_rig(&r);
}
END_TEST

START_TEST(without_certificate)
{
    struct rig r;

    open_rig(&r);
    r.c.cert_file = r.c.key_file = NULL;
    ck_assert_int_eq(load(&r), 0);
    ck_assert_ptr_null(r.k->tls);
    ck_assert_int_eq(reload(&r), 0);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys");
    TCase *tc = tcase_create("keys");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tokens);
    tcase_add_test(tc, certificate);
    tcase_add_test(tc, bad_settings);
    tcase_add_test(tc, reload_keeps_the_old);
    tcase_add_test(tc, reload_leaves_users_of_the_old);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, holders);
    tcase_add_test(tc, without_certificate);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
