/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is sent by UDP. Each call into the kernel costs more than all else that is done for a
 * datagram, so those of a turn are put in order first: by socket, and then by where they go.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dgram_impl.h"

#define BATCH        128
#define ARENA_BYTES  (BATCH * 2048)
#define SEGMENTS_MIN 2
#define SEGMENTS_MAX 32 /* together less than 64 KB */
#define SEGMENT_MAX \
    1400 /* longer ones might have to be cut on their way, which segments can't be */
#define NONE BATCH

/* One control message: the address a datagram was sent to, or is to leave from. */
union control {
    struct cmsghdr align;
    uint8_t v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    uint8_t v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
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
    socklen_t to_len;
    union control control;
    size_t control_len;
    struct iovec bytes;
    size_t next; /* by the same way; NONE: there is none */
};

/* From a socket's address to another: what goes there stays in its order. */
struct way {
    uint32_t hint; /* of ways that are alike; of others, seldom */
    size_t first, last;
};

struct outbox {
    struct sp_ticker *ticker;
    struct sp_deferred flush;
    size_t n, n_ways, used;
    struct waiting waiting[BATCH];
    struct way ways[BATCH];
    bool no_segments; /* the kernel cuts none (UDP_SEGMENT) */
    /* As they leave: those of a socket behind each other, and among them those of a way. */
    const struct waiting *order[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr out[BATCH];
    uint8_t arena[ARENA_BYTES];
};

/* --- they leave ----------------------------------------------------------------------------- */

/* That datagram alone: it is too large, has no route, or this host's firewall is against it. */
static void count_failure(struct sp_dgram *d)
{
    if (errno == ENOBUFS)
        d->counters.dropped_full++;
    else
        d->counters.dropped_error++;
}

static bool same_way(const struct waiting *x, const struct waiting *y)
{
    return x->sock == y->sock && x->to_len == y->to_len && x->control_len == y->control_len &&
           memcmp(&x->to, &y->to, x->to_len) == 0 &&
           (x->control_len == 0 || memcmp(&x->control, &y->control, x->control_len) == 0);
}

/* How many from order[from] on go the same way and are as long, but for the last, which may be
 * shorter. */
static size_t alike(const struct outbox *b, size_t from, size_t to)
{
    size_t len = b->iov[from].iov_len, n = 1;

    if (b->no_segments || len > SEGMENT_MAX)
        return 1;
    while (from + n < to && n < SEGMENTS_MAX && b->iov[from + n - 1].iov_len == len) {
        size_t next_len = b->iov[from + n].iov_len;
        if (next_len > len || next_len == 0 || !same_way(b->order[from], b->order[from + n]))
            break;
        n++;
    }
    return n;
}

/* These leave as one piece, which the kernel, or the network's card, cuts up again: a frame of
 * video costs little more than one datagram then. False: not that way. */
static bool send_segments(struct outbox *b, size_t from, size_t n)
{
    struct sp_dgram *d = b->order[from]->sock;
    union segments_control control = {.bytes = {0}};
    struct msghdr h = b->out[from].msg_hdr;
    uint16_t len = (uint16_t)b->iov[from].iov_len;

    if (h.msg_controllen > 0)
        memcpy(control.bytes, h.msg_control, h.msg_controllen);
    struct cmsghdr *c = (void *)(control.bytes + h.msg_controllen); /* its length is CMSG_SPACE's */
    *c = (struct cmsghdr){CMSG_LEN(sizeof len), SOL_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &len, sizeof len);
    h.msg_iovlen = n; /* they follow each other in iov[] */
    h.msg_control = &control;
    h.msg_controllen += CMSG_SPACE(sizeof len);
    if (sendmsg(d->fd, &h, MSG_NOSIGNAL) < 0) {
        /* Not by this kernel, or by this card. All else, as a path that takes only shorter ones, is
         * said of each of them again. */
        if (errno == ENOPROTOOPT || errno == EIO)
            b->no_segments = true;
        return false;
    }
    d->counters.sent += n;
    return true;
}

/* Sends order[from .. to), all of one socket. */
static void send_each(struct outbox *b, size_t from, size_t to)
{
    while (from < to) {
        struct sp_dgram *d = b->order[from]->sock;
        int n = sendmmsg(d->fd, &b->out[from], (unsigned)(to - from), MSG_NOSIGNAL);
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

static void send_run(struct outbox *b, size_t from, size_t to)
{
    size_t begun = from;

    while (from < to) {
        size_t n = alike(b, from, to);
        if (n < SEGMENTS_MIN) {
            from += n;
            continue;
        }
        send_each(b, begun, from);
        if (!send_segments(b, from, n))
            send_each(b, from, from + n);
        begun = from += n;
    }
    send_each(b, begun, to);
}

/* The next that leaves. The kernel writes to none of it. */
static void put(struct outbox *b, size_t k, struct waiting *w)
{
    b->order[k] = w;
    b->iov[k] = w->bytes;
    b->out[k].msg_hdr = (struct msghdr){.msg_name = &w->to,
                                        .msg_namelen = w->to_len,
                                        .msg_iov = &b->iov[k],
                                        .msg_iovlen = 1,
                                        .msg_control = w->control_len > 0 ? &w->control : NULL,
                                        .msg_controllen = w->control_len};
}

/* All that one socket has, way by way, beginning with this one. Returns how many there are then. */
static size_t put_socket(struct outbox *b, size_t way, size_t k)
{
    const struct sp_dgram *d = b->waiting[b->ways[way].first].sock;

    for (; way < b->n_ways; way++) {
        struct way *y = &b->ways[way];
        if (y->first == NONE || b->waiting[y->first].sock != d)
            continue;
        for (size_t i = y->first; i != NONE; i = b->waiting[i].next)
            put(b, k++, &b->waiting[i]);
        y->first = NONE;
    }
    return k;
}

void outbox_flush(struct outbox *b)
{
    size_t from = 0, to;

    for (size_t way = 0; way < b->n_ways; way++) {
        if (b->ways[way].first == NONE)
            continue;
        to = put_socket(b, way, from);
        send_run(b, from, to);
        from = to;
    }
    b->n = b->n_ways = b->used = 0;
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)now_us;
    outbox_flush(arg);
}

/* --- they wait ------------------------------------------------------------------------------ */

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

/* Of the least bits of an address and of its port: those in which peers differ. */
static uint32_t hint(const struct sp_dgram *d, const struct sp_addr *remote)
{
    const uint8_t *ip = remote->ip + (remote->family == SP_IPV4 ? 0 : 12);

    return sp_get_be32(ip) ^ (uint32_t)remote->port << 16 ^ (uint32_t)((uintptr_t)d >> 4);
}

/* It goes behind those that go the same way, if there are any. */
static void follow(struct outbox *b, size_t i, uint32_t hint)
{
    size_t way = 0;

    while (way < b->n_ways && (b->ways[way].hint != hint ||
                               !same_way(&b->waiting[b->ways[way].first], &b->waiting[i])))
        way++;
    if (way < b->n_ways) {
        b->waiting[b->ways[way].last].next = i;
        b->ways[way].last = i;
    } else {
        b->ways[b->n_ways++] = (struct way){.hint = hint, .first = i, .last = i};
    }
    b->waiting[i].next = NONE;
}

void sp_dgram_send(struct sp_dgram *d, const struct sp_addr *remote, const struct sp_addr *local,
                   const struct sp_span *parts, size_t n)
{
    struct outbox *b = d->out;
    size_t len = sp_spans_len(parts, n);

    if (len > DATAGRAM) {
        d->counters.dropped_error++;
        return;
    }
    if (b->n == BATCH || b->used + len > ARENA_BYTES)
        outbox_flush(b);
    struct waiting *w = &b->waiting[b->n];
    uint8_t *to = b->arena + b->used;

    w->sock = d;
    sp_spans_join(to, parts, n);
    w->bytes = (struct iovec){to, len};
    w->to_len = sp_addr_to_sockaddr(remote, d->is_v6, &w->to);
    w->control_len = may_choose_source(d, local) ? put_source(d, local, &w->control) : 0;
    follow(b, b->n, hint(d, remote));
    b->n++;
    b->used += len;
    sp_ticker_defer(b->ticker, &b->flush);
}

void sp_dgram_set_dont_fragment(struct sp_dgram *d, bool on)
{
    int value = on ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT; /* as sp_sock_udp sets it */

    if (d->dont_fragment == on || d->local.family != SP_IPV4)
        return;
    outbox_flush(d->out);
    setsockopt(d->fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
    d->dont_fragment = on;
}

struct outbox *outbox_new(struct sp_ticker *ticker)
{
    struct outbox *b = malloc(sizeof *b); /* not cleared: most of it is never touched */

    if (b == NULL)
        return NULL;
    b->ticker = ticker;
    b->n = b->n_ways = b->used = 0;
    b->no_segments = false;
    sp_deferred_init(&b->flush, on_flush, b);
    return b;
}

void outbox_free(struct outbox *b)
{
    sp_deferred_cancel(&b->flush);
    free(b);
}
