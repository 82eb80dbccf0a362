/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "options_impl.h"
#include "sallyport/addr.h"
#include "sallyport/err.h"

int sp_option_parse_number(const char *value, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (!*value)
        return SP_EINVAL;
    for (; *value; value++) {
        unsigned digit = (unsigned)(unsigned char)*value - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return SP_EINVAL;
        v = v * 10 + digit;
    }
    if (v < min || v > max)
        return SP_EINVAL;
    *out = v;
    return 0;
}

const char *sp_option_check_addr(const char *value)
{
    struct sp_addr a;

    return sp_addr_parse(value, &a) == 0
               ? NULL
               : "wants ADDR:PORT, an IP address and a port such as 127.0.0.1:443 or [::]:443";
}

const char *sp_option_check_addr_or_none(const char *value)
{
    if (strcmp(value, "none") == 0 || !sp_option_check_addr(value))
        return NULL;
    return "wants ADDR:PORT, an IP address and a port such as 127.0.0.1:443 or [::]:443, or none";
}

const char *sp_option_check_cidr(const char *value)
{
    struct sp_cidr c;

    return sp_cidr_parse(value, &c) == 0
               ? NULL
               : "wants CIDR, such as 10.0.0.0/8 or fd00::/8 (no bits behind the prefix), or an IP";
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strcspn(p, "|") == len && memcmp(p, value, len) == 0)
            return true;
    return false;
}

const char *sp_option_wants(const struct sp_option *opt, const char *value,
                            char text[static SP_OPTION_WANTS_MAX])
{
    uint64_t v;

    if (!*value || ((opt->flags & SP_OPTION_CHOICE) && !is_choice(opt->arg, value))) {
        snprintf(text, SP_OPTION_WANTS_MAX, "wants %s", opt->arg);
        return text;
    }
    if ((opt->flags & SP_OPTION_NUMBER) &&
        sp_option_parse_number(value, opt->min, opt->max, &v) < 0) {
        snprintf(text, SP_OPTION_WANTS_MAX, "wants a number from %" PRIu64 " to %" PRIu64, opt->min,
                 opt->max);
        return text;
    }
    return opt->check ? opt->check(value) : NULL;
}
