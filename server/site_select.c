/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_select.h"

#include <strings.h>

#include "sallyport/err.h"

static bool is_name(struct sp_span s, const char *name)
{
    return s.len == strlen(name) && strncasecmp((const char *)s.p, name, s.len) == 0;
}

static bool has(const struct sp_http_head *h, const char *name)
{
    struct sp_span value;
    return sp_http_find(h, name, &value);
}

/* Takes one entity tag, without "W/", from the front of a list. False: no more of them. */
static bool next_tag(struct sp_span *list, struct sp_span *tag, bool *weak)
{
    while (list->len > 0 && strchr(" \t,", list->p[0]) != NULL && list->p[0] != '\0')
        *list = sp_span_skip(*list, 1);
    *weak = list->len >= 2 && list->p[0] == 'W' && list->p[1] == '/';
    if (*weak)
        *list = sp_span_skip(*list, 2);
    if (list->len < 2 || list->p[0] != '"')
        return false;
    const uint8_t *end = memchr(list->p + 1, '"', list->len - 1);
    if (end == NULL)
        return false;
    *tag = sp_span(list->p, (size_t)(end + 1 - list->p));
    *list = sp_span_skip(*list, tag->len);
    return true;
}

/* Whether one of the tags in any field of that name, or "*", is the version's. */
static bool lists(const struct sp_http_head *h, const char *name, const struct sp_site_version *v,
                  bool weak_will_do)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        struct sp_span list = h->fields[i].value, tag;
        bool weak;

        if (!is_name(h->fields[i].name, name))
            continue;
        if (sp_span_eq(list, sp_span_str("*")))
            return true;
        while (next_tag(&list, &tag, &weak))
            if ((!weak || weak_will_do) && sp_span_eq(tag, sp_span_str(v->etag)))
                return true;
    }
    return false;
}

static bool find_date(const struct sp_http_head *h, const char *name, uint64_t *unix_s)
{
    struct sp_span value;
    return sp_http_find(h, name, &value) && sp_http_parse_date(value, unix_s) == 0;
}

/* RFC 9110 section 13.2.2, in its order; 0: go on. */
static unsigned preconditions(const struct sp_http_head *h, const struct sp_site_version *v)
{
    uint64_t date;

    if (has(h, "If-Match")) {
        if (!lists(h, "If-Match", v, false))
            return 412;
    } else if (find_date(h, "If-Unmodified-Since", &date) && v->modified_s > date) {
        return 412;
    }
    if (has(h, "If-None-Match"))
        return lists(h, "If-None-Match", v, true) ? 304 : 0;
    return find_date(h, "If-Modified-Since", &date) && v->modified_s <= date ? 304 : 0;
}

/* If-Range holds one tag or one date; without it any range is meant. */
static bool range_is_meant(const struct sp_http_head *h, const struct sp_site_version *v)
{
    uint64_t date;

    if (!has(h, "If-Range"))
        return true;
    return lists(h, "If-Range", v, false) ||
           (find_date(h, "If-Range", &date) && v->modified_s == date);
}

/* Digits at the front of *s, if there are any; too large a number stays the largest. */
static bool take_number(struct sp_span *s, uint64_t *out)
{
    bool any = false;

    for (*out = 0; s->len > 0 && s->p[0] >= '0' && s->p[0] <= '9'; any = true) {
        unsigned digit = (unsigned)(s->p[0] - '0');
        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
        *s = sp_span_skip(*s, 1);
    }
    return any;
}

/* 200: it says nothing that is understood. */
static unsigned range(struct sp_span s, uint64_t len, struct sp_site_part *out)
{
    static const char unit[] = "bytes=";
    uint64_t first, last;

    if (s.len < sizeof unit - 1 || strncasecmp((const char *)s.p, unit, sizeof unit - 1) != 0)
        return 200;
    s = sp_span_skip(s, sizeof unit - 1);
    bool has_first = take_number(&s, &first);
    if (s.len == 0 || s.p[0] != '-')
        return 200;
    s = sp_span_skip(s, 1);
    bool has_last = take_number(&s, &last);
    if (s.len > 0 || (!has_first && !has_last) || (has_first && has_last && first > last))
        return 200;
    if (!has_first) { /* the last so many */
        if (last == 0)
            return 416;
        if (len == 0)
            return 200;
        first = last < len ? len - last : 0;
        last = len - 1;
    }
    if (first >= len)
        return 416;
    if (!has_last || last >= len)
        last = len - 1;
    *out = (struct sp_site_part){first, last - first + 1};
    return 206;
}

unsigned sp_site_select(const struct sp_http_head *request, const struct sp_site_version *version,
                        struct sp_site_part *out)
{
    struct sp_span value;
    unsigned status = preconditions(request, version);

    if (status != 0)
        return status;
    *out = (struct sp_site_part){0, version->len};
    if (!sp_span_eq(request->method, sp_span_str("GET")) ||
        !sp_http_find(request, "Range", &value) || !range_is_meant(request, version))
        return 200;
    return range(value, version->len, out);
}
