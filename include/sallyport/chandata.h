/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ChannelData messages (RFC 8656 section 12.4). Knows no channel table.
 *
 *     +-------------------------------+-------------------------------+
 *     | Channel Number 0x4000-0x4FFF  |  Length of the data           |
 *     +-------------------------------+-------------------------------+
 *     | Application data; on a stream padded to a multiple of four     |
 */
#ifndef SALLYPORT_CHANDATA_H
#define SALLYPORT_CHANDATA_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/bytes.h"

#define SP_CHANDATA_HEADER_LEN 4
#define SP_CHANNEL_MIN         0x4000
/* RFC 8656 ends at 0x4FFF; RFC 5766 clients may use up to 0x7FFE, where nothing else lives. */
#define SP_CHANNEL_MAX 0x7FFE

struct sp_chandata {
    uint16_t channel;
    struct sp_span data;
};

/* First two bits 01. False for an empty span. */
bool sp_chandata_looks_like(struct sp_span s);

/* A datagram may be longer than header and data (padding); the rest is ignored. SP_EBADMSG: shorter
 * than it says, or channel number out of range. */
int sp_chandata_parse(struct sp_span s, struct sp_chandata *out);
void sp_chandata_header(uint8_t out[static SP_CHANDATA_HEADER_LEN], uint16_t channel, uint16_t len);

/* 0-3 bytes that follow `len` bytes of data on a stream. */
static inline size_t sp_chandata_padding(size_t len)
{
    return (0 - len) & 3;
}

#endif
