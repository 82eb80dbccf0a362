/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/base64.h"

#include "sallyport/err.h"

static const char alphabets[][65] = {
    [SP_BASE64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [SP_BASE64URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t sp_base64_enc_len(enum sp_base64_kind kind, size_t n)
{
    if (kind == SP_BASE64)
        return (n + 2) / 3 * 4;
    return n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

int sp_base64_encode(enum sp_base64_kind kind, struct sp_span in, char *out, size_t cap)
{
    const char *alphabet = alphabets[kind];
    if (cap <= sp_base64_enc_len(kind, in.len))
        return SP_ETOOBIG;
    while (in.len > 0) {
        size_t n = in.len < 3 ? in.len : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < n ? in.p[i] : 0u);
        for (size_t i = 0; i <= n; i++)
            *out++ = alphabet[bits >> (18 - 6 * i) & 63];
        for (size_t i = n; i < 3 && kind == SP_BASE64; i++)
            *out++ = '=';
        in = sp_span_skip(in, n);
    }
    *out = '\0';
    return 0;
}

/* The six bits of a character; more than 63 when it is not of the alphabet. */
static unsigned value_of(enum sp_base64_kind kind, uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26u;
    if (c >= '0' && c <= '9')
        return c - '0' + 52u;
    if (c == (uint8_t)alphabets[kind][62])
        return 62;
    return c == (uint8_t)alphabets[kind][63] ? 63 : 64;
}

/* Takes the padding off; what is left may be no multiple of four. */
static int strip_padding(struct sp_span *text)
{
    if (text->len % 4 != 0)
        return SP_EBADMSG;
    for (int i = 0; i < 2 && text->len > 0 && text->p[text->len - 1] == '='; i++)
        text->len--;
    return 0;
}

int sp_base64_decode(enum sp_base64_kind kind, struct sp_span text, uint8_t *out, size_t cap,
                     size_t *out_len)
{
    if (kind == SP_BASE64 && strip_padding(&text) != 0)
        return SP_EBADMSG;
    if (text.len % 4 == 1)
        return SP_EBADMSG;
    size_t len = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    if (len > cap)
        return SP_ETOOBIG;

    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned v = value_of(kind, text.p[i]);
        if (v > 63)
            return SP_EBADMSG;
        bits = bits << 6 | v;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            *out++ = (uint8_t)(bits >> n_bits);
            bits &= (1u << n_bits) - 1;
        }
    }
    if (bits != 0) /* the unused bits of the last character */
        return SP_EBADMSG;
    *out_len = len;
    return 0;
}
