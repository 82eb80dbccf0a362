/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/upgrade.h"

#include <stdio.h>
#include <strings.h>

#include "sallyport/err.h"

#define PROTOCOL "rfc4571"
#define BEARER   "Bearer "

/* What stands in a line of the head as one word: no blank, no control, so it can't make a line. */
static bool is_word(struct sp_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return s.len > 0;
}

static void id_to_text(const struct sp_tunnel_id *id, char out[static SP_TUNNEL_ID_STRLEN + 1])
{
    for (size_t i = 0; i < SP_TUNNEL_ID_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int id_from_text(struct sp_span s, struct sp_tunnel_id *out)
{
    if (s.len != SP_TUNNEL_ID_STRLEN)
        return SP_EBADMSG;
    for (size_t i = 0; i < SP_TUNNEL_ID_LEN; i++) {
        int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return SP_EBADMSG;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int finish(int n, size_t cap, size_t *len)
{
    if (n < 0 || (size_t)n >= cap)
        return SP_ETOOBIG;
    *len = (size_t)n;
    return 0;
}

int sp_upgrade_request(const char *host, const char *path, const struct sp_upgrade *u, uint8_t *out,
                       size_t cap, size_t *len)
{
    char tunnel[SP_TUNNEL_ID_STRLEN + 1] = "new", lane[16] = "";
    int n;

    if (!is_word(sp_span_str(host)) || !is_word(sp_span_str(path)) || path[0] != '/' ||
        !is_word(u->token) || u->token.len > SP_HTTP_HEAD_MAX || u->lane >= SP_LANES_MAX)
        return SP_EINVAL;
    if (!u->is_new)
        id_to_text(&u->id, tunnel);
    if (!u->is_new || u->lane > 0)
        snprintf(lane, sizeof(lane), "; lane=%u", u->lane);
    n = snprintf((char *)out, cap,
                 "GET %s HTTP/1.1\r\n"
                 "Host: %s\r\n"
                 "Connection: Upgrade\r\n"
                 "Upgrade: " PROTOCOL "\r\n"
                 "Authorization: " BEARER "%.*s\r\n"
                 "Sallyport-Tunnel: %s%s\r\n\r\n",
                 path, host, (int)u->token.len, (const char *)u->token.p, tunnel, lane);
    return finish(n, cap, len);
}

/* The decimal after "lane=", without leading zeros. */
static int parse_lane(struct sp_span s, unsigned *out)
{
    unsigned v = 0;

    if (s.len == 0 || s.len > 2 || (s.len == 2 && s.p[0] == '0'))
        return SP_EBADMSG;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return SP_EBADMSG;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    if (v >= SP_LANES_MAX)
        return SP_EBADMSG;
    *out = v;
    return 0;
}

/* "new" or an id, then "; lane=<n>", which only "new" may leave out. */
static int parse_tunnel(struct sp_span s, struct sp_upgrade *u)
{
    static const char param[] = "lane=";
    const size_t param_len = sizeof(param) - 1;
    const uint8_t *semi = s.len ? memchr(s.p, ';', s.len) : NULL;
    struct sp_span name = semi ? sp_span(s.p, (size_t)(semi - s.p)) : s;
    struct sp_span rest = sp_span_skip(s, name.len);

    u->is_new = sp_span_eq(name, sp_span_str("new"));
    if (!u->is_new && (!semi || id_from_text(name, &u->id) < 0))
        return SP_EBADMSG;
    u->lane = 0;
    if (!semi)
        return 0;
    rest = sp_span_skip(rest, 1);
    while (rest.len > 0 && rest.p[0] == ' ')
        rest = sp_span_skip(rest, 1);
    if (rest.len < param_len || memcmp(rest.p, param, param_len) != 0)
        return SP_EBADMSG;
    return parse_lane(sp_span_skip(rest, param_len), &u->lane);
}

int sp_upgrade_parse_request(const struct sp_http_head *h, const char *path, struct sp_upgrade *out)
{
    struct sp_upgrade u = {.lane = 0};
    struct sp_span tunnel;

    /* HTTP/1.0 knows no Upgrade (RFC 9110 section 7.8). */
    if (!sp_span_eq(h->method, sp_span_str("GET")) || !sp_span_eq(h->target, sp_span_str(path)) ||
        h->minor == 0 || !h->upgrade || !sp_http_has_token(h, "Upgrade", PROTOCOL))
        return SP_ENOENT;
    if (h->chunked || h->content_length > 0)
        return SP_EBADMSG;
    if (sp_http_bearer(h, &u.token) < 0 || sp_http_find_one(h, "Sallyport-Tunnel", &tunnel) < 0 ||
        parse_tunnel(tunnel, &u) < 0)
        return SP_EBADMSG;
    *out = u;
    return 0;
}

int sp_upgrade_response(const struct sp_tunnel_id *id, uint8_t *out, size_t cap, size_t *len)
{
    char tunnel[SP_TUNNEL_ID_STRLEN + 1];
    int n;

    id_to_text(id, tunnel);
    n = snprintf((char *)out, cap,
                 "HTTP/1.1 101 Switching Protocols\r\n"
                 "Connection: Upgrade\r\n"
                 "Upgrade: " PROTOCOL "\r\n"
                 "Sallyport-Tunnel: %s\r\n\r\n",
                 tunnel);
    return finish(n, cap, len);
}

int sp_upgrade_parse_response(const struct sp_http_head *h, struct sp_tunnel_id *id)
{
    struct sp_tunnel_id got;
    struct sp_span text;

    if (h->status != 101 || !h->upgrade || !sp_http_has_token(h, "Upgrade", PROTOCOL))
        return SP_EPROTO;
    if (sp_http_find_one(h, "Sallyport-Tunnel", &text) < 0 || id_from_text(text, &got) < 0)
        return SP_EBADMSG;
    *id = got;
    return 0;
}
