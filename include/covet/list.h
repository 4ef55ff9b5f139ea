/* An intrusive, circular, doubly linked list. The link lies inside the object: no allocation, removal in constant time.
 *     struct waiter { cv_link link; ... };
 *     cv_list_push_back(&queue, &w->link);
 *     struct waiter *first = cv_list_entry(queue.next, struct waiter, link);
 * Not for several threads at once. Nothing here suspends or fails. */
#ifndef COVET_LIST_H
#define COVET_LIST_H

#include <covet/api.h>
#include <stdbool.h>
#include <stddef.h>

CV_BEGIN_DECLS

typedef struct cv_link {
    struct cv_link *prev, *next;
} cv_link;

/** The object that holds the link. */
#define cv_list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/** Visit the links of a list; the visited one may be removed. */
#define cv_list_each(at, list)                                                                                         \
    for (cv_link *at = (list)->next, *cv__next_##at = at->next; at != (list);                                          \
         at = cv__next_##at, cv__next_##at = at->next)

/** An empty list, or a link that is in no list: it points to itself. */
static inline void cv_list_init(cv_link *link)
{
    link->prev = link->next = link;
}

static inline bool cv_list_is_empty(const cv_link *list)
{
    return list->next == list;
}

/** Whether the link is in a list. */
static inline bool cv_list_is_linked(const cv_link *link)
{
    return link->next != link;
}

static inline void cv_list_insert_before(cv_link *at, cv_link *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

static inline void cv_list_push_back(cv_link *list, cv_link *link)
{
    cv_list_insert_before(list, link);
}

static inline void cv_list_push_front(cv_link *list, cv_link *link)
{
    cv_list_insert_before(list->next, link);
}

/** Take the link out of its list; no effect when it is in none. */
static inline void cv_list_remove(cv_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = link;
}

/** Take the first link out, or NULL when the list is empty. */
static inline cv_link *cv_list_pop_front(cv_link *list)
{
    cv_link *first = list->next;
    if (first == list)
        return NULL;
    cv_list_remove(first);
    return first;
}

CV_END_DECLS

#endif
