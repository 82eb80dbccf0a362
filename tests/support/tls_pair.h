/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TLS client and a TLS server with nothing but memory between them. What a test of TLS cannot do
 * without is asserted here, by Check.
 */
#ifndef SALLYPORT_TEST_TLS_PAIR_H
#define SALLYPORT_TEST_TLS_PAIR_H

#include "sallyport/tls.h"
#include "tls_files.h"

struct tls_pair {
    struct tls_files files;
    struct sp_tls_ctx *server_ctx, *client_ctx;
    struct sp_tls *server, *client;
};

/* What the server speaks: http/1.1, stun.turn. */
extern const char *const tls_pair_alpn[];

/* Certificates (NULL: for edge.test) and contexts; nobody is connected yet. */
void tls_pair_open(struct tls_pair *p, const struct tls_files_spec *spec, const char *const *alpn);
void tls_pair_close(struct tls_pair *p);
/* One connection after the other: who asks for `host`. */
void tls_pair_meet(struct tls_pair *p, const char *host);
void tls_pair_part(struct tls_pair *p);

/* At most so many bytes; false: there were none. */
bool tls_pair_carry(struct sp_tls *from, struct sp_tls *to, size_t most);
/* Until both are done, or one has failed and the other has heard of it. `most`: bytes at a time. */
void tls_pair_shake(struct tls_pair *p, size_t most, int *client_err, int *server_err);
void tls_pair_must_shake(struct tls_pair *p);
/* So many bytes come as they were sent, carried in such steps. */
void tls_pair_send(struct sp_tls *from, struct sp_tls *to, size_t len, size_t step);

#endif
