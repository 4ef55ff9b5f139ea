#include "db/sqlite/changes/log.h"

#include "db/sqlite/sqlite.h"
#include <stdlib.h>

/* ---- what it is made of ---- */

cv__sqlite_table *cv__sqlite_table_ref(cv__sqlite_table *table)
{
    if (table)
        table->refs++;
    return table;
}

void cv__sqlite_table_unref(cv__sqlite_table *table)
{
    if (table && --table->refs == 0)
        free(table);
}

void cv__sqlite_captured_free(cv__sqlite_captured *event)
{
    cv__sqlite_table_unref(event->table);
    free(event);
}

void cv__sqlite_logged_unref(cv__sqlite_logged *logged)
{
    if (!logged || --logged->refs > 0)
        return;
    for (size_t i = 0; i < logged->count; i++)
        cv__sqlite_captured_free(logged->events[i]);
    free(logged->events);
    free(logged);
}

/* ---- life ---- */

cv__sqlite_log *cv__sqlite_log_new(void)
{
    cv__sqlite_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->refs = 1;
    cv_random_bytes(&log->instance, sizeof log->instance);
    cv_list_init(&log->logged);
    cv_list_init(&log->places);
    cv_list_init(&log->tables);
    return log;
}

static void forget_first(cv__sqlite_log *log)
{
    cv__sqlite_logged *first = cv_list_entry(cv_list_pop_front(&log->logged), cv__sqlite_logged, link);
    log->bytes -= first->bytes;
    log->gone = first->number;
    cv__sqlite_logged_unref(first);
}

static void forget_all(cv__sqlite_log *log)
{
    while (!cv_list_is_empty(&log->logged))
        forget_first(log);
    log->gone = log->last;
}

static void free_place(cv__sqlite_place *place)
{
    cv_list_remove(&place->link);
    free(place->name);
    free(place);
}

void cv__sqlite_log_unref(cv__sqlite_log *log)
{
    if (--log->refs > 0)
        return;
    forget_all(log);
    cv__sqlite_log_forget_tables(log);
    free(log);
}

void cv__sqlite_log_close(cv__sqlite_log *log)
{
    if (!log)
        return;
    cv_list_each (at, &log->places) {
        cv__sqlite_place *place = cv_list_entry(at, cv__sqlite_place, link);
        if (!place->in_use)
            free_place(place);
    }
    cv__sqlite_log_unref(log);
}

bool cv__sqlite_log_is_wanted(const cv__sqlite_log *log)
{
    return !cv_list_is_empty(&log->places);
}

/* ---- what is kept ---- */

void cv__sqlite_log_trim(cv__sqlite_log *log)
{
    uint64_t done = log->last;
    size_t bound = 0;
    cv_list_each (at, &log->places) {
        const cv__sqlite_place *place = cv_list_entry(at, cv__sqlite_place, link);
        done = place->acknowledged < done ? place->acknowledged : done;
        bound = place->bound > bound ? place->bound : bound;
    }
    while (!cv_list_is_empty(&log->logged)) {
        const cv__sqlite_logged *first = cv_list_entry(log->logged.next, cv__sqlite_logged, link);
        if (first->number > done && log->bytes <= bound)
            return;
        forget_first(log);
    }
}

static void wake_readers(cv__sqlite_log *log)
{
    cv_list_each (at, &log->places) {
        const cv__sqlite_place *place = cv_list_entry(at, cv__sqlite_place, link);
        if (place->waiter)
            cv__wake(place->waiter, 0);
    }
}

void cv__sqlite_log_append(cv__sqlite_log *log, cv__sqlite_logged *logged)
{
    log->last++;
    if (logged) {
        logged->number = log->last;
        log->bytes += logged->bytes;
        cv_list_push_back(&log->logged, &logged->link);
        cv__sqlite_log_trim(log);
    } else {
        forget_all(log);
    }
    wake_readers(log);
}
