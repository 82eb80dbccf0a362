/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Else what is opened first takes a number that messages are written to. */
static void hold_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* glibc has no wrapper for these two. */
static void use_low_ports(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
    const uint32_t bit = 1U << CAP_NET_BIND_SERVICE;

    if (syscall(SYS_capget, &head, caps) < 0 || !(caps[0].permitted & bit))
        return;
    caps[0].effective |= bit;
    syscall(SYS_capset, &head, caps);
}

void sp_process_prepare(void)
{
    static const struct rlimit no_core = {0, 0};
    struct rlimit files;

    hold_standard_files();
    use_low_ports();
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0); /* a piped core_pattern does not ask RLIMIT_CORE */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#elif __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

const char *sp_process_watched(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return "an address sanitizer";
#elif defined(__SANITIZE_THREAD__)
    return "a thread sanitizer";
#else
    /* valgrind loads itself into what it runs, and this is how. */
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL ? "valgrind" : NULL;
#endif
}

/* --- what it uses --------------------------------------------------------------------------- */

static uint64_t us_of(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void read_memory(struct sp_process_usage *out)
{
    FILE *f = fopen("/proc/self/statm", "re");
    uint64_t total, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);

    if (f == NULL)
        return;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
        out->virtual_bytes = total * page;
        out->resident_bytes = resident * page;
    }
    fclose(f);
}

static uint64_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (d == NULL)
        return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* but for the one that counted */
}

/* 0: it has no bound, or none that we see. */
static unsigned cpus_of_share(void)
{
    uint64_t quota_us, period_us;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    bool bounded =
        f != NULL && fscanf(f, "%" SCNu64 " %" SCNu64, &quota_us, &period_us) == 2 && period_us > 0;

    if (f != NULL)
        fclose(f);
    return bounded ? (unsigned)((quota_us + period_us - 1) / period_us) : 0;
}

unsigned sp_process_cpus(void)
{
    unsigned n, share = cpus_of_share();
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (unsigned)CPU_COUNT(&set);
    else /* there are more than fit into it */
        n = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    n = share > 0 && share < n ? share : n;
    return n > 0 ? n : 1;
}

void sp_process_usage(struct sp_process_usage *out)
{
    struct rusage used;
    struct rlimit files;

    *out = (struct sp_process_usage){0};
    if (getrusage(RUSAGE_SELF, &used) == 0)
        out->cpu_us = us_of(&used.ru_utime) + us_of(&used.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        out->max_fds = files.rlim_cur;
    read_memory(out);
    out->open_fds = count_fds();
}
