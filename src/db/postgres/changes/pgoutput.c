/* Messages of the plugin "pgoutput", as events.
 *
 * A transaction comes whole, after its commit: Begin, then rows, each table described (Relation) before its first row
 * on a connection and whenever it has changed, then Commit. */
#include "db/postgres/changes/pgoutput_tables.h"
#include "db/postgres/values.h"

#include "db/postgres/types.h"
#include <stdlib.h>

#define ROW_BYTES ((size_t)1 << 30)

typedef struct row {
    cv_value *values;
    bool *given;
    bool complete; /* all are given */
} row;

struct cv__pgoutput {
    cv__pgoutput_tables tables;
    bool in_transaction, has_events;
    uint64_t end;
    cv_time committed_at;
    char transaction_id[16];
    cv_arena *values; /* of one event */
    cv_arena_mark no_values;
    row before, after;
    size_t room; /* columns that the rows have room for */
    uint32_t *truncated;
    size_t truncated_count, truncated_next;
};

cv__pgoutput *cv__pgoutput_new(void)
{
    cv__pgoutput *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    int rc = cv__pgoutput_tables_init(&o->tables);
    o->values = cv_arena_new(ROW_BYTES);
    if (rc < 0 || !o->values) {
        cv__pgoutput_free(o);
        return NULL;
    }
    o->no_values = cv_arena_save(o->values);
    return o;
}

void cv__pgoutput_forget_types(cv__pgoutput *o)
{
    cv__pgoutput_tables_forget_types(&o->tables);
}

void cv__pgoutput_free(cv__pgoutput *o)
{
    if (!o)
        return;
    cv__pgoutput_tables_done(&o->tables);
    cv_arena_free(o->values);
    free(o->before.values);
    free(o->before.given);
    free(o->after.values);
    free(o->after.given);
    free(o->truncated);
    free(o);
}

void cv__pgoutput_use_text(cv__pgoutput *o)
{
    o->tables.text = true;
}

bool cv__pgoutput_uses_text(const cv__pgoutput *o)
{
    return o->tables.text;
}

int cv__pgoutput_add_type(cv__pgoutput *o, Oid type, Oid base, const char *name)
{
    return cv__pgoutput_tables_add_type(&o->tables, type, base, name, true);
}

void cv__pgoutput_restart(cv__pgoutput *o)
{
    o->in_transaction = o->has_events = false;
    o->truncated_count = 0;
}

bool cv__pgoutput_in_transaction(const cv__pgoutput *o)
{
    return o->in_transaction;
}

uint64_t cv__pgoutput_end(const cv__pgoutput *o)
{
    return o->end;
}

static int fail_message(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_CORRUPT, "PostgreSQL sent a message of the change stream that cannot be understood");
}

/* --- events of tables --- */

static cv_change describe_event(const cv__pgoutput *o, const cv__pgoutput_table *rel, cv_change_kind kind)
{
    return (cv_change){.kind = kind,
                       .schema = rel->schema,
                       .table = rel->table,
                       .columns = rel->columns,
                       .column_count = rel->count,
                       .committed_at = o->committed_at,
                       .transaction_id = o->transaction_id};
}

static int read_relation(cv_ctx *cx, cv__pgoutput *o, const cv_changes *changes, cv__pgoutput_input *in,
                         cv_change *ret_change)
{
    const cv__pgoutput_table *rel;
    bool changed;
    int rc = cv__pgoutput_tables_read(&o->tables, changes, in, &rel, &changed);
    if (rc < 0)
        return rc == CV_E_CORRUPT ? fail_message(cx) : cv_fail(cx, CV_E_NOMEM, "no memory for the columns of a table");
    if (!changed || !rel->wanted)
        return CV__PGOUTPUT_NOTHING;
    *ret_change = describe_event(o, rel, CV_CHANGE_SCHEMA);
    return CV__PGOUTPUT_EVENT;
}

/* --- rows --- */

static int make_room(cv__pgoutput *o, size_t count)
{
    if (count <= o->room)
        return 0;
    row *const rows[] = {&o->before, &o->after};
    for (size_t i = 0; i < 2; i++) {
        free(rows[i]->values);
        free(rows[i]->given);
        rows[i]->values = calloc(count, sizeof *rows[i]->values);
        rows[i]->given = calloc(count, sizeof *rows[i]->given);
    }
    o->room = o->before.values && o->before.given && o->after.values && o->after.given ? count : 0;
    return o->room ? 0 : CV_E_NOMEM;
}

static int fail_value(cv_ctx *cx, const cv__pgoutput_table *rel, size_t column, int code)
{
    if (code == CV_E_NOMEM)
        return cv_fail(cx, code, "no memory for a changed row");
    code = code == CV_E_RANGE || code == CV_E_INVALID || code == CV_E_UNSUPPORTED ? CV_E_RANGE : CV_E_TYPE;
    return cv_fail(cx, code, "cannot read column \"%s\" of \"%s.%s\": %s", rel->columns[column].name, rel->schema,
                   rel->table, cv_error_text(code));
}

static int read_value(cv__pgoutput *o, const cv__pgoutput_reader *reader, char format, cv_str cell, cv_value *ret_value)
{
    if (format == 't')
        return cv__pgoutput_from_text(o->values, reader->base, cell, ret_value);
    return reader->decode ? reader->decode(o->values, (cv__pg_cell){cell.ptr, (int)cell.len}, ret_value) : CV_E_TYPE;
}

/* Values that were not written anew, since they lie apart from the row (TOAST), are not told. */
static int read_row(cv_ctx *cx, cv__pgoutput *o, const cv__pgoutput_table *rel, cv__pgoutput_input *in, row *ret_row)
{
    size_t count = cv__take_u16(in);
    if (count != rel->count)
        return fail_message(cx);
    ret_row->complete = true;
    for (size_t i = 0; i < count; i++) {
        char format = (char)cv__take_u8(in);
        ret_row->values[i].type = CV_TYPE_NULL;
        ret_row->given[i] = format != 'u';
        ret_row->complete &= format != 'u';
        if (format == 'n' || format == 'u')
            continue;
        size_t len = cv__take_u32(in);
        const char *data = len <= (size_t)(in->end - in->at) ? cv__take(in, len) : NULL;
        if (in->bad || !data || (format != 't' && format != 'b'))
            return fail_message(cx);
        int rc = read_value(o, &rel->readers[i], format, cv_str_make(data, len), &ret_row->values[i]);
        if (rc < 0)
            return fail_value(cx, rel, i, rc);
    }
    return in->bad ? fail_message(cx) : 0;
}

/* Of a row before the change the server tells all, or what identifies it: then the rest is NULL, and not told. */
static void keep_keys_only(const cv__pgoutput_table *rel, row *before)
{
    before->complete = false;
    for (size_t i = 0; i < rel->count; i++) {
        before->given[i] = before->given[i] && rel->columns[i].key;
        if (!before->given[i])
            before->values[i] = CV_NULL;
    }
}

static int read_row_before(cv_ctx *cx, cv__pgoutput *o, const cv__pgoutput_table *rel, cv__pgoutput_input *in,
                           char kind)
{
    CV_TRY(read_row(cx, o, rel, in, &o->before));
    if (kind == 'K')
        keep_keys_only(rel, &o->before);
    return 0;
}

/* An update that tells nothing of the row before has left what identifies it as it was. */
static void take_keys_from_after(const cv__pgoutput_table *rel, row *before, const row *after)
{
    memcpy(before->values, after->values, rel->count * sizeof *before->values);
    memcpy(before->given, after->given, rel->count * sizeof *before->given);
    keep_keys_only(rel, before);
}

/* What was not written anew is known when the row before is told as a whole. */
static void fill_from_before(const cv__pgoutput_table *rel, const row *before, row *after)
{
    after->complete = true;
    for (size_t i = 0; i < rel->count; i++) {
        if (!after->given[i] && before->given[i]) {
            after->values[i] = before->values[i];
            after->given[i] = true;
        }
        after->complete &= after->given[i];
    }
}

static void add_before(cv_change *event, const row *before)
{
    event->old_values = before->values;
    event->old_given = before->complete ? NULL : before->given;
    event->complete = event->complete && before->complete;
}

static void add_after(cv_change *event, const row *after)
{
    event->new_values = after->values;
    event->new_given = after->complete ? NULL : after->given;
    event->complete = event->complete && after->complete;
}

/* The head of a message about a row; NULL: not wanted, or `*ret_rc`. */
static const cv__pgoutput_table *begin_row(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, int *ret_rc)
{
    const cv__pgoutput_table *rel = cv__pgoutput_tables_find(&o->tables, cv__take_u32(in));
    *ret_rc = rel ? 0 : fail_message(cx);
    if (!rel || !rel->wanted)
        return NULL;
    cv_arena_rewind(o->values, o->no_values);
    if (make_room(o, rel->count + 1) < 0) {
        *ret_rc = cv_fail(cx, CV_E_NOMEM, "no memory for a changed row");
        return NULL;
    }
    return rel;
}

static int read_insert(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, cv_change *ret_change)
{
    int rc;
    const cv__pgoutput_table *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    if (cv__take_u8(in) != 'N')
        return fail_message(cx);
    CV_TRY(read_row(cx, o, rel, in, &o->after));
    *ret_change = describe_event(o, rel, CV_CHANGE_INSERT);
    ret_change->complete = true;
    add_after(ret_change, &o->after);
    return CV__PGOUTPUT_EVENT;
}

static int read_update(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, cv_change *ret_change)
{
    int rc;
    const cv__pgoutput_table *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    char kind = (char)cv__take_u8(in);
    bool told = kind == 'K' || kind == 'O';
    if (told) {
        CV_TRY(read_row_before(cx, o, rel, in, kind));
        kind = (char)cv__take_u8(in);
    }
    if (kind != 'N')
        return fail_message(cx);
    CV_TRY(read_row(cx, o, rel, in, &o->after));
    if (!told)
        take_keys_from_after(rel, &o->before, &o->after);
    fill_from_before(rel, &o->before, &o->after);
    *ret_change = describe_event(o, rel, CV_CHANGE_UPDATE);
    ret_change->complete = true;
    add_before(ret_change, &o->before);
    add_after(ret_change, &o->after);
    return CV__PGOUTPUT_EVENT;
}

static int read_delete(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, cv_change *ret_change)
{
    int rc;
    const cv__pgoutput_table *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    char kind = (char)cv__take_u8(in);
    if (kind != 'K' && kind != 'O')
        return fail_message(cx);
    CV_TRY(read_row_before(cx, o, rel, in, kind));
    *ret_change = describe_event(o, rel, CV_CHANGE_DELETE);
    ret_change->complete = true;
    add_before(ret_change, &o->before);
    return CV__PGOUTPUT_EVENT;
}

int cv__pgoutput_more(cv__pgoutput *o, cv_change *ret_change)
{
    while (o->truncated_next < o->truncated_count) {
        const cv__pgoutput_table *rel = cv__pgoutput_tables_find(&o->tables, o->truncated[o->truncated_next++]);
        if (!rel || !rel->wanted)
            continue;
        *ret_change = describe_event(o, rel, CV_CHANGE_TRUNCATE);
        ret_change->complete = true;
        o->has_events = true;
        return CV__PGOUTPUT_EVENT;
    }
    o->truncated_count = 0;
    return CV__PGOUTPUT_NOTHING;
}

static int read_truncate(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, cv_change *ret_change)
{
    size_t count = cv__take_u32(in);
    (void)cv__take_u8(in); /* CASCADE, RESTART IDENTITY */
    if (count > (size_t)(in->end - in->at) / sizeof(uint32_t))
        return fail_message(cx);
    uint32_t *ids = realloc(o->truncated, (count + 1) * sizeof *ids);
    if (!ids)
        return cv_fail(cx, CV_E_NOMEM, "no memory for an event");
    o->truncated = ids;
    o->truncated_count = count;
    o->truncated_next = 0;
    for (size_t i = 0; i < count; i++)
        ids[i] = cv__take_u32(in);
    return cv__pgoutput_more(o, ret_change);
}

/* --- transactions --- */

static cv_time take_time(cv__pgoutput_input *in)
{
    return (cv_time){(int64_t)cv__take_u64(in) + CV__PG_EPOCH_US};
}

static int read_begin(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in)
{
    (void)cv__take_u64(in); /* where its commit is */
    o->committed_at = take_time(in);
    snprintf(o->transaction_id, sizeof o->transaction_id, "%u", cv__take_u32(in));
    o->in_transaction = true;
    o->has_events = false;
    return in->bad ? fail_message(cx) : CV__PGOUTPUT_NOTHING;
}

static int read_commit(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in, cv_change *ret_change)
{
    (void)cv__take_u8(in);
    (void)cv__take_u64(in);
    uint64_t end = cv__take_u64(in);
    o->committed_at = take_time(in);
    if (in->bad)
        return fail_message(cx);
    o->end = end;
    o->in_transaction = false;
    if (!o->has_events)
        return CV__PGOUTPUT_NOTHING;
    *ret_change = (cv_change){.kind = CV_CHANGE_COMMIT,
                              .complete = true,
                              .committed_at = o->committed_at,
                              .transaction_id = o->transaction_id};
    return CV__PGOUTPUT_EVENT;
}

/* The name of a type of the database's own, for a table that is described next. */
static int read_type(cv_ctx *cx, cv__pgoutput *o, cv__pgoutput_input *in)
{
    uint32_t id = cv__take_u32(in);
    const char *schema = cv__take_text(in), *name = cv__take_text(in);
    (void)schema;
    if (in->bad)
        return fail_message(cx);
    if (cv__pgoutput_tables_add_type(&o->tables, id, 0, name, false) < 0)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a type");
    return CV__PGOUTPUT_NOTHING;
}

static int read_message(cv_ctx *cx, cv__pgoutput *o, const cv_changes *changes, cv__pgoutput_input *in,
                        cv_change *ret_change)
{
    switch (cv__take_u8(in)) {
    case 'B':
        return read_begin(cx, o, in);
    case 'C':
        return read_commit(cx, o, in, ret_change);
    case 'R':
        return read_relation(cx, o, changes, in, ret_change);
    case 'Y':
        return read_type(cx, o, in);
    case 'I':
        return read_insert(cx, o, in, ret_change);
    case 'U':
        return read_update(cx, o, in, ret_change);
    case 'D':
        return read_delete(cx, o, in, ret_change);
    case 'T':
        return read_truncate(cx, o, in, ret_change);
    case 'O': /* where a replicated transaction comes from */
    case 'M': /* a message of pg_logical_emit_message */
        return CV__PGOUTPUT_NOTHING;
    default:
        return fail_message(cx);
    }
}

int cv__pgoutput_read(cv_ctx *cx, cv__pgoutput *o, const cv_changes *changes, cv_str message, cv_change *ret_change)
{
    cv__pgoutput_input in = {.at = message.ptr, .end = message.ptr + message.len};
    int rc = read_message(cx, o, changes, &in, ret_change);
    if (rc == CV__PGOUTPUT_EVENT)
        o->has_events = true;
    return rc;
}
