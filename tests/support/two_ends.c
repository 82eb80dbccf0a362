/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "two_ends.h"

#include <string.h>

#include "sallyport/err.h"

/* --- what a lane does ----------------------------------------------------------------------- */

static void lane_send(struct sp_span frames, void *arg)
{
    struct end_lane *l = arg;

    REQUIRE(l->lane != NULL && frames.len > 0);
    REQUIRE(frames.len <= sizeof l->wire - l->len);
    memcpy(l->wire + l->len, frames.p, frames.len);
    l->len += frames.len;
    l->sent += frames.len;
    l->segments += sp_tunnel_segments(frames.len);
    l->handed++;
}

static bool lane_has_room(void *arg)
{
    const struct end_lane *l = arg;
    return !l->full;
}

static void lane_measure(struct sp_lane_measure *out, void *arg)
{
    struct end_lane *l = arg;

    l->measured++;
    if (l->sent == l->acked)
        l->segments = 0;
    *out =
        (struct sp_lane_measure){.acked_bytes = l->acked,
                                 .unacked_bytes = (uint32_t)(l->sent - l->acked),
                                 .rtt_us = l->rtt_us,
                                 .has_window = l->window > 0,
                                 .window = l->window > l->segments ? l->window - l->segments : 0};
}

static bool lane_has_more(void *arg)
{
    const struct end_lane *l = arg;
    return l->has_more;
}

static void lane_close(void *arg)
{
    struct end_lane *l = arg;

    l->lane = NULL;
    l->closed++;
}

static void lane_expect_queue(bool queue, void *arg)
{
    struct end_lane *l = arg;

    l->expects_queue = queue;
}

static const struct sp_lane_ops lane_ops = {
    .send = lane_send,
    .has_room = lane_has_room,
    .measure = lane_measure,
    .has_more = lane_has_more,
    .close = lane_close,
    .expect_queue = lane_expect_queue,
};

/* --- what a tunnel tells -------------------------------------------------------------------- */

static void on_flush(void *arg)
{
    struct end *end = arg;

    REQUIRE(!end->want_flush);
    end->want_flush = true;
    end->flush_told++;
}

static void on_datagrams(struct sp_flow *f, const struct sp_span *d, size_t n, uint64_t now_us,
                         void *arg)
{
    struct end *end = arg;

    REQUIRE(n > 0 && now_us == end->ends->now_us);
    end->batches++;
    for (size_t i = 0; i < n; i++) {
        struct end_got *got = &end->got[end->n_got++ % ENDS_GOT];
        *got = (struct end_got){
            .flow = sp_flow_number(f), .lane = end->input_lane, .len = d[i].len, .at_us = now_us};
        if (d[i].len > 0)
            memcpy(got->head, d[i].p, d[i].len < ENDS_HEAD ? d[i].len : ENDS_HEAD);
    }
    if (end->on_datagrams != NULL)
        end->on_datagrams(end, f);
}

static int on_flow_opened(struct sp_flow *f, uint64_t now_us, void *arg)
{
    struct end *end = arg;

    end->opened++;
    end->flow = f;
    if (end->close_at_once)
        sp_flow_close(f, now_us);
    return end->open_answer;
}

static void on_flow_closed(struct sp_flow *f, unsigned code, void *arg)
{
    struct end *end = arg;

    end->closed++;
    end->closed_code = code;
    if (end->flow == f)
        end->flow = NULL;
    struct sp_flow **pointer = sp_flow_user(f);
    if (pointer != NULL)
        *pointer = NULL;
}

static unsigned on_asked(struct sp_span question, uint8_t answer[static SP_CONTROL_BODY_MAX],
                         size_t *len, uint64_t now_us, void *arg)
{
    struct end *end = arg;
    (void)now_us;

    end->asked++;
    for (size_t i = 0; i < question.len; i++)
        answer[i] = question.p[question.len - 1 - i];
    *len = question.len;
    return end->ask_answer;
}

static void on_lane_suspect(struct sp_lane *l, void *arg)
{
    struct end *end = arg;

    end->suspected++;
    end->suspect_lane = sp_lane_number(l);
    if (end->lose_suspects)
        ends_lose(end->ends, end->side, end->suspect_lane);
}

static void on_draining(void *arg)
{
    struct end *end = arg;
    end->draining++;
}

static void on_lanes_wanted(unsigned lanes, void *arg)
{
    struct end *end = arg;

    REQUIRE((lanes > 1) == sp_tunnel_is_wide(end->tunnel));
    REQUIRE(lanes != end->lanes_wanted);
    end->lanes_wanted = lanes;
    end->width_told++;
}

static void on_expired(void *arg)
{
    struct end *end = arg;

    end->expired++;
    if (end->free_when_expired) {
        sp_tunnel_free(end->tunnel);
        end->tunnel = NULL;
        end->want_flush = false;
    }
}

static const struct sp_tunnel_events tunnel_events = {
    .flush = on_flush,
    .datagrams = on_datagrams,
    .flow_opened = on_flow_opened,
    .flow_closed = on_flow_closed,
    .asked = on_asked,
    .lane_suspect = on_lane_suspect,
    .draining = on_draining,
    .lanes_wanted = on_lanes_wanted,
    .expired = on_expired,
};

/* --- life ----------------------------------------------------------------------------------- */

static int open_side(struct two_ends *e, unsigned side, const struct sp_tunnel_config *config)
{
    struct sp_tunnel_config c;
    struct end *end = &e->end[side];

    sp_tunnel_config_default(&c, side == GATEWAY ? SP_TUNNEL_GATEWAY : SP_TUNNEL_EDGE);
    end->ends = e;
    end->side = side;
    for (unsigned i = 0; i < ENDS_LANES; i++) {
        end->lanes[i].end = end;
        end->lanes[i].number = i;
    }
    if (config != NULL)
        c = *config;
    c.burst_rate = 0; /* what waits does so for the reason that is tested */
    return sp_tunnel_new(&c, &tunnel_events, end, &e->timers, &e->rng.rng, &end->tunnel);
}

int ends_open(struct two_ends *e, const struct sp_tunnel_config *gateway,
              const struct sp_tunnel_config *edge)
{
    memset(e, 0, sizeof *e);
    e->now_us = ENDS_START;
    sp_timerq_init(&e->timers);
    sp_rng_seeded_init(&e->rng, 1);
    int err = open_side(e, GATEWAY, gateway);
    return err != 0 ? err : open_side(e, EDGE, edge);
}

void ends_close(struct two_ends *e)
{
    sp_tunnel_free(e->end[GATEWAY].tunnel);
    sp_tunnel_free(e->end[EDGE].tunnel);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < ENDS_LANES; i++)
            REQUIRE(e->end[side].lanes[i].lane == NULL);
    REQUIRE(e->timers.len == 0);
    sp_timerq_fini(&e->timers);
}

/* The transport object is new, whatever was there before; what it held is lost. */
static int join_side(struct two_ends *e, unsigned side, unsigned number)
{
    struct end_lane *l = &e->end[side].lanes[number];
    struct sp_lane *lane;
    int err = sp_tunnel_lane_add(e->end[side].tunnel, number, &lane_ops, l, e->now_us, &lane);

    if (err != 0)
        return err;
    l->lane = lane;
    l->len = 0;
    l->sent = l->acked = 0;
    return 0;
}

int ends_join(struct two_ends *e, unsigned number)
{
    int err = join_side(e, GATEWAY, number);
    return err != 0 ? err : join_side(e, EDGE, number);
}

void ends_lose(struct two_ends *e, unsigned side, unsigned number)
{
    struct end_lane *l = &e->end[side].lanes[number];

    if (l->lane == NULL)
        return;
    sp_tunnel_lane_remove(l->lane, e->now_us);
    l->lane = NULL;
    l->len = 0;
    l->sent = l->acked = 0;
}

void ends_lose_both(struct two_ends *e, unsigned number)
{
    ends_lose(e, GATEWAY, number);
    ends_lose(e, EDGE, number);
}

/* --- what is on the wires ------------------------------------------------------------------- */

bool ends_peek(const struct two_ends *e, unsigned from, unsigned number, size_t i,
               struct sp_frame *frame, struct sp_control *c)
{
    const struct end_lane *l = &e->end[from].lanes[number];
    struct sp_span s = sp_span(l->wire, l->len), packet;
    size_t used;
    bool answerable;

    do {
        if (sp_rfc4571_next(s, SP_FRAME_MAX, &packet, &used) != 0)
            return false;
        s = sp_span_skip(s, used);
    } while (i-- > 0);
    REQUIRE(sp_frame_parse(packet, frame) == 0);
    if (frame->kind == SP_FRAME_CONTROL)
        REQUIRE(sp_control_parse(frame->body, c, &answerable) == 0);
    return true;
}

size_t ends_waiting(const struct two_ends *e, unsigned from, unsigned number)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    while (ends_peek(e, from, number, n, &f, &c))
        n++;
    return n;
}

size_t ends_requests(const struct two_ends *e, unsigned from, uint16_t method)
{
    struct sp_frame f;
    struct sp_control c;
    size_t n = 0;

    for (unsigned number = 0; number < ENDS_LANES; number++)
        for (size_t i = 0; ends_peek(e, from, number, i, &f, &c); i++)
            n += f.kind == SP_FRAME_CONTROL && c.cls == SP_STUN_REQUEST && c.method == method;
    return n;
}

void ends_lose_bytes(struct two_ends *e, unsigned from)
{
    for (unsigned i = 0; i < ENDS_LANES; i++) {
        struct end_lane *l = &e->end[from].lanes[i];
        l->acked += l->len;
        l->len = 0;
    }
}

/* --- what moves ----------------------------------------------------------------------------- */

void ends_flush(struct two_ends *e)
{
    for (unsigned side = 0; side < 2; side++) {
        struct end *end = &e->end[side];
        if (!end->want_flush)
            continue;
        end->want_flush = false;
        sp_tunnel_flush(end->tunnel, e->now_us);
    }
}

int ends_carry(struct two_ends *e, unsigned from, unsigned number, size_t max)
{
    struct end_lane *out = &e->end[from].lanes[number];
    struct end *to = &e->end[1 - from];
    size_t n = out->len < max ? out->len : max, used = 0;

    if (to->lanes[number].lane == NULL || n == 0)
        return 0;
    to->input_lane = number;
    int err = sp_tunnel_lane_input(to->lanes[number].lane, sp_span(out->wire, n), e->now_us, &used);
    REQUIRE(used <= n);
    memset(out->wire, 0xEE, used); /* nobody may look at it after the call */
    memmove(out->wire, out->wire + used, out->len - used);
    out->len -= used;
    out->acked += used;
    return err;
}

/* Whether anything moved. */
static bool carry_all(struct two_ends *e, size_t piece)
{
    bool moved = false;

    for (unsigned from = 0; from < 2; from++) {
        for (unsigned i = 0; i < ENDS_LANES; i++) {
            struct end_lane *l = &e->end[from].lanes[i];
            size_t max = piece;

            if (l->len == 0 || l->held || e->end[1 - from].lanes[i].lane == NULL)
                continue;
            while (l->len > 0) {
                size_t before = l->len;
                REQUIRE(ends_carry(e, from, i, max) == 0);
                if (l->len < before)
                    max = piece;
                else if (max >= l->len)
                    break; /* half a frame */
                else
                    max += piece;
                moved |= l->len < before;
            }
        }
    }
    return moved;
}

void ends_settle_cut(struct two_ends *e, size_t piece)
{
    do {
        ends_flush(e);
    } while (carry_all(e, piece) || e->end[GATEWAY].want_flush || e->end[EDGE].want_flush);
}

void ends_settle(struct two_ends *e)
{
    ends_settle_cut(e, ENDS_WIRE);
}

void ends_inject(struct two_ends *e, unsigned from, unsigned number, const void *p, size_t len)
{
    struct end_lane *l = &e->end[from].lanes[number];

    REQUIRE(len <= sizeof l->wire - l->len);
    memcpy(l->wire + l->len, p, len);
    l->len += len;
    l->sent += len;
}

static void pass(struct two_ends *e, uint64_t us, bool carry)
{
    uint64_t end_us = e->now_us + us;

    for (;;) {
        uint64_t next = sp_timerq_next(&e->timers);
        if (next > end_us)
            break;
        if (next > e->now_us)
            e->now_us = next;
        sp_timerq_run(&e->timers, e->now_us);
        if (carry)
            ends_settle(e);
        else
            ends_flush(e);
    }
    e->now_us = end_us;
}

void ends_wait(struct two_ends *e, uint64_t us)
{
    pass(e, us, false);
}

void ends_live(struct two_ends *e, uint64_t us)
{
    pass(e, us, true);
}

/* --- flows ---------------------------------------------------------------------------------- */

void ends_send(struct two_ends *e, struct sp_flow *f, const void *p, size_t len)
{
    struct sp_span s = sp_span(p, len);
    sp_flow_send(f, &s, 1, e->now_us);
}

struct sp_flow *ends_flow(struct two_ends *e)
{
    struct sp_addr local = sp_addr_v4(192, 168, 1, 2, 5000);
    struct sp_flow *f = NULL;

    if (sp_flow_open(e->end[GATEWAY].tunnel, SP_FLOW_TURN, &local, e->now_us, &f) != 0)
        return NULL;
    return f;
}

struct sp_flow *ends_connected_flow(struct two_ends *e, struct sp_flow **edge)
{
    struct sp_flow *f = ends_flow(e);

    REQUIRE(f != NULL);
    e->end[EDGE].flow = NULL;
    ends_send(e, f, "hello", 5);
    ends_settle(e);
    REQUIRE(e->end[EDGE].flow != NULL);
    REQUIRE(sp_flow_number(e->end[EDGE].flow) == sp_flow_number(f));
    if (edge != NULL)
        *edge = e->end[EDGE].flow;
    return f;
}
