/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateways, wherever their tunnel is, and the ports that they open for ends of sessions. A port is
 * leased: asked for again and again as long as the end is not released.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/lan_port.h"

#define TELL_US    SP_SEC(10)
#define FOREIGN_US (3 * TELL_US)
#define LIFETIME_S 45
#define RENEW_US   SP_SEC(15)
#define WAIT_US    SP_MS(3500) /* for an answer, wherever it was lost */

struct sp_gate {
    struct sp_ends *all;
    struct sp_link link;
    struct sp_ends_gateway about;
    uint8_t key[SP_RDV_KEY_LEN];
    struct sp_tunnel *tunnel; /* NULL: of another worker */
    unsigned worker;
    uint64_t expires_us; /* of another worker's */
};

/* A port of a gateway, for an end. */
struct lease {
    struct sp_ends *all;
    struct sp_link link;
    struct sp_rdv_session *session;
    unsigned end;
    uint64_t token;
    uint8_t gate[SP_RDV_KEY_LEN];
    char name[SP_TOKEN_NAME_MAX + 1];
    struct sp_timer renew;
};

struct sp_ends_ask {
    struct sp_ends *all;
    struct sp_link link;
    uint64_t id, token;
    struct sp_timer patience;
    sp_ends_gateway_fn *fn;
    void *arg;
};

/* A question on its way to a gateway of this worker: who wants to know the answer. */
struct errand {
    struct sp_ends *all;
    unsigned worker;
    uint64_t id;
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

const struct sp_gate *sp_ends_gateway_next(const struct sp_ends *e, const struct sp_gate *before)
{
    return gate_at(before == NULL ? sp_list_first(&e->gates)
                                  : sp_list_next(&e->gates, &before->link));
}

const struct sp_ends_gateway *sp_gate_about(const struct sp_gate *g)
{
    return &g->about;
}

static struct sp_gate *gate_by_name(const struct sp_ends *e, struct sp_span name,
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

/* --- answers -------------------------------------------------------------------------------- */

static struct lease *lease_at(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct lease, link);
}

static struct lease *lease_by_token(const struct sp_ends *e, uint64_t token)
{
    SP_LIST_EACH(&e->leases, link, next)
    if (lease_at(link)->token == token)
        return lease_at(link);
    return NULL;
}

static void ask_free(struct sp_ends_ask *a)
{
    sp_timerq_cancel(&a->all->env.ticker->timers, &a->patience);
    sp_list_remove(&a->link);
    free(a);
}

static void ask_end(struct sp_ends_ask *a, int err, const struct sp_addr *addrs, size_t n)
{
    sp_ends_gateway_fn *fn = a->fn;
    void *arg = a->arg;

    a->all->counters.asked_in_vain += err != 0;
    ask_free(a);
    fn(err, addrs, n, arg);
}

static int meaning(int err, uint32_t code)
{
    if (err != 0)
        return err == SP_ECLOSED ? SP_ENOENT : err;
    return code == 0 ? 0 : code == SP_CONTROL_FULL ? SP_EFULL : SP_EDENIED;
}

/* Nobody may wait for it: a lease was renewed, or an ask cancelled. */
static void answered(struct sp_ends *e, uint64_t id, int err, struct sp_span body)
{
    struct sp_addr addrs[SP_LAN_PORT_ADDRS_MAX];
    struct sp_ends_ask *a = NULL;
    size_t n = 0;

    SP_LIST_EACH(&e->asks, link, next)
    if (SP_LIST_ITEM(link, struct sp_ends_ask, link)->id == id)
        a = SP_LIST_ITEM(link, struct sp_ends_ask, link);
    if (a == NULL)
        return;
    const struct lease *l = lease_by_token(e, a->token);
    if (err == 0 && l == NULL)
        err = SP_ENOENT; /* the end has been released meanwhile */
    if (err == 0 && sp_lan_port_parse_answer(body, addrs, &n) != 0)
        err = SP_EDENIED;
    if (err == 0)
        sp_rdv_set_gateway(l->session, l->end, sp_span_str(l->name));
    ask_end(a, err, addrs, n);
}

static void on_tunnel_answer(const struct sp_tunnel_answer *answer, uint64_t now_us, void *arg)
{
    struct errand who = *(struct errand *)arg;
    struct note n = {
        .kind = NOTE_ANSWER, .handle = who.id, .err = meaning(answer->err, answer->code)};
    (void)now_us;

    free(arg);
    if (who.worker == who.all->env.worker)
        answered(who.all, who.id, n.err, answer->body);
    else
        note_send(who.all, who.worker, &n, answer->body);
}

/* --- questions ------------------------------------------------------------------------------ */

/* To a gateway of this worker. */
static int put_question(struct sp_gate *g, struct sp_span question, unsigned worker, uint64_t id)
{
    struct errand *who = malloc(sizeof *who);

    if (who == NULL)
        return SP_ENOMEM;
    *who = (struct errand){g->all, worker, id};
    int err = sp_tunnel_ask(g->tunnel, question, on_tunnel_answer, who, now_of(g->all));
    if (err != 0)
        free(who);
    return err;
}

static int ask_gate(struct sp_ends *e, struct sp_gate *g, struct sp_span question, uint64_t id)
{
    struct note n = {.kind = NOTE_ASK, .handle = id};

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

/* --- leases --------------------------------------------------------------------------------- */

/* Both ends on one LAN go directly, and what is answered early would call them elsewhere. */
static bool answers_early(const struct sp_rdv_view *v)
{
    const char *first = v->ends[0].gateway;

    return v->early && (first[0] == '\0' || strcmp(first, v->ends[1].gateway) != 0);
}

/* `id` 0: nobody waits for the answer. */
static int ask_for(struct lease *l, uint32_t lifetime_s, uint64_t id)
{
    struct sp_ends *e = l->all;
    struct sp_gate *g = gate_by_key(e, l->gate, false);
    struct sp_lan_port q = {.end = l->token, .lifetime_s = lifetime_s};
    uint8_t question[SP_LAN_PORT_QUESTION_MAX];
    struct sp_rdv_view v;

    if (g == NULL)
        return SP_ENOENT;
    sp_rdv_view(l->session, now_of(e), &v);
    if (answers_early(&v))
        q.password = sp_span_str(v.ends[1 - l->end].password);
    size_t len = sp_lan_port_build(&q, question);
    int err = ask_gate(e, g, sp_span(question, len), id);
    sp_crypto_wipe(question, sizeof question);
    return err;
}

static void on_renew(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct lease *l = arg;

    (void)ask_for(l, LIFETIME_S, 0); /* the gateway may come back */
    (void)sp_timerq_set(&l->all->env.ticker->timers, t, now_us + RENEW_US);
}

static void lease_free(struct lease *l)
{
    sp_timerq_cancel(&l->all->env.ticker->timers, &l->renew);
    sp_list_remove(&l->link);
    free(l);
}

static struct lease *lease_of(const struct sp_ends *e, const struct sp_rdv_session *s, unsigned end)
{
    SP_LIST_EACH(&e->leases, link, next)
    if (lease_at(link)->session == s && lease_at(link)->end == end)
        return lease_at(link);
    return NULL;
}

static struct lease *lease_new(struct sp_ends *e, struct sp_rdv_session *s, unsigned end,
                               const struct sp_gate *g)
{
    struct lease *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    *l = (struct lease){.all = e, .session = s, .end = end, .token = sp_rng_u64(e->env.rng)};
    memcpy(l->gate, g->key, sizeof l->gate);
    memcpy(l->name, g->about.name, sizeof l->name);
    sp_timer_init(&l->renew, on_renew, l);
    sp_list_append(&e->leases, &l->link);
    if (sp_timerq_set(&e->env.ticker->timers, &l->renew, now_of(e) + RENEW_US) != 0) {
        lease_free(l);
        return NULL;
    }
    return l;
}

void gates_released(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end)
{
    struct lease *l = lease_of(e, s, end);

    if (l == NULL)
        return;
    (void)ask_for(l, 0, 0);
    lease_free(l);
}

void gates_joined(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end)
{
    struct lease *l = lease_of(e, s, 1 - end);
    struct sp_rdv_view v;

    sp_rdv_view(s, now_of(e), &v);
    if (l != NULL && v.early)
        (void)ask_for(l, LIFETIME_S, 0);
}

/* --- asking --------------------------------------------------------------------------------- */

static void on_impatient(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    (void)now_us;
    ask_end(arg, SP_ETIMEDOUT, NULL, 0);
}

int sp_ends_ask_gateway(struct sp_ends *e, struct sp_rdv_session *s, unsigned end,
                        const struct sp_ends_whom *whom, sp_ends_gateway_fn *fn, void *arg,
                        struct sp_ends_ask **out)
{
    const struct sp_gate *g = gate_by_name(e, whom->name, whom->subject);
    struct lease *l = lease_of(e, s, end);
    struct sp_ends_ask *a;
    struct sp_rdv_view v;

    e->counters.asked++;
    sp_rdv_view(s, now_of(e), &v);
    if (!v.ends[end].joined) /* which could not be released */
        return SP_EINVAL;
    if (g == NULL) {
        e->counters.asked_in_vain++;
        return SP_ENOENT;
    }
    if (l != NULL && memcmp(l->gate, g->key, sizeof l->gate) != 0) {
        gates_released(e, s, end); /* it has gone elsewhere */
        l = NULL;
    }
    if ((l == NULL && (l = lease_new(e, s, end, g)) == NULL) || (a = calloc(1, sizeof *a)) == NULL)
        return SP_ENOMEM;
    *a = (struct sp_ends_ask){
        .all = e, .id = ++e->last_ask, .token = l->token, .fn = fn, .arg = arg};
    sp_timer_init(&a->patience, on_impatient, a);
    sp_list_append(&e->asks, &a->link);
    int err = sp_timerq_set(&e->env.ticker->timers, &a->patience, now_of(e) + WAIT_US);
    if (err == 0)
        err = ask_for(l, LIFETIME_S, a->id);
    if (err != 0) {
        ask_free(a);
        return err;
    }
    *out = a;
    return 0;
}

void sp_ends_ask_cancel(struct sp_ends_ask *a)
{
    ask_free(a);
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
        answered(e, n->handle, n->err, body);
        break;
    default:
        break;
    }
}

void gates_init(struct sp_ends *e)
{
    sp_list_init(&e->gates);
    sp_list_init(&e->asks);
    sp_list_init(&e->leases);
    sp_timer_init(&e->tell, on_tell, e);
}

void gates_fini(struct sp_ends *e)
{
    SP_LIST_EACH(&e->asks, link, next)
    ask_free(SP_LIST_ITEM(link, struct sp_ends_ask, link));
    SP_LIST_EACH(&e->leases, link, next)
    lease_free(lease_at(link));
    SP_LIST_EACH(&e->gates, link, next)
    gate_free(gate_at(link));
    sp_timerq_cancel(&e->env.ticker->timers, &e->tell);
}
