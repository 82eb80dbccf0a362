/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structured log lines to standard error: a message that never varies, and typed fields that do.
 * One line per event, text or JSON; values are escaped, so input from outside can't forge a line.
 * Pure modules do not log; what they count, the layer above may say.
 *
 *     sp_log_info(log, "tunnel opened", SP_F_STR("subject", subject), SP_F_UINT("worker", w));
 */
#ifndef SALLYPORT_LOG_H
#define SALLYPORT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/addr.h"

enum sp_log_level { SP_LOG_ERROR, SP_LOG_WARN, SP_LOG_INFO, SP_LOG_DEBUG };

struct sp_log {
    enum sp_log_level level; /* lines above it are not written */
    bool json;
    int fd; /* usually 2; one write() a line */
};

enum sp_log_field_kind { SP_FIELD_END, SP_FIELD_STR, SP_FIELD_UINT, SP_FIELD_INT, SP_FIELD_ADDR };

struct sp_log_field {
    enum sp_log_field_kind kind;
    const char *key;
    union {
        const char *str; /* NULL is written as "" */
        uint64_t u;
        int64_t i;
        const struct sp_addr *addr;
    } v;
};

#define SP_F_STR(k, s)  ((struct sp_log_field){SP_FIELD_STR, (k), {.str = (s)}})
#define SP_F_UINT(k, n) ((struct sp_log_field){SP_FIELD_UINT, (k), {.u = (n)}})
#define SP_F_INT(k, n)  ((struct sp_log_field){SP_FIELD_INT, (k), {.i = (n)}})
#define SP_F_ADDR(k, a) ((struct sp_log_field){SP_FIELD_ADDR, (k), {.addr = (a)}})

/* `fields` ends with SP_FIELD_END. A line longer than 2,000 bytes is cut. `log` may be NULL:
 * nothing happens. */
void sp_log_event(const struct sp_log *log, enum sp_log_level level, const char *msg,
                  const struct sp_log_field *fields);

#define SP_LOG_AT(log, level, msg, ...) \
    sp_log_event((log), (level), (msg), \
                 (const struct sp_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define sp_log_error(log, msg, ...) SP_LOG_AT(log, SP_LOG_ERROR, msg __VA_OPT__(, ) __VA_ARGS__)
#define sp_log_warn(log, msg, ...)  SP_LOG_AT(log, SP_LOG_WARN, msg __VA_OPT__(, ) __VA_ARGS__)
#define sp_log_info(log, msg, ...)  SP_LOG_AT(log, SP_LOG_INFO, msg __VA_OPT__(, ) __VA_ARGS__)
#define sp_log_debug(log, msg, ...) SP_LOG_AT(log, SP_LOG_DEBUG, msg __VA_OPT__(, ) __VA_ARGS__)

/* "error", "warn", "info", "debug"; SP_EINVAL for others. */
int sp_log_level_parse(const char *text, enum sp_log_level *out);

#endif
