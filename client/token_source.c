/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token_source.h"

#include <stdio.h>

#include "sallyport/err.h"
#include "sallyport/token.h"

#define IN_ENV "SALLYPORT_TOKEN"

int sp_token_source_read(const char *file, const char *text, struct sp_secrets *out,
                         char why[static SP_SECRET_ERR_MAX])
{
    int err = file != NULL ? sp_secret_file_read(file, out, why)
                           : sp_secrets_from_text(IN_ENV, sp_span_str(text), out, why);

    if (err == 0 && (out->n != 1 || out->items[0].len > SP_TOKEN_MAX)) {
        snprintf(why, SP_SECRET_ERR_MAX, "%s holds something else than one token",
                 file != NULL ? file : IN_ENV);
        sp_secrets_fini(out);
        err = SP_EINVAL;
    }
    return err;
}
