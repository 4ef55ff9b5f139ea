/* Bulk into a table: rows from the source, values converted, batches as atomic blocks. The engines' part is below
 * copy.h. */
#include "db/copy/copy.h"

#include "base/arena.h"
#include "base/ctx.h"
#include "db/db.h"
#include <covet/transaction.h>
#include <stdio.h>

/* ---- names ---- */

int cv__copy_quote(cv_ctx *cx, const char *table, cv_str *ret_quoted)
{
    cv_buf quoted;
    cv_str rest = cv_str_of(table), part;
    if (!table || !*table)
        return cv_fail(cx, CV_E_INVALID, "the name of the table is empty");
    cv_buf_init_arena(&quoted, cv_ctx_arena(cx), 0);
    while (cv_str_split(&rest, '.', &part)) {
        cv_buf_add_text(&quoted, quoted.len ? "." : "");
        cv__add_identifier(&quoted, part);
    }
    if (quoted.error)
        return cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory");
    *ret_quoted = cv_buf_str(&quoted);
    return 0;
}

void cv__copy_add_target(cv_buf *out, const cv__copy_target *target)
{
    cv_buf_add_str(out, target->table);
    for (size_t i = 0; i < target->count; i++) {
        cv_buf_add_text(out, i ? ", " : " (");
        cv__add_identifier(out, cv_str_of(target->columns[i].name));
    }
    cv_buf_add_char(out, ')');
}

static int fail_unknown(cv_ctx *cx, const char *table, const cv__copy_column *columns, size_t column_count,
                        const char *name)
{
    const char **names = cv_zalloc(cx, column_count, sizeof *names);
    for (size_t i = 0; names && i < column_count; i++)
        names[i] = columns[i].name;
    const char *nearest = names ? cv_str_nearest(cv_str_of(name), names, column_count) : NULL;
    int rc = cv_fail(cx, CV_E_FIELD, "the table \"%s\" has no column \"%.100s\"", table, name);
    cv_error_place(cx, "42703", table, name, NULL);
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    return rc;
}

static int check_once(cv_ctx *cx, const char *const *names, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(names[i], names[index]) == 0)
            return cv_fail(cx, CV_E_INVALID, "the column \"%.100s\" comes twice", names[index]);
    return 0;
}

int cv__copy_choose(cv_ctx *cx, const char *table, const cv__copy_column *columns, size_t column_count,
                    const char *const *names, size_t count, cv__copy_column *ret_chosen)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        if (!names[i])
            return cv_fail(cx, CV_E_INVALID, "column %zu has no name", i + 1);
        CV_TRY(check_once(cx, names, i));
        while (at < column_count && strcmp(columns[at].name, names[i]) != 0)
            at++;
        if (at == column_count)
            return fail_unknown(cx, table, columns, column_count, names[i]);
        ret_chosen[i] = columns[at];
    }
    return 0;
}

cv_copy_column *cv__copy_tell(cv_ctx *cx, const cv__copy_column *columns, size_t count)
{
    cv_copy_column *told = cv_zalloc(cx, count, sizeof *told);
    for (size_t i = 0; told && i < count; i++) {
        const cv__column_type *type = &columns[i].type;
        bool whole = type->type == CV_TYPE_I64 || type->element == CV_TYPE_I64;
        told[i] = (cv_copy_column){.name = columns[i].name,
                                   .type = type->type,
                                   .element = type->element,
                                   .bits = whole && !type->bits ? 64 : type->bits,
                                   .digits = type->digits,
                                   .places = type->places,
                                   .max_length = type->max_length};
    }
    return told;
}

/* ---- how far ---- */

enum { PROGRESS_ROWS = 10000 };

static void set_next_told(cv__copy_meter *m)
{
    int64_t every = m->options->progress_rows > 0 ? m->options->progress_rows : PROGRESS_ROWS;
    int64_t next = m->options->progress ? m->so_far.rows + every : INT64_MAX;
    m->next_told = m->options->max_rows > 0 && m->options->max_rows < next ? m->options->max_rows + 1 : next;
}

void cv__copy_meter_init(cv__copy_meter *meter, const cv_copy_options *options)
{
    *meter = (cv__copy_meter){.options = options};
    set_next_told(meter);
}

static int tell(cv_ctx *cx, const cv__copy_meter *m)
{
    int rc = m->options->progress ? m->options->progress(cx, m->options->progress_arg, &m->so_far) : 0;
    return rc < 0 ? rc : 0;
}

int cv__copy_meter_end(cv_ctx *cx, cv__copy_meter *m)
{
    bool again = m->has_ended;
    m->has_ended = true;
    return again ? 0 : tell(cx, m);
}

int cv__copy_meter_slow(cv_ctx *cx, cv__copy_meter *m)
{
    const cv_copy_options *options = m->options;
    if (options->max_rows > 0 && m->so_far.rows > options->max_rows)
        return cv_fail(cx, CV_E_LIMIT, "there are more than the %lld rows that are allowed",
                       (long long)options->max_rows);
    if (options->max_bytes > 0 && m->so_far.bytes > options->max_bytes)
        return cv_fail(cx, CV_E_LIMIT, "the values have more than the %lld bytes that are allowed",
                       (long long)options->max_bytes);
    if (m->so_far.rows < m->next_told)
        return 0;
    set_next_told(m);
    return tell(cx, m);
}

/* ---- rows in ---- */

/* How values of a column are made ready. */
typedef struct column_plan {
    cv_type type;    /* those of this type are handed over as they are */
    bool takes_any;  /* and all others */
    bool is_checked; /* not even those of this type */
} column_plan;

typedef struct copying {
    cv_db *db;
    const cv__copy_driver *driver;
    const char *table;
    const cv_copy_source *source;
    cv_copy_options options;
    const char *const *names;
    size_t count;
    cv__copy_target target; /* no columns: they are not known yet */
    column_plan *plans;
    cv_value *converted;
    cv_arena *conversions; /* of one row */
    cv_arena_mark no_conversions;
    cv_arena_mark no_row;   /* of the context's arena: before what the source takes for a row */
    const char *no_row_at;  /* where it ends then */
    const cv_value *values; /* of a row that was not handed over yet, or NULL */
    int64_t taken;          /* rows from the source */
    int64_t begun;          /* of them, before the present batch */
    bool ended;             /* the source has no more */
    cv__copy_in *engine;    /* the batch under way */
    int64_t stored_bytes;
    cv__copy_meter meter;
    cv_copy_result stored;
} copying;

/* The value is as the column wants it, or NULL. */
static inline bool is_ready(const cv_value *value, const column_plan *plan)
{
    return value->type == CV_TYPE_NULL || (!plan->is_checked && (value->type == plan->type || plan->takes_any));
}

static column_plan plan_of(const cv__column_type *type)
{
    bool checked = type->type == CV_TYPE_DECIMAL || type->type == CV_TYPE_ARRAY || type->type == CV_TYPE_RANGE ||
                   (type->type == CV_TYPE_TEXT && type->max_length > 0);
    return (column_plan){.type = type->type, .takes_any = type->type == CV_TYPE_NULL, .is_checked = checked};
}

/* ---- errors with their place ---- */

static const char *place_of(cv_ctx *cx, const copying *c, int64_t row, int column)
{
    const char *place = NULL, *name = c->source->name ? c->source->name : "", *comma = *name ? ", " : "";
    if (row == c->taken && !c->ended && c->source->place)
        place = c->source->place(cx, c->source->arg, column < 0 ? SIZE_MAX : (size_t)column);
    if (!place)
        place = column < 0
                    ? cv_sprintf(cx, "%s%srow %lld", name, comma, (long long)row)
                    : cv_sprintf(cx, "%s%srow %lld, column \"%s\"", name, comma, (long long)row, c->names[column]);
    return place ? place : "a row";
}

static const char *column_type_text(const copying *c, int column, char *out, size_t size)
{
    cv_buf ddl;
    const cv__column_type *type = &c->target.columns[column].type;
    cv_buf_init(&ddl, 0);
    if (type->type != CV_TYPE_NULL)
        c->db->driver->dialect->add_column_type(&ddl, type);
    snprintf(out, size, "%s", ddl.len ? ddl.data : "this column");
    cv_buf_done(&ddl);
    return out;
}

static const char *why(int code)
{
    switch (code) {
    case CV_E_RANGE:
        return "does not fit into";
    case CV_E_SYNTAX:
    case CV_E_TYPE:
        return "is no";
    default:
        return "cannot be stored in";
    }
}

/* A value that the column cannot have: the story of a code that came without one. */
static int fail_value(cv_ctx *cx, const copying *c, int column, int code)
{
    char type[80];
    cv_buf value;
    cv_buf_init(&value, 0);
    cv_value_describe(&value, c->values[column]);
    const char *place = place_of(cx, c, c->taken, column);
    int rc = code == CV_E_NOMEM ? cv_fail(cx, code, "%s: no memory for the value", place)
                                : cv_fail(cx, code, "%s: %s %s %s", place, value.data ? value.data : "the value",
                                          why(code), column_type_text(c, column, type, sizeof type));
    if (code == CV_E_INVALID)
        cv_error_detail(cx, "a text has to be UTF-8%s",
                        c->db->driver->capabilities & CV__CAN(NUL_IN_TEXT) ? "" : ", without NUL bytes");
    cv_error_place(cx, NULL, c->table, c->names[column], NULL);
    cv_buf_done(&value);
    return rc;
}

/* A text of a story, which the next one may cost its memory. */
static const char *keep(cv_ctx *cx, const char *text)
{
    return text ? cv_arena_strdup(cv_ctx_arena(cx), text) : NULL;
}

/* The engine's story, with the row. */
static int fail_row(cv_ctx *cx, const copying *c, int64_t row, int code)
{
    const cv_error *told = cv_error_last(cx);
    if (!told || row <= 0)
        return code;
    int column = CV__COPY_NO_COLUMN;
    for (size_t i = 0; told->column && i < c->count; i++)
        if (strcmp(told->column, c->names[i]) == 0)
            column = (int)i;
    const char *message = keep(cx, told->message), *detail = keep(cx, told->detail), *hint = keep(cx, told->hint),
               *sqlstate = keep(cx, told->sqlstate), *table = keep(cx, told->table),
               *constraint = keep(cx, told->constraint);
    int rc = cv_fail(cx, code, "%s: %s", place_of(cx, c, row, column), message ? message : cv_error_text(code));
    cv_error_place(cx, sqlstate, table ? table : c->table, column < 0 ? NULL : c->names[column], constraint);
    if (detail)
        cv_error_detail(cx, "%s", detail);
    if (hint)
        cv_error_hint(cx, "%s", hint);
    return rc;
}

/* The engine has failed. */
static int fail_engine(cv_ctx *cx, const copying *c, int code)
{
    const cv__copy_in *engine = c->engine;
    if (engine->column >= 0)
        return fail_value(cx, c, engine->column, code);
    return fail_row(cx, c, engine->row > 0 ? c->begun + engine->row : 0, code);
}

/* ---- values ---- */

static int check_length(const cv__column_type *type, cv_value value)
{
    if (type->type != CV_TYPE_TEXT || !type->max_length || value.as.text.len <= type->max_length)
        return 0;
    return cv_utf8_length(value.as.text) <= type->max_length ? 0 : CV_E_RANGE;
}

static int convert(const copying *c, const cv__column_type *type, cv_value value, cv_value *ret_value)
{
    CV_TRY(cv__column_convert(c->conversions, value, type, &value));
    if (value.type == CV_TYPE_DECIMAL || value.type == CV_TYPE_ARRAY || value.type == CV_TYPE_RANGE)
        CV_TRY(c->db->driver->dialect->store(c->conversions, value, type, &value));
    CV_TRY(check_length(type, value));
    *ret_value = value;
    return 0;
}

/* The values as they are handed over: those of the source, when all are ready. */
static int make_ready(cv_ctx *cx, copying *c, const cv_value **ret_values)
{
    size_t i = 0;
    while (i < c->count && is_ready(&c->values[i], &c->plans[i]))
        i++;
    *ret_values = c->values;
    if (i == c->count)
        return 0;
    cv_arena_rewind(c->conversions, c->no_conversions);
    memcpy(c->converted, c->values, i * sizeof *c->converted);
    for (; i < c->count; i++) {
        c->converted[i] = c->values[i];
        if (is_ready(&c->values[i], &c->plans[i]))
            continue;
        int rc = convert(c, &c->target.columns[i].type, c->values[i], &c->converted[i]);
        if (rc < 0)
            return fail_value(cx, c, (int)i, rc);
    }
    *ret_values = c->converted;
    return 0;
}

/* ---- rows ---- */

/* 1 when there is a row, 0 at the end. */
static int need_row(cv_ctx *cx, copying *c)
{
    if (c->values)
        return 1;
    if (c->ended)
        return 0;
    if (cx->arena->at != c->no_row_at)
        cv_arena_rewind(cv_ctx_arena(cx), c->no_row);
    int rc = c->source->next(cx, c->source->arg, &c->values);
    if (rc <= 0) {
        c->values = NULL;
        c->ended = true;
        return rc;
    }
    c->taken++;
    return 1;
}

static int give_row(cv_ctx *cx, copying *c, cv__conn *conn)
{
    const cv_value *values;
    CV_TRY(make_ready(cx, c, &values));
    if (conn->revoked) /* while the source took its time */
        CV_TRY(cv__conn_check(cx, conn));
    int rc = c->driver->row(cx, c->engine, values);
    if (rc < 0)
        return fail_engine(cx, c, rc);
    c->values = NULL;
    c->meter.so_far.rows = c->taken;
    c->meter.so_far.bytes = c->stored_bytes + c->engine->bytes;
    return cv__copy_meter_row(cx, &c->meter);
}

static int fill_batch(cv_ctx *cx, copying *c, cv__conn *conn)
{
    int rc;
    int64_t last = c->options.batch_rows > 0 ? c->begun + c->options.batch_rows : INT64_MAX;
    while ((rc = need_row(cx, c)) > 0) {
        CV_TRY(give_row(cx, c, conn));
        if (c->taken == last)
            return 0;
    }
    return rc;
}

/* ---- batches ---- */

static int find_columns(cv_ctx *cx, copying *c, cv__conn *conn)
{
    cv__copy_column *all, *chosen = cv_zalloc(cx, c->count, sizeof *chosen);
    size_t all_count;
    c->plans = cv_zalloc(cx, c->count, sizeof *c->plans);
    c->converted = cv_zalloc(cx, c->count, sizeof *c->converted);
    if (!chosen || !c->plans || !c->converted)
        return CV_E_NOMEM;
    CV_TRY(c->driver->describe(cx, conn, c->target.table, &all, &all_count));
    CV_TRY(cv__copy_choose(cx, c->table, all, all_count, c->names, c->count, chosen));
    for (size_t i = 0; i < c->count; i++)
        c->plans[i] = plan_of(&chosen[i].type);
    c->target.columns = chosen;
    c->target.count = c->count;
    return 0;
}

static int start_source(cv_ctx *cx, copying *c)
{
    if (c->source->start) {
        const cv_copy_column *told = cv__copy_tell(cx, c->target.columns, c->count);
        if (!told)
            return CV_E_NOMEM;
        CV_TRY(c->source->start(cx, c->source->arg, told, c->count));
    }
    c->no_row = cv_arena_save(cv_ctx_arena(cx));
    c->no_row_at = cx->arena->at;
    return 0;
}

static int run_batch(cv_ctx *cx, copying *c, cv__conn *conn)
{
    if (!c->target.columns) {
        CV_TRY(find_columns(cx, c, conn));
        CV_TRY(start_source(cx, c));
    }
    int rc = need_row(cx, c);
    if (rc <= 0)
        return rc;
    CV_TRY(c->driver->begin(cx, conn, &c->target, &c->engine));
    rc = fill_batch(cx, c, conn);
    if (rc == 0 && c->ended)
        rc = cv__copy_meter_end(cx, &c->meter);
    if (rc == 0) {
        rc = c->driver->end(cx, c->engine);
        if (rc < 0)
            rc = fail_engine(cx, c, rc);
    }
    c->stored_bytes += c->engine->bytes;
    c->driver->done(cx, c->engine);
    c->engine = NULL;
    return rc;
}

static int copy_batch(cv_ctx *cx, copying *c)
{
    CV_ATOMIC(cx)
    {
        struct cv_tx *root = cv__tx_root(cx, c->db);
        CV_TRY(cv__tx_enter(cx, root));
        cv__tx_note_sql(root, c->target.table);
        cv__conn_note_sql(root->conn, c->target.table);
        root->is_copying = true;
        int rc = run_batch(cx, c, root->conn);
        root->is_copying = false;
        cv__tx_work_end(cx, root);
        if (rc < 0)
            cv__tx_note_failure(root);
        CV_TRY(rc);
    }
    return 0;
}

static int copy_batches(cv_ctx *cx, copying *c)
{
    int rc;
    do {
        c->begun = c->values ? c->taken - 1 : c->taken;
        CV_TRY(copy_batch(cx, c));
        c->stored = (cv_copy_result){.rows = c->taken, .bytes = c->stored_bytes};
    } while ((rc = need_row(cx, c)) > 0);
    CV_TRY(rc);
    return cv__copy_meter_end(cx, &c->meter);
}

/* ---- the call ---- */

static int check_arguments(cv_ctx *cx, copying *c)
{
    const cv_copy_options *options = &c->options;
    bool renamed = options->column_count > 0;
    if (!c->driver)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot copy: %s has no bulk here", cv_db_engine(c->db));
    if (c->source->column_count == 0)
        return cv_fail(cx, CV_E_INVALID, "the source has no columns");
    if (renamed && options->column_count != c->source->column_count)
        return cv_fail(cx, CV_E_INVALID, "the source has %zu columns, and there are %zu names for them",
                       c->source->column_count, options->column_count);
    if (options->batch_rows < 0 || options->max_rows < 0 || options->max_bytes < 0 || options->progress_rows < 0)
        return cv_fail(cx, CV_E_INVALID, "a number among the options is negative");
    if (options->batch_rows > 0 && cx->tx) {
        cv_fail(cx, CV_E_IN_TRANSACTION, "cannot commit batches inside an atomic block");
        cv_error_hint(cx, "leave batch_rows out, or copy outside of the block");
        return CV_E_IN_TRANSACTION;
    }
    c->names = renamed ? options->columns : c->source->columns;
    c->count = c->source->column_count;
    return cv__copy_quote(cx, c->table, &c->target.table);
}

static int copy_in(cv_ctx *cx, copying *c)
{
    CV_TRY(cv__wait_check(cx, "copy"));
    CV_TRY(check_arguments(cx, c));
    c->conversions = cv_arena_new(CV__COPY_ROW_BYTES);
    if (!c->conversions)
        return cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory");
    c->no_conversions = cv_arena_save(c->conversions);
    int rc = copy_batches(cx, c);
    cv_arena_free(c->conversions);
    return rc;
}

int cv_copy_in(cv_ctx *cx, const char *table, const cv_copy_source *source, const cv_copy_options *options,
               cv_copy_result *ret_result)
{
    static const cv_copy_options defaults;
    copying c = {.db = cv__db_need(cx), .table = table, .source = source, .options = options ? *options : defaults};
    int rc = CV_E_NO_DATABASE;
    if (c.db) {
        cv__db_ref(c.db);
        c.driver = c.db->driver->copy;
        cv__copy_meter_init(&c.meter, &c.options);
        CV_SCOPE(cx)
        {
            rc = copy_in(cx, &c);
        }
        cv__db_unref(c.db);
    }
    if (ret_result)
        *ret_result = c.stored;
    return rc;
}
