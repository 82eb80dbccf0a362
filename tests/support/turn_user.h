/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TURN client's messages, for any transport: builds requests, signed once it was challenged, and
 * reads what comes back. (Clients of the engine on the bench: turn_client.h.)
 */
#ifndef SALLYPORT_TEST_TURN_USER_H
#define SALLYPORT_TEST_TURN_USER_H

#include "sallyport/addr.h"
#include "sallyport/stun.h"

struct turn_user {
    const char *name, *password;
    char realm[256], nonce[256]; /* of the last challenge */
    uint8_t id[SP_STUN_ID_LEN];  /* of the last request */
    uint32_t requests;
    struct sp_addr relayed, mapped; /* of the last success that had them */
    uint8_t token[8];               /* RESERVATION-TOKEN */
    bool has_token;
    uint8_t msg[4096];
};

/* `seed` makes its transaction ids its own. */
void turn_user_init(struct turn_user *u, const char *name, const char *password, uint32_t seed);

/* Each message lies in u->msg until the next. */
struct sp_span turn_user_binding(struct turn_user *u);
struct sp_span turn_user_allocate(struct turn_user *u);
/* EVEN-PORT, with its R bit. */
struct sp_span turn_user_allocate_pair(struct turn_user *u);
struct sp_span turn_user_refresh(struct turn_user *u, uint32_t lifetime_s);
struct sp_span turn_user_permit(struct turn_user *u, const struct sp_addr *peer);
struct sp_span turn_user_bind(struct turn_user *u, uint16_t channel, const struct sp_addr *peer);
/* A Send indication. */
struct sp_span turn_user_send(struct turn_user *u, const struct sp_addr *peer, struct sp_span data);

/* 0: the last request succeeded; its error code; or -1, it is not the answer to it. */
int turn_user_take(struct turn_user *u, struct sp_span msg);

/* Whether it is a Data indication. */
bool turn_user_is_data(struct sp_span msg, struct sp_addr *from, struct sp_span *data);

#endif
