/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privileges that a program needs to bind its ports, and must not keep: who it runs as, its
 * capabilities, and the chance to get any back. Per process: before there are threads.
 */
#ifndef SALLYPORT_PRIVILEGE_H
#define SALLYPORT_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#define SP_PRIVILEGE_NAME_MAX 64
#define SP_PRIVILEGE_WHY_MAX  256

/* Whom to run as. */
struct sp_identity {
    uid_t uid;
    gid_t gid;
    char name[SP_PRIVILEGE_NAME_MAX]; /* whose other groups come along; "": none */
};

/* "USER[:GROUP]": names that this host knows, or numbers. Without a group it is the user's own, and
 * the user's other groups come along (one that may read the certificate's key, say). SP_EINVAL: not
 * of that form; SP_ENOENT: `why` names whom nobody knows here. */
int sp_identity_parse(const char *text, struct sp_identity *out,
                      char why[static SP_PRIVILEGE_WHY_MAX]);

/*
 * Becomes `who` (NULL: stays who it is), with no way back: capabilities given up, the bounding set
 * too, no_new_privs set, and no core dumps. Who stays root keeps two capabilities, if they are
 * there: CAP_DAC_READ_SEARCH, to read files again that others own, and CAP_NET_ADMIN, for UDP
 * buffers beyond net.core.rmem_max.
 * SP_EDENIED: only root can become somebody else; SP_ESYS. In both cases `why` says so in one line,
 * and the process is in no state to go on.
 */
int sp_privilege_drop(const struct sp_identity *who, char why[static SP_PRIVILEGE_WHY_MAX]);

#endif
