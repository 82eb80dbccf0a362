/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gateway reads as text: URLs of servers and proxies, no_proxy, the answers of a proxy and
 * of whatever stands where a server should; and what it says of those that are no good.
 */
#include "fuzz.h"
#include "proxy.h"
#include "refusal.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/upgrade.h"
#include "url.h"

static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

/* What was accepted can stand in a request, and means the same a second time. */
static void try_server(const char *text)
{
    struct sp_server_url u, again;
    char back[sizeof u.authority + sizeof u.path + 16];
    const char *why;

    if (sp_server_url_parse(text, &u, &why) != 0) {
        REQUIRE(why[0] != '\0');
        return;
    }
    REQUIRE(u.host[0] != '\0' && u.port != 0 && u.path[0] == '/');
    REQUIRE(is_clean(u.authority) && is_clean(u.path));
    snprintf(back, sizeof back, "https://%s%s", u.authority, u.path);
    REQUIRE(sp_server_url_parse(back, &again, &why) == 0);
    REQUIRE(strcmp(again.host, u.host) == 0 && again.port == u.port);
    REQUIRE(strcmp(again.path, u.path) == 0);
}

static void try_proxy(const char *text)
{
    struct sp_proxy p;
    char request[SP_PROXY_REQUEST_MAX];
    const char *why;
    size_t len;

    if (sp_proxy_parse(text, &p, &why) != 0) {
        REQUIRE(why[0] != '\0');
        return;
    }
    REQUIRE(is_clean(p.host) && is_clean(p.basic));
    REQUIRE(sp_proxy_request(&p, "edge.example", 443, request, sizeof request, &len) == 0);
    REQUIRE(len == strlen(request) && strstr(request, "\r\n\r\n") == request + len - 4);
}

/* One line comes of any refusal. */
static void explain(const struct sp_refusal *r)
{
    char line[SP_REFUSAL_LINE_MAX];

    memset(line, '\n', sizeof line);
    sp_refusal_explain(r, line);
    REQUIRE(line[0] != '\0' && memchr(line, '\n', strnlen(line, sizeof line)) == NULL);
    REQUIRE(strnlen(line, sizeof line) < sizeof line);
}

static void try_proxy_answer(struct sp_span in)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_PROXY, .proxy = "proxy.example:3128"};
    size_t used;

    if (sp_proxy_parse_answer(in, &r.proxy_answer, &used) == 0) {
        REQUIRE(used <= in.len);
        REQUIRE(strlen(r.proxy_answer.offer) < sizeof r.proxy_answer.offer);
    }
    explain(&r);
}

/* As when an upgrade was asked for. */
static void try_answer(struct sp_span in)
{
    struct sp_refusal r = {.kind = SP_REFUSAL_ANSWER, .local_s = 1700000000};
    struct sp_http_head h;
    struct sp_tunnel_id id;
    struct sp_span date;
    size_t used;

    if (sp_http_parse_response(in, &h, &used) == 0) {
        if (sp_upgrade_parse_response(&h, &id) == 0)
            return;
        r.status = h.status;
        r.has_date = sp_http_find(&h, "Date", &date) && sp_http_parse_date(date, &r.server_s) == 0;
    }
    explain(&r);
    r.token_known = true;
    r.token_expires_s = 1700000000;
    explain(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[2048];

    try_proxy_answer(sp_span(data, len));
    try_answer(sp_span(data, len));
    if (len >= sizeof text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    try_server(text);
    try_proxy(text);
    sp_proxy_bypass(text, "edge.example", 443);
    sp_proxy_bypass(text, "192.0.2.7", 443);
    return 0;
}
