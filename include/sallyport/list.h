/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An intrusive doubly linked list: the link lives in the element, so adding never fails and
 * removing needs no search. A link that is in no list points to itself or is all zero.
 */
#ifndef SALLYPORT_LIST_H
#define SALLYPORT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "sallyport/bytes.h"

struct sp_link {
    struct sp_link *prev, *next;
};

struct sp_list {
    struct sp_link head; /* next: first element, prev: last */
};

static inline void sp_list_init(struct sp_list *l)
{
    l->head.prev = l->head.next = &l->head;
}

static inline bool sp_list_empty(const struct sp_list *l)
{
    return l->head.next == &l->head;
}

static inline bool sp_link_linked(const struct sp_link *n)
{
    return n->next != NULL && n->next != n;
}

static inline void sp_list_append(struct sp_list *l, struct sp_link *n)
{
    n->prev = l->head.prev;
    n->next = &l->head;
    l->head.prev->next = n;
    l->head.prev = n;
}

static inline void sp_list_prepend(struct sp_list *l, struct sp_link *n)
{
    n->next = l->head.next;
    n->prev = &l->head;
    l->head.next->prev = n;
    l->head.next = n;
}

/* Harmless on a link that is in no list. */
static inline void sp_list_remove(struct sp_link *n)
{
    if (n->next != NULL) {
        n->prev->next = n->next;
        n->next->prev = n->prev;
    }
    n->prev = n->next = NULL;
}

/* NULL when empty. */
static inline struct sp_link *sp_list_first(const struct sp_list *l)
{
    return sp_list_empty(l) ? NULL : l->head.next;
}

/* NULL at the end. */
static inline struct sp_link *sp_list_next(const struct sp_list *l, const struct sp_link *n)
{
    return n->next == &l->head ? NULL : n->next;
}

/* Visits each link; the visited one may be removed meanwhile, others may not. */
#define SP_LIST_EACH(list, it, after)                                                    \
    for (struct sp_link *it = (list)->head.next, *after = it->next; it != &(list)->head; \
         it = after, after = it->next)

#define SP_LIST_ITEM(link, type, member) SP_CONTAINER_OF(link, type, member)

#endif
