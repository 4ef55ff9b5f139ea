/* Statements, their results, and the rows that come back. */
#include "conformance.h"

void case_affected_rows_are_counted(suite *s)
{
    cv_result result;
    assert_ok(s->cx, cv_exec(s->cx, &result, "INSERT INTO books (title) VALUES (?), (?), (?)", "a", "b", "c"));
    assert_int_equal(result.affected, 3);
    assert_ok(s->cx, cv_exec(s->cx, &result, "UPDATE books SET stock = ? WHERE title <> ?", 5, "a"));
    assert_int_equal(result.affected, 2);
    assert_ok(s->cx, cv_exec(s->cx, &result, "DELETE FROM books WHERE title = ?", "none"));
    assert_int_equal(result.affected, 0);
    assert_ok(s->cx, cv_exec(s->cx, &result, "SELECT * FROM books"));
    assert_int_equal(result.affected, 0);
    assert_ok(s->cx, cv_exec(s->cx, &result, "DELETE FROM books"));
    assert_int_equal(result.affected, 3);
}

void case_rows_come_in_order_with_their_names(suite *s)
{
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'a'), (2, 'b'), (3, 'c')"));
    cv_rows *rows;
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT id, title AS name FROM books WHERE id > ? ORDER BY id DESC", 1));
    assert_int_equal(cv_rows_columns(rows), 2);
    assert_string_equal(cv_rows_name(rows, 0), "id");
    assert_string_equal(cv_rows_name(rows, 1), "name");
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, 3);
    assert_texts_equal(cv_rows_get(rows, 1), "c");
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    assert_int_equal(cv_rows_get(rows, 0).as.i64, 2);
    assert_int_equal(cv_rows_next(s->cx, rows), 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
    cv_rows_close(s->cx, rows);
}

void case_rows_that_are_written_come_back(suite *s)
{
    cv_value id;
    assert_ok(s->cx, cv_scalar(s->cx, &id, "INSERT INTO books (title) VALUES (?) RETURNING id", "a"));
    assert_int_equal(id.type, CV_TYPE_I64);
    cv_value title;
    assert_ok(s->cx, cv_scalar(s->cx, &title, "SELECT title FROM books WHERE id = ?", id));
    assert_texts_equal(title, "a");
}

void case_a_scalar_without_a_row_is_not_found(suite *s)
{
    cv_value value;
    assert_fails(s->cx, cv_scalar(s->cx, &value, "SELECT id FROM books WHERE id = 1"), CV_E_NOT_FOUND, "no row");
}

void case_placeholders_are_where_they_look_like_it(suite *s)
{
    cv_value value;
    assert_ok(s->cx,
              cv_scalar(s->cx, &value, "SELECT '?' || CAST(? AS VARCHAR(9)) || '''?' -- ? not here\n /* ? */", "x"));
    assert_texts_equal(value, "?x'?");
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT CAST(? AS INTEGER) - CAST(? AS INTEGER) AS \"a?b\"", 9, 4));
    assert_int_equal(value.as.i64, 5);
}

void case_an_early_close_gives_the_connection_back(suite *s)
{
    for (int i = 0; i < 20; i++) {
        cv_rows *rows;
        assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"));
        assert_int_equal(cv_rows_next(s->cx, rows), 1);
        cv_rows_close(s->cx, rows);
    }
    assert_int_equal(cv_db_pool_stats(s->db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(s->db, 0).closed_total, 0);
}

void case_upserts_count_what_they_did(suite *s)
{
    cv_result result;
    assert_ok(s->cx, cv_exec(s->cx, &result,
                             "INSERT INTO books (id, title) VALUES (1, 'a'), (2, 'b')"
                             " ON CONFLICT (id) DO UPDATE SET title = excluded.title"));
    assert_int_equal(result.affected, 2);
    assert_ok(s->cx, cv_exec(s->cx, &result,
                             "INSERT INTO books (id, title) VALUES (2, 'c'), (3, 'd')"
                             " ON CONFLICT (id) DO UPDATE SET title = excluded.title"));
    assert_int_equal(result.affected, 2);
    assert_texts_equal(scalar(s->cx, "SELECT title FROM books WHERE id = 2"), "c");
    assert_ok(s->cx, cv_exec(s->cx, &result,
                             "INSERT INTO books (id, title) VALUES (3, 'e'), (4, 'f') ON CONFLICT (id) DO NOTHING"));
    assert_int_equal(result.affected, 1);
    assert_ok(s->cx, cv_exec(s->cx, &result, "INSERT INTO books (id, title) SELECT 9, 'x' WHERE 1 = 0"));
    assert_int_equal(result.affected, 0);
}

/* The keys that a statement returns, summed. */
static int64_t returned(suite *s, const char *sql, int64_t *ret_rows, int64_t *ret_affected)
{
    cv_rows *rows;
    int64_t sum = 0;
    int rc;
    cv_result result = {0};
    *ret_rows = 0;
    assert_ok(s->cx, cv_sql_run(s->cx, sql, NULL, 0, &result, &rows));
    for (; (rc = cv_rows_next(s->cx, rows)) > 0; ++*ret_rows)
        sum += cv_rows_get(rows, 0).as.i64;
    assert_ok(s->cx, rc);
    cv_rows_close(s->cx, rows);
    *ret_affected = result.affected;
    return sum;
}

void case_what_is_written_is_returned(suite *s)
{
    int64_t rows, affected;
    assert_int_equal(
        returned(s, "INSERT INTO books (id, title) VALUES (1, 'a'), (2, 'b'), (4, 'c') RETURNING id", &rows, &affected),
        7);
    assert_int_equal(rows, 3);
    if (can(s, CV_CAN_UPDATE_RETURNING)) {
        assert_int_equal(returned(s, "UPDATE books SET stock = id * 10 WHERE id > 1 RETURNING stock", &rows, &affected),
                         60);
        assert_int_equal(rows, 2);
        assert_int_equal(returned(s, "UPDATE books SET stock = 0 WHERE id > 100 RETURNING stock", &rows, &affected), 0);
        assert_int_equal(rows, 0);
    }
    assert_int_equal(returned(s, "DELETE FROM books WHERE id < 4 RETURNING id", &rows, &affected), 3);
    assert_int_equal(rows, 2);
    assert_int_equal(count(s, "books"), 1);
}

void case_keys_are_numbered_in_order(suite *s)
{
    cv_value first, second;
    cv_result result;
    assert_ok(s->cx, cv_scalar(s->cx, &first, "INSERT INTO books (title) VALUES (?) RETURNING id", "a"));
    assert_ok(s->cx, cv_scalar(s->cx, &second, "INSERT INTO books (title) VALUES (?) RETURNING id", "b"));
    assert_true(second.as.i64 > first.as.i64);
    assert_ok(s->cx, cv_exec(s->cx, &result, "INSERT INTO books (title) VALUES ('c')"));
    int64_t third = scalar(s->cx, "SELECT MAX(id) FROM books").as.i64;
    assert_int_equal(result.last_insert_id, can(s, CV_CAN_INSERT_IDS) ? third : 0);
}

void case_two_question_marks_are_one(suite *s)
{
    cv_value value;
    assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT '?? ' || CAST(? AS VARCHAR(9)) AS \"a??b\" /* ?? */", "x"));
    assert_texts_equal(value, "?? x");
    assert_error(s, cv_exec(s->cx, NULL, "SELECT 1 ?? 2"), CV_E_SQL);
    assert_error(s, cv_exec(s->cx, NULL, "SELECT 'unbalanced"), CV_E_SYNTAX);
    assert_usable(s);
}
