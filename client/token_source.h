/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token as it is now, from the file that --token-file names or from SALLYPORT_TOKEN.
 */
#ifndef SALLYPORT_CLIENT_TOKEN_SOURCE_H
#define SALLYPORT_CLIENT_TOKEN_SOURCE_H

#include "sallyport/secret_file.h"

/* One of `file` and `text` is not NULL. The result has one item, at most SP_TOKEN_MAX bytes long.
 * SP_EINVAL and others: `why` says in one line what is wrong, and nothing is in `out`. */
int sp_token_source_read(const char *file, const char *text, struct sp_secrets *out,
                         char why[static SP_SECRET_ERR_MAX]);

#endif
