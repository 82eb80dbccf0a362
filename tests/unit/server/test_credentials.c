/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "credentials.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "option_table.h"
#include "sallyport/clock.h"
#include "sallyport/program.h"
#include "sallyport/token.h"

#define SECRET "a secret that is long enough to be one"

struct rig {
    char dir[32], secrets[64], out[64], err[64];
    char stdout_text[8192], stderr_text[1024];
};

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void get(const char *path, char *text, size_t cap)
{
    FILE *f = fopen(path, "r");

    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, cap - 1, f)] = '\0';
    fclose(f);
}

static void open_rig(struct rig *r)
{
    *r = (struct rig){.dir = "/tmp/sallyport-cred-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(r->dir));
    snprintf(r->secrets, sizeof r->secrets, "%s/secrets", r->dir);
    snprintf(r->out, sizeof r->out, "%s/out", r->dir);
    snprintf(r->err, sizeof r->err, "%s/err", r->dir);
    put(r->secrets, SECRET "\nan older one, also long enough\n");
}

static void close_rig(struct rig *r)
{
    unlink(r->secrets);
    unlink(r->out);
    unlink(r->err);
    rmdir(r->dir);
}

static const struct sp_command command = {
    .name = "credentials", .spec = &sp_credentials_options, .run = sp_credentials_run};
static const struct sp_program program = {.name = "sallyport-server", .commands = &command, .n = 1};

/* Runs it with these arguments (NULL at the end), and catches what it prints. */
static int run(struct rig *r, const char *const *args)
{
    char text[10][256], *argv[11] = {text[0]};
    int argc = 1, saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);

    snprintf(text[0], sizeof text[0], "credentials");
    for (; *args != NULL; args++, argc++) {
        snprintf(text[argc], sizeof text[argc], "%s", *args);
        argv[argc] = text[argc];
    }
    ck_assert_ptr_nonnull(freopen(r->out, "w", stdout));
    ck_assert_ptr_nonnull(freopen(r->err, "w", stderr));
    int status = sp_program_main(&program, argc, argv, environ);
    fflush(stdout);
    fflush(stderr);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(saved_out);
    close(saved_err);
    get(r->out, r->stdout_text, sizeof r->stdout_text);
    get(r->err, r->stderr_text, sizeof r->stderr_text);
    return status;
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    ck_assert_msg(s != NULL, "no %s", name);
    return s;
}

static void check_username(const char *username, const char *user, uint64_t ttl_s)
{
    uint64_t expires_s, now_s = sp_clock_unix_s();

    ck_assert_int_eq(sp_rest_expiry(sp_span_str(username), &expires_s), 0);
    ck_assert_uint_ge(expires_s + 60, now_s + ttl_s);
    ck_assert_uint_le(expires_s, now_s + ttl_s);
    ck_assert_str_eq(strchr(username, ':') + 1, user);
}

START_TEST(as_json)
{
    struct rig r;

    open_rig(&r);
    const char *const args[] = {"--secret-file", r.secrets, "--user", "alice",
                                "--ttl",         "600",     "--json", NULL};
    ck_assert_int_eq(run(&r, args), 0);
    ck_assert_str_eq(r.stderr_text, "");
    json_t *o = json_loads(r.stdout_text, 0, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(json_object_size(o), 5);
    check_username(text_of(o, "username"), "alice", 600);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "ttl")), 600);

    char password[SP_REST_PASSWORD_LEN + 1];
    sp_rest_password(sp_span_str(SECRET), sp_span_str(text_of(o, "username")), password);
    ck_assert_str_eq(text_of(o, "credential"), password);

    struct sp_claims claims;
    struct sp_span secret = sp_span_str(SECRET);
    ck_assert_int_eq(
        sp_token_verify(sp_span_str(text_of(o, "token")), &secret, 1, sp_clock_unix_s(), &claims),
        0);
    ck_assert_str_eq(claims.subject, "alice");
    ck_assert_str_eq(claims.scope, SP_TOKEN_SCOPE_TUNNEL);

    const json_t *server = json_array_get(json_object_get(o, "iceServers"), 0);
    ck_assert_str_eq(text_of(server, "username"), text_of(o, "username"));
    ck_assert_str_eq(text_of(server, "credential"), password);
    const json_t *urls = json_object_get(server, "urls");
    ck_assert_uint_eq(json_array_size(urls), 2);
    ck_assert_str_eq(json_string_value(json_array_get(urls, 0)),
                     "turn:192.0.2.1:3478?transport=udp");
    json_decref(o);
    close_rig(&r);
}
END_TEST

static void check_claims(const char *token, const char *scope, const char *gateway)
{
    struct sp_span secret = sp_span_str(SECRET);
    struct sp_claims claims;

    ck_assert_int_eq(sp_token_verify(sp_span_str(token), &secret, 1, sp_clock_unix_s(), &claims),
                     0);
    ck_assert_str_eq(claims.subject, "app");
    ck_assert_str_eq(claims.scope, scope);
    ck_assert_str_eq(claims.gateway, gateway);
}

/* A back end that makes sessions is no TURN user. */
START_TEST(session_scope)
{
    struct rig r;

    open_rig(&r);
    const char *const args[] = {"--secret-file", r.secrets, "--user", "app",
                                "--scope",       "session", "--json", NULL};
    ck_assert_int_eq(run(&r, args), 0);
    json_t *o = json_loads(r.stdout_text, 0, NULL);
    ck_assert_uint_eq(json_object_size(o), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "ttl")), 86400);
    check_claims(text_of(o, "token"), SP_TOKEN_SCOPE_SESSION, "");
    json_decref(o);

    const char *const plain[] = {"--secret-file", r.secrets, "--user", "app",
                                 "--scope",       "session", NULL};
    ck_assert_int_eq(run(&r, plain), 0);
    char *token = strstr(r.stdout_text, "token  ");
    ck_assert_ptr_nonnull(token);
    token[strcspn(token, "\n")] = '\0';
    check_claims(token + 7, SP_TOKEN_SCOPE_SESSION, "");
    ck_assert_ptr_null(strstr(r.stdout_text, "credential"));
    close_rig(&r);
}
END_TEST

START_TEST(gateway_name)
{
    struct rig r;

    open_rig(&r);
    const char *const args[] = {"--secret-file", r.secrets, "--user", "app",
                                "--gateway",     "north",   "--json", NULL};
    ck_assert_int_eq(run(&r, args), 0);
    json_t *o = json_loads(r.stdout_text, 0, NULL);
    check_claims(text_of(o, "token"), SP_TOKEN_SCOPE_TUNNEL, "north");
    json_decref(o);
    close_rig(&r);
}
END_TEST

START_TEST(hosts)
{
    static const struct {
        const char *host, *url; /* NULL: refused */
    } cases[] = {
        {"edge.example", "turns:edge.example:443?transport=tcp"},
        {"edge.example:8443", "turns:edge.example:8443?transport=tcp"},
        {"[2001:db8::1]", "turns:[2001:db8::1]:443?transport=tcp"},
        {"[2001:db8::1]:444", "turns:[2001:db8::1]:444?transport=tcp"},
        {"2001:db8::1", NULL},
        {"edge.example:0", NULL},
        {"edge.example:", NULL},
        {":443", NULL},
        {"[2001:db8::1", NULL},
        {"https://edge.example", NULL},
        {"a b", NULL},
    };
    struct rig r;

    open_rig(&r);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        const char *const args[] = {"--secret-file", r.secrets,     "--user", "alice",
                                    "--host",        cases[i].host, NULL};
        ck_assert_msg(run(&r, args) == (cases[i].url != NULL ? 0 : 2), "%s", cases[i].host);
        if (cases[i].url != NULL)
            ck_assert_msg(strstr(r.stdout_text, cases[i].url) != NULL, "%s", r.stdout_text);
        else
            ck_assert_msg(strstr(r.stderr_text, "--host") != NULL, "%s", r.stderr_text);
    }
    close_rig(&r);
}
END_TEST

/* One line each that names what is wrong; nothing on standard output. */
START_TEST(refused)
{
    struct rig r;

    open_rig(&r);
    const struct {
        const char *args[9];
        const char *named;
    } cases[] = {
        {{"--user", "alice"}, "--secret-file"},
        {{"--secret-file", r.secrets}, "--user"},
        {{"--secret-file", "/nowhere/secrets", "--user", "alice"}, "/nowhere/secrets"},
        {{"--secret-file", r.secrets, "--user", "al ice"}, "--user"},
        {{"--secret-file", r.secrets, "--user", "al\xff"}, "--user"},
        {{"--secret-file", r.secrets, "--user", "alice", "--ttl", "0"}, "--ttl"},
        {{"--secret-file", r.secrets, "--user", "alice", "--frob"}, "--frob"},
        {{"--secret", SECRET, "--user", "alice"}, "--secret"}, /* ps would show it */
        {{"--secret-file", r.secrets, "--user", "a", "--scope", "end"}, "--scope"},
        {{"--secret-file", r.secrets, "--user", "a", "--gateway", "a b"}, "--gateway"},
        {{"--secret-file", r.secrets, "--user", "a", "--gateway", "\xff"}, "--gateway"},
        {{"--secret-file", r.secrets, "--user", "a", "--scope", "session", "--gateway", "b"},
         "--gateway"},
        {{"--secret-file", r.secrets, "--user", "a", "--scope", "session", "--host", "b"},
         "--host"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_msg(run(&r, cases[i].args) == 2, "case %zu", i);
        ck_assert_msg(strstr(r.stderr_text, cases[i].named) != NULL, "%s", r.stderr_text);
        ck_assert_ptr_eq(strchr(r.stderr_text, '\n'), r.stderr_text + strlen(r.stderr_text) - 1);
        ck_assert_str_eq(r.stdout_text, "");
    }
    ck_assert_int_eq(chmod(r.secrets, 0644), 0);
    const char *const args[] = {"--secret-file", r.secrets, "--user", "alice", NULL};
    ck_assert_int_eq(run(&r, args), 2);
    ck_assert_ptr_nonnull(strstr(r.stderr_text, r.secrets));
    close_rig(&r);
}
END_TEST

START_TEST(from_the_environment)
{
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(setenv("SALLYPORT_SECRET", SECRET, 1), 0);
    const char *const args[] = {"--user", "alice", NULL};
    ck_assert_int_eq(run(&r, args), 0);
    unsetenv("SALLYPORT_SECRET");
    ck_assert_ptr_nonnull(strstr(r.stdout_text, ":alice"));
    ck_assert_ptr_nonnull(strstr(r.stdout_text, "iceServers"));
    ck_assert_ptr_null(strstr(r.stdout_text, SECRET));
    close_rig(&r);
}
END_TEST

START_TEST(help)
{
    static const char *const args[] = {"--help", NULL};
    struct rig r;

    open_rig(&r);
    ck_assert_int_eq(run(&r, args), 0);
    ck_assert_ptr_nonnull(strstr(r.stdout_text, "--secret-file"));
    close_rig(&r);
}
END_TEST

START_TEST(the_table)
{
    option_table_is_sound(&sp_credentials_options);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("credentials");
    TCase *tc = tcase_create("credentials");

    tcase_add_test(tc, the_table);
    tcase_add_test(tc, as_json);
    tcase_add_test(tc, session_scope);
    tcase_add_test(tc, gateway_name);
    tcase_add_test(tc, hosts);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, from_the_environment);
    tcase_add_test(tc, help);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
