/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of secrets: one a line (shared secrets, NAME:PASSWORD, a token). Refuses a file that
 * everyone on the host can read or write, unless its file system is mounted read-only, as secrets
 * of containers are. Knows nothing of what a line means.
 *
 * White space around a line is no part of it, nor is a CR before its end. Empty lines, and those
 * that start with "#", don't count.
 */
#ifndef SALLYPORT_SECRET_FILE_H
#define SALLYPORT_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/bytes.h"

#define SP_SECRET_FILE_MAX 1048576 /* bytes of a file */
#define SP_SECRET_ERR_MAX  512

struct sp_secrets {
    struct sp_span *items; /* none is empty */
    size_t n;              /* at least 1 after success */
    char *mem;             /* what the items borrow from; wiped by fini */
    size_t mem_len;
};

/*
 * On failure `out` is not touched and `why` holds one line, without newline, that names the file
 * and says what to do. SP_ESYS: it can't be read; SP_EDENIED: open to everyone; SP_EINVAL: no
 * ordinary file, too long, control characters in it, or no line that counts; SP_ENOMEM.
 */
int sp_secret_file_read(const char *path, struct sp_secrets *out,
                        char why[static SP_SECRET_ERR_MAX]);

/* The same from a text, copied: for a secret that came by the environment. `name` stands for the
 * path in `why`. */
int sp_secrets_from_text(const char *name, struct sp_span text, struct sp_secrets *out,
                         char why[static SP_SECRET_ERR_MAX]);

/* Whether everyone may read or write the open file, on a file system that can be written. */
bool sp_secret_fd_is_public(int fd);

/* Wipes and frees; a zeroed struct is fine, and is what is left. */
void sp_secrets_fini(struct sp_secrets *s);

#endif
