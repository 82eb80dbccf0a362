/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_record.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include <stdio.h>
#include <stdlib.h>

#include "sallyport/crypto.h"
#include "sallyport/err.h"

/*
 *      0      1     2     3     4     5
 *   +------+-----+-----+-----+-----+------------- ... --------------+----------+
 *   |  23  |  3  |  3  |   LENGTH  | content, TYPE, zeros: encrypted | tag (16) |
 *   +------+-----+-----+-----+-----+------------- ... --------------+----------+
 *
 * LENGTH counts what follows it; the five bytes before are authenticated, too.
 */
#define HEADER_LEN 5
#define TAG_LEN    16
#define NONCE_LEN  12
#define CIPHER_MAX (SP_TLS_PLAIN_MAX + 256) /* LENGTH, section 5.2 */

enum { TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23 }; /* section 5.1 */
enum { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 }; /* of handshake messages, section 4 */
enum { WARNING = 1, FATAL = 2 };                  /* alerts' levels, section 6 */
enum { CLOSE_NOTIFY = 0, UNEXPECTED_MESSAGE = 10, BAD_RECORD_MAC = 20, RECORD_OVERFLOW = 22 };
enum { ILLEGAL_PARAMETER = 47, DECODE_ERROR = 50, USER_CANCELED = 90 };

/* So many records are sent by one key; section 5.5 allows 1.4 times as many. */
#define RECORDS_MAX ((uint64_t)1 << 24)

/* No record has this number: its key is not to be used any more. */
#define NUMBER_END UINT64_MAX

/* Key updates and empty records in a row: who sends more only wants to keep us busy. */
#define IDLE_MAX 32

#define MESSAGE_HEADER_LEN 4
/* A ticket: lifetime 4, age 4, nonce 1 + 255, ticket 2 + 65535, extensions 2 + 65534. */
#define TICKET_MAX 131333

struct direction {
    Aes aes;
    uint8_t secret[SP_TLS_SECRET_MAX], iv[NONCE_LEN];
    uint64_t number; /* of the next record */
};

/* Handshake messages need not end where their record does: what is known of the one under way. */
struct message {
    uint8_t header[MESSAGE_HEADER_LEN];
    size_t have; /* of it */
    size_t left; /* of what follows it */
};

struct sp_tls_record {
    struct direction in, out;
    size_t key_len, secret_len, plain_max;
    int hash;
    bool server, said_all, heard_all;
    unsigned idle; /* records in a row that carried nothing */
    struct message message;
};

/* --- keys ----------------------------------------------------------------------------------- */

/* HKDF-Expand-Label with no context, section 7.1. */
static int expand(const struct sp_tls_record *r, const uint8_t *secret, const char *label,
                  uint8_t *out, size_t out_len)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[2 + 1 + sizeof prefix + 16 + 1];
    size_t label_len = strlen(label), prefix_len = sizeof prefix - 1, n = 0;

    sp_put_be16(info, (uint16_t)out_len);
    info[2] = (uint8_t)(prefix_len + label_len);
    n = 3;
    memcpy(info + n, prefix, prefix_len);
    n += prefix_len;
    memcpy(info + n, label, label_len);
    n += label_len;
    info[n++] = 0;
    return wc_HKDF_Expand(r->hash, secret, (word32)r->secret_len, info, (word32)n, out,
                          (word32)out_len);
}

/* Keys of the secret that is there; records are counted anew by whoever calls. */
static int set_keys(const struct sp_tls_record *r, struct direction *d)
{
    uint8_t key[32];
    int err = expand(r, d->secret, "key", key, r->key_len);

    if (err == 0)
        err = expand(r, d->secret, "iv", d->iv, sizeof d->iv);
    if (err == 0)
        err = wc_AesGcmSetKey(&d->aes, key, (word32)r->key_len);
    sp_crypto_wipe(key, sizeof key);
    return err == 0 ? 0 : SP_ENOMEM;
}

/* Section 7.2. */
static int next_keys(const struct sp_tls_record *r, struct direction *d)
{
    uint8_t secret[SP_TLS_SECRET_MAX];
    int err = expand(r, d->secret, "traffic upd", secret, r->secret_len);

    if (err == 0) {
        memcpy(d->secret, secret, r->secret_len);
        err = set_keys(r, d);
    }
    /* Where there is no new key, the old one must not see a number twice. */
    d->number = err == 0 ? 0 : NUMBER_END;
    sp_crypto_wipe(secret, sizeof secret);
    return err == 0 ? 0 : SP_ENOMEM;
}

/* Section 5.3. False: there is none. */
static bool next_nonce(struct direction *d, uint8_t nonce[static NONCE_LEN])
{
    uint64_t number = d->number;

    if (number == NUMBER_END)
        return false;
    d->number++;
    memcpy(nonce, d->iv, NONCE_LEN);
    for (size_t i = NONCE_LEN; number > 0; number >>= 8)
        nonce[--i] ^= (uint8_t)number;
    return true;
}

static int begin(const struct sp_tls_record *r, struct direction *d,
                 const struct sp_tls_direction *from)
{
    memcpy(d->secret, from->secret, r->secret_len);
    d->number = from->number;
    return set_keys(r, d);
}

static bool is_told(const struct sp_tls_direction *d)
{
    static const uint8_t zeros[SP_TLS_SECRET_MAX];

    return !sp_crypto_equal(sp_span(d->secret, sizeof zeros), sp_span(zeros, sizeof zeros));
}

int sp_tls_record_new(const struct sp_tls_secrets *s, bool server, struct sp_tls_record **out)
{
    if ((s->suite != 0x1301 && s->suite != 0x1302) || !is_told(&s->in) || !is_told(&s->out))
        return SP_EINVAL;
    struct sp_tls_record *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SP_ENOMEM;
    bool small = s->suite == 0x1301;
    r->server = server;
    r->hash = small ? WC_SHA256 : WC_SHA384;
    r->secret_len = small ? WC_SHA256_DIGEST_SIZE : WC_SHA384_DIGEST_SIZE;
    r->key_len = small ? 16 : 32;
    r->plain_max = s->plain_max > 0 ? s->plain_max : SP_TLS_PLAIN_MAX;
    int err = wc_AesInit(&r->in.aes, NULL, INVALID_DEVID) == 0 &&
                      wc_AesInit(&r->out.aes, NULL, INVALID_DEVID) == 0
                  ? 0
                  : SP_ENOMEM;
    if (err == 0)
        err = begin(r, &r->in, &s->in);
    if (err == 0)
        err = begin(r, &r->out, &s->out);
    if (err != 0) {
        sp_tls_record_free(r);
        return err;
    }
    *out = r;
    return 0;
}

void sp_tls_record_free(struct sp_tls_record *r)
{
    if (r == NULL)
        return;
    wc_AesFree(&r->in.aes);
    wc_AesFree(&r->out.aes);
    sp_crypto_wipe(r, sizeof *r);
    free(r);
}

/* --- out ------------------------------------------------------------------------------------ */

static size_t sealed_len(size_t len)
{
    return HEADER_LEN + len + 1 + TAG_LEN;
}

static int seal_record(struct sp_tls_record *r, uint8_t type, const struct sp_span *parts, size_t n,
                       struct sp_buf *out)
{
    size_t said = sp_spans_len(parts, n), len = sealed_len(said);
    uint8_t nonce[NONCE_LEN], *to = sp_buf_reserve(out, len), *content;

    if (to == NULL)
        return SP_ENOMEM;
    if (!next_nonce(&r->out, nonce))
        return SP_ETLS;
    content = to + HEADER_LEN;
    to[0] = TYPE_DATA;
    to[1] = to[2] = 3;
    sp_put_be16(to + 3, (uint16_t)(len - HEADER_LEN));
    sp_spans_join(content, parts, n);
    content[said] = type;
    if (wc_AesGcmEncrypt(&r->out.aes, content, content, (word32)said + 1, nonce, NONCE_LEN,
                         content + said + 1, TAG_LEN, to, HEADER_LEN) != 0) {
        sp_crypto_wipe(to, len);
        return SP_ETLS;
    }
    sp_buf_commit(out, len);
    return 0;
}

int sp_tls_record_seal_one(struct sp_tls_record *r, uint8_t type, struct sp_span s,
                           struct sp_buf *out)
{
    return seal_record(r, type, &s, 1, out);
}

/* Section 4.6.3: the last record by the old key says so. */
static int update_out(struct sp_tls_record *r, struct sp_buf *out)
{
    static const uint8_t message[] = {KEY_UPDATE, 0, 0, 1, 0};
    int err = sp_tls_record_seal_one(r, TYPE_HANDSHAKE, sp_span(message, sizeof message), out);

    return err == 0 ? next_keys(r, &r->out) : err;
}

int sp_tls_record_seal(struct sp_tls_record *r, struct sp_span s, struct sp_buf *out)
{
    size_t records = s.len / r->plain_max + 1;

    if (r->said_all)
        return SP_ECLOSED;
    /* Room for all of it first: a record that is half in the output can't be taken back. */
    if (sp_buf_reserve(out, s.len + records * sealed_len(0) + sealed_len(5)) == NULL)
        return SP_ENOMEM;
    while (s.len > 0) {
        size_t n = s.len < r->plain_max ? s.len : r->plain_max;
        int err = r->out.number >= RECORDS_MAX ? update_out(r, out) : 0;
        if (err == 0)
            err = sp_tls_record_seal_one(r, TYPE_DATA, sp_span(s.p, n), out);
        if (err != 0)
            return SP_ETLS; /* some of it may have been written */
        s = sp_span_skip(s, n);
    }
    return 0;
}

int sp_tls_record_seal_parts(struct sp_tls_record *r, const struct sp_span *parts, size_t n,
                             struct sp_buf *out)
{
    uint8_t joined[SP_TLS_PARTS];
    size_t len = sp_spans_len(parts, n);

    if (r->said_all)
        return SP_ECLOSED;
    if (len == 0 || len > r->plain_max || r->out.number >= RECORDS_MAX)
        return sp_tls_record_seal(r, sp_spans_join(joined, parts, n), out);
    return seal_record(r, TYPE_DATA, parts, n, out);
}

/* As well as it can: where there is no room for it the connection just ends. */
static void alert(struct sp_tls_record *r, uint8_t level, uint8_t what, struct sp_buf *out)
{
    const uint8_t body[2] = {level, what};

    if (!r->said_all)
        (void)sp_tls_record_seal_one(r, TYPE_ALERT, sp_span(body, sizeof body), out);
    r->said_all = true;
}

void sp_tls_record_close(struct sp_tls_record *r, struct sp_buf *out)
{
    alert(r, WARNING, CLOSE_NOTIFY, out);
}

const char *sp_tls_alert_name(uint8_t what)
{
    const char *name = wolfSSL_alert_desc_string_long(what); /* not of all that there are */

    return name != NULL ? name : "an alert that has no name here";
}

/* --- in ------------------------------------------------------------------------------------- */

/* With SP_ETLS. */
struct verdict {
    uint8_t alert; /* to be sent; 0: none */
    bool heard;    /* it is the other side that gives up */
    const char *why;
};

static int refuse(struct verdict *v, uint8_t what, const char *why)
{
    *v = (struct verdict){.alert = what, .why = why};
    return SP_ETLS;
}

static int idle(struct sp_tls_record *r, struct verdict *v)
{
    return ++r->idle <= IDLE_MAX
               ? 0
               : refuse(v, UNEXPECTED_MESSAGE, "the other side sends records that say nothing");
}

static int on_key_update(struct sp_tls_record *r, uint8_t wanted, struct sp_buf *reply,
                         struct verdict *v)
{
    if (wanted > 1)
        return refuse(v, ILLEGAL_PARAMETER, "a key update that is none");
    int err = next_keys(r, &r->in);
    if (err == 0 && wanted && !r->said_all)
        err = update_out(r, reply);
    return err == 0 ? idle(r, v) : refuse(v, 0, "out of memory");
}

/* The header of a handshake message is whole. */
static int on_message(struct sp_tls_record *r, struct verdict *v)
{
    const uint8_t *h = r->message.header;
    size_t len = (size_t)h[1] << 16 | sp_get_be16(h + 2);
    bool ticket = h[0] == NEW_SESSION_TICKET && !r->server;

    if (h[0] != KEY_UPDATE && !ticket)
        return refuse(v, UNEXPECTED_MESSAGE, "a handshake message that has no place here");
    if (ticket ? len == 0 || len > TICKET_MAX : len != 1)
        return refuse(v, DECODE_ERROR, "a handshake message of a wrong length");
    r->message.left = len;
    return 0;
}

/* Tickets are not kept: no connection here begins by one. */
static int take_handshake(struct sp_tls_record *r, struct sp_span s, struct sp_buf *reply,
                          struct verdict *v)
{
    struct message *m = &r->message;
    int err = 0;

    if (s.len == 0)
        return refuse(v, UNEXPECTED_MESSAGE, "an empty handshake message");
    while (s.len > 0 && err == 0) {
        if (m->have < MESSAGE_HEADER_LEN) {
            m->header[m->have++] = s.p[0];
            s = sp_span_skip(s, 1);
            if (m->have == MESSAGE_HEADER_LEN)
                err = on_message(r, v);
            continue;
        }
        size_t n = s.len < m->left ? s.len : m->left;
        uint8_t last = n > 0 ? s.p[n - 1] : 0;
        s = sp_span_skip(s, n);
        m->left -= n;
        if (m->left > 0)
            continue;
        m->have = 0;
        if (m->header[0] == KEY_UPDATE && s.len > 0)
            err = refuse(v, UNEXPECTED_MESSAGE, "something follows a key update in its record");
        else if (m->header[0] == KEY_UPDATE)
            err = on_key_update(r, last, reply, v);
    }
    return err;
}

static int take_alert(struct sp_tls_record *r, struct sp_span s, struct verdict *v)
{
    if (s.len == 0)
        return refuse(v, UNEXPECTED_MESSAGE, "an empty alert"); /* section 5.4 */
    if (s.len != 2)
        return refuse(v, DECODE_ERROR, "an alert of a wrong length");
    if (s.p[1] == CLOSE_NOTIFY) {
        r->heard_all = true;
        return SP_ECLOSED;
    }
    if (s.p[1] == USER_CANCELED)
        return idle(r, v);
    *v = (struct verdict){.heard = true, .why = sp_tls_alert_name(s.p[1])};
    return SP_ETLS;
}

/* `s` is what a record said, its type the last byte that is not zero. *len: bytes of it that are
 * the application's. */
static int take(struct sp_tls_record *r, struct sp_span s, size_t *len, struct sp_buf *reply,
                struct verdict *v)
{
    if (s.len > SP_TLS_PLAIN_MAX + 1) /* with its zeros: section 5.4 */
        return refuse(v, RECORD_OVERFLOW, "a record that is too long");
    while (s.len > 0 && s.p[s.len - 1] == 0)
        s.len--;
    if (s.len == 0)
        return refuse(v, UNEXPECTED_MESSAGE, "a record without a type");
    uint8_t type = s.p[--s.len];
    if (type != TYPE_HANDSHAKE && r->message.have > 0)
        return refuse(v, UNEXPECTED_MESSAGE, "something else in the middle of a handshake message");
    switch (type) {
    case TYPE_DATA:
        *len = s.len;
        if (s.len == 0)
            return idle(r, v);
        r->idle = 0;
        return 0;
    case TYPE_HANDSHAKE:
        return take_handshake(r, s, reply, v);
    case TYPE_ALERT:
        return take_alert(r, s, v);
    default:
        return refuse(v, UNEXPECTED_MESSAGE, "a record of an unknown type");
    }
}

/* The length of what is encrypted in the record at the front. SP_EMORE: its header isn't whole. */
static int look(struct sp_span cipher, size_t *len, struct verdict *v)
{
    if (cipher.len < HEADER_LEN)
        return SP_EMORE;
    *len = sp_get_be16(cipher.p + 3);
    if (cipher.p[0] != TYPE_DATA)
        return refuse(v, UNEXPECTED_MESSAGE, "a record that is not encrypted");
    if (*len > CIPHER_MAX)
        return refuse(v, RECORD_OVERFLOW, "a record that is too long");
    if (*len < TAG_LEN + 1)
        return refuse(v, BAD_RECORD_MAC, "a record that is too short");
    return cipher.len < HEADER_LEN + *len ? SP_EMORE : 0;
}

size_t sp_tls_record_room(struct sp_span cipher)
{
    struct verdict v;
    size_t len;

    return look(cipher, &len, &v) == 0 ? len - TAG_LEN : 0;
}

static int open_one(struct sp_tls_record *r, struct sp_buf *cipher, struct sp_buf *plain,
                    struct sp_buf *reply, struct verdict *v)
{
    struct sp_span s = sp_buf_span(cipher);
    uint8_t nonce[NONCE_LEN], *to;
    size_t len, n = 0;

    int err = look(s, &len, v);
    if (err != 0)
        return err;
    if ((to = sp_buf_reserve(plain, len - TAG_LEN)) == NULL)
        return SP_ENOMEM;
    if (!next_nonce(&r->in, nonce))
        return refuse(v, 0, "no key is left to read by");
    if (wc_AesGcmDecrypt(&r->in.aes, to, s.p + HEADER_LEN, (word32)(len - TAG_LEN), nonce,
                         NONCE_LEN, s.p + HEADER_LEN + len - TAG_LEN, TAG_LEN, s.p,
                         HEADER_LEN) != 0) {
        sp_crypto_wipe(to, len - TAG_LEN);
        return refuse(v, BAD_RECORD_MAC, "a record that was altered on its way");
    }
    err = take(r, sp_span(to, len - TAG_LEN), &n, reply, v);
    if (err == 0)
        sp_buf_commit(plain, n);
    sp_buf_consume(cipher, HEADER_LEN + len);
    return err;
}

int sp_tls_record_open(struct sp_tls_record *r, struct sp_buf *cipher, struct sp_buf *plain,
                       struct sp_buf *reply, char why[static SP_TLS_ERROR_MAX])
{
    struct verdict v = {0};
    int err = r->heard_all ? SP_ECLOSED : open_one(r, cipher, plain, reply, &v);

    if (err != SP_ETLS)
        return err;
    snprintf(why, SP_TLS_ERROR_MAX, "%s%s", v.heard ? "the other side refused: " : "", v.why);
    if (v.alert != 0)
        alert(r, FATAL, v.alert, reply);
    return err;
}
