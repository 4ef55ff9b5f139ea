/* Streams of bytes: what goes in comes out, waits have ends, and files are there as a whole or not at all. */
#include "await.h"
#include "folder.h"
#include "rt_test.h"

#include <covet/stream.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum { LARGE_BYTES = 3 * 1000 * 1000 };

static cv_ctx *cx;
static char folder[64];

static const char *path_of(const char *name)
{
    return cv_sprintf(cx, "%s/%s", folder, name);
}

static cv_str large_text(void)
{
    char *text = cv_alloc(cx, LARGE_BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        text[i] = (char)(i * 2654435761U >> 13);
    return cv_str_make(text, LARGE_BYTES);
}

static cv_buf read_all(cv_input *input)
{
    cv_buf all;
    cv_str piece;
    int rc;
    cv_buf_init(&all, 0);
    while ((rc = cv_input_read(cx, input, &piece)) > 0)
        cv_buf_add_str(&all, piece);
    assert_ok(cx, rc);
    return all;
}

static void expect_file(const char *path, cv_str wanted)
{
    cv_input *input;
    assert_ok(cx, cv_input_file(cx, path, &input));
    assert_int_equal(cv_input_size(input), wanted.len);
    cv_buf all = read_all(input);
    assert_true(cv_str_equal(cv_buf_str(&all), wanted));
    assert_int_equal(cv_input_position(input), wanted.len);
    cv_buf_done(&all);
    cv_input_close(input);
}

static void write_file(const char *path, cv_str text)
{
    cv_output *output;
    assert_ok(cx, cv_output_file(cx, path, &output));
    for (size_t at = 0; at < text.len; at += 9999)
        assert_ok(cx, cv_output_write(cx, output, cv_str_sub(text, at, 9999)));
    assert_int_equal(cv_output_position(output), text.len);
    assert_ok(cx, cv_output_finish(cx, output));
    cv_output_close(output);
}

static void a_file_comes_back_as_it_was_written(void **state)
{
    (void)state;
    cv_str text = large_text();
    write_file(path_of("large"), text);
    expect_file(path_of("large"), text);
    write_file(path_of("empty"), CV_STR(""));
    expect_file(path_of("empty"), CV_STR(""));
}

static void a_file_has_its_name_only_when_it_is_complete(void **state)
{
    (void)state;
    cv_output *output;
    const char *path = path_of("new");
    assert_ok(cx, cv_output_file(cx, path, &output));
    assert_ok(cx, cv_output_write(cx, output, large_text()));
    assert_int_equal(access(path, F_OK), -1);
    cv_output_close(output);
    assert_int_equal(access(path, F_OK), -1);
    cv_output_close(output);
    cv_output_close(NULL);
    await_that(cx, rmdir(folder) == 0); /* a write was still under way */
}

static void what_was_there_stays_until_then_and_keeps_its_mode(void **state)
{
    (void)state;
    cv_output *output;
    struct stat status;
    const char *path = path_of("old"), *link = path_of("link");
    write_file(path, CV_STR("before"));
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink(path, link), 0);
    assert_ok(cx, cv_output_file(cx, link, &output));
    assert_ok(cx, cv_output_write(cx, output, CV_STR("after")));
    expect_file(path, CV_STR("before"));
    assert_ok(cx, cv_output_finish(cx, output));
    expect_file(path, CV_STR("after"));
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_fails(cx, cv_output_write(cx, output, CV_STR("more")), CV_E_STATE, "it was finished");
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    cv_output *output;
    assert_ok(cx, cv_output_file(cx, "/dev/full", &output));
    assert_ok(cx, cv_output_write(cx, output, CV_STR("x")));
    assert_fails(cx, cv_output_finish(cx, output), CV_E_DISK_FULL, "could not write \"/dev/full\"");
    cv_output_close(output);
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    cv_input *input;
    cv_output *output;
    assert_fails(cx, cv_input_file(cx, path_of("missing"), &input), CV_E_NOT_FOUND, "missing\": no such file");
    assert_fails(cx, cv_input_file(cx, folder, &input), CV_E_INVALID, "it is a folder");
    assert_fails(cx, cv_output_file(cx, path_of("missing/file"), &output), CV_E_NOT_FOUND, "missing/file");
    assert_fails(cx, cv_output_file(cx, folder, &output), CV_E_INVALID, "it is a folder");
    assert_fails(cx, cv_input_fd(cx, -1, "nothing", &input), CV_E_SYSTEM, "could not open \"nothing\"");
    assert_fails(cx, cv_output_fd(cx, -1, "nothing", &output), CV_E_SYSTEM, "could not write \"nothing\"");
}

/* ---- pipes ---- */

static int pipe_ends[2];

static int write_to_pipe(cv_ctx *own, void *arg)
{
    cv_output *output;
    CV_TRY(cv_output_fd(own, pipe_ends[1], "pipe", &output));
    int rc = cv_output_write(own, output, *(cv_str *)arg);
    if (rc == 0)
        rc = cv_output_finish(own, output);
    cv_output_close(output);
    close(pipe_ends[1]);
    return rc;
}

static void a_pipe_carries_more_than_it_holds(void **state)
{
    (void)state;
    cv_str text = large_text();
    cv_input *input;
    cv_fiber *writer;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_ok(cx, cv_input_fd(cx, pipe_ends[0], "pipe", &input));
    assert_string_equal(cv_input_name(input), "pipe");
    assert_int_equal(cv_input_size(input), -1);
    assert_ok(cx, cv_spawn(cx, "writer", write_to_pipe, &text, &writer));
    cv_buf all = read_all(input);
    assert_ok(cx, cv_join(cx, writer, NULL));
    assert_true(cv_str_equal(cv_buf_str(&all), text));
    cv_buf_done(&all);
    cv_input_close(input);
    close(pipe_ends[0]);
}

static int read_within(int64_t ms, cv_input *input, cv_str *ret_piece)
{
    CV_WITHIN(cx, ms)
    {
        return cv_input_read(cx, input, ret_piece);
    }
    return 0;
}

static void waiting_for_a_silent_pipe_ends_with_the_deadline_and_goes_on_later(void **state)
{
    (void)state;
    cv_input *input;
    cv_str piece;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_ok(cx, cv_input_fd(cx, pipe_ends[0], "pipe", &input));
    assert_fails(cx, read_within(10, input, &piece), CV_E_TIMEOUT, "");
    assert_int_equal(write(pipe_ends[1], "late", 4), 4);
    assert_int_equal(cv_input_read(cx, input, &piece), 1);
    assert_true(cv_str_equal(piece, CV_STR("late")));
    cv_input_close(input); /* while the next read waits */
    assert_fails(cx, cv_input_read(cx, input, &piece), CV_E_STATE, "it was closed");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void writing_into_a_pipe_that_nobody_reads_ends_with_the_deadline(void **state)
{
    (void)state;
    cv_output *output;
    int rc = 0;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_ok(cx, cv_output_fd(cx, pipe_ends[1], "pipe", &output));
    CV_WITHIN(cx, 50)
    {
        rc = cv_output_write(cx, output, large_text());
    }
    assert_fails(cx, rc, CV_E_TIMEOUT, "");
    cv_output_close(output);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void a_pipe_whose_reader_is_gone_is_told(void **state)
{
    (void)state;
    cv_output *output;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    close(pipe_ends[0]);
    assert_ok(cx, cv_output_fd(cx, pipe_ends[1], "pipe", &output));
    assert_ok(cx, cv_output_write(cx, output, CV_STR("x")));
    assert_fails(cx, cv_output_finish(cx, output), CV_E_CONNECTION_LOST, "could not write \"pipe\"");
    cv_output_close(output);
    close(pipe_ends[1]);
}

static int open_in_scope(const char *path)
{
    CV_SCOPE(cx)
    {
        cv_input *input;
        cv_output *output;
        cv_str piece;
        CV_TRY(cv_input_file(cx, path, &input));
        CV_TRY(cv_input_read(cx, input, &piece));
        CV_TRY(cv_output_file(cx, path_of("given-up"), &output));
        CV_TRY(cv_output_write(cx, output, piece));
    }
    return 0;
}

static void streams_that_are_left_open_end_with_the_arena(void **state)
{
    (void)state;
    write_file(path_of("some"), large_text());
    assert_ok(cx, open_in_scope(path_of("some")));
    assert_int_equal(access(path_of("given-up"), F_OK), -1);
}

/* ---- memory and functions ---- */

static void memory_is_read_and_written(void **state)
{
    (void)state;
    cv_str text = large_text();
    cv_input *input;
    cv_output *output;
    cv_buf buf;
    assert_ok(cx, cv_input_memory(cx, text, NULL, &input));
    cv_buf all = read_all(input);
    assert_true(cv_str_equal(cv_buf_str(&all), text));
    cv_buf_done(&all);
    cv_input_close(input);
    cv_buf_init(&buf, 8);
    assert_ok(cx, cv_output_memory(cx, &buf, "buffer", &output));
    assert_ok(cx, cv_output_write(cx, output, CV_STR("12345")));
    assert_fails(cx, cv_output_write(cx, output, CV_STR("6789")), CV_E_LIMIT, "could not write \"buffer\"");
    cv_output_close(output);
    cv_buf_done(&buf);
}

static int give_twice(cv_ctx *own, void *arg, cv_str *ret_piece)
{
    int *calls = arg;
    (void)own;
    *ret_piece = CV_STR("ab");
    return ++*calls <= 2;
}

static int collect(cv_ctx *own, void *arg, cv_str piece)
{
    (void)own;
    cv_buf_add_str(arg, piece);
    return 0;
}

static void functions_are_read_and_written(void **state)
{
    (void)state;
    int calls = 0;
    cv_input *input;
    cv_output *output;
    cv_buf got;
    cv_buf_init(&got, 0);
    assert_ok(cx, cv_input_function(cx, give_twice, &calls, "function", &input));
    cv_buf all = read_all(input);
    assert_string_equal(all.data, "abab");
    assert_ok(cx, cv_output_function(cx, collect, &got, "function", &output));
    assert_string_equal(cv_output_name(output), "function");
    assert_ok(cx, cv_output_write(cx, output, cv_buf_str(&all)));
    assert_ok(cx, cv_output_finish(cx, output));
    assert_string_equal(got.data, "abab");
    cv_input_close(input);
    cv_output_close(output);
    cv_buf_done(&all);
    cv_buf_done(&got);
}

/* The real clock: a simulated one stands still while something is read. */
static int set_up(void **state)
{
    (void)state;
    test_folder_make(folder);
    return cv_runtime_new(NULL, &cx);
}

static int tear_down(void **state)
{
    (void)state;
    cv_runtime_free(cx);
    test_folder_remove(folder);
    return 0;
}

#define stream_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_test(a_file_comes_back_as_it_was_written),
        stream_test(a_file_has_its_name_only_when_it_is_complete),
        stream_test(what_was_there_stays_until_then_and_keeps_its_mode),
        stream_test(a_full_disk_is_told),
        stream_test(what_cannot_be_opened_says_why),
        stream_test(a_pipe_carries_more_than_it_holds),
        stream_test(waiting_for_a_silent_pipe_ends_with_the_deadline_and_goes_on_later),
        stream_test(writing_into_a_pipe_that_nobody_reads_ends_with_the_deadline),
        stream_test(a_pipe_whose_reader_is_gone_is_told),
        stream_test(streams_that_are_left_open_end_with_the_arena),
        stream_test(memory_is_read_and_written),
        stream_test(functions_are_read_and_written),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
