/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo_room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/err.h"
#include "sallyport/list.h"
#include "sallyport/map.h"
#include "sallyport/ratelimit.h"

#define QUIET_TICKS 3 /* a comment goes out so often, so that nobody on the way loses patience */

/* An event, as it goes out. */
struct kept {
    struct sp_link link;
    uint64_t number, at_us;
    size_t len;
    char text[];
};

struct sp_demo_seat {
    struct sp_demo_room *room;
    char key[SP_DEMO_KEY_MAX + 1]; /* "": nobody's */
    struct sp_addr from;
    void *listener;    /* NULL: it is away … */
    uint64_t since_us; /* … since then */
    uint64_t numbers;
    struct sp_list kept; /* the oldest first */
    size_t n_kept, kept_bytes;
    struct sp_ratelimit pace;
};

struct sp_demo_room {
    struct sp_demo_rooms *all;
    struct sp_map_node node;
    char name[SP_DEMO_NAME_MAX + 1]; /* filled up with zeros: it is the key */
    struct sp_demo_seat seats[2];
    char session[64]; /* "": they have not met */
    struct sp_timer tick;
    unsigned ticks;
    uint64_t began_us;
};

struct sp_demo_rooms {
    struct sp_demo_rooms_config config;
    const struct sp_demo_effects *effects;
    void *arg;
    struct sp_timerq *timers;
    struct sp_map rooms;
    struct sp_demo_counters counters;
};

/* --- names ---------------------------------------------------------------------------------- */

static bool all_of(struct sp_span s, size_t min, size_t max, const char *more)
{
    if (s.len < min || s.len > max)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = (char)s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(more, c) != NULL)))
            return false;
    }
    return true;
}

bool sp_demo_name_ok(struct sp_span name)
{
    return all_of(name, SP_DEMO_NAME_MIN, SP_DEMO_NAME_MAX, "-");
}

bool sp_demo_key_ok(struct sp_span key)
{
    return all_of(key, SP_DEMO_KEY_MIN, SP_DEMO_KEY_MAX, "-_");
}

static struct sp_demo_room *find_room(const struct sp_demo_rooms *d, struct sp_span name)
{
    char key[SP_DEMO_NAME_MAX + 1] = "";

    if (name.len > SP_DEMO_NAME_MAX)
        return NULL;
    memcpy(key, name.p, name.len);
    struct sp_map_node *n = sp_map_get(&d->rooms, key);
    return n != NULL ? SP_CONTAINER_OF(n, struct sp_demo_room, node) : NULL;
}

static bool is_taken(const struct sp_demo_seat *s)
{
    return s->key[0] != '\0';
}

/* By key; the empty one: a free seat. */
static struct sp_demo_seat *find_seat(struct sp_demo_room *r, struct sp_span key)
{
    for (size_t i = 0; r != NULL && i < 2; i++)
        if (sp_span_eq(key, sp_span_str(r->seats[i].key)))
            return &r->seats[i];
    return NULL;
}

static struct sp_demo_seat *other_one(struct sp_demo_seat *s)
{
    struct sp_demo_seat *o = s == &s->room->seats[0] ? &s->room->seats[1] : &s->room->seats[0];
    return is_taken(o) ? o : NULL;
}

/* --- events --------------------------------------------------------------------------------- */

static void forget(struct sp_demo_seat *s, struct kept *k)
{
    sp_list_remove(&k->link);
    s->n_kept--;
    s->kept_bytes -= k->len;
    free(k);
}

static struct kept *oldest(const struct sp_demo_seat *s)
{
    struct sp_link *l = sp_list_first(&s->kept);
    return l != NULL ? SP_LIST_ITEM(l, struct kept, link) : NULL;
}

static void send_to(struct sp_demo_seat *s, struct sp_span text, uint64_t now_us)
{
    const struct sp_demo_rooms *d = s->room->all;

    if (s->listener != NULL && !d->effects->send(d->arg, s->listener, text))
        sp_demo_lost(s, now_us);
}

static int tell(struct sp_demo_seat *s, const char *event, struct sp_span text, uint64_t now_us)
{
    const size_t cap = 96 + text.len;
    struct kept *k = malloc(sizeof *k + cap);

    if (k == NULL)
        return SP_ENOMEM;
    *k = (struct kept){.number = ++s->numbers, .at_us = now_us};
    k->len = (size_t)snprintf(k->text, cap, "id: %" PRIu64 "\nevent: %s\ndata: %.*s\n\n", k->number,
                              event, (int)text.len, (const char *)text.p);
    sp_list_append(&s->kept, &k->link);
    s->n_kept++;
    s->kept_bytes += k->len;
    while (s->n_kept > SP_DEMO_KEPT_MAX || s->kept_bytes > SP_DEMO_KEPT_BYTES) {
        s->room->all->counters.dropped += s->listener == NULL;
        forget(s, oldest(s));
    }
    send_to(s, sp_span(k->text, k->len), now_us);
    return 0;
}

static void tell_text(struct sp_demo_seat *s, const char *event, const char *text, uint64_t now_us)
{
    (void)tell(s, event, sp_span_str(text), now_us); /* without memory it has to be asked again */
}

static void tell_missed(struct sp_demo_seat *s, uint64_t heard, uint64_t now_us)
{
    SP_LIST_EACH(&s->kept, link, next)
    {
        const struct kept *k = SP_LIST_ITEM(link, struct kept, link);
        if (k->number > heard)
            send_to(s, sp_span(k->text, k->len), now_us);
    }
}

/* --- seats and rooms ------------------------------------------------------------------------ */

static void part(struct sp_demo_room *r, uint64_t now_us)
{
    const struct sp_demo_rooms *d = r->all;

    if (r->session[0] != '\0')
        d->effects->part(d->arg, r->session, now_us);
    r->session[0] = '\0';
}

static void close_listener(struct sp_demo_seat *s)
{
    const struct sp_demo_rooms *d = s->room->all;
    void *listener = s->listener;

    s->listener = NULL;
    if (listener != NULL)
        d->effects->close(d->arg, listener);
}

static void vacate(struct sp_demo_seat *s)
{
    close_listener(s);
    while (oldest(s) != NULL)
        forget(s, oldest(s));
    s->key[0] = '\0';
}

static void room_free(struct sp_demo_room *r, uint64_t now_us)
{
    struct sp_demo_rooms *d = r->all;

    part(r, now_us);
    for (size_t i = 0; i < 2; i++)
        vacate(&r->seats[i]);
    sp_timerq_cancel(d->timers, &r->tick);
    sp_map_del(&d->rooms, &r->node);
    sp_tally_give(d->config.tally);
    free(r);
}

/* Somebody is gone; the room with the last one. */
static void leave(struct sp_demo_seat *s, uint64_t now_us)
{
    struct sp_demo_room *r = s->room;
    struct sp_demo_seat *other = other_one(s);

    vacate(s);
    if (other == NULL) {
        room_free(r, now_us);
        return;
    }
    part(r, now_us);
    tell_text(other, "left", "{}", now_us);
}

static void end(struct sp_demo_room *r, uint64_t now_us)
{
    r->all->counters.expired++;
    for (size_t i = 0; i < 2; i++)
        if (is_taken(&r->seats[i]))
            tell_text(&r->seats[i], "over", "{}", now_us);
    room_free(r, now_us);
}

static bool has_lasted(const struct sp_demo_room *r, uint64_t now_us)
{
    uint64_t most_us =
        is_taken(&r->seats[0]) && is_taken(&r->seats[1]) ? SP_DEMO_LAST_US : SP_DEMO_ALONE_US;
    return now_us - r->began_us >= most_us;
}

static void on_tick(struct sp_timer *t, uint64_t now_us, void *arg)
{
    struct sp_demo_room *r = arg;

    (void)sp_timerq_set(r->all->timers, t, now_us + SP_DEMO_TICK_US);
    if (has_lasted(r, now_us)) {
        end(r, now_us);
        return;
    }
    r->ticks++;
    for (size_t i = 0; i < 2; i++) {
        struct sp_demo_seat *s = &r->seats[i];
        struct kept *k;
        while ((k = oldest(s)) != NULL && now_us - k->at_us > SP_DEMO_KEPT_US)
            forget(s, k);
        if (is_taken(s) && s->listener == NULL && now_us - s->since_us >= SP_DEMO_AWAY_US) {
            leave(s, now_us);
            return; /* the room may be gone; the other seat has its turn at the next tick */
        }
        if (r->ticks % QUIET_TICKS == 0)
            send_to(s, sp_span_str(":\n\n"), now_us);
    }
}

static int room_new(struct sp_demo_rooms *d, struct sp_span name, uint64_t now_us,
                    struct sp_demo_room **out)
{
    struct sp_demo_room *r;

    if (!sp_tally_take(d->config.tally, d->config.max)) {
        ++*d->config.hits;
        return SP_EFULL;
    }
    r = calloc(1, sizeof *r);
    if (r == NULL)
        goto no_memory;
    r->all = d;
    r->began_us = now_us;
    memcpy(r->name, name.p, name.len);
    for (size_t i = 0; i < 2; i++) {
        r->seats[i].room = r;
        sp_list_init(&r->seats[i].kept);
    }
    sp_timer_init(&r->tick, on_tick, r);
    if (sp_timerq_set(d->timers, &r->tick, now_us + SP_DEMO_TICK_US) != 0)
        goto no_memory;
    if (sp_map_add(&d->rooms, &r->node) != 0) {
        sp_timerq_cancel(d->timers, &r->tick);
        goto no_memory;
    }
    d->counters.rooms++;
    *out = r;
    return 0;
no_memory:
    sp_tally_give(d->config.tally);
    free(r);
    return SP_ENOMEM;
}

/* --- what visitors do ----------------------------------------------------------------------- */

/* Both are here. Who can't be introduced is told that, too: a page that waits in vain is worse. */
static void introduce(struct sp_demo_room *r, uint64_t now_us)
{
    struct sp_demo_rooms *d = r->all;
    const struct sp_addr from[2] = {r->seats[0].from, r->seats[1].from};
    struct sp_demo_meeting m;
    int err = d->effects->introduce(d->arg, from, now_us, &m);

    for (size_t i = 0; i < 2; i++)
        tell_text(&r->seats[i], err == 0 ? "meet" : "refused",
                  err == 0 ? m.text[i] : "{\"code\":\"full\"}", now_us);
    if (err != 0)
        return;
    snprintf(r->session, sizeof r->session, "%s", m.session);
    d->counters.meetings++;
}

static void sit_down(struct sp_demo_seat *s, struct sp_span key, uint64_t heard, uint64_t now_us)
{
    memcpy(s->key, key.p, key.len);
    s->key[key.len] = '\0';
    s->numbers = heard; /* who was away for too long knows these */
    sp_ratelimit_init(&s->pace, SP_DEMO_MESSAGES_S, 2 * SP_DEMO_MESSAGES_S);
    s->room->began_us = now_us; /* with each who comes there is something new to be seen */
    s->room->all->counters.seats++;
}

bool sp_demo_has_seat(const struct sp_demo_rooms *d, struct sp_span name, struct sp_span key)
{
    return find_seat(find_room(d, name), key) != NULL;
}

int sp_demo_listen(struct sp_demo_rooms *d, const struct sp_demo_visit *v, uint64_t now_us,
                   struct sp_demo_seat **out)
{
    struct sp_demo_room *r = find_room(d, v->name);
    struct sp_demo_seat *s;
    int err = r == NULL ? room_new(d, v->name, now_us, &r) : 0;

    if (err != 0)
        return err;
    s = find_seat(r, v->key);
    bool is_new = s == NULL;
    if (is_new && (s = find_seat(r, sp_span(NULL, 0))) == NULL) {
        d->counters.occupied++;
        return SP_EEXIST;
    }
    close_listener(s);
    s->listener = v->listener;
    s->from = v->from;
    *out = s;
    send_to(s, v->head, now_us);
    if (is_new) {
        sit_down(s, v->key, v->heard, now_us);
        tell_text(s, "seat", "{}", now_us);
        if (other_one(s) != NULL)
            introduce(r, now_us);
    } else {
        tell_missed(s, v->heard, now_us);
    }
    return 0;
}

void sp_demo_lost(struct sp_demo_seat *s, uint64_t now_us)
{
    s->listener = NULL;
    s->since_us = now_us;
}

int sp_demo_say(struct sp_demo_rooms *d, struct sp_span name, struct sp_span key,
                struct sp_span text, uint64_t now_us)
{
    struct sp_demo_seat *s = find_seat(find_room(d, name), key);

    if (s == NULL)
        return SP_ENOENT;
    if (!sp_ratelimit_take(&s->pace, now_us)) {
        d->counters.hasty++;
        return SP_EAGAIN;
    }
    struct sp_demo_seat *other = other_one(s);
    if (other == NULL)
        return SP_ECLOSED;
    d->counters.messages++;
    return tell(other, "message", text, now_us);
}

void sp_demo_leave(struct sp_demo_rooms *d, struct sp_span name, struct sp_span key,
                   uint64_t now_us)
{
    struct sp_demo_seat *s = find_seat(find_room(d, name), key);

    if (s != NULL)
        leave(s, now_us);
}

/* --- life ----------------------------------------------------------------------------------- */

int sp_demo_rooms_new(const struct sp_demo_rooms_config *c, const struct sp_demo_effects *effects,
                      void *arg, struct sp_timerq *timers, struct sp_rng *rng,
                      struct sp_demo_rooms **out)
{
    struct sp_demo_rooms *d = calloc(1, sizeof *d);

    if (d == NULL)
        return SP_ENOMEM;
    d->config = *c;
    d->effects = effects;
    d->arg = arg;
    d->timers = timers;
    SP_MAP_INIT(&d->rooms, struct sp_demo_room, node, name, rng);
    *out = d;
    return 0;
}

void sp_demo_rooms_free(struct sp_demo_rooms *d, uint64_t now_us)
{
    struct sp_map_node *n;

    if (d == NULL)
        return;
    while ((n = sp_map_any(&d->rooms)) != NULL)
        room_free(SP_CONTAINER_OF(n, struct sp_demo_room, node), now_us);
    sp_map_fini(&d->rooms);
    free(d);
}

struct sp_demo_counters *sp_demo_rooms_counters(struct sp_demo_rooms *d)
{
    return &d->counters;
}
