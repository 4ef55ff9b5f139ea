/* Change streams of MariaDB: the driver's functions. A thread reads the log (feed.c), blocks come through a
 * queue (queue.c), and rows are taken out of them here, one a call. */
#include "db/mariadb/changes/changes.h"

#include "db/mariadb/changes/feed.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROW_BYTES = 1 << 30 };

typedef struct reader {
    cv_changes head;
    cv__binlog_queue *queue;
    cv_link blocks;          /* taken out of the queue, and not yet told */
    cv__binlog_block *block; /* the one that the last event came from */
    char *position, transaction[CV__GTID_TEXT_BYTES];
    bool told; /* something of the present transaction */
    /* of the present block of rows: */
    cv__binlog_rows rows;
    bool in_rows;
    cv_value *old_values, *new_values; /* one block, with what is below */
    bool *old_given, *new_given;
    size_t capacity;
    cv_arena *arena; /* texts of the present row */
    cv_arena_mark empty;
} reader;

static reader *reader_of(cv_changes *changes)
{
    return (reader *)(void *)changes;
}

/* ---- blocks ---- */

static void drop_block(reader *r)
{
    cv__binlog_block_free(r->block);
    r->block = NULL;
    r->in_rows = false;
}

static int next_block(cv_ctx *cx, reader *r)
{
    drop_block(r);
    if (cv_list_is_empty(&r->blocks))
        CV_TRY(cv__binlog_queue_take(cx, r->queue, &r->blocks));
    r->block = cv_list_entry(cv_list_pop_front(&r->blocks), cv__binlog_block, link);
    return 0;
}

static int fail_block(cv_ctx *cx, const cv__binlog_block *block)
{
    int rc = cv_fail(cx, block->code, "%s", block->text);
    if (block->schema && *block->schema)
        cv_error_detail(cx, "%s", block->schema);
    if (block->name && *block->name)
        cv_error_hint(cx, "%s", block->name);
    return rc;
}

static int set_position(cv_ctx *cx, reader *r, const char *text)
{
    char *position = strdup(text);
    if (!position)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    free(r->position);
    r->position = position;
    return 0;
}

/* ---- events ---- */

static cv_change event_of(reader *r, cv_change_kind kind)
{
    const cv__binlog_block *block = r->block;
    const cv__binlog_table *table = block->table;
    cv__gtid_format(block->gtid, r->transaction);
    return (cv_change){.kind = kind,
                       .schema = table ? table->schema : block->schema,
                       .table = table ? table->name : block->name,
                       .columns = table ? table->told : NULL,
                       .column_count = table ? table->column_count : 0,
                       .complete = true,
                       .committed_at = {(int64_t)block->seconds * 1000000},
                       .transaction_id = r->transaction,
                       .position = r->position};
}

static int make_room(cv_ctx *cx, reader *r, size_t count)
{
    if (count <= r->capacity)
        return 0;
    cv_value *values = malloc(count * 2 * (sizeof *values + sizeof(bool)));
    if (!values)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    free(r->old_values);
    r->old_values = values;
    r->new_values = values + count;
    r->old_given = (bool *)(values + 2 * count);
    r->new_given = r->old_given + count;
    r->capacity = count;
    return 0;
}

static int fail_row(cv_ctx *cx, const cv__binlog_table *table, int code, size_t column)
{
    const cv_change_column *told = column < table->column_count ? &table->told[column] : NULL;
    if (code == CV_E_TYPE)
        cv_fail(cx, code, "cannot read the column \"%s\" of \"%s.%s\" from the binary log: its type %d is not known",
                told ? told->name : "?", table->schema, table->name, table->columns[column].code);
    else
        cv_fail(cx, code, "could not read a row of \"%s.%s\" from the binary log: %s", table->schema, table->name,
                code == CV_E_CORRUPT ? "it is malformed" : cv_error_text(code));
    cv_error_place(cx, NULL, table->name, told ? told->name : NULL, NULL);
    return code;
}

static int take_half(cv_ctx *cx, reader *r, const uint8_t *present, cv_value *values, bool *given, bool *complete)
{
    size_t column = 0;
    int rc = cv__binlog_row(r->block->table, &r->rows.rows, present, r->arena, values, given, complete, &column);
    return rc < 0 ? fail_row(cx, r->block->table, rc, column) : 0;
}

static int take_row(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    cv_change event = event_of(r, r->rows.kind);
    cv_arena_rewind(r->arena, r->empty);
    if (event.kind != CV_CHANGE_INSERT) {
        CV_TRY(take_half(cx, r, r->rows.present, r->old_values, r->old_given, &event.complete));
        event.old_values = r->old_values;
        event.old_given = event.complete ? NULL : r->old_given;
    }
    if (event.kind != CV_CHANGE_DELETE) {
        CV_TRY(take_half(cx, r, r->rows.present_after, r->new_values, r->new_given, &event.complete));
        event.new_values = r->new_values;
        event.new_given = event.complete ? NULL : r->new_given;
    }
    if (event.old_values && !event.complete)
        event.old_given = r->old_given;
    r->told = true;
    *ret_change = event;
    return 1;
}

static int begin_rows(cv_ctx *cx, reader *r)
{
    const cv__binlog_table *table = r->block->table;
    if (!cv__changes_wants(&r->head, table->schema, table->name))
        return 0;
    if (!cv__binlog_rows_read(&r->block->event, &r->rows))
        return fail_row(cx, table, CV_E_CORRUPT, table->column_count);
    r->in_rows = true;
    return make_room(cx, r, table->column_count);
}

/* 1: an event is told. */
static int take_statement(reader *r, cv_change *ret_change)
{
    const cv__binlog_block *block = r->block;
    if (!cv__changes_wants(&r->head, block->schema, block->name))
        return 0;
    *ret_change = event_of(r, block->change);
    ret_change->statement = block->text;
    r->told = true;
    return 1;
}

static int take_commit(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    bool told = r->told;
    CV_TRY(set_position(cx, r, r->block->text));
    r->told = false;
    if (!told)
        return 0;
    *ret_change = event_of(r, CV_CHANGE_COMMIT);
    return 1;
}

static int take_block(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    switch (r->block->kind) {
    case CV__BLOCK_ROWS:
        return begin_rows(cx, r);
    case CV__BLOCK_STATEMENT:
        return take_statement(r, ret_change);
    case CV__BLOCK_COMMIT:
        return take_commit(cx, r, ret_change);
    case CV__BLOCK_FAILED:
        return fail_block(cx, r->block);
    case CV__BLOCK_STARTED:
        break;
    }
    return set_position(cx, r, r->block->text);
}

/* ---- the driver's functions ---- */

static int binlog_next(cv_ctx *cx, void *shared, cv_changes *changes, cv_change *ret_change)
{
    (void)shared;
    reader *r = reader_of(changes);
    int rc = 0;
    while (rc == 0) {
        if (r->in_rows && !r->rows.rows.bad && r->rows.rows.at < r->rows.rows.end)
            rc = take_row(cx, r, ret_change);
        else if ((rc = next_block(cx, r)) == 0)
            rc = take_block(cx, r, ret_change);
    }
    return rc < 0 ? rc : 0;
}

static const char *binlog_position(const cv_changes *changes)
{
    return ((const reader *)(const void *)changes)->position;
}

static void binlog_interrupt(cv_changes *changes)
{
    cv__binlog_queue_interrupt(reader_of(changes)->queue, CV_E_CLOSED);
}

static void binlog_close(cv_ctx *cx, cv_changes *changes)
{
    (void)cx;
    reader *r = reader_of(changes);
    cv_link *link;
    if (r->queue)
        cv__binlog_queue_stop(r->queue);
    cv__binlog_queue_unref(r->queue);
    drop_block(r);
    while ((link = cv_list_pop_front(&r->blocks)))
        cv__binlog_block_free(cv_list_entry(link, cv__binlog_block, link));
    free(r->position);
    free(r->old_values);
    cv_arena_free(r->arena);
    free(r);
}

static int start(cv_ctx *cx, cv__my_shared *shared, reader *r, const cv_changes_options *options)
{
    size_t limit = options->queue_bytes ? options->queue_bytes : CV__CHANGES_QUEUE_BYTES;
    CV_TRY(cv__binlog_queue_new(cx, limit / 2, &r->queue)); /* as much again is in our own list */
    const cv__binlog_start begin = {
        .name = options->name, .position = options->position, .heartbeat_ms = options->heartbeat_ms};
    CV_TRY(cv__binlog_feed_start(cx, shared, &begin, r->queue));
    CV_TRY(next_block(cx, r));
    cv_change none;
    return take_block(cx, r, &none);
}

static int binlog_open(cv_ctx *cx, void *shared, const cv_changes_options *options, cv_changes **ret_changes)
{
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    cv_list_init(&r->blocks);
    r->arena = cv_arena_new(MAX_ROW_BYTES);
    int rc =
        r->arena ? start(cx, shared, r, options) : cv_fail(cx, CV_E_NOMEM, "could not read changes: out of memory");
    if (rc < 0) {
        binlog_close(cx, &r->head);
        return rc;
    }
    r->empty = cv_arena_save(r->arena);
    *ret_changes = &r->head;
    return 0;
}

static int binlog_compare(cv_ctx *cx, const char *a, const char *b, int *ret_order)
{
    cv__binlog_position x, y;
    if (!cv__binlog_position_parse(a, &x) || !cv__binlog_position_parse(b, &y)) {
        cv_fail(cx, CV_E_INVALID, "\"%.100s\" is no position of MariaDB", cv__binlog_position_parse(a, &x) ? b : a);
        cv_error_hint(cx, "positions are those that events of this database had, such as \"0-1-100\"");
        return CV_E_INVALID;
    }
    int order = cv__binlog_position_compare(&x, &y);
    if (order == 2)
        return cv_fail(cx, CV_E_INVALID,
                       "the positions \"%.100s\" and \"%.100s\" cannot be compared: each is behind the "
                       "other in some domain",
                       a, b);
    *ret_order = order;
    return 0;
}

const cv__changes_driver cv__changes_mariadb = {
    .open = binlog_open,
    .next = binlog_next,
    .position = binlog_position,
    .interrupt = binlog_interrupt,
    .close = binlog_close,
    .compare = binlog_compare,
};
