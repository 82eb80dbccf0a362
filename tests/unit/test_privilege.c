/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/privilege.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apart.h"
#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "skips.h"

#define UID 12345
#define GID 23456

START_TEST(identities)
{
    static const struct {
        const char *text;
        int err;
        uid_t uid;
        gid_t gid;
        const char *name;
    } rows[] = {
        {"root", 0, 0, 0, "root"},
        {"0", 0, 0, 0, "root"},
        {"0:23456", 0, 0, GID, ""},
        {"root:root", 0, 0, 0, ""},
        {"12345", 0, UID, UID, ""}, /* nobody's name */
        {"12345:23456", 0, UID, GID, ""},
        {"4294967294", 0, 4294967294, 4294967294, ""},
        {"", SP_EINVAL, 0, 0, ""},
        {":", SP_EINVAL, 0, 0, ""},
        {":root", SP_EINVAL, 0, 0, ""},
        {"root:", SP_EINVAL, 0, 0, ""},
        {"root:root:", SP_EINVAL, 0, 0, ""},
        {"nobody-of-that-name", SP_ENOENT, 0, 0, ""},
        {"root:nobody-of-that-name", SP_ENOENT, 0, 0, ""},
        {"-1", SP_ENOENT, 0, 0, ""},
        {"12x", SP_ENOENT, 0, 0, ""},
        {"4294967295", SP_ENOENT, 0, 0, ""}, /* "no change" to the system */
        {"12345:4294967295", SP_ENOENT, 0, 0, ""},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(rows); i++) {
        struct sp_identity id = {.uid = 7};
        char why[SP_PRIVILEGE_WHY_MAX] = "";

        ck_assert_msg(sp_identity_parse(rows[i].text, &id, why) == rows[i].err, "%s", rows[i].text);
        if (rows[i].err != 0) {
            ck_assert_str_ne(why, "");
            ck_assert_uint_eq(id.uid, 7);
            continue;
        }
        ck_assert_uint_eq(id.uid, rows[i].uid);
        ck_assert_uint_eq(id.gid, rows[i].gid);
        ck_assert_str_eq(id.name, rows[i].name);
    }
}
END_TEST

START_TEST(name_too_long)
{
    struct sp_identity id;
    char why[SP_PRIVILEGE_WHY_MAX], text[200];

    memset(text, 'a', sizeof text);
    text[199] = '\0';
    ck_assert_int_eq(sp_identity_parse(text, &id, why), SP_EINVAL);
}
END_TEST

static bool has_capabilities(uint32_t allowed)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct c[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &head, c) != 0)
        return true;
    return ((c[0].effective | c[0].permitted | c[0].inheritable) & ~allowed) != 0 ||
           (c[1].effective | c[1].permitted | c[1].inheritable) != 0;
}

static int becomes_somebody(void *arg)
{
    const struct sp_identity who = {.uid = UID, .gid = GID};
    char why[SP_PRIVILEGE_WHY_MAX];
    gid_t groups[8];
    (void)arg;

    MUST(sp_privilege_drop(&who, why) == 0);
    MUST(getuid() == UID && geteuid() == UID && getgid() == GID && getegid() == GID);
    MUST(getgroups(SP_ARRAY_LEN(groups), groups) == 1 && groups[0] == GID);
    MUST(!has_capabilities(0));
    MUST(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0);
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    MUST(setuid(0) != 0 && setgid(0) != 0);
    MUST(sp_privilege_drop(&who, why) == 0); /* is who it should be */
    return 0;
}

START_TEST(somebody_else)
{
    ck_assert_int_eq(apart(becomes_somebody, NULL), 0);
}
END_TEST

static int has_groups_of_root(void *arg)
{
    struct sp_identity who;
    char why[SP_PRIVILEGE_WHY_MAX];
    gid_t stray = GID, groups[64];
    (void)arg;

    MUST(setgroups(1, &stray) == 0 && setgid(GID) == 0);
    MUST(sp_identity_parse("root", &who, why) == 0);
    MUST(sp_privilege_drop(&who, why) == 0);
    int n = getgroups(SP_ARRAY_LEN(groups), groups);
    for (int i = 0; i < n; i++)
        MUST(groups[i] != GID);
    MUST(getgid() == 0);
    return 0;
}

START_TEST(groups_of_the_user)
{
    ck_assert_int_eq(apart(has_groups_of_root, NULL), 0);
}
END_TEST

static int stays(void *arg)
{
    char why[SP_PRIVILEGE_WHY_MAX];
    uid_t was = getuid();
    (void)arg;

    MUST(sp_privilege_drop(NULL, why) == 0);
    MUST(getuid() == was);
    MUST(!has_capabilities(1U << CAP_NET_ADMIN | 1U << CAP_DAC_READ_SEARCH));
    MUST(was == 0 || !has_capabilities(0));
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

START_TEST(who_it_is)
{
    ck_assert_int_eq(apart(stays, NULL), 0);
}
END_TEST

static int cannot_become_another(void *arg)
{
    const struct sp_identity who = {.uid = UID, .gid = GID};
    char why[SP_PRIVILEGE_WHY_MAX] = "";
    (void)arg;

    if (geteuid() == 0)
        MUST(setgid(GID + 1) == 0 && setuid(UID + 1) == 0);
    MUST(sp_privilege_drop(&who, why) == SP_EDENIED);
    MUST(strstr(why, "only root") != NULL);
    return 0;
}

START_TEST(only_root_can)
{
    ck_assert_int_eq(apart(cannot_become_another, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("privilege");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    struct skips skips = {0};

    tcase_add_test(t, identities);
    tcase_add_test(t, name_too_long);
    skips_add_test(&skips, t, somebody_else, skips_lack_root());
    skips_add_test(&skips, t, groups_of_the_user, skips_lack_root());
    tcase_add_test(t, who_it_is);
    tcase_add_test(t, only_root_can);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);

    int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return skips_status(&skips, failed);
}
