/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_send.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sallyport/err.h"

void sp_site_send_begin(struct sp_site_send *f, int fd, struct sp_site_part part)
{
    f->fd = fd;
    f->left = part;
    /* The disk is read ahead of us, so that a read hardly ever waits for it. */
    (void)posix_fadvise(fd, (off_t)part.first, (off_t)part.len, POSIX_FADV_SEQUENTIAL);
}

void sp_site_send_end(struct sp_site_send *f)
{
    if (f->fd >= 0)
        close(f->fd);
    *f = sp_site_send_nothing();
}

static int send_record(struct sp_site_send *f, struct sp_stream *s)
{
    uint8_t record[SP_SITE_SEND_RECORD];
    size_t want = f->left.len < sizeof record ? (size_t)f->left.len : sizeof record;
    ssize_t n;

    do
        n = pread(f->fd, record, want, (off_t)f->left.first);
    while (n < 0 && errno == EINTR);
    if (n <= 0 || sp_stream_put(s, sp_span(record, (size_t)n)) != 0)
        return SP_ECLOSED;
    sp_stream_flush(s);
    f->left.first += (uint64_t)n;
    f->left.len -= (uint64_t)n;
    return 0;
}

int sp_site_send_some(struct sp_site_send *f, struct sp_stream *s)
{
    for (size_t sent = 0; f->left.len > 0; sent += SP_SITE_SEND_RECORD) {
        if (sp_stream_room(s) == 0)
            return SP_EAGAIN;
        if (sent >= SP_SITE_SEND_TURN)
            return SP_EMORE;
        if (send_record(f, s) != 0) {
            sp_site_send_end(f);
            return SP_ECLOSED;
        }
    }
    sp_site_send_end(f);
    return 0;
}
