/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo.h"

#include <stdio.h>
#include <stdlib.h>

#include "demo_files.h"
#include "sallyport/crypto.h"
#include "sallyport/err.h"
#include "script.h"
#include "ticket.h"

#define US_PER_S UINT64_C(1000000)

#define ROOT   "/demo"
#define ROOMS  ROOT "/rooms/"
#define LEAVE  "/leave"
#define SCRIPT ROOT "/sallyport.js"

/* Nothing from anywhere else, and nothing that is written into the page itself. */
#define PAGE_FIELDS                                                                               \
    "Cache-Control: no-cache\r\n"                                                                 \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "          \
    "img-src 'self'; connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'none'\r\n"                                                                  \
    "Permissions-Policy: camera=(self), microphone=(self)\r\n"                                    \
    "Referrer-Policy: no-referrer\r\n"                                                            \
    "X-Content-Type-Options: nosniff\r\n"

struct sp_demo {
    struct sp_demo_config config;
    const struct sp_demo_host *host;
    void *arg;
    struct sp_demo_rooms *rooms;
};

/* One that is being answered. */
struct task {
    struct sp_demo *demo;
    const struct sp_demo_request *request;
    struct sp_api_manner manner;
    struct sp_span path, name, key;
    bool leaves;
    struct sp_demo_reply *out;
};

static const struct file {
    const char *path, *type;
    const unsigned char *bytes;
    const size_t *len;
} files[] = {
#define FILE_ROW(name, file, type) {ROOT "/" file, type, sp_demo_##name, &sp_demo_##name##_len},
    SP_DEMO_FILES(FILE_ROW){SCRIPT, "text/javascript; charset=utf-8", sp_script, &sp_script_len},
};

/* --- those who meet ------------------------------------------------------------------------- */

/* `gateway` NULL: none may be asked. A page must not have ports opened in LANs that it is not in.
 */
static int describe(const struct sp_demo *d, const struct sp_rdv_view *v, unsigned end,
                    const char *gateway, uint64_t expires_s, char out[static SP_DEMO_MEETING_MAX])
{
    char ticket[SP_TOKEN_MAX + 1];
    const struct sp_keys *keys = d->config.keys->now;
    int err = sp_ticket_make(keys->secrets.items[0], v, end, gateway != NULL ? gateway : "",
                             expires_s, ticket);

    if (err != 0)
        return err;
    json_t *o = json_pack("{s:s, s:b, s:s?}", "ticket", ticket, "calls", (int)(end == 0), "gateway",
                          gateway);
    size_t len = o != NULL ? json_dumpb(o, out, SP_DEMO_MEETING_MAX - 1, JSON_COMPACT) : 0;
    json_decref(o);
    if (len == 0 || len >= SP_DEMO_MEETING_MAX)
        return SP_ENOMEM;
    out[len] = '\0';
    return 0;
}

static int on_introduce(void *arg, const struct sp_addr from[static 2], uint64_t now_us,
                        struct sp_demo_meeting *out)
{
    const struct sp_demo *d = arg;
    const struct sp_rdv_order order = {
        .subject = sp_span_str(SP_DEMO_SUBJECT), .ttl_us = SP_DEMO_TTL_US, .early = true};
    struct sp_rdv_session *s;
    struct sp_rdv_view v;
    int err = sp_rdv_create(d->config.rdv, &order, now_us, &s);

    if (err != 0)
        return err;
    sp_rdv_view(s, now_us, &v);
    snprintf(out->session, sizeof out->session, "%s", v.id);
    for (unsigned end = 0; end < 2 && err == 0; end++)
        err = describe(d, &v, end, d->host->gateway_at(d->arg, &from[end]),
                       sp_clock_unix_s() + SP_DEMO_TTL_US / US_PER_S, out->text[end]);
    if (err != 0)
        sp_rdv_end(s, "no tickets", now_us);
    return err;
}

static void on_part(void *arg, const char *session, uint64_t now_us)
{
    const struct sp_demo *d = arg;
    struct sp_rdv_session *s = sp_rdv_find(d->config.rdv, sp_span_str(session));

    if (s != NULL)
        sp_rdv_end(s, "demo is over", now_us);
}

static bool on_send(void *arg, void *listener, struct sp_span text)
{
    const struct sp_demo *d = arg;
    return d->host->send(d->arg, listener, text);
}

static void on_close(void *arg, void *listener)
{
    const struct sp_demo *d = arg;
    d->host->close(d->arg, listener);
}

static const struct sp_demo_effects effects = {
    .send = on_send, .close = on_close, .introduce = on_introduce, .part = on_part};

/* --- answers -------------------------------------------------------------------------------- */

static enum sp_demo_outcome refuse(struct task *t, enum sp_api_problem problem, unsigned retry_s,
                                   const char *field, const char *detail)
{
    struct sp_api_fault fault;

    sp_api_fault(&fault, problem, "", "%s", detail);
    fault.retry_s = retry_s;
    sp_api_answer_fault(&t->out->answer, &t->manner, field, &fault);
    return SP_DEMO_ANSWERED;
}

/* An event instead of a status, which browsers don't show to who listens to events. */
static enum sp_demo_outcome refuse_listener(struct task *t, struct sp_span event)
{
    t->manner.keep_alive = false;
    sp_api_answer_page(&t->out->answer, &t->manner, "text/event-stream",
                       "Cache-Control: no-store\r\n", event);
    return SP_DEMO_ANSWERED;
}

static enum sp_demo_outcome answer_file(struct task *t)
{
    const struct sp_http_head *h = t->request->head;
    bool head = sp_span_eq(h->method, sp_span_str("HEAD"));
    struct sp_span path = sp_span_eq(t->path, sp_span_str(ROOT)) ? sp_span_str(ROOT "/") : t->path;

    for (size_t i = 0; i < SP_ARRAY_LEN(files); i++) {
        const struct file *f = &files[i];
        if (!sp_span_eq(path, sp_span_str(f->path)))
            continue;
        if (!head && !sp_span_eq(h->method, sp_span_str("GET")))
            return refuse(t, SP_API_WRONG_METHOD, 0, "Allow: GET, HEAD\r\n", "this is a page");
        sp_api_answer_page(&t->out->answer, &t->manner, f->type, PAGE_FIELDS,
                           sp_span(f->bytes, *f->len));
        if (head)
            t->out->answer.body = sp_span(NULL, 0);
        return SP_DEMO_ANSWERED;
    }
    return SP_DEMO_NOT_OURS;
}

/* --- rooms ---------------------------------------------------------------------------------- */

/* The same for all workers. */
static unsigned worker_of(const struct sp_demo *d, struct sp_span name)
{
    uint8_t digest[SP_SHA256_LEN];

    sp_sha256(&name, 1, digest);
    return (unsigned)(sp_get_be64(digest) % d->config.workers);
}

/* The number of the last event that was heard, as a browser tells it that comes back. */
static uint64_t heard(const struct sp_http_head *h)
{
    struct sp_span v;
    uint64_t n = 0;

    if (sp_http_find_one(h, "Last-Event-ID", &v) != 0 || v.len > 18)
        return 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    return n;
}

/* Whoever comes back to a seat may: pages do it by themselves. */
static bool in_time(const struct task *t)
{
    const struct sp_demo_config *c = &t->demo->config;

    if (sp_demo_has_seat(t->demo->rooms, t->name, t->key) ||
        sp_prefix_limit_take(c->joins, t->request->remote, t->request->now_us))
        return true;
    ++*c->join_hits;
    return false;
}

#define HEAD_MAX 256

static struct sp_span write_head(uint64_t unix_s, char out[static HEAD_MAX])
{
    char date[30];

    sp_http_date(unix_s, date);
    int n = snprintf(out, HEAD_MAX,
                     "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\nretry: 1000\n\n",
                     date);
    return sp_span(out, (size_t)n);
}

#define REFUSED(code) sp_span_str("event: refused\ndata: {\"code\":\"" code "\"}\n\n")

static enum sp_demo_outcome listen_to(struct task *t)
{
    const struct sp_demo_request *r = t->request;
    char head[HEAD_MAX];
    const struct sp_demo_visit v = {.name = t->name,
                                    .key = t->key,
                                    .from = *r->remote,
                                    .heard = heard(r->head),
                                    .head = write_head(r->unix_s, head),
                                    .listener = r->listener};

    if (!in_time(t))
        return refuse_listener(t, REFUSED("too_many"));
    int err = sp_demo_listen(t->demo->rooms, &v, r->now_us, &t->out->seat);
    if (err == 0)
        return SP_DEMO_LISTENS;
    return refuse_listener(t, err == SP_EEXIST ? REFUSED("occupied") : REFUSED("full"));
}

static bool is_line(struct sp_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return s.len > 0;
}

static enum sp_demo_outcome say(struct task *t)
{
    const struct sp_demo_request *r = t->request;
    const struct sp_http_head *h = r->head;

    if (h->chunked || !h->has_length)
        return refuse(t, SP_API_NO_LENGTH, 0, "", "wants the body's length");
    if (h->content_length > SP_DEMO_TEXT_MAX) {
        t->manner.keep_alive = false; /* not worth reading past */
        return refuse(t, SP_API_TOO_LARGE, 0, "", "a message has at most 16384 bytes");
    }
    if (r->body.len < h->content_length)
        return SP_DEMO_MORE;
    struct sp_span text = sp_span(r->body.p, (size_t)h->content_length);
    if (!is_line(text))
        return refuse(t, SP_API_MALFORMED, 0, "",
                      "a message is one line without control characters");
    switch (sp_demo_say(t->demo->rooms, t->name, t->key, text, r->now_us)) {
    case 0:
    case SP_ECLOSED: /* nobody is there to miss it */
        sp_api_answer_empty(&t->out->answer, &t->manner, "");
        return SP_DEMO_ANSWERED;
    case SP_ENOENT:
        return refuse(t, SP_API_NO_SUCH_SESSION, 0, "", "nobody has this seat (any more)");
    case SP_EAGAIN:
        return refuse(t, SP_API_TOO_MANY_REQUESTS, 1, "", "by this seat, in this second");
    default:
        return refuse(t, SP_API_FULL, 1, "", "no memory");
    }
}

static enum sp_demo_outcome serve_room(struct task *t)
{
    const struct sp_demo_request *r = t->request;
    const struct sp_http_head *h = r->head;
    unsigned worker = worker_of(t->demo, t->name);
    bool get = sp_span_eq(h->method, sp_span_str("GET"));

    if (!(get && !t->leaves) && !sp_span_eq(h->method, sp_span_str("POST")))
        return refuse(t, SP_API_WRONG_METHOD, 0, "Allow: GET, POST\r\n",
                      "a room is listened to, or spoken in");
    if (!r->stay && worker != t->demo->config.worker) {
        t->out->worker = worker;
        return SP_DEMO_ELSEWHERE;
    }
    if (worker != t->demo->config.worker)
        return get ? refuse_listener(t, REFUSED("full"))
                   : refuse(t, SP_API_FULL, 1, "", "there is too much to do at the moment");
    if (get)
        return listen_to(t);
    if (!t->leaves)
        return say(t);
    sp_demo_leave(t->demo->rooms, t->name, t->key, r->now_us);
    sp_api_answer_empty(&t->out->answer, &t->manner, "");
    return SP_DEMO_ANSWERED;
}

/* --- requests ------------------------------------------------------------------------------- */

static bool starts_with(struct sp_span s, const char *front)
{
    return s.len >= strlen(front) && memcmp(s.p, front, strlen(front)) == 0;
}

static bool ends_with(struct sp_span s, const char *back)
{
    return s.len >= strlen(back) && memcmp(s.p + s.len - strlen(back), back, strlen(back)) == 0;
}

/* Whether it names a room and a seat. */
static bool read_room(struct task *t, struct sp_span query)
{
    static const char seat[] = "seat=";

    if (!starts_with(t->path, ROOMS) || !starts_with(query, seat))
        return false;
    t->name = sp_span_skip(t->path, strlen(ROOMS));
    t->leaves = ends_with(t->name, LEAVE);
    if (t->leaves)
        t->name.len -= strlen(LEAVE);
    t->key = sp_span_skip(query, strlen(seat));
    return sp_demo_name_ok(t->name) && sp_demo_key_ok(t->key);
}

bool sp_demo_is_path(struct sp_span target)
{
    return starts_with(target, ROOT);
}

enum sp_demo_outcome sp_demo_serve(struct sp_demo *d, const struct sp_demo_request *r,
                                   struct sp_demo_reply *out)
{
    static const struct sp_origins own = {.own = true};
    const struct sp_http_head *h = r->head;
    struct task t = {.demo = d, .request = r, .path = h->target, .out = out};
    struct sp_span query = sp_span(NULL, 0);
    const uint8_t *mark = memchr(h->target.p, '?', h->target.len);
    const char *origin;

    t.manner =
        (struct sp_api_manner){.unix_s = r->unix_s, .keep_alive = h->keep_alive && !h->chunked};
    if (mark != NULL) {
        t.path.len = (size_t)(mark - h->target.p);
        query = sp_span_skip(h->target, t.path.len + 1);
    }
    if (read_room(&t, query))
        /* Pages of others can't fill rooms with the visitors they have. */
        return sp_origin_of(&own, h, &origin) == SP_ORIGIN_ALLOWED ? serve_room(&t)
                                                                   : SP_DEMO_NOT_OURS;
    return answer_file(&t);
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_demo_new(const struct sp_demo_config *c, const struct sp_demo_host *host, void *arg,
                struct sp_timerq *timers, struct sp_rng *rng, struct sp_demo **out)
{
    struct sp_demo *d = calloc(1, sizeof *d);

    if (d == NULL)
        return SP_ENOMEM;
    d->config = *c;
    d->host = host;
    d->arg = arg;
    int err = sp_demo_rooms_new(&c->rooms, &effects, d, timers, rng, &d->rooms);
    if (err != 0) {
        free(d);
        return err;
    }
    *out = d;
    return 0;
}

void sp_demo_free(struct sp_demo *d, uint64_t now_us)
{
    if (d == NULL)
        return;
    sp_demo_rooms_free(d->rooms, now_us);
    free(d);
}

const struct sp_demo_counters *sp_demo_counters(const struct sp_demo *d)
{
    return sp_demo_rooms_counters(d->rooms);
}
