#include "orm/shape.h"
#include <stdlib.h>

void cv__shape_unref(cv__shape *shape)
{
    if (shape && --shape->refs == 0)
        free(shape);
}

static void *place(char **at, const void *data, size_t bytes)
{
    void *copy = *at;
    if (bytes)
        memcpy(copy, data, bytes);
    *at += (bytes + 15) & ~(size_t)15;
    return copy;
}

cv__shape *cv__shape_pack(cv_ctx *cx, const cv__shape_draft *draft)
{
    const cv__plan *plan = &draft->plan;
    size_t types = plan->column_count * sizeof *draft->columns;
    size_t columns = plan->column_count * sizeof *plan->columns, objects = plan->object_count * sizeof *plan->objects;
    /* Each of the six parts may be rounded up to 16. */
    char *block = malloc(sizeof(cv__shape) + types + columns + objects + draft->sql.len + draft->key.len + 6 * 16);
    if (!block) {
        (void)cv_fail(cx, CV_E_NOMEM, "could not keep a statement: out of memory");
        return NULL;
    }
    char *at = block + ((sizeof(cv__shape) + 15) & ~(size_t)15);
    cv__shape *shape = (cv__shape *)(void *)block;
    *shape = (cv__shape){.refs = 1, .hash = cv_hash(draft->sql.ptr, draft->sql.len), .plan = *plan};
    cv_list_init(&shape->link);
    shape->columns = place(&at, draft->columns, types);
    shape->plan.columns = place(&at, plan->columns, columns);
    shape->plan.objects = place(&at, plan->objects, objects);
    shape->sql = (cv_str){place(&at, draft->sql.ptr, draft->sql.len), draft->sql.len};
    shape->key = (cv_str){place(&at, draft->key.ptr, draft->key.len), draft->key.len};
    return shape;
}

/* ---- the cache ---- */

cv__shape *cv__shapes_find(cv__shapes *shapes, cv_str key)
{
    cv__shape *shape = cv_map_get(shapes->by_key, key);
    if (!shape) {
        shapes->stats.misses++;
        return NULL;
    }
    shapes->stats.hits++;
    cv_list_remove(&shape->link);
    cv_list_push_front(&shapes->recent, &shape->link);
    shape->refs++;
    return shape;
}

static void drop(cv__shapes *shapes, cv__shape *shape)
{
    cv_list_remove(&shape->link);
    (void)cv_map_remove(shapes->by_key, shape->key);
    shapes->stats.count--;
    cv__shape_unref(shape);
}

void cv__shapes_keep(cv__shapes *shapes, cv__shape *shape)
{
    if (cv_map_set(shapes->by_key, shape->key, shape, NULL) < 0)
        return;
    shape->refs++;
    cv_list_push_front(&shapes->recent, &shape->link);
    shapes->stats.count++;
    while (shapes->stats.count > shapes->max) {
        drop(shapes, cv_list_entry(shapes->recent.prev, cv__shape, link));
        shapes->stats.evicted++;
    }
}

/* ---- life ---- */

typedef struct all_shapes {
    cv__shapes *first;
    size_t model_count;
} all_shapes;

static void free_shapes(cv__shapes *shapes, size_t model_count)
{
    if (shapes->by_key)
        cv_list_each (at, &shapes->recent)
            drop(shapes, cv_list_entry(at, cv__shape, link));
    for (size_t i = 0; shapes->fixed && i < model_count; i++)
        for (size_t j = 0; j < CV__FIXED_COUNT; j++)
            cv__shape_unref(shapes->fixed[i][j]);
    free(shapes->fixed);
    cv_map_free(shapes->by_key);
    free(shapes);
}

static void free_all(void *statements)
{
    all_shapes *all = statements;
    while (all->first) {
        cv__shapes *shapes = all->first;
        all->first = shapes->next;
        free_shapes(shapes, all->model_count);
    }
    free(all);
}

static cv__shapes *make_shapes(const cv__dialect *dialect, size_t model_count)
{
    cv__shapes *shapes = calloc(1, sizeof *shapes);
    if (!shapes)
        return NULL;
    shapes->dialect = dialect;
    shapes->max = CV__SHAPES_MAX;
    cv_list_init(&shapes->recent);
    shapes->by_key = cv_map_new(0);
    shapes->fixed = calloc(model_count + 1, sizeof *shapes->fixed);
    if (shapes->by_key && shapes->fixed)
        return shapes;
    free_shapes(shapes, model_count);
    return NULL;
}

cv__shapes *cv__shapes_of(cv_ctx *cx, cv_registry *registry, const cv__dialect *dialect)
{
    void **slot = cv__registry_statements(registry, free_all);
    all_shapes *all = *slot;
    for (cv__shapes *shapes = all ? all->first : NULL; shapes; shapes = shapes->next)
        if (shapes->dialect == dialect)
            return shapes;
    if (!all) {
        *slot = all = calloc(1, sizeof *all);
        if (all)
            all->model_count = cv__registry_count(registry);
    }
    cv__shapes *shapes = all ? make_shapes(dialect, all->model_count) : NULL;
    if (!shapes) {
        (void)cv_fail(cx, CV_E_NOMEM, "could not keep statements: out of memory");
        return NULL;
    }
    shapes->next = all->first;
    all->first = shapes;
    return shapes;
}
