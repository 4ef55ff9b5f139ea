/* Statements of the upper floors: onto the context's transaction, or onto a borrowed connection. */
#include "db/db.h"

#include "base/ctx.h"
#include <covet/runtime.h>

/* The level of a stream whose transaction ended before it. */
enum { CUT_OFF = -1 };

struct cv_tx *cv__tx_root(const cv_ctx *cx, const cv_db *db)
{
    struct cv_tx *root = cx->tx ? cx->tx->root : NULL;
    return root && root->db == db ? root : NULL;
}

static void detach_from_transaction(cv__row_stream *stream)
{
    if (!stream->borrowed)
        cv_list_remove(&stream->link);
}

static void finish(cv_ctx *cx, cv__row_stream *stream)
{
    if (stream->root)
        cv__tx_work_begin(stream->root);
    stream->cursor->driver->finish(cx, stream->cursor);
    if (stream->root)
        cv__tx_work_end(cx, stream->root);
}

static void drop_cursor(cv_ctx *cx, cv__row_stream *stream)
{
    if (!stream->cursor)
        return;
    if (stream->sandbox)
        cv__sandbox_finish(cx, stream->sandbox, stream->cursor);
    else if (!stream->conn || !stream->conn->revoked) /* else it goes with the connection */
        finish(cx, stream);
    stream->cursor = NULL;
}

static void end_measuring(const cv_ctx *cx, cv__row_stream *stream, bool failed)
{
    if (!stream->stat)
        return;
    uint64_t rows = stream->rows ? stream->rows : (uint64_t)stream->result.affected;
    cv__statement_stats_end(stream->stat, cv_now_ns(cx) - stream->started_ns, rows, failed);
    stream->stat = NULL;
}

static void cut_off(cv__row_stream *stream)
{
    stream->conn = NULL;
    stream->root = NULL;
    stream->level = CUT_OFF;
}

void cv__tx_close_streams(cv_ctx *cx, struct cv_tx *root, int level)
{
    cv_list_each (at, &root->streams) {
        cv__row_stream *stream = cv_list_entry(at, cv__row_stream, link);
        if (stream->level < level)
            continue;
        cv_list_remove(&stream->link);
        end_measuring(cx, stream, false);
        drop_cursor(cx, stream);
        cut_off(stream);
    }
}

size_t cv__tx_cut_streams(struct cv_tx *root, cv__cursor **ret_cursors, size_t max)
{
    size_t count = 0;
    cv_list_each (at, &root->streams) {
        cv__row_stream *stream = cv_list_entry(at, cv__row_stream, link);
        cv_list_remove(&stream->link);
        if (count < max)
            ret_cursors[count] = stream->cursor;
        count += stream->cursor != NULL;
        stream->cursor = NULL;
        cut_off(stream);
    }
    return count;
}

int cv__db_take(cv_ctx *cx, cv_db *db, cv__conn_role role, cv_str sql, cv__conn **ret_conn, struct cv_tx **ret_root)
{
    struct cv_tx *root = cv__tx_root(cx, db);
    *ret_root = root;
    if (!root && db->sandbox)
        return cv__sandbox_borrow(cx, db->sandbox, ret_conn);
    if (!root)
        return cv__pool_acquire(cx, cv__db_pool(db, role), ret_conn);
    CV_TRY(cv__tx_enter(cx, root));
    cv__tx_note_sql(root, sql);
    *ret_conn = root->conn;
    return 0;
}

int cv__db_settle(cv_ctx *cx, cv_db *db, cv__conn *conn, struct cv_tx *root, int rc)
{
    if (root)
        cv__tx_work_end(cx, root);
    if (rc < 0 && root)
        cv__tx_note_failure(root);
    if (!root && db->sandbox)
        return cv__sandbox_settle(cx, db->sandbox, rc);
    if (!root)
        cv__pool_release(cx, conn);
    return rc;
}

/* Rows that nobody wants: they are read all the same, so that an error among them is not lost. */
static int read_to_the_end(cv_ctx *cx, cv__cursor *cursor, cv_result *result)
{
    const cv__driver *driver = cursor->driver;
    cv_arena_mark mark = cv_arena_save(cv_ctx_arena(cx));
    cv_value *cells = cv_zalloc(cx, cursor->column_count, sizeof *cells);
    int rc = cells ? 1 : CV_E_NOMEM;
    while (rc > 0)
        rc = driver->fetch(cx, cursor, cells, result);
    driver->finish(cx, cursor);
    cv_arena_rewind(cv_ctx_arena(cx), mark);
    return rc;
}

static int run_alone(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement, cv_result *ret_result)
{
    cv__conn *conn;
    struct cv_tx *root;
    CV_TRY(cv__db_take(cx, db, role, statement->sql, &conn, &root));
    cv_result result = {0};
    cv__cursor *cursor = NULL;
    cv__conn_note_sql(conn, statement->sql);
    int rc = conn->driver->execute(cx, conn, statement, &result, &cursor);
    if (rc == 0 && cursor)
        rc = read_to_the_end(cx, cursor, &result);
    rc = cv__db_settle(cx, db, conn, root, rc);
    if (rc == 0 && ret_result)
        *ret_result = result;
    return rc;
}

/* What a lost group had to leave is run alone, as if there were no groups. */
static int run_grouped(cv_ctx *cx, cv_db *db, const cv__statement *statement, cv_result *ret_result)
{
    cv_result result = {0};
    bool alone;
    cv__db_ref(db);
    int rc = cv__write_lane_run(cx, db, statement, &result, &alone);
    if (rc == 0 && alone)
        rc = run_alone(cx, db, CV__WRITER, statement, &result);
    cv__db_unref(db);
    if (rc == 0 && ret_result)
        *ret_result = result;
    return rc;
}

static int run(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement, cv_result *ret_result)
{
    if (role == CV__WRITER && cv__write_lane_takes(cx, db, statement))
        return run_grouped(cx, db, statement, ret_result);
    return run_alone(cx, db, role, statement, ret_result);
}

int cv__db_run(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement, cv_result *ret_result)
{
    if (!db->statement_stats)
        return run(cx, db, role, statement, ret_result);
    cv_result result = {0};
    int64_t start_ns = cv_now_ns(cx);
    cv__statement_stat *stat = cv__statement_stats_begin(db->statement_stats, statement);
    int rc = run(cx, db, role, statement, &result);
    cv__statement_stats_end(stat, cv_now_ns(cx) - start_ns, (uint64_t)result.affected, rc < 0);
    if (rc == 0 && ret_result)
        *ret_result = result;
    return rc;
}

/* The rows stay open in the sandbox, while others use its connection. */
static int keep_in_sandbox(cv_ctx *cx, cv_db *db, cv__row_stream *stream)
{
    int rc = cv__sandbox_settle(cx, db->sandbox, 0);
    if (rc == 0)
        stream->sandbox = db->sandbox;
    else
        cv__db_close_rows(cx, stream);
    return rc;
}

/* Beside the reads of others; 1 when there is no place for it. */
static int open_shared(cv_ctx *cx, cv_db *db, const cv__statement *statement, cv__row_stream *stream)
{
    *stream = (cv__row_stream){.borrowed = true};
    cv__db_ref(db);
    int rc = db->driver->execute_shared(cx, db->shared, statement, &stream->cursor);
    cv__db_unref(db);
    return rc;
}

static int open_rows(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement,
                     cv__row_stream *ret_stream)
{
    cv__conn *conn;
    struct cv_tx *root;
    if (statement->quick && db->driver->execute_shared && !cv__tx_root(cx, db) && !db->sandbox) {
        int shared = open_shared(cx, db, statement, ret_stream);
        if (shared <= 0)
            return shared;
    }
    CV_TRY(cv__db_take(cx, db, role, statement->sql, &conn, &root));
    *ret_stream = (cv__row_stream){.conn = conn, .borrowed = !root && !db->sandbox};
    cv_list_init(&ret_stream->link);
    cv__conn_note_sql(conn, statement->sql);
    int rc = conn->driver->execute(cx, conn, statement, &ret_stream->result, &ret_stream->cursor);
    if (rc == 0 && ret_stream->cursor) {
        if (root) {
            cv__tx_work_end(cx, root);
            ret_stream->level = cx->tx->level;
            ret_stream->root = root;
            cv_list_push_front(&root->streams, &ret_stream->link);
        }
        return root || !db->sandbox ? 0 : keep_in_sandbox(cx, db, ret_stream);
    }
    ret_stream->conn = NULL;
    return cv__db_settle(cx, db, conn, root, rc);
}

int cv__db_open_rows(cv_ctx *cx, cv_db *db, cv__conn_role role, const cv__statement *statement,
                     cv__row_stream *ret_stream)
{
    if (!db->statement_stats)
        return open_rows(cx, db, role, statement, ret_stream);
    int64_t start_ns = cv_now_ns(cx);
    cv__statement_stat *stat = cv__statement_stats_begin(db->statement_stats, statement);
    int rc = open_rows(cx, db, role, statement, ret_stream);
    if (rc < 0) {
        cv__statement_stats_end(stat, cv_now_ns(cx) - start_ns, 0, true);
        return rc;
    }
    ret_stream->stat = stat;
    ret_stream->started_ns = start_ns;
    if (!ret_stream->cursor)
        end_measuring(cx, ret_stream, false);
    return 0;
}

void cv__db_close_rows(cv_ctx *cx, cv__row_stream *stream)
{
    end_measuring(cx, stream, false);
    cv__conn *conn = stream->conn;
    drop_cursor(cx, stream);
    if (!conn)
        return;
    stream->conn = NULL;
    if (stream->borrowed)
        cv__pool_release(cx, conn);
    else
        detach_from_transaction(stream);
}

static int fetch_in_transaction(cv_ctx *cx, cv__row_stream *stream, cv_value *cells)
{
    cv__tx_work_begin(stream->root);
    int rc = stream->cursor->driver->fetch(cx, stream->cursor, cells, &stream->result);
    cv__tx_work_end(cx, stream->root);
    return rc;
}

static int fetch_in_sandbox(cv_ctx *cx, cv__row_stream *stream, cv_value *cells)
{
    CV_TRY(cv__sandbox_lock(cx, stream->sandbox));
    int rc = stream->cursor->driver->fetch(cx, stream->cursor, cells, &stream->result);
    cv__sandbox_unlock(cx, stream->sandbox);
    return rc;
}

static int fetch(cv_ctx *cx, cv__row_stream *stream, cv_value *cells)
{
    if (stream->conn && stream->conn->revoked)
        return cv__conn_check(cx, stream->conn);
    if (stream->root)
        return fetch_in_transaction(cx, stream, cells);
    if (stream->sandbox)
        return fetch_in_sandbox(cx, stream, cells);
    return stream->cursor->driver->fetch(cx, stream->cursor, cells, &stream->result);
}

/* There are no more: at their end, or at an error. */
static int end_rows(cv_ctx *cx, cv__row_stream *stream, int rc)
{
    end_measuring(cx, stream, rc < 0);
    if (rc < 0 && stream->root)
        cv__tx_note_failure(stream->root);
    cv__db_close_rows(cx, stream);
    return rc;
}

int cv__db_next_row(cv_ctx *cx, cv__row_stream *stream, cv_value *cells)
{
    if (!stream->cursor) {
        if (stream->level == CUT_OFF)
            return cv_fail(cx, CV_E_STATE, "the rows ended with the atomic block in which they were opened");
        return 0;
    }
    int rc = fetch(cx, stream, cells);
    if (rc <= 0)
        return end_rows(cx, stream, rc);
    stream->rows++;
    return rc;
}

int cv__db_hold(cv_ctx *cx, cv_db *db, cv__conn_role role, cv__conn **ret_conn)
{
    if (cv__tx_root(cx, db))
        return cv_fail(cx, CV_E_IN_TRANSACTION, "cannot hold a connection inside a transaction");
    if (db->sandbox)
        return cv_fail(cx, CV_E_STATE, "cannot have a connection of its own in a sandbox");
    return cv__pool_acquire(cx, cv__db_pool(db, role), ret_conn);
}

void cv__db_let_go(cv_ctx *cx, cv__conn *conn)
{
    cv__pool_release(cx, conn);
}
