/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_tally.h"

#include <string.h>

#define RTP_VERSION 0x80
#define STAMP_AT    12
#define NUMBER_AT   20

/* Payload types, and how long a tick of the RTP clock is. */
static const struct {
    uint8_t type;
    uint16_t tick_ns;
} streams[LOAD_STREAMS] = {[LOAD_VOICE] = {111, 20833}, [LOAD_VIDEO] = {96, 11111}};

void load_stamp(uint8_t *out, uint32_t end, enum load_stream_kind stream, uint32_t number,
                uint64_t now_ns)
{
    out[0] = RTP_VERSION;
    out[1] = streams[stream].type;
    sp_put_be16(out + 2, (uint16_t)number);
    sp_put_be32(out + 4, (uint32_t)(now_ns / streams[stream].tick_ns));
    sp_put_be32(out + 8, end << 1 | (uint32_t)stream);
    sp_put_be64(out + STAMP_AT, now_ns);
    sp_put_be32(out + NUMBER_AT, number);
}

/* Below LOAD_STEPS each value has a step of its own; above, LOAD_STEPS for each doubling. */
static size_t step_of(uint64_t ns)
{
    unsigned octave = 0;
    size_t step;

    while (ns >> octave >= 2 * LOAD_STEPS)
        octave++;
    step = (size_t)octave * LOAD_STEPS + (size_t)(ns >> octave);
    return step < LOAD_OCTAVES * LOAD_STEPS ? step : LOAD_OCTAVES * LOAD_STEPS - 1;
}

/* The least that is counted there. */
static double value_of(size_t step)
{
    if (step < 2 * LOAD_STEPS)
        return (double)step;
    return (double)((uint64_t)(LOAD_STEPS + step % LOAD_STEPS) << (step / LOAD_STEPS - 1));
}

/* Whether it came before. What is older than the mask is taken for new: late, not twice. */
static bool is_copy(struct load_seen *s, uint32_t number)
{
    uint32_t back = s->next - 1 - number;

    if ((int32_t)(number - s->next) >= 0) {
        uint32_t ahead = number + 1 - s->next;
        s->mask = (ahead < 64 ? s->mask << ahead : 0) | 1;
        s->next = number + 1;
        return false;
    }
    if (back >= 64)
        return false;
    if (s->mask >> back & 1)
        return true;
    s->mask |= 1ull << back;
    return false;
}

static bool is_wrong(struct sp_span datagram, const struct load_expected *want, uint64_t now_ns)
{
    if (datagram.len < LOAD_HEADER_LEN)
        return true;

    uint32_t ssrc = sp_get_be32(datagram.p + 8);

    return ssrc >> 1 != want->from || datagram.len != want->len[ssrc & 1] ||
           sp_get_be64(datagram.p + STAMP_AT) > now_ns;
}

void load_tally_take(struct load_tally *t, struct load_seen *seen, struct sp_span datagram,
                     const struct load_expected *want, uint64_t now_ns)
{
    uint64_t sent_ns;

    if (is_wrong(datagram, want, now_ns)) {
        t->wrong++;
        return;
    }
    if (is_copy(seen, sp_get_be32(datagram.p + NUMBER_AT))) {
        t->copies++;
        return;
    }
    if ((sent_ns = sp_get_be64(datagram.p + STAMP_AT)) < want->since_ns) {
        t->before++;
        return;
    }
    t->delivered++;
    t->bytes += datagram.len;
    t->delays[step_of(now_ns - sent_ns)]++;
}

double load_tally_quantile_us(const struct load_tally *t, double q)
{
    uint64_t rank = (uint64_t)(q * (double)t->delivered), below = 0;

    for (size_t i = 0; i < LOAD_OCTAVES * LOAD_STEPS; i++) {
        below += t->delays[i];
        if (below > rank || (below == t->delivered && below > 0))
            return value_of(i) / 1000;
    }
    return 0;
}

uint64_t load_tally_longer(const struct load_tally *t, uint64_t ns)
{
    uint64_t n = 0;

    for (size_t i = step_of(ns) + 1; i < LOAD_OCTAVES * LOAD_STEPS; i++)
        n += t->delays[i];
    return n;
}
