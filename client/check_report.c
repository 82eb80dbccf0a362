/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "ready.h"

static const char *const status_names[] = {
    [SP_CHECK_OK] = "ok",
    [SP_CHECK_BLOCKED] = "blocked",
    [SP_CHECK_PROBLEM] = "problem",
    [SP_CHECK_SKIPPED] = "skipped",
};

struct sp_check_row *sp_check_add(struct sp_check_part *p, const char *check,
                                  enum sp_check_status status, const char *form, ...)
{
    struct sp_check_row *row = &p->rows[p->n < SP_CHECK_ROWS_MAX ? p->n++ : p->n - 1];
    va_list args;

    *row = (struct sp_check_row){.check = check, .status = status};
    va_start(args, form);
    vsnprintf(row->text, sizeof row->text, form, args);
    va_end(args);
    return row;
}

/* --- a server ------------------------------------------------------------------------------- */

void sp_check_name(struct sp_check_part *p, const char *host, bool has_proxy, int err,
                   const char *why, const struct sp_addr *addrs, size_t n)
{
    char list[SP_CHECK_TEXT_MAX / 2] = "", text[SP_ADDR_STRLEN];
    size_t len = 0;

    for (size_t i = 0; i < n && len + SP_ADDR_STRLEN + 2 < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "",
                                sp_addr_format_ip(&addrs[i], text));
    if (err == 0)
        sp_check_add(p, "name", SP_CHECK_OK, "%s is %s", host, list);
    else if (has_proxy)
        sp_check_add(p, "name", SP_CHECK_OK, "%s; the proxy has to know it", why);
    else
        sp_check_add(p, "name", SP_CHECK_BLOCKED, "%s", why)->advice =
            "see whether the name is right, and whether this host's name server answers";
}

/* From one step to the next; 0 when it was not reached. */
static uint64_t took(uint64_t from_us, uint64_t to_us)
{
    return from_us != 0 && to_us > from_us ? to_us - from_us : 0;
}

static void skip(struct sp_check_part *p, const char *check)
{
    sp_check_add(p, check, SP_CHECK_SKIPPED, "not tried");
}

/* The step that failed. */
static void failed(struct sp_check_part *p, const char *check, const struct sp_refusal *r,
                   enum sp_check_status status, const char *advice)
{
    char line[SP_REFUSAL_LINE_MAX];

    sp_refusal_explain(r, line);
    sp_check_add(p, check, status, "%s", line)->advice = advice;
}

static void connect_row(struct sp_check_part *p, const struct sp_check_dial *d)
{
    const struct sp_dial_trace *t = d->trace;
    char text[SP_ADDR_STRLEN];

    if (t->connected_us != 0) {
        sp_check_add(p, "connect", SP_CHECK_OK, "%s%s took the connection",
                     d->proxy != NULL ? "the proxy " : "", sp_addr_format(&t->remote, text))
            ->took_us = took(t->start_us, t->connected_us);
        return;
    }
    if (d->refusal == NULL)
        return;
    if (d->proxy != NULL)
        failed(p, "connect", d->refusal, SP_CHECK_BLOCKED,
               "see whether the proxy's name and port are right");
    else if (d->refusal->kind == SP_REFUSAL_NAME)
        failed(p, "connect", d->refusal, SP_CHECK_BLOCKED,
               "where names of the web are known to a proxy alone, name it with --proxy");
    else
        failed(p, "connect", d->refusal, SP_CHECK_BLOCKED,
               "if the web is reached by a proxy here, name it with --proxy; else "
               "the server is down, or a firewall does not let this port out");
}

static void proxy_row(struct sp_check_part *p, const struct sp_check_dial *d)
{
    const struct sp_dial_trace *t = d->trace;

    if (d->proxy == NULL)
        sp_check_add(p, "proxy", SP_CHECK_OK, "none in use");
    else if (t->proxied_us != 0)
        sp_check_add(p, "proxy", SP_CHECK_OK, "%s:%u lets the connection through", d->proxy->host,
                     d->proxy->port)
            ->took_us = took(t->connected_us, t->proxied_us);
    else if (t->connected_us == 0 || d->refusal == NULL)
        skip(p, "proxy");
    else
        failed(p, "proxy", d->refusal, SP_CHECK_BLOCKED,
               "the proxy has to allow CONNECT to the server");
}

static const char *const cert_advice[] = {
    [SP_REFUSAL_CERT_SIGNER] = "if that is not who signs the server's certificate, something on "
                               "the way reads your traffic",
    [SP_REFUSAL_CERT_NAME] = "compare --server's host with what the server's operator gave you",
    [SP_REFUSAL_CERT_DATE] = "set this host's clock; if it is right, tell the server's operator",
};

static void tls_row(struct sp_check_part *p, const struct sp_check_dial *d)
{
    const struct sp_dial_trace *t = d->trace;
    bool came = d->proxy != NULL ? t->proxied_us != 0 : t->connected_us != 0;

    if (t->secured_us != 0) {
        sp_check_add(p, "tls", SP_CHECK_OK, "%s; the certificate for %s is signed by %s, until %s",
                     t->tls, t->peer.names, t->peer.issuer, t->peer.until)
            ->took_us = took(d->proxy != NULL ? t->proxied_us : t->connected_us, t->secured_us);
    } else if (!came || d->refusal == NULL) {
        skip(p, "tls");
    } else if (sp_refusal_cert(d->refusal) != SP_REFUSAL_CERT_FINE) {
        failed(p, "tls", d->refusal, SP_CHECK_PROBLEM, cert_advice[sp_refusal_cert(d->refusal)]);
    } else {
        failed(p, "tls", d->refusal, SP_CHECK_BLOCKED,
               "something on the way may let only known traffic through, or another program "
               "has that port");
    }
}

static void tunnel_row(struct sp_check_part *p, const struct sp_check_dial *d)
{
    p->works = d->refusal == NULL;
    if (p->works)
        sp_check_add(p, "tunnel", SP_CHECK_OK,
                     "the token is accepted, a lane is open; round trip %.1f ms",
                     (double)d->rtt_us / 1000)
            ->took_us = took(d->trace->secured_us, d->end_us);
    else if (d->trace->secured_us == 0)
        skip(p, "tunnel");
    else
        failed(p, "tunnel", d->refusal, SP_CHECK_PROBLEM,
               "compare --server's path and the token with what the server's operator gave you");
}

void sp_check_dialled(struct sp_check_part *p, const struct sp_check_dial *d)
{
    if (d->proxy != NULL) {
        connect_row(p, d);
        proxy_row(p, d);
    } else {
        proxy_row(p, d);
        connect_row(p, d);
    }
    tls_row(p, d);
    tunnel_row(p, d);
}

void sp_check_udp(struct sp_check_part *p, const struct sp_addr *to, const struct sp_addr *mapped,
                  uint64_t took_us)
{
    char target[SP_ADDR_STRLEN], from[SP_ADDR_STRLEN];

    sp_addr_format(to, target);
    if (mapped != NULL)
        sp_check_add(p, "udp", SP_CHECK_OK, "%s answers, and sees %s", target,
                     sp_addr_format(mapped, from))
            ->took_us = took_us;
    else
        sp_check_add(p, "udp", SP_CHECK_BLOCKED, "no answer from %s", target)->advice =
            "no harm: the tunnel is for networks like this, or the server serves no UDP";
}

/* --- this host ------------------------------------------------------------------------------ */

void sp_check_address(struct sp_check_part *p, bool there)
{
    char text[SP_ADDR_STRLEN];

    sp_addr_format_ip(&sp_ready_both_browsers, text);
    if (there)
        sp_check_add(p, "address", SP_CHECK_OK, "this host has %s, which all browsers use", text);
    else
        sp_check_add(p, "address", SP_CHECK_PROBLEM,
                     "this host has no %s: Firefox will not use the gateway", text)
            ->advice = "as root: sallyport-local-address (scripts/local-address.sh), or ip address "
                       "add 192.0.2.1/32 dev lo";
}

void sp_check_listen(struct sp_check_part *p, const char *transport, const struct sp_addr *a,
                     int why)
{
    char text[SP_ADDR_STRLEN];
    struct sp_check_row *row;

    sp_addr_format(a, text);
    if (why == 0) {
        sp_check_add(p, "listen", SP_CHECK_OK, "%s %s is free", transport, text);
        return;
    }
    row = sp_check_add(p, "listen", SP_CHECK_PROBLEM, "%s %s: %s", transport, text,
                       strerrordesc_np(why));
    if (why == EADDRINUSE)
        row->advice = "a gateway may run already (fine), or another TURN server: see --listen";
    else if (why == EADDRNOTAVAIL)
        row->advice = "--listen wants an address that this host has";
}

/* --- how it is shown ------------------------------------------------------------------------ */

void sp_check_write(const struct sp_check_part *p, FILE *out)
{
    fprintf(out, "%s\n", p->title);
    for (size_t i = 0; i < p->n; i++) {
        const struct sp_check_row *r = &p->rows[i];
        fprintf(out, "  %-8s %-8s %s", status_names[r->status], r->check, r->text);
        if (r->took_us != 0)
            fprintf(out, " (%.1f ms)", (double)r->took_us / 1000);
        fputc('\n', out);
        if (r->advice != NULL)
            fprintf(out, "  %-8s %-8s   %s\n", "", "", r->advice);
    }
}

struct json_t *sp_check_json(const struct sp_check_part *p)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < p->n; i++) {
        const struct sp_check_row *r = &p->rows[i];
        json_t *row = json_pack("{s:s, s:s, s:s}", "check", r->check, "status",
                                status_names[r->status], "text", r->text);
        if (r->advice != NULL)
            json_object_set_new(row, "advice", json_string(r->advice));
        if (r->took_us != 0)
            json_object_set_new(row, "ms", json_real((double)r->took_us / 1000));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:o}", "title", p->title, "checks", rows);
}
