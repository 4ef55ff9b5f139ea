/* Capturing rows in the pre-update hook.
 *
 * Tables are described on the connection that writes, within the hook: what it sees is the schema of its transaction.
 * (SQLite's own session extension does so.) Descriptions are kept by name until the schema changes. */
#ifndef SQLITE_ENABLE_PREUPDATE_HOOK
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#endif
#include "db/sqlite/changes/log.h"
#include "db/sqlite/sqlite.h"

#include <stdlib.h>
#include <string.h>

typedef struct described {
    cv_link link;
    cv__sqlite_table *table;
    int all_columns; /* as the hook counts them */
} described;

void cv__sqlite_log_forget_tables(cv__sqlite_log *log)
{
    cv_link *link;
    while ((link = cv_list_pop_front(&log->tables))) {
        described *d = cv_list_entry(link, described, link);
        cv__sqlite_table_unref(d->table);
        free(d);
    }
}

/* ---- tables ---- */

enum { NAME = 1, TYPE = 2, KEY = 5, HIDDEN = 6, VIRTUAL_COLUMN = 2 };

static sqlite3_stmt *ask_columns(sqlite3 *db, const char *table)
{
    sqlite3_stmt *asked = NULL;
    char *sql = sqlite3_mprintf("PRAGMA main.table_xinfo(%Q)", table);
    if (sql && sqlite3_prepare_v2(db, sql, -1, &asked, NULL) != SQLITE_OK)
        asked = NULL;
    sqlite3_free(sql);
    return asked;
}

static bool is_stored(sqlite3_stmt *asked)
{
    return sqlite3_column_int(asked, HIDDEN) != VIRTUAL_COLUMN;
}

static const char *text_at(sqlite3_stmt *asked, int column)
{
    const char *text = (const char *)sqlite3_column_text(asked, column);
    return text ? text : "";
}

static size_t size_up(sqlite3_stmt *asked, size_t *ret_count)
{
    size_t size = 0;
    *ret_count = 0;
    while (sqlite3_step(asked) == SQLITE_ROW) {
        if (!is_stored(asked))
            continue;
        size += strlen(text_at(asked, NAME)) + strlen(text_at(asked, TYPE)) + 2;
        ++*ret_count;
    }
    sqlite3_reset(asked);
    return size;
}

static void fill(cv__sqlite_table *table, sqlite3_stmt *asked, cv_change_column *columns, cv__column_type *types,
                 char *text)
{
    for (size_t i = 0; i < table->column_count && sqlite3_step(asked) == SQLITE_ROW;) {
        if (!is_stored(asked))
            continue;
        cv_change_column *column = &columns[i];
        column->name = text;
        text = stpcpy(text, text_at(asked, NAME)) + 1;
        column->sql_type = text;
        text = stpcpy(text, text_at(asked, TYPE)) + 1;
        column->key = sqlite3_column_int(asked, KEY) > 0;
        if (*column->sql_type)
            (void)cv__dialect_sqlite.parse_column_type(cv_str_of(column->sql_type), &types[i]);
        column->type = types[i].type;
        i++;
    }
}

static cv__sqlite_table *make_table(const char *name, sqlite3_stmt *asked)
{
    size_t count, texts = size_up(asked, &count), name_size = strlen(name) + 1;
    cv__sqlite_table *table =
        calloc(1, sizeof *table + count * (sizeof(cv_change_column) + sizeof(cv__column_type)) + texts + name_size);
    if (!table)
        return NULL;
    cv_change_column *columns = (cv_change_column *)(table + 1);
    cv__column_type *types = (cv__column_type *)(columns + count);
    char *text = (char *)(types + count);
    table->refs = 1;
    table->column_count = count;
    table->columns = columns;
    table->types = types;
    table->name = text;
    memcpy(text, name, name_size);
    fill(table, asked, columns, types, text + name_size);
    return table;
}

static cv__sqlite_table *describe(cv__sqlite_log *log, sqlite3 *db, const char *name, int all_columns)
{
    described *d = calloc(1, sizeof *d);
    sqlite3_stmt *asked = d ? ask_columns(db, name) : NULL;
    if (asked)
        d->table = make_table(name, asked);
    sqlite3_finalize(asked);
    if (!d || !d->table) {
        free(d);
        return NULL;
    }
    d->all_columns = all_columns;
    cv_list_push_front(&log->tables, &d->link);
    return d->table;
}

static cv__sqlite_table *find_table(cv__sqlite_log *log, sqlite3 *db, const char *name, int all_columns)
{
    cv_list_each (at, &log->tables) {
        described *d = cv_list_entry(at, described, link);
        if (d->all_columns == all_columns && strcmp(d->table->name, name) == 0)
            return d->table;
    }
    return describe(log, db, name, all_columns);
}

/* ---- rows ---- */

static bool make_room(cv__sqlite_capture *capture)
{
    if (capture->count < capture->capacity)
        return true;
    size_t capacity = capture->capacity ? capture->capacity * 2 : 16;
    cv__sqlite_captured **grown = realloc(capture->events, capacity * sizeof *grown);
    if (!grown)
        return false;
    capture->events = grown;
    capture->capacity = capacity;
    return true;
}

static size_t bytes_of(sqlite3_value *value)
{
    int type = value ? sqlite3_value_type(value) : SQLITE_NULL;
    return type == SQLITE_TEXT || type == SQLITE_BLOB ? (size_t)sqlite3_value_bytes(value) + 1 : 0;
}

static cv_value copy_of(sqlite3_value *value, char **at)
{
    int type = value ? sqlite3_value_type(value) : SQLITE_NULL;
    if (type == SQLITE_INTEGER)
        return cv_value_i64(sqlite3_value_int64(value));
    if (type == SQLITE_FLOAT)
        return cv_value_f64(sqlite3_value_double(value));
    if (type != SQLITE_TEXT && type != SQLITE_BLOB)
        return CV_NULL;
    const void *from = type == SQLITE_TEXT ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);
    size_t len = (size_t)sqlite3_value_bytes(value);
    char *copy = *at;
    if (len > 0 && from)
        memcpy(copy, from, len);
    copy[len] = '\0';
    *at += len + 1;
    return type == SQLITE_TEXT ? cv_value_str(cv_str_make(copy, len))
                               : cv_value_bytes((cv_bytes){(const uint8_t *)copy, len});
}

typedef int value_fn(sqlite3 *db, int column, sqlite3_value **ret_value);

static size_t size_of_row(sqlite3 *db, value_fn *get, size_t count)
{
    size_t size = 0;
    sqlite3_value *value;
    for (size_t i = 0; i < count; i++)
        size += get(db, (int)i, &value) == SQLITE_OK ? bytes_of(value) : 0;
    return size;
}

static void copy_row(sqlite3 *db, value_fn *get, size_t count, cv_value *values, char **at)
{
    sqlite3_value *value;
    for (size_t i = 0; i < count; i++)
        values[i] = get(db, (int)i, &value) == SQLITE_OK ? copy_of(value, at) : CV_NULL;
}

static cv__sqlite_captured *capture_row(sqlite3 *db, int op, cv__sqlite_table *table)
{
    size_t old_count = op == SQLITE_INSERT ? 0 : table->column_count;
    size_t new_count = op == SQLITE_DELETE ? 0 : table->column_count;
    size_t size = sizeof(cv__sqlite_captured) + (old_count + new_count) * sizeof(cv_value) +
                  size_of_row(db, sqlite3_preupdate_old, old_count) + size_of_row(db, sqlite3_preupdate_new, new_count);
    cv__sqlite_captured *event = malloc(size);
    if (!event)
        return NULL;
    *event = (cv__sqlite_captured){.kind = op == SQLITE_INSERT   ? CV_CHANGE_INSERT
                                           : op == SQLITE_DELETE ? CV_CHANGE_DELETE
                                                                 : CV_CHANGE_UPDATE,
                                   .bytes = size,
                                   .table = cv__sqlite_table_ref(table),
                                   .old_count = old_count,
                                   .new_count = new_count};
    char *at = (char *)(event->values + old_count + new_count);
    copy_row(db, sqlite3_preupdate_old, old_count, event->values, &at);
    copy_row(db, sqlite3_preupdate_new, new_count, event->values + old_count, &at);
    return event;
}

static size_t bound_of(const cv__sqlite_log *log)
{
    size_t bound = 0;
    cv_list_each (at, &log->places) {
        const cv__sqlite_place *place = cv_list_entry(at, cv__sqlite_place, link);
        bound = place->bound > bound ? place->bound : bound;
    }
    return bound;
}

static void lose(cv__sqlite_conn *conn)
{
    cv__sqlite_capture_undo(conn, 0);
    conn->capture.lost = true;
}

static void add(cv__sqlite_conn *conn, cv__sqlite_captured *event)
{
    cv__sqlite_capture *capture = &conn->capture;
    if (!event || !make_room(capture) || capture->bytes + event->bytes > bound_of(conn->shared->log)) {
        if (event)
            cv__sqlite_captured_free(event);
        lose(conn);
        return;
    }
    capture->events[capture->count++] = event;
    capture->bytes += event->bytes;
}

void cv__sqlite_capture_row(cv__sqlite_conn *conn, int op, const char *table)
{
    if (conn->capture.lost)
        return;
    cv__sqlite_table *found = find_table(conn->shared->log, conn->db, table, sqlite3_preupdate_count(conn->db));
    add(conn, found ? capture_row(conn->db, op, found) : NULL);
}

/* ---- schema changes ---- */

static bool takes_word(cv_str *text, const char *word)
{
    *text = cv_str_trim(*text);
    cv_str wanted = cv_str_of(word);
    if (!cv_str_equal_nocase(cv_str_sub(*text, 0, wanted.len), wanted))
        return false;
    *text = cv_str_sub(*text, wanted.len, text->len - wanted.len);
    return true;
}

static bool changes_schema(cv_str sql)
{
    bool made = takes_word(&sql, "create ") || takes_word(&sql, "drop ");
    return (made && (takes_word(&sql, "table ") || takes_word(&sql, "virtual "))) || takes_word(&sql, "alter ");
}

/* The table by its name, behind [IF [NOT] EXISTS]. */
static const char *name_in(cv_str sql, char *room, size_t size)
{
    (void)(takes_word(&sql, "create ") || takes_word(&sql, "drop ") || takes_word(&sql, "alter "));
    takes_word(&sql, "table ");
    takes_word(&sql, "if ");
    takes_word(&sql, "not ");
    takes_word(&sql, "exists ");
    sql = cv_str_trim(sql);
    char quote = sql.len > 0 ? sql.ptr[0] : '\0';
    size_t from = quote == '"' || quote == '`' || quote == '[', len = 0;
    quote = quote == '[' ? ']' : quote;
    while (from + len < sql.len && (from ? sql.ptr[from + len] != quote : !strchr(" (\t\r\n;", sql.ptr[len])))
        len++;
    if (len == 0 || len >= size)
        return NULL;
    memcpy(room, sql.ptr + from, len);
    room[len] = '\0';
    return room;
}

void cv__sqlite_capture_schema(cv__sqlite_conn *conn, cv_str sql)
{
    char room[256];
    if (!cv__sqlite_log_is_wanted(conn->shared->log) || conn->capture.lost || !changes_schema(sql))
        return;
    cv__sqlite_log_forget_tables(conn->shared->log);
    const char *name = name_in(sql, room, sizeof room);
    sqlite3_stmt *asked = name ? ask_columns(conn->db, name) : NULL;
    cv__sqlite_table *table = asked ? make_table(name, asked) : NULL;
    sqlite3_finalize(asked);
    size_t size = sizeof(cv__sqlite_captured) + sql.len + 1;
    cv__sqlite_captured *event = malloc(size);
    if (!event) {
        cv__sqlite_table_unref(table);
    } else {
        *event = (cv__sqlite_captured){.kind = CV_CHANGE_SCHEMA, .bytes = size, .table = table};
        char *text = (char *)event->values;
        memcpy(text, sql.ptr, sql.len);
        text[sql.len] = '\0';
        event->statement = text;
    }
    add(conn, event);
}

/* ---- ends ---- */

void cv__sqlite_capture_undo(cv__sqlite_conn *conn, size_t count)
{
    cv__sqlite_capture *capture = &conn->capture;
    bool schema = false;
    while (capture->count > count) {
        cv__sqlite_captured *event = capture->events[--capture->count];
        capture->bytes -= event->bytes;
        schema |= event->kind == CV_CHANGE_SCHEMA;
        cv__sqlite_captured_free(event);
    }
    if (schema)
        cv__sqlite_log_forget_tables(conn->shared->log);
}

void cv__sqlite_capture_committed(cv__sqlite_conn *conn)
{
    cv__sqlite_capture *capture = &conn->capture;
    cv__sqlite_log *log = conn->shared->log;
    if (!capture->lost && capture->count == 0)
        return;
    if (!cv__sqlite_log_is_wanted(log)) {
        cv__sqlite_capture_undo(conn, 0);
        capture->lost = false;
        return;
    }
    cv__sqlite_logged *logged = capture->lost ? NULL : calloc(1, sizeof *logged);
    if (logged) {
        *logged = (cv__sqlite_logged){.refs = 1,
                                      .committed_at = cv_time_now(),
                                      .count = capture->count,
                                      .bytes = capture->bytes,
                                      .events = capture->events};
        cv_list_init(&logged->link);
        *capture = (cv__sqlite_capture){0};
    }
    cv__sqlite_capture_undo(conn, 0);
    capture->lost = false;
    cv__sqlite_log_append(log, logged);
}

void cv__sqlite_capture_done(cv__sqlite_capture *capture)
{
    for (size_t i = 0; i < capture->count; i++)
        cv__sqlite_captured_free(capture->events[i]);
    free(capture->events);
}
