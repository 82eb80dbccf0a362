/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control API does with sessions, for whoever may ask for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api_body.h"
#include "api_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "ticket.h"

#define RETRY_FULL_S    10
#define RETRY_GATEWAY_S 5 /* a gateway that lost its server is back in that time, or not soon */

#define US_PER_S UINT64_C(1000000)

struct sp_api_call {
    struct sp_api *api;
    void *ask; /* the host's */
    sp_api_done_fn *done;
    void *arg;
    struct sp_api_manner manner; /* origins live as long as the server */
    char id[SP_RDV_ID_LEN + 1];
    unsigned end;
    uint64_t now_us, unix_s; /* when it was asked */
};

static const struct sp_bounds *bounds(const struct sp_api_task *t)
{
    return t->api->config.bounds;
}

/* A monotonic time as one of the calendar. */
static json_int_t unix_of(uint64_t at_us, uint64_t now_us, uint64_t unix_s)
{
    return at_us >= now_us ? (json_int_t)(unix_s + (at_us - now_us) / US_PER_S)
                           : (json_int_t)(unix_s - (now_us - at_us) / US_PER_S);
}

static const char *stun_mode(const struct sp_rdv_view *v)
{
    return v->early ? "early" : "pass";
}

/* Both are on one gateway's LAN: they need none of us. */
static bool is_direct(const struct sp_rdv_view *v)
{
    return v->ends[0].gateway[0] != '\0' && strcmp(v->ends[0].gateway, v->ends[1].gateway) == 0;
}

static int full(struct sp_api_fault *fault, enum sp_api_problem problem, const char *detail)
{
    sp_api_fault(fault, problem, "", "%s", detail);
    fault->retry_s = RETRY_FULL_S;
    return SP_EPROTO;
}

static int no_session(struct sp_api_fault *fault)
{
    return sp_api_fault(fault, SP_API_NO_SUCH_SESSION, "", "there is no such session (any more)");
}

/* --- POST /v1/sessions ---------------------------------------------------------------------- */

static int make_ticket(const struct sp_api_task *t, const struct sp_rdv_view *v, unsigned end,
                       const struct sp_api_order *order, char out[static SP_TOKEN_MAX + 1])
{
    const struct sp_api_request *r = t->request;

    return sp_ticket_make(r->keys->secrets.items[0], v, end, order->ends[end].gateway,
                          (uint64_t)unix_of(v->expires_us, r->now_us, r->unix_s), out);
}

static int answer_created(const struct sp_api_task *t, const struct sp_api_order *order,
                          const struct sp_rdv_session *s, struct sp_api_answer *a)
{
    char tickets[2][SP_TOKEN_MAX + 1], location[80];
    const struct sp_api_request *r = t->request;
    struct sp_rdv_view v;

    sp_rdv_view(s, r->now_us, &v);
    for (unsigned end = 0; end < 2; end++) {
        int err = make_ticket(t, &v, end, order, tickets[end]);
        if (err != 0)
            return err;
    }
    snprintf(location, sizeof location, "Location: /v1/sessions/%s\r\n", v.id);
    sp_api_answer_json(a, &t->manner, 201, location,
                       json_pack("{s:s, s:I, s:[{s:s}, {s:s}]}", "id", v.id, "expires",
                                 unix_of(v.expires_us, r->now_us, r->unix_s), "ends", "ticket",
                                 tickets[0], "ticket", tickets[1]));
    return a->status == 201 ? 0 : SP_ENOMEM; /* there is an answer in any case */
}

int sp_api_create(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault)
{
    struct sp_span subject = sp_span_str(t->claims.subject);
    struct sp_rdv_session *s;
    struct sp_api_order order;
    int err = sp_api_read_order(t->body, &order, fault);

    if (err != 0)
        return err;
    if (t->api->draining)
        return full(fault, SP_API_DRAINING, "this server ends: ask another one");
    const struct sp_rdv_order wanted = {
        .subject = subject, .ttl_us = SP_SEC(order.ttl_s), .early = order.early};
    err = sp_rdv_create(t->api->rdv, &wanted, t->request->now_us, &s);
    if (err == SP_EFULL && sp_rdv_count(t->api->rdv) < bounds(t)->sessions)
        return full(fault, SP_API_TOO_MANY_SESSIONS, "by tokens of this subject");
    if (err != 0)
        return full(fault, SP_API_FULL, "this server has as many sessions as it takes");
    err = answer_created(t, &order, s, a);
    if (err != 0) {
        sp_rdv_end(s, "no tickets", t->request->now_us);
        return full(fault, SP_API_FULL, "no memory");
    }
    return 0;
}

/* --- GET and DELETE /v1/sessions/{id} ------------------------------------------------------- */

/* NULL: there is none of this subject. */
static struct sp_rdv_session *own_session(const struct sp_api_task *t, struct sp_rdv_view *v)
{
    struct sp_rdv_session *s = sp_rdv_find(t->api->rdv, t->place.id);

    if (s == NULL)
        return NULL;
    sp_rdv_view(s, t->request->now_us, v);
    return strcmp(v->subject, t->claims.subject) == 0 ? s : NULL;
}

static json_t *show_end(const struct sp_rdv_end_view *e)
{
    return json_pack("{s:b, s:s, s:s, s:I, s:I, s:I}", "joined", (int)e->joined, "gateway",
                     e->gateway, "way", e->way, "idle_ms",
                     e->joined ? (json_int_t)(e->idle_us / 1000) : (json_int_t)0, "datagrams",
                     (json_int_t)e->datagrams_in, "bytes", (json_int_t)e->bytes_in);
}

int sp_api_show(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault)
{
    const struct sp_api_request *r = t->request;
    struct sp_rdv_view v;

    if (own_session(t, &v) == NULL)
        return no_session(fault);
    sp_api_answer_json(a, &t->manner, 200, "",
                       json_pack("{s:s, s:I, s:s, s:b, s:b, s:[o, o]}", "id", v.id, "expires",
                                 unix_of(v.expires_us, r->now_us, r->unix_s), "stun", stun_mode(&v),
                                 "connected", (int)v.connected, "direct", (int)is_direct(&v),
                                 "ends", show_end(&v.ends[0]), show_end(&v.ends[1])));
    return 0;
}

int sp_api_end(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault)
{
    struct sp_rdv_view v;
    struct sp_rdv_session *s = own_session(t, &v);

    if (s == NULL)
        return no_session(fault);
    sp_rdv_end(s, "asked", t->request->now_us);
    sp_api_answer_empty(a, &t->manner, "");
    return 0;
}

/* --- PUT /v1/end ---------------------------------------------------------------------------- */

static json_t *candidate_json(bool tcp, const struct sp_addr *addr)
{
    char text[SP_ADDR_STRLEN];

    sp_addr_format_ip(addr, text);
    return json_pack("{s:s, s:s, s:i}", "protocol", tcp ? "tcp" : "udp", "address", text, "port",
                     (int)addr->port);
}

/* Takes over `candidates`. */
static void answer_joined(struct sp_api_answer *a, const struct sp_api_manner *m,
                          const struct sp_rdv_view *v, unsigned end, json_int_t expires,
                          json_t *candidates)
{
    sp_api_answer_json(a, m, 200, "",
                       json_pack("{s:i, s:I, s:s, s:b, s:s, s:o}", "end", (int)end, "expires",
                                 expires, "stun", stun_mode(v), "direct", (int)is_direct(v),
                                 "gateway", v->ends[end].gateway, "candidates", candidates));
}

/* Takes over both; NULL: no memory. */
static json_t *append(json_t *list, json_t *item)
{
    if (list != NULL && json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *own_candidates(const struct sp_api_task *t)
{
    struct sp_api_candidate c[SP_API_CANDIDATES_MAX];
    size_t n = t->api->host->candidates(t->api->arg, t->request->local, c);
    json_t *list = json_array();

    for (size_t i = 0; i < n && list != NULL; i++)
        list = append(list, candidate_json(c[i].tcp, &c[i].addr));
    return list;
}

/* Of a gateway that could not be asked, or did not answer as was hoped. */
static int gateway_fault(int err, struct sp_api_fault *fault)
{
    static const char field[] = "/gateway";

    if (err == SP_EDENIED)
        return sp_api_fault(fault, SP_API_GATEWAY_REFUSED, field,
                            "the gateway opens no ends (on this network)");
    if (err == SP_EFULL)
        sp_api_fault(fault, SP_API_GATEWAY_FULL, field, "the gateway has as many as it takes");
    else
        sp_api_fault(fault, SP_API_NO_GATEWAY, field, "there is no such gateway at the moment");
    fault->retry_s = RETRY_GATEWAY_S;
    return SP_EPROTO;
}

/* The one that opened the end before, if any, does so no longer: it is another way, until it is
 * asked again. */
static int lost_gateway(struct sp_rdv_session *s, unsigned end, int err, struct sp_api_fault *fault)
{
    sp_rdv_set_gateway(s, end, sp_span_str(""));
    return gateway_fault(err, fault);
}

static json_t *gateway_candidates(const struct sp_addr *addrs, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n && list != NULL; i++)
        list = append(list, candidate_json(false, &addrs[i]));
    return list;
}

static void answer_call(struct sp_api_call *call, int err, const struct sp_addr *addrs, size_t n,
                        struct sp_api_answer *a)
{
    struct sp_rdv_session *s = sp_rdv_find(call->api->rdv, sp_span_str(call->id));
    struct sp_api_fault fault;
    struct sp_rdv_view v;

    if (s == NULL)
        err = no_session(&fault);
    else if (err != 0)
        err = lost_gateway(s, call->end, err, &fault);
    if (err != 0) {
        sp_api_complain(call->api, &call->manner, "", &fault, a);
        return;
    }
    sp_rdv_view(s, call->now_us, &v);
    answer_joined(a, &call->manner, &v, call->end,
                  unix_of(v.expires_us, call->now_us, call->unix_s), gateway_candidates(addrs, n));
}

static void on_gateway(int err, const struct sp_addr *addrs, size_t n, void *arg)
{
    struct sp_api_call *call = arg;
    sp_api_done_fn *done = call->done;
    void *done_arg = call->arg;
    struct sp_api_answer a;

    answer_call(call, err, addrs, n, &a);
    free(call);
    done(&a, done_arg);
    sp_api_answer_fini(&a);
}

void sp_api_cancel(struct sp_api_call *call)
{
    call->api->host->cancel(call->api->arg, call->ask);
    free(call);
}

/* SP_EAGAIN: the answer comes later. */
static int ask_gateway(struct sp_api_task *t, struct sp_rdv_session *s, const char *gateway,
                       struct sp_api_fault *fault, struct sp_api_call **out)
{
    const struct sp_api_request *r = t->request;
    struct sp_api_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return SP_ENOMEM;
    *call = (struct sp_api_call){
        .api = t->api,
        .done = r->done,
        .arg = r->arg,
        .manner = t->manner,
        .end = t->claims.end,
        .now_us = r->now_us,
        .unix_s = r->unix_s,
    };
    memcpy(call->id, t->claims.session, sizeof call->id);
    int err = t->api->host->ask_gateway(t->api->arg, s, t->claims.end, sp_span_str(gateway),
                                        on_gateway, call, &call->ask);
    if (err != 0) {
        free(call);
        return err == SP_ENOMEM ? err : lost_gateway(s, t->claims.end, err, fault);
    }
    *out = call;
    return SP_EAGAIN;
}

/* What the registry says, in words. */
static int join_fault(int err, const struct sp_rdv_view *v, const struct sp_api_task *t,
                      const struct sp_api_join *join, struct sp_api_fault *fault)
{
    const char *others = v->ends[!t->claims.end].ufrag;

    if (err == SP_ENOMEM)
        return err;
    if (err == SP_EPROTO)
        return sp_api_fault(fault, SP_API_UFRAG_USED, "/ufrag",
                            strcmp(others, join->ufrag) == 0
                                ? "the other end has the same"
                                : "another session's ends have the same two");
    if (err == SP_EEXIST)
        return sp_api_fault(fault, SP_API_TICKET_USED, "/holder",
                            "somebody else came first with this ticket");
    return sp_api_fault(fault, SP_API_EXPIRED_TOKEN, "Authorization", "the ticket has expired");
}

/* Whoever gave the ticket said which gateway it is good for: none, if nothing was said. */
static int check_gateway(const struct sp_claims *ticket, const struct sp_api_join *join,
                         struct sp_api_fault *fault)
{
    static const char field[] = "/gateway";

    if (join->gateway[0] == '\0' || strcmp(ticket->gateway, SP_API_ANY_GATEWAY) == 0 ||
        strcmp(ticket->gateway, join->gateway) == 0)
        return 0;
    if (ticket->gateway[0] == '\0')
        return sp_api_fault(fault, SP_API_WRONG_GATEWAY, field,
                            "the ticket is for no gateway's end: its session was made without "
                            "naming one");
    return sp_api_fault(fault, SP_API_WRONG_GATEWAY, field,
                        "the ticket is for another gateway's end");
}

/* Who may be what the ticket says: the session, or NULL and *fault. */
static struct sp_rdv_session *find_end(const struct sp_api_task *t, const struct sp_api_join *join,
                                       struct sp_rdv_view *v, struct sp_api_fault *fault)
{
    const struct sp_claims *c = &t->claims;
    struct sp_rdv_session *s = sp_rdv_find(t->api->rdv, sp_span_str(c->session));

    if (s == NULL) {
        if (t->expired)
            sp_api_fault(fault, SP_API_EXPIRED_TOKEN, "Authorization", "the ticket has expired");
        else
            no_session(fault);
        return NULL;
    }
    sp_rdv_view(s, t->request->now_us, v);
    if (t->expired && !v->ends[c->end].joined)
        sp_api_fault(fault, SP_API_EXPIRED_TOKEN, "Authorization", "the ticket has expired");
    else if (check_gateway(c, join, fault) == 0)
        return s;
    return NULL;
}

int sp_api_join(struct sp_api_task *t, struct sp_api_answer *a, struct sp_api_fault *fault,
                struct sp_api_call **call)
{
    const struct sp_api_request *r = t->request;
    struct sp_rdv_session *s;
    struct sp_api_join join;
    struct sp_rdv_view v;
    int err = sp_api_read_join(t->body, &join, fault);

    if (err != 0)
        return err;
    if ((s = find_end(t, &join, &v, fault)) == NULL)
        return SP_EPROTO;
    const struct sp_rdv_join wanted = {.holder = sp_span_str(join.holder),
                                       .ufrag = sp_span_str(join.ufrag),
                                       .password = sp_span_str(join.password),
                                       .from = r->from};
    err = sp_rdv_join(s, t->claims.end, &wanted, r->now_us);
    if (err != 0)
        return join_fault(err, &v, t, &join, fault);
    bool neighbours =
        join.gateway[0] != '\0' && strcmp(v.ends[!t->claims.end].gateway, join.gateway) == 0;
    if (neighbours)
        sp_rdv_set_gateway(s, t->claims.end, sp_span_str(join.gateway));
    else if (join.gateway[0] != '\0')
        return ask_gateway(t, s, join.gateway, fault, call);
    sp_rdv_view(s, r->now_us, &v);
    answer_joined(a, &t->manner, &v, t->claims.end, unix_of(v.expires_us, r->now_us, r->unix_s),
                  neighbours ? json_array() : own_candidates(t));
    return 0;
}

/* --- GET /v1/gateways ----------------------------------------------------------------------- */

int sp_api_gateways(struct sp_api_task *t, struct sp_api_answer *a)
{
    const struct sp_api_request *r = t->request;
    struct sp_api_gateway g;
    json_t *list = json_array();

    const void *at = NULL;
    for (size_t i = 0; i < SP_API_GATEWAYS_MAX && list != NULL; i++) {
        if ((at = t->api->host->next_gateway(t->api->arg, at, &g)) == NULL)
            break;
        list = append(list, json_pack("{s:s, s:s, s:I}", "name", g.name, "subject", g.subject,
                                      "since", unix_of(g.since_us, r->now_us, r->unix_s)));
    }
    sp_api_answer_json(a, &t->manner, 200, "", json_pack("{s:o}", "gateways", list));
    return 0;
}
