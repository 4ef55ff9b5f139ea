/* COPY (query) TO STDOUT in binary: rows without a result for each. The server sends a row in each message; before the
 * first there is the header, behind the last a count of -1 (copy.c has the format). */
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/types.h"
#include "db/postgres/wire.h"
#include "sql/dialect_common.h"
#include <covet/fiber.h>
#include <endian.h>
#include <poll.h>
#include <stdlib.h>

/* How long the rest of rows that nobody wants is read before the statement is cancelled. */
enum { DROP_MS = 15 };

/* How often in a row more is taken from the socket without waiting for it, which lets other fibers run. */
enum { DIRECT_READS = 8 };

typedef struct pg_copy_out {
    cv__cursor cursor;
    cv__pg_copy pg;
    PGresult *described; /* holds the names */
    cv__pg_columns columns;
    char *message;    /* what the cells of the present row point into */
    bool has_started; /* the header has come */
    bool is_over;
    int direct_reads;       /* since the socket was last waited for */
    cv__pg_column column[]; /* the names follow */
} pg_copy_out;

static pg_copy_out *of_cursor(cv__cursor *cursor)
{
    return (pg_copy_out *)(void *)cursor;
}

static pg_copy_out *of_pg(cv__pg_copy *copy)
{
    return (pg_copy_out *)(void *)((char *)copy - offsetof(pg_copy_out, pg));
}

/* ---- messages ---- */

static void free_message(pg_copy_out *c)
{
    PQfreemem(c->message);
    c->message = NULL;
}

/* Rows that come fast are there before they are asked for. */
static int read_more(cv_ctx *cx, pg_copy_out *c)
{
    struct pollfd socket = {.fd = PQsocket(c->pg.conn->pg), .events = POLLIN};
    if (c->direct_reads >= DIRECT_READS || poll(&socket, 1, 0) <= 0) {
        c->direct_reads = 0;
        return cv__pg_wait_input(cx, c->pg.conn);
    }
    c->direct_reads++;
    return PQconsumeInput(c->pg.conn->pg) ? 0 : cv__pg_lost(cx, c->pg.conn);
}

/* The next message: its length, or 0 at the end. */
static int next_message(cv_ctx *cx, pg_copy_out *c)
{
    cv__pg_conn *conn = c->pg.conn;
    free_message(c);
    for (;;) {
        int len = PQgetCopyData(conn->pg, &c->message, 1);
        if (len > 0)
            return len;
        if (len < 0) /* the end, or an error: read_end tells which */
            return 0;
        CV_TRY(read_more(cx, c));
    }
}

static int read_end(cv_ctx *cx, pg_copy_out *c)
{
    PGresult *failure;
    CV_TRY(cv__pg_read_to_end(cx, c->pg.conn, &failure));
    c->is_over = true;
    return failure ? cv__pg_fail_statement(cx, c->pg.conn, failure) : 0;
}

/* Also when the server has ended it with an error. */
static int drain(cv_ctx *cx, cv__pg_copy *pg)
{
    pg_copy_out *c = of_pg(pg);
    PGresult *failure;
    int len;
    while ((len = next_message(cx, c)) > 0)
        ;
    CV_TRY(len);
    CV_TRY(cv__pg_read_to_end(cx, pg->conn, &failure));
    PQclear(failure);
    c->is_over = true;
    return 0;
}

/* ---- rows ---- */

static int fail_format(cv_ctx *cx, const pg_copy_out *c)
{
    c->pg.conn->base.broken = true;
    return cv_fail(cx, CV_E_INTERNAL, "PostgreSQL sent a row of a copy that cannot be read");
}

/* Where the first row begins; 0: what there is is no header. */
static int skip_header(const char *data, int len)
{
    uint32_t extension;
    if (len < CV__PG_COPY_HEADER_BYTES || memcmp(data, CV__PG_COPY_SIGNATURE, CV__PG_COPY_SIGNATURE_BYTES) != 0)
        return 0;
    memcpy(&extension, data + 15, sizeof extension);
    extension = be32toh(extension);
    return extension <= (uint32_t)(len - CV__PG_COPY_HEADER_BYTES) ? CV__PG_COPY_HEADER_BYTES + (int)extension : 0;
}

/* 1 when the cell lies within the message. */
static inline bool take_cell(const char **at, const char *end, cv__pg_cell *ret_cell)
{
    uint32_t big;
    if (end - *at < 4)
        return false;
    memcpy(&big, *at, sizeof big);
    *at += 4;
    *ret_cell = (cv__pg_cell){*at, (int)be32toh(big)};
    if (ret_cell->len > end - *at || ret_cell->len < -1)
        return false;
    *at += ret_cell->len > 0 ? ret_cell->len : 0;
    return true;
}

static int decode_row(cv_ctx *cx, pg_copy_out *c, const char *at, const char *end, cv_value *cells)
{
    cv_arena *arena = c->columns.memory.arena;
    cv__row_memory_empty(&c->columns.memory);
    for (size_t i = 0; i < c->columns.count; i++) {
        cv__pg_cell cell;
        if (!take_cell(&at, end, &cell))
            return fail_format(cx, c);
        if (cell.len < 0) {
            cells[i] = cv_value_null();
            continue;
        }
        int rc = cv__pg_decode_cell(arena, &c->column[i], cell, &cells[i]);
        if (rc < 0)
            return cv__pg_fail_cell(cx, c->columns.names[i], rc);
    }
    return 1;
}

/* The count of columns: -1 behind the last row. */
static int take_count(const char **at, const char *end)
{
    uint16_t big;
    if (end - *at < 2)
        return -2;
    memcpy(&big, *at, sizeof big);
    *at += 2;
    return (int16_t)be16toh(big);
}

static int take_row(cv_ctx *cx, pg_copy_out *c, int len, cv_value *cells)
{
    const char *at = c->message, *end = c->message + len;
    if (!c->has_started) {
        int skipped = skip_header(at, len);
        if (skipped == 0)
            return fail_format(cx, c);
        c->has_started = true;
        at += skipped;
        if (at == end)
            return 0; /* the header came alone */
    }
    int count = take_count(&at, end);
    if (count == -1)
        return 0;
    if (count < 0 || (size_t)count != c->columns.count)
        return fail_format(cx, c);
    c->pg.conn->swollen |= (size_t)len > CV__PG_SWOLLEN_BYTES;
    return decode_row(cx, c, at, end, cells);
}

static int fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result)
{
    pg_copy_out *c = of_cursor(cursor);
    if (ret_result)
        *ret_result = (cv_result){0};
    while (!c->is_over) {
        int len = next_message(cx, c);
        if (len < 0)
            return len;
        int rc = len > 0 ? take_row(cx, c, len, cells) : read_end(cx, c);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- the end ---- */

static void free_copy(cv__pg_copy *pg)
{
    pg_copy_out *c = of_pg(pg);
    free_message(c);
    PQclear(c->described);
    cv__pg_columns_done(&c->columns);
    free(c);
}

static void drop_rows(cv_ctx *cx, pg_copy_out *c)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        CV_WITHIN(cx, DROP_MS)
        {
            if (drain(cx, &c->pg) < 0 && !c->is_over)
                c->pg.conn->base.broken = true;
        }
    }
    if (!first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

static void finish(cv_ctx *cx, cv__cursor *cursor)
{
    if (!cursor)
        return;
    pg_copy_out *c = of_cursor(cursor);
    cv__pg_conn *conn = c->pg.conn;
    if (!c->is_over && !conn->base.broken)
        drop_rows(cx, c);
    conn->copy = NULL;
    free_copy(&c->pg);
}

/* What is done with such a cursor. */
static const cv__driver cursor_driver = {.name = "postgres", .fetch = fetch, .finish = finish};

/* ---- opening ---- */

/* The columns of the statement: prepared and described, behind what must come before, in one flush. */
static int describe(cv_ctx *cx, cv__pg_conn *conn, const char *sql, PGresult **ret_described)
{
    PGresult *failure, *described;
    int pending = cv__pg_pending_count(conn);
    CV_TRY(cv__pg_pipeline_begin(cx, conn));
    CV_TRY(cv__pg_pending_put(cx, conn));
    if (!PQsendPrepare(conn->pg, "", sql, 0, NULL) || !PQsendDescribePrepared(conn->pg, ""))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_pipeline_end(cx, conn));
    cv__pg_pending_sent(conn);
    CV_TRY(cv__pg_read_leading(cx, conn, pending + 1, &failure));
    if (failure)
        return cv__pg_fail_statement(cx, conn, failure);
    CV_TRY(cv__pg_next_result(cx, conn, &described));
    if (PQresultStatus(described) != PGRES_COMMAND_OK)
        return cv__pg_fail_statement(cx, conn, described);
    int rc = cv__pg_finish_statement(cx, conn);
    if (rc < 0)
        PQclear(described);
    else
        *ret_described = described;
    return rc;
}

static pg_copy_out *make_copy(cv__pg_conn *conn, PGresult *described)
{
    size_t count = (size_t)PQnfields(described);
    pg_copy_out *c = calloc(1, sizeof *c + count * (sizeof(cv__pg_column) + sizeof(char *)));
    if (!c)
        return NULL;
    const char **names = (const char **)(void *)(c->column + count);
    for (size_t i = 0; i < count; i++)
        names[i] = PQfname(described, (int)i);
    c->cursor =
        (cv__cursor){.driver = &cursor_driver, .conn = &conn->base, .column_count = count, .column_names = names};
    c->columns = (cv__pg_columns){.at = c->column, .count = count, .names = names};
    c->pg = (cv__pg_copy){.conn = conn, .drain = drain, .free = free_copy};
    c->described = described;
    return c;
}

/* COPY reads a plain table by itself, in half the time of a query; not what only looks like one, not the rows of tables
 * that inherit from it, and no columns that are generated. */
static int is_plain_table(cv_ctx *cx, cv__pg_conn *conn, const cv__bulk_table *table, bool *ret_plain)
{
    char cell[1][CV__PG_CELL_BYTES];
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&sql, "SELECT 1 FROM pg_class WHERE relkind = 'r' AND NOT relhassubclass AND NOT EXISTS (SELECT 1"
                          " FROM pg_attribute WHERE attrelid = pg_class.oid AND attgenerated <> '') AND oid ="
                          " to_regclass(");
    cv__add_quoted(&sql, table->name);
    cv_buf_add_char(&sql, ')');
    if (sql.error)
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    CV_TRY(cv__pg_ask(cx, conn, sql.data, 1, cell));
    *ret_plain = strcmp(cell[0], "1") == 0;
    return 0;
}

static int make_sql(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, const char **ret_sql)
{
    const cv__bulk_table *table = statement->bulk_table;
    bool plain = false;
    if (table)
        CV_TRY(is_plain_table(cx, conn, table, &plain));
    *ret_sql = plain ? cv_sprintf(cx, "COPY %.*s (%.*s) TO STDOUT (FORMAT binary)", CV_STR_ARG(table->name),
                                  CV_STR_ARG(table->columns))
                     : cv_sprintf(cx, "COPY (%.*s\n) TO STDOUT (FORMAT binary)", CV_STR_ARG(statement->sql));
    return *ret_sql ? 0 : CV_E_NOMEM;
}

static int start(cv_ctx *cx, pg_copy_out *c, const cv__statement *statement)
{
    cv__pg_conn *conn = c->pg.conn;
    PGresult *result;
    const char *sql;
    CV_TRY(cv__pg_columns_set(cx, &c->columns, c->described, statement));
    CV_TRY(make_sql(cx, conn, statement, &sql));
    cv__pg_note_running(conn, cv_str_of(sql));
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        return cv__pg_fail_statement(cx, conn, result);
    PQclear(result);
    conn->copy = &c->pg;
    return 0;
}

/* COPY takes a query of these; others run as statements. */
static bool is_query(cv_str sql)
{
    static const char *const words[] = {"SELECT", "WITH", "VALUES", "TABLE"};
    sql = cv_str_trim(sql);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (cv_str_equal_nocase(cv_str_sub(sql, 0, strlen(words[i])), cv_str_of(words[i])))
            return !cv_str_ends_with(sql, CV_STR(";"));
    return false;
}

int cv__pg_copy_out_open(cv_ctx *cx, cv__pg_conn *conn, const cv__statement *statement, cv__cursor **ret_cursor)
{
    PGresult *described = NULL;
    if (!is_query(statement->sql) || statement->param_count > 0)
        return 1;
    char *sql = cv_strndup(cx, statement->sql.ptr, statement->sql.len);
    if (!sql)
        return CV_E_NOMEM;
    CV_TRY(describe(cx, conn, sql, &described));
    pg_copy_out *c = make_copy(conn, described);
    if (!c) {
        PQclear(described);
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    }
    int rc = start(cx, c, statement);
    if (rc < 0) {
        free_copy(&c->pg);
        return rc;
    }
    *ret_cursor = &c->cursor;
    return 0;
}
