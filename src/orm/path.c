#include "orm/path.h"

bool cv__path_next(cv_str *rest, cv_str *ret_step)
{
    if (!rest->ptr)
        return false;
    ptrdiff_t at = cv_str_find(*rest, CV_STR("__"));
    if (at < 0) {
        *ret_step = *rest;
        *rest = (cv_str){NULL, 0};
        return true;
    }
    *ret_step = cv_str_sub(*rest, 0, (size_t)at);
    *rest = cv_str_sub(*rest, (size_t)at + 2, SIZE_MAX);
    return true;
}

/* The step after a plain field can only be a look-up, and the last one. */
static int no_lookup(cv_ctx *cx, const cv__field_info *field, cv_str step)
{
    int rc = cv_fail(cx, CV_E_FIELD, "the field \"%s\" of model \"%s\" has no look-up \"%.*s\"", field->name,
                     field->model->model->name, CV_STR_ARG(step));
    const char *nearest = cv_str_nearest(step, cv__lookup_names, CV__LOOKUP_COUNT);
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    else
        cv_error_hint(cx, "look-ups are exact, iexact, contains, icontains, startswith, istartswith, endswith, "
                          "iendswith, in, gt, gte, lt, lte, range and isnull");
    return rc;
}

static int end_with_lookup(cv_ctx *cx, cv__path *path, bool allowed, cv_str step, cv_str rest)
{
    cv_str further;
    if (!allowed) {
        int rc = cv_fail(cx, CV_E_FIELD, "\"%.*s\" cannot follow the field \"%s\" of model \"%s\" here",
                         CV_STR_ARG(step), path->field->name, path->field->model->model->name);
        cv_error_hint(cx, "the path must end with the name of a field");
        return rc;
    }
    if (!cv__lookup_find(step, &path->lookup))
        return no_lookup(cx, path->field, step);
    if (cv__path_next(&rest, &further))
        return cv_fail(cx, CV_E_FIELD, "nothing can follow the look-up \"%.*s\", but \"%.*s\" does", CV_STR_ARG(step),
                       CV_STR_ARG(further));
    return 0;
}

/* Go on from a relation to a field of its target. The target's key is the relation's own column. */
static int follow(cv_ctx *cx, cv__path *path, cv__field_info *next)
{
    if (next->primary_key)
        return 0;
    if (path->depth == CV__PATH_DEPTH)
        return cv_fail(cx, CV_E_LIMIT, "a path can cross at most %d relations", CV__PATH_DEPTH);
    path->relations[path->depth++] = path->field;
    path->field = next;
    return 0;
}

int cv__path_resolve(cv_ctx *cx, cv__model_info *model, cv_str rest, bool lookups, cv__path *ret_path)
{
    cv__path path = {.lookup = CV__EXACT};
    bool at_key = false; /* the key of a relation's target was named: the path cannot go on to another field */
    cv_str step;
    if (!cv__path_next(&rest, &step))
        return cv_fail(cx, CV_E_FIELD, "a path is missing");
    path.field = cv__field_need(cx, model, step);
    if (!path.field)
        return CV_E_FIELD;
    while (cv__path_next(&rest, &step)) {
        cv__lookup lookup;
        cv__field_info *next = path.field->target && !at_key ? cv__field_find(path.field->target, step) : NULL;
        if (next) {
            CV_TRY(follow(cx, &path, next));
            at_key = next->primary_key;
            continue;
        }
        if (path.field->target && !at_key && !cv__lookup_find(step, &lookup)) {
            (void)cv__field_need(cx, path.field->target, step);
            return CV_E_FIELD;
        }
        CV_TRY(end_with_lookup(cx, &path, lookups, step, rest));
        break;
    }
    *ret_path = path;
    return 0;
}

int cv__path_relations(cv_ctx *cx, cv__model_info *model, cv_str rest, cv__path *ret_path)
{
    cv__path path = {.lookup = CV__EXACT};
    cv__model_info *at = model;
    cv_str step;
    while (cv__path_next(&rest, &step)) {
        cv__field_info *field = cv__field_need(cx, at, step);
        if (!field)
            return CV_E_FIELD;
        if (!field->target) {
            int rc = cv_fail(cx, CV_E_FIELD, "the field \"%s\" of model \"%s\" is not a foreign key", field->name,
                             at->model->name);
            cv_error_hint(cx, "only relations can be loaded with an object");
            return rc;
        }
        if (path.depth == CV__PATH_DEPTH)
            return cv_fail(cx, CV_E_LIMIT, "a path can cross at most %d relations", CV__PATH_DEPTH);
        path.relations[path.depth++] = field;
        path.field = field;
        at = field->target;
    }
    if (!path.field)
        return cv_fail(cx, CV_E_FIELD, "a path is missing");
    *ret_path = path;
    return 0;
}
