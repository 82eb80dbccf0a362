/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/losses.h"

static void count_anew(struct sp_losses *l, uint32_t sent, uint32_t lost)
{
    l->sent = sent;
    l->lost = lost;
}

bool sp_losses_tell(struct sp_losses *l, uint32_t sent, uint32_t lost)
{
    uint32_t more_sent = sent - l->sent, more_lost = lost - l->lost;
    bool many = more_lost >= SP_LOSSES_MANY && more_lost >= more_sent / SP_LOSSES_SHARE;
    bool changes = l->many ? more_lost == 0 && more_sent >= SP_LOSSES_QUIET : many;

    if (changes)
        l->many = !l->many;
    if (changes || (l->many ? more_lost > 0 : more_sent >= SP_LOSSES_LOOK))
        count_anew(l, sent, lost);
    return changes;
}
