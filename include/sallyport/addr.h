/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transport addresses (IP and port) and address blocks, as values that can be compared and hashed
 * byte by byte. An IPv4-mapped IPv6 address becomes IPv4 the moment it enters. Knows no names and
 * no sockets beyond the shape of a sockaddr.
 */
#ifndef SALLYPORT_ADDR_H
#define SALLYPORT_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sallyport/bytes.h"

enum sp_family { SP_FAMILY_NONE = 0, SP_IPV4 = 1, SP_IPV6 = 2 }; /* numbered as STUN does */

/* No padding, unused bytes zero: memcmp and hashing over the whole struct are right. */
struct sp_addr {
    uint8_t ip[16]; /* IPv4 in the first four */
    uint16_t port;  /* host order */
    uint16_t family;
};

struct sp_cidr {
    struct sp_addr base; /* port 0 */
    unsigned bits;
};

#define SP_ADDR_STRLEN 64 /* "[ffff:…]:65535" and its NUL fit */

struct sp_addr sp_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
bool sp_addr_eq(const struct sp_addr *a, const struct sp_addr *b);
bool sp_addr_same_ip(const struct sp_addr *a, const struct sp_addr *b);

/* 4 or 16; 0 for SP_FAMILY_NONE. */
size_t sp_addr_ip_len(const struct sp_addr *a);
bool sp_addr_is_any(const struct sp_addr *a);
bool sp_addr_is_loopback(const struct sp_addr *a);

/* SP_EINVAL when the family is neither AF_INET nor AF_INET6. Mapped IPv4 becomes IPv4. */
int sp_addr_from_sockaddr(const struct sockaddr *sa, struct sp_addr *out);

/* Fills `out`, returns its length for connect() and friends. `want_v6` gives the mapped form for
 * an IPv4 address, as a dual-stack socket needs it. */
socklen_t sp_addr_to_sockaddr(const struct sp_addr *a, bool want_v6, struct sockaddr_storage *out);

/* An IP without port ("10.0.0.1", "::1", "[::1]"): port 0. SP_EINVAL otherwise. */
int sp_addr_parse_ip(const char *text, struct sp_addr *out);

/* "10.0.0.1:3478", "[::1]:3478", ":3478" is refused: SP_EINVAL. */
int sp_addr_parse(const char *text, struct sp_addr *out);

/* "a.b.c.d:port" or "[v6]:port"; the second without port and brackets. Both return `out`. */
char *sp_addr_format(const struct sp_addr *a, char out[static SP_ADDR_STRLEN]);
char *sp_addr_format_ip(const struct sp_addr *a, char out[static SP_ADDR_STRLEN]);

/* "10.0.0.0/8", "fd00::/8", or a bare IP (all bits). SP_EINVAL also when bits are set behind the
 * prefix. */
int sp_cidr_parse(const char *text, struct sp_cidr *out);
bool sp_cidr_contains(const struct sp_cidr *c, const struct sp_addr *a);

#endif
