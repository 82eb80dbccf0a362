/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one error space. Every call that can fail returns 0 or one of these, negative; results go
 * through out-pointers and are written on success only. This module knows nothing of errno: who
 * meets a system error logs it there and returns SP_ESYS.
 */
#ifndef SALLYPORT_ERR_H
#define SALLYPORT_ERR_H

enum sp_err {
    SP_OK = 0,
    SP_EMORE = -1,     /* not a failure: the bytes so far are a valid beginning, bring more */
    SP_EAGAIN = -2,    /* not a failure: not now, the caller is told when to try again */
    SP_EINVAL = -3,    /* a bad argument, option or setting */
    SP_ENOMEM = -4,    /* no memory; nothing was changed */
    SP_EBADMSG = -5,   /* bytes from outside that break the protocol's grammar */
    SP_EPROTO = -6,    /* well-formed, but not allowed here */
    SP_ETOOBIG = -7,   /* longer than the bound or than the buffer given */
    SP_EFULL = -8,     /* a table or queue is at its bound */
    SP_ENOENT = -9,    /* no such thing */
    SP_EEXIST = -10,   /* there already */
    SP_EAUTH = -11,    /* wrong or missing credentials, MAC or certificate */
    SP_EEXPIRED = -12, /* right once, but too old now */
    SP_ECLOSED = -13,  /* the other side ended it in good order */
    SP_ETIMEDOUT = -14,
    SP_EDENIED = -15, /* refused by policy */
    SP_ESYS = -16,    /* the system refused; errno said why */
    SP_ETLS = -17,    /* TLS failed; the TLS object says why */
};

/* A short lower-case English text for an SP_E code; never NULL. */
const char *sp_strerror(int err);

#endif
