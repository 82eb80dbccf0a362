/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages over a stream: STUN and ChannelData as TURN has them (RFC 8656 section 12.5), or packets
 * behind their length as ICE-TCP has them (RFC 4571). Cuts what comes into messages, in batches;
 * holds what leaves in a bounded, age-bounded queue, the most urgent class first and in order
 * within each, and gives the stream whole messages only as it has room, so that what waits can
 * still be dropped or overtaken. Serves TURN over TCP and TLS and ICE-TCP on the server, and the
 * browser's TCP side of the gateway. Knows no TURN but what classify.h sees.
 */
#ifndef SALLYPORT_MSG_STREAM_H
#define SALLYPORT_MSG_STREAM_H

#include "sallyport/classq.h"
#include "sallyport/stream.h"

struct sp_msg_stream;

struct sp_msg_stream_events {
    /* `msgs` are valid during the call. */
    void (*input)(struct sp_msg_stream *m, const struct sp_span *msgs, size_t n, void *arg);
    /* SP_EBADMSG when the bytes of a TURN client were neither STUN nor ChannelData; else as
     * stream's. The owner frees. */
    void (*closed)(struct sp_msg_stream *m, int why, void *arg);
};

enum sp_msg_framing { SP_MSG_TURN, SP_MSG_RFC4571 };

struct sp_msg_stream_config {
    size_t max_bytes;    /* of messages that wait */
    uint64_t max_age_us; /* of most (sp_classq_init); what is SP_CLASS_CONTROL waits any time */
    struct sp_rng *rng;  /* not kept */
    enum sp_msg_framing framing;
};

/* Takes over the stream (bytes that wait in it included, handed on from the loop). SP_ENOMEM: it is
 * still the caller's. */
int sp_msg_stream_new(struct sp_stream *s, struct sp_ticker *ticker,
                      const struct sp_msg_stream_config *c, const struct sp_msg_stream_events *ev,
                      void *arg, struct sp_msg_stream **out);
/* Adds to *dropped, from now on, the messages that waited in vain: too long, or at its bound. */
void sp_msg_stream_count_drops(struct sp_msg_stream *m, uint64_t *dropped);
/* Frees the stream too. Safe from within its callbacks. */
void sp_msg_stream_free(struct sp_msg_stream *m);

/* Sends what waits as far as the stream has room, then ends the connection as sp_stream_finish
 * does; `closed` follows. */
void sp_msg_stream_finish(struct sp_msg_stream *m, uint64_t timeout_us);

/* Queues one message, the concatenation of `n` parts, framed as a stream wants it. One that is
 * longer than framing can say is dropped.
 * It leaves at the end of this loop turn, in a TLS record of its own. */
void sp_msg_stream_send(struct sp_msg_stream *m, const struct sp_span *parts, size_t n,
                        uint64_t now_us);

struct sp_stream *sp_msg_stream_stream(struct sp_msg_stream *m);
const struct sp_classq *sp_msg_stream_queue(const struct sp_msg_stream *m);

#endif
