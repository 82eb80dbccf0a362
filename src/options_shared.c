/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/options_shared.h"

#include <string.h>
#include <unistd.h>

#include "sallyport/err.h"

void sp_options_log(const struct sp_options *o, struct sp_log *out)
{
    out->fd = STDERR_FILENO;
    out->json = strcmp(sp_options_get(o, "log-format", "text"), "json") == 0;
    sp_log_level_parse(sp_options_get(o, "log-level", "info"), &out->level);
}

const char *sp_option_check_identity(const char *value)
{
    struct sp_identity id;
    char why[SP_PRIVILEGE_WHY_MAX];
    int err = sp_identity_parse(value, &id, why);

    if (err == SP_ENOENT)
        return "wants a user and a group that this host knows, or numbers: USER or USER:GROUP";
    return err == 0 ? NULL : "wants USER or USER:GROUP, names or numbers";
}

void sp_options_confine(const struct sp_options *o, struct sp_confinement *out)
{
    const char *run_as = sp_options_get(o, "run-as", NULL);
    char why[SP_PRIVILEGE_WHY_MAX];

    out->has_run_as = run_as != NULL && sp_identity_parse(run_as, &out->run_as, why) == 0;
    out->sandbox = strcmp(sp_options_get(o, "sandbox", "on"), "on") == 0;
}

bool sp_options_addr(const struct sp_options *o, const char *name, const char *preset,
                     struct sp_addr *out)
{
    const char *value = sp_options_get(o, name, preset);

    return strcmp(value, "none") != 0 && sp_addr_parse(value, out) == 0;
}

int sp_options_refuse(char why[static SP_OPTIONS_ERR_MAX], const char *text)
{
    snprintf(why, SP_OPTIONS_ERR_MAX, "%s", text);
    return SP_EINVAL;
}

int sp_options_count_most(const struct sp_options *o, const char *name, size_t max, size_t *n,
                          char why[static SP_OPTIONS_ERR_MAX])
{
    *n = sp_options_count(o, name);
    if (*n <= max)
        return 0;
    snprintf(why, SP_OPTIONS_ERR_MAX, "--%s: at most %zu of them", name, max);
    return SP_EINVAL;
}
