/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "sallyport/err.h"
#include "stream_impl.h"

#define READ_MAX 65536 /* by one call: what a socket buffer holds at media rates, and then some */

/* Of the loop's scratch memory: ciphertext, behind what was there of a record, and plaintext. */
#define CIPHER_ROOM ((size_t)96 * 1024)
#define PLAIN_ROOM  (SP_TICKER_SCRATCH_LEN - CIPHER_ROOM)

/* --- ends ----------------------------------------------------------------------------------- */

void stream_end(struct sp_stream *s, int code, const char *text)
{
    if (s->state == ENDED)
        return;
    s->state = ENDED;
    s->end_code = code;
    s->end_text = text;
    s->news |= CLOSED;
    sp_timerq_cancel(&s->ticker->timers, &s->timer);
}

void stream_end_by_errno(struct sp_stream *s, int err)
{
    s->end_errno = err;
    stream_end(s, SP_ESYS, NULL);
}

/* --- out ------------------------------------------------------------------------------------ */

struct sp_buf *stream_cipher_out(const struct sp_stream *s)
{
    return s->tls != NULL ? sp_tls_cipher_out(s->tls) : NULL;
}

static struct sp_buf *last_out(struct sp_stream *s)
{
    return s->tls != NULL ? stream_cipher_out(s) : &s->out;
}

/* What is put leaves in this turn, as a rule: then the stream needs no memory for it. */
void stream_lend_out(struct sp_stream *s)
{
    struct sp_buf *b = last_out(s);

    if (s->block != NULL || b->len > 0 || (s->block = sp_ticker_take_block(s->ticker)) == NULL)
        return;
    sp_buf_lend(b, s->block, SP_TICKER_BLOCK_LEN);
}

/* False: no memory for what is left. */
bool stream_settle_out(struct sp_stream *s)
{
    if (s->block == NULL)
        return true;
    int err = sp_buf_settle(last_out(s));
    sp_ticker_give_block(s->ticker, s->block);
    s->block = NULL;
    return err == 0;
}

void stream_know_unsent(struct sp_stream *s, size_t unsent)
{
    s->behind = unsent > 0;
    s->room = unsent < s->unsent_max ? s->unsent_max - unsent : 0;
}

/* Asking the kernel costs a call: not before all of the room may be used up, and somebody wants to
 * know. */
void stream_ask_room(struct sp_stream *s)
{
    size_t unsent = 0;

    if (sp_sock_notsent(s->fd, &unsent) != 0)
        unsent = 0;
    stream_know_unsent(s, unsent);
}

/* The same, and what would leave at once. */
void stream_ask_burst(struct sp_stream *s)
{
    struct sp_sock_burst b = {0};

    (void)sp_sock_burst(s->fd, &b);
    s->behind = b.notsent > 0;
    s->room = b.notsent < s->unsent_max ? s->unsent_max - b.notsent + b.at_once : 0;
    if (s->on_loss != NULL && sp_losses_tell(&s->losses, b.segments, b.retransmits))
        (void)sp_sock_set_congestion(s->fd, s->losses.many ? s->on_loss : s->usual);
}

/* As much as the socket takes. False: it takes no more, or broke. */
static bool send_from(struct sp_stream *s, struct sp_buf *b)
{
    while (b != NULL && b->len > 0) {
        struct sp_span bytes = sp_buf_span(b);
        ssize_t n = send(s->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        if (n >= 0) {
            sp_buf_consume(b, (size_t)n);
            s->room -= (size_t)n < s->room ? (size_t)n : s->room;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return false;
        } else if (errno != EINTR) {
            stream_end_by_errno(s, errno);
            return false;
        }
    }
    return true;
}

void stream_flush(struct sp_stream *s)
{
    if (s->state == CONNECTING || s->state == ENDED)
        return;
    bool all = send_from(s, &s->out) && send_from(s, stream_cipher_out(s));

    s->corked = false;
    if (!stream_settle_out(s))
        stream_end_by_errno(s, ENOMEM);
    if (s->state == OPEN && !all)
        s->blocked = true;
    if ((s->state == FINISHING || s->said_all) && all && !s->fin_sent) {
        shutdown(s->fd, SHUT_WR);
        s->fin_sent = true;
    }
}

/* --- in ------------------------------------------------------------------------------------- */

/* Input is full while the owner has left all of it, or TLS could not put more into it. */
size_t stream_read_room(const struct sp_stream *s)
{
    if (s->eof || s->state == CONNECTING || s->state == ENDED)
        return 0;
    if (s->state == FINISHING)
        return READ_MAX;
    if (s->heard_all != NULL)
        return 0;
    const struct sp_buf *b = &s->in;
    if (s->tls != NULL) {
        if (s->in.len == s->in.max)
            return 0;
        b = sp_tls_cipher_in(s->tls);
    }
    size_t room = b->max - b->len;
    return room < READ_MAX ? room : READ_MAX;
}

static void discard(struct sp_stream *s)
{
    uint8_t scratch[16384];
    ssize_t n = recv(s->fd, scratch, sizeof scratch, 0);

    if (n == 0)
        s->eof = true;
    else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        stream_end_by_errno(s, errno);
}

/* What comes is read into the loop's memory, decrypted from there into the next piece of it, and
 * consumed there by the owner, as a rule: then the stream needs no memory for it. */
static void lend(struct sp_stream *s)
{
    struct sp_buf *cipher = s->tls != NULL ? sp_tls_cipher_in(s->tls) : NULL;
    uint8_t *scratch;

    if (s->in.len > PLAIN_ROOM / 2 || (cipher != NULL && cipher->len > CIPHER_ROOM - READ_MAX) ||
        (scratch = sp_ticker_take_scratch(s->ticker)) == NULL)
        return;
    s->lent = true;
    sp_buf_lend(&s->in, scratch + CIPHER_ROOM, PLAIN_ROOM);
    if (cipher != NULL)
        sp_buf_lend(cipher, scratch, CIPHER_ROOM);
}

/* The owner has had his turn. */
void stream_settle(struct sp_stream *s)
{
    if (!s->lent)
        return;
    s->lent = false;
    if (sp_buf_settle(&s->in) != 0 ||
        (s->tls != NULL && sp_buf_settle(sp_tls_cipher_in(s->tls)) != 0))
        stream_end_by_errno(s, ENOMEM);
    sp_ticker_give_scratch(s->ticker);
}

/* One read: what is there by then, if it isn't enormous. The loop comes back for the rest, so one
 * fast sender does not hold up the others. */
void stream_read(struct sp_stream *s)
{
    size_t room = stream_read_room(s);
    struct sp_buf *b = s->tls != NULL ? sp_tls_cipher_in(s->tls) : &s->in;

    if (room == 0)
        return;
    if (s->state == FINISHING) {
        discard(s);
        return;
    }
    lend(s);
    uint8_t *to = sp_buf_reserve(b, room);
    if (to == NULL) {
        stream_end_by_errno(s, ENOMEM);
        return;
    }
    ssize_t n = recv(s->fd, to, room, 0);
    s->more = n == (ssize_t)room;
    if (n > 0) {
        sp_buf_commit(b, (size_t)n);
        if (s->ack_now)
            sp_sock_ack_now(s->fd);
        if (s->tls != NULL)
            s->look = true;
        else
            s->news |= INPUT;
    } else if (n == 0) {
        s->eof = true;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        stream_end_by_errno(s, errno);
    }
    sp_buf_release(b);
}
