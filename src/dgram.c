/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/dgram.h"

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
#define SEGMENTS_MIN  3 /* below, a call of their own is not worth it */
#define SEGMENT_MAX \
    1400               /* longer ones might have to be cut on their way, which segments can't be */
#define TURNS       4  /* batches a readable event: others want their turn, too */
#define LATE_TURNS  64 /* the same, when nothing comes of most of them */
#define DATAGRAM    65536
#define ARENA_BYTES (BATCH * 4096)

/* One control message: the address a datagram was sent to, or is to leave from. */
union control {
    struct cmsghdr align;
    uint8_t v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    uint8_t v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Of what came: that, when, and how long each of several is. */
union in_control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)) +
                  CMSG_SPACE(sizeof(int))];
};

/* The source of several, and how long each is. */
union segments_control {
    struct cmsghdr align;
    uint8_t bytes[sizeof(union control) + CMSG_SPACE(sizeof(uint16_t))];
};

/* A datagram that waits for the end of the loop turn; its bytes lie in the arena. */
struct waiting {
    struct sp_dgram *sock;
    struct sockaddr_storage to;
    struct iovec iov;
    union control control;
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
    struct sp_deferred flush;
    uint64_t late_us, late_since_us;
    size_t n, used;
    struct waiting waiting[BATCH];
    struct mmsghdr out[BATCH];
    bool no_segments; /* the kernel cuts none (UDP_SEGMENT) */
    struct slots slots;
    uint8_t arena[ARENA_BYTES];
    uint8_t in[BATCH][DATAGRAM]; /* touched, and so in memory, only as far as datagrams are long */
};

struct sp_dgram {
    struct sp_dgram_pool *pool;
    int fd;
    bool is_v6; /* the socket's family; IPv4 is mapped then */
    bool dont_fragment;
    struct sp_addr local;
    ev_io readable;
    uint64_t max_age_us; /* 0: any */
    sp_dgram_keep_fn *keep;
    sp_dgram_input_fn *fn;
    void *arg;
    bool *closed; /* set when it is closed from within its own call */
    struct sp_dgram_counters counters;
};

/* --- out ------------------------------------------------------------------------------------ */

/* That datagram alone: it is too large, has no route, or this host's firewall is against it. */
static void count_failure(struct sp_dgram *d)
{
    if (errno == ENOBUFS)
        d->counters.dropped_full++;
    else
        d->counters.dropped_error++;
}

static bool same_way(const struct sp_dgram_pool *p, size_t a, size_t b)
{
    const struct msghdr *x = &p->out[a].msg_hdr, *y = &p->out[b].msg_hdr;

    return x->msg_namelen == y->msg_namelen && x->msg_controllen == y->msg_controllen &&
           memcmp(x->msg_name, y->msg_name, x->msg_namelen) == 0 &&
           (x->msg_controllen == 0 ||
            memcmp(x->msg_control, y->msg_control, x->msg_controllen) == 0);
}

/* How many from waiting[from] on are alike but for the last, which may be shorter: one destination,
 * one source, one length. They lie back to back. */
static size_t alike(const struct sp_dgram_pool *p, size_t from, size_t to)
{
    const struct waiting *w = &p->waiting[from];
    size_t len = w->iov.iov_len, n = 1;

    if (p->no_segments || len > SEGMENT_MAX)
        return 1;
    while (from + n < to && p->waiting[from + n - 1].iov.iov_len == len) {
        size_t next_len = p->waiting[from + n].iov.iov_len;
        if (next_len > len || next_len == 0 || !same_way(p, from, from + n))
            break;
        n++;
    }
    return n;
}

/* These leave as one piece, which the kernel, or the network's card, cuts up again: a frame of
 * video costs little more than one datagram then. False: not that way. */
static bool send_segments(struct sp_dgram_pool *p, size_t from, size_t n)
{
    struct waiting *w = &p->waiting[from];
    union segments_control control = {.bytes = {0}};
    struct iovec iov = {w->iov.iov_base, 0};
    struct msghdr h = p->out[from].msg_hdr;
    uint16_t len = (uint16_t)w->iov.iov_len;

    for (size_t i = 0; i < n; i++)
        iov.iov_len += p->waiting[from + i].iov.iov_len;
    if (h.msg_controllen > 0)
        memcpy(control.bytes, h.msg_control, h.msg_controllen);
    struct cmsghdr *c = (void *)(control.bytes + h.msg_controllen); /* its length is CMSG_SPACE's */
    *c = (struct cmsghdr){CMSG_LEN(sizeof len), SOL_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &len, sizeof len);
    h.msg_iov = &iov;
    h.msg_control = &control;
    h.msg_controllen += CMSG_SPACE(sizeof len);
    if (sendmsg(w->sock->fd, &h, MSG_NOSIGNAL) < 0) {
        /* Not by this kernel, or by this card. All else is said of each of them again. */
        if (errno == ENOPROTOOPT || errno == EINVAL || errno == EIO)
            p->no_segments = true;
        return false;
    }
    w->sock->counters.sent += n;
    return true;
}

/* Sends waiting[from .. to), all of one socket. */
static void send_each(struct sp_dgram_pool *p, size_t from, size_t to)
{
    while (from < to) {
        struct sp_dgram *d = p->waiting[from].sock;
        int n = sendmmsg(d->fd, &p->out[from], (unsigned)(to - from), MSG_NOSIGNAL);
        if (n > 0) {
            d->counters.sent += (uint64_t)n;
            from += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            d->counters.dropped_full += to - from; /* it is full for those behind, too */
            return;
        } else if (errno != EINTR) {
            count_failure(d);
            from++;
        }
    }
}

static void send_run(struct sp_dgram_pool *p, size_t from, size_t to)
{
    size_t begun = from;

    while (from < to) {
        size_t n = alike(p, from, to);
        if (n < SEGMENTS_MIN) {
            from += n;
            continue;
        }
        send_each(p, begun, from);
        if (!send_segments(p, from, n))
            send_each(p, from, from + n);
        begun = from += n;
    }
    send_each(p, begun, to);
}

static void flush(struct sp_dgram_pool *p)
{
    size_t n = p->n;

    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && p->waiting[to].sock == p->waiting[from].sock; to++)
            continue;
        send_run(p, from, to);
    }
    p->n = p->used = 0;
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)now_us;
    flush(arg);
}

/* A socket that is bound to one address sends from there anyway. */
static bool may_choose_source(const struct sp_dgram *d, const struct sp_addr *local)
{
    return local != NULL && !sp_addr_is_any(local) && sp_addr_is_any(&d->local) &&
           (d->is_v6 || local->family == SP_IPV4);
}

static size_t put_source(const struct sp_dgram *d, const struct sp_addr *local, union control *c)
{
    struct sockaddr_storage ss;
    struct cmsghdr *h = &c->align;

    memset(c, 0, sizeof *c);
    sp_addr_to_sockaddr(local, d->is_v6, &ss);
    if (d->is_v6) {
        struct in6_pktinfo info = {.ipi6_addr = ((struct sockaddr_in6 *)&ss)->sin6_addr};
        *h = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(h), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in_pktinfo info = {.ipi_spec_dst = ((struct sockaddr_in *)&ss)->sin_addr};
    *h = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
    memcpy(CMSG_DATA(h), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

void sp_dgram_send(struct sp_dgram *d, const struct sp_addr *remote, const struct sp_addr *local,
                   const struct sp_span *parts, size_t n)
{
    struct sp_dgram_pool *p = d->pool;
    size_t len = sp_spans_len(parts, n);

    if (len > DATAGRAM) {
        d->counters.dropped_error++;
        return;
    }
    if (p->n == BATCH || p->used + len > ARENA_BYTES)
        flush(p);
    struct waiting *w = &p->waiting[p->n];
    struct msghdr *h = &p->out[p->n].msg_hdr;
    uint8_t *to = p->arena + p->used;

    w->sock = d;
    sp_spans_join(to, parts, n);
    w->iov = (struct iovec){to, len};
    *h = (struct msghdr){.msg_name = &w->to, .msg_iov = &w->iov, .msg_iovlen = 1};
    h->msg_namelen = sp_addr_to_sockaddr(remote, d->is_v6, &w->to);
    if (may_choose_source(d, local)) {
        h->msg_control = &w->control;
        h->msg_controllen = put_source(d, local, &w->control);
    }
    p->n++;
    p->used += len;
    sp_ticker_defer(p->ticker, &p->flush);
}

void sp_dgram_set_dont_fragment(struct sp_dgram *d, bool on)
{
    int value = on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT; /* as sp_sock_udp sets it */

    if (d->dont_fragment == on || d->local.family != SP_IPV4)
        return;
    flush(d->pool);
    setsockopt(d->fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
    d->dont_fragment = on;
}

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
    p->ticker = ticker;
    p->n = p->used = 0;
    p->no_segments = false;
    p->late_us = p->late_since_us = 0;
    make_slots(p);
    sp_deferred_init(&p->flush, on_flush, p);
    *out = p;
    return 0;
}

void sp_dgram_pool_free(struct sp_dgram_pool *p)
{
    if (p == NULL)
        return;
    sp_deferred_cancel(&p->flush);
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
    flush(d->pool);
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
