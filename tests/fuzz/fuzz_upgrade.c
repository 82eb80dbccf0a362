/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An upgrade that is accepted is understood in the same way after it was written anew. */
#include "fuzz.h"
#include "sallyport/err.h"
#include "sallyport/upgrade.h"

static void try_request(const struct sp_http_head *h)
{
    static uint8_t text[SP_HTTP_HEAD_MAX + 500];
    struct sp_http_head again;
    struct sp_upgrade u, back;
    size_t len, used;

    if (sp_upgrade_parse_request(h, SP_UPGRADE_PATH, &u) < 0)
        return;
    REQUIRE(u.lane < SP_LANES_MAX && u.token.len > 0);
    REQUIRE(sp_upgrade_request("host", SP_UPGRADE_PATH, &u, text, sizeof(text), &len) == 0);
    if (len > SP_HTTP_HEAD_MAX)
        return;
    REQUIRE(sp_http_parse_request(sp_span(text, len), &again, &used) == 0 && used == len);
    REQUIRE(sp_upgrade_parse_request(&again, SP_UPGRADE_PATH, &back) == 0);
    REQUIRE(back.lane == u.lane && back.is_new == u.is_new && sp_span_eq(back.token, u.token));
    REQUIRE(u.is_new || memcmp(&back.id, &u.id, sizeof(u.id)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sp_http_head h;
    struct sp_tunnel_id id;
    uint8_t text[200];
    size_t used;

    if (sp_http_parse_request(sp_span(data, len), &h, &used) == 0)
        try_request(&h);
    if (sp_http_parse_response(sp_span(data, len), &h, &used) == 0 &&
        sp_upgrade_parse_response(&h, &id) == 0)
        REQUIRE(sp_upgrade_response(&id, text, sizeof(text), &used) == 0);
    return 0;
}
