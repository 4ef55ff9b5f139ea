/* The operations that lead from a state to the models, in an order that every engine accepts: indexes go first, then
 * columns, then tables; new tables come in the order of their references, then new columns, then indexes. */
#include "migrate/detect.h"
#include <assert.h>

struct detection {
    cv_ctx *cx;
    const char *label;
    const cv__schema_table **wanted; /* of the models */
    size_t wanted_count;
    const cv__schema_table **present; /* of the state, the label's own */
    size_t present_count;
    const cv__state *state;
    cv__changes *changes;
};

static const cv__schema_table *find_table(const cv__schema_table **tables, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tables[i]->name, name) == 0)
            return tables[i];
    return NULL;
}

static const cv__index *find_index(const cv__schema_table *table, const char *name)
{
    for (size_t i = 0; i < table->index_count; i++)
        if (strcmp(table->indexes[i].name, name) == 0)
            return &table->indexes[i];
    return NULL;
}

static const cv__check *find_check(const cv__schema_table *table, const char *name)
{
    for (size_t i = 0; i < table->check_count; i++)
        if (strcmp(table->checks[i].name, name) == 0)
            return &table->checks[i];
    return NULL;
}

/* ---- the result ---- */

static int add(struct detection *d, const cv__operation *operation)
{
    cv__changes *changes = d->changes;
    if (changes->count == CV__FILE_MAX_OPERATIONS) {
        cv_fail(d->cx, CV_E_LIMIT, "the models of \"%s\" differ in more than %d ways from the migrations", d->label,
                CV__FILE_MAX_OPERATIONS);
        cv_error_hint(d->cx, "add models to the program in several steps, or under several labels");
        return CV_E_LIMIT;
    }
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity ? 2 * changes->capacity : 32;
        cv__operation *grown = cv_zalloc(d->cx, capacity, sizeof *grown);
        if (!grown)
            return CV_E_NOMEM;
        if (changes->count)
            memcpy(grown, changes->operations, changes->count * sizeof *grown);
        changes->operations = grown;
        changes->capacity = capacity;
    }
    changes->operations[changes->count++] = *operation;
    return 0;
}

static int note(struct detection *d, const char *text)
{
    cv__changes *changes = d->changes;
    if (!text)
        return CV_E_NOMEM;
    if (changes->note_count == changes->note_capacity) {
        size_t capacity = changes->note_capacity ? 2 * changes->note_capacity : 8;
        const char **grown = cv_zalloc(d->cx, capacity, sizeof *grown);
        if (!grown)
            return CV_E_NOMEM;
        for (size_t i = 0; i < changes->note_count; i++)
            grown[i] = changes->notes[i];
        changes->notes = grown;
        changes->note_capacity = capacity;
    }
    changes->notes[changes->note_count++] = text;
    return 0;
}

/* ---- what cannot be expressed ---- */

static int unsupported(struct detection *d, const char *what, const char *table, const char *name, const cv_buf *from,
                       const cv_buf *to)
{
    cv_fail(d->cx, CV_E_UNSUPPORTED,
            "the %s \"%s\" of the table \"%s\" changed from %.*s to %.*s, which no operation expresses", what, name,
            table, CV_STR_ARG(cv_buf_str(from)), CV_STR_ARG(cv_buf_str(to)));
    cv_error_hint(d->cx,
                  "add a column under another name, copy the values in a run_sql, then drop the old column; or undo "
                  "the change of the model");
    return CV_E_UNSUPPORTED;
}

static int changed_column(struct detection *d, const cv__schema_table *table, const cv__column *old,
                          const cv__column *new)
{
    cv_buf from, to;
    cv_buf_init_arena(&from, cv_ctx_arena(d->cx), 4096);
    cv_buf_init_arena(&to, cv_ctx_arena(d->cx), 4096);
    cv__file_add_column(&from, old);
    cv__file_add_column(&to, new);
    return unsupported(d, "column", table->name, new->name, &from, &to);
}

static int changed_check(struct detection *d, const cv__schema_table *table, const cv__check *old, const cv__check *new)
{
    cv_buf from, to;
    cv_buf_init_arena(&from, cv_ctx_arena(d->cx), 4096);
    cv_buf_init_arena(&to, cv_ctx_arena(d->cx), 4096);
    cv_buf_add_text(&from, old ? "" : "nothing");
    cv_buf_add_text(&to, new ? "" : "nothing");
    if (old)
        cv__file_add_check(&from, old);
    if (new)
        cv__file_add_check(&to, new);
    return unsupported(d, "check", table->name, old ? old->name : new->name, &from, &to);
}

/* Checks come and go with their column alone. */
static int compare_checks(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < old->check_count; i++) {
        const cv__check *check = &old->checks[i], *other = find_check(new, check->name);
        if (other ? !cv__check_equal(check, other) : cv__table_column(new, check->column) != NULL)
            return changed_check(d, new, check, other);
    }
    for (size_t i = 0; i < new->check_count; i++)
        if (!find_check(old, new->checks[i].name) && cv__table_column(old, new->checks[i].column))
            return changed_check(d, new, NULL, &new->checks[i]);
    return 0;
}

static int compare_columns(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < new->column_count; i++) {
        const cv__column *column = &new->columns[i], *former = cv__table_column(old, column->name);
        if (former && !cv__column_equal(former, column))
            return changed_column(d, new, former, column);
    }
    return 0;
}

/* ---- what goes ---- */

static int drop_indexes(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < old->index_count; i++) {
        const cv__index *kept = find_index(new, old->indexes[i].name);
        if (!kept || !cv__index_equal(kept, &old->indexes[i]))
            CV_TRY(add(d, &(cv__operation){.kind = CV__DROP_INDEX, .as.drop_index = old->indexes[i].name}));
    }
    return 0;
}

static int drop_column(struct detection *d, const char *table, const char *column)
{
    cv__operation operation = {.kind = CV__DROP_COLUMN};
    operation.as.drop_column.table = table;
    operation.as.drop_column.column = column;
    return add(d, &operation);
}

static int drop_columns(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < old->column_count; i++)
        if (!cv__table_column(new, old->columns[i].name))
            CV_TRY(drop_column(d, old->name, old->columns[i].name));
    return 0;
}

static bool refers_to(const cv__schema_table *table, const char *target)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].references_table && strcmp(table->columns[i].references_table, target) == 0)
            return true;
    return false;
}

/* The first table of the list that `table` has to wait for: one that refers to it before it is dropped, one that it
 * refers to before it is created. */
static size_t find_blocker(const cv__schema_table **tables, size_t count, const cv__schema_table *table, bool dropping)
{
    size_t at = 0;
    while (at < count && (!tables[at] || tables[at] == table ||
                          !(dropping ? refers_to(tables[at], table->name) : refers_to(table, tables[at]->name))))
        at++;
    return at;
}

/* The next table to drop or create: one that waits for no other, or one of a circle. Going from one to what it waits
 * for leads into a circle in as many steps as there are tables. */
static size_t choose_table(const cv__schema_table **tables, size_t count, bool dropping)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        if (tables[i] && find_blocker(tables, count, tables[i], dropping) == count)
            return i;
    while (!tables[at])
        at++;
    for (size_t i = 0; i < count; i++) {
        at = find_blocker(tables, count, tables[at], dropping);
        assert(at < count); /* each one waits, or it was found above */
    }
    return at;
}

/* Those that nothing refers to go first. */
static int drop_tables(struct detection *d)
{
    const cv__schema_table **gone = cv_zalloc(d->cx, d->present_count + 1, sizeof *gone);
    size_t count = 0;
    if (!gone)
        return CV_E_NOMEM;
    for (size_t i = 0; i < d->present_count; i++)
        if (!find_table(d->wanted, d->wanted_count, d->present[i]->name))
            gone[count++] = d->present[i];
    for (size_t left = count; left > 0; left--) {
        size_t at = choose_table(gone, count, true);
        CV_TRY(add(d, &(cv__operation){.kind = CV__DROP_TABLE, .as.drop_table = gone[at]->name}));
        gone[at] = NULL;
    }
    return 0;
}

/* ---- what comes ---- */

/* The unique indexes stand in the table; the others become operations of their own. */
static int create_table(struct detection *d, const cv__schema_table *wanted)
{
    cv__schema_table *table = cv_zalloc(d->cx, 1, sizeof *table);
    cv__index *unique = cv_zalloc(d->cx, wanted->index_count + 1, sizeof *unique);
    if (!table || !unique)
        return CV_E_NOMEM;
    *table = *wanted;
    table->indexes = unique;
    table->index_count = 0;
    for (size_t i = 0; i < wanted->index_count; i++)
        if (wanted->indexes[i].unique)
            unique[table->index_count++] = wanted->indexes[i];
    CV_TRY(add(d, &(cv__operation){.kind = CV__CREATE_TABLE, .as.create_table = table}));
    for (size_t i = 0; i < wanted->index_count; i++)
        if (!wanted->indexes[i].unique)
            CV_TRY(add(d, &(cv__operation){.kind = CV__CREATE_INDEX, .as.create_index = wanted->indexes[i]}));
    return 0;
}

/* A table comes after those that it refers to. */
static int create_tables(struct detection *d)
{
    const cv__schema_table **fresh = cv_zalloc(d->cx, d->wanted_count + 1, sizeof *fresh);
    size_t count = 0;
    if (!fresh)
        return CV_E_NOMEM;
    for (size_t i = 0; i < d->wanted_count; i++)
        if (!find_table(d->present, d->present_count, d->wanted[i]->name))
            fresh[count++] = d->wanted[i];
    for (size_t left = count; left > 0; left--) {
        size_t at = choose_table(fresh, count, false);
        CV_TRY(create_table(d, fresh[at]));
        fresh[at] = NULL;
    }
    return 0;
}

static int add_column(struct detection *d, const cv__schema_table *table, const cv__column *column)
{
    if (!column->null && !column->has_default) {
        cv_fail(d->cx, CV_E_UNSUPPORTED,
                "the column \"%s\" cannot be added to the table \"%s\": rows that exist would have no value for it",
                column->name, table->name);
        cv_error_hint(d->cx, "make it nullable, or give it a default with .default_value");
        return CV_E_UNSUPPORTED;
    }
    cv__check *checks = cv_zalloc(d->cx, table->check_count + 1, sizeof *checks);
    if (!checks)
        return CV_E_NOMEM;
    cv__operation operation = {.kind = CV__ADD_COLUMN};
    operation.as.add_column.table = table->name;
    operation.as.add_column.column = *column;
    operation.as.add_column.checks = checks;
    for (size_t i = 0; i < table->check_count; i++)
        if (strcmp(table->checks[i].column, column->name) == 0)
            checks[operation.as.add_column.check_count++] = table->checks[i];
    return add(d, &operation);
}

static int add_columns(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < new->column_count; i++)
        if (!cv__table_column(old, new->columns[i].name))
            CV_TRY(add_column(d, new, &new->columns[i]));
    return 0;
}

static int create_indexes(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < new->index_count; i++) {
        const cv__index *former = find_index(old, new->indexes[i].name);
        if (!former || !cv__index_equal(former, &new->indexes[i]))
            CV_TRY(add(d, &(cv__operation){.kind = CV__CREATE_INDEX, .as.create_index = new->indexes[i]}));
    }
    return 0;
}

/* ---- what may have been meant ---- */

static int note_columns(struct detection *d, const cv__schema_table *old, const cv__schema_table *new)
{
    for (size_t i = 0; i < old->column_count; i++) {
        if (cv__table_column(new, old->columns[i].name))
            continue;
        for (size_t j = 0; j < new->column_count; j++)
            if (!cv__table_column(old, new->columns[j].name) &&
                cv__type_equal(&old->columns[i].type, &new->columns[j].type))
                CV_TRY(note(d, cv_sprintf(d->cx,
                                          "note: %s.%s goes and %s.%s of the same type comes; if it was renamed, copy "
                                          "its values with run_sql first",
                                          old->name, old->columns[i].name, new->name, new->columns[j].name)));
    }
    return 0;
}

static bool same_columns(const cv__schema_table *a, const cv__schema_table *b)
{
    if (a->column_count != b->column_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (!cv__table_column(b, a->columns[i].name))
            return false;
    return true;
}

static int note_tables(struct detection *d)
{
    for (size_t i = 0; i < d->present_count; i++) {
        if (find_table(d->wanted, d->wanted_count, d->present[i]->name))
            continue;
        for (size_t j = 0; j < d->wanted_count; j++)
            if (!find_table(d->present, d->present_count, d->wanted[j]->name) &&
                same_columns(d->present[i], d->wanted[j]))
                CV_TRY(note(d, cv_sprintf(d->cx,
                                          "note: the table %s goes and %s with the same columns comes; if it was "
                                          "renamed, copy its rows with run_sql first",
                                          d->present[i]->name, d->wanted[j]->name)));
    }
    return 0;
}

/* ---- all of it ---- */

static int collect(struct detection *d, const cv_registry *registry)
{
    size_t models = cv__registry_count(registry);
    d->wanted = cv_zalloc(d->cx, models + 1, sizeof *d->wanted);
    d->present = cv_zalloc(d->cx, d->state->count + 1, sizeof *d->present);
    if (!d->wanted || !d->present)
        return CV_E_NOMEM;
    for (size_t i = 0; i < d->state->count; i++)
        if (strcmp(d->state->tables[i]->label, d->label) == 0)
            d->present[d->present_count++] = d->state->tables[i];
    for (size_t i = 0; i < models; i++) {
        const cv__model_info *model = cv__registry_at(registry, i);
        if (strcmp(model->label, d->label) != 0)
            continue;
        const cv__schema_table *other = cv__state_table(d->state, model->model->table);
        if (other && strcmp(other->label, d->label) != 0) {
            cv_fail(d->cx, CV_E_UNSUPPORTED,
                    "the table \"%s\" belongs to the migrations of \"%s\", but the model \"%s\" to \"%s\"",
                    model->model->table, other->label, model->model->name, d->label);
            cv_error_hint(d->cx, "a table cannot change its label: register the model under \"%s\"", other->label);
            return CV_E_UNSUPPORTED;
        }
        CV_TRY(cv__model_table(d->cx, model, &d->wanted[d->wanted_count++]));
    }
    return 0;
}

/* Run a step over all tables that are on both sides. */
static int each_kept(struct detection *d,
                     int (*step)(struct detection *d, const cv__schema_table *old, const cv__schema_table *new))
{
    for (size_t i = 0; i < d->wanted_count; i++) {
        const cv__schema_table *old = find_table(d->present, d->present_count, d->wanted[i]->name);
        if (old)
            CV_TRY(step(d, old, d->wanted[i]));
    }
    return 0;
}

int cv__detect(cv_ctx *cx, const cv_registry *registry, const char *label, const cv__state *state,
               cv__changes *ret_changes)
{
    cv__changes changes = {0};
    struct detection d = {.cx = cx, .label = label, .state = state, .changes = &changes};
    CV_TRY(collect(&d, registry));
    CV_TRY(each_kept(&d, compare_columns));
    CV_TRY(each_kept(&d, compare_checks));
    CV_TRY(each_kept(&d, drop_indexes));
    CV_TRY(each_kept(&d, drop_columns));
    CV_TRY(drop_tables(&d));
    CV_TRY(create_tables(&d));
    CV_TRY(each_kept(&d, add_columns));
    CV_TRY(each_kept(&d, create_indexes));
    CV_TRY(each_kept(&d, note_columns));
    CV_TRY(note_tables(&d));
    *ret_changes = changes;
    return 0;
}
