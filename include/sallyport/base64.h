/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base64 (RFC 4648). Decoding is strict, so that every run of bytes has exactly one spelling: no
 * white space, no character of the other alphabet, padding as the kind wants it, unused bits zero.
 */
#ifndef SALLYPORT_BASE64_H
#define SALLYPORT_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/bytes.h"

enum sp_base64_kind {
    SP_BASE64,    /* section 4: '+', '/', padded with '=' */
    SP_BASE64URL, /* section 5: '-', '_', never padded */
};

/* For array sizes: what `n` bytes become at most, with the NUL; what `n` characters hold at most.
 */
#define SP_BASE64_ENC_MAX(n) (((n) + 2) / 3 * 4 + 1)
#define SP_BASE64_DEC_MAX(n) (((n) + 3) / 4 * 3)

/* Characters that `n` bytes become, without the NUL. */
size_t sp_base64_enc_len(enum sp_base64_kind kind, size_t n);

/* `out` gets a NUL. SP_ETOOBIG when `cap` is not sp_base64_enc_len() + 1 at least: nothing is
 * written then. */
int sp_base64_encode(enum sp_base64_kind kind, struct sp_span in, char *out, size_t cap);

/* SP_EBADMSG, or SP_ETOOBIG when more than `cap` bytes would come out. Then `out_len` is left as it
 * was, and what `out` holds means nothing. `out` may be where `text` is. */
int sp_base64_decode(enum sp_base64_kind kind, struct sp_span text, uint8_t *out, size_t cap,
                     size_t *out_len);

#endif
