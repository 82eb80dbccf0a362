/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the edge asks the gateway: a transaction like the others, repeated by another lane until it
 * is answered or has taken too long. What is asked is the owners' business.
 */
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "tunnel_impl.h"

#define PATIENCE_US SP_SEC(3)

struct sp_tunnel_ask {
    struct sp_tunnel *tunnel;
    struct sp_link link;
    struct sp_timer timer;
    sp_tunnel_answer_fn *fn;
    void *arg;
    uint8_t id[SP_STUN_ID_LEN];
    unsigned repeats;
    int last_lane;
    uint64_t until_us;
    size_t len;
    uint8_t question[SP_CONTROL_BODY_MAX];
};

static void say(struct sp_tunnel_ask *a, uint64_t now_us)
{
    struct sp_control c = {
        .method = SP_CONTROL_ASK, .cls = SP_STUN_REQUEST, .body = sp_span(a->question, a->len)};

    memcpy(c.id, a->id, sizeof c.id);
    a->last_lane = tunnel_control(a->tunnel, &c, a->last_lane, now_us);
}

/* Finish, then tell. */
static void end(struct sp_tunnel_ask *a, const struct sp_tunnel_answer *answer, uint64_t now_us)
{
    sp_tunnel_answer_fn *fn = a->fn;
    void *arg = a->arg;

    sp_timerq_cancel(a->tunnel->timers, &a->timer);
    sp_list_remove(&a->link);
    free(a);
    fn(answer, now_us, arg);
}

static void end_with(struct sp_tunnel_ask *a, int err, uint64_t now_us)
{
    const struct sp_tunnel_answer answer = {.err = err};
    end(a, &answer, now_us);
}

static void on_timer(struct sp_timer *timer, uint64_t now_us, void *arg)
{
    struct sp_tunnel_ask *a = arg;

    if (now_us >= a->until_us) {
        end_with(a, SP_ETIMEDOUT, now_us);
        return;
    }
    a->repeats++;
    say(a, now_us);
    a->tunnel->counters.control_repeats += a->last_lane != NO_LANE;
    uint64_t next_us = now_us + tunnel_repeat_us(a->tunnel, a->repeats);
    (void)sp_timerq_set(a->tunnel->timers, timer, next_us < a->until_us ? next_us : a->until_us);
}

int sp_tunnel_ask(struct sp_tunnel *t, struct sp_span question, sp_tunnel_answer_fn *fn, void *arg,
                  uint64_t now_us)
{
    struct sp_tunnel_ask *a;

    if (question.len > sizeof a->question)
        return SP_ETOOBIG;
    if (t->config.role != SP_TUNNEL_EDGE)
        return SP_EPROTO;
    if ((a = calloc(1, sizeof *a)) == NULL)
        return SP_ENOMEM;
    a->tunnel = t;
    a->fn = fn;
    a->arg = arg;
    a->last_lane = NO_LANE;
    a->until_us = now_us + PATIENCE_US;
    a->len = question.len;
    if (question.len > 0)
        memcpy(a->question, question.p, question.len);
    sp_rng_bytes(t->rng, a->id, sizeof a->id);
    sp_timer_init(&a->timer, on_timer, a);
    if (sp_timerq_set(t->timers, &a->timer, now_us + tunnel_repeat_us(t, 0)) != 0) {
        free(a);
        return SP_ENOMEM;
    }
    sp_list_append(&t->asks, &a->link);
    say(a, now_us);
    return 0;
}

void ask_on_answer(struct sp_tunnel *t, const struct sp_control *c, uint64_t now_us)
{
    const struct sp_tunnel_answer answer = {.code = c->cls == SP_STUN_ERROR ? c->code : 0,
                                            .body = c->body};

    SP_LIST_EACH(&t->asks, link, next)
    {
        struct sp_tunnel_ask *a = SP_LIST_ITEM(link, struct sp_tunnel_ask, link);
        if (memcmp(a->id, c->id, sizeof a->id) == 0) {
            end(a, &answer, now_us);
            return;
        }
    }
}

void ask_on_request(struct sp_lane *l, const struct sp_control *c, uint64_t now_us)
{
    struct sp_tunnel *t = l->tunnel;
    uint8_t body[SP_CONTROL_BODY_MAX];
    struct sp_control answer = {.method = SP_CONTROL_ASK, .cls = SP_STUN_SUCCESS};
    size_t len = 0;
    unsigned code = SP_CONTROL_UNKNOWN;

    if (t->events->asked != NULL)
        code = t->events->asked(c->body, body, &len, now_us, t->arg);
    if (code != 0) {
        tunnel_answer(l, c, code);
        return;
    }
    memcpy(answer.id, c->id, sizeof answer.id);
    answer.body = sp_span(body, len);
    tunnel_control_by(l, &answer);
}

void ask_init(struct sp_tunnel *t)
{
    sp_list_init(&t->asks);
}

void ask_fini(struct sp_tunnel *t)
{
    while (!sp_list_empty(&t->asks))
        end_with(SP_LIST_ITEM(sp_list_first(&t->asks), struct sp_tunnel_ask, link), SP_ECLOSED, 0);
}
