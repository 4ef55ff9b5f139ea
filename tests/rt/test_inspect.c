/* Looking at fibers: their stacks, and the dump. */
#include "await.h"
#include "rt/inspect.h"
#include "rt/watch.h"
#include "rt_test.h"

#include <covet/lane.h>
#include <covet/sync.h>
#include <covet/workers.h>

/* Functions whose names the stacks must show. */
#define DEEP __attribute__((noinline)) static

static volatile int depth; /* what comes after a call keeps it from being the last one */

DEEP int wait_deep_inside(cv_ctx *cx, cv_semaphore *semaphore)
{
    int rc = cv_semaphore_acquire(cx, semaphore);
    depth++;
    return rc;
}

DEEP int waiting_handler(cv_ctx *cx, void *arg)
{
    int rc = wait_deep_inside(cx, arg);
    depth++;
    return rc;
}

static char *dump(cv_ctx *cx)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    assert_ok(cx, cv_fibers_dump(cx, &out));
    return out.data;
}

static void expect(const char *text, const char *part)
{
    assert_non_null(text);
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text ? text : "");
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* As many fibers as asked for, which wait until the semaphore is released. */
static void start_waiting(cv_ctx *cx, cv_semaphore *semaphore, size_t count)
{
    cv_semaphore_init(semaphore, 0);
    for (size_t i = 0; i < count; i++)
        assert_ok(cx, cv_spawn(cx, "waiting one", waiting_handler, semaphore, NULL));
    assert_ok(cx, cv_yield(cx));
}

static void release_all(cv_ctx *cx, cv_semaphore *semaphore)
{
    while (cv_fiber_count(cx) > 0) {
        cv_semaphore_release(semaphore);
        assert_ok(cx, cv_yield(cx));
    }
}

static void a_dump_shows_the_stack_of_a_waiting_fiber(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore semaphore;
    start_waiting(cx, &semaphore, 1);
    char *text = dump(cx);
    expect(text, "main: 1 fiber\n");
    expect(text, "1 waiting: acquire the semaphore\n");
    expect(text, "  #1 \"waiting one\" since ");
    expect(text, "      cv_semaphore_acquire ");
    expect(text, "src/rt/semaphore.c:");
    expect(text, "      wait_deep_inside ");
    expect(text, "      waiting_handler ");
    expect(text, "tests/rt/test_inspect.c:");
    expect(text, "      cv__switch_entry");
    assert_null(strstr(text, "deadline"));
    release_all(cx, &semaphore);
}

static void fibers_at_the_same_place_are_counted(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore semaphore;
    start_waiting(cx, &semaphore, 1000);
    char *text = dump(cx);
    expect(text, "main: 1000 fibers\n");
    expect(text, "1000 waiting: acquire the semaphore\n");
    expect(text, "  and 995 more\n");
    assert_int_equal(count_of(text, "waiting_handler"), 1);
    release_all(cx, &semaphore);
}

static int sleep_within(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_WITHIN(cx, 60000)
    {
        return cv_sleep_ms(cx, 30000);
    }
    return 0;
}

static void the_time_that_is_left_is_told(void **state)
{
    cv_ctx *cx = *state;
    assert_ok(cx, cv_spawn(cx, "sleeper", sleep_within, NULL, NULL));
    assert_ok(cx, cv_yield(cx));
    char *text = dump(cx);
    expect(text, "1 waiting: sleep\n");
    expect(text, "deadline in 60000 ms");
}

static void tell_work(const void *arg, char *text, size_t size)
{
    snprintf(text, size, "GET %s", (const char *)arg);
}

static int work_under_another_name(cv_ctx *cx, void *arg)
{
    cv__fiber_tell(cx, "GET /books/{id:int}", tell_work, "/books/1\n\x7f");
    assert_string_equal(cv_fiber_name(cx), "GET /books/{id:int}");
    return cv_semaphore_acquire(cx, arg);
}

static void a_fiber_is_named_by_its_work(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore semaphore;
    cv_semaphore_init(&semaphore, 0);
    cv__fiber_tell(cx, "nothing", NULL, NULL);
    assert_string_equal(cv_fiber_name(cx), "main");
    assert_ok(cx, cv_spawn(cx, "http request", work_under_another_name, &semaphore, NULL));
    assert_ok(cx, cv_yield(cx));
    char *text = dump(cx);
    expect(text, "\"GET /books/{id:int}\"");
    expect(text, ": GET /books/1??\n");
    release_all(cx, &semaphore);
}

static int do_nothing(cv_ctx *cx, void *arg)
{
    (void)cx;
    (void)arg;
    return 0;
}

static int dump_itself(cv_ctx *cx, void *arg)
{
    cv_fiber *ended;
    CV_TRY(cv_spawn(cx, "ended one", do_nothing, NULL, &ended));
    CV_TRY(cv_yield(cx));
    CV_TRY(cv_spawn(cx, "fresh one", do_nothing, NULL, NULL));
    cv_buf *out = arg;
    cv__census *census = cv__census_new();
    CV_TRY(cv__census_take(cx, census, NULL));
    cv__symbols *symbols = cv__symbols_open();
    cv__census_write(census, symbols, out);
    cv__symbols_close(symbols);
    cv__census_free(census);
    return cv_join(cx, ended, NULL);
}

static void all_states_are_told(void **state)
{
    cv_ctx *cx = *state;
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "dumper", dump_itself, &out, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    char *text = out.data;
    expect(text, "ready to begin\n  #3 \"fresh one\" alive");
    expect(text, "ended, not joined\n  #2 \"ended one\" alive");
    expect(text, "running\n  #1 \"dumper\" alive");
    expect(text, "      dump_itself ");
    expect(text, "1 waiting: wait for a fiber\n  \"main\"");
    expect(text, "      all_states_are_told ");
    cv_buf_done(&out);
}

/* A different depth for each, so that no two stacks are the same. */
DEEP int wait_at_depth(cv_ctx *cx, cv_semaphore *semaphore, int left)
{
    int rc = left > 0 ? wait_at_depth(cx, semaphore, left - 1) : cv_semaphore_acquire(cx, semaphore);
    depth++;
    return rc;
}

struct deep {
    cv_semaphore semaphore;
    int next;
};

static int wait_somewhere(cv_ctx *cx, void *arg)
{
    struct deep *deep = arg;
    return wait_at_depth(cx, &deep->semaphore, deep->next++);
}

static void stacks_are_cut_and_places_are_bounded(void **state)
{
    cv_ctx *cx = *state;
    struct deep deep = {.next = 0};
    cv_semaphore_init(&deep.semaphore, 0);
    for (int i = 0; i < 60; i++)
        assert_ok(cx, cv_spawn(cx, "deep", wait_somewhere, &deep, NULL));
    assert_ok(cx, cv_yield(cx));
    char *text = dump(cx);
    expect(text, "main: 60 fibers\n");
    expect(text, "      ...\n");
    release_all(cx, &deep.semaphore);
}

static int many_places[200];

static int wait_for_what_differs(cv_ctx *cx, void *arg)
{
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = arg;
    return cv__wait(cx, &waiter);
}

static void further_places_are_left_out(void **state)
{
    cv_ctx *cx = *state;
    static char names[200][8];
    cv_fiber *fibers[200];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "do %d", i);
        many_places[i] = i;
        assert_ok(cx, cv_spawn(cx, "one", wait_for_what_differs, names[i], &fibers[i]));
    }
    assert_ok(cx, cv_yield(cx));
    expect(dump(cx), "73 fibers at further places are left out\n");
    for (int i = 0; i < 200; i++) {
        cv_cancel(fibers[i]);
        assert_int_equal(cv_join(cx, fibers[i], NULL), CV_E_CANCELLED);
        cv_error_clear(cx);
    }
}

/* A stack with too little room left is not walked. */
static void a_stack_that_is_nearly_full_is_left_alone(void **state)
{
    (void)state;
    char low[CV__WALK_BYTES * 2];
    cv__stack_trace trace = {.count = 7};
    cv__inspection inspection = {NULL, &trace, (char *)__builtin_frame_address(0) - CV__WALK_BYTES / 2};
    low[0] = 0;
    (void)low[0];
    cv__inspection_answer(&inspection);
    assert_int_equal(trace.count, 0);
    inspection.stack_low = NULL;
    cv__inspection_answer(&inspection);
    assert_true(trace.count > 0);
}

static void addresses_without_symbols(void **state)
{
    (void)state;
    cv_buf out;
    cv_buf_init(&out, 0);
    cv__symbols_write(NULL, (uintptr_t)addresses_without_symbols, &out);
    expect(cv_buf_str(&out).ptr, "test_rt_inspect+0x");
    cv_buf_clear(&out);
    cv__symbols *symbols = cv__symbols_open();
    cv__symbols_write(symbols, 16, &out);
    assert_string_equal(cv_buf_str(&out).ptr, "0x10");
    cv_buf_clear(&out);
    cv__symbols_write(symbols, (uintptr_t)malloc, &out);
    assert_true(out.len > 0);
    cv__symbols_close(symbols);
    cv__symbols_close(NULL);
    cv_buf_done(&out);
    cv__census_free(NULL);
}

static int load(cv_ctx *cx, void *arg)
{
    size_t *rounds = arg;
    for (int i = 0; i < 200; i++) {
        CV_TRY(i % 3 ? cv_yield(cx) : cv_sleep_ms(cx, 1));
        ++*rounds;
    }
    return 0;
}

static void a_dump_disturbs_nobody(void **state)
{
    cv_ctx *cx = *state;
    size_t rounds = 0;
    for (int i = 0; i < 100; i++)
        assert_ok(cx, cv_spawn(cx, "busy", load, &rounds, NULL));
    while (cv_fiber_count(cx) > 0) {
        cv_arena_mark mark = cv_arena_save(cv_ctx_arena(cx));
        dump(cx);
        cv_arena_rewind(cv_ctx_arena(cx), mark);
        assert_ok(cx, cv_sleep_ms(cx, 20));
    }
    assert_int_equal(rounds, 100 * 200);
}

static int dump_on_a_thread(void *arg)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    int rc = cv_fibers_dump(arg, &out);
    cv_buf_done(&out);
    return rc;
}

static void a_dump_needs_the_runtimes_thread(void **state)
{
    cv_ctx *cx = *state;
    assert_int_equal(cv_offload(cx, CV_LANE_CPU, dump_on_a_thread, cx, NULL), CV_E_CONTEXT);
    cv_error_clear(cx);
}

/* ---- workers ---- */

struct crew {
    atomic_bool is_free;
    atomic_int waiting;
};

static int wait_in_a_worker(cv_ctx *cx, void *arg)
{
    struct crew *crew = arg;
    atomic_fetch_add(&crew->waiting, 1);
    while (!atomic_load(&crew->is_free))
        CV_TRY(cv_sleep_ms(cx, 5));
    return 0;
}

static int hold_a_worker(cv_ctx *cx, void *arg)
{
    struct crew *crew = arg;
    (void)cx;
    atomic_fetch_add(&crew->waiting, 1);
    while (!atomic_load(&crew->is_free))
        continue;
    return 0;
}

static int start_crew(cv_ctx *cx, size_t index, void *arg)
{
    return index == 0 ? cv_spawn(cx, "sleeper", wait_in_a_worker, arg, NULL)
                      : cv_spawn(cx, "hog", hold_a_worker, arg, NULL);
}

static void workers_are_part_of_the_dump(void **state)
{
    cv_ctx *cx;
    (void)state;
    struct crew crew = {0};
    cv_workers *workers;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    cv_workers_options options = {.count = 2, .start = start_crew, .arg = &crew};
    assert_ok(cx, cv_workers_start(cx, &options, &workers));
    await_that(cx, atomic_load(&crew.waiting) == 2 && cv__workers_held_ms(workers, NULL, NULL) > 0);
    assert_ok(cx, cv_sleep_ms(cx, 100));
    char *text = dump(cx);
    expect(text, "main: ");
    expect(text, "worker 0: 1 fiber\n");
    expect(text, "      wait_in_a_worker ");
    expect(text, "worker 1: no answer, its loop is held by \"hog\"\n");
#ifndef CV__TSAN
    expect(text, "      hold_a_worker ");
#endif
    atomic_store(&crew.is_free, true);
    cv_workers_stop(cx, workers);
    expect(dump(cx), "main: ");
    cv_runtime_free(cx);
}

static int dump_alone(cv_ctx *cx, void *arg)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    int rc = cv_fibers_dump(cx, &out);
    cv_buf_done(&out);
    *(bool *)arg = true;
    return rc;
}

static int hold_until_asked(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    return cv_spawn(cx, "hog", hold_a_worker, arg, NULL);
}

static void workers_may_stop_while_they_are_asked(void **state)
{
    cv_ctx *cx;
    (void)state;
    struct crew crew = {0};
    cv_workers *workers;
    cv_fiber *fiber;
    bool is_done = false;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    cv_workers_options options = {.count = 1, .start = hold_until_asked, .arg = &crew};
    assert_ok(cx, cv_workers_start(cx, &options, &workers));
    assert_ok(cx, cv_spawn(cx, "dumper", dump_alone, &is_done, &fiber));
    assert_ok(cx, cv_sleep_ms(cx, 50));
    assert_false(is_done); /* the worker does not answer */
    atomic_store(&crew.is_free, true);
    cv_workers_stop(cx, workers);
    assert_ok(cx, cv_join(cx, fiber, NULL));
    cv_runtime_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_dump_shows_the_stack_of_a_waiting_fiber),
        runtime_test(fibers_at_the_same_place_are_counted),
        runtime_test(the_time_that_is_left_is_told),
        runtime_test(a_fiber_is_named_by_its_work),
        runtime_test(all_states_are_told),
        runtime_test(stacks_are_cut_and_places_are_bounded),
        runtime_test(further_places_are_left_out),
        cmocka_unit_test(a_stack_that_is_nearly_full_is_left_alone),
        cmocka_unit_test(addresses_without_symbols),
        runtime_test(a_dump_disturbs_nobody),
        runtime_test(a_dump_needs_the_runtimes_thread),
        cmocka_unit_test(workers_are_part_of_the_dump),
        cmocka_unit_test(workers_may_stop_while_they_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
