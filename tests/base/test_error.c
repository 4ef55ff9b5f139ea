/* Errors: the list of codes, the story in a context, chains, taking and putting back, copying, exhaustion. */
#include "base/ctx.h"
#include "test.h"

#include <covet/error.h>

static int set_up(void **state)
{
    *state = cv_ctx_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_ctx_free(*state);
    return 0;
}

static size_t chain_length(const cv_error *error)
{
    size_t length = 0;
    for (; error; error = error->cause)
        length++;
    return length;
}

static void codes_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(cv_error_name(0), "CV_OK");
    assert_string_equal(cv_error_text(0), "success");
    assert_string_equal(cv_error_name(CV_E_TIMEOUT), "CV_E_TIMEOUT");
    assert_string_equal(cv_error_text(CV_E_TIMEOUT), "deadline exceeded");
    assert_string_equal(cv_error_name(-9999), "CV_E_?");
    assert_string_equal(cv_error_text(-9999), "unknown error");
#define X(code, number, text, doc)                                                                                     \
    assert_true((code) < 0);                                                                                           \
    assert_string_equal(cv_error_name(code), #code);                                                                   \
    assert_string_equal(cv_error_text(code), text);
    CV_ERRORS(X)
#undef X
}

static void some_codes_are_worth_another_try(void **state)
{
    (void)state;
    assert_true(cv_error_is_transient(CV_E_SERIALIZATION));
    assert_true(cv_error_is_transient(CV_E_DEADLOCK));
    assert_true(cv_error_is_transient(CV_E_LOCKED));
    assert_true(cv_error_is_transient(CV_E_CONNECTION_LOST));
    assert_false(cv_error_is_transient(CV_E_UNIQUE));
    assert_false(cv_error_is_transient(CV_E_TIMEOUT));
    assert_false(cv_error_is_transient(0));
}

static void a_failure_tells_its_story(void **state)
{
    cv_ctx *cx = *state;
    assert_null(cv_error_last(cx));
    int line = __LINE__ + 1;
    assert_int_equal(cv_fail(cx, CV_E_RANGE, "month %d is not between 1 and 12", 13), CV_E_RANGE);
    const cv_error *error = cv_error_last(cx);
    assert_int_equal(error->code, CV_E_RANGE);
    assert_string_equal(error->message, "month 13 is not between 1 and 12");
    assert_non_null(strstr(error->file, "test_error.c"));
    assert_int_equal(error->line, line);
    assert_null(error->cause);
    assert_null(error->detail);
    assert_null(error->hint);
    cv_error_clear(cx);
    assert_null(cv_error_last(cx));
    assert_int_equal(cx->error_code, 0);
}

static void facts_are_added_to_the_last_error_only(void **state)
{
    cv_ctx *cx = *state;
    cv_error_detail(cx, "nothing pending");
    cv_error_hint(cx, "nothing pending");
    cv_error_place(cx, "23505", "t", "c", "k");
    cv_error_add_field(cx, "f", "nothing pending");
    assert_null(cv_error_last(cx));

    cv_fail(cx, CV_E_UNIQUE, "a book with this title exists already");
    cv_error_detail(cx, "key (title)=(%s)", "Dune");
    cv_error_hint(cx, "choose another %s", "title");
    char table[] = "books";
    cv_error_place(cx, "23505", table, NULL, "books_title_key");
    cv_error_place(cx, NULL, NULL, "title", NULL);
    table[0] = 'X';
    const cv_error *error = cv_error_last(cx);
    assert_string_equal(error->detail, "key (title)=(Dune)");
    assert_string_equal(error->hint, "choose another title");
    assert_string_equal(error->sqlstate, "23505");
    assert_string_equal(error->table, "books");
    assert_string_equal(error->column, "title");
    assert_string_equal(error->constraint, "books_title_key");
}

static void every_bad_field_is_kept_up_to_a_hundred(void **state)
{
    cv_ctx *cx = *state;
    cv_fail(cx, CV_E_VALIDATION, "the book is not valid");
    for (int i = 0; i < 120; i++) {
        char name[16];
        snprintf(name, sizeof name, "field%d", i);
        cv_error_add_field(cx, name, "is wrong in way %d", i);
    }
    const cv_error *error = cv_error_last(cx);
    assert_int_equal(error->field_count, 100);
    assert_string_equal(error->fields[0].field, "field0");
    assert_string_equal(error->fields[99].field, "field99");
    assert_string_equal(error->fields[99].message, "is wrong in way 99");
}

static void a_pending_error_becomes_the_cause(void **state)
{
    cv_ctx *cx = *state;
    cv_fail(cx, CV_E_CONNECTION_LOST, "first");
    cv_fail(cx, CV_E_DB, "second, after \"%s\"", cv_error_last(cx)->message);
    const cv_error *error = cv_error_last(cx);
    assert_string_equal(error->message, "second, after \"first\"");
    assert_string_equal(error->cause->message, "first");
    assert_int_equal(error->cause->code, CV_E_CONNECTION_LOST);
}

static void a_chain_is_cut_at_sixteen(void **state)
{
    cv_ctx *cx = *state;
    for (int i = 0; i < 40; i++)
        cv_fail(cx, CV_E_DB, "number %d", i);
    assert_int_equal(chain_length(cv_error_last(cx)), 16);
    assert_string_equal(cv_error_last(cx)->message, "number 39");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    cv_ctx *cx = *state;
    char text[6001];
    for (size_t i = 0; i + 2 <= 6000; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[6000] = '\0';
    cv_fail(cx, CV_E_INVALID, "x%s", text);
    cv_str message = cv_str_of(cv_error_last(cx)->message);
    assert_true(message.len < 4096);
    assert_true(cv_str_ends_with(message, CV_STR("\xc3\xa4...")));
    assert_true(cv_utf8_valid(message));
}

static void the_newest_story_survives_exhaustion(void **state)
{
    cv_ctx *cx = *state;
    char text[2001];
    memset(text, 'x', 2000);
    text[2000] = '\0';
    for (int i = 0; i < 200; i++) {
        cv_fail(cx, CV_E_IO, "failure %d: %s", i, text);
        cv_error_detail(cx, "%s", text);
        assert_non_null(cv_error_last(cx));
    }
    assert_true(cv_str_starts_with(cv_str_of(cv_error_last(cx)->message), CV_STR("failure 199: xxx")));
}

static void without_memory_the_code_is_kept(void **state)
{
    (void)state;
    cv_ctx cx;
    cv__ctx_init(&cx, cv_arena_new(0));
    cx.error_arena = cv_arena_new(16); /* too small for any story */
    assert_int_equal(cv_fail(&cx, CV_E_IO, "nobody will read this"), CV_E_IO);
    assert_null(cv_error_last(&cx));
    assert_int_equal(cx.error_code, CV_E_IO);
    cv_error_detail(&cx, "nor this");
    assert_null(cv_error_take(&cx));

    cv_ctx *other = cv_ctx_new(0);
    assert_int_equal(cv_error_copy(other, &cx), CV_E_IO);
    assert_int_equal(other->error_code, CV_E_IO);
    cv_ctx_free(other);
    cv__ctx_done(&cx);
}

static void the_first_error_survives_clean_up(void **state)
{
    cv_ctx *cx = *state;
    cv_fail(cx, CV_E_DISK_FULL, "the disk is full");
    cv_error *first = cv_error_take(cx);
    assert_null(cv_error_last(cx));
    cv_fail(cx, CV_E_IO, "the rollback failed too");
    cv_error *second = cv_error_take(cx);
    cv_fail(cx, CV_E_CLOSED, "handled inside the clean-up");
    cv_error_clear(cx);
    for (int i = 0; i < 100; i++)
        cv_fail(cx, CV_E_IO, "so much noise that the store overflows %d %4000d", i, i);
    cv_error_put_back(cx, second);
    assert_string_equal(cv_error_last(cx)->message, "the rollback failed too");
    cv_error_put_back(cx, first);
    assert_string_equal(cv_error_last(cx)->message, "the disk is full");
    assert_null(cv_error_last(cx)->cause);
    assert_int_equal(cx->error_code, CV_E_DISK_FULL);
}

static void nothing_taken_keeps_what_was_reported_since(void **state)
{
    cv_ctx *cx = *state;
    cv_error *first = cv_error_take(cx);
    assert_null(first);
    cv_fail(cx, CV_E_IO, "the clean-up failed");
    cv_error_put_back(cx, first);
    assert_string_equal(cv_error_last(cx)->message, "the clean-up failed");
}

static void a_copy_is_deep_and_keeps_the_pending_error_last(void **state)
{
    cv_ctx *to = *state;
    cv_ctx *from = cv_ctx_new(0);
    assert_int_equal(cv_error_copy(to, from), 0);
    cv_fail(from, CV_E_NOT_NULL, "root");
    cv_error_place(from, "23502", "books", "title", "c");
    cv_fail(from, CV_E_VALIDATION, "top");
    cv_error_detail(from, "more");
    cv_error_hint(from, "less");
    cv_error_add_field(from, "title", "is missing");
    cv_fail(to, CV_E_STATE, "was here before");
    assert_int_equal(cv_error_copy(to, from), CV_E_VALIDATION);
    assert_int_equal(cv_error_copy(to, to), CV_E_VALIDATION);
    cv_ctx_free(from);

    const cv_error *top = cv_error_last(to);
    assert_int_equal(chain_length(top), 3);
    assert_string_equal(top->message, "top");
    assert_string_equal(top->detail, "more");
    assert_string_equal(top->hint, "less");
    assert_int_equal(top->field_count, 1);
    assert_string_equal(top->fields[0].field, "title");
    assert_string_equal(top->fields[0].message, "is missing");
    assert_string_equal(top->cause->message, "root");
    assert_string_equal(top->cause->column, "title");
    assert_string_equal(top->cause->cause->message, "was here before");
}

static void a_copy_that_does_not_fit_keeps_its_head(void **state)
{
    cv_ctx *to = *state;
    cv_ctx *from = cv_ctx_new(0);
    for (int i = 0; i < 10; i++) {
        cv_fail(from, CV_E_IO, "failure %d %3000d", i, i);
        cv_fail(to, CV_E_DB, "pending %d %3000d", i, i);
    }
    assert_int_equal(cv_error_copy(to, from), CV_E_IO);
    assert_true(cv_str_starts_with(cv_str_of(cv_error_last(to)->message), CV_STR("failure 9")));
    assert_true(chain_length(cv_error_last(to)) < 20);
    cv_ctx_free(from);
}

static int two_steps(cv_ctx *cx, int *done)
{
    CV_TRY(0);
    ++*done;
    CV_TRY(cv_fail(cx, CV_E_BUSY, "the second step fails"));
    ++*done;
    return 0;
}

static void try_returns_the_code_upwards(void **state)
{
    int done = 0;
    assert_fails(*state, two_steps(*state, &done), CV_E_BUSY, "second step");
    assert_int_equal(done, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(codes_have_names_and_texts),
        CASE(some_codes_are_worth_another_try),
        CASE(a_failure_tells_its_story),
        CASE(facts_are_added_to_the_last_error_only),
        CASE(every_bad_field_is_kept_up_to_a_hundred),
        CASE(a_pending_error_becomes_the_cause),
        CASE(a_chain_is_cut_at_sixteen),
        CASE(a_long_text_is_cut_between_characters),
        CASE(the_newest_story_survives_exhaustion),
        CASE(without_memory_the_code_is_kept),
        CASE(the_first_error_survives_clean_up),
        CASE(nothing_taken_keeps_what_was_reported_since),
        CASE(a_copy_is_deep_and_keeps_the_pending_error_last),
        CASE(a_copy_that_does_not_fit_keeps_its_head),
        CASE(try_returns_the_code_upwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
