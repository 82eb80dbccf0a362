/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICE checks and their answers, which prove paths: the rules at the top of rendezvous.h.
 */
#include "prefix_limit.h"
#include "rendezvous_impl.h"
#include "sallyport/stun_auth.h"

#define UNPROVEN_MAX 256  /* checks of a path that is not proven: browsers make them every 50 ms */
#define ENDED_MAX    1024 /* … of those that have ended */

/* --- what was asked ------------------------------------------------------------------------- */

static const struct rdv_asked *asked_by(const struct sp_rdv_path *p,
                                        const uint8_t id[static SP_STUN_ID_LEN])
{
    for (unsigned i = 0; i < p->n_asked && i < ASKED_MAX; i++)
        if (memcmp(p->asked[i].id, id, SP_STUN_ID_LEN) == 0)
            return &p->asked[i];
    return NULL;
}

/* The path of this end that asked so. */
static struct sp_rdv_path *who_asked(const struct rdv_end *e,
                                     const uint8_t id[static SP_STUN_ID_LEN])
{
    SP_LIST_EACH(&e->paths, l, next)
    if (asked_by(path_at(l), id) != NULL)
        return path_at(l);
    return NULL;
}

static void keep(struct rdv_end *e, uint32_t mark)
{
    if (!seen_has(&e->seen, mark))
        seen_add(&e->seen, mark);
}

static void remember(struct sp_rdv_path *p, const struct rdv_asked *what)
{
    p->asked[p->n_asked++ % ASKED_MAX] = *what;
    if (p->proven || p->verified)
        keep(own_end(p), seen_mark(what->id));
    else
        seen_add(&p->unproven, seen_mark(what->id));
}

void check_keep(struct sp_rdv_path *p)
{
    for (size_t i = 0; i < p->unproven.n; i++)
        keep(own_end(p), p->unproven.marks[i]);
    seen_fini(&p->unproven);
}

/*
 * Without an answer it may be right all the same, and whoever saw it says it again when the path is
 * gone. Strangers can say much, but push nothing out of what the holder said from where he showed
 * his ticket; only those of his own prefix can, and who forges it.
 */
void check_bury(struct sp_rdv_path *p)
{
    struct rdv_end *e = own_end(p);
    bool holders = p->way == SP_RDV_GATEWAY || sp_prefix_of(&p->remote) == e->home;

    e->ended.max = ENDED_MAX;
    for (size_t i = 0; i < p->unproven.n; i++)
        if (holders || e->ended.n < ENDED_MAX)
            seen_add(&e->ended, p->unproven.marks[i]);
}

/* More than its end still knows may have been said with that generation. */
static bool is_forgotten(const struct rdv_end *e, unsigned generation)
{
    uint64_t lost = seen_lost(&e->seen);
    return generation == e->generation ? lost > e->seen_before : lost > 0;
}

/* By whom it was said first: it proves nobody else, as whoever says it again may only have seen it.
 */
static bool is_replayed(const struct sp_rdv_path *p, const struct rdv_asked *a)
{
    const struct rdv_end *e = own_end(p);
    uint32_t mark = seen_mark(a->id);

    SP_LIST_EACH(&e->paths, l, next)
    {
        const struct sp_rdv_path *other = path_at(l);
        if (other != p && (asked_by(other, a->id) != NULL || seen_has(&other->unproven, mark)))
            return true;
    }
    if (p->proven || asked_by(p, a->id) != NULL)
        return false;
    return seen_has(&e->seen, mark) || seen_has(&e->ended, mark) || is_forgotten(e, a->own);
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

struct sp_rdv_path *check_where_to(const struct sp_rdv_path *p)
{
    struct sp_rdv_path *to = far_end(p)->sending;
    const unsigned *mate = mate_of(own_end(p), p->generation);

    if (to == NULL || mate == NULL || *mate <= to->generation)
        return to;
    struct sp_rdv_path *newer = proven_with(far_end(p), *mate);
    return newer != NULL ? newer : to;
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

/* --- requests ------------------------------------------------------------------------------- */

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
void check_pass(struct sp_rdv_path *p, unsigned generation, struct sp_span d, uint64_t now_us)
{
    struct rdv_end *far = far_end(p);
    struct sp_rdv_path *proven = proven_with(far, generation);
    unsigned passed = 0;

    if (proven != NULL) {
        rdv_forward(p, proven, d, now_us);
        return;
    }
    if (newest_proven(far) < generation)
        SP_LIST_EACH(&far->paths, l, next)
        {
            struct sp_rdv_path *to = path_at(l);
            if (to->ahead || (to->tried != generation && to->tried != 0) || yields(to, now_us))
                continue;
            rdv_forward(p, to, d, now_us);
            passed++;
        }
    if (passed == 0 && newest_proven(far) < generation)
        held_check(p, generation, d, now_us);
    else
        p->session->registry->counters.refused_no_path += passed == 0;
}

/* Of a USERNAME that fits: FAR:OWN. */
static struct rdv_asked what_asks(const struct sp_rdv_path *p, const struct sp_stun_msg *m,
                                  struct sp_span username)
{
    const uint8_t *colon = memchr(username.p, ':', username.len);
    size_t far_len = (size_t)(colon - username.p);
    struct rdv_asked a;

    memcpy(a.id, m->id, sizeof a.id);
    a.far = generation_of(far_end(p), sp_span(username.p, far_len));
    a.own = generation_of(own_end(p), sp_span(colon + 1, username.len - far_len - 1));
    return a;
}

void check_request(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us)
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
    struct rdv_asked asked = what_asks(p, m, username);
    bool again = asked_by(p, m->id) != NULL;
    if (is_replayed(p, &asked)) {
        c->refused_replayed++;
        return;
    }
    if (!again && p->unproven.n >= UNPROVEN_MAX) {
        c->refused_unproven++;
        return;
    }
    if (!again)
        remember(p, &asked);
    p->ahead = is_ahead(p, &asked);
    if (p->ahead) {
        c->refused_ahead++;
        return;
    }
    if (asked.own > p->tried)
        p->tried = asked.own;
    rdv_touch(p, now_us);
    answer_early(p, m, now_us);
    held_let_checks_go(p, now_us);
    if (yields(p, now_us))
        held_check(p, asked.far, m->raw, now_us);
    else
        check_pass(p, asked.far, m->raw, now_us);
}

/*
 * Where the end that answers has proven paths of that generation, or a newer one, only they can
 * prove anything: strangers at both ends would prove each other. Before that, the answer may come
 * from whoever got the request.
 */
void check_answer(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us)
{
    struct sp_rdv_counters *c = &p->session->registry->counters;
    struct sp_rdv_path *to = who_asked(far_end(p), m->id);
    const struct rdv_asked *asked = to != NULL ? asked_by(to, m->id) : NULL;

    if (to == NULL) {
        c->refused_unasked++;
        return;
    }
    if (p->generation < asked->far && newest_proven(own_end(p)) >= asked->far) {
        c->refused_unproven++;
        return;
    }
    rdv_touch(p, now_us);
    p->answered = true;
    if (m->cls == SP_STUN_SUCCESS) {
        keep(own_end(to), seen_mark(m->id));
        marry(own_end(to), asked->own, asked->far);
        marry(own_end(p), asked->far, asked->own);
        rdv_prove(to, asked->own, now_us);
    }
    if (to->remote.family == SP_FAMILY_NONE || !sp_early_swallows(&own_end(to)->early, m))
        rdv_forward(p, to, m->raw, now_us);
    else
        c->early_swallowed++;
    for (unsigned end = 0; end < 2; end++) {
        held_let_go(p->session, end, now_us);
        yield_look(&p->session->ends[end], now_us);
    }
}
