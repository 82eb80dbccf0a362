/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bodies of requests to the control API: what is accepted is what was wanted, and what is not
 * is explained in a problem document. */
#include "api_body.h"
#include "fuzz.h"
#include "sallyport/err.h"

static void check_fault(int err, const struct sp_api_fault *fault)
{
    REQUIRE(err == SP_EPROTO);
    REQUIRE(fault->problem == SP_API_MALFORMED || fault->problem == SP_API_BAD_FIELD);
    REQUIRE(strlen(fault->field) < SP_API_FIELD_MAX && strlen(fault->detail) > 0);
    json_t *o = sp_api_fault_json(fault);
    REQUIRE(o != NULL);
    json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sp_api_fault fault;
    struct sp_api_order order;
    struct sp_api_join join;
    int err = sp_api_read_order(sp_span(data, len), &order, &fault);

    if (err != 0)
        check_fault(err, &fault);
    else
        REQUIRE(order.ttl_s >= SP_API_TTL_MIN && order.ttl_s <= SP_API_TTL_MAX &&
                strchr(order.ends[0].gateway, ' ') == NULL);
    err = sp_api_read_join(sp_span(data, len), &join, &fault);
    if (err != 0) {
        check_fault(err, &fault);
        return 0;
    }
    REQUIRE(sp_rdv_holder_ok(sp_span_str(join.holder)));
    REQUIRE(join.ufrag[0] == '\0' || sp_rdv_ufrag_ok(sp_span_str(join.ufrag)));
    REQUIRE(join.password[0] == '\0' || sp_rdv_password_ok(sp_span_str(join.password)));
    return 0;
}
