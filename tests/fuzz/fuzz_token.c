/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The input is a token, the claims of one, and a TURN REST username. */
#include "fuzz.h"
#include "sallyport/base64.h"
#include "sallyport/err.h"
#include "sallyport/token.h"

/* Claims that were accepted can be signed, and then they are accepted again. */
static void sign_again(const struct sp_claims *c)
{
    struct sp_span secret = sp_span_str("north");
    char text[SP_TOKEN_MAX + 1];
    struct sp_claims back;
    int err = sp_token_sign(secret, c, text, sizeof(text));

    if (err == SP_ETOOBIG) /* many quotation marks */
        return;
    REQUIRE(err == 0);
    REQUIRE(sp_token_verify(sp_span_str(text), &secret, 1, c->expires_s, &back) == SP_EEXPIRED);
    REQUIRE(strcmp(back.subject, c->subject) == 0 && strcmp(back.gateway, c->gateway) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char mac[] = ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    char text[SP_TOKEN_MAX + sizeof(mac)] = "v1.";
    struct sp_span secret = sp_span_str("north");
    struct sp_claims c;
    uint64_t expires_s;

    sp_rest_expiry(sp_span(data, len), &expires_s);
    sp_token_verify(sp_span(data, len), &secret, 1, 1, &c);
    sp_token_peek(sp_span(data, len), &c);
    if (sp_base64_encode(SP_BASE64URL, sp_span(data, len), text + 3, SP_TOKEN_MAX - 3) < 0)
        return 0;
    strcat(text, mac);
    REQUIRE(sp_token_verify(sp_span_str(text), &secret, 1, 1, &c) < 0);
    if (sp_token_peek(sp_span_str(text), &c) == 0)
        sign_again(&c);
    return 0;
}
