#include "orm/registry.h"
#include "base/ctx.h"
#include "orm/compile.h"
#include <stdlib.h>

typedef struct entry {
    const char *label;
    const cv_model *model;
} entry;

/* `checked` says that `infos` and `slots` fit `entries`; only then do queries find models here. */
struct cv_registry {
    entry *entries;
    size_t count, capacity;
    bool checked;
    cv_arena *arena; /* of what is compiled */
    cv__model_info *infos;
    cv__model_info **slots; /* by the model's address: open addressing */
    size_t slot_mask;
    void *statements;
    void (*free_statements)(void *statements);
};

cv_registry *cv_registry_new(cv_ctx *cx)
{
    cv_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        (void)cv_fail(cx, CV_E_NOMEM, "could not make a registry: out of memory");
    return registry;
}

/* Forget what was compiled. */
static void discard(cv_registry *registry)
{
    if (registry->statements)
        registry->free_statements(registry->statements);
    registry->statements = NULL;
    cv_arena_free(registry->arena);
    registry->arena = NULL;
    registry->infos = NULL;
    registry->slots = NULL;
    registry->checked = false;
}

void cv_registry_free(cv_registry *registry)
{
    if (!registry)
        return;
    discard(registry);
    free(registry->entries);
    free(registry);
}

int cv_registry_add(cv_ctx *cx, cv_registry *registry, const char *label, const cv_model *model)
{
    if (!cv__identifier_ok(cv_str_of(label))) {
        int rc = cv_fail(cx, CV_E_MODEL, "model \"%s\" cannot belong to an application called \"%s\"", model->name,
                         label ? label : "");
        cv_error_hint(cx, "use letters, digits and underscores, not beginning with a digit");
        return rc;
    }
    for (size_t i = 0; i < registry->count; i++)
        if (registry->entries[i].model == model)
            return cv_fail(cx, CV_E_MODEL, "model \"%s\" is registered twice", model->name);
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity ? registry->capacity * 2 : 16;
        entry *grown = realloc(registry->entries, capacity * sizeof *grown);
        if (!grown)
            return cv_fail(cx, CV_E_NOMEM, "could not register model \"%s\": out of memory", model->name);
        registry->entries = grown;
        registry->capacity = capacity;
    }
    registry->entries[registry->count++] = (entry){label, model};
    registry->checked = false;
    return 0;
}

bool cv_registry_next(const cv_registry *registry, size_t *position, const char **ret_label, const cv_model **ret_model)
{
    if (*position >= registry->count)
        return false;
    *ret_label = registry->entries[*position].label;
    *ret_model = registry->entries[*position].model;
    (*position)++;
    return true;
}

cv_registry *cv_use_registry(cv_ctx *cx, cv_registry *registry)
{
    cv_registry *former = cx->registry;
    cx->registry = registry;
    return former;
}

/* ---- finding compiled models ---- */

static size_t slot_of(const cv_registry *registry, const cv_model *model)
{
    uint64_t mixed = (uint64_t)(uintptr_t)model * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & registry->slot_mask;
}

cv__model_info *cv__registry_find(const cv_registry *registry, const cv_model *model)
{
    if (!registry->slots)
        return NULL;
    size_t at = slot_of(registry, model);
    while (registry->slots[at] && registry->slots[at]->model != model)
        at = (at + 1) & registry->slot_mask;
    return registry->slots[at];
}

static cv__model_info *not_ready(cv_ctx *cx, const cv_model *model)
{
    if (!cx->registry)
        (void)cv_fail(cx, CV_E_MODEL, "model \"%s\" cannot be used: the context has no registry", model->name);
    else if (!cx->registry->checked)
        (void)cv_fail(cx, CV_E_MODEL, "model \"%s\" cannot be used: its registry was not checked", model->name);
    else
        (void)cv_fail(cx, CV_E_MODEL, "model \"%s\" is not registered", model->name);
    cv_error_hint(cx, "add the model with cv_registry_add, call cv_registry_check, then cv_use_registry");
    return NULL;
}

cv__model_info *cv__model_need(cv_ctx *cx, const cv_model *model)
{
    cv__model_info *info = cx->registry && cx->registry->checked ? cv__registry_find(cx->registry, model) : NULL;
    return info ? info : not_ready(cx, model);
}

size_t cv__registry_count(const cv_registry *registry)
{
    return registry->checked ? registry->count : 0;
}

cv__model_info *cv__registry_at(const cv_registry *registry, size_t number)
{
    return number < cv__registry_count(registry) ? &registry->infos[number] : NULL;
}

void **cv__registry_statements(cv_registry *registry, void (*free_fn)(void *statements))
{
    registry->free_statements = free_fn;
    return &registry->statements;
}

const cv_field *cv__model_entry(const cv_model *model, size_t index)
{
    return (const cv_field *)(const void *)((const char *)model->fields + index * model->field_bytes);
}

/* ---- the check ---- */

static int prepare(cv_registry *registry)
{
    size_t slots = 16;
    while (slots < 2 * registry->count)
        slots *= 2;
    registry->arena = cv_arena_new(0);
    if (!registry->arena)
        return CV_E_NOMEM;
    registry->infos = cv_arena_zalloc(registry->arena, registry->count + 1, sizeof *registry->infos);
    registry->slots = cv_arena_zalloc(registry->arena, slots, sizeof *registry->slots);
    if (!registry->infos || !registry->slots)
        return CV_E_NOMEM;
    registry->slot_mask = slots - 1;
    for (size_t i = 0; i < registry->count; i++) {
        cv__model_info *info = &registry->infos[i];
        *info = (cv__model_info){.model = registry->entries[i].model,
                                 .label = registry->entries[i].label,
                                 .number = i,
                                 .registry = registry};
        size_t at = slot_of(registry, info->model);
        while (registry->slots[at])
            at = (at + 1) & registry->slot_mask;
        registry->slots[at] = info;
    }
    return 0;
}

static void compare_models(cv__findings *findings, const cv__model_info *one, const cv__model_info *other)
{
    if (cv_str_equal_nocase(cv_str_of(one->model->table), cv_str_of(other->model->table)))
        cv__finding(findings, "give each model a table of its own",
                    "the models \"%s\" and \"%s\" have the same table \"%s\"", one->model->name, other->model->name,
                    other->model->table);
    if (strcmp(one->model->name, other->model->name) == 0 && strcmp(one->label, other->label) == 0)
        cv__finding(findings, NULL, "the application \"%s\" has two models called \"%s\"", one->label,
                    one->model->name);
    for (size_t i = 0; i < one->index_count; i++)
        for (size_t j = 0; j < other->index_count; j++)
            if (strcmp(one->indexes[i].name, other->indexes[j].name) == 0)
                cv__finding(findings, "rename a table or a column",
                            "the models \"%s\" and \"%s\" both have an index called \"%s\"", one->model->name,
                            other->model->name, one->indexes[i].name);
}

static int compile_all(cv__compile *c, cv_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++)
        CV_TRY(cv__compile_fields(c, &registry->infos[i]));
    for (size_t i = 0; i < registry->count; i++)
        cv__compile_keys(c, &registry->infos[i]);
    for (size_t i = 0; i < registry->count; i++)
        cv__compile_values(c, &registry->infos[i]);
    for (size_t i = 0; i < registry->count; i++)
        CV_TRY(cv__compile_meta(c, &registry->infos[i]));
    for (size_t i = 0; i < registry->count; i++)
        for (size_t j = 0; j < i; j++)
            compare_models(c->findings, &registry->infos[j], &registry->infos[i]);
    return 0;
}

int cv_registry_check(cv_ctx *cx, cv_registry *registry)
{
    if (registry->checked)
        return 0;
    discard(registry);
    int rc = prepare(registry);
    cv__findings findings = {.arena = registry->arena};
    cv__compile compile = {.cx = cx, .registry = registry, .arena = registry->arena, .findings = &findings};
    if (rc == 0)
        rc = compile_all(&compile, registry);
    if (rc < 0)
        (void)cv_fail(cx, rc, "could not check the models: out of memory");
    else
        rc = cv__findings_report(cx, &findings);
    if (rc < 0)
        discard(registry);
    registry->checked = rc == 0;
    return rc;
}

static int copy_models(cv_ctx *cx, const cv_registry *from, cv_registry *to)
{
    for (size_t i = 0; i < from->count; i++)
        CV_TRY(cv_registry_add(cx, to, from->entries[i].label, from->entries[i].model));
    return cv_registry_check(cx, to);
}

int cv__registry_copy(cv_ctx *cx, const cv_registry *registry, cv_registry **ret_copy)
{
    cv_registry *copy = cv_registry_new(cx);
    if (!copy)
        return CV_E_NOMEM;
    int rc = copy_models(cx, registry, copy);
    if (rc < 0)
        cv_registry_free(copy);
    else
        *ret_copy = copy;
    return rc;
}
