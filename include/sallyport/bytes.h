/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as everyone here passes them: a span is a pointer and a length, borrowed from whoever made
 * it and valid as long as that call says. Plus big-endian reads and writes, which is all that a
 * wire format of the IETF needs.
 */
#ifndef SALLYPORT_BYTES_H
#define SALLYPORT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sp_span {
    const uint8_t *p;
    size_t len;
};

static inline struct sp_span sp_span(const void *p, size_t len)
{
    return (struct sp_span){p, len};
}

/* The bytes of a C string without its NUL. */
static inline struct sp_span sp_span_str(const char *s)
{
    return (struct sp_span){(const uint8_t *)s, strlen(s)};
}

/* What is left after the first `n` bytes; `n` must not be more than there are. */
static inline struct sp_span sp_span_skip(struct sp_span s, size_t n)
{
    return (struct sp_span){s.p + n, s.len - n};
}

/* Not constant in time: for names, not for secrets (sp_crypto_equal). */
static inline bool sp_span_eq(struct sp_span a, struct sp_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline size_t sp_spans_len(const struct sp_span *parts, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    return len;
}

/* One after the other to `to`, which has room for all; what that makes. */
static inline struct sp_span sp_spans_join(uint8_t *to, const struct sp_span *parts, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > 0)
            memcpy(to + len, parts[i].p, parts[i].len);
        len += parts[i].len;
    }
    return sp_span(to, len);
}

static inline uint16_t sp_get_be16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}

static inline uint32_t sp_get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t sp_get_be64(const uint8_t *p)
{
    return (uint64_t)sp_get_be32(p) << 32 | sp_get_be32(p + 4);
}

static inline void sp_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void sp_put_be32(uint8_t *p, uint32_t v)
{
    sp_put_be16(p, (uint16_t)(v >> 16));
    sp_put_be16(p + 2, (uint16_t)v);
}

static inline void sp_put_be64(uint8_t *p, uint64_t v)
{
    sp_put_be32(p, (uint32_t)(v >> 32));
    sp_put_be32(p + 4, (uint32_t)v);
}

/* The structure that holds `member` at `ptr`. */
#define SP_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define SP_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
