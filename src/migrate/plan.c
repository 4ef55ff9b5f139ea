#include "migrate/plan.h"

/* `wanted[position]`: must be applied. `unwanted[position]`: must not be. */
struct planning {
    cv_ctx *cx;
    const cv_migrations *migrations;
    const cv__history *history;
    bool *wanted, *unwanted;
};

static void want_all(struct planning *p)
{
    for (size_t i = 0; i < p->migrations->count; i++)
        p->wanted[i] = true;
}

/* A migration with all that it needs: what it needs lies before it in the order. */
static void want(struct planning *p, const cv__migration *target)
{
    p->wanted[target->position] = true;
    for (size_t i = target->position + 1; i-- > 0;) {
        const cv__migration *migration = p->migrations->list[i];
        if (!p->wanted[i])
            continue;
        if (migration->former)
            p->wanted[migration->former->position] = true;
        for (size_t j = 0; j < migration->file.depend_count; j++)
            p->wanted[migration->dependencies[j]->position] = true;
    }
}

static bool needs_unwanted(const struct planning *p, const cv__migration *migration)
{
    if (migration->former && p->unwanted[migration->former->position])
        return true;
    for (size_t j = 0; j < migration->file.depend_count; j++)
        if (p->unwanted[migration->dependencies[j]->position])
            return true;
    return false;
}

/* All of the label from a position on, with all that needs them. */
static void unwant(struct planning *p, const char *label, size_t from)
{
    for (size_t i = from; i < p->migrations->count; i++) {
        const cv__migration *migration = p->migrations->list[i];
        if (strcmp(migration->label, label) == 0 || needs_unwanted(p, migration))
            p->unwanted[i] = true;
    }
}

static int choose(struct planning *p, const cv_migrate_options *options)
{
    cv__migration *target;
    if (!options->label) {
        if (options->name)
            return cv_fail(p->cx, CV_E_INVALID, "a migration's name needs its label");
        want_all(p);
        return 0;
    }
    CV_TRY(cv__migrations_need_label(p->cx, p->migrations, options->label));
    if (!options->name) {
        want(p, cv__migrations_last(p->migrations, options->label));
        return 0;
    }
    if (strcmp(options->name, "zero") == 0) {
        unwant(p, options->label, 0);
        return 0;
    }
    CV_TRY(cv__migrations_find(p->cx, p->migrations, options->label, options->name, &target));
    if (p->history->by_position[target->position])
        unwant(p, options->label, target->position + 1);
    else
        want(p, target);
    return 0;
}

static int add_step(struct planning *p, const cv__ddl *ddl, cv__plan *plan, size_t position, bool forward)
{
    cv__step *step = &plan->steps[plan->count++];
    *step = (cv__step){.migration = p->migrations->list[position], .forward = forward};
    return cv__render_migration(p->cx, ddl, p->migrations, step->migration, forward, &step->statements);
}

int cv__plan_make(cv_ctx *cx, const cv__ddl *ddl, const cv_migrations *migrations, const cv__history *history,
                  const cv_migrate_options *options, cv__plan *ret_plan)
{
    struct planning p = {.cx = cx, .migrations = migrations, .history = history};
    cv__plan plan = {0};
    p.wanted = cv_zalloc(cx, migrations->count + 1, sizeof *p.wanted);
    p.unwanted = cv_zalloc(cx, migrations->count + 1, sizeof *p.unwanted);
    plan.steps = cv_zalloc(cx, migrations->count + 1, sizeof *plan.steps);
    if (!p.wanted || !p.unwanted || !plan.steps)
        return CV_E_NOMEM;
    CV_TRY(choose(&p, options));
    for (size_t i = migrations->count; i-- > 0;)
        if (p.unwanted[i] && history->by_position[i])
            CV_TRY(add_step(&p, ddl, &plan, i, false));
    for (size_t i = 0; i < migrations->count; i++)
        if (p.wanted[i] && !history->by_position[i])
            CV_TRY(add_step(&p, ddl, &plan, i, true));
    *ret_plan = plan;
    return 0;
}
