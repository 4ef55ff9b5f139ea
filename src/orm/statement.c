#include "orm/statement.h"
#include "orm/render.h"

/* Results of at most so many rows may come on a connection that others share. */
enum { QUICK_ROWS = 100 };

/* The slice as it is run: how many at most (-1: all), and after how many. */
typedef struct slice {
    int64_t limit, offset;
    size_t limit_param, offset_param;
} slice;

static slice slice_of(const cv_query *q, const cv__run_options *options)
{
    slice s = {.limit = q->limit, .offset = q->offset > 0 ? q->offset : -1};
    size_t next = q->param_count + options->field_count + 1;
    if (options->limit >= 0 && (s.limit < 0 || options->limit < s.limit))
        s.limit = options->limit;
    if (s.offset >= 0 && s.limit < 0) /* engines know no offset without a limit */
        s.limit = INT64_MAX;
    if (s.limit >= 0)
        s.limit_param = next++;
    if (s.offset >= 0)
        s.offset_param = next;
    return s;
}

/* ---- the key of the whole statement ---- */

static void add_key(cv_buf *key, const cv_query *q, const cv__run_options *options, const slice *s)
{
    bool loads = options->purpose == CV__LOAD;
    uint32_t conditions = (uint32_t)q->key.len;
    uint16_t model = (uint16_t)q->model->number;
    const uint8_t head[] = {(uint8_t)options->purpose, loads ? (uint8_t)q->order_count : 0,
                            loads ? (uint8_t)q->related_count : 0,
                            (uint8_t)((s->limit_param != 0) | (s->offset_param != 0) << 1 | options->by_key << 2)};
    cv_buf_add(key, head, sizeof head);
    cv_buf_add(key, &model, sizeof model);
    cv_buf_add(key, &conditions, sizeof conditions);
    cv_buf_add_str(key, cv_buf_str(&q->key));
    for (size_t i = 0; loads && i < q->order_count; i++) {
        const cv__query_order *order = &q->orders[i];
        const uint8_t entry[] = {(uint8_t)order->table, (uint8_t)order->field->index, order->descending};
        cv_buf_add(key, entry, sizeof entry);
    }
    if (loads)
        cv_buf_add(key, q->related, q->related_count);
    for (size_t i = 0; i < options->field_count; i++)
        cv_buf_add_char(key, (char)options->fields[i]->index);
}

/* ---- values ---- */

int cv__store(cv_ctx *cx, const cv__dialect *dialect, const cv__field_info *field, cv_value value, cv_value *ret_stored)
{
    int rc = dialect->store(cv_ctx_arena(cx), value, &field->type, ret_stored);
    if (rc < 0)
        return cv_fail(cx, rc, "the value of the field \"%s\" of model \"%s\" cannot be stored: %s", field->name,
                       field->model->model->name, cv_error_text(rc));
    return 0;
}

static int store_param(cv_ctx *cx, const cv__dialect *dialect, const cv__query_param *param, cv_value *ret_stored)
{
    int rc = param->lookup == CV__EXACT
                 ? dialect->store(cv_ctx_arena(cx), param->value, param->type, ret_stored)
                 : dialect->lookup_value(cv_ctx_arena(cx), param->lookup, param->value.as.text, ret_stored);
    return rc < 0 ? cv_fail(cx, rc, "a value of the query cannot be used: %s", cv_error_text(rc)) : 0;
}

static int bind(cv__run *run, const cv_query *q, const cv__run_options *options, const slice *s)
{
    cv_value *next = run->params + q->param_count + options->field_count;
    /* An UPDATE names the new values before its conditions. */
    cv_value *fields = run->params + (run->dialect->positional ? 0 : q->param_count);
    cv_value *conditions = run->params + (run->dialect->positional ? options->field_count : 0);
    for (size_t i = 0; i < q->param_count; i++)
        CV_TRY(store_param(run->cx, run->dialect, &q->params[i], &conditions[i]));
    for (size_t i = 0; i < options->field_count; i++)
        CV_TRY(cv__store(run->cx, run->dialect, options->fields[i], options->values[i], &fields[i]));
    if (s->limit_param)
        *next++ = cv_value_i64(s->limit);
    if (s->offset_param)
        *next++ = cv_value_i64(s->offset);
    return 0;
}

static int check_param_count(cv_ctx *cx, const cv__dialect *dialect, size_t count)
{
    if (count <= dialect->max_params)
        return 0;
    int rc = cv_fail(cx, CV_E_LIMIT, "the query has %zu values; %s takes at most %zu in one statement", count,
                     dialect->name, dialect->max_params);
    cv_error_hint(cx, "load the objects in several queries, or keep the list in a table and filter by a relation");
    return rc;
}

/* ---- runs ---- */

static int take_shape(cv__run *run, const cv_query *q, const cv__run_options *options, const slice *s)
{
    cv_ctx *cx = run->cx;
    cv__shapes *shapes = cv__shapes_of(cx, q->model->registry, run->dialect);
    cv_buf key;
    if (!shapes)
        return CV_E_NOMEM;
    cv_buf_init_arena(&key, cv_ctx_arena(cx), 0);
    add_key(&key, q, options, s);
    if (key.error)
        return cv_fail(cx, key.error, "could not run a query: %s", cv_error_text(key.error));
    bool kept = run->param_count <= CV__QUERY_CACHED_PARAMS;
    run->shape = kept ? cv__shapes_find(shapes, cv_buf_str(&key)) : NULL;
    if (run->shape)
        return 0;
    run->shape = cv__render_query(cx, q, run->dialect, options, cv_buf_str(&key), s->limit_param, s->offset_param);
    if (!run->shape)
        return CV_E_NOMEM;
    run->shape->uncached = !kept;
    if (kept)
        cv__shapes_keep(shapes, run->shape);
    return 0;
}

static int check_query(cv_ctx *cx, cv_query *q, const cv__run_options *options)
{
    CV_TRY(cv__query_check(cx, q));
    if (q->depth)
        return cv_fail(cx, CV_E_STATE, "the query has a group that was not ended");
    if (options->purpose == CV__LOAD && !q->order_count && q->model->ordering)
        cv_order_by_names(q, q->model->ordering);
    return cv__query_check(cx, q);
}

/* By what it asks for: the engine may still have to look at many rows to find a few. Whoever comes behind one that
 * takes long goes elsewhere. */
static bool is_quick(const cv__run_options *options, const slice *s)
{
    bool few = s->limit >= 0 && s->limit <= QUICK_ROWS;
    return options->purpose == CV__EXISTS || (options->purpose == CV__LOAD && few);
}

int cv__run_prepare(cv_ctx *cx, cv_query *q, const cv__run_options *options, cv__run *ret_run)
{
    CV_TRY(check_query(cx, q, options));
    cv_db *db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    const slice s = slice_of(q, options);
    cv__run run = {.cx = cx, .db = db, .dialect = cv__db_dialect(db)};
    run.quick = is_quick(options, &s);
    run.param_count = q->param_count + options->field_count + (s.limit_param != 0) + (s.offset_param != 0);
    CV_TRY(check_param_count(cx, run.dialect, run.param_count));
    run.params = cv_alloc(cx, (run.param_count + 1) * sizeof *run.params);
    if (!run.params)
        return CV_E_NOMEM;
    CV_TRY(bind(&run, q, options, &s));
    CV_TRY(take_shape(&run, q, options, &s));
    *ret_run = run;
    return 0;
}

void cv__run_done(cv__run *run)
{
    cv__shape_unref(run->shape);
    run->shape = NULL;
}

cv__statement cv__run_statement(const cv__run *run)
{
    const cv__shape *shape = run->shape;
    return (cv__statement){.sql = shape->sql,
                           .hash = shape->hash,
                           .params = run->params,
                           .param_count = run->param_count,
                           .columns = shape->columns,
                           .column_count = shape->plan.column_count,
                           .quick = run->quick,
                           .uncached = shape->uncached};
}

int cv_query_sql(cv_ctx *cx, cv_query *q, cv_str *ret_sql)
{
    cv__run run;
    CV_TRY(cv__run_prepare(cx, q, &(cv__run_options){.purpose = CV__LOAD, .limit = -1}, &run));
    char *copy = cv_strndup(cx, run.shape->sql.ptr, run.shape->sql.len);
    *ret_sql = cv_str_make(copy, copy ? run.shape->sql.len : 0);
    cv__run_done(&run);
    return copy ? 0 : CV_E_NOMEM;
}
