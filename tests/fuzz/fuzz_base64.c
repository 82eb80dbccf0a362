/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is a text to decode and bytes to encode. What decodes has one spelling only: encoding
 * it again gives the input.
 */
#include "fuzz.h"

#include <string.h>

#include "sallyport/base64.h"
#include "sallyport/err.h"

static void decode(enum sp_base64_kind kind, struct sp_span text)
{
    size_t cap = SP_BASE64_DEC_MAX(text.len), len = SIZE_MAX;
    uint8_t *out = malloc(cap + 1);
    REQUIRE(out != NULL);
    int err = sp_base64_decode(kind, text, out, cap, &len);
    REQUIRE(err == 0 || (err == SP_EBADMSG && len == SIZE_MAX));
    if (err == 0) {
        char *again = malloc(text.len + 1);
        REQUIRE(again != NULL && len <= cap);
        REQUIRE(sp_base64_encode(kind, sp_span(out, len), again, text.len + 1) == 0);
        REQUIRE(sp_span_eq(sp_span_str(again), text));
        free(again);
        REQUIRE(len == 0 || sp_base64_decode(kind, text, out, len - 1, &len) == SP_ETOOBIG);
    }
    free(out);
}

static void encode(enum sp_base64_kind kind, struct sp_span bytes)
{
    size_t cap = sp_base64_enc_len(kind, bytes.len) + 1, len;
    char *text = malloc(cap);
    uint8_t *back = malloc(bytes.len + 1);
    REQUIRE(text != NULL && back != NULL && cap <= SP_BASE64_ENC_MAX(bytes.len));
    REQUIRE(sp_base64_encode(kind, bytes, text, cap - 1) == SP_ETOOBIG);
    REQUIRE(sp_base64_encode(kind, bytes, text, cap) == 0);
    REQUIRE(strlen(text) == cap - 1);
    REQUIRE(sp_base64_decode(kind, sp_span_str(text), back, bytes.len, &len) == 0);
    REQUIRE(sp_span_eq(sp_span(back, len), bytes));
    free(back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum sp_base64_kind kind = SP_BASE64; kind <= SP_BASE64URL; kind++) {
        decode(kind, sp_span(data, size));
        encode(kind, sp_span(data, size));
    }
    return 0;
}
