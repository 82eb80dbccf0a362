/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/clock.h"

#include <time.h>

uint64_t sp_clock_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    /* One more, since the clock may start at 0 with the machine (or with a time namespace). */
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 + 1;
}

uint64_t sp_clock_unix_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec > 0 ? (uint64_t)ts.tv_sec : 0;
}
