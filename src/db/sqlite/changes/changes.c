/* Change streams of SQLite: the driver's functions, over the log in memory. */
#include "db/sqlite/changes/changes.h"

#include "db/sqlite/changes/log.h"
#include "db/sqlite/sqlite.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BOUND_BYTES = 64 * 1024 * 1024, POSITION_BYTES = 48, MAX_ROW_BYTES = 1 << 30 };

typedef struct reader {
    cv_changes head;
    cv__sqlite_log *log;
    cv__sqlite_place *place;
    cv__sqlite_logged *at; /* the transaction that is being told; NULL between two */
    size_t next_event;
    uint64_t done; /* the last one that was passed */
    bool told;     /* something of the present one */
    char position[POSITION_BYTES], transaction[24];
    cv_value *values;
    size_t capacity;
    cv_arena *arena; /* what values of the present event need */
    cv_arena_mark empty;
} reader;

static reader *reader_of(cv_changes *changes)
{
    return (reader *)(void *)changes;
}

/* ---- positions: INSTANCE-NUMBER ---- */

static bool parse_position(const char *text, uint64_t *ret_instance, uint64_t *ret_number)
{
    if (strspn(text, "0123456789abcdef") != 16 || text[16] != '-')
        return false;
    size_t digits = strspn(text + 17, "0123456789");
    if (digits == 0 || digits > 19 || text[17 + digits])
        return false;
    *ret_instance = strtoull(text, NULL, 16);
    *ret_number = strtoull(text + 17, NULL, 10);
    return true;
}

static int fail_position(cv_ctx *cx, const char *text)
{
    cv_fail(cx, CV_E_INVALID, "\"%.100s\" is no position of SQLite", text);
    cv_error_hint(cx, "positions are those that events of this database had");
    return CV_E_INVALID;
}

static int log_compare(cv_ctx *cx, const char *a, const char *b, int *ret_order)
{
    uint64_t a_instance, a_number, b_instance, b_number;
    if (!parse_position(a, &a_instance, &a_number))
        return fail_position(cx, a);
    if (!parse_position(b, &b_instance, &b_number))
        return fail_position(cx, b);
    if (a_instance != b_instance)
        return cv_fail(cx, CV_E_INVALID,
                       "the positions \"%s\" and \"%s\" cannot be compared: between them the database "
                       "was opened anew",
                       a, b);
    *ret_order = a_number < b_number ? -1 : a_number > b_number;
    return 0;
}

static void set_position(reader *r)
{
    snprintf(r->position, sizeof r->position, "%016" PRIx64 "-%" PRIu64, r->log->instance, r->done);
}

static int fail_gap(cv_ctx *cx, const char *position, const char *why)
{
    cv_fail(cx, CV_E_GAP, "the changes behind the position \"%s\" are not kept any more: %s", position, why);
    cv_error_hint(cx, "read the tables anew and open from now before that");
    return CV_E_GAP;
}

static int take_position(cv_ctx *cx, reader *r, const char *text)
{
    uint64_t instance, number;
    if (!parse_position(text, &instance, &number))
        return fail_position(cx, text);
    if (instance != r->log->instance)
        return fail_gap(cx, text, "the database was opened anew since");
    if (number > r->log->last)
        return fail_position(cx, text);
    r->done = number;
    return 0;
}

/* ---- places ---- */

static cv__sqlite_place *find_place(const cv__sqlite_log *log, const char *name)
{
    cv_list_each (at, &log->places) {
        cv__sqlite_place *place = cv_list_entry(at, cv__sqlite_place, link);
        if (name && place->name && strcmp(place->name, name) == 0)
            return place;
    }
    return NULL;
}

static void drop_place(cv__sqlite_log *log, cv__sqlite_place *place)
{
    cv_list_remove(&place->link);
    free(place->name);
    free(place);
    cv__sqlite_log_trim(log);
}

static int fail_locked(cv_ctx *cx, const char *name)
{
    return cv_fail(cx, CV_E_LOCKED, "another reader of changes has the name \"%s\"", name);
}

static int make_place(cv_ctx *cx, cv__sqlite_log *log, const char *name, cv__sqlite_place **ret_place)
{
    cv__sqlite_place *place = calloc(1, sizeof *place);
    if (place && name)
        place->name = strdup(name);
    if (!place || (name && !place->name)) {
        free(place);
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    }
    place->acknowledged = log->last;
    cv_list_push_back(&log->places, &place->link);
    *ret_place = place;
    return 0;
}

static int take_place(cv_ctx *cx, cv__sqlite_log *log, const cv_changes_options *options, cv__sqlite_place **ret_place)
{
    cv__sqlite_place *place = find_place(log, options->name);
    if (place && place->in_use)
        return fail_locked(cx, options->name);
    if (!place)
        CV_TRY(make_place(cx, log, options->name, &place));
    place->in_use = true;
    place->bound = options->queue_bytes ? options->queue_bytes : BOUND_BYTES;
    *ret_place = place;
    return 0;
}

static int log_drop(cv_ctx *cx, void *shared, const char *name)
{
    const cv__sqlite_shared *database = shared;
    cv__sqlite_place *place = find_place(database->log, name);
    if (!place)
        return cv_fail(cx, CV_E_NOT_FOUND, "there is no reader of changes \"%s\"", name);
    if (place->in_use)
        return fail_locked(cx, name);
    drop_place(database->log, place);
    return 0;
}

/* ---- events ---- */

static int make_room(cv_ctx *cx, reader *r, size_t count)
{
    if (count <= r->capacity)
        return 0;
    cv_value *grown = realloc(r->values, count * sizeof *grown);
    if (!grown)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    r->values = grown;
    r->capacity = count;
    return 0;
}

/* As columns of raw SQL are read; what is not of its column's type stays what is stored. */
static int give_types(cv_ctx *cx, reader *r, const cv__sqlite_captured *event)
{
    size_t count = event->old_count + event->new_count, columns = event->table->column_count;
    CV_TRY(make_room(cx, r, count));
    cv_arena_rewind(r->arena, r->empty);
    for (size_t i = 0; i < count; i++)
        if (cv__sqlite_value_as(r->arena, event->values[i], &event->table->types[i % columns], &r->values[i]) < 0)
            return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    return 0;
}

static void set_event(reader *r, cv_change_kind kind, cv_change *ret_change)
{
    snprintf(r->transaction, sizeof r->transaction, "%" PRIu64, r->at->number);
    *ret_change = (cv_change){.kind = kind,
                              .complete = true,
                              .committed_at = r->at->committed_at,
                              .transaction_id = r->transaction,
                              .position = r->position};
}

static int tell(cv_ctx *cx, reader *r, const cv__sqlite_captured *event, cv_change *ret_change)
{
    set_event(r, event->kind, ret_change);
    r->told = true;
    if (event->kind == CV_CHANGE_SCHEMA) {
        ret_change->statement = event->statement;
    } else {
        CV_TRY(give_types(cx, r, event));
        ret_change->old_values = event->old_count ? r->values : NULL;
        ret_change->new_values = event->new_count ? r->values + event->old_count : NULL;
    }
    if (event->table) {
        ret_change->schema = "main";
        ret_change->table = event->table->name;
        ret_change->columns = event->table->columns;
        ret_change->column_count = event->table->column_count;
    }
    return 1;
}

static bool is_wanted(const reader *r, const cv__sqlite_captured *event)
{
    return cv__changes_wants(&r->head, "main", event->table ? event->table->name : NULL);
}

/* The transaction is over: 1 when that is told. */
static int pass(reader *r, cv_change *ret_change)
{
    r->done = r->at->number;
    set_position(r);
    if (!r->place->name) {
        r->place->acknowledged = r->done;
        cv__sqlite_log_trim(r->log);
    }
    bool told = r->told;
    if (told)
        set_event(r, CV_CHANGE_COMMIT, ret_change);
    cv__sqlite_logged_unref(r->at);
    r->at = NULL;
    r->told = false;
    return told;
}

/* 1: an event is told. */
static int go_on(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    while (r->next_event < r->at->count) {
        const cv__sqlite_captured *event = r->at->events[r->next_event++];
        if (is_wanted(r, event))
            return tell(cx, r, event, ret_change);
    }
    return pass(r, ret_change);
}

static cv__sqlite_logged *find_next(const reader *r)
{
    cv_list_each (at, &r->log->logged) {
        cv__sqlite_logged *logged = cv_list_entry(at, cv__sqlite_logged, link);
        if (logged->number > r->done)
            return logged;
    }
    return NULL;
}

static int wait_for_commit(cv_ctx *cx, reader *r)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "read changes";
    r->place->waiter = &waiter;
    int rc = cv__wait(cx, &waiter);
    r->place->waiter = NULL;
    return rc < 0 && waiter.woken ? cv_fail(cx, rc, "could not read changes: %s", cv_error_text(rc)) : rc;
}

static int find_or_wait(cv_ctx *cx, reader *r)
{
    if (r->done < r->log->gone)
        return fail_gap(cx, r->position, "the reader fell behind by more than its queue_bytes");
    r->at = find_next(r);
    r->next_event = 0;
    if (!r->at)
        return wait_for_commit(cx, r);
    r->at->refs++;
    return 0;
}

static int log_next(cv_ctx *cx, void *shared, cv_changes *changes, cv_change *ret_change)
{
    (void)shared;
    reader *r = reader_of(changes);
    int rc = 0;
    while (rc == 0)
        rc = r->at ? go_on(cx, r, ret_change) : find_or_wait(cx, r);
    return rc < 0 ? rc : 0;
}

/* ---- the driver's other functions ---- */

static const char *log_position(const cv_changes *changes)
{
    return ((const reader *)(const void *)changes)->position;
}

static int log_acknowledge(cv_ctx *cx, void *shared, cv_changes *changes, const char *position)
{
    (void)shared;
    reader *r = reader_of(changes);
    uint64_t instance, number;
    if (!parse_position(position, &instance, &number) || instance != r->log->instance || number > r->log->last)
        return fail_position(cx, position);
    if (number > r->place->acknowledged)
        r->place->acknowledged = number;
    cv__sqlite_log_trim(r->log);
    return 0;
}

static void log_interrupt(cv_changes *changes)
{
    const cv__sqlite_place *place = reader_of(changes)->place;
    if (place->waiter)
        cv__wake(place->waiter, CV_E_CLOSED);
}

static void log_end(cv_ctx *cx, cv_changes *changes)
{
    (void)cx;
    reader *r = reader_of(changes);
    cv__sqlite_logged_unref(r->at);
    if (r->place) {
        r->place->in_use = false;
        if (!r->place->name || r->log->refs == 1)
            drop_place(r->log, r->place);
    }
    cv__sqlite_log_unref(r->log);
    free(r->values);
    cv_arena_free(r->arena);
    free(r);
}

static int go_to(cv_ctx *cx, reader *r, const cv_changes_options *options)
{
    CV_TRY(take_place(cx, r->log, options, &r->place));
    r->done = r->place->acknowledged;
    if (options->position)
        CV_TRY(take_position(cx, r, options->position));
    set_position(r);
    return r->done < r->log->gone ? fail_gap(cx, r->position, "too much was committed since") : 0;
}

static int log_open(cv_ctx *cx, void *shared, const cv_changes_options *options, cv_changes **ret_changes)
{
    const cv__sqlite_shared *database = shared;
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    r->log = database->log;
    r->log->refs++;
    r->arena = cv_arena_new(MAX_ROW_BYTES);
    int rc = r->arena ? go_to(cx, r, options) : cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    if (rc < 0) {
        log_end(cx, &r->head);
        return rc;
    }
    r->empty = cv_arena_save(r->arena);
    *ret_changes = &r->head;
    return 0;
}

const cv__changes_driver cv__changes_sqlite = {
    .holds_writer = true,
    .open = log_open,
    .next = log_next,
    .position = log_position,
    .acknowledge = log_acknowledge,
    .interrupt = log_interrupt,
    .close = log_end,
    .drop = log_drop,
    .compare = log_compare,
};
