/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http-parser is lenient where lenience lets two hops disagree about where a message ends: it takes
 * a bare LF for a line's end, folded lines, spaces in field names, ICE/1.0 for a version, and any
 * Transfer-Encoding in a response. So the lines are looked over before it sees them, and the
 * framing fields after.
 */
#include "sallyport/http.h"

#include <http_parser.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "sallyport/err.h"

struct parse {
    struct sp_http_head head;
    bool complete, too_many;
};

static const char *const methods[] = {
#define METHOD(num, name, string) #string,
    HTTP_METHOD_MAP(METHOD)
#undef METHOD
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct sp_span trim(struct sp_span s)
{
    while (s.len > 0 && is_blank(s.p[0]))
        s = sp_span_skip(s, 1);
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

static bool equals_nocase(struct sp_span s, const char *text)
{
    size_t len = strlen(text);

    return s.len == len && strncasecmp((const char *)s.p, text, len) == 0;
}

static int on_url(http_parser *hp, const char *at, size_t len)
{
    struct parse *p = hp->data;

    p->head.target = sp_span(at, len);
    return 0;
}

static int on_field(http_parser *hp, const char *at, size_t len)
{
    struct parse *p = hp->data;

    if (p->head.n_fields == SP_HTTP_FIELDS_MAX) {
        p->too_many = true;
        return -1;
    }
    /* "Content-Length : 5" is one field to some readers and another to others (RFC 9112 5.1). */
    if (memchr(at, ' ', len))
        return -1;
    p->head.fields[p->head.n_fields++] =
        (struct sp_http_field){sp_span(at, len), sp_span(at + len, 0)};
    return 0;
}

static int on_value(http_parser *hp, const char *at, size_t len)
{
    struct parse *p = hp->data;

    p->head.fields[p->head.n_fields - 1].value = trim(sp_span(at, len));
    return 0;
}

static int on_complete(http_parser *hp)
{
    struct parse *p = hp->data;

    p->head.keep_alive = http_should_keep_alive(hp) != 0;
    p->head.status = hp->type == HTTP_RESPONSE ? hp->status_code : 0;
    p->head.major = hp->http_major;
    p->head.minor = hp->http_minor;
    p->head.content_length = hp->content_length;
    p->complete = true;
    return 0;
}

/*
 * Finds where the head starts (a client may send an empty line first, RFC 9112 2.2) and ends.
 * Refuses control characters, a CR or LF that is alone, and lines that start with a blank: a folded
 * field value, or nothing that HTTP knows.
 */
static int find_end(struct sp_span s, bool request, size_t *start, size_t *end)
{
    size_t limit = s.len < SP_HTTP_HEAD_MAX ? s.len : SP_HTTP_HEAD_MAX;
    size_t i = 0, line;

    while (request && i + 1 < limit && s.p[i] == '\r' && s.p[i + 1] == '\n')
        i += 2;
    *start = line = i;
    for (; i < limit; i++) {
        uint8_t c = s.p[i];

        if (c == '\r') {
            if (i + 1 == limit)
                break;
            if (s.p[i + 1] != '\n')
                return SP_EBADMSG;
            if (i == line) {
                *end = i + 2;
                return i == *start ? SP_EBADMSG : 0;
            }
            line = ++i + 1;
        } else if ((c < ' ' && c != '\t') || c == 0x7f || (i == line && is_blank(c))) {
            return SP_EBADMSG;
        }
    }
    *end = limit;
    return s.len >= SP_HTTP_HEAD_MAX ? SP_ETOOBIG : SP_EMORE;
}

/* The last element of Transfer-Encoding over all its lines decides how the body ends. */
static int check_transfer_encoding(struct sp_http_head *h, bool request)
{
    bool any = false, chunked = false;

    for (size_t i = 0; i < h->n_fields; i++) {
        struct sp_span rest = h->fields[i].value;

        if (!equals_nocase(h->fields[i].name, "Transfer-Encoding"))
            continue;
        for (bool more = true; more;) {
            const uint8_t *comma = rest.len ? memchr(rest.p, ',', rest.len) : NULL;
            size_t len = comma ? (size_t)(comma - rest.p) : rest.len;

            if (chunked) /* something stands behind it, or it stands there twice */
                return SP_EBADMSG;
            chunked = equals_nocase(trim(sp_span(rest.p, len)), "chunked");
            more = comma != NULL;
            rest = sp_span_skip(rest, more ? len + 1 : len);
        }
        any = true;
    }
    if (any && (h->has_length || (h->major == 1 && h->minor == 0) || (request && !chunked)))
        return SP_EBADMSG;
    h->chunked = chunked;
    return 0;
}

static int check_framing(struct sp_http_head *h, bool request)
{
    size_t lengths = 0, hosts = 0;

    for (size_t i = 0; i < h->n_fields; i++) {
        struct sp_span value = h->fields[i].value;

        if (equals_nocase(h->fields[i].name, "Host"))
            hosts++;
        if (!equals_nocase(h->fields[i].name, "Content-Length"))
            continue;
        if (value.len == 0)
            return SP_EBADMSG;
        for (size_t k = 0; k < value.len; k++)
            if (value.p[k] < '0' || value.p[k] > '9')
                return SP_EBADMSG;
        lengths++;
    }
    if (lengths > 1 || hosts > 1)
        return SP_EBADMSG;
    h->has_length = lengths == 1;
    if (!h->has_length)
        h->content_length = 0;
    return check_transfer_encoding(h, request);
}

/* The start line's own rules; `text` is the head. */
static int check_start(struct sp_http_head *h, struct sp_span text, bool request)
{
    if (request) {
        const uint8_t *space = memchr(text.p, ' ', text.len);
        const uint8_t *after = h->target.p + h->target.len;
        size_t left = (size_t)(text.p + text.len - after);

        h->method = sp_span(text.p, (size_t)(space - text.p));
        /* two blanks; HTTP/0.9 had no version; Icecast has ICE/1.0 */
        if (h->target.p != space + 1 || h->major == 0 || left < 6 ||
            memcmp(after, " HTTP/", 6) != 0)
            return SP_EBADMSG;
    } else if (h->status < 100) {
        return SP_EBADMSG;
    }
    return h->major == 1 ? 0 : SP_EPROTO;
}

/* A token (RFC 9110 section 5.6.2). */
static bool is_token(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Whether it begins with a request line of HTTP/1, whatever the method: 1 yes, 0 no, SP_EMORE. */
static int is_request_line(struct sp_span s)
{
    static const char version[] = " HTTP/1.";
    size_t i = 0, k = 0;

    while (i < s.len && is_token(s.p[i]))
        i++;
    if (i == s.len)
        return SP_EMORE;
    if (i == 0 || s.p[i] != ' ')
        return 0;
    i++;
    if (i < s.len && s.p[i] != '/' && s.p[i] != '*')
        return 0;
    while (i < s.len && s.p[i] > ' ' && s.p[i] != 0x7f)
        i++;
    for (; i < s.len && version[k] != '\0'; i++, k++)
        if (s.p[i] != (uint8_t)version[k])
            return 0;
    if (i == s.len)
        return SP_EMORE;
    return s.p[i] >= '0' && s.p[i] <= '9';
}

static int parse_head(struct sp_span s, bool request, struct sp_http_head *out, size_t *used)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_complete,
    };
    struct parse p = {.complete = false};
    http_parser hp;
    size_t start = 0, end = 0;
    int found = find_end(s, request, &start, &end), err;
    struct sp_span text;

    if (found == SP_EBADMSG)
        return found;
    if (end == start) /* to http-parser an empty piece means that the stream ended */
        return found;
    text = sp_span(s.p + start, end - start);
    http_parser_init(&hp, request ? HTTP_REQUEST : HTTP_RESPONSE);
    hp.data = &p;
    http_parser_execute(&hp, &settings, (const char *)text.p, text.len);
    if (p.too_many)
        return SP_ETOOBIG;
    /* To http-parser it is over with the first letter; whether it is a request shows later. */
    if (HTTP_PARSER_ERRNO(&hp) == HPE_INVALID_METHOD && found == SP_EMORE &&
        is_request_line(text) == SP_EMORE)
        return SP_EMORE;
    if (HTTP_PARSER_ERRNO(&hp) != HPE_OK)
        return SP_EBADMSG;
    if (found < 0)
        return found;
    if (!p.complete)
        return SP_EBADMSG;
    err = check_start(&p.head, text, request);
    if (err == 0)
        err = check_framing(&p.head, request);
    if (err < 0)
        return err;
    p.head.upgrade = sp_http_has_token(&p.head, "Connection", "upgrade") &&
                     sp_http_find(&p.head, "Upgrade", &(struct sp_span){NULL, 0});
    *out = p.head;
    *used = end;
    return 0;
}

int sp_http_parse_request(struct sp_span s, struct sp_http_head *out, size_t *used)
{
    return parse_head(s, true, out, used);
}

int sp_http_parse_response(struct sp_span s, struct sp_http_head *out, size_t *used)
{
    return parse_head(s, false, out, used);
}

unsigned sp_http_refusal(struct sp_span s, int err)
{
    if (s.len > SP_HTTP_HEAD_MAX) /* no more was looked at */
        s.len = SP_HTTP_HEAD_MAX;
    while (s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n')
        s = sp_span_skip(s, 2);
    if (err == SP_EPROTO)
        return 505;
    if (err == SP_ETOOBIG)
        return memchr(s.p, '\n', s.len) != NULL ? 431 : 414;
    return s.len > 0 && is_request_line(s) == 1 && sp_http_looks_like(s) != 1 ? 501 : 400;
}

bool sp_http_find(const struct sp_http_head *h, const char *name, struct sp_span *value)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        if (equals_nocase(h->fields[i].name, name)) {
            *value = h->fields[i].value;
            return true;
        }
    }
    return false;
}

int sp_http_find_one(const struct sp_http_head *h, const char *name, struct sp_span *value)
{
    const struct sp_http_field *found = NULL;

    for (size_t i = 0; i < h->n_fields; i++) {
        if (!equals_nocase(h->fields[i].name, name))
            continue;
        if (found)
            return SP_EBADMSG;
        found = &h->fields[i];
    }
    if (!found)
        return SP_ENOENT;
    *value = found->value;
    return 0;
}

int sp_http_bearer(const struct sp_http_head *h, struct sp_span *token)
{
    static const char scheme[] = "Bearer ";
    struct sp_span v;
    int err = sp_http_find_one(h, "Authorization", &v);

    if (err < 0)
        return err;
    if (v.len < sizeof(scheme) - 1 ||
        strncasecmp((const char *)v.p, scheme, sizeof(scheme) - 1) != 0)
        return SP_EBADMSG;
    v = trim(sp_span_skip(v, sizeof(scheme) - 1));
    for (size_t i = 0; i < v.len; i++)
        if (v.p[i] <= ' ' || v.p[i] >= 0x7f)
            return SP_EBADMSG;
    if (v.len == 0)
        return SP_EBADMSG;
    *token = v;
    return 0;
}

bool sp_http_has_token(const struct sp_http_head *h, const char *name, const char *token)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        struct sp_span rest = h->fields[i].value;

        if (!equals_nocase(h->fields[i].name, name))
            continue;
        while (rest.len > 0) {
            const uint8_t *comma = memchr(rest.p, ',', rest.len);
            size_t len = comma ? (size_t)(comma - rest.p) : rest.len;

            if (equals_nocase(trim(sp_span(rest.p, len)), token))
                return true;
            rest = sp_span_skip(rest, comma ? len + 1 : len);
        }
    }
    return false;
}

int sp_http_looks_like(struct sp_span s)
{
    int verdict = 0;

    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++) {
        size_t len = strlen(methods[i]);
        size_t n = s.len < len ? s.len : len;

        if (n > 0 && memcmp(s.p, methods[i], n) != 0)
            continue;
        if (s.len <= len)
            verdict = SP_EMORE;
        else if (s.p[len] == ' ')
            return 1;
    }
    return verdict;
}

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void sp_http_date(uint64_t unix_s, char out[static 30])
{
    const uint64_t last = 253402300799; /* the end of the year 9999 */
    time_t t = (time_t)(unix_s < last ? unix_s : last);
    struct tm tm;

    gmtime_r(&t, &tm);
    /* not strftime: the names are English whatever the locale */
    snprintf(out, 30, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
             (unsigned)tm.tm_mday % 100, months[tm.tm_mon], (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

int sp_http_parse_date(struct sp_span s, uint64_t *unix_s)
{
    char text[30], again[30], month[4];
    struct tm tm = {0};
    time_t t;

    if (s.len != 29)
        return SP_EBADMSG;
    memcpy(text, s.p, 29);
    text[29] = '\0';
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6)
        return SP_EBADMSG;
    while (tm.tm_mon < 12 && strcmp(months[tm.tm_mon], month) != 0)
        tm.tm_mon++;
    if (tm.tm_mon == 12 || tm.tm_year < 1970)
        return SP_EBADMSG;
    tm.tm_year -= 1900;
    t = timegm(&tm);
    /* Written again it must be the same: no 30 February, no wrong weekday, no stray blank. */
    sp_http_date((uint64_t)t, again);
    if (memcmp(text, again, 29) != 0)
        return SP_EBADMSG;
    *unix_s = (uint64_t)t;
    return 0;
}
