/* Large values, long lists, wide rows, many statements; and the memory afterwards. */
#include "conformance.h"

#include <malloc.h>

#define MIB ((size_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS_MEMORY 0
#endif
#endif
#ifndef COUNTS_MEMORY
#define COUNTS_MEMORY 1
#endif

static void make_blobs(suite *s)
{
    const cv__dialect *dialect = cv__db_dialect(s->db);
    const cv__column_type bytes = {.type = CV_TYPE_BYTES}, text = {.type = CV_TYPE_TEXT};
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS blobs");
    cv_buf_add_text(&ddl, "CREATE TABLE blobs (id INTEGER PRIMARY KEY, t ");
    dialect->add_column_type(&ddl, &text);
    cv_buf_add_text(&ddl, ", b ");
    dialect->add_column_type(&ddl, &bytes);
    cv_buf_add_text(&ddl, ")");
    run(s, ddl.data);
}

static int keep_large(cv_ctx *cx, int id, char *data, size_t len)
{
    CV_SCOPE(cx)
    {
        int rc = cv_exec(cx, NULL, "INSERT INTO blobs (id, t, b) VALUES (?, ?, ?)", id, cv_str_make(data, len),
                         ((cv_bytes){(const uint8_t *)data, len}));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void compare_large(suite *s, int id, const char *data, size_t len)
{
    cv_rows *rows;
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT t, b FROM blobs WHERE id = ?", id));
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    cv_str text = cv_rows_get(rows, 0).as.text;
    cv_bytes bytes = cv_rows_get(rows, 1).as.bytes;
    assert_int_equal(text.len, len);
    assert_true(memcmp(text.ptr, data, len) == 0);
    assert_int_equal(bytes.len, len);
    assert_true(memcmp(bytes.ptr, data, len) == 0);
    cv_rows_close(s->cx, rows);
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* After the connection that carried them is closed or clean, the heap is as before, but for what a pool keeps. */
void case_values_of_64_mib_go_and_come_back(suite *s)
{
    size_t len = 64 * MIB;
    char *data = malloc(len);
    assert_non_null(data);
    make_blobs(s);
    size_t before = allocated();
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i % 23);
    assert_ok(s->cx, keep_large(s->cx, 1, data, len));
    compare_large(s, 1, data, len);
    cv_value lengths;
    assert_ok(s->cx, cv_scalar(s->cx, &lengths, "SELECT length(t) + length(b) FROM blobs"));
    assert_int_equal(lengths.as.i64, 2 * len);
    run(s, "DROP TABLE blobs");
    assert_usable(s);
    /* The context's arena keeps its block; page caches are SQLite's, 16 MiB a reader and 64 the writer. */
    size_t kept = cv_arena_get_stats(cv_ctx_arena(s->cx)).reserved_bytes + 24 * MIB;
    if (strcmp(s->engine, "sqlite") == 0)
        kept += 96 * MIB;
    if (COUNTS_MEMORY && strcmp(s->engine, "sqlite-memory") != 0)
        assert_in_range(allocated(), 0, before + kept);
    free(data);
}

void case_bytes_of_a_mebibyte_and_of_none(suite *s)
{
    char *data = cv_alloc(s->cx, MIB);
    make_blobs(s);
    for (size_t i = 0; i < MIB; i++)
        data[i] = (char)(32 + i % 90);
    assert_ok(s->cx, keep_large(s->cx, 1, data, MIB));
    compare_large(s, 1, data, MIB);
    assert_ok(s->cx, keep_large(s->cx, 2, data, 0));
    compare_large(s, 2, data, 0);
    cv_value nulls;
    assert_ok(s->cx, cv_scalar(s->cx, &nulls, "SELECT COUNT(*) FROM blobs WHERE t IS NULL OR b IS NULL"));
    assert_int_equal(nulls.as.i64, 0);
    run(s, "DROP TABLE blobs");
}

/* ---- lists ---- */

static int64_t found(suite *s, size_t count)
{
    cv_value *values = cv_zalloc(s->cx, count + 1, sizeof *values);
    cv_buf sql;
    cv_rows *rows;
    cv_buf_init_arena(&sql, cv_ctx_arena(s->cx), 0);
    cv_buf_add_text(&sql, "SELECT COUNT(*) FROM books WHERE id IN (");
    for (size_t i = 0; i < count; i++) {
        cv_buf_add_text(&sql, i ? ", ?" : "?");
        values[i] = cv_value_i64((int64_t)i);
    }
    cv_buf_add_text(&sql, count ? ")" : "NULL)");
    assert_ok(s->cx, cv_sql_run(s->cx, sql.data, values, count, NULL, &rows));
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    int64_t rc = cv_rows_get(rows, 0).as.i64;
    cv_rows_close(s->cx, rows);
    return rc;
}

void case_lists_of_any_length(suite *s)
{
    for (int i = 0; i < 5; i++)
        assert_ok(s->cx, add(s->cx, i * 1000));
    assert_int_equal(found(s, 0), 0);
    assert_int_equal(found(s, 1), 1);
    assert_int_equal(found(s, 1001), 2);
    assert_int_equal(found(s, 30000), 5);
}

void case_an_array_is_a_list_of_100000(suite *s)
{
    size_t count = 100000;
    int64_t *items = cv_alloc(s->cx, count * sizeof *items);
    cv_value value;
    for (size_t i = 0; i < count; i++)
        items[i] = (int64_t)i * 2;
    cv_i64_array list = {items, count, NULL};
    for (int i = 0; i < 10; i++)
        assert_ok(s->cx, add(s->cx, i + 199990));
    if (can(s, CV_CAN_ARRAYS))
        assert_ok(s->cx, cv_scalar(s->cx, &value, "SELECT COUNT(*) FROM books WHERE id = ANY(?)", list));
    else if (strcmp(s->engine, "mariadb") == 0)
        assert_ok(s->cx, cv_scalar(s->cx, &value,
                                   "SELECT COUNT(*) FROM books WHERE id IN (SELECT v FROM JSON_TABLE(?, '$[*]' COLUMNS"
                                   " (v BIGINT PATH '$')) j)",
                                   list));
    else
        assert_ok(s->cx, cv_scalar(s->cx, &value,
                                   "SELECT COUNT(*) FROM books WHERE id IN (SELECT value FROM json_each(?))", list));
    assert_int_equal(value.as.i64, 5);
}

void case_too_many_values_are_refused(suite *s)
{
    size_t count = 70000;
    cv_value *values = cv_zalloc(s->cx, count, sizeof *values);
    cv_buf sql;
    cv_rows *rows;
    cv_buf_init_arena(&sql, cv_ctx_arena(s->cx), 0);
    cv_buf_add_text(&sql, "SELECT 1 WHERE 1 IN (?");
    for (size_t i = 1; i < count; i++)
        cv_buf_add_text(&sql, ", ?");
    cv_buf_add_text(&sql, ")");
    assert_error(s, cv_sql_run(s->cx, sql.data, values, count, NULL, &rows), CV_E_LIMIT);
    assert_usable(s);
}

void case_rows_may_have_a_thousand_columns(suite *s)
{
    cv_buf sql;
    cv_rows *rows;
    cv_buf_init_arena(&sql, cv_ctx_arena(s->cx), 0);
    cv_buf_add_text(&sql, "SELECT 1 AS c1");
    for (int i = 2; i <= 1000; i++)
        cv_buf_printf(&sql, ", %d AS c%d", i, i);
    assert_ok(s->cx, cv_sql_run(s->cx, sql.data, NULL, 0, NULL, &rows));
    assert_int_equal(cv_rows_columns(rows), 1000);
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(cv_rows_get(rows, i).as.i64, i + 1);
    assert_string_equal(cv_rows_name(rows, 999), "c1000");
    cv_rows_close(s->cx, rows);
}

/* ---- prepared statements ---- */

void case_more_statements_than_are_kept(suite *s)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1100; i++)
            CV_SCOPE(s->cx)
            {
                assert_int_equal(scalar(s->cx, cv_sprintf(s->cx, "SELECT %d + 1", i)).as.i64, i + 1);
            }
    assert_usable(s);
}

static size_t columns_of_books(suite *s)
{
    cv_rows *rows;
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT * FROM books"));
    size_t columns = cv_rows_columns(rows);
    assert_ok(s->cx, cv_rows_next(s->cx, rows));
    cv_rows_close(s->cx, rows);
    return columns;
}

void case_the_schema_changes_under_prepared_statements(suite *s)
{
    assert_ok(s->cx, add(s->cx, 1));
    size_t before = columns_of_books(s);
    run(s, "ALTER TABLE books ADD COLUMN extra VARCHAR(10)");
    assert_int_equal(columns_of_books(s), before + 1);
    run(s, "ALTER TABLE books DROP COLUMN extra");
    assert_int_equal(columns_of_books(s), before);
    run(s, "DROP TABLE pages");
    run(s, "CREATE TABLE pages (id VARCHAR(9))");
    assert_int_equal(count(s, "pages"), 0);
}
