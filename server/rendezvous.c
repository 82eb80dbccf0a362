/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rendezvous.h"

#include <stdio.h>
#include <stdlib.h>

#include "prefix_limit.h"
#include "rendezvous_impl.h"
#include "sallyport/clock.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"

#define SWEEP_US SP_SEC(1)

static const char *const way_names[] = {"", "gateway", "ice-tcp", "udp"};

/* --- ids ------------------------------------------------------------------------------------ */

static void make_id(struct sp_rdv *r, char out[static SP_RDV_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SP_RDV_ID_LEN / 2];

    sp_put_be16(bytes, r->config.worker);
    sp_rng_bytes(r->rng, bytes + 2, sizeof bytes - 2);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[SP_RDV_ID_LEN] = '\0';
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sp_rdv_worker_of(struct sp_span id)
{
    int worker = 0;

    if (id.len != SP_RDV_ID_LEN)
        return SP_EINVAL;
    for (size_t i = 0; i < id.len; i++) {
        int d = hex(id.p[i]);
        if (d < 0)
            return SP_EINVAL;
        if (i < 4)
            worker = worker << 4 | d;
    }
    return worker;
}

/* --- grammar -------------------------------------------------------------------------------- */

static bool consists_of(struct sp_span s, const char *signs)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr(signs, c) != NULL)))
            return false;
    }
    return true;
}

bool sp_rdv_ufrag_ok(struct sp_span ufrag)
{
    return ufrag.len >= SP_RDV_UFRAG_MIN && ufrag.len <= SP_RDV_UFRAG_MAX &&
           consists_of(ufrag, "+/");
}

bool sp_rdv_password_ok(struct sp_span password)
{
    return password.len >= SP_RDV_PASSWORD_MIN && password.len <= SP_RDV_PASSWORD_MAX &&
           consists_of(password, "+/");
}

bool sp_rdv_holder_ok(struct sp_span holder)
{
    return holder.len >= SP_RDV_HOLDER_MIN && holder.len <= SP_RDV_HOLDER_MAX &&
           consists_of(holder, "+/-_");
}

/* --- a session ------------------------------------------------------------------------------ */

static struct sp_rdv_session *session_at(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct sp_rdv_session, link);
}

static void log_end(const struct sp_rdv_session *s, const char *reason, uint64_t now_us)
{
    const struct rdv_end *a = &s->ends[0], *b = &s->ends[1];

    sp_log_info(s->registry->config.log, "session ended", SP_F_STR("subject", s->subject),
                SP_F_STR("reason", reason), SP_F_STR("connected", s->connected ? "yes" : "no"),
                SP_F_UINT("seconds", (now_us - s->created_us) / 1000000),
                SP_F_UINT("a_datagrams", a->datagrams_in), SP_F_UINT("a_bytes", a->bytes_in),
                SP_F_UINT("b_datagrams", b->datagrams_in), SP_F_UINT("b_bytes", b->bytes_in));
}

/* Its paths are closed and its fragments forgotten; its holder may come back. */
static void release(struct sp_rdv_session *s, unsigned end)
{
    struct sp_rdv *r = s->registry;
    struct rdv_end *e = &s->ends[end];

    paths_close_all(s, end);
    held_drop(e);
    if (!e->joined)
        return;
    e->joined = false;
    memset(e->ufrags, 0, sizeof e->ufrags);
    sp_crypto_wipe(e->passwords, sizeof e->passwords);
    for (unsigned i = 0; i < 2; i++) /* who comes back knows the far end's fragment of now */
        memset(s->ends[i].mates, 0, sizeof s->ends[i].mates);
    (void)names_set(s); /* fewer than before */
    r->counters.released++;
    if (r->effects->released != NULL)
        r->effects->released(r->arg, s, end);
    e->gateway[0] = '\0';
}

static void session_free(struct sp_rdv_session *s)
{
    struct sp_rdv *r = s->registry;

    for (unsigned end = 0; end < 2; end++) {
        release(s, end);
        sp_crypto_wipe(s->ends[end].holder, sizeof s->ends[end].holder);
        seen_fini(&s->ends[end].seen);
        seen_fini(&s->ends[end].ended);
    }
    names_drop(s);
    sp_map_del(&r->by_id, &s->by_id);
    sp_list_remove(&s->link);
    sp_quota_give(r->config.shares, s->share);
    sp_tally_give(r->config.tally);
    free(s);
}

void sp_rdv_end(struct sp_rdv_session *s, const char *reason, uint64_t now_us)
{
    struct sp_rdv *r = s->registry;

    log_end(s, reason, now_us);
    r->counters.ended++;
    session_free(s);
    if (r->effects->ended != NULL)
        r->effects->ended(r->arg);
}

void rdv_start_sweep(struct sp_rdv *r, uint64_t now_us)
{
    if (!sp_timer_is_set(&r->sweep))
        (void)sp_timerq_set(r->timers, &r->sweep, now_us + SWEEP_US);
}

static struct sp_rdv_session *session_new(struct sp_rdv *r, const struct sp_rdv_order *order,
                                          uint64_t now_us)
{
    struct sp_rdv_session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->registry = r;
    s->created_us = now_us;
    s->expires_us = now_us + order->ttl_us;
    s->early = order->early;
    memcpy(s->subject, order->subject.p, order->subject.len);
    make_id(r, s->id);
    for (unsigned end = 0; end < 2; end++) {
        s->ends[end].session = s;
        sp_list_init(&s->ends[end].paths);
        sp_list_init(&s->ends[end].held);
    }
    return s;
}

int sp_rdv_create(struct sp_rdv *r, const struct sp_rdv_order *order, uint64_t now_us,
                  struct sp_rdv_session **out)
{
    const struct sp_bounds *b = r->config.bounds;
    struct sp_quota_user *share;

    if (order->subject.len > SP_TOKEN_NAME_MAX)
        return SP_EINVAL;
    if (r->draining)
        return SP_EDENIED;
    if (!sp_tally_take(r->config.tally, (size_t)b->sessions)) {
        r->config.hits->sessions++;
        return SP_EFULL;
    }
    int err = sp_quota_take(r->config.shares, order->subject, (size_t)b->subject_sessions, &share);
    if (err != 0) {
        r->config.hits->subject_sessions += err == SP_EFULL;
        sp_tally_give(r->config.tally);
        return err;
    }
    struct sp_rdv_session *s = session_new(r, order, now_us);
    if (s == NULL || sp_map_add(&r->by_id, &s->by_id) != 0) {
        sp_quota_give(r->config.shares, share);
        sp_tally_give(r->config.tally);
        free(s);
        return SP_ENOMEM;
    }
    s->share = share;
    sp_list_append(&r->sessions, &s->link);
    r->counters.created++;
    rdv_start_sweep(r, now_us);
    *out = s;
    return 0;
}

void sp_rdv_drain(struct sp_rdv *r)
{
    r->draining = true;
}

/* --- ends ----------------------------------------------------------------------------------- */

struct sp_rdv_session *sp_rdv_find(const struct sp_rdv *r, struct sp_span id)
{
    struct sp_map_node *n = id.len == SP_RDV_ID_LEN ? sp_map_get(&r->by_id, id.p) : NULL;
    return n != NULL ? SP_CONTAINER_OF(n, struct sp_rdv_session, by_id) : NULL;
}

static void copy_text(char *to, struct sp_span from)
{
    if (from.len > 0)
        memcpy(to, from.p, from.len);
    to[from.len] = '\0';
}

static int check_join(const struct sp_rdv_session *s, unsigned end, const struct sp_rdv_join *j,
                      uint64_t now_us)
{
    const struct rdv_end *e = &s->ends[end];
    struct sp_span holder = sp_span_str(e->holder);

    if (!sp_rdv_holder_ok(j->holder) || (j->ufrag.len > 0 && !sp_rdv_ufrag_ok(j->ufrag)) ||
        (j->password.len > 0 && !sp_rdv_password_ok(j->password)))
        return SP_EINVAL;
    if (holder.len > 0 && !sp_crypto_equal(holder, j->holder))
        return SP_EEXIST;
    if (holder.len == 0 && now_us >= s->expires_us)
        return SP_EEXPIRED;
    if (j->ufrag.len > 0 && sp_span_eq(j->ufrag, sp_span_str(s->ends[1 - end].ufrags[0])))
        return SP_EPROTO;
    return 0;
}

static void take(struct rdv_end *e, struct sp_span holder, uint64_t now_us)
{
    if (e->joined)
        return;
    e->session->registry->counters.joined++;
    e->joined = true;
    e->last_in_us = now_us; /* a lease of its own, also for one that comes back */
    copy_text(e->holder, holder);
}

/* The end's own fragment and its password; the ones before stay good beside them. Where they can't
 * be, all is as before. */
static int set_fragment(struct sp_rdv_session *s, unsigned end, const struct sp_rdv_join *j)
{
    struct rdv_end *e = &s->ends[end];
    char ufrags[GENERATIONS][SP_RDV_UFRAG_MAX + 1];
    char passwords[GENERATIONS][SP_RDV_PASSWORD_MAX + 1];
    bool other = !sp_span_eq(sp_span_str(e->ufrags[0]), j->ufrag);

    memcpy(ufrags, e->ufrags, sizeof ufrags);
    memcpy(passwords, e->passwords, sizeof passwords);
    if (other) {
        memcpy(e->ufrags[1], e->ufrags[0], sizeof e->ufrags[1]);
        memcpy(e->passwords[1], e->passwords[0], sizeof e->passwords[1]);
        copy_text(e->ufrags[0], j->ufrag);
    }
    if (other || j->password.len > 0) {
        sp_crypto_wipe(e->passwords[0], sizeof e->passwords[0]);
        copy_text(e->passwords[0], j->password);
    }
    int err = names_set(s); /* also what could not be set before */
    if (err == SP_EEXIST && other) {
        memcpy(e->ufrags, ufrags, sizeof ufrags);
        memcpy(e->passwords, passwords, sizeof passwords);
        (void)names_set(s);
    } else if (other) {
        e->generation++;
        e->seen_before = e->seen.total;
        memmove(e->mates + 1, e->mates, sizeof e->mates - sizeof e->mates[0]);
        e->mates[0] = 0;
        s->ends[1 - end].early = (struct sp_early){.n = 0};
    }
    sp_crypto_wipe(passwords, sizeof passwords);
    return err == SP_EEXIST ? SP_EPROTO : err;
}

int sp_rdv_join(struct sp_rdv_session *s, unsigned end, const struct sp_rdv_join *j,
                uint64_t now_us)
{
    int err = check_join(s, end, j, now_us);

    if (err != 0)
        return err;
    take(&s->ends[end], j->holder, now_us);
    if (j->from != NULL)
        s->ends[end].home = sp_prefix_of(j->from);
    if (j->ufrag.len == 0)
        return 0;
    err = set_fragment(s, end, j);
    if (err != SP_EPROTO && s->registry->effects->joined != NULL)
        s->registry->effects->joined(s->registry->arg, s, end);
    return err;
}

void sp_rdv_set_gateway(struct sp_rdv_session *s, unsigned end, struct sp_span gateway)
{
    if (gateway.len > SP_TOKEN_NAME_MAX)
        gateway.len = SP_TOKEN_NAME_MAX;
    copy_text(s->ends[end].gateway, gateway);
}

/* --- leases --------------------------------------------------------------------------------- */

static bool is_over(const struct sp_rdv_session *s, unsigned end, uint64_t now_us)
{
    const struct rdv_end *e = &s->ends[end];

    if (now_us < s->expires_us)
        return false;
    return !e->joined || now_us - e->last_in_us >= s->registry->config.idle_us;
}

static void sweep_session(struct sp_rdv_session *s, uint64_t now_us)
{
    bool over[2] = {is_over(s, 0, now_us), is_over(s, 1, now_us)};

    if (over[0] && over[1]) {
        sp_rdv_end(s, s->connected ? "idle" : "never connected", now_us);
        return;
    }
    for (unsigned end = 0; end < 2; end++) {
        if (over[end])
            release(s, end);
        else
            paths_expire(s, end, now_us);
    }
}

static void on_sweep(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_rdv *r = arg;
    (void)t;

    SP_LIST_EACH(&r->sessions, l, next)
    sweep_session(session_at(l), now_us);
    names_expire(r, now_us);
    if (now_us - r->told_us >= SP_RDV_TELL_US) {
        r->told_us = now_us;
        names_tell_all(r);
    }
    if (sp_rdv_expects(r))
        rdv_start_sweep(r, now_us);
}

/* --- what is asked -------------------------------------------------------------------------- */

static void view_end(const struct rdv_end *e, uint64_t now_us, struct sp_rdv_end_view *out)
{
    *out = (struct sp_rdv_end_view){
        .joined = e->joined,
        .ufrag = e->ufrags[0],
        .password = e->passwords[0],
        .gateway = e->gateway,
        .way = way_names[e->sending != NULL ? e->sending->way : SP_RDV_NO_WAY],
        .paths = e->n_paths,
        .unproven = e->n_unproven,
        .datagrams_in = e->datagrams_in,
        .bytes_in = e->bytes_in,
        .idle_us = e->last_in_us != 0 ? now_us - e->last_in_us : 0,
    };
}

void sp_rdv_view(const struct sp_rdv_session *s, uint64_t now_us, struct sp_rdv_view *out)
{
    *out = (struct sp_rdv_view){.id = s->id,
                                .subject = s->subject,
                                .created_us = s->created_us,
                                .expires_us = s->expires_us,
                                .early = s->early,
                                .connected = s->connected};
    for (unsigned end = 0; end < 2; end++)
        view_end(&s->ends[end], now_us, &out->ends[end]);
}

size_t sp_rdv_count(const struct sp_rdv *r)
{
    return r->by_id.len;
}

size_t sp_rdv_count_of(const struct sp_rdv *r, struct sp_span subject)
{
    return sp_quota_held(r->config.shares, subject);
}

struct sp_rdv_session *sp_rdv_next(const struct sp_rdv *r, const struct sp_rdv_session *before)
{
    struct sp_link *l =
        before == NULL ? sp_list_first(&r->sessions) : sp_list_next(&r->sessions, &before->link);
    return l != NULL ? session_at(l) : NULL;
}

const struct sp_rdv_counters *sp_rdv_counters(const struct sp_rdv *r)
{
    return &r->counters;
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_rdv_new(const struct sp_rdv_config *config, const struct sp_rdv_effects *effects, void *arg,
               struct sp_timerq *timers, struct sp_rng *rng, struct sp_rdv **out)
{
    struct sp_rdv *r = calloc(1, sizeof *r);

    if (r == NULL)
        return SP_ENOMEM;
    r->config = *config;
    r->effects = effects;
    r->arg = arg;
    r->timers = timers;
    r->rng = rng;
    sp_timer_init(&r->sweep, on_sweep, r);
    sp_list_init(&r->sessions);
    sp_list_init(&r->foreign);
    SP_MAP_INIT(&r->by_id, struct sp_rdv_session, by_id, id, rng);
    r->by_id.key_len = SP_RDV_ID_LEN; /* without its NUL */
    SP_MAP_INIT(&r->by_name, struct rdv_name, node, key, rng);
    *out = r;
    return 0;
}

void sp_rdv_end_all(struct sp_rdv *r, const char *reason, uint64_t now_us)
{
    while (!sp_list_empty(&r->sessions))
        sp_rdv_end(session_at(sp_list_first(&r->sessions)), reason, now_us);
}

void sp_rdv_free(struct sp_rdv *r, uint64_t now_us)
{
    if (r == NULL)
        return;
    sp_rdv_end_all(r, "shutdown", now_us);
    sp_timerq_cancel(r->timers, &r->sweep);
    names_fini(r);
    sp_map_fini(&r->by_id);
    free(r);
}
