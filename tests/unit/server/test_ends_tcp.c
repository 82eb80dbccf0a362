/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an ICE-TCP connection gets once its session is known: it is all that its browser has, as a
 * TURN client's is, whatever worker it came to.
 */
#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "ends.h"
#include "sallyport/clock.h"
#include "sallyport/rfc4571.h"
#include "sallyport/sock.h"
#include "session_call.h"
#include "worker_rig.h"

static struct worker_rig r;

static void open_rig(unsigned workers)
{
    worker_rig_init(&r);
    r.sc.serve |= SP_SERVE_ICE_TCP;
    r.wc.session_idle_us = SP_SEC(30);
    r.wc.turn_congestion.name = "reno"; /* which every kernel has */
    ck_assert_msg((workers == 1 ? worker_rig_start(&r) : worker_rig_start_crew(&r, workers)) == 0,
                  "%s", r.why);
}

/* --- a session ------------------------------------------------------------------------------ */

static bool made;

static void make_session(struct sp_worker *w, void *arg)
{
    static const char *const ufrags[] = {"AAAA", "BBBB"};
    struct sp_rdv *registry = sp_ends_registry(sp_worker_ends(w));
    const struct sp_rdv_order order = {.subject = sp_span_str("app"), .ttl_us = SP_SEC(60)};
    uint64_t now_us = sp_ticker_now(sp_worker_ticker(w));
    struct sp_rdv_session *s;
    (void)arg;

    if (made)
        return;
    made = true;
    ck_assert_int_eq(sp_rdv_create(registry, &order, now_us, &s), 0);
    for (unsigned end = 0; end < 2; end++) {
        const struct sp_rdv_join j = {
            .holder = sp_span_str(end == 0 ? "holder-of-the-end-a" : "holder-of-the-end-b"),
            .ufrag = sp_span_str(ufrags[end])};
        ck_assert_int_eq(sp_rdv_join(s, end, &j, now_us), 0);
    }
}

/* Both ends have a proven path. */
static void call(struct call_end *a, struct call_end *b, struct peer peers[static 2])
{
    struct call_end *ends[] = {a, b};

    made = false;
    if (r.crew != NULL)
        sp_crew_each(r.crew, make_session, NULL);
    else
        make_session(r.w, NULL);
    io_loop_for(&r.loop, 20); /* until all workers have heard of it */
    for (unsigned i = 0; i < 2; i++) {
        *ends[i] = (struct call_end){.loop = &r.loop, .peer = &peers[i]};
        ck_assert(peer_connect(&peers[i], &r.loop, worker_rig_tcp(&r), i == 1 ? r.client : NULL));
    }
    call_begin(a, b, "BBBB:AAAA", "AAAA:BBBB");
}

/* --- one connection only -------------------------------------------------------------------- */

/* The server's side of it, which is a descriptor of this process as well. */
static int far_side(const struct peer *p)
{
    struct sockaddr_storage ss;
    struct rlimit most;
    struct sp_addr to;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &most), 0);
    for (int fd = 0; fd < (int)most.rlim_cur && fd < 65536; fd++) {
        socklen_t len = sizeof ss;
        if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0 &&
            sp_addr_from_sockaddr((struct sockaddr *)&ss, &to) == 0 &&
            sp_addr_eq(&to, sp_stream_local(p->s)))
            return fd;
    }
    ck_abort_msg("nobody is connected to it");
    return -1;
}

static void check_tuned(const struct peer *p)
{
    int fd = far_side(p), unsent = 0;
    char name[16] = "";
    socklen_t len = sizeof name, unsent_len = sizeof unsent;

    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, "reno");
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &unsent_len), 0);
    ck_assert_int_eq(unsent, SP_SOCK_NOTSENT_SOLE);
}

START_TEST(tuned_as_the_only_one)
{
    struct call_end a, b;
    struct peer peers[2];

    open_rig(_i == 0 ? 1 : 3);
    call(&a, &b, peers);
    for (unsigned i = 0; i < 2; i++) {
        check_tuned(&peers[i]);
        peer_close(&peers[i]);
    }
    worker_rig_close(&r);
}
END_TEST

#define VIDEO_LEN 1200

static void send_video(struct call_end *e, uint32_t number)
{
    uint8_t d[VIDEO_LEN] = {0x80, 96};

    sp_put_be32(d + 4, number);
    sp_put_be32(d + 8, 0x11111111);
    call_end_send(e, sp_span(d, sizeof d));
}

struct reading {
    struct peer *peer;
    uint32_t sent, came, last;
};

/* All that was sent has come, or was dropped. In its order. */
static bool is_all_there(void *arg)
{
    struct reading *x = arg;
    struct sp_span d;
    size_t used;

    while (sp_rfc4571_next(sp_buf_span(&x->peer->got), UINT16_MAX, &d, &used) == 0) {
        uint32_t number = sp_get_be32(d.p + 4);
        ck_assert_uint_eq(d.len, VIDEO_LEN);
        ck_assert_uint_gt(number, x->last);
        x->last = number;
        x->came++;
        sp_buf_consume(&x->peer->got, used);
    }
    return x->came + worker_rig_stats(&r).ends.stream_dropped == x->sent;
}

/* Whoever does not read gets the youngest once he does; nothing waits without bound. */
START_TEST(the_oldest_goes)
{
    struct call_end a, b;
    struct peer peers[2];
    struct reading x = {.peer = &peers[1]};

    open_rig(1);
    call(&a, &b, peers);
    peers[1].holds = true;
    while (worker_rig_stats(&r).ends.stream_dropped == 0) {
        for (unsigned i = 0; i < 50; i++)
            send_video(&a, ++x.sent);
        io_loop_for(&r.loop, 1);
        ck_assert_uint_lt(x.sent, 50000);
    }
    struct sp_buf *in = sp_stream_in(peers[1].s);
    peers[1].holds = false;
    ck_assert_int_eq(sp_buf_append(&peers[1].got, sp_buf_span(in)), 0);
    sp_buf_consume(in, SIZE_MAX);
    ck_assert(io_loop_until(&r.loop, is_all_there, &x));
    ck_assert_uint_gt(x.came, 0);
    for (unsigned i = 0; i < 2; i++)
        peer_close(&peers[i]);
    worker_rig_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ends_tcp");
    TCase *tc = tcase_create("ends_tcp");

    tcase_add_loop_test(tc, tuned_as_the_only_one, 0, 2);
    tcase_add_test(tc, the_oldest_goes);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
