/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gateway reads as text: URLs of servers and proxies, no_proxy, a proxy's answer. */
#include "fuzz.h"
#include "proxy.h"
#include "sallyport/err.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sp_proxy_answer answer;
    char text[2048];
    size_t used;

    if (sp_proxy_parse_answer(sp_span(data, len), &answer, &used) == 0) {
        REQUIRE(used <= len);
        REQUIRE(strlen(answer.offer) < sizeof answer.offer);
    }
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
