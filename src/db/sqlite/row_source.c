/* The table-valued function cv_rows: the rows that came with the running statement, as columns c0, c1, ... One INSERT
 * ... SELECT from it inserts any number of rows at the cost of one statement. cv_wide_rows is the same with as many
 * columns as a table can have, which takes longer to declare. */
#include "db/sqlite/sqlite.h"

#include <stdio.h>

/* As many columns as a model may have, and as SQLite lets a table have. */
enum { COLUMNS = 256, WIDE_COLUMNS = 2000 };

static const char narrow_name[] = "cv_rows", wide_name[] = "cv_wide_rows";

const char *cv__sqlite_row_source_for(size_t columns)
{
    return columns <= COLUMNS ? narrow_name : wide_name;
}

typedef struct row_table {
    sqlite3_vtab base;
    cv__sqlite_conn *conn;
} row_table;

typedef struct row_cursor {
    sqlite3_vtab_cursor base;
    size_t row;
    const cv_value *values; /* of the row */
} row_cursor;

static row_cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return (row_cursor *)(void *)base;
}

static cv__sqlite_conn *conn_of(const sqlite3_vtab_cursor *base)
{
    return ((const row_table *)(const void *)base->pVtab)->conn;
}

/* Outside a statement that brought rows the table is empty. */
static bool is_beyond(const cv__sqlite_conn *conn, size_t row)
{
    return !conn->rows || row >= conn->rows->row_count;
}

static int go_to(sqlite3_vtab_cursor *base, size_t row)
{
    cv__sqlite_conn *conn = conn_of(base);
    cursor_of(base)->row = row;
    if (is_beyond(conn, row))
        return SQLITE_OK;
    int rc = conn->rows->row(conn->cx, conn->rows->arg, row, &cursor_of(base)->values);
    if (rc < 0)
        conn->rows_failed = rc;
    return rc < 0 ? SQLITE_ERROR : SQLITE_OK;
}

static int declare(sqlite3 *db, int columns)
{
    char text[32 + WIDE_COLUMNS * 6] = "CREATE TABLE cv_rows(c0";
    size_t len = strlen(text);
    for (int i = 1; i < columns; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",c%d", i);
    snprintf(text + len, sizeof text - len, ")");
    return sqlite3_declare_vtab(db, text);
}

static int connect_table(sqlite3 *db, void *conn, int argc, const char *const *argv, sqlite3_vtab **ret_table,
                         char **ret_error)
{
    (void)argc, (void)ret_error;
    int rc = declare(db, strcmp(argv[0], wide_name) == 0 ? WIDE_COLUMNS : COLUMNS);
    if (rc != SQLITE_OK)
        return rc;
    row_table *table = sqlite3_malloc(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    *table = (row_table){.conn = conn};
    *ret_table = &table->base;
    return sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
}

static int disconnect_table(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int choose_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1000;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
    (void)table;
    row_cursor *cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (row_cursor){.row = 0};
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int rewind_cursor(sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc, sqlite3_value **argv)
{
    (void)plan, (void)name, (void)argc, (void)argv;
    return go_to(cursor, 0);
}

static int next_row(sqlite3_vtab_cursor *cursor)
{
    return go_to(cursor, cursor_of(cursor)->row + 1);
}

static int at_end(sqlite3_vtab_cursor *cursor)
{
    return is_beyond(conn_of(cursor), cursor_of(cursor)->row);
}

static int row_id(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret_id)
{
    *ret_id = (sqlite3_int64)cursor_of(cursor)->row;
    return SQLITE_OK;
}

static int column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int index)
{
    const cv__row_source *source = conn_of(cursor)->rows;
    if (source && (size_t)index < source->column_count)
        cv__sqlite_result(out, &cursor_of(cursor)->values[index]);
    return SQLITE_OK;
}

int cv__sqlite_register_row_source(cv__sqlite_conn *conn)
{
    static const sqlite3_module module = {
        .xConnect = connect_table, /* no xCreate: it exists without CREATE VIRTUAL TABLE, and only so */
        .xBestIndex = choose_plan,
        .xDisconnect = disconnect_table,
        .xOpen = open_cursor,
        .xClose = close_cursor,
        .xFilter = rewind_cursor,
        .xNext = next_row,
        .xEof = at_end,
        .xColumn = column,
        .xRowid = row_id,
    };
    int rc = sqlite3_create_module(conn->db, narrow_name, &module, conn);
    return rc == SQLITE_OK ? sqlite3_create_module(conn->db, wide_name, &module, conn) : rc;
}
