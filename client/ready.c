/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ready.h"

const struct sp_addr sp_ready_both_browsers = {.ip = {192, 0, 2, 1}, .family = SP_IPV4};

static unsigned rank(const struct sp_addr *a)
{
    if (sp_addr_same_ip(a, &sp_ready_both_browsers))
        return 3;
    return sp_addr_is_loopback(a) ? 1 : 2;
}

struct sp_addr sp_ready_choose(const struct sp_addr *listen, size_t n,
                               const struct sp_addr *everywhere)
{
    struct sp_addr best = {0};

    for (size_t i = 0; i < n; i++) {
        struct sp_addr a = listen[i];
        if (sp_addr_is_any(&a)) {
            a = *everywhere;
            a.port = listen[i].port;
        }
        if (i == 0 || rank(&a) > rank(&best))
            best = a;
    }
    return best;
}

void sp_ready_write(FILE *out, const struct sp_addr *listen, size_t n, const struct sp_addr *admin,
                    const struct sp_addr *name)
{
    char text[SP_ADDR_STRLEN];

    fprintf(out, "ready");
    for (size_t i = 0; i < n; i++) {
        sp_addr_format(&listen[i], text);
        fprintf(out, " udp %s tcp %s", text, text);
    }
    if (admin != NULL)
        fprintf(out, " admin %s", sp_addr_format(admin, text));
    sp_addr_format(name, text);
    fprintf(out, " iceServers turn:%s?transport=udp turn:%s?transport=tcp\n", text, text);
}
