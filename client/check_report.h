/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport-client check` found, as rows: what was looked at, whether it is well, what was
 * seen, and what to do if it is not; as text for a person, or as JSON. Pure: the facts come from
 * checkup.h.
 */
#ifndef SALLYPORT_CLIENT_CHECK_REPORT_H
#define SALLYPORT_CLIENT_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "dial.h"
#include "refusal.h"
#include "url.h"

enum sp_check_status {
    SP_CHECK_OK,
    SP_CHECK_BLOCKED, /* the network, or somebody in it, lets it not through */
    SP_CHECK_PROBLEM, /* something to be put right, here or at the server */
    SP_CHECK_SKIPPED, /* not looked at, since an earlier one failed */
};

#define SP_CHECK_ROWS_MAX 40
#define SP_CHECK_TEXT_MAX SP_REFUSAL_LINE_MAX

struct sp_check_row {
    const char *check; /* "name", "connect"; a literal */
    enum sp_check_status status;
    char text[SP_CHECK_TEXT_MAX];
    const char *advice; /* a literal, or NULL */
    uint64_t took_us;   /* 0: not measured */
};

/* Of one server, or of this host. */
struct sp_check_part {
    char title[SP_URL_HOST_MAX + 16];
    bool works; /* a server: the tunnel would */
    size_t n;
    struct sp_check_row rows[SP_CHECK_ROWS_MAX];
};

/* The row that was added, for what else there is to say. When the part is full: the last one. */
__attribute__((format(printf, 4, 5))) struct sp_check_row *sp_check_add(struct sp_check_part *p,
                                                                        const char *check,
                                                                        enum sp_check_status status,
                                                                        const char *form, ...);

/* What came of the server's name. `err` as sp_resolve_fn has it. */
void sp_check_name(struct sp_check_part *p, const char *host, bool has_proxy, int err,
                   const char *why, const struct sp_addr *addrs, size_t n);

/* What came of trying to open a lane. */
struct sp_check_dial {
    const struct sp_proxy *proxy; /* NULL: straight */
    const struct sp_server_url *server;
    const struct sp_dial_trace *trace;
    const struct sp_refusal *refusal; /* NULL: it is open */
    uint64_t end_us;                  /* when that came */
    uint32_t rtt_us;                  /* of the open lane */
};
/* Rows proxy, connect, tls, tunnel; sets p->works. */
void sp_check_dialled(struct sp_check_part *p, const struct sp_check_dial *d);

/* What came of a STUN request to that address: who we are from there; NULL without an answer. */
void sp_check_udp(struct sp_check_part *p, const struct sp_addr *to, const struct sp_addr *mapped,
                  uint64_t took_us);

/* What came of listening where the gateway would: 0, or an errno. */
void sp_check_listen(struct sp_check_part *p, const char *transport, const struct sp_addr *a,
                     int why);
/* Whether this host has the address that all browsers use. */
void sp_check_address(struct sp_check_part *p, bool there);

void sp_check_write(const struct sp_check_part *p, FILE *out);
struct json_t; /* jansson's; NULL without memory */
struct json_t *sp_check_json(const struct sp_check_part *p);

#endif
