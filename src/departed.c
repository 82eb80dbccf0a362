/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/departed.h"

#include <stddef.h>

static unsigned place(const struct sp_departed *d, unsigned i)
{
    return (d->first + i) % SP_DEPARTED_MAX;
}

void sp_departed_add(struct sp_departed *d, const struct sp_departure *what, uint32_t apart_us,
                     uint32_t apart_bytes)
{
    const struct sp_departure *last = d->n > 0 ? &d->of[place(d, d->n - 1u)] : NULL;

    if (last != NULL && what->left_us - last->left_us < apart_us &&
        what->sent_bytes - last->sent_bytes < apart_bytes)
        return;
    if (d->n == SP_DEPARTED_MAX)
        d->first = (uint16_t)place(d, 1);
    else
        d->n++;
    d->of[place(d, d->n - 1u)] = *what;
}

bool sp_departed_find(const struct sp_departed *d, uint32_t seq, struct sp_departure *out)
{
    unsigned i = d->n;

    while (i > 0 && (int32_t)(d->of[place(d, i - 1)].seq - seq) > 0)
        i--;
    if (i == 0 && d->n < SP_DEPARTED_MAX)
        return false;
    *out = d->of[place(d, i > 0 ? i - 1 : 0)];
    return true;
}
