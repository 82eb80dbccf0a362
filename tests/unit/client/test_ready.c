/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ready.h"

static struct sp_addr addr(const char *text)
{
    struct sp_addr a;
    ck_assert_int_eq(sp_addr_parse(text, &a), 0);
    return a;
}

/* The choice from a list by blanks. */
static void chooses(const char *list, const char *everywhere, const char *expected)
{
    struct sp_addr listen[8], all = addr(everywhere), want = addr(expected);
    char copy[256], *rest = copy, *word;
    size_t n = 0;

    strcpy(copy, list);
    while ((word = strsep(&rest, " ")) != NULL)
        listen[n++] = addr(word);
    struct sp_addr got = sp_ready_choose(listen, n, &all);
    ck_assert_msg(sp_addr_eq(&got, &want), "%s", list);
}

START_TEST(what_works_in_both_browsers)
{
    chooses("127.0.0.1:3478", "10.0.0.5:0", "127.0.0.1:3478");
    chooses("127.0.0.1:3478 192.0.2.1:3479", "10.0.0.5:0", "192.0.2.1:3479");
    chooses("192.0.2.1:3479 10.0.0.5:1 127.0.0.1:3478", "10.0.0.5:0", "192.0.2.1:3479");
    chooses("127.0.0.1:3478 10.0.0.5:1 10.0.0.6:2", "10.0.0.5:0", "10.0.0.5:1");
    chooses("[::1]:3478 [fd00::1]:3478", "10.0.0.5:0", "[fd00::1]:3478");
    chooses("[::]:3478", "192.0.2.1:0", "192.0.2.1:3478");
    chooses("0.0.0.0:99 127.0.0.1:3478", "127.0.0.1:0", "127.0.0.1:99");
}
END_TEST

START_TEST(the_line)
{
    struct sp_addr listen[] = {addr("127.0.0.1:3478"), addr("[fd00::1]:3478")};
    struct sp_addr admin = addr("127.0.0.1:9642");
    char line[512] = "";
    FILE *f = fmemopen(line, sizeof line, "w");

    ck_assert_ptr_nonnull(f);
    sp_ready_write(f, listen, 2, &admin, &listen[1]);
    sp_ready_write(f, listen, 1, NULL, &listen[0]);
    fclose(f);
    ck_assert_str_eq(line, "ready udp 127.0.0.1:3478 tcp 127.0.0.1:3478 udp [fd00::1]:3478 "
                           "tcp [fd00::1]:3478 admin 127.0.0.1:9642 iceServers "
                           "turn:[fd00::1]:3478?transport=udp turn:[fd00::1]:3478?transport=tcp\n"
                           "ready udp 127.0.0.1:3478 tcp 127.0.0.1:3478 iceServers "
                           "turn:127.0.0.1:3478?transport=udp turn:127.0.0.1:3478?transport=tcp\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ready");
    TCase *tc = tcase_create("ready");
    SRunner *runner = srunner_create(s);

    tcase_add_test(tc, what_works_in_both_browsers);
    tcase_add_test(tc, the_line);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
