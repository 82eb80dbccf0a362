/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/notify.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager's socket; `name` may be abstract ("@..."). */
static int manager(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    memcpy(a.sun_path, name, len);
    if (name[0] == '@')
        a.sun_path[0] = '\0';
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    return fd;
}

static void ck_hears(int fd, const char *text)
{
    char got[64] = "";

    ck_assert_int_eq(recv(fd, got, sizeof got - 1, 0), (ssize_t)strlen(text));
    ck_assert_str_eq(got, text);
}

START_TEST(by_path)
{
    char path[64];

    snprintf(path, sizeof path, "/tmp/sallyport-notify-%d", (int)getpid());
    int fd = manager(path);
    setenv("NOTIFY_SOCKET", path, 1);
    sp_notify(SP_NOTIFY_READY);
    sp_notify(SP_NOTIFY_STOPPING);
    ck_hears(fd, "READY=1");
    ck_hears(fd, "STOPPING=1");
    unlink(path);
    close(fd);
}
END_TEST

START_TEST(by_abstract_name)
{
    char name[64];

    snprintf(name, sizeof name, "@sallyport-test-%d", (int)getpid());
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    sp_notify(SP_NOTIFY_READY);
    ck_hears(fd, "READY=1");
    close(fd);
}
END_TEST

/* And with a name that is none, or a manager that is gone, we live on. */
START_TEST(nobody_listens)
{
    static const char *const names[] = {"", "@", "relative", "/no/such/socket", "@nobody-is-here"};
    char long_name[200] = "/";

    unsetenv("NOTIFY_SOCKET");
    sp_notify(SP_NOTIFY_READY);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        sp_notify(SP_NOTIFY_READY);
    }
    memset(long_name + 1, 'x', sizeof long_name - 2);
    setenv("NOTIFY_SOCKET", long_name, 1);
    sp_notify(SP_NOTIFY_READY);
}
END_TEST

/* A manager that does not read must not hold us up: its queue is some datagrams long. */
START_TEST(never_blocks)
{
    char name[64];

    snprintf(name, sizeof name, "@sallyport-test-full-%d", (int)getpid());
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    for (int i = 0; i < 5000; i++)
        sp_notify(SP_NOTIFY_READY);
    ck_hears(fd, "READY=1");
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("notify");
    TCase *tc = tcase_create("notify");

    tcase_add_test(tc, by_path);
    tcase_add_test(tc, by_abstract_name);
    tcase_add_test(tc, nobody_listens);
    tcase_add_test(tc, never_blocks);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
