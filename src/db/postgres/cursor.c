/* Cursors: the rows of a statement, one at a time from the wire, or from memory when another statement needed the wire.
 *
 * A quick read has few rows, which come as one result. Otherwise the rows of a cursor come in this order, and each
 * place may be empty: kept     copied into memory, for the sake of other statements ahead    read from the wire, not
 * yet handed out (the first two when the cursor is made) wire     not read; conn->live is this cursor then its end: it
 * ends well, with the server's failure, or dropped, when a rollback took the rows away. */
#include "db/postgres/rows.h"
#include "db/postgres/shared.h"
#include "db/postgres/wire.h"
#include <covet/fiber.h>
#include <stdlib.h>

/* How long the rest of rows that nobody wants is read before their statement is cancelled. */
enum { DROP_MS = 15 };

typedef enum cursor_end { ENDS_WELL, ENDS_FAILED, ENDS_DROPPED } cursor_end;

struct cv__pg_cursor {
    cv__cursor base;
    cv_link link;
    PGresult *described; /* the first result: holds the names, and all rows of a quick read */
    int whole_at, whole; /* the next of those rows, and their number */
    PGresult *row;       /* what the values of the last fetch point into, unless it was kept */
    PGresult *ahead[2];
    int ahead_count;
    cv_buf kept; /* rows, as cv__pg_row_keep writes them */
    size_t kept_at;
    cv_buf kept_row; /* what the values of the last fetch point into when it was kept */
    cursor_end end;
    PGresult *failure; /* with ENDS_FAILED */
    cv_result result;
    cv__pg_columns columns;
    cv__pg_column column[]; /* the names follow */
};

static cv__pg_cursor *cursor_of(cv__cursor *cursor)
{
    return (cv__pg_cursor *)(void *)cursor;
}

static cv__pg_conn *conn_of(const cv__pg_cursor *c)
{
    return cv__pg_conn_of(c->base.conn);
}

static size_t kept_bytes(const cv__pg_cursor *c)
{
    return c->kept.len - c->kept_at;
}

/* The first result stays for the names. */
static void clear_row(const cv__pg_cursor *c, PGresult *result)
{
    if (result != c->described)
        PQclear(result);
}

static void clear_ahead(cv__pg_cursor *c)
{
    while (c->ahead_count > 0)
        clear_row(c, c->ahead[--c->ahead_count]);
}

void cv__pg_cursor_free(cv__pg_cursor *c)
{
    cv__pg_conn *conn = conn_of(c);
    conn->kept_bytes -= kept_bytes(c);
    if (conn->live == c)
        conn->live = NULL;
    clear_ahead(c);
    clear_row(c, c->row);
    PQclear(c->described);
    PQclear(c->failure);
    cv_buf_done(&c->kept);
    cv_buf_done(&c->kept_row);
    cv__pg_columns_done(&c->columns);
    cv_list_remove(&c->link);
    free(c);
}

void cv__pg_cursors_free(cv__pg_conn *conn)
{
    cv_list_each (at, &conn->cursors)
        cv__pg_cursor_free(cv_list_entry(at, cv__pg_cursor, link));
}

/* --- the wire --- */

/* A failure ends the rows: it is the story now, or that of the fetch that comes to it. */
static int fail_wire(cv_ctx *cx, cv__pg_cursor *c, PGresult *failure, bool later)
{
    if (!later)
        return cv__pg_fail_statement(cx, conn_of(c), failure);
    c->failure = failure;
    c->end = ENDS_FAILED;
    return 0;
}

/* The last result of the statement has come; at its very end, the failures of a commit show. */
static int end_wire(cv_ctx *cx, cv__pg_cursor *c, PGresult *last, bool later)
{
    PGresult *failure;
    bool failed = PQresultStatus(last) != PGRES_TUPLES_OK;
    conn_of(c)->live = NULL;
    if (failed && !later)
        return fail_wire(cx, c, last, false);
    if (failed) {
        CV_TRY(fail_wire(cx, c, last, true));
    } else {
        c->result = cv__pg_result_of(last);
        clear_row(c, last);
    }
    CV_TRY(cv__pg_read_to_end(cx, conn_of(c), &failure));
    if (!failure || failed) {
        PQclear(failure);
        return 0;
    }
    return fail_wire(cx, c, failure, later);
}

/* The next row from the wire, to be cleared with clear_row: 1, or 0 at the end. With `later`, a failure that the server
 * reports ends the rows like their end, and is left to the fetch that comes to it. */
static int read_wire(cv_ctx *cx, cv__pg_cursor *c, bool later, PGresult **ret_row)
{
    cv__pg_conn *conn = conn_of(c);
    PGresult *result;
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    if (PQresultStatus(result) != PGRES_SINGLE_TUPLE)
        return end_wire(cx, c, result, later);
    conn->swollen |= PQresultMemorySize(result) > CV__PG_SWOLLEN_BYTES;
    *ret_row = result;
    return 1;
}

/* --- keeping rows in memory --- */

static int fail_limit(cv_ctx *cx)
{
    int rc = cv_fail(cx, CV_E_LIMIT, "could not read the rest of the open rows into memory: they are more than %zu MiB",
                     CV__PG_KEEP_MAX_BYTES >> 20);
    cv_error_hint(cx, "read or close the rows before another statement runs on their connection, or select less");
    return rc;
}

/* Copy a row; on failure nothing is copied. */
static int keep_row(cv_ctx *cx, cv__pg_cursor *c, const PGresult *row)
{
    cv__pg_conn *conn = conn_of(c);
    size_t bytes = cv__pg_row_bytes(row, 0);
    if (conn->kept_bytes + bytes > CV__PG_KEEP_MAX_BYTES)
        return fail_limit(cx);
    char *room = cv_buf_reserve(&c->kept, bytes);
    if (!room) {
        c->kept.error = 0;
        return cv_fail(cx, CV_E_NOMEM, "no memory for the rest of the open rows");
    }
    cv__pg_row_keep(row, 0, room);
    cv_buf_commit(&c->kept, bytes);
    conn->kept_bytes += bytes;
    return 0;
}

static int keep_ahead(cv_ctx *cx, cv__pg_cursor *c)
{
    while (c->ahead_count > 0) {
        CV_TRY(keep_row(cx, c, c->ahead[0]));
        clear_row(c, c->ahead[0]);
        c->ahead[0] = c->ahead[1];
        c->ahead_count--;
    }
    return 0;
}

int cv__pg_keep_rows(cv_ctx *cx, cv__pg_conn *conn)
{
    cv__pg_cursor *c = conn->live;
    cv_buf_consume(&c->kept, c->kept_at);
    c->kept_at = 0;
    CV_TRY(keep_ahead(cx, c));
    while (conn->live) {
        int rc = read_wire(cx, c, true, &c->ahead[0]);
        if (rc < 0)
            return rc;
        c->ahead_count = rc;
        CV_TRY(keep_ahead(cx, c));
    }
    return 0;
}

int cv__pg_drop_rows(cv_ctx *cx, cv__pg_conn *conn)
{
    cv__pg_cursor *c = conn->live;
    clear_ahead(c);
    do {
        PGresult *row = NULL;
        int rc = read_wire(cx, c, true, &row);
        if (rc < 0)
            return rc;
        if (rc > 0)
            clear_row(c, row);
    } while (conn->live);
    conn->kept_bytes -= kept_bytes(c);
    cv_buf_clear(&c->kept);
    c->kept_at = 0;
    c->end = ENDS_DROPPED;
    return 0;
}

/* --- opening --- */

static cv__pg_cursor *cursor_new(cv__pg_conn *conn, PGresult *first)
{
    size_t count = (size_t)PQnfields(first);
    cv__pg_cursor *c = calloc(1, sizeof *c + count * (sizeof(cv__pg_column) + sizeof(char *)));
    if (!c)
        return NULL;
    const char **names = (const char **)(void *)(c->column + count);
    for (size_t i = 0; i < count; i++)
        names[i] = PQfname(first, (int)i);
    c->base =
        (cv__cursor){.driver = &cv__driver_postgres, .conn = &conn->base, .column_count = count, .column_names = names};
    c->columns = (cv__pg_columns){.at = c->column, .count = count, .names = names};
    c->described = first;
    cv_buf_init(&c->kept, CV__PG_KEEP_MAX_BYTES);
    cv_buf_init(&c->kept_row, CV__PG_KEEP_MAX_BYTES);
    cv_list_push_back(&conn->cursors, &c->link);
    conn->live = c;
    return c;
}

/* A statement of one row is over when its second result has come, which is not waited for later then. */
static int look_ahead(cv_ctx *cx, cv__pg_cursor *c)
{
    if (PQresultStatus(c->described) == PGRES_TUPLES_OK) {
        c->whole = PQntuples(c->described);
        return end_wire(cx, c, c->described, false);
    }
    c->ahead[0] = c->described;
    c->ahead_count = 1;
    int rc = read_wire(cx, c, false, &c->ahead[1]);
    if (rc > 0)
        c->ahead_count = 2;
    return rc < 0 ? rc : 0;
}

int cv__pg_cursor_open(cv_ctx *cx, cv__pg_conn *conn, PGresult *first, const cv__statement *statement,
                       cv__cursor **ret_cursor)
{
    cv__pg_cursor *c = cursor_new(conn, first);
    if (!c) {
        PQclear(first);
        conn->base.broken = true;
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    }
    conn->swollen |= PQresultMemorySize(first) > CV__PG_SWOLLEN_BYTES;
    int rc = look_ahead(cx, c);
    if (rc == 0)
        rc = cv__pg_columns_set(cx, &c->columns, c->described, statement);
    if (rc < 0) {
        cv__pg_finish(cx, &c->base);
        return rc;
    }
    *ret_cursor = &c->base;
    return 0;
}

/* --- fetching --- */

/* The next row out of memory, by way of a buffer of its own: what is kept may move when more is kept. */
static int fetch_kept(cv_ctx *cx, cv__pg_cursor *c, cv_value *values)
{
    const char *row = c->kept.data + c->kept_at;
    size_t bytes = (size_t)(cv__pg_kept_end(&c->columns, row) - row);
    cv_buf_clear(&c->kept_row);
    cv_buf_add(&c->kept_row, row, bytes);
    if (c->kept_row.error)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a row");
    c->kept_at += bytes;
    conn_of(c)->kept_bytes -= bytes;
    return cv__pg_columns_read_kept(cx, &c->columns, c->kept_row.data, values);
}

static int fetch_ahead(cv_ctx *cx, cv__pg_cursor *c, cv_value *values)
{
    c->row = c->ahead[0];
    c->ahead[0] = c->ahead[1];
    c->ahead_count--;
    return cv__pg_columns_read(cx, &c->columns, c->row, 0, values);
}

/* 0: that was the end of the rows on the wire. */
static int fetch_wire(cv_ctx *cx, cv__pg_cursor *c, cv_value *values)
{
    int rc = read_wire(cx, c, false, &c->row);
    return rc > 0 ? cv__pg_columns_read(cx, &c->columns, c->row, 0, values) : rc;
}

static int take_end(cv_ctx *cx, cv__pg_cursor *c, cv_result *ret_result)
{
    if (c->end == ENDS_FAILED)
        return cv__pg_fail_result(cx, conn_of(c), c->failure);
    if (c->end == ENDS_DROPPED)
        return cv_fail(cx, CV_E_STATE, "the rows are gone: the transaction that they were read in was rolled back");
    if (ret_result)
        *ret_result = c->result;
    return 0;
}

int cv__pg_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result)
{
    if (!cursor->conn)
        return cv__pg_shared_fetch(cx, cursor, cells, ret_result);
    cv__pg_cursor *c = cursor_of(cursor);
    clear_row(c, c->row);
    c->row = NULL;
    if (c->whole_at < c->whole)
        return cv__pg_columns_read(cx, &c->columns, c->described, c->whole_at++, cells);
    if (c->kept_at < c->kept.len)
        return fetch_kept(cx, c, cells);
    if (c->ahead_count > 0)
        return fetch_ahead(cx, c, cells);
    int rc = conn_of(c)->live == c ? fetch_wire(cx, c, cells) : 0;
    return rc != 0 ? rc : take_end(cx, c, ret_result);
}

/* --- finishing --- */

void cv__pg_finish(cv_ctx *cx, cv__cursor *cursor)
{
    if (!cursor)
        return;
    if (!cursor->conn) {
        cv__pg_shared_finish(cursor);
        return;
    }
    cv__pg_cursor *c = cursor_of(cursor);
    cv__pg_conn *conn = conn_of(c);
    if (conn->live == c && !conn->base.broken) {
        cv_error *first = cv_error_take(cx);
        CV_SHIELD(cx, CV__CLEAN_UP_MS)
        {
            CV_WITHIN(cx, DROP_MS)
            {
                if (cv__pg_drop_rows(cx, conn) < 0 && conn->live)
                    conn->base.broken = true;
            }
        }
        if (!first)
            cv_error_clear(cx);
        cv_error_put_back(cx, first);
    }
    cv__pg_cursor_free(c);
}
