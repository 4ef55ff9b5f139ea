/* Cursors: the rows of a statement, one at a time from the wire, or from memory when another statement needed the wire.
 *
 * The rows of a cursor come in this order, and each place may be empty:
 *     kept     copied into memory: the first two when the cursor is made, others for the sake of other statements
 *     wire     not read; conn->live is this cursor
 *     then its end: it ends well, with the server's failure, or dropped, when a rollback took the rows away. */
#include "db/mariadb/rows.h"
#include "db/mariadb/wire.h"

#include <assert.h>
#include <covet/fiber.h>
#include <stdlib.h>

/* How long the rest of rows that nobody wants is read before their statement is cancelled. */
enum { DROP_MS = 15 };

/* So many rows are read when the cursor is made: a statement of one row is over then. */
enum { ROWS_AHEAD = 2 };

typedef enum cursor_end { ENDS_WELL, ENDS_FAILED, ENDS_DROPPED } cursor_end;

struct cv__my_cursor {
    cv__cursor base;
    cv_link link;
    cv__my_prepared *prepared; /* while its rows are on the wire */
    bool writes;
    int64_t row_count; /* read from the wire */
    cv_buf kept;       /* rows: for each column its length as an int32_t, -1 for NULL, then its bytes */
    size_t kept_at;
    cv_buf kept_row; /* what the cells of the last fetch point into when it was kept */
    cursor_end end;
    cv_error *failure; /* with ENDS_FAILED */
    cv_ctx *story;     /* holds it */
    cv_result result;
    cv__my_columns columns;
    cv__my_column column[]; /* the names follow */
};

static cv__my_cursor *cursor_of(cv__cursor *cursor)
{
    return (cv__my_cursor *)(void *)cursor;
}

static cv__my_conn *conn_of(const cv__my_cursor *c)
{
    return cv__my_conn_of(c->base.conn);
}

static size_t kept_bytes(const cv__my_cursor *c)
{
    return c->kept.len - c->kept_at;
}

/* The wire is another's from here on. */
static void leave_wire(cv__my_cursor *c)
{
    cv__my_conn *conn = conn_of(c);
    if (conn->live == c)
        conn->live = NULL;
    if (!c->prepared)
        return;
    c->prepared->taker = NULL;
    cv__my_prepared_leave(conn, c->prepared);
    c->prepared = NULL;
}

static void cursor_free(cv__my_cursor *c)
{
    leave_wire(c);
    conn_of(c)->kept_bytes -= kept_bytes(c);
    cv_buf_done(&c->kept);
    cv_buf_done(&c->kept_row);
    cv_ctx_free(c->story);
    cv__my_columns_done(&c->columns);
    cv_list_remove(&c->link);
    free(c);
}

void cv__my_cursors_free(cv__my_conn *conn)
{
    cv_list_each (at, &conn->cursors)
        cursor_free(cv_list_entry(at, cv__my_cursor, link));
}

void cv__my_cursor_take(cv__my_cursor *c, const MYSQL_STMT *statement, unsigned column, unsigned char **row)
{
    cv__my_cell cell = cv__my_take_cell(statement->fields[column].type, row);
    if (!c || column >= c->columns.count)
        return;
    c->column[column].cell = cell;
    conn_of(c)->swollen |= cell.len > CV__MY_SWOLLEN_BYTES;
}

/* --- the wire --- */

/* The rows are at their end: what else the statement gives is run, then it is over. */
static int end_wire(cv_ctx *cx, cv__my_cursor *c)
{
    assert(c->prepared); /* as long as rows are on the wire */
    int rc = cv__my_finish_results(cx, conn_of(c), c->prepared, &c->result);
    if (rc == 0 && c->writes)
        c->result.affected = c->row_count;
    leave_wire(c);
    return rc;
}

/* The next row from the wire into the cells: 1, or 0 at the end. */
static int read_wire(cv_ctx *cx, cv__my_cursor *c)
{
    assert(c->prepared);
    int rc = cv__my_fetch_row(cx, conn_of(c), c->prepared->handle);
    if (rc > 0) {
        c->row_count++;
        return rc;
    }
    if (rc == 0)
        return end_wire(cx, c);
    leave_wire(c);
    return rc;
}

/* --- keeping rows in memory --- */

static int fail_limit(cv_ctx *cx)
{
    int rc = cv_fail(cx, CV_E_LIMIT, "could not read the rest of the open rows into memory: they are more than %zu MiB",
                     CV__MY_KEEP_MAX_BYTES >> 20);
    cv_error_hint(cx, "read or close the rows before another statement runs on their connection, or select less");
    return rc;
}

static size_t row_bytes(const cv__my_cursor *c)
{
    size_t bytes = 0;
    for (size_t i = 0; i < c->columns.count; i++)
        bytes += sizeof(int32_t) + c->column[i].cell.len;
    return bytes;
}

/* Copy the row in the cells; on failure nothing is copied. */
static int keep_row(cv_ctx *cx, cv__my_cursor *c, size_t max_bytes)
{
    cv__my_conn *conn = conn_of(c);
    size_t bytes = row_bytes(c);
    if (conn->kept_bytes + bytes > max_bytes)
        return fail_limit(cx);
    char *room = cv_buf_reserve(&c->kept, bytes);
    if (!room) {
        c->kept.error = 0;
        return cv_fail(cx, CV_E_NOMEM, "no memory for the rest of the open rows");
    }
    for (size_t i = 0; i < c->columns.count; i++) {
        cv__my_cell cell = c->column[i].cell;
        int32_t len = cell.data ? (int32_t)cell.len : -1;
        memcpy(room, &len, sizeof len);
        room += sizeof len;
        if (cell.data && cell.len > 0)
            memcpy(room, cell.data, cell.len);
        room += cell.len;
    }
    cv_buf_commit(&c->kept, bytes);
    conn->kept_bytes += bytes;
    return 0;
}

/* A failure of the server ends the rows like their end, and is left to the fetch that comes to it. */
static int put_off(cv_ctx *cx, cv__my_cursor *c, int rc)
{
    if (rc >= 0 || conn_of(c)->base.broken)
        return rc;
    c->story = cv_ctx_new(0);
    if (!c->story)
        return rc;
    (void)cv_error_copy(c->story, cx);
    cv_error_clear(cx);
    c->end = ENDS_FAILED;
    return 0;
}

int cv__my_keep_rows(cv_ctx *cx, cv__my_conn *conn)
{
    cv__my_cursor *c = conn->live;
    cv_buf_consume(&c->kept, c->kept_at);
    c->kept_at = 0;
    for (;;) {
        int rc = read_wire(cx, c);
        if (rc <= 0)
            return put_off(cx, c, rc);
        CV_TRY(keep_row(cx, c, CV__MY_KEEP_MAX_BYTES));
    }
}

void cv__my_rows_gone(cv__my_conn *conn)
{
    cv__my_cursor *c = conn->live;
    if (!c)
        return;
    leave_wire(c);
    conn->kept_bytes -= kept_bytes(c);
    cv_buf_clear(&c->kept);
    c->kept_at = 0;
    c->end = ENDS_DROPPED;
}

int cv__my_drop_rows(cv_ctx *cx, cv__my_conn *conn)
{
    cv__my_cursor *c = conn->live;
    int rc = cv__my_free_result(cx, conn, c->prepared->handle);
    if (rc == 0 && c->prepared)
        rc = cv__my_finish_results(cx, conn, c->prepared, &c->result);
    cv__my_rows_gone(conn);
    return rc;
}

/* --- opening --- */

static size_t bytes_of_names(const MYSQL_FIELD *fields, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(fields[i].name) + 1;
    return bytes;
}

/* The names are copied: the library may forget its own at the next run of the statement. */
static cv__my_cursor *cursor_new(cv__my_conn *conn, const MYSQL_FIELD *fields, size_t count)
{
    size_t fixed = count * (sizeof(cv__my_column) + sizeof(char *));
    cv__my_cursor *c = calloc(1, sizeof *c + fixed + bytes_of_names(fields, count));
    if (!c)
        return NULL;
    const char **names = (const char **)(void *)(c->column + count);
    char *at = (char *)(names + count);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(fields[i].name) + 1;
        names[i] = memcpy(at, fields[i].name, len);
        at += len;
    }
    c->base =
        (cv__cursor){.driver = &cv__driver_mariadb, .conn = &conn->base, .column_count = count, .column_names = names};
    c->columns = (cv__my_columns){.at = c->column, .count = count, .names = names};
    cv_buf_init(&c->kept, SIZE_MAX / 2);
    cv_buf_init(&c->kept_row, SIZE_MAX / 2);
    cv_list_push_back(&conn->cursors, &c->link);
    return c;
}

static int look_ahead(cv_ctx *cx, cv__my_cursor *c)
{
    for (int i = 0; i < ROWS_AHEAD; i++) {
        int rc = read_wire(cx, c);
        if (rc <= 0)
            return rc;
        CV_TRY(keep_row(cx, c, SIZE_MAX / 2));
    }
    return 0;
}

int cv__my_cursor_open(cv_ctx *cx, cv__my_conn *conn, cv__my_prepared *p, const cv__statement *statement,
                       cv__cursor **ret_cursor)
{
    cv__my_cursor *c = cursor_new(conn, p->handle->fields, p->handle->field_count);
    if (!c) {
        conn->base.broken = true;
        cv__my_prepared_leave(conn, p);
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    }
    c->prepared = p;
    c->writes = p->writes;
    p->taker = c;
    conn->live = c;
    int rc = cv__my_columns_set(cx, &c->columns, p->handle->fields, statement);
    if (rc == 0)
        rc = look_ahead(cx, c);
    if (rc < 0) {
        cv__my_finish(cx, &c->base);
        return rc;
    }
    *ret_cursor = &c->base;
    return 0;
}

/* --- fetching --- */

static const char *take_len(const char *at, int32_t *ret_len)
{
    memcpy(ret_len, at, sizeof *ret_len);
    return at + sizeof *ret_len;
}

/* Take the next row out of memory, into a buffer of its own: what is kept may move when more is kept. */
static int take_kept(cv_ctx *cx, cv__my_cursor *c)
{
    const char *start = c->kept.data + c->kept_at, *end = start;
    int32_t len;
    for (size_t i = 0; i < c->columns.count; i++) {
        end = take_len(end, &len);
        end += len > 0 ? len : 0;
    }
    size_t bytes = (size_t)(end - start);
    cv_buf_clear(&c->kept_row);
    cv_buf_add(&c->kept_row, start, bytes);
    if (c->kept_row.error)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a row");
    c->kept_at += bytes;
    conn_of(c)->kept_bytes -= bytes;
    const char *at = c->kept_row.data;
    for (size_t i = 0; i < c->columns.count; i++) {
        at = take_len(at, &len);
        c->column[i].cell = (cv__my_cell){len < 0 ? NULL : (const unsigned char *)at, len < 0 ? 0 : (size_t)len};
        at += len > 0 ? len : 0;
    }
    return 1;
}

static int take_end(cv_ctx *cx, cv__my_cursor *c, cv_result *ret_result)
{
    if (c->end == ENDS_FAILED)
        return cv_error_copy(cx, c->story);
    if (c->end == ENDS_DROPPED)
        return cv_fail(cx, CV_E_STATE, "the rows are gone: the transaction that they were read in was rolled back");
    if (ret_result)
        *ret_result = c->result;
    return 0;
}

int cv__my_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result)
{
    cv__my_cursor *c = cursor_of(cursor);
    int rc = 0;
    if (c->kept_at < c->kept.len)
        rc = take_kept(cx, c);
    else if (conn_of(c)->live == c)
        rc = read_wire(cx, c);
    if (rc < 0)
        return rc;
    return rc > 0 ? cv__my_columns_decode(cx, &c->columns, cells) : take_end(cx, c, ret_result);
}

/* --- finishing --- */

static void drop_in_time(cv_ctx *cx, cv__my_conn *conn)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        CV_WITHIN(cx, DROP_MS)
        {
            if (cv__my_drop_rows(cx, conn) < 0 && conn->live)
                conn->base.broken = true;
        }
    }
    if (!first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

void cv__my_finish(cv_ctx *cx, cv__cursor *cursor)
{
    if (!cursor)
        return;
    cv__my_cursor *c = cursor_of(cursor);
    cv__my_conn *conn = conn_of(c);
    if (conn->live == c && !conn->base.broken)
        drop_in_time(cx, conn);
    cursor_free(c);
}
