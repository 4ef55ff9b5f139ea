/* Sets of migrations: the order, the replayed state, folders, what is compiled in. */
#include "migrate_test.h"

#define EMPTY       "covet: 1\noperations: []\n"
#define NEEDS(what) "covet: 1\ndepends_on: [" what "]\noperations: []\n"

static void order_of(cv_ctx *cx, const cv_migrations *set, char *out, size_t size)
{
    /* the comments of the embedded source stand in the order of the set */
    cv_buf source;
    cv_buf_init_arena(&source, cv_ctx_arena(cx), 0);
    assert_ok(cx, cv_migrations_embed(cx, set, "x", &source));
    *out = '\0';
    for (const char *at = strstr(source.data, "\n/* "); at; at = strstr(at + 1, "\n/* "))
        snprintf(out + strlen(out), size - strlen(out), "%.*s ", (int)(strstr(at, " */") - at - 4), at + 4);
}

static void dependencies_come_first(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    char order[256];
    cv_migrations *set = load_set(cx, SET(AT("b", "0002_x", EMPTY), AT("a", "0001_x", NEEDS("b/0001_x")),
                                          AT("b", "0001_x", EMPTY), AT("a", "0003_x", EMPTY)));
    order_of(cx, set, order, sizeof order);
    assert_string_equal(order, "b/0001_x b/0002_x a/0001_x a/0003_x ");
    cv_ctx_free(cx);
}

static void a_circle_is_refused_and_told(void **state)
{
    (void)state;
    refuses(SET(AT("a", "0001_x", NEEDS("b/0001_x")), AT("b", "0001_x", NEEDS("a/0001_x"))), CV_E_MIGRATION,
            "in a circle");
    refuses(SET(AT("a", "0001_x", NEEDS("a/0002_x")), AT("a", "0002_x", EMPTY)), CV_E_MIGRATION,
            "\"a/0001_x\" needs \"a/0002_x\"");
}

static void two_that_follow_the_same_are_refused(void **state)
{
    (void)state;
    refuses_with_hint(SET(ONE("0001_x", EMPTY), ONE("0002_a", EMPTY), ONE("0002_b", EMPTY)), CV_E_MIGRATION,
                      "\"0002_a\" and \"0002_b\"", "next free number");
}

static void a_dependency_must_exist(void **state)
{
    (void)state;
    refuses_with_hint(SET(AT("a", "0001_x", NEEDS("b/0001_y")), AT("b", "0001_x", EMPTY)), CV_E_MIGRATION,
                      "a/0001_x (embedded):2:14: there is no migration \"b/0001_y\"", "b/0001_x");
}

/* Operations against the state, each after a migration that makes the table books. */
static void operations_must_fit_the_state(void **state)
{
    (void)state;
    static const struct {
        const char *operation, *message;
    } cases[] = {
        {"  - drop_table: {name: bookz}\n", "0002_x (embedded):3:5: there is no table \"bookz\""},
        {"  - create_table: {name: Books, columns: [{name: a, type: text}]}\n", "a table called \"books\" already"},
        {"  - create_table: {name: covet_migrations, columns: [{name: a, type: text}]}\n", "is reserved"},
        {"  - create_table: {name: sqlite_x, columns: [{name: a, type: text}]}\n", "is reserved"},
        {"  - create_table: {name: t, columns: []}\n", "the table \"t\" has no columns"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}, {name: A, type: text}]}\n", "two columns"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}], unique: [{name: t, columns: [a]}]}\n",
         "cannot have the name of its table"},
        {"  - create_table: {name: t, columns: [{name: a, type: integer, primary_key: true}, "
         "{name: b, type: integer, primary_key: true}]}\n",
         "more than one primary key"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}], unique: [{name: u, columns: [a]}, "
         "{name: u, columns: [a]}]}\n",
         "two indexes called"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}], checks: "
         "[{name: u, column: a, lookup: exact, value: x}, {name: u, column: a, lookup: exact, value: x}]}\n",
         "two checks called"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}], checks: "
         "[{name: u, column: a, lookup: exact, other: b}]}\n",
         "names the column \"b\", which the table \"t\" does not have"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}, {name: b, type: date}], checks: "
         "[{name: u, column: a, lookup: exact, other: b}]}\n",
         "columns of different types"},
        {"  - add_column: {table: books, column: {name: title, type: text, null: true}}\n", "two columns"},
        {"  - add_column: {table: books, column: {name: k, type: integer, primary_key: true}}\n",
         "a primary key cannot be added"},
        {"  - drop_column: {table: books, column: titel}\n", "has no column \"titel\""},
        {"  - drop_column: {table: books, column: id}\n", "the primary key \"id\" cannot be dropped"},
        {"  - create_table: {name: t, columns: [{name: a, type: text}]}\n  - drop_column: {table: t, column: a}\n",
         "the only column"},
        {"  - create_index: {name: i, table: books, columns: [title]}\n"
         "  - drop_column: {table: books, column: title}\n",
         "is used by the index \"i\""},
        {"  - add_column: {table: books, column: {name: a, type: text, null: true}}\n"
         "  - add_column: {table: books, column: {name: b, type: text, null: true}, "
         "checks: [{name: c, column: b, lookup: gt, other: a}]}\n"
         "  - drop_column: {table: books, column: a}\n",
         "is used by the check \"c\" of the column \"b\""},
        {"  - create_index: {name: i, table: books, columns: [titel]}\n", "names the column \"titel\""},
        {"  - create_index: {name: i, table: books, columns: [title, title]}\n", "the column \"title\" twice"},
        {"  - create_index: {name: books, table: books, columns: [title]}\n", "a table called \"books\" already"},
        {"  - create_index: {name: i, table: books, columns: [title]}\n"
         "  - create_index: {name: I, table: books, columns: [title]}\n",
         "an index called \"i\" already"},
        {"  - drop_index: {name: none}\n", "there is no index \"none\""},
        {"  - add_column: {table: books, column: {name: a_id, type: integer, null: true, "
         "references: {table: authors, column: id}}}\n",
         "0002_x (embedded):3:40: the column \"books.a_id\" refers to \"authors.id\", which does not exist"},
        {"  - add_column: {table: books, column: {name: a_id, type: text, null: true, "
         "references: {table: books, column: id}}}\n",
         "which has another type"},
        {"  - add_column: {table: books, column: {name: a, type: char, max_length: 20, null: true, "
         "references: {table: books, column: title}}}\n",
         "which is not unique"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, OPERATIONS("%s"), cases[i].operation);
        const cv_embedded_migration both[] = {ONE("0001_x", OPERATIONS(BOOKS)), {"shop", "0002_x", text, strlen(text)}};
        refuses(((cv_migrations_source){.embedded = both, .embedded_count = 2}), CV_E_MIGRATION, cases[i].message);
    }
}

static void a_label_keeps_to_its_own_tables(void **state)
{
    (void)state;
    refuses(
        SET(ONE("0001_x", OPERATIONS(BOOKS)),
            AT("zoo", "0001_x", "covet: 1\ndepends_on: [shop/0001_x]\noperations: [{drop_table: {name: books}}]\n")),
        CV_E_MIGRATION, "belongs to the migrations of \"shop\"");
}

static void references_may_point_forward_within_a_migration(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    load_set(cx, SET(ONE("0001_x", OPERATIONS("  - create_table:\n"
                                              "      name: a\n"
                                              "      columns:\n"
                                              "        - {name: id, type: integer, identity: true}\n"
                                              "        - {name: b, type: integer, references: {table: books, "
                                              "column: id}}\n" BOOKS))));
    cv_ctx_free(cx);
}

/* ---- folders ---- */

static void a_folder_is_read(void **state)
{
    (void)state;
    cv_ctx *cx = new_runtime();
    folder f = make_folder();
    char order[128];
    put_file(&f, "shop", "0001_initial.yaml", OPERATIONS(BOOKS));
    put_file(&f, "shop", "README.md", "not a migration");
    put_file(&f, "shop", ".0002_draft.yaml.swp", "nor this");
    put_file(&f, ".", "notes.txt", "nor that");
    order_of(cx, load_set(cx, (cv_migrations_source){.folder = f.path}), order, sizeof order);
    assert_string_equal(order, "shop/0001_initial ");
    remove_folder(&f);
    order_of(cx, load_set(cx, (cv_migrations_source){.folder = f.path}), order, sizeof order);
    assert_string_equal(order, "");
    cv_runtime_free(cx);
}

static void names_in_a_folder_are_restricted(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"shop", "1_x.yaml"}, {"shop", "0001_X.yaml"}, {"shop", "0001_x.yml"}, {"Shop", "0001_x.yaml"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cv_ctx *cx = new_runtime();
        folder f = make_folder();
        cv_migrations *set;
        put_file(&f, names[i][0], names[i][1], EMPTY);
        assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_MIGRATION,
                     "cannot be the");
        remove_folder(&f);
        cv_runtime_free(cx);
    }
}

static void links_may_not_lead_outside(void **state)
{
    (void)state;
    cv_ctx *cx = new_runtime();
    folder f = make_folder(), other = make_folder();
    char target[256], link_path[256], order[128];
    cv_migrations *set;
    put_file(&other, "shop", "0001_x.yaml", EMPTY);
    put_file(&f, "inner", "0001_x.yaml", EMPTY);
    snprintf(link_path, sizeof link_path, "%s/inner/0002_y.yaml", f.path);
    assert_int_equal(symlink("0001_x.yaml", link_path), 0);
    order_of(cx, load_set(cx, (cv_migrations_source){.folder = f.path}), order, sizeof order);
    assert_string_equal(order, "inner/0001_x inner/0002_y ");

    unlink(link_path);
    snprintf(target, sizeof target, "%s/shop/0001_x.yaml", other.path);
    assert_int_equal(symlink(target, link_path), 0);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_MIGRATION,
                 "leads outside");
    unlink(link_path);
    snprintf(target, sizeof target, "%s/shop", other.path);
    snprintf(link_path, sizeof link_path, "%s/shop", f.path);
    assert_int_equal(symlink(target, link_path), 0);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_MIGRATION,
                 "leads outside");
    remove_folder(&f);
    remove_folder(&other);
    cv_runtime_free(cx);
}

static void what_is_no_readable_file_is_refused(void **state)
{
    (void)state;
    cv_ctx *cx = new_runtime();
    folder f = make_folder();
    char path[256];
    cv_migrations *set;
    put_file(&f, "shop", "0001_x.yaml", EMPTY);
    snprintf(path, sizeof path, "%s/shop/0002_x.yaml", f.path);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_MIGRATION,
                 "is not a file");
    rmdir(path);
    put_file(&f, "shop", "0002_x.yaml", "");
    assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_TOO_LARGE,
                 "is too large");
    unlink(path);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = f.path}, &set), CV_E_IO, "No such file");
    snprintf(path, sizeof path, "%s/shop/0001_x.yaml", f.path);
    assert_fails(cx, cv_migrations_load(cx, &(cv_migrations_source){.folder = path}, &set), CV_E_IO, "Not a directory");
    remove_folder(&f);
    cv_runtime_free(cx);
}

/* ---- what is compiled in ---- */

static void a_folder_wins_and_differences_are_told(void **state)
{
    (void)state;
    cv_ctx *cx = new_runtime();
    folder f = make_folder();
    size_t at = 0;
    put_file(&f, "shop", "0001_x.yaml", "covet: 1 # changed\noperations: []\n");
    put_file(&f, "shop", "0002_x.yaml", EMPTY);
    put_file(&f, "shop", "0003_x.yaml", EMPTY);
    cv_migrations_source source = SET(ONE("0001_x", EMPTY), ONE("0002_x", EMPTY), AT("other", "0001_x", EMPTY));
    source.folder = f.path;
    cv_migrations *set = load_set(cx, source);
    assert_non_null(strstr(cv_migrations_warning(set, &at), "\"shop/0001_x\" differs from the one compiled in"));
    assert_non_null(strstr(cv_migrations_warning(set, &at), "\"shop/0003_x\" is in the folder and not compiled in"));
    assert_non_null(strstr(cv_migrations_warning(set, &at), "\"other/0001_x\" is compiled in and not in the folder"));
    assert_null(cv_migrations_warning(set, &at));

    remove_folder(&f);
    at = 0;
    set = load_set(cx, source);
    assert_non_null(strstr(cv_migrations_warning(set, &at), "does not exist; the migrations compiled in are used"));
    cv_runtime_free(cx);
}

static void embedded_names_are_checked_too(void **state)
{
    (void)state;
    refuses(SET(AT("shop", "../0001_x", EMPTY)), CV_E_MIGRATION, "a name that is not allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dependencies_come_first),
        cmocka_unit_test(a_circle_is_refused_and_told),
        cmocka_unit_test(two_that_follow_the_same_are_refused),
        cmocka_unit_test(a_dependency_must_exist),
        cmocka_unit_test(operations_must_fit_the_state),
        cmocka_unit_test(a_label_keeps_to_its_own_tables),
        cmocka_unit_test(references_may_point_forward_within_a_migration),
        cmocka_unit_test(a_folder_is_read),
        cmocka_unit_test(names_in_a_folder_are_restricted),
        cmocka_unit_test(links_may_not_lead_outside),
        cmocka_unit_test(what_is_no_readable_file_is_refused),
        cmocka_unit_test(a_folder_wins_and_differences_are_told),
        cmocka_unit_test(embedded_names_are_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
