/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ticket.h"

#include <stdio.h>

int sp_ticket_make(struct sp_span secret, const struct sp_rdv_view *session, unsigned end,
                   const char *gateway, uint64_t expires_s, char out[static SP_TOKEN_MAX + 1])
{
    struct sp_claims c = {.expires_s = expires_s, .end = end};

    snprintf(c.subject, sizeof c.subject, "%s", session->subject);
    snprintf(c.scope, sizeof c.scope, "%s", SP_TOKEN_SCOPE_END);
    snprintf(c.session, sizeof c.session, "%s", session->id);
    snprintf(c.gateway, sizeof c.gateway, "%s", gateway);
    return sp_token_sign(secret, &c, out, SP_TOKEN_MAX + 1);
}
