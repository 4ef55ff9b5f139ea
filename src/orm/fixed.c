/* The statements that a model always needs: by primary key, and of whole rows. Rendered once for each dialect. */
#include "orm/render.h"

typedef struct fixed {
    cv_arena *arena;
    const cv__dialect *dialect;
    const cv__model_info *model;
    cv_buf out;
    cv__columns list; /* of the rows that come back */
} fixed;

static const cv__expr *by_key(fixed *f, size_t param)
{
    return cv__expr_compare(f->arena, CV__EXACT, cv__expr_column(f->arena, 0, f->model->primary_key->column),
                            cv__expr_param(f->arena, param));
}

static int render_get(fixed *f)
{
    const cv__table table = {.name = f->model->model->table, .alias = "t0"};
    cv__select select = {.tables = &table, .table_count = 1, .where = by_key(f, 1)};
    CV_TRY(cv__columns_init(&f->list, f->arena, f->model->field_count, 1));
    CV_TRY(cv__columns_add(&f->list, f->model, 0, 0, 0));
    select.columns = f->list.exprs;
    select.column_count = f->list.column_count;
    if (!select.where)
        return CV_E_NOMEM;
    cv__render_select(&f->out, f->dialect, &select);
    return 0;
}

static int render_delete(fixed *f)
{
    const cv__table table = {.name = f->model->model->table};
    const cv__expr *where = by_key(f, 1);
    if (!where)
        return CV_E_NOMEM;
    cv__render_delete(&f->out, f->dialect, &table, where);
    return 0;
}

/* Without a field to change, the key is set to itself: the statement still tells whether the row is there. */
static int render_update(fixed *f, const cv_fields *set)
{
    const cv__table table = {.name = f->model->model->table};
    const char *columns[257];
    size_t count = 0;
    for (size_t i = 0; i < f->model->field_count; i++)
        if (!f->model->fields[i].primary_key && (!set || cv_fields_has(set, i)))
            columns[count++] = f->model->fields[i].column;
    if (!count)
        columns[count++] = f->model->primary_key->column;
    const cv__update_statement update = {
        .table = &table, .columns = columns, .column_count = count, .first_param = 1, .where = by_key(f, count + 1)};
    if (!update.where)
        return CV_E_NOMEM;
    cv__render_update(&f->out, f->dialect, &update);
    return 0;
}

/* Whether the result of the statement tells what keys the rows got. */
static bool key_is_told(const cv__dialect *dialect, const cv__insert_statement *insert)
{
    return dialect->made_keys == CV__KEYS_IN_SEQUENCE ||
           (dialect->made_keys == CV__KEYS_FIRST_TOLD && insert->row_count == 1 && !insert->row_source);
}

static int render_insert(fixed *f, bool new_key, size_t size)
{
    const char *columns[256];
    const cv__field_info *key = f->model->primary_key;
    cv__insert_statement insert = {.table = f->model->model->table, .columns = columns, .row_count = (size_t)1 << size};
    if (size == CV__INSERT_ANY)
        insert.row_source = f->dialect->row_source;
    for (size_t i = 0; i < f->model->field_count; i++)
        if (!new_key || !f->model->fields[i].primary_key)
            columns[insert.column_count++] = f->model->fields[i].column;
    if (new_key && !key_is_told(f->dialect, &insert)) {
        CV_TRY(cv__columns_init(&f->list, f->arena, 1, 0));
        f->list.types[0] = key->type;
        f->list.column_count = 1;
        insert.returning = key->column;
    }
    cv__render_insert(&f->out, f->dialect, &insert);
    return 0;
}

static int render_fixed(fixed *f, cv__fixed which)
{
    switch (which) {
    case CV__GET:
        return render_get(f);
    case CV__UPDATE:
        return render_update(f, NULL);
    case CV__DELETE:
        return render_delete(f);
    default:
        return which >= CV__INSERT_NEW_KEY ? render_insert(f, true, which - CV__INSERT_NEW_KEY)
                                           : render_insert(f, false, which - CV__INSERT_OWN_KEY);
    }
}

/* `set` NULL: the fixed statement; else an UPDATE of these fields. */
static cv__shape *make(cv_ctx *cx, cv__shapes *shapes, const cv__model_info *model, cv__fixed which,
                       const cv_fields *set, cv_str key)
{
    cv__shape *shape = NULL;
    fixed f = {.arena = cv_ctx_arena(cx), .dialect = shapes->dialect, .model = model};
    cv_buf_init(&f.out, 0);
    CV_SCOPE(cx)
    {
        int rc = set ? render_update(&f, set) : render_fixed(&f, which);
        if (rc < 0 || (rc = f.out.error) < 0) {
            (void)cv_fail(cx, rc, "could not render a statement: %s", cv_error_text(rc));
            break;
        }
        const cv__shape_draft draft = {
            .key = key,
            .sql = cv_buf_str(&f.out),
            .columns = f.list.types,
            .plan = {f.list.columns, f.list.column_count, f.list.objects, f.list.object_count}};
        shape = cv__shape_pack(cx, &draft);
    }
    cv_buf_done(&f.out);
    return shape;
}

cv__shape *cv__fixed_need(cv_ctx *cx, cv__shapes *shapes, cv__model_info *model, cv__fixed which, size_t size)
{
    size_t at = (size_t)which + size;
    cv__shape **slot = &shapes->fixed[model->number][at];
    if (!*slot)
        *slot = make(cx, shapes, model, (cv__fixed)at, NULL, (cv_str){NULL, 0});
    return *slot;
}

cv__shape *cv__update_need(cv_ctx *cx, cv__shapes *shapes, cv__model_info *model, const cv_fields *set)
{
    struct {
        char mark[4];
        uint32_t model;
        cv_fields set;
    } key = {{'u', 'p', 'd', 0}, (uint32_t)model->number, *set};
    const cv_str view = {(const char *)&key, sizeof key};
    cv__shape *shape = cv__shapes_find(shapes, view);
    if (shape)
        return shape;
    shape = make(cx, shapes, model, CV__UPDATE, set, view);
    if (shape)
        cv__shapes_keep(shapes, shape);
    return shape;
}
