/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may send to whom: the rules at the top of rendezvous.h.
 */
#include <stdlib.h>

#include "prefix_limit.h"
#include "rendezvous_impl.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"

#define PROVE_US SP_SEC(10) /* for a path to be proven in */
#define CREDIT   3          /* for each byte that came, as in RFC 9000 section 8 */

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
    if (!p->proven)
        check_bury(p);
    free(p->check);
    yield_fini(p);
    seen_fini(&p->unproven);
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

/* How many paths that are not proven come from its prefix (ten each) and its address (one). */
static unsigned neighbours(const struct rdv_end *e, const struct sp_rdv_path *of)
{
    unsigned n = 0;

    SP_LIST_EACH(&e->paths, l, next)
    {
        const struct sp_rdv_path *p = path_at(l);
        if (p->proven || p->way == SP_RDV_GATEWAY)
            continue;
        n += sp_prefix_of(&p->remote) == sp_prefix_of(&of->remote) ? 10 : 0;
        n += sp_addr_same_ip(&p->remote, &of->remote);
    }
    return n;
}

/* How soon it gives way: more before less. A gateway's path was asked for by the end's holder, and
 * where he showed his ticket no stranger is by chance. Strangers push out each other, those of most
 * of one prefix first. */
static unsigned nuisance(const struct rdv_end *e, const struct sp_rdv_path *p)
{
    if (p->proven || p->way == SP_RDV_GATEWAY)
        return 0;
    return sp_prefix_of(&p->remote) == e->home ? 1 : neighbours(e, p);
}

/* Of those that are (not) proven; of equal ones the one that was silent for longest; never the one
 * that sends. */
static struct sp_rdv_path *dispensable(const struct rdv_end *e, bool proven)
{
    struct sp_rdv_path *found = NULL;
    unsigned most = 0;

    SP_LIST_EACH(&e->paths, l, next)
    {
        struct sp_rdv_path *p = path_at(l);
        unsigned n = nuisance(e, p);
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
    yield_init(p);
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

struct sp_rdv_path *rdv_path_by_serial(struct rdv_end *e, uint32_t serial)
{
    SP_LIST_EACH(&e->paths, l, next)
    if (path_at(l)->serial == serial)
        return path_at(l);
    return NULL;
}

void rdv_prove(struct sp_rdv_path *p, unsigned generation, uint64_t now_us)
{
    struct sp_rdv_session *s = p->session;
    struct rdv_end *e = own_end(p);
    unsigned proven;

    if (generation > p->generation)
        p->generation = generation;
    if (p->proven)
        return;
    p->proven = true;
    check_keep(p);
    p->last_in_us = e->last_in_us = now_us;
    e->n_unproven--;
    if (!yield_sending(p))
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
void rdv_forward(struct sp_rdv_path *from, struct sp_rdv_path *to, struct sp_span d,
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
void rdv_touch(struct sp_rdv_path *p, uint64_t now_us)
{
    p->last_in_us = now_us;
    if (p->proven)
        own_end(p)->last_in_us = now_us;
}

static void on_data(struct sp_rdv_path *p, struct sp_span d, bool is_media, uint64_t now_us)
{
    struct sp_rdv_counters *c = &p->session->registry->counters;
    struct sp_rdv_path *to = check_where_to(p);

    if (!p->proven) {
        c->refused_unproven += !held_data(p, d, now_us);
        return;
    }
    rdv_touch(p, now_us);
    if (is_media) /* what the browser uses is where it wants to be reached */
        own_end(p)->sending = p;
    if (to == NULL)
        c->refused_no_path += !held_data(p, d, now_us);
    else
        rdv_forward(p, to, d, now_us);
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
        check_request(p, &m, now_us);
    } else if (m.cls == SP_STUN_INDICATION) {
        on_data(p, datagram, false, now_us);
    } else {
        check_answer(p, &m, now_us);
    }
}
