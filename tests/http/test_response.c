#include "base/ctx.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "test.h"

static const cv__parser_limits limits = {.max_header_bytes = 16384, .max_headers = 100, .max_body_bytes = 4096};

typedef struct fixture {
    cv_ctx *cx;
    cv_response res;
    cv__parser parser;
    cv_request req;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->cx = cv_ctx_new(0);
    assert_non_null(f->cx);
    cv__response_init(f->cx, &f->res, CV_GET, 1, true);
    cv__parser_init(&f->parser, &limits);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    cv__parser_done(&f->parser);
    cv_ctx_free(f->cx);
    free(f);
    return 0;
}

static const char *head_text(fixture *f, cv__framing framing, uint64_t length)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(f->cx), 0);
    cv__response_head(&f->res, CV_STR("D"), framing, length, &out);
    assert_int_equal(out.error, 0);
    return out.data;
}

static void test_a_head_as_it_goes_out(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, cv_reply_text(f->cx, &f->res, 201, "text/plain", CV_STR("abc")));
    assert_ok(f->cx, cv_response_header_add(&f->res, "X-A", " 1 "));
    assert_ok(f->cx, cv_response_header_add(&f->res, "X-A", "2"));
    assert_string_equal(head_text(f, CV__FRAMING_LENGTH, 3),
                        "HTTP/1.1 201 Created\r\nDate: D\r\nContent-Type: text/plain\r\nX-A: 1\r\nX-A: 2\r\n"
                        "Content-Length: 3\r\n\r\n");
    f->res.keep_alive = false;
    assert_non_null(
        strstr(head_text(f, CV__FRAMING_CHUNKED, 0), "Transfer-Encoding: chunked\r\nConnection: close\r\n"));
    f->res.keep_alive = true;
    f->res.minor_version = 0;
    assert_non_null(strstr(head_text(f, CV__FRAMING_NONE, 0), "X-A: 2\r\nConnection: keep-alive\r\n\r\n"));
}

static void test_setting_a_header_replaces_it(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, cv_response_header(&f->res, "X-A", "1"));
    assert_ok(f->cx, cv_response_header_add(&f->res, "x-a", "2"));
    assert_ok(f->cx, cv_response_header(&f->res, "X-a", "3"));
    assert_int_equal(f->res.field_count, 1);
    assert_true(cv_str_equal(cv_response_get_header(&f->res, "X-A"), CV_STR("3")));
    assert_null(cv_response_get_header(&f->res, "X-B").ptr);
}

static void test_bad_headers_are_refused(void **state)
{
    fixture *f = *state;
    assert_fails(f->cx, cv_response_header(&f->res, "X A", "1"), CV_E_INVALID, "not a token");
    assert_fails(f->cx, cv_response_header(&f->res, "", "1"), CV_E_INVALID, "not a token");
    assert_fails(f->cx, cv_response_header(&f->res, "X", "a\r\nSet-Cookie: b"), CV_E_INVALID, "control character");
    assert_fails(f->cx, cv_response_header(&f->res, "content-length", "1"), CV_E_INVALID, "the server makes it");
    assert_fails(f->cx, cv_response_header_add(&f->res, "Date", "1"), CV_E_INVALID, "the server makes it");
    char *large = calloc(1, 20000);
    assert_non_null(large);
    memset(large, 'x', 19999);
    assert_fails(f->cx, cv_response_header(&f->res, "X", large), CV_E_LIMIT, "at most 64 headers");
    free(large);
    for (int i = 0; i < 64; i++)
        assert_ok(f->cx, cv_response_header_add(&f->res, "X", "1"));
    assert_fails(f->cx, cv_response_header_add(&f->res, "X", "1"), CV_E_LIMIT, "at most 64 headers");
}

static void test_replies(void **state)
{
    fixture *f = *state;
    assert_false(cv_response_is_made(&f->res));
    assert_ok(f->cx, cv_reply_redirect(f->cx, &f->res, 303, "/x"));
    assert_true(cv_response_is_made(&f->res));
    assert_int_equal(cv_response_get_status(&f->res), 303);
    assert_true(cv_str_equal(cv_response_get_header(&f->res, "location"), CV_STR("/x")));
    assert_fails(f->cx, cv_reply_redirect(f->cx, &f->res, 304, "/x"), CV_E_INVALID, "304");
    char *large = calloc(1, (1 << 20) + 1);
    assert_non_null(large);
    assert_fails(f->cx, cv_reply_text(f->cx, &f->res, 200, NULL, cv_str_make(large, (1 << 20) + 1)), CV_E_LIMIT,
                 "1048577 bytes at once");
    assert_ok(f->cx, cv_reply_text(f->cx, &f->res, 200, NULL, cv_str_make(large, 1 << 20)));
    free(large);
    cv__response_reset(&f->res);
    cv_buf_add_char(cv_response_body(&f->res), 'x');
    assert_true(cv_response_is_made(&f->res));
    assert_fails(f->cx, cv_stream_start(f->cx, &f->res, 200, NULL, -1), CV_E_STATE, "no connection");
    assert_fails(f->cx, cv_stream_write(f->cx, &f->res, "x", 1), CV_E_STATE, "not open");
}

static void test_no_reply_inside_a_transaction(void **state)
{
    fixture *f = *state;
    f->cx->tx = (void *)f;
    assert_fails(f->cx, cv_reply_empty(f->cx, &f->res, 204), CV_E_IN_TRANSACTION, "open transaction");
    assert_fails(f->cx, cv_reply_text(f->cx, &f->res, 200, NULL, CV_STR("")), CV_E_IN_TRANSACTION, "open transaction");
    assert_fails(f->cx, cv_reply_problem(f->cx, &f->res, 400, NULL, NULL), CV_E_IN_TRANSACTION, "open transaction");
    assert_fails(f->cx, cv_stream_start(f->cx, &f->res, 200, NULL, 0), CV_E_IN_TRANSACTION, "open transaction");
    f->cx->tx = NULL;
}

static void test_problem_documents(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, cv_reply_problem(f->cx, &f->res, 409, NULL, "a \"b\""));
    assert_string_equal(f->res.body.data,
                        "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,\"detail\":\"a \\\"b\\\"\"}");
    assert_true(cv_str_equal(cv_response_get_header(&f->res, "Content-Type"), CV_STR("application/problem+json")));
    cv_fail(f->cx, CV_E_VALIDATION, "2 fields are not acceptable");
    cv_error_hint(f->cx, "see the form");
    cv_error_add_field(f->cx, "name", "is required");
    cv_error_add_field(f->cx, "age", "must be at least %d", 18);
    assert_ok(f->cx, cv_reply_error(f->cx, &f->res));
    assert_string_equal(f->res.body.data,
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
                        "\"detail\":\"2 fields are not acceptable\",\"hint\":\"see the form\",\"errors\":["
                        "{\"field\":\"name\",\"message\":\"is required\"},"
                        "{\"field\":\"age\",\"message\":\"must be at least 18\"}]}");
    assert_non_null(cv_error_last(f->cx));
}

static void test_what_is_not_the_clients_doing_stays_inside(void **state)
{
    fixture *f = *state;
    cv_fail(f->cx, CV_E_DB, "the table \"secrets\" is broken");
    cv_error_hint(f->cx, "call the admin");
    assert_ok(f->cx, cv_reply_error(f->cx, &f->res));
    assert_string_equal(f->res.body.data,
                        "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}");
    cv_error_clear(f->cx);
    assert_ok(f->cx, cv_reply_error(f->cx, &f->res));
    assert_int_equal(f->res.status, 500);
}

static void test_statuses_of_errors(void **state)
{
    (void)state;
    static const int map[][2] = {
        {CV_E_BAD_REQUEST, 400}, {CV_E_SYNTAX, 400},    {CV_E_UNAUTHORIZED, 401},
        {CV_E_FORBIDDEN, 403},   {CV_E_NOT_FOUND, 404}, {CV_E_METHOD, 405},
        {CV_E_UNIQUE, 409},      {CV_E_TOO_LARGE, 413}, {CV_E_MEDIA_TYPE, 415},
        {CV_E_VALIDATION, 422},  {CV_E_TIMEOUT, 503},   {CV_E_POOL_TIMEOUT, 503},
        {CV_E_INTERNAL, 500},    {CV_E_SQL, 500},       {12345, 500},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        assert_int_equal(cv_http_status(map[i][0]), map[i][1]);
    assert_string_equal(cv_http_reason(404), "Not Found");
    assert_string_equal(cv_http_reason(799), "Unknown");
    assert_string_equal(cv_method_name(CV_PATCH), "PATCH");
    assert_string_equal(cv_method_name((cv_method)0), "?");
}

/* ---- requests ---- */

static void receive(fixture *f, const char *text)
{
    size_t size, len = strlen(text);
    char *room = cv__parser_room(&f->parser, &size);
    assert_non_null(room);
    assert_true(len <= size);
    memcpy(room, text, len);
    assert_int_equal(cv__parser_feed(&f->parser, len), CV__PARSE_DONE);
    assert_ok(f->cx, cv__request_init(f->cx, &f->req, &f->parser, NULL));
}

static void test_headers_of_a_request(void **state)
{
    fixture *f = *state;
    receive(f, "POST /a%2fb HTTP/1.1\r\nHost: a\r\nA: 1\r\nb:\r\na: 2\r\nContent-Type: Text/JSON ; q=1\r\n"
               "Content-Length: 2\r\n\r\nhi");
    assert_true(cv_str_equal(cv_request_header(&f->req, "A"), CV_STR("1, 2")));
    assert_true(cv_str_equal(cv_request_header(&f->req, "HOST"), CV_STR("a")));
    cv_str empty = cv_request_header(&f->req, "B");
    assert_non_null(empty.ptr);
    assert_int_equal(empty.len, 0);
    assert_null(cv_request_header(&f->req, "C").ptr);
    assert_true(cv_str_equal(cv_request_media_type(&f->req), CV_STR("text/json")));
    assert_true(cv_str_equal(cv_request_body(&f->req), CV_STR("hi")));
    assert_true(cv_str_equal(cv_request_path(&f->req), CV_STR("/a/b")));
    assert_string_equal(cv_request_peer(&f->req), "");
    assert_null(cv_request_route(&f->req));
    size_t position = 0, count = 0;
    cv_str name, value;
    while (cv_request_header_next(&f->req, &position, &name, &value))
        count++;
    assert_int_equal(count, 6);
}

static void test_a_request_without_anything(void **state)
{
    fixture *f = *state;
    receive(f, "GET http://h HTTP/1.0\r\n\r\n");
    assert_true(cv_str_equal(cv_request_path(&f->req), CV_STR("/")));
    assert_int_equal(cv_request_query(&f->req).len, 0);
    assert_int_equal(cv_request_body(&f->req).len, 0);
    assert_null(cv_request_media_type(&f->req).ptr);
    assert_null(cv_path_text(&f->req, "x").ptr);
    assert_int_equal(cv_path_i64(&f->req, "x"), 0);
    assert_int_equal(cv_path_uuid(&f->req, "x").bytes[0], 0);
}

static void test_parameters_of_the_path(void **state)
{
    fixture *f = *state;
    receive(f, "GET / HTTP/1.0\r\n\r\n");
    cv__param_name names[] = {{"n", CV__PARAM_INT}, {"u", CV__PARAM_UUID}, {"t", CV__PARAM_TEXT}};
    const cv__route route = {.pattern = "/", .params = names, .param_count = 3};
    f->req.route = &route;
    f->req.params[0] = CV_STR("-12");
    f->req.params[1] = CV_STR("ff000000-0000-0000-0000-000000000001");
    f->req.params[2] = CV_STR("12");
    assert_int_equal(cv_path_i64(&f->req, "n"), -12);
    assert_int_equal(cv_path_i64(&f->req, "t"), 0);
    assert_int_equal(cv_path_uuid(&f->req, "u").bytes[0], 0xff);
    assert_int_equal(cv_path_uuid(&f->req, "n").bytes[0], 0);
    assert_true(cv_str_equal(cv_path_text(&f->req, "t"), CV_STR("12")));
}

static void test_parameters_of_the_query(void **state)
{
    fixture *f = *state;
    int64_t n;
    bool b;
    receive(f, "GET /?a=x+y%21&n=5&m=foo&b=Yes&c=no&n=6&big=99&d=maybe HTTP/1.0\r\n\r\n");
    assert_string_equal(cv_query_param(&f->req, "a", NULL), "x y!");
    assert_string_equal(cv_query_param(&f->req, "z", "none"), "none");
    assert_ok(f->cx, cv_query_i64(&f->req, "n", 1, 0, 10, &n));
    assert_int_equal(n, 5);
    assert_ok(f->cx, cv_query_i64(&f->req, "z", 1, 0, 10, &n));
    assert_int_equal(n, 1);
    assert_int_equal(cv_query_i64(&f->req, "m", 1, 0, 10, &n), CV_E_VALIDATION);
    assert_string_equal(cv_error_last(f->cx)->fields[0].field, "m");
    cv_error_clear(f->cx);
    assert_fails(f->cx, cv_query_i64(&f->req, "big", 1, 0, 10, &n), CV_E_VALIDATION, "must be between 0 and 10");
    assert_ok(f->cx, cv_query_bool(&f->req, "b", false, &b));
    assert_true(b);
    assert_ok(f->cx, cv_query_bool(&f->req, "c", true, &b));
    assert_false(b);
    assert_ok(f->cx, cv_query_bool(&f->req, "z", true, &b));
    assert_true(b);
    assert_fails(f->cx, cv_query_bool(&f->req, "d", true, &b), CV_E_VALIDATION, "true or false");
}

static void test_a_query_that_cannot_be_decoded(void **state)
{
    fixture *f = *state;
    int64_t n;
    receive(f, "GET /?a=%zz HTTP/1.0\r\n\r\n");
    assert_string_equal(cv_query_param(&f->req, "a", "fallback"), "fallback");
    assert_null(cv_error_last(f->cx));
    assert_fails(f->cx, cv_query_i64(&f->req, "a", 1, 0, 10, &n), CV_E_VALIDATION, "cannot be decoded");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_head_as_it_goes_out),
        CASE(test_setting_a_header_replaces_it),
        CASE(test_bad_headers_are_refused),
        CASE(test_replies),
        CASE(test_no_reply_inside_a_transaction),
        CASE(test_problem_documents),
        CASE(test_what_is_not_the_clients_doing_stays_inside),
        CASE(test_statuses_of_errors),
        CASE(test_headers_of_a_request),
        CASE(test_a_request_without_anything),
        CASE(test_parameters_of_the_path),
        CASE(test_parameters_of_the_query),
        CASE(test_a_query_that_cannot_be_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
