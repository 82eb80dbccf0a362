/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "sallyport/options.h"

static const char *check_even(const char *value)
{
    return (value[strlen(value) - 1] - '0') % 2 == 0 ? NULL : "wants an even number, such as 2";
}

static const struct sp_option table[] = {
    {.name = "listen",
     .arg = "ADDR:PORT",
     .help = "where to wait for connections",
     .preset = "[::]:443",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_addr},
    {.name = "listen-udp",
     .arg = "ADDR:PORT",
     .help =
         "the same for datagrams, which is a text that is long enough to be wrapped to a second "
         "line",
     .flags = SP_OPTION_REPEAT,
     .check = sp_option_check_addr_or_none},
    {.name = "lan", .arg = "CIDR", .help = "h", .check = sp_option_check_cidr},
    {.name = "realm", .arg = "NAME", .help = "h"},
    {.name = "log-format",
     .arg = "text|json",
     .help = "form of the log",
     .preset = "text",
     .flags = SP_OPTION_CHOICE},
    {.name = "workers",
     .arg = "N",
     .help = "how many",
     .flags = SP_OPTION_NUMBER,
     .min = 1,
     .max = 64},
    {.name = "even", .arg = "N", .help = "h", .check = check_even},
    {.name = "json", .help = "a switch"},
    {.name = "user",
     .arg = "NAME:PASSWORD",
     .help = "for trials",
     .flags = SP_OPTION_REPEAT | SP_OPTION_SECRET},
    {.name = "secret",
     .arg = "TEXT",
     .help = "a bare secret",
     .flags = SP_OPTION_REPEAT | SP_OPTION_SECRET | SP_OPTION_ENV_ONLY},
    {.name = "rare-one", .arg = "X", .help = "seldom", .group = "Corners", .flags = SP_OPTION_RARE},
};

static const struct sp_options_spec spec = {.usage = "prog [run] [OPTION]...",
                                            .about = "It does it.",
                                            .table = table,
                                            .n = SP_ARRAY_LEN(table)};

static char why[SP_OPTIONS_ERR_MAX];
static char path[64];

/* Arguments and variables as a program gets them: in memory that can be written. */
struct input {
    char *argv[20], *env[20];
    int argc;
};

static void add(char **list, const char *text)
{
    while (*list)
        list++;
    *list = strdup(text);
    ck_assert_ptr_nonnull(*list);
}

static struct input given(const char *args, const char *env)
{
    struct input in = {.argc = 0};
    char copy[600], *save = NULL;

    add(in.argv, "prog");
    ck_assert_uint_lt(strlen(args), sizeof(copy));
    strcpy(copy, args);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        add(in.argv, w);
    strcpy(copy, env); /* separated by ";" */
    for (char *w = strtok_r(copy, ";", &save); w; w = strtok_r(NULL, ";", &save))
        add(in.env, w);
    while (in.argv[in.argc])
        in.argc++;
    return in;
}

static void forget(struct input *in)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(in->argv); i++) {
        free(in->argv[i]);
        free(in->env[i]);
    }
}

static int parse(const char *args, const char *env, struct sp_options **o)
{
    struct input in = given(args, env);
    int err;

    why[0] = '\0';
    *o = NULL;
    err = sp_options_parse(&spec, in.argc, in.argv, in.env, o, why);
    forget(&in);
    if (err < 0) {
        ck_assert_ptr_null(*o);
        ck_assert_msg(why[0] && !strchr(why, '\n') && strlen(why) < SP_OPTIONS_ERR_MAX, "%s", why);
    }
    return err;
}

static struct sp_options *good(const char *args, const char *env)
{
    struct sp_options *o;

    ck_assert_msg(parse(args, env, &o) == 0, "%s", why);
    return o;
}

static void bad(const char *args, const char *env, const char *message)
{
    struct sp_options *o;

    ck_assert_int_eq(parse(args, env, &o), SP_EINVAL);
    ck_assert_str_eq(why, message);
}

static void write_config(const void *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, len), (int)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* Arguments that name the config file with that text. */
static const char *config(const char *text)
{
    static char args[100];

    write_config(text, strlen(text), 0600);
    snprintf(args, sizeof(args), "--config %s", path);
    return args;
}

/* "PATH line 2: " and so on */
static const char *at_line(unsigned line, const char *text)
{
    static char out[SP_OPTIONS_ERR_MAX];

    snprintf(out, sizeof(out), "%s line %u: %s", path, line, text);
    return out;
}

static void make_path(void)
{
    int fd;

    strcpy(path, "/tmp/test_options.XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_path(void)
{
    unlink(path);
}

START_TEST(nothing_given)
{
    struct sp_options *o = good("", "");

    ck_assert_uint_eq(sp_options_count(o, "listen"), 0);
    ck_assert_ptr_null(sp_options_nth(o, "listen", 0));
    ck_assert_ptr_null(sp_options_get(o, "realm", NULL));
    ck_assert_str_eq(sp_options_get(o, "realm", "here"), "here");
    ck_assert_uint_eq(sp_options_number(o, "workers", 7), 7);
    ck_assert(!sp_options_switch(o, "json") && !sp_options_switch(o, "help"));
    sp_options_free(o);
    sp_options_free(NULL);
}
END_TEST

START_TEST(command_line)
{
    struct sp_options *o = good("--listen 1.2.3.4:5 --json --listen=[::1]:6 --workers 64 "
                                "--realm=a=b --log-format json --lan 10.0.0.0/8",
                                "");

    ck_assert_uint_eq(sp_options_count(o, "listen"), 2);
    ck_assert_str_eq(sp_options_nth(o, "listen", 0), "1.2.3.4:5");
    ck_assert_str_eq(sp_options_nth(o, "listen", 1), "[::1]:6");
    ck_assert_ptr_null(sp_options_nth(o, "listen", 2));
    ck_assert(sp_options_switch(o, "json"));
    ck_assert_uint_eq(sp_options_number(o, "workers", 7), 64);
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "a=b");
    sp_options_free(o);

    /* the last wins: "wrapper $@" can overrule what the wrapper set */
    o = good("--realm one --realm two --json --json", "");
    ck_assert_uint_eq(sp_options_count(o, "realm"), 1);
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "two");
    sp_options_free(o);
    /* a value may look like an option */
    o = good("--realm --json", "");
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "--json");
    ck_assert(!sp_options_switch(o, "json"));
    sp_options_free(o);
}
END_TEST

START_TEST(environment)
{
    struct sp_options *o = good("", "PATH=/bin;SALLYPORT_LISTEN=  1.2.3.4:5\t[::1]:6\n;"
                                    "SALLYPORT_LISTEN_UDP=none;SALLYPORT_REALM=two words;"
                                    "SALLYPORT_JSON=yes;SALLYPORT_UNKNOWN=x;SALLYPORT_VERSION=1;"
                                    "SALLYPORT_LOG_FORMAT=;SALLYPORT_LANX=bad");

    ck_assert_uint_eq(sp_options_count(o, "listen"), 2);
    ck_assert_str_eq(sp_options_nth(o, "listen", 0), "1.2.3.4:5");
    ck_assert_str_eq(sp_options_nth(o, "listen", 1), "[::1]:6");
    ck_assert_str_eq(sp_options_get(o, "listen-udp", NULL), "none");
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "two words");
    ck_assert(sp_options_switch(o, "json"));
    ck_assert(!sp_options_switch(o, "version"));
    ck_assert_uint_eq(sp_options_count(o, "log-format"), 0);
    ck_assert_uint_eq(sp_options_count(o, "lan"), 0);
    sp_options_free(o);
}
END_TEST

START_TEST(file)
{
    struct sp_options *o = good(config("# listen 9.9.9.9:9\n"
                                       "\n"
                                       "listen 1.2.3.4:5\r\n"
                                       "  listen\t [::1]:6  \n"
                                       "realm  two words # not a comment\n"
                                       "json\n"
                                       "workers 3"),
                                "");

    ck_assert_uint_eq(sp_options_count(o, "listen"), 2);
    ck_assert_str_eq(sp_options_nth(o, "listen", 1), "[::1]:6");
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "two words # not a comment");
    ck_assert(sp_options_switch(o, "json"));
    ck_assert_uint_eq(sp_options_number(o, "workers", 7), 3);
    sp_options_free(o);
    o = good(config(""), "");
    sp_options_free(o);
}
END_TEST

START_TEST(precedence)
{
    char env[200];
    struct sp_options *o;

    config(
        "listen 3.3.3.3:3\nlisten 3.3.3.3:4\nrealm file\nworkers 3\njson\nlan bad but overruled\n");
    snprintf(env, sizeof(env),
             "SALLYPORT_CONFIG=%s;SALLYPORT_LISTEN=2.2.2.2:2;SALLYPORT_REALM=env;SALLYPORT_JSON=no;"
             "SALLYPORT_LAN=10.0.0.0/8",
             path);
    o = good("--listen 1.1.1.1:1", env);
    ck_assert_uint_eq(sp_options_count(o, "listen"), 1);
    ck_assert_str_eq(sp_options_get(o, "listen", NULL), "1.1.1.1:1");
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "env");
    ck_assert_uint_eq(sp_options_number(o, "workers", 7), 3);
    ck_assert(!sp_options_switch(o, "json"));
    sp_options_free(o);
    /* the command line's file, not the environment's */
    snprintf(env, sizeof(env), "SALLYPORT_CONFIG=/nonexistent/x");
    o = good(config("realm file\n"), env);
    ck_assert_str_eq(sp_options_get(o, "realm", NULL), "file");
    sp_options_free(o);
}
END_TEST

START_TEST(unknown_names)
{
    static const char there[] = "--listen, --listen-udp, --lan, --realm, --log-format, --workers, "
                                "--even, --json, --user, --config, --help, --version "
                                "and others (--help all)";
    char want[SP_OPTIONS_ERR_MAX];

    static const char *const names[] = {"--lisen", "--", "-h", "run", "--listen-", "--secret"};

    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        snprintf(want, sizeof(want), "unknown option %s: there are %s", names[i], there);
        bad(names[i], "", want);
    }
    /* what follows may be a password */
    snprintf(want, sizeof(want), "unknown option --pass: there are %s", there);
    bad("--pass=word", "", want);

    bad(config("# x\nconfig /y\n"), "",
        at_line(2, "unknown option config: there are listen, listen-udp, lan, realm, log-format, "
                   "workers, even, json, user and others (--help all)"));
    bad(config("help\n"), "",
        at_line(1, "unknown option help: there are listen, listen-udp, lan, realm, log-format, "
                   "workers, even, json, user and others (--help all)"));
}
END_TEST

START_TEST(bad_values)
{
    bad("--listen 1.2.3.4", "",
        "--listen \"1.2.3.4\": wants ADDR:PORT, an IP address and a port such as 127.0.0.1:443 or "
        "[::]:443");
    bad("--listen none", "",
        "--listen \"none\": wants ADDR:PORT, an IP address and a port such as 127.0.0.1:443 or "
        "[::]:443");
    bad("", "SALLYPORT_LISTEN_UDP=1.2.3.4:5 x",
        "SALLYPORT_LISTEN_UDP \"x\": wants ADDR:PORT, an IP address and a port such as "
        "127.0.0.1:443 or [::]:443, or none");
    bad(config("\nlan 10.0.0.1/8\n"), "",
        at_line(2, "lan \"10.0.0.1/8\": wants CIDR, such as 10.0.0.0/8 or fd00::/8 (no bits behind "
                   "the prefix), or an IP"));
    bad("--log-format xml", "", "--log-format \"xml\": wants text|json");
    bad("--log-format tex", "", "--log-format \"tex\": wants text|json");
    bad("--log-format text|json", "", "--log-format \"text|json\": wants text|json");
    bad("--workers 0", "", "--workers \"0\": wants a number from 1 to 64");
    bad("--workers 65", "", "--workers \"65\": wants a number from 1 to 64");
    bad("--workers 1x", "", "--workers \"1x\": wants a number from 1 to 64");
    bad("--workers -1", "", "--workers \"-1\": wants a number from 1 to 64");
    bad("--even 3", "", "--even \"3\": wants an even number, such as 2");
    bad("--realm", "", "--realm: wants NAME");
    bad("--realm=", "", "--realm: wants NAME");
    bad(config("realm\n"), "", at_line(1, "realm: wants NAME"));
    bad("--json=yes", "", "--json \"yes\": takes no value");
    bad("", "SALLYPORT_JSON=1", "SALLYPORT_JSON \"1\": wants yes or no");
    bad(config("realm a\njson\nrealm b\n"), "",
        at_line(3, "realm: given a second time, once is allowed"));
    bad("--realm a --workers x --bad", "", "--workers \"x\": wants a number from 1 to 64");
}
END_TEST

/* What a message repeats is one line, and not a long one. */
START_TEST(bad_values_are_tamed)
{
    char args[500], *argv[] = {args, args, NULL};
    struct sp_options *o = NULL;

    bad("", "SALLYPORT_LAN=a\n\x1b[2Jb",
        "SALLYPORT_LAN \"a??[2Jb\": wants CIDR, such as 10.0.0.0/8 or fd00::/8 (no bits behind the "
        "prefix), or an IP");
    memset(args, 'x', sizeof(args));
    memcpy(args, "--lan=", 6);
    args[sizeof(args) - 1] = '\0';
    ck_assert_int_eq(sp_options_parse(&spec, 2, argv, NULL, &o, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "xxx...\": wants CIDR"));
    ck_assert_uint_lt(strlen(why), 250);
    args[2] = 'b';
    ck_assert_int_eq(sp_options_parse(&spec, 2, argv, NULL, &o, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "unknown option --ban: there"));
    memset(args + 2, 'x', 400);
    ck_assert_int_eq(sp_options_parse(&spec, 2, argv, NULL, &o, why), SP_EINVAL);
    ck_assert_uint_lt(strlen(why), 350);
    ck_assert_ptr_null(o);
}
END_TEST

START_TEST(bad_files)
{
    static char big[300000];
    char want[200], args[100];

    bad("--config /nonexistent/x", "",
        "--config /nonexistent/x: cannot be read: No such file or directory");
    bad("--config /", "", "--config /: cannot be read: Is a directory");
    write_config("realm a\nre\0alm b\n", 17, 0600);
    snprintf(args, sizeof(args), "--config %s", path);
    bad(args, "", at_line(2, "a NUL byte, only plain text is allowed"));
    memset(big, '#', sizeof(big));
    write_config(big, sizeof(big), 0600);
    snprintf(want, sizeof(want), "%s: longer than 262144 bytes", args);
    bad(args, "", want);
    write_config(big, 262144, 0600);
    sp_options_free(good(args, ""));
}
END_TEST

START_TEST(secrets_are_wiped)
{
    struct input in = given("--user alice:pw1 --user=bob:pw2 --realm a",
                            "SALLYPORT_SECRET=s1 s2;SALLYPORT_REALM=r");
    struct sp_options *o = NULL;

    ck_assert_int_eq(sp_options_parse(&spec, in.argc, in.argv, in.env, &o, why), 0);
    ck_assert_uint_eq(sp_options_count(o, "user"), 2);
    ck_assert_str_eq(sp_options_nth(o, "user", 0), "alice:pw1");
    ck_assert_str_eq(sp_options_nth(o, "user", 1), "bob:pw2");
    ck_assert_uint_eq(sp_options_count(o, "secret"), 2);
    ck_assert_str_eq(sp_options_nth(o, "secret", 1), "s2");
    ck_assert_mem_eq(in.argv[2], "*\0\0\0\0\0\0\0\0\0", 10);
    ck_assert_mem_eq(in.argv[3], "--user=*\0\0\0\0\0\0\0", 15);
    ck_assert_str_eq(in.argv[5], "a");
    ck_assert_mem_eq(in.env[0], "SALLYPORT_SECRET=*\0\0\0\0\0", 23);
    ck_assert_str_eq(in.env[1], "SALLYPORT_REALM=r");
    sp_options_free(o);
    forget(&in);
}
END_TEST

START_TEST(secrets_are_not_repeated)
{
    static const char text[] = "user alice:pw1\n";
    char args[100];

    bad("--user=", "", "--user: wants NAME:PASSWORD");
    /* a secret among the options makes the file a file of secrets */
    write_config(text, sizeof(text) - 1, 0644);
    snprintf(args, sizeof(args), "--config %s", path);
    bad(args, "", at_line(1, "user: a secret in a file that is open to everyone: chmod 600"));
    write_config(text, sizeof(text) - 1, 0640);
    sp_options_free(good(args, ""));
    write_config("realm a\n", 8, 0644);
    sp_options_free(good(args, ""));
}
END_TEST

START_TEST(help_and_version)
{
    /* whatever else is wrong */
    struct sp_options *o = good("--realm a --help --bad", "SALLYPORT_WORKERS=x");

    ck_assert(sp_options_switch(o, "help") && !sp_options_switch(o, "version"));
    bool all = true;
    ck_assert(sp_options_wants_help(o, &all) && !all);
    sp_options_free(o);
    o = good("--help all --bad", "");
    ck_assert(sp_options_wants_help(o, &all) && all);
    sp_options_free(o);
    o = good("--realm a", "");
    ck_assert(!sp_options_wants_help(o, &all));
    sp_options_free(o);
    o = good("--version", "SALLYPORT_CONFIG=/nonexistent/x");
    ck_assert(sp_options_switch(o, "version"));
    sp_options_free(o);
}
END_TEST

/* Lines of at most 80 columns that end in no blank; the caller frees. */
static char *help_of(bool all)
{
    char *text = NULL;
    size_t len, column = 0;
    FILE *f = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(f);
    sp_options_help(&spec, all, f);
    ck_assert_int_eq(fclose(f), 0);
    for (size_t i = 0; i < len; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        ck_assert_uint_le(column, 80);
        ck_assert(text[i] != '\n' || i == 0 || text[i - 1] != ' ');
    }
    return text;
}

static void has_lines(const char *text, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        ck_assert_msg(strstr(text, *lines) != NULL, "%s\nis not in\n%s", *lines, text);
}

START_TEST(help_all)
{
    static const char *const lines[] = {
        "Usage: prog [run] [OPTION]...",
        "It does it.",
        "  --listen ADDR:PORT        where to wait for connections, repeatable (default:\n",
        "\n                            [::]:443)\n",
        "  --listen-udp ADDR:PORT    the same for datagrams, which is a text that is long\n",
        "\n                            enough to be wrapped to a second line, repeatable\n",
        "  --log-format text|json    form of the log (default: text)\n",
        "  --json                    a switch\n",
        "  --user NAME:PASSWORD      for trials, repeatable\n",
        "  SALLYPORT_SECRET          a bare secret, repeatable\n",
        "\n\nCorners:\n  --rare-one X              seldom\n",
        "  --config FILE             more options",
        "  --help ",
        "  --version ",
        "SALLYPORT_<NAME>",
        NULL,
    };
    char *text = help_of(true);

    has_lines(text, lines);
    free(text);
}
END_TEST

START_TEST(help_short)
{
    static const char *const lines[] = {
        "Usage: prog [run] [OPTION]...",
        "  --listen ADDR:PORT        where to wait for connections (default: [::]:443)\n",
        "  --user NAME:PASSWORD      for trials\n",
        "  --help ",
        "\n2 more: --help all\n",
        NULL,
    };
    char *text = help_of(false);

    has_lines(text, lines);
    ck_assert_ptr_null(strstr(text, "rare-one"));
    ck_assert_ptr_null(strstr(text, "SECRET"));
    ck_assert_ptr_null(strstr(text, "Corners"));
    free(text);
}
END_TEST

START_TEST(numbers)
{
    uint64_t v = 77;

    ck_assert_int_eq(sp_option_parse_number("", 0, 9, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number("+1", 0, 9, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number(" 1", 0, 9, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number("1 ", 0, 9, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number("0x1", 0, 9, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number("18446744073709551616", 0, UINT64_MAX, &v), SP_EINVAL);
    ck_assert_int_eq(sp_option_parse_number("10", 0, 9, &v), SP_EINVAL);
    ck_assert_uint_eq(v, 77);
    ck_assert_int_eq(sp_option_parse_number("18446744073709551615", 0, UINT64_MAX, &v), 0);
    ck_assert_uint_eq(v, UINT64_MAX);
    ck_assert_int_eq(sp_option_parse_number("007", 7, 7, &v), 0);
    ck_assert_uint_eq(v, 7);
}
END_TEST

/* From all three places; secrets that were read so far are wiped all the same. */
START_TEST(no_memory)
{
    static const char lines[] = "realm of.file\nuser c:third\nlan 10.0.0.0/8\n";
    char args[128];
    unsigned k;

    write_config(lines, sizeof lines - 1, 0600);
    snprintf(args, sizeof args, "--listen [::1]:1 --listen 1.2.3.4:5 --user a:first --config %s",
             path);
    for (k = 1;; k++) {
        struct input in = given(args, "SALLYPORT_SECRET=hidden;SALLYPORT_WORKERS=2");
        struct sp_options *o = NULL;

        why[0] = '\0';
        alloc_fail_at(k);
        int err = sp_options_parse(&spec, in.argc, in.argv, in.env, &o, why);
        bool failed = alloc_fail_disarm();
        forget(&in);
        ck_assert_msg(failed || err == 0, "%s", why);
        if (err == 0) { /* libc reads the file without a buffer */
            ck_assert_str_eq(sp_options_get(o, "realm", ""), "of.file");
            sp_options_free(o);
            if (!failed)
                break;
            continue;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(o);
        ck_assert_str_eq(why, sp_strerror(SP_ENOMEM));
    }
    ck_assert_uint_ge(k, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");
    SRunner *runner = srunner_create(suite);
    int failed;

    /* unchecked: these run outside of the tests' own processes, also after a failure */
    tcase_add_unchecked_fixture(tc, make_path, remove_path);
    tcase_add_test(tc, nothing_given);
    tcase_add_test(tc, command_line);
    tcase_add_test(tc, environment);
    tcase_add_test(tc, file);
    tcase_add_test(tc, precedence);
    tcase_add_test(tc, unknown_names);
    tcase_add_test(tc, bad_values);
    tcase_add_test(tc, bad_values_are_tamed);
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, secrets_are_wiped);
    tcase_add_test(tc, secrets_are_not_repeated);
    tcase_add_test(tc, help_and_version);
    tcase_add_test(tc, help_all);
    tcase_add_test(tc, help_short);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
