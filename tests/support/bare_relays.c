/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare_relays.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/sock.h"

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static _Noreturn void relay(int in, const struct sp_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);
    int out = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint8_t bytes[2048];
    ssize_t n;

    if (out < 0 || connect(out, (struct sockaddr *)&ss, len) != 0)
        die("bare relay: connect");
    while ((n = recv(in, bytes, sizeof bytes, 0)) >= 0)
        if (send(out, bytes, (size_t)n, 0) < 0)
            die("bare relay: send");
    die("bare relay: recv");
}

static struct sp_addr start(const struct sp_addr *to)
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound;
    pid_t parent = getpid();
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(&any, false, &ss);

    if (in < 0 || bind(in, (struct sockaddr *)&ss, len) != 0 || sp_sock_local(in, &bound) != 0)
        die("bare relay: bind");
    pid_t pid = fork();
    if (pid < 0)
        die("bare relay: fork");
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
            _exit(1);
        relay(in, to);
    }
    close(in);
    return bound;
}

struct sp_addr bare_relays_start(unsigned n, const struct sp_addr *to)
{
    struct sp_addr next = *to;

    while (n-- > 0)
        next = start(&next);
    return next;
}
