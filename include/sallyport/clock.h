/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two clocks. Only the outermost layer asks them; machines are told the time.
 */
#ifndef SALLYPORT_CLOCK_H
#define SALLYPORT_CLOCK_H

#include <stdint.h>

#define SP_MS(n)  ((uint64_t)(n)*1000)    /* milliseconds as microseconds */
#define SP_SEC(n) ((uint64_t)(n)*1000000) /* seconds as microseconds */
#define SP_NEVER  UINT64_MAX              /* a deadline that does not come */

/* Monotonic microseconds, the `now_us` of every machine. Never 0, so 0 can mean "not yet". */
uint64_t sp_clock_us(void);

/* Seconds since 1970, for expiry dates that leave this process. */
uint64_t sp_clock_unix_s(void);

#endif
