/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session_call.h"

#include <string.h>

#include "require.h"
#include "sallyport/rfc4571.h"

void call_end_send(struct call_end *e, struct sp_span d)
{
    uint8_t framed[2048];

    if (e->peer != NULL) {
        sp_put_be16(framed, (uint16_t)d.len);
        memcpy(framed + 2, d.p, d.len);
        peer_send(e->peer, framed, d.len + 2);
    } else if (e->udp != NULL) {
        udp_peer_send(e->udp, &e->server, d);
    } else {
        gateway_end_send(e->gateway, e->flow, d);
    }
}

struct sp_span call_end_recv(struct call_end *e)
{
    struct sp_span d;
    size_t used;

    if (e->udp != NULL) {
        REQUIRE(udp_peer_recv(e->udp, e->loop));
        return sp_span(e->udp->bytes, e->udp->len);
    }
    if (e->gateway != NULL) {
        REQUIRE(gateway_end_recv(e->gateway, e->flow, &d));
        return d;
    }
    REQUIRE(peer_got(e->peer, 2));
    size_t len = sp_get_be16(sp_buf_span(&e->peer->got).p);
    REQUIRE(peer_got(e->peer, 2 + len));
    REQUIRE(sp_rfc4571_next(sp_buf_span(&e->peer->got), UINT16_MAX, &d, &used) == 0);
    memcpy(e->buffer, d.p, d.len);
    sp_buf_consume(&e->peer->got, used);
    return sp_span(e->buffer, d.len);
}

void call_end_send_stun(struct call_end *e, enum sp_stun_class cls, uint8_t id,
                        const char *username)
{
    struct sp_stun_builder b;
    uint8_t ids[SP_STUN_ID_LEN], bytes[256];
    size_t len;

    memset(ids, id, sizeof ids);
    sp_stun_begin(&b, bytes, sizeof bytes, SP_STUN_BINDING, cls, ids);
    if (username != NULL)
        sp_stun_put(&b, SP_ATTR_USERNAME, sp_span_str(username));
    REQUIRE(sp_stun_end(&b, &len) == 0);
    call_end_send(e, sp_span(bytes, len));
}

void call_end_expect_stun(struct call_end *e, enum sp_stun_class cls, uint8_t id)
{
    struct sp_stun_msg m;

    REQUIRE(sp_stun_parse(call_end_recv(e), &m) == 0);
    REQUIRE(m.cls == cls);
    REQUIRE(m.id[0] == id);
}

void call_end_expect(struct call_end *e, const char *text)
{
    struct sp_span d = call_end_recv(e);

    REQUIRE(d.len == strlen(text));
    REQUIRE(memcmp(d.p, text, d.len) == 0);
}

/* As two browsers do: the check of the first to come waits for the other one. */
void call_begin(struct call_end *a, struct call_end *b, const char *from_a, const char *from_b)
{
    call_end_send_stun(a, SP_STUN_REQUEST, 1, from_a);
    io_loop_for(a->loop, 30);
    call_end_send_stun(b, SP_STUN_REQUEST, 2, from_b);
    call_end_expect_stun(b, SP_STUN_REQUEST, 1);
    call_end_expect_stun(a, SP_STUN_REQUEST, 2);
    call_end_send_stun(a, SP_STUN_SUCCESS, 2, NULL);
    call_end_expect_stun(b, SP_STUN_SUCCESS, 2);
    call_end_send_stun(a, SP_STUN_REQUEST, 3, from_a);
    call_end_expect_stun(b, SP_STUN_REQUEST, 3);
    call_end_send_stun(b, SP_STUN_SUCCESS, 3, NULL);
    call_end_expect_stun(a, SP_STUN_SUCCESS, 3);
    call_end_send(a, sp_span_str("\x16 from a"));
    call_end_expect(b, "\x16 from a");
    call_end_send(b, sp_span_str("\x80 from b"));
    call_end_expect(a, "\x80 from b");
}
