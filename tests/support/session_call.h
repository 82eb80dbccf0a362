/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An end of a rendezvous session, whatever it comes by, that speaks as a browser does: checks,
 * their answers, and a datagram each way.
 */
#ifndef SALLYPORT_TEST_SESSION_CALL_H
#define SALLYPORT_TEST_SESSION_CALL_H

#include "gateway_end.h"
#include "peer.h"
#include "sallyport/stun.h"

struct call_end {
    struct io_loop *loop;
    struct peer *peer; /* one of these three */
    struct udp_peer *udp;
    struct gateway_end *gateway;
    struct sp_flow *flow;
    struct sp_addr server; /* of `udp` */
    uint8_t buffer[2048];
};

void call_end_send(struct call_end *e, struct sp_span d);
/* Waits for the next one; valid until the next call. */
struct sp_span call_end_recv(struct call_end *e);
/* `id` fills the transaction id. */
void call_end_send_stun(struct call_end *e, enum sp_stun_class cls, uint8_t id,
                        const char *username);
void call_end_expect_stun(struct call_end *e, enum sp_stun_class cls, uint8_t id);
void call_end_expect(struct call_end *e, const char *text);

/* As two browsers do: the first to come checks into the void. Both USERNAMEs as their own checks
 * have them. */
void call_begin(struct call_end *a, struct call_end *b, const char *from_a, const char *from_b);

#endif
