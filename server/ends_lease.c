/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that gateways open for ends of sessions. A port is leased: asked for again and again as
 * long as the end is not released.
 */
#include <stdlib.h>

#include "ends_impl.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "sallyport/lan_port.h"

#define LIFETIME_S 45
#define RENEW_US   SP_SEC(15)
#define WAIT_US    SP_MS(3500) /* for an answer, wherever it was lost */

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

static uint64_t now_of(const struct sp_ends *e)
{
    return sp_ticker_now(e->env.ticker);
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

/* Nobody may wait for it: a lease was renewed, or an ask cancelled. */
void leases_answered(struct sp_ends *e, uint64_t id, int err, struct sp_span body)
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
    struct sp_lan_port q = {.end = l->token, .lifetime_s = lifetime_s};
    uint8_t question[SP_LAN_PORT_QUESTION_MAX];
    struct sp_rdv_view v;

    sp_rdv_view(l->session, now_of(e), &v);
    if (answers_early(&v))
        q.password = sp_span_str(v.ends[1 - l->end].password);
    size_t len = sp_lan_port_build(&q, question);
    int err = gates_ask(e, l->gate, sp_span(question, len), id);
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
    memcpy(l->gate, gate_key(g), sizeof l->gate);
    memcpy(l->name, sp_gate_about(g)->name, sizeof l->name);
    sp_timer_init(&l->renew, on_renew, l);
    sp_list_append(&e->leases, &l->link);
    if (sp_timerq_set(&e->env.ticker->timers, &l->renew, now_of(e) + RENEW_US) != 0) {
        lease_free(l);
        return NULL;
    }
    return l;
}

void leases_released(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end)
{
    struct lease *l = lease_of(e, s, end);

    if (l == NULL)
        return;
    (void)ask_for(l, 0, 0);
    lease_free(l);
}

void leases_joined(struct sp_ends *e, const struct sp_rdv_session *s, unsigned end)
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
    if (l != NULL && memcmp(l->gate, gate_key(g), sizeof l->gate) != 0) {
        leases_released(e, s, end); /* it has gone elsewhere */
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

void leases_init(struct sp_ends *e)
{
    sp_list_init(&e->asks);
    sp_list_init(&e->leases);
}

void leases_fini(struct sp_ends *e)
{
    SP_LIST_EACH(&e->asks, link, next)
    ask_free(SP_LIST_ITEM(link, struct sp_ends_ask, link));
    SP_LIST_EACH(&e->leases, link, next)
    lease_free(lease_at(link));
}
