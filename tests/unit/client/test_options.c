/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "checkup.h"
#include "option_table.h"
#include "options.h"
#include "sallyport/err.h"

#define SERVER "--server=https://edge.example"
#define TOKEN  "--token-file=/dev/null"

static struct sp_gateway_config config;
static char why[SP_OPTIONS_ERR_MAX];

/* What the environment says of proxies: "name=value", NULL at the end. */
static const char *const *proxies;

static const char *env(const char *name)
{
    size_t len = strlen(name);

    for (const char *const *p = proxies; p != NULL && *p != NULL; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

/* Arguments and environment by blanks; both are copied, since secrets in them are wiped. */
static int parse(const char *args, const char *environment)
{
    char *argv[32] = {(char *)"sallyport-client"}, *envp[8] = {NULL};
    char arg_copy[1024], env_copy[1024], *rest = arg_copy, *word;
    struct sp_options *o;
    int argc = 1, n_env = 0;

    strcpy(arg_copy, args);
    strcpy(env_copy, environment);
    while (*args != '\0' && (word = strsep(&rest, " ")) != NULL)
        argv[argc++] = word;
    rest = env_copy;
    while (*environment != '\0' && (word = strsep(&rest, " ")) != NULL)
        envp[n_env++] = word;
    why[0] = '\0';
    int err = sp_options_parse(&sp_gateway_options, argc, argv, envp, &o, why);
    if (err == 0)
        err = sp_gateway_config_init(&config, o, env, why);
    return err;
}

static void wrong(const char *args, const char *names)
{
    ck_assert_msg(parse(args, "") == SP_EINVAL, "%s", args);
    ck_assert_msg(strstr(why, names) != NULL, "%s: \"%s\"", args, why);
    ck_assert_ptr_null(strchr(why, '\n'));
}

START_TEST(the_least)
{
    ck_assert_msg(parse(SERVER " " TOKEN, "") == 0, "%s", why);
    ck_assert_uint_eq(config.n_servers, 1);
    ck_assert_str_eq(config.servers[0].host, "edge.example");
    ck_assert_str_eq(config.proxies[0].host, "");
    ck_assert_str_eq(config.token_file, "/dev/null");
    ck_assert_ptr_null(config.token);
    ck_assert_ptr_null(config.ca_file);
    ck_assert_uint_eq(config.n_listen, 0);
    ck_assert_uint_eq(config.lanes, SP_LANES_DEFAULT);
    ck_assert(config.has_admin);
    ck_assert_uint_eq(config.admin.port, 9642);
    ck_assert_int_eq(config.log.level, SP_LOG_INFO);
    ck_assert(!config.log.json);
    sp_gateway_config_fini(&config);
}
END_TEST

START_TEST(everything)
{
    ck_assert_msg(parse("--server https://a:1/x --server https://b --listen 127.0.0.1:0 --listen "
                        "[::1]:3478 --lan 10.0.0.0/8 --ca /ca.pem --lanes 32 --admin none "
                        "--log-level debug --log-format json --proxy http://u:p@proxy:1",
                        "SALLYPORT_TOKEN=v1.a.b") == 0,
                  "%s", why);
    ck_assert_uint_eq(config.n_servers, 2);
    ck_assert_str_eq(config.servers[0].authority, "a:1");
    ck_assert_str_eq(config.servers[1].authority, "b");
    ck_assert_str_eq(config.token, "v1.a.b");
    ck_assert_uint_eq(config.n_listen, 2);
    ck_assert_uint_eq(config.listen[1].port, 3478);
    ck_assert_uint_eq(config.n_lan, 1);
    ck_assert_str_eq(config.ca_file, "/ca.pem");
    ck_assert_uint_eq(config.lanes, 32);
    ck_assert(!config.has_admin);
    ck_assert_int_eq(config.log.level, SP_LOG_DEBUG);
    ck_assert(config.log.json);
    ck_assert_str_eq(config.proxies[0].host, "proxy");
    ck_assert_str_eq(config.proxies[1].basic, "dTpw");
    sp_gateway_config_fini(&config);
}
END_TEST

START_TEST(mistakes)
{
    wrong(TOKEN, "--server is needed");
    wrong(SERVER, "--token-file is needed");
    wrong("--server http://edge.example " TOKEN, "wants https://HOST[:PORT][/PATH]");
    wrong("--server https://edge.example:99999 " TOKEN, "1 to 65535");
    wrong(SERVER " " TOKEN " --listen 3478", "wants ADDR:PORT");
    wrong(SERVER " " TOKEN " --listen none", "wants ADDR:PORT");
    wrong(SERVER " " TOKEN " --lan 10.0.0.1/8", "--lan");
    wrong(SERVER " " TOKEN " --lanes 0", "from 1 to 64");
    wrong(SERVER " " TOKEN " --lanes 65", "from 1 to 64");
    wrong(SERVER " " TOKEN " --admin somewhere", "or none");
    wrong(SERVER " " TOKEN " --proxy socks5://proxy", "only http:// proxies");
    wrong(SERVER " " TOKEN " --log-level loud", "--log-level");
    wrong(SERVER " " TOKEN " --token v1.a.b", "unknown option --token");
    wrong(SERVER " " TOKEN " --nonsense", "unknown option --nonsense");
    wrong(SERVER " " TOKEN " nonsense", "nonsense");
}
END_TEST

START_TEST(too_many)
{
    char args[1024] = TOKEN;

    for (int i = 0; i <= SP_SERVERS_MAX; i++)
        strcat(args, " " SERVER);
    wrong(args, "--server: at most 16 of them");
    strcpy(args, TOKEN " " SERVER);
    for (int i = 0; i <= SP_CLIENT_LISTEN_MAX; i++)
        strcat(args, " --listen=[::]:0");
    wrong(args, "--listen: at most 16 of them");
}
END_TEST

START_TEST(a_token_from_one_place)
{
    ck_assert_int_eq(parse(SERVER " " TOKEN, "SALLYPORT_TOKEN=v1.a.b"), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "one of them"));
}
END_TEST

/* Passwords in URLs are shown by no message. */
START_TEST(a_wrong_proxy_keeps_its_password)
{
    wrong(SERVER " " TOKEN " --proxy http://me:hunter2@", "--proxy");
    ck_assert_ptr_null(strstr(why, "hunter2"));
    static const char *const set[] = {"https_proxy=http://me:hunter2@", NULL};
    proxies = set;
    wrong(SERVER " " TOKEN, "https_proxy (environment)");
    ck_assert_ptr_null(strstr(why, "hunter2"));
    proxies = NULL;
}
END_TEST

START_TEST(proxies_from_the_environment)
{
    static const char *const set[] = {"https_proxy=http://lower:1", "HTTPS_PROXY=http://upper:2",
                                      "no_proxy=b.example,c.example", NULL};

    proxies = set;
    ck_assert_int_eq(parse("--server https://a.example --server https://b.example " TOKEN, ""), 0);
    ck_assert_str_eq(config.proxies[0].host, "lower");
    ck_assert_str_eq(config.proxies[1].host, "");
    sp_gateway_config_fini(&config);

    proxies = set + 1;
    ck_assert_int_eq(parse("--server https://a.example " TOKEN, ""), 0);
    ck_assert_str_eq(config.proxies[0].host, "upper");
    sp_gateway_config_fini(&config);

    /* What is given outright goes for all, and "none" too. */
    proxies = set;
    ck_assert_int_eq(parse("--proxy http://mine --server https://b.example " TOKEN, ""), 0);
    ck_assert_str_eq(config.proxies[0].host, "mine");
    sp_gateway_config_fini(&config);
    ck_assert_int_eq(parse("--proxy none --server https://a.example " TOKEN, ""), 0);
    ck_assert_str_eq(config.proxies[0].host, "");
    sp_gateway_config_fini(&config);
    proxies = NULL;
}
END_TEST

START_TEST(the_table)
{
    option_table_is_sound(&sp_gateway_options);
    option_table_is_sound(&sp_check_options);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client options");
    TCase *tc = tcase_create("options");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, the_table);
    tcase_add_test(tc, the_least);
    tcase_add_test(tc, everything);
    tcase_add_test(tc, mistakes);
    tcase_add_test(tc, too_many);
    tcase_add_test(tc, a_token_from_one_place);
    tcase_add_test(tc, a_wrong_proxy_keeps_its_password);
    tcase_add_test(tc, proxies_from_the_environment);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
