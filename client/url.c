/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/addr.h"
#include "sallyport/err.h"
#include "sallyport/upgrade.h"

static int refuse(const char **why, const char *text)
{
    *why = text;
    return SP_EINVAL;
}

/* Copies `len` bytes if they fit. */
static bool take(char *out, size_t cap, const char *text, size_t len)
{
    if (len >= cap)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes %-escapes in place; false on a bad one, and on control characters. */
static bool unescape(char *s)
{
    char *out = s;

    for (; *s != '\0'; s++) {
        char c = *s;
        if (c == '%') {
            int high = hex_digit(s[1]), low = high < 0 ? -1 : hex_digit(s[2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            s += 2;
        }
        if (iscntrl((unsigned char)c))
            return false;
        *out++ = c;
    }
    *out = '\0';
    return true;
}

static bool is_name(const char *s)
{
    for (const char *p = s; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
            return false;
    return s[0] != '\0' && s[0] != '.' && s[0] != '-';
}

static int parse_scheme(const char **text, struct sp_url *out, const char **why)
{
    const char *end = strstr(*text, "://");

    if (end == NULL)
        return 0;
    if (!take(out->scheme, sizeof out->scheme, *text, (size_t)(end - *text)))
        return refuse(why, "no such scheme");
    for (char *p = out->scheme; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    *text = end + 3;
    return 0;
}

static int parse_port(const char *text, size_t len, struct sp_url *out, const char **why)
{
    char digits[6], *end;

    if (!take(digits, sizeof digits, text, len) || !isdigit((unsigned char)digits[0]))
        return refuse(why, "the port must be a number from 1 to 65535");
    unsigned long port = strtoul(digits, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535)
        return refuse(why, "the port must be a number from 1 to 65535");
    out->port = (uint16_t)port;
    return 0;
}

/* host[:port] or [v6][:port] */
static int parse_host(const char *text, size_t len, struct sp_url *out, const char **why)
{
    const char *end = text + len, *host_end = memchr(text, ':', len);
    bool bracket = len > 0 && text[0] == '[';
    struct sp_addr ip;

    if (bracket) {
        text++;
        host_end = memchr(text, ']', (size_t)(end - text));
        if (host_end == NULL)
            return refuse(why, "the address in brackets has no end");
    } else if (host_end == NULL) {
        host_end = end;
    }
    if (!take(out->host, sizeof out->host, text, (size_t)(host_end - text)))
        return refuse(why, "the host name is too long");
    for (char *p = out->host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (bracket ? sp_addr_parse_ip(out->host, &ip) != 0 || strchr(out->host, ':') == NULL
                : !is_name(out->host))
        return refuse(why, "not a host name or IP address (IPv6 stands in brackets)");
    host_end += bracket;
    if (host_end == end)
        return 0;
    if (*host_end != ':')
        return refuse(why, "only :PORT may follow the address in brackets");
    return parse_port(host_end + 1, (size_t)(end - host_end - 1), out, why);
}

static int parse_path(const char *text, struct sp_url *out, const char **why)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isgraph((unsigned char)*p) || *p == '#' || *p == '?')
            return refuse(why, "the path may not have blanks, '?', '#' or letters beyond ASCII");
    if (!take(out->path, sizeof out->path, text, strlen(text)))
        return refuse(why, "the path is too long");
    return 0;
}

int sp_url_parse(const char *text, struct sp_url *out, const char **why)
{
    struct sp_url u = {0};

    int err = parse_scheme(&text, &u, why);
    if (err != 0)
        return err;
    size_t len = strcspn(text, "/?#");
    const char *path = text + len;
    const char *at = memrchr(text, '@', len);
    if (at != NULL) {
        if (!take(u.user, sizeof u.user, text, (size_t)(at - text)) || !unescape(u.user))
            return refuse(why, "user and password are too long or wrongly escaped");
        len -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    err = parse_host(text, len, &u, why);
    if (err == 0)
        err = parse_path(path, &u, why);
    if (err == 0)
        *out = u;
    return err;
}

int sp_server_url_parse(const char *text, struct sp_server_url *out, const char **why)
{
    struct sp_server_url s = {0};
    struct sp_url u;

    int err = sp_url_parse(text, &u, why);
    if (err != 0)
        return err;
    if (strcmp(u.scheme, "https") != 0)
        return refuse(why, "wants https://HOST[:PORT][/PATH]");
    if (u.user[0] != '\0')
        return refuse(why, "a server takes a token, no user and password");
    memcpy(s.host, u.host, sizeof s.host);
    s.port = u.port == 0 ? 443 : u.port;
    bool has_path = u.path[0] != '\0' && strcmp(u.path, "/") != 0;
    snprintf(s.path, sizeof s.path, "%s", has_path ? u.path : SP_UPGRADE_PATH);
    bool bracket = strchr(s.host, ':') != NULL;
    int n = snprintf(s.authority, sizeof s.authority, bracket ? "[%s]" : "%s", s.host);
    if (s.port != 443)
        snprintf(s.authority + n, sizeof s.authority - (size_t)n, ":%u", s.port);
    *out = s;
    return 0;
}
