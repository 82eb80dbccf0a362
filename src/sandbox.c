/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "sallyport/process.h"

/* --- the list ------------------------------------------------------------------------------- */

/* By name: not every architecture has each of them. */
static const char *const allowed[] = {
    /* sockets, and what was opened before */
    "read",
    "readv",
    "write",
    "writev",
    "close",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "accept4",
    "bind",
    "connect",
    "listen",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "fcntl",
    /* the loop, signals and time */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "pipe2",
    "timerfd_create",
    "timerfd_settime",
    "signalfd4",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "clock_nanosleep",
    "nanosleep",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sigaltstack",
    "restart_syscall",
    /* files that are read (open comes below), and a site's folder */
    "fstat",
    "newfstatat",
    "stat",
    "lstat",
    "statx",
    "fstatfs",
    "statfs",
    "lseek",
    "pread64",
    "preadv",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "sendfile",
    "fadvise64",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    /* memory and threads */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "futex",
    "membarrier",
    "sched_yield",
    "sched_getaffinity",
    "set_robust_list",
    "rseq",
    "getcpu",
    "exit",
    "exit_group",
    /* about ourselves */
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "sysinfo",
    "uname",
    "times",
    "getrandom",
    "umask",
};

/* A call that is allowed if (argument & mask) == value. */
static const struct {
    const char *name;
    unsigned arg;
    uint64_t mask, value;
} allowed_if[] = {
    {"open", 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
    {"openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
    /* No memory may become code. */
    {"mmap", 2, PROT_EXEC, 0},
    {"mprotect", 2, PROT_EXEC, 0},
    {"clone", 0, CLONE_THREAD, CLONE_THREAD},
    /* AF_UNIX: the service manager hears when we stop. */
    {"socket", 0, UINT32_MAX, AF_INET},
    {"socket", 0, UINT32_MAX, AF_INET6},
    {"socket", 0, UINT32_MAX, AF_UNIX},
    {"ioctl", 1, UINT32_MAX, FIONREAD},
    {"ioctl", 1, UINT32_MAX, FIONBIO},
    {"ioctl", 1, UINT32_MAX, SIOCOUTQ},
    {"ioctl", 1, UINT32_MAX, SIOCOUTQNSD},
    {"ioctl", 1, UINT32_MAX, SIOCGIFNAME},
    {"ioctl", 1, UINT32_MAX, SIOCGIFINDEX},
    {"ioctl", 1, UINT32_MAX, TCGETS},
};

/* Calls that programs are used to be refused: they try another way, so nothing is logged. */
static const struct {
    const char *name;
    unsigned err;
} declined[] = {
    {"clone3", ENOSYS}, /* its flags can't be looked at; glibc goes on to clone */
    {"prctl", EINVAL},  /* names of threads and of memory */
};

static int add(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
               const struct scmp_arg_cmp *args)
{
    int nr = seccomp_syscall_resolve_name(name);

    return nr == __NR_SCMP_ERROR || nr < 0 ? 0 : seccomp_rule_add_array(f, action, nr, n, args);
}

static int add_all(scmp_filter_ctx f)
{
    int err = 0;

    for (size_t i = 0; i < SP_ARRAY_LEN(allowed) && err == 0; i++)
        err = add(f, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; i < SP_ARRAY_LEN(allowed_if) && err == 0; i++) {
        const struct scmp_arg_cmp is = {.arg = allowed_if[i].arg,
                                        .op = SCMP_CMP_MASKED_EQ,
                                        .datum_a = allowed_if[i].mask,
                                        .datum_b = allowed_if[i].value};
        err = add(f, SCMP_ACT_ALLOW, allowed_if[i].name, 1, &is);
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(declined) && err == 0; i++)
        err = add(f, SCMP_ACT_ERRNO(declined[i].err), declined[i].name, 0, NULL);
    /* The kernel tells by it which addresses this host has. */
    const struct scmp_arg_cmp rtnetlink[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                                             SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE, 0)};
    if (err == 0)
        err = add(f, SCMP_ACT_ALLOW, "socket", SP_ARRAY_LEN(rtnetlink), rtnetlink);
    /* abort() */
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
    if (err == 0)
        err = add(f, SCMP_ACT_ALLOW, "tgkill", 1, &self);
    return err;
}

/* --- what is refused ------------------------------------------------------------------------ */

/* A signal handler has no argument, and there is one filter a process: so this one is global. */
static struct {
    _Atomic(const struct sp_log *) log;
    atomic_bool said[1024]; /* by number of the call */
} refused;

/* The signal comes in place of the call, whose result the handler leaves where the call would have.
 * It is no surprise: it comes out of a call of our own, so a log line may be written. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
    unsigned nr = (unsigned)info->si_syscall;
    ucontext_t *c = context;
    (void)sig;

    if (nr >= SP_ARRAY_LEN(refused.said) || !atomic_exchange(&refused.said[nr], true))
        sp_log_error(atomic_load(&refused.log),
                     "the sandbox has refused a system call (scmp_sys_resolver names it; "
                     "--sandbox off allows all)",
                     SP_F_UINT("number", nr));
#if defined(__x86_64__)
    c->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    c->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
    (void)c;
#endif
}

/* Where the handler can't give a result, the kernel gives it, without a line. */
static uint32_t refusal(const struct sp_log *log)
{
#if defined(__x86_64__) || defined(__aarch64__)
    struct sigaction a = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

    atomic_store(&refused.log, log);
    sigemptyset(&a.sa_mask);
    if (sigaction(SIGSYS, &a, NULL) == 0)
        return SCMP_ACT_TRAP;
#else
    (void)log;
#endif
    return SCMP_ACT_ERRNO(EPERM);
}

int sp_sandbox_enter(const struct sp_log *log, char why[static SP_SANDBOX_WHY_MAX])
{
    const char *watched = sp_process_watched();

    if (watched != NULL) {
        snprintf(why, SP_SANDBOX_WHY_MAX, "%s needs other system calls", watched);
        return SP_EDENIED;
    }
    scmp_filter_ctx f = seccomp_init(refusal(log));
    if (f == NULL) {
        snprintf(why, SP_SANDBOX_WHY_MAX, "no memory");
        return SP_ENOMEM;
    }
    int err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (err == 0)
        err = add_all(f);
    if (err == 0)
        err = seccomp_load(f);
    seccomp_release(f);
    if (err == 0)
        return 0;
    errno = -err;
    snprintf(why, SP_SANDBOX_WHY_MAX, "the kernel takes no filter of system calls: %m");
    return SP_ESYS;
}
