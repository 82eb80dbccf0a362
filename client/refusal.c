/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sallyport/clock.h"
#include "sallyport/http.h"

#define SKEW_S    60 /* clocks that differ by less are called right */
#define REPEAT_US SP_SEC(60)
#define LINE      SP_REFUSAL_LINE_MAX

bool sp_refusal_is_denial(const struct sp_refusal *r)
{
    bool not_now = r->status >= 500 || r->status == 408 || r->status == 429;
    return r->kind == SP_REFUSAL_ANSWER && !not_now;
}

bool sp_refusal_met_somebody(const struct sp_refusal *r)
{
    return r->kind == SP_REFUSAL_TLS || r->kind == SP_REFUSAL_ANSWER || r->kind == SP_REFUSAL_LOST;
}

static void explain_proxy(const struct sp_refusal *r, char out[static LINE])
{
    const struct sp_proxy_answer *a = &r->proxy_answer;

    if (a->status == 0)
        snprintf(out, LINE, "the proxy %s does not answer as one: %s", r->proxy, r->why);
    else if (a->status == 407 && a->offer[0] != '\0' && strstr(a->offer, "Basic") == NULL)
        snprintf(out, LINE,
                 "the proxy %s wants credentials (407) by %s; only Basic can be given, as "
                 "--proxy http://user:password@host:port",
                 r->proxy, a->offer);
    else if (a->status == 407)
        snprintf(out, LINE,
                 "the proxy %s wants credentials (407), or other ones: give them as "
                 "--proxy http://user:password@host:port",
                 r->proxy);
    else
        snprintf(out, LINE, "the proxy %s refused to connect (status %u)", r->proxy, a->status);
}

/* The words are those of tls_cert.c; the first that is there counts. */
enum sp_refusal_cert sp_refusal_cert(const struct sp_refusal *r)
{
    static const struct {
        const char *words;
        enum sp_refusal_cert what;
    } kinds[] = {
        {" expired on ", SP_REFUSAL_CERT_DATE},
        {" is not valid before ", SP_REFUSAL_CERT_DATE},
        {", not for ", SP_REFUSAL_CERT_NAME},
        {"certificate", SP_REFUSAL_CERT_SIGNER},
    };

    if (r->kind != SP_REFUSAL_TLS || strstr(r->why, "certificate") == NULL)
        return SP_REFUSAL_CERT_FINE;
    for (size_t i = 0; i < SP_ARRAY_LEN(kinds); i++)
        if (strstr(r->why, kinds[i].words) != NULL)
            return kinds[i].what;
    return SP_REFUSAL_CERT_SIGNER;
}

static void explain_tls(const struct sp_refusal *r, char out[static LINE])
{
    char clock[30];

    switch (sp_refusal_cert(r)) {
    case SP_REFUSAL_CERT_DATE:
        sp_http_date(r->local_s, clock);
        snprintf(out, LINE,
                 "TLS failed: %s; the server needs a new one, unless this host's clock (%s) is "
                 "wrong",
                 r->why, clock);
        break;
    case SP_REFUSAL_CERT_NAME:
        snprintf(out, LINE,
                 "TLS failed: %s; --server has to name it as its certificate does, or somebody "
                 "else answers here, such as the log-in page of a network",
                 r->why);
        break;
    case SP_REFUSAL_CERT_SIGNER:
        snprintf(out, LINE,
                 "TLS failed: %s; if a proxy that inspects TLS stands in between, or the server "
                 "has a private CA, name that CA with --ca",
                 r->why);
        break;
    case SP_REFUSAL_CERT_FINE:
        snprintf(out, LINE, "TLS failed: %s", r->why);
        break;
    }
}

/* How this host's clock differs, as a clause, or nothing. */
static void put_skew(const struct sp_refusal *r, char *out, size_t cap)
{
    uint64_t s = r->local_s > r->server_s ? r->local_s - r->server_s : r->server_s - r->local_s;

    out[0] = '\0';
    if (r->has_date && s >= SKEW_S)
        snprintf(out, cap, "; this host's clock is %" PRIu64 " s %s the server's", s,
                 r->local_s > r->server_s ? "ahead of" : "behind");
}

/* The server tells nobody why; so what can be known is put side by side. */
static void explain_answer(const struct sp_refusal *r, char out[static LINE])
{
    uint64_t now_s = r->has_date ? r->server_s : r->local_s;
    char expired[30], clock[30], skew[96];

    if (r->status == 0) {
        snprintf(out, LINE, "what answers there does not speak HTTP: %s", r->why);
        return;
    }
    if (r->status == 101) {
        snprintf(out, LINE,
                 "the server switched protocols, but not to the tunnel that was asked for");
        return;
    }
    if (!sp_refusal_is_denial(r)) {
        snprintf(out, LINE,
                 "the server, or what stands before it, is not able just now (status %u)",
                 r->status);
        return;
    }
    put_skew(r, skew, sizeof skew);
    if (r->token_known && r->token_expires_s <= now_s) {
        sp_http_date(r->token_expires_s, expired);
        sp_http_date(now_s, clock);
        snprintf(out, LINE, "the token expired on %s (%s clock says %s)%s", expired,
                 r->has_date ? "the server's" : "this host's", clock, skew);
        return;
    }
    snprintf(out, LINE,
             "the server answers like an ordinary web site (status %u): wrong path, or the token "
             "was refused%s%s",
             r->status, r->token_known ? "" : "; the token does not look like one of ours", skew);
}

void sp_refusal_explain(const struct sp_refusal *r, char out[static LINE])
{
    switch (r->kind) {
    case SP_REFUSAL_PROXY:
        explain_proxy(r, out);
        return;
    case SP_REFUSAL_TLS:
        explain_tls(r, out);
        return;
    case SP_REFUSAL_ANSWER:
        explain_answer(r, out);
        return;
    case SP_REFUSAL_CONNECT:
        snprintf(out, LINE, "cannot connect%s%s: %s", r->proxy[0] != '\0' ? " to the proxy " : "",
                 r->proxy, r->why);
        return;
    case SP_REFUSAL_NAME:
        snprintf(out, LINE, "%s%s", r->why, r->proxy[0] != '\0' ? " (the proxy)" : "");
        return;
    case SP_REFUSAL_LOST:
        snprintf(out, LINE, "the connection ended before the tunnel was open: %s", r->why);
        return;
    case SP_REFUSAL_MEMORY:
        snprintf(out, LINE, "out of memory");
        return;
    case SP_REFUSAL_TOKEN_FILE:
    case SP_REFUSAL_KINDS:
        break;
    }
    snprintf(out, LINE, "%s", r->why);
}

bool sp_refusal_gate_take(struct sp_refusal_gate *g, enum sp_refusal_kind kind, uint64_t now_us)
{
    uint64_t *said_us = &g->said_us[kind];

    if (*said_us != 0 && now_us - *said_us < REPEAT_US)
        return false;
    *said_us = now_us;
    return true;
}
