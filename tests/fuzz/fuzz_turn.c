/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TURN engine with three allocations, of two users, by UDP, TLS and a flow (that one dual), and
 * a stranger. The input is a run of steps, each an opcode, a client and what the opcode wants: raw
 * bytes from a client; attributes for a request that is then signed as it should be, so that they
 * reach the methods; ChannelData and Send indications; datagrams from peers; time; ends of paths.
 *
 * After each step: what came in went out or was counted (rig_check); nothing leaves to a peer that
 * the policy denies; what clients get is STUN or ChannelData, and no stranger gets by UDP more than
 * he sent but a challenge or a Binding success.
 */
#include "fuzz.h"

#include "turn_client.h"

#define CLIENTS   4
#define STRANGER  3
#define STEPS_MAX 60 /* longer inputs find no more, only slower */

struct input {
    const uint8_t *p;
    size_t len;
};

static struct rig rig;
static struct rig_client clients[CLIENTS];
static uint8_t token[8]; /* the last RESERVATION-TOKEN that was given out */

static uint8_t byte(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->p++;
}

static uint32_t word(struct input *in)
{
    uint32_t high = byte(in);

    return high << 24 | (uint32_t)byte(in) << 16;
}

/* A run of bytes with a length of one byte, or two when that is 255; cut at the end of the input.
 * 254: that many zeros, for what is long. In a block of its own, so that reading past it is seen.
 */
static uint8_t *run(struct input *in, size_t *len)
{
    size_t want = byte(in);
    bool zeros = want == 254;

    if (want >= 254)
        want = word(in) >> 16;
    *len = want < in->len || zeros ? want : in->len;

    uint8_t *copy = calloc(1, *len + 1);

    REQUIRE(copy != NULL);
    if (zeros)
        return copy;
    if (*len > 0)
        memcpy(copy, in->p, *len);
    in->p += *len;
    in->len -= *len;
    return copy;
}

/* Addresses that mean something here, by number; others from the input. */
static struct sp_addr address(struct input *in)
{
    uint8_t which = byte(in), first = byte(in);
    struct sp_addr a = sp_addr_v4(first, 0, 0, which, which);

    switch (which % 8) {
    case 0:
        return clients[byte(in) % CLIENTS].relayed;
    case 1:
        return sp_addr_v4(8, 8, 8, byte(in), 53);
    case 2:
        return sp_addr_v4(127, 0, 0, 1, byte(in));
    case 3:
        a = rig.local4;
        a.port = (uint16_t)(50000 + byte(in));
        return a;
    case 4:
        a = rig_addr("[2a00::1]:9");
        a.ip[15] = byte(in);
        return a;
    case 5:
        a = rig.public6;
        a.port = (uint16_t)(50000 + byte(in));
        return a;
    default:
        return a;
    }
}

static void check_outs(const struct rig_client *c, size_t sent)
{
    for (size_t i = 0; i < rig.n_out; i++) {
        const struct rig_out *o = &rig.out[i];
        struct sp_stun_msg m;
        struct sp_chandata d;

        if (!o->to_client) {
            REQUIRE(sp_peer_policy_allows(rig.policy, &o->peer) && o->peer.port != 0);
            continue;
        }
        if (o->len > RIG_MSG_MAX)
            continue;
        if (sp_chandata_looks_like(sp_span(o->msg, o->len))) {
            REQUIRE(sp_chandata_parse(sp_span(o->msg, o->len), &d) == 0);
            continue;
        }
        REQUIRE(sp_stun_parse(sp_span(o->msg, o->len), &m) == 0);
        REQUIRE(sp_stun_check_fingerprint(&m) != SP_EAUTH);
        if (c == &clients[STRANGER] && m.cls == SP_STUN_ERROR)
            REQUIRE(o->len <= (sent > 160 ? sent : 160));
    }
}

static void raw(struct rig_client *c, struct input *in)
{
    size_t len;
    uint8_t *p = run(in, &len);

    rig_msg(c, p, len);
    check_outs(c, len);
    free(p);
}

static void put_attribute(struct sp_stun_builder *b, struct input *in)
{
    uint8_t kind = byte(in), type;
    struct sp_addr a;
    size_t len;
    uint8_t *p;

    switch (kind % 8) {
    case 0:
    case 4:
        a = address(in);
        if (sp_addr_ip_len(&a) != 0)
            sp_stun_put_xor_addr(b, SP_ATTR_XOR_PEER_ADDRESS, &a);
        break;
    case 5:
        sp_stun_put(b, SP_ATTR_RESERVATION_TOKEN, sp_span(token, sizeof token));
        break;
    case 6: /* 0x80: and reserve the port above */
        type = byte(in);
        sp_stun_put(b, SP_ATTR_EVEN_PORT, sp_span(&type, 1));
        break;
    case 1:
        type = byte(in);
        sp_stun_put_u32(b, type, word(in) >> (kind & 0x10)); /* numbers count from below */
        break;
    case 2:
        type = byte(in);
        sp_stun_put_u32(b, (uint16_t)(0x8000 | type), word(in));
        break;
    default:
        p = run(in, &len);
        if (b->len + len + 300 < b->cap) /* the rest is for the signature */
            sp_stun_put(b, byte(in), sp_span(p, len));
        free(p);
    }
}

static void put_attributes(struct sp_stun_builder *b, struct input *in)
{
    for (unsigned n = byte(in) % 8; n > 0; n--)
        put_attribute(b, in);
}

static void take_token(const struct rig_client *c)
{
    struct sp_stun_msg m;
    struct sp_span v;

    if (rig_answer(c, &m) && sp_stun_find(&m, SP_ATTR_RESERVATION_TOKEN, &v) &&
        v.len == sizeof token)
        memcpy(token, v.p, sizeof token);
}

static void request(struct rig_client *c, struct input *in)
{
    static const uint16_t methods[] = {
        SP_TURN_ALLOCATE,     SP_TURN_REFRESH, SP_TURN_CREATE_PERMISSION,
        SP_TURN_CHANNEL_BIND, SP_STUN_BINDING, 0x00A,
    };
    uint8_t how = byte(in);
    size_t len;

    rig_begin(c, methods[how % SP_ARRAY_LEN(methods)]);
    if ((how & 0x40) != 0)
        sp_stun_put_u32(&c->b, SP_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    put_attributes(&c->b, in);
    c->mac = (how & 0x80) != 0 ? RIG_SHA256 : RIG_SHA1;
    c->fingerprint = (how & 0x20) != 0;
    if (c->b.err != 0)
        return;
    if (c == &clients[STRANGER])
        c->nonce[0] = '\0';
    len = rig_end(c);
    rig_msg(c, c->msg, len);
    check_outs(c, len);
    take_token(c);
    if (rig_take_nonce(c) && c == &clients[STRANGER])
        c->nonce[0] = '\0';
}

/* Attributes in an indication, which nobody signs: Send, or another that makes no sense. */
static void indication(struct rig_client *c, struct input *in)
{
    struct sp_stun_builder b;
    uint8_t msg[RIG_MSG_MAX], how = byte(in);
    size_t len;

    sp_stun_begin(&b, msg, sizeof msg, how % 8 ? SP_TURN_SEND : how / 8, SP_STUN_INDICATION,
                  (const uint8_t *)"indication!!");
    put_attributes(&b, in);
    if (how & 0x80)
        sp_stun_put_fingerprint(&b);
    if (sp_stun_end(&b, &len) != 0)
        return;
    rig_msg(c, msg, len);
    check_outs(c, len);
}

static void data(struct rig_client *c, struct input *in, bool by_channel)
{
    uint16_t number = (uint16_t)(0x4000 + byte(in) % 8);
    struct sp_addr peer = address(in);
    size_t len;
    uint8_t *p = run(in, &len);

    if (len > RIG_MSG_MAX - 100)
        len = RIG_MSG_MAX - 100;
    if (by_channel)
        rig_channel(c, number, p, len);
    else if (sp_addr_ip_len(&peer) != 0)
        rig_send_addr(c, &peer, p, len);
    check_outs(c, len);
    free(p);
}

static void from_peer(struct input *in)
{
    const struct rig_relay *r = &rig.relays[byte(in) % 8];
    struct sp_turn_peer_dgram d = {.from = address(in)};
    size_t len;
    uint8_t *p = run(in, &len);

    d.body = sp_span(p, len);
    rig.n_out = 0;
    if (r->open && sp_addr_ip_len(&d.from) != 0)
        sp_turn_from_peer(rig.turn, r->alloc, &r->local, &d, 1, rig.now_us);
    rig_check(&rig);
    check_outs(NULL, 0);
    free(p);
}

static void step(struct input *in)
{
    uint8_t op = byte(in);
    struct rig_client *c = &clients[op / 16 % CLIENTS];

    switch (op % 16) {
    case 0:
        raw(c, in);
        break;
    case 1:
        indication(c, in);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        request(c, in);
        break;
    case 6:
    case 7:
        data(c, in, true);
        break;
    case 8:
        data(c, in, false);
        break;
    case 9:
    case 10:
        from_peer(in);
        break;
    case 11:
        rig_advance(&rig, byte(in) * 4u);
        break;
    case 12:
        sp_turn_path_gone(rig.turn, &c->path);
        break;
    case 13:
        rig.no_ports = byte(in) % 2;
        rig.no_v6 = byte(in) % 2;
        break;
    case 14:
        if (sp_turn_path_has_alloc(rig.turn, &c->path) || c == &clients[STRANGER])
            break;
        c->mac = RIG_SHA1;
        rig_make(c);
        break;
    default:
        rig.virtual_ = byte(in) % 2;
    }
    rig_check(&rig);
}

static void prepare(void)
{
    static const enum sp_turn_transport transports[CLIENTS] = {SP_TURN_UDP, SP_TURN_FLOW,
                                                               SP_TURN_TLS, SP_TURN_UDP};

    struct sp_turn_config config;

    sp_turn_config_default(&config);
    config.max_perms_per_alloc = 6; /* within reach of a short input */
    config.max_channels_per_alloc = 5;
    config.max_allocs_per_user = 3;
    rig_open(&rig, &config);
    memset(token, 0, sizeof token);
    for (uint16_t i = 0; i < CLIENTS; i++)
        rig_client_init(&clients[i], &rig, transports[i], (uint16_t)(5000 + i));
    clients[1].user = "bob";
    clients[1].password = "builder";
    clients[2].sha256_key = true;
    REQUIRE(rig_make(&clients[0]) == 0 && rig_make(&clients[2]) == 0);
    REQUIRE(rig_hello(&clients[1]));
    rig_allocate(&clients[1]);
    sp_stun_put_u32(&clients[1].b, SP_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
    REQUIRE(rig_do(&clients[1]) == 0);
    clients[1].relayed = rig.public4;
    clients[1].relayed.port = rig.relays[2].local.port;
    REQUIRE(rig_bind_addr(&clients[0], 0x4000, &clients[1].relayed) == 0);
    REQUIRE(rig_bind_addr(&clients[1], 0x4001, &clients[0].relayed) == 0);
    REQUIRE(rig_bind(&clients[2], 0x4002, "8.8.8.8:53") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data_, size_t size)
{
    struct input in = {data_, size};

    prepare();
    for (unsigned i = 0; i < STEPS_MAX && in.len > 0; i++)
        step(&in);
    rig_close(&rig);
    return 0;
}
