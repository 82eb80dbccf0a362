/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/classify.h"

#include <stdlib.h>

#include "sallyport/chandata.h"
#include "sallyport/clock.h"
#include "sallyport/stun.h"

#define RTP_HEADER_LEN 12
#define SMALL          400 /* bytes of an RTP packet that is voice as long as nobody knows */

/* The clock is read off over a window of time and timestamps; a window is followed by the next. */
#define SETTLE      SP_MS(300) /* the shortest that tells anything */
#define SETTLE_TS   4
#define WINDOW      SP_SEC(1)
#define WINDOW_TS   6
#define SILENCE     SP_SEC(5) /* after this much, or a jump back this far, the clock is read anew */
#define JUMP_BACK   (5 * 90000)
#define CHANGE_MIND 10 /* timestamps in a row that say otherwise */

enum kind { UNKNOWN, VOICE, VIDEO };

/* Where a window of time begins. */
struct window {
    uint64_t us;
    uint32_t ts;
    uint32_t n_ts; /* higher timestamps that came since */
};

struct stream {
    struct sp_map_node node;
    struct sp_link use;
    uint64_t key; /* flow and SSRC */
    struct window now, next;
    uint64_t last_us;
    uint32_t last_ts; /* the highest */
    uint32_t last_len;
    uint16_t last_seq;
    uint8_t contrary; /* timestamps in a row that spoke against `kind` */
    enum kind kind;
};

const char *sp_class_name(enum sp_class c)
{
    static const char *const names[SP_N_CLASSES] = {
        [SP_CLASS_CONTROL] = "control", [SP_CLASS_VOICE] = "voice", [SP_CLASS_RTCP] = "rtcp",
        [SP_CLASS_VIDEO] = "video",     [SP_CLASS_DATA] = "data",
    };
    return (unsigned)c < SP_N_CLASSES ? names[c] : "unknown";
}

void sp_classify_init(struct sp_classify *c, struct sp_rng *rng)
{
    SP_MAP_INIT(&c->streams, struct stream, node, key, rng);
    sp_list_init(&c->by_use);
}

static void forget(struct sp_classify *c, struct stream *s)
{
    sp_map_del(&c->streams, &s->node);
    sp_list_remove(&s->use);
}

void sp_classify_fini(struct sp_classify *c)
{
    SP_LIST_EACH(&c->by_use, it, after)
    free(SP_LIST_ITEM(it, struct stream, use));
    sp_list_init(&c->by_use);
    sp_map_fini(&c->streams);
}

static uint64_t key_of(uint16_t flow, uint32_t ssrc)
{
    return (uint64_t)flow << 32 | ssrc;
}

void sp_classify_forget(struct sp_classify *c, uint16_t flow)
{
    SP_LIST_EACH(&c->by_use, it, after)
    {
        struct stream *s = SP_LIST_ITEM(it, struct stream, use);

        if (s->key >> 32 == flow) {
            forget(c, s);
            free(s);
        }
    }
}

/* ---- streams ---- */

/* A new one, in the place of the least recently used if need be; NULL without memory. */
static struct stream *add_stream(struct sp_classify *c, uint64_t key)
{
    struct stream *s;

    if (c->streams.len >= SP_CLASSIFY_STREAMS) {
        s = SP_LIST_ITEM(sp_list_first(&c->by_use), struct stream, use);
        forget(c, s);
    } else {
        s = malloc(sizeof(*s));
        if (!s)
            return NULL;
    }
    *s = (struct stream){.key = key};
    if (sp_map_add(&c->streams, &s->node)) {
        free(s);
        return NULL;
    }
    sp_list_append(&c->by_use, &s->use);
    return s;
}

static struct stream *find_stream(struct sp_classify *c, uint64_t key)
{
    if (sp_list_empty(&c->by_use))
        return NULL;

    /* Packets come in bursts, so it is the last one more often than not. */
    struct stream *last = SP_LIST_ITEM(c->by_use.head.prev, struct stream, use);

    if (last->key == key)
        return last;

    struct sp_map_node *n = sp_map_get(&c->streams, &key);

    if (!n)
        return NULL;

    struct stream *s = SP_CONTAINER_OF(n, struct stream, node);

    sp_list_remove(&s->use);
    sp_list_append(&c->by_use, &s->use);
    return s;
}

/* ---- what a stream is ---- */

struct rtp {
    uint32_t ssrc, ts;
    uint32_t len; /* of the packet, header and all */
    uint16_t seq;
    bool padded;
};

/*
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     |                           timestamp                           |
 *     |                             SSRC                              |
 */
static struct rtp rtp_header(struct sp_span p)
{
    return (struct rtp){
        .ssrc = sp_get_be32(p.p + 8),
        .ts = sp_get_be32(p.p + 4),
        .len = (uint32_t)p.len,
        .seq = sp_get_be16(p.p + 2),
        .padded = (p.p[0] & 0x20) != 0,
    };
}

/* Video runs at 90 kHz; voice at 8 to 48 kHz. In between and beyond, arrival says too little. */
static enum kind kind_by_clock(const struct window *w, uint32_t ts, uint64_t now_us)
{
    uint64_t us = now_us - w->us;

    if (us < SETTLE || w->n_ts < SETTLE_TS)
        return UNKNOWN;

    /* At `hz` there would be hz * us / 1000000 ticks: compared so, it needs no division. */
    uint64_t ticks = (uint64_t)(ts - w->ts) * 1000000;

    if (ticks >= 6000 * us && ticks <= 62000 * us)
        return VOICE;
    if (ticks >= 70000 * us && ticks <= 130000 * us)
        return VIDEO;
    return UNKNOWN;
}

static void begin_windows(struct stream *s, const struct rtp *p, uint64_t now_us)
{
    s->now = s->next = (struct window){.us = now_us, .ts = p->ts};
    s->last_ts = p->ts;
    s->contrary = 0;
}

/* A first opinion is taken at once, another one when it stays. */
static void hear(struct stream *s, enum kind kind)
{
    if (kind == UNKNOWN)
        return;
    if (kind == s->kind) {
        s->contrary = 0;
    } else if (s->kind == UNKNOWN || ++s->contrary >= CHANGE_MIND) {
        s->kind = kind;
        s->contrary = 0;
    }
}

/* A timestamp above all others. */
static void advance(struct stream *s, uint32_t ts, uint64_t now_us)
{
    s->last_ts = ts;
    s->now.n_ts++;
    s->next.n_ts++;
    hear(s, kind_by_clock(&s->now, ts, now_us));
    if (now_us - s->next.us >= WINDOW && s->next.n_ts >= WINDOW_TS) {
        s->now = s->next;
        s->next = (struct window){.us = now_us, .ts = ts};
    }
}

static void learn(struct stream *s, const struct rtp *p, uint64_t now_us)
{
    int32_t ahead = (int32_t)(p->ts - s->last_ts);
    bool first = s->last_us == 0;

    if (!first && p->seq == s->last_seq)
        return; /* a copy */
    if (first || now_us - s->last_us > SILENCE || ahead < -JUMP_BACK) {
        begin_windows(s, p, now_us);
    } else if (ahead > 0) {
        advance(s, p->ts, now_us);
    } else if (ahead == 0 && s->kind == UNKNOWN && (p->len > SMALL || s->last_len > SMALL)) {
        s->kind = VIDEO;
    }
    s->last_us = now_us;
    s->last_len = p->len;
    s->last_seq = p->seq;
}

static enum sp_class class_of_rtp(struct sp_classify *c, uint16_t flow, struct sp_span packet,
                                  uint64_t now_us)
{
    struct rtp p = rtp_header(packet);
    uint64_t key = key_of(flow, p.ssrc);
    struct stream *s = find_stream(c, key);
    enum kind kind = UNKNOWN;

    if (!s)
        s = add_stream(c, key);
    if (s) {
        if (!p.padded)
            learn(s, &p, now_us);
        kind = s->kind;
        if (p.padded && p.ts == s->last_ts)
            kind = VIDEO; /* nothing else in it */
    }
    if (kind == UNKNOWN)
        kind = p.len <= SMALL && !p.padded ? VOICE : VIDEO;
    return kind == VOICE ? SP_CLASS_VOICE : SP_CLASS_VIDEO;
}

/* ---- what a datagram is ---- */

/*
 * The first byte is a content type up to DTLS 1.2 (RFC 6347): application data is 23, and 25 hides
 * what it is (RFC 9146). From 32 on it is a record of DTLS 1.3 (RFC 9147 section 4), encrypted
 * whatever it holds; its last two bits are those of the epoch, and handshakes have epoch 2.
 */
static enum sp_class class_of_dtls(uint8_t first)
{
    bool data = first < 32 ? first == 23 || first == 25 : (first & 3) != 2;

    return data ? SP_CLASS_DATA : SP_CLASS_CONTROL;
}

/* RFC 7983 for what is inside TURN, or not inside any. */
enum sp_class sp_classify_inner(struct sp_classify *c, uint16_t flow, struct sp_span s,
                                uint64_t now_us)
{
    if (s.len == 0)
        return SP_CLASS_DATA;
    if (s.p[0] <= 19) /* STUN is 0 to 3, ZRTP 16 to 19 */
        return s.p[0] >= 16 || sp_stun_looks_like(s) ? SP_CLASS_CONTROL : SP_CLASS_DATA;
    if (s.p[0] <= 63)
        return class_of_dtls(s.p[0]);
    if (s.p[0] < 128 || s.p[0] > 191 || s.len < 8)
        return SP_CLASS_DATA;
    if (s.p[1] >= 192 && s.p[1] <= 223) /* RFC 5761 section 4 */
        return SP_CLASS_RTCP;
    return s.len < RTP_HEADER_LEN ? SP_CLASS_DATA : class_of_rtp(c, flow, s, now_us);
}

/* The data of a Send or Data indication. */
static bool indication_data(struct sp_span datagram, struct sp_span *data)
{
    struct sp_stun_msg m;

    if (sp_stun_parse(datagram, &m) || m.cls != SP_STUN_INDICATION)
        return false;
    if (m.method != SP_TURN_SEND && m.method != SP_TURN_DATA)
        return false;
    return sp_stun_find(&m, SP_ATTR_DATA, data);
}

enum sp_class sp_classify(struct sp_classify *c, uint16_t flow, struct sp_span datagram,
                          uint64_t now_us)
{
    struct sp_chandata channel;
    struct sp_span inner = datagram;

    if (sp_chandata_looks_like(datagram)) {
        if (sp_chandata_parse(datagram, &channel))
            return SP_CLASS_DATA;
        inner = channel.data;
    } else if (sp_stun_looks_like(datagram) && !indication_data(datagram, &inner)) {
        return SP_CLASS_CONTROL;
    }
    return sp_classify_inner(c, flow, inner, now_us);
}
