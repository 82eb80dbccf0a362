/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_data.h"

#include "sallyport/chandata.h"
#include "sallyport/err.h"
#include "sallyport/rfc4571.h"
#include "sallyport/stun_auth.h"
#include "turn_attrs.h"
#include "turn_engine.h"
#include "turn_outbox.h"

#define ATTR_HEADER_LEN 4
#define UDP_PAYLOAD_MAX 65507 /* by IPv4; the kernel refuses what is too long for IPv6 */

/* The longest message to a client, by transport. On a stream the length field is the limit: header
 * and 65,535 bytes, padded. */
static const size_t message_max[] = {
    [SP_TURN_UDP] = UDP_PAYLOAD_MAX,
    [SP_TURN_TCP] = SP_STUN_HEADER_LEN + UINT16_MAX,
    [SP_TURN_TLS] = SP_STUN_HEADER_LEN + UINT16_MAX,
    [SP_TURN_FLOW] = SP_DATAGRAM_MAX,
};

/* Counts a datagram of `a`, in its own usage and in the engine's counters. */
#define COUNT(t, a, what, len)                                                 \
    do {                                                                       \
        (t)->counters.what##_datagrams++, (a)->usage.what##_datagrams++;       \
        (t)->counters.what##_bytes += (len), (a)->usage.what##_bytes += (len); \
    } while (0)
#define COUNT_DROP(t, a, why) ((t)->counters.dropped_##why++, (a)->usage.dropped_##why++)

/* --- to a client -------------------------------------------------------------------------- */

/* 12 bytes that no other indication of this engine has. Nobody answers it, so nobody gains by
 * guessing it. */
static void indication_id(struct sp_turn *t, uint8_t id[static SP_STUN_ID_LEN])
{
    uint64_t n = ++t->indications;

    sp_put_be64(id, n * UINT64_C(0x9E3779B97F4A7C15));
    sp_put_be32(id + 8, (uint32_t)(n >> 32 ^ n));
}

/* STUN header, XOR-PEER-ADDRESS, and the header of DATA, whose value is the body. */
static size_t put_data_indication(struct sp_turn *t, struct sp_turn_out *o,
                                  const struct sp_addr *from, size_t len)
{
    uint8_t id[SP_STUN_ID_LEN];
    struct sp_stun_builder b;

    indication_id(t, id);
    sp_stun_begin(&b, o->head, sizeof o->head, SP_TURN_DATA, SP_STUN_INDICATION, id);
    sp_stun_put_xor_addr(&b, SP_ATTR_XOR_PEER_ADDRESS, from);
    sp_put_be16(o->head + b.len, SP_ATTR_DATA);
    sp_put_be16(o->head + b.len + 2, (uint16_t)len);

    size_t head = b.len + ATTR_HEADER_LEN;

    sp_put_be16(o->head + 2,
                (uint16_t)(head + len + sp_chandata_padding(len) - SP_STUN_HEADER_LEN));
    return head;
}

_Static_assert(SP_TURN_HEAD_MAX >= SP_STUN_HEADER_LEN + ATTR_HEADER_LEN + 20 + ATTR_HEADER_LEN,
               "a Data indication's head with an IPv6 peer");

/* What came from `from` for the client of `a`: as ChannelData if a channel is bound to it, as a
 * Data indication otherwise (RFC 8656 section 11.3). Returns whether it goes. */
static bool deliver(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_addr *from,
                    struct sp_span body, uint64_t now_us)
{
    if (sp_turn_perms_find(&a->perms, from, now_us) == NULL) {
        COUNT_DROP(t, a, no_permission);
        return false;
    }

    bool stream = a->path.transport == SP_TURN_TCP || a->path.transport == SP_TURN_TLS;
    const struct sp_turn_chan *ch = sp_turn_chans_by_peer(&a->chans, from, now_us);
    size_t ip_len = sp_addr_ip_len(from), padding = sp_chandata_padding(body.len);
    size_t head =
        ch != NULL ? SP_CHANDATA_HEADER_LEN : SP_STUN_HEADER_LEN + 2 * ATTR_HEADER_LEN + 4 + ip_len;

    if (ch != NULL && !stream)
        padding = 0;
    if (head + body.len + padding > message_max[a->path.transport] || body.len > UINT16_MAX) {
        COUNT_DROP(t, a, too_big);
        return false;
    }

    struct sp_turn_out *o = sp_turn_outbox_add(&t->out);

    o->client = &a->path;
    o->body = body;
    o->pad_len = (uint8_t)padding;
    o->head_len = (uint8_t)head;
    if (ch != NULL)
        sp_chandata_header(o->head, ch->number, (uint16_t)body.len);
    else
        put_data_indication(t, o, from, body.len);
    COUNT(t, a, to_client, body.len);
    return true;
}

void sp_turn_data_peer(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_turn_leg *leg,
                       const struct sp_turn_peer_dgram *d, uint64_t now_us)
{
    COUNT(t, a, from_peer, d->body.len);
    /* A dual-stack socket may hear from a family that it doesn't stand for. */
    if (leg == NULL || leg->relay.local.family != d->from.family) {
        t->counters.dropped_no_allocation++;
        return;
    }
    deliver(t, a, &d->from, d->body, now_us);
}

void sp_turn_data_other(struct sp_turn *t, const struct sp_addr *relayed,
                        const struct sp_turn_peer_dgram *d, uint64_t now_us)
{
    struct sp_turn_alloc *a = sp_turn_relayed_find(&t->relayed, relayed);

    t->counters.from_other_datagrams++;
    if (a == NULL) { /* it has just ended */
        t->counters.dropped_no_allocation++;
    } else if (deliver(t, a, &d->from, d->body, now_us)) {
        t->counters.hairpin_datagrams++;
        t->counters.hairpin_bytes += d->body.len;
    }
}

/* --- to a peer ---------------------------------------------------------------------------- */

struct datagram {
    const struct sp_addr *peer;
    struct sp_turn_relayed_memo *memo; /* of the peer's address, or NULL */
    struct sp_span body;
    bool dont_fragment;
};

static void to_peer(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_turn_leg *leg,
                    const struct datagram *d)
{
    if (leg->relay.relay == NULL) {
        COUNT_DROP(t, a, virtual);
        return;
    }
    if (d->body.len > UDP_PAYLOAD_MAX) {
        COUNT_DROP(t, a, too_big);
        return;
    }

    struct sp_turn_out *o = sp_turn_outbox_add(&t->out);

    o->relay = leg->relay.relay;
    o->peer = *d->peer;
    o->body = d->body;
    o->dont_fragment = d->dont_fragment;
    COUNT(t, a, to_peer, d->body.len);
}

/* The sender has a permission or a channel for this peer, and `route` is what it remembers. */
static void send_on(struct sp_turn *t, struct sp_turn_alloc *a, struct sp_turn_route *route,
                    const struct datagram *d, uint64_t now_us)
{
    const struct sp_turn_leg *leg = sp_turn_alloc_leg(a, d->peer->family);

    if (leg == NULL) { /* its permission would not have been given */
        COUNT_DROP(t, a, no_permission);
        return;
    }
    sp_turn_route_refresh(&t->routes, d->peer, route);
    if (route->ours) {
        struct sp_turn_alloc *other = d->memo != NULL
                                          ? sp_turn_relayed_recall(&t->relayed, d->peer, d->memo)
                                          : sp_turn_relayed_find(&t->relayed, d->peer);

        if (other != NULL) {
            if (deliver(t, other, &leg->relay.public_, d->body, now_us))
                COUNT(t, a, hairpin, d->body.len);
            return;
        }
        if (t->effects.hand_over != NULL &&
            t->effects.hand_over(t->arg, d->peer, &leg->relay.public_, d->body)) {
            t->counters.handed_over_datagrams++;
            a->usage.hairpin_datagrams++;
            a->usage.hairpin_bytes += d->body.len;
            return;
        }
    }
    if (!route->allowed || d->peer->port == 0) {
        COUNT_DROP(t, a, denied_peer);
        return;
    }
    to_peer(t, a, leg, d);
}

/* False: there is no allocation to relay it. */
static bool take_from_client(struct sp_turn *t, struct sp_turn_alloc *a, struct sp_span body)
{
    if (a != NULL) {
        COUNT(t, a, from_client, body.len);
        return true;
    }
    t->counters.from_client_datagrams++;
    t->counters.from_client_bytes += body.len;
    t->counters.dropped_no_allocation++;
    return false;
}

void sp_turn_data_channel(struct sp_turn *t, struct sp_turn_alloc *a, struct sp_span msg,
                          uint64_t now_us)
{
    struct sp_chandata m;

    if (sp_chandata_parse(msg, &m) != 0) {
        t->counters.malformed++;
        return;
    }
    if (!take_from_client(t, a, m.data))
        return;

    struct sp_turn_chan *ch = sp_turn_chans_by_number(&a->chans, m.channel, now_us);

    if (ch == NULL) {
        COUNT_DROP(t, a, no_channel);
        return;
    }
    send_on(t, a, &ch->route,
            &(struct datagram){.peer = &ch->peer, .memo = &ch->relayed, .body = m.data}, now_us);
}

/* What a Send indication says (RFC 8656 section 11.2). SP_EBADMSG: something is missing, wrong, or
 * has to be understood and isn't. */
static int read_send(const struct sp_stun_msg *m, struct sp_addr *peer, struct datagram *d)
{
    struct sp_stun_attr at;
    size_t pos = 0;
    bool has_peer = false, has_data = false;

    *d = (struct datagram){.peer = peer};
    while (sp_stun_next(m, &pos, &at)) {
        switch (at.type) {
        case SP_ATTR_XOR_PEER_ADDRESS:
            if (!has_peer && sp_stun_xor_addr(m, at.value, peer) != 0)
                return SP_EBADMSG;
            has_peer = true;
            break;
        case SP_ATTR_DATA:
            if (!has_data)
                d->body = at.value;
            has_data = true;
            break;
        case SP_ATTR_DONT_FRAGMENT:
            d->dont_fragment = true;
            break;
        case SP_ATTR_FINGERPRINT:
            if (sp_stun_check_fingerprint(m) != 0)
                return SP_EBADMSG;
            break;
        default:
            if (!sp_turn_attr_is_known(at.type))
                return SP_EBADMSG;
        }
    }
    return has_peer && has_data ? 0 : SP_EBADMSG;
}

void sp_turn_data_send(struct sp_turn *t, struct sp_turn_alloc *a, const struct sp_stun_msg *m,
                       uint64_t now_us)
{
    struct sp_addr peer;
    struct datagram d;

    if (read_send(m, &peer, &d) != 0) {
        t->counters.malformed++;
        return;
    }
    if (!take_from_client(t, a, d.body))
        return;

    struct sp_turn_perm *perm = sp_turn_perms_find(&a->perms, &peer, now_us);

    if (perm == NULL) {
        COUNT_DROP(t, a, no_permission);
        return;
    }
    send_on(t, a, &perm->route, &d, now_us);
}
