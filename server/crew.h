/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workers of a server, each in a thread and a loop of its own, and how the rest of the process
 * reaches them: never past their loops. Knows nothing of what a worker does.
 */
#ifndef SALLYPORT_SERVER_CREW_H
#define SALLYPORT_SERVER_CREW_H

#include "worker.h"

struct sp_crew;

/* So many workers, numbered from 0, that listen on the same addresses; ports of the system's choice
 * are the first one's. No thread runs yet. Office and commons of `share` are the crew's own. On an
 * error `why` says what sp_worker_new says. */
int sp_crew_new(unsigned n, const struct sp_worker_config *c, const struct sp_worker_share *share,
                struct sp_crew **out, char why[static SP_SHARED_WHY_MAX]);

/* From here on they work. What confines the process has been done: threads inherit it. SP_ESYS with
 * errno: there are no threads to be had; none runs then. */
int sp_crew_start(struct sp_crew *crew);

/* Ends the threads, if there are any, and everything on them. */
void sp_crew_free(struct sp_crew *crew);

unsigned sp_crew_size(const struct sp_crew *crew);

/* Calls `fn` in each worker's thread in turn, between two of its events, and returns when all have
 * returned; directly while no thread runs. By one thread that is none of theirs. */
typedef void sp_crew_fn(struct sp_worker *w, void *arg);
void sp_crew_each(struct sp_crew *crew, sp_crew_fn *fn, void *arg);

/* What they listen on, ports filled in; before they are told to stop. */
const struct sp_addr *sp_crew_listen(const struct sp_crew *crew, size_t i);
const struct sp_addr *sp_crew_listen_udp(const struct sp_crew *crew, size_t i);

#endif
