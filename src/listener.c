/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define BATCH    64         /* connections a loop turn: others want their turn, too */
#define PAUSE_US SP_MS(200) /* when descriptors or memory ran out */
#define QUIET_US SP_SEC(60) /* between two warnings of that */

struct sp_listener {
    struct sp_ticker *ticker;
    const struct sp_log *log;
    int fd;
    struct sp_addr local;
    ev_io readable;
    struct sp_timer pause;
    uint64_t warned_us;
    struct sp_listener_counters counters;
    sp_listener_fn *fn;
    void *arg;
    bool *closed; /* set when it is closed from within its own call */
};

/* Waiting in the backlog costs nobody anything; spinning on accept() would stop the whole loop. */
static void pause_accepting(struct sp_listener *l, int why)
{
    uint64_t now_us = sp_ticker_now(l->ticker);

    l->counters.pauses++;
    ev_io_stop(l->ticker->loop, &l->readable);
    if (sp_timerq_set(&l->ticker->timers, &l->pause, now_us + PAUSE_US) != 0)
        ev_io_start(l->ticker->loop, &l->readable); /* not even that: go on trying */
    if (l->warned_us == 0 || now_us - l->warned_us >= QUIET_US) {
        l->warned_us = now_us;
        sp_log_warn(l->log, "cannot accept connections for a moment",
                    SP_F_ADDR("listen", &l->local), SP_F_STR("reason", strerror(why)));
    }
}

static void on_pause_end(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_listener *l = arg;
    (void)timer;
    (void)now_us;
    ev_io_start(l->ticker->loop, &l->readable);
}

static bool is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct sp_listener *l = watcher->data;
    bool closed = false;
    (void)loop;
    (void)events;

    l->closed = &closed;
    for (int i = 0; i < BATCH && !closed; i++) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        struct sp_addr remote;
        int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (is_shortage(errno))
                pause_accepting(l, errno);
            else if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
                continue; /* that one is gone; the next may be well */
            break;
        }
        if (sp_addr_from_sockaddr((struct sockaddr *)&ss, &remote) != 0 ||
            sp_sock_tune_stream(fd) != 0) {
            close(fd);
            continue;
        }
        l->counters.accepted++;
        l->fn(l, fd, &remote, l->arg);
    }
    if (!closed)
        l->closed = NULL;
}

int sp_listener_open(struct sp_ticker *ticker, const struct sp_log *log,
                     const struct sp_addr *local, const struct sp_sock_options *o,
                     sp_listener_fn *fn, void *arg, struct sp_listener **out)
{
    struct sp_listener *l = calloc(1, sizeof *l);

    if (l == NULL)
        return SP_ENOMEM;
    l->ticker = ticker;
    l->log = log;
    l->fn = fn;
    l->arg = arg;
    int err = sp_sock_listen(local, o, &l->fd, &l->local);
    if (err != 0) {
        free(l);
        return err;
    }
    sp_timer_init(&l->pause, on_pause_end, l);
    ev_io_init(&l->readable, on_readable, l->fd, EV_READ);
    l->readable.data = l;
    ev_io_start(ticker->loop, &l->readable);
    *out = l;
    return 0;
}

void sp_listener_close(struct sp_listener *l)
{
    if (l == NULL)
        return;
    if (l->closed != NULL)
        *l->closed = true;
    ev_io_stop(l->ticker->loop, &l->readable);
    sp_timerq_cancel(&l->ticker->timers, &l->pause);
    close(l->fd);
    free(l);
}

const struct sp_addr *sp_listener_local(const struct sp_listener *l)
{
    return &l->local;
}

const struct sp_listener_counters *sp_listener_counters(const struct sp_listener *l)
{
    return &l->counters;
}
