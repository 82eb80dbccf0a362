/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an edge asks a gateway for an end of a rendezvous session: a UDP port on its LAN. The bytes
 * of an ASK's BODY and of its answer; a pure codec.
 *
 *     question   KIND 8 (1) | LIFETIME 24 (seconds) | END 64 | PASSWORD (the rest, or nothing)
 *     answer     of each address: PORT 16 | FAMILY 8 (1, 2) | IP (4 or 16 bytes)
 */
#ifndef SALLYPORT_LAN_PORT_H
#define SALLYPORT_LAN_PORT_H

#include "sallyport/addr.h"
#include "sallyport/bytes.h"

#define SP_LAN_PORT_ADDRS_MAX    4
#define SP_LAN_PORT_PASSWORD_MAX 256
#define SP_LAN_PORT_QUESTION_MAX (12 + SP_LAN_PORT_PASSWORD_MAX)
#define SP_LAN_PORT_ANSWER_MAX   (SP_LAN_PORT_ADDRS_MAX * 19)
#define SP_LAN_PORT_LIFETIME_MAX 0xFFFFFF

struct sp_lan_port {
    uint64_t end;        /* names it; the same again renews it */
    uint32_t lifetime_s; /* 0: it is not needed any more */
    struct sp_span
        password; /* the far end's: checks are to be answered early; empty: they are not */
};

/* SP_EBADMSG: no such question. `out` borrows. */
int sp_lan_port_parse(struct sp_span question, struct sp_lan_port *out);
/* Returns the length. The lifetime and the password must not be over their bounds. */
size_t sp_lan_port_build(const struct sp_lan_port *p, uint8_t out[static SP_LAN_PORT_QUESTION_MAX]);

/* SP_EBADMSG: malformed, none, or more than SP_LAN_PORT_ADDRS_MAX. */
int sp_lan_port_parse_answer(struct sp_span answer,
                             struct sp_addr out[static SP_LAN_PORT_ADDRS_MAX], size_t *n);
size_t sp_lan_port_build_answer(const struct sp_addr *addrs, size_t n,
                                uint8_t out[static SP_LAN_PORT_ANSWER_MAX]);

#endif
