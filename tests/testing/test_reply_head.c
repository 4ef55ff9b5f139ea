#include "test.h"

#include "testing/reply.h"

#define OK     "HTTP/1.1 200 OK\r\n"
#define DATE   "Date: Sat, 21 Nov 2026 06:00:00 GMT\r\n"
#define LENGTH "Content-Length: 5\r\n"

static int setup(void **state)
{
    *state = cv_ctx_new(0);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    cv_ctx_free(*state);
    return 0;
}

static void test_how_a_body_ends(void **state)
{
    static const struct {
        const char *head;
        bool to_head;
        int status;
        cv__body_kind body;
        uint64_t length;
        bool close;
    } cases[] = {
        {OK DATE LENGTH "\r\n", false, 200, CV__BODY_LENGTH, 5, false},
        {OK DATE LENGTH "\r\n", true, 200, CV__BODY_NONE, 5, false},
        {OK DATE "content-length:0\r\nCONNECTION: x, Close\r\n\r\n", false, 200, CV__BODY_LENGTH, 0, true},
        {OK DATE "Transfer-Encoding: Chunked\r\n\r\n", false, 200, CV__BODY_CHUNKED, 0, false},
        {OK DATE "Connection: close\r\n\r\n", false, 200, CV__BODY_TO_END, 0, true},
        {"HTTP/1.1 204 \r\n" DATE "\r\n", false, 204, CV__BODY_NONE, 0, false},
        {"HTTP/1.1 304 Not Modified\r\n" DATE LENGTH "\r\n", false, 304, CV__BODY_NONE, 5, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", false, 100, CV__BODY_NONE, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv__reply_head head;
        assert_ok(*state, cv__reply_read_head(*state, cv_str_of(cases[i].head), cases[i].to_head, &head));
        assert_int_equal(head.status, cases[i].status);
        assert_int_equal(head.body, cases[i].body);
        assert_int_equal(head.length, cases[i].length);
        assert_int_equal(head.close, cases[i].close);
    }
}

static void test_what_is_malformed_is_named(void **state)
{
    static const struct {
        const char *head, *part;
    } cases[] = {
        {"HTTP/1.1 200 OK", "line end"},
        {"HTTP/1.1 200 OK\r\n" DATE, "without its end"},
        {"HTTP/1.0 200 OK\r\n" DATE LENGTH "\r\n", "status line"},
        {"HTTP/1.1 2000 OK\r\n" DATE LENGTH "\r\n", "status line"},
        {"HTTP/1.1 2x0 OK\r\n" DATE LENGTH "\r\n", "status line"},
        {"HTTP/1.1 600 OK\r\n" DATE LENGTH "\r\n", "status line"},
        {"HTTP/1.1 200\r\n" DATE LENGTH "\r\n", "status line"},
        {OK LENGTH "\r\n", "no Date"},
        {OK DATE LENGTH "A: 1\r\n folded\r\n\r\n", "folded"},
        {OK DATE LENGTH "A 1\r\n\r\n", "proper name"},
        {OK DATE LENGTH "A : 1\r\n\r\n", "proper name"},
        {OK DATE LENGTH ": 1\r\n\r\n", "proper name"},
        {OK DATE LENGTH "A: \x01\r\n\r\n", "control character"},
        {OK DATE LENGTH "A: 1\nB: 2\r\n\r\n", "control character"},
        {OK DATE DATE LENGTH "\r\n", "twice: \"Date\""},
        {OK DATE LENGTH LENGTH "\r\n", "twice: \"Content-Length\""},
        {OK DATE "Content-Length: -1\r\n\r\n", "no number"},
        {OK DATE "Content-Length: \r\n\r\n", "no number"},
        {OK DATE "Content-Length: 99999999999999999999\r\n\r\n", "no number"},
        {OK DATE "Content-Length: 1, 1\r\n\r\n", "no number"},
        {OK DATE LENGTH "Transfer-Encoding: chunked\r\n\r\n", "Content-Length and Transfer-Encoding"},
        {OK DATE "Transfer-Encoding: gzip, chunked\r\n\r\n", "not chunked"},
        {OK DATE "\r\n", "without an end"},
        {"HTTP/1.1 204 No Content\r\n" DATE LENGTH "\r\n", "without a body"},
        {"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", "without a body"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv__reply_head head;
        assert_fails(*state, cv__reply_read_head(*state, cv_str_of(cases[i].head), false, &head), CV_E_SYNTAX,
                     cases[i].part);
    }
    assert_fails(*state, cv__reply_check_fields(*state, CV_STR("A: 1\r\nB: 2")), CV_E_SYNTAX, "without its end");
}

static void test_a_field_is_found_by_its_name(void **state)
{
    (void)state;
    cv_str fields = CV_STR("Bb: 1\r\nB:\t2 \r\nb: 3\r\n");
    assert_true(cv_str_equal(cv__reply_find_field(fields, "b"), CV_STR("2")));
    assert_null(cv__reply_find_field(fields, "c").ptr);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_how_a_body_ends),
        CASE(test_what_is_malformed_is_named),
        CASE(test_a_field_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
