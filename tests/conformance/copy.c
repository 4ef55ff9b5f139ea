/* Bulk: rows in and out, all or nothing, and what is told of those that do not fit. */
#include "conformance.h"

#include "copy_rows.h"
#include <covet/copy.h>

/* ---- books ---- */

static const char *const book_columns[] = {"id", "title", "stock"};
static char title[64];

static void make_book(int64_t row, cv_value *values)
{
    snprintf(title, sizeof title, "book %lld", (long long)row);
    values[0] = cv_value_i64(row);
    values[1] = cv_value_text(title);
    values[2] = row % 3 ? cv_value_i64(row * 10) : CV_NULL;
}

static made_rows books(int64_t rows)
{
    return (made_rows){.columns = book_columns, .column_count = 3, .count = rows, .make = make_book};
}

static int copy_books(cv_ctx *cx, made_rows *rows, const cv_copy_options *options, cv_copy_result *ret_result)
{
    cv_copy_source source = made_rows_source(rows);
    return cv_copy_in(cx, "books", &source, options, ret_result);
}

/* The pending error must tell all of these; it is cleared. */
static void assert_told(suite *s, int rc, int code, const char *message, const char *column)
{
    const cv_error *error = cv_error_last(s->cx);
    if (rc != code || !error)
        fail_msg("got %s, expected %s", cv_error_name(rc), cv_error_name(code));
    if (message && !strstr(error->message, message))
        fail_msg("\"%s\" does not tell \"%s\"", error->message, message);
    if (column) {
        assert_non_null(error->column);
        assert_string_equal(error->column, column);
    }
    cv_error_clear(s->cx);
}

void case_rows_are_copied_into_a_table(suite *s)
{
    made_rows rows = books(2500);
    cv_copy_result done;
    assert_ok(s->cx, copy_books(s->cx, &rows, NULL, &done));
    assert_int_equal(done.rows, 2500);
    assert_true(done.bytes > 2500 * 8);
    assert_int_equal(rows.told, 3);
    assert_int_equal(count(s, "books"), 2500);
    assert_int_equal(scalar(s->cx, "SELECT COUNT(*) FROM books WHERE stock IS NULL").as.i64, 833);
    assert_texts_equal(scalar(s->cx, "SELECT title FROM books WHERE id = 77"), "book 77");
    assert_int_equal(scalar(s->cx, "SELECT stock FROM books WHERE id = 2500").as.i64, 25000);
    assert_usable(s);
}

void case_a_source_without_rows_copies_none(suite *s)
{
    made_rows rows = books(0);
    cv_copy_result done = {.rows = 7};
    assert_ok(s->cx, copy_books(s->cx, &rows, NULL, &done));
    assert_int_equal(done.rows, 0);
    assert_int_equal(rows.told, 3);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

void case_a_table_or_column_that_is_not_there(suite *s)
{
    static const char *const wrong[] = {"id", "tile", "stock"}, *const twice[] = {"id", "title", "id"};
    made_rows rows = books(3);
    cv_copy_source source = made_rows_source(&rows);
    assert_error(s, cv_copy_in(s->cx, "no_such_table", &source, NULL, NULL), CV_E_SQL);
    source.columns = wrong;
    int rc = cv_copy_in(s->cx, "books", &source, NULL, NULL);
    assert_string_equal(cv_error_last(s->cx)->hint, "did you mean \"title\"?");
    assert_told(s, rc, CV_E_FIELD, "no column \"tile\"", "tile");
    source.columns = twice;
    assert_error(s, cv_copy_in(s->cx, "books", &source, NULL, NULL), CV_E_INVALID);
    assert_int_equal(rows.given, 0);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

void case_columns_may_have_other_names(suite *s)
{
    static const char *const other[] = {"number", "what", "how many"};
    made_rows rows = books(3);
    rows.columns = other;
    cv_copy_options options = {.columns = book_columns, .column_count = 3};
    assert_ok(s->cx, copy_books(s->cx, &rows, &options, NULL));
    assert_int_equal(count(s, "books"), 3);
    options.column_count = 2;
    assert_error(s, copy_books(s->cx, &rows, &options, NULL), CV_E_INVALID);
}

/* ---- values that do not fit ---- */

static void make_bad_stock(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == 1203)
        values[2] = cv_value_text("a dozen or so");
}

void case_a_value_that_does_not_fit_names_row_and_column(suite *s)
{
    made_rows rows = books(2000);
    cv_copy_result done;
    rows.make = make_bad_stock;
    int rc = copy_books(s->cx, &rows, NULL, &done);
    const cv_error *error = cv_error_last(s->cx);
    assert_true(rc < 0 && error && strstr(error->message, "\"a dozen or so\""));
    assert_told(s, rc, CV_E_SYNTAX, "row 1203, column \"stock\": ", "stock");
    assert_int_equal(done.rows, 0);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

static void make_long_title(int64_t row, cv_value *values)
{
    static char text[102];
    make_book(row, values);
    memset(text, 'x', 101);
    if (row == 5)
        values[1] = cv_value_text(text);
}

void case_a_text_that_is_too_long_is_refused(suite *s)
{
    made_rows rows = books(9);
    rows.make = make_long_title;
    assert_told(s, copy_books(s->cx, &rows, NULL, NULL), CV_E_RANGE, "row 5, column \"title\": ", "title");
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

static void make_broken_text(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == 700)
        values[1] = cv_value_str(cv_str_make("\xff\xfe", 2));
}

void case_a_copied_text_is_utf8(suite *s)
{
    made_rows rows = books(900);
    rows.make = make_broken_text;
    assert_told(s, copy_books(s->cx, &rows, NULL, NULL), CV_E_INVALID, "row 700, column \"title\": ", "title");
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

static void make_same_key(int64_t row, cv_value *values)
{
    make_book(row == 4321 ? 17 : row, values);
}

static void make_negative(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == 12)
        values[2] = cv_value_i64(-1);
}

static void make_untitled(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == 99)
        values[1] = CV_NULL;
}

void case_what_the_engine_refuses_names_the_row(suite *s)
{
    static const struct {
        void (*make)(int64_t row, cv_value *values);
        int code;
        const char *row;
    } cases[] = {{make_same_key, CV_E_UNIQUE, "row 4321"},
                 {make_negative, CV_E_CHECK, "row 12"},
                 {make_untitled, CV_E_NOT_NULL, "row 99"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        made_rows rows = books(5000);
        rows.make = cases[i].make;
        assert_told(s, copy_books(s->cx, &rows, NULL, NULL), cases[i].code, cases[i].row, NULL);
        assert_int_equal(count(s, "books"), 0);
    }
    assert_usable(s);
}

/* ---- ends before the end ---- */

void case_a_source_that_breaks_off_leaves_nothing(suite *s)
{
    made_rows rows = books(20000);
    cv_copy_result done;
    rows.fails_at = 15000;
    int rc = copy_books(s->cx, &rows, NULL, &done);
    assert_told(s, rc, CV_E_END, "the source has broken off", NULL);
    assert_int_equal(done.rows, 0);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

void case_batches_are_kept_one_by_one(suite *s)
{
    made_rows rows = books(20000);
    cv_copy_result done;
    const cv_copy_options options = {.batch_rows = 4000};
    rows.fails_at = 15000;
    assert_told(s, copy_books(s->cx, &rows, &options, &done), CV_E_END, "broken off", NULL);
    assert_int_equal(done.rows, 12000);
    assert_int_equal(count(s, "books"), 12000);
    run(s, "DELETE FROM books");
    rows = books(5000);
    rows.make = make_same_key;
    assert_told(s, copy_books(s->cx, &rows, &options, &done), CV_E_UNIQUE, "row 4321", NULL);
    assert_int_equal(done.rows, 4000);
    assert_int_equal(count(s, "books"), 4000);
    run(s, "DELETE FROM books");
    rows = books(8000);
    assert_ok(s->cx, copy_books(s->cx, &rows, &options, &done));
    assert_int_equal(done.rows, 8000);
    assert_int_equal(count(s, "books"), 8000);
    assert_usable(s);
}

static int wait_at_row_3000(cv_ctx *cx, made_rows *rows)
{
    return rows->given == 3000 ? cv_sleep_ms(cx, 60000) : 0;
}

void case_a_deadline_ends_a_copy(suite *s)
{
    made_rows rows = books(100000);
    int rc = 0;
    rows.before = wait_at_row_3000;
    int64_t start_ns = cv_now_ns(s->cx);
    CV_WITHIN(s->cx, 200)
    {
        rc = copy_books(s->cx, &rows, NULL, NULL);
    }
    assert_error(s, rc, CV_E_TIMEOUT);
    assert_true(ms_since(s->cx, start_ns) < 2000);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

static int copy_endlessly(cv_ctx *cx, void *arg)
{
    suite *s = arg;
    made_rows rows = books(INT64_MAX);
    cv_use_db(cx, s->db);
    return copy_books(cx, &rows, NULL, NULL);
}

void case_cancelling_a_fiber_ends_its_copy(suite *s)
{
    cv_fiber *fiber;
    assert_ok(s->cx, cv_spawn(s->cx, "copy", copy_endlessly, s, &fiber));
    assert_ok(s->cx, cv_sleep_ms(s->cx, 50));
    cv_cancel(fiber);
    assert_error(s, cv_join(s->cx, fiber, NULL), CV_E_CANCELLED);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

/* ---- transactions ---- */

static void make_untitled_late(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == 150)
        values[1] = CV_NULL;
}

static int copy_in_a_block(cv_ctx *cx, int64_t rows_in_all, int *ret_inner)
{
    CV_ATOMIC(cx)
    {
        made_rows rows = books(rows_in_all);
        CV_TRY(add(cx, 900000));
        rows.make = make_untitled_late;
        *ret_inner = copy_books(cx, &rows, NULL, NULL);
        cv_error_clear(cx);
        CV_TRY(add(cx, 900001));
    }
    return 0;
}

void case_a_copy_belongs_to_the_transaction(suite *s)
{
    int inner;
    assert_ok(s->cx, copy_in_a_block(s->cx, 100, &inner));
    assert_int_equal(inner, 0);
    assert_int_equal(count(s, "books"), 102);
    run(s, "DELETE FROM books");
    assert_ok(s->cx, copy_in_a_block(s->cx, 200, &inner)); /* it fails alone */
    assert_int_equal(inner, CV_E_NOT_NULL);
    assert_int_equal(count(s, "books"), 2);
    assert_usable(s);
}

enum { LAST_ROW = 40000 };

static void make_last_untitled(int64_t row, cv_value *values)
{
    make_book(row, values);
    if (row == LAST_ROW)
        values[1] = CV_NULL;
}

static int fail_large_copy_in_a_block(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        made_rows rows = books(LAST_ROW);
        CV_TRY(add(cx, 900000));
        rows.make = make_last_untitled;
        assert_int_equal(copy_books(cx, &rows, NULL, NULL), CV_E_NOT_NULL);
        cv_error_clear(cx);
        CV_TRY(add(cx, 900001));
    }
    return 0;
}

/* Undoing it may take longer than clean-up may. */
void case_a_large_copy_fails_alone(suite *s)
{
    assert_ok(s->cx, fail_large_copy_in_a_block(s->cx));
    assert_int_equal(count(s, "books"), 2);
    assert_usable(s);
}

static int copy_and_leave(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        made_rows rows = books(100);
        CV_TRY(copy_books(cx, &rows, NULL, NULL));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int copy_batches_inside(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        made_rows rows = books(100);
        const cv_copy_options options = {.batch_rows = 10};
        CV_TRY(copy_books(cx, &rows, &options, NULL));
    }
    return 0;
}

void case_a_copy_is_rolled_back_with_its_transaction(suite *s)
{
    assert_ok(s->cx, copy_and_leave(s->cx));
    assert_int_equal(count(s, "books"), 0);
    assert_error(s, copy_batches_inside(s->cx), CV_E_IN_TRANSACTION);
    assert_usable(s);
}

static int run_a_statement(cv_ctx *cx, made_rows *rows)
{
    return rows->given == 3 ? cv_exec(cx, NULL, "UPDATE books SET stock = 1") : 0;
}

void case_a_source_does_not_use_the_connection(suite *s)
{
    made_rows rows = books(10);
    rows.before = run_a_statement;
    assert_error(s, copy_books(s->cx, &rows, NULL, NULL), CV_E_STATE);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

/* ---- limits and progress ---- */

static int note_progress(cv_ctx *cx, void *arg, const cv_copy_result *so_far)
{
    (void)cx;
    int64_t *calls = arg;
    calls[0]++;
    calls[1] = so_far->rows;
    return 0;
}

static int stop_at_2000(cv_ctx *cx, void *arg, const cv_copy_result *so_far)
{
    (void)arg;
    return so_far->rows >= 2000 ? cv_fail(cx, CV_E_CANCELLED, "that is enough") : 0;
}

void case_progress_is_told_and_may_stop_a_copy(suite *s)
{
    int64_t calls[2] = {0, 0};
    made_rows rows = books(2500);
    cv_copy_options options = {.progress = note_progress, .progress_arg = calls, .progress_rows = 1000};
    assert_ok(s->cx, copy_books(s->cx, &rows, &options, NULL));
    assert_int_equal(calls[0], 3);
    assert_int_equal(calls[1], 2500);
    run(s, "DELETE FROM books");
    rows = books(2500);
    options.progress = stop_at_2000;
    assert_told(s, copy_books(s->cx, &rows, &options, NULL), CV_E_CANCELLED, "that is enough", NULL);
    assert_int_equal(count(s, "books"), 0);
    assert_usable(s);
}

void case_a_copy_has_limits(suite *s)
{
    made_rows rows = books(500);
    assert_error(s, copy_books(s->cx, &rows, &(cv_copy_options){.max_rows = 499}, NULL), CV_E_LIMIT);
    rows = books(500);
    assert_error(s, copy_books(s->cx, &rows, &(cv_copy_options){.max_bytes = 3000}, NULL), CV_E_LIMIT);
    assert_int_equal(count(s, "books"), 0);
    rows = books(500);
    assert_ok(s->cx, copy_books(s->cx, &rows, &(cv_copy_options){.max_rows = 500, .max_bytes = 100000}, NULL));
    assert_int_equal(count(s, "books"), 500);
    assert_usable(s);
}

/* ---- keys ---- */

static int64_t key_of_new_book(suite *s)
{
    run(s, "INSERT INTO books (title) VALUES ('new')");
    return scalar(s->cx, "SELECT MAX(id) FROM books").as.i64;
}

void case_made_keys_go_on_behind_copied_ones(suite *s)
{
    made_rows rows = books(300);
    assert_ok(s->cx, copy_books(s->cx, &rows, NULL, NULL));
    assert_true(key_of_new_book(s) > 300);
    run(s, "DELETE FROM books WHERE id <= 300");
    rows = books(30); /* a sequence that is further is not set back */
    assert_ok(s->cx, copy_books(s->cx, &rows, NULL, NULL));
    assert_true(key_of_new_book(s) > 301);
    assert_int_equal(count(s, "books"), 32);
    assert_usable(s);
}

/* ---- every type, and back ---- */

#define TYPES(X)                                                                                                       \
    X(id, CV_TYPE_I64, .bits = 64)                                                                                     \
    X(flag, CV_TYPE_BOOL, )                                                                                            \
    X(small, CV_TYPE_I64, .bits = 16)                                                                                  \
    X(medium, CV_TYPE_I64, .bits = 32)                                                                                 \
    X(real_number, CV_TYPE_F64, )                                                                                      \
    X(price, CV_TYPE_DECIMAL, .digits = 12, .places = 2)                                                               \
    X(large, CV_TYPE_DECIMAL, .digits = 38, .places = 10)                                                              \
    X(short_text, CV_TYPE_TEXT, .max_length = 50)                                                                      \
    X(any_text, CV_TYPE_TEXT, )                                                                                        \
    X(data, CV_TYPE_BYTES, )                                                                                           \
    X(at, CV_TYPE_TIME, )                                                                                              \
    X(on_day, CV_TYPE_DATE, )                                                                                          \
    X(uuid, CV_TYPE_UUID, )                                                                                            \
    X(doc, CV_TYPE_JSON, )                                                                                             \
    X(numbers, CV_TYPE_ARRAY, .element = CV_TYPE_I64, .bits = 32)                                                      \
    X(words, CV_TYPE_ARRAY, .element = CV_TYPE_TEXT)                                                                   \
    X(days, CV_TYPE_RANGE, .element = CV_TYPE_DATE)

static const struct typed_column {
    const char *name;
    cv__column_type type;
} typed_columns[] = {
#define X(name, type, ...) {#name, {type, __VA_ARGS__}},
    TYPES(X)
#undef X
};
static const char *const typed_names[] = {
#define X(name, type, ...) #name,
    TYPES(X)
#undef X
};
enum { TYPED_COLUMNS = sizeof typed_names / sizeof typed_names[0] };

static void make_typed_table(suite *s)
{
    const cv__dialect *dialect = cv__db_dialect(s->db);
    cv_buf ddl;
    run(s, "DROP TABLE IF EXISTS typed");
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    cv_buf_add_text(&ddl, "CREATE TABLE typed (");
    for (size_t i = 0; i < TYPED_COLUMNS; i++) {
        cv_buf_printf(&ddl, "%s%s ", i ? ", " : "", typed_columns[i].name);
        dialect->add_column_type(&ddl, &typed_columns[i].type);
    }
    cv_buf_add_char(&ddl, ')');
    run(s, ddl.data);
}

static cv_decimal decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return value;
}

static cv_time time_of(const char *text)
{
    cv_time value;
    assert_int_equal(cv_time_parse(cv_str_of(text), &value), 0);
    return value;
}

/* Row 1: plain values; row 2: the ends of the types; row 3: NULL. */
static void make_typed(int64_t row, cv_value *v)
{
    static int32_t integers[] = {1, INT32_MIN, INT32_MAX};
    static cv_str texts[] = {{"a,b", 3}, {"\"quoted\" \\ {}", 13}, {"", 0}};
    static cv_date_range days;
    cv_date first = {20000}, last = {20010};
    bool ends = row == 2;
    for (size_t i = 0; i < TYPED_COLUMNS; i++)
        v[i] = CV_NULL;
    v[0] = cv_value_i64(row);
    if (row == 3)
        return;
    days = (cv_date_range){.lower = first, .upper = last, .flags = CV_RANGE_LOWER_INCLUSIVE};
    v[1] = cv_value_bool(ends);
    v[2] = cv_value_i64(ends ? INT16_MIN : 12);
    v[3] = cv_value_i64(ends ? INT32_MAX : -5);
    v[4] = cv_value_f64(ends ? 1e300 : 0.1);
    v[5] = cv_value_decimal(decimal(ends ? "-9999999999.99" : "9.50"));
    v[6] = cv_value_decimal(decimal(ends ? "9999999999999999999999999999.0123456789" : "0.0000000001"));
    v[7] = cv_value_text(ends ? "\t\\N\n\r\"'" : "h\xc3\xa9llo");
    v[8] = cv_value_text(ends ? "" : "a\nb");
    v[9] = cv_value_bytes((cv_bytes){(const uint8_t *)"\0\1\377\\x", ends ? 0 : 5});
    v[10] = cv_value_time(time_of(ends ? "9999-12-31T23:59:59.999999Z" : "2024-02-29T12:34:56.789012Z"));
    v[11] = cv_value_date((cv_date){ends ? -100000 : 19782});
    memset(v[12].as.uuid.bytes, ends ? 0xff : 0x1e, 16);
    v[12].type = CV_TYPE_UUID;
    v[13] = cv_value_json((cv_json){cv_str_of(ends ? "[]" : "{\"a\": 1}")});
    v[14] = cv_value_i32_array((cv_i32_array){.items = integers, .count = ends ? 0 : 3});
    v[15] = cv_value_str_array((cv_str_array){.items = texts, .count = 3});
    v[16] = cv_value_date_range(&days);
}

typedef struct gathered {
    int64_t rows;
    size_t columns;
    cv_type types[TYPED_COLUMNS];
} gathered;

static int note_columns(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t n)
{
    (void)cx;
    gathered *g = arg;
    g->columns = n;
    for (size_t i = 0; i < n && i < TYPED_COLUMNS; i++) {
        g->types[i] = columns[i].type;
        assert_string_equal(columns[i].name, typed_names[i]);
    }
    return 0;
}

/* MariaDB has arrays and ranges as JSON, and does not tell them from it. */
static bool is_same(cv_value was, cv_value expected)
{
    cv_arena *arena = cv_arena_new(0);
    if (was.type == CV_TYPE_JSON && (expected.type == CV_TYPE_ARRAY || expected.type == CV_TYPE_RANGE))
        assert_int_equal(cv_value_convert(arena, expected, CV_TYPE_JSON, &expected), 0);
    bool same = cv_value_equal(was, expected);
    cv_arena_free(arena);
    return same;
}

static bool is_type(cv_type told, cv_type expected)
{
    return told == expected || (told == CV_TYPE_JSON && (expected == CV_TYPE_ARRAY || expected == CV_TYPE_RANGE));
}

static int compare_row(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    gathered *g = arg;
    cv_value expected[TYPED_COLUMNS];
    assert_int_equal(values[0].type, CV_TYPE_I64);
    make_typed(values[0].as.i64, expected);
    for (size_t i = 0; i < TYPED_COLUMNS; i++) {
        if (!is_same(values[i], expected[i]))
            fail_msg("row %lld: the column \"%s\" came back as another value", (long long)values[0].as.i64,
                     typed_names[i]);
    }
    g->rows++;
    return 0;
}

void case_copied_values_come_back_from_every_type(suite *s)
{
    made_rows rows = {.columns = typed_names, .column_count = TYPED_COLUMNS, .count = 3, .make = make_typed};
    cv_copy_source source = made_rows_source(&rows);
    gathered g = {0};
    cv_copy_sink sink = {.start = note_columns, .row = compare_row, .arg = &g};
    cv_copy_result done;
    make_typed_table(s);
    assert_ok(s->cx, cv_copy_in(s->cx, "typed", &source, NULL, NULL));
    assert_ok(s->cx, cv_copy_out(s->cx, "typed", &sink, NULL, &done));
    assert_int_equal(g.rows, 3);
    assert_int_equal(done.rows, 3);
    assert_int_equal(g.columns, TYPED_COLUMNS);
    for (size_t i = 0; i < TYPED_COLUMNS; i++)
        assert_true(is_type(g.types[i], typed_columns[i].type.type));
    run(s, "DROP TABLE typed");
    assert_usable(s);
}

/* The same values, all as texts. */
static cv_arena *texts_of_row;

static void make_typed_texts(int64_t row, cv_value *v)
{
    cv_arena_free(texts_of_row);
    texts_of_row = cv_arena_new(0);
    make_typed(row, v);
    for (size_t i = 1; i < TYPED_COLUMNS; i++)
        if (v[i].type != CV_TYPE_BYTES)
            assert_int_equal(cv_value_convert(texts_of_row, v[i], CV_TYPE_TEXT, &v[i]), 0);
}

void case_copied_texts_become_what_the_column_is(suite *s)
{
    made_rows rows = {.columns = typed_names, .column_count = TYPED_COLUMNS, .count = 3, .make = make_typed_texts};
    cv_copy_source source = made_rows_source(&rows);
    gathered g = {0};
    cv_copy_sink sink = {.row = compare_row, .arg = &g};
    make_typed_table(s);
    assert_ok(s->cx, cv_copy_in(s->cx, "typed", &source, NULL, NULL));
    cv_arena_free(texts_of_row);
    texts_of_row = NULL;
    assert_ok(s->cx, cv_copy_out(s->cx, "typed", &sink, NULL, NULL));
    assert_int_equal(g.rows, 3);
    run(s, "DROP TABLE typed");
}

void case_the_columns_of_a_table_are_told(suite *s)
{
    const cv_copy_column *columns;
    size_t n;
    make_typed_table(s);
    assert_ok(s->cx, cv_copy_columns(s->cx, "typed", &columns, &n));
    assert_int_equal(n, TYPED_COLUMNS);
    assert_string_equal(columns[5].name, "price");
    assert_int_equal(columns[5].type, CV_TYPE_DECIMAL);
    assert_int_equal(columns[5].digits, 12);
    assert_int_equal(columns[5].places, 2);
    assert_int_equal(columns[7].max_length, 50);
    if (columns[14].type != CV_TYPE_JSON) {
        assert_int_equal(columns[14].element, CV_TYPE_I64);
        assert_int_equal(columns[14].bits, 32);
    }
    run(s, "DROP TABLE typed");
    assert_error(s, cv_copy_columns(s->cx, "typed", &columns, &n), CV_E_SQL);
    assert_usable(s);
}

/* ---- out ---- */

typedef struct sums {
    int64_t rows, ids;
    int64_t fails_at;
    size_t columns;
} sums;

static int note_count(cv_ctx *cx, void *arg, const cv_copy_column *columns, size_t n)
{
    (void)cx, (void)columns;
    ((sums *)arg)->columns = n;
    return 0;
}

static int add_id(cv_ctx *cx, void *arg, const cv_value *values)
{
    sums *to = arg;
    if (++to->rows == to->fails_at)
        return cv_fail(cx, CV_E_DISK_FULL, "the sink is full");
    to->ids += values[0].as.i64;
    return 0;
}

static void fill_books(suite *s, int64_t n)
{
    made_rows rows = books(n);
    assert_ok(s->cx, copy_books(s->cx, &rows, NULL, NULL));
}

void case_rows_are_copied_out_of_a_table(suite *s)
{
    static const char *const two[] = {"id", "title"}, *const wrong[] = {"id", "titel"};
    sums to = {0};
    cv_copy_sink sink = {.start = note_count, .row = add_id, .arg = &to};
    cv_copy_result done;
    assert_ok(s->cx, cv_copy_out(s->cx, "books", &sink, NULL, &done));
    assert_int_equal(to.columns, 4);
    assert_int_equal(done.rows, 0);
    fill_books(s, 20000);
    assert_ok(s->cx, cv_copy_out(s->cx, "books", &sink, &(cv_copy_options){.columns = two, .column_count = 2}, &done));
    assert_int_equal(to.columns, 2);
    assert_int_equal(to.rows, 20000);
    assert_int_equal(done.rows, 20000);
    assert_int_equal(to.ids, INT64_C(20000) * 20001 / 2);
    assert_told(s, cv_copy_out(s->cx, "books", &sink, &(cv_copy_options){.columns = wrong, .column_count = 2}, NULL),
                CV_E_FIELD, "titel", "titel");
    assert_error(s, cv_copy_out(s->cx, "no_such_table", &sink, NULL, NULL), CV_E_SQL);
    assert_usable(s);
}

void case_rows_of_a_query_are_copied_out(suite *s)
{
    sums to = {0};
    cv_copy_sink sink = {.start = note_count, .row = add_id, .arg = &to};
    cv_value limit = cv_value_i64(10);
    fill_books(s, 100);
    assert_ok(s->cx,
              cv_copy_out_query(s->cx, "SELECT id, title FROM books -- of them all", NULL, 0, &sink, NULL, NULL));
    assert_int_equal(to.rows, 100);
    assert_int_equal(to.columns, 2);
    assert_ok(s->cx, cv_copy_out_query(s->cx, "SELECT id FROM books WHERE id <= ?", &limit, 1, &sink, NULL, NULL));
    assert_int_equal(to.rows, 110);
    assert_error(s, cv_copy_out_query(s->cx, "SELECT nothing FROM books", NULL, 0, &sink, NULL, NULL), CV_E_SQL);
    assert_error(s, cv_copy_out_query(s->cx, "SELECT id FROM books", &limit, 1, &sink, NULL, NULL), CV_E_SQL);
    assert_usable(s);
}

void case_a_sink_that_fails_ends_the_copy(suite *s)
{
    sums to = {.fails_at = 5000};
    cv_copy_sink sink = {.row = add_id, .arg = &to};
    cv_copy_result done;
    fill_books(s, 20000);
    assert_told(s, cv_copy_out(s->cx, "books", &sink, NULL, &done), CV_E_DISK_FULL, "the sink is full", NULL);
    assert_int_equal(done.rows, 4999);
    assert_error(s, cv_copy_out(s->cx, "books", &sink, &(cv_copy_options){.max_rows = 9}, &done), CV_E_LIMIT);
    assert_usable(s);
}

static int wait_for_ever(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)values;
    return ++((sums *)arg)->rows == 100 ? cv_sleep_ms(cx, 60000) : 0;
}

void case_a_deadline_ends_a_copy_out(suite *s)
{
    sums to = {0};
    cv_copy_sink sink = {.row = wait_for_ever, .arg = &to};
    int rc = 0;
    fill_books(s, 20000);
    CV_WITHIN(s->cx, 100)
    {
        rc = cv_copy_out(s->cx, "books", &sink, NULL, NULL);
    }
    assert_error(s, rc, CV_E_TIMEOUT);
    assert_usable(s);
}

static int copy_out_uncommitted(cv_ctx *cx, const cv_copy_sink *sink)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(add(cx, 42));
        CV_TRY(cv_copy_out(cx, "books", sink, NULL, NULL));
        CV_TRY(add(cx, 43));
    }
    return 0;
}

void case_a_copy_out_sees_what_its_transaction_wrote(suite *s)
{
    sums to = {0};
    cv_copy_sink sink = {.row = add_id, .arg = &to};
    assert_ok(s->cx, copy_out_uncommitted(s->cx, &sink));
    assert_int_equal(to.rows, 1);
    assert_int_equal(to.ids, 42);
    assert_int_equal(count(s, "books"), 2);
    assert_usable(s);
}

/* ---- large ---- */

enum { LARGE = 64 << 20 };
static char *large;

static void make_large(int64_t row, cv_value *values)
{
    values[0] = cv_value_i64(row);
    values[1] = cv_value_str(cv_str_make(large, LARGE));
    values[2] = cv_value_bytes((cv_bytes){(const uint8_t *)large, row == 2 ? LARGE : 3});
}

static int check_large(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    assert_int_equal(values[1].as.text.len, LARGE);
    assert_memory_equal(values[1].as.text.ptr, large, LARGE);
    assert_int_equal(values[2].as.bytes.len, values[0].as.i64 == 2 ? LARGE : 3);
    ++*(int64_t *)arg;
    return 0;
}

void case_values_of_64_mib_are_copied(suite *s)
{
    static const char *const names[] = {"id", "long_text", "data"};
    static const cv__column_type types[] = {
        {.type = CV_TYPE_I64, .bits = 64}, {.type = CV_TYPE_TEXT}, {.type = CV_TYPE_BYTES}};
    made_rows rows = {.columns = names, .column_count = 3, .count = 2, .make = make_large};
    cv_copy_source source = made_rows_source(&rows);
    int64_t seen = 0;
    cv_copy_sink sink = {.row = check_large, .arg = &seen};
    cv_buf ddl;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS large_values");
    cv_buf_add_text(&ddl, "CREATE TABLE large_values (");
    for (size_t i = 0; i < 3; i++) {
        cv_buf_printf(&ddl, "%s%s ", i ? ", " : "", names[i]);
        cv__db_dialect(s->db)->add_column_type(&ddl, &types[i]);
    }
    cv_buf_add_char(&ddl, ')');
    run(s, ddl.data);
    large = malloc(LARGE);
    memset(large, 'x', LARGE);
    assert_ok(s->cx, cv_copy_in(s->cx, "large_values", &source, NULL, NULL));
    assert_ok(s->cx, cv_copy_out(s->cx, "large_values", &sink, NULL, NULL));
    assert_int_equal(seen, 2);
    free(large);
    run(s, "DROP TABLE large_values");
    assert_usable(s);
}
