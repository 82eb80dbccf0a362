/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dgram_impl.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sallyport/err.h"

#define BATCH         32
#define LATE_AGAIN_US UINT64_C(2000000)
#define TURNS         4  /* batches a readable event: others want their turn, too */
#define LATE_TURNS    64 /* the same, when nothing comes of most of them */

/* Of what came: that, when, and how long each of several is. */
union in_control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)) +
                  CMSG_SPACE(sizeof(int))];
};

/* Where the kernel puts what comes. Made once: what it changes is put back, no more than that. */
struct slots {
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_storage from[BATCH];
    union in_control control[BATCH];
    size_t filled; /* so many from the first on, by the last call */
};

struct sp_dgram_pool {
    struct sp_ticker *ticker;
    struct outbox *out;
    uint64_t late_us, late_since_us;
    struct slots slots;
    uint8_t in[BATCH][DATAGRAM]; /* touched, and so in memory, only as far as datagrams are long */
};

/* --- in ------------------------------------------------------------------------------------- */

/* The address that a datagram was sent to, if the kernel told; of ours, the one to answer a
 * broadcast from. */
static struct sp_addr asked_address(const struct sp_dgram *d, struct msghdr *h)
{
    struct sp_addr a = d->local;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        struct sockaddr_storage ss = {0};
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            ((struct sockaddr_in *)&ss)->sin_family = AF_INET;
            ((struct sockaddr_in *)&ss)->sin_addr = info.ipi_spec_dst;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            ((struct sockaddr_in6 *)&ss)->sin6_family = AF_INET6;
            ((struct sockaddr_in6 *)&ss)->sin6_addr = info.ipi6_addr;
        } else {
            continue;
        }
        if (sp_addr_from_sockaddr((struct sockaddr *)&ss, &a) == 0)
            a.port = d->local.port;
    }
    return a;
}

/* The kernel's times are those of day. 0: it says nothing. */
static uint64_t came_us(struct msghdr *h)
{
    struct timespec t;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    }
    return 0;
}

/* What came in one piece is one datagram, or several of that length, the last of which may be
 * shorter (UDP_GRO). */
static size_t segment_len(struct msghdr *h, size_t len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        int each = 0;
        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&each, CMSG_DATA(c), sizeof each);
        return each > 0 ? (size_t)each : len;
    }
    return len;
}

/* How many of them, from the oldest on, came too long ago. */
static int count_late(const struct sp_dgram *d, struct mmsghdr *msgs, int n)
{
    struct timespec t;
    int late = 0;

    if (d->max_age_us == 0 || n <= 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t now_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    for (; late < n; late++) {
        uint64_t at_us = came_us(&msgs[late].msg_hdr);
        if (at_us == 0 || at_us + d->max_age_us >= now_us)
            break;
    }
    return late;
}

static void note_late(struct sp_dgram_pool *p, uint64_t now_us)
{
    if (now_us - p->late_us > LATE_AGAIN_US)
        p->late_since_us = now_us;
    p->late_us = now_us;
}

static bool drop_late(struct sp_dgram *d, struct sp_span body)
{
    if (d->keep != NULL && d->keep(body))
        return false;
    d->counters.dropped_late++;
    note_late(d->pool, sp_ticker_now(d->pool->ticker));
    return true;
}

/* What is told at once. */
struct told {
    struct sp_dgram *d;
    bool *closed; /* within what was told */
    struct sp_dgram_in in[BATCH];
    size_t n, all;
};

static void tell(struct told *t)
{
    size_t n = t->n;

    t->n = 0;
    t->all += n;
    if (n == 0)
        return;
    t->d->counters.received += n;
    t->d->fn(t->d, t->in, n, t->d->arg);
}

static void take_piece(struct told *t, struct msghdr *h, struct sp_span piece, bool late)
{
    size_t each = segment_len(h, piece.len);
    struct sp_dgram_in one;

    if (sp_addr_from_sockaddr(h->msg_name, &one.remote) != 0)
        return;
    one.local = asked_address(t->d, h);
    do {
        one.body = sp_span(piece.p, piece.len < each ? piece.len : each);
        piece = sp_span_skip(piece, one.body.len);
        if (late && drop_late(t->d, one.body))
            continue;
        t->in[t->n++] = one;
        if (t->n == BATCH)
            tell(t);
    } while (piece.len > 0 && !*t->closed);
}

static void empty_slots(struct slots *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->msgs[i].msg_hdr.msg_namelen = sizeof s->from[i];
        s->msgs[i].msg_hdr.msg_controllen = sizeof s->control[i];
    }
}

/* Receives one batch and tells it. Returns how many pieces the kernel had; *used: how many
 * datagrams were worth it. */
static int receive(struct sp_dgram *d, bool *closed, size_t *used)
{
    struct sp_dgram_pool *p = d->pool;
    struct mmsghdr *msgs = p->slots.msgs;
    struct told t; /* not by an initializer: that would clear in[] as well, for each batch */

    t.d = d;
    t.closed = closed;
    t.n = t.all = 0;
    empty_slots(&p->slots, p->slots.filled);
    int n = recvmmsg(d->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    p->slots.filled = n > 0 ? (size_t)n : 0;
    int n_late = count_late(d, msgs, n);
    for (int i = 0; i < n && !*closed; i++) {
        if (msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
            d->counters.truncated++;
        else
            take_piece(&t, &msgs[i].msg_hdr, sp_span(p->in[i], msgs[i].msg_len), i < n_late);
    }
    if (!*closed)
        tell(&t);
    *used = t.all;
    return n;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct sp_dgram *d = watcher->data;
    bool closed = false;
    (void)loop;
    (void)events;

    size_t left = (size_t)TURNS * BATCH, used;

    d->closed = &closed;
    for (int i = 0; i < LATE_TURNS && receive(d, &closed, &used) == BATCH && !closed && used < left;
         i++)
        left -= used;
    if (!closed)
        d->closed = NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static void make_slots(struct sp_dgram_pool *p)
{
    struct slots *s = &p->slots;

    for (size_t i = 0; i < BATCH; i++) {
        s->iov[i] = (struct iovec){p->in[i], DATAGRAM};
        s->msgs[i].msg_hdr = (struct msghdr){.msg_name = &s->from[i],
                                             .msg_iov = &s->iov[i],
                                             .msg_iovlen = 1,
                                             .msg_control = &s->control[i]};
    }
    s->filled = BATCH;
}

int sp_dgram_pool_new(struct sp_ticker *ticker, struct sp_dgram_pool **out)
{
    struct sp_dgram_pool *p = malloc(sizeof *p); /* not cleared: most of it is never touched */

    if (p == NULL)
        return SP_ENOMEM;
    if ((p->out = outbox_new(ticker)) == NULL) {
        free(p);
        return SP_ENOMEM;
    }
    p->ticker = ticker;
    p->late_us = p->late_since_us = 0;
    make_slots(p);
    *out = p;
    return 0;
}

void sp_dgram_pool_free(struct sp_dgram_pool *p)
{
    if (p == NULL)
        return;
    outbox_free(p->out);
    free(p);
}

static void start(struct sp_dgram_pool *pool, const struct sp_sock_options *o,
                  sp_dgram_input_fn *fn, void *arg, struct sp_dgram *d)
{
    int domain = AF_INET, on = 1;
    socklen_t len = sizeof domain;

    getsockopt(d->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    (void)setsockopt(d->fd, SOL_UDP, UDP_GRO, &on, sizeof on); /* else each comes on its own */
    d->is_v6 = domain == AF_INET6;
    d->dont_fragment = o != NULL && o->dont_fragment;
    d->pool = pool;
    d->out = pool->out;
    d->fn = fn;
    d->arg = arg;
    ev_io_init(&d->readable, on_readable, d->fd, EV_READ);
    d->readable.data = d;
    ev_io_start(pool->ticker->loop, &d->readable);
}

int sp_dgram_open(struct sp_dgram_pool *pool, const struct sp_addr *local,
                  const struct sp_sock_options *o, sp_dgram_input_fn *fn, void *arg,
                  struct sp_dgram **out)
{
    struct sp_dgram *d = calloc(1, sizeof *d);

    if (d == NULL)
        return SP_ENOMEM;
    int err = sp_sock_udp(local, o, &d->fd, &d->local);
    if (err != 0) {
        free(d);
        return err;
    }
    start(pool, o, fn, arg, d);
    *out = d;
    return 0;
}

int sp_dgram_adopt(struct sp_dgram_pool *pool, int fd, const struct sp_sock_options *o,
                   sp_dgram_input_fn *fn, void *arg, struct sp_dgram **out)
{
    struct sp_dgram *d = calloc(1, sizeof *d);
    int err = d == NULL ? SP_ENOMEM : sp_sock_local(fd, &d->local);

    if (err != 0) {
        free(d);
        return err;
    }
    d->fd = fd;
    sp_sock_set_buffers(fd, o);
    start(pool, o, fn, arg, d);
    *out = d;
    return 0;
}

void sp_dgram_close(struct sp_dgram *d)
{
    if (d == NULL)
        return;
    outbox_flush(d->out);
    if (d->closed != NULL)
        *d->closed = true;
    ev_io_stop(d->pool->ticker->loop, &d->readable);
    close(d->fd);
    free(d);
}

uint64_t sp_dgram_pool_late_us(const struct sp_dgram_pool *p, uint64_t *since_us)
{
    *since_us = p->late_since_us;
    return p->late_us;
}

void sp_dgram_limit_age(struct sp_dgram *d, uint64_t max_age_us, sp_dgram_keep_fn *keep)
{
    int on = 1;

    d->keep = keep;
    d->max_age_us =
        setsockopt(d->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0 ? max_age_us : 0;
}

uint64_t sp_dgram_overflowed(const struct sp_dgram *d)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;

    return getsockopt(d->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

const struct sp_addr *sp_dgram_local(const struct sp_dgram *d)
{
    return &d->local;
}

const struct sp_dgram_counters *sp_dgram_counters(const struct sp_dgram *d)
{
    return &d->counters;
}
