/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may send to whom: the rules at the top of rendezvous.h.
 */
#include <stdlib.h>

#include "rendezvous_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/stun_auth.h"

#define PROVE_US     SP_SEC(10) /* for a path to be proven in */
#define CREDIT       3          /* for each byte that came, as in RFC 9000 section 8 */
#define HELD_MAX     16         /* datagrams of an end that wait for a path to be proven … */
#define HELD_LEN_MAX 2048
#define HELD_US      SP_SEC(1) /* … for so long */

static struct rdv_end *own_end(const struct sp_rdv_path *p)
{
    return &p->session->ends[p->end];
}

static struct rdv_end *far_end(const struct sp_rdv_path *p)
{
    return &p->session->ends[1 - p->end];
}

static struct sp_rdv_path *path_at(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct sp_rdv_path, link);
}

/* --- life ----------------------------------------------------------------------------------- */

/* The proven one that was heard last. */
static struct sp_rdv_path *next_sending(struct rdv_end *e)
{
    struct sp_rdv_path *best = NULL;

    SP_LIST_EACH(&e->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        if (p->proven && (best == NULL || p->last_in_us > best->last_in_us))
            best = p;
    }
    return best;
}

void sp_rdv_path_remove(struct sp_rdv_path *p)
{
    struct rdv_end *e = own_end(p);

    sp_list_remove(&p->link);
    e->n_paths--;
    e->n_unproven -= !p->proven;
    p->session->registry->counters.paths_never_proven += !p->proven;
    if (e->sending == p)
        e->sending = next_sending(e);
    free(p->check);
    free(p);
}

static void path_close(struct sp_rdv_path *p)
{
    const struct sp_rdv *r = p->session->registry;
    void *via = p->via;

    sp_rdv_path_remove(p);
    r->effects->close(r->arg, via);
}

void paths_close_all(struct sp_rdv_session *s, unsigned end)
{
    SP_LIST_EACH(&s->ends[end].paths, l, next)
    path_close(path_at(l));
}

void paths_expire(struct sp_rdv_session *s, unsigned end, uint64_t now_us)
{
    uint64_t idle_us = s->registry->config.idle_us;

    SP_LIST_EACH(&s->ends[end].paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        if (p->proven ? now_us - p->last_in_us >= idle_us : now_us - p->began_us >= PROVE_US)
            path_close(p);
    }
}

/* How many paths that are not proven come from there as well. A gateway's was asked for by the
 * end's holder: no stranger makes it give way. */
static unsigned neighbours(struct rdv_end *e, const struct sp_rdv_path *of)
{
    unsigned n = 0;

    if (of->way == SP_RDV_GATEWAY)
        return 0;
    SP_LIST_EACH(&e->paths, l, next)
    {
        const struct sp_rdv_path *p = path_at(l);
        n += !p->proven && p->way != SP_RDV_GATEWAY && sp_addr_same_ip(&p->remote, &of->remote);
    }
    return n;
}

/* Of those that are (not) proven, the one that was silent for longest; never the one that sends.
 * Strangers push out each other before anybody else, as long as they have few addresses. */
static struct sp_rdv_path *dispensable(struct rdv_end *e, bool proven)
{
    struct sp_rdv_path *found = NULL;
    unsigned most = 0;

    SP_LIST_EACH(&e->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        unsigned n = p->proven ? 0 : neighbours(e, p);
        if (p->proven != proven || p == e->sending)
            continue;
        if (found == NULL || n > most || (n == most && p->last_in_us < found->last_in_us)) {
            found = p;
            most = n;
        }
    }
    return found;
}

static void push_out(struct rdv_end *e, bool proven)
{
    e->session->registry->counters.paths_pushed_out++;
    path_close(dispensable(e, proven));
}

int sp_rdv_path_add(struct sp_rdv_session *s, unsigned end, enum sp_rdv_way way, void *via,
                    uint64_t now_us, struct sp_rdv_path **out)
{
    struct sp_rdv *r = s->registry;
    struct rdv_end *e = &s->ends[end];
    struct sp_rdv_path *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SP_ENOMEM;
    if (e->n_unproven >= SP_RDV_UNPROVEN_MAX)
        push_out(e, false);
    *p = (struct sp_rdv_path){.session = s,
                              .end = end,
                              .way = way,
                              .via = via,
                              .serial = ++r->last_serial,
                              .began_us = now_us,
                              .last_in_us = now_us};
    sp_list_append(&e->paths, &p->link);
    e->n_paths++;
    e->n_unproven++;
    r->counters.paths++;
    *out = p;
    return 0;
}

void sp_rdv_path_set_remote(struct sp_rdv_path *p, const struct sp_addr *remote)
{
    p->remote = *remote;
}

bool sp_rdv_path_proven(const struct sp_rdv_path *p)
{
    return p->proven;
}

/* --- requests and their answers ------------------------------------------------------------- */

static struct rdv_asked *find_asked(struct rdv_end *e, const uint8_t id[static SP_STUN_ID_LEN])
{
    for (size_t i = 0; i < 2 * ASKED_MAX; i++) {
        struct rdv_asked *a = &e->asked[i / ASKED_MAX][i % ASKED_MAX];
        if (a->serial != 0 && memcmp(a->id, id, SP_STUN_ID_LEN) == 0)
            return a;
    }
    return NULL;
}

static struct sp_rdv_path *path_by_serial(struct rdv_end *e, uint32_t serial)
{
    SP_LIST_EACH(&e->paths, l, next)
    if (path_at(l)->serial == serial)
        return path_at(l);
    return NULL;
}

static void remember(const struct sp_rdv_path *p, const struct rdv_asked *what)
{
    struct rdv_end *e = own_end(p);

    e->asked[p->proven][e->last_asked[p->proven]++ % ASKED_MAX] = *what;
}

/* 0: of none that are good. */
static unsigned generation_of(const struct rdv_end *e, struct sp_span ufrag)
{
    for (unsigned i = 0; i < GENERATIONS; i++)
        if (ufrag.len > 0 && sp_span_eq(ufrag, sp_span_str(e->ufrags[i])))
            return e->generation - i;
    return 0;
}

/* The path that was proven with this generation; of several the one that sends, or that was heard
 * last. */
static struct sp_rdv_path *proven_with(const struct rdv_end *e, unsigned generation)
{
    struct sp_rdv_path *best = NULL;

    if (e->sending != NULL && e->sending->generation == generation)
        return e->sending;
    SP_LIST_EACH(&e->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        if (p->proven && p->generation == generation &&
            (best == NULL || p->last_in_us > best->last_in_us))
            best = p;
    }
    return best;
}

/* The newest generation that any path was proven with. */
static unsigned newest_proven(const struct rdv_end *e)
{
    unsigned newest = 0;

    SP_LIST_EACH(&e->paths, l, next)
    if (path_at(l)->generation > newest)
        newest = path_at(l)->generation;
    return newest;
}

/* Where the far end's generation is kept that this one of an end was proven with. NULL: it is not
 * good any more. */
static unsigned *mate_of(struct rdv_end *e, unsigned generation)
{
    unsigned i = e->generation - generation;
    return generation > 0 && i < GENERATIONS ? &e->mates[i] : NULL;
}

static void marry(struct rdv_end *e, unsigned generation, unsigned far)
{
    unsigned *mate = mate_of(e, generation);

    if (mate != NULL && *mate == 0)
        *mate = far;
}

/*
 * ICE restarts at both ends or at none, so a fragment is used with one of the far end. A browser
 * that has just made a new one, and has no answer yet, checks with it what it knows from before all
 * the same; from where the old path leads that is answered, and Chromium then stays there.
 */
static bool is_ahead(const struct sp_rdv_path *p, const struct rdv_asked *a)
{
    const unsigned *mate = mate_of(far_end(p), a->far);
    return a->own > a->far && mate != NULL && *mate != 0 && *mate < a->own;
}

static void prove(struct sp_rdv_path *p, unsigned generation, uint64_t now_us)
{
    struct sp_rdv_session *s = p->session;
    struct rdv_end *e = own_end(p);
    unsigned proven;

    if (generation > p->generation)
        p->generation = generation;
    if (p->proven)
        return;
    p->proven = true;
    p->last_in_us = e->last_in_us = now_us;
    e->n_unproven--;
    e->sending = p;
    s->registry->counters.proven++;
    proven = e->n_paths - e->n_unproven;
    if (proven > SP_RDV_PROVEN_MAX)
        push_out(e, true);
    if (!s->connected && far_end(p)->sending != NULL) {
        s->connected = true;
        s->registry->counters.connected++;
    }
}

/* --- forwarding ----------------------------------------------------------------------------- */

/* Whose address may be forged gets little more than was sent in its name. */
static bool has_credit(struct sp_rdv_path *p, size_t len)
{
    if (p->proven || p->way != SP_RDV_UDP)
        return true;
    if (p->credit < len)
        return false;
    p->credit -= len;
    return true;
}

/* From one end to a path of the other. */
static void forward(struct sp_rdv_path *from, struct sp_rdv_path *to, struct sp_span d,
                    uint64_t now_us)
{
    struct sp_rdv *r = from->session->registry;
    struct rdv_end *e = own_end(from);

    if (!has_credit(to, d.len)) {
        r->counters.refused_no_path++;
        return;
    }
    e->datagrams_in++;
    e->bytes_in += d.len;
    r->counters.forwarded++;
    r->counters.forwarded_bytes += d.len;
    r->effects->send(r->arg, to->via, d, now_us);
}

/* It lives, and so does its end: only what is proven may keep a lease. */
static void touch(struct sp_rdv_path *p, uint64_t now_us)
{
    p->last_in_us = now_us;
    if (p->proven)
        own_end(p)->last_in_us = now_us;
}

/* --- what came too early -------------------------------------------------------------------- */

static void held_free(struct rdv_end *e, struct rdv_held *h)
{
    sp_list_remove(&h->link);
    e->n_held--;
    free(h);
}

void held_drop(struct rdv_end *e)
{
    SP_LIST_EACH(&e->held, l, next)
    held_free(e, SP_LIST_ITEM(l, struct rdv_held, link));
}

static struct rdv_held *held_new(const struct sp_rdv_path *p, struct sp_span d, uint64_t now_us)
{
    struct rdv_held *h = d.len <= HELD_LEN_MAX ? malloc(sizeof *h + d.len) : NULL;

    if (h == NULL)
        return NULL;
    *h = (struct rdv_held){.serial = p->serial, .at_us = now_us, .len = d.len};
    memcpy(h->bytes, d.p, d.len);
    return h;
}

/* Whoever is sure of his path first says hello at once, and would wait for a while before he says
 * it again. Of a stranger nothing is kept. */
static bool hold(struct sp_rdv_path *p, struct sp_span d, uint64_t now_us)
{
    struct rdv_end *e = own_end(p);
    struct rdv_held *h;

    if (!(p->proven || p->verified) || (h = held_new(p, d, now_us)) == NULL)
        return false;
    if (e->n_held == HELD_MAX)
        held_free(e, SP_LIST_ITEM(sp_list_first(&e->held), struct rdv_held, link));
    sp_list_append(&e->held, &h->link);
    e->n_held++;
    return true;
}

/* A path has been proven: what waits may be able to go on now. */
static void let_go(struct sp_rdv_session *s, unsigned end, uint64_t now_us)
{
    struct rdv_end *e = &s->ends[end], *far = &s->ends[1 - end];

    if (far->sending == NULL)
        return;
    SP_LIST_EACH(&e->held, l, next)
    {
        struct rdv_held *h = SP_LIST_ITEM(l, struct rdv_held, link);
        struct sp_rdv_path *p = path_by_serial(e, h->serial);
        if (p != NULL && !p->proven)
            continue;
        if (p != NULL && now_us - h->at_us < HELD_US)
            forward(p, far->sending, sp_span(h->bytes, h->len), now_us);
        held_free(e, h);
    }
}

/* The far end has no path yet that knows the fragment: the check waits for one, in the place of the
 * one before. Who was answered early is sure of his path, and checks it again only after a second
 * or so. */
static void hold_check(struct sp_rdv_path *p, unsigned generation, struct sp_span check,
                       uint64_t now_us)
{
    struct rdv_held *h = held_new(p, check, now_us);

    if (h == NULL)
        p->session->registry->counters.refused_no_path++;
    else
        p->session->registry->counters.refused_no_path += p->check != NULL;
    if (h != NULL)
        h->generation = generation;
    free(p->check);
    p->check = h;
}

/* The first path of an end, or with a new fragment, has checked: it gets what waited for it. */
static void let_checks_go(struct sp_rdv_path *to, uint64_t now_us)
{
    SP_LIST_EACH(&far_end(to)->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        struct rdv_held *h = p->check;
        if (h == NULL || h->generation != to->tried)
            continue;
        p->check = NULL;
        if (now_us - h->at_us < HELD_US)
            forward(p, to, sp_span(h->bytes, h->len), now_us);
        free(h);
    }
}

/* --- checks --------------------------------------------------------------------------------- */

/* Where passwords are told nobody needs to be believed. */
static bool verify(struct sp_rdv_path *p, const struct sp_stun_msg *m, struct sp_span password)
{
    if (p->proven || p->verified)
        return true;
    if (!names_prove(p->session, m, password))
        return false;
    p->verified = p->session->early && password.len > 0;
    return true;
}

static void answer_early(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us)
{
    struct sp_rdv *r = p->session->registry;
    uint8_t bytes[SP_EARLY_ANSWER_MAX];

    if (!p->session->early || p->remote.family == SP_FAMILY_NONE || own_end(p)->early.over)
        return;
    size_t len = sp_early_answer(&own_end(p)->early, sp_span_str(far_end(p)->passwords[0]), m,
                                 &p->remote, now_us, bytes);
    if (len == 0)
        return;
    r->counters.early++;
    r->effects->send(r->arg, p->via, sp_span(bytes, len), now_us);
}

/*
 * When ICE restarts a browser opens new sockets, and at those of before it knows nothing of the new
 * fragments. So a check goes to the path that was proven with the fragment which it names; while
 * there is none, to all by which that fragment was used, once they know of this end's new one:
 * Chromium says to a fragment it does not know, and Firefox believes it, that all is in vain.
 */
static void pass_check(struct sp_rdv_path *p, unsigned generation, struct sp_span d,
                       uint64_t now_us)
{
    struct rdv_end *far = far_end(p);
    struct sp_rdv_path *proven = proven_with(far, generation);
    unsigned passed = 0;

    if (proven != NULL) {
        forward(p, proven, d, now_us);
        return;
    }
    if (newest_proven(far) < generation)
        SP_LIST_EACH(&far->paths, l, next)
        {
            struct sp_rdv_path *to = path_at(l);
            if (to->ahead || (to->tried != generation && to->tried != 0))
                continue;
            forward(p, to, d, now_us);
            passed++;
        }
    if (passed == 0 && newest_proven(far) < generation)
        hold_check(p, generation, d, now_us);
    else
        p->session->registry->counters.refused_no_path += passed == 0;
}

/* Of a USERNAME that fits: FAR:OWN. */
static struct rdv_asked what_asks(const struct sp_rdv_path *p, const struct sp_stun_msg *m,
                                  struct sp_span username)
{
    const uint8_t *colon = memchr(username.p, ':', username.len);
    size_t far_len = (size_t)(colon - username.p);
    struct rdv_asked a = {.serial = p->serial};

    memcpy(a.id, m->id, sizeof a.id);
    a.far = generation_of(far_end(p), sp_span(username.p, far_len));
    a.own = generation_of(own_end(p), sp_span(colon + 1, username.len - far_len - 1));
    return a;
}

static void on_request(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us)
{
    struct sp_rdv_counters *c = &p->session->registry->counters;
    struct sp_span username, password;

    if (!sp_stun_find(m, SP_ATTR_USERNAME, &username) ||
        !names_fit(p->session, p->end, username, &password)) {
        c->refused_unknown++;
        return;
    }
    if (!verify(p, m, password)) {
        c->refused_unverified++;
        return;
    }
    const struct rdv_asked *before = find_asked(own_end(p), m->id);
    if (before != NULL && before->serial != p->serial) {
        c->refused_replayed++;
        return;
    }
    struct rdv_asked asked = what_asks(p, m, username);
    p->ahead = is_ahead(p, &asked);
    if (p->ahead) {
        c->refused_ahead++;
        return;
    }
    if (before == NULL)
        remember(p, &asked);
    if (asked.own > p->tried)
        p->tried = asked.own;
    touch(p, now_us);
    answer_early(p, m, now_us);
    let_checks_go(p, now_us);
    pass_check(p, asked.far, m->raw, now_us);
}

/*
 * Where the end that answers has proven paths of that generation, or a newer one, only they can
 * prove anything: strangers at both ends would prove each other. Before that, the answer may come
 * from whoever got the request.
 */
static void on_answer(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us)
{
    struct sp_rdv_counters *c = &p->session->registry->counters;
    const struct rdv_asked *asked = find_asked(far_end(p), m->id);
    struct sp_rdv_path *to = asked != NULL ? path_by_serial(far_end(p), asked->serial) : NULL;

    if (to == NULL) {
        c->refused_unasked++;
        return;
    }
    if (p->generation < asked->far && newest_proven(own_end(p)) >= asked->far) {
        c->refused_unproven++;
        return;
    }
    touch(p, now_us);
    if (m->cls == SP_STUN_SUCCESS) {
        marry(own_end(to), asked->own, asked->far);
        marry(own_end(p), asked->far, asked->own);
        prove(to, asked->own, now_us);
    }
    if (to->remote.family == SP_FAMILY_NONE || !sp_early_swallows(&own_end(to)->early, m))
        forward(p, to, m->raw, now_us);
    let_go(p->session, 0, now_us);
    let_go(p->session, 1, now_us);
}

static void on_data(struct sp_rdv_path *p, struct sp_span d, bool is_media, uint64_t now_us)
{
    struct sp_rdv_counters *c = &p->session->registry->counters;
    struct sp_rdv_path *to = far_end(p)->sending;

    if (!p->proven) {
        c->refused_unproven += !hold(p, d, now_us);
        return;
    }
    touch(p, now_us);
    if (is_media) /* what the browser uses is where it wants to be reached */
        own_end(p)->sending = p;
    if (to == NULL)
        c->refused_no_path += !hold(p, d, now_us);
    else
        forward(p, to, d, now_us);
}

void sp_rdv_input(struct sp_rdv_path *p, struct sp_span datagram, uint64_t now_us)
{
    struct sp_stun_msg m;

    if (!p->proven)
        p->credit += CREDIT * datagram.len;
    if (!sp_stun_looks_like(datagram)) {
        on_data(p, datagram, true, now_us);
    } else if (sp_stun_parse(datagram, &m) != 0 || m.method != SP_STUN_BINDING) {
        p->session->registry->counters.refused_malformed++;
    } else if (m.cls == SP_STUN_REQUEST) {
        on_request(p, &m, now_us);
    } else if (m.cls == SP_STUN_INDICATION) {
        on_data(p, datagram, false, now_us);
    } else {
        on_answer(p, &m, now_us);
    }
}
