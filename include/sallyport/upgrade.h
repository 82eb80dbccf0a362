/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP exchange that turns a TLS connection into a lane: request and answer as text, both
 * ways. Knows the fields, not the tunnel and not what a token means.
 *
 *     GET <path> HTTP/1.1                         HTTP/1.1 101 Switching Protocols
 *     Host: edge.example                          Connection: Upgrade
 *     Connection: Upgrade                         Upgrade: rfc4571
 *     Upgrade: rfc4571                            Sallyport-Tunnel: <tunnel id>
 *     Authorization: Bearer <token>
 *     Sallyport-Tunnel: new | <tunnel id>; lane=<n>
 *
 * "new" may carry "; lane=<n>" too; without it, it is lane 0.
 */
#ifndef SALLYPORT_UPGRADE_H
#define SALLYPORT_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/control.h"
#include "sallyport/http.h"

#define SP_UPGRADE_PATH "/.well-known/sallyport"

/* Made by the server: the worker's index and 128 random bits. A secret; never logged. */
#define SP_TUNNEL_ID_LEN    18                     /* worker 16 | random 128 */
#define SP_TUNNEL_ID_STRLEN (SP_TUNNEL_ID_LEN * 2) /* as lower-case hex */

struct sp_tunnel_id {
    uint8_t bytes[SP_TUNNEL_ID_LEN];
};

static inline uint16_t sp_tunnel_id_worker(const struct sp_tunnel_id *id)
{
    return sp_get_be16(id->bytes);
}

struct sp_upgrade {
    struct sp_span token;
    bool is_new; /* Sallyport-Tunnel: new; then `id` is not set */
    struct sp_tunnel_id id;
    unsigned lane;
};

/* Writes a request. `host` as it goes into Host. *len is without the NUL that `cap` has to have
 * room for. SP_ETOOBIG; SP_EINVAL when a text could not stand in a line of the head (empty, blanks,
 * control characters), `path` has no leading "/", or there is no such lane. */
int sp_upgrade_request(const char *host, const char *path, const struct sp_upgrade *u, uint8_t *out,
                       size_t cap, size_t *len);

/* Reads one: SP_ENOENT when it is an ordinary request (no such Upgrade, not GET, or another path),
 * SP_EBADMSG when a field is missing or malformed. The caller answers both as the site would. */
int sp_upgrade_parse_request(const struct sp_http_head *h, const char *path,
                             struct sp_upgrade *out);

/* SP_ETOOBIG; `cap` and *len as above. */
int sp_upgrade_response(const struct sp_tunnel_id *id, uint8_t *out, size_t cap, size_t *len);

/* SP_EPROTO: not a 101 for rfc4571 (the gateway then explains by status and Date). SP_EBADMSG. */
int sp_upgrade_parse_response(const struct sp_http_head *h, struct sp_tunnel_id *id);

#endif
