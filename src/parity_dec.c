/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/parity_dec.h"

#include <stdlib.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/gf256.h"

#define QUIET_US SP_SEC(5) /* without parity, after which nothing is kept any more */

/* A parity, and later the datagram that was made of it. */
struct sp_parity_row {
    struct sp_parity_row *next;
    size_t sum_len;
    uint32_t seq;
    uint8_t row;
    uint8_t sum[];
};

struct group {
    struct sp_link link;
    struct sp_parity_cover cover;
    uint64_t since_us;
    size_t sum_len;
    unsigned missing, n_rows;
    struct sp_parity_row *rows[SP_PARITY_MAX_M];
};

void sp_parity_dec_init(struct sp_parity_dec *d, size_t max_bytes, uint64_t max_age_us)
{
    memset(d, 0, sizeof(*d));
    sp_parity_window_init(&d->window, max_bytes, max_age_us);
    d->max_held = max_bytes / 2;
    sp_list_init(&d->groups);
    d->found_end = &d->found;
}

/* ---- what is held ---- */

static void free_row(struct sp_parity_dec *d, struct sp_parity_row *row)
{
    if (row) {
        d->held -= sizeof(*row) + row->sum_len;
        free(row);
    }
}

static void drop_group(struct sp_parity_dec *d, struct group *g)
{
    for (unsigned i = 0; i < g->n_rows; i++)
        free_row(d, g->rows[i]);
    d->n_groups--;
    sp_list_remove(&g->link);
    free(g);
}

static struct group *first_group(const struct sp_parity_dec *d)
{
    struct sp_link *l = sp_list_first(&d->groups);

    return l ? SP_LIST_ITEM(l, struct group, link) : NULL;
}

static struct sp_parity_row *take_found(struct sp_parity_dec *d)
{
    struct sp_parity_row *row = d->found;

    if (row) {
        d->found = row->next;
        if (!d->found)
            d->found_end = &d->found;
    }
    return row;
}

static void drop_taken(struct sp_parity_dec *d)
{
    free_row(d, d->taken);
    d->taken = NULL;
}

static void give_up(struct sp_parity_dec *d, struct group *g)
{
    d->given_up++;
    drop_group(d, g);
}

/* Makes room for `len` more bytes: the oldest groups go, then what nobody took. */
static void make_room(struct sp_parity_dec *d, size_t len)
{
    while (d->held > 0 && d->held + len > d->max_held) {
        struct group *g = first_group(d);

        if (g)
            give_up(d, g);
        else if (d->found)
            free_row(d, take_found(d));
        else
            break;
    }
}

static void stop(struct sp_parity_dec *d)
{
    for (struct group *g; (g = first_group(d)) != NULL;)
        give_up(d, g);
    sp_parity_window_end(&d->window);
}

void sp_parity_dec_fini(struct sp_parity_dec *d)
{
    stop(d);
    drop_taken(d);
    while (d->found)
        free_row(d, take_found(d));
}

void sp_parity_dec_expire(struct sp_parity_dec *d, uint64_t now_us)
{
    drop_taken(d);
    if (!sp_parity_window_begun(&d->window))
        return;
    for (struct group *g; (g = first_group(d)) && now_us - g->since_us > d->window.max_age_us;)
        give_up(d, g);
    if (now_us - d->last_parity_us > QUIET_US)
        stop(d);
    else
        sp_parity_window_expire(&d->window, now_us);
}

/* ---- solving ---- */

/* A group that can be solved: which are missing, and as what they count in each row. */
struct task {
    unsigned n;
    uint32_t seqs[SP_PARITY_MAX_M];
    uint8_t matrix[SP_PARITY_MAX_M][SP_PARITY_MAX_M]; /* [row][missing] */
};

/* Takes what came out of the rows, so that the sums of what is missing are left. False when bytes
 * that are needed are gone, or don't fit. */
static bool subtract(struct sp_parity_dec *d, struct group *g, struct task *t, uint64_t now_us)
{
    const struct sp_parity_cover *c = &g->cover;
    unsigned i = 0;

    for (uint32_t at = 0; at < c->span; at++) {
        uint32_t seq = c->base + at;
        struct sp_span datagram;
        uint16_t flow;

        if (!sp_parity_covers(c, seq))
            continue;
        if (!sp_parity_window_knows(&d->window, seq))
            return false;
        if (!sp_parity_window_came(&d->window, seq)) {
            for (unsigned r = 0; r < g->missing; r++)
                t->matrix[r][t->n] = sp_parity_factor(g->rows[r]->row, i);
            t->seqs[t->n++] = seq;
        } else {
            if (!sp_parity_window_get(&d->window, seq, now_us, &flow, &datagram))
                return false;
            if (SP_PARITY_MEMBER_HEAD + datagram.len > g->sum_len)
                return false;
            for (unsigned r = 0; r < g->missing; r++)
                sp_parity_add(g->rows[r]->sum, sp_parity_factor(g->rows[r]->row, i), flow,
                              datagram);
        }
        i++;
    }
    return true;
}

/* Row `to` gets `factor` times row `from` added. */
static void add_row(struct group *g, struct task *t, unsigned to, unsigned from, uint8_t factor)
{
    sp_gf256_mul_add(t->matrix[to], t->matrix[from], t->n, factor);
    sp_gf256_mul_add(g->rows[to]->sum, g->rows[from]->sum, g->sum_len, factor);
}

/*
 * Gauss and Jordan: row i becomes the i-th that is missing. No row needs to be exchanged for
 * another: each square part of a Cauchy matrix can be inverted, so also those at its corner.
 */
static void eliminate(struct group *g, struct task *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        uint8_t scale = sp_gf256_inv(t->matrix[i][i]);

        /* x += (scale + 1) * x is x = scale * x. */
        add_row(g, t, i, i, scale ^ 1);
        for (unsigned r = 0; r < t->n; r++) {
            if (r != i)
                add_row(g, t, r, i, t->matrix[r][i]);
        }
    }
}

/* What was recovered is a datagram, and nothing follows it. */
static bool plausible(const uint8_t *sum, size_t sum_len)
{
    uint16_t flow = sp_get_be16(sum);
    size_t len = sp_get_be16(sum + 2);

    if (flow == SP_FLOW_CONTROL || flow == SP_FLOW_PARITY || len > sum_len - SP_PARITY_MEMBER_HEAD)
        return false;
    for (size_t i = SP_PARITY_MEMBER_HEAD + len; i < sum_len; i++) {
        if (sum[i])
            return false;
    }
    return true;
}

/* Came, or was found. */
static void seen(struct sp_parity_dec *d, uint32_t seq)
{
    if (!d->any || (int32_t)(seq - d->highest) > 0)
        d->highest = seq;
    d->any = true;
}

static void arrived(struct sp_parity_dec *d, uint32_t seq, uint16_t flow, struct sp_span datagram,
                    uint64_t now_us)
{
    if (!sp_parity_window_keep(&d->window, seq, flow, datagram, now_us))
        return;
    SP_LIST_EACH(&d->groups, it, after)
    {
        struct group *g = SP_LIST_ITEM(it, struct group, link);

        if (sp_parity_covers(&g->cover, seq))
            g->missing--;
    }
}

/* Takes row `i` out of the group, as a datagram that was found. */
static void found(struct sp_parity_dec *d, struct group *g, unsigned i, uint32_t seq,
                  uint64_t now_us)
{
    struct sp_parity_row *row = g->rows[i];
    size_t len = sp_get_be16(row->sum + 2);

    row->seq = seq;
    row->next = NULL;
    *d->found_end = row;
    d->found_end = &row->next;
    d->recovered++;
    seen(d, seq);
    arrived(d, seq, sp_get_be16(row->sum), sp_span(row->sum + SP_PARITY_MEMBER_HEAD, len), now_us);
}

/* All that is missing in the group is found, and the group ends. */
static void solve(struct sp_parity_dec *d, struct group *g, uint64_t now_us)
{
    struct task t = {0};

    if (!subtract(d, g, &t, now_us)) {
        give_up(d, g);
        return;
    }
    eliminate(g, &t);
    for (unsigned i = 0; i < t.n; i++) {
        if (!plausible(g->rows[i]->sum, g->sum_len)) {
            d->bad++;
            drop_group(d, g);
            return;
        }
    }
    for (unsigned i = 0; i < t.n; i++)
        found(d, g, i, t.seqs[i], now_us);
    memmove(g->rows, g->rows + t.n, (g->n_rows - t.n) * sizeof(*g->rows));
    g->n_rows -= t.n;
    drop_group(d, g);
}

/* Solves what can be; what was found may be what another group lacked. */
static void settle(struct sp_parity_dec *d, uint64_t now_us)
{
    struct sp_link *it = sp_list_first(&d->groups);

    while (it) {
        struct group *g = SP_LIST_ITEM(it, struct group, link);

        it = sp_list_next(&d->groups, it);
        if (g->missing == 0) {
            drop_group(d, g);
        } else if (g->missing <= g->n_rows) {
            solve(d, g, now_us);
            it = sp_list_first(&d->groups);
        }
    }
}

/* ---- what comes ---- */

void sp_parity_dec_data(struct sp_parity_dec *d, uint32_t seq, uint16_t flow,
                        struct sp_span datagram, uint64_t now_us)
{
    seen(d, seq);
    sp_parity_dec_expire(d, now_us);
    if (!sp_parity_window_begun(&d->window) || flow == 0 || datagram.len > SP_DATAGRAM_MAX)
        return;
    arrived(d, seq, flow, datagram, now_us);
    if (d->n_groups > 0)
        settle(d, now_us);
}

static unsigned count_missing(const struct sp_parity_dec *d, const struct sp_parity_cover *c)
{
    unsigned n = 0;

    for (uint32_t at = 0; at < c->span; at++) {
        uint32_t seq = c->base + at;

        n += sp_parity_covers(c, seq) && !sp_parity_window_came(&d->window, seq);
    }
    return n;
}

static bool same_cover(const struct sp_parity_cover *a, const struct sp_parity_cover *b)
{
    return a->base == b->base && a->span == b->span &&
           memcmp(a->bitmap, b->bitmap, sizeof(a->bitmap)) == 0;
}

static struct group *find_group(const struct sp_parity_dec *d, const struct sp_parity_cover *c)
{
    SP_LIST_EACH(&d->groups, it, after)
    {
        struct group *g = SP_LIST_ITEM(it, struct group, link);

        if (same_cover(&g->cover, c))
            return g;
    }
    return NULL;
}

static struct group *add_group(struct sp_parity_dec *d, const struct sp_parity_frame *f,
                               uint64_t now_us)
{
    struct group *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->cover = f->cover;
    g->since_us = now_us;
    g->sum_len = f->sum.len;
    g->missing = count_missing(d, &f->cover);
    if (d->n_groups >= SP_PARITY_GROUPS)
        give_up(d, first_group(d));
    sp_list_append(&d->groups, &g->link);
    d->n_groups++;
    return g;
}

static bool has_row(const struct group *g, uint8_t row)
{
    for (unsigned i = 0; i < g->n_rows; i++) {
        if (g->rows[i]->row == row)
            return true;
    }
    return false;
}

/* Keeps a parity that can be of use, with its group. */
static int hold(struct sp_parity_dec *d, const struct sp_parity_frame *f, uint64_t now_us)
{
    size_t size = sizeof(struct sp_parity_row) + f->sum.len;
    struct group *g = find_group(d, &f->cover);
    struct sp_parity_row *row;

    if (g && g->sum_len != f->sum.len)
        return SP_EBADMSG;
    if (g && has_row(g, f->row))
        return 0;
    row = malloc(size);
    if (!row)
        return SP_ENOMEM;
    make_room(d, size); /* this group may be among those that go */
    g = find_group(d, &f->cover);
    if (!g)
        g = add_group(d, f, now_us);
    if (!g) {
        free(row);
        return SP_ENOMEM;
    }
    *row = (struct sp_parity_row){.sum_len = f->sum.len, .row = f->row};
    memcpy(row->sum, f->sum.p, f->sum.len);
    g->rows[g->n_rows++] = row;
    d->held += size;
    return 0;
}

int sp_parity_dec_parity(struct sp_parity_dec *d, struct sp_span payload, uint64_t now_us)
{
    struct sp_parity_frame f;
    int err = sp_parity_parse(payload, &f);

    sp_parity_dec_expire(d, now_us);
    if (err)
        return err;
    if (!sp_parity_window_begun(&d->window)) {
        /* Of what came before it isn't known what it was. */
        err = sp_parity_window_begin(&d->window, d->any ? d->highest + 1 : f.cover.base);
        if (err)
            return err;
    }
    d->last_parity_us = now_us;
    if (!sp_parity_window_knows(&d->window, f.cover.base) ||
        !sp_parity_window_knows(&d->window, f.cover.base + f.cover.span - 1))
        return SP_EEXPIRED;
    if (count_missing(d, &f.cover) == 0) {
        d->useless++;
        return 0;
    }
    err = hold(d, &f, now_us);
    if (err == 0)
        settle(d, now_us);
    return err;
}

bool sp_parity_dec_next(struct sp_parity_dec *d, struct sp_parity_found *out)
{
    drop_taken(d);
    d->taken = take_found(d);
    if (!d->taken)
        return false;
    out->seq = d->taken->seq;
    out->flow = sp_get_be16(d->taken->sum);
    out->datagram = sp_span(d->taken->sum + SP_PARITY_MEMBER_HEAD, sp_get_be16(d->taken->sum + 2));
    return true;
}
