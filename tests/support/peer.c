/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "require.h"
#include "sallyport/clock.h"
#include "sallyport/http.h"
#include "sallyport/sock.h"
#include "sallyport/turn_stream.h"

/* --- streams -------------------------------------------------------------------------------- */

static void on_established(struct sp_stream *s, void *arg)
{
    struct peer *p = arg;

    if (p->tls != NULL && sp_stream_tls(s) == NULL)
        REQUIRE(sp_stream_start_tls_client(s, p->tls, "edge.test", SP_SEC(10)) == 0);
    else
        p->up = true;
}

static void on_input(struct sp_stream *s, void *arg)
{
    struct peer *p = arg;

    if (p->holds)
        return;
    REQUIRE(sp_buf_append(&p->got, sp_buf_span(sp_stream_in(s))) == 0);
    sp_buf_consume(sp_stream_in(s), SIZE_MAX);
}

static void on_closed(struct sp_stream *s, int why, void *arg)
{
    struct peer *p = arg;

    p->ended = true;
    p->why = why;
    snprintf(p->text, sizeof p->text, "%s", sp_stream_why(s));
}

static const struct sp_stream_events events = {
    .established = on_established,
    .input = on_input,
    .closed = on_closed,
};

static bool is_up(void *arg)
{
    struct peer *p = arg;
    return p->up || p->ended;
}

bool peer_connect(struct peer *p, struct io_loop *l, const struct sp_addr *to,
                  struct sp_tls_ctx *tls)
{
    *p = (struct peer){.loop = l, .tls = tls};
    sp_buf_init(&p->got, 64 << 20);
    REQUIRE(sp_stream_connect(&l->ticker, to, SP_SEC(10), &events, p, &p->s) == 0);
    return io_loop_until(l, is_up, p) && p->up && !p->ended;
}

void peer_open(struct peer *p, struct io_loop *l, int fd)
{
    *p = (struct peer){.loop = l, .up = true};
    sp_buf_init(&p->got, 64 << 20);
    REQUIRE(sp_stream_new(&l->ticker, fd, &events, p, &p->s) == 0);
}

void peer_send(struct peer *p, const void *bytes, size_t len)
{
    REQUIRE(sp_stream_write(p->s, sp_span(bytes, len)) == 0);
}

void peer_say(struct peer *p, const char *text)
{
    peer_send(p, text, strlen(text));
}

static bool has_wanted(void *arg)
{
    struct peer *p = arg;
    return p->got.len >= p->wanted || p->ended;
}

bool peer_got(struct peer *p, size_t n)
{
    p->wanted = n;
    return io_loop_until(p->loop, has_wanted, p) && p->got.len >= n;
}

void peer_forget(struct peer *p)
{
    sp_buf_consume(&p->got, SIZE_MAX);
}

bool peer_message(struct peer *p, struct sp_span *out)
{
    size_t used;

    sp_buf_consume(&p->got, p->told);
    p->told = 0;
    while (sp_turn_stream_next(sp_buf_span(&p->got), out, &used) != 0)
        if (!peer_got(p, p->got.len + 1))
            return false;
    p->told = used;
    return true;
}

static bool has_ended(void *arg)
{
    struct peer *p = arg;
    return p->ended;
}

bool peer_ended(struct peer *p)
{
    return io_loop_until(p->loop, has_ended, p);
}

void peer_close(struct peer *p)
{
    sp_stream_free(p->s);
    p->s = NULL;
    sp_buf_fini(&p->got);
}

/* --- HTTP ----------------------------------------------------------------------------------- */

static void cut_date(char *text)
{
    char *date = strstr(text, "Date: "), *end = date != NULL ? strstr(date, "\r\n") : NULL;

    if (end != NULL)
        memmove(date, end + 2, strlen(end + 2) + 1);
}

unsigned peer_answer(struct peer *p, char *text, size_t cap)
{
    struct sp_http_head h;
    size_t used = 0;

    while (sp_http_parse_response(sp_buf_span(&p->got), &h, &used) != 0)
        if (!peer_got(p, p->got.len + 1))
            return 0;
    unsigned status = h.status;
    used += h.content_length;
    if (used >= cap || !peer_got(p, used))
        return 0;
    memcpy(text, sp_buf_span(&p->got).p, used);
    text[used] = '\0';
    cut_date(text);
    sp_buf_consume(&p->got, used);
    return status;
}

/* --- sockets -------------------------------------------------------------------------------- */

void tcp_pair(int fds[static 2])
{
    struct sp_addr any = sp_addr_v4(127, 0, 0, 1, 0), bound;
    int listening, i;

    REQUIRE(sp_sock_listen(&any, NULL, &listening, &bound) == 0);
    REQUIRE(sp_sock_connect(&bound, &fds[0]) == 0);
    for (i = 0; i < 1000; i++) {
        fds[1] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fds[1] >= 0)
            break;
        usleep(1000);
    }
    REQUIRE(fds[1] >= 0);
    close(listening);
    REQUIRE(sp_sock_tune_stream(fds[0]) == 0 && sp_sock_tune_stream(fds[1]) == 0);
}

void udp_peer_open(struct udp_peer *u, const char *ip)
{
    struct sp_addr local;

    memset(u, 0, sizeof *u);
    REQUIRE(sp_addr_parse_ip(ip, &local) == 0);
    REQUIRE(sp_sock_udp(&local, NULL, &u->fd, &u->addr) == 0);
}

void udp_peer_send(struct udp_peer *u, const struct sp_addr *to, struct sp_span bytes)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, false, &ss);

    REQUIRE(sendto(u->fd, bytes.p, bytes.len, 0, (struct sockaddr *)&ss, len) ==
            (ssize_t)bytes.len);
}

static bool take(void *arg)
{
    struct udp_peer *u = arg;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    ssize_t n = recvfrom(u->fd, u->bytes, sizeof u->bytes, 0, (struct sockaddr *)&ss, &len);

    if (n < 0)
        return false;
    u->len = (size_t)n;
    REQUIRE(sp_addr_from_sockaddr((struct sockaddr *)&ss, &u->from) == 0);
    return true;
}

bool udp_peer_recv(struct udp_peer *u, struct io_loop *l)
{
    return io_loop_until(l, take, u);
}

bool udp_peer_silent(struct udp_peer *u, struct io_loop *l, unsigned ms)
{
    io_loop_for(l, ms);
    return !take(u);
}

void udp_peer_close(struct udp_peer *u)
{
    close(u->fd);
}
