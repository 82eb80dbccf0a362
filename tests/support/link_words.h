/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a link is told, in words: "both delay=30ms loss=2% ab rate=6M queue=150ms". `ab`, `ba` and
 * `both` say whom the words behind them are for; `both` is where it begins. Each word changes one
 * parameter and leaves the others as they are:
 *
 *     delay=TIME jitter=TIME          30ms, 250us, 1.5s
 *     reorder=yes|no                  jitter may put packets out of order
 *     loss=SHARE                      2%, 0.02
 *     burst=NUMBER                    mean number lost in a row; 0: each on its own
 *     rate=BITS                       a second: 500k, 6M; 0: without limit
 *     queue=TIME|BYTES                150ms (at the present rate), 65536, 64k
 *
 * Pure.
 */
#ifndef SALLYPORT_TEST_LINK_WORDS_H
#define SALLYPORT_TEST_LINK_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "link_model.h"

enum link_way { LINK_AB, LINK_BA, LINK_WAYS };

#define LINK_WHY_MAX 160

/* Changes `p`, all or nothing. -1: `why` names the word and says what is allowed. */
int link_words_read(const char *text, struct link_params p[static LINK_WAYS],
                    char why[static LINK_WHY_MAX]);

/* "1.5s", "30ms", "20us"; "0". */
int link_words_time(const char *text, uint64_t *ns);

#endif
