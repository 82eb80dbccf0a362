/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/confine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "sallyport/sandbox.h"

static int check_files(const struct sp_confine_file *files, size_t n, const struct sp_log *log,
                       char *why)
{
    for (size_t i = 0; i < n; i++) {
        const struct sp_confine_file *f = &files[i];

        if (f->path == NULL || access(f->path, R_OK) == 0)
            continue;
        if (f->needed) {
            snprintf(why, SP_CONFINE_WHY_MAX, "%s %s: user %u, group %u can't read it: %m",
                     f->option, f->path, (unsigned)getuid(), (unsigned)getgid());
            return SP_EDENIED;
        }
        sp_log_warn(log,
                    "a file can be read no more, now that privileges are gone: what was "
                    "read of it stays, and rereading will fail",
                    SP_F_STR("option", f->option), SP_F_STR("file", f->path),
                    SP_F_STR("reason", strerrordesc_np(errno)));
    }
    return 0;
}

static void enter_sandbox(const struct sp_confinement *c, const struct sp_log *log)
{
    char why[SP_SANDBOX_WHY_MAX];

    if (!c->sandbox)
        sp_log_warn(log, "no sandbox", SP_F_STR("reason", "--sandbox off"));
    else if (sp_sandbox_enter(log, why) != 0)
        sp_log_warn(log, "no sandbox", SP_F_STR("reason", why));
}

int sp_confine(const struct sp_confinement *c, const struct sp_confine_file *files, size_t n_files,
               const struct sp_log *log, char why[static SP_CONFINE_WHY_MAX])
{
    char text[SP_PRIVILEGE_WHY_MAX];
    int err = sp_privilege_drop(c->has_run_as ? &c->run_as : NULL, text);

    if (err != 0) {
        snprintf(why, SP_CONFINE_WHY_MAX, "%s%s", c->has_run_as ? "--run-as: " : "", text);
        return err;
    }
    err = check_files(files, n_files, log, why);
    if (err != 0)
        return err;
    enter_sandbox(c, log);
    if (geteuid() == 0)
        sp_log_info(log, "runs as root: --run-as USER would leave it less");
    return 0;
}
