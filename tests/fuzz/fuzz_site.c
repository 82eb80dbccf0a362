/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The site's reading of a target and of conditional fields. The first line is the target, the rest
 * are fields: what is accepted leads nowhere outside, and no part lies outside of the whole. */
#include "fuzz.h"
#include "sallyport/err.h"
#include "site_path.h"
#include "site_select.h"

static void check_path(struct sp_span target)
{
    char encoded[3 * SP_SITE_PATH_MAX + 4];
    struct sp_site_path path, again;
    struct sp_span query, none;
    size_t len;

    int err = sp_site_path_parse(target, &path, &query);
    REQUIRE(err == 0 || err == SP_EBADMSG || err == SP_ETOOBIG || err == SP_ENOENT);
    if (err != 0)
        return;
    REQUIRE(path.len <= SP_SITE_PATH_MAX && path.text[0] == '/');
    REQUIRE(strlen(path.text) == path.len);
    REQUIRE(strstr(path.text, "//") == NULL && strstr(path.text, "/..") == NULL);
    for (const char *dot = path.text; (dot = strstr(dot, "/.")) != NULL; dot++)
        REQUIRE(dot == path.text && strncmp(dot, "/.well-known", 12) == 0);
    if (query.len > 0)
        REQUIRE(query.p >= target.p && query.p + query.len <= target.p + target.len);
    REQUIRE(strlen(sp_site_path_type(path.text)) > 0);
    REQUIRE(sp_site_path_encode(&path, encoded, sizeof encoded, &len) == 0);
    for (size_t i = 0; i < len; i++)
        REQUIRE(encoded[i] > ' ' && encoded[i] < 0x7f && encoded[i] != '?' && encoded[i] != '#');
    REQUIRE(sp_site_path_parse(sp_span(encoded, len), &again, &none) == 0);
    REQUIRE(strcmp(again.text, path.text) == 0 && none.len == 0);
}

/* "NAME: VALUE" on each line; without the checks that sp_http_parse_request() does. */
static void read_fields(struct sp_span text, struct sp_http_head *h)
{
    while (text.len > 0 && h->n_fields < SP_HTTP_FIELDS_MAX) {
        const uint8_t *end = memchr(text.p, '\n', text.len);
        struct sp_span line = sp_span(text.p, end != NULL ? (size_t)(end - text.p) : text.len);
        const uint8_t *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;
        if (colon != NULL) {
            size_t len = (size_t)(colon - line.p);
            struct sp_span value = sp_span_skip(line, len + 1);
            if (value.len > 0 && value.p[0] == ' ')
                value = sp_span_skip(value, 1);
            h->fields[h->n_fields++] = (struct sp_http_field){sp_span(line.p, len), value};
        }
        text = sp_span_skip(text, line.len + (end != NULL));
    }
}

static void check_select(struct sp_span fields, uint64_t size)
{
    const struct sp_site_version version = {size, 784111777, "\"2ebcd8a1-5-64\""};
    struct sp_http_head h = {.method = sp_span_str("GET")};
    struct sp_site_part part = {0, 0};

    read_fields(fields, &h);
    unsigned status = sp_site_select(&h, &version, &part);
    REQUIRE(status == 200 || status == 206 || status == 304 || status == 412 || status == 416);
    if (status == 200)
        REQUIRE(part.first == 0 && part.len == size);
    if (status == 206)
        REQUIRE(part.len > 0 && part.first < size && part.len <= size - part.first);
    h.method = sp_span_str("HEAD");
    REQUIRE(sp_site_select(&h, &version, &part) != 206);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
    size_t target = end != NULL ? (size_t)(end - data) : len;
    struct sp_span fields = sp_span_skip(sp_span(data, len), target + (end != NULL));

    check_path(sp_span(data, target));
    check_select(fields, 100);
    check_select(fields, 0);
    check_select(fields, UINT64_MAX);
    return 0;
}
