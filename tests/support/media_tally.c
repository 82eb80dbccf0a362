/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "media_tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS    1000000ull
#define TENTH 100000000ull

void media_tally_init(struct media_tally *t)
{
    memset(t, 0, sizeof *t);
}

void media_tally_fini(struct media_tally *t)
{
    free(t->sent_ns);
    free(t->delay_ns);
}

static void grow(struct media_tally *t)
{
    uint32_t cap = t->cap == 0 ? 1024 : 2 * t->cap;
    uint64_t *sent = realloc(t->sent_ns, cap * sizeof *sent);
    uint64_t *delay = sent == NULL ? NULL : realloc(t->delay_ns, cap * sizeof *delay);

    if (delay == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    t->sent_ns = sent;
    t->delay_ns = delay;
    t->cap = cap;
}

void media_tally_sent(struct media_tally *t, uint64_t sent_ns, size_t bytes)
{
    if (t->sent == t->cap)
        grow(t);
    t->sent_ns[t->sent] = sent_ns;
    t->delay_ns[t->sent] = 0;
    t->sent++;
    t->bytes += bytes;
    if (t->last_ns == 0)
        t->last_ns = sent_ns;
}

void media_tally_came(struct media_tally *t, uint32_t number, uint64_t at_ns)
{
    if (number >= t->sent) {
        t->unknown++;
    } else if (t->delay_ns[number] != 0) {
        t->copies++;
    } else {
        uint64_t delay = at_ns - t->sent_ns[number];

        t->delay_ns[number] = delay > 0 ? delay : 1;
        t->came++;
        if (at_ns - t->last_ns > t->longest_gap_ns)
            t->longest_gap_ns = at_ns - t->last_ns;
        t->last_ns = at_ns;
    }
}

uint32_t media_tally_later(const struct media_tally *t, uint64_t than_ns)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->sent; i++)
        n += t->delay_ns[i] == 0 || t->delay_ns[i] > than_ns;
    return n;
}

/* ---- printing -------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const uint64_t *sorted, uint32_t n, double q)
{
    return n == 0 ? 0 : (double)sorted[(size_t)(q * (n - 1) + 0.5)] / 1e6;
}

/* Every hundredth, and the last hundredth in thousandths. */
static void print_distribution(const uint64_t *sorted, uint32_t n, FILE *f)
{
    fprintf(f, "\"quantiles_ms\": [");
    for (int i = 0; i < 100; i++)
        fprintf(f, "%.2f, ", quantile_ms(sorted, n, i / 100.0));
    for (int i = 990; i <= 1000; i++)
        fprintf(f, "%.2f%s", quantile_ms(sorted, n, i / 1000.0), i < 1000 ? ", " : "]");
}

/* [sent, lost or later than 50 ms over the floor, least and longest delay in ms] of each tenth of a
 * second; the delays are 0 when nothing came. */
static void print_tenths(const struct media_tally *t, uint64_t floor_ns, FILE *f)
{
    uint64_t start = t->sent > 0 ? t->sent_ns[0] : 0;
    uint32_t i = 0;

    fprintf(f, "\"tenths\": [");
    for (uint64_t until = start + TENTH; i < t->sent; until += TENTH) {
        uint64_t least = UINT64_MAX, longest = 0;
        uint32_t first = i, late = 0;

        for (; i < t->sent && t->sent_ns[i] < until; i++) {
            uint64_t d = t->delay_ns[i];
            late += d == 0 || d > floor_ns + 50 * MS;
            longest = d > longest ? d : longest;
            least = d != 0 && d < least ? d : least;
        }
        fprintf(f, "%s[%" PRIu32 ", %" PRIu32 ", %.1f, %.1f]", first == 0 ? "" : ", ", i - first,
                late, longest == 0 ? 0 : (double)least / 1e6, (double)longest / 1e6);
    }
    fprintf(f, "], ");
}

void media_tally_print(const struct media_tally *t, uint64_t floor_ns, FILE *f)
{
    uint64_t *sorted = malloc((t->came + 1) * sizeof *sorted);
    uint32_t n = 0;

    if (sorted == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    for (uint32_t i = 0; i < t->sent; i++) {
        if (t->delay_ns[i] != 0)
            sorted[n++] = t->delay_ns[i];
    }
    qsort(sorted, n, sizeof *sorted, by_size);
    fprintf(f,
            "\"sent\": %" PRIu32 ", \"bytes\": %" PRIu64 ", \"lost\": %" PRIu32
            ", \"refused\": %" PRIu32 ", \"copies\": %" PRIu32 ", \"unknown\": %" PRIu32 ", ",
            t->sent, t->bytes, t->sent - t->came, t->refused, t->copies, t->unknown);
    fprintf(f,
            "\"p50_ms\": %.2f, \"p95_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, "
            "\"max_ms\": %.2f, ",
            quantile_ms(sorted, n, 0.5), quantile_ms(sorted, n, 0.95), quantile_ms(sorted, n, 0.99),
            quantile_ms(sorted, n, 0.999), quantile_ms(sorted, n, 1));
    fprintf(f, "\"late50\": %" PRIu32 ", \"late100\": %" PRIu32 ", \"gap_ms\": %.1f, ",
            media_tally_later(t, floor_ns + 50 * MS), media_tally_later(t, floor_ns + 100 * MS),
            (double)t->longest_gap_ns / 1e6);
    print_tenths(t, floor_ns, f);
    print_distribution(sorted, n, f);
    free(sorted);
}
