/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of what is said in HTTP to the server: a door with TLS, the service behind it with its
 * built-in page, and a log that can be read. Any of it that fails fails the test.
 */
#ifndef SALLYPORT_TEST_HTTP_RIG_H
#define SALLYPORT_TEST_HTTP_RIG_H

#include "conn.h"
#include "http_service.h"
#include "peer.h"
#include "server_env.h"
#include "tls_files.h"

#define HTTP_RIG_PAGE_MAX      8192
#define HTTP_RIG_IN_GOOD_ORDER "closed by the other side" /* what such an end says */

struct http_rig {
    struct server_env e;
    struct tls_files files;
    struct sp_tls_ctx *client;
    struct sp_shared shared;
    struct sp_keys keys;
    struct sp_keyring ring;
    struct sp_sessions *sessions;
    struct sp_http_service *http;
    struct sp_conns *conns;
    struct sp_listener *listener;
    const struct sp_addr *addr;
    struct sp_log log;
    int logs[2]; /* a pipe: what is read, what is written */
};

void http_rig_open(struct http_rig *r);
void http_rig_close(struct http_rig *r);
/* By TLS or plain. */
void http_rig_connect(struct http_rig *r, struct peer *p, bool tls);
const struct sp_http_counters *http_rig_counters(const struct http_rig *r);

#endif
