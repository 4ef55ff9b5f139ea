/* Progress is for eyes: drawn when standard error is a terminal (a pseudo-terminal here), silent otherwise. */
#include "app/app.h"
#include "test.h"
#include <covet/fiber.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct fixture {
    cv_app *app;
    cv_ctx *cx;
    int terminal; /* what is written to standard error comes out here */
    int former;   /* standard error as it was */
} fixture;

static fixture f;

static void redirect(int fd)
{
    fflush(stderr);
    f.former = dup(STDERR_FILENO);
    assert_true(f.former >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    close(fd);
}

static void restore(void)
{
    fflush(stderr);
    dup2(f.former, STDERR_FILENO);
    close(f.former);
}

static int setup(void **state)
{
    (void)state;
    f.app = cv_app_new("shop");
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true}, &f.cx), 0);
    f.terminal = posix_openpt(O_RDWR | O_NOCTTY);
    return f.terminal < 0 || grantpt(f.terminal) < 0 || unlockpt(f.terminal) < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(f.terminal);
    cv_runtime_free(f.cx);
    cv_app_free(f.app);
    return 0;
}

static void open_terminal(void)
{
    int side = open(ptsname(f.terminal), O_RDWR | O_NOCTTY);
    assert_true(side >= 0);
    redirect(side);
}

/* All that was drawn before its side of the terminal was closed, the cursor's returns as "|". */
static const char *drawn(void)
{
    static char text[4096];
    size_t len = 0;
    for (ssize_t got; (got = read(f.terminal, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)got;
    text[len] = '\0';
    for (char *at = text; *at; at++)
        if (*at == '\r')
            *at = '|';
    return text;
}

static void test_a_bar_for_known_work(void **state)
{
    (void)state;
    open_terminal();
    cv_progress *progress = cv_progress_new(f.cx, f.app, "importing", 200);
    cv_progress_set(progress, 0);
    cv_progress_set(progress, 50); /* too soon to draw again */
    int slept = cv_sleep_ms(f.cx, 2000);
    cv_progress_set(progress, 100);
    cv_progress_set(progress, 500);
    cv_progress_done(progress);
    cv_progress_done(progress); /* once is enough */
    restore();
    assert_int_equal(slept, 0);
    assert_string_equal(drawn(), "|importing [                              ]   0 %  0 s"
                                 "|importing [###############               ]  50 %  2 s"
                                 "|importing [##############################] 100 %  2 s|\n");
}

static void test_a_counter_for_unknown_work(void **state)
{
    (void)state;
    open_terminal();
    cv_progress *progress = cv_progress_new(f.cx, f.app, "reading", 0);
    cv_progress_set(progress, 7);
    cv_progress_done(progress);
    restore();
    assert_string_equal(drawn(), "|reading: 7  0 s|reading: 7  0 s|\n");
}

static void test_a_note_stands_behind_the_bar(void **state)
{
    (void)state;
    open_terminal();
    cv_progress *progress = cv_progress_new(f.cx, f.app, "copying", 200);
    cv_progress_note(progress, "%d rows", 1000);
    cv_progress_set(progress, 100);
    int slept = cv_sleep_ms(f.cx, 1000);
    cv_progress_note(progress, "2 rows");
    cv_progress_done(progress);
    progress = cv_progress_new(f.cx, f.app, "copying", -1);
    cv_progress_note(progress, "3 rows");
    cv_progress_done(progress);
    restore();
    assert_int_equal(slept, 0);
    assert_string_equal(drawn(), "|copying [###############               ]  50 %  1000 rows  0 s"
                                 "|copying [###############               ]  50 %  2 rows  1 s   |\n"
                                 "|copying: 3 rows  0 s|\n");
    cv_progress_note(NULL, "x");
}

static void test_a_line_now_and_then_without_a_terminal(void **state)
{
    (void)state;
    int ends[2];
    char text[200] = "";
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    redirect(ends[1]);
    cv_progress *progress = cv_progress_new(f.cx, f.app, "copying", 200);
    cv_progress_set(progress, 10);
    int slept = cv_sleep_ms(f.cx, 10000);
    cv_progress_note(progress, "5 rows");
    cv_progress_set(progress, 100);
    cv_progress_done(progress);
    restore();
    assert_int_equal(slept, 0);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "copying: 50 %  5 rows  10 s\n");
    close(ends[0]);
}

static void test_nothing_with_json_or_of_short_work_without_a_terminal(void **state)
{
    (void)state;
    f.app->json = true;
    open_terminal();
    cv_progress *progress = cv_progress_new(f.cx, f.app, "reading", 10);
    cv_progress_set(progress, 7);
    cv_progress_done(progress);
    restore();
    assert_string_equal(drawn(), "");
    f.app->json = false;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    redirect(ends[1]);
    progress = cv_progress_new(f.cx, f.app, "reading", 10);
    cv_progress_set(progress, 7);
    cv_progress_done(progress);
    restore();
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void test_work_goes_on_without_memory_for_a_bar(void **state)
{
    (void)state;
    cv_ctx *small = cv_ctx_new(1);
    assert_null(cv_progress_new(small, f.app, "reading", 10));
    assert_null(cv_error_last(small));
    cv_progress_set(NULL, 1);
    cv_progress_done(NULL);
    cv_ctx_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_bar_for_known_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_counter_for_unknown_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_note_stands_behind_the_bar, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_now_and_then_without_a_terminal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_with_json_or_of_short_work_without_a_terminal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_goes_on_without_memory_for_a_bar, setup, teardown),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
