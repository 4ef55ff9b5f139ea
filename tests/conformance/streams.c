/* Rows one at a time: many of them, some of them, several at once. */
#include "conformance.h"

#define NUMBERS(n)                                                                                                     \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " n ") SELECT i, 'x' || i FROM n"

void case_many_rows_need_the_memory_of_one(suite *s)
{
    cv_rows *rows;
    int64_t expected = 0, sum = 0;
    int rc;
    assert_ok(s->cx, cv_select(s->cx, &rows, NUMBERS("200000")));
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    size_t before = cv_arena_get_stats(cv_ctx_arena(s->cx)).used_bytes;
    for (rc = 1; rc > 0; rc = cv_rows_next(s->cx, rows)) {
        sum += cv_rows_get(rows, 0).as.i64;
        expected++;
    }
    assert_ok(s->cx, rc);
    assert_int_equal(expected, 200000);
    assert_int_equal(sum, INT64_C(200000) * 200001 / 2);
    assert_true(cv_arena_get_stats(cv_ctx_arena(s->cx)).used_bytes <= before);
    assert_usable(s);
}

void case_a_stream_that_is_closed_early_frees_its_connection(suite *s)
{
    for (int i = 0; i < 20; i++) {
        cv_rows *rows;
        assert_ok(s->cx, cv_select(s->cx, &rows, NUMBERS("1000")));
        for (int j = 0; j <= i; j++)
            assert_int_equal(cv_rows_next(s->cx, rows), 1);
        cv_rows_close(s->cx, rows);
        assert_usable(s);
        assert_int_equal(cv_rows_next(s->cx, rows), 0);
    }
}

static int read_three_at_once(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        cv_rows *rows[3];
        for (int i = 0; i < 3; i++)
            CV_TRY(cv_select(cx, &rows[i], NUMBERS("300")));
        for (int64_t n = 1; n <= 150; n++) {
            for (int i = 0; i < 3; i++) {
                assert_int_equal(cv_rows_next(cx, rows[i]), 1);
                assert_int_equal(cv_rows_get(rows[i], 0).as.i64, n);
            }
            if (n == 100)
                CV_TRY(add(cx, 1));
        }
        cv_rows_close(cx, rows[1]);
        assert_int_equal(cv_rows_next(cx, rows[0]), 1);
        assert_int_equal(cv_rows_get(rows[0], 0).as.i64, 151);
        cv_rows_close(cx, rows[0]);
        cv_rows_close(cx, rows[2]);
    }
    return 0;
}

void case_several_streams_share_a_transaction(suite *s)
{
    assert_ok(s->cx, read_three_at_once(s->cx));
    assert_int_equal(count(s, "books"), 1);
    assert_usable(s);
}

static int open_in_block(cv_ctx *cx, cv_rows **ret_rows)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_select(cx, ret_rows, NUMBERS("10")));
        assert_int_equal(cv_rows_next(cx, *ret_rows), 1);
    }
    return 0;
}

void case_rows_end_with_the_block_that_opened_them(suite *s)
{
    cv_rows *rows;
    assert_ok(s->cx, open_in_block(s->cx, &rows));
    assert_error(s, cv_rows_next(s->cx, rows), CV_E_STATE);
    cv_rows_close(s->cx, rows);
    assert_usable(s);
}

void case_an_error_among_rows_ends_them(suite *s)
{
    cv_rows *rows;
    int rc = 0, seen = 0;
    assert_ok(s->cx, cv_select(s->cx, &rows,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
                               " SELECT i / (CASE WHEN i = 50 THEN 0 ELSE 1 END) FROM n"));
    while ((rc = cv_rows_next(s->cx, rows)) > 0)
        seen++;
    if (can(s, CV_CAN_ERROR_ON_ZERO)) {
        assert_int_equal(seen, 49);
        assert_error(s, rc, CV_E_INVALID);
    } else {
        assert_int_equal(seen, 100);
    }
    cv_rows_close(s->cx, rows);
    assert_usable(s);
}
