/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sallyport/err.h"

#define HTML "text/html; charset=utf-8"

#define PAGE(title, text)                                                                        \
    "<!DOCTYPE html>\n"                                                                          \
    "<html lang=\"en\">\n"                                                                       \
    "<head>\n"                                                                                   \
    "<meta charset=\"utf-8\">\n"                                                                 \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"                 \
    "<title>" title "</title>\n"                                                                 \
    "<style>body { max-width: 40em; margin: 4em auto; padding: 0 1em; font-family: sans-serif; " \
    "color: #333 }</style>\n"                                                                    \
    "</head>\n"                                                                                  \
    "<body>\n"                                                                                   \
    "<h1>" title "</h1>\n"                                                                       \
    "<p>" text "</p>\n"                                                                          \
    "</body>\n"                                                                                  \
    "</html>\n"

#define TEXT_SPAN(s)                        \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }

struct sp_site {
    const struct sp_site_page *pages;
    size_t n_pages;
    struct sp_site_files *files; /* NULL: the pages are the site */
};

static const struct sp_site_page built_in[] = {
    {"/", HTML, TEXT_SPAN(PAGE("Welcome", "This site is being set up. Please come back later."))},
};

static const struct refusal {
    unsigned status;
    const char *reason;
    struct sp_span body;
} refusals[] = {
    {301, "Moved Permanently", TEXT_SPAN(PAGE("Moved", "This page is at another address."))},
    {400, "Bad Request",
     TEXT_SPAN(PAGE("Bad Request", "Your browser sent a request that could not be understood."))},
    {403, "Forbidden", TEXT_SPAN(PAGE("Forbidden", "This page is not open to everybody."))},
    {404, "Not Found", TEXT_SPAN(PAGE("Not Found", "There is no page at this address."))},
    {405, "Method Not Allowed",
     TEXT_SPAN(PAGE("Method Not Allowed", "This page can only be read."))},
    {408, "Request Timeout", TEXT_SPAN(PAGE("Request Timeout", "Your browser took too long."))},
    {412, "Precondition Failed",
     TEXT_SPAN(PAGE("Precondition Failed", "This page is another version by now."))},
    {413, "Content Too Large",
     TEXT_SPAN(PAGE("Content Too Large", "This server takes no uploads."))},
    {414, "URI Too Long", TEXT_SPAN(PAGE("URI Too Long", "This address is too long."))},
    {416, "Range Not Satisfiable",
     TEXT_SPAN(PAGE("Range Not Satisfiable", "This page has no such part."))},
    {431, "Request Header Fields Too Large",
     TEXT_SPAN(PAGE("Request Header Fields Too Large",
                    "Your browser sent more than this server reads. Deleting cookies may help."))},
    {501, "Not Implemented",
     TEXT_SPAN(PAGE("Not Implemented", "This server does not know what to do."))},
    {502, "Bad Gateway",
     TEXT_SPAN(PAGE("Bad Gateway", "This site does not answer at the moment."))},
    {503, "Service Unavailable",
     TEXT_SPAN(
         PAGE("Service Unavailable", "This site has too much to do. Please come back later."))},
    {505, "HTTP Version Not Supported",
     TEXT_SPAN(PAGE("HTTP Version Not Supported", "This server speaks HTTP/1.1."))},
};

/* A head can be written with it, and stays within its bound. */
static bool is_good_page(const struct sp_site_page *page)
{
    size_t len = strlen(page->type);

    for (size_t i = 0; i < len; i++)
        if (page->type[i] < ' ' || page->type[i] > '~')
            return false;
    return len > 0 && len <= SP_SITE_TYPE_MAX && page->path[0] == '/';
}

int sp_site_new(const struct sp_site_config *config, struct sp_site **out,
                char why[static SP_SITE_WHY_MAX])
{
    static const struct sp_site_config standard = {built_in, SP_ARRAY_LEN(built_in), NULL};
    struct sp_site *s;

    if (!config)
        config = &standard;
    for (size_t i = 0; i < config->n_pages; i++)
        if (!is_good_page(&config->pages[i])) {
            snprintf(why, SP_SITE_WHY_MAX, "%s is no page", config->pages[i].path);
            return SP_EINVAL;
        }
    s = malloc(sizeof(*s));
    if (!s) {
        snprintf(why, SP_SITE_WHY_MAX, "%s", sp_strerror(SP_ENOMEM));
        return SP_ENOMEM;
    }
    *s = (struct sp_site){config->pages, config->n_pages, NULL};
    int err = config->folder ? sp_site_files_open(config->folder, &s->files, why) : 0;
    if (err != 0) {
        free(s);
        return err;
    }
    *out = s;
    return 0;
}

void sp_site_free(struct sp_site *s)
{
    if (!s)
        return;
    sp_site_files_close(s->files);
    free(s);
}

/* --- answers -------------------------------------------------------------------------------- */

/* Appends to the head. All that goes into it has a bound, so that it fits. */
__attribute__((format(printf, 2, 3))) static void put(struct sp_site_answer *out,
                                                      const char *format, ...)
{
    size_t cap = sizeof(out->text) - out->head.len;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(out->text + out->head.len, cap, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < cap);
    out->head.len += (size_t)n;
}

/* `out->keep_alive` is set already. */
static void begin(unsigned status, const char *reason, uint64_t unix_s, struct sp_site_answer *out)
{
    char date[30];

    sp_http_date(unix_s, date);
    out->status = status;
    out->head = sp_span(out->text, 0);
    out->body = sp_span(NULL, 0);
    out->fd = -1;
    put(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, reason, date);
}

static void put_content(const char *type, uint64_t len, struct sp_site_answer *out)
{
    put(out, "Content-Type: %s\r\nContent-Length: %" PRIu64 "\r\n", type, len);
}

static void end(struct sp_site_answer *out)
{
    put(out, "Connection: %s\r\n\r\n", out->keep_alive ? "keep-alive" : "close");
}

static const struct refusal *refusal_of(unsigned status)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(refusals); i++)
        if (refusals[i].status == status)
            return &refusals[i];
    assert(false); /* a status without a page */
    return &refusals[0];
}

/* `field` stands in the head as well: a whole line, or nothing. */
static void refuse(unsigned status, const char *field, uint64_t unix_s, struct sp_site_answer *out)
{
    const struct refusal *r = refusal_of(status);

    begin(status, r->reason, unix_s, out);
    put_content(HTML, r->body.len, out);
    put(out, "%s", field);
    end(out);
    out->body = r->body;
}

void sp_site_refuse(const struct sp_site *s, unsigned status, uint64_t unix_s,
                    struct sp_site_answer *out)
{
    (void)s; /* a site may have such pages of its own one day */
    out->keep_alive = false;
    refuse(status, status == 503 ? "Retry-After: 1\r\n" : "", unix_s, out);
}

static void show_page(const struct sp_site_page *page, uint64_t unix_s, struct sp_site_answer *out)
{
    begin(200, "OK", unix_s, out);
    put_content(page->type, page->body.len, out);
    end(out);
    out->body = page->body;
}

/* The folder's own, if it has one. */
static void show_missing(const struct sp_site *s, uint64_t unix_s, struct sp_site_answer *out)
{
    static const struct sp_site_path path = {9, "/404.html"};
    struct sp_site_file file;

    if (!s->files || sp_site_files_find(s->files, &path, &file) != 0 || file.fd < 0) {
        refuse(404, "", unix_s, out);
        return;
    }
    begin(404, refusal_of(404)->reason, unix_s, out);
    put_content(file.type, file.version.len, out);
    end(out);
    out->fd = file.fd;
    out->part = (struct sp_site_part){0, file.version.len};
}

static void put_version(const struct sp_site_version *v, struct sp_site_answer *out)
{
    char date[30];

    sp_http_date(v->modified_s, date);
    put(out, "Last-Modified: %s\r\nETag: %s\r\n", date, v->etag);
}

/* All of a file, or a part, or the news that the client has it. Takes over file->fd. */
static void show_file(const struct sp_http_head *request, const struct sp_site_file *file,
                      uint64_t unix_s, struct sp_site_answer *out)
{
    const struct sp_site_version *v = &file->version;
    unsigned status = sp_site_select(request, v, &out->part);
    char field[64] = "";

    if (status == 412 || status == 416) {
        close(file->fd);
        if (status == 416)
            snprintf(field, sizeof(field), "Content-Range: bytes */%" PRIu64 "\r\n", v->len);
        refuse(status, field, unix_s, out);
        return;
    }
    begin(status,
          status == 200   ? "OK"
          : status == 206 ? "Partial Content"
                          : "Not Modified",
          unix_s, out);
    put_version(v, out);
    if (status != 304) {
        put_content(file->type, out->part.len, out);
        put(out, "Accept-Ranges: bytes\r\n");
    }
    if (status == 206)
        put(out, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", out->part.first,
            out->part.first + out->part.len - 1, v->len);
    end(out);
    if (status == 304)
        close(file->fd);
    else
        out->fd = file->fd;
}

/* To the same folder with a slash; the query goes along if it can stand in a field. */
static void redirect(const struct sp_site_path *path, struct sp_span query, uint64_t unix_s,
                     struct sp_site_answer *out)
{
    char field[SP_SITE_PATH_MAX * 3 + SP_SITE_QUERY_MAX + 32] = "Location: ";
    size_t at = strlen(field), len = 0;

    sp_site_path_encode(path, field + at, SP_SITE_PATH_MAX * 3 + 4, &len);
    at += len;
    field[at++] = '/';
    for (size_t i = 0; i < query.len; i++)
        if (query.len > SP_SITE_QUERY_MAX || query.p[i] <= ' ' || query.p[i] >= 0x7f)
            query.len = 0;
    if (query.len > 0)
        memcpy(field + at, query.p, query.len);
    at += query.len;
    memcpy(field + at, "\r\n", 3);
    refuse(301, field, unix_s, out);
}

/* --- requests ------------------------------------------------------------------------------- */

static bool is(const struct sp_http_head *request, const char *method)
{
    return sp_span_eq(request->method, sp_span_str(method));
}

static void refuse_method(uint64_t unix_s, struct sp_site_answer *out)
{
    refuse(405, "Allow: GET, HEAD\r\n", unix_s, out);
}

static void serve_page(const struct sp_site *s, const struct sp_http_head *request,
                       const struct sp_site_path *path, uint64_t unix_s, struct sp_site_answer *out)
{
    const struct sp_site_page *page = NULL;

    for (size_t i = 0; i < s->n_pages; i++)
        if (sp_span_eq(sp_span(path->text, path->len), sp_span_str(s->pages[i].path)))
            page = &s->pages[i];
    if (!page)
        show_missing(s, unix_s, out);
    else if (!is(request, "GET") && !is(request, "HEAD"))
        refuse_method(unix_s, out);
    else
        show_page(page, unix_s, out);
}

static void serve_file(const struct sp_site *s, const struct sp_http_head *request,
                       const struct sp_site_path *path, struct sp_span query, uint64_t unix_s,
                       struct sp_site_answer *out)
{
    struct sp_site_file file;
    int err = sp_site_files_find(s->files, path, &file);

    if (err == SP_ENOENT) {
        show_missing(s, unix_s, out);
    } else if (err != 0) {
        refuse(err == SP_EDENIED ? 403 : 503, "", unix_s, out);
    } else if (!is(request, "GET") && !is(request, "HEAD")) {
        if (file.fd >= 0)
            close(file.fd);
        refuse_method(unix_s, out);
    } else if (file.fd < 0) {
        redirect(path, query, unix_s, out);
    } else {
        show_file(request, &file, unix_s, out);
    }
}

static void serve_path(const struct sp_site *s, const struct sp_http_head *request, uint64_t unix_s,
                       struct sp_site_answer *out)
{
    struct sp_site_path path;
    struct sp_span query;
    int err = sp_site_path_parse(request->target, &path, &query);

    if (err == SP_ENOENT) {
        show_missing(s, unix_s, out);
    } else if (err != 0) {
        out->keep_alive = false;
        refuse(err == SP_ETOOBIG ? 414 : 400, "", unix_s, out);
    } else if (s->files) {
        serve_file(s, request, &path, query, unix_s, out);
    } else {
        serve_page(s, request, &path, unix_s, out);
    }
}

void sp_site_serve(const struct sp_site *s, const struct sp_http_head *request, uint64_t unix_s,
                   struct sp_site_answer *out)
{
    bool has_body = request->chunked || request->content_length > 0;
    struct sp_span host;

    out->keep_alive = request->keep_alive && !request->chunked &&
                      request->content_length <= SP_SITE_BODY_MAX &&
                      !(has_body && sp_http_has_token(request, "Expect", "100-continue"));
    if (request->minor > 0 && !sp_http_find(request, "Host", &host)) {
        out->keep_alive = false;
        refuse(400, "", unix_s, out);
    } else if (request->content_length > SP_SITE_BODY_MAX) {
        refuse(413, "", unix_s, out);
    } else {
        serve_path(s, request, unix_s, out);
    }
    if (is(request, "HEAD")) {
        out->body.len = 0;
        if (out->fd >= 0)
            close(out->fd);
        out->fd = -1;
    }
}
