/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/sock.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* not netinet/tcp.h: its tcp_info ends before bytes_acked */
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sallyport/err.h"

#define BACKLOG 1024
#define DISCARD 64

/* Closes `fd` without losing what went wrong with it. */
static int fail(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return SP_ESYS;
}

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

const char *sp_sock_listen_advice(int err)
{
    switch (err) {
    case EACCES:
        return "; ports below 1024 are for root and for who has CAP_NET_BIND_SERVICE";
    case EADDRINUSE:
        return "; `ss -lntup`, as root, names who listens there";
    case EADDRNOTAVAIL:
        return "; `ip address` names the addresses of this host";
    default:
        return "";
    }
}

/* As much as was asked for where we may (root), else as much as the system's bound allows. */
static void set_buffer(int fd, int force, int plain, int bytes)
{
    if (bytes > 0 && set_int(fd, SOL_SOCKET, force, bytes) != 0)
        set_int(fd, SOL_SOCKET, plain, bytes);
}

void sp_sock_set_buffers(int fd, const struct sp_sock_options *o)
{
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, o->rcvbuf);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, o->sndbuf);
}

void sp_sock_discard(int fd)
{
    uint8_t byte;

    /* Whoever goes on sending can't keep us here. */
    for (int i = 0; i < DISCARD && recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0; i++)
        continue;
}

static int set_options(int fd, const struct sp_sock_options *o)
{
    if (o->reuse_port && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
        return SP_ESYS;
    sp_sock_set_buffers(fd, o);
    return 0;
}

/*
 * With DF: probe mode, which sets it but does not believe ICMP about the path, since anybody may
 * forge that. Without, DF is clear, as a relay's must be (RFC 8656, "IP Header Fields"). IPv6
 * routers never fragment, so there the system's ways are right.
 */
static void set_fragmentation(int fd, bool v6, bool dont_fragment)
{
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    if (v6 && dont_fragment) {
        set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    }
}

static int prepare(int fd, const struct sp_addr *local, int type, const struct sp_sock_options *o)
{
    bool v6 = local->family == SP_IPV6, any = sp_addr_is_any(local);

    if (set_options(fd, o) != 0)
        return SP_ESYS;
    if (v6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any) != 0)
        return SP_ESYS;
    if (type == SOCK_STREAM)
        return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 ? 0 : SP_ESYS;
    set_fragmentation(fd, v6, o->dont_fragment);
    if (!any)
        return 0; /* bound to one address: that is the one */
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, option = v6 ? IPV6_RECVPKTINFO : IP_PKTINFO;
    return set_int(fd, level, option, 1) == 0 ? 0 : SP_ESYS;
}

static int make_socket(const struct sp_addr *a, int type)
{
    int family = a->family == SP_IPV6 ? AF_INET6 : AF_INET;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int open_bound(const struct sp_addr *local, int type, const struct sp_sock_options *o,
                      int *fd, struct sp_addr *bound)
{
    static const struct sp_sock_options none;
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(local, false, &ss);
    int s = make_socket(local, type);

    if (s < 0 || prepare(s, local, type, o != NULL ? o : &none) != 0 ||
        bind(s, (struct sockaddr *)&ss, len) != 0 ||
        (type == SOCK_STREAM && listen(s, BACKLOG) != 0))
        return fail(s);
    int err = sp_sock_local(s, bound);
    if (err != 0)
        return fail(s);
    *fd = s;
    return 0;
}

static int open_with_fallback(const struct sp_addr *local, int type,
                              const struct sp_sock_options *o, int *fd, struct sp_addr *bound)
{
    int err = open_bound(local, type, o, fd, bound);

    /* IPv6 is not compiled in, or switched off. */
    if (err != 0 && local->family == SP_IPV6 && sp_addr_is_any(local) &&
        (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct sp_addr v4 = sp_addr_v4(0, 0, 0, 0, local->port);
        err = open_bound(&v4, type, o, fd, bound);
    }
    return err;
}

int sp_sock_udp(const struct sp_addr *local, const struct sp_sock_options *o, int *fd,
                struct sp_addr *bound)
{
    return open_with_fallback(local, SOCK_DGRAM, o, fd, bound);
}

int sp_sock_listen(const struct sp_addr *local, const struct sp_sock_options *o, int *fd,
                   struct sp_addr *bound)
{
    return open_with_fallback(local, SOCK_STREAM, o, fd, bound);
}

int sp_sock_connect(const struct sp_addr *remote, int *fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(remote, false, &ss);
    int s = make_socket(remote, SOCK_STREAM);

    if (s < 0 || (connect(s, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS))
        return fail(s);
    *fd = s;
    return 0;
}

int sp_sock_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? err : errno;
}

int sp_sock_tune_stream(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, SP_SOCK_NOTSENT_MAX},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 20 * 1000}, /* ms until silence ends it */
        {SOL_SOCKET, SO_KEEPALIVE, 1},              /* dead peers of idle connections, in 75 s */
        {IPPROTO_TCP, TCP_KEEPIDLE, 30},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(options); i++)
        if (set_int(fd, options[i].level, options[i].option, options[i].value) != 0)
            return SP_ESYS;
    return 0;
}

/* Newer than the headers of some systems that we are built on. */
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45 /* Linux 6.15 */
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46 /* Linux 6.15 */
#endif

/* All of these are wishes. The kernel counts in ticks of up to 4 ms (10 in some), and takes no less
 * than two of them for an acknowledgement that waits for company. */
bool sp_sock_tune_lane(int fd)
{
    (void)set_int(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1);
    sp_sock_expect_queue(fd, false);
    return set_int(fd, IPPROTO_TCP, TCP_DELACK_MAX_US, 8 * 1000) == 0;
}

void sp_sock_expect_queue(int fd, bool queue)
{
    (void)set_int(fd, IPPROTO_TCP, TCP_RTO_MIN_US, (queue ? 100 : 20) * 1000);
}

void sp_sock_tune_sole(int fd)
{
    (void)set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SP_SOCK_NOTSENT_SOLE);
}

int sp_sock_set_congestion(int fd, const char *name)
{
    socklen_t len = (socklen_t)strlen(name);
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, len) == 0 ? 0 : SP_ESYS;
}

int sp_sock_congestion(int fd, char name[static SP_CONGESTION_MAX])
{
    socklen_t len = SP_CONGESTION_MAX - 1;

    memset(name, 0, SP_CONGESTION_MAX);
    return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 ? 0 : SP_ESYS;
}

int sp_sock_try_congestion(const char *name, char got[static SP_CONGESTION_MAX])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool set = fd >= 0 && (name == NULL || sp_sock_set_congestion(fd, name) == 0);
    int err = errno;

    (void)sp_sock_congestion(fd, got);
    errno = err;
    if (!set)
        return fail(fd);
    close(fd);
    return 0;
}

void sp_sock_ack_now(int fd)
{
    (void)set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

static int get_name(int fd, int (*get)(int, struct sockaddr *, socklen_t *), struct sp_addr *out)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    if (get(fd, (struct sockaddr *)&ss, &len) != 0)
        return SP_ESYS;
    if (sp_addr_from_sockaddr((struct sockaddr *)&ss, out) != 0) {
        errno = EAFNOSUPPORT;
        return SP_ESYS;
    }
    return 0;
}

static int get_local(int fd, struct sockaddr *sa, socklen_t *len)
{
    return getsockname(fd, sa, len);
}

static int get_remote(int fd, struct sockaddr *sa, socklen_t *len)
{
    return getpeername(fd, sa, len);
}

int sp_sock_local(int fd, struct sp_addr *out)
{
    return get_name(fd, get_local, out);
}

int sp_sock_remote(int fd, struct sp_addr *out)
{
    return get_name(fd, get_remote, out);
}

static size_t least(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

#define ETHERNET_MSS 1460 /* longer ones, as loopback's of 64 KB, count as several of that */

/* What still leaves at once when it is written together. Where less than a third of the window is
 * left Linux waits for the acknowledgement that comes next (tcp_tso_should_defer). A kernel that
 * doesn't tell how much the receiver has room for says 0. */
static uint32_t window_segments(const struct tcp_info *ti, uint32_t queued)
{
    uint32_t mss = (uint32_t)least(ti->tcpi_snd_mss, ETHERNET_MSS);
    uint32_t cwnd = ti->tcpi_snd_cwnd - ti->tcpi_snd_cwnd / 3;
    uint64_t segments =
        cwnd > ti->tcpi_unacked && ti->tcpi_notsent_bytes == 0 ? cwnd - ti->tcpi_unacked : 0;

    if (ti->tcpi_snd_wnd == 0 || mss == 0)
        return (uint32_t)segments;
    uint32_t wnd = ti->tcpi_snd_wnd - ti->tcpi_snd_wnd / 3;
    uint32_t room = wnd > queued ? wnd - queued : 0;
    return (uint32_t)least(segments * (ti->tcpi_snd_mss / mss), room / mss);
}

int sp_sock_tcp_info(int fd, struct sp_sock_tcp *out)
{
    struct tcp_info ti = {0};
    socklen_t len = sizeof ti;
    int queued = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
        return SP_ESYS;
    bool idle = ti.tcpi_unacked == 0 && ti.tcpi_notsent_bytes == 0; /* no need to ask how much */
    if (!idle && ioctl(fd, SIOCOUTQ, &queued) != 0)
        return SP_ESYS;
    *out = (struct sp_sock_tcp){
        .unacked_bytes = (uint32_t)queued,
        .notsent_bytes = ti.tcpi_notsent_bytes,
        .rtt_us = ti.tcpi_rtt,
        .acked_bytes = ti.tcpi_bytes_acked,
        .retransmits = ti.tcpi_total_retrans,
        .window_segments = window_segments(&ti, (uint32_t)queued),
    };
    return 0;
}

static int count_bytes(int fd, unsigned long which, size_t *out)
{
    int bytes;

    if (ioctl(fd, which, &bytes) != 0)
        return SP_ESYS;
    *out = (size_t)bytes;
    return 0;
}

int sp_sock_notsent(int fd, size_t *out)
{
    return count_bytes(fd, SIOCOUTQNSD, out);
}

int sp_sock_unread(int fd, size_t *out)
{
    return count_bytes(fd, FIONREAD, out);
}

/* BBR lets out no more than a millisecond's worth at once. Others have a rate as well, and don't
 * keep to it; but a system may have them keep to it, and doesn't tell. */
static bool is_paced(int fd)
{
    char name[SP_CONGESTION_MAX];

    return sp_sock_congestion(fd, name) != 0 || strncmp(name, "bbr", 3) == 0;
}

int sp_sock_burst(int fd, struct sp_sock_burst *out)
{
    struct tcp_info ti = {0};
    socklen_t len = sizeof ti;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
        return SP_ESYS;
    uint64_t sent = (uint64_t)ti.tcpi_unacked * ti.tcpi_snd_mss;
    uint64_t cwnd = (uint64_t)ti.tcpi_snd_cwnd * ti.tcpi_snd_mss;
    uint64_t window = least(cwnd, ti.tcpi_snd_wnd); /* 0: a kernel that does not tell */
    bool well = ti.tcpi_ca_state == TCP_CA_Open && ti.tcpi_notsent_bytes == 0;
    size_t leaves = well && window > sent ? least(window - sent, SP_SOCK_BURST_MAX) : 0;

    if (leaves > 0 && is_paced(fd))
        leaves = least(leaves, ti.tcpi_pacing_rate / 1000);
    *out = (struct sp_sock_burst){
        .notsent = ti.tcpi_notsent_bytes,
        .at_once = leaves,
        .segments = ti.tcpi_data_segs_out,
        .retransmits = ti.tcpi_total_retrans,
    };
    return 0;
}

/* Connecting a datagram socket sends nothing, it only looks up the route. The addresses are global
 * ones that no route but the default leads to: 6to4's old relays, and IPv6's lowest global one. */
int sp_sock_default_addr(uint16_t family, struct sp_addr *out)
{
    static const char *const far[] = {[SP_IPV4] = "192.88.99.1", [SP_IPV6] = "2000::1"};
    struct sp_addr to;
    struct sockaddr_storage ss;

    if ((family != SP_IPV4 && family != SP_IPV6) || sp_addr_parse_ip(far[family], &to) != 0)
        return SP_EINVAL;
    to.port = 9;
    socklen_t len = sp_addr_to_sockaddr(&to, false, &ss);
    int s = make_socket(&to, SOCK_DGRAM);
    struct sp_addr a;

    if (s < 0 || connect(s, (struct sockaddr *)&ss, len) != 0 || sp_sock_local(s, &a) != 0) {
        fail(s);
        return SP_ENOENT;
    }
    close(s);
    a.port = 0;
    *out = a;
    return 0;
}

size_t sp_sock_own_addrs(struct sp_addr *out, size_t cap)
{
    struct ifaddrs *all;
    size_t n = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        struct sp_addr a;
        if (i->ifa_addr == NULL || sp_addr_from_sockaddr(i->ifa_addr, &a) != 0)
            continue;
        a.port = 0;
        if (n < cap)
            out[n] = a;
        n++;
    }
    freeifaddrs(all);
    return n;
}

bool sp_sock_is_own(const struct sp_addr *a)
{
    struct sp_addr own[256];
    size_t n = sp_sock_own_addrs(own, SP_ARRAY_LEN(own));

    for (size_t i = 0; i < n && i < SP_ARRAY_LEN(own); i++)
        if (sp_addr_same_ip(&own[i], a))
            return true;
    return false;
}
