/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link_words.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

struct unit {
    const char *name;
    double factor;
};

static const struct unit times[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
static const struct unit shares[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};
static const struct unit numbers[] = {{"", 1}, {NULL, 0}};

/* A number that is not negative, and one of the units; 0 needs none. */
static int read_number(const char *text, const struct unit *units, double *out)
{
    char *end;
    double v;

    if (text[0] < '0' || text[0] > '9')
        return -1;
    v = strtod(text, &end);
    if (!isfinite(v) || v > 1e15)
        return -1;
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (strcmp(end, u->name) == 0 || (v <= 0 && *end == '\0')) {
            *out = v * u->factor;
            return 0;
        }
    }
    return -1;
}

static int read_whole(const char *text, const struct unit *units, uint64_t *out)
{
    double v;

    if (read_number(text, units, &v) != 0)
        return -1;
    *out = (uint64_t)(v + 0.5);
    return 0;
}

int link_words_time(const char *text, uint64_t *ns)
{
    return read_whole(text, times, ns);
}

static int read_delay(const char *text, struct link_params *p)
{
    return read_whole(text, times, &p->delay_ns);
}

static int read_jitter(const char *text, struct link_params *p)
{
    return read_whole(text, times, &p->jitter_ns);
}

static int read_reorder(const char *text, struct link_params *p)
{
    p->reorder = strcmp(text, "yes") == 0;
    return p->reorder || strcmp(text, "no") == 0 ? 0 : -1;
}

static int read_loss(const char *text, struct link_params *p)
{
    return read_number(text, shares, &p->loss);
}

static int read_burst(const char *text, struct link_params *p)
{
    return read_number(text, numbers, &p->burst);
}

static int read_rate(const char *text, struct link_params *p)
{
    return read_whole(text, sizes, &p->rate_bps);
}

static int read_queue(const char *text, struct link_params *p)
{
    p->queue_ns = p->queue_bytes = 0;
    return read_whole(text, sizes, &p->queue_bytes) == 0 ? 0
                                                         : read_whole(text, times, &p->queue_ns);
}

static const struct word {
    const char *name;
    int (*read)(const char *text, struct link_params *p);
    const char *allowed;
} words[] = {
    {"delay", read_delay, "a time as 30ms"},
    {"jitter", read_jitter, "a time as 5ms"},
    {"reorder", read_reorder, "yes or no"},
    {"loss", read_loss, "a share as 2%"},
    {"burst", read_burst, "a number as 3"},
    {"rate", read_rate, "bits a second as 6M"},
    {"queue", read_queue, "a time as 150ms or bytes as 64k"},
};

static bool read_way(const char *word, unsigned *ways)
{
    static const char *const names[] = {"", "ab", "ba", "both"}; /* by bits */

    for (unsigned i = 1; i < sizeof names / sizeof *names; i++) {
        if (strcmp(word, names[i]) == 0) {
            *ways = i;
            return true;
        }
    }
    return false;
}

static int read_word(const char *word, unsigned ways, struct link_params *p, char *why)
{
    const char *value = strchr(word, '=');

    for (size_t i = 0; value != NULL && i < sizeof words / sizeof *words; i++) {
        if (strncmp(word, words[i].name, (size_t)(value - word)) != 0 ||
            words[i].name[value - word] != '\0')
            continue;
        for (int way = 0; way < LINK_WAYS; way++) {
            if ((ways >> way & 1) != 0 && words[i].read(value + 1, &p[way]) != 0) {
                snprintf(why, LINK_WHY_MAX, "%s: want %s", word, words[i].allowed);
                return -1;
            }
        }
        return 0;
    }
    snprintf(
        why, LINK_WHY_MAX,
        "%s: want ab, ba, both or one of delay= jitter= reorder= loss= burst= rate= queue=", word);
    return -1;
}

int link_words_read(const char *text, struct link_params p[static LINK_WAYS],
                    char why[static LINK_WHY_MAX])
{
    struct link_params next[LINK_WAYS] = {p[LINK_AB], p[LINK_BA]};
    unsigned ways = 1u << LINK_AB | 1u << LINK_BA;
    char word[WORD_MAX];

    for (text += strspn(text, " \t\n"); *text != '\0'; text += strspn(text, " \t\n")) {
        size_t len = strcspn(text, " \t\n");

        snprintf(word, sizeof word, "%.*s", (int)len, text);
        text += len;
        if (!read_way(word, &ways) && read_word(word, ways, next, why) != 0)
            return -1;
    }
    for (int way = 0; way < LINK_WAYS; way++) {
        const char *wrong = link_params_wrong(&next[way]);

        if (wrong != NULL) {
            snprintf(why, LINK_WHY_MAX, "%s", wrong);
            return -1;
        }
    }
    memcpy(p, next, sizeof next);
    return 0;
}
