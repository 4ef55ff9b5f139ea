/* Bulk into MariaDB: array binding. Rows are collected by column into a chunk, and one execution of a prepared INSERT
 * inserts them all (https://mariadb.com/kb/en/com_stmt_bulk_execute/). MySQL has no such thing: there the INSERT has as
 * many rows as the chunk.
 *
 * A chunk is finished before it is given to Connector/C, whose calls suspend on a stack of their own. There are two of
 * them: while the server works on one, the other is filled. What became of one shows before the next is sent.
 *
 * The server does not tell which row of a chunk it refuses: it is found by inserting parts of the chunk, which has left
 * nothing behind, half by half. */
#include "db/copy/copy.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* How long the answer of the server is waited for when a copy is given up, before the statement is killed. */
enum { GIVE_UP_MS = 15 };

enum { CHUNK_ROWS = 1000, CHUNK_BYTES = 1024 * 1024, MAX_PARAMS = 65535, ROW_OVERHEAD = 64 * 1024 };

/* The values of a column in a chunk. */
typedef struct bound_column {
    cv_type type;
    enum enum_field_types bound;
    size_t width; /* of an entry of `entries` */
    union {
        void *any;
        signed char *booleans;
        int64_t *integers;
        double *floats;
        const void **pointers; /* to texts, bytes and times */
    } entries;
    unsigned long *lengths; /* of texts and bytes */
    char *indicators;       /* NULL or not */
    MYSQL_TIME *times;
} bound_column;

typedef struct chunk {
    size_t rows;
    cv_buf texts; /* does not move while there are rows */
    bound_column *columns;
} chunk;

typedef struct my_copy {
    cv__copy_in head;
    cv__my_conn *conn;
    cv_buf insert; /* up to VALUES */
    cv__my_prepared *prepared;
    size_t prepared_rows; /* in its text; 1 with array binding */
    size_t chunk_rows;    /* that there is room for */
    chunk *filling, *sent;
    bool is_sent;   /* the server works on `sent` */
    int64_t stored; /* rows before those in the chunks */
    MYSQL_BIND *binds;
    chunk chunks[2];
} my_copy;

static my_copy *copy_of(cv__copy_in *copy)
{
    return (my_copy *)(void *)copy;
}

static int fail_memory(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory");
}

/* ---- describe ---- */

static uint16_t bits_of(const MYSQL_FIELD *field)
{
    bool is_unsigned = field->flags & UNSIGNED_FLAG;
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_YEAR:
        return 16;
    case MYSQL_TYPE_SHORT:
        return is_unsigned ? 32 : 16;
    case MYSQL_TYPE_INT24:
        return 32;
    case MYSQL_TYPE_LONG:
        return is_unsigned ? 64 : 32;
    default:
        return 64;
    }
}

/* Its length counts sign and point. */
static cv__column_type decimal_type(const MYSQL_FIELD *field)
{
    unsigned long digits = field->length - (field->decimals > 0) - !(field->flags & UNSIGNED_FLAG);
    return (cv__column_type){.type = CV_TYPE_DECIMAL, .digits = (uint16_t)digits, .places = (uint16_t)field->decimals};
}

enum { BINARY_CHARSET = 63, BYTES_PER_CHARACTER = 4 };

static cv__column_type string_type(const MYSQL_FIELD *field)
{
    bool bounded = (field->type == MYSQL_TYPE_VAR_STRING || field->type == MYSQL_TYPE_STRING) &&
                   !(field->flags & (ENUM_FLAG | SET_FLAG));
    if (cv__my_is_called(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME, "uuid"))
        return (cv__column_type){.type = CV_TYPE_UUID};
    if (cv__my_is_called(field, MARIADB_FIELD_ATTR_FORMAT_NAME, "json"))
        return (cv__column_type){.type = CV_TYPE_JSON};
    if (field->charsetnr == BINARY_CHARSET)
        return (cv__column_type){.type = CV_TYPE_BYTES};
    return (cv__column_type){.type = CV_TYPE_TEXT,
                             .max_length = bounded ? (uint32_t)(field->length / BYTES_PER_CHARACTER) : 0};
}

static cv__column_type type_of(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
        if (field->length == 1)
            return (cv__column_type){.type = CV_TYPE_BOOL};
        return (cv__column_type){.type = CV_TYPE_I64, .bits = bits_of(field)};
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_BIT:
        return (cv__column_type){.type = CV_TYPE_I64, .bits = bits_of(field)};
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        return (cv__column_type){.type = CV_TYPE_F64};
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return decimal_type(field);
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        return (cv__column_type){.type = CV_TYPE_TIME};
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return (cv__column_type){.type = CV_TYPE_DATE};
    case MYSQL_TYPE_JSON:
        return (cv__column_type){.type = CV_TYPE_JSON};
    case MYSQL_TYPE_GEOMETRY:
        return (cv__column_type){.type = CV_TYPE_BYTES};
    case MYSQL_TYPE_TIME:
        return (cv__column_type){.type = CV_TYPE_TEXT};
    default:
        return string_type(field);
    }
}

static int read_columns(cv_ctx *cx, MYSQL_RES *described, cv__copy_column **ret_columns, size_t *ret_count)
{
    size_t count = mysql_num_fields(described);
    const MYSQL_FIELD *fields = mysql_fetch_fields(described);
    cv__copy_column *columns = cv_zalloc(cx, count, sizeof *columns);
    if (!columns)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        columns[i].name = cv_strdup(cx, fields[i].name);
        columns[i].type = type_of(&fields[i]);
        if (!columns[i].name)
            return CV_E_NOMEM;
    }
    *ret_columns = columns;
    *ret_count = count;
    return 0;
}

static int describe(cv_ctx *cx, cv__conn *base, cv_str table, cv__copy_column **ret_columns, size_t *ret_count)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    MYSQL_RES *described;
    char *sql = cv_sprintf(cx, "SELECT * FROM %.*s LIMIT 0", CV_STR_ARG(table));
    if (!sql)
        return CV_E_NOMEM;
    CV_TRY(cv__my_make_ready(cx, conn));
    CV_TRY(cv__my_send_pending(cx, conn));
    CV_TRY(cv__my_query(cx, conn, cv_str_of(sql), &described));
    if (!described)
        return cv_fail(cx, CV_E_INTERNAL, "MariaDB did not tell the columns of the table");
    int rc = read_columns(cx, described, ret_columns, ret_count);
    mysql_free_result(described);
    return rc;
}

/* ---- the statement ---- */

static int make_insert(cv_ctx *cx, my_copy *c)
{
    cv_buf_init(&c->insert, 0);
    cv_buf_add_text(&c->insert, "INSERT INTO ");
    cv__copy_add_target(&c->insert, c->head.target);
    cv_buf_add_text(&c->insert, " VALUES ");
    return c->insert.error ? fail_memory(cx) : 0;
}

static void forget_statement(my_copy *c)
{
    if (c->prepared)
        cv__my_prepared_free(c->conn, &c->prepared->cached); /* closed when the wire is made ready */
    c->prepared = NULL;
}

static cv__my_prepared *new_statement(const my_copy *c, size_t rows)
{
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_add_str(&sql, cv_buf_str(&c->insert));
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < c->head.target->count; i++)
            cv_buf_add_text(&sql, i ? ",?" : row ? "),(?" : "(?");
    cv_buf_add_char(&sql, ')');
    cv__my_prepared *p = sql.error ? NULL : calloc(1, sizeof *p + sql.len + 1);
    if (p) {
        memcpy(p->sql, sql.data, sql.len);
        p->cached.sql = cv_str_make(p->sql, sql.len);
        p->handle = mysql_stmt_init(c->conn->my);
    }
    if (p && !p->handle) {
        free(p);
        p = NULL;
    }
    cv_buf_done(&sql);
    return p;
}

/* An INSERT of so many rows; with array binding one does for any number. */
static int need_statement(cv_ctx *cx, my_copy *c, size_t rows)
{
    if (!c->conn->is_mysql)
        rows = 1;
    if (c->prepared && c->prepared_rows == rows)
        return 0;
    forget_statement(c);
    c->prepared = new_statement(c, rows);
    if (!c->prepared)
        return fail_memory(cx);
    c->prepared_rows = rows;
    return cv__my_prepare(cx, c->conn, c->prepared->handle, c->prepared->cached.sql);
}

/* ---- begin ---- */

static enum enum_field_types bound_type(cv_type type)
{
    switch (type) {
    case CV_TYPE_BOOL:
        return MYSQL_TYPE_TINY;
    case CV_TYPE_I64:
        return MYSQL_TYPE_LONGLONG;
    case CV_TYPE_F64:
        return MYSQL_TYPE_DOUBLE;
    case CV_TYPE_TIME:
        return MYSQL_TYPE_DATETIME;
    case CV_TYPE_DATE:
        return MYSQL_TYPE_DATE;
    case CV_TYPE_DECIMAL:
        return MYSQL_TYPE_NEWDECIMAL;
    case CV_TYPE_BYTES:
        return MYSQL_TYPE_BLOB;
    default:
        return MYSQL_TYPE_STRING;
    }
}

static bool has_length(const bound_column *b)
{
    return b->bound == MYSQL_TYPE_STRING || b->bound == MYSQL_TYPE_BLOB || b->bound == MYSQL_TYPE_NEWDECIMAL;
}

static bool make_column(bound_column *b, cv_type type, size_t rows)
{
    b->type = type;
    b->bound = bound_type(type);
    bool is_time = b->bound == MYSQL_TYPE_DATETIME || b->bound == MYSQL_TYPE_DATE;
    b->width = b->bound == MYSQL_TYPE_TINY ? 1 : sizeof(void *);
    b->entries.any = calloc(rows, b->width);
    b->indicators = calloc(rows, 1);
    b->lengths = has_length(b) ? calloc(rows, sizeof *b->lengths) : NULL;
    b->times = is_time ? calloc(rows, sizeof *b->times) : NULL;
    for (size_t i = 0; b->times && b->entries.any && i < rows; i++)
        b->entries.pointers[i] = &b->times[i];
    return b->entries.any && b->indicators && (!has_length(b) || b->lengths) && (!is_time || b->times);
}

static void free_chunk(chunk *k, size_t columns)
{
    for (size_t i = 0; k->columns && i < columns; i++) {
        free(k->columns[i].entries.any);
        free(k->columns[i].indicators);
        free(k->columns[i].lengths);
        free(k->columns[i].times);
    }
    free(k->columns);
    cv_buf_done(&k->texts);
}

static void free_copy(my_copy *c)
{
    forget_statement(c);
    free_chunk(&c->chunks[0], c->head.target->count);
    free_chunk(&c->chunks[1], c->head.target->count);
    cv_buf_done(&c->insert);
    free(c->binds);
    free(c);
}

static bool make_chunk(chunk *k, const cv__copy_target *target, size_t rows)
{
    cv_buf_init(&k->texts, CV__COPY_ROW_BYTES + CHUNK_BYTES);
    k->columns = calloc(target->count, sizeof *k->columns);
    bool made = k->columns != NULL;
    for (size_t i = 0; made && i < target->count; i++)
        made = make_column(&k->columns[i], target->columns[i].type.type, rows);
    return made;
}

static bool make_room(my_copy *c)
{
    size_t count = c->head.target->count;
    c->chunk_rows = CHUNK_ROWS;
    if (c->conn->is_mysql && c->chunk_rows * count > MAX_PARAMS)
        c->chunk_rows = MAX_PARAMS / count ? MAX_PARAMS / count : 1;
    c->binds = calloc(c->conn->is_mysql ? c->chunk_rows * count : count, sizeof *c->binds);
    c->filling = &c->chunks[0];
    c->sent = &c->chunks[1];
    return c->binds && make_chunk(c->filling, c->head.target, c->chunk_rows) &&
           make_chunk(c->sent, c->head.target, c->chunk_rows);
}

static int start(cv_ctx *cx, my_copy *c)
{
    if (!make_room(c))
        return fail_memory(cx);
    CV_TRY(make_insert(cx, c));
    CV_TRY(cv__my_make_ready(cx, c->conn));
    CV_TRY(cv__my_send_pending(cx, c->conn));
    return c->conn->is_mysql ? 0 : need_statement(cx, c, 1);
}

static int begin(cv_ctx *cx, cv__conn *base, const cv__copy_target *target, cv__copy_in **ret_copy)
{
    my_copy *c = calloc(1, sizeof *c);
    if (!c)
        return fail_memory(cx);
    c->head = (cv__copy_in){.target = target, .column = CV__COPY_NO_COLUMN};
    c->conn = cv__my_conn_of(base);
    int rc = start(cx, c);
    if (rc < 0) {
        free_copy(c);
        return rc;
    }
    *ret_copy = &c->head;
    return 0;
}

/* ---- sending ---- */

/* The values of a column from a row of the chunk on, as arrays. */
static void bind_array(const bound_column *b, size_t first, MYSQL_BIND *bind)
{
    *bind = (MYSQL_BIND){.buffer_type = b->bound,
                         .buffer = (char *)b->entries.any + first * b->width,
                         .length = b->lengths ? b->lengths + first : NULL};
    bind->u.indicator = b->indicators + first;
}

/* One value, for an INSERT with many rows. */
static void bind_one(const bound_column *b, size_t row, MYSQL_BIND *bind)
{
    bool is_pointer = b->lengths || b->times;
    void *at = is_pointer ? (void *)(uintptr_t)b->entries.pointers[row] : (char *)b->entries.any + row * b->width;
    *bind = (MYSQL_BIND){.buffer_type = b->indicators[row] ? MYSQL_TYPE_NULL : b->bound,
                         .buffer = at,
                         .buffer_length = b->lengths ? b->lengths[row] : 0};
}

static void bind_rows(my_copy *c, const chunk *k, size_t first, size_t rows)
{
    size_t count = c->head.target->count;
    for (size_t i = 0; i < count; i++) {
        if (!c->conn->is_mysql)
            bind_array(&k->columns[i], first, &c->binds[i]);
        for (size_t row = 0; c->conn->is_mysql && row < rows; row++)
            bind_one(&k->columns[i], first + row, &c->binds[row * count + i]);
    }
}

static int send_rows(cv_ctx *cx, my_copy *c, const chunk *k, size_t first, size_t rows)
{
    CV_TRY(need_statement(cx, c, rows));
    MYSQL_STMT *handle = c->prepared->handle;
    unsigned array_size = (unsigned)rows;
    bind_rows(c, k, first, rows);
    if (!c->conn->is_mysql)
        (void)mysql_stmt_attr_set(handle, STMT_ATTR_ARRAY_SIZE, &array_size);
    if (mysql_stmt_bind_param(handle, c->binds))
        return cv_fail(cx, CV_E_INTERNAL, "cannot bind the values: %s", mysql_stmt_error(handle));
    return cv__my_send_statement(cx, c->conn, handle);
}

static int insert_rows(cv_ctx *cx, my_copy *c, const chunk *k, size_t first, size_t rows)
{
    CV_TRY(send_rows(cx, c, k, first, rows));
    return cv__my_read_answer(cx, c->conn, c->prepared->handle);
}

/* And the others can still be inserted. */
static bool is_about_a_row(const my_copy *c, int code)
{
    return cv__copy_is_about_a_row(code) && !c->conn->base.broken && c->conn->base.in_transaction;
}

/* The chunk has failed, and left nothing: insert what of it can be, up to the row that cannot. */
static int find_row(cv_ctx *cx, my_copy *c, const chunk *k, int code)
{
    size_t first = 0, behind = k->rows;
    while (behind - first > 1) {
        size_t half = (behind - first) / 2;
        cv_error_clear(cx);
        int rc = insert_rows(cx, c, k, first, half);
        if (rc < 0 && !is_about_a_row(c, rc))
            return rc;
        if (rc < 0)
            behind = first + half;
        else
            first += half;
    }
    cv_error_clear(cx);
    int rc = insert_rows(cx, c, k, first, 1);
    c->head.row = rc < 0 ? c->stored + (int64_t)first + 1 : 0;
    return rc < 0 ? rc : cv_fail(cx, code, "a row was refused, and then taken: others change the table");
}

/* A large row does not keep its memory. */
static void empty(chunk *k)
{
    k->rows = 0;
    cv_buf_clear(&k->texts);
    if (k->texts.capacity > 2 * CHUNK_BYTES)
        cv_buf_done(&k->texts);
}

/* What became of the chunk that was sent. */
static int hear(cv_ctx *cx, my_copy *c)
{
    if (!c->is_sent)
        return 0;
    c->is_sent = false;
    int rc = cv__my_read_answer(cx, c->conn, c->prepared->handle);
    if (rc < 0)
        return is_about_a_row(c, rc) ? find_row(cx, c, c->sent, rc) : rc;
    c->stored += (int64_t)c->sent->rows;
    empty(c->sent);
    return 0;
}

/* When it is sent, the other one is empty. */
static int send_chunk(cv_ctx *cx, my_copy *c)
{
    chunk *full = c->filling;
    CV_TRY(hear(cx, c));
    if (full->rows == 0)
        return 0;
    c->conn->swollen |= full->texts.len > CV__MY_SWOLLEN_BYTES;
    CV_TRY(send_rows(cx, c, full, 0, full->rows));
    c->filling = c->sent;
    c->sent = full;
    c->is_sent = true;
    return 0;
}

/* ---- rows ---- */

static void add_text(chunk *k, bound_column *b, const void *text, size_t len)
{
    b->entries.pointers[k->rows] = k->texts.data + k->texts.len;
    b->lengths[k->rows] = len;
    cv_buf_add(&k->texts, text, len);
}

static int add_time(chunk *k, bound_column *b, cv_time time, bool is_date)
{
    cv_civil civil = cv_time_to_civil(time);
    if (civil.year < 0 || civil.year > 9999)
        return CV_E_RANGE;
    b->times[k->rows] = (MYSQL_TIME){.year = (unsigned)civil.year,
                                     .month = (unsigned)civil.month,
                                     .day = (unsigned)civil.day,
                                     .hour = (unsigned)civil.hour,
                                     .minute = (unsigned)civil.minute,
                                     .second = (unsigned)civil.second,
                                     .second_part = (unsigned long)civil.microsecond,
                                     .time_type = is_date ? MYSQL_TIMESTAMP_DATE : MYSQL_TIMESTAMP_DATETIME};
    return 0;
}

static int add_string(chunk *k, bound_column *b, cv_str text)
{
    if (!cv_utf8_valid(text))
        return CV_E_INVALID;
    add_text(k, b, text.ptr, text.len);
    return 0;
}

static int add_value(chunk *k, bound_column *b, const cv_value *value)
{
    char text[CV_DECIMAL_TEXT_BYTES > CV_UUID_TEXT_BYTES ? CV_DECIMAL_TEXT_BYTES : CV_UUID_TEXT_BYTES];
    switch (value->type) {
    case CV_TYPE_BOOL:
        b->entries.booleans[k->rows] = value->as.boolean;
        return 0;
    case CV_TYPE_I64:
        b->entries.integers[k->rows] = value->as.i64;
        return 0;
    case CV_TYPE_F64:
        b->entries.floats[k->rows] = value->as.f64;
        return isfinite(value->as.f64) ? 0 : CV_E_RANGE;
    case CV_TYPE_DECIMAL:
        add_text(k, b, text, cv_decimal_format(value->as.decimal, text));
        return 0;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        return add_string(k, b, value->as.text);
    case CV_TYPE_BYTES:
        add_text(k, b, value->as.bytes.ptr, value->as.bytes.len);
        return 0;
    case CV_TYPE_TIME:
        return add_time(k, b, value->as.time, false);
    case CV_TYPE_DATE:
        return add_time(k, b, cv_date_to_time(value->as.date), true);
    case CV_TYPE_UUID:
        add_text(k, b, text, cv_uuid_format(value->as.uuid, text));
        return 0;
    default:
        return CV_E_TYPE;
    }
}

/* What the row takes of the memory for texts, at most. */
static size_t text_bytes(const my_copy *c, const cv_value *values)
{
    size_t bytes = 0;
    for (size_t i = 0; i < c->head.target->count; i++) {
        const cv_value *value = &values[i];
        bool is_long = value->type == CV_TYPE_TEXT || value->type == CV_TYPE_JSON || value->type == CV_TYPE_BYTES;
        if (c->filling->columns[i].lengths)
            bytes += is_long ? value->as.text.len : CV_DECIMAL_TEXT_BYTES;
    }
    return bytes;
}

static int fill_row(my_copy *c, const cv_value *values)
{
    chunk *k = c->filling;
    for (size_t i = 0; i < c->head.target->count; i++) {
        bound_column *b = &k->columns[i];
        bool is_null = values[i].type == CV_TYPE_NULL;
        b->indicators[k->rows] = is_null ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
        int rc = is_null ? 0 : add_value(k, b, &values[i]);
        if (rc < 0) {
            c->head.column = (int)i;
            return rc;
        }
        c->head.bytes += (int64_t)cv__copy_value_bytes(&values[i]);
    }
    k->rows++;
    return 0;
}

/* The server hangs up on a packet that is too large; the usual ones are far from that. */
static int check_packet(cv_ctx *cx, my_copy *c, size_t bytes)
{
    uint64_t most = c->conn->max_packet_bytes;
    if (bytes <= CHUNK_BYTES || most == 0 || bytes + ROW_OVERHEAD <= most)
        return 0;
    CV_TRY(hear(cx, c));
    cv_fail(cx, CV_E_LIMIT, "the values of the row have %zu bytes, the server takes %" PRIu64 " in one statement",
            bytes, most);
    cv_error_hint(cx, "raise the server's max_allowed_packet, which may be 1 GiB");
    c->head.row = c->stored + 1;
    return CV_E_LIMIT;
}

/* Memory for the texts of one more row: with the first, of all that may follow. */
static bool need_texts(chunk *k, size_t bytes)
{
    return cv_buf_reserve(&k->texts, k->rows == 0 && bytes < CHUNK_BYTES ? CHUNK_BYTES : bytes) != NULL;
}

static int row(cv_ctx *cx, cv__copy_in *head, const cv_value *values)
{
    my_copy *c = copy_of(head);
    size_t bytes = text_bytes(c, values);
    if (c->filling->rows > 0 && c->filling->texts.len + bytes > CHUNK_BYTES)
        CV_TRY(send_chunk(cx, c));
    CV_TRY(check_packet(cx, c, bytes));
    if (!need_texts(c->filling, bytes))
        return fail_memory(cx);
    CV_TRY(fill_row(c, values));
    return c->filling->rows < c->chunk_rows ? 0 : send_chunk(cx, c);
}

static int end(cv_ctx *cx, cv__copy_in *head)
{
    my_copy *c = copy_of(head);
    CV_TRY(send_chunk(cx, c));
    return hear(cx, c);
}

/* The answer is read, so that the connection can be used again; when it does not come in time, the statement is killed.
 */
static void give_up(cv_ctx *cx, my_copy *c)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        CV_WITHIN(cx, GIVE_UP_MS)
        {
            if (cv__my_read_answer(cx, c->conn, c->prepared->handle) < 0 && !first)
                cv_error_clear(cx);
        }
    }
    cv_error_put_back(cx, first);
}

static void done(cv_ctx *cx, cv__copy_in *head)
{
    my_copy *c = copy_of(head);
    if (c->is_sent)
        give_up(cx, c);
    free_copy(c);
}

const cv__copy_driver cv__copy_mariadb = {.describe = describe, .begin = begin, .row = row, .end = end, .done = done};
