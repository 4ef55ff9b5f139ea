/* Messages of logical decoding, made by hand: what is not as it should be is refused, never believed. */
#include "test.h"

#include "db/postgres/changes/pgoutput.h"
#include "db/postgres/types.h"
#include <covet/time.h>
#include <endian.h>

static cv_ctx *cx;
static cv__pgoutput *output;
static cv_changes changes; /* all tables are wanted */
static cv_buf message;

static int set_up(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    output = cv__pgoutput_new();
    cv_buf_init(&message, 0);
    return cx && output ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cv_buf_done(&message);
    cv__pgoutput_free(output);
    cv_ctx_free(cx);
    return 0;
}

static void begin(char kind)
{
    cv_buf_clear(&message);
    cv_buf_add_char(&message, kind);
}

static void u8(int value)
{
    cv_buf_add_char(&message, (char)value);
}

static void u16(unsigned value)
{
    uint16_t big = htobe16((uint16_t)value);
    cv_buf_add(&message, &big, sizeof big);
}

static void u32(uint32_t value)
{
    uint32_t big = htobe32(value);
    cv_buf_add(&message, &big, sizeof big);
}

static void u64(uint64_t value)
{
    uint64_t big = htobe64(value);
    cv_buf_add(&message, &big, sizeof big);
}

static void text(const char *value)
{
    cv_buf_add(&message, value, strlen(value) + 1);
}

static int read_message(cv_change *ret_change)
{
    return cv__pgoutput_read(cx, output, &changes, cv_buf_str(&message), ret_change);
}

static void column(bool key, const char *name, Oid type)
{
    u8(key);
    text(name);
    u32(type);
    u32((uint32_t)-1);
}

static void make_relation(void)
{
    begin('R');
    u32(1);
    text("public");
    text("books");
    u8('d');
    u16(2);
    column(true, "id", CV__PG_INT4);
    column(false, "title", CV__PG_TEXT);
}

static void make_insert(void)
{
    begin('I');
    u32(1);
    u8('N');
    u16(2);
    u8('b');
    u32(4);
    u32(7);
    u8('t');
    u32(1);
    cv_buf_add(&message, "x", 1);
}

static void a_transaction_becomes_events(void **state)
{
    (void)state;
    cv_change c;
    begin('B');
    u64(100);
    u64(0);
    u32(77);
    assert_int_equal(read_message(&c), 0);
    assert_true(cv__pgoutput_in_transaction(output));
    make_relation();
    assert_int_equal(read_message(&c), 0);
    make_insert();
    assert_int_equal(read_message(&c), 1);
    assert_int_equal(c.kind, CV_CHANGE_INSERT);
    assert_string_equal(c.transaction_id, "77");
    assert_int_equal(c.committed_at.us, CV__PG_EPOCH_US);
    assert_int_equal(c.new_values[0].as.i64, 7);
    begin('C');
    u8(0);
    u64(100);
    u64(120);
    u64(0);
    assert_int_equal(read_message(&c), 1);
    assert_int_equal(c.kind, CV_CHANGE_COMMIT);
    assert_int_equal(cv__pgoutput_end(output), 120);
    assert_false(cv__pgoutput_in_transaction(output));
}

/* Every message, cut at every byte. */
static void what_is_cut_is_refused(void **state)
{
    (void)state;
    cv_change c;
    void (*const makers[])(void) = {make_relation, make_insert};
    make_relation();
    assert_int_equal(read_message(&c), 0);
    for (size_t i = 0; i < 2; i++) {
        makers[i]();
        size_t whole = message.len;
        for (size_t len = 0; len < whole; len++) {
            int rc = cv__pgoutput_read(cx, output, &changes, cv_str_make(message.data, len), &c);
            assert_int_equal(rc, CV_E_CORRUPT);
            cv_error_clear(cx);
        }
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    cv_change c;
    begin('?');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "cannot be understood");
    begin('I'); /* a table that was not described */
    u32(99);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    make_relation();
    assert_int_equal(read_message(&c), 0);
    begin('I');
    u32(1);
    u8('X');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('U');
    u32(1);
    u8('X');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('D');
    u32(1);
    u8('N');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('I'); /* another number of columns */
    u32(1);
    u8('N');
    u16(3);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('I'); /* longer than the message */
    u32(1);
    u8('N');
    u16(2);
    u8('t');
    u32(0xffffffff);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('T');
    u32(1000);
    u8(0);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('R');
    u32(1);
    text("s");
    text("t");
    u8('d');
    u16(60000);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('Y');
    u32(20000);
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('B');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('C');
    assert_fails(cx, read_message(&c), CV_E_CORRUPT, "");
    begin('O'); /* what is of no interest */
    assert_int_equal(read_message(&c), 0);
    begin('M');
    assert_int_equal(read_message(&c), 0);
}

static void unknown_types_are_told_apart_from_values_that_cannot_be(void **state)
{
    (void)state;
    cv_change c;
    begin('R');
    u32(1);
    text("public");
    text("books");
    u8('d');
    u16(2);
    column(true, "id", 20000);
    column(false, "at", CV__PG_TIMESTAMPTZ);
    assert_int_equal(read_message(&c), 0);
    begin('I');
    u32(1);
    u8('N');
    u16(2);
    u8('b');
    u32(1);
    u8(1);
    u8('n');
    assert_fails(cx, read_message(&c), CV_E_TYPE, "column \"id\" of \"public.books\"");
    begin('I');
    u32(1);
    u8('N');
    u16(2);
    u8('n');
    u8('b');
    u32(8);
    u64(INT64_MAX); /* infinity */
    assert_fails(cx, read_message(&c), CV_E_RANGE, "column \"at\"");
}

static void a_domain_is_what_it_is_made_of(void **state)
{
    (void)state;
    cv_change c;
    assert_int_equal(cv__pgoutput_add_type(output, 20001, 20000, "tiny"), 0);
    assert_int_equal(cv__pgoutput_add_type(output, 20000, CV__PG_INT4, "small"), 0);
    assert_int_equal(cv__pgoutput_add_type(output, 20002, 20002, "its own"), 0); /* a circle has an end */
    begin('R');
    u32(1);
    text("");
    text("books");
    u8('d');
    u16(2);
    column(true, "id", 20001);
    column(false, "odd", 20002);
    assert_int_equal(read_message(&c), 0);
    begin('I');
    u32(1);
    u8('N');
    u16(2);
    u8('b');
    u32(4);
    u32(7);
    u8('n');
    assert_int_equal(read_message(&c), 1);
    assert_string_equal(c.schema, "pg_catalog");
    assert_string_equal(c.columns[0].sql_type, "tiny");
    assert_int_equal(c.columns[0].type, CV_TYPE_I64);
    assert_int_equal(c.new_values[0].as.i64, 7);
}

static void a_table_that_is_made_anew_is_another(void **state)
{
    (void)state;
    cv_change c;
    make_relation();
    assert_int_equal(read_message(&c), 0);
    assert_int_equal(read_message(&c), 0); /* the same again */
    begin('R');
    u32(2);
    text("public");
    text("books");
    u8('d');
    u16(1);
    column(true, "number", CV__PG_INT8);
    assert_int_equal(read_message(&c), 1);
    assert_int_equal(c.kind, CV_CHANGE_SCHEMA);
    assert_int_equal(c.column_count, 1);
}

static cv_value from_text(Oid type, const char *value)
{
    cv_value v = CV_NULL;
    assert_int_equal(cv__pgoutput_from_text(cv_ctx_arena(cx), type, cv_str_of(value), &v), 0);
    return v;
}

static void texts_are_read_as_what_they_are(void **state)
{
    (void)state;
    assert_true(from_text(CV__PG_BOOL, "t").as.boolean);
    assert_int_equal(from_text(CV__PG_INT8, "-9223372036854775808").as.i64, INT64_MIN);
    assert_true(from_text(CV__PG_FLOAT8, "-Infinity").as.f64 < -1e308);
    assert_true(from_text(CV__PG_FLOAT8, "NaN").as.f64 != from_text(CV__PG_FLOAT8, "NaN").as.f64);
    assert_int_equal(from_text(CV__PG_NUMERIC, "1.50").type, CV_TYPE_DECIMAL);
    assert_int_equal(from_text(CV__PG_NUMERIC, "NaN").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(CV__PG_DATE, "2026-11-21").type, CV_TYPE_DATE);
    assert_int_equal(from_text(CV__PG_DATE, "44-03-15 BC").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(CV__PG_TIMESTAMPTZ, "2026-11-21 10:00:00.25+00").type, CV_TYPE_TIME);
    assert_int_equal(from_text(CV__PG_TIMESTAMPTZ, "infinity").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(CV__PG_UUID, "00112233-4455-6677-8899-aabbccddeeff").type, CV_TYPE_UUID);
    assert_int_equal(from_text(CV__PG_BYTEA, "\\x00ff").as.bytes.len, 2);
    assert_int_equal(from_text(CV__PG_BYTEA, "\\x0g").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(CV__PG_BYTEA, "escaped\\000").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(CV__PG_JSON, "{}").type, CV_TYPE_JSON);
    assert_int_equal(from_text(CV__PG_INT4_ARRAY, "{1}").type, CV_TYPE_TEXT);
    assert_int_equal(from_text(20000, "anything").type, CV_TYPE_TEXT);
    assert_string_equal(cv__pgoutput_type_name(cv_ctx_arena(cx), CV__PG_NUMERIC, (10 << 16 | 2) + 4), "numeric(10,2)");
    assert_string_equal(cv__pgoutput_type_name(cv_ctx_arena(cx), CV__PG_BPCHAR, 9), "character(5)");
    assert_string_equal(cv__pgoutput_type_name(cv_ctx_arena(cx), CV__PG_BPCHAR, INT32_MIN), "character");
    assert_null(cv__pgoutput_type_name(cv_ctx_arena(cx), 20000, -1));
}

/* Of a row before the change that is told by its key, nothing else is taken; a key that is not told, nor. */
static void what_is_not_told_is_null(void **state)
{
    (void)state;
    cv_change c;
    make_relation();
    assert_int_equal(read_message(&c), 0);
    begin('D');
    u32(1);
    u8('K');
    u16(2);
    u8('b');
    u32(4);
    u32(7);
    u8('t');
    u32(1);
    u8('x');
    assert_int_equal(read_message(&c), 1);
    assert_int_equal(c.old_values[0].as.i64, 7);
    assert_false(c.old_given[1]);
    assert_int_equal(c.old_values[1].type, CV_TYPE_NULL);
    begin('U');
    u32(1);
    u8('N');
    u16(2);
    u8('u');
    u8('n');
    assert_int_equal(read_message(&c), 1);
    assert_false(c.old_given[0] || c.new_given[0] || c.complete);
}

static void every_type_that_is_read_has_a_name(void **state)
{
    (void)state;
    for (Oid type = 1; type < 10000; type++) {
        bool pseudo = type == CV__PG_VOID || type == CV__PG_UNKNOWN;
        if (cv__pg_decoder(type) && !pseudo)
            assert_non_null(cv__pgoutput_type_name(cv_ctx_arena(cx), type, -1));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_transaction_becomes_events),
        CASE(what_is_cut_is_refused),
        CASE(nonsense_is_refused),
        CASE(unknown_types_are_told_apart_from_values_that_cannot_be),
        CASE(a_domain_is_what_it_is_made_of),
        CASE(a_table_that_is_made_anew_is_another),
        CASE(texts_are_read_as_what_they_are),
        CASE(what_is_not_told_is_null),
        CASE(every_type_that_is_read_has_a_name),
    };
#undef CASE
    return cmocka_run_group_tests_name("pgoutput", tests, NULL, NULL);
}
