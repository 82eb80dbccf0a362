/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sallyport/err.h"
#include "sallyport/process.h"

#define NAME_MAX_LEN (SP_PRIVILEGE_NAME_MAX - 1)

__attribute__((format(printf, 3, 4))) static int fail(char why[static SP_PRIVILEGE_WHY_MAX],
                                                      int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, SP_PRIVILEGE_WHY_MAX, fmt, ap);
    va_end(ap);
    return err;
}

/* --- whom ----------------------------------------------------------------------------------- */

/* All digits, and not (uid_t)-1, which means "no change" to the system. */
static bool number_of(const char *text, uint32_t *out)
{
    unsigned long long n;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    n = strtoull(text, &end, 10);
    if (*end != '\0' || n >= UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static int find_user(const char *text, bool has_group, struct sp_identity *id, char *why)
{
    const struct passwd *p = getpwnam(text);
    uint32_t n;

    if (p == NULL && number_of(text, &n))
        p = getpwuid(n);
    else if (p == NULL)
        return fail(why, SP_ENOENT, "this host knows no user \"%s\"", text);
    if (p != NULL) {
        id->uid = p->pw_uid;
        id->gid = p->pw_gid;
        snprintf(id->name, sizeof id->name, "%s", has_group ? "" : p->pw_name);
    } else {
        id->uid = id->gid = n; /* as in a container, where nobody has a name */
    }
    return 0;
}

static int find_group(const char *text, struct sp_identity *id, char *why)
{
    const struct group *g = getgrnam(text);
    uint32_t n;

    if (g != NULL)
        id->gid = g->gr_gid;
    else if (number_of(text, &n))
        id->gid = n;
    else
        return fail(why, SP_ENOENT, "this host knows no group \"%s\"", text);
    return 0;
}

int sp_identity_parse(const char *text, struct sp_identity *out,
                      char why[static SP_PRIVILEGE_WHY_MAX])
{
    const char *colon = strchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    char user[SP_PRIVILEGE_NAME_MAX];
    struct sp_identity id = {.name = ""};

    if (len == 0 || len > NAME_MAX_LEN || (colon != NULL && colon[1] == '\0') ||
        (colon != NULL && strchr(colon + 1, ':') != NULL))
        return fail(why, SP_EINVAL, "wants USER or USER:GROUP, names or numbers");
    memcpy(user, text, len);
    user[len] = '\0';

    int err = find_user(user, colon != NULL, &id, why);

    if (err == 0 && colon != NULL)
        err = find_group(colon + 1, &id, why);
    if (err == 0)
        *out = id;
    return err;
}

/* --- giving up ------------------------------------------------------------------------------ */

/* What programs that this one would start could have. Wants CAP_SETPCAP; without it no_new_privs
 * sees to the same. */
static void empty_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int become(const struct sp_identity *who, char *why)
{
    bool all_groups = who->name[0] != '\0';

    if (geteuid() == who->uid && getuid() == who->uid && getegid() == who->gid)
        return 0;
    if (geteuid() != 0)
        return fail(why, SP_EDENIED, "only root can become another user");
    if ((all_groups ? initgroups(who->name, who->gid) : setgroups(1, &who->gid)) != 0 ||
        setresgid(who->gid, who->gid, who->gid) != 0 ||
        setresuid(who->uid, who->uid, who->uid) != 0)
        return fail(why, SP_ESYS, "cannot become user %u, group %u: %m", (unsigned)who->uid,
                    (unsigned)who->gid);
    if (who->uid != 0 && setuid(0) == 0)
        return fail(why, SP_EDENIED, "became user %u, but could become root again",
                    (unsigned)who->uid);
    return 0;
}

/* glibc has no wrapper for these two. */
static int keep_capabilities(uint32_t keep, char *why)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &head, caps) != 0)
        return fail(why, SP_ESYS, "cannot read capabilities: %m");
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        caps[i].permitted &= i == 0 ? keep : 0;
        caps[i].effective = caps[i].permitted;
        caps[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &head, caps) != 0)
        return fail(why, SP_ESYS, "cannot give up capabilities: %m");
    return 0;
}

int sp_privilege_drop(const struct sp_identity *who, char why[static SP_PRIVILEGE_WHY_MAX])
{
    uint32_t keep = 0;

    if (who == NULL && geteuid() == 0)
        keep = 1U << CAP_DAC_READ_SEARCH | 1U << CAP_NET_ADMIN;
    empty_bounding_set();
    int err = who != NULL ? become(who, why) : 0;
    if (err == 0)
        err = keep_capabilities(keep, why);
    if (err != 0)
        return err;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(why, SP_ESYS, "cannot set no_new_privs: %m");
    /* A change of user sets it anew. AddressSanitizer looks for leaks by tracing us. */
    prctl(PR_SET_DUMPABLE, sp_process_watched() != NULL, 0, 0, 0);
    return 0;
}
