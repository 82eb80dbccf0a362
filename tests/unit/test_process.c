/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/process.h"

#include <check.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `fn` in a process of its own; its exit status. */
static int apart(int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(fn());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int opens_beyond_them(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    sp_process_prepare();
    return open("/dev/null", O_RDONLY) > STDERR_FILENO;
}

/* Else the log would be written into whatever socket was opened first. */
START_TEST(standard_files_are_held)
{
    ck_assert_int_eq(apart(opens_beyond_them), 1);
}
END_TEST

static int count_what_is_set(void)
{
    struct rlimit core, files;

    sp_process_prepare();
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    return (core.rlim_max == 0) + (files.rlim_cur == files.rlim_max) +
           (prctl(PR_GET_DUMPABLE) == 0) + (signal(SIGPIPE, SIG_DFL) == SIG_IGN);
}

START_TEST(limits_and_signals)
{
    ck_assert_int_eq(apart(count_what_is_set), 4);
}
END_TEST

static struct __user_cap_data_struct own_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

    ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
    return caps[0];
}

static int raises_what_is_permitted(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none_effective[_LINUX_CAPABILITY_U32S_3] = {own_capabilities()};

    none_effective[0].effective = 0;
    ck_assert_int_eq(syscall(SYS_capset, &head, none_effective), 0);
    sp_process_prepare();
    return own_capabilities().effective ==
           (own_capabilities().permitted & 1U << CAP_NET_BIND_SERVICE);
}

/* As a program starts whose file has that capability as permitted, and as root has all of them.
 * Without root: nothing to raise. */
START_TEST(low_ports)
{
    ck_assert_int_eq(apart(raises_what_is_permitted), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *tc = tcase_create("process");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, standard_files_are_held);
    tcase_add_test(tc, limits_and_signals);
    tcase_add_test(tc, low_ports);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
