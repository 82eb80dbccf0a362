/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateways, wherever their tunnel is, and what they are asked.
 */
#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"

#define TELL_US    SP_SEC(10)
#define FOREIGN_US (3 * TELL_US)
#define ABSENT_US  SP_SEC(1) /* without any lane: it may come back, but nobody waits for it */

struct sp_gate {
    struct sp_ends *all;
    struct sp_link link;
    struct sp_ends_gateway about;
    uint8_t key[SP_RDV_KEY_LEN];
    struct sp_tunnel *tunnel; /* NULL: of another worker */
    unsigned worker;
    uint64_t expires_us;   /* of another worker's */
    uint64_t lane_lost_us; /* when the last one of its lanes that ended did; 0: none has */
};

/* A question on its way to a gateway of this worker: who wants to know the answer, and whether he
 * has been told that there is none. */
struct errand {
    struct sp_ends *all;
    unsigned worker;
    uint64_t id;
    const struct sp_tunnel *tunnel;
    struct sp_timer absent;
    bool told;
};

static uint64_t now_of(const struct sp_ends *e)
{
    return sp_ticker_now(e->env.ticker);
}

/* --- gateways ------------------------------------------------------------------------------- */

static struct sp_gate *gate_at(struct sp_link *l)
{
    return l != NULL ? SP_LIST_ITEM(l, struct sp_gate, link) : NULL;
}

/* The same for all workers: of name and subject. */
static void make_key(const struct sp_ends_gateway *about, uint8_t key[static SP_RDV_KEY_LEN])
{
    const struct sp_span parts[] = {sp_span_str(about->name), sp_span("", 1),
                                    sp_span_str(about->subject)};
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(parts, SP_ARRAY_LEN(parts), digest);
    memcpy(key, digest, SP_RDV_KEY_LEN);
}

static struct sp_gate *gate_new(struct sp_ends *e, const struct sp_ends_gateway *about)
{
    struct sp_gate *g = calloc(1, sizeof *g);

    if (g == NULL)
        return NULL;
    g->all = e;
    g->about = *about;
    g->worker = e->env.worker;
    make_key(about, g->key);
    sp_list_prepend(&e->gates, &g->link);
    return g;
}

static void gate_free(struct sp_gate *g)
{
    sp_list_remove(&g->link);
    free(g);
}

static void tell(const struct sp_gate *g, enum note_kind kind)
{
    const struct note n = {.kind = kind};
    note_send_all(g->all, &n, sp_span(&g->about, sizeof g->about));
}

static void on_tell(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_ends *e = arg;

    SP_LIST_EACH(&e->gates, link, next)
    {
        struct sp_gate *g = gate_at(link);
        if (g->tunnel != NULL)
            tell(g, NOTE_GATE_HERE);
        else if (now_us >= g->expires_us)
            gate_free(g);
    }
    if (!sp_list_empty(&e->gates))
        (void)sp_timerq_set(&e->env.ticker->timers, t, now_us + TELL_US);
}

static void keep_telling(struct sp_ends *e)
{
    if (e->env.post != NULL && !sp_timer_is_set(&e->tell))
        (void)sp_timerq_set(&e->env.ticker->timers, &e->tell, now_of(e) + TELL_US);
}

struct sp_gate *sp_ends_gateway_came(struct sp_ends *e, const struct sp_ends_gateway *about,
                                     struct sp_tunnel *t)
{
    struct sp_gate *g = gate_new(e, about);

    if (g == NULL)
        return NULL;
    g->tunnel = t;
    tell(g, NOTE_GATE_HERE);
    keep_telling(e);
    return g;
}

static struct sp_gate *gate_by_key(const struct sp_ends *e, const uint8_t key[SP_RDV_KEY_LEN],
                                   bool here_only)
{
    SP_LIST_EACH(&e->gates, link, next)
    {
        struct sp_gate *g = gate_at(link);
        if (memcmp(g->key, key, sizeof g->key) == 0 && (g->tunnel != NULL || !here_only))
            return g;
    }
    return NULL;
}

/* A gateway that makes its next tunnel has two for a while, and is still there when one ends. */
void sp_ends_gateway_left(struct sp_gate *g)
{
    if (g == NULL)
        return;
    sp_list_remove(&g->link);
    if (gate_by_key(g->all, g->key, true) == NULL)
        tell(g, NOTE_GATE_GONE);
    free(g);
}

void sp_ends_gateway_lost_lane(struct sp_gate *g)
{
    if (g != NULL)
        g->lane_lost_us = now_of(g->all);
}

const struct sp_gate *sp_ends_gateway_next(const struct sp_ends *e, const struct sp_gate *before)
{
    return gate_at(before == NULL ? sp_list_first(&e->gates)
                                  : sp_list_next(&e->gates, &before->link));
}

const uint8_t *gate_key(const struct sp_gate *g)
{
    return g->key;
}

const struct sp_ends_gateway *sp_gate_about(const struct sp_gate *g)
{
    return &g->about;
}

const struct sp_gate *gate_by_name(const struct sp_ends *e, struct sp_span name,
                                   struct sp_span subject)
{
    SP_LIST_EACH(&e->gates, link, next)
    {
        struct sp_gate *g = gate_at(link);
        if (sp_span_eq(sp_span_str(g->about.name), name) &&
            (subject.len == 0 || sp_span_eq(sp_span_str(g->about.subject), subject)))
            return g;
    }
    return NULL;
}

static struct sp_gate *gate_of_worker(const struct sp_ends *e, unsigned worker,
                                      const struct sp_ends_gateway *about)
{
    uint8_t key[SP_RDV_KEY_LEN];

    make_key(about, key);
    SP_LIST_EACH(&e->gates, link, next)
    {
        struct sp_gate *g = gate_at(link);
        if (g->tunnel == NULL && g->worker == worker && memcmp(g->key, key, sizeof key) == 0)
            return g;
    }
    return NULL;
}

static void on_gate_note(struct sp_ends *e, unsigned from, bool here, struct sp_span body)
{
    struct sp_ends_gateway about;

    memcpy(&about, body.p, sizeof about);
    struct sp_gate *g = gate_of_worker(e, from, &about);
    if (g == NULL && here && (g = gate_new(e, &about)) != NULL)
        g->worker = from;
    if (g == NULL)
        return;
    g->expires_us = now_of(e) + FOREIGN_US;
    if (!here)
        gate_free(g);
    keep_telling(e);
}

/* --- questions ------------------------------------------------------------------------------ */

static int meaning(int err, uint32_t code)
{
    if (err != 0)
        return err == SP_ECLOSED ? SP_ENOENT : err;
    return code == 0 ? 0 : code == SP_CONTROL_FULL ? SP_EFULL : SP_EDENIED;
}

static void bring(const struct errand *who, int err, struct sp_span body)
{
    const struct note n = {.kind = NOTE_ANSWER, .handle = who->id, .err = err};

    if (who->told)
        return;
    if (who->worker == who->all->env.worker)
        leases_answered(who->all, who->id, err, body);
    else
        note_send(who->all, who->worker, &n, body);
}

static void on_tunnel_answer(const struct sp_tunnel_answer *answer, uint64_t now_us, void *arg)
{
    struct errand who = *(struct errand *)arg;
    (void)now_us;

    sp_timerq_cancel(&who.all->env.ticker->timers, &((struct errand *)arg)->absent);
    free(arg);
    bring(&who, meaning(answer->err, answer->code), answer->body);
}

/* The tunnel goes on asking, but whoever waits has other ways. */
static void on_absent(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct errand *who = arg;
    (void)t;
    (void)now_us;

    if (sp_tunnel_lane_count(who->tunnel) > 0)
        return;
    bring(who, SP_ENOENT, (struct sp_span){0});
    who->told = true;
}

/* To a gateway of this worker. SP_ENOENT: its tunnel has had no lane for a while. */
static int put_question(struct sp_gate *g, struct sp_span question, unsigned worker, uint64_t id)
{
    struct sp_timerq *timers = &g->all->env.ticker->timers;
    bool has_lanes = sp_tunnel_lane_count(g->tunnel) > 0;
    uint64_t now_us = now_of(g->all), until_us = g->lane_lost_us + ABSENT_US;

    if (!has_lanes && now_us >= until_us)
        return SP_ENOENT;
    struct errand *who = malloc(sizeof *who);
    if (who == NULL)
        return SP_ENOMEM;
    *who = (struct errand){.all = g->all, .worker = worker, .id = id, .tunnel = g->tunnel};
    sp_timer_init(&who->absent, on_absent, who);
    int err = has_lanes ? 0 : sp_timerq_set(timers, &who->absent, until_us);
    if (err == 0)
        err = sp_tunnel_ask(g->tunnel, question, on_tunnel_answer, who, now_us);
    if (err != 0) {
        sp_timerq_cancel(timers, &who->absent);
        free(who);
    }
    return err;
}

int gates_ask(struct sp_ends *e, const uint8_t key[static SP_RDV_KEY_LEN], struct sp_span question,
              uint64_t id)
{
    struct sp_gate *g = gate_by_key(e, key, false);
    struct note n = {.kind = NOTE_ASK, .handle = id};

    if (g == NULL)
        return SP_ENOENT;
    if (g->tunnel != NULL)
        return put_question(g, question, e->env.worker, id);
    memcpy(n.key, g->key, sizeof n.key);
    note_send(e, g->worker, &n, question);
    return 0;
}

static void on_ask_note(struct sp_ends *e, unsigned from, const struct note *n,
                        struct sp_span question)
{
    const struct note back = {.kind = NOTE_ANSWER, .handle = n->handle, .err = SP_ENOENT};
    struct sp_gate *g = gate_by_key(e, n->key, true);

    if (g == NULL || put_question(g, question, from, n->handle) != 0)
        note_send(e, from, &back, (struct sp_span){0});
}

/* --- life ----------------------------------------------------------------------------------- */

void gates_note(struct sp_ends *e, unsigned from, const struct note *n, struct sp_span body)
{
    switch ((enum note_kind)n->kind) {
    case NOTE_GATE_HERE:
    case NOTE_GATE_GONE:
        on_gate_note(e, from, n->kind == NOTE_GATE_HERE, body);
        break;
    case NOTE_ASK:
        on_ask_note(e, from, n, body);
        break;
    case NOTE_ANSWER:
        leases_answered(e, n->handle, n->err, body);
        break;
    default:
        break;
    }
}

void gates_init(struct sp_ends *e)
{
    sp_list_init(&e->gates);
    sp_timer_init(&e->tell, on_tell, e);
}

void gates_fini(struct sp_ends *e)
{
    SP_LIST_EACH(&e->gates, link, next)
    gate_free(gate_at(link));
    sp_timerq_cancel(&e->env.ticker->timers, &e->tell);
}
