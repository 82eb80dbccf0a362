/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

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
};

static const struct sp_site_page built_in[] = {
    {"/", HTML, TEXT_SPAN(PAGE("Welcome", "This site is being set up. Please come back later."))},
};

static const struct refusal {
    unsigned status;
    const char *reason;
    struct sp_span body;
} refusals[] = {
    /* the first stands for all that the others don't cover */
    {400, "Bad Request",
     TEXT_SPAN(PAGE("Bad Request", "Your browser sent a request that could not be understood."))},
    {404, "Not Found", TEXT_SPAN(PAGE("Not Found", "There is no page at this address."))},
    {405, "Method Not Allowed",
     TEXT_SPAN(PAGE("Method Not Allowed", "This page can only be read."))},
    {431, "Request Header Fields Too Large",
     TEXT_SPAN(PAGE("Request Header Fields Too Large",
                    "Your browser sent more than this server reads. Deleting cookies may help."))},
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

int sp_site_new(const struct sp_site_config *config, struct sp_site **out)
{
    static const struct sp_site_config standard = {built_in, SP_ARRAY_LEN(built_in)};
    struct sp_site *s;

    if (!config)
        config = &standard;
    for (size_t i = 0; i < config->n_pages; i++)
        if (!is_good_page(&config->pages[i]))
            return SP_EINVAL;
    s = malloc(sizeof(*s));
    if (!s)
        return SP_ENOMEM;
    *s = (struct sp_site){config->pages, config->n_pages};
    *out = s;
    return 0;
}

void sp_site_free(struct sp_site *s)
{
    free(s);
}

/* `out->keep_alive` is set already. */
static void write_answer(const char *reason, const char *type, struct sp_span body, uint64_t unix_s,
                         struct sp_site_answer *out)
{
    char date[30];
    int n;

    sp_http_date(unix_s, date);
    n = snprintf(out->text, sizeof(out->text),
                 "HTTP/1.1 %u %s\r\n"
                 "Date: %s\r\n"
                 "Content-Type: %s\r\n"
                 "Content-Length: %zu\r\n"
                 "%s"
                 "Connection: %s\r\n\r\n",
                 out->status, reason, date, type, body.len,
                 out->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                 out->keep_alive ? "keep-alive" : "close");
    out->head = sp_span(out->text, (size_t)n);
    out->body = body;
}

static void refuse(unsigned status, uint64_t unix_s, struct sp_site_answer *out)
{
    const struct refusal *r = &refusals[0];

    for (size_t i = 0; i < SP_ARRAY_LEN(refusals); i++)
        if (refusals[i].status == status)
            r = &refusals[i];
    out->status = r->status;
    write_answer(r->reason, HTML, r->body, unix_s, out);
}

static bool starts_nocase(struct sp_span s, const char *text)
{
    size_t len = strlen(text);

    return s.len >= len && strncasecmp((const char *)s.p, text, len) == 0;
}

/* The path of a target in origin form ("/a?b") or absolute form ("http://host/a?b"). False: it is
 * of another form. */
static bool path_of(struct sp_span target, struct sp_span *path)
{
    static const char *const schemes[] = {"http://", "https://"};
    size_t len = 0;

    for (size_t i = 0; i < SP_ARRAY_LEN(schemes); i++) {
        if (!starts_nocase(target, schemes[i]))
            continue;
        target = sp_span_skip(target, strlen(schemes[i]));
        while (target.len > 0 && !strchr("/?#", target.p[0]))
            target = sp_span_skip(target, 1);
        if (target.len == 0 || target.p[0] != '/')
            target = sp_span_str("/");
        break;
    }
    while (len < target.len && target.p[len] != '?' && target.p[len] != '#')
        len++;
    *path = sp_span(target.p, len);
    return len > 0 && target.p[0] == '/';
}

static const struct sp_site_page *find(const struct sp_site *s, struct sp_span path)
{
    for (size_t i = 0; i < s->n_pages; i++)
        if (sp_span_eq(path, sp_span_str(s->pages[i].path)))
            return &s->pages[i];
    return NULL;
}

void sp_site_serve(const struct sp_site *s, const struct sp_http_head *request, uint64_t unix_s,
                   struct sp_site_answer *out)
{
    bool is_head = sp_span_eq(request->method, sp_span_str("HEAD"));
    const struct sp_site_page *page;
    struct sp_span path, host;

    out->keep_alive =
        request->keep_alive && !request->chunked && request->content_length <= SP_SITE_BODY_MAX;
    if ((request->minor > 0 && !sp_http_find(request, "Host", &host)) ||
        !path_of(request->target, &path)) {
        out->keep_alive = false;
        refuse(400, unix_s, out);
    } else if (!(page = find(s, path))) {
        refuse(404, unix_s, out);
    } else if (!is_head && !sp_span_eq(request->method, sp_span_str("GET"))) {
        refuse(405, unix_s, out);
    } else {
        out->status = 200;
        write_answer("OK", page->type, page->body, unix_s, out);
    }
    if (is_head)
        out->body.len = 0;
}

void sp_site_refuse(const struct sp_site *s, int err, uint64_t unix_s, struct sp_site_answer *out)
{
    (void)s; /* a site may have such pages of its own one day */
    out->keep_alive = false;
    refuse(err == SP_ETOOBIG ? 431 : err == SP_EPROTO ? 505 : 400, unix_s, out);
}
