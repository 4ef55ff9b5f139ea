/* Constraints, and what their errors tell. */
#include "conformance.h"

static void assert_story(suite *s, int code, const char *sqlstate, const char *table, const char *column,
                         const char *constraint)
{
    const cv_error *error = cv_error_last(s->cx);
    assert_non_null(error);
    assert_string_equal(cv_error_name(error->code), cv_error_name(code));
    assert_non_null(error->sqlstate);
    assert_string_equal(error->sqlstate, sqlstate);
    if (table)
        assert_string_equal(error->table, table);
    if (column)
        assert_string_equal(error->column, column);
    if (constraint)
        assert_string_equal(error->constraint, constraint);
    cv_error_clear(s->cx);
}

void case_a_duplicate_names_table_and_column(suite *s)
{
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title, isbn) VALUES (1, 'a', 'x')"));
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id, title, isbn) VALUES (2, 'b', 'x')"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "books", "isbn", NULL);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'b')"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "books", "id", NULL);
}

void case_a_missing_value_names_table_and_column(suite *s)
{
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (id) VALUES (1)"), CV_E_NOT_NULL);
    assert_story(s, CV_E_NOT_NULL, "23502", "books", "title", NULL);
}

void case_a_failed_check_names_its_constraint(suite *s)
{
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO books (title, stock) VALUES ('a', -1)"), CV_E_CHECK);
    assert_story(s, CV_E_CHECK, "23514", NULL, NULL, "stock_not_negative");
}

void case_foreign_keys_are_enforced_in_both_directions(suite *s)
{
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO pages (id, book_id) VALUES (1, 99)"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
    assert_ok(s->cx, add(s->cx, 1));
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO pages (id, book_id) VALUES (1, 1)"));
    assert_int_equal(cv_exec(s->cx, NULL, "DELETE FROM books"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
}

void case_a_composite_key_is_unique_as_a_whole(suite *s)
{
    run(s, "DROP TABLE IF EXISTS pairs");
    run(s, "CREATE TABLE pairs (a INTEGER NOT NULL, b INTEGER NOT NULL, c INTEGER, CONSTRAINT pairs_key PRIMARY KEY "
           "(a, b),"
           " CONSTRAINT pairs_bc UNIQUE (b, c))");
    const char *primary = strcmp(s->engine, "mariadb") == 0 ? "PRIMARY"
                          : can(s, CV_CAN_CONSTRAINT_NAMES) ? "pairs_key"
                                                            : NULL;
    run(s, "INSERT INTO pairs (a, b, c) VALUES (1, 1, 1), (1, 2, 1), (2, 1, 2)");
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO pairs (a, b, c) VALUES (1, 2, 9)"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "pairs", NULL, primary);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO pairs (a, b, c) VALUES (9, 1, 2)"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "pairs", NULL, can(s, CV_CAN_CONSTRAINT_NAMES) ? "pairs_bc" : NULL);
    run(s, "INSERT INTO pairs (a, b, c) VALUES (9, 1, NULL), (8, 1, NULL)"); /* NULLs are no duplicates */
    run(s, "DROP TABLE pairs");
}

void case_an_update_may_break_a_constraint_too(suite *s)
{
    run(s, "INSERT INTO books (id, title, isbn) VALUES (1, 'a', 'x'), (2, 'b', 'y')");
    assert_int_equal(cv_exec(s->cx, NULL, "UPDATE books SET isbn = 'x' WHERE id = 2"), CV_E_UNIQUE);
    assert_story(s, CV_E_UNIQUE, "23505", "books", "isbn", NULL);
    assert_int_equal(cv_exec(s->cx, NULL, "UPDATE books SET title = NULL"), CV_E_NOT_NULL);
    assert_story(s, CV_E_NOT_NULL, "23502", "books", "title", NULL);
    assert_int_equal(cv_exec(s->cx, NULL, "UPDATE books SET stock = -5"), CV_E_CHECK);
    assert_story(s, CV_E_CHECK, "23514", NULL, NULL, "stock_not_negative");
}

static int insert_orphan(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes (id, book_id) VALUES (1, 77)"));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes (id, book_id) VALUES (2, 78)"));
        CV_TRY(add(cx, 77));
    }
    return 0;
}

static int insert_before_target(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO notes (id, book_id) VALUES (1, 77)"));
        CV_TRY(add(cx, 77));
    }
    return 0;
}

void case_a_deferred_key_is_checked_at_the_commit(suite *s)
{
    run(s, "DROP TABLE IF EXISTS notes");
    run(s, "CREATE TABLE notes (id INTEGER PRIMARY KEY, book_id BIGINT NOT NULL"
           " REFERENCES books (id) DEFERRABLE INITIALLY DEFERRED)");
    assert_int_equal(insert_orphan(s->cx), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
    assert_int_equal(count(s, "notes"), 0);
    assert_ok(s->cx, insert_before_target(s->cx));
    assert_int_equal(count(s, "notes"), 1);
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO notes (id, book_id) VALUES (3, 79)"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", NULL, NULL, NULL);
    assert_int_equal(count(s, "notes"), 1);
    run(s, "DROP TABLE notes");
}

void case_a_foreign_key_tells_its_name(suite *s)
{
    run(s, "DROP TABLE IF EXISTS notes");
    run(s, "CREATE TABLE notes (id INTEGER PRIMARY KEY, book_id BIGINT, CONSTRAINT notes_book_fk FOREIGN KEY (book_id)"
           " REFERENCES books (id))");
    assert_int_equal(cv_exec(s->cx, NULL, "INSERT INTO notes (id, book_id) VALUES (1, 5)"), CV_E_FOREIGN_KEY);
    assert_story(s, CV_E_FOREIGN_KEY, "23503", "notes", NULL, "notes_book_fk");
    run(s, "DROP TABLE notes");
}
