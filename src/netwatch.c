/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/netwatch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define REREAD_US SP_SEC(10)

struct sp_netwatch {
    struct sp_ticker *ticker;
    sp_netwatch_fn *changed;
    void *arg;
    int fd; /* -1: by `timer` */
    ev_io io;
    struct sp_timer timer;
};

static int open_rtnetlink(enum sp_netwatch_what what)
{
    static const unsigned groups_of[] = {
        [SP_NETWATCH_ADDRESSES] = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        [SP_NETWATCH_WAYS] = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK |
                             RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = groups_of[what]};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&groups, sizeof groups) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void close_rtnetlink(struct sp_netwatch *w)
{
    if (w->fd < 0)
        return;
    ev_io_stop(w->ticker->loop, &w->io);
    close(w->fd);
    w->fd = -1;
}

static int wait_for_time(struct sp_netwatch *w)
{
    return sp_timerq_set(&w->ticker->timers, &w->timer, sp_ticker_now(w->ticker) + REREAD_US);
}

static void on_time(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_netwatch *w = arg;
    (void)timer;
    (void)now_us;

    (void)wait_for_time(w); /* a move */
    w->changed(w->arg);
}

/* What exactly happened doesn't matter, nor that some of it was lost (ENOBUFS): who listens looks
 * at the whole. */
static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct sp_netwatch *w = io->data;
    char buf[4096];
    ssize_t n;
    (void)loop;
    (void)events;

    do
        n = recv(w->fd, buf, sizeof buf, 0);
    while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
    if ((n == 0 || errno != EAGAIN) && wait_for_time(w) == 0)
        close_rtnetlink(w);
    w->changed(w->arg);
}

int sp_netwatch_new(struct sp_ticker *ticker, enum sp_netwatch_what what, sp_netwatch_fn *changed,
                    void *arg, struct sp_netwatch **out)
{
    struct sp_netwatch *w = calloc(1, sizeof *w);

    if (w == NULL)
        return SP_ENOMEM;
    *w = (struct sp_netwatch){
        .ticker = ticker, .changed = changed, .arg = arg, .fd = open_rtnetlink(what)};
    sp_timer_init(&w->timer, on_time, w);
    if (w->fd < 0 && wait_for_time(w) != 0) {
        free(w);
        return SP_ENOMEM;
    }
    if (w->fd >= 0) {
        ev_io_init(&w->io, on_readable, w->fd, EV_READ);
        w->io.data = w;
        ev_io_start(ticker->loop, &w->io);
    }
    *out = w;
    return 0;
}

void sp_netwatch_free(struct sp_netwatch *w)
{
    if (w == NULL)
        return;
    close_rtnetlink(w);
    sp_timerq_cancel(&w->ticker->timers, &w->timer);
    free(w);
}
