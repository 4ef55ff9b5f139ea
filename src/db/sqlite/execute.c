/* Running statements. A reading statement hands out its rows as it goes; a writing one runs to its end first, because
 * in autocommit it is committed there, and nothing may be acknowledged before. */
#include "base/packed.h"
#include "db/sqlite/sqlite.h"

static const char run_it[] = "run the statement";

enum { MAX_KEPT_BYTES = 64 * 1024 * 1024 };

static cv__sqlite_statement *statement_of(cv__cursor *cursor)
{
    return cv_list_entry(cursor, cv__sqlite_statement, cursor);
}

static int step_on_lane(sqlite3 *db, void *arg)
{
    (void)db;
    return sqlite3_step(arg);
}

/* Whoever watches is shown each row that is deleted, on the loop: then it takes many opcodes, and is no long step. */
static bool is_for_lane(const cv__sqlite_conn *conn, const cv__sqlite_statement *statement)
{
    return statement->is_long && !conn->rows && !(statement->empties && conn->record.installed);
}

/* The result of SQLite, or a code of ours (negative) when the step was not begun. */
static int step(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement)
{
    statement->running = true;
    if (is_for_lane(conn, statement)) {
        int on_lane = SQLITE_OK;
        CV_TRY(cv__sqlite_on_lane(cx, conn, step_on_lane, statement->handle, &on_lane));
        return on_lane;
    }
    cv__sqlite_enter(cx, conn);
    int rc = sqlite3_step(statement->handle);
    cv__sqlite_leave(conn);
    cv__sqlite_turn_call_ended(conn);
    return rc;
}

/* After a failure SQLite may have rolled back the whole transaction by itself. */
static int fail_step(cv_ctx *cx, cv__sqlite_conn *conn, int rc)
{
    int code = rc < 0 ? rc : conn->rows_failed ? conn->rows_failed : cv__sqlite_fail(cx, conn, rc, run_it);
    cv__sqlite_turn_leave(conn);
    conn->head.in_transaction = sqlite3_get_autocommit(conn->db) == 0;
    return code;
}

static int choose_types(cv_ctx *cx, cv__sqlite_statement *statement, const cv__statement *wanted)
{
    size_t count = statement->cursor.column_count;
    if (wanted->columns) {
        statement->wanted = wanted->columns;
        if (wanted->column_count == count)
            return 0;
        return cv_fail(cx, CV_E_TYPE, "the statement returns %zu columns, not %zu", count, wanted->column_count);
    }
    CV_TRY(cv__sqlite_statement_types(cx, statement));
    statement->wanted = statement->declared;
    return 0;
}

static int keep_value(cv_arena *arena, cv_value *cell)
{
    return cv__value_own(arena, cell) < 0 ? CV_E_LIMIT : 0;
}

static int grow_kept(cv__sqlite_statement *statement)
{
    if (statement->kept_count < statement->kept_capacity)
        return 0;
    size_t capacity = statement->kept_capacity ? statement->kept_capacity * 2 : 4;
    cv_value **rows = cv_arena_realloc(statement->kept, statement->kept_rows, statement->kept_capacity * sizeof *rows,
                                       capacity * sizeof *rows);
    if (!rows)
        return CV_E_LIMIT;
    statement->kept_rows = rows;
    statement->kept_capacity = capacity;
    return 0;
}

static int keep_row(cv_ctx *cx, cv__sqlite_statement *statement)
{
    size_t count = statement->cursor.column_count;
    cv_value *cells = cv_arena_zalloc(statement->kept, count, sizeof *cells);
    int rc = cells ? grow_kept(statement) : CV_E_LIMIT;
    if (rc == 0)
        CV_TRY(cv__sqlite_decode_row(cx, statement, cells));
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = keep_value(statement->kept, &cells[i]);
    if (rc < 0)
        return cv_fail(cx, rc, "the rows that the statement returns do not fit into %d MiB", MAX_KEPT_BYTES >> 20);
    statement->kept_rows[statement->kept_count++] = cells;
    return 0;
}

static int start_keeping(cv_ctx *cx, cv__sqlite_statement *statement)
{
    statement->kept = cv_arena_new(MAX_KEPT_BYTES);
    if (!statement->kept)
        return cv_fail(cx, CV_E_NOMEM, "could not run the statement: out of memory");
    statement->is_kept = true;
    statement->kept_rows = NULL;
    statement->kept_count = statement->kept_capacity = statement->kept_at = 0;
    return 0;
}

/* A row that cannot be kept must not leave a half-acknowledged write: outside a transaction the statement is undone by
 * interrupting it; inside, the block rolls back. */
static int give_up_writing(cv__sqlite_conn *conn, cv__sqlite_statement *statement, int code)
{
    if (!conn->head.in_transaction) {
        sqlite3_interrupt(conn->db);
        while (sqlite3_step(statement->handle) == SQLITE_ROW)
            ;
    }
    return code;
}

static int write_rows(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement, const cv__statement *wanted)
{
    int64_t changes_before = sqlite3_total_changes64(conn->db);
    sqlite3_set_last_insert_rowid(conn->db, 0);
    int rc = step(cx, conn, statement);
    if (rc == SQLITE_ROW) {
        int failed = cv__sqlite_statement_refresh(cx, statement);
        if (failed == 0)
            failed = choose_types(cx, statement, wanted);
        if (failed == 0)
            failed = start_keeping(cx, statement);
        while (failed == 0 && rc == SQLITE_ROW) {
            failed = keep_row(cx, statement);
            if (failed == 0)
                rc = step(cx, conn, statement);
        }
        if (failed < 0)
            return give_up_writing(conn, statement, failed);
    }
    if (rc != SQLITE_DONE)
        return fail_step(cx, conn, rc);
    bool changed = sqlite3_total_changes64(conn->db) != changes_before;
    statement->result.affected = changed ? sqlite3_changes64(conn->db) : 0;
    statement->result.last_insert_id = sqlite3_last_insert_rowid(conn->db);
    sqlite3_reset(statement->handle);
    statement->running = false;
    return 0;
}

static int run_writing(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement, const cv__statement *wanted)
{
    cv__sqlite_mark mark = cv__sqlite_record_mark(conn);
    int rc = write_rows(cx, conn, statement, wanted);
    cv__sqlite_record_statement(cx, conn, mark, rc == 0 ? wanted->sql : CV_STR(""));
    if (rc == 0)
        cv__sqlite_look_at_log(cx, conn);
    return rc;
}

static int run_reading(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement, const cv__statement *wanted)
{
    int rc = step(cx, conn, statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail_step(cx, conn, rc);
    CV_TRY(cv__sqlite_statement_refresh(cx, statement));
    CV_TRY(choose_types(cx, statement, wanted));
    statement->row_ready = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement->handle);
        statement->running = false;
    }
    return 0;
}

static int run(cv_ctx *cx, cv__sqlite_conn *conn, cv__sqlite_statement *statement, const cv__statement *wanted)
{
    CV_TRY(cv__sqlite_bind(cx, conn, statement->handle, wanted->params, wanted->param_count));
    conn->slice_began_ns = 0;
    conn->settings_changed |= statement->is_pragma;
    if (statement->shares_turn && !conn->rows)
        cv__sqlite_turn_join(cx, conn);
    else
        cv__sqlite_turn_leave(conn);
    statement->result = (cv_result){0};
    if (statement->read_only)
        return run_reading(cx, conn, statement, wanted);
    return run_writing(cx, conn, statement, wanted);
}

int cv__sqlite_execute(cv_ctx *cx, cv__conn *head, const cv__statement *wanted, cv_result *ret_result,
                       cv__cursor **ret_cursor)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    cv__sqlite_statement *statement;
    *ret_cursor = NULL;
    CV_TRY(cv__sqlite_statement_get(cx, conn, wanted->sql, wanted->hash, wanted->uncached, &statement));
    conn->rows = wanted->rows;
    conn->rows_failed = 0;
    int rc = run(cx, conn, statement, wanted);
    conn->rows = NULL;
    if (rc == 0)
        *ret_result = statement->result;
    if (rc < 0 || statement->cursor.column_count == 0) {
        cv__sqlite_statement_put(conn, statement);
        return rc;
    }
    cv_list_push_back(&conn->open_statements, &statement->open_link);
    *ret_cursor = &statement->cursor;
    return 0;
}

static int fetch_kept(cv__sqlite_statement *statement, cv_value *cells)
{
    if (statement->kept_at == statement->kept_count)
        return 0;
    memcpy(cells, statement->kept_rows[statement->kept_at++], statement->cursor.column_count * sizeof *cells);
    return 1;
}

int cv__sqlite_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result)
{
    cv__sqlite_statement *statement = statement_of(cursor);
    cv__sqlite_conn *conn = cv__sqlite_conn_of(cursor->conn);
    if (ret_result)
        *ret_result = statement->result;
    if (statement->is_kept)
        return fetch_kept(statement, cells);
    if (!statement->row_ready) {
        if (!statement->running)
            return 0;
        int rc = step(cx, conn, statement);
        if (rc == SQLITE_DONE) {
            sqlite3_reset(statement->handle);
            statement->running = false;
            return 0;
        }
        if (rc != SQLITE_ROW)
            return fail_step(cx, conn, rc);
    }
    statement->row_ready = false;
    CV_TRY(cv__sqlite_decode_row(cx, statement, cells));
    return 1;
}

void cv__sqlite_finish(cv_ctx *cx, cv__cursor *cursor)
{
    (void)cx;
    if (cursor)
        cv__sqlite_statement_put(cv__sqlite_conn_of(cursor->conn), statement_of(cursor));
}

/* Preparing tells. What cannot be prepared here goes to a writer, which reports why. */
bool cv__sqlite_writes(cv_ctx *cx, cv__conn *reader, cv_str sql)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(reader);
    cv__sqlite_statement *statement;
    cv_error *first = cv_error_take(cx);
    bool writes = true;
    if (cv__sqlite_statement_get(cx, conn, sql, 0, false, &statement) == 0) {
        bool sets = statement->is_pragma && cv_str_find_char(sql, '=') >= 0;
        writes = !statement->read_only || sets;
        cv__sqlite_statement_put(conn, statement);
    } else if (!first) {
        cv_error_clear(cx);
    }
    cv_error_put_back(cx, first);
    return writes;
}
