/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parity: a decoder that is told whatever the input says, by a peer that may be hostile. The input
 * is a run of commands, KIND 8 (of which the low two bits count) and what follows it:
 *
 *     0  SEQ 16, LENGTH 8, bytes      a datagram
 *     1  LENGTH 16, bytes             a parity payload as it is
 *     2  MILLISECONDS 16              time passes
 *     3  SEQ 16, k 8, m 8, mask 16    a group of k datagrams from SEQ on and its parities; those in
 *                                     the mask are lost, of the parities those in its high byte
 *
 * What was found is taken at once, unless the highest bit of KIND is set. Nothing is found that
 * came, or was found before, and the bounds hold.
 */
#include "fuzz.h"

#include "sallyport/clock.h"
#include "sallyport/parity_dec.h"
#include "sallyport/parity_enc.h"

#define MAX_BYTES 100000

struct world {
    struct sp_parity_dec d;
    struct sp_parity_enc e;
    uint64_t now_us;
    uint8_t came[65536]; /* by number, also when it was found */
    const uint8_t *p;
    size_t left;
};

static unsigned get(struct world *w, size_t n)
{
    unsigned v = 0;

    for (; n > 0 && w->left > 0; n--, w->p++, w->left--)
        v = v << 8 | *w->p;
    return v;
}

/* A copy of the next bytes that ends where its memory ends. */
static uint8_t *get_bytes(struct world *w, size_t *len)
{
    *len = *len < w->left ? *len : w->left;

    uint8_t *copy = malloc(*len ? *len : 1);

    REQUIRE(copy);
    memcpy(copy, w->p, *len);
    w->p += *len;
    w->left -= *len;
    return copy;
}

static void take(struct world *w)
{
    struct sp_parity_found f;

    while (sp_parity_dec_next(&w->d, &f)) {
        REQUIRE(f.flow != SP_FLOW_CONTROL && f.flow != SP_FLOW_PARITY);
        REQUIRE(f.datagram.len <= SP_DATAGRAM_MAX);
        if (f.seq < 65536) {
            REQUIRE(!w->came[f.seq]);
            w->came[f.seq] = 1;
        }
    }
}

static void data(struct world *w, uint32_t seq, uint16_t flow, struct sp_span datagram)
{
    sp_parity_dec_data(&w->d, seq, flow, datagram, w->now_us);
    take(w);
    w->came[seq] = 1;
}

static void honest(struct world *w)
{
    uint32_t base = get(w, 2), k = get(w, 1) % 16 + 1, m = get(w, 1) % SP_PARITY_MAX_M + 1;
    unsigned mask = get(w, 2), n;
    struct sp_span out[SP_PARITY_MAX_M];
    uint8_t bytes[16];

    REQUIRE(sp_parity_enc_set(&w->e, k, 0) == 0 && sp_parity_enc_set(&w->e, k, m) == 0);
    for (uint32_t i = 0; i < k && base + i < 65536; i++) {
        struct sp_span s = sp_span(bytes, (base + i) % sizeof(bytes));

        memset(bytes, (int)(i + 1), sizeof(bytes));
        REQUIRE(sp_parity_enc_add(&w->e, base + i, 7, s, w->now_us) == 0);
        if (!(mask >> i & 1))
            data(w, base + i, 7, s);
    }
    n = (unsigned)sp_parity_enc_close(&w->e, out);
    REQUIRE(n <= m);
    for (unsigned i = 0; i < n; i++) {
        if (mask >> (8 + i) & 1)
            continue;
        (void)sp_parity_dec_parity(&w->d, out[i], w->now_us);
        take(w);
    }
}

static void command(struct world *w)
{
    unsigned kind = get(w, 1);
    size_t len;
    uint8_t *bytes;
    uint32_t seq;

    switch (kind & 3) {
    case 0:
        seq = get(w, 2);
        len = get(w, 1);
        bytes = get_bytes(w, &len);
        data(w, seq, (uint16_t)(kind + 1), sp_span(bytes, len));
        free(bytes);
        break;
    case 1:
        len = get(w, 2);
        bytes = get_bytes(w, &len);
        (void)sp_parity_dec_parity(&w->d, sp_span(bytes, len), w->now_us);
        free(bytes);
        break;
    case 2:
        w->now_us += SP_MS(get(w, 2));
        sp_parity_dec_expire(&w->d, w->now_us);
        break;
    case 3:
        honest(w);
        break;
    }
    if (!(kind & 0x80))
        take(w);
    REQUIRE(w->d.n_groups <= SP_PARITY_GROUPS);
    REQUIRE(w->d.held <= MAX_BYTES / 2);
    REQUIRE(w->d.window.n_chunks <= w->d.window.max_chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof(*w));

    REQUIRE(w);
    w->p = data;
    w->left = size;
    w->now_us = SP_SEC(1);
    sp_parity_dec_init(&w->d, MAX_BYTES, SP_MS(300));
    sp_parity_enc_init(&w->e, SP_MS(20));
    while (w->left > 0)
        command(w);
    sp_parity_enc_fini(&w->e);
    sp_parity_dec_fini(&w->d);
    REQUIRE(w->d.held == 0 && w->d.n_groups == 0);
    free(w);
    return 0;
}
