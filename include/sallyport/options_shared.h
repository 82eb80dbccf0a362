/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options that both programs have, as rows for their tables, and what is made of them; and what
 * reading any table's values needs again and again.
 */
#ifndef SALLYPORT_OPTIONS_SHARED_H
#define SALLYPORT_OPTIONS_SHARED_H

#include "sallyport/addr.h"
#include "sallyport/confine.h"
#include "sallyport/log.h"
#include "sallyport/options.h"

#define SP_OPTION_ROW_ADMIN(address)                                                               \
    {                                                                                              \
        .name = "admin", .arg = "ADDR:PORT", .help = "/healthz /metrics /status by HTTP; or none", \
        .more =                                                                                    \
            "Answers whoever can reach it, without a password: keep it on an address that only "   \
            "your monitoring can reach. A request must name an IP address or localhost, so that "  \
            "no web page can read it.",                                                            \
        .preset = address, .group = "Being seen", .words = "none",                                 \
        .check = sp_option_check_addr_or_none                                                      \
    }

#define SP_OPTION_ROWS_LOG                                                                         \
    {.name = "log-level",                                                                          \
     .arg = "error|warn|info|debug",                                                               \
     .help = "how much goes to standard error",                                                    \
     .preset = "info",                                                                             \
     .flags = SP_OPTION_CHOICE | SP_OPTION_RARE},                                                  \
    {                                                                                              \
        .name = "log-format", .arg = "text|json", .help = "how log lines look",                    \
        .more = "json: one object a line, with the keys time, level, msg and those of the event.", \
        .preset = "text", .flags = SP_OPTION_CHOICE | SP_OPTION_RARE                               \
    }

#define SP_OPTION_ROWS_CONFINE                                                                   \
    {.name = "run-as",                                                                           \
     .arg = "USER[:GROUP]",                                                                      \
     .help = "whom to become once ports are bound",                                              \
     .more = "Names or numbers; without a group the user's own groups. Files are read again as " \
             "that user.",                                                                       \
     .group = "Privileges",                                                                      \
     .flags = SP_OPTION_RARE,                                                                    \
     .check = sp_option_check_identity},                                                         \
    {                                                                                            \
        .name = "sandbox", .arg = "on|off", .help = "refuse system calls that are never needed", \
        .more = "A seccomp filter. What it refuses is logged, once each.", .preset = "on",       \
        .flags = SP_OPTION_CHOICE | SP_OPTION_RARE                                               \
    }

/* What these two rows come to. */
void sp_options_confine(const struct sp_options *o, struct sp_confinement *out);
const char *sp_option_check_identity(const char *value);

/* What the two rows of the log come to; lines go to standard error. */
void sp_options_log(const struct sp_options *o, struct sp_log *out);

/* The address that one of the *_addr_or_none options has, or `preset`; false: none. */
bool sp_options_addr(const struct sp_options *o, const char *name, const char *preset,
                     struct sp_addr *out);

/* For what a check of single values cannot tell: `why` gets the text. Always SP_EINVAL. */
int sp_options_refuse(char why[static SP_OPTIONS_ERR_MAX], const char *text);

/* How many values there are; SP_EINVAL when they are more than `max`, which `why` says. */
int sp_options_count_most(const struct sp_options *o, const char *name, size_t max, size_t *n,
                          char why[static SP_OPTIONS_ERR_MAX]);

#endif
