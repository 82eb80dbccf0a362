/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ends of a tunnel, and somebody between them who holds lanes back, cuts, repeats and alters
 * what they carry, as the input says: a script, one byte a command, each followed by its argument.
 * Until the first byte was altered nothing may come twice, wrong, or on a wrong flow; after that,
 * whatever happens, bounds hold, everything is counted, and nothing is left behind.
 */
#include <string.h>

#include "fuzz.h"
#include "sallyport/err.h"
#include "tunnel_impl.h"
#include "two_ends.h"

#define FLOWS      6
#define LANES      4
#define SENT_MAX   (1024 * 1024)
#define SCRIPT_MAX 1000 /* bytes; longer ones find no more, only slower */

static struct {
    struct two_ends ends;
    struct sp_flow *flow[FLOWS]; /* on the gateway */
    bool honest;                 /* nobody altered anything yet */
    uint32_t offered[2];
    bool came[2][1024]; /* by index: what arrived at that side */
    size_t told[2];
} world;

static struct two_ends *const e = &world.ends;

/* --- traffic: each datagram says which it is, and whose ------------------------------------- */

#define RTP  12 /* its header, before the mark of a datagram of media */
#define MARK 8

/* A mark, and behind it bytes that depend on it. */
static void write_datagram(uint8_t *p, uint32_t index, uint16_t flow, size_t len)
{
    sp_put_be32(p, index);
    sp_put_be16(p + 4, flow);
    sp_put_be16(p + 6, (uint16_t)len);
    for (size_t i = MARK; i < len; i++)
        p[i] = (uint8_t)(index * 7 + i);
}

static void offer(struct sp_flow *f, unsigned side, size_t len)
{
    static uint8_t bytes[SP_DATAGRAM_MAX + 1];

    if (len < MARK)
        len = MARK;
    write_datagram(bytes, world.offered[side]++, sp_flow_number(f), len);
    ends_send(e, f, bytes, len);
}

/* So that it is covered by parity, or goes twice. */
static void offer_media(struct sp_flow *f, unsigned side, bool video)
{
    uint8_t bytes[RTP + 400] = {0x80, video ? 96 : 111};
    size_t len = video ? 400 : 100;
    uint32_t index = world.offered[side]++;

    sp_put_be16(bytes + 2, (uint16_t)index);
    sp_put_be32(bytes + 4, (uint32_t)(e->now_us / 1000 * (video ? 90 : 48)));
    bytes[11] = bytes[1];
    write_datagram(bytes + RTP, index, sp_flow_number(f), len);
    ends_send(e, f, bytes, RTP + len);
}

/* As far as it is remembered. */
static void check_datagram(const struct end_got *got, unsigned side, uint16_t flow)
{
    size_t at = got->head[0] == 0x80 ? RTP : 0;
    uint8_t expected[ENDS_HEAD];

    REQUIRE(got->len >= at + MARK && got->flow == flow);
    size_t len = got->len - at, n = len < ENDS_HEAD - at ? len : ENDS_HEAD - at;
    uint32_t index = sp_get_be32(got->head + at);
    write_datagram(expected, index, flow, n);
    sp_put_be16(expected + 6, (uint16_t)len);
    REQUIRE(memcmp(got->head + at, expected, n) == 0);
    REQUIRE(at == 0 || sp_get_be16(got->head + 2) == (uint16_t)index);
    REQUIRE(index < world.offered[1 - side]);
    REQUIRE(index < SP_ARRAY_LEN(world.came[0]) && !world.came[side][index]);
    world.came[side][index] = true;
}

static void on_datagrams(struct end *end, struct sp_flow *f)
{
    unsigned side = end->side;

    for (size_t i = world.told[side]; i < end->n_got && world.honest; i++)
        check_datagram(&end->got[i % ENDS_GOT], side, sp_flow_number(f));
    world.told[side] = end->n_got;
}

/* --- what must be so at any moment ---------------------------------------------------------- */

static void check_flows(const struct sp_tunnel *t)
{
    size_t n[2] = {0, 0};

    for (size_t p = 0; p < SP_ARRAY_LEN(t->pages); p++)
        for (size_t i = 0; t->pages[p] != NULL && i < FLOW_PAGE; i++) {
            const struct sp_flow *f = t->pages[p][i];
            if (f != NULL)
                n[f->state == FLOW_CLOSING || f->state == FLOW_RESTING]++;
        }
    REQUIRE(n[0] == t->n_flows && n[1] == t->n_resting);
}

static void check_end(unsigned side)
{
    struct sp_tunnel *t = e->end[side].tunnel;

    if (t == NULL)
        return;
    const struct sp_tunnel_counters *c = sp_tunnel_counters(t);

    REQUIRE(t->n_flows <= t->config.max_flows);
    REQUIRE(t->n_resting <= 5 * t->config.max_flows);
    REQUIRE(c->flows_opened - c->flows_closed == t->n_flows);
    REQUIRE(sp_classq_bytes(&t->queue) <= t->config.max_queue_bytes);
    REQUIRE(world.offered[side] == c->datagrams_out + c->dropped_age + c->dropped_full +
                                       c->dropped_too_big + sp_classq_count(&t->queue));
    REQUIRE(c->datagrams_in == e->end[side].n_got);
    REQUIRE(c->missed <= c->datagrams_out && c->repeated <= 3 * c->missed);
    REQUIRE(t->repair.sent.count <= c->datagrams_out && t->repair.sent.cap <= SENT_MAX);
    REQUIRE(c->recovered <= t->parity.dec.recovered);
    REQUIRE(t->parity.dec.n_groups <= SP_PARITY_GROUPS);
    REQUIRE(t->parity.dec.held <= t->config.max_queue_bytes / 2 + SP_PARITY_SUM_MAX);
    REQUIRE(!world.honest || c->malformed == 0);
}

/* --- the script ----------------------------------------------------------------------------- */

static void join(unsigned number)
{
    if (e->end[EDGE].tunnel != NULL)
        REQUIRE(ends_join(e, number) == 0);
}

static void open_flow(unsigned i)
{
    if (world.flow[i] == NULL && (world.flow[i] = ends_flow(e)) != NULL)
        sp_flow_set_user(world.flow[i], &world.flow[i]);
}

static void close_flow(unsigned i, bool by_edge)
{
    struct sp_flow *f = world.flow[i];

    if (f != NULL && by_edge && e->end[EDGE].tunnel != NULL) {
        f = flow_find(e->end[EDGE].tunnel, sp_flow_number(f));
        if (f != NULL && f->state == FLOW_OPEN)
            sp_flow_close(f, e->now_us);
    } else if (f != NULL && !by_edge) {
        world.flow[i] = NULL;
        sp_flow_close(f, e->now_us);
    }
}

/* A flow as that side knows it, if it does. */
static struct sp_flow *flow_of(unsigned i, unsigned side)
{
    struct sp_flow *f = world.flow[i];

    if (f == NULL || side == GATEWAY)
        return f;
    if (e->end[EDGE].tunnel == NULL)
        return NULL;
    f = flow_find(e->end[EDGE].tunnel, sp_flow_number(f));
    return f != NULL && f->state == FLOW_OPEN ? f : NULL;
}

static void talk(unsigned i, unsigned side, size_t len)
{
    struct sp_flow *f = flow_of(i, side);

    if (f != NULL)
        offer(f, side, len);
}

static void talk_media(unsigned i, unsigned side, bool video)
{
    struct sp_flow *f = flow_of(i, side);

    if (f != NULL)
        offer_media(f, side, video);
}

static void carry(unsigned from, unsigned number, size_t max)
{
    if (e->end[from].tunnel == NULL || e->end[1 - from].tunnel == NULL)
        return;
    int err = ends_carry(e, from, number, max);
    REQUIRE(err == 0 || ((err == SP_EBADMSG || err == SP_ETOOBIG) && !world.honest));
    if (err != 0) /* as any transport does */
        ends_lose_both(e, number);
}

static void carry_all(void)
{
    ends_flush(e);
    for (unsigned i = 0; i < LANES; i++) {
        carry(GATEWAY, i, SIZE_MAX);
        carry(EDGE, i, SIZE_MAX);
    }
}

static void alter(unsigned from, unsigned number, size_t at, uint8_t by)
{
    struct end_lane *l = &e->end[from].lanes[number];

    if (l->len == 0 || by == 0)
        return;
    world.honest = false;
    l->wire[at % l->len] ^= by;
}

/* The bytes that wait once more, by another lane: copies, as a repeat makes them. */
static void repeat(unsigned from, unsigned number)
{
    const struct end_lane *l = &e->end[from].lanes[number];
    struct end_lane *other = &e->end[from].lanes[(number + 1) % LANES];

    if (other->lane == NULL || l->len > 4096 || other->len > 4096)
        return;
    ends_inject(e, from, other->number, l->wire, l->len);
}

static void forge(unsigned from, unsigned number, const uint8_t *p, size_t len)
{
    struct end_lane *l = &e->end[from].lanes[number];

    if (l->lane == NULL || l->len > 4096)
        return;
    world.honest = false;
    ends_inject(e, from, number, p, len);
}

/* A whole frame that the far side never sent, so that it is judged by what it says. */
static void forge_data(unsigned from, unsigned number, const uint8_t *p)
{
    uint8_t frame[SP_FRAME_HEADER_LEN + 4] = {0};

    sp_frame_data_header(frame, (uint16_t)(1 + p[0] % (2 * FLOWS)), sp_get_be32(p + 1), 4);
    forge(from, number, frame, sizeof frame);
}

/* One parity of a group that may never have been: around the highest number that came there, of so
 * many datagrams. */
static void forge_parity(unsigned from, unsigned number, const uint8_t *p)
{
    const struct sp_tunnel *to = e->end[1 - from].tunnel;
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + SP_PARITY_HEADER_MAX + SP_PARITY_MEMBER_HEAD + 255];
    uint8_t body[255];
    struct sp_span out[SP_PARITY_MAX_M];
    struct sp_parity_enc enc;
    unsigned k = p[1] % 16 + 1u, m = p[2] % SP_PARITY_MAX_M + 1u, gap = p[2] >> 5;
    if (to == NULL)
        return;
    memset(body, p[3], sizeof body);
    sp_parity_enc_init(&enc, SP_SEC(1));
    REQUIRE(sp_parity_enc_set(&enc, k, m) == 0);
    uint32_t seq = to->window.highest - 128 + p[0];
    for (unsigned i = 0; i < k; i++, seq += 1 + gap)
        REQUIRE(sp_parity_enc_add(&enc, seq, (uint16_t)(1 + p[4] % FLOWS), sp_span(body, p[5]),
                                  e->now_us) == 0);
    size_t n = sp_parity_enc_close(&enc, out);
    REQUIRE(n > 0 && out[n - 1].len + SP_FRAME_CONTROL_HEADER_LEN <= sizeof frame);
    struct sp_span last = out[n - 1];
    sp_frame_parity_header(frame, last.len);
    memcpy(frame + SP_FRAME_CONTROL_HEADER_LEN, last.p, last.len);
    frame[SP_FRAME_CONTROL_HEADER_LEN + p[6] % last.len] ^= p[7];
    forge(from, number, frame, SP_FRAME_CONTROL_HEADER_LEN + last.len);
    sp_parity_enc_fini(&enc);
}

static void forge_message(unsigned from, unsigned number, const struct sp_control *c)
{
    uint8_t frame[SP_FRAME_CONTROL_HEADER_LEN + 256];
    size_t len;

    if (sp_control_build(c, frame + SP_FRAME_CONTROL_HEADER_LEN,
                         sizeof frame - SP_FRAME_CONTROL_HEADER_LEN, &len) != 0)
        return;
    sp_frame_control_header(frame, len);
    forge(from, number, frame, SP_FRAME_CONTROL_HEADER_LEN + len);
}

static const uint16_t codes[] = {SP_CONTROL_MALFORMED, SP_CONTROL_RESTING,  SP_CONTROL_UNKNOWN,
                                 SP_CONTROL_FULL,      SP_CONTROL_DRAINING, 699};

static void forge_request(unsigned from, unsigned number, const uint8_t *p)
{
    struct sp_control c = {.method = (uint16_t)(SP_CONTROL_OPEN + p[0] % 4)};

    memset(c.id, p[1], sizeof c.id);
    if (c.method <= SP_CONTROL_CLOSE)
        c.flow = (uint16_t)(1 + p[2] % (2 * FLOWS));
    if (c.method == SP_CONTROL_OPEN) {
        c.kind = p[3] & 1 ? SP_FLOW_TURN : p[3];
        c.has_data = p[3] & 2;
        c.seq = p[3];
        c.data = sp_span_str("forged");
    }
    forge_message(from, number, &c);
}

/* Answers the n-th request that waits on a wire, before its addressee can. */
static void forge_answer(unsigned to, unsigned number, uint8_t n, uint8_t how)
{
    const struct end_lane *l = &e->end[to].lanes[number];
    struct sp_span s = sp_span(l->wire, l->len), packet;
    struct sp_frame frame;
    struct sp_control c;
    size_t used;
    bool answerable;

    for (; sp_rfc4571_next(s, SP_FRAME_MAX, &packet, &used) == 0; s = sp_span_skip(s, used)) {
        if (sp_frame_parse(packet, &frame) != 0 || frame.kind != SP_FRAME_CONTROL ||
            sp_control_parse(frame.body, &c, &answerable) != 0 || c.cls != SP_STUN_REQUEST)
            continue;
        if (n-- > 0)
            continue;
        struct sp_control answer = {.method = c.method, .cls = SP_STUN_SUCCESS, .flow = c.flow};

        memcpy(answer.id, c.id, sizeof answer.id);
        if (how & 0x80) {
            answer.cls = SP_STUN_ERROR;
            answer.code = codes[how % SP_ARRAY_LEN(codes)];
        }
        if (how & 0x40)
            answer.method = (uint16_t)(SP_CONTROL_OPEN + (how & 3));
        if ((answer.method <= SP_CONTROL_CLOSE) != (answer.flow != 0))
            answer.flow = answer.flow != 0 ? 0 : 1;
        forge_message(1 - to, number, &answer);
        return;
    }
}

/* A wire holds no more than it holds: what nobody carries for long ends, as a transport would. */
static void relieve(void)
{
    for (unsigned from = 0; from < 2; from++)
        for (unsigned i = 0; i < LANES; i++) {
            const struct end_lane *l = &e->end[from].lanes[i];
            if (l->len > ENDS_WIRE / 4)
                carry(from, i, SIZE_MAX);
            if (l->len > ENDS_WIRE / 4)
                ends_lose_both(e, i);
        }
}

/* Commands by their whole byte; all others are told by what it leaves when divided by 20. */
#define MEDIA  240
#define PARITY 241

/* Returns how many bytes of the script it took. */
static size_t command(const uint8_t *p, size_t left)
{
    uint8_t arg = p[1];
    unsigned lane = arg % LANES, flow = arg % FLOWS, side = arg >> 7;

    switch (p[0] == MEDIA || p[0] == PARITY ? p[0] : p[0] % 20) {
    case 0:
        open_flow(flow);
        break;
    case 1:
        close_flow(flow, side);
        break;
    case 2:
        talk(flow, side, (size_t)(arg & 0x78) * 4);
        break;
    case 3:
        carry(side, lane, (size_t)(arg & 0x7C) * 4 + 1);
        break;
    case 4:
        carry(side, lane, SIZE_MAX);
        break;
    case 5:
        carry_all();
        break;
    case 6:
        ends_flush(e); /* nobody sleeps before */
        ends_wait(e, SP_MS(arg) * 4);
        break;
    case 7:
        ends_flush(e);
        ends_wait(e, SP_SEC(arg) / 8);
        break;
    case 8:
        join(lane);
        break;
    case 9:
        if (e->end[EDGE].tunnel != NULL)
            (arg & 0x40) ? ends_lose_both(e, lane) : ends_lose(e, side, lane);
        break;
    case 10:
        e->end[side].lanes[lane].full = arg & 0x40;
        if (!(arg & 0x40) && e->end[side].lanes[lane].lane != NULL)
            sp_tunnel_lane_writable(e->end[side].lanes[lane].lane);
        break;
    case 11:
        repeat(side, lane);
        break;
    case 12:
        if (left < 5)
            break;
        alter(side, lane, sp_get_be16(p + 2), p[4]);
        return 5;
    case 13:
        if (left < 3 || left - 3 < p[2])
            break;
        forge(side, lane, p + 3, p[2]);
        return 3 + (size_t)p[2];
    case 14:
        if (e->end[side].tunnel != NULL)
            sp_tunnel_drain(e->end[side].tunnel, e->now_us);
        break;
    case 15:
        if (left < 7)
            break;
        forge_data(side, lane, p + 2);
        return 7;
    case 16:
        if (left < 6)
            break;
        forge_request(side, lane, p + 2);
        return 6;
    case 17:
        if (left < 4)
            break;
        forge_answer(side, lane, p[2], p[3]);
        return 4;
    case 18:
        if (e->end[side].tunnel != NULL)
            sp_tunnel_probe(e->end[side].tunnel, e->now_us);
        break;
    case 19: /* as large as a datagram may be, or one more */
        talk(flow, side, SP_DATAGRAM_MAX + (arg & 0x40) / 0x40u);
        break;
    case MEDIA:
        talk_media(flow, side, arg & 0x40);
        break;
    case PARITY:
        if (left < 10)
            break;
        forge_parity(side, lane, p + 2);
        return 10;
    }
    return 2;
}

static void begin(void)
{
    struct sp_tunnel_config gateway, edge;

    memset(&world.flow, 0, sizeof world.flow);
    memset(&world.offered, 0, sizeof world.offered);
    memset(&world.came, 0, sizeof world.came);
    memset(&world.told, 0, sizeof world.told);
    world.honest = true;
    sp_tunnel_config_default(&gateway, SP_TUNNEL_GATEWAY);
    sp_tunnel_config_default(&edge, SP_TUNNEL_EDGE);
    gateway.max_flows = 5;
    edge.max_flows = 4;
    gateway.max_queue_bytes = edge.max_queue_bytes = 20000;
    REQUIRE(ends_open(e, &gateway, &edge) == 0);
    for (unsigned side = 0; side < 2; side++)
        e->end[side].on_datagrams = on_datagrams;
    e->end[EDGE].free_when_expired = true;
    join(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    for (size_t at = 0; size - at >= 2 && at < SCRIPT_MAX; at += command(data + at, size - at)) {
        check_end(GATEWAY);
        check_end(EDGE);
        relieve();
    }
    for (unsigned side = 0; side < 2; side++) {
        check_end(side);
        if (e->end[side].tunnel != NULL)
            check_flows(e->end[side].tunnel);
    }
    ends_close(e);
    return 0;
}
