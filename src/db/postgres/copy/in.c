/* COPY ... FROM STDIN: rows are collected into a chunk, which is sent when it is full. In binary (documentation, COPY,
 * "Binary Format") when all columns have a binary form here, in text otherwise.
 *
 *     "PGCOPY\n\377\r\n\0" | flags | length of an extension      then for each row
 *     count of columns (16 bits) | for each: its length, -1 for NULL (32 bits), its bytes      at the end a count of -1
 *
 * libpq does not look at what the server says before the end of a copy: an error of the first row would show behind the
 * last. So it is looked for before each piece. What comes is a notice, which libpq takes in, or the end of the copy.
 * Pieces are small, and sent when the socket has room: libpq reads what the server says when it cannot send, and does
 * not tell. */
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/types.h"
#include "db/postgres/wire.h"
#include <covet/fiber.h>
#include <ctype.h>
#include <endian.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CHUNK_BYTES = 64 * 1024, LEAST_PIECE_BYTES = 8 * 1024, MOST_PIECE_BYTES = 2 * CHUNK_BYTES };

/* What the server says may come in parts: how many looks later it is no notice. */
enum { PATIENCE = 16 };

/* How long the server's answer to a copy that is given up is waited for, before the statement is cancelled. */
enum { GIVE_UP_MS = 15 };

typedef struct pg_copy_in {
    cv__copy_in head;
    cv__pg_copy pg;
    cv__pg_form *forms; /* of the columns; NULL: all in text */
    int64_t *greatest;  /* the greatest integer of each column; 0: none above it */
    cv_buf chunk;
    cv_arena *arena; /* for the text format */
    cv_arena_mark no_text;
    int64_t rows;
    int heard;    /* looks since the server has said something that is no whole notice; 0: it has not */
    bool ended;   /* the end was sent */
    bool is_over; /* the server has answered it */
    unsigned notices;
    PQnoticeReceiver receiver; /* the connection's own */
} pg_copy_in;

static pg_copy_in *copy_of(cv__copy_in *copy)
{
    return (pg_copy_in *)(void *)copy;
}

static pg_copy_in *of_pg(cv__pg_copy *copy)
{
    return (pg_copy_in *)(void *)((char *)copy - offsetof(pg_copy_in, pg));
}

static int fail_memory(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory");
}

/* ---- describe ---- */

static int read_columns(cv_ctx *cx, const PGresult *described, cv__copy_column **ret_columns, size_t *ret_count)
{
    size_t count = (size_t)PQnfields(described);
    cv__copy_column *columns = cv_zalloc(cx, count, sizeof *columns);
    if (!columns)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        Oid type = PQftype(described, (int)i);
        columns[i] = (cv__copy_column){.name = cv_strdup(cx, PQfname(described, (int)i)),
                                       .type = cv__pg_column_type(type, PQfmod(described, (int)i)),
                                       .engine_type = type,
                                       .read_as_text = cv__pg_decoder(type) == NULL};
        if (!columns[i].name)
            return CV_E_NOMEM;
    }
    *ret_columns = columns;
    *ret_count = count;
    return 0;
}

/* The description of a query without rows has the columns, domains as what they are of. */
static int describe(cv_ctx *cx, cv__conn *base, cv_str table, cv__copy_column **ret_columns, size_t *ret_count)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    PGresult *result;
    char *sql = cv_sprintf(cx, "SELECT * FROM %.*s WHERE false", CV_STR_ARG(table));
    if (!sql)
        return CV_E_NOMEM;
    CV_TRY(cv__pg_make_ready(cx, conn));
    CV_TRY(cv__pg_send_pending(cx, conn));
    cv__pg_note_running(conn, cv_str_of(sql));
    if (!PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 1))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return cv__pg_fail_statement(cx, conn, result);
    int rc = read_columns(cx, result, ret_columns, ret_count);
    PQclear(result);
    int ended = cv__pg_finish_statement(cx, conn);
    return rc < 0 ? rc : ended;
}

/* ---- what the server says ---- */

/* "COPY books, line 3, column price: ...", in the server's language: which row, and which column. */
static void read_context(pg_copy_in *c, const PGresult *failure, const char **ret_column)
{
    const char *context = PQresultErrorField(failure, PG_DIAG_CONTEXT);
    const char *at = context ? strstr(context, "COPY ") : NULL;
    char *end = NULL;
    while (at && (at = strstr(at, ", "))) {
        at += 2;
        const char *number = at + strcspn(at, " \n");
        if (*number == ' ' && isdigit((unsigned char)number[1])) {
            c->head.row = strtoll(number + 1, &end, 10);
            break;
        }
    }
    if (!at || !end || strncmp(end, ", ", 2) != 0)
        return;
    const char *name = strchr(end + 2, ' ');
    for (size_t i = 0; name && i < c->head.target->count; i++) {
        const char *column = c->head.target->columns[i].name;
        size_t len = strlen(column);
        if (strncmp(name + 1, column, len) == 0 && (!name[1 + len] || strchr(":\n", name[1 + len])))
            *ret_column = column;
    }
}

/* The copy is over on the server: its answer. */
static int read_answer(cv_ctx *cx, pg_copy_in *c)
{
    PGresult *failure;
    const char *column = NULL;
    CV_TRY(cv__pg_read_to_end(cx, c->pg.conn, &failure));
    c->is_over = true;
    if (!failure)
        return 0;
    read_context(c, failure, &column);
    int rc = cv__pg_fail_result(cx, c->pg.conn, failure);
    PQclear(failure);
    if (column)
        cv_error_place(cx, NULL, NULL, column, NULL);
    return rc;
}

/* Say that there is nothing more; `reason` NULL: all is there. */
static int send_end(cv_ctx *cx, pg_copy_in *c, const char *reason)
{
    if (c->ended)
        return 0;
    c->ended = true;
    return PQputCopyEnd(c->pg.conn->pg, reason) > 0 ? 0 : cv__pg_lost(cx, c->pg.conn);
}

static void count_notice(void *arg, const PGresult *notice)
{
    (void)notice;
    ((pg_copy_in *)arg)->notices++;
}

/* The server has ended the copy by itself, which can only be an error. */
static int fail_early(cv_ctx *cx, pg_copy_in *c)
{
    CV_TRY(send_end(cx, c, "there was an error"));
    int rc = read_answer(cx, c);
    return rc < 0 ? rc : cv_fail(cx, CV_E_INTERNAL, "PostgreSQL has ended the copy before its end");
}

static int hear(cv_ctx *cx, pg_copy_in *c)
{
    PGconn *pg = c->pg.conn->pg;
    unsigned notices = c->notices;
    if (!PQconsumeInput(pg))
        return cv__pg_lost(cx, c->pg.conn);
    (void)PQisBusy(pg); /* takes notices in */
    c->heard = c->notices == notices ? c->heard + 1 : 0;
    return c->heard > PATIENCE ? fail_early(cx, c) : 0;
}

/* ---- sending ---- */

static int wait_for_room(cv_ctx *cx, pg_copy_in *c)
{
    int events, rc = cv__poll_wait(cx, c->pg.conn->poll, UV_WRITABLE | (c->heard ? 0 : UV_READABLE), &events);
    if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
        return cv_fail(cx, rc, "could not copy: %s", cv_error_text(rc));
    return rc < 0 ? cv__pg_lost(cx, c->pg.conn) : 0;
}

/* Until the socket is writable; what the server says is heard. */
static int need_room(cv_ctx *cx, pg_copy_in *c)
{
    for (;;) {
        struct pollfd socket = {.fd = PQsocket(c->pg.conn->pg), .events = POLLIN | POLLOUT};
        (void)poll(&socket, 1, 0);
        if (c->heard || (socket.revents & ~POLLOUT))
            CV_TRY(hear(cx, c));
        if (socket.revents & POLLOUT)
            return 0;
        CV_TRY(wait_for_room(cx, c));
    }
}

/* Until libpq has nothing left, so that what is under way is bounded by the socket's buffers and a chunk. */
static int flush(cv_ctx *cx, pg_copy_in *c)
{
    int unsent;
    while ((unsent = PQflush(c->pg.conn->pg)) > 0)
        CV_TRY(wait_for_room(cx, c));
    return unsent < 0 ? cv__pg_lost(cx, c->pg.conn) : 0;
}

static int send_piece(cv_ctx *cx, pg_copy_in *c, const char *data, size_t len)
{
    CV_TRY(need_room(cx, c));
    if (PQputCopyData(c->pg.conn->pg, data, (int)len) <= 0)
        return cv__pg_lost(cx, c->pg.conn);
    return flush(cx, c);
}

static int socket_option(const PGconn *pg, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    (void)getsockopt(PQsocket(pg), SOL_SOCKET, option, &value, &size);
    return value;
}

/* What a socket that is writable has room for: of TCP's buffer, which grows with its use, a third is free then, of a
 * Unix socket's three quarters; more than the bytes count. */
static size_t room_bytes(const PGconn *pg)
{
    size_t buffer = (size_t)socket_option(pg, SO_SNDBUF);
    size_t room = socket_option(pg, SO_DOMAIN) == AF_UNIX ? buffer / 2 : buffer / 4;
    return room < LEAST_PIECE_BYTES ? LEAST_PIECE_BYTES : room > MOST_PIECE_BYTES ? MOST_PIECE_BYTES : room;
}

static int send_bytes(cv_ctx *cx, pg_copy_in *c, const char *data, size_t len)
{
    size_t room = room_bytes(c->pg.conn->pg);
    while (len > 0) {
        size_t piece = len < room ? len : room;
        CV_TRY(send_piece(cx, c, data, piece));
        CV_TRY(cv_yield(cx));
        data += piece;
        len -= piece;
    }
    return 0;
}

static int send_chunk(cv_ctx *cx, pg_copy_in *c)
{
    if (c->chunk.error)
        return fail_memory(cx);
    CV_TRY(send_bytes(cx, c, c->chunk.data, c->chunk.len));
    cv_buf_clear(&c->chunk);
    return 0;
}

/* ---- begin ---- */

static bool choose_forms(pg_copy_in *c, const cv__copy_target *target)
{
    for (size_t i = 0; i < target->count; i++) {
        c->forms[i] = cv__pg_form_of(target->columns[i].engine_type);
        if (c->forms[i] == CV__PG_AS_TEXT)
            return false;
    }
    return true;
}

static void free_copy(cv__pg_copy *pg)
{
    pg_copy_in *c = of_pg(pg);
    cv_buf_done(&c->chunk);
    cv_arena_free(c->arena);
    free(c->forms);
    free(c->greatest);
    free(c);
}

static int drain(cv_ctx *cx, cv__pg_copy *pg)
{
    pg_copy_in *c = of_pg(pg);
    PGresult *failure;
    CV_TRY(send_end(cx, c, "the copy was given up"));
    CV_TRY(cv__pg_read_to_end(cx, pg->conn, &failure));
    PQclear(failure);
    c->is_over = true;
    return 0;
}

static int make_copy(cv_ctx *cx, cv__pg_conn *conn, const cv__copy_target *target, pg_copy_in **ret_copy)
{
    pg_copy_in *c = calloc(1, sizeof *c);
    if (!c)
        return fail_memory(cx);
    c->head = (cv__copy_in){.target = target, .column = CV__COPY_NO_COLUMN};
    c->pg = (cv__pg_copy){.conn = conn, .drain = drain, .free = free_copy};
    cv_buf_init(&c->chunk, CV__COPY_ROW_BYTES + CHUNK_BYTES);
    c->forms = calloc(target->count, sizeof *c->forms);
    c->greatest = calloc(target->count, sizeof *c->greatest);
    c->arena = cv_arena_new(CV__COPY_ROW_BYTES);
    if (!c->forms || !c->greatest || !c->arena || !cv_buf_reserve(&c->chunk, CHUNK_BYTES + CHUNK_BYTES / 4)) {
        free_copy(&c->pg);
        return fail_memory(cx);
    }
    c->no_text = cv_arena_save(c->arena);
    if (!choose_forms(c, target)) {
        free(c->forms);
        c->forms = NULL;
    }
    *ret_copy = c;
    return 0;
}

static const char *make_sql(cv_ctx *cx, const cv__copy_target *target, bool binary)
{
    cv_buf sql;
    cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
    cv_buf_add_text(&sql, "COPY ");
    cv__copy_add_target(&sql, target);
    cv_buf_add_text(&sql, binary ? " FROM STDIN (FORMAT binary)" : " FROM STDIN");
    return sql.error ? NULL : sql.data;
}

static int start(cv_ctx *cx, pg_copy_in *c)
{
    static const char header[CV__PG_COPY_HEADER_BYTES] = CV__PG_COPY_SIGNATURE;
    cv__pg_conn *conn = c->pg.conn;
    PGresult *result;
    const char *sql = make_sql(cx, c->head.target, c->forms != NULL);
    if (!sql)
        return fail_memory(cx);
    CV_TRY(cv__pg_make_ready(cx, conn));
    CV_TRY(cv__pg_send_pending(cx, conn));
    cv__pg_note_running(conn, cv_str_of(sql));
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return cv__pg_fail_statement(cx, conn, result);
    PQclear(result);
    if (c->forms)
        cv_buf_add(&c->chunk, header, sizeof header);
    return 0;
}

static int begin(cv_ctx *cx, cv__conn *base, const cv__copy_target *target, cv__copy_in **ret_copy)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    pg_copy_in *c = NULL;
    CV_TRY(make_copy(cx, conn, target, &c));
    int rc = start(cx, c);
    if (rc < 0) {
        free_copy(&c->pg);
        return rc;
    }
    conn->copy = &c->pg;
    c->receiver = PQsetNoticeReceiver(conn->pg, count_notice, c);
    *ret_copy = &c->head;
    return 0;
}

/* ---- rows ---- */

static inline void put_u32(char *at, uint32_t number)
{
    uint32_t big = htobe32(number);
    memcpy(at, &big, sizeof big);
}

static inline void put_u64(char *at, uint64_t number)
{
    uint64_t big = htobe64(number);
    memcpy(at, &big, sizeof big);
}

static int add_u16(cv_buf *out, uint16_t number)
{
    uint16_t big = htobe16(number);
    cv_buf_add(out, &big, sizeof big);
    return 0;
}

static inline int add_null(cv_buf *out)
{
    char *at = cv_buf_reserve(out, 4);
    if (!at)
        return CV_E_NOMEM;
    put_u32(at, UINT32_MAX);
    cv_buf_commit(out, 4);
    return 0;
}

static inline int add_32(cv_buf *out, uint32_t bits)
{
    char *at = cv_buf_reserve(out, 8);
    if (!at)
        return CV_E_NOMEM;
    put_u32(at, 4);
    put_u32(at + 4, bits);
    cv_buf_commit(out, 8);
    return 0;
}

static inline int add_64(cv_buf *out, uint64_t bits)
{
    char *at = cv_buf_reserve(out, 12);
    if (!at)
        return CV_E_NOMEM;
    put_u32(at, 8);
    put_u64(at + 4, bits);
    cv_buf_commit(out, 12);
    return 0;
}

static int add_f64(cv_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return add_64(out, bits);
}

static int add_f32(cv_buf *out, double value)
{
    float near = (float)value;
    uint32_t bits;
    if (isinf(near) && !isinf(value))
        return CV_E_RANGE;
    memcpy(&bits, &near, sizeof bits);
    return add_32(out, bits);
}

static int add_small(cv_buf *out, const void *bytes, size_t len)
{
    char *at = cv_buf_reserve(out, 4 + len);
    if (!at)
        return CV_E_NOMEM;
    put_u32(at, (uint32_t)len);
    memcpy(at + 4, bytes, len);
    cv_buf_commit(out, 4 + len);
    return 0;
}

static int add_int2(cv_buf *out, int64_t number)
{
    uint16_t big = htobe16((uint16_t)number);
    return number < INT16_MIN || number > INT16_MAX ? CV_E_RANGE : add_small(out, &big, sizeof big);
}

static int add_numeric(cv_buf *out, cv_decimal value)
{
    char numeric[CV__PG_NUMERIC_BYTES];
    return add_small(out, numeric, cv__pg_encode_numeric(value, numeric));
}

static int add_packed(cv_buf *out, const cv_value *value)
{
    size_t at = out->len;
    cv_buf_add(out, "\0\0\0", 4);
    CV_TRY(cv__pg_encode_packed(out, *value));
    if (out->error)
        return out->error;
    put_u32(out->data + at, (uint32_t)(out->len - at - 4));
    return 0;
}

/* Larger than a chunk: sent from where it is. */
static int send_long(cv_ctx *cx, pg_copy_in *c, const char *data, size_t len)
{
    CV_TRY(send_chunk(cx, c));
    return send_bytes(cx, c, data, len);
}

/* What has no fixed length; whether a text is one, the server looks at. A code of its own, or, with a story, of
 * sending: `*ret_told`. */
static int add_long(cv_ctx *cx, pg_copy_in *c, cv_bytes bytes, bool is_jsonb, bool *ret_told)
{
    cv_buf *out = &c->chunk;
    if (bytes.len > INT32_MAX / 2)
        return CV_E_LIMIT;
    size_t head = 4 + (size_t)is_jsonb, here = bytes.len <= CHUNK_BYTES ? bytes.len : 0;
    char *at = cv_buf_reserve(out, head + here + 1);
    if (!at)
        return CV_E_NOMEM;
    put_u32(at, (uint32_t)(bytes.len + is_jsonb));
    at[4] = 1; /* the version of jsonb */
    if (here > 0)
        memcpy(at + head, bytes.ptr, here);
    cv_buf_commit(out, head + here);
    if (bytes.len <= CHUNK_BYTES)
        return 0;
    *ret_told = true;
    return send_long(cx, c, (const char *)bytes.ptr, bytes.len);
}

static inline int add_int4(cv_buf *out, int64_t number)
{
    return number < INT32_MIN || number > INT32_MAX ? CV_E_RANGE : add_32(out, (uint32_t)number);
}

static inline int add_value(cv_ctx *cx, pg_copy_in *c, cv__pg_form form, const cv_value *value, bool *ret_told)
{
    cv_buf *out = &c->chunk;
    switch (form) {
    case CV__PG_AS_BOOL:
        return add_small(out, &value->as.boolean, 1);
    case CV__PG_AS_INT2:
        return add_int2(out, value->as.i64);
    case CV__PG_AS_INT4:
        return add_int4(out, value->as.i64);
    case CV__PG_AS_INT8:
        return add_64(out, (uint64_t)value->as.i64);
    case CV__PG_AS_OID:
        return value->as.i64 < 0 || value->as.i64 > UINT32_MAX ? CV_E_RANGE : add_32(out, (uint32_t)value->as.i64);
    case CV__PG_AS_FLOAT4:
        return add_f32(out, value->as.f64);
    case CV__PG_AS_FLOAT8:
        return add_f64(out, value->as.f64);
    case CV__PG_AS_NUMERIC:
        return add_numeric(out, value->as.decimal);
    case CV__PG_AS_CHARS:
    case CV__PG_AS_JSONB:
        return add_long(cx, c, (cv_bytes){(const uint8_t *)value->as.text.ptr, value->as.text.len},
                        form == CV__PG_AS_JSONB, ret_told);
    case CV__PG_AS_BYTES:
        return add_long(cx, c, value->as.bytes, false, ret_told);
    case CV__PG_AS_TIME:
        return add_64(out, (uint64_t)(value->as.time.us - CV__PG_EPOCH_US));
    case CV__PG_AS_DATE:
        return add_32(out, (uint32_t)(value->as.date.days - CV__PG_EPOCH_DAYS));
    case CV__PG_AS_UUID:
        return add_small(out, value->as.uuid.bytes, sizeof value->as.uuid.bytes);
    case CV__PG_AS_PACKED:
        return add_packed(out, value);
    case CV__PG_AS_TEXT:
        break;
    }
    return CV_E_INTERNAL;
}

static int fail_column(pg_copy_in *c, size_t column, int code, bool told)
{
    if (!told)
        c->head.column = (int)column;
    return code;
}

/* The value is in the chunk. */
static inline void count_value(pg_copy_in *c, size_t column, const cv_value *value)
{
    c->head.bytes += (int64_t)cv__copy_value_bytes(value);
    if (value->type == CV_TYPE_I64 && value->as.i64 > c->greatest[column])
        c->greatest[column] = value->as.i64;
}

static int add_binary_row(cv_ctx *cx, pg_copy_in *c, const cv_value *values)
{
    size_t count = c->head.target->count;
    add_u16(&c->chunk, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        bool told = false;
        int rc =
            values[i].type == CV_TYPE_NULL ? add_null(&c->chunk) : add_value(cx, c, c->forms[i], &values[i], &told);
        if (__builtin_expect(rc < 0, 0))
            return fail_column(c, i, rc, told);
        count_value(c, i, &values[i]);
    }
    return 0;
}

static int add_text_row(pg_copy_in *c, const cv_value *values)
{
    cv_arena_rewind(c->arena, c->no_text);
    for (size_t i = 0; i < c->head.target->count; i++) {
        cv_buf_add_text(&c->chunk, i ? "\t" : "");
        int rc = cv__pg_add_copy_text(&c->chunk, c->arena, &values[i]);
        if (rc < 0)
            return fail_column(c, i, rc, false);
        count_value(c, i, &values[i]);
    }
    cv_buf_add_char(&c->chunk, '\n');
    return 0;
}

static int row(cv_ctx *cx, cv__copy_in *head, const cv_value *values)
{
    pg_copy_in *c = copy_of(head);
    c->rows++;
    CV_TRY(c->forms ? add_binary_row(cx, c, values) : add_text_row(c, values));
    return c->chunk.len < CHUNK_BYTES && !c->chunk.error ? 0 : send_chunk(cx, c);
}

/* ---- the end ---- */

static int end(cv_ctx *cx, cv__copy_in *head)
{
    pg_copy_in *c = copy_of(head);
    if (c->forms)
        add_u16(&c->chunk, UINT16_MAX);
    CV_TRY(send_chunk(cx, c));
    CV_TRY(cv__wait_check(cx, "copy"));
    CV_TRY(send_end(cx, c, NULL));
    CV_TRY(read_answer(cx, c));
    return cv__pg_copy_pass_sequences(cx, c->pg.conn, head->target, c->greatest);
}

/* The server is told that it fails; when that does not help in time, the wait for it cancels the statement. */
static void give_up(cv_ctx *cx, pg_copy_in *c)
{
    cv_error *first = cv_error_take(cx);
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        CV_WITHIN(cx, GIVE_UP_MS)
        {
            if (drain(cx, &c->pg) < 0 && !c->is_over)
                c->pg.conn->base.broken = true;
        }
    }
    if (!first)
        cv_error_clear(cx);
    cv_error_put_back(cx, first);
}

static void done(cv_ctx *cx, cv__copy_in *head)
{
    pg_copy_in *c = copy_of(head);
    cv__pg_conn *conn = c->pg.conn;
    if (!c->is_over && !conn->base.broken)
        give_up(cx, c);
    if (conn->pg)
        PQsetNoticeReceiver(conn->pg, c->receiver, NULL);
    conn->copy = NULL;
    free_copy(&c->pg);
}

const cv__copy_driver cv__copy_postgres = {.describe = describe, .begin = begin, .row = row, .end = end, .done = done};
