/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ChannelData: what is accepted lies within the input and is built again as it was; what is cut
 * short is refused.
 */
#include "fuzz.h"
#include "sallyport/chandata.h"
#include "sallyport/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t header[SP_CHANDATA_HEADER_LEN];
    struct sp_chandata c;
    int err = sp_chandata_parse(sp_span(data, size), &c);

    if (err) {
        REQUIRE(err == SP_EBADMSG);
        return 0;
    }
    REQUIRE(sp_chandata_looks_like(sp_span(data, size)));
    REQUIRE(c.channel >= SP_CHANNEL_MIN && c.channel <= SP_CHANNEL_MAX);
    REQUIRE(c.data.p == data + SP_CHANDATA_HEADER_LEN);
    REQUIRE(c.data.len <= size - SP_CHANDATA_HEADER_LEN);

    sp_chandata_header(header, c.channel, (uint16_t)c.data.len);
    REQUIRE(memcmp(header, data, sizeof(header)) == 0);

    size_t whole = SP_CHANDATA_HEADER_LEN + c.data.len;

    REQUIRE(sp_chandata_parse(sp_span(data, whole), &c) == 0);
    REQUIRE(sp_chandata_parse(sp_span(data, whole - 1), &c) == SP_EBADMSG);
    REQUIRE((whole + sp_chandata_padding(c.data.len)) % 4 == 0);
    return 0;
}
