/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shared.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "server_env.h"
#include "tls_files.h"

struct rig {
    struct tls_files tls, other;
    char secrets[80], users[80];
    struct sp_rng rng;
    struct sp_shared_config c;
    struct sp_shared *s;
    char why[SP_SHARED_WHY_MAX];
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
    *r = (struct rig){.s = NULL};
    tls_files_make(&r->tls, NULL);
    tls_files_make(&r->other, NULL);
    snprintf(r->secrets, sizeof r->secrets, "%s/secrets", r->tls.dir);
    snprintf(r->users, sizeof r->users, "%s/users", r->tls.dir);
    put(r->secrets, "%s\n", SERVER_ENV_SECRET);
    put(r->users, "carol:card\n");
    sp_rng_system_init(&r->rng);
    r->c = (struct sp_shared_config){.serve = SP_SERVE_TUNNEL | SP_SERVE_TURN | SP_SERVE_SITE,
                                     .cert_file = r->tls.cert,
                                     .key_file = r->tls.key,
                                     .realm = "test",
                                     .secret_file = r->secrets,
                                     .user_file = r->users,
                                     .tunnel_path = "/.well-known/sallyport"};
}

static int start(struct rig *r)
{
    return sp_shared_new(&r->c, &r->rng, &r->s, r->why);
}

static void close_rig(struct rig *r)
{
    sp_shared_free(r->s);
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
    int err = sp_shared_check_token(r->s, sp_span_str(token), sp_clock_unix_s(), &c);
    ck_assert_str_eq(c.subject, err == 0 ? subject : "");
    return err;
}

START_TEST(tokens)
{
    struct sp_claims c;
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(start(&r), 0);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    ck_assert_int_eq(check_token(&r, "office", "something else", 60), SP_EDENIED);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, -1), SP_EEXPIRED);
    ck_assert_int_eq(sp_shared_check_token(r.s, sp_span_str("v1.e30.xxxx"), 0, &c), SP_EBADMSG);
    put(r.secrets, "another secret that is long enough\n");
    ck_assert_int_eq(sp_shared_reload(r.s, r.why), 0);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
    put(r.secrets, "another secret that is long enough\n%s\n", SERVER_ENV_SECRET);
    ck_assert_int_eq(sp_shared_reload(r.s, r.why), 0); /* the first signs, all verify */
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
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
        const struct sp_shared_config good = r.c;
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
        ck_assert_msg(start(&r) < 0, "case %d", i);
        ck_assert_ptr_null(r.s);
        ck_assert_msg(strstr(r.why, named) != NULL, "case %d: %s", i, r.why);
        ck_assert_ptr_null(strchr(r.why, '\n'));
        put(r.secrets, "%s\n", SERVER_ENV_SECRET);
        put(r.users, "carol:card\n");
        r.c = good;
    }
    ck_assert_int_eq(start(&r), 0);
    close_rig(&r);
}
END_TEST

/* All or nothing: certificate, secrets and users stay as they were, whichever is wrong. */
START_TEST(reload_keeps_the_old)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(start(&r), 0);
    struct sp_tls_ctx *tls = r.s->tls;
    const char *bad[] = {r.tls.key, r.secrets, r.users};
    for (size_t i = 0; i < 3; i++) {
        copy(r.other.cert, r.tls.cert);
        copy(r.other.key, r.tls.key);
        put(r.secrets, "another secret that is long enough\n");
        put(r.users, "carol:new\n");
        put(bad[i], "# nothing\n");
        ck_assert_int_lt(sp_shared_reload(r.s, r.why), 0);
        ck_assert_ptr_nonnull(strstr(r.why, bad[i]));
        ck_assert_ptr_eq(r.s->tls, tls);
        ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), 0);
    }
    put(r.users, "carol:new\n");
    ck_assert_int_eq(sp_shared_reload(r.s, r.why), 0);
    ck_assert_ptr_ne(r.s->tls, tls);
    ck_assert_int_eq(check_token(&r, "office", SP_TOKEN_SCOPE_TUNNEL, 60), SP_EAUTH);
    close_rig(&r);
}
END_TEST

/* A handshake that began before a reload ends with the certificate that it began with. */
START_TEST(reload_leaves_users_of_the_old)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(start(&r), 0);
    struct sp_tls_ctx *mine = sp_tls_ctx_ref(r.s->tls);
    ck_assert_int_eq(sp_shared_reload(r.s, r.why), 0);
    ck_assert_ptr_ne(r.s->tls, mine);
    sp_tls_ctx_unref(mine);
    close_rig(&r);
}
END_TEST

static unsigned status_of(const struct rig *r, const char *request)
{
    struct sp_http_head h;
    struct sp_site_answer a;
    size_t used;

    ck_assert_int_eq(sp_http_parse_request(sp_span_str(request), &h, &used), 0);
    sp_site_serve(r->s->site, &h, 0, &a);
    return a.status;
}

START_TEST(site)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(start(&r), 0);
    ck_assert_uint_eq(status_of(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    sp_shared_free(r.s);
    r.c.serve = SP_SERVE_TUNNEL;
    ck_assert_int_eq(start(&r), 0);
    ck_assert_uint_eq(status_of(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    close_rig(&r);
}
END_TEST

/* Neither by its interfaces' addresses nor by its public face is this host a peer. */
START_TEST(own_addresses)
{
    struct sp_addr public_ = sp_addr_v4(8, 8, 4, 4, 53), other = sp_addr_v4(8, 8, 8, 8, 53);
    struct sp_cidr all;
    struct sp_addr own[64];
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(sp_cidr_parse("0.0.0.0/0", &all), 0);
    r.c.allow = &all;
    r.c.n_allow = 1;
    r.c.own = &public_;
    r.c.n_own = 1;
    ck_assert_int_eq(start(&r), 0);
    ck_assert(sp_peer_policy_allows(r.s->policy, &other));
    ck_assert(!sp_peer_policy_allows(r.s->policy, &public_));
    size_t n = sp_sock_own_addrs(own, SP_ARRAY_LEN(own));
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n && i < SP_ARRAY_LEN(own); i++)
        ck_assert(!sp_peer_policy_allows(r.s->policy, &own[i]));
    close_rig(&r);
}
END_TEST

START_TEST(without_certificate)
{
    struct rig r;

    open_rig(&r);
    r.c.cert_file = r.c.key_file = NULL;
    ck_assert_int_eq(start(&r), 0);
    ck_assert_ptr_null(r.s->tls);
    ck_assert_int_eq(sp_shared_reload(r.s, r.why), 0);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shared");
    TCase *tc = tcase_create("shared");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tokens);
    tcase_add_test(tc, bad_settings);
    tcase_add_test(tc, reload_keeps_the_old);
    tcase_add_test(tc, reload_leaves_users_of_the_old);
    tcase_add_test(tc, site);
    tcase_add_test(tc, own_addresses);
    tcase_add_test(tc, without_certificate);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
