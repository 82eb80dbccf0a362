/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the admin port: whatever comes is answered by one whole HTTP response, or waited for.
 */
#include "fuzz.h"
#include "sallyport/admin.h"
#include "sallyport/err.h"
#include "sallyport/http.h"

static void page(struct sp_admin_reply *r, void *arg)
{
    (void)arg;
    sp_admin_put(r, "ok\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct sp_admin_route routes[] = {{"/healthz", page}, {"/", page}};
    struct sp_http_head h;
    struct sp_buf out;
    size_t used = 0;

    sp_buf_init(&out, SP_ADMIN_BODY_MAX + 1024);
    int err = sp_admin_respond(routes, SP_ARRAY_LEN(routes), NULL, sp_span(data, len), &out);
    if (err != 0) {
        REQUIRE(err == SP_EMORE && out.len == 0 && len <= SP_HTTP_HEAD_MAX);
    } else {
        REQUIRE(sp_http_parse_response(sp_buf_span(&out), &h, &used) == 0);
        REQUIRE(h.has_length && !h.keep_alive);
        REQUIRE(out.len == used || out.len == used + h.content_length);
    }
    sp_buf_fini(&out);
    return 0;
}
