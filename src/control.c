/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/control.h"

#include <string.h>

#include "sallyport/err.h"

static int parse_report(const struct sp_stun_msg *m, struct sp_control *c)
{
    struct sp_span v;

    if (!sp_stun_find(m, SP_ATTR_MISSING, &v) || v.len < 4 || v.len > 4 + SP_CONTROL_MISSING_MAX)
        return SP_EBADMSG;
    c->seq = sp_get_be32(v.p);
    c->missing = sp_span_skip(v, 4);
    return 0;
}

static int parse_ask(const struct sp_stun_msg *m, struct sp_control *c)
{
    bool has = sp_stun_find(m, SP_ATTR_BODY, &c->body);
    return (has || m->cls == SP_STUN_ERROR) && c->body.len <= SP_CONTROL_BODY_MAX ? 0 : SP_EBADMSG;
}

static int parse_arrival(const struct sp_stun_msg *m, struct sp_arrival *a)
{
    struct sp_span v;

    if (!sp_stun_find(m, SP_ATTR_ARRIVAL, &v) || v.len != 12)
        return SP_EBADMSG;
    *a = (struct sp_arrival){
        .seq = sp_get_be32(v.p), .at_us = sp_get_be32(v.p + 4), .bytes = sp_get_be32(v.p + 8)};
    return 0;
}

static int parse_attributes(const struct sp_stun_msg *m, struct sp_control *c)
{
    uint32_t v;

    if (m->cls == SP_STUN_ERROR && sp_stun_find_error(m, &c->code, NULL) != 0)
        return SP_EBADMSG;
    if (c->method == SP_CONTROL_PING || c->method == SP_CONTROL_DRAIN)
        return 0;
    if (c->method == SP_CONTROL_REPORT)
        return parse_report(m, c);
    if (c->method == SP_CONTROL_ASK)
        return parse_ask(m, c);
    if (c->method == SP_CONTROL_ARRIVED)
        return parse_arrival(m, &c->arrival);
    if (sp_stun_find_u32(m, SP_ATTR_FLOW, &v) != 0)
        return SP_EBADMSG;
    c->flow = (uint16_t)(v >> 16);
    c->kind = (uint16_t)v;
    if (c->flow == 0 || c->flow == 0xFFFF)
        return SP_EBADMSG;
    if (c->method != SP_CONTROL_OPEN || c->cls != SP_STUN_REQUEST)
        return 0;
    c->has_data = sp_stun_find(m, SP_ATTR_DATA, &c->data);
    if (c->has_data && sp_stun_find_u32(m, SP_ATTR_SEQ, &c->seq) != 0)
        return SP_EBADMSG;
    int err = sp_stun_find_xor_addr(m, SP_ATTR_XOR_MAPPED_ADDRESS, &c->local);
    return err == SP_ENOENT ? 0 : err;
}

int sp_control_parse(struct sp_span s, struct sp_control *out, bool *answerable)
{
    struct sp_stun_msg m;
    struct sp_control c = {0};

    *answerable = false;
    if (sp_stun_parse(s, &m) != 0)
        return SP_EBADMSG;
    c.method = m.method;
    c.cls = m.cls;
    memcpy(c.id, m.id, sizeof c.id);
    bool known = c.method >= SP_CONTROL_OPEN && c.method <= SP_CONTROL_ARRIVED;
    bool told = c.method == SP_CONTROL_REPORT || c.method == SP_CONTROL_ARRIVED; /* not asked */
    if (!known || (m.cls == SP_STUN_INDICATION) != told || parse_attributes(&m, &c) != 0) {
        *answerable = m.cls == SP_STUN_REQUEST;
        out->method = c.method;
        memcpy(out->id, c.id, sizeof c.id);
        return SP_EBADMSG;
    }
    *out = c;
    return 0;
}

static void put_report(struct sp_stun_builder *b, const struct sp_control *c)
{
    uint8_t v[4 + SP_CONTROL_MISSING_MAX];

    sp_put_be32(v, c->seq);
    if (c->missing.len > 0)
        memcpy(v + 4, c->missing.p, c->missing.len);
    sp_stun_put(b, SP_ATTR_MISSING, sp_span(v, 4 + c->missing.len));
}

static void put_arrival(struct sp_stun_builder *b, const struct sp_arrival *a)
{
    uint8_t v[12];

    sp_put_be32(v, a->seq);
    sp_put_be32(v + 4, a->at_us);
    sp_put_be32(v + 8, a->bytes);
    sp_stun_put(b, SP_ATTR_ARRIVAL, sp_span(v, sizeof v));
}

int sp_control_build(const struct sp_control *c, uint8_t *out, size_t cap, size_t *len)
{
    struct sp_stun_builder b;

    if (c->missing.len > SP_CONTROL_MISSING_MAX || c->body.len > SP_CONTROL_BODY_MAX)
        return SP_ETOOBIG;
    sp_stun_begin(&b, out, cap, c->method, c->cls, c->id);
    if (c->has_data)
        sp_stun_put_u32(&b, SP_ATTR_SEQ, c->seq);
    if (c->flow != 0)
        sp_stun_put_u32(&b, SP_ATTR_FLOW, (uint32_t)c->flow << 16 | c->kind);
    if (c->cls == SP_STUN_ERROR)
        sp_stun_put_error(&b, c->code, "");
    if (c->local.family != SP_FAMILY_NONE)
        sp_stun_put_xor_addr(&b, SP_ATTR_XOR_MAPPED_ADDRESS, &c->local);
    if (c->has_data)
        sp_stun_put(&b, SP_ATTR_DATA, c->data);
    if (c->method == SP_CONTROL_REPORT)
        put_report(&b, c);
    if (c->method == SP_CONTROL_ASK && c->cls != SP_STUN_ERROR)
        sp_stun_put(&b, SP_ATTR_BODY, c->body);
    if (c->method == SP_CONTROL_ARRIVED)
        put_arrival(&b, &c->arrival);
    return sp_stun_end(&b, len);
}
