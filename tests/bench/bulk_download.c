/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A download that takes what the link gives: one TCP connection, as fast as it goes, from one host
 * (a network namespace) to another.
 *
 *     bulk_download SECONDS CONGESTION-CONTROL NETNS,ADDR:PORT NETNS
 *
 * The first host listens at that address and sends, the second receives. Prints how many bytes came
 * in that time, as a JSON object.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "sallyport/addr.h"
#include "sallyport/clock.h"

struct download {
    const char *congestion_control;
    struct sockaddr_storage addr;
    socklen_t addr_len;
    int listener, sender, receiver;
    uint64_t bytes;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bulk_download: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(const struct download *d)
{
    int fd = socket(d->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, d->congestion_control,
                   (socklen_t)strlen(d->congestion_control)) != 0)
        die(d->congestion_control);
    return fd;
}

static void open_listener(void *arg)
{
    struct download *d = arg;

    d->listener = open_socket(d);
    if (bind(d->listener, (struct sockaddr *)&d->addr, d->addr_len) != 0 ||
        listen(d->listener, 1) != 0)
        die("cannot listen");
}

static void open_receiver(void *arg)
{
    struct download *d = arg;

    d->receiver = open_socket(d);
    if (connect(d->receiver, (struct sockaddr *)&d->addr, d->addr_len) != 0)
        die("cannot connect");
}

static void run(struct download *d, uint64_t until_us)
{
    static uint8_t bytes[65536];
    struct pollfd fds[2] = {{d->sender, POLLOUT, 0}, {d->receiver, POLLIN, 0}};
    uint64_t now;

    while ((now = sp_clock_us()) < until_us) {
        ssize_t n;

        poll(fds, 2, (int)((until_us - now) / 1000) + 1);
        if ((fds[0].revents & POLLOUT) != 0 &&
            send(d->sender, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
            errno != EAGAIN)
            die("sending");
        while ((n = recv(d->receiver, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
            d->bytes += (uint64_t)n;
        if (n == 0 || errno != EAGAIN)
            die("receiving");
    }
}

int main(int argc, char **argv)
{
    struct download d = {.bytes = 0};
    struct sp_addr addr;
    const char *comma;
    char *end;
    unsigned long seconds;

    if (argc != 5) {
        fprintf(stderr, "usage: bulk_download SECONDS CONGESTION-CONTROL NETNS,ADDR:PORT NETNS\n");
        return 2;
    }
    seconds = strtoul(argv[1], &end, 10);
    comma = strchr(argv[3], ',');
    if (*end != '\0' || seconds < 1 || seconds > 3600 || comma == NULL ||
        sp_addr_parse(comma + 1, &addr) != 0) {
        fprintf(stderr, "bulk_download: want SECONDS from 1 to 3600, and NETNS,ADDR:PORT\n");
        return 2;
    }
    d.congestion_control = argv[2];
    d.addr_len = sp_addr_to_sockaddr(&addr, false, &d.addr);
    netns_run(argv[3], (size_t)(comma - argv[3]), open_listener, &d);
    netns_run(argv[4], strlen(argv[4]), open_receiver, &d);
    if ((d.sender = accept(d.listener, NULL, NULL)) < 0)
        die("accept");
    run(&d, sp_clock_us() + SP_SEC(seconds));
    printf("{\"seconds\": %lu, \"bytes\": %" PRIu64 "}\n", seconds, d.bytes);
    return 0;
}
