/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/admin.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/listener.h"
#include "sallyport/stream.h"

#define MAX_CONNS  32
#define REQUEST_US SP_SEC(5) /* for a whole request to arrive */
#define FINISH_US  SP_SEC(5) /* for the answer to leave */

/* --- bodies --------------------------------------------------------------------------------- */

void sp_admin_put(struct sp_admin_reply *r, const char *form, ...)
{
    va_list args, again;

    va_start(args, form);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, form, args);
    uint8_t *p = len < 0 ? NULL : sp_buf_reserve(&r->body, (size_t)len + 1);
    if (p == NULL) {
        r->failed = true;
    } else {
        vsnprintf((char *)p, (size_t)len + 1, form, again);
        sp_buf_commit(&r->body, (size_t)len);
    }
    va_end(again);
    va_end(args);
}

void sp_admin_put_json(struct sp_admin_reply *r, struct json_t *root)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));

    r->type = "application/json";
    if (text == NULL)
        r->failed = true;
    else
        sp_admin_put(r, "%s\n", text);
    free(text);
    json_decref(root);
}

struct json_t *sp_admin_json_table(const struct sp_counter *table, size_t n, const void *base)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++)
        json_object_set_new(o, table[i].field,
                            json_integer((json_int_t)sp_counter_value(&table[i], base)));
    return o;
}

struct json_t *sp_admin_json_addr(const struct sp_addr *a)
{
    char text[SP_ADDR_STRLEN];
    return json_string(sp_addr_format(a, text));
}

struct json_t *sp_admin_json_groups(const struct sp_counter_group *groups, size_t n,
                                    const void *base)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++)
        json_object_set_new(o, groups[i].name,
                            sp_admin_json_table(groups[i].table, groups[i].n,
                                                (const char *)base + groups[i].offset));
    return o;
}

/* --- a request and its answer --------------------------------------------------------------- */

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason_of(unsigned status)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

static void refuse(struct sp_admin_reply *r, unsigned status, const char *text)
{
    sp_buf_consume(&r->body, r->body.len);
    r->failed = false;
    r->status = status;
    r->type = "text/plain; charset=utf-8";
    sp_admin_put(r, "%s\n", text);
}

static bool is_text(struct sp_span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp((const char *)s.p, text, s.len) == 0;
}

/* Cuts ":port" off, if there is one. */
static struct sp_span host_name(struct sp_span host)
{
    size_t digits = 0;

    while (digits < host.len && host.p[host.len - 1 - digits] >= '0' &&
           host.p[host.len - 1 - digits] <= '9')
        digits++;
    if (digits < host.len && host.p[host.len - 1 - digits] == ':')
        host.len -= digits + 1;
    return host;
}

static bool host_is_safe(const struct sp_http_head *h)
{
    struct sp_span host;
    struct sp_addr ip;
    char text[SP_ADDR_STRLEN];

    if (!sp_http_find(h, "Host", &host))
        return h->minor == 0; /* a browser never leaves it out */
    host = host_name(host);
    if (is_text(host, "localhost"))
        return true;
    if (host.len >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)host.len, (const char *)host.p);
    return sp_addr_parse_ip(text, &ip) == 0;
}

static const struct sp_admin_route *find_route(const struct sp_admin_route *routes, size_t n,
                                               struct sp_span target)
{
    const uint8_t *query = memchr(target.p, '?', target.len);

    if (query != NULL)
        target.len = (size_t)(query - target.p);
    for (size_t i = 0; i < n; i++)
        if (sp_span_eq(target, sp_span_str(routes[i].path)))
            return &routes[i];
    return NULL;
}

static void handle(const struct sp_admin_route *routes, size_t n, void *arg,
                   const struct sp_http_head *h, struct sp_admin_reply *r)
{
    const struct sp_admin_route *route = find_route(routes, n, h->target);

    if (!host_is_safe(h))
        refuse(r, 403, "ask for an IP address or localhost");
    else if (!is_text(h->method, "GET") && !is_text(h->method, "HEAD"))
        refuse(r, 405, "GET and HEAD only");
    else if (route == NULL)
        refuse(r, 404, "no such page");
    else
        route->fn(r, arg);
    if (r->failed)
        refuse(r, 500, "the answer is too long, or there is no memory");
}

int sp_admin_respond(const struct sp_admin_route *routes, size_t n, void *arg, struct sp_span in,
                     struct sp_buf *out)
{
    struct sp_http_head h = {0};
    struct sp_admin_reply r = {.status = 200, .type = "text/plain; charset=utf-8"};
    char head[512];
    size_t used;

    int err = sp_http_parse_request(in, &h, &used);
    if (err == SP_EMORE)
        return err;
    sp_buf_init(&r.body, SP_ADMIN_BODY_MAX);
    if (err == 0)
        handle(routes, n, arg, &h, &r);
    else if (err == SP_ETOOBIG)
        refuse(&r, 431, "the request is too long");
    else if (err == SP_EPROTO)
        refuse(&r, 505, "HTTP/1.1 only");
    else
        refuse(&r, 400, "not an HTTP request");

    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %u %s\r\n"
                       "Content-Type: %s\r\n"
                       "Content-Length: %zu\r\n"
                       "%s"
                       "Cache-Control: no-store\r\n"
                       "X-Content-Type-Options: nosniff\r\n"
                       "Connection: close\r\n\r\n",
                       r.status, reason_of(r.status), r.type, r.body.len,
                       r.status == 405 ? "Allow: GET, HEAD\r\n" : "");
    struct sp_span body = sp_buf_span(&r.body);
    if (err == 0 && is_text(h.method, "HEAD"))
        body.len = 0;
    err = sp_buf_reserve(out, (size_t)len + body.len) == NULL ? SP_ENOMEM : 0;
    if (err == 0) {
        sp_buf_append(out, sp_span(head, (size_t)len));
        sp_buf_append(out, body);
    }
    sp_buf_fini(&r.body);
    return err;
}

/* --- connections ---------------------------------------------------------------------------- */

struct conn {
    struct sp_link link;
    struct sp_admin *admin;
    struct sp_stream *stream;
    struct sp_timer deadline;
};

struct sp_admin {
    struct sp_ticker *ticker;
    struct sp_listener *listener;
    const struct sp_admin_route *routes;
    size_t n_routes;
    void *arg;
    struct sp_list conns;
    size_t n_conns;
};

static void conn_free(struct conn *c)
{
    sp_timerq_cancel(&c->admin->ticker->timers, &c->deadline);
    sp_list_remove(&c->link);
    c->admin->n_conns--;
    sp_stream_free(c->stream);
    free(c);
}

static void on_deadline(struct sp_timer *t, uint64_t now_us, void *arg)
{
    (void)t;
    (void)now_us;
    conn_free(arg);
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct conn *c = arg;
    struct sp_admin *a = c->admin;
    struct sp_buf out;

    if (!sp_timer_is_set(&c->deadline)) { /* answered already */
        sp_buf_consume(sp_stream_in(s), sp_stream_in(s)->len);
        return;
    }
    sp_buf_init(&out, SP_ADMIN_BODY_MAX + 1024);
    int err = sp_admin_respond(a->routes, a->n_routes, a->arg, sp_buf_span(sp_stream_in(s)), &out);
    if (err != SP_EMORE) { /* no memory: it ends without an answer */
        sp_timerq_cancel(&a->ticker->timers, &c->deadline);
        sp_stream_write(s, sp_buf_span(&out));
        sp_stream_finish(s, FINISH_US);
    }
    sp_buf_fini(&out);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    (void)s;
    (void)why;
    conn_free(arg);
}

static const struct sp_stream_events conn_events = {.input = on_input, .closed = on_closed};

static void on_accept(struct sp_listener *l, int fd, const struct sp_addr *remote, void *arg)
{
    struct sp_admin *a = arg;
    struct conn *c = calloc(1, sizeof *c);
    (void)l;
    (void)remote;

    if (a->n_conns == MAX_CONNS) /* the oldest has had its time, or lets it pass */
        conn_free(SP_LIST_ITEM(sp_list_first(&a->conns), struct conn, link));
    if (c == NULL || sp_stream_new(a->ticker, fd, &conn_events, c, &c->stream) != 0) {
        close(fd);
        free(c);
        return;
    }
    c->admin = a;
    sp_list_append(&a->conns, &c->link);
    a->n_conns++;
    sp_timer_init(&c->deadline, on_deadline, c);
    if (sp_timerq_set(&a->ticker->timers, &c->deadline, sp_ticker_now(a->ticker) + REQUEST_US) != 0)
        conn_free(c); /* without a bound it may not live */
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_admin_open(struct sp_ticker *ticker, const struct sp_log *log, const struct sp_addr *local,
                  const struct sp_admin_route *routes, size_t n, void *arg, struct sp_admin **out)
{
    struct sp_sock_options o = {0};
    struct sp_admin *a = calloc(1, sizeof *a);

    if (a == NULL)
        return SP_ENOMEM;
    a->ticker = ticker;
    a->routes = routes;
    a->n_routes = n;
    a->arg = arg;
    sp_list_init(&a->conns);
    int err = sp_listener_open(ticker, log, local, &o, on_accept, a, &a->listener);
    if (err != 0) {
        free(a); /* errno is what the caller wants to know; free keeps it */
        return err;
    }
    *out = a;
    return 0;
}

void sp_admin_close(struct sp_admin *a)
{
    if (a == NULL)
        return;
    sp_listener_close(a->listener);
    SP_LIST_EACH(&a->conns, link, after)
    conn_free(SP_LIST_ITEM(link, struct conn, link));
    free(a);
}

const struct sp_addr *sp_admin_local(const struct sp_admin *a)
{
    return sp_listener_local(a->listener);
}
