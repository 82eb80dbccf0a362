/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/sandbox.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apart.h"
#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "sallyport/process.h"

#define REFUSED(call) MUST((errno = 0, (call) == -1 && errno == EPERM))

static char *const argv[] = {(char *)"/bin/true", NULL};
static char *const no_env[] = {NULL};

static int refuses(void *arg)
{
    const struct sp_log log = {.level = SP_LOG_INFO, .fd = *(const int *)arg};
    char why[SP_SANDBOX_WHY_MAX];
    const int rwx = PROT_READ | PROT_WRITE | PROT_EXEC;

    MUST(sp_sandbox_enter(&log, why) == 0);
    REFUSED(execve(argv[0], argv, no_env));
    REFUSED(execve(argv[0], argv, no_env)); /* logged once */
    REFUSED(open("/tmp/sallyport-must-not-be", O_WRONLY | O_CREAT, 0600));
    REFUSED(open("/dev/null", O_RDWR));
    REFUSED(unlink("/tmp/sallyport-must-not-be"));
    REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
    REFUSED(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
    REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    REFUSED(kill(getppid(), 0));
    /* Not fork(): since glibc 2.41 it blocks all signals meanwhile, and whoever is refused
     * something then can't be told so, and is ended. */
    REFUSED(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
    REFUSED(setuid(0));
    MUST(mmap(NULL, 4096, rwx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    return 0;
}

static int count_of(const char *text, const char *word)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

START_TEST(what_is_refused)
{
    char text[16384] = "";
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(apart(refuses, &fds[1]), 0);
    close(fds[1]);
    ck_assert_int_gt(read(fds[0], text, sizeof text - 1), 0);
    close(fds[0]);
    ck_assert_int_eq(count_of(text, "refused a system call"), count_of(text, "\n"));
    ck_assert_int_eq(count_of(text, "number=59") + count_of(text, "number=221"), 1); /* execve */
}
END_TEST

static void *in_a_thread(void *arg)
{
    int *out = arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *out = fd >= 0;
    close(fd);
    return NULL;
}

static int allows(void *arg)
{
    char why[SP_SANDBOX_WHY_MAX], byte;
    struct ifaddrs *all;
    pthread_t thread;
    int ran = 0;
    (void)arg;

    MUST(sp_sandbox_enter(NULL, why) == 0);
    int file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    MUST(file >= 0 || errno == ENOENT);
    MUST(file < 0 || (read(file, &byte, 1) >= 0 && close(file) == 0));
    MUST(getifaddrs(&all) == 0);
    freeifaddrs(all);
    MUST(pthread_create(&thread, NULL, in_a_thread, &ran) == 0);
    MUST(pthread_join(thread, NULL) == 0 && ran == 1);
    void *much = malloc(100 << 20);
    MUST(much != NULL);
    free(much);
    int udp = socket(AF_INET6, SOCK_DGRAM, 0);
    MUST(udp >= 0 || errno == EAFNOSUPPORT);
    return 0;
}

START_TEST(what_is_allowed)
{
    ck_assert_int_eq(apart(allows, NULL), 0);
}
END_TEST

static int aborts(void *arg)
{
    char why[SP_SANDBOX_WHY_MAX];
    (void)arg;

    MUST(sp_sandbox_enter(NULL, why) == 0);
    abort();
}

/* A broken assertion still ends it. */
START_TEST(abort_works)
{
    ck_assert_int_eq(apart(aborts, NULL), 128 + SIGABRT);
}
END_TEST

static int watched_by_valgrind(void *arg)
{
    char why[SP_SANDBOX_WHY_MAX] = "";
    (void)arg;

    setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1);
    MUST(sp_sandbox_enter(NULL, why) == SP_EDENIED);
    MUST(strstr(why, "needs other system calls") != NULL);
    return 0;
}

START_TEST(who_is_watched)
{
    ck_assert_int_eq(apart(watched_by_valgrind, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sandbox");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);

    if (sp_process_watched() == NULL) { /* else no sandbox is entered, and who_is_watched says so */
        tcase_add_test(t, what_is_refused);
        tcase_add_test(t, what_is_allowed);
        tcase_add_test(t, abort_works);
    }
    tcase_add_test(t, who_is_watched);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
