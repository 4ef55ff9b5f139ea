/* From trees to text. One rule for safety: what comes from a model's names is an identifier and is quoted, what comes
 * from values is a placeholder; nothing else is ever put into the text.
 *
 * Long lists of conditions are rendered as trees of parentheses: parsers take "a AND b AND c..." as nesting, and bound
 * its depth. */
#include "sql/expr.h"

#define LIST_WIDTH 16

typedef struct renderer {
    cv_buf *out;
    const cv__dialect *dialect;
    const cv__table *tables;
} renderer;

static void add_expr(renderer *r, const cv__expr *expr);
static void add_select(renderer *r, const cv__select *select);

static void add_name(renderer *r, const char *name)
{
    cv__add_identifier(r->out, cv_str_of(name));
}

static void add_alias(renderer *r, const cv__table *table)
{
    add_name(r, table->alias ? table->alias : table->name);
}

static void add_column(renderer *r, uint32_t table, const char *name)
{
    add_alias(r, &r->tables[table]);
    cv_buf_add_char(r->out, '.');
    add_name(r, name);
}

static void add_param(renderer *r, size_t param)
{
    r->dialect->add_placeholder(r->out, param);
}

/* ---- conditions ---- */

/* `count` children from `*child` on, joined by the word; `*child` moves behind them. */
static void add_children(renderer *r, const cv__expr **child, size_t count, const char *word)
{
    size_t width = 1; /* children under each of at most LIST_WIDTH parts */
    while (width * LIST_WIDTH < count)
        width *= LIST_WIDTH;
    for (size_t done = 0; done < count; done += width) {
        if (done)
            cv_buf_add_text(r->out, word);
        size_t part = count - done < width ? count - done : width;
        if (part == 1) {
            add_expr(r, *child);
            *child = (*child)->next;
            continue;
        }
        cv_buf_add_char(r->out, '(');
        add_children(r, child, part, word);
        cv_buf_add_char(r->out, ')');
    }
}

/* Lists inside other expressions stand in parentheses; one child stands for itself. */
static void add_list(renderer *r, const cv__expr *list)
{
    const cv__expr *child = list->first;
    if (!child) {
        cv_buf_add_text(r->out, list->kind == CV__EXPR_AND ? "1 = 1" : "1 = 0");
        return;
    }
    if (list->count == 1) {
        add_expr(r, child);
        return;
    }
    cv_buf_add_char(r->out, '(');
    add_children(r, &child, list->count, list->kind == CV__EXPR_AND ? " AND " : " OR ");
    cv_buf_add_char(r->out, ')');
}

static const char *operator_of(cv__lookup lookup)
{
    switch (lookup) {
    case CV__GT:
        return " > ";
    case CV__GTE:
        return " >= ";
    case CV__LT:
        return " < ";
    case CV__LTE:
        return " <= ";
    default:
        return " = ";
    }
}

static void add_in(renderer *r, const cv__expr *expr)
{
    if (!expr->count) {
        cv_buf_add_text(r->out, "1 = 0");
        return;
    }
    add_expr(r, expr->left);
    cv_buf_add_text(r->out, " IN (");
    for (size_t i = 0; i < expr->count; i++) {
        if (i)
            cv_buf_add_text(r->out, ", ");
        add_param(r, expr->param + i);
    }
    cv_buf_add_char(r->out, ')');
}

static void add_text_lookup(renderer *r, const cv__expr *expr)
{
    cv_buf left, *out = r->out;
    cv_buf_init(&left, 0);
    r->out = &left;
    add_expr(r, expr->left);
    r->out = out;
    if (left.error && !out->error)
        out->error = left.error;
    r->dialect->add_text_lookup(out, expr->lookup, cv_buf_str(&left), expr->param);
    cv_buf_done(&left);
}

static void add_subquery(renderer *r, const cv__select *select)
{
    renderer inner = *r;
    cv_buf_add_char(r->out, '(');
    add_select(&inner, select);
    cv_buf_add_char(r->out, ')');
}

static void add_expr(renderer *r, const cv__expr *expr)
{
    switch (expr->kind) {
    case CV__EXPR_COLUMN:
        add_column(r, expr->table, expr->name);
        break;
    case CV__EXPR_PARAM:
        add_param(r, expr->param);
        break;
    case CV__EXPR_AND:
    case CV__EXPR_OR:
        add_list(r, expr);
        break;
    case CV__EXPR_NOT:
        cv_buf_add_text(r->out, "NOT (");
        add_expr(r, expr->left);
        cv_buf_add_char(r->out, ')');
        break;
    case CV__EXPR_COMPARE:
        add_expr(r, expr->left);
        cv_buf_add_text(r->out, operator_of(expr->lookup));
        add_expr(r, expr->right);
        break;
    case CV__EXPR_IN:
        add_in(r, expr);
        break;
    case CV__EXPR_RANGE:
        add_expr(r, expr->left);
        cv_buf_add_text(r->out, " BETWEEN ");
        add_param(r, expr->param);
        cv_buf_add_text(r->out, " AND ");
        add_param(r, expr->param + 1);
        break;
    case CV__EXPR_NULL:
    case CV__EXPR_NOT_NULL:
        add_expr(r, expr->left);
        cv_buf_add_text(r->out, expr->kind == CV__EXPR_NULL ? " IS NULL" : " IS NOT NULL");
        break;
    case CV__EXPR_TEXT:
        add_text_lookup(r, expr);
        break;
    case CV__EXPR_EXISTS:
        cv_buf_add_text(r->out, "EXISTS ");
        add_subquery(r, expr->select);
        break;
    case CV__EXPR_IN_SELECT:
        add_expr(r, expr->left);
        cv_buf_add_text(r->out, " IN ");
        add_subquery(r, expr->select);
        break;
    case CV__EXPR_COUNT:
        cv_buf_add_text(r->out, "COUNT(*)");
        break;
    case CV__EXPR_ONE:
        cv_buf_add_char(r->out, '1');
        break;
    }
}

/* The outermost list needs no parentheses. */
static void add_where(renderer *r, const cv__expr *where)
{
    if (!where || (where->kind == CV__EXPR_AND && !where->first))
        return;
    cv_buf_add_text(r->out, " WHERE ");
    if (where->kind == CV__EXPR_AND) {
        const cv__expr *child = where->first;
        add_children(r, &child, where->count, " AND ");
        return;
    }
    add_expr(r, where);
}

/* ---- statements ---- */

static void add_join(renderer *r, const cv__table *table)
{
    cv_buf_add_text(r->out, table->join == CV__JOIN_LEFT ? " LEFT JOIN " : " INNER JOIN ");
    add_name(r, table->name);
    if (table->alias) {
        cv_buf_add_text(r->out, " AS ");
        add_name(r, table->alias);
    }
    cv_buf_add_text(r->out, " ON ");
    add_alias(r, table);
    cv_buf_add_char(r->out, '.');
    add_name(r, table->column);
    cv_buf_add_text(r->out, " = ");
    add_column(r, table->parent, table->parent_column);
}

/* The first table and those that are joined to it. */
static void add_tables(renderer *r, const cv__table *tables, size_t count)
{
    add_name(r, tables[0].name);
    if (tables[0].alias) {
        cv_buf_add_text(r->out, " AS ");
        add_name(r, tables[0].alias);
    }
    for (size_t i = 1; i < count; i++)
        if (!tables[i].skipped)
            add_join(r, &tables[i]);
}

static void add_from(renderer *r, const cv__select *select)
{
    if (select->from) {
        cv_buf_add_text(r->out, " FROM ");
        add_subquery(r, select->from);
        cv_buf_add_text(r->out, " AS \"s\"");
        return;
    }
    if (!select->table_count)
        return;
    cv_buf_add_text(r->out, " FROM ");
    add_tables(r, select->tables, select->table_count);
}

/* Engines disagree on where NULLs go; said explicitly, they agree. */
static void add_order(renderer *r, const cv__order *order)
{
    const char *direction = order->descending ? " DESC" : "";
    if (order->nullable && r->dialect->nulls_first) {
        add_expr(r, order->expr);
        cv_buf_printf(r->out, " IS NULL%s, ", direction);
    }
    add_expr(r, order->expr);
    cv_buf_add_text(r->out, direction);
    if (order->nullable && !r->dialect->nulls_first)
        cv_buf_add_text(r->out, order->descending ? " NULLS FIRST" : " NULLS LAST");
}

static void add_orders(renderer *r, const cv__select *select)
{
    for (size_t i = 0; i < select->order_count; i++) {
        cv_buf_add_text(r->out, i ? ", " : " ORDER BY ");
        add_order(r, &select->orders[i]);
    }
}

static void add_select(renderer *r, const cv__select *select)
{
    r->tables = select->tables;
    cv_buf_add_text(r->out, "SELECT ");
    for (size_t i = 0; i < select->column_count; i++) {
        if (i)
            cv_buf_add_text(r->out, ", ");
        add_expr(r, select->columns[i]);
    }
    add_from(r, select);
    add_where(r, select->where);
    add_orders(r, select);
    if (select->limit_param) {
        cv_buf_add_text(r->out, " LIMIT ");
        add_param(r, select->limit_param);
    }
    if (select->offset_param) {
        cv_buf_add_text(r->out, " OFFSET ");
        add_param(r, select->offset_param);
    }
}

void cv__render_select(cv_buf *out, const cv__dialect *dialect, const cv__select *select)
{
    renderer r = {.out = out, .dialect = dialect};
    add_select(&r, select);
}

static void add_row(renderer *r, size_t first_param, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cv_buf_add_text(r->out, i ? ", " : "(");
        add_param(r, first_param + i);
    }
    cv_buf_add_char(r->out, ')');
}

static void add_rows(renderer *r, const cv__insert_statement *insert)
{
    if (!insert->column_count) {
        cv_buf_add_text(r->out, r->dialect->row_of_defaults);
        return;
    }
    cv_buf_add_text(r->out, ") VALUES ");
    for (size_t row = 0; row < insert->row_count; row++) {
        if (row)
            cv_buf_add_text(r->out, ", ");
        add_row(r, row * insert->column_count + 1, insert->column_count);
    }
}

static void add_row_source(renderer *r, const cv__insert_statement *insert)
{
    cv_buf_add_text(r->out, ") SELECT ");
    for (size_t i = 0; i < insert->column_count; i++)
        cv_buf_printf(r->out, i ? ", c%zu" : "c%zu", i);
    cv_buf_add_text(r->out, " FROM ");
    add_name(r, insert->row_source);
}

void cv__render_insert(cv_buf *out, const cv__dialect *dialect, const cv__insert_statement *insert)
{
    renderer r = {.out = out, .dialect = dialect};
    cv_buf_add_text(out, "INSERT INTO ");
    add_name(&r, insert->table);
    for (size_t i = 0; i < insert->column_count; i++) {
        cv_buf_add_text(out, i ? ", " : " (");
        add_name(&r, insert->columns[i]);
    }
    if (insert->row_source)
        add_row_source(&r, insert);
    else
        add_rows(&r, insert);
    if (insert->returning) {
        cv_buf_add_text(out, " RETURNING ");
        add_name(&r, insert->returning);
    }
}

void cv__render_update(cv_buf *out, const cv__dialect *dialect, const cv__update_statement *update)
{
    renderer r = {.out = out, .dialect = dialect, .tables = update->table};
    cv_buf_add_text(out, "UPDATE ");
    add_tables(&r, update->table, update->table_count);
    for (size_t i = 0; i < update->column_count; i++) {
        cv_buf_add_text(out, i ? ", " : " SET ");
        if (update->table_count)
            add_column(&r, 0, update->columns[i]);
        else
            add_name(&r, update->columns[i]);
        cv_buf_add_text(out, " = ");
        add_param(&r, update->first_param + i);
    }
    add_where(&r, update->where);
}

void cv__render_delete(cv_buf *out, const cv__dialect *dialect, const cv__table *table, const cv__expr *where)
{
    renderer r = {.out = out, .dialect = dialect, .tables = table};
    cv_buf_add_text(out, "DELETE FROM ");
    add_name(&r, table->name);
    add_where(&r, where);
}

void cv__render_delete_joined(cv_buf *out, const cv__dialect *dialect, const cv__table *tables, size_t table_count,
                              const cv__expr *where)
{
    renderer r = {.out = out, .dialect = dialect, .tables = tables};
    cv_buf_add_text(out, "DELETE ");
    add_alias(&r, &tables[0]);
    cv_buf_add_text(out, " FROM ");
    add_tables(&r, tables, table_count);
    add_where(&r, where);
}
