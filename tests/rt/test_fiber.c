/* Fibers: spawn, join, yield, order, results. */
#include "base/ctx.h"
#include "rt_test.h"

#include "rt/wait.h"

struct talker {
    struct history *history;
    const char *word;
    int times;
};

static int talk(cv_ctx *cx, void *arg)
{
    struct talker *talker = arg;
    for (int i = 0; i < talker->times; i++) {
        note(talker->history, talker->word);
        CV_TRY(cv_yield(cx));
    }
    return 0;
}

static int answer(cv_ctx *cx, void *arg)
{
    (void)cx;
    return *(int *)arg;
}

static void a_join_returns_the_result(void **state)
{
    cv_ctx *cx = *state;
    int value = 42;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "answer", answer, &value, &fiber));
    assert_int_equal(cv_fiber_count(cx), 1);
    bool joined = false;
    assert_int_equal(cv_join(cx, fiber, &joined), 42);
    assert_true(joined);
    assert_int_equal(cv_fiber_count(cx), 0);
}

static void a_fiber_does_not_run_before_the_spawner_suspends(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct talker talker = {&history, "x", 1};
    assert_ok(cx, cv_spawn(cx, "talk", talk, &talker, NULL));
    assert_string_equal(history.text, "");
    assert_ok(cx, cv_yield(cx));
    assert_string_equal(history.text, "x");
}

static void ready_fibers_take_turns_in_order(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct talker talkers[] = {{&history, "a", 3}, {&history, "b", 1}, {&history, "c", 2}};
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "talk", talk, &talkers[i], NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "abcaca");
}

static int fail_with_cause(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_fail(cx, CV_E_IO, "the disk is gone");
    return cv_fail(cx, CV_E_DB, "could not read row %d", 7);
}

static void an_error_crosses_the_join_with_its_chain(void **state)
{
    cv_ctx *cx = *state;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "fails", fail_with_cause, NULL, &fiber));
    assert_int_equal(cv_join(cx, fiber, NULL), CV_E_DB);
    const cv_error *error = cv_error_last(cx);
    assert_non_null(error);
    assert_string_equal(error->message, "could not read row 7");
    assert_non_null(error->cause);
    assert_string_equal(error->cause->message, "the disk is gone");
}

static void a_bare_code_gets_a_story_at_the_join(void **state)
{
    cv_ctx *cx = *state;
    int code = CV_E_RANGE;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "bare", answer, &code, &fiber));
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_RANGE, "fiber \"bare\" failed: out of range");
}

static int count_up(void *arg, int by)
{
    return *(int *)arg += by;
}

static void count_cleanup(void *arg)
{
    count_up(arg, 1);
}

static int use_arena(cv_ctx *cx, void *arg)
{
    char *text = cv_strdup(cx, "only here");
    if (!text)
        return CV_E_NOMEM;
    CV_TRY(cv_cleanup(cx, count_cleanup, arg));
    return cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes > 0 ? 0 : CV_E_INTERNAL;
}

static void each_fiber_has_an_arena_that_ends_with_it(void **state)
{
    cv_ctx *cx = *state;
    int cleaned = 0;
    size_t before = cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes;
    for (int i = 0; i < 3; i++) {
        cv_fiber *fiber;
        assert_ok(cx, cv_spawn(cx, "arena", use_arena, &cleaned, &fiber));
        assert_ok(cx, cv_yield(cx));
        assert_int_equal(cleaned, i + 1); /* before the join */
        assert_ok(cx, cv_join(cx, fiber, NULL));
    }
    assert_int_equal(cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes, before);
}

static int exhaust_arena(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_alloc(cx, 1 << 20) ? 0 : CV_E_LIMIT;
}

static void a_fibers_arena_is_bounded(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.arena_limit_bytes = 1 << 16}, &cx), 0);
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "greedy", exhaust_arena, NULL, &fiber));
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_LIMIT, "cannot allocate");
    cv_runtime_free(cx);
}

static int nest(cv_ctx *cx, void *arg)
{
    int *depth = arg;
    if (--*depth == 0)
        return 1;
    cv_fiber *fiber;
    CV_TRY(cv_spawn(cx, "nested", nest, depth, &fiber));
    int below = cv_join(cx, fiber, NULL);
    return below < 0 ? below : below + 1;
}

static void fibers_spawn_and_join_fibers(void **state)
{
    cv_ctx *cx = *state;
    int depth = 50;
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "nested", nest, &depth, &fiber));
    assert_int_equal(cv_join(cx, fiber, NULL), 50);
}

static int sleep_a_while(cv_ctx *cx, void *arg)
{
    CV_TRY(cv_sleep_ms(cx, 10));
    ++*(int *)arg;
    return 0;
}

static void ten_thousand_fibers_wait_at_once(void **state)
{
    (void)state;
    enum { FIBERS = 10000 };
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true, .max_fibers = FIBERS}, &cx), 0);
    int woken = 0;
    size_t started = 0;
    while (started < FIBERS && cv_spawn(cx, "one of many", sleep_a_while, &woken, NULL) == 0)
        started++;
    assert_true(started == FIBERS || started >= 7000); /* ThreadSanitizer has a limit of its own */
    cv_error_clear(cx);
    assert_int_equal(cv_fiber_count(cx), started);
    assert_fails(cx, cv_spawn(cx, "too many", sleep_a_while, &woken, NULL), CV_E_LIMIT, "fiber \"too many\"");
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(woken, (int)started);
    cv_runtime_free(cx);
}

static int name_itself(cv_ctx *cx, void *arg)
{
    *(const char **)arg = cv_fiber_name(cx);
    return 0;
}

static void a_fiber_knows_its_name(void **state)
{
    cv_ctx *cx = *state;
    const char *name = NULL;
    assert_string_equal(cv_fiber_name(cx), "main");
    assert_ok(cx, cv_spawn(cx, "somebody", name_itself, &name, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(name, "somebody");
}

static int think(cv_ctx *cx, void *arg)
{
    struct talker *talker = arg;
    for (int i = 0; i < talker->times; i++) {
        note(talker->history, talker->word);
        CV_TRY(cv_yield_background(cx));
    }
    return 0;
}

static void the_background_waits_for_the_ready(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct talker background = {&history, "B", 2};
    struct talker ready = {&history, "r", 3};
    assert_ok(cx, cv_spawn(cx, "background", think, &background, NULL));
    assert_ok(cx, cv_spawn(cx, "ready", talk, &ready, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "BrrrB");
}

struct sharer {
    struct history *history;
    cv__turn_end end;
    int rounds, again;
    cv_ctx *main;
};

static void at_turn_end(cv__turn_end *end)
{
    struct sharer *sharer = cv_list_entry(end, struct sharer, end);
    note(sharer->history, "E");
    if (sharer->again-- > 0)
        cv__turn_end_ask(sharer->main, end);
}

static int share(cv_ctx *cx, void *arg)
{
    struct sharer *sharer = arg;
    for (int i = 0; i < sharer->rounds; i++) {
        note(sharer->history, "s");
        cv__turn_end_ask(cx, &sharer->end);
        CV_TRY(cv_yield_background(cx));
    }
    return 0;
}

static struct sharer sharer_of(cv_ctx *cx, struct history *history)
{
    return (struct sharer){.history = history, .end = {.fn = at_turn_end}, .main = cx};
}

static void the_end_of_a_turn_comes_once_after_all_that_asked(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct sharer sharer = sharer_of(cx, &history);
    cv_list_init(&sharer.end.link);
    sharer.rounds = 1;
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "share", share, &sharer, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "sssE");
}

static void an_end_of_a_turn_may_ask_for_the_next(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct sharer sharer = sharer_of(cx, &history);
    cv_list_init(&sharer.end.link);
    sharer.rounds = 1;
    sharer.again = 1;
    assert_ok(cx, cv_spawn(cx, "share", share, &sharer, NULL));
    struct talker ready = {&history, "r", 3};
    assert_ok(cx, cv_spawn(cx, "ready", talk, &ready, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_string_equal(history.text, "srrrEE");
}

static void an_end_of_a_turn_that_was_dropped_does_not_come(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    struct sharer first = sharer_of(cx, &history), second = first;
    cv_list_init(&first.end.link);
    cv_list_init(&second.end.link);
    cv__turn_end_ask(cx, &first.end);
    cv__turn_end_ask(cx, &second.end);
    cv__turn_end_drop(&first.end);
    cv__turn_end_drop(&first.end);
    assert_int_equal(cv_sleep_ms(cx, 1), 0);
    assert_string_equal(history.text, "E");
}

static int sum_floats(cv_ctx *cx, void *arg)
{
    double *sum = arg;
    for (int i = 1; i <= 100; i++) {
        *sum += 1.0 / i;
        CV_TRY(cv_yield(cx));
    }
    return 0;
}

static void floating_point_survives_the_switch(void **state)
{
    cv_ctx *cx = *state;
    double sums[3] = {0}, expected = 0;
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_spawn(cx, "floats", sum_floats, &sums[i], NULL));
    for (int i = 1; i <= 100; i++)
        expected += 1.0 / i;
    assert_ok(cx, cv_runtime_run(cx));
    for (int i = 0; i < 3; i++)
        assert_true(sums[i] == expected);
}

/* A callback of the loop that starts fibers at once. */
struct starter {
    cv__timer timer;
    cv_ctx *main;
    struct history *history;
    cv_fiber_fn *fn;
    size_t cleaned;
};

static void start_two(cv__timer *timer)
{
    struct starter *s = (struct starter *)(void *)timer;
    for (int i = 0; i < 2; i++) {
        assert_ok(s->main, cv__run_now(s->main, "at once", s->fn, s));
        note(s->history, ";");
    }
}

static void run_starter(cv_ctx *cx, struct starter *s)
{
    s->timer.fire = start_two;
    s->main = cx;
    cv__timer_start(cx, &s->timer, cv_now_ns(cx) + 1);
    assert_ok(cx, cv_sleep_ms(cx, 1000));
    assert_int_equal(cv_fiber_count(cx), 0);
}

static int note_around_a_wait(cv_ctx *cx, void *arg)
{
    struct starter *s = arg;
    note(s->history, "a");
    CV_TRY(cv_sleep_ms(cx, 1));
    note(s->history, "b");
    return 0;
}

static void a_callback_runs_a_fiber_until_it_suspends(void **state)
{
    struct history history = {0};
    run_starter(*state, &(struct starter){.history = &history, .fn = note_around_a_wait});
    assert_string_equal(history.text, "a;a;bb");
}

static int start_another(cv_ctx *cx, void *arg)
{
    (void)cx;
    struct starter *s = arg;
    note(s->history, "<");
    CV_TRY(cv__run_now(s->main, "from a fiber", note_around_a_wait, s));
    note(s->history, ">");
    return 0;
}

static void from_a_fiber_it_is_started_in_the_next_turn(void **state)
{
    struct history history = {0};
    run_starter(*state, &(struct starter){.history = &history, .fn = start_another});
    assert_string_equal(history.text, "<>;<>;aabb");
}

static void count_clean_up(void *arg)
{
    ++*(size_t *)arg;
}

static int work_twice(cv_ctx *cx, void *arg)
{
    struct starter *s = arg;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cv_arena_get_stats(cv_ctx_arena(cx)).used_bytes, 0);
        assert_null(cv_error_last(cx));
        assert_true(cv_ctx_deadline_ns(cx) == INT64_MAX);
        assert_string_equal(cv_fiber_name(cx), "at once");
        cv_ctx_set_deadline_ns(cx, cv_now_ns(cx) + 5000000);
        CV_TRY(cv_cleanup(cx, count_clean_up, &s->cleaned));
        assert_non_null(cv_alloc(cx, 100000));
        CV_TRY(cv_sleep_ms(cx, 1));
        cv_fail(cx, CV_E_DB, "a story");
        cv__fiber_renew(cx);
    }
    return 0;
}

static void a_renewed_context_is_as_new(void **state)
{
    struct history history = {0};
    struct starter s = {.history = &history, .fn = work_twice};
    run_starter(*state, &s);
    assert_int_equal(s.cleaned, 4);
}

/* Each piece of work hears of it once, and has its grace afterwards. */
static int hear_of_a_cancellation_twice(cv_ctx *cx, void *arg)
{
    struct starter *s = arg;
    cv_cancel(cx->fiber);
    for (int i = 0; i < 2; i++) {
        s->cleaned += cv_sleep_ms(cx, 1000) == CV_E_CANCELLED ? 1 : 100;
        s->cleaned += cv_sleep_ms(cx, 1) == 0 ? 1 : 100;
        cv__fiber_renew(cx);
    }
    return 0;
}

static void a_renewed_fiber_hears_of_its_cancellation_again(void **state)
{
    struct history history = {0};
    struct starter s = {.history = &history, .fn = hear_of_a_cancellation_twice};
    run_starter(*state, &s);
    assert_int_equal(s.cleaned, 8); /* two fibers */
}

static void note_leaving(void *arg)
{
    note(arg, "-");
}

static int leave_and_return(cv_ctx *cx, void *arg)
{
    struct starter *s = arg;
    cv__fiber_on_leave(cx, note_leaving, s->history);
    CV_TRY(cv_yield(cx));
    CV_TRY(cv_sleep_ms(cx, 1));
    cv__fiber_on_leave(cx, NULL, NULL);
    return cv_yield(cx);
}

static void a_fiber_is_told_before_it_suspends(void **state)
{
    struct history history = {0};
    run_starter(*state, &(struct starter){.history = &history, .fn = leave_and_return});
    assert_string_equal(history.text, "-;-;--");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_callback_runs_a_fiber_until_it_suspends),
        runtime_test(from_a_fiber_it_is_started_in_the_next_turn),
        runtime_test(a_renewed_context_is_as_new),
        runtime_test(a_renewed_fiber_hears_of_its_cancellation_again),
        runtime_test(a_fiber_is_told_before_it_suspends),
        runtime_test(a_join_returns_the_result),
        runtime_test(a_fiber_does_not_run_before_the_spawner_suspends),
        runtime_test(ready_fibers_take_turns_in_order),
        runtime_test(an_error_crosses_the_join_with_its_chain),
        runtime_test(a_bare_code_gets_a_story_at_the_join),
        runtime_test(each_fiber_has_an_arena_that_ends_with_it),
        cmocka_unit_test(a_fibers_arena_is_bounded),
        runtime_test(fibers_spawn_and_join_fibers),
        cmocka_unit_test(ten_thousand_fibers_wait_at_once),
        runtime_test(a_fiber_knows_its_name),
        runtime_test(the_background_waits_for_the_ready),
        runtime_test(the_end_of_a_turn_comes_once_after_all_that_asked),
        runtime_test(an_end_of_a_turn_may_ask_for_the_next),
        runtime_test(an_end_of_a_turn_that_was_dropped_does_not_come),
        runtime_test(floating_point_survives_the_switch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
