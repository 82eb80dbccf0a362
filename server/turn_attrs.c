/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turn_attrs.h"

static const uint16_t known[] = {
    SP_ATTR_MAPPED_ADDRESS,
    SP_ATTR_USERNAME,
    SP_ATTR_MESSAGE_INTEGRITY,
    SP_ATTR_ERROR_CODE,
    SP_ATTR_UNKNOWN_ATTRIBUTES,
    SP_ATTR_CHANNEL_NUMBER,
    SP_ATTR_LIFETIME,
    SP_ATTR_XOR_PEER_ADDRESS,
    SP_ATTR_DATA,
    SP_ATTR_REALM,
    SP_ATTR_NONCE,
    SP_ATTR_XOR_RELAYED_ADDRESS,
    SP_ATTR_REQUESTED_ADDRESS_FAMILY,
    SP_ATTR_EVEN_PORT,
    SP_ATTR_REQUESTED_TRANSPORT,
    SP_ATTR_DONT_FRAGMENT,
    SP_ATTR_MESSAGE_INTEGRITY_SHA256,
    SP_ATTR_PASSWORD_ALGORITHM,
    SP_ATTR_USERHASH,
    SP_ATTR_XOR_MAPPED_ADDRESS,
    SP_ATTR_RESERVATION_TOKEN,
};

bool sp_turn_attr_is_known(uint16_t type)
{
    if (type >= 0x8000)
        return true;
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++) {
        if (known[i] == type)
            return true;
    }
    return false;
}

size_t sp_turn_attrs_unknown(const struct sp_stun_msg *m, uint16_t *out, size_t cap)
{
    return sp_stun_unknown(m, known, SP_ARRAY_LEN(known), out, cap);
}
