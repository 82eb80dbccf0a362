/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link between two hosts, which are network namespaces: a TUN device in each, and this program
 * between them, which gives each direction the delay, loss, rate and queue of link_model.h.
 *
 *     link_emulator [--seed N] [--control PATH] NETNS:DEVICE NETNS:DEVICE [WORD...]
 *
 * NETNS is a name as of 'ip netns', or empty: the one it is started in. The first is a, the second
 * b; WORDs are those of link_words.h ("delay=30ms loss=2% ab rate=6M"). Whoever starts it gives the
 * devices, which end with it, their addresses. It says "ready" when they are there.
 *
 * --control makes a FIFO at PATH that takes a line at a time:
 *
 *     WORD...              from now on
 *     at SECONDS WORD...   that long after this line came
 *     forget               what `at` lines have not done yet
 *     stats [NAME]         prints the counts as a line of JSON; so does the end, as "end"
 *
 * A line that says nothing of this kind is named on standard error, and counted in the stats.
 * tests/support/links.sh is the comfortable way to all this.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "link_model.h"
#include "link_words.h"
#include "netns.h"
#include "sallyport/bytes.h"

#define PACKETS_MAX  16384 /* on the way, both directions */
#define PACKET_BYTES 2048  /* devices have an MTU of 1,500 */
#define BATCH        64    /* read from a device before the other one has its turn */
#define CHANGES_MAX  256   /* that wait for their time */
#define LINE_BYTES   1024
#define SPIN_NS      20000 /* the kernel takes longer than that to wake us */

struct packet {
    struct link_packet head; /* first */
    uint8_t bytes[PACKET_BYTES];
};

struct change {
    uint64_t at_ns;
    char words[LINE_BYTES];
};

/* Delivered later than due, by this program's own fault; microseconds, the last holds all above. */
#define ERROR_BUCKETS 5000

struct direction {
    struct link_line line;
    int from, to; /* devices */
    uint64_t unwritten, without_buffer;
};

struct emulator {
    struct direction ways[LINK_WAYS];
    struct link_params params[LINK_WAYS];
    struct sp_rng_seeded rng[LINK_WAYS];
    struct packet *packets;
    struct link_packet *free;
    const char *control_path;
    int control;
    char line[LINE_BYTES];
    size_t line_len;
    struct change changes[CHANGES_MAX]; /* by at_ns */
    size_t n_changes;
    uint64_t changed, not_understood;
    uint32_t errors[ERROR_BUCKETS];
};

static volatile sig_atomic_t stopping;

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "link_emulator: %s: %s\n", which, what);
    exit(1);
}

static _Noreturn void misused(const char *what, const char *which)
{
    fprintf(stderr, "link_emulator: %s: %s\n", which, what);
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- devices --------------------------------------------------------------------------------- */

static int open_device(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        die(strerror(errno), "/dev/net/tun");
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &r) != 0)
        die(strerror(errno), name);
    return fd;
}

struct opening {
    const char *device;
    int fd;
};

static void open_there(void *arg)
{
    struct opening *o = arg;
    o->fd = open_device(o->device);
}

/* "NETNS:DEVICE" */
static int open_end(const char *end)
{
    const char *colon = strchr(end, ':');
    struct opening o = {.fd = -1};

    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) >= IFNAMSIZ)
        misused("want NETNS:DEVICE", end);
    o.device = colon + 1;
    netns_run(end, (size_t)(colon - end), open_there, &o);
    return o.fd;
}

/* ---- packets --------------------------------------------------------------------------------- */

static void give_back(struct emulator *e, struct link_packet *p)
{
    p->next = e->free;
    e->free = p;
}

static void make_packets(struct emulator *e)
{
    if ((e->packets = calloc(PACKETS_MAX, sizeof *e->packets)) == NULL)
        die("no memory", "packets");
    for (size_t i = PACKETS_MAX; i-- > 0;)
        give_back(e, &e->packets[i].head);
}

/* False: there was none. */
static bool take_in(struct emulator *e, struct direction *d)
{
    static struct packet spare; /* for what has no room: it must be read all the same */
    struct link_packet *head = e->free;
    struct packet *p = head != NULL ? (struct packet *)(void *)head : &spare;
    ssize_t n = read(d->from, p->bytes, sizeof p->bytes);

    if (n <= 0)
        return false;
    p->head.len = (uint32_t)n;
    if (head == NULL) {
        d->without_buffer++;
        return true;
    }
    e->free = head->next;
    if (!link_offer(&d->line, head, now_ns()))
        give_back(e, head);
    return true;
}

static void note_error(struct emulator *e, uint64_t late_ns)
{
    uint64_t us = late_ns / 1000;
    e->errors[us < ERROR_BUCKETS ? us : ERROR_BUCKETS - 1]++;
}

static void let_out(struct emulator *e, struct direction *d)
{
    struct link_packet *head;
    uint64_t now = now_ns();

    while ((head = link_take(&d->line, now)) != NULL) {
        if (!head->lost) {
            note_error(e, now - head->due_ns);
            if (write(d->to, ((struct packet *)(void *)head)->bytes, head->len) < 0)
                d->unwritten++;
        }
        give_back(e, head);
        now = now_ns();
    }
}

/* ---- what it is told ------------------------------------------------------------------------- */

static void apply(struct emulator *e, const char *words, uint64_t at_ns)
{
    char why[LINK_WHY_MAX];

    if (link_words_read(words, e->params, why) != 0) {
        fprintf(stderr, "link_emulator: %s\n", why);
        e->not_understood++;
        return;
    }
    e->changed++;
    for (int way = 0; way < LINK_WAYS; way++)
        link_set(&e->ways[way].line, &e->params[way], at_ns);
}

/* "SECONDS WORD..." */
static void remember(struct emulator *e, const char *text, uint64_t now)
{
    struct link_params trial[LINK_WAYS] = {{0}};
    char *words, why[LINK_WHY_MAX] = "want SECONDS from 0 to 86400";
    double seconds = strtod(text, &words);
    size_t i = e->n_changes;

    if (words == text || !(seconds >= 0 && seconds <= 86400) ||
        link_words_read(words, trial, why) != 0 || e->n_changes == CHANGES_MAX) {
        fprintf(stderr, "link_emulator: at %s: %s\n", text,
                e->n_changes == CHANGES_MAX ? "too many changes wait" : why);
        e->not_understood++;
        return;
    }
    now += (uint64_t)(seconds * 1e9);
    for (; i > 0 && e->changes[i - 1].at_ns > now; i--)
        e->changes[i] = e->changes[i - 1];
    e->changes[i].at_ns = now;
    snprintf(e->changes[i].words, sizeof e->changes[i].words, "%s", words);
    e->n_changes++;
}

static void make_changes(struct emulator *e, uint64_t now)
{
    size_t n = 0;

    while (n < e->n_changes && e->changes[n].at_ns <= now) {
        apply(e, e->changes[n].words, e->changes[n].at_ns);
        n++;
    }
    memmove(e->changes, e->changes + n, (e->n_changes - n) * sizeof *e->changes);
    e->n_changes -= n;
}

static void print_way(const char *name, const struct direction *d)
{
    const struct link_counts *c = &d->line.counts;

    printf("\"%s\": {\"offered\": %" PRIu64 ", \"offered_bytes\": %" PRIu64 ", \"full\": %" PRIu64
           ", \"full_bytes\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"lost_bytes\": %" PRIu64
           ", \"bursts\": %" PRIu64 ", \"arrived\": %" PRIu64 ", \"arrived_bytes\": %" PRIu64
           ", \"most_waiting_bytes\": %" PRIu64 ", \"longest\": %" PRIu32
           ", \"unwritten\": %" PRIu64 ", \"without_buffer\": %" PRIu64 "}, ",
           name, c->offered, c->offered_bytes, c->full, c->full_bytes, c->lost, c->lost_bytes,
           c->bursts, c->arrived, c->arrived_bytes, c->most_waiting_bytes, c->longest, d->unwritten,
           d->without_buffer);
}

static unsigned error_us(const struct emulator *e, double share)
{
    uint64_t all = 0, seen = 0;
    unsigned us = 0;

    for (size_t i = 0; i < ERROR_BUCKETS; i++)
        all += e->errors[i];
    while (us < ERROR_BUCKETS - 1 && (double)(seen += e->errors[us]) < share * (double)all)
        us++;
    return us;
}

static void print_stats(struct emulator *e, const char *name)
{
    printf("{\"stats\": \"%s\", ", name);
    print_way("ab", &e->ways[LINK_AB]);
    print_way("ba", &e->ways[LINK_BA]);
    printf("\"changed\": %" PRIu64 ", \"not_understood\": %" PRIu64
           ", \"own_error_us\": {\"p50\": %u, \"p99\": %u, \"max\": %u}}\n",
           e->changed, e->not_understood, error_us(e, 0.5), error_us(e, 0.99), error_us(e, 1));
    fflush(stdout);
}

static void obey(struct emulator *e, char *line)
{
    uint64_t now = now_ns();
    size_t word;

    line += strspn(line, " \t");
    word = strcspn(line, " \t");
    if (word == 5 && strncmp(line, "stats", word) == 0) {
        line += word + strspn(line + word, " \t");
        line[strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] = 0;
        print_stats(e, line);
    } else if (word == 6 && strncmp(line, "forget", word) == 0) {
        e->n_changes = 0;
    } else if (word == 2 && strncmp(line, "at", word) == 0) {
        remember(e, line + word, now);
    } else if (word > 0) {
        apply(e, line, now);
    }
}

static void listen_to_control(struct emulator *e)
{
    ssize_t n = read(e->control, e->line + e->line_len, sizeof e->line - 1 - e->line_len);
    char *newline;

    if (n <= 0)
        return;
    e->line_len += (size_t)n;
    while ((newline = memchr(e->line, '\n', e->line_len)) != NULL) {
        *newline++ = '\0';
        obey(e, e->line);
        e->line_len -= (size_t)(newline - e->line);
        memmove(e->line, newline, e->line_len);
    }
    if (e->line_len == sizeof e->line - 1) {
        fprintf(stderr, "link_emulator: a line of more than %zu bytes\n", e->line_len);
        e->not_understood++;
        e->line_len = 0;
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint64_t next_ns(const struct emulator *e)
{
    uint64_t next = e->n_changes > 0 ? e->changes[0].at_ns : LINK_NEVER;

    for (int way = 0; way < LINK_WAYS; way++) {
        uint64_t at = link_next_ns(&e->ways[way].line);
        next = at < next ? at : next;
    }
    return next;
}

/* Until something can be read or something is due; the last moments awake. */
static void wait_for(struct pollfd fds[static 3], uint64_t until_ns)
{
    uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
    struct timespec t;
    sigset_t none; /* signals come while it waits, and at no other time */

    sigemptyset(&none);
    left = left > SPIN_NS ? left - SPIN_NS : 0;
    t.tv_sec = (time_t)(left / 1000000000);
    t.tv_nsec = (long)(left % 1000000000);
    if (ppoll(fds, 3, until_ns == LINK_NEVER ? NULL : &t, &none) < 0)
        fds[0].revents = fds[1].revents = fds[2].revents = 0;
}

static void run(struct emulator *e)
{
    struct pollfd fds[3] = {{e->ways[LINK_AB].from, POLLIN, 0},
                            {e->ways[LINK_BA].from, POLLIN, 0},
                            {e->control, POLLIN, 0}};

    while (!stopping) {
        wait_for(fds, next_ns(e));
        make_changes(e, now_ns());
        for (int way = 0; way < LINK_WAYS; way++) {
            struct direction *d = &e->ways[way];
            for (int i = 0; (fds[way].revents & POLLIN) != 0 && i < BATCH && take_in(e, d); i++)
                ;
            let_out(e, d);
        }
        if ((fds[2].revents & POLLIN) != 0)
            listen_to_control(e);
    }
}

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void make_control(struct emulator *e)
{
    e->control = -1; /* poll passes over it */
    if (e->control_path == NULL)
        return;
    if (mkfifo(e->control_path, 0600) != 0)
        die(strerror(errno), e->control_path);
    /* Writing as well: else it would end with its first writer. */
    if ((e->control = open(e->control_path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
        die(strerror(errno), e->control_path);
}

static void start(struct emulator *e, uint64_t seed, char **ends, const char *words)
{
    int a = open_end(ends[0]), b = open_end(ends[1]);
    char why[LINK_WHY_MAX];

    e->ways[LINK_AB].from = e->ways[LINK_BA].to = a;
    e->ways[LINK_BA].from = e->ways[LINK_AB].to = b;
    for (int way = 0; way < LINK_WAYS; way++) {
        sp_rng_seeded_init(&e->rng[way], seed * LINK_WAYS + (unsigned)way);
        link_init(&e->ways[way].line, &e->rng[way].rng);
        e->params[way].queue_ns = 150000000;
    }
    if (link_words_read(words, e->params, why) != 0)
        misused(why, "parameters");
    for (int way = 0; way < LINK_WAYS; way++)
        link_set(&e->ways[way].line, &e->params[way], now_ns());
    make_packets(e);
    make_control(e);
}

/* Before everything that it carries packets for; and woken on time. */
static void be_prompt(void)
{
    struct sched_param p = {.sched_priority = 1};
    struct sigaction stop = {.sa_handler = on_signal};
    sigset_t blocked;

    if (sched_setscheduler(0, SCHED_FIFO, &p) != 0)
        fprintf(stderr, "link_emulator: no real-time priority: %s\n", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    static struct emulator e;
    char words[LINE_BYTES] = "", *end;
    uint64_t seed = 1;
    int i = 1;

    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--control") == 0) {
            e.control_path = argv[i + 1];
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], &end, 10);
            if (*end != '\0' || argv[i + 1][0] == '\0')
                misused("want a number", "--seed");
        } else {
            misused("there are --seed and --control", argv[i]);
        }
    }
    if (argc - i < 2) {
        fprintf(stderr,
                "usage: link_emulator [--seed N] [--control PATH] NETNS:DEVICE NETNS:DEVICE "
                "[WORD...]\n");
        return 2;
    }
    for (int w = i + 2; w < argc; w++) {
        size_t len = strlen(words);
        if (snprintf(words + len, sizeof words - len, "%s ", argv[w]) >= (int)(sizeof words - len))
            misused("too many words", argv[w]);
    }
    start(&e, seed, argv + i, words);
    be_prompt();
    printf("ready\n");
    fflush(stdout);
    run(&e);
    print_stats(&e, "end");
    if (e.control_path != NULL)
        unlink(e.control_path);
    free(e.packets);
    return 0;
}
