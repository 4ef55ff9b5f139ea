#include "rt/timers.h"

#include <stddef.h>

static bool is_before(const cv__timer *a, const cv__timer *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->sequence < b->sequence);
}

/* Join two heaps; the later root becomes the first child of the earlier. */
static cv__timer *meld(cv__timer *a, cv__timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    cv__timer *root = is_before(b, a) ? b : a;
    cv__timer *below = root == a ? b : a;
    below->prev = root;
    below->sibling = root->child;
    if (root->child)
        root->child->prev = below;
    root->child = below;
    root->sibling = NULL;
    root->prev = NULL;
    return root;
}

/* Join a list of siblings to one heap: in pairs from the left, then the pairs from the right. */
static cv__timer *meld_siblings(cv__timer *first)
{
    cv__timer *pairs = NULL; /* linked by `prev` */
    while (first) {
        cv__timer *a = first;
        cv__timer *b = a->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = NULL;
        a->prev = NULL;
        if (b) {
            b->sibling = NULL;
            b->prev = NULL;
        }
        cv__timer *pair = meld(a, b);
        pair->prev = pairs;
        pairs = pair;
    }
    cv__timer *root = NULL;
    while (pairs) {
        cv__timer *next = pairs->prev;
        pairs->prev = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void cv__timers_add(cv__timers *timers, cv__timer *timer, int64_t at_ns)
{
    *timer = (cv__timer){.at_ns = at_ns, .sequence = timers->sequence++, .fire = timer->fire, .armed = true};
    timers->first = meld(timers->first, timer);
}

void cv__timers_remove(cv__timers *timers, cv__timer *timer)
{
    if (!timer->armed)
        return;
    timer->armed = false;
    cv__timer *below = meld_siblings(timer->child);
    if (timer == timers->first) {
        timers->first = below;
        return;
    }
    if (timer->prev->child == timer)
        timer->prev->child = timer->sibling;
    else
        timer->prev->sibling = timer->sibling;
    if (timer->sibling)
        timer->sibling->prev = timer->prev;
    timers->first = meld(timers->first, below);
}
