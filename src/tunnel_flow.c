/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow's life, on both ends. Its OPEN and CLOSE are transactions, repeated by another lane until
 * answered. Both are idempotent, so an answer needs no memory but the flow itself; a number that
 * was closed rests, so that copies which dawdle on a slow lane can't open it again.
 */
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define REST_GATEWAY_US  SP_SEC(120)
#define REST_EDGE_US     SP_SEC(60) /* over before the gateway uses the number again */
#define RESTING_PER_FLOW 4          /* resting numbers are bounded by this many times max_flows */

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg);

/* --- the table ------------------------------------------------------------------------------ */

struct sp_flow *flow_find(const struct sp_tunnel *t, uint16_t number)
{
    struct sp_flow **page = t->pages[number / FLOW_PAGE];
    return page != NULL ? page[number % FLOW_PAGE] : NULL;
}

static bool is_ended(const struct sp_flow *f)
{
    return f->state == FLOW_CLOSING || f->state == FLOW_RESTING;
}

static struct sp_flow *flow_new(struct sp_tunnel *t, uint16_t number, enum flow_state state)
{
    struct sp_flow ***page = &t->pages[number / FLOW_PAGE];
    if (*page == NULL && (*page = calloc(FLOW_PAGE, sizeof **page)) == NULL)
        return NULL;
    struct sp_flow *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->tunnel = t;
    f->number = number;
    f->state = state;
    f->last_lane = NO_LANE;
    sp_timer_init(&f->timer, on_timer, f);
    (*page)[number % FLOW_PAGE] = f;
    if (is_ended(f))
        t->n_resting++;
    else
        t->n_flows++;
    return f;
}

static void forget_open_frame(struct sp_flow *f)
{
    free(f->open_frame);
    f->open_frame = NULL;
    f->open_frame_len = 0;
}

static void flow_free(struct sp_flow *f)
{
    struct sp_tunnel *t = f->tunnel;

    sp_timerq_cancel(t->timers, &f->timer);
    t->pages[f->number / FLOW_PAGE][f->number % FLOW_PAGE] = NULL;
    if (is_ended(f))
        t->n_resting--;
    else
        t->n_flows--;
    forget_open_frame(f);
    free(f);
}

void flow_free_all(struct sp_tunnel *t)
{
    for (size_t p = 0; p < SP_ARRAY_LEN(t->pages); p++) {
        for (size_t i = 0; t->pages[p] != NULL && i < FLOW_PAGE; i++)
            if (t->pages[p][i] != NULL)
                flow_free(t->pages[p][i]);
        free(t->pages[p]);
        t->pages[p] = NULL;
    }
}

static bool resting_full(const struct sp_tunnel *t)
{
    return t->n_resting >= t->config.max_flows * RESTING_PER_FLOW;
}

static bool table_full(const struct sp_tunnel *t)
{
    return t->n_flows >= t->config.max_flows || resting_full(t) ||
           t->n_flows + t->n_resting >= SP_FLOW_PARITY - 1; /* no number is left */
}

/* --- states --------------------------------------------------------------------------------- */

static void set_ended(struct sp_flow *f, enum flow_state state)
{
    if (!is_ended(f)) {
        f->tunnel->n_flows--;
        f->tunnel->n_resting++;
        f->tunnel->counters.flows_closed++;
    }
    f->state = state;
    f->user = NULL;
    forget_open_frame(f);
}

/* Without its timer a number would rest for ever: no memory for that means no rest. */
static void rest(struct sp_flow *f, uint64_t now_us)
{
    uint64_t rest_us = f->tunnel->config.role == SP_TUNNEL_GATEWAY ? REST_GATEWAY_US : REST_EDGE_US;

    set_ended(f, FLOW_RESTING);
    if (sp_timerq_set(f->tunnel->timers, &f->timer, now_us + rest_us) != 0)
        flow_free(f);
}

static void wait_for_answer(struct sp_flow *f, uint64_t now_us)
{
    uint64_t wait_us = tunnel_repeat_us(f->tunnel, f->repeats);

    if (sp_timerq_set(f->tunnel->timers, &f->timer, now_us + wait_us) != 0 && is_ended(f))
        flow_free(f);
}

static void begin_transaction(struct sp_flow *f)
{
    sp_rng_bytes(f->tunnel->rng, f->id, sizeof f->id);
    f->repeats = 0;
    f->last_lane = NO_LANE;
}

static struct sp_control control_of(const struct sp_flow *f, uint16_t method)
{
    struct sp_control c = {.method = method, .cls = SP_STUN_REQUEST, .flow = f->number};

    memcpy(c.id, f->id, sizeof c.id);
    if (method == SP_CONTROL_OPEN) {
        c.kind = f->kind;
        c.local = f->local;
    }
    return c;
}

/* The datagram in an OPEN is repeated only as long as it is worth something. */
static void repeat_open(struct sp_flow *f, uint64_t now_us)
{
    struct sp_tunnel *t = f->tunnel;

    if (now_us - f->open_frame_us <= t->config.max_age_us && f->open_frame != NULL) {
        f->last_lane =
            tunnel_send_frame(t, sp_span(f->open_frame, f->open_frame_len), f->last_lane, now_us);
    } else {
        struct sp_control c = control_of(f, SP_CONTROL_OPEN);
        f->last_lane = tunnel_control(t, &c, f->last_lane, now_us);
    }
}

static void repeat_close(struct sp_flow *f, uint64_t now_us)
{
    struct sp_control c = control_of(f, SP_CONTROL_CLOSE);
    f->last_lane = tunnel_control(f->tunnel, &c, f->last_lane, now_us);
}

static void close_flow(struct sp_flow *f, uint64_t now_us)
{
    set_ended(f, FLOW_CLOSING);
    begin_transaction(f);
    repeat_close(f, now_us);
    wait_for_answer(f, now_us);
}

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_flow *f = arg;
    (void)timer;

    if (f->state == FLOW_RESTING) {
        flow_free(f);
        return;
    }
    /* Until it is answered: a flow that only one end has forgotten would be taken for the next one
     * of its number. */
    f->repeats++;
    if (f->state == FLOW_CLOSING)
        repeat_close(f, now_us);
    else
        repeat_open(f, now_us);
    f->tunnel->counters.control_repeats += f->last_lane != NO_LANE;
    wait_for_answer(f, now_us);
}

/* --- what the far side says ----------------------------------------------------------------- */

/* 0, or the code that refuses. The owner may have closed it again all the same. */
static int accept_open(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us)
{
    struct sp_flow *f = flow_find(t, c->flow);

    if (t->config.role != SP_TUNNEL_EDGE)
        return SP_CONTROL_MALFORMED;
    if (f != NULL)
        return is_ended(f) ? SP_CONTROL_RESTING : 0;
    if (t->drain.begun)
        return SP_CONTROL_DRAINING;
    if (table_full(t)) {
        t->counters.flows_crowded++;
        return SP_CONTROL_FULL;
    }
    if ((f = flow_new(t, c->flow, FLOW_OPEN)) == NULL)
        return SP_CONTROL_FULL;
    f->kind = c->kind;
    f->local = c->local;
    int code = t->events->flow_opened(f, now_us, t->arg);
    if (code == 0)
        t->counters.flows_opened++;
    else if ((f = flow_find(t, c->flow)) != NULL)
        flow_free(f);
    return code;
}

void flow_on_open(struct sp_lane *l, const struct sp_control *c, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;
    int code = accept_open(t, c, now_us);

    if (code != 0)
        t->counters.flows_refused++;
    tunnel_answer(l, c, (unsigned)code);
    if (!c->has_data || !tunnel_wants(t, c->seq, now_us))
        return;
    struct sp_flow *f = flow_find(t, c->flow);
    if (code != 0 || f == NULL || is_ended(f)) {
        t->counters.dropped_unknown_flow++;
        return;
    }
    t->counters.datagrams_in++;
    t->events->datagrams(f, &c->data, 1, now_us, t->arg);
}

/* What the edge never saw open: its OPEN may still be on the way, and must find the number resting.
 */
static void rest_unknown(struct sp_tunnel *t, uint16_t number, uint64_t now_us)
{
    struct sp_flow *f;

    if (t->config.role != SP_TUNNEL_EDGE || resting_full(t))
        return;
    if ((f = flow_new(t, number, FLOW_RESTING)) != NULL)
        rest(f, now_us);
}

void flow_on_close(struct sp_lane *l, const struct sp_control *c, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;
    struct sp_flow *f = flow_find(t, c->flow);

    tunnel_answer(l, c, 0); /* a flow that we don't know is closed, too */
    if (f == NULL)
        rest_unknown(t, c->flow, now_us);
    if (f == NULL || f->state == FLOW_RESTING)
        return;
    if (f->state != FLOW_CLOSING)
        t->events->flow_closed(f, 0, t->arg);
    rest(f, now_us);
}

void flow_on_answer(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us)
{
    struct sp_flow *f = flow_find(t, c->flow);

    if (f == NULL || memcmp(f->id, c->id, sizeof f->id) != 0)
        return;
    if (f->state == FLOW_CLOSING && c->method == SP_CONTROL_CLOSE) {
        rest(f, now_us);
    } else if (f->state == FLOW_OPENING && c->method == SP_CONTROL_OPEN) {
        if (c->cls == SP_STUN_SUCCESS) {
            sp_timerq_cancel(t->timers, &f->timer);
            f->state = FLOW_OPEN;
            forget_open_frame(f);
            return;
        }
        t->counters.flows_refused++;
        t->events->flow_closed(f, c->code, t->arg);
        close_flow(f, now_us);
    }
}

void flow_unknown(struct sp_tunnel *t, uint16_t number, uint64_t now_us)
{
    struct sp_control c = {.method = SP_CONTROL_CLOSE, .cls = SP_STUN_REQUEST, .flow = number};
    struct sp_flow *f = flow_find(t, number);

    /* A CLOSE of ours is under way already, or there were too many of late. */
    if ((f != NULL && f->state == FLOW_CLOSING) || !sp_ratelimit_take(&t->close_limit, now_us))
        return;
    sp_rng_bytes(t->rng, c.id, sizeof c.id);
    tunnel_control(t, &c, NO_LANE, now_us);
    if (f != NULL)
        rest(f, now_us); /* anew: this CLOSE must not meet the number in use again */
}

/* --- what the owner says -------------------------------------------------------------------- */

int sp_flow_open(struct sp_tunnel *t, enum sp_flow_kind kind, const struct sp_addr *local,
                 uint64_t now_us, struct sp_flow **out)
{
    uint16_t number = t->last_number;
    (void)now_us;

    if (table_full(t) || drain_any(t))
        return SP_EFULL;
    do { /* ends: the table holds fewer than there are numbers */
        number = number >= SP_FLOW_PARITY - 1 ? 1 : (uint16_t)(number + 1);
    } while (flow_find(t, number) != NULL);
    struct sp_flow *f = flow_new(t, number, FLOW_OPENING);
    if (f == NULL)
        return SP_ENOMEM;
    f->kind = (uint16_t)kind;
    f->local = *local;
    begin_transaction(f);
    t->last_number = number;
    t->counters.flows_opened++;
    *out = f;
    return 0;
}

void flow_open_left(struct sp_tunnel *t, uint16_t number, struct sp_span frame, int lane,
                    uint64_t queued_us, uint64_t now_us)
{
    struct sp_flow *f = flow_find(t, number);

    if (f == NULL || f->state != FLOW_OPENING)
        return;
    uint8_t *copy = realloc(f->open_frame, frame.len);
    if (copy != NULL) { /* without memory the repeat goes without its datagram */
        memcpy(copy, frame.p, frame.len);
        f->open_frame = copy;
        f->open_frame_len = frame.len;
        f->open_frame_us = queued_us;
    }
    f->last_lane = lane;
    if (!sp_timer_is_set(&f->timer))
        wait_for_answer(f, now_us);
}

void sp_flow_close(struct sp_flow *f, uint64_t now_us)
{
    if (f->state == FLOW_OPENING && !f->used) { /* nobody knows, nobody has to be told */
        f->tunnel->counters.flows_closed++;
        flow_free(f);
    } else {
        close_flow(f, now_us);
    }
}

void sp_flow_set_user(struct sp_flow *f, void *user)
{
    f->user = user;
}

void *sp_flow_user(const struct sp_flow *f)
{
    return f->user;
}

uint16_t sp_flow_number(const struct sp_flow *f)
{
    return f->number;
}

enum sp_flow_kind sp_flow_kind(const struct sp_flow *f)
{
    return (enum sp_flow_kind)f->kind;
}

const struct sp_addr *sp_flow_local(const struct sp_flow *f)
{
    return &f->local;
}

struct sp_tunnel *sp_flow_tunnel(const struct sp_flow *f)
{
    return f->tunnel;
}

size_t sp_tunnel_flow_count(const struct sp_tunnel *t)
{
    return t->n_flows;
}
