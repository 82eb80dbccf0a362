/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "option_values.h"

#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "shared.h"

static const struct {
    const char *name;
    unsigned bit;
} services[] = {
    {"tunnel", SP_SERVE_TUNNEL}, {"turn", SP_SERVE_TURN}, {"ice-tcp", SP_SERVE_ICE_TCP},
    {"api", SP_SERVE_API},       {"site", SP_SERVE_SITE},
};

int sp_value_serve(const char *value, unsigned *out)
{
    unsigned bits = 0;

    for (const char *p = value;; p++) {
        size_t len = strcspn(p, ","), i;
        for (i = 0; i < SP_ARRAY_LEN(services); i++)
            if (strlen(services[i].name) == len && memcmp(services[i].name, p, len) == 0)
                break;
        if (i == SP_ARRAY_LEN(services))
            return SP_EINVAL;
        bits |= services[i].bit;
        p += len;
        if (*p == '\0')
            break;
    }
    *out = bits;
    return 0;
}

int sp_value_relay_ip(const char *value, struct sp_relay_ip *out)
{
    char local[SP_ADDR_STRLEN];
    const char *eq = strchr(value, '=');
    size_t len = eq != NULL ? (size_t)(eq - value) : strlen(value);
    struct sp_relay_ip ip;

    if (len >= sizeof local)
        return SP_EINVAL;
    memcpy(local, value, len);
    local[len] = '\0';
    if (sp_addr_parse_ip(local, &ip.local) != 0)
        return SP_EINVAL;
    ip.public_ = ip.local;
    if (eq != NULL && sp_addr_parse_ip(eq + 1, &ip.public_) != 0)
        return SP_EINVAL;
    if (ip.public_.family != ip.local.family || sp_addr_is_any(&ip.local) ||
        sp_addr_is_any(&ip.public_))
        return SP_EINVAL;
    *out = ip;
    return 0;
}

int sp_value_ports(const char *value, uint16_t *min, uint16_t *max)
{
    unsigned long lo, hi;
    char *end;

    if (strcmp(value, "none") == 0) {
        *min = *max = 0;
        return 0;
    }
    if (value[0] < '0' || value[0] > '9')
        return SP_EINVAL;
    lo = strtoul(value, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9')
        return SP_EINVAL;
    hi = strtoul(end + 1, &end, 10);
    if (*end != '\0' || lo < 1024 || hi > 65535 || lo > hi)
        return SP_EINVAL;
    *min = (uint16_t)lo;
    *max = (uint16_t)hi;
    return 0;
}

int sp_value_alternate(const char *value, struct sp_addr *out)
{
    struct sp_addr a;

    if (sp_addr_parse_ip(value, &a) != 0 && (sp_addr_parse(value, &a) != 0 || a.port == 0))
        return SP_EINVAL;
    if (sp_addr_is_any(&a))
        return SP_EINVAL;
    *out = a;
    return 0;
}
