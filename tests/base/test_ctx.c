/* Contexts: memory that reports, deadlines, scopes, inheritance and recycling. */
#include "base/ctx.h"
#include "test.h"

/* An impossible size is asked for on purpose: the address sanitizer is to answer NULL, as malloc does. */
CV_API const char *__asan_default_options(void); /* found by the sanitizer at run time */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int set_up(void **state)
{
    *state = cv_ctx_new(100000);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_ctx_free(*state);
    return 0;
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void memory_comes_from_the_arena(void **state)
{
    cv_ctx *cx = *state;
    assert_non_null(cv_alloc(cx, 100));
    char *zeroed = cv_zalloc(cx, 10, 10);
    assert_int_equal(zeroed[99], 0);
    assert_string_equal(cv_strdup(cx, "hello"), "hello");
    assert_string_equal(cv_strndup(cx, "hello", 4), "hell");
    assert_string_equal(cv_sprintf(cx, "%s-%d", "x", 3), "x-3");
    assert_true(cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes >= 200);
    assert_null(cv_error_last(cx));
    cv_ctx_free(NULL);
}

static int failing_alloc(cv_ctx *cx, size_t size)
{
    return cv_alloc(cx, size) ? 0 : cv_error_last(cx)->code;
}

static void exhaustion_is_reported(void **state)
{
    cv_ctx *cx = *state;
    assert_fails(cx, failing_alloc(cx, 200000), CV_E_LIMIT, "limit of 100000 bytes");
    volatile size_t huge = SIZE_MAX;
    assert_null(cv_zalloc(cx, huge, 2));
    assert_int_equal(cv_error_last(cx)->code, CV_E_LIMIT);
    assert_non_null(cv_error_last(cx)->hint);
    assert_null(cv_zalloc(cx, 100000, 2));
    assert_null(cv_strndup(cx, "x", huge));
    assert_null(cv_sprintf(cx, "%0*d", 200000, 1));
    cv_arena_set_limit(cv_ctx_arena(cx), 1);
    while (cv_alloc(cx, 16))
        ;
    cv_error_clear(cx);
    int count = 0;
    assert_fails(cx, cv_cleanup(cx, count_up, &count), CV_E_LIMIT, "cannot allocate");
}

static void a_refusal_of_the_system_is_reported(void **state)
{
    cv_ctx *cx = *state;
    cv_arena_set_limit(cv_ctx_arena(cx), SIZE_MAX);
    volatile size_t huge = SIZE_MAX / 4;
    assert_fails(cx, failing_alloc(cx, huge), CV_E_NOMEM, "out of memory");
}

static void cleanups_run_when_the_context_ends(void **state)
{
    (void)state;
    int count = 0;
    cv_ctx *cx = cv_ctx_new(0);
    assert_ok(cx, cv_cleanup(cx, count_up, &count));
    assert_int_equal(count, 0);
    cv_ctx_free(cx);
    assert_int_equal(count, 1);
}

static void deadlines_only_shorten(void **state)
{
    cv_ctx *cx = *state;
    assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
    assert_true(cv_ctx_set_deadline_ns(cx, 1000) == INT64_MAX);
    assert_int_equal(cv_ctx_set_deadline_ns(cx, 2000), 1000);
    assert_int_equal(cv_ctx_deadline_ns(cx), 1000);
    int64_t former = cv_ctx_set_deadline_ns(cx, 500);
    assert_int_equal(cv_ctx_deadline_ns(cx), 500);
    cv_ctx_restore_deadline_ns(cx, former);
    assert_int_equal(cv_ctx_deadline_ns(cx), 1000);
}

static int leave_early(cv_ctx *cx, int *cleaned)
{
    CV_SCOPE(cx)
    {
        CV_TRY(cv_cleanup(cx, count_up, cleaned));
        return 7;
    }
    return 0;
}

static void a_scope_bounds_memory_in_a_loop(void **state)
{
    cv_ctx *cx = *state;
    for (int i = 0; i < 1000; i++) {
        CV_SCOPE(cx)
        {
            assert_non_null(cv_alloc(cx, 50000));
        }
    }
    assert_int_equal(cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes, 0);
}

static void a_scope_ends_however_it_is_left(void **state)
{
    cv_ctx *cx = *state;
    int cleaned = 0;
    assert_int_equal(leave_early(cx, &cleaned), 7);
    assert_int_equal(cleaned, 1);
    for (int i = 0; i < 2; i++) {
        CV_SCOPE(cx)
        {
            assert_ok(cx, cv_cleanup(cx, count_up, &cleaned));
            break;
        }
    }
    assert_int_equal(cleaned, 3);
}

static void a_child_shares_what_is_shared(void **state)
{
    cv_ctx *parent = *state;
    int runtime, db, tx, registry, log, metrics;
    parent->runtime = (struct cv_runtime *)&runtime;
    parent->db = (struct cv_db *)&db;
    parent->tx = (struct cv_tx *)&tx;
    parent->registry = (struct cv_registry *)&registry;
    parent->log = (cv_log *)&log;
    parent->metrics = (cv_metrics *)&metrics;
    cv_ctx_set_deadline_ns(parent, 77);
    cv_fail(parent, CV_E_IO, "the parent's own");
    cv_ctx child;
    cv__ctx_init(&child, cv_arena_new(0));
    cv__ctx_inherit(&child, parent);
    assert_int_equal(child.deadline_ns, 77);
    assert_ptr_equal(child.runtime, parent->runtime);
    assert_ptr_equal(child.db, parent->db);
    assert_ptr_equal(child.registry, parent->registry);
    assert_ptr_equal(child.log, parent->log);
    assert_ptr_equal(child.metrics, parent->metrics);
    assert_null(child.tx); /* a transaction belongs to one fiber */
    assert_null(child.error);
    cv__ctx_done(&child);
    assert_null(child.arena);
}

static void a_failing_cleanup(void *arg)
{
    cv_fail(arg, CV_E_IO, "reported while the context is recycled");
}

static void a_recycled_context_is_as_new(void **state)
{
    cv_ctx *cx = *state;
    cv_arena *arena = cv_ctx_arena(cx);
    for (int life = 0; life < 3; life++) {
        int count = 0;
        assert_non_null(cv_alloc(cx, 50000));
        assert_ok(cx, cv_cleanup(cx, count_up, &count));
        assert_ok(cx, cv_cleanup(cx, a_failing_cleanup, cx));
        cv_fail(cx, CV_E_IO, "an error of this life");
        (void)cv_error_take(cx);
        cv_ctx_set_deadline_ns(cx, 5);
        cx->tx_marked = true;
        cv__ctx_recycle(cx);
        assert_int_equal(count, 1);
        assert_ptr_equal(cv_ctx_arena(cx), arena);
        assert_null(cv_error_last(cx));
        assert_int_equal(cx->error_code, 0);
        assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
        assert_false(cx->tx_marked);
        assert_int_equal(cv_arena_get_stats(arena).used_bytes, 0);
        assert_true(cv_arena_get_stats(arena).reserved_bytes <= 4096);
    }
}

static void an_unused_context_recycles_without_memory(void **state)
{
    cv_ctx *cx = *state;
    cv__ctx_recycle(cx);
    assert_int_equal(cv_arena_get_stats(cv_ctx_arena(cx)).reserved_bytes, 0);
    assert_null(cx->error_arena);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(memory_comes_from_the_arena),
        CASE(exhaustion_is_reported),
        CASE(a_refusal_of_the_system_is_reported),
        cmocka_unit_test(cleanups_run_when_the_context_ends),
        CASE(deadlines_only_shorten),
        CASE(a_scope_bounds_memory_in_a_loop),
        CASE(a_scope_ends_however_it_is_left),
        CASE(a_child_shares_what_is_shared),
        CASE(a_recycled_context_is_as_new),
        CASE(an_unused_context_recycles_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
