/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process_use.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static bool add_thread(pid_t pid, const char *task, uint64_t *cpu_ns)
{
    char path[300];
    uint64_t ns;

    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, task);

    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    if (fscanf(f, "%" SCNu64, &ns) == 1)
        *cpu_ns += ns;
    fclose(f);
    return true;
}

static bool read_rss(pid_t pid, uint64_t *kb)
{
    char path[64], line[256];
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);

    FILE *f = fopen(path, "r");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = sscanf(line, "VmRSS: %" SCNu64, kb) == 1;
    if (f != NULL)
        fclose(f);
    return found;
}

bool process_use_read(pid_t pid, struct process_use *out)
{
    struct process_use use = {0};
    const struct dirent *d;
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);

    DIR *dir = opendir(path);
    while (dir != NULL && (d = readdir(dir)) != NULL)
        if (d->d_name[0] != '.')
            add_thread(pid, d->d_name, &use.cpu_ns);
    if (dir != NULL)
        closedir(dir);
    if (dir == NULL || !read_rss(pid, &use.rss_kb))
        return false;
    *out = use;
    return true;
}
