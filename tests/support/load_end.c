/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sallyport/chandata.h"
#include "sallyport/clock.h"

#define CHANNEL      0x4000
#define ASK_AGAIN_US SP_MS(500)
#define ASKS_MAX     20
#define CHALLENGES   2 /* the first, and a nonce that has become stale */

static const char *const stages[] = {
    "waits",           "connects", "asks for an allocation", "waits for its other end",
    "binds a channel", "is ready"};
static const char *const kinds[] = {"udp", "tcp", "tls", "tunnel", "peer"};

const char *load_kind_name(enum load_kind k)
{
    return kinds[k];
}

uint64_t load_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const struct load_end *e, const char *why)
{
    char text[SP_ADDR_STRLEN];

    fprintf(stderr, "load: end %u, by %s to %s, %s: %s\n", e->number, kinds[e->kind],
            sp_addr_format(&e->server, text), stages[e->stage], why);
    exit(1);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void make_dirty(struct load_end *e)
{
    if (!e->is_dirty) {
        e->is_dirty = true;
        e->world->dirty[e->world->n_dirty++] = e;
    }
}

void load_world_flush(struct load_world *w)
{
    load_udp_flush(&w->udp);
    for (uint32_t i = 0; i < w->n_dirty; i++) {
        w->dirty[i]->is_dirty = false;
        load_stream_flush(&w->dirty[i]->stream);
    }
    w->n_dirty = 0;
}

/* `padded` zeros follow it. */
static bool send_message(struct load_end *e, struct sp_span msg, size_t padding)
{
    switch (e->kind) {
    case LOAD_UDP:
    case LOAD_PEER:
        memcpy(load_udp_room(&e->world->udp), msg.p, msg.len);
        load_udp_put(&e->world->udp, e->number,
                     e->kind == LOAD_UDP ? &e->server : &e->other->address, msg.len);
        return true;
    case LOAD_TCP:
    case LOAD_TLS:
        make_dirty(e);
        return load_stream_put(&e->stream, sp_span(msg.p, msg.len + padding));
    case LOAD_TUNNEL:
        sp_flow_send(e->flow, &msg, 1, e->world->now_us(e->world->arg));
        return true;
    }
    return false;
}

void load_end_send(struct load_end *e, enum load_stream_kind stream, size_t len)
{
    static uint8_t bytes[SP_CHANDATA_HEADER_LEN + LOAD_DATAGRAM_MAX + 3];
    uint8_t *data = bytes + SP_CHANDATA_HEADER_LEN;
    struct sp_span msg = sp_span(data, len);

    load_stamp(data, e->number, stream, e->sent++, load_now_ns());
    if (e->kind != LOAD_PEER) {
        sp_chandata_header(bytes, CHANNEL, (uint16_t)len);
        msg = sp_span(bytes, SP_CHANDATA_HEADER_LEN + len);
    }
    if (!send_message(e, msg, sp_chandata_padding(len)))
        e->world->refused++;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static void ask(struct load_end *e, struct sp_span request)
{
    e->request = request;
    e->asks = 1;
    e->ask_again_us = sp_clock_us() + ASK_AGAIN_US;
    if (!send_message(e, request, 0))
        die(e, "its connection takes no request");
    load_world_flush(e->world);
}

void load_end_remind(struct load_end *e, uint64_t now_us)
{
    if ((e->stage != LOAD_ALLOCATING && e->stage != LOAD_BINDING) || now_us < e->ask_again_us)
        return;
    if (e->asks++ == ASKS_MAX)
        die(e, "no answer");
    e->ask_again_us = now_us + ASK_AGAIN_US;
    if (e->kind == LOAD_UDP)
        send_message(e, e->request, 0);
}

static void become_ready(struct load_end *e)
{
    e->stage = LOAD_READY;
    free(e->user);
    e->user = NULL;
    e->world->ready++;
}

static void bind_channel(struct load_end *e)
{
    if (e->kind == LOAD_PEER) {
        become_ready(e);
        return;
    }
    e->stage = LOAD_BINDING;
    ask(e, turn_user_bind(e->user, CHANNEL, &e->other->address));
}

static void have_address(struct load_end *e, const struct sp_addr *address)
{
    e->stage = LOAD_ALLOCATED;
    e->address = *address;
    if (e->other->stage == LOAD_ALLOCATED) {
        bind_channel(e);
        bind_channel(e->other);
    }
}

static void allocate(struct load_end *e)
{
    e->stage = LOAD_ALLOCATING;
    ask(e, turn_user_allocate(e->user));
}

static void take_answer(struct load_end *e, int code)
{
    char why[64];

    if (code < 0)
        return;
    if ((code == 401 || code == 438) && e->stage == LOAD_ALLOCATING &&
        e->challenges++ < CHALLENGES) {
        allocate(e);
    } else if (code == 0 && e->stage == LOAD_ALLOCATING) {
        have_address(e, &e->user->relayed);
    } else if (code == 0 && e->stage == LOAD_BINDING) {
        become_ready(e);
    } else if (code != 0) {
        snprintf(why, sizeof why, "the server refuses it with %d", code);
        die(e, why);
    }
}

void load_end_take(struct load_end *e, struct sp_span msg, uint64_t now_ns)
{
    struct load_world *w = e->world;
    const struct load_expected want = {
        e->other->number, {w->len[LOAD_VOICE], w->len[LOAD_VIDEO]}, w->since_ns};
    struct sp_chandata c;

    if (e->kind == LOAD_PEER) {
        load_tally_take(&w->tally, &e->seen, msg, &want, now_ns);
    } else if (sp_chandata_looks_like(msg)) {
        if (sp_chandata_parse(msg, &c) == 0)
            load_tally_take(&w->tally, &e->seen, c.data, &want, now_ns);
        else
            w->tally.wrong++;
    } else if (e->user != NULL) {
        take_answer(e, turn_user_take(e->user, msg));
    }
}

/* ---- connections ----------------------------------------------------------------------------- */

static void on_up(struct load_stream *s, void *arg)
{
    (void)s;
    allocate(arg);
}

static void on_message(struct load_stream *s, struct sp_span msg, void *arg)
{
    (void)s;
    load_end_take(arg, msg, load_now_ns());
}

static void on_failed(struct load_stream *s, const char *why, void *arg)
{
    (void)s;
    die(arg, why);
}

static const struct load_stream_events events = {on_up, on_message, on_failed};

void load_end_open(struct load_end *e)
{
    struct load_world *w = e->world;
    struct sp_addr own = load_udp_address(&w->udp, e->number);

    if (e->kind == LOAD_PEER) {
        have_address(e, &own);
        return;
    }
    if ((e->user = malloc(sizeof *e->user)) == NULL)
        die(e, "no memory");
    turn_user_init(e->user, "test", "test", e->number + 1);
    if (e->kind == LOAD_TCP || e->kind == LOAD_TLS) {
        own.port = 0;
        e->stage = LOAD_CONNECTING;
        load_stream_open(&e->stream, w->loop, &own, &e->server, e->kind == LOAD_TLS ? w->tls : NULL,
                         &events, e);
        return;
    }
    if (e->kind == LOAD_TUNNEL && (e->flow = w->flow_open(e, w->arg)) == NULL)
        die(e, "its tunnel takes no more flows");
    allocate(e);
}

void load_end_close(struct load_end *e)
{
    if ((e->kind == LOAD_TCP || e->kind == LOAD_TLS) && e->stage != LOAD_CLOSED)
        load_stream_close(&e->stream);
    free(e->user);
}
