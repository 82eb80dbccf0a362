/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_lane.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_WINDOW ((size_t)256 * 1024)
#define DEFAULT_ROOM   ((size_t)16 * 1024)

struct segment {
    struct segment *next;
    uint64_t depart_us, arrive_us, acked_us;
    size_t len;
    uint8_t bytes[];
};

/* What one side sends: segments that wait to depart, to arrive, to be acknowledged. In each of
 * these the first is the first due. */
struct direction {
    struct segment *first, **end; /* all that are not acknowledged */
    struct segment *leaving;      /* the first that has not departed */
    struct segment *coming;       /* the first that has not arrived */
    uint64_t busy_us;             /* the line is */
    uint64_t outage_us;           /* ends then */
    uint64_t last_arrive_us;
    uint64_t sent, departed, acked; /* bytes */
    bool shut;                      /* nothing more is sent */
    bool fin;                       /* the far side is to be told, behind the last segment */
    uint64_t fin_us;
    bool asked; /* has_room said no: it will be told */
    struct sp_timer timer;
};

struct side {
    struct sim_lane *all;
    struct sp_lane *lane;
    bool ended;      /* out of the tunnel for good */
    uint8_t *unread; /* arrived, but the tunnel has not used it */
    size_t unread_len;
    uint64_t reads_us; /* not before, as its host is behind */
    struct direction out;
};

struct sim_lane {
    struct sim *sim;
    struct sim_path path;
    const struct sim_lane_watch *watch;
    void *arg;
    bool dead, harmed, reading;
    struct side side[2];
};

/* --- out ------------------------------------------------------------------------------------ */

static bool has_room(const struct sim_lane *l, const struct direction *d)
{
    uint64_t flying = d->departed - d->acked, waiting = d->sent - d->departed;

    if (flying > l->path.window_bytes)
        waiting += flying - l->path.window_bytes;
    return waiting <= l->path.room_bytes;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void set_timer(struct sim_lane *l, struct direction *d)
{
    const struct side *reader = &l->side[d == &l->side[0].out];
    bool read = reader->lane != NULL || reader->ended; /* else it waits for its join */
    uint64_t due_us = SP_NEVER;

    if (l->dead)
        return;
    if (d->leaving != NULL)
        due_us = d->leaving->depart_us;
    if (read && d->coming != NULL && max(d->coming->arrive_us, reader->reads_us) < due_us)
        due_us = max(d->coming->arrive_us, reader->reads_us);
    if (read && d->coming == NULL && d->fin && d->fin_us < due_us)
        due_us = d->fin_us;
    if (d->first != NULL && d->first != d->coming && d->first->acked_us < due_us)
        due_us = d->first->acked_us;
    if (due_us == SP_NEVER)
        sp_timerq_cancel(&l->sim->timers, &d->timer);
    else
        SIM_REQUIRE(l->sim, sp_timerq_set(&l->sim->timers, &d->timer, due_us) == 0);
}

static void op_send(struct sp_span frames, void *arg)
{
    struct side *side = arg;
    struct sim_lane *l = side->all;
    struct direction *d = &side->out;

    SIM_REQUIRE(l->sim, side->lane != NULL && frames.len > 0);
    if (l->watch->sent != NULL)
        l->watch->sent(l, (unsigned)(side - l->side), frames, has_room(l, d), l->arg);
    d->sent += frames.len;
    if (d->shut)
        return;
    struct segment *s = sim_alloc(sizeof *s + frames.len);
    memcpy(s->bytes, frames.p, frames.len);
    s->len = frames.len;
    s->depart_us = max(l->sim->now_us, d->busy_us);
    if (l->path.bytes_per_s > 0)
        s->depart_us += frames.len * SP_SEC(1) / l->path.bytes_per_s;
    d->busy_us = s->depart_us;
    s->arrive_us = max(s->depart_us, d->outage_us) + l->path.delay_us;
    if (sim_chance(l->sim, l->path.loss_ppm))
        s->arrive_us += l->path.recover_us;
    s->arrive_us = d->last_arrive_us = max(s->arrive_us, d->last_arrive_us);
    s->acked_us = s->arrive_us + l->path.delay_us;
    *d->end = s;
    d->end = &s->next;
    if (d->leaving == NULL)
        d->leaving = s;
    if (d->coming == NULL)
        d->coming = s;
    set_timer(l, d);
}

static bool op_has_room(void *arg)
{
    struct side *side = arg;
    bool room = has_room(side->all, &side->out);

    side->out.asked |= !room;
    return room;
}

static bool has_come(const struct sim_lane *l, const struct segment *s)
{
    return s != NULL && s->arrive_us <= l->sim->now_us;
}

static bool op_has_more(void *arg)
{
    const struct side *side = arg;
    const struct side *from = &side->all->side[side == &side->all->side[0]];

    return !side->all->dead && has_come(side->all, from->out.coming);
}

static void op_measure(struct sp_lane_measure *out, void *arg)
{
    const struct side *side = arg;
    const struct direction *d = &side->out;

    out->acked_bytes = d->acked;
    out->unacked_bytes = (uint32_t)(d->sent - d->acked);
    out->rtt_us = d->acked > 0 ? (uint32_t)(2 * side->all->path.delay_us) : 0;
}

static void end_side(struct sim_lane *l, unsigned side, bool by_tunnel)
{
    struct side *s = &l->side[side];

    if (s->ended)
        return;
    s->ended = true;
    if (s->lane != NULL && !by_tunnel)
        sp_tunnel_lane_remove(s->lane, l->sim->now_us);
    s->lane = NULL;
    if (l->watch->ended != NULL)
        l->watch->ended(l, side, by_tunnel, l->arg);
}

/* Behind all that was sent. */
static void finish(struct sim_lane *l, unsigned side)
{
    struct direction *d = &l->side[side].out;

    d->shut = d->fin = true;
    d->fin_us = max(l->sim->now_us + l->path.delay_us, d->last_arrive_us);
    l->harmed = true; /* what comes the other way meets a closed door */
    set_timer(l, d);
}

static void op_close(void *arg)
{
    struct side *side = arg;
    struct sim_lane *l = side->all;
    unsigned number = (unsigned)(side - l->side);

    SIM_REQUIRE(l->sim, side->lane != NULL);
    finish(l, number);
    end_side(l, number, true);
}

static const struct sp_lane_ops lane_ops = {
    .send = op_send,
    .has_room = op_has_room,
    .measure = op_measure,
    .has_more = op_has_more,
    .close = op_close,
};

/* --- in ------------------------------------------------------------------------------------- */

/* Gives the tunnel one more piece, in memory that ends with it and is gone afterwards. */
static void read_piece(struct sim_lane *l, struct side *s, const uint8_t *p, size_t len)
{
    size_t have = s->unread_len + len, used = 0;
    uint8_t *bytes = sim_alloc(have);

    if (s->unread_len > 0)
        memcpy(bytes, s->unread, s->unread_len);
    memcpy(bytes + s->unread_len, p, len);
    if (l->watch->reading != NULL)
        l->watch->reading(l, (unsigned)(s - l->side), l->arg);
    SIM_REQUIRE(l->sim,
                sp_tunnel_lane_input(s->lane, sp_span(bytes, have), l->sim->now_us, &used) == 0);
    SIM_REQUIRE(l->sim, used <= have);
    if (l->watch->used != NULL && used > 0)
        l->watch->used(l, (unsigned)(s - l->side), sp_span(bytes, used), l->arg);
    free(s->unread);
    s->unread_len = have - used;
    s->unread = NULL;
    if (s->unread_len > 0) {
        s->unread = sim_alloc(s->unread_len);
        memcpy(s->unread, bytes + used, s->unread_len);
    }
    memset(bytes, 0xEE, have);
    free(bytes);
}

static size_t piece_len(struct sim_lane *l, size_t left)
{
    switch (l->path.cut) {
    case SIM_CUT_NEVER:
        return left;
    case SIM_CUT_BYTES:
        return 1;
    case SIM_CUT_RANDOMLY:
        return (size_t)sim_between(l->sim, 1, left);
    }
    return left;
}

static void read_bytes(struct sim_lane *l, unsigned side, const uint8_t *p, size_t len)
{
    struct side *s = &l->side[side];

    l->reading = true;
    while (len > 0 && s->lane != NULL) {
        size_t n = piece_len(l, len);
        read_piece(l, s, p, n);
        p += n;
        len -= n;
    }
    l->reading = false;
}

static bool is_read(const struct sim_lane *l, const struct segment *s, size_t len)
{
    size_t max_len = l->path.read_bytes;

    return has_come(l, s) && (max_len == 0 || len == 0 || len + s->len <= max_len);
}

/* All that has arrived by now, or as much of it as the host reads at a time, by one call if nothing
 * cuts it. */
static void arrive(struct sim_lane *l, unsigned from)
{
    struct direction *d = &l->side[from].out;
    unsigned to = 1 - from;
    size_t len = 0;
    uint8_t *bytes;

    if (l->side[to].lane == NULL && !l->side[to].ended)
        return; /* it has not joined yet */
    if (l->sim->now_us < l->side[to].reads_us)
        return;
    for (struct segment *s = d->coming; is_read(l, s, len); s = s->next)
        len += s->len;
    if (len == 0)
        return;
    l->side[to].reads_us = l->sim->now_us + l->path.read_us;
    bytes = sim_alloc(len);
    for (size_t done = 0; done < len; d->coming = d->coming->next) {
        memcpy(bytes + done, d->coming->bytes, d->coming->len);
        done += d->coming->len;
    }
    if (l->side[to].lane != NULL)
        read_bytes(l, to, bytes, len);
    free(bytes);
}

static void step(struct sim_lane *l, unsigned from)
{
    struct direction *d = &l->side[from].out;
    uint64_t now_us = l->sim->now_us;

    while (d->leaving != NULL && d->leaving->depart_us <= now_us) {
        d->departed += d->leaving->len;
        d->leaving = d->leaving->next;
    }
    arrive(l, from);
    while (d->first != NULL && d->first != d->coming && d->first->acked_us <= now_us) {
        struct segment *s = d->first;
        d->acked += s->len;
        if ((d->first = s->next) == NULL)
            d->end = &d->first;
        free(s);
    }
    if (d->fin && d->coming == NULL && d->fin_us <= now_us) {
        d->fin = false;
        end_side(l, 1 - from, false);
    }
    if (d->asked && l->side[from].lane != NULL && has_room(l, d)) {
        d->asked = false;
        sp_tunnel_lane_writable(l->side[from].lane);
    }
    set_timer(l, d);
}

static void on_timer(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct side *side = arg;
    (void)t;
    (void)now_us;
    if (side->all->dead)
        end_side(side->all, (unsigned)(side - side->all->side), false);
    else
        step(side->all, (unsigned)(side - side->all->side));
}

/* --- life ----------------------------------------------------------------------------------- */

struct sim_lane *sim_lane_new(struct sim *s, const struct sim_path *path,
                              const struct sim_lane_watch *watch, void *arg)
{
    struct sim_lane *l = sim_alloc(sizeof *l);

    l->sim = s;
    l->path = *path;
    if (l->path.window_bytes == 0)
        l->path.window_bytes = DEFAULT_WINDOW;
    if (l->path.room_bytes == 0)
        l->path.room_bytes = DEFAULT_ROOM;
    l->watch = watch;
    l->arg = arg;
    for (unsigned i = 0; i < 2; i++) {
        struct direction *d = &l->side[i].out;
        l->side[i].all = l;
        d->end = &d->first;
        sp_timer_init(&d->timer, on_timer, &l->side[i]);
    }
    return l;
}

void sim_lane_join(struct sim_lane *l, unsigned side, struct sp_tunnel *t, unsigned number)
{
    struct side *s = &l->side[side];
    struct sp_lane *lane;

    SIM_REQUIRE(l->sim, s->lane == NULL && !s->ended);
    SIM_REQUIRE(l->sim, sp_tunnel_lane_add(t, number, &lane_ops, s, l->sim->now_us, &lane) == 0);
    s->lane = lane;
    if (!l->dead)
        step(l, 1 - side);
}

static void drop_from(struct direction *d, struct segment **at)
{
    struct segment *s = *at;

    *at = NULL;
    d->end = at;
    d->leaving = d->coming = NULL;
    while (s != NULL) {
        struct segment *next = s->next;
        free(s);
        s = next;
    }
}

void sim_lane_free(struct sim_lane *l)
{
    for (unsigned i = 0; i < 2; i++) {
        struct direction *d = &l->side[i].out;
        end_side(l, i, false);
        sp_timerq_cancel(&l->sim->timers, &d->timer);
        drop_from(d, &d->first);
        free(l->side[i].unread);
    }
    free(l);
}

struct sp_lane *sim_lane_end(const struct sim_lane *l, unsigned side)
{
    return l->side[side].lane;
}

bool sim_lane_is_over(const struct sim_lane *l)
{
    return l->side[0].ended && l->side[1].ended;
}

bool sim_lane_was_harmed(const struct sim_lane *l)
{
    return l->harmed;
}

/* --- what befalls it ------------------------------------------------------------------------ */

void sim_lane_outage(struct sim_lane *l, uint64_t us)
{
    for (unsigned i = 0; i < 2; i++) {
        struct direction *d = &l->side[i].out;

        d->outage_us = max(d->outage_us, l->sim->now_us + us);
        for (struct segment *s = d->coming; s != NULL; s = s->next) {
            s->arrive_us = d->last_arrive_us = max(s->arrive_us, d->outage_us + l->path.delay_us);
            s->acked_us = s->arrive_us + l->path.delay_us;
        }
        for (struct segment *s = d->first; s != d->coming; s = s->next)
            s->acked_us = max(s->acked_us, d->outage_us); /* acknowledgements are held back, too */
        if (d->fin)
            d->fin_us = max(d->fin_us, d->outage_us + l->path.delay_us);
        set_timer(l, d);
    }
}

void sim_lane_die(struct sim_lane *l)
{
    if (l->dead)
        return;
    l->dead = l->harmed = true;
    for (unsigned i = 0; i < 2; i++)
        sim_set(l->sim, &l->side[i].out.timer, SIM_TCP_TIMEOUT_US);
}

void sim_lane_close(struct sim_lane *l, unsigned side)
{
    if (l->side[side].ended)
        return;
    finish(l, side);
    end_side(l, side, false);
}

/* Some bytes of the first segment on the way may have got through. */
static void cut_off(struct sim_lane *l, unsigned from)
{
    struct direction *d = &l->side[from].out;
    struct segment **at = &d->first;

    while (*at != d->coming)
        at = &(*at)->next;
    if (*at != NULL && l->side[1 - from].lane != NULL)
        read_bytes(l, 1 - from, (*at)->bytes, (size_t)sim_below(l->sim, (*at)->len + 1));
    drop_from(d, at);
    d->last_arrive_us = 0;
    finish(l, from);
}

void sim_lane_reset(struct sim_lane *l)
{
    SIM_REQUIRE(l->sim, !l->reading);
    if (l->dead)
        return;
    l->harmed = true;
    cut_off(l, 0);
    cut_off(l, 1);
}
