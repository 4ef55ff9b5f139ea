#include "orm/query.h"

static const cv_query without_memory = {.error = CV_E_NOMEM, .message = "could not make a query: out of memory"};

void cv__query_fail(cv_query *q, int code)
{
    if (q->error)
        return;
    const cv_error *error = cv_error_last(q->cx);
    q->error = code;
    if (error && error->message)
        q->message = cv_arena_strdup(cv_ctx_arena(q->cx), error->message);
    if (error && error->hint)
        q->hint = cv_arena_strdup(cv_ctx_arena(q->cx), error->hint);
}

int cv__query_check(cv_ctx *cx, const cv_query *q)
{
    if (!q->error)
        return 0;
    const cv_error *pending = cv_error_last(cx);
    const char *message = q->message ? q->message : cv_error_text(q->error);
    if (pending && pending->code == q->error && strcmp(pending->message, message) == 0)
        return q->error;
    (void)cv_fail(cx, q->error, "%s", message);
    if (q->hint)
        cv_error_hint(cx, "%s", q->hint);
    return q->error;
}

cv_query *cv_query_new(cv_ctx *cx, const cv_model *model)
{
    cv_query *q = cv_alloc(cx, sizeof *q);
    if (!q) /* never written to: every function looks at the error first */
        return (cv_query *)(uintptr_t)&without_memory;
    memset(q, 0, offsetof(cv_query, joins));
    q->cx = cx;
    q->limit = q->offset = -1;
    q->join_count = q->depth = q->negations = q->param_count = q->param_capacity = 0;
    q->order_count = q->related_count = 0;
    q->params = NULL;
    cv_buf_init_arena(&q->key, cv_ctx_arena(cx), 0);
    q->model = cv__model_need(cx, model);
    if (!q->model) {
        cv__query_fail(q, CV_E_MODEL);
        return q;
    }
    q->groups[0] = cv__expr_list(cv_ctx_arena(cx), CV__EXPR_AND);
    if (!q->groups[0])
        cv__query_fail(q, CV_E_NOMEM);
    return q;
}

/* Nodes are not changed once they are complete, so a copy may share them; lists grow and are copied. */
static cv__expr *copy_list(cv_arena *arena, const cv__expr *list)
{
    cv__expr *copy = cv__expr_list(arena, list->kind);
    for (const cv__expr *child = list->first; copy && child; child = child->next) {
        cv__expr *own = cv_arena_alloc(arena, sizeof *own);
        if (!own)
            return NULL;
        *own = *child;
        own->next = NULL;
        cv__expr_add(copy, own);
    }
    return copy;
}

static int copy_parts(cv_ctx *cx, cv_query *copy, const cv_query *q)
{
    cv_arena *arena = cv_ctx_arena(cx);
    copy->cx = cx;
    copy->params = cv_alloc(cx, (q->param_count + 1) * sizeof *copy->params);
    if (!copy->params)
        return CV_E_NOMEM;
    if (q->param_count)
        memcpy(copy->params, q->params, q->param_count * sizeof *copy->params);
    copy->param_capacity = q->param_count + 1;
    cv_buf_init_arena(&copy->key, arena, 0);
    cv_buf_add_str(&copy->key, cv_buf_str(&q->key));
    for (size_t i = 0; i <= q->depth; i++)
        if (!(copy->groups[i] = copy_list(arena, q->groups[i])))
            return CV_E_NOMEM;
    return copy->key.error;
}

cv_query *cv_query_copy(cv_ctx *cx, const cv_query *q)
{
    cv_query *copy = cv_alloc(cx, sizeof *copy);
    if (!copy)
        return (cv_query *)(uintptr_t)&without_memory;
    *copy = *q;
    if (q->error)
        return copy;
    int rc = copy_parts(cx, copy, q);
    if (rc < 0)
        cv__query_fail(copy, cv_fail(cx, rc, "could not copy a query: %s", cv_error_text(rc)));
    return copy;
}

int cv_query_error(cv_query *q)
{
    return q->cx ? cv__query_check(q->cx, q) : q->error;
}

const cv_model *cv_query_model(const cv_query *q)
{
    return q->model ? q->model->model : NULL;
}

/* ---- relations ---- */

uint32_t cv__query_join_to(cv_query *q, uint32_t parent, cv__field_info *key)
{
    for (size_t i = 0; i < q->join_count; i++)
        if (q->joins[i].parent == parent && q->joins[i].key == key)
            return (uint32_t)i + 1;
    if (q->join_count == CV__QUERY_TABLES) {
        cv__query_fail(q, cv_fail(q->cx, CV_E_LIMIT, "a query can cross at most %d relations", CV__QUERY_TABLES));
        return 0;
    }
    bool nullable = key->null || (parent && q->joins[parent - 1].nullable);
    q->joins[q->join_count++] = (cv__query_join){parent, key, nullable};
    const char step[] = {'J', (char)parent, (char)key->index};
    cv_buf_add(&q->key, step, sizeof step);
    return (uint32_t)q->join_count;
}

bool cv__query_follow(cv_query *q, const cv__path *path, uint32_t *ret_table)
{
    uint32_t table = 0;
    for (size_t i = 0; i < path->depth; i++) {
        table = cv__query_join_to(q, table, path->relations[i]);
        if (!table)
            return false;
    }
    *ret_table = table;
    return true;
}

/* ---- groups ---- */

static void begin_group(cv_query *q, cv__expr_kind kind, bool negated, char mark)
{
    if (q->error)
        return;
    if (q->depth + 1 == CV__QUERY_DEPTH) {
        cv__query_fail(q,
                       cv_fail(q->cx, CV_E_LIMIT, "groups can be nested at most %d levels deep", CV__QUERY_DEPTH - 1));
        return;
    }
    cv__expr *list = cv__expr_list(cv_ctx_arena(q->cx), kind);
    if (!list) {
        cv__query_fail(q, cv_fail(q->cx, CV_E_NOMEM, "could not add to a query: out of memory"));
        return;
    }
    q->groups[++q->depth] = list;
    q->negated[q->depth] = negated;
    q->negations += negated;
    cv_buf_add_char(&q->key, mark);
}

void cv_any_begin(cv_query *q)
{
    begin_group(q, CV__EXPR_OR, false, '|');
}

void cv_all_begin(cv_query *q)
{
    begin_group(q, CV__EXPR_AND, false, '&');
}

void cv_exclude_begin(cv_query *q)
{
    begin_group(q, CV__EXPR_AND, true, '!');
}

void cv_group_end(cv_query *q)
{
    if (q->error)
        return;
    if (q->depth == 0) {
        cv__query_fail(q, cv_fail(q->cx, CV_E_STATE, "a group is ended that was not begun"));
        return;
    }
    cv__expr *group = q->groups[q->depth];
    bool negated = q->negated[q->depth--];
    q->negations -= negated;
    cv_buf_add_char(&q->key, ')');
    if (!group->first) /* an empty group asks for nothing */
        return;
    if (negated && !(group = cv__expr_not(cv_ctx_arena(q->cx), group))) {
        cv__query_fail(q, cv_fail(q->cx, CV_E_NOMEM, "could not add to a query: out of memory"));
        return;
    }
    cv__expr_add(q->groups[q->depth], group);
}

/* ---- order, relations to load, slices ---- */

void cv_order_by_names(cv_query *q, const char *const *names)
{
    if (q->error)
        return;
    q->order_count = 0;
    for (; *names; names++) {
        cv_str name = cv_str_of(*names);
        bool descending = cv_str_starts_with(name, CV_STR("-"));
        cv__path path;
        uint32_t table;
        if (q->order_count == CV__QUERY_ORDERS) {
            cv__query_fail(q,
                           cv_fail(q->cx, CV_E_LIMIT, "a query can be ordered by at most %d fields", CV__QUERY_ORDERS));
            return;
        }
        int rc = cv__path_resolve(q->cx, q->model, cv_str_sub(name, descending, SIZE_MAX), false, &path);
        if (rc < 0) {
            cv__query_fail(q, rc);
            return;
        }
        if (!cv__query_follow(q, &path, &table))
            return;
        q->orders[q->order_count++] = (cv__query_order){table, path.field, descending};
    }
}

static void load_table(cv_query *q, uint32_t table)
{
    for (size_t i = 0; i < q->related_count; i++)
        if (q->related[i] == table)
            return;
    q->related[q->related_count++] = (uint8_t)table;
}

void cv_select_related_names(cv_query *q, const char *const *paths)
{
    for (; !q->error && *paths; paths++) {
        cv__path path;
        int rc = cv__path_relations(q->cx, q->model, cv_str_of(*paths), &path);
        if (rc < 0) {
            cv__query_fail(q, rc);
            return;
        }
        uint32_t table = 0;
        for (size_t i = 0; i < path.depth; i++) {
            table = cv__query_join_to(q, table, path.relations[i]);
            if (!table)
                return;
            load_table(q, table);
        }
    }
}

static void set_slice(cv_query *q, int64_t *bound, const char *what, int64_t value)
{
    if (q->error)
        return;
    if (value < 0)
        cv__query_fail(q, cv_fail(q->cx, CV_E_RANGE, "the %s of a query cannot be %lld", what, (long long)value));
    else
        *bound = value;
}

void cv_limit(cv_query *q, int64_t count)
{
    set_slice(q, &q->limit, "limit", count);
}

void cv_offset(cv_query *q, int64_t skip)
{
    set_slice(q, &q->offset, "offset", skip);
}
