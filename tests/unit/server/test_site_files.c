/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder with files, and what a path finds of it, by the module and by the site that serves it.
 */
#include "site_files.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "sallyport/err.h"
#include "site.h"

#define NOW 784111777

static char top[] = "/tmp/sallyport-test-site.XXXXXX";
static char folder[64]; /* `top`/site, and beside it what must not be seen */
static char why[SP_SITE_FILES_WHY_MAX];
static struct sp_site_files *files;

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void make_folder(void)
{
    static const char commands[] =
        "mkdir -p site/sub/deep site/empty site/.well-known && cd site && "
        "mkfifo pipe && ln -s index.html link && "
        "ln -s ../../secret.txt sub/out && ln -s /etc/hostname absolute && "
        "ln -s .. up && ln -s deep sub/in && ln -s loop loop && "
        "ln -s ./sub//deep/ down && ln -s sub/../../secret.txt round && "
        "ln -s ../index.html sub/back && ln -s pipe to-pipe && "
        "ln -s sub/in twice && ln -s '' empty-link 2>/dev/null; true";
    char command[512];

    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(command, sizeof command, "cd %s && %s", top, commands);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(chdir(top), 0);
    write_file("secret.txt", "secret");
    write_file("site/index.html", "<h1>home</h1>");
    write_file("site/sub/index.html", "sub");
    write_file("site/sub/deep/a b.txt", "deep");
    write_file("site/.hidden", "hidden");
    write_file("site/.well-known/x", "known");
    write_file("site/nothing", "");
    snprintf(folder, sizeof folder, "%s/site", top);
    ck_assert_int_eq(sp_site_files_open(folder, &files, why), 0);
}

static void remove_folder(void)
{
    char command[128];

    sp_site_files_close(files);
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}

/* What a target finds: the text of the file, "a folder", or an error's. */
static const char *found(const char *target)
{
    static char text[64];
    struct sp_site_path path;
    struct sp_site_file file;
    struct sp_span query;
    int err = sp_site_path_parse(sp_span_str(target), &path, &query);

    if (err == 0)
        err = sp_site_files_find(files, &path, &file);
    if (err != 0)
        return sp_strerror(err);
    if (file.fd < 0)
        return "a folder";
    ssize_t n = read(file.fd, text, sizeof text - 1);
    ck_assert_int_eq(n, (ssize_t)file.version.len);
    text[n] = '\0';
    close(file.fd);
    return text;
}

START_TEST(what_is_found)
{
    const char *gone = sp_strerror(SP_ENOENT);
    const struct {
        const char *target, *text;
    } cases[] = {
        {"/", "<h1>home</h1>"},
        {"/index.html", "<h1>home</h1>"},
        {"/sub/", "sub"},
        {"/sub", "a folder"},
        {"/sub/deep/a%20b.txt", "deep"},
        {"/sub/in/a%20b.txt", "deep"},
        {"/link", "<h1>home</h1>"},
        {"/.well-known/x", "known"},
        {"/nothing", ""},
        {"/empty", "a folder"},
        {"/empty/", gone},
        {"/none", gone},
        {"/index.html/", gone},
        {"/index.html/x", gone},
        {"/pipe", gone},
        {"/sub/out", gone},
        {"/absolute", gone},
        {"/up", gone},
        {"/up/secret.txt", gone},
        {"/loop", gone},
        {"/loop/x", gone},
        {"/down/a%20b.txt", "deep"},
        {"/down", "a folder"},
        {"/twice/a%20b.txt", "deep"},
        {"/round", gone},
        {"/sub/back", gone},
        {"/to-pipe", gone},
        {"/.hidden", gone},
        {"/../secret.txt", gone},
    };

    int lowest = dup(0);
    close(lowest);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_msg(strcmp(found(cases[i].target), cases[i].text) == 0, "%s: %s", cases[i].target,
                      found(cases[i].target));
    }
    ck_assert_int_eq(dup(0), lowest); /* none was left open */
    close(lowest);
}
END_TEST

START_TEST(versions)
{
    static const struct timespec times[] = {{784111777, 5}, {784111777, 5}};
    static const struct sp_site_path path = {11, "/index.html"};
    struct sp_site_file a, b;

    ck_assert_int_eq(utimensat(AT_FDCWD, "site/index.html", times, 0), 0);
    ck_assert_int_eq(sp_site_files_find(files, &path, &a), 0);
    ck_assert_uint_eq(a.version.len, 13);
    ck_assert_uint_eq(a.version.modified_s, 784111777);
    ck_assert_str_eq(a.type, "text/html; charset=utf-8");
    write_file("site/index.html", "<h1>HOME</h1>");
    ck_assert_int_eq(sp_site_files_find(files, &path, &b), 0);
    ck_assert_str_ne(a.version.etag, b.version.etag);
    close(a.fd);
    close(b.fd);
}
END_TEST

START_TEST(no_folder)
{
    struct sp_site_files *f = NULL;

    ck_assert_int_eq(sp_site_files_open("/no/such/folder", &f, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "/no/such/folder (--site): No such file"));
    ck_assert_int_eq(sp_site_files_open("secret.txt", &f, why), SP_EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "Not a directory"));
    ck_assert_ptr_null(f);
    sp_site_files_close(NULL);
}
END_TEST

START_TEST(no_descriptors)
{
    static const struct sp_site_path path = {11, "/index.html"};
    struct rlimit old, few;
    struct sp_site_file file;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){3, old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    int err = sp_site_files_find(files, &path, &file);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(err, SP_EFULL);
}
END_TEST

/* What is served as its home page just now. */
static void finds(const struct sp_site_files *of, const char *wanted)
{
    static const struct sp_site_path path = {11, "/index.html"};
    struct sp_site_file file;
    char text[32] = "";

    ck_assert_int_eq(sp_site_files_find(of, &path, &file), 0);
    ck_assert_int_ge(read(file.fd, text, sizeof text - 1), 0);
    close(file.fd);
    ck_assert_str_eq(text, wanted);
}

/* As deployments do: another folder is given the name, or a link is set to another one. */
START_TEST(replaced)
{
    struct sp_site_files *linked;

    ck_assert_int_eq(system("mkdir next && ln -s site current"), 0);
    write_file("next/index.html", "next");
    ck_assert_int_eq(sp_site_files_open("current", &linked, why), 0);
    finds(linked, "<h1>home</h1>");
    ck_assert_int_eq(system("ln -s next switch && mv -T switch current"), 0);
    finds(linked, "next");
    sp_site_files_close(linked);

    finds(files, "<h1>home</h1>");
    ck_assert_int_eq(rename("site", "old"), 0);
    finds(files, "<h1>home</h1>"); /* nothing has the name: the one from the start */
    ck_assert_int_eq(rename("next", "site"), 0);
    finds(files, "next");
}
END_TEST

/* To open the folder takes some; to find a file in it none. */
START_TEST(no_memory)
{
    static const struct sp_site_path path = {11, "/index.html"};
    struct sp_site_files *f = NULL;
    struct sp_site_file file;

    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int err = sp_site_files_open(folder, &f, why);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_ge(k, 2);
            break;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_str_eq(why, sp_strerror(SP_ENOMEM));
        ck_assert_ptr_null(f);
    }
    unsigned long before = alloc_fail_count();
    int err = sp_site_files_find(f, &path, &file);
    unsigned long after = alloc_fail_count();
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(before, after);
    close(file.fd);
    sp_site_files_close(f);
}
END_TEST

/* --- the site of it ------------------------------------------------------------------------- */

static struct sp_site *site;
static struct sp_site_answer a;
static char head[SP_SITE_HEAD_MAX + 1], body[64];

/* Head and body of the answer; its descriptor is closed. */
static unsigned ask(const char *line, const char *fields)
{
    struct sp_http_head h;
    char text[600];
    size_t used;

    snprintf(text, sizeof text, "%s\r\nHost: a.example\r\n%s\r\n", line, fields);
    ck_assert_int_eq(sp_http_parse_request(sp_span_str(text), &h, &used), 0);
    sp_site_serve(site, &h, NOW, &a);
    snprintf(head, sizeof head, "%.*s", (int)a.head.len, (const char *)a.head.p);
    snprintf(body, sizeof body, "%.*s", (int)a.body.len, (const char *)a.body.p);
    if (a.fd >= 0) {
        ck_assert_uint_eq(a.body.len, 0);
        ssize_t n = pread(a.fd, body, a.part.len, (off_t)a.part.first);
        ck_assert_int_eq(n, (ssize_t)a.part.len);
        body[n] = '\0';
        close(a.fd);
    }
    return a.status;
}

static bool says(const char *field)
{
    return strstr(head, field) != NULL;
}

START_TEST(served)
{
    const struct sp_site_config config = {.folder = folder};
    struct sp_site *none = NULL;
    const struct sp_site_config bad = {.folder = "/no/such/folder"};

    int lowest = dup(0);
    close(lowest);
    ck_assert_int_eq(sp_site_new(&bad, &none, why), SP_EINVAL);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(sp_site_new(&config, &site, why), 0);
    ck_assert_uint_eq(ask("GET / HTTP/1.1", ""), 200);
    ck_assert_str_eq(body, "<h1>home</h1>");
    ck_assert(says("Content-Length: 13\r\n") && says("ETag: \"") && says("Last-Modified: ") &&
              says("Accept-Ranges: bytes\r\n") && says("text/html"));
    ck_assert_uint_eq(ask("HEAD / HTTP/1.1", ""), 200);
    ck_assert(says("Content-Length: 13\r\n"));
    ck_assert_int_eq(a.fd, -1);
    ck_assert_uint_eq(ask("GET / HTTP/1.1", "If-None-Match: *\r\n"), 304);
    ck_assert(!says("Content-") && says("ETag: \""));
    ck_assert_str_eq(body, "");
    ck_assert_uint_eq(ask("GET / HTTP/1.1", "Range: bytes=4-7\r\n"), 206);
    ck_assert_str_eq(body, "home");
    ck_assert(says("Content-Range: bytes 4-7/13\r\n") && says("Content-Length: 4\r\n"));
    ck_assert_uint_eq(ask("GET / HTTP/1.1", "Range: bytes=13-\r\n"), 416);
    ck_assert(says("Content-Range: bytes */13\r\n"));
    ck_assert_uint_eq(ask("GET / HTTP/1.1", "If-Match: \"x\"\r\n"), 412);
    ck_assert_uint_eq(ask("POST / HTTP/1.1", ""), 405);
    ck_assert(says("Allow: GET, HEAD\r\n"));
    ck_assert_uint_eq(ask("POST /sub HTTP/1.1", ""), 405);
    ck_assert_uint_eq(ask("GET /sub?a=%62&c HTTP/1.1", ""), 301);
    ck_assert(says("Location: /sub/?a=%62&c\r\n"));
    ck_assert_uint_eq(ask("GET /sub?\xC3\xA9 HTTP/1.1", ""), 301);
    ck_assert(says("Location: /sub/\r\n"));
    ck_assert_uint_eq(ask("GET /none HTTP/1.1", ""), 404);
    ck_assert_ptr_nonnull(strstr(body, "<!DOCTYPE"));
    ck_assert_uint_eq(ask("POST /none HTTP/1.1", ""), 404);
    write_file("site/404.html", "ours");
    ck_assert_uint_eq(ask("GET /none HTTP/1.1", "Range: bytes=1-\r\n"), 404);
    ck_assert_str_eq(body, "ours");
    ck_assert_uint_eq(ask("GET /.hidden HTTP/1.1", ""), 404);
    ck_assert_str_eq(body, "ours");
    ck_assert_uint_eq(ask("HEAD /none HTTP/1.1", ""), 404);
    ck_assert_int_eq(a.fd, -1);
    ck_assert_int_eq(chmod("site/nothing", 0), 0);
    if (geteuid() == 0) /* who may read all */
        ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_uint_eq(ask("GET /nothing HTTP/1.1", ""), 403);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    sp_site_free(site);
    ck_assert_int_eq(dup(0), lowest);
    close(lowest);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("site_files");
    TCase *tc = tcase_create("site_files");

    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, what_is_found);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, no_folder);
    tcase_add_test(tc, no_descriptors);
    tcase_add_test(tc, replaced);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, served);
    suite_add_tcase(s, tc);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
