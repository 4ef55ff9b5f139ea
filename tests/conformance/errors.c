/* What every engine refuses alike, and says alike. */
#include "conformance.h"

void case_what_is_not_there_is_an_invalid_statement(suite *s)
{
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELECT titel FROM books"), CV_E_SQL, "titel");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELECT 1 FROM boks"), CV_E_SQL, "boks");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "SELEKT 1"), CV_E_SQL, "syntax error");
    assert_int_equal(count(s, "books"), 0);
}

void case_several_statements_in_one_text_are_refused(suite *s)
{
    assert_int_equal(cv_exec(s->cx, NULL, "DELETE FROM pages; DELETE FROM books"), CV_E_SQL);
    cv_error_clear(s->cx);
}

void case_an_empty_statement_is_refused(suite *s)
{
    assert_fails(s->cx, cv_exec(s->cx, NULL, ""), CV_E_SQL, "empty");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "  -- nothing\n"), CV_E_SQL, "empty");
}

void case_a_wrong_number_of_values_is_refused(suite *s)
{
    assert_fails(s->cx, cv_exec(s->cx, NULL, "DELETE FROM books WHERE id = ?"), CV_E_SQL, "1 placeholders");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "DELETE FROM books WHERE id = ?", 1, 2), CV_E_SQL, "2 values");
}

void case_transactions_by_hand_are_refused(suite *s)
{
    assert_fails(s->cx, cv_exec(s->cx, NULL, "BEGIN"), CV_E_STATE, "BEGIN");
    assert_fails(s->cx, cv_exec(s->cx, NULL, "  savepoint x"), CV_E_STATE, "savepoint");
}

/* The same mistake has the same code, and the connection goes on. */
void case_the_same_mistake_has_the_same_code(suite *s)
{
    static const struct {
        const char *sql;
        int code;
    } mistakes[] = {
        {"SELEC 1", CV_E_SQL},
        {"SELECT FROM WHERE", CV_E_SQL},
        {"SELECT (1", CV_E_SQL},
        {"SELECT * FROM no_such_table", CV_E_SQL},
        {"SELECT no_such_column FROM books", CV_E_SQL},
        {"INSERT INTO books (no_such_column) VALUES (1)", CV_E_SQL},
        {"SELECT no_such_function(1)", CV_E_SQL},
        {"INSERT INTO books (id, title) VALUES (1)", CV_E_SQL},
        {"INSERT INTO books (title) VALUES (NULL)", CV_E_NOT_NULL},
        {"INSERT INTO books (title, stock) VALUES ('a', -1)", CV_E_CHECK},
        {"INSERT INTO books (id, title) VALUES (7, 'a'), (7, 'b')", CV_E_UNIQUE},
        {"INSERT INTO pages (id, book_id) VALUES (1, 12345)", CV_E_FOREIGN_KEY},
        {"CREATE TABLE books (id BIGINT)", CV_E_SQL},
        {"DROP TABLE no_such_table", CV_E_SQL},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        int rc = cv_sql_run(s->cx, mistakes[i].sql, NULL, 0, NULL, NULL);
        if (rc != mistakes[i].code)
            fail_msg("%s: got %s, expected %s", mistakes[i].sql, cv_error_name(rc), cv_error_name(mistakes[i].code));
        assert_non_null(cv_error_last(s->cx));
        assert_false(cv_error_is_transient(rc));
        cv_error_clear(s->cx);
        assert_usable(s);
    }
    assert_int_equal(count(s, "books"), 0);
}

void case_a_column_refuses_what_it_cannot_hold(suite *s)
{
    run(s, "DROP TABLE IF EXISTS narrow");
    run(s, "CREATE TABLE narrow (i INTEGER, v VARCHAR(3), d DATE)");
    assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO narrow (i) VALUES ('abc')"), CV_E_INVALID);
    assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO narrow (i) VALUES (?)", INT64_MAX), CV_E_RANGE);
    assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO narrow (v) VALUES (?)", "four"), CV_E_RANGE);
    assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO narrow (d) VALUES (?)", "2026-02-30"), CV_E_RANGE);
    assert_usable(s);
    run(s, "DROP TABLE narrow");
}

void case_division_by_zero(suite *s)
{
    cv_value value;
    int rc = cv_scalar(s->cx, &value, "SELECT 1 / CAST(? AS INTEGER)", 0);
    if (can(s, CV_CAN_ERROR_ON_ZERO)) {
        assert_error(s, rc, CV_E_INVALID);
    } else {
        assert_ok(s->cx, rc);
        assert_int_equal(value.type, CV_TYPE_NULL);
    }
    assert_usable(s);
}
