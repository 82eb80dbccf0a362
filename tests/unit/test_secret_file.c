/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "apart.h"
#include "sallyport/err.h"
#include "sallyport/secret_file.h"
#include "skips.h"

static char dir[64], path[80];
static char why[SP_SECRET_ERR_MAX];

static void make_dir(void)
{
    strcpy(dir, "/tmp/test_secret_file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
}

static void remove_dir(void)
{
    unlink(path);
    rmdir(dir);
}

static void write_file(const void *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, len), (int)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* `message` stands behind "PATH: " */
static void fails(const char *name, int err, const char *message)
{
    struct sp_secrets s = {.n = 77};
    char want[SP_SECRET_ERR_MAX];

    snprintf(want, sizeof(want), "%s: %s", name, message);
    ck_assert_int_eq(sp_secret_file_read(name, &s, why), err);
    ck_assert_str_eq(why, want);
    ck_assert_uint_eq(s.n, 77);
}

static void from_text(const char *text, size_t len, struct sp_secrets *s)
{
    char *copy = malloc(len ? len : 1); /* ends where the text ends */

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    ck_assert_msg(sp_secrets_from_text("TEXT", sp_span(copy, len), s, why) == 0, "%s", why);
    memset(copy, 'x', len);
    free(copy);
}

#define ck_assert_item(s, i, text) ck_assert(sp_span_eq((s).items[i], sp_span_str(text)))

START_TEST(lines)
{
    static const char text[] = "\xEF\xBB\xBF# two\n\none \r\n\t two words\t\r\n   # three\n#\n"
                               "\r\nthr#ee\nb\xc3\xa4r";
    struct sp_secrets s;

    from_text(text, sizeof(text) - 1, &s);
    ck_assert_uint_eq(s.n, 4);
    ck_assert_item(s, 0, "one");
    ck_assert_item(s, 1, "two words");
    ck_assert_item(s, 2, "thr#ee");
    ck_assert_item(s, 3, "b\xc3\xa4r");
    sp_secrets_fini(&s);
    ck_assert_ptr_null(s.items);
    ck_assert_uint_eq(s.n, 0);
    sp_secrets_fini(&s);
    from_text("x", 1, &s);
    ck_assert_item(s, 0, "x");
    sp_secrets_fini(&s);
}
END_TEST

START_TEST(nothing_in_it)
{
    static const char *const texts[] = {"", "\n", "# a\n", " \t\r\n#", "\xEF\xBB\xBF"};
    struct sp_secrets s;

    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        ck_assert_int_eq(sp_secrets_from_text("TEXT", sp_span_str(texts[i]), &s, why), SP_EINVAL);
        ck_assert_str_eq(why, "TEXT: nothing in it: wants a line of text");
    }
    ck_assert_int_eq(sp_secrets_from_text("TEXT", sp_span(NULL, 0), &s, why), SP_EINVAL);
}
END_TEST

START_TEST(control_characters)
{
    static const char utf16[] = "o\0n\0e\0\n";
    struct sp_secrets s;

    ck_assert_int_eq(sp_secrets_from_text("TEXT", sp_span(utf16, sizeof(utf16) - 1), &s, why),
                     SP_EINVAL);
    ck_assert_str_eq(why, "TEXT: line 1 holds control characters, only plain text is allowed");
    ck_assert_int_eq(sp_secrets_from_text("TEXT", sp_span_str("a\n\nb\x7f\n"), &s, why), SP_EINVAL);
    ck_assert_str_eq(why, "TEXT: line 3 holds control characters, only plain text is allowed");
    ck_assert_int_eq(sp_secrets_from_text("TEXT", sp_span_str("a\rb"), &s, why), SP_EINVAL);
}
END_TEST

START_TEST(a_file)
{
    struct sp_secrets s;

    write_file("one\ntwo\n", 8, 0600);
    ck_assert_int_eq(sp_secret_file_read(path, &s, why), 0);
    ck_assert_uint_eq(s.n, 2);
    ck_assert_item(s, 1, "two");
    sp_secrets_fini(&s);
    write_file("one", 3, 0640); /* for the service's group */
    ck_assert_int_eq(sp_secret_file_read(path, &s, why), 0);
    sp_secrets_fini(&s);
}
END_TEST

START_TEST(open_to_everyone)
{
    static const mode_t modes[] = {0644, 0604, 0602, 0666};
    char want[300];

    for (size_t i = 0; i < SP_ARRAY_LEN(modes); i++) {
        write_file("one\n", 4, modes[i]);
        snprintf(want, sizeof(want),
                 "open to everyone (mode %04o), but holds secrets: chmod 600 %s",
                 (unsigned)modes[i], path);
        fails(path, SP_EDENIED, want);
    }
}
END_TEST

START_TEST(not_a_file_of_secrets)
{
    static char big[SP_SECRET_FILE_MAX + 1];
    struct sp_secrets s;

    fails("/nonexistent/x", SP_ESYS, "cannot be read: No such file or directory");
    fails("/", SP_EINVAL, "not an ordinary file");
    fails("/dev/zero", SP_EINVAL, "not an ordinary file");
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fails(path, SP_EINVAL, "not an ordinary file"); /* and does not wait for a writer */
    unlink(path);
    write_file("", 0, 0600);
    fails(path, SP_EINVAL, "nothing in it: wants a line of text");
    memset(big, 'x', sizeof(big));
    write_file(big, sizeof(big), 0600);
    fails(path, SP_EINVAL, "longer than 1048576 bytes");
    write_file(big, SP_SECRET_FILE_MAX, 0600);
    ck_assert_int_eq(sp_secret_file_read(path, &s, why), 0);
    ck_assert_uint_eq(s.items[0].len, SP_SECRET_FILE_MAX);
    sp_secrets_fini(&s);
}
END_TEST

/* Mounts of this process alone: it has a mount namespace of its own, that ends with it. */
static int mounts_on(const char *folder)
{
    MUST(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    MUST(mount("none", folder, "tmpfs", 0, "mode=755") == 0);
    return 0;
}

static int tries_to_mount(void *arg)
{
    (void)arg;
    return mounts_on("/tmp");
}

START_TEST(read_only_file_system)
{
    struct sp_secrets s;

    ck_assert_int_eq(mounts_on(dir), 0);
    write_file("one\n", 4, 0644);
    ck_assert_int_eq(sp_secret_file_read(path, &s, why), SP_EDENIED);
    ck_assert_int_eq(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_msg(sp_secret_file_read(path, &s, why) == 0, "%s", why);
    ck_assert_item(s, 0, "one");
    sp_secrets_fini(&s);
    umount2(dir, MNT_DETACH); /* for a run that does not fork */
}
END_TEST

/* `out` is as it was, and nothing of the text is left behind. */
START_TEST(no_memory)
{
    static const char text[] = "one\ntwo\n# three\nfour\n";
    struct sp_secrets s;

    write_file(text, sizeof text - 1, 0600);
    for (int from_file = 0; from_file <= 1; from_file++)
        for (unsigned k = 1;; k++) {
            s = (struct sp_secrets){.n = 77};
            why[0] = '\0';
            alloc_fail_at(k);
            int err = from_file ? sp_secret_file_read(path, &s, why)
                                : sp_secrets_from_text("TEXT", sp_span_str(text), &s, why);
            if (!alloc_fail_disarm()) {
                ck_assert_int_eq(err, 0);
                ck_assert_uint_eq(s.n, 3);
                ck_assert_uint_ge(k, 2);
                sp_secrets_fini(&s);
                break;
            }
            ck_assert_int_eq(err, SP_ENOMEM);
            ck_assert_ptr_nonnull(strstr(why, ": out of memory"));
            ck_assert_uint_eq(s.n, 77);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret_file");
    TCase *tc = tcase_create("secret_file");
    SRunner *runner = srunner_create(suite);
    struct skips skips = {0};
    int failed;

    /* unchecked: these run outside of the tests' own processes, also after a failure */
    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, lines);
    tcase_add_test(tc, nothing_in_it);
    tcase_add_test(tc, control_characters);
    tcase_add_test(tc, a_file);
    tcase_add_test(tc, open_to_everyone);
    tcase_add_test(tc, not_a_file_of_secrets);
    tcase_add_test(tc, no_memory);
    skips_add_test(&skips, tc, read_only_file_system,
                   apart(tries_to_mount, NULL) == 0 ? NULL : "needs root, and leave to mount");
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return skips_status(&skips, failed);
}
