/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "media_source.h"

#include <string.h>

#define NS_PER_S         1000000000ull
#define VOICE_RATE       50
#define VIDEO_RATE       30
#define KEY_EVERY        90 /* frames */
#define KEY_SIZE         5  /* frames */
#define PACKET_BYTES_MIN 100

/* Payload types as Chromium gives them to Opus and VP8. */
static const uint8_t payload_types[MEDIA_CLASSES] = {111, 96};
/* Clock ticks an interval: 48 kHz at 50 a second, 90 kHz at 30 a second. */
static const uint32_t ticks[MEDIA_CLASSES] = {960, 3000};
static const uint64_t rates[MEDIA_CLASSES] = {VOICE_RATE, VIDEO_RATE};

void media_source_init(struct media_source *s, enum media_class what, unsigned bps,
                       struct sp_rng *rng, uint64_t start_ns)
{
    *s = (struct media_source){.what = what, .rng = rng};
    s->ssrc = (uint32_t)sp_rng_u64(rng);
    s->timestamp = (uint32_t)sp_rng_u64(rng);
    s->sequence = (uint16_t)sp_rng_u64(rng);
    s->due_ns = start_ns + sp_rng_below(rng, NS_PER_S / rates[what]);
    s->frame_bytes = bps / 8.0 / VIDEO_RATE * KEY_EVERY / (KEY_EVERY - 1 + KEY_SIZE);
}

/* As many packets of one size as libwebrtc makes of a frame. */
static void begin_frame(struct media_source *s)
{
    double bytes = MEDIA_VOICE_BYTES;

    if (s->what == MEDIA_VIDEO) {
        bytes = s->frame_bytes * (0.8 + 0.4 * (double)sp_rng_below(s->rng, 1001) / 1000);
        if (s->frames % KEY_EVERY == 0)
            bytes *= KEY_SIZE;
        if (bytes < PACKET_BYTES_MIN)
            bytes = PACKET_BYTES_MIN;
    }
    s->left = ((unsigned)bytes + MEDIA_BYTES_MAX - 1) / MEDIA_BYTES_MAX;
    s->packet_bytes = (unsigned)bytes / s->left;
    s->frames++;
}

/* Bytes that say whose and which they are. */
static uint64_t filler(uint32_t ssrc, uint32_t number, uint64_t sent_ns)
{
    uint64_t z = ((uint64_t)ssrc << 32 | number) ^ sent_ns * 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    return (z ^ z >> 27) | 1;
}

static uint64_t filler_next(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static void fill(uint8_t *p, size_t len, uint64_t x)
{
    for (size_t i = 0; i < len; i += 8) {
        uint8_t bytes[8];

        sp_put_be64(bytes, x);
        memcpy(p + i, bytes, len - i < 8 ? len - i : 8);
        x = filler_next(x);
    }
}

size_t media_source_next(struct media_source *s, uint8_t out[static MEDIA_BYTES_MAX],
                         uint64_t now_ns)
{
    bool first = s->left == 0, marked;
    size_t len;

    if (first)
        begin_frame(s);
    len = s->packet_bytes;
    s->left--;
    marked = s->what == MEDIA_VIDEO ? s->left == 0 : s->number == 0;
    out[0] = 2 << 6;
    out[1] = (uint8_t)(payload_types[s->what] | (marked ? 0x80 : 0));
    sp_put_be16(out + 2, s->sequence++);
    sp_put_be32(out + 4, s->timestamp);
    sp_put_be32(out + 8, s->ssrc);
    sp_put_be64(out + 12, now_ns);
    sp_put_be32(out + 20, s->number);
    fill(out + MEDIA_HEADER_LEN, len - MEDIA_HEADER_LEN, filler(s->ssrc, s->number, now_ns));
    s->number++;
    if (s->left == 0) {
        s->timestamp += ticks[s->what];
        s->due_ns += NS_PER_S / rates[s->what];
    }
    return len;
}

bool media_stamp_read(struct sp_span datagram, struct media_stamp *out)
{
    uint8_t want[MEDIA_BYTES_MAX];
    const uint8_t *p = datagram.p;

    if (datagram.len < MEDIA_HEADER_LEN || datagram.len > MEDIA_BYTES_MAX || p[0] != 2 << 6)
        return false;
    *out = (struct media_stamp){sp_get_be32(p + 8), sp_get_be32(p + 20), sp_get_be64(p + 12)};
    fill(want, datagram.len - MEDIA_HEADER_LEN, filler(out->ssrc, out->number, out->sent_ns));
    return memcmp(want, p + MEDIA_HEADER_LEN, datagram.len - MEDIA_HEADER_LEN) == 0;
}
