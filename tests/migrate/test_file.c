/* The format of migration files: what is read, what is refused and where, and that what is written reads back. */
#include "migrate/file.h"
#include "migrate_test.h"

static const char everything[] =
    "# by hand\n"
    "covet: 1\n"
    "depends_on: [authors/0001_initial, other/0002_more]\n"
    "operations:\n"
    "  - create_table:\n"
    "      name: books\n"
    "      columns:\n"
    "        - {name: id, type: integer, identity: true}\n"
    "        - {name: title, type: char, max_length: 200, default: \"true\"}\n"
    "        - {name: body, type: text, null: true}\n"
    "        - {name: sold, type: boolean, default: false}\n"
    "        - {name: small, type: integer, bits: 16, default: -32768}\n"
    "        - {name: medium, type: integer, bits: 32}\n"
    "        - {name: weight, type: float, default: 0.1}\n"
    "        - {name: price, type: decimal, digits: 8, places: 2, default: \"9.90\"}\n"
    "        - {name: long_one, type: decimal, digits: 38, places: 10}\n"
    "        - {name: published, type: datetime, default: \"2026-01-02T03:04:05.000006Z\"}\n"
    "        - {name: day, type: date, default: 2026-01-02}\n"
    "        - {name: code, type: uuid, default: 01234567-89ab-4def-8123-456789abcdef}\n"
    "        - {name: extra, type: json, default: \"{\\\"a\\\": [1, null]}\"}\n"
    "        - {name: cover, type: binary, default: abc}\n"
    "        - {name: tags, type: array, of: text, default: \"[\\\"a\\\", null]\"}\n"
    "        - {name: counts, type: array, of: integer, bits: 16}\n"
    "        - {name: costs, type: array, of: decimal, digits: 8, places: 2, default: \"[]\"}\n"
    "        - {name: stay, type: range, of: date, default: \"{\\\"lower\\\": \\\"2026-01-02\\\"}\"}\n"
    "        - {name: span, type: range, of: integer, null: true}\n"
    "        - {name: author_id, type: integer, references: {table: authors, column: id}}\n"
    "        - {name: editor_id, type: integer, null: true,\n"
    "           references: {table: authors, column: id, on_delete: set_null}}\n"
    "        - {name: shelf, type: char, max_length: 5, references: {table: shelves, column: code, on_delete: "
    "cascade}}\n"
    "      unique:\n"
    "        - {name: books_title_uniq, columns: [title, day]}\n"
    "      checks:\n"
    "        - {name: books_price_min, column: price, lookup: gte, value: \"0\"}\n"
    "        - {name: books_small, column: small, lookup: in, values: [1, 2, 3]}\n"
    "        - {name: books_order, column: small, lookup: lt, other: medium}\n"
    "        - {name: books_prefix, column: title, lookup: startswith, value: \"It's \\\"\"}\n"
    "  - create_table: {name: keyed, columns: [{name: code, type: char, max_length: 5, primary_key: true}]}\n"
    "  - create_index: {name: books_day_idx, table: books, columns: [day, \"-price\"]}\n"
    "  - create_index: {name: books_code_uniq, table: books, columns: [code], unique: true}\n"
    "  - add_column:\n"
    "      table: books\n"
    "      column: {name: pages, type: integer, null: true}\n"
    "      checks: [{name: books_pages_min, column: pages, lookup: gt, value: 0}]\n"
    "  - drop_index: {name: books_day_idx}\n"
    "  - drop_column: {table: books, column: body}\n"
    "  - run_sql:\n"
    "      sqlite: [\"UPDATE books SET title = 'a: b'\", \"SELECT 1\"]\n"
    "      postgres: []\n"
    "      reverse: {sqlite: [], postgres: [\"SELECT 2\"]}\n"
    "  - run_sql: {postgres: [\"SELECT 3\"]}\n"
    "  - drop_table: {name: keyed}\n";

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv__file file, again;
    cv_buf once, twice;
    assert_ok(cx, cv__file_read(cx, "a.yaml", cv_str_of(everything), &file));
    assert_int_equal(file.depend_count, 2);
    assert_int_equal(file.operation_count, 10);
    cv_buf_init_arena(&once, cv_ctx_arena(cx), 0);
    cv_buf_init_arena(&twice, cv_ctx_arena(cx), 0);
    cv__file_write(&once, "a\n\nb", &file);
    assert_true(cv_str_starts_with(cv_buf_str(&once), CV_STR("# a\n#\n# b\ncovet: 1\n")));
    assert_ok(cx, cv__file_read(cx, "b.yaml", cv_buf_str(&once), &again));
    cv__file_write(&twice, "a\n\nb", &again);
    assert_string_equal(once.data, twice.data);
    const cv__schema_table *a = file.operations[0].as.create_table, *b = again.operations[0].as.create_table;
    assert_int_equal(a->column_count, b->column_count);
    for (size_t i = 0; i < a->column_count; i++)
        assert_true(cv__column_equal(&a->columns[i], &b->columns[i]));
    for (size_t i = 0; i < a->check_count; i++)
        assert_true(cv__check_equal(&a->checks[i], &b->checks[i]));
    assert_true(cv__index_equal(&a->indexes[0], &b->indexes[0]));
    cv_ctx_free(cx);
}

static void a_migration_without_operations_is_one(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv__file file;
    cv_buf text;
    cv_buf_init_arena(&text, cv_ctx_arena(cx), 0);
    assert_ok(cx, cv__file_read(cx, "a.yaml", CV_STR("covet: 1\noperations: []\n"), &file));
    cv__file_write(&text, NULL, &file);
    assert_string_equal(text.data, "covet: 1\noperations: []\n");
    cv_ctx_free(cx);
}

struct refusal {
    const char *text, *message, *hint;
    int code;
};

#define COLUMNS(lines) OPERATIONS("  - create_table:\n      name: t\n      columns:\n" lines)

static const struct refusal refusals[] = {
    {"", "f.yaml:1:1: the migration is empty", NULL, CV_E_MIGRATION},
    {"- 1\n", "f.yaml:1:1: a migration must be a mapping, not a sequence", NULL, CV_E_MIGRATION},
    {"covet: 1\noperations: [\n", "f.yaml:3:1", NULL, CV_E_SYNTAX},
    {"covet: 1\ncovet: 1\noperations: []\n", "f.yaml:2:1", NULL, CV_E_SYNTAX},
    {"covet: &a 1\noperations: []\n", "f.yaml:1:8", NULL, CV_E_SYNTAX},
    {"covet: 1\noperations: *a\n", "f.yaml:2:13", NULL, CV_E_SYNTAX},
    {"covet: !!int 1\noperations: []\n", "f.yaml:1:8", NULL, CV_E_SYNTAX},
    {"covet: 2\noperations: []\n", "f.yaml:1:8: this version of the format", "covet: 1", CV_E_MIGRATION},
    {"operations: []\n", "f.yaml:1:1: a migration needs the key \"covet\"", NULL, CV_E_MIGRATION},
    {"covet: 1\n", "f.yaml:1:1: a migration needs the key \"operations\"", NULL, CV_E_MIGRATION},
    {"covet: 1\noperatons: []\n", "f.yaml:2:1: a migration has the unknown key \"operatons\"", "\"operations\"",
     CV_E_MIGRATION},
    {"covet: 1\ndepends_on: [books]\noperations: []\n", "f.yaml:2:14: \"books\" does not name", "authors/0001_initial",
     CV_E_MIGRATION},
    {"covet: 1\ndepends_on: [../0001_a]\noperations: []\n", "f.yaml:2:14: \"../0001_a\" does not", NULL,
     CV_E_MIGRATION},
    {OPERATIONS("  - creat_table: {}\n"), "f.yaml:3:5: unknown operation \"creat_table\"", "\"create_table\"",
     CV_E_MIGRATION},
    {OPERATIONS("  - zzzzzzzzzzzzz: {}\n"), "f.yaml:3:5: unknown operation", "there are create_table, drop_table",
     CV_E_MIGRATION},
    {OPERATIONS("  - {drop_table: {name: a}, drop_index: {name: b}}\n"), "f.yaml:3:5: an operation has one key", NULL,
     CV_E_MIGRATION},
    {OPERATIONS("  - drop_table\n"), "f.yaml:3:5: an operation must be a mapping", NULL, CV_E_MIGRATION},
    {OPERATIONS("  - drop_table: {nam: a}\n"), "f.yaml:3:18: drop_table has the unknown key \"nam\"", "\"name\"",
     CV_E_MIGRATION},
    {OPERATIONS("  - drop_table: {}\n"), "f.yaml:3:17: drop_table needs the key \"name\"", NULL, CV_E_MIGRATION},
    {OPERATIONS("  - drop_table: {name: \"a b\"}\n"), "f.yaml:3:24: \"a b\" cannot be a name", "1 to 63",
     CV_E_MIGRATION},
    {OPERATIONS("  - drop_table: {name: [a]}\n"), "a name must be a scalar, not a sequence", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: txt}\n"), "f.yaml:6:27: unknown type \"txt\"", "\"text\"", CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: char}\n"), "f.yaml:6:11: a column of type char needs the key \"max_length\"",
     NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, max_length: 3}\n"),
     "f.yaml:6:33: a column of type text has no \"max_length\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, bits: 16}\n"), "has no \"bits\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, digits: 3}\n"), "has no \"digits\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, places: 3}\n"), "has no \"places\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: char, max_length: 0}\n"), "\"max_length\" must be a number from 1", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, bits: 8}\n"), "\"bits\" must be a number from 16 to 64", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, bits: 24}\n"), "an integer has 16, 32 or 64 bits", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: decimal, digits: 5}\n"), "needs the key \"places\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: decimal, digits: 5, places: 6}\n"), "\"places\" must be a number from 0 to 5",
     NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, null: yes}\n"), "f.yaml:6:39: \"null\" must be true or false", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, default: x}\n"), "the default \"x\" does not fit the column", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, bits: 16, default: 32768}\n"), "the default \"32768\" does not fit",
     NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: char, max_length: 2, default: abc}\n"), "the default \"abc\" does not fit",
     NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: decimal, digits: 3, places: 2, default: 12.5}\n"),
     "the default \"12.5\" does not fit", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, default: null}\n"), "the default cannot be null", "in quotes",
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text, identity: true}\n"), "the identity \"a\" must be an integer", NULL,
     CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, identity: true, default: 1}\n"),
     "the identity \"a\" cannot have a default", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, primary_key: true, null: true}\n"),
     "the primary key \"a\" cannot be null", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, references: {table: b, column: c, on_delete: set_null}}\n"),
     "cannot be set to null on delete", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: integer, references: {table: b, column: c, on_delete: casade}}\n"),
     "unknown action \"casade\"", "\"cascade\"", CV_E_MIGRATION},
    {COLUMNS(
         "        - {name: a, type: text}\n      checks:\n        - {name: c, column: b, lookup: exact, value: 1}\n"),
     "f.yaml:8:29: the check \"c\" names the column \"b\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      checks:\n        - {name: c, column: a, lookup: gtt, value: 1}\n"),
     "unknown look-up \"gtt\"", "\"gt\"", CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: json}\n      checks:\n        - {name: c, column: a, lookup: gt, value: 1}\n"),
     "values of type json have no order", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: date}\n      checks: [{name: c, column: a, lookup: startswith, value: 1}]\n"),
     "only texts have the look-up", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      checks: [{name: c, column: a, lookup: in, value: 1}]\n"),
     "the check \"c\" needs \"values\" alone", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      checks: [{name: c, column: a, lookup: gt}]\n"),
     "needs either \"value\" or \"other\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      checks: [{name: c, column: a, lookup: in, values: []}]\n"),
     "a check has from 1 to", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      checks: [{name: c, column: a, lookup: startswith, other: a}]\n"),
     "\"startswith\" needs a \"value\"", NULL, CV_E_MIGRATION},
    {COLUMNS("        - {name: a, type: text}\n      unique: [{name: u, columns: []}]\n"), "has from 1 to 8 columns",
     NULL, CV_E_MIGRATION},
    {OPERATIONS("  - run_sql: {}\n"), "f.yaml:3:14: run_sql needs statements", NULL, CV_E_MIGRATION},
    {OPERATIONS("  - run_sql: {mysql: []}\n"), "run_sql has the unknown key \"mysql\"", NULL, CV_E_MIGRATION},
    {OPERATIONS("  - run_sql: {sqlite: [\" \"]}\n"), "a statement cannot be empty", NULL, CV_E_MIGRATION},
    {OPERATIONS("  - run_sql: {sqlite: \"SELECT 1\"}\n"), "the statements of an engine must be a sequence", NULL,
     CV_E_MIGRATION},
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *refusal = &refusals[i];
        cv_ctx *cx = cv_ctx_new(0);
        cv__file file;
        int rc = cv__file_read(cx, "f.yaml", cv_str_of(refusal->text), &file);
        const cv_error *error = cv_error_last(cx);
        if (rc != refusal->code || !error || !strstr(error->message, refusal->message))
            fail_msg("%s\n%s: %s", refusal->text, cv_error_name(rc), error ? error->message : "no story");
        if (refusal->hint && (!error->hint || !strstr(error->hint, refusal->hint)))
            fail_msg("%s\n%s", refusal->text, error->hint ? error->hint : "no hint");
        cv_ctx_free(cx);
    }
}

static void files_are_bounded(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv__file file;
    cv_buf text;
    cv_buf_init(&text, 0);
    cv_buf_add_text(&text, "covet: 1\noperations:\n");
    for (int i = 0; i <= CV__FILE_MAX_OPERATIONS; i++)
        cv_buf_add_text(&text, "  - drop_table: {name: a}\n");
    assert_fails(cx, cv__file_read(cx, "f.yaml", cv_buf_str(&text), &file), CV_E_MIGRATION, "at most 1000 operations");
    while (text.len <= CV__FILE_MAX_BYTES)
        cv_buf_add_text(&text, "# ....................................................................\n");
    assert_fails(cx, cv__file_read(cx, "f.yaml", cv_buf_str(&text), &file), CV_E_LIMIT, "f.yaml");
    cv_buf_done(&text);
    cv_ctx_free(cx);
}

static void names_cannot_lead_anywhere(void **state)
{
    (void)state;
    assert_true(cv__migration_name_ok(CV_STR("0001_initial")));
    assert_false(cv__migration_name_ok(CV_STR("001_initial")));
    assert_false(cv__migration_name_ok(CV_STR("0001_")));
    assert_false(cv__migration_name_ok(CV_STR("0001_Initial")));
    assert_false(cv__migration_name_ok(CV_STR("0001_a/b")));
    assert_false(cv__migration_name_ok(CV_STR("____a_b")));
    assert_false(cv__label_ok(CV_STR("..")));
    assert_false(cv__label_ok(CV_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_migration_without_operations_is_one),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(files_are_bounded),
        cmocka_unit_test(names_cannot_lead_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
