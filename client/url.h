/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The URLs that the command line knows: where a server is and where a proxy is. Pure; strict, so
 * that a slip of the pen is told at the start and not by a failed connection.
 */
#ifndef SALLYPORT_CLIENT_URL_H
#define SALLYPORT_CLIENT_URL_H

#include <stdint.h>

#define SP_URL_HOST_MAX 253
#define SP_URL_PATH_MAX 255
#define SP_URL_USER_MAX 255

/* scheme://[user:password@]host[:port][/path] */
struct sp_url {
    char scheme[8];                 /* lower case; "" when it was left out */
    char user[SP_URL_USER_MAX + 1]; /* "user:password", %-escapes undone; "" without */
    char host[SP_URL_HOST_MAX + 1]; /* a name or an IP address, without brackets; lower case */
    uint16_t port;                  /* 0: not given */
    char path[SP_URL_PATH_MAX + 1]; /* "" or starts with "/" */
};

/* SP_EINVAL, and *why, a literal, says in one line what is wrong. */
int sp_url_parse(const char *text, struct sp_url *out, const char **why);

struct sp_server_url {
    char host[SP_URL_HOST_MAX + 1];
    uint16_t port;
    char path[SP_URL_PATH_MAX + 1];
    char authority[SP_URL_HOST_MAX + 9]; /* as Host has it: brackets, and the port unless 443 */
};

/* https://HOST[:PORT][/PATH]; path default SP_UPGRADE_PATH. SP_EINVAL as above. */
int sp_server_url_parse(const char *text, struct sp_server_url *out, const char **why);

#endif
