/* Messages of the plugin "pgoutput", as events.
 *
 * A transaction comes whole, after its commit: Begin, then rows, each table described (Relation) before its first row
 * on a connection and whenever it has changed, then Commit. The descriptions stay beyond a connection: what comes again
 * and is another is a change of the schema. */
#include "db/postgres/changes/pgoutput.h"
#include "db/postgres/values.h"

#include "db/postgres/types.h"
#include <covet/map.h>
#include <endian.h>
#include <stdlib.h>

enum { MAX_COLUMNS = 1664, SCHEMA_BYTES = 1 << 20 };
#define ROW_BYTES ((size_t)1 << 30)

typedef struct relation {
    cv_arena *arena; /* holds all of it */
    uint32_t id;
    const char *schema, *table;
    cv_change_column *columns;
    cv__pgoutput_reader *readers;
    size_t count;
    char identity; /* 'd'efault, 'n'othing, 'f'ull, 'i'ndex */
    bool wanted;
} relation;

typedef struct own_type {
    Oid base;
    char name[];
} own_type;

typedef struct row {
    cv_value *values;
    bool *given;
    bool complete; /* all are given */
} row;

struct cv__pgoutput {
    cv_map *relations; /* by their numbers */
    relation *last;    /* the one of the row before */
    cv_map *types;     /* those of the database's own, by their numbers */
    bool text;
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

static cv_str key_of(const uint32_t *id)
{
    return cv_str_make((const char *)id, sizeof *id);
}

static void free_relation(relation *rel)
{
    if (rel)
        cv_arena_free(rel->arena);
}

cv__pgoutput *cv__pgoutput_new(void)
{
    cv__pgoutput *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->relations = cv_map_new(0);
    o->types = cv_map_new(0);
    o->values = cv_arena_new(ROW_BYTES);
    if (!o->relations || !o->types || !o->values) {
        cv__pgoutput_free(o);
        return NULL;
    }
    o->no_values = cv_arena_save(o->values);
    return o;
}

void cv__pgoutput_forget_types(cv__pgoutput *o)
{
    size_t position = 0;
    cv_str key;
    void *value;
    while (o->types && cv_map_next(o->types, &position, &key, &value)) {
        (void)cv_map_remove(o->types, key);
        free(value);
    }
}

void cv__pgoutput_free(cv__pgoutput *o)
{
    if (!o)
        return;
    size_t position = 0;
    cv_str key;
    void *value;
    while (o->relations && cv_map_next(o->relations, &position, &key, &value))
        free_relation(value);
    cv_map_free(o->relations);
    cv__pgoutput_forget_types(o);
    cv_map_free(o->types);
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
    o->text = true;
}

bool cv__pgoutput_uses_text(const cv__pgoutput *o)
{
    return o->text;
}

int cv__pgoutput_add_type(cv__pgoutput *o, Oid type, Oid base, const char *name)
{
    uint32_t id = type;
    own_type *own = malloc(sizeof *own + strlen(name) + 1);
    void *old = NULL;
    if (!own)
        return CV_E_NOMEM;
    own->base = base;
    memcpy(own->name, name, strlen(name) + 1);
    int rc = cv_map_set(o->types, key_of(&id), own, &old);
    free(rc < 0 ? own : old);
    return rc;
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

/* --- reading a message: beyond its end there are zeros, and `bad` --- */

typedef struct input {
    const char *at, *end;
    bool bad;
} input;

static const char *take(input *in, size_t len)
{
    static const char zeros[8];
    if ((size_t)(in->end - in->at) < len) {
        in->bad = true;
        in->at = in->end;
        return len <= sizeof zeros ? zeros : NULL;
    }
    in->at += len;
    return in->at - len;
}

static uint8_t take_u8(input *in)
{
    return (uint8_t)*take(in, 1);
}

static uint16_t take_u16(input *in)
{
    uint16_t big;
    memcpy(&big, take(in, sizeof big), sizeof big);
    return be16toh(big);
}

static uint32_t take_u32(input *in)
{
    uint32_t big;
    memcpy(&big, take(in, sizeof big), sizeof big);
    return be32toh(big);
}

static uint64_t take_u64(input *in)
{
    uint64_t big;
    memcpy(&big, take(in, sizeof big), sizeof big);
    return be64toh(big);
}

static const char *take_text(input *in)
{
    const char *end = memchr(in->at, '\0', (size_t)(in->end - in->at));
    if (!end) {
        in->bad = true;
        in->at = in->end;
        return "";
    }
    const char *text = in->at;
    in->at = end + 1;
    return text;
}

static int fail_message(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_CORRUPT, "PostgreSQL sent a message of the change stream that cannot be understood");
}

/* --- tables --- */

static Oid base_of(const cv__pgoutput *o, Oid type)
{
    enum { DEPTH = 32 }; /* domains over domains */
    for (int i = 0; i < DEPTH; i++) {
        uint32_t id = type;
        const own_type *own = cv_map_get(o->types, key_of(&id));
        if (!own || !own->base)
            break;
        type = own->base;
    }
    return type;
}

static const char *name_type(const cv__pgoutput *o, cv_arena *arena, Oid type, int32_t modifier)
{
    uint32_t id = type;
    const own_type *own = cv_map_get(o->types, key_of(&id));
    return own ? cv_arena_strdup(arena, own->name) : cv__pgoutput_type_name(arena, type, modifier);
}

static int take_column(cv__pgoutput *o, input *in, relation *rel, size_t i)
{
    bool key = take_u8(in) & 1;
    const char *name = cv_arena_strdup(rel->arena, take_text(in));
    Oid type = take_u32(in);
    int32_t modifier = (int32_t)take_u32(in);
    Oid base = base_of(o, type);
    rel->readers[i] = (cv__pgoutput_reader){
        .type = type, .base = base, .modifier = modifier, .decode = o->text ? NULL : cv__pg_decoder(base)};
    rel->columns[i] = (cv_change_column){.name = name,
                                         .sql_type = name_type(o, rel->arena, type, modifier),
                                         .type = cv__pgoutput_type(base, o->text),
                                         .key = key};
    return name ? 0 : CV_E_NOMEM;
}

static int take_columns(cv__pgoutput *o, input *in, relation *rel)
{
    rel->identity = (char)take_u8(in);
    rel->count = take_u16(in);
    if (rel->count > MAX_COLUMNS)
        return CV_E_CORRUPT;
    rel->columns = cv_arena_zalloc(rel->arena, rel->count + 1, sizeof *rel->columns);
    rel->readers = cv_arena_zalloc(rel->arena, rel->count + 1, sizeof *rel->readers);
    if (!rel->columns || !rel->readers)
        return CV_E_NOMEM;
    for (size_t i = 0; i < rel->count; i++)
        CV_TRY(take_column(o, in, rel, i));
    return in->bad ? CV_E_CORRUPT : 0;
}

static relation *new_relation(void)
{
    cv_arena *arena = cv_arena_new(SCHEMA_BYTES);
    relation *rel = arena ? cv_arena_zalloc(arena, 1, sizeof *rel) : NULL;
    if (!rel) {
        cv_arena_free(arena);
        return NULL;
    }
    rel->arena = arena;
    return rel;
}

static int take_relation(cv__pgoutput *o, input *in, relation *rel)
{
    rel->id = take_u32(in);
    const char *schema = take_text(in);
    rel->schema = cv_arena_strdup(rel->arena, *schema ? schema : "pg_catalog");
    rel->table = cv_arena_strdup(rel->arena, take_text(in));
    return rel->schema && rel->table ? take_columns(o, in, rel) : CV_E_NOMEM;
}

static bool is_same(const relation *a, const relation *b)
{
    bool same = a->count == b->count && a->identity == b->identity && strcmp(a->schema, b->schema) == 0 &&
                strcmp(a->table, b->table) == 0;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->columns[i].name, b->columns[i].name) == 0 && a->columns[i].key == b->columns[i].key &&
               a->readers[i].type == b->readers[i].type && a->readers[i].modifier == b->readers[i].modifier;
    return same;
}

/* The description from before: of the same number, or, when the table was made anew, of the same name. */
static relation *former_of(cv__pgoutput *o, const relation *rel)
{
    relation *former = cv_map_get(o->relations, key_of(&rel->id));
    size_t position = 0;
    cv_str key;
    void *value;
    while (!former && cv_map_next(o->relations, &position, &key, &value)) {
        relation *other = value;
        if (strcmp(other->schema, rel->schema) == 0 && strcmp(other->table, rel->table) == 0)
            former = other;
    }
    return former;
}

static cv_change describe_event(const cv__pgoutput *o, const relation *rel, cv_change_kind kind)
{
    return (cv_change){.kind = kind,
                       .schema = rel->schema,
                       .table = rel->table,
                       .columns = rel->columns,
                       .column_count = rel->count,
                       .committed_at = o->committed_at,
                       .transaction_id = o->transaction_id};
}

static int keep_relation(cv__pgoutput *o, relation *rel, bool *ret_changed)
{
    relation *former = former_of(o, rel);
    *ret_changed = former && !is_same(former, rel);
    o->last = NULL;
    if (former) {
        (void)cv_map_remove(o->relations, key_of(&former->id));
        free_relation(former);
    }
    return cv_map_set(o->relations, key_of(&rel->id), rel, NULL);
}

static int read_relation(cv_ctx *cx, cv__pgoutput *o, const cv_changes *changes, input *in, cv_change *ret_change)
{
    relation *rel = new_relation();
    bool changed = false;
    int rc = rel ? take_relation(o, in, rel) : CV_E_NOMEM;
    if (rc == 0) {
        rel->wanted = cv__changes_wants(changes, rel->schema, rel->table);
        rc = keep_relation(o, rel, &changed);
    }
    if (rc < 0) {
        free_relation(rel);
        return rc == CV_E_CORRUPT ? fail_message(cx) : cv_fail(cx, CV_E_NOMEM, "no memory for the columns of a table");
    }
    if (!changed || !rel->wanted)
        return CV__PGOUTPUT_NOTHING;
    *ret_change = describe_event(o, rel, CV_CHANGE_SCHEMA);
    return CV__PGOUTPUT_EVENT;
}

static relation *find_relation(cv__pgoutput *o, uint32_t id)
{
    if (!o->last || o->last->id != id)
        o->last = cv_map_get(o->relations, key_of(&id));
    return o->last;
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

static int fail_value(cv_ctx *cx, const relation *rel, size_t column, int code)
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
static int read_row(cv_ctx *cx, cv__pgoutput *o, const relation *rel, input *in, row *ret_row)
{
    size_t count = take_u16(in);
    if (count != rel->count)
        return fail_message(cx);
    ret_row->complete = true;
    for (size_t i = 0; i < count; i++) {
        char format = (char)take_u8(in);
        ret_row->values[i].type = CV_TYPE_NULL;
        ret_row->given[i] = format != 'u';
        ret_row->complete &= format != 'u';
        if (format == 'n' || format == 'u')
            continue;
        size_t len = take_u32(in);
        const char *data = len <= (size_t)(in->end - in->at) ? take(in, len) : NULL;
        if (in->bad || !data || (format != 't' && format != 'b'))
            return fail_message(cx);
        int rc = read_value(o, &rel->readers[i], format, cv_str_make(data, len), &ret_row->values[i]);
        if (rc < 0)
            return fail_value(cx, rel, i, rc);
    }
    return in->bad ? fail_message(cx) : 0;
}

/* Of a row before the change the server tells all, or what identifies it: then the rest is NULL, and not told. */
static void keep_keys_only(const relation *rel, row *before)
{
    before->complete = false;
    for (size_t i = 0; i < rel->count; i++) {
        before->given[i] = before->given[i] && rel->columns[i].key;
        if (!before->given[i])
            before->values[i] = CV_NULL;
    }
}

static int read_row_before(cv_ctx *cx, cv__pgoutput *o, const relation *rel, input *in, char kind)
{
    CV_TRY(read_row(cx, o, rel, in, &o->before));
    if (kind == 'K')
        keep_keys_only(rel, &o->before);
    return 0;
}

/* An update that tells nothing of the row before has left what identifies it as it was. */
static void take_keys_from_after(const relation *rel, row *before, const row *after)
{
    memcpy(before->values, after->values, rel->count * sizeof *before->values);
    memcpy(before->given, after->given, rel->count * sizeof *before->given);
    keep_keys_only(rel, before);
}

/* What was not written anew is known when the row before is told as a whole. */
static void fill_from_before(const relation *rel, const row *before, row *after)
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
static const relation *begin_row(cv_ctx *cx, cv__pgoutput *o, input *in, int *ret_rc)
{
    const relation *rel = find_relation(o, take_u32(in));
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

static int read_insert(cv_ctx *cx, cv__pgoutput *o, input *in, cv_change *ret_change)
{
    int rc;
    const relation *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    if (take_u8(in) != 'N')
        return fail_message(cx);
    CV_TRY(read_row(cx, o, rel, in, &o->after));
    *ret_change = describe_event(o, rel, CV_CHANGE_INSERT);
    ret_change->complete = true;
    add_after(ret_change, &o->after);
    return CV__PGOUTPUT_EVENT;
}

static int read_update(cv_ctx *cx, cv__pgoutput *o, input *in, cv_change *ret_change)
{
    int rc;
    const relation *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    char kind = (char)take_u8(in);
    bool told = kind == 'K' || kind == 'O';
    if (told) {
        CV_TRY(read_row_before(cx, o, rel, in, kind));
        kind = (char)take_u8(in);
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

static int read_delete(cv_ctx *cx, cv__pgoutput *o, input *in, cv_change *ret_change)
{
    int rc;
    const relation *rel = begin_row(cx, o, in, &rc);
    if (!rel)
        return rc;
    char kind = (char)take_u8(in);
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
        const relation *rel = find_relation(o, o->truncated[o->truncated_next++]);
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

static int read_truncate(cv_ctx *cx, cv__pgoutput *o, input *in, cv_change *ret_change)
{
    size_t count = take_u32(in);
    (void)take_u8(in); /* CASCADE, RESTART IDENTITY */
    if (count > (size_t)(in->end - in->at) / sizeof(uint32_t))
        return fail_message(cx);
    uint32_t *ids = realloc(o->truncated, (count + 1) * sizeof *ids);
    if (!ids)
        return cv_fail(cx, CV_E_NOMEM, "no memory for an event");
    o->truncated = ids;
    o->truncated_count = count;
    o->truncated_next = 0;
    for (size_t i = 0; i < count; i++)
        ids[i] = take_u32(in);
    return cv__pgoutput_more(o, ret_change);
}

/* --- transactions --- */

static cv_time take_time(input *in)
{
    return (cv_time){(int64_t)take_u64(in) + CV__PG_EPOCH_US};
}

static int read_begin(cv_ctx *cx, cv__pgoutput *o, input *in)
{
    (void)take_u64(in); /* where its commit is */
    o->committed_at = take_time(in);
    snprintf(o->transaction_id, sizeof o->transaction_id, "%u", take_u32(in));
    o->in_transaction = true;
    o->has_events = false;
    return in->bad ? fail_message(cx) : CV__PGOUTPUT_NOTHING;
}

static int read_commit(cv_ctx *cx, cv__pgoutput *o, input *in, cv_change *ret_change)
{
    (void)take_u8(in);
    (void)take_u64(in);
    uint64_t end = take_u64(in);
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
static int read_type(cv_ctx *cx, cv__pgoutput *o, input *in)
{
    uint32_t id = take_u32(in);
    const char *schema = take_text(in), *name = take_text(in);
    (void)schema;
    if (in->bad)
        return fail_message(cx);
    if (!cv_map_has(o->types, key_of(&id)) && cv__pgoutput_add_type(o, id, 0, name) < 0)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a type");
    return CV__PGOUTPUT_NOTHING;
}

static int read_message(cv_ctx *cx, cv__pgoutput *o, const cv_changes *changes, input *in, cv_change *ret_change)
{
    switch (take_u8(in)) {
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
    input in = {.at = message.ptr, .end = message.ptr + message.len};
    int rc = read_message(cx, o, changes, &in, ret_change);
    if (rc == CV__PGOUTPUT_EVENT)
        o->has_events = true;
    return rc;
}
