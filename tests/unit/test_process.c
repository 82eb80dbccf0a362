/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/process.h"

#include <check.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apart.h"

static int opens_beyond_them(void *arg)
{
    (void)arg;

    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    sp_process_prepare();
    MUST(open("/dev/null", O_RDONLY) > STDERR_FILENO);
    return 0;
}

/* Else the log would be written into whatever socket was opened first. */
START_TEST(standard_files_are_held)
{
    ck_assert_int_eq(apart(opens_beyond_them, NULL), 0);
}
END_TEST

static int sets_limits_and_signals(void *arg)
{
    struct rlimit core, files;
    (void)arg;

    sp_process_prepare();
    MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
    MUST(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == files.rlim_max);
    MUST(prctl(PR_GET_DUMPABLE) == 0);
    MUST(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
    return 0;
}

START_TEST(limits_and_signals)
{
    ck_assert_int_eq(apart(sets_limits_and_signals, NULL), 0);
}
END_TEST

static int runs_on_one(void *arg)
{
    cpu_set_t set;
    (void)arg;

    MUST(sched_getaffinity(0, sizeof set, &set) == 0);
    MUST(sp_process_cpus() >= 1 && sp_process_cpus() <= (unsigned)CPU_COUNT(&set));
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) && CPU_COUNT(&set) > 1)
            CPU_CLR(i, &set);
    MUST(sched_setaffinity(0, sizeof set, &set) == 0);
    MUST(sp_process_cpus() == 1);
    return 0;
}

START_TEST(cpus)
{
    ck_assert_int_eq(apart(runs_on_one, NULL), 0);
}
END_TEST

static int raises_what_is_permitted(void *arg)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
    (void)arg;

    MUST(syscall(SYS_capget, &head, caps) == 0);
    caps[0].effective = caps[1].effective = 0;
    MUST(syscall(SYS_capset, &head, caps) == 0);
    sp_process_prepare();
    MUST(syscall(SYS_capget, &head, caps) == 0);
    MUST(caps[0].effective == (caps[0].permitted & 1U << CAP_NET_BIND_SERVICE));
    return 0;
}

/* As a program starts whose file has that capability as permitted, and as root has all of them.
 * Without root: nothing to raise. */
START_TEST(low_ports)
{
    ck_assert_int_eq(apart(raises_what_is_permitted, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *tc = tcase_create("process");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, standard_files_are_held);
    tcase_add_test(tc, cpus);
    tcase_add_test(tc, limits_and_signals);
    tcase_add_test(tc, low_ports);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
