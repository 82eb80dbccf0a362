/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICE-TCP connections, from their first byte until their session is known. They are strangers, and
 * bounded as such.
 */
#include <stdlib.h>

#include "demux.h"
#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"

#define PATIENCE_US SP_SEC(2)
#define AGAIN_US    SP_MS(200) /* where the news that its session is known were lost */
#define MAX_AGE_US  SP_MS(400)

struct newcomer {
    struct sp_ends *all;
    struct sp_guest guest;
    struct sp_stream *stream;
    struct sp_timer again;
    uint64_t until_us;
    bool has_key; /* its first frame is there */
    uint8_t key[SP_RDV_KEY_LEN];
};

/* Forgets it, not its stream. */
static void leave(struct newcomer *c)
{
    sp_guests_remove(&c->all->guests, &c->guest);
    sp_timerq_cancel(&c->all->env.ticker->timers, &c->again);
    free(c);
}

static void shut(struct newcomer *c)
{
    struct sp_stream *s = c->stream;

    leave(c);
    sp_stream_free(s);
}

static struct newcomer *newcomer_of(struct sp_link *link)
{
    return SP_LIST_ITEM(link, struct newcomer, guest.link);
}

void newcomers_free_all(struct sp_ends *e)
{
    SP_LIST_EACH(&e->guests.list, link, next)
    shut(newcomer_of(link));
}

/* --- known: a path -------------------------------------------------------------------------- */

static void on_messages(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n, void *arg)
{
    struct sp_via *v = arg;
    uint64_t now_us = sp_ticker_now(v->all->env.ticker);
    (void)m;

    for (size_t i = 0; i < n; i++)
        via_input(v, msgs[i], now_us);
}

static void on_stream_closed(struct sp_msg_stream *m, int why, void *arg)
{
    (void)why;
    via_lost(arg);
    sp_msg_stream_free(m);
}

static const struct sp_msg_stream_events message_events = {
    .input = on_messages,
    .closed = on_stream_closed,
};

static int become_path(struct sp_ends *e, struct sp_stream *s, const struct sp_rdv_spot *spot)
{
    const struct sp_msg_stream_config config = {.max_bytes = (size_t)e->env.bounds->queue_bytes,
                                                .max_age_us = MAX_AGE_US,
                                                .rng = e->env.rng,
                                                .framing = SP_MSG_RFC4571};
    struct sp_via *v = via_new_here(e, VIA_TCP, spot);

    if (v == NULL)
        return SP_ENOMEM;
    if (sp_msg_stream_new(s, e->env.ticker, &config, &message_events, v, &v->stream) != 0) {
        sp_rdv_path_remove(v->path);
        via_free(v);
        return SP_ENOMEM;
    }
    sp_rdv_path_set_remote(v->path, sp_stream_remote(s));
    sp_stream_tune_sole(s, &e->env.congestion);
    sp_msg_stream_count_drops(v->stream, &e->counters.stream_dropped);
    return 0;
}

/* Here, or where its session is: the owner reads its first frame once more. */
static void settle(struct newcomer *c, const struct sp_rdv_spot *spot)
{
    struct sp_ends *e = c->all;
    struct sp_stream *s = c->stream;
    int err;

    leave(c);
    if (spot->session != NULL)
        err = become_path(e, s, spot);
    else
        err = sp_post_connection(e->env.post, spot->worker, s);
    e->counters.ice_tcp += err == 0;
    if (err != 0)
        sp_stream_free(s);
}

/* --- not known yet -------------------------------------------------------------------------- */

static void give_up(struct newcomer *c)
{
    c->all->counters.ice_tcp_unknown++;
    shut(c);
}

static void look(struct newcomer *c)
{
    struct sp_ends *e = c->all;
    struct sp_span packet;
    struct sp_rdv_spot spot;
    size_t used;
    uint64_t now_us = sp_ticker_now(e->env.ticker);
    int err =
        sp_rfc4571_next(sp_buf_span(sp_stream_in(c->stream)), SP_DEMUX_ICE_MAX, &packet, &used);

    if (err == 0 && !c->has_key)
        c->has_key = sp_rdv_key_of(packet, c->key) == 0;
    if (err == 0)
        err = sp_rdv_look_up(e->registry, packet, &spot);
    if (err == 0)
        settle(c, &spot);
    else if ((err != SP_EMORE && err != SP_ENOENT) || now_us >= c->until_us)
        give_up(c);
    else if (!sp_timer_is_set(&c->again) &&
             sp_timerq_set(&e->env.ticker->timers, &c->again, now_us + AGAIN_US) != 0)
        give_up(c);
}

static void on_again(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    (void)timer;
    (void)now_us;
    look(arg);
}

void newcomers_wake(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN])
{
    SP_LIST_EACH(&e->guests.list, link, next)
    {
        struct newcomer *c = newcomer_of(link);
        if (c->has_key && memcmp(c->key, key, sizeof c->key) == 0)
            (void)sp_timerq_set(&e->env.ticker->timers, &c->again, sp_ticker_now(e->env.ticker));
    }
}

static void on_input(struct sp_stream *s, void *arg)
{
    (void)s;
    look(arg);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    give_up(arg);
}

static const struct sp_stream_events stream_events = {.input = on_input, .closed = on_closed};

int sp_ends_take(struct sp_ends *e, struct sp_stream *s)
{
    struct newcomer *c = calloc(1, sizeof *c);
    uint64_t now_us = sp_ticker_now(e->env.ticker);

    if (c == NULL)
        return SP_ENOMEM;
    c->all = e;
    c->stream = s;
    c->until_us = now_us + PATIENCE_US;
    sp_timer_init(&c->again, on_again, c);
    int err = sp_guests_add(&e->guests, &c->guest, sp_stream_remote(s));
    if (err == SP_EFULL) {
        e->counters.ice_tcp_crowded++;
        e->env.hits->strangers_per_address++;
    }
    if (err == 0)
        err = sp_timerq_set(&e->env.ticker->timers, &c->again, now_us + AGAIN_US);
    if (err != 0) {
        leave(c);
        return err;
    }
    sp_stream_set_events(s, &stream_events, c);
    struct sp_guest *oldest = sp_guests_surplus(&e->guests);
    if (oldest != NULL) {
        e->counters.ice_tcp_pushed_out++;
        e->env.hits->strangers++;
        shut(SP_CONTAINER_OF(oldest, struct newcomer, guest));
    }
    return 0;
}
