#ifndef SQLITE_ENABLE_PREUPDATE_HOOK
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#endif
#include "db/sqlite/hooks.h"

#include "base/ctx.h"
#include "db/sqlite/sqlite.h"
#include <covet/fiber.h>
#include <stdlib.h>

/* Of a transaction, and of those that wait to be told. */
enum { MOST_CHANGES = 10000, MOST_BATCHES = 1000 };

struct cv_sqlite_watch {
    cv_link link; /* in watches->list until it is ended */
    cv__sqlite_watches *watches;
    cv_sqlite_change_fn *changed; /* either this */
    cv_sqlite_row_fn *row;        /* or this */
    void *arg;
    bool ended;
};

typedef struct batch {
    cv_link link;
    cv_sqlite_change *changes;
    size_t count;
    bool incomplete;
} batch;

typedef struct table_name {
    struct table_name *next;
    char text[];
} table_name;

struct cv__sqlite_watches {
    size_t refs; /* the database, each watch, the fiber */
    cv_link list;
    size_t count, change_count; /* of watches; of those for batches */
    cv_link batches;
    size_t batch_count;
    bool telling, closed;
    table_name *names; /* kept, so that changes need no copies */
};

struct cv_sqlite_row {
    sqlite3 *db;
};

/* ---- life ---- */

cv__sqlite_watches *cv__sqlite_watches_new(void)
{
    cv__sqlite_watches *watches = calloc(1, sizeof *watches);
    if (!watches)
        return NULL;
    watches->refs = 1;
    cv_list_init(&watches->list);
    cv_list_init(&watches->batches);
    return watches;
}

static batch *next_batch(cv__sqlite_watches *watches)
{
    cv_link *link = cv_list_pop_front(&watches->batches);
    if (!link)
        return NULL;
    watches->batch_count--;
    return cv_list_entry(link, batch, link);
}

static void free_batch(batch *b)
{
    free(b->changes);
    free(b);
}

static void drop_batches(cv__sqlite_watches *watches)
{
    batch *b;
    while ((b = next_batch(watches)))
        free_batch(b);
}

static void unref(cv__sqlite_watches *watches)
{
    if (--watches->refs > 0)
        return;
    drop_batches(watches);
    while (watches->names) {
        table_name *name = watches->names;
        watches->names = name->next;
        free(name);
    }
    free(watches);
}

void cv__sqlite_watches_close(cv__sqlite_watches *watches)
{
    if (!watches)
        return;
    watches->closed = true;
    unref(watches);
}

int cv__sqlite_watch_new(cv_ctx *cx, cv__sqlite_watches *watches, cv_sqlite_change_fn *changed, cv_sqlite_row_fn *row,
                         void *arg, cv_sqlite_watch **ret_watch)
{
    cv_sqlite_watch *watch = malloc(sizeof *watch);
    if (!watch)
        return cv_fail(cx, CV_E_NOMEM, "could not watch the database: out of memory");
    *watch = (cv_sqlite_watch){.watches = watches, .changed = changed, .row = row, .arg = arg};
    cv_list_push_back(&watches->list, &watch->link);
    watches->refs++;
    watches->count++;
    watches->change_count += changed != NULL;
    *ret_watch = watch;
    return 0;
}

static void free_watch(cv_sqlite_watch *watch)
{
    cv_list_remove(&watch->link);
    cv__sqlite_watches *watches = watch->watches;
    free(watch);
    unref(watches);
}

/* One that is being told now is freed by the fiber that tells it. */
void cv_sqlite_watch_end(cv_sqlite_watch *watch)
{
    if (!watch || watch->ended)
        return;
    watch->ended = true;
    watch->watches->count--;
    watch->watches->change_count -= watch->changed != NULL;
    if (!watch->watches->telling)
        free_watch(watch);
}

static void free_ended(cv__sqlite_watches *watches)
{
    cv_list_each (at, &watches->list) {
        cv_sqlite_watch *watch = cv_list_entry(at, cv_sqlite_watch, link);
        if (watch->ended)
            free_watch(watch);
    }
}

/* ---- telling ---- */

static void tell(cv_ctx *cx, cv__sqlite_watches *watches, const batch *b)
{
    const cv_sqlite_changes changes = {.changes = b->changes, .count = b->count, .incomplete = b->incomplete};
    cv_list_each (at, &watches->list) {
        const cv_sqlite_watch *watch = cv_list_entry(at, cv_sqlite_watch, link);
        if (watch->changed && !watch->ended && !watches->closed)
            CV_SCOPE(cx)
            {
                watch->changed(cx, watch->arg, &changes);
                cv_error_clear(cx);
            }
    }
}

static int tell_all(cv_ctx *cx, void *arg)
{
    cv__sqlite_watches *watches = arg;
    cx->deadline_ns = INT64_MAX; /* not that of whoever committed */
    batch *b;
    while ((b = next_batch(watches))) {
        tell(cx, watches, b);
        free_batch(b);
    }
    watches->telling = false;
    free_ended(watches);
    unref(watches);
    return 0;
}

static void start_telling(cv_ctx *cx, cv__sqlite_watches *watches)
{
    if (watches->telling || cv_list_is_empty(&watches->batches))
        return;
    cv_error *first = cv_error_take(cx);
    if (cv_spawn(cx, "sqlite changes", tell_all, watches, NULL) == 0) {
        watches->telling = true;
        watches->refs++;
    } else if (!first) {
        cv_error_clear(cx); /* no fiber is free: the next commit tries again */
    }
    cv_error_put_back(cx, first);
}

/* Those who are too slow lose batches, and are told so. */
static bool is_full(cv__sqlite_watches *watches)
{
    if (watches->batch_count < MOST_BATCHES)
        return false;
    cv_list_entry(watches->batches.prev, batch, link)->incomplete = true;
    return true;
}

static void hand_on(cv_ctx *cx, cv__sqlite_watches *watches, cv__sqlite_record *record)
{
    batch *b = is_full(watches) ? NULL : malloc(sizeof *b);
    if (b) {
        *b = (batch){.changes = record->changes, .count = record->count, .incomplete = record->incomplete};
        cv_list_push_back(&watches->batches, &b->link);
        watches->batch_count++;
        record->changes = NULL;
        record->capacity = 0;
    }
    start_telling(cx, watches);
}

/* ---- recording ---- */

static const char *keep_name(cv__sqlite_watches *watches, const char *text)
{
    for (const table_name *name = watches->names; name; name = name->next)
        if (strcmp(name->text, text) == 0)
            return name->text;
    size_t size = strlen(text) + 1;
    table_name *name = malloc(sizeof *name + size);
    if (!name)
        return NULL;
    memcpy(name->text, text, size);
    name->next = watches->names;
    watches->names = name;
    return name->text;
}

static bool make_room(cv__sqlite_record *record)
{
    if (record->count < record->capacity)
        return true;
    if (record->count == MOST_CHANGES)
        return false;
    size_t capacity = record->capacity ? record->capacity * 2 : 16;
    capacity = capacity < MOST_CHANGES ? capacity : MOST_CHANGES;
    cv_sqlite_change *grown = realloc(record->changes, capacity * sizeof *grown);
    if (!grown)
        return false;
    record->changes = grown;
    record->capacity = capacity;
    return true;
}

static void keep_change(cv__sqlite_watches *watches, cv__sqlite_record *record, cv_sqlite_op op, const char *table,
                        int64_t old_rowid, int64_t new_rowid)
{
    const char *name = keep_name(watches, table);
    if (!name || !make_room(record)) {
        record->incomplete = true;
        return;
    }
    record->changes[record->count++] = (cv_sqlite_change){
        .op = op, .table = name, .rowid = op == CV_SQLITE_DELETE ? old_rowid : new_rowid, .old_rowid = old_rowid};
}

static cv_sqlite_op op_of(int op)
{
    return op == SQLITE_INSERT ? CV_SQLITE_INSERT : op == SQLITE_DELETE ? CV_SQLITE_DELETE : CV_SQLITE_UPDATE;
}

static void show_row(const cv__sqlite_watches *watches, sqlite3 *db, cv_sqlite_change change)
{
    const cv_sqlite_row row = {.db = db};
    cv_list_each (at, &watches->list) {
        const cv_sqlite_watch *watch = cv_list_entry(at, cv_sqlite_watch, link);
        if (watch->row && !watch->ended)
            watch->row(watch->arg, &change, &row);
    }
}

/* VACUUM copies into a database of its own, on another thread: that is nobody's change. */
static void on_preupdate(void *arg, sqlite3 *db, int op, const char *database, const char *table,
                         sqlite3_int64 old_rowid, sqlite3_int64 new_rowid)
{
    cv__sqlite_conn *conn = arg;
    if (strcmp(database, "main") != 0)
        return;
    cv__sqlite_watches *watches = conn->shared->watches;
    if (op == SQLITE_INSERT)
        old_rowid = new_rowid;
    if (watches->count > watches->change_count)
        show_row(watches, db,
                 (cv_sqlite_change){.op = op_of(op),
                                    .table = table,
                                    .rowid = op == SQLITE_DELETE ? old_rowid : new_rowid,
                                    .old_rowid = old_rowid});
    if (watches->change_count > 0)
        keep_change(watches, &conn->record, op_of(op), table, old_rowid, new_rowid);
    if (cv__sqlite_log_is_wanted(conn->shared->log))
        cv__sqlite_capture_row(conn, op, table);
}

/* Watches may begin in the middle of a transaction: then the first batch has what comes from then on. */
static void install(cv__sqlite_conn *conn)
{
    bool wanted = conn->shared->watches->count > 0 || cv__sqlite_log_is_wanted(conn->shared->log);
    if (wanted == conn->record.installed)
        return;
    sqlite3_preupdate_hook(conn->db, wanted ? on_preupdate : NULL, conn);
    conn->record.installed = wanted;
}

cv__sqlite_mark cv__sqlite_record_mark(cv__sqlite_conn *conn)
{
    install(conn);
    return (cv__sqlite_mark){.count = conn->record.count,
                             .captured = conn->capture.count,
                             .total_changes = conn->record.installed ? sqlite3_total_changes64(conn->db) : 0,
                             .in_transaction = conn->head.in_transaction};
}

void cv__sqlite_record_undo(cv__sqlite_conn *conn, cv__sqlite_mark mark)
{
    if (conn->record.count > mark.count)
        conn->record.count = mark.count;
    cv__sqlite_capture_undo(conn, mark.captured);
}

/* A statement that was undone has counted no change. One with OR FAIL has, and keeps them. */
void cv__sqlite_record_statement(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_mark mark, cv_str sql)
{
    if (!conn->record.installed)
        return;
    if (sqlite3_total_changes64(conn->db) == mark.total_changes)
        cv__sqlite_record_undo(conn, mark);
    if (sql.len > 0)
        cv__sqlite_capture_schema(conn, sql);
    if (!sqlite3_get_autocommit(conn->db))
        return;
    if (mark.in_transaction)
        cv__sqlite_record_forget(conn);
    else
        cv__sqlite_record_committed(cx, conn);
}

void cv__sqlite_record_savepoint(cv__sqlite_conn *conn, int level)
{
    cv__sqlite_record *record = &conn->record;
    if (level < 0)
        return;
    if ((size_t)level >= record->mark_count) {
        size_t count = (size_t)level * 2 + 4;
        cv__sqlite_mark *grown = realloc(record->marks, count * sizeof *grown);
        if (!grown) {
            record->incomplete = true;
            conn->capture.lost = true;
            return;
        }
        memset(grown + record->mark_count, 0, (count - record->mark_count) * sizeof *grown);
        record->marks = grown;
        record->mark_count = count;
    }
    record->marks[level] = (cv__sqlite_mark){.count = record->count, .captured = conn->capture.count};
}

void cv__sqlite_record_rollback_to(cv__sqlite_conn *conn, int level)
{
    if (level >= 0 && (size_t)level < conn->record.mark_count)
        cv__sqlite_record_undo(conn, conn->record.marks[level]);
}

void cv__sqlite_record_committed(cv_ctx *cx, cv__sqlite_conn *conn)
{
    cv__sqlite_record *record = &conn->record;
    if ((record->count > 0 || record->incomplete) && conn->shared->watches->change_count > 0)
        hand_on(cx, conn->shared->watches, record);
    cv__sqlite_capture_committed(conn);
    cv__sqlite_record_forget(conn);
}

void cv__sqlite_record_forget(cv__sqlite_conn *conn)
{
    conn->record.count = 0;
    conn->record.incomplete = false;
    cv__sqlite_capture_undo(conn, 0);
    conn->capture.lost = false;
}

void cv__sqlite_record_done(cv__sqlite_record *record)
{
    free(record->changes);
    free(record->marks);
}

/* ---- values of a row that is about to change ---- */

static cv_value value_of(sqlite3_value *value)
{
    switch (value ? sqlite3_value_type(value) : SQLITE_NULL) {
    case SQLITE_INTEGER:
        return cv_value_i64(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return cv_value_f64(sqlite3_value_double(value));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_value_text(value);
        return cv_value_str(cv_str_make(text, (size_t)sqlite3_value_bytes(value)));
    }
    case SQLITE_BLOB: {
        const uint8_t *bytes = sqlite3_value_blob(value);
        return cv_value_bytes((cv_bytes){bytes, (size_t)sqlite3_value_bytes(value)});
    }
    default:
        return CV_NULL;
    }
}

size_t cv_sqlite_row_columns(const cv_sqlite_row *row)
{
    return (size_t)sqlite3_preupdate_count(row->db);
}

cv_value cv_sqlite_row_old(const cv_sqlite_row *row, size_t column)
{
    sqlite3_value *value = NULL;
    if (column >= cv_sqlite_row_columns(row) || sqlite3_preupdate_old(row->db, (int)column, &value) != SQLITE_OK)
        return CV_NULL;
    return value_of(value);
}

cv_value cv_sqlite_row_new(const cv_sqlite_row *row, size_t column)
{
    sqlite3_value *value = NULL;
    if (column >= cv_sqlite_row_columns(row) || sqlite3_preupdate_new(row->db, (int)column, &value) != SQLITE_OK)
        return CV_NULL;
    return value_of(value);
}
