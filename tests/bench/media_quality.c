/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well voice and video do, both ways at once, between two hosts: one process with one clock,
 * whose sockets are in two network namespaces.
 *
 *     media_quality SECONDS SEED VIDEO_KBPS FLOOR_MS A B
 *
 * A and B are targets of media_end.h, of one kind: TURN servers or a session's, each as its host
 * sees it, or direct. FLOOR_MS is what the way takes at least. The environment's MEDIA_CA is what
 * `tls:` trusts. Prints "ready" when all is open, so that others can take their counts; a second
 * later "started", when the first datagram leaves; "sent" after the last one; and when what is
 * under way had 3 s to come a JSON object: what became of each stream (media_tally.h), what this
 * program used of the processor, and how late it sent, which is how far it was itself in the way.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "media_end.h"
#include "media_source.h"
#include "media_tally.h"
#include "sallyport/tls_ctx.h"

#define ENDS     2
#define STREAMS  (ENDS * MEDIA_CLASSES)
#define NS_PER_S 1000000000ull
#define PAUSE_S  1
#define DRAIN_S  3

struct stream {
    struct media_source source;
    struct media_tally tally;
    struct sp_rng_seeded rng;
    int from; /* end */
};

struct bench {
    struct media_end ends[ENDS];
    struct stream streams[STREAMS];
    uint64_t start_ns, stop_ns;
    uint64_t altered; /* or from somebody else */
    uint64_t late_ns, sum_late_ns, datagrams;
};

static uint64_t clock_ns(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void take(const uint8_t *data, size_t len, void *arg)
{
    struct bench *b = arg;
    uint64_t now = now_ns();
    struct media_stamp stamp;

    if (media_stamp_read(sp_span(data, len), &stamp)) {
        for (int i = 0; i < STREAMS; i++) {
            if (b->streams[i].source.ssrc == stamp.ssrc) {
                media_tally_came(&b->streams[i].tally, stamp.number, now);
                return;
            }
        }
    }
    b->altered++;
}

static void send_one(struct bench *b, struct stream *s)
{
    uint8_t bytes[MEDIA_BYTES_MAX];
    uint64_t due = s->source.due_ns, now = now_ns();
    size_t len = media_source_next(&s->source, bytes, now);

    b->datagrams++;
    b->sum_late_ns += now - due;
    if (now - due > b->late_ns)
        b->late_ns = now - due;
    media_tally_sent(&s->tally, now, len);
    s->tally.refused += !media_end_send(&b->ends[s->from], sp_span(bytes, len));
}

/* What is due now; when the next one will be. */
static uint64_t send_due(struct bench *b)
{
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < STREAMS; i++) {
        struct media_source *s = &b->streams[i].source;

        while (s->due_ns <= now_ns() && s->due_ns < b->stop_ns)
            send_one(b, &b->streams[i]);
        if (s->due_ns < b->stop_ns && s->due_ns < next)
            next = s->due_ns;
    }
    return next;
}

static void wait_until(struct bench *b, uint64_t until_ns)
{
    uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
    struct timespec t = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
    struct pollfd fds[ENDS];

    for (int i = 0; i < ENDS; i++) {
        fds[i] = (struct pollfd){b->ends[i].fd, POLLIN, 0};
        if (media_end_waits(&b->ends[i]))
            fds[i].events |= POLLOUT;
    }
    if (ppoll(fds, ENDS, &t, NULL) <= 0)
        return;
    for (int i = 0; i < ENDS; i++) {
        if ((fds[i].revents & POLLOUT) != 0)
            media_end_flush(&b->ends[i]);
        if ((fds[i].revents & ~POLLOUT) != 0)
            media_end_read(&b->ends[i], take, b);
    }
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void receive_until(struct bench *b, uint64_t end)
{
    while (now_ns() < end)
        wait_until(b, end);
}

static void run(struct bench *b)
{
    uint64_t next;

    say("ready");
    receive_until(b, b->start_ns);
    say("started");
    while ((next = send_due(b)) != UINT64_MAX)
        wait_until(b, next);
    say("sent");
    receive_until(b, now_ns() + DRAIN_S * NS_PER_S);
}

static void report(struct bench *b, const char *head)
{
    printf("{%s, \"altered\": %" PRIu64 ", \"load\": {\"cpu_ns\": %" PRIu64
           ", \"late_ms\": %.3f, \"mean_late_ms\": %.3f}, \"flows\": [",
           head, b->altered, clock_ns(CLOCK_PROCESS_CPUTIME_ID), (double)b->late_ns / 1e6,
           (double)b->sum_late_ns / (double)b->datagrams / 1e6);
}

static void report_streams(struct bench *b, uint64_t floor_ns)
{
    static const char *const names[MEDIA_CLASSES] = {"voice", "video"};

    for (int i = 0; i < STREAMS; i++) {
        struct stream *s = &b->streams[i];

        printf("%s{\"class\": \"%s\", \"way\": \"%s\", ", i == 0 ? "" : ", ", names[s->source.what],
               s->from == 0 ? "ab" : "ba");
        media_tally_print(&s->tally, floor_ns, stdout);
        printf("}");
        media_tally_fini(&s->tally);
    }
    printf("]}\n");
}

static void open_ends(struct bench *b, char **targets)
{
    char why[SP_TLS_ERROR_MAX];
    struct sp_tls_ctx *tls;

    if (sp_tls_ctx_client(getenv("MEDIA_CA"), NULL, &tls, why) != 0) {
        fprintf(stderr, "media_quality: %s\n", why);
        exit(1);
    }
    for (int i = 0; i < ENDS; i++)
        media_end_open(&b->ends[i], targets[i], tls, (uint32_t)i + 1);
    sp_tls_ctx_unref(tls);
    media_ends_join(&b->ends[0], &b->ends[1]);
}

static void open_streams(struct bench *b, uint64_t seed, unsigned video_bps)
{
    for (int i = 0; i < STREAMS; i++) {
        struct stream *s = &b->streams[i];

        s->from = i / MEDIA_CLASSES;
        sp_rng_seeded_init(&s->rng, seed * STREAMS + (unsigned)i);
        media_source_init(&s->source, (enum media_class)(i % MEDIA_CLASSES), video_bps, &s->rng.rng,
                          b->start_ns);
        media_tally_init(&s->tally);
    }
}

/* The callers are hosts of their own: nothing that is measured keeps them from sending. */
static void be_prompt(void)
{
    struct sched_param p = {.sched_priority = 1};

    if (sched_setscheduler(0, SCHED_FIFO, &p) != 0)
        fprintf(stderr, "media_quality: no real-time priority: %s\n", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1);
}

static unsigned number(const char *text, unsigned min, unsigned max, const char *what)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || *text == '\0' || n < min || n > max) {
        fprintf(stderr, "media_quality: %s %s: from %u to %u\n", what, text, min, max);
        exit(2);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    static struct bench b;
    unsigned seconds, seed, video_kbps, floor_ms;
    char head[128];

    if (argc != 7) {
        fprintf(stderr, "usage: media_quality SECONDS SEED VIDEO_KBPS FLOOR_MS A B\n");
        return 2;
    }
    seconds = number(argv[1], 1, 240, "SECONDS"); /* permissions last 300 */
    seed = number(argv[2], 0, 1000000, "SEED");
    video_kbps = number(argv[3], 50, 50000, "VIDEO_KBPS");
    floor_ms = number(argv[4], 0, 10000, "FLOOR_MS");
    open_ends(&b, argv + 5);
    be_prompt();
    b.start_ns = now_ns() + PAUSE_S * NS_PER_S;
    b.stop_ns = b.start_ns + seconds * NS_PER_S;
    open_streams(&b, seed, video_kbps * 1000);
    run(&b);
    snprintf(head, sizeof head, "\"seconds\": %u, \"video_kbps\": %u, \"floor_ms\": %u", seconds,
             video_kbps, floor_ms);
    report(&b, head);
    report_streams(&b, floor_ms * 1000000ull);
    for (int i = 0; i < ENDS; i++)
        media_end_close(&b.ends[i]);
    return 0;
}
