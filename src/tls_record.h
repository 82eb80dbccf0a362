/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS 1.3 after the handshake: how records are protected (RFC 8446 section 5), and the few messages
 * that still come between them: key updates, tickets, alerts (sections 4.6 and 6). Begins with the
 * secrets that the handshake agreed on, which wolfSSL does; the ciphers are wolfCrypt's. Here
 * because a connection then holds no more than its two keys, and each record is opened from where
 * it was received into where it is read, and sealed where it is sent from. Knows no handshake, no
 * certificates, no sockets. For tls.c alone.
 */
#ifndef SALLYPORT_TLS_RECORD_H
#define SALLYPORT_TLS_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "sallyport/buf.h"
#include "sallyport/tls_ctx.h"

#define SP_TLS_SECRET_MAX 48                       /* SHA-384's */
#define SP_TLS_PLAIN_MAX  16384                    /* bytes of one record */
#define SP_TLS_ROOM_MAX   (SP_TLS_PLAIN_MAX + 240) /* with type and zeros behind them */

/* What a handshake leaves behind, of each direction. */
struct sp_tls_secrets {
    uint16_t suite;   /* as on the wire: 0x1301, 0x1302 */
    size_t plain_max; /* of a record that is sent (RFC 6066 section 4); 0: SP_TLS_PLAIN_MAX */
    struct sp_tls_direction {
        uint8_t secret[SP_TLS_SECRET_MAX]; /* application_traffic_secret_N */
        uint64_t number;                   /* of the next record */
    } in, out;
};

struct sp_tls_record;

/* `server`: which messages may come. The secrets are copied. SP_EINVAL: another suite, or a secret
 * is all zeros: nobody told it; SP_ENOMEM. */
int sp_tls_record_new(const struct sp_tls_secrets *s, bool server, struct sp_tls_record **out);
void sp_tls_record_free(struct sp_tls_record *r);

/* How long the plaintext of the record at the front of `cipher` is at most. 0: it is not whole, or
 * longer than it may be; sp_tls_record_open says which. */
size_t sp_tls_record_room(struct sp_span cipher);

/*
 * Opens one record from the front of `cipher`, consumes it there, and appends what it says to
 * `plain`, which has sp_tls_record_room bytes free (else SP_ENOMEM, and nothing has happened).
 * What has to be answered is appended to `reply`. 0; SP_EMORE: it isn't whole; SP_ECLOSED:
 * close_notify, whatever may follow it; SP_ETLS: it is none, was altered, or says that the other
 * side gives up: an alert that says so may be in `reply`, nothing can be read any more, and `why`
 * is a line about it.
 */
int sp_tls_record_open(struct sp_tls_record *r, struct sp_buf *cipher, struct sp_buf *plain,
                       struct sp_buf *reply, char why[static SP_TLS_ERROR_MAX]);

/* Appends `s` to `out` as records, the last of which may be short. SP_ENOMEM: nothing was written;
 * SP_ECLOSED: after sp_tls_record_close; SP_ETLS: nothing can be sent any more. */
int sp_tls_record_seal(struct sp_tls_record *r, struct sp_span s, struct sp_buf *out);

/* The concatenation of `n` parts, as one record if it fits into one; copied once. As above. Of at
 * most SP_TLS_PARTS bytes. */
int sp_tls_record_seal_parts(struct sp_tls_record *r, const struct sp_span *parts, size_t n,
                             struct sp_buf *out);

/* One record of any type of content (RFC 8446 section 5.1), of at most SP_TLS_PLAIN_MAX. SP_ENOMEM;
 * SP_ETLS: there is no key for it. */
int sp_tls_record_seal_one(struct sp_tls_record *r, uint8_t type, struct sp_span s,
                           struct sp_buf *out);

/* Appends close_notify, the last thing that is said (section 6.1). */
void sp_tls_record_close(struct sp_tls_record *r, struct sp_buf *out);

/* What an alert is called in section 6. */
const char *sp_tls_alert_name(uint8_t what);

#endif
