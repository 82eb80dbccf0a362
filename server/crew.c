/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/err.h"

struct member {
    struct sp_worker *worker;
    struct ev_loop *loop;
    ev_async bell;
    pthread_t thread;
    /* What it is to call, handed over by `bell` and back by `done`. */
    atomic_bool called;
    sp_crew_fn *fn;
    void *arg;
    sem_t done;
};

struct sp_crew {
    struct sp_post_office *office;
    struct sp_commons commons;
    struct sp_addr listen[SP_LISTEN_MAX], listen_udp[SP_LISTEN_MAX];
    bool running;
    unsigned n;
    struct member members[];
};

unsigned sp_crew_size(const struct sp_crew *crew)
{
    return crew->n;
}

const struct sp_addr *sp_crew_listen(const struct sp_crew *crew, size_t i)
{
    return &crew->listen[i];
}

const struct sp_addr *sp_crew_listen_udp(const struct sp_crew *crew, size_t i)
{
    return &crew->listen_udp[i];
}

/* --- calls ---------------------------------------------------------------------------------- */

/* Without a function: it is the end. */
static void on_bell(struct ev_loop *loop, ev_async *w, int revents)
{
    struct member *m = w->data;
    (void)revents;

    if (!atomic_exchange_explicit(&m->called, false, memory_order_acquire))
        return;
    if (m->fn == NULL)
        ev_break(loop, EVBREAK_ALL);
    else
        m->fn(m->worker, m->arg);
    sem_post(&m->done);
}

static void call(struct member *m, sp_crew_fn *fn, void *arg)
{
    m->fn = fn;
    m->arg = arg;
    atomic_store_explicit(&m->called, true, memory_order_release);
    ev_async_send(m->loop, &m->bell);
    while (sem_wait(&m->done) != 0) /* a signal */
        continue;
}

void sp_crew_each(struct sp_crew *crew, sp_crew_fn *fn, void *arg)
{
    for (unsigned i = 0; i < crew->n; i++) {
        if (crew->running)
            call(&crew->members[i], fn, arg);
        else
            fn(crew->members[i].worker, arg);
    }
}

/* --- threads -------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct member *m = arg;

    ev_run(m->loop, 0);
    return NULL;
}

static void stop(struct sp_crew *crew, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        call(&crew->members[i], NULL, NULL);
        pthread_join(crew->members[i].thread, NULL);
    }
    crew->running = false;
}

int sp_crew_start(struct sp_crew *crew)
{
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t others, before;
    unsigned n = 0;
    int err = 0;

    /* Signals are for the one who started us, but what a thread does itself. */
    sigfillset(&others);
    for (size_t i = 0; i < SP_ARRAY_LEN(own); i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    for (; n < crew->n && err == 0; n += err == 0)
        err = pthread_create(&crew->members[n].thread, NULL, work, &crew->members[n]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        stop(crew, n);
        errno = err;
        return SP_ESYS;
    }
    crew->running = true;
    return 0;
}

/* --- life ----------------------------------------------------------------------------------- */

/* Sockets that share a port do so with any other of the same user's: who has it must not go
 * unnoticed. */
static int check_free(const struct sp_addr *a, bool udp)
{
    struct sp_addr bound;
    int fd, err = udp ? sp_sock_udp(a, NULL, &fd, &bound) : sp_sock_listen(a, NULL, &fd, &bound);

    if (err == 0)
        close(fd);
    return err;
}

static int check_all_free(const struct sp_worker_config *c, char why[static SP_SHARED_WHY_MAX])
{
    int err;

    for (size_t i = 0; i < c->n_listen; i++)
        if ((err = check_free(&c->listen[i], false)) != 0)
            return sp_worker_say(why, "cannot listen (--listen) on TCP", &c->listen[i], err);
    for (size_t i = 0; i < c->n_listen_udp; i++)
        if ((err = check_free(&c->listen_udp[i], true)) != 0)
            return sp_worker_say(why, "cannot listen (--listen-udp) on UDP", &c->listen_udp[i],
                                 err);
    return 0;
}

static int add_member(struct sp_crew *crew, const struct sp_worker_config *c,
                      const struct sp_worker_share *share, char why[static SP_SHARED_WHY_MAX])
{
    struct member *m = &crew->members[crew->n];

    m->loop = ev_loop_new(EVFLAG_AUTO);
    if (m->loop == NULL) {
        snprintf(why, SP_SHARED_WHY_MAX, "cannot start an event loop");
        return SP_ESYS;
    }
    sem_init(&m->done, 0, 0);
    ev_async_init(&m->bell, on_bell);
    m->bell.data = m;
    ev_async_start(m->loop, &m->bell);
    crew->n++;
    return sp_worker_new(m->loop, c, share, &m->worker, why);
}

/* The others listen where the first one does. */
static void fix_ports(struct sp_crew *crew, struct sp_worker_config *c)
{
    const struct sp_worker *first = crew->members[0].worker;

    for (size_t i = 0; i < c->n_listen; i++)
        crew->listen[i] = c->listen[i] = *sp_worker_listen(first, i);
    for (size_t i = 0; i < c->n_listen_udp; i++)
        crew->listen_udp[i] = c->listen_udp[i] = *sp_worker_listen_udp(first, i);
}

static int add_all(struct sp_crew *crew, unsigned n, const struct sp_worker_config *config,
                   struct sp_worker_share share, char why[static SP_SHARED_WHY_MAX])
{
    struct sp_worker_config c = *config;
    int err = 0;

    /* Several workers listen on the same; and one may on [::]:443 and 0.0.0.0:443. */
    c.share_ports = n > 1 || c.n_listen > 1 || c.n_listen_udp > 1;
    share.office = crew->office;
    share.commons = &crew->commons;
    if (c.share_ports)
        err = check_all_free(&c, why);
    for (unsigned i = 0; i < n && err == 0; i++) {
        c.index = (uint16_t)i;
        err = add_member(crew, &c, &share, why);
        if (err == 0 && i == 0)
            fix_ports(crew, &c);
    }
    return err;
}

int sp_crew_new(unsigned n, const struct sp_worker_config *c, const struct sp_worker_share *share,
                struct sp_crew **out, char why[static SP_SHARED_WHY_MAX])
{
    struct sp_crew *crew = calloc(1, sizeof *crew + n * sizeof crew->members[0]);
    int err = crew == NULL ? SP_ENOMEM : 0;
    struct sp_rng rng;

    if (err == 0 && n > 1)
        err = sp_post_office_new(n, &crew->office);
    if (err != 0) {
        snprintf(why, SP_SHARED_WHY_MAX, "cannot start %u workers: %s", n, sp_strerror(err));
        free(crew);
        return err;
    }
    sp_rng_system_init(&rng);
    sp_commons_init(&crew->commons, n, &c->bounds, &rng);
    err = add_all(crew, n, c, *share, why);
    if (err != 0) {
        sp_crew_free(crew);
        return err;
    }
    *out = crew;
    return 0;
}

/* All threads before the first worker: they reach each other. */
void sp_crew_free(struct sp_crew *crew)
{
    if (crew == NULL)
        return;
    if (crew->running)
        stop(crew, crew->n);
    for (unsigned i = 0; i < crew->n; i++) {
        struct member *m = &crew->members[i];
        sp_worker_free(m->worker);
        ev_async_stop(m->loop, &m->bell);
        ev_loop_destroy(m->loop);
        sem_destroy(&m->done);
    }
    sp_post_office_free(crew->office);
    sp_commons_fini(&crew->commons);
    free(crew);
}
