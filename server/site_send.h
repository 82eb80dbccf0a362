/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends a part of a file over a stream, as fast as the stream has room and in portions, so that
 * neither memory nor the loop's other connections notice how large the file is. Knows no HTTP.
 */
#ifndef SALLYPORT_SERVER_SITE_SEND_H
#define SALLYPORT_SERVER_SITE_SEND_H

#include "sallyport/stream.h"
#include "site_select.h"

#define SP_SITE_SEND_RECORD 16384
#define SP_SITE_SEND_TURN   (16 * SP_SITE_SEND_RECORD) /* in one turn of the loop */

/* A file that is being sent. */
struct sp_site_send {
    int fd; /* -1: none */
    struct sp_site_part left;
};

static inline struct sp_site_send sp_site_send_nothing(void)
{
    return (struct sp_site_send){.fd = -1};
}

/* Takes over `fd`. */
void sp_site_send_begin(struct sp_site_send *f, int fd, struct sp_site_part part);

/* Closes the file, if one is open. */
void sp_site_send_end(struct sp_site_send *f);

/*
 * Goes on with it. 0: all of it is handed to the stream, and the file closed; SP_EAGAIN: the stream
 * has no room, `writable` tells when; SP_EMORE: it has room, but others shall have their turn: call
 * again in the next one; SP_ECLOSED: the file has become shorter or can't be read, or the stream
 * has ended: what was promised can't be kept.
 */
int sp_site_send_some(struct sp_site_send *f, struct sp_stream *s);

#endif
