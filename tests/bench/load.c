/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads a TURN server with pairs of ends that send to each other, and tells what came, how late,
 * and what the server spent on it. One process and one clock for all of them; sallyport and any
 * other TURN server that knows the user test:test get the same traffic.
 *
 *     load NAME=VALUE...
 *
 * Usage below. A JSON object a measurement goes to standard output; delays are in microseconds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_run.h"
#include "sallyport/tls_ctx.h"

#define RATES_MAX    32
#define LOSSLESS     1000 /* one of so many may be lost, and it still counts as none */
#define BEHIND_MS    50   /* the generator itself has not kept up */
#define SEARCH_FINE  1.08 /* how near the search comes */
#define VOICE_PER_S  50
#define VOICE_BYTES  160
#define VIDEO_FRAMES 30
#define VIDEO_BURST  7 /* 2 Mbit/s */
#define VIDEO_BYTES  1200

static const char usage[] =
    "usage: load NAME=VALUE...\n"
    "  from, to    the two ends of a pair: udp|tcp|tls|tunnel:ADDR:PORT of the server, or peer, a "
    "plain\n"
    "              UDP socket\n"
    "  pairs       how many (1)\n"
    "  flows       of each tunnel (1); 0: pairs of tunnels, and nothing in them\n"
    "  lanes       of each tunnel (4)\n"
    "  traffic     constant, voice (50 a second, 160 bytes), video (30 frames a second of 7 times "
    "1,200\n"
    "              bytes), call (both) or none, which measures memory (constant)\n"
    "  bytes       of a datagram of constant traffic (1200)\n"
    "  rates       NAME:R[,NAME:R...]: datagrams a second of all ends together, a measurement "
    "each\n"
    "  search      MIN-MAX: looks for the highest such rate without loss, by halves\n"
    "  seconds     of a measurement (2)\n"
    "  warm        seconds before it (0.3)\n"
    "  settle      seconds before the first, besides, so that calls are no longer new (0)\n"
    "  server      process id of the server: its processor time and memory are told, too\n"
    "  gateway     process id of a gateway in between: its processor time as well\n"
    "  sources     the first address of the ends, of which each has one (127.64.0.1)\n"
    "  tick        microseconds between two looks at what is due (500)\n"
    "  reads       at-once, or by-ticks: only at those looks, so that who sends to us does not "
    "have\n"
    "              to wake us up, as he has not where we are another machine (at-once)\n"
    "  mark        a command that is run with \"start\" and \"end\" of each measurement\n"
    "  ca, token   files: the CA of the server's certificate, the token of the tunnels\n";

enum traffic { CONSTANT, VOICE, VIDEO, CALL, NONE };

struct settings {
    struct load_config c;
    enum traffic traffic;
    unsigned bytes;
    struct {
        const char *name;
        double per_s;
    } rates[RATES_MAX];
    double search[2], seconds, warm, settle;
    size_t n_rates;
    const char *ca;
    char token[4096];
};

/* ---- the command line ------------------------------------------------------------------------ */

static _Noreturn void refuse(const char *name, const char *value, const char *want)
{
    fprintf(stderr, "load: %s=%s: wants %s\n%s", name, value, want, usage);
    exit(2);
}

static double number(const char *name, const char *value, double min, double max)
{
    char want[80], *end;
    double n = strtod(value, &end);

    if (end == value || *end != '\0' || !(n >= min && n <= max)) {
        snprintf(want, sizeof want, "a number from %g to %g", min, max);
        refuse(name, value, want);
    }
    return n;
}

static void set_side(struct load_side *s, const char *name, const char *value)
{
    static const char want[] = "udp, tcp, tls or tunnel, a colon and ADDR:PORT, or peer";
    size_t len = strcspn(value, ":");
    int kind = 0;

    while (kind <= LOAD_PEER && (strlen(load_kind_name((enum load_kind)kind)) != len ||
                                 memcmp(load_kind_name((enum load_kind)kind), value, len) != 0))
        kind++;
    s->kind = (enum load_kind)kind;
    if (kind > LOAD_PEER || (kind == LOAD_PEER) != (value[len] == '\0') ||
        (kind != LOAD_PEER &&
         (sp_addr_parse(value + len + 1, &s->server) != 0 || s->server.family != SP_IPV4)))
        refuse(name, value, want);
}

static void set_traffic(struct settings *s, const char *value)
{
    static const char *const names[] = {"constant", "voice", "video", "call", "none"};

    for (int i = 0; i <= NONE; i++)
        if (strcmp(names[i], value) == 0) {
            s->traffic = (enum traffic)i;
            return;
        }
    refuse("traffic", value, "constant, voice, video, call or none");
}

static void set_reads(struct settings *s, const char *value)
{
    s->c.by_ticks = strcmp(value, "by-ticks") == 0;
    if (!s->c.by_ticks && strcmp(value, "at-once") != 0)
        refuse("reads", value, "at-once or by-ticks");
}

static void set_rates(struct settings *s, char *value)
{
    for (char *save, *one = strtok_r(value, ",", &save); one != NULL;
         one = strtok_r(NULL, ",", &save)) {
        char *colon = strchr(one, ':');

        if (s->n_rates == RATES_MAX || colon == NULL)
            refuse("rates", one, "NAME:R, and no more than 32 of them");
        *colon = '\0';
        s->rates[s->n_rates].name = one;
        s->rates[s->n_rates++].per_s = number("rates", colon + 1, 1, 1e7);
    }
}

static void set_search(struct settings *s, char *value)
{
    char *dash = strchr(value, '-');

    if (dash == NULL)
        refuse("search", value, "MIN-MAX");
    *dash = '\0';
    s->search[0] = number("search", value, 1, 1e7);
    s->search[1] = number("search", dash + 1, s->search[0], 1e7);
}

static void read_token(struct settings *s, const char *file)
{
    FILE *f = fopen(file, "r");

    if (f == NULL || fgets(s->token, sizeof s->token, f) == NULL)
        refuse("token", file, "a file with a token");
    fclose(f);
    s->token[strcspn(s->token, "\n")] = '\0';
    s->c.token = s->token;
}

static void set_number(struct settings *s, const char *name, const char *value)
{
    const struct {
        const char *name;
        double min, max;
        unsigned *whole;
        double *real;
    } numbers[] = {
        {"pairs", 1, LOAD_UDP_HOSTS / 2.0, &s->c.pairs, NULL},
        {"flows", 0, 1024, &s->c.flows, NULL},
        {"lanes", 1, SP_LANES_MAX, &s->c.lanes, NULL},
        {"bytes", LOAD_HEADER_LEN, LOAD_DATAGRAM_MAX, &s->bytes, NULL},
        {"tick", 50, 100000, &s->c.tick_us, NULL},
        {"seconds", 0.05, 600, NULL, &s->seconds},
        {"warm", 0, 60, NULL, &s->warm},
        {"settle", 0, 60, NULL, &s->settle},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(numbers); i++) {
        if (strcmp(numbers[i].name, name) != 0)
            continue;
        double n = number(name, value, numbers[i].min, numbers[i].max);
        if (numbers[i].whole != NULL)
            *numbers[i].whole = (unsigned)n;
        else
            *numbers[i].real = n;
        return;
    }
    refuse(name, value, "to be one of these:");
}

static void set(struct settings *s, char *name, char *value)
{
    if (strcmp(name, "from") == 0)
        set_side(&s->c.sides[0], name, value);
    else if (strcmp(name, "to") == 0)
        set_side(&s->c.sides[1], name, value);
    else if (strcmp(name, "traffic") == 0)
        set_traffic(s, value);
    else if (strcmp(name, "rates") == 0)
        set_rates(s, value);
    else if (strcmp(name, "search") == 0)
        set_search(s, value);
    else if (strcmp(name, "server") == 0)
        s->c.server = (pid_t)number(name, value, 1, 1 << 22);
    else if (strcmp(name, "gateway") == 0)
        s->c.gateway = (pid_t)number(name, value, 1, 1 << 22);
    else if (strcmp(name, "reads") == 0)
        set_reads(s, value);
    else if (strcmp(name, "mark") == 0)
        s->c.mark = value;
    else if (strcmp(name, "ca") == 0)
        s->ca = value;
    else if (strcmp(name, "token") == 0)
        read_token(s, value);
    else if (strcmp(name, "sources") != 0)
        set_number(s, name, value);
    else if (sp_addr_parse_ip(value, &s->c.sources) != 0 || s->c.sources.family != SP_IPV4)
        refuse(name, value, "an IPv4 address of this host");
}

static void check(struct settings *s)
{
    bool tunnel = false;

    for (int i = 0; i < 2; i++)
        tunnel = tunnel || s->c.sides[i].kind == LOAD_TUNNEL;
    if (s->c.sides[0].server.family == SP_FAMILY_NONE && s->c.sides[0].kind != LOAD_PEER)
        refuse("from", "", "to be given");
    if (s->c.sides[1].server.family == SP_FAMILY_NONE && s->c.sides[1].kind != LOAD_PEER)
        refuse("to", "", "to be given");
    if (tunnel && s->c.token == NULL)
        refuse("token", "", "to be given for tunnels");
    if (s->c.flows == 0) {
        if (s->traffic != NONE || s->c.sides[0].kind != LOAD_TUNNEL ||
            s->c.sides[1].kind != LOAD_TUNNEL)
            refuse("flows", "0", "tunnels at both ends, and traffic=none");
        s->c.tunnels_only = true;
        s->c.flows = 1;
    }
    if (s->traffic == CONSTANT && s->n_rates == 0 && s->search[1] <= 0)
        refuse("rates", "", "to be given, or search, for constant traffic");
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void print_setting(const struct load *l, const struct settings *s)
{
    printf("{\"from\": \"%s\", \"to\": \"%s\", \"pairs\": %u, \"open_ms\": %" PRIu64,
           load_kind_name(s->c.sides[0].kind), load_kind_name(s->c.sides[1].kind), s->c.pairs,
           l->opened_us / 1000);
}

static void print_result(const struct load *l, const struct settings *s, const char *load,
                         const struct load_result *r)
{
    print_setting(l, s);
    printf(
        ", \"load\": \"%s\", \"bytes\": %u, \"rate\": %.0f, \"seconds\": %.3f, \"sent\": %" PRIu64
        ", \"delivered\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"late\": %" PRIu64
        ", \"refused\": %" PRIu64 ", \"copies\": %" PRIu64 ", \"wrong\": %" PRIu64,
        load, s->bytes, r->rate, r->seconds, r->sent, r->delivered, r->sent - r->delivered, r->late,
        r->refused, r->copies, r->wrong);
    printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"behind_ms\": %.2f"
           ", \"own_cpu_ns\": %" PRIu64 ", \"server_cpu_ns\": %" PRIu64
           ", \"gateway_cpu_ns\": %" PRIu64 ", \"server_rss_kb\": %" PRIu64 "}\n",
           r->p50_us, r->p99_us, r->p999_us, r->behind_ms, r->own_cpu_ns, r->server_cpu_ns,
           r->gateway_cpu_ns, r->server_rss_kb);
    fflush(stdout);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void measure(struct load *l, struct settings *s, struct load_result *r)
{
    load_measure(l, s->settle + s->warm, s->seconds, r);
    s->settle = 0;
}

static void measure_constant(struct load *l, struct settings *s, double rate, struct load_result *r)
{
    load_shape(l, LOAD_VIDEO, rate / (2 * s->c.pairs), 1, s->bytes);
    measure(l, s, r);
}

/* Nothing lost or too late to be of use, and the generator did what it was to do. */
static bool is_carried(const struct load_result *r)
{
    return (r->sent - r->delivered + r->late) * LOSSLESS <= r->sent && r->behind_ms < BEHIND_MS;
}

/* Prints the highest rate that was carried ("most"), and the lowest that was not ("more"). */
static void search(struct load *l, struct settings *s)
{
    struct load_result r, most = {0}, more = {0};
    double rate = s->search[0];

    for (;;) {
        measure_constant(l, s, rate, &r);
        fprintf(stderr,
                "load: %.0f a second: %" PRIu64 " of %" PRIu64 " lost, %" PRIu64
                " late, p99 %.0f us, behind %.1f ms\n",
                rate, r.sent - r.delivered, r.sent, r.late, r.p99_us, r.behind_ms);
        if (is_carried(&r))
            most = r;
        else
            more = r;
        if (more.rate <= 0 && most.rate >= s->search[1])
            break;
        if (most.rate <= 0 || (more.rate > 0 && more.rate / most.rate < SEARCH_FINE))
            break;
        rate = more.rate > 0 ? (most.rate + more.rate) / 2 : 2 * rate;
        if (rate > s->search[1])
            rate = s->search[1];
    }
    if (most.rate > 0)
        print_result(l, s, "most", &most);
    if (more.rate > 0)
        print_result(l, s, "more", &more);
}

static void measure_media(struct load *l, struct settings *s)
{
    static const char *const names[] = {[VOICE] = "voice", [VIDEO] = "video", [CALL] = "call"};
    struct load_result r;

    if (s->traffic != VIDEO)
        load_shape(l, LOAD_VOICE, VOICE_PER_S, 1, VOICE_BYTES);
    if (s->traffic != VOICE)
        load_shape(l, LOAD_VIDEO, VIDEO_FRAMES, VIDEO_BURST, VIDEO_BYTES);
    measure(l, s, &r);
    print_result(l, s, names[s->traffic], &r);
}

static void measure_memory(struct load *l, const struct settings *s, uint64_t before_kb)
{
    struct process_use use = {0};

    io_loop_for(&l->loop, (unsigned)(s->seconds * 1000));
    process_use_read(s->c.server, &use);
    print_setting(l, s);
    printf(", \"load\": \"none\", \"before_kb\": %" PRIu64 ", \"after_kb\": %" PRIu64 "}\n",
           before_kb, use.rss_kb);
}

static void run(struct load *l, struct settings *s)
{
    struct process_use use = {0};
    struct load_result r;

    if (s->c.server != 0 && !process_use_read(s->c.server, &use)) {
        fprintf(stderr, "load: there is no process %d\n", (int)s->c.server);
        exit(1);
    }
    load_open(l, &s->c);
    if (s->traffic == NONE)
        measure_memory(l, s, use.rss_kb);
    else if (s->traffic != CONSTANT)
        measure_media(l, s);
    for (size_t i = 0; i < s->n_rates; i++) {
        measure_constant(l, s, s->rates[i].per_s, &r);
        print_result(l, s, s->rates[i].name, &r);
    }
    if (s->search[1] > 0)
        search(l, s);
    load_close(l);
}

int main(int argc, char **argv)
{
    static struct settings s = {.c = {.pairs = 1, .flows = 1, .lanes = 4, .tick_us = 500},
                                .bytes = 1200,
                                .seconds = 2,
                                .warm = 0.3};
    static struct load l;
    char why[SP_TLS_ERROR_MAX];

    s.c.sources = sp_addr_v4(127, 64, 0, 1, 0);
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value == NULL) {
            fprintf(stderr, "load: %s: wants NAME=VALUE\n%s", argv[i], usage);
            return 2;
        }
        *value++ = '\0';
        set(&s, argv[i], value);
    }
    check(&s);
    if (sp_tls_ctx_client(s.ca, NULL, &s.c.tls, why) != 0) {
        fprintf(stderr, "load: %s\n", why);
        return 1;
    }
    run(&l, &s);
    return 0;
}
