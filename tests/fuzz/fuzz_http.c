/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heads: whatever is accepted lies within its bytes, and is the same without what follows it. */
#include "fuzz.h"
#include "sallyport/err.h"
#include "sallyport/http.h"

typedef int parse_fn(struct sp_span s, struct sp_http_head *out, size_t *used);

static void inside(struct sp_span part, const uint8_t *start, size_t len)
{
    if (part.len > 0)
        REQUIRE(part.p >= start && part.p + part.len <= start + len);
}

static void try(parse_fn *parse, const uint8_t *data, size_t len)
{
    struct sp_http_head h, again;
    struct sp_span value;
    size_t used = 0, used_again = 0;
    uint64_t date;

    if (parse(sp_span(data, len), &h, &used) < 0)
        return;
    REQUIRE(used >= 4 && used <= len && used <= SP_HTTP_HEAD_MAX);
    REQUIRE(memcmp(data + used - 4, "\r\n\r\n", 4) == 0);
    REQUIRE(h.major == 1 && h.n_fields <= SP_HTTP_FIELDS_MAX);
    REQUIRE(!h.chunked || !h.has_length);
    inside(h.method, data, used);
    inside(h.target, data, used);
    for (size_t i = 0; i < h.n_fields; i++) {
        inside(h.fields[i].name, data, used);
        inside(h.fields[i].value, data, used);
        REQUIRE(h.fields[i].name.len > 0);
        REQUIRE(h.fields[i].value.len == 0 ||
                !memchr(h.fields[i].value.p, 0, h.fields[i].value.len));
    }
    sp_http_has_token(&h, "Connection", "x");
    if (sp_http_find(&h, "Date", &value))
        sp_http_parse_date(value, &date);
    REQUIRE(parse(sp_span(data, used), &again, &used_again) == 0 && used_again == used);
    REQUIRE(again.n_fields == h.n_fields && again.content_length == h.content_length);
    REQUIRE(parse(sp_span(data, used - 1), &again, &used_again) == SP_EMORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[30];
    uint64_t date;

    try(sp_http_parse_request, data, len);
    try(sp_http_parse_response, data, len);
    sp_http_looks_like(sp_span(data, len));
    if (sp_http_parse_date(sp_span(data, len), &date) == 0) {
        sp_http_date(date, text);
        REQUIRE(memcmp(text, data, 29) == 0);
    }
    return 0;
}
