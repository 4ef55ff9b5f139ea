/* The runtime: where calls may be made from, running and stopping, its end, signals, descriptors, the watchdog. */
#include "child.h"
#include "rt_test.h"

#include "base/ctx.h"
#include "rt/wait.h"

#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/sync.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

struct calls {
    cv_ctx *cx;
    int wait, spawn, run;
    char text[256];
};

static void note_message(struct calls *calls, cv_ctx *cx)
{
    const cv_error *error = cv_error_last(cx);
    snprintf(calls->text, sizeof calls->text, "%s", error ? error->message : "");
    cv_error_clear(cx);
}

static int do_nothing(cv_ctx *cx, void *arg)
{
    (void)cx;
    (void)arg;
    return 0;
}

static void call_from_timer(uv_timer_t *timer)
{
    struct calls *calls = timer->data;
    calls->wait = cv_sleep_ms(calls->cx, 1);
    note_message(calls, calls->cx);
    calls->run = cv_runtime_run(calls->cx);
    cv_error_clear(calls->cx);
    calls->spawn = cv_spawn(cv__main_ctx(calls->cx), "from a callback", do_nothing, NULL, NULL);
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_loop_callback_cannot_wait_but_may_spawn(void **state)
{
    cv_ctx *cx = *state;
    struct calls calls = {.cx = cx};
    uv_timer_t timer;
    uv_timer_init(cv__loop(cx), &timer);
    timer.data = &calls;
    uv_timer_start(&timer, call_from_timer, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_ok(cx, cv_yield(cx));
    assert_int_equal(calls.wait, CV_E_CONTEXT);
    assert_string_equal(calls.text, "cannot sleep: this is a callback of the loop; spawn a fiber");
    assert_int_equal(calls.run, CV_E_CONTEXT);
    assert_int_equal(calls.spawn, 0);
    assert_int_equal(cv_fiber_count(cx), 0);
}

static void *call_from_thread(void *arg)
{
    struct calls *calls = arg;
    calls->wait = cv_yield(calls->cx);
    note_message(calls, calls->cx);
    calls->spawn = cv_spawn(calls->cx, "foreign", do_nothing, NULL, NULL);
    cv_error_clear(calls->cx);
    return NULL;
}

static void another_thread_can_neither_wait_nor_spawn(void **state)
{
    cv_ctx *cx = *state;
    struct calls calls = {.cx = cx};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_from_thread, &calls), 0);
    pthread_join(thread, NULL);
    assert_int_equal(calls.wait, CV_E_CONTEXT);
    assert_string_equal(calls.text, "cannot give way: this is not the runtime's thread");
    assert_int_equal(calls.spawn, CV_E_CONTEXT);
}

static int use_main_context(cv_ctx *cx, void *arg)
{
    struct calls *calls = arg;
    calls->wait = cv_yield(calls->cx);
    note_message(calls, calls->cx);
    calls->run = cv_runtime_run(cx);
    cv_error_clear(cx);
    return 0;
}

static void a_fiber_cannot_wait_with_anothers_context(void **state)
{
    cv_ctx *cx = *state;
    struct calls calls = {.cx = cx};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "borrower", use_main_context, &calls, &fiber));
    assert_ok(cx, cv_join(cx, fiber, NULL));
    assert_int_equal(calls.wait, CV_E_CONTEXT);
    assert_string_equal(calls.text, "cannot give way: the context belongs to \"main\", not to what runs now");
    assert_int_equal(calls.run, CV_E_CONTEXT);
}

static void a_wait_that_nothing_can_end_is_refused(void **state)
{
    cv_ctx *cx = *state;
    cv_semaphore never;
    cv_semaphore_init(&never, 0);
    assert_fails(cx, cv_semaphore_acquire(cx, &never), CV_E_DEADLOCK_SELF,
                 "cannot acquire the semaphore: nothing is left that could end the wait");
    cv_semaphore_done(&never);
}

static int acquire(cv_ctx *cx, void *arg)
{
    return cv_semaphore_acquire(cx, arg);
}

static void a_run_that_cannot_go_on_says_so(void **state)
{
    cv_ctx *cx = *state;
    static cv_semaphore never; /* the fiber waits until the runtime is freed */
    cv_semaphore_init(&never, 0);
    assert_ok(cx, cv_spawn(cx, "stuck", acquire, &never, NULL));
    assert_fails(cx, cv_runtime_run(cx), CV_E_DEADLOCK_SELF, "1 fibers wait and nothing is left to wake one");
}

static int stop_later(cv_ctx *cx, void *arg)
{
    (void)arg;
    CV_TRY(cv_sleep_ms(cx, 50));
    cv_runtime_stop(cx);
    return cv_sleep_ms(cx, 1000);
}

static void a_run_ends_when_it_is_stopped(void **state)
{
    cv_ctx *cx = *state;
    int64_t start_ns = cv_now_ns(cx);
    cv_runtime_stop(cx); /* nothing runs: no effect */
    assert_ok(cx, cv_spawn(cx, "stopper", stop_later, NULL, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(ms_since(cx, start_ns), 50);
    assert_int_equal(cv_fiber_count(cx), 1);
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(cv_fiber_count(cx), 0);
}

struct ending {
    struct history history;
    cv_semaphore never;
};

static int end_once(cv_ctx *cx, void *arg)
{
    struct ending *ending = arg;
    int rc = cv_semaphore_acquire(cx, &ending->never);
    note(&ending->history, rc == CV_E_CANCELLED ? "c" : "?");
    return rc;
}

static int spawn_at_the_end(cv_ctx *cx, void *arg)
{
    int rc = end_once(cx, arg);
    return cv_spawn(cx, "born late", end_once, arg, NULL) < 0 ? CV_E_INTERNAL : rc;
}

static void freeing_the_runtime_cancels_and_awaits_all_fibers(void **state)
{
    (void)state;
    cv_ctx *cx;
    struct ending ending = {0};
    cv_semaphore_init(&ending.never, 0);
    cv_fiber *unjoined;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &cx), 0);
    assert_ok(cx, cv_spawn(cx, "waits", end_once, &ending, NULL));
    assert_ok(cx, cv_spawn(cx, "joinable", end_once, &ending, &unjoined));
    assert_ok(cx, cv_spawn(cx, "spawns", spawn_at_the_end, &ending, NULL));
    assert_ok(cx, cv_yield(cx));
    cv_runtime_free(cx);
    assert_string_equal(ending.history.text, "cccc");
}

static int never_end(cv_ctx *cx, void *arg)
{
    int rc = 0;
    while (rc != CV_E_CONTEXT) {
        rc = cv_sleep_ms(cx, 20);
        cv_error_clear(cx);
    }
    return arg ? 0 : rc;
}

static void free_with_stubborn_fiber(void *arg)
{
    (void)arg;
    cv_ctx *cx;
    if (cv_runtime_new(NULL, &cx) == 0 && cv_spawn(cx, "mule", never_end, NULL, NULL) == 0)
        cv_runtime_free(cx);
}

static void a_fiber_that_does_not_end_is_named_and_the_process_aborts(void **state)
{
    (void)state;
    assert_child_aborts(free_with_stubborn_fiber, NULL, "covet: fiber \"mule\" did not end");
}

struct cleanup_that_waits {
    cv_ctx *cx;
    int rc;
};

static void sleep_in_cleanup(void *arg)
{
    struct cleanup_that_waits *cleanup = arg;
    cleanup->rc = cv_sleep_ms(cleanup->cx, 1);
}

static void cleanups_of_the_main_context_may_wait(void **state)
{
    (void)state;
    struct cleanup_that_waits cleanup = {.rc = -1};
    assert_int_equal(cv_runtime_new(NULL, &cleanup.cx), 0);
    assert_int_equal(cv_cleanup(cleanup.cx, sleep_in_cleanup, &cleanup), 0);
    cv_runtime_free(cleanup.cx);
    assert_int_equal(cleanup.rc, 0);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    cv_ctx *cx = NULL;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.stack_bytes = 1000}, &cx), CV_E_INVALID);
    assert_null(cx);
    cv_runtime_free(NULL);
}

static int count_signal(cv_ctx *cx, void *arg)
{
    ++*(int *)arg;
    cv_runtime_stop(cx);
    return 0;
}

static void a_signal_starts_a_fiber(void **state)
{
    (void)state;
    cv_ctx *cx;
    int signals = 0;
    cv_semaphore never;
    cv_semaphore_init(&never, 0);
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_ok(cx, cv_on_signal(cx, SIGUSR1, count_signal, &signals));
    assert_fails(cx, cv_on_signal(cx, -1, count_signal, &signals), CV_E_INVALID, "could not handle signal -1");
    assert_ok(cx, cv_spawn(cx, "server", acquire, &never, NULL));
    assert_ok(cx, cv_yield(cx));
    kill(getpid(), SIGUSR1);
    assert_ok(cx, cv_runtime_run(cx));
    assert_int_equal(signals, 1);
    cv_runtime_free(cx);
}

static void keep_line(void *arg, cv_str line)
{
    char *lines = arg;
    size_t length = strlen(lines);
    snprintf(lines + length, 2048 - length, "%.*s", (int)line.len, line.ptr);
}

static int64_t system_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int hold_the_loop(cv_ctx *cx, void *arg)
{
    (void)arg;
    int64_t until_ms = system_ms() + 60;
    while (system_ms() < until_ms)
        continue;
    return cv_yield(cx);
}

static int fail_alone(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_fail(cx, CV_E_RANGE, "the number is too large");
}

static void the_log_names_who_holds_the_loop_and_who_fails_alone(void **state)
{
    (void)state;
    char lines[2048] = "";
    cv_log *log = cv_log_new(&(cv_log_options){.sink = keep_line, .sink_arg = lines});
    cv_metrics *metrics = cv_metrics_new();
    cv_ctx *cx;
    cv_runtime_options options = {.watchdog_ms = 20, .log = log, .metrics = metrics};
    assert_int_equal(cv_runtime_new(&options, &cx), 0);
    assert_ok(cx, cv_spawn(cx, "harmless", do_nothing, NULL, NULL));
    assert_ok(cx, cv_spawn(cx, "hog", hold_the_loop, NULL, NULL));
    assert_ok(cx, cv_spawn(cx, "loner", fail_alone, NULL, NULL));
    assert_ok(cx, cv_runtime_run(cx));
    assert_non_null(strstr(lines, "fiber held the loop"));
    assert_non_null(strstr(lines, "hog"));
    assert_non_null(strstr(lines, "loner"));
    assert_non_null(strstr(lines, "the number is too large"));
    assert_null(strstr(lines, "harmless"));
    cv_counter *held = cv_counter_get(metrics, "covet_fiber_held_loop_total", "", NULL);
    assert_true(cv_counter_value(held) >= 1);
    cv_runtime_free(cx);
    cv_metrics_free(metrics);
    cv_log_free(log);
}

struct echo {
    int fd;
    int rounds;
};

static int echo(cv_ctx *cx, void *arg)
{
    struct echo *echo = arg;
    cv__poll *poll = NULL;
    CV_TRY(cv__poll_new(cx, echo->fd, &poll));
    int rc = 0;
    for (int i = 0; i < echo->rounds && rc == 0; i++) {
        char letter;
        int events = 0;
        rc = cv__poll_wait(cx, poll, UV_READABLE, &events);
        if (rc == 0 && (!(events & UV_READABLE) || read(echo->fd, &letter, 1) != 1 || write(echo->fd, &letter, 1) != 1))
            rc = CV_E_IO;
    }
    cv__poll_free(poll);
    return rc;
}

static void fibers_wait_for_descriptors(void **state)
{
    cv_ctx *cx = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct echo server = {ends[1], 10};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "echo", echo, &server, &fiber));
    for (int i = 0; i < 10; i++) {
        char letter = (char)('a' + i), back = 0;
        assert_int_equal(write(ends[0], &letter, 1), 1);
        assert_ok(cx, cv__wait_fd(cx, ends[0], UV_READABLE, NULL));
        assert_int_equal(read(ends[0], &back, 1), 1);
        assert_int_equal(back, letter);
    }
    assert_ok(cx, cv_join(cx, fiber, NULL));
    close(ends[0]);
    close(ends[1]);
}

static void a_wait_for_a_descriptor_is_bounded_and_cancellable(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CV_WITHIN(cx, 5)
    {
        assert_fails(cx, cv__wait_fd(cx, ends[0], UV_READABLE, NULL), CV_E_TIMEOUT,
                     "could not wait for a descriptor: the deadline has passed");
    }
    struct echo server = {ends[1], 1};
    cv_fiber *fiber;
    assert_ok(cx, cv_spawn(cx, "echo", echo, &server, &fiber));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fiber);
    assert_fails(cx, cv_join(cx, fiber, NULL), CV_E_CANCELLED, "could not wait for a descriptor");
    assert_fails(cx, cv__wait_fd(cx, -1, UV_READABLE, NULL), CV_E_SYSTEM, "could not wait for descriptor -1");
    close(ends[0]);
    close(ends[1]);
    cv_runtime_free(cx);
}

static void one_fiber_at_a_time_waits_for_a_descriptor(void **state)
{
    cv_ctx *cx = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    cv__poll *poll = NULL;
    assert_ok(cx, cv__poll_new(cx, ends[0], &poll));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_ok(cx, cv__poll_wait(cx, poll, UV_READABLE, NULL));
    for (int i = 0; i < 3; i++) /* readable, and nobody waits: the registration ends by itself */
        assert_ok(cx, cv_yield(cx));
    assert_ok(cx, cv__poll_wait(cx, poll, UV_READABLE | UV_WRITABLE, NULL));
    cv__poll_free(poll);
    assert_ok(cx, cv_yield(cx));
    close(ends[0]);
    close(ends[1]);
}

static void a_reset_socket_is_ready(void **state)
{
    cv_ctx *cx = *state;
    const int listener = socket(AF_INET, SOCK_STREAM, 0), peer = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof address), 0);
    const int accepted = accept(listener, NULL, NULL);
    const struct linger reset = {.l_onoff = 1};
    setsockopt(accepted, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(accepted);
    char byte;
    assert_ok(cx, cv__wait_fd(cx, peer, UV_WRITABLE, NULL)); /* its own next call tells what it has */
    assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, ECONNRESET);
    close(peer);
    close(listener);
}

static void errors_of_libuv_get_codes_of_ours(void **state)
{
    cv_ctx *cx = *state;
    static const struct {
        int uv, code;
    } cases[] = {{UV_ENOMEM, CV_E_NOMEM},
                 {UV_EMFILE, CV_E_LIMIT},
                 {UV_EINVAL, CV_E_INVALID},
                 {UV_ENOENT, CV_E_NOT_FOUND},
                 {UV_EEXIST, CV_E_EXISTS},
                 {UV_EACCES, CV_E_PERMISSION},
                 {UV_ENOSPC, CV_E_DISK_FULL},
                 {UV_EIO, CV_E_IO},
                 {UV_EADDRINUSE, CV_E_ADDRESS_IN_USE},
                 {UV_ECONNREFUSED, CV_E_REFUSED},
                 {UV_ETIMEDOUT, CV_E_UNREACHABLE},
                 {UV_ECONNRESET, CV_E_CONNECTION_LOST},
                 {UV_EOF, CV_E_END},
                 {UV_ECANCELED, CV_E_CANCELLED},
                 {UV_ENOTSUP, CV_E_SYSTEM}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_fails(cx, cv__fail_uv(cx, cases[i].uv, "open %s", "door"), cases[i].code, "could not open door: ");
}

static void milliseconds_left_are_rounded_up(void **state)
{
    cv_ctx *cx = *state;
    assert_true(cv__deadline_left_ms(cx) == INT64_MAX);
    CV_WITHIN(cx, 10)
    {
        assert_int_equal(cv__deadline_left_ms(cx), 10);
        cx->deadline_ns += 1;
        assert_int_equal(cv__deadline_left_ms(cx), 11);
    }
    CV_WITHIN(cx, 0)
    {
        assert_int_equal(cv__deadline_left_ms(cx), 0);
    }
}

static void a_wake_before_the_wait_is_kept(void **state)
{
    cv_ctx *cx = *state;
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    cv__wake(&waiter, 3);
    cv__wake(&waiter, 4);
    assert_int_equal(cv__wait(cx, &waiter), 3);
    assert_int_equal(cv__wait_uninterruptible(cx, &waiter), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(a_loop_callback_cannot_wait_but_may_spawn),
        runtime_test(another_thread_can_neither_wait_nor_spawn),
        runtime_test(a_fiber_cannot_wait_with_anothers_context),
        runtime_test(a_wait_that_nothing_can_end_is_refused),
        runtime_test(a_run_that_cannot_go_on_says_so),
        runtime_test(a_run_ends_when_it_is_stopped),
        cmocka_unit_test(freeing_the_runtime_cancels_and_awaits_all_fibers),
        cmocka_unit_test(a_fiber_that_does_not_end_is_named_and_the_process_aborts),
        cmocka_unit_test(cleanups_of_the_main_context_may_wait),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_signal_starts_a_fiber),
        cmocka_unit_test(the_log_names_who_holds_the_loop_and_who_fails_alone),
        runtime_test(fibers_wait_for_descriptors),
        cmocka_unit_test(a_wait_for_a_descriptor_is_bounded_and_cancellable),
        runtime_test(one_fiber_at_a_time_waits_for_a_descriptor),
        runtime_test(a_reset_socket_is_ready),
        runtime_test(errors_of_libuv_get_codes_of_ours),
        runtime_test(milliseconds_left_are_rounded_up),
        runtime_test(a_wake_before_the_wait_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
