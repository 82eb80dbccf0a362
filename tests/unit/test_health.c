/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/health.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sallyport/addr.h"
#include "sallyport/sock.h"

static const struct sp_option table[] = {
    {.name = "admin",
     .arg = "ADDR:PORT",
     .help = "the admin port",
     .preset = "127.0.0.1:1", /* where nobody listens */
     .check = sp_option_check_addr_or_none},
    {.name = "user", .arg = "NAME", .help = "another", .flags = SP_OPTION_SECRET},
};
static const struct sp_options_spec run = {.usage = "usage", .table = table, .n = 2};

static const char healthy[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
static const char sick[] = "HTTP/1.1 503 Service Unavailable\r\n\r\nno tunnel\nat all\n";

/* --- who is asked --------------------------------------------------------------------------- */

struct admin {
    pid_t pid;
    char addr[SP_ADDR_STRLEN];
};

static void answer_one(int listener, const char *answer)
{
    char request[512] = "";
    struct timeval patience = {.tv_sec = 10};
    int fd = -1;

    for (int i = 0; i < 1000 && fd < 0; i++, usleep(10000))
        fd = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (recv(fd, request, sizeof request - 1, 0) <= 0 || strncmp(request, "GET /healthz ", 13) != 0)
        _exit(1);
    if (answer == NULL)
        sleep(10);
    else if (send(fd, answer, strlen(answer), 0) < 0)
        _exit(1);
    _exit(0);
}

/* An admin port that gives that answer to one request; NULL: none. */
static struct admin admin_start(const char *answer)
{
    struct sp_addr any, bound;
    struct admin a;
    int fd;

    ck_assert_int_eq(sp_addr_parse("127.0.0.1:0", &any), 0);
    ck_assert_int_eq(sp_sock_listen(&any, NULL, &fd, &bound), 0);
    sp_addr_format(&bound, a.addr);
    a.pid = fork();
    ck_assert_int_ge(a.pid, 0);
    if (a.pid == 0)
        answer_one(fd, answer);
    close(fd);
    return a;
}

static void admin_end(struct admin *a)
{
    kill(a->pid, SIGKILL);
    waitpid(a->pid, NULL, 0);
}

/* --- asking --------------------------------------------------------------------------------- */

/* Exit status of `sallyport-server healthcheck ARGUMENT...`; what it says goes to `said`. */
static int health(char said[static 512], char *a, char *b)
{
    char *argv[] = {(char *)"healthcheck", a, b, NULL};
    int out[2], status;
    ssize_t n;

    ck_assert_int_eq(pipe(out), 0);
    fflush(stdout);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        status = sp_health_main("sallyport-server", &run, 1 + (a != NULL) + (b != NULL), argv);
        fflush(stdout);
        _exit(status);
    }
    close(out[1]);
    size_t len = 0;
    while ((n = read(out[0], said + len, 511 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(out[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char opt_admin[] = "--admin";

START_TEST(well_and_not_well)
{
    static const struct {
        const char *answer;
        int status;
        const char *said;
    } rows[] = {
        {healthy, 0, "well: ok\n"},
        {sick, 1, "not well: status 503, no tunnel\n"},
        {"HTTP/1.1 200 OK\r\n\r\n", 0, "well: \n"},
        {"SSH-2.0-nonsense\r\n", 1, "not well: the admin port does not answer by HTTP\n"},
        {"HTTP/1.1 200 OK\r\nConte", 1, "not well: the admin port does not answer by HTTP\n"},
        {"", 1, "not well: the admin port does not answer by HTTP\n"},
    };
    char said[512];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admin a = admin_start(rows[i].answer);
        ck_assert_int_eq(health(said, opt_admin, a.addr), rows[i].status);
        ck_assert_str_eq(said, rows[i].said);
        admin_end(&a);
    }
}
END_TEST

START_TEST(nobody_answers)
{
    struct admin a = admin_start(NULL);
    char said[512];

    ck_assert_int_eq(health(said, opt_admin, a.addr), 1);
    ck_assert_ptr_nonnull(strstr(said, "no answer from the admin port 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(said, "timed out"));
    admin_end(&a);
    ck_assert_int_eq(health(said, opt_admin, a.addr), 1);
    ck_assert_ptr_nonnull(strstr(said, "Connection refused"));
}
END_TEST

START_TEST(environment_and_file)
{
    char said[512], path[] = "/tmp/sallyport-health-XXXXXX", opt_config[] = "--config";
    struct admin a = admin_start(healthy);
    int fd = mkstemp(path);

    setenv("SALLYPORT_ADMIN", a.addr, 1);
    ck_assert_int_eq(health(said, NULL, NULL), 0);
    unsetenv("SALLYPORT_ADMIN");
    admin_end(&a);

    a = admin_start(healthy);
    ck_assert_int_gt(dprintf(fd, "user x\nadmin %s\n", a.addr), 0);
    ck_assert_int_eq(health(said, opt_config, path), 0);
    admin_end(&a);
    close(fd);
    unlink(path);

    ck_assert_int_eq(health(said, NULL, NULL), 1);
    ck_assert_ptr_nonnull(strstr(said, "admin port 127.0.0.1:1:"));
}
END_TEST

START_TEST(wrong_use)
{
    static char none[] = "none", zero[] = "127.0.0.1:0", word[] = "now";
    char said[512];

    ck_assert_int_eq(health(said, opt_admin, none), 2);
    ck_assert_ptr_nonnull(strstr(said, "nobody can be asked"));
    ck_assert_int_eq(health(said, opt_admin, zero), 2);
    ck_assert_ptr_nonnull(strstr(said, "wants a port"));
    ck_assert_int_eq(health(said, word, NULL), 2);
    ck_assert_ptr_nonnull(strstr(said, "unknown option now"));
}
END_TEST

/* --- by a process ----------------------------------------------------------------------------- */

/* The kernel closes what an exec() closes a moment before it shows the new command line. */
static bool has_command_line(pid_t pid)
{
    char path[32], byte;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t n = read(fd, &byte, 1);
    close(fd);
    return n == 1;
}

/* A process that sits there, with these arguments behind some of its own, as behind an init. */
static pid_t sit(const char *const arguments[static 1])
{
    const char *argv[16] = {"init", "-c", "/bin/sleep 20", "--"};
    int started[2];
    char byte;
    pid_t pid;

    for (size_t i = 0; arguments[i] != NULL; i++)
        argv[4 + i] = arguments[i];
    ck_assert_int_eq(pipe2(started, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        execv("/bin/sh", (char *const *)argv);
        _exit(1);
    }
    close(started[1]);
    ck_assert_int_eq(read(started[0], &byte, 1), 0);
    close(started[0]);
    for (unsigned tries = 0; !has_command_line(pid) && tries < 5000; tries++)
        usleep(1000);
    return pid;
}

static int health_of(const char *const arguments[static 1], char said[static 512])
{
    pid_t pid = sit(arguments);
    char text[16];

    snprintf(text, sizeof text, "%d", (int)pid);
    int status = health(said, text, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return status;
}

static void expect(int want, const char *const arguments[static 1], char said[static 512])
{
    int status = health_of(arguments, said);
    ck_assert_msg(status == want, "%d, not %d, and said: %s", status, want, said);
}

START_TEST(options_of_a_process)
{
    struct admin a = admin_start(healthy);
    const char *apart[] = {"/bin/sallyport-server", "run",     "--user", "*", "--admin",
                           "127.0.0.1:2",           "--admin", a.addr,   NULL};
    const char *by_default[] = {"sallyport-server", NULL};
    const char *cut_short[] = {"sallyport-server", "--admin", NULL};
    const char *no_admin[] = {"sallyport-server", "--admin=none", NULL};
    const char *other[] = {"sallyport-serverless", "--admin", "none", NULL};
    char joined[80], said[512];

    expect(0, apart, said);
    admin_end(&a);
    a = admin_start(healthy);
    snprintf(joined, sizeof joined, "--admin=%s", a.addr);
    expect(0, (const char *[]){"sallyport-server", joined, NULL}, said);
    admin_end(&a);
    expect(1, by_default, said);
    ck_assert_ptr_nonnull(strstr(said, "admin port 127.0.0.1:1:"));
    expect(1, cut_short, said);
    expect(0, no_admin, said);
    ck_assert_str_eq(said, "it runs; --admin none: nobody can be asked for more\n");
    expect(2, other, said);
    ck_assert_ptr_nonnull(strstr(said, "is neither sallyport-server nor sallyport-client"));
}
END_TEST

START_TEST(process_that_is_not)
{
    char said[512], pid[] = "2147483647";

    ck_assert_int_eq(health(said, pid, NULL), 1);
    ck_assert_ptr_nonnull(strstr(said, "No such file"));
}
END_TEST

START_TEST(other_program_is_asked_by_its_own)
{
    const char *client[] = {"sallyport-client", "--server", "https://edge.test", NULL};
    char said[512], dir[] = "/tmp/sallyport-health-XXXXXX", path[64], none[] = "/nowhere";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/sallyport-client", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ck_assert_int_gt(dprintf(fd, "#!/bin/sh\necho \"the other: $1\"\nexit 3\n"), 0);
    close(fd);
    setenv("PATH", none, 1);
    ck_assert_int_eq(health_of(client, said), 1);
    ck_assert_ptr_nonnull(strstr(said, "cannot be started"));
    setenv("PATH", dir, 1);
    ck_assert_int_eq(health_of(client, said), 3);
    ck_assert_str_eq(said, "the other: healthcheck\n");
    unlink(path);
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("health");
    TCase *tc = tcase_create("health");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, well_and_not_well);
    tcase_add_test(tc, nobody_answers);
    tcase_add_test(tc, environment_and_file);
    tcase_add_test(tc, wrong_use);
    tcase_add_test(tc, options_of_a_process);
    tcase_add_test(tc, process_that_is_not);
    tcase_add_test(tc, other_program_is_asked_by_its_own);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
