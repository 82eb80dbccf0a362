/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/lan_port.h"

#include <assert.h>

#include "sallyport/err.h"

#define KIND     1
#define HEAD_LEN 12

int sp_lan_port_parse(struct sp_span question, struct sp_lan_port *out)
{
    if (question.len < HEAD_LEN || question.len > SP_LAN_PORT_QUESTION_MAX || question.p[0] != KIND)
        return SP_EBADMSG;
    *out = (struct sp_lan_port){.lifetime_s = sp_get_be32(question.p) & SP_LAN_PORT_LIFETIME_MAX,
                                .end = sp_get_be64(question.p + 4),
                                .password = sp_span_skip(question, HEAD_LEN)};
    return 0;
}

size_t sp_lan_port_build(const struct sp_lan_port *p, uint8_t out[static SP_LAN_PORT_QUESTION_MAX])
{
    assert(p->lifetime_s <= SP_LAN_PORT_LIFETIME_MAX &&
           p->password.len <= SP_LAN_PORT_PASSWORD_MAX);
    sp_put_be32(out, (uint32_t)KIND << 24 | p->lifetime_s);
    sp_put_be64(out + 4, p->end);
    if (p->password.len > 0)
        memcpy(out + HEAD_LEN, p->password.p, p->password.len);
    return HEAD_LEN + p->password.len;
}

int sp_lan_port_parse_answer(struct sp_span answer,
                             struct sp_addr out[static SP_LAN_PORT_ADDRS_MAX], size_t *n)
{
    struct sp_addr addrs[SP_LAN_PORT_ADDRS_MAX];
    size_t got = 0;

    for (; answer.len > 0; got++) {
        if (got == SP_LAN_PORT_ADDRS_MAX || answer.len < 3)
            return SP_EBADMSG;
        struct sp_addr a = {.port = sp_get_be16(answer.p), .family = answer.p[2]};
        size_t len = sp_addr_ip_len(&a);
        answer = sp_span_skip(answer, 3);
        if (len == 0 || answer.len < len)
            return SP_EBADMSG;
        memcpy(a.ip, answer.p, len);
        answer = sp_span_skip(answer, len);
        addrs[got] = a;
    }
    if (got == 0)
        return SP_EBADMSG;
    memcpy(out, addrs, got * sizeof addrs[0]);
    *n = got;
    return 0;
}

size_t sp_lan_port_build_answer(const struct sp_addr *addrs, size_t n,
                                uint8_t out[static SP_LAN_PORT_ANSWER_MAX])
{
    size_t len = 0;

    assert(n <= SP_LAN_PORT_ADDRS_MAX);
    for (size_t i = 0; i < n; i++) {
        sp_put_be16(out + len, addrs[i].port);
        out[len + 2] = (uint8_t)addrs[i].family;
        memcpy(out + len + 3, addrs[i].ip, sp_addr_ip_len(&addrs[i]));
        len += 3 + sp_addr_ip_len(&addrs[i]);
    }
    return len;
}
