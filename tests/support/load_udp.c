/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "require.h"

#define SOCKET_ROOM (64 << 20) /* what comes while we send is not lost here */
#define PIECE       65536      /* of several datagrams that were sent as one (UDP_GRO) */
#define READS       16         /* batches; then others have their turn */

struct load_udp_slots {
    struct mmsghdr msgs[LOAD_UDP_BATCH];
    struct iovec iov[LOAD_UDP_BATCH];
    struct sockaddr_in addr[LOAD_UDP_BATCH];
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))];
    } control[LOAD_UDP_BATCH];
    uint8_t bytes[];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: UDP: %s\n", what);
    exit(1);
}

static struct load_udp_slots *new_slots(bool in)
{
    size_t room = in ? PIECE : LOAD_UDP_ROOM;
    struct load_udp_slots *s = calloc(1, sizeof *s + LOAD_UDP_BATCH * room);

    if (s == NULL)
        die("no memory");
    for (size_t i = 0; i < LOAD_UDP_BATCH; i++) {
        s->iov[i] = (struct iovec){s->bytes + i * room, room};
        s->msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &s->iov[i],
                            .msg_iovlen = 1,
                            .msg_control = s->control[i].bytes,
                            .msg_controllen = in ? sizeof s->control[i].bytes
                                                 : CMSG_SPACE(sizeof(struct in_pktinfo))};
        if (in)
            continue;
        struct cmsghdr *c = CMSG_FIRSTHDR(&s->msgs[i].msg_hdr);

        s->addr[i].sin_family = AF_INET;
        s->msgs[i].msg_hdr.msg_name = &s->addr[i];
        s->msgs[i].msg_hdr.msg_namelen = sizeof s->addr[i];
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    }
    return s;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Which of our hosts it was sent to, and how long each datagram in it is. */
static bool host_of(const struct load_udp *u, struct msghdr *m, uint32_t *host, size_t *each)
{
    struct in_pktinfo info;
    int len;

    *host = LOAD_UDP_HOSTS;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&info, CMSG_DATA(c), sizeof info);
            *host = ntohl(info.ipi_addr.s_addr) - sp_get_be32(u->net.ip);
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            memcpy(&len, CMSG_DATA(c), sizeof len);
            *each = (size_t)len;
        }
    }
    return *host < LOAD_UDP_HOSTS;
}

/* What the kernel has left together, as it was sent, is taken apart. */
static void take(struct load_udp *u, struct mmsghdr *m)
{
    struct sp_span s = sp_span(m->msg_hdr.msg_iov->iov_base, m->msg_len);
    size_t each = s.len;
    uint32_t host;

    if (!host_of(u, &m->msg_hdr, &host, &each))
        return;
    do {
        size_t n = each < s.len ? each : s.len;
        u->fn(host, sp_span(s.p, n), u->arg);
        s = sp_span_skip(s, n);
    } while (s.len > 0);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct load_udp *u = w->data;
    struct load_udp_slots *s = u->in;
    int n = LOAD_UDP_BATCH;

    (void)loop;
    (void)events;
    for (unsigned reads = 0; reads < READS && n == LOAD_UDP_BATCH; reads++) {
        for (size_t i = 0; i < LOAD_UDP_BATCH; i++)
            s->msgs[i].msg_hdr.msg_controllen = sizeof s->control[i].bytes;
        n = recvmmsg(u->fd, s->msgs, LOAD_UDP_BATCH, MSG_DONTWAIT, NULL);
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            die(strerror(errno));
        for (int i = 0; i < n; i++)
            take(u, &s->msgs[i]);
    }
}

/* ---- out ------------------------------------------------------------------------------------- */

struct sp_addr load_udp_address(const struct load_udp *u, uint32_t host)
{
    struct sp_addr a = u->net;

    sp_put_be32(a.ip, sp_get_be32(a.ip) + host);
    return a;
}

uint8_t *load_udp_room(struct load_udp *u)
{
    return u->out->iov[u->waiting].iov_base;
}

void load_udp_put(struct load_udp *u, uint32_t host, const struct sp_addr *to, size_t len)
{
    struct load_udp_slots *s = u->out;
    unsigned i = u->waiting++;
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(sp_get_be32(u->net.ip) + host)};

    memcpy(&s->addr[i].sin_addr, to->ip, 4);
    s->addr[i].sin_port = htons(to->port);
    struct cmsghdr *control = CMSG_FIRSTHDR(&s->msgs[i].msg_hdr);
    if (control != NULL) /* each slot has room for it */
        memcpy(CMSG_DATA(control), &info, sizeof info);
    s->iov[i].iov_len = len;
    if (u->waiting == LOAD_UDP_BATCH)
        load_udp_flush(u);
}

void load_udp_flush(struct load_udp *u)
{
    unsigned done = 0;

    while (done < u->waiting) {
        int n = sendmmsg(u->fd, u->out->msgs + done, u->waiting - done, MSG_DONTWAIT);

        if (n > 0) {
            done += (unsigned)n;
        } else if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED) {
            u->refused++;
            done++;
        } else if (errno != EINTR) {
            die(strerror(errno));
        }
    }
    u->waiting = 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void require_local(const struct sp_addr *net)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(net, false, &ss);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[SP_ADDR_STRLEN];

    ((struct sockaddr_in *)&ss)->sin_port = 0;
    if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) != 0) {
        fprintf(stderr, "load: %s is no address of this host: ip route add local NETWORK dev lo\n",
                sp_addr_format_ip(net, text));
        exit(1);
    }
    close(fd);
}

void load_udp_init(struct load_udp *u, struct ev_loop *loop, const struct sp_addr *net,
                   load_udp_fn *fn, void *arg)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof any;
    int on = 1, room = SOCKET_ROOM;

    REQUIRE(net->family == SP_IPV4);
    require_local(net);
    *u = (struct load_udp){.loop = loop, .net = *net, .fn = fn, .arg = arg};
    u->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (u->fd < 0 || bind(u->fd, (struct sockaddr *)&any, len) != 0 ||
        getsockname(u->fd, (struct sockaddr *)&any, &len) != 0 ||
        setsockopt(u->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0)
        die(strerror(errno));
    (void)setsockopt(u->fd, SOL_UDP, UDP_GRO, &on, sizeof on); /* older kernels take it apart */
    /* Beyond the system's bound only for root; less may do. */
    setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(u->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    u->net.port = ntohs(any.sin_port);
    u->in = new_slots(true);
    u->out = new_slots(false);
    ev_io_init(&u->readable, on_readable, u->fd, EV_READ);
    u->readable.data = u;
    ev_io_start(loop, &u->readable);
}

void load_udp_fini(struct load_udp *u)
{
    ev_io_stop(u->loop, &u->readable);
    close(u->fd);
    free(u->in);
    free(u->out);
}
