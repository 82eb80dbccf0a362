/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is a text: an address with port, one without, a block. What is accepted can be written
 * and is then accepted as the same.
 */
#include "fuzz.h"

#include <string.h>

#include "sallyport/addr.h"
#include "sallyport/err.h"

static void sockaddr_and_back(const struct sp_addr *a)
{
    for (int want_v6 = 0; want_v6 <= 1; want_v6++) {
        struct sockaddr_storage ss;
        struct sp_addr back;
        sp_addr_to_sockaddr(a, want_v6, &ss);
        REQUIRE(sp_addr_from_sockaddr((const struct sockaddr *)&ss, &back) == 0);
        REQUIRE(sp_addr_eq(a, &back));
    }
}

static void check_addr(const char *text)
{
    struct sp_addr a, back;
    char again[SP_ADDR_STRLEN];
    int err = sp_addr_parse(text, &a);
    REQUIRE(err == 0 || err == SP_EINVAL);
    if (err != 0)
        return;
    REQUIRE(sp_addr_ip_len(&a) != 0);
    REQUIRE(sp_addr_parse(sp_addr_format(&a, again), &back) == 0 && sp_addr_eq(&a, &back));
    sockaddr_and_back(&a);
}

static void check_ip(const char *text)
{
    struct sp_addr a, back;
    char again[SP_ADDR_STRLEN];
    int err = sp_addr_parse_ip(text, &a);
    REQUIRE(err == 0 || err == SP_EINVAL);
    if (err != 0)
        return;
    REQUIRE(a.port == 0);
    REQUIRE(sp_addr_parse_ip(sp_addr_format_ip(&a, again), &back) == 0 && sp_addr_eq(&a, &back));
    sockaddr_and_back(&a);
}

static void check_block(const char *text)
{
    struct sp_cidr c, back;
    char ip[SP_ADDR_STRLEN], again[SP_ADDR_STRLEN + 16];
    int err = sp_cidr_parse(text, &c);
    REQUIRE(err == 0 || err == SP_EINVAL);
    if (err != 0)
        return;
    size_t all = sp_addr_ip_len(&c.base) * 8;
    REQUIRE(c.bits <= all && sp_cidr_contains(&c, &c.base));
    snprintf(again, sizeof again, "%s/%u", sp_addr_format_ip(&c.base, ip), c.bits);
    REQUIRE(sp_cidr_parse(again, &back) == 0);
    REQUIRE(back.bits == c.bits && sp_addr_eq(&back.base, &c.base));

    struct sp_addr other = c.base; /* the last address within; then one bit of the prefix wrong */
    for (size_t i = c.bits; i < all; i++)
        other.ip[i / 8] |= (uint8_t)(0x80 >> i % 8);
    REQUIRE(sp_cidr_contains(&c, &other));
    if (c.bits > 0) {
        other.ip[(c.bits - 1) / 8] ^= (uint8_t)(0x80 >> (c.bits - 1) % 8);
        REQUIRE(!sp_cidr_contains(&c, &other));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    check_addr(text);
    check_ip(text);
    check_block(text);
    free(text);
    return 0;
}
