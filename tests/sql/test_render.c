/* The renderer: identifiers are quoted, values are placeholders, every node has its text on every engine. */
#include "sql/expr.h"
#include "test.h"

static int set_up(void **state)
{
    *state = cv_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_arena_free(*state);
    return 0;
}

static const cv__table books = {.name = "books", .alias = "t0"};

/* The condition of SELECT 1 FROM "books" AS "t0" WHERE ... */
static const char *condition(cv_arena *arena, const cv__dialect *dialect, const cv__expr *where)
{
    static const char start[] = "SELECT 1 FROM \"books\" AS \"t0\"";
    const cv__expr *one = cv__expr_one(arena);
    const cv__select select = {.columns = &one, .column_count = 1, .tables = &books, .table_count = 1, .where = where};
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    assert_non_null(where);
    cv__render_select(&out, dialect, &select);
    assert_int_equal(out.error, 0);
    assert_int_equal(strncmp(out.data, start, sizeof start - 1), 0);
    return out.data + sizeof start - 1;
}

static const cv__expr *column(cv_arena *arena)
{
    return cv__expr_column(arena, 0, "price");
}

static cv__expr *compare(cv_arena *arena, cv__lookup lookup, size_t param)
{
    return cv__expr_compare(arena, lookup, column(arena), cv__expr_param(arena, param));
}

static void comparisons(void **state)
{
    cv_arena *arena = *state;
    static const struct {
        cv__lookup lookup;
        const char *text;
    } cases[] = {{CV__EXACT, " WHERE \"t0\".\"price\" = ?1"},
                 {CV__GT, " WHERE \"t0\".\"price\" > ?1"},
                 {CV__GTE, " WHERE \"t0\".\"price\" >= ?1"},
                 {CV__LT, " WHERE \"t0\".\"price\" < ?1"},
                 {CV__LTE, " WHERE \"t0\".\"price\" <= ?1"}};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(condition(arena, &cv__dialect_sqlite, compare(arena, cases[i].lookup, 1)), cases[i].text);
    assert_string_equal(condition(arena, &cv__dialect_postgres, compare(arena, CV__GT, 12)),
                        " WHERE \"t0\".\"price\" > $12");
}

static void lists_ranges_and_null(void **state)
{
    cv_arena *arena = *state;
    assert_string_equal(condition(arena, &cv__dialect_postgres, cv__expr_in(arena, column(arena), 2, 3)),
                        " WHERE \"t0\".\"price\" IN ($2, $3, $4)");
    assert_string_equal(condition(arena, &cv__dialect_postgres, cv__expr_in(arena, column(arena), 2, 0)),
                        " WHERE 1 = 0");
    assert_string_equal(condition(arena, &cv__dialect_sqlite, cv__expr_range(arena, column(arena), 1)),
                        " WHERE \"t0\".\"price\" BETWEEN ?1 AND ?2");
    assert_string_equal(condition(arena, &cv__dialect_sqlite, cv__expr_null(arena, column(arena), true)),
                        " WHERE \"t0\".\"price\" IS NULL");
    assert_string_equal(
        condition(arena, &cv__dialect_sqlite, cv__expr_not(arena, cv__expr_null(arena, column(arena), false))),
        " WHERE NOT (\"t0\".\"price\" IS NOT NULL)");
}

static void text_look_ups_are_the_dialects(void **state)
{
    cv_arena *arena = *state;
    const cv__expr *node = cv__expr_text(arena, CV__CONTAINS, column(arena), 1);
    assert_string_equal(condition(arena, &cv__dialect_sqlite, node), " WHERE instr(\"t0\".\"price\", ?1) > 0");
    assert_non_null(strstr(condition(arena, &cv__dialect_postgres, node), "\"t0\".\"price\""));
}

static void groups_stand_in_parentheses(void **state)
{
    cv_arena *arena = *state;
    cv__expr *all = cv__expr_list(arena, CV__EXPR_AND), *any = cv__expr_list(arena, CV__EXPR_OR);
    cv__expr *nothing = cv__expr_list(arena, CV__EXPR_OR), *everything = cv__expr_list(arena, CV__EXPR_AND);
    assert_string_equal(condition(arena, &cv__dialect_sqlite, everything), "");
    assert_string_equal(condition(arena, &cv__dialect_sqlite, nothing), " WHERE 1 = 0");
    cv__expr_add(any, compare(arena, CV__LT, 1));
    cv__expr_add(any, compare(arena, CV__GT, 2));
    cv__expr_add(all, any);
    assert_string_equal(condition(arena, &cv__dialect_sqlite, all),
                        " WHERE (\"t0\".\"price\" < ?1 OR \"t0\".\"price\" > ?2)");
    cv__expr_add(all, everything);
    assert_non_null(strstr(condition(arena, &cv__dialect_sqlite, all), ") AND 1 = 1"));
}

static size_t depth_of(const char *text)
{
    size_t depth = 0, deepest = 0;
    for (; *text; text++) {
        depth += *text == '(';
        depth -= *text == ')';
        deepest = depth > deepest ? depth : deepest;
    }
    assert_int_equal(depth, 0);
    return deepest;
}

static void long_lists_become_shallow_trees(void **state)
{
    cv_arena *arena = *state;
    static const size_t sizes[] = {2, 16, 17, 256, 257, 1000, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cv__expr *all = cv__expr_list(arena, CV__EXPR_AND);
        for (size_t j = 1; j <= sizes[i]; j++)
            cv__expr_add(all, compare(arena, CV__GT, j));
        const char *text = condition(arena, &cv__dialect_sqlite, all);
        size_t ands = 0;
        for (const char *at = text; (at = strstr(at, " AND ")); at++)
            ands++;
        assert_int_equal(ands, sizes[i] - 1);
        assert_true(depth_of(text) <= 3);
    }
}

static void joins_order_and_slices(void **state)
{
    cv_arena *arena = *state;
    const cv__table tables[] = {
        books,
        {.name = "authors", .alias = "t1", .join = CV__JOIN_LEFT, .parent_column = "author_id", .column = "id"},
        {.name = "unused", .alias = "t2", .skipped = true},
        {.name = "countries", .parent = 1, .parent_column = "country_id", .column = "code"}};
    const cv__expr *columns[] = {cv__expr_column(arena, 1, "na\"me"), cv__expr_count(arena)};
    const cv__order orders[] = {{columns[0], false, true}, {columns[0], true, false}};
    const cv__select select = {.columns = columns,
                               .column_count = 2,
                               .tables = tables,
                               .table_count = 4,
                               .orders = orders,
                               .order_count = 2,
                               .limit_param = 1,
                               .offset_param = 2};
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__render_select(&out, &cv__dialect_sqlite, &select);
    assert_string_equal(out.data,
                        "SELECT \"t1\".\"na\"\"me\", COUNT(*) FROM \"books\" AS \"t0\""
                        " LEFT JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"author_id\""
                        " INNER JOIN \"countries\" ON \"countries\".\"code\" = \"t1\".\"country_id\""
                        " ORDER BY \"t1\".\"na\"\"me\" NULLS LAST, \"t1\".\"na\"\"me\" DESC LIMIT ?1 OFFSET ?2");
}

static void where_nulls_go_is_said_by_a_test_where_there_is_no_word(void **state)
{
    cv_arena *arena = *state;
    const cv__expr *a = cv__expr_column(arena, 0, "a");
    const cv__order orders[] = {{a, false, true}, {a, true, true}, {a, true, false}};
    const cv__select select = {.columns = &a,
                               .column_count = 1,
                               .tables = &books,
                               .table_count = 1,
                               .orders = orders,
                               .order_count = 3,
                               .limit_param = 1};
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__render_select(&out, &cv__dialect_mariadb, &select);
    assert_string_equal(out.data,
                        "SELECT \"t0\".\"a\" FROM \"books\" AS \"t0\" ORDER BY \"t0\".\"a\" IS NULL, \"t0\".\"a\", "
                        "\"t0\".\"a\" IS NULL DESC, \"t0\".\"a\" DESC, \"t0\".\"a\" DESC LIMIT ?");
}

static void subqueries(void **state)
{
    cv_arena *arena = *state;
    const cv__expr *key = cv__expr_column(arena, 0, "id");
    const cv__select inner = {.columns = &key, .column_count = 1, .tables = &books, .table_count = 1};
    const cv__table plain = {.name = "books"};
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__render_delete(&out, &cv__dialect_sqlite, &plain, cv__expr_in_select(arena, key, &inner));
    assert_string_equal(out.data, "DELETE FROM \"books\" WHERE \"books\".\"id\" IN"
                                  " (SELECT \"t0\".\"id\" FROM \"books\" AS \"t0\")");
    const cv__expr *exists = cv__expr_exists(arena, &inner);
    const cv__select outer = {.columns = &exists, .column_count = 1};
    cv_buf_clear(&out);
    cv__render_select(&out, &cv__dialect_sqlite, &outer);
    assert_string_equal(out.data, "SELECT EXISTS (SELECT \"t0\".\"id\" FROM \"books\" AS \"t0\")");
}

static void changes_may_name_the_tables_that_they_cross(void **state)
{
    cv_arena *arena = *state;
    static const char *const columns[] = {"a", "b"};
    const cv__table tables[] = {books,
                                {.name = "authors", .alias = "t1", .parent_column = "author_id", .column = "id"}};
    const cv__expr *where =
        cv__expr_compare(arena, CV__EXACT, cv__expr_column(arena, 1, "name"), cv__expr_param(arena, 3));
    const cv__update_statement update = {
        .table = tables, .table_count = 2, .columns = columns, .column_count = 2, .first_param = 1, .where = where};
#define JOINED "\"books\" AS \"t0\" INNER JOIN \"authors\" AS \"t1\" ON \"t1\".\"id\" = \"t0\".\"author_id\""
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__render_update(&out, &cv__dialect_mariadb, &update);
    assert_string_equal(out.data, "UPDATE " JOINED " SET \"t0\".\"a\" = ?, \"t0\".\"b\" = ? WHERE \"t1\".\"name\" = ?");
    cv_buf_clear(&out);
    cv__render_delete_joined(&out, &cv__dialect_mariadb, tables, 2, where);
    assert_string_equal(out.data, "DELETE \"t0\" FROM " JOINED " WHERE \"t1\".\"name\" = ?");
}

static void inserts_and_updates(void **state)
{
    cv_arena *arena = *state;
    static const char *const columns[] = {"a", "b"};
    cv_buf out;
    cv_buf_init_arena(&out, arena, 0);
    cv__render_insert(&out, &cv__dialect_postgres,
                      &(cv__insert_statement){
                          .table = "t", .columns = columns, .column_count = 2, .row_count = 2, .returning = "id"});
    assert_string_equal(out.data, "INSERT INTO \"t\" (\"a\", \"b\") VALUES ($1, $2), ($3, $4) RETURNING \"id\"");
    cv_buf_clear(&out);
    cv__render_insert(&out, &cv__dialect_postgres, &(cv__insert_statement){.table = "t", .row_count = 1});
    assert_string_equal(out.data, "INSERT INTO \"t\" DEFAULT VALUES");
    cv_buf_clear(&out);
    cv__render_insert(&out, &cv__dialect_mariadb, &(cv__insert_statement){.table = "t", .row_count = 1});
    assert_string_equal(out.data, "INSERT INTO \"t\" () VALUES ()");
    cv_buf_clear(&out);
    cv__render_insert(
        &out, &cv__dialect_sqlite,
        &(cv__insert_statement){.table = "t", .columns = columns, .column_count = 2, .row_source = "cv_rows"});
    assert_string_equal(out.data, "INSERT INTO \"t\" (\"a\", \"b\") SELECT c0, c1 FROM \"cv_rows\"");
    cv_buf_clear(&out);
    const cv__table plain = {.name = "books"};
    const cv__update_statement update = {.table = &plain,
                                         .columns = columns,
                                         .column_count = 2,
                                         .first_param = 3,
                                         .where = compare(arena, CV__EXACT, 1)};
    cv__render_update(&out, &cv__dialect_sqlite, &update);
    assert_string_equal(out.data, "UPDATE \"books\" SET \"a\" = ?3, \"b\" = ?4 WHERE \"books\".\"price\" = ?1");
}

static void what_rules_out_missing_rows(void **state)
{
    cv_arena *arena = *state;
    const cv__expr *one = cv__expr_column(arena, 1, "x"), *two = cv__expr_column(arena, 2, "y");
    cv__expr *any = cv__expr_list(arena, CV__EXPR_OR), *all = cv__expr_list(arena, CV__EXPR_AND);
    cv__expr_add(any, cv__expr_range(arena, one, 1));
    assert_int_equal(cv__expr_rejects_null(any), 2);
    cv__expr_add(any, cv__expr_null(arena, two, true));
    assert_int_equal(cv__expr_rejects_null(any), 0);
    assert_int_equal(cv__expr_tables(any), 6);
    cv__expr_add(all, any);
    cv__expr_add(all, cv__expr_null(arena, two, false));
    assert_int_equal(cv__expr_rejects_null(all), 4);
    assert_int_equal(cv__expr_rejects_null(cv__expr_not(arena, all)), 0);
    assert_int_equal(cv__expr_rejects_null(NULL), 0);
}

static void exhausted_memory_gives_no_tree(void **state)
{
    (void)state;
    cv_arena *arena = cv_arena_new(1);
    assert_null(cv__expr_column(arena, 0, "x"));
    assert_null(cv__expr_param(arena, 1));
    assert_null(cv__expr_exists(arena, NULL));
    assert_null(cv__expr_not(arena, NULL));
    assert_null(cv__expr_compare(arena, CV__EXACT, NULL, NULL));
    assert_null(cv__expr_in(arena, NULL, 1, 1));
    assert_null(cv__expr_text(arena, CV__CONTAINS, NULL, 1));
    cv_arena_free(arena);
}

static void a_full_buffer_is_its_error(void **state)
{
    cv_arena *arena = *state;
    const cv__expr *one = cv__expr_one(arena);
    const cv__select select = {.columns = &one,
                               .column_count = 1,
                               .tables = &books,
                               .table_count = 1,
                               .where = cv__expr_text(arena, CV__CONTAINS, column(arena), 1)};
    cv_buf out;
    cv_buf_init(&out, 10);
    cv__render_select(&out, &cv__dialect_sqlite, &select);
    assert_int_equal(out.error, CV_E_LIMIT);
    cv_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(comparisons),
        TEST(lists_ranges_and_null),
        TEST(text_look_ups_are_the_dialects),
        TEST(groups_stand_in_parentheses),
        TEST(long_lists_become_shallow_trees),
        TEST(joins_order_and_slices),
        TEST(where_nulls_go_is_said_by_a_test_where_there_is_no_word),
        TEST(subqueries),
        TEST(changes_may_name_the_tables_that_they_cross),
        TEST(inserts_and_updates),
        TEST(what_rules_out_missing_rows),
        TEST(exhausted_memory_gives_no_tree),
        TEST(a_full_buffer_is_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
