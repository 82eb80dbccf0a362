/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parity_model [SECONDS [LANES]]
 *
 * What parity across lanes is worth: a small model of one leg, without any network. Video in bursts
 * and voice are striped over TCP lanes, the lane used longest ago first; a segment that is lost
 * holds its lane up until TCP has sent it again, and the sender avoids such a lane as soon as it
 * can know. Prints for each code, number of lanes and loss the share that isn't there 50 ms after
 * the floor, and the bytes that it took beyond the media's own. It tells codes from each other;
 * what a real network does is for the quality bench to tell.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "sallyport/bytes.h"
#include "sallyport/rng.h"

#define ONE_WAY_US 30000
#define RTT_US     (2 * ONE_WAY_US)
#define LATE_US    50000 /* over the floor */
#define MAX_LANES  32
#define MAX_GROUP  64
#define HEADER     (8 + 29) /* bytes of tunnel frame and TLS record */
#define PARITY_OVER \
    (4 + 6 + 2 + 4) /* bytes of a parity frame beyond HEADER and the longest datagram */
#define SEEDS 4

/*
 * A code: each of `depth` open groups takes a datagram in turn; a group is closed when it has k of
 * them, or after age_ms, and has parities of which any make up for as many losses (m = 1: XOR). How
 * many: m for each k by count, rounded up; or by bytes, as parity_enc.h does it.
 */
struct code {
    const char *name;
    unsigned k, m, depth, age_ms;
    bool by_bytes, voice_once;
};

/* Bytes of parity may run ahead of what they are paid for by this many. */
#define AHEAD 2

enum what { VOICE, VIDEO, COPY, PARITY };

struct piece {
    enum what what;
    uint32_t group; /* or the voice datagram that it copies */
    uint32_t len;
    uint64_t sent_us, there_us;
};

struct lane {
    struct {
        uint64_t at_us;
        uint32_t piece;
        bool lost;
    } * segs;
    size_t n, cap;
    /* The last segment that was lost: when it went, and the first and third behind it. */
    uint64_t lost_us, next_us, third_us, used;
    unsigned behind;
};

struct group {
    uint32_t pieces[MAX_GROUP];
    unsigned n, parities;
    uint32_t longest;
    uint64_t bytes, opened_us;
};

struct model {
    struct sp_rng_seeded rng;
    const struct code *code;
    unsigned n_lanes, loss_permille;
    struct lane lanes[MAX_LANES];
    struct piece *pieces;
    size_t n_pieces, cap_pieces;
    struct group *groups;
    size_t n_groups, cap_groups;
    uint32_t open[8]; /* group number + 1 */
    unsigned turn;
    double credit;
    uint64_t used;
};

static void *grow(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 1024;
    p = realloc(p, *cap * size);
    REQUIRE(p);
    return p;
}

/* When TCP sends the lane's lost segment again: by RACK, by three segments behind it, or by a
 * probe. */
static uint64_t again_us(const struct lane *l)
{
    uint64_t us = l->lost_us + (l->behind > 0 ? 2 * RTT_US : 200000 + RTT_US);

    if (l->behind > 0 && l->next_us + RTT_US + RTT_US / 4 < us)
        us = l->next_us + RTT_US + RTT_US / 4;
    if (l->behind > 2 && l->third_us + RTT_US < us)
        us = l->third_us + RTT_US;
    return us;
}

/* What a good scheduler knows: an acknowledgement is overdue, and not yet made up for. */
static bool known_bad(const struct lane *l, uint64_t now_us)
{
    return l->lost_us && now_us >= l->lost_us + RTT_US + 10000 && now_us < again_us(l) + RTT_US;
}

/* The lane that was used longest ago. */
static struct lane *pick(struct model *m, uint64_t now_us)
{
    struct lane *best = NULL;

    for (int bad = 0; bad < 2 && !best; bad++) {
        for (unsigned i = 0; i < m->n_lanes; i++) {
            struct lane *l = &m->lanes[i];

            if ((bad || !known_bad(l, now_us)) && (!best || l->used < best->used))
                best = l;
        }
    }
    REQUIRE(best);
    best->used = ++m->used;
    return best;
}

static uint32_t transmit(struct model *m, enum what what, uint32_t group, uint32_t len,
                         uint64_t now_us)
{
    struct lane *l = pick(m, now_us);
    bool lost = sp_rng_below(&m->rng.rng, 1000) < m->loss_permille;

    m->pieces = grow(m->pieces, m->n_pieces, &m->cap_pieces, sizeof(*m->pieces));
    m->pieces[m->n_pieces] = (struct piece){what, group, len, now_us, 0};
    l->segs = grow(l->segs, l->n, &l->cap, sizeof(*l->segs));
    l->segs[l->n].at_us = now_us;
    l->segs[l->n].piece = (uint32_t)m->n_pieces;
    l->segs[l->n++].lost = lost;
    if (l->lost_us && now_us < again_us(l) + RTT_US) {
        l->behind++;
        if (l->behind == 1)
            l->next_us = now_us;
        if (l->behind == 3)
            l->third_us = now_us;
    } else if (lost) {
        l->lost_us = now_us;
        l->behind = 0;
    }
    return (uint32_t)m->n_pieces++;
}

static void close_group(struct model *m, unsigned slot, uint64_t now_us)
{
    struct group *g = &m->groups[m->open[slot] - 1];
    unsigned n = (g->n * m->code->m + m->code->k - 1) / m->code->k;

    REQUIRE(g->longest > 0);
    if (m->code->by_bytes) {
        m->credit += (double)g->bytes * m->code->m / m->code->k;
        n = m->credit > 0 ? (unsigned)(m->credit / g->longest + 0.5) : 0;
        if (n == 0 && m->credit > -(double)AHEAD * g->longest)
            n = 1;
        if (n > m->code->m)
            n = m->code->m;
        m->credit -= (double)n * g->longest;
    }
    for (g->parities = 0; g->parities < n; g->parities++)
        transmit(m, PARITY, m->open[slot] - 1, g->longest + PARITY_OVER, now_us);
    m->open[slot] = 0;
}

static void close_old(struct model *m, uint64_t now_us)
{
    for (unsigned i = 0; i < 8; i++) {
        if (m->open[i]) {
            uint64_t due_us = m->groups[m->open[i] - 1].opened_us + m->code->age_ms * 1000u;

            if (now_us >= due_us)
                close_group(m, i, due_us);
        }
    }
}

static void cover(struct model *m, uint32_t piece, uint64_t now_us)
{
    unsigned slot = m->turn++ % m->code->depth;

    if (!m->open[slot]) {
        m->groups = grow(m->groups, m->n_groups, &m->cap_groups, sizeof(*m->groups));
        m->groups[m->n_groups] = (struct group){.opened_us = now_us};
        m->open[slot] = (uint32_t)++m->n_groups;
    }

    struct group *g = &m->groups[m->open[slot] - 1];

    g->pieces[g->n++] = piece;
    g->bytes += m->pieces[piece].len;
    if (g->longest < m->pieces[piece].len)
        g->longest = m->pieces[piece].len;
    m->pieces[piece].group = m->open[slot] - 1;
    if (g->n >= m->code->k)
        close_group(m, slot, now_us);
}

static void media(struct model *m, uint64_t seconds)
{
    uint64_t frame = 0, voice = 0;

    for (uint64_t ms = 0; ms < seconds * 1000; ms++) {
        uint64_t us = ms * 1000 + 1;

        if (m->code->m)
            close_old(m, us);
        if (ms >= voice * 20) {
            uint32_t p = transmit(m, VOICE, UINT32_MAX, 160, us);

            if (!m->code->voice_once)
                transmit(m, COPY, p, 160, us);
            if (m->code->m)
                cover(m, p, us);
            voice++;
        }
        if (ms * 3 < frame * 100)
            continue;
        /* 2 Mbit/s: 6.5 packets of 1,130 bytes a picture, give or take, and 40 every ten seconds.
         */
        uint64_t bytes = frame % 300 == 0 ? 40 * 1130 : 3700 + sp_rng_below(&m->rng.rng, 7400);

        for (frame++; bytes > 0; us += 200) {
            uint32_t len = bytes > 1130 ? 1130 : (uint32_t)bytes;
            uint32_t p = transmit(m, VIDEO, UINT32_MAX, len, us);

            if (m->code->m)
                cover(m, p, us);
            bytes -= len;
        }
    }
}

/* When each piece comes out of its lane: in order. */
static void arrive(struct model *m, struct lane *l)
{
    uint64_t there_us = 0;

    for (size_t i = 0; i < l->n; i++) {
        uint64_t us = l->segs[i].at_us;

        if (l->segs[i].lost) {
            struct lane alone = {.lost_us = us, .behind = (unsigned)(l->n - 1 - i)};

            if (alone.behind > 0)
                alone.next_us = l->segs[i + 1].at_us;
            if (alone.behind > 2)
                alone.third_us = l->segs[i + 3].at_us;
            if (alone.behind > 0 && alone.next_us > us + 2 * RTT_US)
                alone.behind = 0;
            us = again_us(&alone);
            while (sp_rng_below(&m->rng.rng, 1000) < m->loss_permille)
                us += 200000 + RTT_US;
        }
        us += ONE_WAY_US;
        if (us > there_us)
            there_us = us;
        m->pieces[l->segs[i].piece].there_us = there_us;
    }
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A group is whole as soon as any n of its pieces are there. */
static void recover(struct model *m, const uint64_t *parity_us, const struct group *g)
{
    uint64_t us[2 * MAX_GROUP];
    unsigned n = 0;

    for (unsigned i = 0; i < g->n; i++)
        us[n++] = m->pieces[g->pieces[i]].there_us;
    for (unsigned i = 0; i < g->parities; i++)
        us[n++] = parity_us[i];
    qsort(us, n, sizeof(*us), by_time);
    for (unsigned i = 0; i < g->n; i++) {
        struct piece *p = &m->pieces[g->pieces[i]];

        if (p->there_us > us[g->n - 1])
            p->there_us = us[g->n - 1];
    }
}

struct result {
    uint64_t n[2], late[2], media, extra;
};

static void judge(struct model *m, struct result *r)
{
    uint64_t(*parity_us)[MAX_GROUP] = calloc(m->n_groups + 1, sizeof(*parity_us));
    unsigned *n_parity = calloc(m->n_groups + 1, sizeof(*n_parity));

    REQUIRE(parity_us && n_parity);
    for (size_t i = 0; i < m->n_pieces; i++) {
        struct piece *p = &m->pieces[i];

        if (p->what == PARITY)
            parity_us[p->group][n_parity[p->group]++] = p->there_us;
        if (p->what == COPY && p->there_us < m->pieces[p->group].there_us)
            m->pieces[p->group].there_us = p->there_us;
        *(p->what <= VIDEO ? &r->media : &r->extra) += p->len + HEADER;
    }
    for (size_t i = 0; i < m->n_groups; i++)
        recover(m, parity_us[i], &m->groups[i]);
    for (size_t i = 0; i < m->n_pieces; i++) {
        struct piece *p = &m->pieces[i];

        if (p->what > VIDEO)
            continue;
        r->n[p->what]++;
        r->late[p->what] += p->there_us > p->sent_us + ONE_WAY_US + LATE_US;
    }
    free(parity_us);
    free(n_parity);
}

static void run(const struct code *code, unsigned lanes, unsigned permille, uint64_t seconds)
{
    struct result r = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct model m = {.code = code, .n_lanes = lanes, .loss_permille = permille};

        sp_rng_seeded_init(&m.rng, seed);
        media(&m, seconds);
        for (unsigned i = 0; i < lanes; i++)
            arrive(&m, &m.lanes[i]);
        judge(&m, &r);
        for (unsigned i = 0; i < lanes; i++)
            free(m.lanes[i].segs);
        free(m.pieces);
        free(m.groups);
    }
    printf("%-24s %5u %5.1f%% %8.3f%% %8.3f%% %7.1f%%\n", code->name, lanes, permille / 10.0,
           (double)r.late[VOICE] * 100 / (double)r.n[VOICE],
           (double)r.late[VIDEO] * 100 / (double)r.n[VIDEO],
           (double)r.extra * 100 / (double)r.media);
}

/* Voice goes twice but with the first of them, and is covered as video is. */
static const struct code codes[] = {
    {"nothing", 1, 0, 1, 0, false, true},
    {"voice twice", 1, 0, 1, 0, false, false},
    {"XOR 1 in 4", 4, 1, 1, 15, false, false},
    {"XOR 1 in 3", 3, 1, 1, 15, true, false},
    {"XOR 1 in 3, 3 deep", 3, 1, 3, 35, true, false},
    {"RS 2 in 14, 35 ms", 14, 2, 1, 35, true, false},
    {"RS 2 in 10, 15 ms", 10, 2, 1, 15, true, false},
    {"RS 2 in 10, 35 ms", 10, 2, 1, 35, true, false},
    {"RS 2 in 7, 15 ms", 7, 2, 1, 15, true, false},
    {"RS 3 in 10, 15 ms", 10, 3, 1, 15, true, false},
    {"RS 3 in 10, 35 ms", 10, 3, 1, 35, true, false},
    {"RS 4 in 14, 15 ms", 14, 4, 1, 15, true, false},
    {"RS 4 in 14, 35 ms", 14, 4, 1, 35, true, false},
    {"RS 6 in 20, 40 ms", 20, 6, 1, 40, true, false},
    {"RS 8 in 28, 40 ms", 28, 8, 1, 40, true, false},
};

int main(int argc, char **argv)
{
    static const unsigned losses[] = {5, 10, 20, 50}, lanes[] = {4, 8, 16};
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 150;
    unsigned only = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    printf("%-24s %5s %6s %9s %9s %8s\n", "code", "lanes", "loss", "voice", "video", "overhead");
    for (size_t n = 0; n < SP_ARRAY_LEN(lanes); n++) {
        for (size_t l = 0; l < SP_ARRAY_LEN(losses); l++) {
            for (size_t c = 0; c < SP_ARRAY_LEN(codes); c++) {
                if (only == 0 || only == lanes[n])
                    run(&codes[c], lanes[n], losses[l], seconds);
            }
        }
    }
    return 0;
}
