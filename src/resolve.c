/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/resolve.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/list.h"

#define TRY_MS    2000 /* before the next name server is asked */
#define TRIES     2
#define LIMIT_US  SP_SEC(5) /* for the whole question */
#define SOCKS_MAX 16
#define WHY_MAX   384

struct sp_resolver {
    struct sp_ticker *ticker;
    ares_channel channel;
    size_t under_way;            /* questions that c-ares has */
    char server[SP_ADDR_STRLEN]; /* "": those of the system */
    ev_io io[SOCKS_MAX];
    ev_timer retry; /* when c-ares wants to look at its own timeouts */
    struct sp_list questions;
};

/*
 * c-ares calls back once per question, at the latest when its channel is destroyed; a question
 * that was cancelled or timed out lives on, without a handler, until then.
 */
struct sp_resolve {
    struct sp_resolver *resolver;
    struct sp_link link;
    struct sp_timer limit;
    struct sp_deferred tell; /* never from within sp_resolve_start */
    sp_resolve_fn *fn;
    void *arg;
    bool in_ares;
    uint16_t port;
    int err;
    char why[WHY_MAX];
    char host[256]; /* for `why` */
    size_t n;
    struct sp_addr addrs[SP_RESOLVE_MAX];
};

/* --- c-ares on the loop --------------------------------------------------------------------- */

/* When c-ares wants to be called though no socket has anything. */
static void set_retry(struct sp_resolver *r)
{
    struct timeval tv;

    ev_timer_stop(r->ticker->loop, &r->retry);
    if (ares_timeout(r->channel, NULL, &tv) == NULL)
        return;
    r->retry.repeat = (double)tv.tv_sec + (double)tv.tv_usec / 1e6 + 0.001;
    ev_timer_again(r->ticker->loop, &r->retry);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
    struct sp_resolver *r = w->data;
    (void)loop;
    ares_process_fd(r->channel, events & EV_READ ? w->fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? w->fd : ARES_SOCKET_BAD);
    set_retry(r);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
    struct sp_resolver *r = w->data;
    (void)loop;
    (void)events;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_retry(r);
}

/* The one of this socket, or one that is free; NULL: that many c-ares has not, it asks one server
 * after the other. */
static ev_io *watcher_of(struct sp_resolver *r, int fd)
{
    ev_io *free_one = NULL;

    for (size_t i = 0; i < SOCKS_MAX; i++) {
        if (!ev_is_active(&r->io[i]))
            free_one = &r->io[i];
        else if (r->io[i].fd == fd)
            return &r->io[i];
    }
    return free_one;
}

/* What c-ares waits for on a socket of its own, from when it makes it until it closes it: then for
 * nothing. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct sp_resolver *r = arg;
    int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    ev_io *w = watcher_of(r, fd);

    if (w == NULL)
        return;
    ev_io_stop(r->ticker->loop, w);
    ev_io_set(w, fd, events);
    if (events != 0)
        ev_io_start(r->ticker->loop, w);
}

static int error_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME:
        return SP_ENOENT;
    case ARES_ETIMEOUT:
        return SP_ETIMEDOUT;
    case ARES_ENOMEM:
        return SP_ENOMEM;
    default:
        return SP_ESYS;
    }
}

/* Reads the system's configuration. */
static int open_channel(struct sp_resolver *r, ares_channel *out)
{
    struct ares_options options = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = r};
    ares_channel c;
    int status = ares_init_options(&c, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

    if (status != ARES_SUCCESS)
        return error_of(status);
    if (r->server[0] != '\0')
        status = ares_set_servers_ports_csv(c, r->server);
    if (status != ARES_SUCCESS) {
        ares_destroy(c);
        return error_of(status);
    }
    *out = c;
    return 0;
}

/* This process outlives networks: the name servers of an hour ago may be out of reach now. */
static void reread_configuration(struct sp_resolver *r)
{
    ares_channel fresh;

    if (r->under_way > 0 || open_channel(r, &fresh) != 0)
        return;
    ev_timer_stop(r->ticker->loop, &r->retry);
    ares_destroy(r->channel);
    r->channel = fresh;
}

int sp_resolver_use_server(struct sp_resolver *r, const struct sp_addr *server)
{
    sp_addr_format(server, r->server);
    return ares_set_servers_ports_csv(r->channel, r->server) == ARES_SUCCESS ? 0 : SP_EINVAL;
}

int sp_resolver_new(struct sp_ticker *ticker, struct sp_resolver **out)
{
    struct sp_resolver *r = calloc(1, sizeof *r);

    if (r == NULL)
        return SP_ENOMEM;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(r);
        return SP_ENOMEM;
    }
    int err = open_channel(r, &r->channel);
    if (err != 0) {
        ares_library_cleanup();
        free(r);
        return err;
    }
    r->ticker = ticker;
    sp_list_init(&r->questions);
    for (size_t i = 0; i < SOCKS_MAX; i++) {
        ev_init(&r->io[i], on_io);
        r->io[i].data = r;
    }
    ev_init(&r->retry, on_retry);
    r->retry.data = r;
    *out = r;
    return 0;
}

/* --- a question ----------------------------------------------------------------------------- */

/* The handler will not be called any more. */
static void detach(struct sp_resolve *q)
{
    sp_timerq_cancel(&q->resolver->ticker->timers, &q->limit);
    sp_deferred_cancel(&q->tell);
    sp_list_remove(&q->link);
    q->fn = NULL;
    if (!q->in_ares)
        free(q);
}

void sp_resolve_cancel(struct sp_resolve *q)
{
    if (q != NULL)
        detach(q);
}

void sp_resolver_free(struct sp_resolver *r)
{
    if (r == NULL)
        return;
    SP_LIST_EACH(&r->questions, link, next)
    detach(SP_LIST_ITEM(link, struct sp_resolve, link));
    ev_timer_stop(r->ticker->loop, &r->retry);
    ares_destroy(r->channel); /* calls back for what is under way, which frees it */
    ares_library_cleanup();
    free(r);
}

/* Finish, then tell. */
static void on_tell(struct sp_deferred *d, uint64_t now_us, void *arg)
{
    struct sp_resolve *q = arg, answer = *q;
    (void)d;
    (void)now_us;
    detach(q);
    answer.fn(answer.err, answer.why, answer.addrs, answer.n, answer.arg);
}

static void on_limit(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_resolve *q = arg;
    (void)timer;
    q->err = SP_ETIMEDOUT;
    q->n = 0;
    snprintf(q->why, sizeof q->why, "no answer from the name server about %s", q->host);
    on_tell(&q->tell, now_us, q);
}

/*
 * Takes addresses in c-ares' order (RFC 6724), but families in turn, so that a family that leads
 * nowhere costs one try (RFC 8305 section 4).
 */
static void take_addresses(struct sp_resolve *q, const struct ares_addrinfo *info)
{
    const struct ares_addrinfo_node *next[2];
    int first = info->nodes != NULL ? info->nodes->ai_family : AF_INET;
    const int family[2] = {first, first == AF_INET ? AF_INET6 : AF_INET};

    next[0] = next[1] = info->nodes;
    for (unsigned turn = 0; q->n < SP_RESOLVE_MAX && (next[0] != NULL || next[1] != NULL);
         turn ^= 1) {
        const struct ares_addrinfo_node **node = &next[turn];
        while (*node != NULL && (*node)->ai_family != family[turn])
            *node = (*node)->ai_next;
        if (*node == NULL)
            continue;
        if (sp_addr_from_sockaddr((*node)->ai_addr, &q->addrs[q->n]) == 0)
            q->addrs[q->n++].port = q->port;
        *node = (*node)->ai_next;
    }
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct sp_resolve *q = arg;
    (void)timeouts;

    q->in_ares = false;
    q->resolver->under_way--;
    if (q->fn == NULL) { /* cancelled meanwhile */
        ares_freeaddrinfo(info);
        free(q);
        return;
    }
    if (status == ARES_SUCCESS)
        take_addresses(q, info);
    ares_freeaddrinfo(info);
    if (q->n == 0) {
        q->err = status == ARES_SUCCESS ? SP_ENOENT : error_of(status);
        snprintf(q->why, sizeof q->why, "cannot find the address of %s: %s", q->host,
                 status == ARES_SUCCESS ? "it has none" : ares_strerror(status));
    }
    sp_ticker_defer(q->resolver->ticker, &q->tell);
}

int sp_resolve_start(struct sp_resolver *r, const char *host, uint16_t port, sp_resolve_fn *fn,
                     void *arg, struct sp_resolve **out)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_STREAM};
    struct sp_resolve *q = calloc(1, sizeof *q);

    if (q == NULL)
        return SP_ENOMEM;
    q->resolver = r;
    q->fn = fn;
    q->arg = arg;
    q->port = port;
    snprintf(q->host, sizeof q->host, "%s", host);
    sp_deferred_init(&q->tell, on_tell, q);
    sp_timer_init(&q->limit, on_limit, q);
    if (sp_timerq_set(&r->ticker->timers, &q->limit, sp_ticker_now(r->ticker) + LIMIT_US) != 0) {
        free(q);
        return SP_ENOMEM;
    }
    sp_list_append(&r->questions, &q->link);
    *out = q;
    if (sp_addr_parse_ip(host, &q->addrs[0]) == 0) {
        q->addrs[0].port = port;
        q->n = 1;
        sp_ticker_defer(r->ticker, &q->tell);
        return 0;
    }
    reread_configuration(r);
    q->in_ares = true;
    r->under_way++;
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_answer, q);
    set_retry(r);
    return 0;
}
