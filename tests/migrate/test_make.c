/* makemigrations: from models to files, and what it refuses to guess. */
#include "migrate_test.h"
#include "models.h"

typedef struct world {
    cv_ctx *cx;
    folder folder;
    cv_registry *registry;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    w->cx = new_runtime();
    w->folder = make_folder();
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    cv_registry_free(w->registry);
    remove_folder(&w->folder);
    cv_runtime_free(w->cx);
    free(w);
    return 0;
}

/* The program's models from now on. */
static void declare(world *w, const char *label, cv_model_fn *const *models)
{
    cv_registry_free(w->registry);
    w->registry = cv_registry_new(w->cx);
    for (; models && *models; models++)
        assert_ok(w->cx, cv_registry_add(w->cx, w->registry, label, (*models)()));
    assert_ok(w->cx, cv_registry_check(w->cx, w->registry));
}
#define DECLARE(w, ...) declare((w), "shop", (cv_model_fn *const[]){__VA_ARGS__, NULL})

static int try_make(world *w, cv_makemigrations_options options, cv_new_migration **made, size_t *count)
{
    cv_migrations *set = load_set(w->cx, (cv_migrations_source){.folder = w->folder.path});
    options.folder = w->folder.path;
    return cv_makemigrations(w->cx, w->registry, set, &options, made, count);
}

static cv_new_migration *make(world *w, size_t expected)
{
    cv_new_migration *made = NULL;
    size_t count = 0;
    assert_ok(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count));
    assert_int_equal(count, expected);
    return made;
}

static bool says(const cv_new_migration *made, const char *part)
{
    for (const char *const *line = made->summary; *line; line++)
        if (strstr(*line, part))
            return true;
    return false;
}

static void every_kind_of_field_is_kept(void **state)
{
    world *w = *state;
    DECLARE(w, shelf_model, writer_model, work_model);
    cv_new_migration *made = make(w, 1);
    assert_string_equal(made->name, "0001_initial");
    assert_string_equal(made->label, "shop");
    assert_true(says(made, "create table works"));
    assert_true(says(made, "create index works_day_price_idx"));
    char *text;
    size_t len;
    assert_ok(w->cx, cv_file_read(w->cx, made->path, 1 << 20, &text, &len));
    assert_string_equal(text, made->text);
    make(w, 0);
}

static void a_dry_run_writes_nothing(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    DECLARE(w, note_1_model);
    assert_ok(w->cx, try_make(w, (cv_makemigrations_options){.dry_run = true}, &made, &count));
    assert_int_equal(count, 1);
    assert_int_equal(access(made->path, F_OK), -1);
}

static void changes_become_further_migrations(void **state)
{
    world *w = *state;
    DECLARE(w, note_1_model);
    make(w, 1);
    DECLARE(w, note_2_model);
    cv_new_migration *made = make(w, 1);
    assert_string_equal(made->name, "0002_drop_notes_author_idx_and_more");
    assert_true(says(made, "drop index notes_author_idx"));
    assert_true(says(made, "add column notes.pages"));
    assert_true(says(made, "create unique index notes_title_uniq"));
    assert_true(says(made, "create index notes_author_rank_idx"));
    assert_non_null(strstr(made->text, "notes_pages_min"));
    make(w, 0);
    DECLARE(w, note_3_model);
    made = make(w, 1);
    assert_true(says(made, "drop column notes.pages"));
    assert_true(says(made, "add column notes.writer"));
    assert_true(says(made, "note: notes.author goes and notes.writer of the same type comes"));
    make(w, 0);
}

static void names_say_what_a_migration_does(void **state)
{
    world *w = *state;
    DECLARE(w, note_1_model);
    assert_string_equal(make(w, 1)->name, "0001_initial");
    DECLARE(w, note_1_model, shelf_model);
    assert_string_equal(make(w, 1)->name, "0002_shelves");
    DECLARE(w, note_1_model);
    assert_string_equal(make(w, 1)->name, "0003_drop_shelves");
    DECLARE(w, note_plain_model);
    assert_string_equal(make(w, 1)->name, "0004_drop_notes_author_idx");
    DECLARE(w, note_1_model);
    assert_string_equal(make(w, 1)->name, "0005_add_notes_author_idx");
    DECLARE(w, note_paged_model);
    assert_string_equal(make(w, 1)->name, "0006_add_notes_pages");
    DECLARE(w, note_1_model);
    assert_string_equal(make(w, 1)->name, "0007_drop_notes_pages");
}

static void tables_go_after_those_that_refer_to_them(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    DECLARE(w, shelf_model, writer_model, work_model);
    make(w, 1);
    declare(w, "shop", NULL);
    make(w, 0); /* a label without models is left alone unless it is named */
    assert_ok(w->cx, try_make(w, (cv_makemigrations_options){.label = "shop", .name = "bye"}, &made, &count));
    assert_int_equal(count, 1);
    assert_string_equal(made->name, "0002_bye");
    assert_true(says(made, "drop table works"));
    assert_string_not_equal(made->summary[0], "drop table shelves");
}

static void what_cannot_be_expressed_is_refused(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    DECLARE(w, note_1_model);
    make(w, 1);
    DECLARE(w, note_wider_model);
    assert_fails(
        w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_UNSUPPORTED,
        "the column \"title\" of the table \"notes\" changed from {name: title, type: char, max_length: 20} to "
        "{name: title, type: char, max_length: 40}");
    DECLARE(w, note_checked_model);
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_UNSUPPORTED,
                 "the check \"notes_title\" of the table \"notes\" changed from nothing to {name: notes_title");
    DECLARE(w, note_required_model);
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_UNSUPPORTED,
                 "rows that exist would have no value");
    declare(w, "other", (cv_model_fn *const[]){note_1_model, NULL});
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_UNSUPPORTED,
                 "belongs to the migrations of \"shop\"");
}

static void a_table_that_may_have_been_renamed_is_noted(void **state)
{
    world *w = *state;
    DECLARE(w, note_1_model);
    make(w, 1);
    DECLARE(w, note_renamed_model);
    assert_true(says(make(w, 1), "note: the table notes goes and memos with the same columns comes"));
}

static void other_labels_are_depended_on(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    w->registry = cv_registry_new(w->cx);
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "base", shelf_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "shop", writer_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "shop", work_model()));
    assert_ok(w->cx, cv_registry_check(w->cx, w->registry));
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){.label = "shop"}, &made, &count), CV_E_UNSUPPORTED,
                 "of \"base\", which has no migrations");
    made = make(w, 2);
    assert_non_null(strstr(made[1].text, "depends_on: [base/0001_initial]"));
    make(w, 0);
}

static void labels_that_refer_to_each_other_are_refused(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    w->registry = cv_registry_new(w->cx);
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "one", shelf_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "one", writer_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "two", work_model()));
    assert_ok(w->cx, cv_registry_check(w->cx, w->registry));
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_UNSUPPORTED,
                 "by one migration a label");
}

static void what_was_asked_must_make_sense(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    DECLARE(w, note_1_model);
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){.name = "Big Change"}, &made, &count), CV_E_INVALID,
                 "cannot be the name");
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){.label = "shpo"}, &made, &count), CV_E_NOT_FOUND,
                 "no migrations of the label \"shpo\"");
    cv_migrations *set = load_set(w->cx, (cv_migrations_source){0});
    assert_fails(w->cx, cv_makemigrations(w->cx, w->registry, set, &(cv_makemigrations_options){0}, &made, &count),
                 CV_E_INVALID, "no folder");
    declare(w, "Shop", (cv_model_fn *const[]){note_1_model, NULL});
    assert_fails(w->cx, try_make(w, (cv_makemigrations_options){0}, &made, &count), CV_E_INVALID,
                 "the label \"Shop\" cannot have migrations");
}

static void nothing_is_overwritten_and_no_half_is_left(void **state)
{
    world *w = *state;
    cv_new_migration *made;
    size_t count;
    char path[256];
    cv_migrations *none = load_set(w->cx, (cv_migrations_source){0});
    cv_makemigrations_options options = {.folder = w->folder.path};
    w->registry = cv_registry_new(w->cx);
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "aaa", shelf_model()));
    assert_ok(w->cx, cv_registry_add(w->cx, w->registry, "shop", note_1_model()));
    assert_ok(w->cx, cv_registry_check(w->cx, w->registry));
    put_file(&w->folder, "shop", "0001_initial.yaml", "mine");
    assert_fails(w->cx, cv_makemigrations(w->cx, w->registry, none, &options, &made, &count), CV_E_EXISTS,
                 "0001_initial.yaml\": File exists");
    snprintf(path, sizeof path, "%s/aaa/0001_initial.yaml", w->folder.path);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/aaa", w->folder.path);
    assert_int_equal(rmdir(path), 0); /* empty: no draft was left */
    options.folder = "/proc/nowhere";
    assert_true(cv_makemigrations(w->cx, w->registry, none, &options, &made, &count) < 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(every_kind_of_field_is_kept),
        T(a_dry_run_writes_nothing),
        T(changes_become_further_migrations),
        T(names_say_what_a_migration_does),
        T(tables_go_after_those_that_refer_to_them),
        T(what_cannot_be_expressed_is_refused),
        T(a_table_that_may_have_been_renamed_is_noted),
        T(other_labels_are_depended_on),
        T(labels_that_refer_to_each_other_are_refused),
        T(what_was_asked_must_make_sense),
        T(nothing_is_overwritten_and_no_half_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
