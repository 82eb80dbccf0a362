/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rendezvous sessions: two ends that a token introduced to each other; whatever one end receives,
 * the other sends. One registry a worker: sessions are made, found and ended where they live. Knows
 * who may send to whom, and who is believed to be an end; knows no socket, no clock, no HTTP.
 *
 *     browser A ── path ─▶ end 0 ═ session ═ end 1 ◀─ path ── browser B
 *
 * Whoever joins an end first holds it, and registers its ICE user fragment. A *path* is a way to an
 * end: a flow of a gateway, an ICE-TCP connection, a UDP address. Fragments travel in the clear, so
 * a check's USERNAME finds the session, but proves nothing: a new path gets the answers to its own
 * checks, and, as long as its end has no proven path, the far end's checks; when ICE restarts, as
 * long as none is proven with the new fragments. It is *proven* when a Binding success of the far
 * end, to a request that came by it, has passed back. What is no check or answer leaves by the
 * *sending path*: the proven one that its end used last. A UDP address that is not proven may be
 * forged: it gets at most three times the bytes that came from it. In a session that answers checks
 * early, those of a path that is not proven must have been made with the far end's password, once
 * that is told.
 *
 * - A Binding request, from any path with the right USERNAME, goes to the far end's path that was
 * proven with the fragment that it names, or to all that used that one when none was; while there
 * is none, the last one of each path waits. When ICE restarts, new fragments go with new ones only.
 * - The answer to it goes to the path that it came by, and nowhere else.
 * - Where an end checks by UDP and by ICE-TCP, its UDP goes first: Firefox, where it called, stays
 * with the first path that answers. Checks by ICE-TCP wait until UDP has been heard both ways, half
 * a second at most; where no UDP comes nothing waits.
 * - All else, from a proven path, goes to the far end's sending path; or to a newer one that was
 * proven with the fragment with which its own was, after ICE restarted.
 *
 * Of too many paths that are not proven one has to go: of strangers first, who are not from where
 * the end's holder joined it (/24 of IPv4, /56 of IPv6), then the holder's, then a gateway's. Of
 * strangers the prefix that has most of them, and there who was silent for longest.
 *
 * Whoever sees a check may say it again, by a path of his own. So what was said before proves no
 * path: by paths that are there or were proven, with a password that is known, or answered with
 * success; nor what was said by a path that ended unproven, as far as that is remembered. Where an
 * end has said more than is remembered of the others (SEEN_MAX), nobody new is believed until ICE
 * restarts.
 *
 * An end is leased: it is released when no proven path of it brought anything for the idle time,
 * but not before the session's time to join is over. A session ends with its last end.
 */
#ifndef SALLYPORT_SERVER_RENDEZVOUS_H
#define SALLYPORT_SERVER_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "quota.h"
#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/log.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "sallyport/token.h"
#include "tally.h"

struct sp_rdv; /* the registry of one worker */
struct sp_rdv_session;
struct sp_rdv_path;

/* An id as text: the owner's worker in 4 hex digits, and 128 random bits. */
#define SP_RDV_ID_LEN       36
#define SP_RDV_UNPROVEN_MAX 4 /* paths of an end; a stranger's goes before its holder's */
#define SP_RDV_PROVEN_MAX   4 /* the one that was silent for longest goes */
#define SP_RDV_KEY_LEN      16
#define SP_RDV_UFRAG_MIN    4 /* RFC 8839 section 5.4, both */
#define SP_RDV_UFRAG_MAX    256
#define SP_RDV_PASSWORD_MIN 22
#define SP_RDV_PASSWORD_MAX 256
#define SP_RDV_HOLDER_MIN   16
#define SP_RDV_HOLDER_MAX   64

enum sp_rdv_way { SP_RDV_NO_WAY, SP_RDV_GATEWAY, SP_RDV_TCP, SP_RDV_UDP };

struct sp_rdv_config {
    uint16_t worker;  /* stands in ids */
    uint64_t idle_us; /* an end without datagrams is released after it */
    const struct sp_bounds *bounds;
    struct sp_bound_hits *hits;
    struct sp_tally *tally;  /* sessions of all workers */
    struct sp_quota *shares; /* the same, by subject */
    const struct sp_log *log;
};

/* None may call back into the registry. */
struct sp_rdv_effects {
    /* A datagram for a path's transport. */
    void (*send)(void *arg, void *via, struct sp_span datagram, uint64_t now_us);
    /* The registry has let go of the path; it may not be used after this. */
    void (*close)(void *arg, void *via);
    /* Checks with the USERNAME of this key are for a session here, or no longer. Told again every
     * SP_RDV_TELL_US, so that one that is lost does no harm. May be NULL. */
    void (*tell_name)(void *arg, const uint8_t key[static SP_RDV_KEY_LEN], bool here);
    /* What is known of an end has changed. May be NULL. */
    void (*joined)(void *arg, struct sp_rdv_session *s, unsigned end);
    /* An end was released, or its session ended. May be NULL. */
    void (*released)(void *arg, struct sp_rdv_session *s, unsigned end);
    /* A session ended, and is no longer counted. May be NULL. */
    void (*ended)(void *arg);
};
#define SP_RDV_TELL_US UINT64_C(10000000)

struct sp_rdv_counters {
    uint64_t created, connected, ended; /* connected: both ends had a proven path */
    uint64_t joined, released;          /* ends */
    uint64_t paths, proven;
    uint64_t forwarded, forwarded_bytes;
    uint64_t refused_unknown;    /* checks of a path with another USERNAME */
    uint64_t refused_unverified; /* checks that were not made with a password that is known */
    uint64_t refused_unproven;   /* from a path that is not proven, and no check or answer */
    uint64_t refused_unasked;    /* answers to what nobody asked */
    uint64_t refused_ahead;      /* of a new fragment to the far end's of before ICE restarted */
    uint64_t refused_replayed;   /* a request that came by another path before, or may have */
    uint64_t refused_malformed;  /* STUN that is broken, or no Binding */
    uint64_t refused_no_path;    /* the far end has none that may be sent it */
    uint64_t early;              /* checks that were answered here as well */
    uint64_t early_swallowed;    /* answers of far ends to these, which went no further */
    uint64_t paths_pushed_out;   /* more than an end may have */
    uint64_t paths_never_proven;
};

/* `config`, what it points to, `timers`, `rng` and `effects` outlive it. SP_ENOMEM. */
int sp_rdv_new(const struct sp_rdv_config *config, const struct sp_rdv_effects *effects, void *arg,
               struct sp_timerq *timers, struct sp_rng *rng, struct sp_rdv **out);
/* Ends all sessions. */
void sp_rdv_free(struct sp_rdv *r, uint64_t now_us);
const struct sp_rdv_counters *sp_rdv_counters(const struct sp_rdv *r);

/* --- sessions ------------------------------------------------------------------------------- */

/* The owner's worker; SP_EINVAL: not an id of any of ours. */
int sp_rdv_worker_of(struct sp_span id);

struct sp_rdv_order {
    struct sp_span subject; /* of the token that asked, at most SP_TOKEN_NAME_MAX */
    uint64_t ttl_us;        /* both ends have so long to join */
    bool early;             /* checks are to be answered early, where passwords are told */
};
/* SP_EFULL: at a bound, counted; SP_EDENIED: draining; SP_EINVAL: subject too long; SP_ENOMEM. */
int sp_rdv_create(struct sp_rdv *r, const struct sp_rdv_order *order, uint64_t now_us,
                  struct sp_rdv_session **out);

/* No session is made from now on (SP_EDENIED); what is there lives on. */
void sp_rdv_drain(struct sp_rdv *r);

/* NULL: there is none. */
struct sp_rdv_session *sp_rdv_find(const struct sp_rdv *r, struct sp_span id);

/* The grammar of RFC 8839 section 5.4; and of holders, the letters of base64 and base64url. */
bool sp_rdv_ufrag_ok(struct sp_span ufrag);
bool sp_rdv_password_ok(struct sp_span password);
bool sp_rdv_holder_ok(struct sp_span holder);

struct sp_rdv_join {
    struct sp_span holder;   /* a secret of whoever joins, the same each time */
    struct sp_span ufrag;    /* the end's own; empty: not known yet */
    struct sp_span password; /* the end's own, or empty */
    /* Where the holder is found, who has shown his ticket there; NULL: not known. */
    const struct sp_addr *from;
};

/*
 * Takes an end, and registers what is known of it; again to register what comes later, or when ICE
 * restarts: the fragment before stays good beside the new one. SP_EINVAL: grammar; SP_EEXIST:
 * another holder has it; SP_EPROTO: the fragments would not tell the ends or sessions apart;
 * SP_EEXPIRED: nobody joined in time; SP_ENOMEM.
 */
int sp_rdv_join(struct sp_rdv_session *s, unsigned end, const struct sp_rdv_join *j,
                uint64_t now_us);

/* Which gateway opened the end on its LAN; "" for none. At most SP_TOKEN_NAME_MAX bytes count. */
void sp_rdv_set_gateway(struct sp_rdv_session *s, unsigned end, struct sp_span gateway);

/* Both ends are released; it is gone after this. `reason` for the log. */
void sp_rdv_end(struct sp_rdv_session *s, const char *reason, uint64_t now_us);

void sp_rdv_end_all(struct sp_rdv *r, const char *reason, uint64_t now_us);

/* --- what is asked -------------------------------------------------------------------------- */

struct sp_rdv_end_view {
    bool joined;
    const char *ufrag;    /* "" before it is known */
    const char *password; /* "" when not told; a secret */
    const char *gateway;  /* "" for none */
    const char *way;      /* of the sending path: "gateway", "ice-tcp", "udp", or "" */
    unsigned paths, unproven;
    uint64_t datagrams_in, bytes_in; /* what came from it and went on */
    uint64_t idle_us;                /* since a proven path brought something */
};
struct sp_rdv_view {
    const char *id, *subject;
    uint64_t created_us, expires_us;
    bool early;
    bool connected; /* both ends had a proven path */
    struct sp_rdv_end_view ends[2];
};
/* Borrowed; valid until the session is changed. */
void sp_rdv_view(const struct sp_rdv_session *s, uint64_t now_us, struct sp_rdv_view *out);

/* At this worker; and at all of them, of this subject. */
size_t sp_rdv_count(const struct sp_rdv *r);
size_t sp_rdv_count_of(const struct sp_rdv *r, struct sp_span subject);
/* One after the other: first with NULL, NULL at the end. Nothing may end meanwhile. */
struct sp_rdv_session *sp_rdv_next(const struct sp_rdv *r, const struct sp_rdv_session *before);

/* --- paths ---------------------------------------------------------------------------------- */

/* What the first datagram of a new path is for. */
struct sp_rdv_spot {
    struct sp_rdv_session *session; /* NULL: another worker has it */
    unsigned end, worker;
};
/* SP_EBADMSG: not a Binding request with a USERNAME of two fragments; SP_ENOENT: of no session;
 * SP_EAUTH: of one that was told the password, and not made with it: counted. */
int sp_rdv_look_up(struct sp_rdv *r, struct sp_span first, struct sp_rdv_spot *out);

/* By which a first datagram's session is told when it becomes known: tell_name, sp_rdv_heard_name.
 * SP_EBADMSG as above. */
int sp_rdv_key_of(struct sp_span first, uint8_t key[static SP_RDV_KEY_LEN]);

/* Whether checks may come: a session is here, or the USERNAME of another worker's is known. To be
 * asked before a datagram is looked at. */
bool sp_rdv_expects(const struct sp_rdv *r);

/* Another worker's tell_name. SP_EEXIST: one more says so; SP_EFULL; SP_ENOMEM. */
int sp_rdv_heard_name(struct sp_rdv *r, const uint8_t key[static SP_RDV_KEY_LEN], unsigned worker,
                      bool here, uint64_t now_us);

/* A new path, not proven; `via` is handed to the effects. Others may be closed for it. SP_ENOMEM.
 */
int sp_rdv_path_add(struct sp_rdv_session *s, unsigned end, enum sp_rdv_way way, void *via,
                    uint64_t now_us, struct sp_rdv_path **out);

/* Where it comes from; not of a gateway's, which answers early itself. */
void sp_rdv_path_set_remote(struct sp_rdv_path *p, const struct sp_addr *remote);

/* Its transport ended; `close` is not called. */
void sp_rdv_path_remove(struct sp_rdv_path *p);

/* What came by it. The path is still there after it. */
void sp_rdv_input(struct sp_rdv_path *p, struct sp_span datagram, uint64_t now_us);

bool sp_rdv_path_proven(const struct sp_rdv_path *p);

#endif
