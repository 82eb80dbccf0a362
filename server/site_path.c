/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_path.h"

#include <strings.h>

#include "sallyport/err.h"

static bool starts_nocase(struct sp_span s, const char *text)
{
    size_t len = strlen(text);

    return s.len >= len && strncasecmp((const char *)s.p, text, len) == 0;
}

/* What follows scheme and authority, if there are any. */
static struct sp_span skip_authority(struct sp_span target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < SP_ARRAY_LEN(schemes); i++) {
        if (!starts_nocase(target, schemes[i]))
            continue;
        target = sp_span_skip(target, strlen(schemes[i]));
        while (target.len > 0 && !strchr("/?#", target.p[0]))
            target = sp_span_skip(target, 1);
        return target.len > 0 && target.p[0] == '/' ? target : sp_span_str("/");
    }
    return target;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* *s moves behind what was decoded. An escaped slash would be another path to the file system than
 * to who wrote it. */
static int decode_one(struct sp_span *s, char *out)
{
    uint8_t c = s->p[0];
    size_t used = 1;

    if (c == '%') {
        int high = s->len > 2 ? hex_digit(s->p[1]) : -1, low = high < 0 ? -1 : hex_digit(s->p[2]);
        if (low < 0)
            return SP_EBADMSG;
        c = (uint8_t)(high << 4 | low);
        used = 3;
        if (c == '/')
            return SP_ENOENT;
    }
    if (c == '\0')
        return SP_EBADMSG;
    *s = sp_span_skip(*s, used);
    *out = (char)c;
    return 0;
}

static int decode(struct sp_span s, struct sp_site_path *out)
{
    out->len = 0;
    while (s.len > 0) {
        if (out->len == SP_SITE_PATH_MAX)
            return SP_ETOOBIG;
        int err = decode_one(&s, &out->text[out->len]);
        if (err != 0)
            return err;
        out->len++;
    }
    out->text[out->len] = '\0';
    return 0;
}

/* `name` is the decoded text from behind a slash to before the next one. */
static bool may_be_there(const char *name, size_t len, bool first, bool last)
{
    static const char well_known[] = ".well-known";

    if (len == 0)
        return last;
    if (len > SP_SITE_SEGMENT_MAX)
        return false;
    return name[0] != '.' ||
           (first && len == sizeof well_known - 1 && memcmp(name, well_known, len) == 0);
}

static int check_segments(const struct sp_site_path *path)
{
    const char *p = path->text;

    for (bool first = true; p != NULL; first = false) {
        const char *next = strchr(++p, '/');
        size_t len = next != NULL ? (size_t)(next - p) : strlen(p);
        if (!may_be_there(p, len, first, next == NULL))
            return SP_ENOENT;
        p = next;
    }
    return 0;
}

int sp_site_path_parse(struct sp_span target, struct sp_site_path *out, struct sp_span *query)
{
    size_t len = 0;

    target = skip_authority(target);
    if (target.len == 0 || target.p[0] != '/')
        return SP_EBADMSG;
    while (len < target.len && target.p[len] != '?' && target.p[len] != '#')
        len++;
    int err = decode(sp_span(target.p, len), out);
    if (err == 0)
        err = check_segments(out);
    if (err == 0)
        *query = sp_span_skip(target, len);
    return err;
}

/* RFC 3986: what stands for itself in a path. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

int sp_site_path_encode(const struct sp_site_path *path, char *out, size_t cap, size_t *len)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < path->len; i++) {
        char c = path->text[i];
        if (n + 4 > cap) /* an escape and the NUL */
            return SP_ETOOBIG;
        if (is_plain(c)) {
            out[n++] = c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[(uint8_t)c >> 4];
        out[n++] = digits[c & 15];
    }
    out[n] = '\0';
    *len = n;
    return 0;
}

static const struct {
    const char *ending, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "text/xml; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
};

const char *sp_site_path_type(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');

    if (dot != NULL)
        for (size_t i = 0; i < SP_ARRAY_LEN(types); i++)
            if (strcasecmp(dot + 1, types[i].ending) == 0)
                return types[i].type;
    return "application/octet-stream";
}
