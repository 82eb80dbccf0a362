/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes to a worker, and who takes it: connections and datagrams at its own ports, and what
 * other workers had that belongs here.
 */
#include "endpoint.h"
#include "late.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "worker_impl.h"

#define BATCH 64

/* --- connections ---------------------------------------------------------------------------- */

static int take_turn(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    int err = sp_endpoint_from_stream(&w->env, s, &w->endpoints, &w->guests);
    struct sp_guest *oldest = sp_guests_surplus(&w->guests);

    w->crowded += err == SP_EFULL;
    w->hits.strangers_per_address += err == SP_EFULL;
    if (oldest != NULL) {
        w->pushed_out++;
        w->hits.strangers++;
        sp_endpoint_free(sp_endpoint_of_guest(oldest));
    }
    return err;
}

static int take_ice(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    return sp_ends_take(w->env.ends, s);
}

static int take_http(struct sp_stream *s, void *arg)
{
    struct sp_worker *w = arg;
    return sp_http_service_take(w->http, s);
}

const struct sp_conn_takers sp_worker_takers = {
    .turn = take_turn,
    .ice = take_ice,
    .http = take_http,
};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct sp_worker *w = arg;
    (void)l;
    (void)remote;
    sp_conn_accept(w->conns, fd);
}

/* --- of other workers ------------------------------------------------------------------------ */

static void on_post_datagram(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                             struct sp_span body)
{
    struct sp_worker *w = arg;
    const struct sp_turn_peer_dgram d = {*from, body};

    sp_turn_from_other(w->env.turn, relayed, &d, sp_ticker_now(&w->ticker));
}

static void on_post_connection(void *arg, struct sp_stream *s)
{
    struct sp_worker *w = arg;
    enum sp_proto proto = SP_PROTO_HTTP;

    sp_stream_enter(s, &w->ticker);
    if (w->ending.stopping) {
        sp_stream_free(s);
        return;
    }
    (void)sp_demux(sp_buf_span(sp_stream_in(s)), sp_stream_tls(s) != NULL, w->shared->config.serve,
                   &proto);
    int err = proto == SP_PROTO_ICE ? take_ice(s, w) : take_http(s, w);
    if (err != 0)
        sp_stream_free(s);
}

static void on_post_note(void *arg, unsigned from, struct sp_span note)
{
    struct sp_worker *w = arg;
    sp_ends_note(w->env.ends, from, note);
}

static const struct sp_post_events post_events = {
    .datagram = on_post_datagram,
    .connection = on_post_connection,
    .note = on_post_note,
};

int sp_worker_open_post(struct sp_worker *w, struct sp_post_office *office)
{
    if (office == NULL)
        return 0;
    return sp_post_open(office, w->config.index, &w->ticker, &post_events, w, &w->env.post);
}

/* --- clients by UDP -------------------------------------------------------------------------- */

static bool same_path(const struct sp_dgram_in *a, const struct sp_dgram_in *b)
{
    return sp_addr_eq(&a->remote, &b->remote) && sp_addr_eq(&a->local, &b->local);
}

/* Runs of datagrams from one client go on together, those of TURN and those of a session each on
 * their own. */
static void on_udp(struct sp_dgram *d, const struct sp_dgram_in *in, size_t n, void *arg)
{
    struct sp_worker *w = arg;
    uint64_t unix_s = sp_clock_unix_s();

    for (size_t i = 0; i < n;) {
        struct sp_turn_path path = sp_turn_path_make(SP_TURN_UDP, d, &in[i].remote, &in[i].local);
        size_t from = i;
        struct sp_span msgs[BATCH];
        size_t k = 0;
        const struct sp_dgram_in *first = &in[i];
        bool turn = sp_ends_is_turn(w->env.ends, first->body);
        while (i < n && k < BATCH && same_path(first, &in[i]) &&
               sp_ends_is_turn(w->env.ends, in[i].body) == turn)
            msgs[k++] = in[i++].body;
        if (!turn && sp_ends_take_udp(w->env.ends, d, &in[from], k))
            continue;
        sp_turn_from_client(w->env.turn, &path, msgs, k, sp_ticker_now(&w->ticker), unix_s);
    }
}

/* --- ports ---------------------------------------------------------------------------------- */

int sp_worker_open_ports(struct sp_worker *w, char why[static SP_SHARED_WHY_MAX])
{
    const struct sp_worker_config *c = &w->config;
    const struct sp_sock_options tcp = {.reuse_port = c->share_ports},
                                 udp = {.rcvbuf = 4 << 20,
                                        .sndbuf = 4 << 20,
                                        .reuse_port = c->share_ports};
    int err;

    for (size_t i = 0; i < c->n_listen; i++) {
        err = sp_listener_open(&w->ticker, w->env.log, &c->listen[i], &tcp, on_accept, w,
                               &w->listeners[i]);
        if (err != 0)
            return sp_worker_say(why, "cannot listen (--listen) on TCP", &c->listen[i], err);
    }
    for (size_t i = 0; i < c->n_listen_udp; i++) {
        err = sp_dgram_open(w->env.dgrams, &c->listen_udp[i], &udp, on_udp, w, &w->udp[i]);
        if (err != 0)
            return sp_worker_say(why, "cannot listen (--listen-udp) on UDP", &c->listen_udp[i],
                                 err);
        sp_dgram_limit_age(w->udp[i], SP_MEDIA_MAX_AGE_US, sp_late_is_turn_control);
        w->config.listen_udp[i] = *sp_dgram_local(w->udp[i]);
    }
    return 0;
}

void sp_worker_close_ports(struct sp_worker *w)
{
    for (size_t i = 0; i < SP_LISTEN_MAX; i++) {
        if (w->listeners[i] != NULL)
            sp_listener_close(w->listeners[i]);
        if (w->udp[i] != NULL)
            sp_dgram_close(w->udp[i]);
        w->listeners[i] = NULL;
        w->udp[i] = NULL;
    }
}

const struct sp_addr *sp_worker_listen(const struct sp_worker *w, size_t i)
{
    const struct sp_listener *l = w->listeners[i];
    return l != NULL ? sp_listener_local(l) : &w->config.listen[i]; /* it is ending */
}

const struct sp_addr *sp_worker_listen_udp(const struct sp_worker *w, size_t i)
{
    const struct sp_dgram *d = w->udp[i];
    return d != NULL ? sp_dgram_local(d) : &w->config.listen_udp[i];
}
