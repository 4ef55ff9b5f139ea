/* Bulk out of a table or query: a statement that asks for the fastest way, and its rows to the sink. */
#include "db/copy/copy.h"

#include "base/ctx.h"
#include "db/raw.h"

/* What is read, and where it goes. */
typedef struct reading {
    cv_db *db;
    const cv_copy_sink *sink;
    cv_copy_options options;
    const cv__copy_column *columns; /* as many as `count`; NULL: those of the cursor, of any type */
    size_t count;
    cv__copy_meter meter;
} reading;

/* ---- the columns of a table ---- */

static int describe(cv_ctx *cx, cv_db *db, const char *table, cv_str *ret_quoted, cv__copy_column **ret_columns,
                    size_t *ret_count)
{
    cv__conn *conn;
    struct cv_tx *root;
    if (!db->driver->copy)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot copy: %s has no bulk here", cv_db_engine(db));
    CV_TRY(cv__copy_quote(cx, table, ret_quoted));
    CV_TRY(cv__db_take(cx, db, CV__READER, *ret_quoted, &conn, &root));
    cv__conn_note_sql(conn, *ret_quoted);
    int rc = db->driver->copy->describe(cx, conn, *ret_quoted, ret_columns, ret_count);
    return cv__db_settle(cx, db, conn, root, rc);
}

int cv_copy_columns(cv_ctx *cx, const char *table, const cv_copy_column **ret_columns, size_t *ret_count)
{
    cv_db *db = cv__db_need(cx);
    cv__copy_column *columns;
    cv_str quoted;
    size_t count = 0;
    if (!db)
        return CV_E_NO_DATABASE;
    cv__db_ref(db);
    int rc = describe(cx, db, table, &quoted, &columns, &count);
    cv__db_unref(db);
    CV_TRY(rc);
    *ret_columns = cv__copy_tell(cx, columns, count);
    *ret_count = count;
    return *ret_columns ? 0 : CV_E_NOMEM;
}

/* ---- rows out ---- */

/* The columns of a query, by their names. */
static int name_columns(cv_ctx *cx, reading *r, const cv__cursor *cursor)
{
    cv__copy_column *columns = cv_zalloc(cx, cursor->column_count, sizeof *columns);
    for (size_t i = 0; columns && i < cursor->column_count; i++)
        columns[i].name = cursor->column_names[i];
    r->columns = columns;
    r->count = cursor->column_count;
    return columns ? 0 : CV_E_NOMEM;
}

static int start_sink(cv_ctx *cx, reading *r)
{
    if (!r->sink->start)
        return 0;
    const cv_copy_column *told = cv__copy_tell(cx, r->columns, r->count);
    if (!told)
        return CV_E_NOMEM;
    int rc = r->sink->start(cx, r->sink->arg, told, r->count);
    return rc < 0 ? rc : 0;
}

static int64_t bytes_of(const cv_value *values, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += cv__copy_value_bytes(&values[i]);
    return (int64_t)bytes;
}

/* A sink that never waits lets others run now and then, and can be cancelled. */
enum { ROWS_A_TURN = 1024 };

static int read_rows(cv_ctx *cx, reading *r, cv__row_stream *stream, cv_value *cells)
{
    int rc;
    while ((rc = cv__db_next_row(cx, stream, cells)) > 0) {
        r->meter.so_far.rows++;
        r->meter.so_far.bytes += bytes_of(cells, r->count);
        CV_TRY(cv__copy_meter_row(cx, &r->meter));
        rc = r->sink->row(cx, r->sink->arg, cells);
        if (rc < 0) {
            r->meter.so_far.rows--;
            return rc;
        }
        if (r->meter.so_far.rows % ROWS_A_TURN == 0)
            CV_TRY(cv_yield(cx));
    }
    CV_TRY(rc);
    return cv__copy_meter_end(cx, &r->meter);
}

static int read_stream(cv_ctx *cx, reading *r, cv__row_stream *stream)
{
    if (!stream->cursor)
        return cv_fail(cx, CV_E_SQL, "cannot copy: the statement has no rows");
    if (!r->columns)
        CV_TRY(name_columns(cx, r, stream->cursor));
    cv_value *cells = cv_zalloc(cx, r->count, sizeof *cells);
    if (!cells)
        return CV_E_NOMEM;
    CV_TRY(start_sink(cx, r));
    return read_rows(cx, r, stream, cells);
}

static int run(cv_ctx *cx, reading *r, cv__conn_role role, const cv__statement *statement)
{
    cv__row_stream stream;
    CV_TRY(cv__db_open_rows(cx, r->db, role, statement, &stream));
    int rc = read_stream(cx, r, &stream);
    cv__db_close_rows(cx, &stream);
    return rc;
}

/* ---- a table ---- */

static int choose(cv_ctx *cx, reading *r, const char *table, const cv__copy_column *all, size_t all_count)
{
    size_t count = r->options.column_count;
    r->columns = all;
    r->count = all_count;
    if (count == 0)
        return 0;
    cv__copy_column *chosen = cv_zalloc(cx, count, sizeof *chosen);
    if (!chosen)
        return CV_E_NOMEM;
    CV_TRY(cv__copy_choose(cx, table, all, all_count, r->options.columns, count, chosen));
    r->columns = chosen;
    r->count = count;
    return 0;
}

static void add_column(cv_buf *sql, const cv__copy_column *column)
{
    cv_str name = cv_str_of(column->name);
    cv_buf_add_text(sql, column->read_as_text ? "CAST(" : "");
    cv__add_identifier(sql, name);
    if (!column->read_as_text)
        return;
    cv_buf_add_text(sql, " AS text) AS ");
    cv__add_identifier(sql, name);
}

/* Whether the columns are read as they are; then `ret_table` has them. */
static int find_table(cv_ctx *cx, const reading *r, cv_str table, cv__bulk_table *ret_table)
{
    cv_buf columns;
    cv_buf_init_arena(&columns, cv_ctx_arena(cx), 0);
    for (size_t i = 0; i < r->count; i++) {
        if (r->columns[i].read_as_text)
            return 0;
        cv_buf_add_text(&columns, i ? ", " : "");
        cv__add_identifier(&columns, cv_str_of(r->columns[i].name));
    }
    *ret_table = (cv__bulk_table){.name = table, .columns = cv_buf_str(&columns)};
    return columns.error ? cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory") : 1;
}

static int make_select(cv_ctx *cx, const reading *r, cv_str table, cv_str *ret_sql)
{
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&sql, "SELECT ");
    for (size_t i = 0; i < r->count; i++) {
        cv_buf_add_text(&sql, i ? ", " : "");
        add_column(&sql, &r->columns[i]);
    }
    cv_buf_add_text(&sql, " FROM ");
    cv_buf_add_str(&sql, table);
    *ret_sql = cv_buf_str(&sql);
    return sql.error ? cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory") : 0;
}

static int copy_table(cv_ctx *cx, reading *r, const char *table)
{
    cv__copy_column *all;
    size_t all_count;
    cv_str quoted;
    cv__bulk_table plain_table;
    cv__statement statement = {.bulk = true, .uncached = true};
    CV_TRY(describe(cx, r->db, table, &quoted, &all, &all_count));
    CV_TRY(choose(cx, r, table, all, all_count));
    CV_TRY(make_select(cx, r, quoted, &statement.sql));
    int plain = find_table(cx, r, quoted, &plain_table);
    CV_TRY(plain);
    statement.bulk_table = plain > 0 ? &plain_table : NULL;
    return run(cx, r, CV__READER, &statement);
}

/* ---- a query ---- */

static int copy_query(cv_ctx *cx, reading *r, const char *sql, const cv_value *values, size_t count)
{
    cv__raw *raw;
    CV_TRY(cv__raw_get(cx, r->db, sql, &raw));
    cv__statement statement = {
        .sql = raw->sql, .hash = raw->hash, .params = values, .param_count = count, .bulk = count == 0};
    int rc = raw->param_count == count
                 ? run(cx, r, raw->role, &statement)
                 : cv_fail(cx, CV_E_SQL, "the statement has %zu placeholders but %zu values were given",
                           raw->param_count, count);
    cv__raw_put(r->db, raw);
    return rc;
}

/* ---- the calls ---- */

static int begin(cv_ctx *cx, reading *r, const cv_copy_sink *sink, const cv_copy_options *options)
{
    static const cv_copy_options defaults;
    *r = (reading){.db = cv__db_need(cx), .sink = sink, .options = options ? *options : defaults};
    cv__copy_meter_init(&r->meter, &r->options);
    if (!r->db)
        return CV_E_NO_DATABASE;
    if (r->options.max_rows < 0 || r->options.max_bytes < 0 || r->options.progress_rows < 0)
        return cv_fail(cx, CV_E_INVALID, "a number among the options is negative");
    cv__db_ref(r->db);
    return 0;
}

static int finish(const reading *r, int rc, cv_copy_result *ret_result)
{
    if (ret_result)
        *ret_result = r->meter.so_far;
    cv__db_unref(r->db);
    return rc;
}

int cv_copy_out(cv_ctx *cx, const char *table, const cv_copy_sink *sink, const cv_copy_options *options,
                cv_copy_result *ret_result)
{
    reading r;
    int rc = 0;
    if (ret_result)
        *ret_result = (cv_copy_result){0};
    CV_TRY(begin(cx, &r, sink, options));
    CV_SCOPE(cx)
    {
        rc = copy_table(cx, &r, table);
    }
    return finish(&r, rc, ret_result);
}

int cv_copy_out_query(cv_ctx *cx, const char *sql, const cv_value *values, size_t count, const cv_copy_sink *sink,
                      const cv_copy_options *options, cv_copy_result *ret_result)
{
    reading r;
    int rc = 0;
    if (ret_result)
        *ret_result = (cv_copy_result){0};
    if (options && options->column_count > 0)
        return cv_fail(cx, CV_E_INVALID, "the columns of a query are those that it selects");
    CV_TRY(begin(cx, &r, sink, options));
    CV_SCOPE(cx)
    {
        rc = copy_query(cx, &r, sql, values, count);
    }
    return finish(&r, rc, ret_result);
}
