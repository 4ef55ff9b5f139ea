#include "test.h"
#include <covet/json.h>
#include <covet/log.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

static cv_buf seen;
static int lines;

static void take_line(void *arg, cv_str line)
{
    (void)arg;
    lines++;
    cv_buf_add_str(&seen, line);
}

static int setup(void **state)
{
    (void)state;
    lines = 0;
    cv_buf_init(&seen, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cv_buf_done(&seen);
    return 0;
}

static cv_log *new_log(cv_log_format format)
{
    cv_log *log = cv_log_new(&(cv_log_options){.format = format, .sink = take_line});
    assert_non_null(log);
    return log;
}

static void expect_part(const char *part)
{
    if (!strstr(seen.data, part))
        fail_msg("\"%s\" does not contain \"%s\"", seen.data, part);
}

static void expect_no_part(const char *part)
{
    if (strstr(seen.data, part))
        fail_msg("\"%s\" contains \"%s\"", seen.data, part);
}

/* Every line must be one JSON object. */
static void expect_json(void)
{
    cv_ctx *cx = cv_ctx_new(0);
    assert_int_equal(seen.data[seen.len - 1], '\n');
    assert_ptr_equal(strchr(seen.data, '\n'), seen.data + seen.len - 1);
    assert_ok(cx, cv_json_check(cx, cv_buf_str(&seen), NULL));
    cv_ctx_free(cx);
}

static void text_lines_have_time_level_event_and_fields(void **state)
{
    (void)state;
    cv_log *log = new_log(CV_LOG_TEXT);
    CV_LOG_INFO(log, "request", CV_F("method", "GET"), CV_F("status", 200), CV_F("path", "/a b"), CV_F("empty", ""),
                CV_F("ratio", 0.5), CV_F("none", CV_NULL), CV_F("nan", NAN), CV_F("big", INFINITY),
                CV_F("small", -INFINITY), CV_F("yes", (bool)true));
    assert_int_equal(lines, 1);
    assert_int_equal(seen.data[4], '-');
    assert_int_equal(seen.data[10], 'T');
    expect_part("Z info  request method=GET status=200 path=\"/a b\" empty=\"\" ratio=0.5 none=null nan=nan big=inf "
                "small=-inf yes=true\n");
    cv_log_free(log);
}

static void json_lines_are_objects(void **state)
{
    (void)state;
    cv_log *log = new_log(CV_LOG_JSON);
    CV_LOG_WARN(log, "slow \"query\"", CV_F("us", 1500), CV_F("sql", "SELECT 1\nFROM t"),
                CV_F("doc", ((cv_json){CV_STR("{\n}")})), CV_F("ratio", NAN));
    expect_json();
    expect_part("{\"time\":\"20");
    expect_part("\"level\":\"warn\",\"event\":\"slow \\\"query\\\"\",\"us\":1500,\"sql\":\"SELECT 1\\nFROM t\","
                "\"doc\":\"{\\n}\",\"ratio\":null}\n");
    cv_log_free(log);
}

static void a_value_cannot_start_a_line(void **state)
{
    (void)state;
    cv_log *log = new_log(CV_LOG_TEXT);
    CV_LOG_INFO(log, "login\nfake", CV_F("user", "a\n2026 info forged x=1\r\x1B[31m\xFF"), CV_F("a b\n=", 1));
    assert_ptr_equal(strchr(seen.data, '\n'), seen.data + seen.len - 1);
    expect_part("\"login\\nfake\"");
    expect_part("user=\"a\\n2026 info forged x=1\\r\\u001b[31m\xEF\xBF\xBD\" \"a b\\n=\"=1");
    cv_log_free(log);
}

static void secrets_are_masked_by_their_name(void **state)
{
    (void)state;
    static const char *const names[] = {"password",     "db_PASSWORD",   "client_secret",
                                        "access_token", "Authorization", "set-cookie"};
    for (int format = CV_LOG_TEXT; format <= CV_LOG_JSON; format++) {
        cv_log *log = new_log((cv_log_format)format);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            CV_LOG_INFO(log, "x", CV_F(names[i], "hunter2"), CV_F("count", 1));
        cv_log_free(log);
    }
    assert_int_equal(lines, 12);
    expect_no_part("hunter2");
    expect_part("password=*** count=1");
    expect_part("\"set-cookie\":\"***\"");
}

static void below_the_level_nothing_is_evaluated(void **state)
{
    (void)state;
    int evaluated = 0;
    cv_log *log = cv_log_new(&(cv_log_options){.level = CV_LOG_WARN, .sink = take_line});
    CV_LOG_INFO(log, "x", CV_F("n", ++evaluated));
    CV_LOG_DEBUG(log, "x", CV_F("n", ++evaluated));
    assert_int_equal(evaluated, 0);
    cv_log_write(log, CV_LOG_INFO, "x", NULL, 0);
    assert_int_equal(lines, 0);
    CV_LOG_ERROR(log, "x", CV_F("n", ++evaluated));
    assert_int_equal(lines, 1);
    cv_log_set_level(log, CV_LOG_OFF);
    CV_LOG_ERROR(log, "x", CV_F("n", ++evaluated));
    cv_log_write(log, CV_LOG_OFF, "x", NULL, 0);
    assert_int_equal(lines, 1);
    cv_log_set_level(log, CV_LOG_DEBUG);
    CV_LOG_DEBUG(log, "x", CV_F("n", ++evaluated));
    assert_int_equal(lines, 2);
    cv_log_free(log);
}

static void without_a_log_nothing_happens(void **state)
{
    (void)state;
    CV_LOG_ERROR(NULL, "x", CV_F("n", 1));
    cv_log_write(NULL, CV_LOG_ERROR, "x", NULL, 0);
    cv_log_set_level(NULL, CV_LOG_OFF);
    cv_log_error(NULL, CV_LOG_ERROR, "x", NULL);
    cv_log_free(NULL);
    assert_false(cv_log_enabled(NULL, CV_LOG_ERROR));
}

static void level_names_are_parsed(void **state)
{
    (void)state;
    cv_log_level level = CV_LOG_DEBUG;
    assert_int_equal(cv_log_level_parse(CV_STR("warn"), &level), 0);
    assert_int_equal(level, CV_LOG_WARN);
    assert_int_equal(cv_log_level_parse(CV_STR("off"), &level), 0);
    assert_int_equal(level, CV_LOG_OFF);
    assert_int_equal(cv_log_level_parse(CV_STR("loud"), &level), CV_E_INVALID);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static char text[20000];
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 4);
    cv_log *log = new_log(CV_LOG_JSON);
    CV_LOG_INFO(log, "x", CV_F("long", text), CV_F("after", 1));
    expect_json();
    assert_in_range(seen.len, 4000, 5000);
    expect_no_part("\xEF\xBF\xBD");
    expect_part("\"after\":1}");
    cv_log_free(log);
}

static void a_full_line_is_cut_and_marked(void **state)
{
    (void)state;
    static char text[4000];
    memset(text, 'x', sizeof text - 1);
    for (int format = CV_LOG_TEXT; format <= CV_LOG_JSON; format++) {
        cv_buf_clear(&seen);
        cv_log *log = new_log((cv_log_format)format);
        CV_LOG_INFO(log, "x", CV_F("a", text), CV_F("b", text), CV_F("c", text), CV_F("d", text), CV_F("e", text));
        assert_in_range(seen.len, 12000, 16384);
        expect_part("truncated");
        cv_log_free(log);
    }
    expect_json();
}

static void bytes_are_bounded_too(void **state)
{
    (void)state;
    static const uint8_t data[30000];
    cv_log *log = new_log(CV_LOG_JSON);
    CV_LOG_INFO(log, "x", CV_F("data", ((cv_bytes){data, sizeof data})), CV_F("after", 1));
    expect_json();
    expect_part("\"after\":1}");
    cv_log_free(log);
}

static void errors_are_written_with_their_causes(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv_fail(cx, CV_E_REFUSED, "nothing listens on port 5432");
    cv_error_detail(cx, "errno 111");
    cv_fail(cx, CV_E_DB, "could not connect");
    cv_fail(cx, CV_E_VALIDATION, "two fields are bad");
    cv_error_hint(cx, "look at the fields");
    cv_error_add_field(cx, "name", "is missing");
    cv_error_add_field(cx, "age", "is too low");
    cv_error_place(cx, "23505", "book", "title", "book_title_key");
    cv_log *log = new_log(CV_LOG_JSON);
    cv_log_error(log, CV_LOG_ERROR, "failed", cv_error_last(cx));
    expect_json();
    expect_part("\"level\":\"error\",\"event\":\"failed\",\"error\":\"CV_E_VALIDATION\",\"message\":\"two fields are "
                "bad\",\"hint\":\"look at the fields\",\"sqlstate\":\"23505\",\"table\":\"book\",\"column\":\"title\","
                "\"constraint\":\"book_title_key\",\"at\":\"");
    expect_part("\"fields\":\"name: is missing; age: is too low\"");
    expect_part("\"cause\":\"CV_E_DB: could not connect at ");
    expect_part(" <- CV_E_REFUSED: nothing listens on port 5432 (errno 111) at ");
    expect_no_part("null");
    cv_log_error(log, CV_LOG_ERROR, "none", NULL);
    assert_int_equal(lines, 1);
    cv_log_free(log);
    cv_ctx_free(cx);
}

static void an_error_without_a_story_has_its_code(void **state)
{
    (void)state;
    const cv_error cause = {.code = CV_E_NOMEM}, bare = {.code = CV_E_TIMEOUT, .cause = &cause};
    cv_log *log = new_log(CV_LOG_TEXT);
    cv_log_error(log, CV_LOG_WARN, "x", &bare);
    expect_part("error=CV_E_TIMEOUT message=\"deadline exceeded\" cause=\"CV_E_NOMEM: out of memory\"\n");
    cv_log_free(log);
}

enum { WRITERS = 4, WRITES = 500 };

static void *write_many(void *arg)
{
    for (int i = 0; i < WRITES; i++)
        CV_LOG_INFO((cv_log *)arg, "tick", CV_F("text", "0123456789012345678901234567890123456789"), CV_F("end", 1));
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/covet-log-XXXXXX", line[512];
    int fd = mkstemp(path), count = 0;
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_SETFL, O_APPEND) == 0);
    cv_log *log = cv_log_new(&(cv_log_options){.fd = fd});
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, log), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    FILE *file = fopen(path, "r");
    for (; fgets(line, sizeof line, file); count++)
        assert_non_null(strstr(line, "info  tick text=0123456789012345678901234567890123456789 end=1\n"));
    assert_int_equal(count, WRITERS * WRITES);
    fclose(file);
    close(fd);
    unlink(path);
    cv_log_free(log);
}

static void a_closed_descriptor_is_survived(void **state)
{
    (void)state;
    cv_log *log = cv_log_new(&(cv_log_options){.fd = 9999});
    CV_LOG_INFO(log, "x", CV_F("n", 1));
    cv_log_free(log);
    log = cv_log_new(NULL);
    assert_true(cv_log_enabled(log, CV_LOG_DEBUG));
    cv_log_free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_lines_have_time_level_event_and_fields),
        TEST(json_lines_are_objects),
        TEST(a_value_cannot_start_a_line),
        TEST(secrets_are_masked_by_their_name),
        TEST(below_the_level_nothing_is_evaluated),
        TEST(without_a_log_nothing_happens),
        TEST(level_names_are_parsed),
        TEST(a_long_text_is_cut_between_characters),
        TEST(a_full_line_is_cut_and_marked),
        TEST(bytes_are_bounded_too),
        TEST(errors_are_written_with_their_causes),
        TEST(an_error_without_a_story_has_its_code),
        TEST(lines_of_several_threads_stay_whole),
        TEST(a_closed_descriptor_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
