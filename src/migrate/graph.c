/* The order of migrations. Within a label, numbers order them, and each follows the former one; across labels,
 * depends_on does. Labels in their alphabetical order advance as far as they can, in turns, until all are done: the
 * result depends on nothing but the names. */
#include "migrate/migrations.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const cv__migration *one = *(cv__migration *const *)a, *other = *(cv__migration *const *)b;
    int by_label = strcmp(one->label, other->label);
    return by_label ? by_label : strcmp(one->name, other->name);
}

static int follow(cv_ctx *cx, cv__migration *former, cv__migration *next)
{
    if (strcmp(former->label, next->label) != 0)
        return 0;
    next->former = former;
    if (strncmp(former->name, next->name, 4) != 0)
        return 0;
    cv_fail(cx, CV_E_MIGRATION, "the label \"%s\" has two migrations with the same number: \"%s\" and \"%s\"",
            next->label, former->name, next->name);
    cv_error_hint(cx, "give the one that comes second the next free number");
    return CV_E_MIGRATION;
}

static cv__migration *find(cv__migration **list, size_t count, const char *label, const char *name)
{
    const cv__migration wanted = {.label = label, .name = name};
    const cv__migration *key = &wanted;
    cv__migration **found = bsearch(&key, list, count, sizeof *list, compare);
    return found ? *found : NULL;
}

static int no_dependency(cv_ctx *cx, cv__migration **list, size_t count, const cv__dependency *dependency)
{
    const char **names = cv_zalloc(cx, count + 1, sizeof *names);
    if (!names)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = cv_sprintf(cx, "%s/%s", list[i]->label, list[i]->name);
    const char *wanted = cv_sprintf(cx, "%s/%s", dependency->label, dependency->name);
    if (!wanted || (count && !names[count - 1]))
        return CV_E_NOMEM;
    cv__fail_at(cx, dependency->place, "there is no migration \"%s\"", wanted);
    cv__hint_nearest(cx, wanted, names, count);
    return CV_E_MIGRATION;
}

static int resolve(cv_ctx *cx, cv__migration **list, size_t count, cv__migration *migration)
{
    migration->dependencies = cv_zalloc(cx, migration->file.depend_count + 1, sizeof *migration->dependencies);
    if (!migration->dependencies)
        return CV_E_NOMEM;
    for (size_t i = 0; i < migration->file.depend_count; i++) {
        const cv__dependency *dependency = &migration->file.depends[i];
        cv__migration *target = find(list, count, dependency->label, dependency->name);
        if (!target)
            return no_dependency(cx, list, count, dependency);
        migration->dependencies[i] = target;
    }
    return 0;
}

/* What the migration waits for, or NULL when it may come next. */
static cv__migration *blocker(const cv__migration *migration)
{
    if (migration->former && !migration->former->ordered)
        return migration->former;
    for (size_t i = 0; i < migration->file.depend_count; i++)
        if (!migration->dependencies[i]->ordered)
            return migration->dependencies[i];
    return NULL;
}

/* Following blockers from any blocked migration leads into the cycle; going on from there leads around it. */
static int fail_cycle(cv_ctx *cx, cv__migration *start, size_t count)
{
    cv__migration *at = start;
    cv_buf path;
    cv_buf_init_arena(&path, cv_ctx_arena(cx), 4096);
    for (size_t i = 0; i < count; i++)
        at = blocker(at);
    const cv__migration *first = at;
    do {
        cv_buf_printf(&path, "\"%s/%s\" needs ", at->label, at->name);
        at = blocker(at);
    } while (at != first);
    return cv_fail(cx, CV_E_MIGRATION, "migrations depend on each other in a circle: %.*s\"%s/%s\"",
                   CV_STR_ARG(cv_buf_str(&path)), first->label, first->name);
}

static int order(cv_ctx *cx, cv__migration **list, size_t count)
{
    cv__migration **ordered = cv_zalloc(cx, count + 1, sizeof *ordered);
    size_t done = 0, before = SIZE_MAX;
    if (!ordered)
        return CV_E_NOMEM;
    while (done < count && done != before) {
        before = done;
        for (size_t i = 0; i < count; i++) {
            if (list[i]->ordered || blocker(list[i]))
                continue;
            list[i]->ordered = true;
            list[i]->position = done;
            ordered[done++] = list[i];
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!list[i]->ordered)
            return fail_cycle(cx, list[i], count);
    memcpy(list, ordered, count * sizeof *list);
    return 0;
}

int cv__graph_order(cv_ctx *cx, cv__migration **list, size_t count)
{
    if (count == 0)
        return 0;
    qsort(list, count, sizeof *list, compare);
    for (size_t i = 1; i < count; i++)
        CV_TRY(follow(cx, list[i - 1], list[i]));
    for (size_t i = 0; i < count; i++)
        CV_TRY(resolve(cx, list, count, list[i]));
    return order(cx, list, count);
}
