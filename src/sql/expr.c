#include "sql/expr.h"

static cv__expr *make(cv_arena *arena, cv__expr_kind kind)
{
    cv__expr *expr = cv_arena_alloc(arena, sizeof *expr);
    if (expr)
        *expr = (cv__expr){.kind = kind};
    return expr;
}

static cv__expr *make_over(cv_arena *arena, cv__expr_kind kind, const cv__expr *left)
{
    cv__expr *expr = left ? make(arena, kind) : NULL;
    if (expr)
        expr->left = left;
    return expr;
}

const cv__expr *cv__expr_column(cv_arena *arena, uint32_t table, const char *name)
{
    cv__expr *expr = make(arena, CV__EXPR_COLUMN);
    if (expr) {
        expr->table = table;
        expr->name = name;
    }
    return expr;
}

const cv__expr *cv__expr_param(cv_arena *arena, size_t param)
{
    cv__expr *expr = make(arena, CV__EXPR_PARAM);
    if (expr)
        expr->param = param;
    return expr;
}

cv__expr *cv__expr_list(cv_arena *arena, cv__expr_kind kind)
{
    return make(arena, kind);
}

cv__expr *cv__expr_not(cv_arena *arena, const cv__expr *left)
{
    return make_over(arena, CV__EXPR_NOT, left);
}

cv__expr *cv__expr_compare(cv_arena *arena, cv__lookup lookup, const cv__expr *left, const cv__expr *right)
{
    cv__expr *expr = right ? make_over(arena, CV__EXPR_COMPARE, left) : NULL;
    if (expr) {
        expr->lookup = lookup;
        expr->right = right;
    }
    return expr;
}

cv__expr *cv__expr_in(cv_arena *arena, const cv__expr *left, size_t param, size_t count)
{
    cv__expr *expr = make_over(arena, CV__EXPR_IN, left);
    if (expr) {
        expr->param = param;
        expr->count = count;
    }
    return expr;
}

cv__expr *cv__expr_range(cv_arena *arena, const cv__expr *left, size_t param)
{
    cv__expr *expr = make_over(arena, CV__EXPR_RANGE, left);
    if (expr)
        expr->param = param;
    return expr;
}

cv__expr *cv__expr_null(cv_arena *arena, const cv__expr *left, bool null)
{
    return make_over(arena, null ? CV__EXPR_NULL : CV__EXPR_NOT_NULL, left);
}

cv__expr *cv__expr_text(cv_arena *arena, cv__lookup lookup, const cv__expr *left, size_t param)
{
    cv__expr *expr = make_over(arena, CV__EXPR_TEXT, left);
    if (expr) {
        expr->lookup = lookup;
        expr->param = param;
    }
    return expr;
}

cv__expr *cv__expr_exists(cv_arena *arena, const cv__select *select)
{
    cv__expr *expr = make(arena, CV__EXPR_EXISTS);
    if (expr)
        expr->select = select;
    return expr;
}

cv__expr *cv__expr_in_select(cv_arena *arena, const cv__expr *left, const cv__select *select)
{
    cv__expr *expr = make_over(arena, CV__EXPR_IN_SELECT, left);
    if (expr)
        expr->select = select;
    return expr;
}

const cv__expr *cv__expr_count(cv_arena *arena)
{
    return make(arena, CV__EXPR_COUNT);
}

const cv__expr *cv__expr_one(cv_arena *arena)
{
    return make(arena, CV__EXPR_ONE);
}

void cv__expr_add(cv__expr *list, cv__expr *child)
{
    if (list->last)
        list->last->next = child;
    else
        list->first = child;
    list->last = child;
    list->count++;
}

static uint64_t table_bit(const cv__expr *column)
{
    return column->kind == CV__EXPR_COLUMN && column->table < 64 ? UINT64_C(1) << column->table : 0;
}

uint64_t cv__expr_tables(const cv__expr *expr)
{
    if (!expr)
        return 0;
    uint64_t tables = table_bit(expr) | cv__expr_tables(expr->left) | cv__expr_tables(expr->right);
    for (const cv__expr *child = expr->first; child; child = child->next)
        tables |= cv__expr_tables(child);
    return tables;
}

uint64_t cv__expr_rejects_null(const cv__expr *expr)
{
    uint64_t tables = 0;
    if (!expr)
        return 0;
    switch (expr->kind) {
    case CV__EXPR_AND:
        for (const cv__expr *child = expr->first; child; child = child->next)
            tables |= cv__expr_rejects_null(child);
        return tables;
    case CV__EXPR_OR:
        tables = expr->first ? UINT64_MAX : 0;
        for (const cv__expr *child = expr->first; child; child = child->next)
            tables &= cv__expr_rejects_null(child);
        return tables;
    case CV__EXPR_COMPARE:
    case CV__EXPR_IN:
    case CV__EXPR_RANGE:
    case CV__EXPR_NOT_NULL:
    case CV__EXPR_TEXT:
    case CV__EXPR_IN_SELECT:
        return table_bit(expr->left);
    default:
        return 0;
    }
}
