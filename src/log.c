/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sallyport/err.h"

#define LINE_MAX_LEN 2000
#define TAIL_LEN     (sizeof ",\"cut\":true}\n" - 1) /* kept free for the longest end of a line */

static const char *const level_names[] = {
    [SP_LOG_ERROR] = "error",
    [SP_LOG_WARN] = "warn",
    [SP_LOG_INFO] = "info",
    [SP_LOG_DEBUG] = "debug",
};

struct line {
    char text[LINE_MAX_LEN];
    size_t len;
    bool cut;
};

/* Adds it whole or not at all, leaving `spare` bytes before the tail. */
static bool put(struct line *l, const char *s, size_t len, size_t spare)
{
    if (l->len + len + spare + TAIL_LEN > sizeof l->text) {
        l->cut = true;
        return false;
    }
    memcpy(l->text + l->len, s, len);
    l->len += len;
    return true;
}

__attribute__((format(printf, 2, 3))) static bool putf(struct line *l, const char *form, ...)
{
    char s[128];
    va_list args;
    va_start(args, form);
    int len = vsnprintf(s, sizeof s, form, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof s) {
        l->cut = true;
        return false;
    }
    return put(l, s, (size_t)len, 0);
}

/*
 * Reads one code point and says how many bytes it took. What is not UTF-8 in its shortest form is
 * taken a byte at a time as U+FFFD.
 */
static size_t decode_utf8(const char *text, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *s = (const uint8_t *)text;
    size_t len = s[0] < 0x80             ? 1
                 : (s[0] & 0xe0) == 0xc0 ? 2
                 : (s[0] & 0xf0) == 0xe0 ? 3
                 : (s[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    uint32_t c = len < 2 ? s[0] : s[0] & (0x7fu >> len);
    *out = 0xfffd;
    if (len == 0)
        return 1;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the NUL too */
            return 1;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 1;
    *out = c;
    return len;
}

/*
 * A quoted string as JSON has it, in both formats. All but printable ASCII is escaped: line ends
 * and quotes forge lines, and escape sequences or letters that turn the writing direction forge
 * what a terminal shows.
 */
static bool put_string(struct line *l, const char *s)
{
    if (!put(l, "\"", 1, 1))
        return false;
    while (*s != '\0') {
        char unit[16];
        uint32_t c;
        int len;
        s += decode_utf8(s, &c);
        if (c == '"' || c == '\\')
            len = snprintf(unit, sizeof unit, "\\%c", (char)c);
        else if (c >= 0x20 && c < 0x7f)
            len = snprintf(unit, sizeof unit, "%c", (char)c);
        else if (c < 0x10000)
            len = snprintf(unit, sizeof unit, "\\u%04" PRIx32, c);
        else
            len = snprintf(unit, sizeof unit, "\\u%04" PRIx32 "\\u%04" PRIx32,
                           0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
        if (!put(l, unit, (size_t)len, 1))
            break; /* the beginning says more than nothing */
    }
    return put(l, "\"", 1, 0);
}

static bool put_value(struct line *l, const struct sp_log_field *f, bool json)
{
    char addr[SP_ADDR_STRLEN];
    switch (f->kind) {
    case SP_FIELD_STR:
        return put_string(l, f->v.str == NULL ? "" : f->v.str);
    case SP_FIELD_UINT:
        return putf(l, "%" PRIu64, f->v.u);
    case SP_FIELD_INT:
        return putf(l, "%" PRId64, f->v.i);
    case SP_FIELD_ADDR:
        if (f->v.addr == NULL)
            return put_string(l, "");
        sp_addr_format(f->v.addr, addr);
        return json ? put_string(l, addr) : put(l, addr, strlen(addr), 0);
    case SP_FIELD_END:
        break;
    }
    return false;
}

/* A field that does not fit, not even in part, is left out whole. */
static void put_field(struct line *l, const struct sp_log_field *f, bool json)
{
    size_t before = l->len;
    if (!putf(l, json ? ",\"%s\":" : " %s=", f->key) || !put_value(l, f, json))
        l->len = before;
}

static void put_head(struct line *l, enum sp_log_level level, const char *msg, bool json)
{
    char date[32];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    if (json) {
        putf(l, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"msg\":", date, ms, level_names[level]);
        put_string(l, msg);
    } else {
        putf(l, "%s.%03uZ %-5s ", date, ms, level_names[level]);
        put(l, msg, strlen(msg), 0);
    }
}

static void put_tail(struct line *l, bool json)
{
    const char *tail = json ? "}\n" : "\n";
    if (l->cut)
        tail = json ? ",\"cut\":true}\n" : " cut=true\n";
    memcpy(l->text + l->len, tail, strlen(tail));
    l->len += strlen(tail);
}

void sp_log_event(const struct sp_log *log, enum sp_log_level level, const char *msg,
                  const struct sp_log_field *fields)
{
    if (log == NULL || level > log->level)
        return;
    int saved_errno = errno;
    struct line l;
    l.len = 0;
    l.cut = false;
    put_head(&l, level, msg, log->json);
    for (; fields->kind != SP_FIELD_END; fields++)
        put_field(&l, fields, log->json);
    put_tail(&l, log->json);
    while (write(log->fd, l.text, l.len) < 0 && errno == EINTR)
        continue;
    errno = saved_errno;
}

int sp_log_level_parse(const char *text, enum sp_log_level *out)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum sp_log_level)i;
            return 0;
        }
    }
    return SP_EINVAL;
}
