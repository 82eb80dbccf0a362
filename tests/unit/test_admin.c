/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io_loop.h"
#include "sallyport/admin.h"
#include "sallyport/err.h"

static void hello(struct sp_admin_reply *r, void *arg)
{
    sp_admin_put(r, "hello %s", (const char *)arg);
}

static void sick(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    r->status = 503;
    sp_admin_put_json(r, json_pack("{s:s}", "why", "a \"quote\"\n"));
}

static void endless(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    for (int i = 0; i < SP_ADMIN_BODY_MAX; i++)
        sp_admin_put(r, "%d,", i);
}

static void no_memory(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    sp_admin_put_json(r, NULL);
}

struct things {
    uint64_t thing_one, two;
};

static void counters(struct sp_admin_reply *r, void *arg)
{
    static const struct sp_counter table[] = {
        SP_COUNTER(struct things, thing_one, "one_total", NULL, "One."),
        SP_COUNTER(struct things, two, "two_total", NULL, "Two."),
    };
    static const struct sp_counter_group groups[] = {
        {"all", table, 2, 0},
        {"second", table, 1, offsetof(struct things, two)},
    };
    struct things t = {1, 2};
    (void)arg;
    sp_admin_put_json(r, sp_admin_json_groups(groups, 2, &t));
}

static const struct sp_admin_route routes[] = {
    {"/hello", hello},         {"/sick", sick},         {"/endless", endless},
    {"/no-memory", no_memory}, {"/counters", counters},
};

/* The answer as a string; the caller frees. NULL: wants more. */
static char *ask(const char *request)
{
    struct sp_buf out;
    char arg[] = "world", *copy;

    sp_buf_init(&out, SP_ADMIN_BODY_MAX + 1024);
    int err = sp_admin_respond(routes, SP_ARRAY_LEN(routes), arg, sp_span_str(request), &out);
    if (err != 0) {
        ck_assert_int_eq(err, SP_EMORE);
        ck_assert_uint_eq(out.len, 0);
        return NULL;
    }
    copy = strndup((const char *)sp_buf_span(&out).p, out.len);
    sp_buf_fini(&out);
    return copy;
}

static void expect(const char *request, const char *status, const char *body)
{
    char *answer = ask(request);

    ck_assert_ptr_nonnull(answer);
    ck_assert_msg(strncmp(answer + 9, status, strlen(status)) == 0, "%s -> %s", request, answer);
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end + 4, body);
    const char *length = strstr(answer, "Content-Length: ");
    ck_assert_ptr_nonnull(length);
    if (strncmp(request, "HEAD", 4) != 0)
        ck_assert_uint_eq(strtoul(length + 16, NULL, 10), strlen(body));
    free(answer);
}

START_TEST(answers)
{
    expect("GET /hello HTTP/1.1\r\nHost: 127.0.0.1:9642\r\n\r\n", "200 OK", "hello world");
    expect("GET /hello?x=/sick HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK", "hello world");
    expect("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK", "");
    expect("GET /sick HTTP/1.1\r\nHost: [::1]:9642\r\n\r\n", "503 Service Unavailable",
           "{\n  \"why\": \"a \\\"quote\\\"\\n\"\n}\n");
    expect("GET /no-memory HTTP/1.1\r\nHost: localhost\r\n\r\n", "500 ",
           "the answer is too long, or there is no memory\n");
    expect("GET /hello HTTP/1.0\r\n\r\n", "200 OK", "hello world");
}
END_TEST

START_TEST(waits_for_the_whole_head)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:9642\r\n\r\n";

    for (size_t n = 0; n < sizeof request - 1; n++) {
        char *part = strndup(request, n);
        ck_assert_ptr_null(ask(part));
        free(part);
    }
}
END_TEST

START_TEST(names_are_refused)
{
    static const char *const hosts[] = {"evil.example",         "evil.example:9642",
                                        "127.0.0.1.evil.test",  "127.0.0.1:9642.evil.test",
                                        "localhost.evil.test",  "localhost.",
                                        "[::1].evil.test:9642", "",
                                        "127.0.0.1@evil.test",  "notlocalhost"};

    for (size_t i = 0; i < SP_ARRAY_LEN(hosts); i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        expect(request, "403 Forbidden", "ask for an IP address or localhost\n");
    }
    expect("GET /hello HTTP/1.1\r\n\r\n", "403 Forbidden", "ask for an IP address or localhost\n");
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    expect("GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "404 Not Found", "no such page\n");
    expect("GET /hello/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "404 Not Found", "no such page\n");
    expect("POST /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
           "405 Method Not Allowed", "GET and HEAD only\n");
    expect("\x16\x03\x01\r\n\r\n", "400 Bad Request", "not an HTTP request\n");
    expect("GET /endless HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "500 Internal Server Error",
           "the answer is too long, or there is no memory\n");
}
END_TEST

START_TEST(a_head_without_end)
{
    size_t len = 20000;
    char *request = malloc(len + 1);

    ck_assert_ptr_nonnull(request);
    memset(request, 'a', len);
    memcpy(request, "GET /", 5);
    request[len] = '\0';
    expect(request, "431 Request Header Fields Too Large", "the request is too long\n");
    free(request);
}
END_TEST

START_TEST(counters_are_objects_of_numbers)
{
    expect("GET /counters HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "200 OK",
           "{\n  \"all\": {\n    \"thing_one\": 1,\n    \"two\": 2\n  },\n"
           "  \"second\": {\n    \"thing_one\": 2\n  }\n}\n");
}
END_TEST

/* --- over sockets --------------------------------------------------------------------------- */

static struct io_loop io;
static struct sp_admin *admin;

static void setup(void)
{
    static char world[] = "world";
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);

    ev_set_allocator(alloc_fail_never);
    io_loop_init(&io);
    ck_assert_int_eq(
        sp_admin_open(&io.ticker, NULL, &any, routes, SP_ARRAY_LEN(routes), world, &admin), 0);
}

static void teardown(void)
{
    sp_admin_close(admin);
    io_loop_fini(&io);
}

static int connect_to_admin(void)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(sp_admin_local(admin), false, &ss);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
    return fd;
}

static bool is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

START_TEST(answers_over_a_socket)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char answer[1024];
    int fd = connect_to_admin();

    for (size_t i = 0; i < sizeof request - 1; i++) {
        ck_assert_int_eq(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
        io_loop_for(&io, 2);
    }
    io_loop_for(&io, 20);
    ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    answer[n] = '\0';
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nhello world"));
    ck_assert(is_closed(fd)); /* one request a connection */
    close(fd);
}
END_TEST

START_TEST(connections_are_bounded)
{
    int fds[40];

    for (int i = 0; i < 40; i++)
        fds[i] = connect_to_admin();
    io_loop_for(&io, 50);
    for (int i = 0; i < 40; i++) /* the oldest make room */
        ck_assert_int_eq(is_closed(fds[i]), i < 8);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
}
END_TEST

START_TEST(who_says_nothing_is_closed)
{
    int fd = connect_to_admin();

    io_loop_for(&io, 4500);
    ck_assert(!is_closed(fd));
    io_loop_for(&io, 700);
    ck_assert(is_closed(fd));
    close(fd);
}
END_TEST

/* One that comes while there is none gets no answer, or that it went wrong; the next one is served.
 */
START_TEST(no_memory_for_a_visit)
{
    static const char request[] = "GET /counters HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char answer[1024];
    bool failed = true;
    unsigned k;

    for (k = 1; failed; k++) {
        int fd = connect_to_admin();

        ck_assert_int_eq(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
        alloc_fail_at(k);
        io_loop_for(&io, 20);
        failed = alloc_fail_disarm();
        ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
        answer[n > 0 ? n : 0] = '\0';
        bool well = strncmp(answer, "HTTP/1.1 200 ", 13) == 0,
             sorry = strncmp(answer, "HTTP/1.1 500 ", 13) == 0;
        ck_assert_msg(well || (failed && (sorry || n <= 0)), "the %u-th: %s", k, answer);
        close(fd);
        io_loop_for(&io, 2);
    }
    ck_assert_uint_ge(k, 4);
}
END_TEST

START_TEST(no_memory_to_begin)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0);
    struct sp_admin *second = NULL;

    for (unsigned k = 1;; k++) {
        alloc_fail_at(k);
        int err =
            sp_admin_open(&io.ticker, NULL, &any, routes, SP_ARRAY_LEN(routes), NULL, &second);
        if (!alloc_fail_disarm()) {
            ck_assert_int_eq(err, 0);
            ck_assert_uint_ge(k, 2);
            break;
        }
        ck_assert_int_eq(err, SP_ENOMEM);
        ck_assert_ptr_null(second);
    }
    sp_admin_close(second);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin");
    TCase *tc = tcase_create("respond");

    tcase_add_test(tc, answers);
    tcase_add_test(tc, waits_for_the_whole_head);
    tcase_add_test(tc, names_are_refused);
    tcase_add_test(tc, what_is_wrong_is_said);
    tcase_add_test(tc, a_head_without_end);
    tcase_add_test(tc, counters_are_objects_of_numbers);
    suite_add_tcase(s, tc);

    tc = tcase_create("sockets");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, answers_over_a_socket);
    tcase_add_test(tc, connections_are_bounded);
    tcase_add_test(tc, who_says_nothing_is_closed);
    tcase_add_test(tc, no_memory_for_a_visit);
    tcase_add_test(tc, no_memory_to_begin);
    suite_add_tcase(s, tc);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
