/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dgram_impl.h"

#define BATCH        32
#define ARENA_BYTES  (BATCH * 4096)
#define SEGMENTS_MIN 3 /* below, a call of their own is not worth it */
#define SEGMENT_MAX \
    1400 /* longer ones might have to be cut on their way, which segments can't be */

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
    struct iovec iov;
    union control control;
};

struct outbox {
    struct sp_ticker *ticker;
    struct sp_deferred flush;
    size_t n, used;
    struct waiting waiting[BATCH];
    struct mmsghdr out[BATCH];
    bool no_segments; /* the kernel cuts none (UDP_SEGMENT) */
    uint8_t arena[ARENA_BYTES];
};

/* That datagram alone: it is too large, has no route, or this host's firewall is against it. */
static void count_failure(struct sp_dgram *d)
{
    if (errno == ENOBUFS)
        d->counters.dropped_full++;
    else
        d->counters.dropped_error++;
}

static bool same_way(const struct outbox *b, size_t i, size_t j)
{
    const struct msghdr *x = &b->out[i].msg_hdr, *y = &b->out[j].msg_hdr;

    return x->msg_namelen == y->msg_namelen && x->msg_controllen == y->msg_controllen &&
           memcmp(x->msg_name, y->msg_name, x->msg_namelen) == 0 &&
           (x->msg_controllen == 0 ||
            memcmp(x->msg_control, y->msg_control, x->msg_controllen) == 0);
}

/* How many from waiting[from] on are alike but for the last, which may be shorter: one destination,
 * one source, one length. They lie back to back. */
static size_t alike(const struct outbox *b, size_t from, size_t to)
{
    const struct waiting *w = &b->waiting[from];
    size_t len = w->iov.iov_len, n = 1;

    if (b->no_segments || len > SEGMENT_MAX)
        return 1;
    while (from + n < to && b->waiting[from + n - 1].iov.iov_len == len) {
        size_t next_len = b->waiting[from + n].iov.iov_len;
        if (next_len > len || next_len == 0 || !same_way(b, from, from + n))
            break;
        n++;
    }
    return n;
}

/* These leave as one piece, which the kernel, or the network's card, cuts up again: a frame of
 * video costs little more than one datagram then. False: not that way. */
static bool send_segments(struct outbox *b, size_t from, size_t n)
{
    struct waiting *w = &b->waiting[from];
    union segments_control control = {.bytes = {0}};
    struct iovec iov = {w->iov.iov_base, 0};
    struct msghdr h = b->out[from].msg_hdr;
    uint16_t len = (uint16_t)w->iov.iov_len;

    for (size_t i = 0; i < n; i++)
        iov.iov_len += b->waiting[from + i].iov.iov_len;
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
            b->no_segments = true;
        return false;
    }
    w->sock->counters.sent += n;
    return true;
}

/* Sends waiting[from .. to), all of one socket. */
static void send_each(struct outbox *b, size_t from, size_t to)
{
    while (from < to) {
        struct sp_dgram *d = b->waiting[from].sock;
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

void outbox_flush(struct outbox *b)
{
    size_t n = b->n;

    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && b->waiting[to].sock == b->waiting[from].sock; to++)
            continue;
        send_run(b, from, to);
    }
    b->n = b->used = 0;
}

static void on_flush(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    (void)d;
    (void)now_us;
    outbox_flush(arg);
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
    struct outbox *b = d->out;
    size_t len = sp_spans_len(parts, n);

    if (len > DATAGRAM) {
        d->counters.dropped_error++;
        return;
    }
    if (b->n == BATCH || b->used + len > ARENA_BYTES)
        outbox_flush(b);
    struct waiting *w = &b->waiting[b->n];
    struct msghdr *h = &b->out[b->n].msg_hdr;
    uint8_t *to = b->arena + b->used;

    w->sock = d;
    sp_spans_join(to, parts, n);
    w->iov = (struct iovec){to, len};
    *h = (struct msghdr){.msg_name = &w->to, .msg_iov = &w->iov, .msg_iovlen = 1};
    h->msg_namelen = sp_addr_to_sockaddr(remote, d->is_v6, &w->to);
    if (may_choose_source(d, local)) {
        h->msg_control = &w->control;
        h->msg_controllen = put_source(d, local, &w->control);
    }
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
    b->n = b->used = 0;
    b->no_segments = false;
    sp_deferred_init(&b->flush, on_flush, b);
    return b;
}

void outbox_free(struct outbox *b)
{
    sp_deferred_cancel(&b->flush);
    free(b);
}
