/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rooms of the demo page, of two seats each: who sits in one hears what the other one says, as
 * events (publish and subscribe), and when both are there they are introduced to each other.
 * Everything in it has a bound: rooms, seats, how much is kept for whom, how often one speaks, and
 * how long a room lasts. Knows no HTTP and no session; the text of an event stream goes out
 * (html.spec.whatwg.org, server-sent events).
 *
 * A listener may come back within SP_DEMO_AWAY_US, and hears what it missed: events are numbered,
 * and some are kept.
 */
#ifndef SALLYPORT_SERVER_DEMO_ROOM_H
#define SALLYPORT_SERVER_DEMO_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"
#include "sallyport/clock.h"
#include "sallyport/rng.h"
#include "sallyport/timerq.h"
#include "tally.h"

struct sp_demo_rooms; /* of one worker */
struct sp_demo_seat;

#define SP_DEMO_NAME_MIN 4 /* of a room, bytes; letters, digits and "-" */
#define SP_DEMO_NAME_MAX 40
#define SP_DEMO_KEY_MIN  16 /* of a seat, a secret of who sits there; and "_", too */
#define SP_DEMO_KEY_MAX  64

#define SP_DEMO_TEXT_MAX    16384 /* bytes of a message */
#define SP_DEMO_KEPT_MAX    64    /* events for one seat; the oldest goes */
#define SP_DEMO_KEPT_BYTES  (128 * 1024)
#define SP_DEMO_MESSAGES_S  50 /* by one seat; twice as many at once */
#define SP_DEMO_MEETING_MAX 2048

#define SP_DEMO_TICK_US  SP_SEC(5)
#define SP_DEMO_AWAY_US  SP_SEC(10)   /* a seat without listener is given up, at the next tick */
#define SP_DEMO_KEPT_US  SP_SEC(30)   /* an event is kept no longer */
#define SP_DEMO_ALONE_US SP_SEC(1800) /* a room with one in it ends */
#define SP_DEMO_LAST_US  SP_SEC(7200) /* and any room */

struct sp_demo_counters {
    uint64_t rooms, seats, meetings, messages;
    uint64_t occupied; /* who came to a room with two in it */
    uint64_t hasty;    /* messages: too many by one seat */
    uint64_t dropped;  /* events that were kept for somebody, and had to go */
    uint64_t expired;  /* rooms that had lasted too long */
};

struct sp_demo_rooms_config {
    struct sp_tally *tally; /* rooms of all workers */
    size_t max;             /* of these */
    uint64_t *hits;         /* counts when that was in the way */
};

/* What two are told who meet: a JSON object each. */
struct sp_demo_meeting {
    char session[64];
    char text[2][SP_DEMO_MEETING_MAX];
};

/* None may call back. */
struct sp_demo_effects {
    /* The next bytes of a listener's stream. False: it is no listener any more. */
    bool (*send)(void *arg, void *listener, struct sp_span text);
    /* It is no listener any more. */
    void (*close)(void *arg, void *listener);
    /* 0: *out; else neither is told. `from`: where the two came from. */
    int (*introduce)(void *arg, const struct sp_addr from[static 2], uint64_t now_us,
                     struct sp_demo_meeting *out);
    /* What came of it is over. */
    void (*part)(void *arg, const char *session, uint64_t now_us);
};

/* All of it outlives the rooms. SP_ENOMEM. */
int sp_demo_rooms_new(const struct sp_demo_rooms_config *c, const struct sp_demo_effects *effects,
                      void *arg, struct sp_timerq *timers, struct sp_rng *rng,
                      struct sp_demo_rooms **out);
void sp_demo_rooms_free(struct sp_demo_rooms *d, uint64_t now_us);
struct sp_demo_counters *sp_demo_rooms_counters(struct sp_demo_rooms *d);

bool sp_demo_name_ok(struct sp_span name);
bool sp_demo_key_ok(struct sp_span key);

/* Whether this key has a seat there. */
bool sp_demo_has_seat(const struct sp_demo_rooms *d, struct sp_span name, struct sp_span key);

struct sp_demo_visit {
    struct sp_span name, key; /* good ones */
    struct sp_addr from;
    uint64_t heard;      /* the number of the last event that was heard; 0: none */
    struct sp_span head; /* goes out before the first event */
    void *listener;
};
/*
 * Takes a seat, or comes back to it, and what was missed goes out; a listener that was there before
 * is closed. *out lives until the listener is closed or lost. SP_EEXIST: both seats are taken;
 * SP_EFULL: no room more, counted; SP_ENOMEM.
 */
int sp_demo_listen(struct sp_demo_rooms *d, const struct sp_demo_visit *v, uint64_t now_us,
                   struct sp_demo_seat **out);

/* The listener is gone; its `close` is not called. */
void sp_demo_lost(struct sp_demo_seat *s, uint64_t now_us);

/* To the other one. The text is one line of printable characters. SP_ENOENT: no such seat;
 * SP_ECLOSED: there is no other one; SP_EAGAIN: too many by this seat; SP_ENOMEM. */
int sp_demo_say(struct sp_demo_rooms *d, struct sp_span name, struct sp_span key,
                struct sp_span text, uint64_t now_us);

/* Leaves for good, as who closes the page; harmless when nobody is there. */
void sp_demo_leave(struct sp_demo_rooms *d, struct sp_span name, struct sp_span key,
                   uint64_t now_us);

#endif
