#include "orm/render.h"

#define TABLES (CV__QUERY_TABLES + 1)

typedef struct builder {
    cv_ctx *cx;
    cv_arena *arena;
    const cv_query *q;
    const cv__dialect *dialect;
    const cv__run_options *options;
    cv__table tables[TABLES];
    cv__select select;
    cv__columns list;
} builder;

/* ---- columns ---- */

int cv__columns_init(cv__columns *list, cv_arena *arena, size_t columns, size_t objects)
{
    *list = (cv__columns){.arena = arena, .capacity = columns};
    list->exprs = cv_arena_alloc(arena, (columns + 1) * sizeof *list->exprs);
    list->types = cv_arena_zalloc(arena, columns + 1, sizeof *list->types);
    list->columns = cv_arena_zalloc(arena, columns + 1, sizeof *list->columns);
    list->objects = cv_arena_zalloc(arena, objects + 1, sizeof *list->objects);
    return list->exprs && list->types && list->columns && list->objects ? 0 : CV_E_NOMEM;
}

int cv__columns_add(cv__columns *list, const cv__model_info *model, uint32_t table, uint32_t parent,
                    size_t pointer_offset)
{
    size_t first = list->column_count;
    for (size_t i = 0; i < model->field_count; i++) {
        const cv__field_info *field = &model->fields[i];
        size_t at = list->column_count++;
        list->exprs[at] = cv__expr_column(list->arena, table, field->column);
        if (!list->exprs[at])
            return CV_E_NOMEM;
        list->types[at] = field->type;
        list->columns[at] = (cv__plan_column){.offset = (uint32_t)field->field->offset,
                                              .member = (uint8_t)field->field->member,
                                              .null = field->null,
                                              .field = field};
    }
    list->objects[list->object_count++] = (cv__plan_object){.model = model,
                                                            .parent = parent,
                                                            .pointer_offset = pointer_offset,
                                                            .first_column = first,
                                                            .column_count = model->field_count,
                                                            .key_column = first + model->primary_key->index};
    return 0;
}

static int add_one_column(builder *b, const cv__expr *expr, cv_type type)
{
    CV_TRY(cv__columns_init(&b->list, b->arena, 1, 0));
    b->list.exprs[0] = expr;
    b->list.types[0] = (cv__column_type){.type = type};
    b->list.column_count = 1;
    return expr ? 0 : CV_E_NOMEM;
}

static int add_all_columns(builder *b)
{
    const cv_query *q = b->q;
    size_t columns = q->model->field_count;
    uint32_t object_of[TABLES] = {0};
    for (size_t i = 0; i < q->related_count; i++)
        columns += q->joins[q->related[i] - 1].key->target->field_count;
    CV_TRY(cv__columns_init(&b->list, b->arena, columns, q->related_count + 1));
    CV_TRY(cv__columns_add(&b->list, q->model, 0, 0, 0));
    for (size_t i = 0; i < q->related_count; i++) {
        const cv__query_join *join = &q->joins[q->related[i] - 1];
        object_of[q->related[i]] = (uint32_t)i + 1;
        CV_TRY(cv__columns_add(&b->list, join->key->target, q->related[i], object_of[join->parent],
                               join->key->field->pointer_offset));
    }
    return 0;
}

/* ---- tables and joins ---- */

static uint64_t bit(size_t table)
{
    return UINT64_C(1) << table;
}

static uint64_t with_parents(const cv_query *q, uint64_t tables)
{
    for (size_t i = q->join_count; i > 0; i--)
        if (tables & bit(i))
            tables |= bit(q->joins[i - 1].parent);
    return tables;
}

static bool loads(const builder *b)
{
    return b->options->purpose == CV__LOAD;
}

static uint64_t tables_in_use(const builder *b)
{
    const cv_query *q = b->q;
    uint64_t tables = cv__expr_tables(q->groups[0]);
    for (size_t i = 0; loads(b) && i < q->related_count; i++)
        tables |= bit(q->related[i]);
    for (size_t i = 0; i < b->select.order_count; i++)
        tables |= cv__expr_tables(b->select.orders[i].expr);
    return with_parents(q, tables);
}

/* A relation that may be missing is joined by LEFT JOIN, so that no object is lost; where the conditions rule missing
 * ones out anyway, INNER JOIN gives the same rows and lets the engine choose the order. */
static int add_tables(builder *b)
{
    const cv_query *q = b->q;
    uint64_t used = tables_in_use(b), present = with_parents(q, cv__expr_rejects_null(q->groups[0]));
    for (size_t i = 1; i <= q->join_count; i++) {
        const cv__query_join *join = &q->joins[i - 1];
        const char *alias = cv_arena_printf(b->arena, "t%zu", i);
        if (!alias)
            return CV_E_NOMEM;
        b->tables[i] = (cv__table){.name = join->key->target->model->table,
                                   .alias = alias,
                                   .join = join->nullable && !(present & bit(i)) ? CV__JOIN_LEFT : CV__JOIN_INNER,
                                   .parent = join->parent,
                                   .parent_column = join->key->column,
                                   .column = join->key->target->primary_key->column,
                                   .skipped = !(used & bit(i))};
    }
    b->tables[0] = (cv__table){.name = q->model->model->table, .alias = "t0"};
    b->select.tables = b->tables;
    b->select.table_count = q->join_count + 1;
    return 0;
}

static bool joins_anything(const builder *b)
{
    for (size_t i = 1; i < b->select.table_count; i++)
        if (!b->tables[i].skipped)
            return true;
    return false;
}

/* ---- order ---- */

static int add_orders(builder *b)
{
    const cv_query *q = b->q;
    bool by_key = !q->order_count && b->options->by_key;
    cv__order *orders = cv_arena_zalloc(b->arena, q->order_count + 1, sizeof *orders);
    if (!orders)
        return CV_E_NOMEM;
    for (size_t i = 0; i < q->order_count; i++) {
        const cv__query_order *order = &q->orders[i];
        bool nullable = order->field->null || (order->table && q->joins[order->table - 1].nullable);
        orders[i] =
            (cv__order){cv__expr_column(b->arena, order->table, order->field->column), order->descending, nullable};
        if (!orders[i].expr)
            return CV_E_NOMEM;
    }
    if (by_key) {
        orders[0].expr = cv__expr_column(b->arena, 0, q->model->primary_key->column);
        if (!orders[0].expr)
            return CV_E_NOMEM;
    }
    b->select.orders = orders;
    b->select.order_count = q->order_count + by_key;
    return 0;
}

/* ---- statements ---- */

static void finish_select(builder *b)
{
    b->select.columns = b->list.exprs;
    b->select.column_count = b->list.column_count;
    b->select.where = b->q->groups[0];
}

static int render_load(builder *b, cv_buf *out)
{
    CV_TRY(add_orders(b));
    CV_TRY(add_tables(b));
    CV_TRY(add_all_columns(b));
    finish_select(b);
    cv__render_select(out, b->dialect, &b->select);
    return 0;
}

/* SELECT COUNT(*), of the rows of a slice when there is one. */
static int render_count(builder *b, cv_buf *out)
{
    bool sliced = b->select.limit_param != 0;
    CV_TRY(add_tables(b));
    CV_TRY(add_one_column(b, sliced ? cv__expr_one(b->arena) : cv__expr_count(b->arena), CV_TYPE_I64));
    finish_select(b);
    if (!sliced) {
        cv__render_select(out, b->dialect, &b->select);
        return 0;
    }
    const cv__expr *count = cv__expr_count(b->arena);
    const cv__select outer = {.columns = &count, .column_count = 1, .from = &b->select};
    if (!count)
        return CV_E_NOMEM;
    cv__render_select(out, b->dialect, &outer);
    return 0;
}

static int render_exists(builder *b, cv_buf *out)
{
    CV_TRY(add_tables(b));
    CV_TRY(add_one_column(b, cv__expr_one(b->arena), CV_TYPE_BOOL));
    finish_select(b);
    const cv__expr *exists = cv__expr_exists(b->arena, &b->select);
    const cv__select outer = {.columns = &exists, .column_count = 1};
    if (!exists)
        return CV_E_NOMEM;
    cv__render_select(out, b->dialect, &outer);
    return 0;
}

/* Engines change one table at a time: conditions that cross relations become a subquery of keys. */
static int changed_rows(builder *b, cv__table *table, const cv__expr **ret_where)
{
    const char *key = b->q->model->primary_key->column;
    CV_TRY(add_tables(b));
    *table = (cv__table){.name = b->q->model->model->table};
    if (!joins_anything(b)) {
        *ret_where = b->q->groups[0];
        return 0;
    }
    CV_TRY(add_one_column(b, cv__expr_column(b->arena, 0, key), CV_TYPE_NULL));
    finish_select(b);
    *ret_where = cv__expr_in_select(b->arena, cv__expr_column(b->arena, 0, key), &b->select);
    return *ret_where ? 0 : CV_E_NOMEM;
}

/* Whether the statement itself names the tables that its conditions cross. */
static bool changes_joined(builder *b)
{
    return b->dialect->joined_changes && joins_anything(b);
}

static int render_delete(builder *b, cv_buf *out)
{
    cv__table table;
    const cv__expr *where;
    CV_TRY(changed_rows(b, &table, &where));
    if (changes_joined(b)) {
        b->list.column_count = 0;
        cv__render_delete_joined(out, b->dialect, b->tables, b->select.table_count, b->q->groups[0]);
        return 0;
    }
    b->list.column_count = 0;
    cv__render_delete(out, b->dialect, &table, where);
    return 0;
}

static int render_update(builder *b, cv_buf *out)
{
    cv__table table;
    const cv__expr *where;
    const char *columns[256];
    CV_TRY(changed_rows(b, &table, &where));
    b->list.column_count = 0;
    for (size_t i = 0; i < b->options->field_count; i++)
        columns[i] = b->options->fields[i]->column;
    bool joined = changes_joined(b);
    const cv__update_statement update = {.table = joined ? b->tables : &table,
                                         .table_count = joined ? b->select.table_count : 0,
                                         .columns = columns,
                                         .column_count = b->options->field_count,
                                         .first_param = b->q->param_count + 1,
                                         .where = joined ? b->q->groups[0] : where};
    cv__render_update(out, b->dialect, &update);
    return 0;
}

static int render_purpose(builder *b, cv_buf *out)
{
    switch (b->options->purpose) {
    case CV__COUNT:
        return render_count(b, out);
    case CV__EXISTS:
        return render_exists(b, out);
    case CV__DELETE_ALL:
        return render_delete(b, out);
    case CV__UPDATE_ALL:
        return render_update(b, out);
    default:
        return render_load(b, out);
    }
}

cv__shape *cv__render_query(cv_ctx *cx, const cv_query *q, const cv__dialect *dialect, const cv__run_options *options,
                            cv_str key, size_t limit_param, size_t offset_param)
{
    cv__shape *shape = NULL;
    cv_buf out;
    cv_buf_init(&out, 0);
    CV_SCOPE(cx)
    {
        builder *b = cv_zalloc(cx, 1, sizeof *b);
        if (!b)
            break;
        *b = (builder){.cx = cx, .arena = cv_ctx_arena(cx), .q = q, .dialect = dialect, .options = options};
        b->select.limit_param = limit_param;
        b->select.offset_param = offset_param;
        int rc = render_purpose(b, &out);
        if (rc < 0 || (rc = out.error) < 0) {
            (void)cv_fail(cx, rc, "could not render a query: %s", cv_error_text(rc));
            break;
        }
        const cv__shape_draft draft = {
            .key = key,
            .sql = cv_buf_str(&out),
            .columns = b->list.types,
            .plan = {b->list.columns, b->list.column_count, b->list.objects, b->list.object_count}};
        shape = cv__shape_pack(cx, &draft);
    }
    cv_buf_done(&out);
    return shape;
}
