/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the registry share: rendezvous.c (sessions, joining, leases), rdv_names.c
 * (which USERNAME is for whom), rdv_path.c (paths, and who may send to whom), rdv_check.c (what
 * proves them), rdv_held.c (what came too early), rdv_yield.c (UDP before ICE-TCP), rdv_seen.c
 * (what was said before). Nobody else includes this.
 */
#ifndef SALLYPORT_SERVER_RENDEZVOUS_IMPL_H
#define SALLYPORT_SERVER_RENDEZVOUS_IMPL_H

#include "rdv_seen.h"
#include "rendezvous.h"
#include "sallyport/early.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/stun.h"

#define ASKED_MAX   32 /* requests of a path whose answers are waited for */
#define GENERATIONS 2  /* fragments of an end that are good: its last two */
#define NAMES       (GENERATIONS * GENERATIONS)

/* Checks with this USERNAME come from one end of a session: here, or of another worker. */
struct rdv_name {
    struct sp_map_node node;
    uint8_t key[SP_RDV_KEY_LEN];
    struct sp_rdv_session *session; /* NULL: of another worker, until it expires */
    unsigned end, worker;
    uint64_t expires_us;
    struct sp_link foreign; /* of another worker's: who expires first stands first */
};

struct rdv_asked {
    uint8_t id[SP_STUN_ID_LEN];
    unsigned own, far; /* of which generation are the fragments that it named */
};

struct sp_rdv_path {
    struct sp_rdv_session *session;
    unsigned end;
    enum sp_rdv_way way;
    void *via;
    uint32_t serial;
    struct sp_addr remote; /* family none: not known */
    bool proven;
    unsigned tried,
        generation;     /* of its end: the newest it made checks with, and was proven with */
    bool verified;      /* it made a check with the far end's password */
    bool ahead;         /* its last check was made before it knew of the far end's new fragment */
    bool answered;      /* a check of the far end's that was passed to it: it is heard both ways */
    uint64_t yields_us; /* ICE-TCP: until when it lets its end's UDP go first; 0: not begun */
    struct sp_timer yield;
    uint64_t
        credit; /* bytes that it may be sent before it is proven, where its address may be forged */
    uint64_t began_us, last_in_us;
    struct rdv_held *check; /* its last one, while the far end has no path for it, or it yields;
                             * or NULL */
    /* For their answers; a path's own, so that nothing is forgotten however much a stranger asks.
     */
    struct rdv_asked asked[ASKED_MAX];
    unsigned n_asked;         /* in all */
    struct rdv_seen unproven; /* what it asked before it was proven */
    struct sp_link link;
};

/* What came too early to go on. */
struct rdv_held {
    struct sp_link link;
    uint32_t serial;     /* of the path it came by */
    unsigned generation; /* a check's: of the far end's fragment that it names */
    uint64_t at_us;
    size_t len;
    uint8_t bytes[];
};

struct rdv_end {
    struct sp_rdv_session *session;
    bool joined;
    char holder[SP_RDV_HOLDER_MAX + 1]; /* "" before anybody has joined */
    uint64_t home;                      /* prefix from which it was joined last; 0: not known */
    char ufrags[GENERATIONS][SP_RDV_UFRAG_MAX + 1];       /* the latest first */
    char passwords[GENERATIONS][SP_RDV_PASSWORD_MAX + 1]; /* of these fragments, or "" */
    unsigned generation;                                  /* of the latest; 0: there was none yet */
    unsigned mates[GENERATIONS]; /* the far end's generations that they were proven with, or 0 */
    char gateway[SP_TOKEN_NAME_MAX + 1];
    struct rdv_name *names[NAMES]; /* of checks that come from this end */
    struct sp_list paths;          /* who came first stands first */
    unsigned n_paths, n_unproven;
    struct sp_rdv_path *sending; /* NULL: none is proven */
    /* What proven paths asked, whatever was answered with success or made with the password: no
     * stranger can put anything there. */
    struct rdv_seen seen;
    uint64_t seen_before; /* so many before its generation began */
    /* What paths asked that ended and had proven nothing: there anybody can put something, so it
     * has a place of its own. */
    struct rdv_seen ended;
    struct sp_early early; /* its checks */
    struct sp_list held;   /* the oldest first */
    unsigned n_held;
    uint64_t last_in_us, datagrams_in, bytes_in;
};

struct sp_rdv_session {
    struct sp_rdv *registry;
    struct sp_map_node by_id;
    struct sp_link link;
    char id[SP_RDV_ID_LEN + 1];
    char subject[SP_TOKEN_NAME_MAX + 1];
    struct sp_quota_user *share;
    uint64_t created_us, expires_us;
    bool early, connected;
    struct rdv_end ends[2];
};

struct sp_rdv {
    struct sp_rdv_config config;
    const struct sp_rdv_effects *effects;
    void *arg;
    struct sp_timerq *timers;
    struct sp_rng *rng;
    struct sp_timer sweep;
    uint64_t told_us;
    bool draining;
    struct sp_map by_id, by_name;
    struct sp_list foreign; /* names of other workers */
    size_t n_foreign;
    struct sp_list sessions;
    uint32_t last_serial;
    struct sp_rdv_counters counters;
};

/* rendezvous.c: what is due by time is looked after, as long as there is anything. */
void rdv_start_sweep(struct sp_rdv *r, uint64_t now_us);

/* rdv_names.c */
/* All that follow from the ends' fragments: known from here on, others no longer. SP_ENOMEM: some
 * are missing. */
int names_set(struct sp_rdv_session *s);
void names_drop(struct sp_rdv_session *s);
void names_tell_all(struct sp_rdv *r);
/* Of other workers: those that were not told again. */
void names_expire(struct sp_rdv *r, uint64_t now_us);
void names_fini(struct sp_rdv *r);
/* Whether it is the USERNAME of checks that come from this end now; *password: that they are made
 * with, or empty. */
bool names_fit(const struct sp_rdv_session *s, unsigned end, struct sp_span username,
               struct sp_span *password);
/* Whether a check was made with the password, where it is told for that. */
bool names_prove(const struct sp_rdv_session *s, const struct sp_stun_msg *m,
                 struct sp_span password);

/* rdv_path.c */
static inline struct rdv_end *own_end(const struct sp_rdv_path *p)
{
    return &p->session->ends[p->end];
}

static inline struct rdv_end *far_end(const struct sp_rdv_path *p)
{
    return &p->session->ends[1 - p->end];
}

static inline struct sp_rdv_path *path_at(struct sp_link *l)
{
    return SP_LIST_ITEM(l, struct sp_rdv_path, link);
}

void paths_close_all(struct sp_rdv_session *s, unsigned end);
/* Those that proved nothing in time, and those that are silent. */
void paths_expire(struct sp_rdv_session *s, unsigned end, uint64_t now_us);
/* NULL: it is not there (any more). */
struct sp_rdv_path *rdv_path_by_serial(struct rdv_end *e, uint32_t serial);
/* A check that named this generation of its end was answered with success. */
void rdv_prove(struct sp_rdv_path *p, unsigned generation, uint64_t now_us);
/* From one end to a path of the other. */
void rdv_forward(struct sp_rdv_path *from, struct sp_rdv_path *to, struct sp_span d,
                 uint64_t now_us);
/* It lives, and so does its end: only what is proven may keep a lease. */
void rdv_touch(struct sp_rdv_path *p, uint64_t now_us);

/* rdv_check.c */
/* What it asked is not forgotten any more. */
void check_keep(struct sp_rdv_path *p);
/* It ends, and has proven nothing. */
void check_bury(struct sp_rdv_path *p);
void check_request(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us);
void check_answer(struct sp_rdv_path *p, const struct sp_stun_msg *m, uint64_t now_us);
/* To the far end's paths that may be sent a check which names this generation of it; what finds
 * none waits. */
void check_pass(struct sp_rdv_path *p, unsigned generation, struct sp_span d, uint64_t now_us);
/*
 * By which of the far end's paths media of this one go; NULL: by none yet. Who sends by the pair of
 * an ICE restart is heard by it, even if the far end does not send by it yet: Chromium, where it
 * was called, stays with the pair by which it hears.
 */
struct sp_rdv_path *check_where_to(const struct sp_rdv_path *p);

/* rdv_held.c */
/* Of a path that will be able to send as soon as somebody is proven. Whether it is kept. */
bool held_data(struct sp_rdv_path *p, struct sp_span d, uint64_t now_us);
/* A path has been proven: what waits may be able to go on now. */
void held_let_go(struct sp_rdv_session *s, unsigned end, uint64_t now_us);
/* A check that names this generation of the far end, none of whose paths may be sent it (now). */
void held_check(struct sp_rdv_path *p, unsigned generation, struct sp_span check, uint64_t now_us);
/* The path has checked with what it tried now: it gets what waited for it. */
void held_let_checks_go(struct sp_rdv_path *to, uint64_t now_us);
void held_drop(struct rdv_end *e);

/* rdv_yield.c */
void yield_init(struct sp_rdv_path *p);
void yield_fini(struct sp_rdv_path *p);
/* Whether the path lets its end's UDP go first, for now. */
bool yields(struct sp_rdv_path *p, uint64_t now_us);
/* Of this end: those that need not wait any more go on. */
void yield_look(struct rdv_end *e, uint64_t now_us);
/* A path that is proven by now does not take what is sent from one that is better. */
bool yield_sending(const struct sp_rdv_path *p);

#endif
