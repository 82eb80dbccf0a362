/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_request.h"

#include "prefix_limit.h"
#include "sallyport/stun_auth.h"
#include "turn_engine.h"
#include "turn_outbox.h"

/* A challenge is the only error that a stranger may get by UDP that is longer than what he
 * asked with; and it stays as short as this. */
#define CHALLENGE_MAX 160

bool sp_turn_request_authenticate(struct sp_turn_request *r)
{
    struct sp_turn *t = r->turn;
    struct sp_span mac;
    /* A credential that expires meanwhile ends no running allocation: a browser could not exchange
     * it within the call. */
    uint64_t unix_s = r->alloc == NULL ? r->unix_s : 0;
    int code = sp_turn_auth_check(t->auth, r->msg, unix_s, &r->auth);

    if (code == 0 &&
        sp_turn_nonce_check(&t->nonces, &r->path->remote, r->auth.nonce, r->now_us) != 0)
        code = 438;
    r->authenticated = code == 0;
    if (code == 0)
        return true;
    if (code == 401 && (sp_stun_find(r->msg, SP_ATTR_MESSAGE_INTEGRITY, &mac) ||
                        sp_stun_find(r->msg, SP_ATTR_MESSAGE_INTEGRITY_SHA256, &mac)))
        t->counters.auth_errors++; /* not the first request, which has none */
    sp_turn_answer_error(r, (unsigned)code);
    return false;
}

static void begin(struct sp_turn_request *r, struct sp_stun_builder *b, enum sp_stun_class cls)
{
    sp_stun_begin(b, sp_turn_outbox_room(&r->turn->out), SP_TURN_ANSWER_MAX, r->msg->method, cls,
                  r->msg->id);
}

/* Adds what protects an answer, and ends it. */
static int finish(const struct sp_turn_request *r, struct sp_stun_builder *b, size_t *len)
{
    struct sp_span key = sp_span(r->auth.key.bytes, r->auth.key.len);

    if (r->authenticated && r->auth.sha256)
        sp_stun_put_integrity_sha256(b, key);
    else if (r->authenticated)
        sp_stun_put_integrity(b, key);
    if (r->has_fingerprint)
        sp_stun_put_fingerprint(b);
    return sp_stun_end(b, len);
}

void sp_turn_answer_begin(struct sp_turn_request *r, struct sp_stun_builder *b)
{
    begin(r, b, SP_STUN_SUCCESS);
}

void sp_turn_answer_send(struct sp_turn_request *r, struct sp_stun_builder *b)
{
    size_t len;

    if (finish(r, b, &len) == 0)
        sp_turn_outbox_answer(&r->turn->out, r->path, len);
}

static bool is_challenge(const struct sp_turn_request *r, unsigned code)
{
    return !r->authenticated && (code == 401 || code == 438);
}

static void put_challenge(struct sp_turn_request *r, struct sp_stun_builder *b)
{
    const struct sp_turn *t = r->turn;
    char nonce[SP_TURN_NONCE_MAX];

    sp_turn_nonce_make(&t->nonces, &r->path->remote, sp_turn_auth_features(t->auth), r->now_us,
                       nonce);
    sp_stun_put(b, SP_ATTR_REALM, sp_span_str(sp_turn_auth_realm(t->auth)));
    sp_stun_put(b, SP_ATTR_NONCE, sp_span_str(nonce));
    sp_stun_put(b, SP_ATTR_PASSWORD_ALGORITHMS, sp_turn_auth_algorithms());
}

static void put_alternate(struct sp_stun_builder *b, const struct sp_addr *alternate,
                          const struct sp_addr *asked)
{
    struct sp_addr a = *alternate;

    if (a.family == SP_FAMILY_NONE)
        return;
    if (a.port == 0)
        a.port = asked->port;
    sp_stun_put_addr(b, SP_ATTR_ALTERNATE_SERVER, &a);
}

/* That of the client's family stands first (RFC 8489 section 10). */
static void put_alternates(const struct sp_turn_request *r, struct sp_stun_builder *b)
{
    const struct sp_turn_alternates *a = &r->turn->alternates;
    bool v6 = r->path->remote.family == SP_IPV6;

    put_alternate(b, v6 ? &a->v6 : &a->v4, &r->path->local);
    put_alternate(b, v6 ? &a->v4 : &a->v6, &r->path->local);
}

/* The longest error that may go back. */
static size_t limit_of(const struct sp_turn_request *r, unsigned code)
{
    if (r->path->transport != SP_TURN_UDP || r->authenticated)
        return SP_TURN_ANSWER_MAX;
    return is_challenge(r, code) ? CHALLENGE_MAX : r->msg->raw.len;
}

static int build_error(struct sp_turn_request *r, unsigned code, const char *reason, size_t *len)
{
    struct sp_stun_builder b;

    begin(r, &b, SP_STUN_ERROR);
    sp_stun_put_error(&b, code, reason);
    if (is_challenge(r, code))
        put_challenge(r, &b);
    if (code == 300)
        put_alternates(r, &b);
    if (code == 420)
        sp_stun_put_unknown(&b, r->unknown, r->n_unknown);
    return finish(r, &b, len);
}

void sp_turn_answer_error(struct sp_turn_request *r, unsigned code)
{
    struct sp_turn *t = r->turn;
    size_t len, limit = limit_of(r, code);

    if (r->msg->method == SP_TURN_ALLOCATE && !is_challenge(r, code))
        t->counters.allocation_errors++;
    if (r->path->transport == SP_TURN_UDP && is_challenge(r, code) &&
        !sp_prefix_limit_take(&t->common->challenges, &r->path->remote, r->now_us)) {
        t->counters.challenges_limited++;
        t->hits->answers_per_s++;
        return;
    }
    /* The reason phrase is for people, and the first to go. */
    if ((build_error(r, code, NULL, &len) == 0 && len <= limit) ||
        (build_error(r, code, "", &len) == 0 && len <= limit))
        sp_turn_outbox_answer(&t->out, r->path, len);
    else
        t->counters.unanswered++;
}
