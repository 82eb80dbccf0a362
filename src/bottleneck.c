/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/bottleneck.h"

#include "sallyport/clock.h"

#define MARK_US    SP_MS(4)
#define MARK_BYTES 2000
#define BASE_US    SP_SEC(30) /* the way may become longer, and clocks drift */

#define BUSY_US     SP_MS(8)  /* a queue that long is no noise: the line was at work */
#define QUEUE_US    SP_MS(25) /* and this long is one that is to be ended */
#define HOLD_US     SP_MS(15) /* what may stand there, so that the line is never idle */
#define RECORD      1400
#define BUSY_MAX_US SP_SEC(2)

/* What it takes to see a rate. Shorter than RUN_US it is the noise of single records; what was lost
 * in the queue comes later, within WINDOW_US. */
#define RUN_US    SP_MS(40)
#define WINDOW_US SP_MS(500)
#define RUN_BYTES 6000
#define DENSE_US  SP_MS(120) /* between arrivals, or lanes wait for what was lost */
#define SEEN_US   SP_SEC(1)
#define LEAST     8000  /* bytes a second */
#define WORTH     30000 /* so few are no burden for any line: it is lanes of different ways */
#define NOISE_US  SP_MS(1)
#define COMPARED  4   /* arrivals: what they met, with what they were to meet */
#define SMALL     200 /* a record that the line needs no time for, so to speak */

/* As long as no queue was seen bursts leave no faster than is guessed: twice as fast where the line
 * is seen to take more, or a burst takes long. */
#define GUESS_MAX      20000000 /* faster than that is at once */
#define GUESS_US       SP_MS(5) /* what may stand there */
#define GUESS_LONG_US  SP_MS(40)
#define GUESS_BEGIN_US SP_MS(250)

#define HELD_US        SP_MS(50)  /* what waited within that is still waiting, more or less */
#define USELESS_US     SP_SEC(3)  /* no line that we alone fill needs longer to become empty */
#define STAYS_US       SP_MS(300) /* then it is to be seen whose queue it is; a short one: */
#define STAYS_SHORT_US SP_SEC(2)
#define DRAIN_MAX_US   SP_MS(500)
#define DRAINED_US     SP_MS(25)  /* before its end: what leaves sees whether it ends */
#define FEW            3000       /* bytes that come anyway */
#define BEHIND         12000      /* so much was lost in the queue: it is we who fill it */
#define WHOLE          4500       /* and less than so much is only on its way */
#define AGAIN_US       SP_MS(500) /* to be sent again takes so long, and what the line needs */
#define OURS           (2 * BEHIND)
#define FLOOD_QUEUE_US SP_MS(100)
#define FLOOD_US       SP_MS(300)
#define OURS_QUEUE_US  SP_MS(50)
#define OURS_US        SP_SEC(1)
#define PAUSE_US       SP_SEC(15)
#define PAUSE_MAX_US   SP_SEC(60)
#define EASE_US        SP_MS(250)
#define FORGET_US      SP_SEC(30)
#define FRESH_US       SP_MS(200)
#define FULL_US        SP_MS(200) /* it was so */
#define TIGHT_US       SP_SEC(1)

void sp_bottleneck_init(struct sp_bottleneck *b, uint64_t burst_rate)
{
    *b = (struct sp_bottleneck){.burst_rate = burst_rate, .guess = burst_rate};
}

static uint64_t backlog_us(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->busy_until_us > now_us ? b->busy_until_us - now_us : 0;
}

/* No faster than that; 0: any. */
static uint64_t pace(const struct sp_bottleneck *b)
{
    return b->rate != 0 ? b->rate : b->guess < GUESS_MAX ? b->guess : 0;
}

static bool is_easing(const struct sp_bottleneck *b)
{
    return b->ease_us != 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t record_us(const struct sp_bottleneck *b)
{
    return b->rate != 0 ? RECORD * SP_SEC(1) / b->rate : 0;
}

/* A slow line is at work for a while with each record: then these are longer. */
static uint64_t hold_us(const struct sp_bottleneck *b)
{
    if (b->rate == 0)
        return GUESS_US;
    return later(HOLD_US, record_us(b));
}

static uint64_t long_us(const struct sp_bottleneck *b)
{
    return later(QUEUE_US, HOLD_US + 3 * record_us(b));
}

/* The line has work till then, as is known now. */
static void set_busy(struct sp_bottleneck *b, uint64_t until_us, uint64_t now_us)
{
    b->busy_until_us = until_us < now_us + BUSY_MAX_US ? until_us : now_us + BUSY_MAX_US;
}

/* --- what leaves ---------------------------------------------------------------------------- */

void sp_bottleneck_sent(struct sp_bottleneck *b, size_t bytes, uint64_t now_us)
{
    uint64_t rate = pace(b);

    b->sent_bytes += bytes;
    b->ahead_us = (uint32_t)backlog_us(b, now_us);
    if (rate == 0)
        return;
    if (b->ahead_us == 0)
        b->burst_us = now_us;
    uint64_t takes_us = bytes * SP_SEC(1) / rate;
    if (bytes > SMALL)
        b->ahead_us += (uint32_t)((bytes - SMALL) * SP_SEC(1) / rate);
    set_busy(b, later(b->busy_until_us, now_us) + takes_us, now_us);
    if (now_us < b->drain_until_us)
        b->drain_until_us += takes_us;
}

void sp_bottleneck_left(struct sp_bottleneck *b, uint32_t seq, uint64_t now_us)
{
    if (b->begun_us == 0)
        b->begun_us = now_us;
    uint64_t apart = b->rate != 0 && b->rate < MARK_BYTES * 1000 ? b->rate / 1000 : MARK_BYTES;

    sp_departed_add(&b->departed,
                    &(struct sp_departure){.seq = seq,
                                           .queue_us = b->ahead_us,
                                           .left_us = (uint32_t)now_us,
                                           .sent_bytes = (uint32_t)b->sent_bytes},
                    MARK_US, (uint32_t)apart);
}

/* What is known of a datagram that left. */
struct leaving {
    uint32_t queue_us;
    uint64_t left_us, sent_bytes;
};

static bool find_leaving(const struct sp_bottleneck *b, uint32_t seq, uint64_t now_us,
                         struct leaving *out)
{
    struct sp_departure d;

    if (!sp_departed_find(&b->departed, seq, &d))
        return false;
    uint32_t ago_us = (uint32_t)now_us - d.left_us, since = (uint32_t)b->sent_bytes - d.sent_bytes;
    *out = (struct leaving){d.queue_us, now_us - ago_us, b->sent_bytes - since};
    return true;
}

/* --- what came ------------------------------------------------------------------------------ */

/* How much more than the least of a while this is. */
static uint32_t more_than_least(struct sp_bottleneck_least *l, uint32_t value, uint64_t now_us)
{
    if (!l->is_known || now_us - l->since_us > BASE_US) {
        l->of[1] = l->is_known ? l->of[0] : value;
        l->of[0] = value;
        l->since_us = now_us;
        l->is_known = true;
    }
    if ((int32_t)(value - l->of[0]) < 0)
        l->of[0] = value;
    if ((int32_t)(l->of[0] - l->of[1]) < 0)
        l->of[1] = l->of[0];
    return value - l->of[1];
}

static void set_rate(struct sp_bottleneck *b, uint64_t rate, uint64_t now_us)
{
    if (rate < LEAST)
        rate = LEAST;
    b->busy_until_us = now_us + backlog_us(b, now_us) * b->rate / rate;
    b->rate = rate;
    b->changed_us = now_us;
    b->n_compared = 0;
}

static struct sp_bottleneck_past *past_at(struct sp_bottleneck *b, unsigned i)
{
    return &b->past[(b->n_past - 1 - i) % SP_BOTTLENECK_PAST];
}

/* Since then less left than the line takes, and no more came: it was not us who kept it at work. */
static bool has_given_way(struct sp_bottleneck *b, const struct sp_bottleneck_past *since,
                          uint64_t now_us)
{
    uint32_t us = (uint32_t)now_us - since->told_us;
    uint32_t sent = (uint32_t)b->sent_bytes - since->sent_bytes;
    uint32_t came = past_at(b, 0)->bytes - since->bytes;

    return sent < b->rate * us / SP_SEC(1) / 2 && came < sent + sent / 4 + FEW;
}

/* Nothing but a queue since then; NULL: not for long enough to see what the line takes. */
static const struct sp_bottleneck_past *look_back(struct sp_bottleneck *b)
{
    const struct sp_bottleneck_past *now = past_at(b, 0), *since = now;
    unsigned kept = b->n_past < SP_BOTTLENECK_PAST ? b->n_past : SP_BOTTLENECK_PAST;
    bool is_long = now->queue_us >= QUEUE_US;

    for (unsigned i = 1; i < kept && now->queue_us >= BUSY_US; i++) {
        const struct sp_bottleneck_past *p = past_at(b, i);
        if (p->queue_us < BUSY_US || since->at_us - p->at_us >= DENSE_US ||
            now->at_us - p->at_us > WINDOW_US)
            break;
        since = p;
        is_long |= p->queue_us >= QUEUE_US;
    }
    bool is_enough = now->at_us - since->at_us >= RUN_US && now->bytes - since->bytes >= RUN_BYTES;
    return is_long && is_enough ? since : NULL;
}

/* From now on something waits, and it is to be seen whether the queue ends. */
static void first_rate(struct sp_bottleneck *b, uint64_t rate, uint64_t now_us)
{
    b->clear_us = now_us;
    set_rate(b, rate, now_us);
}

/* So much of ours is lost in a long queue that little comes, and no run of it: what does come is
 * less than the line takes, but to send any more than that is no use. */
static void look_at_flood(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t met_us,
                          uint32_t behind, uint64_t now_us)
{
    if (b->rate != 0 || met_us < FLOOD_QUEUE_US || behind < OURS) {
        b->flood_us = 0;
    } else if (b->flood_us == 0) {
        b->flood_us = now_us;
        b->flood_bytes = a->bytes;
    } else if (now_us - b->flood_us >= FLOOD_US) {
        first_rate(b,
                   later(WORTH, (a->bytes - b->flood_bytes) * SP_SEC(1) / (now_us - b->flood_us)),
                   now_us);
    }
}

/* The more of it was seen, the more it counts; and not at once where it is more: what lanes held
 * back may have come. */
static void look_at_rate(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t queue_us,
                         uint64_t now_us)
{
    b->past[b->n_past++ % SP_BOTTLENECK_PAST] =
        (struct sp_bottleneck_past){.at_us = a->at_us,
                                    .bytes = a->bytes,
                                    .queue_us = queue_us,
                                    .told_us = (uint32_t)now_us,
                                    .sent_bytes = (uint32_t)b->sent_bytes};
    const struct sp_bottleneck_past *since = look_back(b);
    if (since == NULL || (b->rate != 0 && has_given_way(b, since, now_us)))
        return;
    uint32_t us = a->at_us - since->at_us;
    uint64_t seen = (a->bytes - since->bytes) * SP_SEC(1) / us, most = b->rate + b->rate / 8;
    if (b->rate == 0 && seen < WORTH)
        return;
    b->seen = seen;
    b->seen_us = now_us;
    if (b->rate == 0) {
        first_rate(b, seen, now_us);
    } else {
        seen = seen < most ? seen : most;
        set_rate(b, (seen * us + b->rate * (WINDOW_US - us)) / WINDOW_US, now_us);
    }
}

static bool holds_something(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->held_us != 0 && now_us - b->held_us < HELD_US;
}

static void shrink(struct sp_bottleneck *b, uint64_t now_us)
{
    uint64_t rate = b->rate / 2;

    if (now_us - b->seen_us < SEEN_US && b->seen > rate)
        rate = b->seen;
    if (rate < b->rate)
        set_rate(b, rate, now_us);
    b->growths = b->longs = 0;
}

/* Less of a queue than was meant is a line that takes more; hardly any, while something waits
 * here, one that is idle. */
static void compare(struct sp_bottleneck *b, uint32_t met_us, uint32_t meant_us, bool whole,
                    uint64_t now_us)
{
    if (b->n_compared == 0)
        b->met_us = b->meant_us = 0;
    b->met_us += met_us < 2 * meant_us ? met_us + NOISE_US : 2 * meant_us;
    b->meant_us += meant_us;
    if (++b->n_compared < COMPARED)
        return;
    b->n_compared = 0;
    bool is_idle = b->met_us + COMPARED * NOISE_US < b->meant_us * 3 / 4;
    if (is_idle && holds_something(b, now_us)) {
        unsigned n = b->growths + (b->met_us < b->meant_us / 4);
        set_rate(b, b->rate + b->rate * (1 << (n < 3 ? n : 3)) / 8, now_us);
        b->growths++;
        return;
    }
    b->growths = 0;
    if (b->met_us < b->meant_us && whole)
        set_rate(b, is_idle ? b->rate + b->rate / 8 : b->rate * b->meant_us / b->met_us, now_us);
}

/* Much of ours was lost before the line, and lanes can't have sent it all again by now. */
static bool will_pass_again(const struct sp_bottleneck *b, uint32_t behind, uint64_t now_us)
{
    return behind >= BEHIND && now_us - b->whole_us < AGAIN_US + behind * SP_SEC(1) / b->rate;
}

/* What left since the last change met less of a queue than it was to, or much more. Less is also
 * met where much of ours was lost before it. */
static void adapt(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                  uint32_t queue_us, uint32_t behind, uint64_t now_us)
{
    if (m->left_us < b->changed_us)
        return;
    if (queue_us > m->queue_us + long_us(b)) {
        if (++b->longs == 2)
            shrink(b, now_us);
        return;
    }
    b->longs = 0;
    if (m->queue_us >= BUSY_US && !will_pass_again(b, behind, now_us))
        compare(b, met_us, m->queue_us, behind < WHOLE, now_us);
}

/* Until all that stands there now has passed; where it is long it may have grown since. */
static uint64_t drain_us(const struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    uint64_t backlog = backlog_us(b, now_us);
    uint64_t us = queue_us < long_us(b) ? later(queue_us, backlog) : queue_us + backlog;

    return us < DRAIN_MAX_US ? us : DRAIN_MAX_US;
}

/* What waited leaves not all at once: the queue has no room for it. */
static void ease(struct sp_bottleneck *b, uint64_t now_us)
{
    b->rate += b->rate / 2;
    b->ease_us = now_us;
}

static void give_up(struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    b->pause_us = b->pause_us == 0                 ? PAUSE_US
                  : b->pause_us < PAUSE_MAX_US / 2 ? b->pause_us * 2
                                                   : PAUSE_MAX_US;
    b->pause_until_us = now_us + b->pause_us;
    b->anothers_us = now_us;
    b->anothers_queue_us = queue_us;
    b->busy_until_us = b->drain_until_us = 0;
    b->behind.is_known = false;
    b->n_past = 0;
    ease(b, now_us);
}

/* One datagram may have been lost, and held up for it: a queue is what the next one meets, too. */
static uint32_t least_of_two(struct sp_bottleneck *b, uint32_t queue_us, bool fresh)
{
    uint32_t before_us = b->last_queue_us;

    b->last_queue_us = queue_us;
    return !fresh ? 0 : before_us < queue_us ? before_us : queue_us;
}

/* The line had work till then with what had left by then, and will have with what was lost before
 * that; and with what left since. Of two in a row the one that was not held up is right. */
static void follow(struct sp_bottleneck *b, const struct sp_bottleneck_reached *now,
                   uint64_t now_us)
{
    const struct sp_bottleneck_reached *both[] = {now, &b->reached};
    uint64_t least_us = UINT64_MAX;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t since = b->sent_bytes - both[i]->sent_bytes;
        uint64_t until_us = both[i]->until_us + since * SP_SEC(1) / b->rate;
        if (until_us < least_us)
            least_us = until_us;
    }
    set_busy(b, least_us, now_us);
    b->reached = *now;
}

static uint64_t short_us(const struct sp_bottleneck *b)
{
    return later(BUSY_US, 2 * record_us(b));
}

static void drain(struct sp_bottleneck *b, uint32_t queue_us, uint64_t now_us)
{
    b->drain_from_us = now_us;
    b->drain_until_us = now_us + drain_us(b, queue_us, now_us);
}

/* What left before met more of ours than was known when it began. */
static void drain_longer(struct sp_bottleneck *b, uint64_t left_us)
{
    if (left_us < b->drain_from_us)
        b->drain_until_us = later(b->drain_until_us, b->busy_until_us);
}

static void queue_ended(struct sp_bottleneck *b, uint64_t now_us)
{
    b->clear_us = now_us;
    b->drain_until_us = 0;
}

/* Whether the queue would be the same without us: it stays though we hold back; so for a while
 * nothing leaves that can wait, and what leaves then meets as much as ever. What was lost of ours
 * fills a queue for longer. */
static bool is_anothers(struct sp_bottleneck *b, const struct leaving *m, uint32_t queue_us,
                        uint32_t behind, uint64_t now_us)
{
    uint64_t stays_us = queue_us >= long_us(b) ? STAYS_US : STAYS_SHORT_US;

    if (!holds_something(b, now_us)) {
        queue_ended(b, now_us);
    } else if (queue_us < short_us(b)) {
        b->pause_us = 0;
        queue_ended(b, now_us);
    } else if (b->drain_until_us == 0) {
        if (now_us - b->clear_us > stays_us)
            drain(b, queue_us, now_us);
    } else if (m->left_us + DRAINED_US >= b->drain_until_us) {
        uint64_t ours_us =
            m->left_us < b->drain_until_us ? b->drain_until_us - m->left_us : hold_us(b);
        if (queue_us < ours_us + short_us(b))
            queue_ended(b, now_us);
        else
            return behind < BEHIND || now_us - b->clear_us > USELESS_US;
    }
    return false;
}

/* The queue has grown since, or much of ours is lost in it: it is ours now. */
static void doubt_pause(struct sp_bottleneck *b, uint32_t queue_us, uint32_t behind,
                        uint64_t now_us)
{
    if (behind < OURS && queue_us < 2 * b->anothers_queue_us + OURS_QUEUE_US) {
        b->anothers_us = now_us;
    } else if (now_us - b->anothers_us > OURS_US) {
        b->pause_until_us = now_us;
        b->ease_us = 0;
    }
}

/* The line takes so many times more, or is to show that it does not. */
static void guess_more(struct sp_bottleneck *b, unsigned times, uint64_t now_us)
{
    b->busy_until_us = now_us + backlog_us(b, now_us) / times;
    b->guess *= times;
    b->burst_us = b->changed_us = now_us;
}

/* A burst that left since the last change met less of a queue than it was to meet. What came first
 * tells nothing: there is no other way yet to compare its own with. */
static void check_guess(struct sp_bottleneck *b, const struct leaving *m, uint32_t met_us,
                        uint64_t now_us)
{
    if (b->guess >= GUESS_MAX || m->left_us < b->changed_us || m->queue_us < GUESS_US ||
        m->left_us - b->begun_us < GUESS_BEGIN_US)
        return;
    if (met_us < m->queue_us / 4)
        guess_more(b, 4, now_us);
    else if (met_us < m->queue_us * 3 / 4)
        guess_more(b, 2, now_us);
}

void sp_bottleneck_arrived(struct sp_bottleneck *b, const struct sp_arrival *a, uint32_t spread_us,
                           uint64_t now_us)
{
    struct leaving m;

    if (!find_leaving(b, a->seq, now_us, &m) ||
        (b->told_us != 0 && (int32_t)(a->seq - b->last.seq) <= 0))
        return; /* by another lane something newer was told */
    uint32_t way_us = more_than_least(&b->way, a->at_us - (uint32_t)m.left_us, now_us);
    uint32_t met_us = way_us > spread_us ? way_us - spread_us : 0;
    if (way_us < BUSY_US)
        b->shortest_us = m.left_us;
    bool fresh = b->told_us != 0 && now_us - b->told_us < FRESH_US;
    uint32_t queue_us = least_of_two(b, met_us, fresh);
    uint32_t behind = more_than_least(&b->behind, (uint32_t)m.sent_bytes - a->bytes, now_us);
    if (queue_us >= long_us(b))
        b->full_us = now_us;
    if (behind < BEHIND)
        b->whole_us = now_us;
    b->told_us = now_us;
    if (now_us < b->pause_until_us)
        doubt_pause(b, queue_us, behind, now_us);
    if (now_us >= b->pause_until_us) {
        look_at_rate(b, a, queue_us, now_us);
        look_at_flood(b, a, met_us, behind, now_us);
    }
    b->last = *a;
    if (b->rate == 0)
        check_guess(b, &m, met_us, now_us);
    if (b->rate == 0 || is_easing(b))
        return;
    struct sp_bottleneck_reached reached = {m.left_us + met_us, m.sent_bytes};
    if (!fresh) { /* one says nothing */
        b->reached = reached;
        return;
    }
    if (is_anothers(b, &m, queue_us, behind, now_us)) {
        give_up(b, queue_us, now_us);
        return;
    }
    adapt(b, &m, met_us, queue_us, behind, now_us);
    if (behind > BEHIND)
        reached.until_us += (behind - BEHIND) * SP_SEC(1) / b->rate;
    follow(b, &reached, now_us);
    if (b->drain_until_us != 0)
        drain_longer(b, m.left_us);
}

void sp_bottleneck_lost(struct sp_bottleneck *b, size_t bytes)
{
    b->behind.of[0] += (uint32_t)bytes;
    b->behind.of[1] += (uint32_t)bytes;
}

void sp_bottleneck_moved(struct sp_bottleneck *b)
{
    b->way.is_known = b->behind.is_known = false;
    b->rate = b->busy_until_us = b->drain_until_us = b->ease_us = 0;
    b->pause_us = b->pause_until_us = 0;
    b->full_us = b->shortest_us = b->last_queue_us = 0;
    b->n_past = b->n_compared = 0;
    b->begun_us = 0;
    b->guess = b->burst_rate;
}

/* --- may it leave? -------------------------------------------------------------------------- */

/* Who eased off found no limit. */
static void forget(struct sp_bottleneck *b, uint64_t now_us)
{
    b->guess = is_easing(b) ? GUESS_MAX : b->burst_rate != 0 ? later(b->rate, b->burst_rate) : 0;
    b->changed_us = now_us;
    b->busy_until_us = b->drain_until_us = 0;
    b->rate = b->ease_us = 0;
}

static void forget_what_is_old(struct sp_bottleneck *b, uint64_t now_us)
{
    if (b->rate == 0)
        return;
    if (is_easing(b) && now_us - b->ease_us >= EASE_US)
        ease(b, now_us);
    if (is_easing(b) ? !holds_something(b, now_us)
                     : now_us - later(b->held_us, b->changed_us) > FORGET_US)
        forget(b, now_us);
}

bool sp_bottleneck_holds(struct sp_bottleneck *b, uint64_t now_us)
{
    forget_what_is_old(b, now_us);
    if (now_us >= b->drain_until_us && backlog_us(b, now_us) <= hold_us(b))
        return false;
    if (b->rate == 0 && now_us - b->burst_us > GUESS_LONG_US)
        guess_more(b, 2, now_us);
    if (!holds_something(b, now_us))
        b->clear_us = now_us;
    b->held_us = now_us;
    return true;
}

bool sp_bottleneck_is_scarce(const struct sp_bottleneck *b, uint64_t now_us)
{
    return holds_something(b, now_us) && (b->rate != 0 || b->guess == b->burst_rate);
}

uint64_t sp_bottleneck_next(const struct sp_bottleneck *b, uint64_t now_us)
{
    if (now_us < b->drain_until_us)
        return b->drain_until_us;
    return backlog_us(b, now_us) > hold_us(b) ? b->busy_until_us - hold_us(b) / 2
                                              : now_us + HOLD_US / 2;
}

bool sp_bottleneck_is_known(const struct sp_bottleneck *b)
{
    return b->rate != 0;
}

bool sp_bottleneck_is_anothers(const struct sp_bottleneck *b, uint64_t now_us)
{
    return now_us < b->pause_until_us;
}

bool sp_bottleneck_is_full(const struct sp_bottleneck *b, uint64_t now_us)
{
    return b->full_us != 0 && now_us - b->full_us < FULL_US;
}

bool sp_bottleneck_is_tight(const struct sp_bottleneck *b, uint64_t now_us)
{
    return (b->rate != 0 && backlog_us(b, now_us) > hold_us(b)) ||
           (b->full_us != 0 && now_us - b->full_us < TIGHT_US);
}
