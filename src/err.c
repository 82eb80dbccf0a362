/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/err.h"

#include <stddef.h>

#include "sallyport/bytes.h"

static const char *const texts[] = {
    [-SP_OK] = "no error",
    [-SP_EMORE] = "more bytes needed",
    [-SP_EAGAIN] = "not now",
    [-SP_EINVAL] = "invalid argument",
    [-SP_ENOMEM] = "out of memory",
    [-SP_EBADMSG] = "malformed message",
    [-SP_EPROTO] = "not allowed here",
    [-SP_ETOOBIG] = "too big",
    [-SP_EFULL] = "full",
    [-SP_ENOENT] = "no such thing",
    [-SP_EEXIST] = "exists already",
    [-SP_EAUTH] = "wrong or missing credentials",
    [-SP_EEXPIRED] = "expired",
    [-SP_ECLOSED] = "closed by the other side",
    [-SP_ETIMEDOUT] = "timed out",
    [-SP_EDENIED] = "refused by policy",
    [-SP_ESYS] = "system error",
    [-SP_ETLS] = "TLS failure",
};

const char *sp_strerror(int err)
{
    if (err > 0 || err <= -(int)SP_ARRAY_LEN(texts))
        return "unknown error";
    return texts[-err];
}
