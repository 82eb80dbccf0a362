/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TLS peer says after the handshake: records as TYPE, LENGTH 16 and content, which the
 * client seals and the server opens; what is left at the end goes to the server as it is.
 */
#include "fuzz.h"
#include "sallyport/err.h"
#include "tls_record.h"

static struct sp_tls_record *end(bool server)
{
    struct sp_tls_secrets s = {.suite = 0x1301};
    struct sp_tls_record *r;

    memset(s.in.secret, server ? 1 : 2, sizeof s.in.secret);
    memset(s.out.secret, server ? 2 : 1, sizeof s.out.secret);
    REQUIRE(sp_tls_record_new(&s, server, &r) == 0);
    return r;
}

static bool next(const uint8_t **data, size_t *size, uint8_t *type, struct sp_span *content)
{
    if (*size < 3)
        return false;
    size_t len = sp_get_be16(*data + 1);
    if (len > *size - 3 || len > SP_TLS_PLAIN_MAX)
        return false;
    *type = (*data)[0];
    *content = sp_span(*data + 3, len);
    *data += 3 + len;
    *size -= 3 + len;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_tls_record *client = end(false), *server = end(true);
    struct sp_buf wire, got, reply;
    char why[SP_TLS_ERROR_MAX];
    struct sp_span content;
    uint8_t type;
    int err = SP_EMORE;

    sp_buf_init(&wire, 1 << 20);
    sp_buf_init(&got, 1 << 20);
    sp_buf_init(&reply, 1 << 20);
    while (err == SP_EMORE && next(&data, &size, &type, &content)) {
        size_t before = got.len;
        REQUIRE(sp_tls_record_seal_one(client, type, content, &wire) == 0);
        err = sp_tls_record_open(server, &wire, &got, &reply, why);
        REQUIRE(got.len - before <= content.len);
        if (err == 0 && type == 23)
            REQUIRE(sp_span_eq(sp_span(got.mem + got.off + before, got.len - before), content));
        if (err == 0)
            err = sp_tls_record_open(server, &wire, &got, &reply, why);
    }
    if (err == SP_EMORE && size > 0 && sp_buf_append(&wire, sp_span(data, size)) == 0)
        while ((err = sp_tls_record_open(server, &wire, &got, &reply, why)) == 0)
            ;
    REQUIRE(err == SP_EMORE || err == SP_ETLS || err == SP_ECLOSED);
    sp_buf_fini(&wire);
    sp_buf_fini(&got);
    sp_buf_fini(&reply);
    sp_tls_record_free(client);
    sp_tls_record_free(server);
    return 0;
}
