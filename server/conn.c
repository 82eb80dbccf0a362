/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "guests.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

/* A handshake costs as much as thousands of datagrams, and strangers may ask for as many as they
 * like: beyond this the next ones wait for the next turn of the loop, while calls have theirs. */
#define HANDSHAKES_PER_TURN 4

struct sp_conns {
    struct sp_env env;
    const struct sp_shared *shared;
    const struct sp_conn_takers *takers;
    void *arg;
    struct sp_guests guests;
    struct sp_list waiting; /* for their handshake; who came first stands first */
    struct sp_timer next_turn;
    uint64_t turn_us; /* the last in which handshakes began, and how many */
    unsigned begun;
    struct sp_conns_counters counters;
};

struct conn {
    struct sp_conns *all;
    struct sp_guest guest;
    struct sp_stream *stream;
    struct sp_timer patience;
    struct sp_link wait;
    bool waits;
};

/* From accept to known, handshake included. */
static uint64_t patience_us(const struct sp_conns *all)
{
    return SP_SEC(all->env.bounds->handshake_s);
}

/* Forgets the connection, not its stream. */
static void leave(struct conn *c)
{
    if (c->waits)
        sp_list_remove(&c->wait);
    sp_guests_remove(&c->all->guests, &c->guest);
    sp_timerq_cancel(&c->all->env.ticker->timers, &c->patience);
    free(c);
}

static void shut(struct conn *c)
{
    struct sp_stream *s = c->stream;
    leave(c);
    sp_stream_free(s);
}

static void hand_over(struct conn *c, int (*taker)(struct sp_stream *s, void *arg))
{
    struct sp_conns *all = c->all;
    struct sp_stream *s = c->stream;

    leave(c);
    if (taker(s, all->arg) != 0)
        sp_stream_free(s);
}

/* Whoever is through with the handshake and says nothing is waited for as a web server waits. */
static void on_impatient(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct conn *c = arg;
    const struct sp_tls *tls = sp_stream_tls(c->stream);
    (void)timer;
    (void)now_us;

    if (tls != NULL && sp_tls_established(tls)) {
        hand_over(c, c->all->takers->http);
    } else {
        c->all->counters.timed_out++;
        c->all->env.hits->handshake_s++;
        shut(c);
    }
}

static void begin_tls(struct conn *c)
{
    struct sp_conns *all = c->all;

    all->begun++;
    if (sp_stream_start_tls_server(c->stream, all->env.keys->now->tls, patience_us(all)) != 0)
        shut(c);
}

static bool may_begin(struct sp_conns *all, uint64_t now_us)
{
    if (all->turn_us != now_us) {
        all->turn_us = now_us;
        all->begun = 0;
    }
    return all->begun < HANDSHAKES_PER_TURN;
}

static void on_next_turn(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_conns *all = arg;

    while (!sp_list_empty(&all->waiting) && may_begin(all, now_us)) {
        struct conn *c = SP_LIST_ITEM(sp_list_first(&all->waiting), struct conn, wait);
        sp_list_remove(&c->wait);
        c->waits = false;
        begin_tls(c);
    }
    if (!sp_list_empty(&all->waiting))
        sp_timerq_set(&all->env.ticker->timers, timer, now_us + 1);
}

static void queue_for_tls(struct conn *c)
{
    struct sp_conns *all = c->all;
    uint64_t now_us = sp_ticker_now(all->env.ticker);

    if (sp_list_empty(&all->waiting) && may_begin(all, now_us)) {
        begin_tls(c);
        return;
    }
    if (sp_timerq_set(&all->env.ticker->timers, &all->next_turn, now_us + 1) != 0) {
        shut(c);
        return;
    }
    all->counters.queued++;
    sp_list_append(&all->waiting, &c->wait);
    c->waits = true;
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct conn *c = arg;
    struct sp_conns *all = c->all;
    enum sp_proto proto;
    bool inside_tls = sp_stream_tls(s) != NULL;

    if (c->waits)
        return;
    if (sp_demux(sp_buf_span(sp_stream_in(s)), inside_tls, all->shared->config.serve, &proto) != 0)
        return; /* can't tell yet */
    if (proto == SP_PROTO_TLS && all->env.keys->now->tls == NULL)
        proto = SP_PROTO_NONE; /* without a certificate it is as strange as anything */
    switch (proto) {
    case SP_PROTO_TLS:
        queue_for_tls(c);
        break;
    case SP_PROTO_TURN:
        all->counters.turn++;
        hand_over(c, all->takers->turn);
        break;
    case SP_PROTO_ICE:
        all->counters.ice++;
        hand_over(c, all->takers->ice);
        break;
    case SP_PROTO_HTTP:
        all->counters.http++;
        hand_over(c, all->takers->http);
        break;
    case SP_PROTO_NONE:
        all->counters.unknown++;
        hand_over(c, all->takers->http);
        break;
    }
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct conn *c = arg;

    if (why == SP_ETLS) {
        c->all->counters.tls_failed++;
        sp_log_debug(c->all->env.log, "handshake failed", SP_F_ADDR("client", sp_stream_remote(s)),
                     SP_F_STR("reason", sp_stream_why(s)));
    }
    shut(c);
}

static const struct sp_stream_events stream_events = {
    .input = on_input,
    .closed = on_closed,
};

void sp_conn_accept(struct sp_conns *all, int fd)
{
    struct conn *c = calloc(1, sizeof *c);

    all->counters.accepted++;
    if (c == NULL || sp_stream_new(all->env.ticker, fd, &stream_events, c, &c->stream) != 0) {
        close(fd);
        free(c);
        return;
    }
    c->all = all;
    sp_timer_init(&c->patience, on_impatient, c);
    int err = sp_guests_add(&all->guests, &c->guest, sp_stream_remote(c->stream));
    if (err == SP_EFULL) {
        all->counters.crowded++;
        all->env.hits->strangers_per_address++;
    }
    if (err != 0 || sp_timerq_set(&all->env.ticker->timers, &c->patience,
                                  sp_ticker_now(all->env.ticker) + patience_us(all)) != 0) {
        shut(c);
        return;
    }
    struct sp_guest *oldest = sp_guests_surplus(&all->guests);
    if (oldest != NULL) {
        all->counters.pushed_out++;
        all->env.hits->strangers++;
        shut(SP_CONTAINER_OF(oldest, struct conn, guest));
    }
}

int sp_conns_new(const struct sp_env *env, const struct sp_shared *shared,
                 const struct sp_conn_takers *takers, void *arg, struct sp_conns **out)
{
    struct sp_conns *all = calloc(1, sizeof *all);

    if (all == NULL)
        return SP_ENOMEM;
    all->env = *env;
    all->shared = shared;
    all->takers = takers;
    all->arg = arg;
    sp_list_init(&all->waiting);
    sp_timer_init(&all->next_turn, on_next_turn, all);
    sp_env_guests(env, SP_AT_DOOR, &all->guests);
    *out = all;
    return 0;
}

void sp_conns_free(struct sp_conns *all)
{
    if (all == NULL)
        return;
    SP_LIST_EACH(&all->guests.list, link, next)
    shut(SP_LIST_ITEM(link, struct conn, guest.link));
    sp_guests_fini(&all->guests);
    sp_timerq_cancel(&all->env.ticker->timers, &all->next_turn);
    free(all);
}

const struct sp_conns_counters *sp_conns_counters(const struct sp_conns *all)
{
    return &all->counters;
}
