/* Transactions, and what others see of them. */
#include "conformance.h"

static int commit_one(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
    }
    return 0;
}

static int fail_in_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 2));
        CV_TRY(add(cx, 2));
    }
    return 0;
}

static int roll_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 3));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

void case_a_block_is_kept_as_a_whole_or_not_at_all(suite *s)
{
    assert_ok(s->cx, commit_one(s->cx));
    assert_int_equal(count(s, "books"), 1);
    assert_int_equal(fail_in_block(s->cx), CV_E_UNIQUE);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 1);
    assert_ok(s->cx, roll_back(s->cx));
    assert_int_equal(count(s, "books"), 1);
    assert_int_equal(cv_db_pool_stats(s->db, 1).borrowed, 0);
}

static int inner(cv_ctx *cx, int id)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, id));
        CV_TRY(add(cx, id));
    }
    return 0;
}

static int go_on_after_inner_failures(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        for (int i = 2; i < 5; i++) {
            assert_int_equal(inner(cx, i), CV_E_UNIQUE);
            cv_error_clear(cx);
        }
        CV_ATOMIC(cx)
        {
            CV_ATOMIC(cx)
            {
                CV_TRY(add(cx, 5));
            }
            CV_TRY(add(cx, 6));
        }
    }
    return 0;
}

void case_an_inner_block_fails_alone(suite *s)
{
    assert_ok(s->cx, go_on_after_inner_failures(s->cx));
    assert_int_equal(count(s, "books"), 3);
}

static int look_from_outside(cv_ctx *cx, void *ret_count)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT COUNT(*) FROM books"));
    *(int64_t *)ret_count = value.as.i64;
    return 0;
}

static int64_t count_from_another_connection(cv_ctx *cx)
{
    cv_fiber *fiber;
    int64_t seen = -1;
    assert_ok(cx, cv_spawn(cx, "watcher", look_from_outside, &seen, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    return seen;
}

static int watch_from_outside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        assert_int_equal(count_from_another_connection(cx), 0);
    }
    assert_int_equal(count_from_another_connection(cx), 1);
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 2));
        CV_TRY(cv_rollback(cx));
    }
    assert_int_equal(count_from_another_connection(cx), 1);
    return 0;
}

void case_others_see_what_is_committed_and_nothing_else(suite *s)
{
    assert_ok(s->cx, watch_from_outside(s->cx));
}

static int write_in_read_only(cv_ctx *cx)
{
    CV_ATOMIC_WITH(cx, &(cv_tx_options){.read_only = true})
    {
        CV_TRY(add(cx, 1));
    }
    return 0;
}

void case_a_read_only_block_refuses_writes(suite *s)
{
    assert_int_equal(write_in_read_only(s->cx), CV_E_READ_ONLY);
    cv_error_clear(s->cx);
    assert_int_equal(count(s, "books"), 0);
}

static int stream_and_write(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows;
        int rc;
        CV_TRY(cv_select(cx, &rows, "SELECT id FROM books ORDER BY id"));
        while ((rc = cv_rows_next(cx, rows)) > 0)
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO pages (id, book_id) VALUES (?, ?)", cv_rows_get(rows, 0),
                           cv_rows_get(rows, 0)));
        CV_TRY(rc);
    }
    return 0;
}

void case_rows_are_read_while_others_are_written(suite *s)
{
    assert_ok(s->cx, cv_exec(s->cx, NULL,
                             "INSERT INTO books (title) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                             " SELECT i + 1 FROM n WHERE i < 2000) SELECT 't' FROM n"));
    assert_ok(s->cx, stream_and_write(s->cx));
    assert_int_equal(count(s, "pages"), 2000);
}

/* Every other block rolls back, with what lies inside it. */
static int nest(cv_ctx *cx, int depth)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, depth));
        if (depth < 20)
            CV_TRY(nest(cx, depth + 1));
        CV_TRY(add(cx, 100 + depth));
        if (depth == 7 || depth == 15)
            CV_TRY(cv_rollback(cx));
    }
    return 0;
}

void case_blocks_nest_to_twenty(suite *s)
{
    assert_ok(s->cx, nest(s->cx, 1));
    assert_int_equal(count(s, "books"), 12);
    assert_int_equal(scalar(s->cx, "SELECT MAX(id) FROM books").as.i64, 106);
    assert_usable(s);
}

static int fail_at(cv_ctx *cx, int depth)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, depth));
        if (depth == 20)
            CV_TRY(cv_exec(cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'again')"));
        else
            CV_TRY(fail_at(cx, depth + 1));
    }
    return 0;
}

static int survive(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        for (int i = 0; i < 5; i++) {
            assert_int_equal(fail_at(cx, 2), CV_E_UNIQUE);
            cv_error_clear(cx);
            CV_TRY(add(cx, 50 + i));
        }
    }
    return 0;
}

void case_an_error_at_depth_twenty_is_survived(suite *s)
{
    assert_ok(s->cx, survive(s->cx));
    assert_int_equal(count(s, "books"), 6);
    assert_usable(s);
}

static int mistake_in_block(cv_ctx *cx, const char *sql)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 1));
        CV_TRY(cv_sql_run(cx, sql, NULL, 0, NULL, NULL));
    }
    return 0;
}

void case_any_error_rolls_the_block_back(suite *s)
{
    static const char *const mistakes[] = {"SELEC 1", "INSERT INTO books (id, title) VALUES (1, 'b')",
                                           "SELECT * FROM no_such_table", "INSERT INTO pages VALUES (1, 55)",
                                           "UPDATE books SET title = NULL"};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        assert_true(mistake_in_block(s->cx, mistakes[i]) < 0);
        cv_error_clear(s->cx);
        assert_int_equal(count(s, "books"), 0);
        assert_usable(s);
    }
}
