/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "site_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sallyport/err.h"

/* A pipe or a device in the folder must not make us wait. */
#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define LINKS_MAX  8
#define PATH_ROOM  (2 * SP_SITE_PATH_MAX) /* a path, or what links make of it */

struct sp_site_files {
    int first; /* what had that name at the start */
    char name[];
};

int sp_site_files_open(const char *dir, struct sp_site_files **out,
                       char why[static SP_SITE_FILES_WHY_MAX])
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) != 0) {
        snprintf(why, SP_SITE_FILES_WHY_MAX, "cannot serve %s (--site): %s; wants a folder to read",
                 dir, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return SP_EINVAL;
    }
    struct sp_site_files *f = malloc(sizeof *f + strlen(dir) + 1);
    if (f == NULL) {
        close(fd);
        snprintf(why, SP_SITE_FILES_WHY_MAX, "%s", sp_strerror(SP_ENOMEM));
        return SP_ENOMEM;
    }
    f->first = fd;
    strcpy(f->name, dir);
    *out = f;
    return 0;
}

void sp_site_files_close(struct sp_site_files *f)
{
    if (f == NULL)
        return;
    close(f->first);
    free(f);
}

/* Puts where a link leads in its place: `rest` is what follows it. Down only, so that nothing has
 * to be proven: no slash in front, and no "..", which the walk refuses. */
static int follow(int at, const char *name, const char *rest, char out[static PATH_ROOM])
{
    char target[PATH_ROOM];
    ssize_t n = readlinkat(at, name, target, sizeof target);

    if (n <= 0 || target[0] == '/' || (size_t)n + strlen(rest) >= PATH_ROOM)
        return SP_ENOENT;
    memmove(out + n, rest, strlen(rest) + 1);
    memcpy(out, target, (size_t)n);
    return 0;
}

/*
 * Opens it name by name and each without following links, so that nothing leads out, not even what
 * changes meanwhile. (The kernel could do it at once, by openat2, but a sandbox that can't see its
 * flags doesn't allow that.) Changes `path`. -1 and errno.
 */
static int open_beneath(int dir, char path[static PATH_ROOM])
{
    int at = dir, fd = -1;

    for (int links = 0; at >= 0;) {
        size_t len = strcspn(path, "/"), skip = len + strspn(path + len, "/");
        bool last = path[skip] == '\0';
        char name[SP_SITE_SEGMENT_MAX + 1];

        errno = ENOENT;
        if (len == 0 || len >= sizeof name)
            break;
        memcpy(name, path, len);
        name[len] = '\0';
        if (strcmp(name, "..") == 0)
            break;
        fd = openat(at, name, O_NOFOLLOW | (last ? READ_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
            errno = ENOENT;
            if (++links > LINKS_MAX || follow(at, name, path + len, path) != 0)
                break;
            continue;
        }
        if (fd < 0 || last)
            break;
        if (at != dir)
            close(at);
        at = fd;
        fd = -1;
        memmove(path, path + skip, strlen(path + skip) + 1);
    }
    int saved = errno;
    if (at != dir)
        close(at);
    errno = saved;
    return fd;
}

static int why_not(void)
{
    switch (errno) {
    case EACCES:
    case EPERM:
        return SP_EDENIED;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return SP_EFULL;
    default:
        return SP_ENOENT;
    }
}

static void describe(const struct stat *st, struct sp_site_version *v)
{
    v->len = (uint64_t)st->st_size;
    v->modified_s = st->st_mtim.tv_sec > 0 ? (uint64_t)st->st_mtim.tv_sec : 0;
    snprintf(v->etag, sizeof v->etag, "\"%llx-%lx-%llx\"", (unsigned long long)v->modified_s,
             (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)v->len);
}

int sp_site_files_find(const struct sp_site_files *f, const struct sp_site_path *path,
                       struct sp_site_file *out)
{
    static const char index[] = "index.html";
    char name[PATH_ROOM];
    bool folder = path->text[path->len - 1] == '/';
    struct stat st;

    snprintf(name, sizeof name, "%s%s", path->text + 1, folder ? index : "");
    int dir = open(f->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = open_beneath(dir >= 0 ? dir : f->first, name), err = fd < 0 ? why_not() : 0;

    if (dir >= 0)
        close(dir);
    if (err != 0)
        return err;
    if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && (folder || !S_ISDIR(st.st_mode)))) {
        close(fd);
        return SP_ENOENT;
    }
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        *out = (struct sp_site_file){.fd = -1};
        return 0;
    }
    out->fd = fd;
    out->type = sp_site_path_type(folder ? index : path->text);
    describe(&st, &out->version);
    return 0;
}
