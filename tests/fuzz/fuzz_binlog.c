/* Whatever a server of MariaDB sends as its binary log: no crash, and what is read of it holds together: views lie
 * within the event, names are there, each value is of its column's type and can be read to its end, rows come to an
 * end.
 *
 * The input is events, each behind its length in two bytes, as far as the input goes. Two types that no server sends
 * stand for what comes from elsewhere: descriptions of the columns of the tables that follow, and a position. */
#include "db/mariadb/changes/position.h"
#include "db/mariadb/changes/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DESCRIPTIONS = 254, POSITION = 255 }; /* types of events */
enum { MOST_DESCRIBED = 64, MOST_COLUMNS = 256, MOST_ROWS = 1000, ARENA_BYTES = 1 << 24 };

typedef struct reader {
    cv_arena *arena; /* of all events */
    cv__binlog_description described[MOST_DESCRIBED];
    size_t described_count;
    cv__binlog_table *table; /* of the last map */
    uint64_t table_id;
} reader;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void must_lie_in(const cv__binlog_event *event, const void *at, size_t len)
{
    const uint8_t *bytes = at;
    must(len == 0 || (bytes >= event->body && len <= event->len && bytes + len <= event->body + event->len));
}

/* ---- what stands for something else ---- */

/* Texts that end with a zero: name, type, whole type, character set; a byte with two flags. */
static char *take_text(reader *r, cv__bytes_in *in)
{
    const uint8_t *end = in->bad ? NULL : memchr(in->at, 0, (size_t)(in->end - in->at));
    if (!end) {
        in->bad = true;
        return NULL;
    }
    char *text = cv_arena_strdup(r->arena, (const char *)in->at);
    in->at = end + 1;
    return text;
}

static void take_descriptions(reader *r, const cv__binlog_event *event)
{
    cv__bytes_in in = {.at = event->body, .end = event->body + event->len};
    r->described_count = 0;
    while (r->described_count < MOST_DESCRIBED) {
        cv__binlog_description *d = &r->described[r->described_count];
        d->name = take_text(r, &in);
        d->data_type = take_text(r, &in);
        d->column_type = take_text(r, &in);
        d->charset = take_text(r, &in);
        uint64_t flags = cv__bytes_little(&in, 1);
        if (in.bad || !d->name || !d->data_type)
            return;
        d->key = flags & 1;
        d->json = flags & 2;
        r->described_count++;
    }
}

static void take_position(reader *r, const cv__binlog_event *event)
{
    cv__binlog_position position, again;
    char out[CV__BINLOG_POSITION_BYTES];
    char *text = cv_arena_strndup(r->arena, (const char *)event->body, event->len);
    if (!text || !cv__binlog_position_parse(text, &position))
        return;
    must(cv__binlog_position_format(&position, out) == strlen(out));
    must(cv__binlog_position_parse(out, &again) && cv__binlog_position_compare(&position, &again) == 0);
}

/* ---- events ---- */

static void take_begin(const cv__binlog_event *event)
{
    cv__binlog_begin begin;
    cv__binlog_position position = {0};
    char text[CV__GTID_TEXT_BYTES];
    if (!cv__binlog_begin_read(event, &begin))
        return;
    must_lie_in(event, begin.xid.ptr, begin.xid.len);
    must(cv__gtid_format(begin.gtid, text) < sizeof text);
    must(cv__binlog_position_pass(&position, begin.gtid) && position.count == 1);
}

static void take_query(reader *r, const cv__binlog_event *event)
{
    cv__binlog_query query;
    const char *schema, *table;
    if (!cv__binlog_query_read(event, &query))
        return;
    must_lie_in(event, query.database.ptr, query.database.len);
    must_lie_in(event, query.sql.ptr, query.sql.len);
    (void)cv__binlog_statement(r->arena, &query, &schema, &table);
    must(!table || schema);
    must(!schema || strlen(schema) <= event->len);
    must(!table || strlen(table) <= event->len);
}

static void check_table(const cv__binlog_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        must(table->told[i].name != NULL);
        for (size_t j = 0; j < table->columns[i].member_count; j++)
            must(table->columns[i].members[j] != NULL);
    }
}

static void take_map(reader *r, const cv__binlog_event *event)
{
    cv__binlog_map map;
    if (!cv__binlog_map_read(event, &map))
        return;
    must_lie_in(event, map.database.ptr, map.database.len);
    must_lie_in(event, map.table.ptr, map.table.len);
    must_lie_in(event, map.types, map.column_count);
    cv__binlog_table_unref(r->table);
    r->table_id = map.table_id;
    r->table = cv__binlog_table_new(&map, r->described, r->described_count);
    if (r->table)
        check_table(r->table);
}

static bool fits(const cv_change_column *told, cv_value value)
{
    if (value.type == CV_TYPE_NULL || value.type == told->type)
        return true;
    return told->type == CV_TYPE_BOOL ? value.type == CV_TYPE_I64
                                      : told->type == CV_TYPE_I64 && value.type == CV_TYPE_DECIMAL;
}

static void check_value(const cv_change_column *told, cv_value value, bool given)
{
    cv_buf out;
    must(fits(told, value) && (given || value.type == CV_TYPE_NULL));
    cv_buf_init(&out, 0);
    cv_value_describe(&out, value);
    must(!out.error);
    cv_buf_done(&out);
    must(value.type == CV_TYPE_F64 || cv_value_equal(value, value)); /* reads all of it */
}

static int take_half(reader *r, cv__bytes_in *in, const uint8_t *present)
{
    cv_value values[MOST_COLUMNS];
    bool given[MOST_COLUMNS], complete = true, all = true;
    size_t column = 0;
    int rc = cv__binlog_row(r->table, in, present, r->arena, values, given, &complete, &column);
    for (size_t i = 0; rc == 0 && i < r->table->column_count; i++) {
        check_value(&r->table->told[i], values[i], given[i]);
        all = all && given[i];
    }
    must(rc < 0 ? column < r->table->column_count || !r->table->column_count : complete == all);
    return rc;
}

static void take_rows(reader *r, const cv__binlog_event *event)
{
    cv__binlog_rows rows;
    cv_arena_mark empty = cv_arena_save(r->arena);
    if (!cv__binlog_rows_read(event, &rows) || !r->table || rows.table_id != r->table_id ||
        rows.column_count != r->table->column_count || rows.column_count > MOST_COLUMNS)
        return;
    while (!rows.rows.bad && rows.rows.at < rows.rows.end) {
        const uint8_t *before = rows.rows.at;
        if (take_half(r, &rows.rows, rows.present) < 0 ||
            (rows.kind == CV_CHANGE_UPDATE && take_half(r, &rows.rows, rows.present_after) < 0))
            break;
        must(rows.rows.at > before);
        cv_arena_rewind(r->arena, empty);
    }
}

static void take_event(reader *r, const uint8_t *bytes, size_t len)
{
    cv__binlog_event event;
    if (!cv__binlog_event_read(bytes, len, &event))
        return;
    must(event.body + event.len == bytes + len);
    switch (event.type) {
    case DESCRIPTIONS:
        take_descriptions(r, &event);
        break;
    case POSITION:
        take_position(r, &event);
        break;
    case CV__BINLOG_GTID:
        take_begin(&event);
        break;
    case CV__BINLOG_QUERY:
        take_query(r, &event);
        break;
    case CV__BINLOG_TABLE_MAP:
        take_map(r, &event);
        break;
    default:
        take_rows(r, &event);
    }
}

/* A copy of exactly its size, so that a read beyond its end is seen. */
static void take_copy(reader *r, const uint8_t *at, size_t len)
{
    uint8_t *bytes = malloc(len ? len : 1);
    must(bytes != NULL);
    memcpy(bytes, at, len);
    take_event(r, bytes, len);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader r = {.arena = cv_arena_new(ARENA_BYTES)};
    const uint8_t *end = data + size;
    must(r.arena != NULL);
    while (end - data >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        len = len < (size_t)(end - data) ? len : (size_t)(end - data);
        take_copy(&r, data, len);
        data += len;
    }
    cv__binlog_table_unref(r.table);
    cv_arena_free(r.arena);
    return 0;
}
