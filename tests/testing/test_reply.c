#include "network_test.h"

#define DATE "Date: Sat, 21 Nov 2026 06:00:00 GMT\r\n"
#define OK   "HTTP/1.1 200 OK\r\n" DATE

static void test_each_way_to_end_a_body(void **state)
{
    static const struct {
        const char *said, *body, *trailers;
        bool to_head;
    } cases[] = {
        {OK "Content-Length: 4\r\n\r\nbody", "body", "", false},
        {OK "Content-Length: 4\r\n\r\n", "", "", true},
        {"HTTP/1.1 304 Not Modified\r\n" DATE "Content-Length: 4\r\n\r\n", "", "", false},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\nA;x=y\r\ndy and mor\r\n1\r\ne\r\n0\r\n\r\n", "body and more",
         "", false},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nB: 2\r\n\r\n", "", "A: 1\r\nB: 2\r\n", false},
    };
    wire *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        wire_say(w, cases[i].said);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_test_reply reply;
        assert_ok(w->cx, cases[i].to_head ? cv_test_read_reply_to_head(w->cx, w->client, &reply)
                                          : cv_test_read_reply(w->cx, w->client, &reply));
        assert_string_equal(reply.body.ptr, cases[i].body);
        assert_int_equal(reply.trailers.len, strlen(cases[i].trailers));
        assert_memory_equal(reply.trailers.ptr, cases[i].trailers, reply.trailers.len);
    }
}

/* Whatever the cuts, the reply is the same. */
static void test_a_reply_in_single_bytes(void **state)
{
    static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" OK
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n";
    wire *w = *state;
    cv_test_reply reply;
    cv_test_network_set(w->client, &(cv_test_network){.delay_ms = 1});
    for (const char *at = text; *at; at++)
        assert_int_equal(wire_write(w, cv_str_make(at, 1)), 1);
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->client, &reply));
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body.ptr, "abc");
    assert_true(cv_str_equal(cv_test_reply_header(&reply, "transfer-encoding"), CV_STR("chunked")));
    assert_true(cv_str_equal(cv_test_reply_trailer(&reply, "x-sum"), CV_STR("6")));
    assert_null(cv_test_reply_header(&reply, "link").ptr);
    assert_true(cv_str_starts_with(reply.interim, CV_STR("HTTP/1.1 103 Early Hints\r\nLink: ")));
}

static void test_a_body_to_the_end_of_the_connection(void **state)
{
    wire *w = *state;
    cv_test_reply reply;
    wire_say(w, OK "Connection: close\r\n\r\nall of it");
    w->server->ops->close(w->server, false);
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->client, &reply));
    assert_string_equal(reply.body.ptr, "all of it");
    assert_fails(w->cx, cv_test_read_reply(w->cx, w->client, &reply), CV_E_CONNECTION_LOST, "before it");
}

static void test_a_reset_is_no_end_of_a_body(void **state)
{
    wire *w = *state;
    cv_test_reply reply;
    wire_say(w, OK "Connection: close\r\n\r\nhalf of it");
    w->server->ops->close(w->server, true);
    assert_fails(w->cx, cv_test_read_reply(w->cx, w->client, &reply), CV_E_CONNECTION_LOST, "reset");
}

/* Each reply alone, on a connection of its own. */
static void expect_failure(wire *w, const char *said, int code, const char *part)
{
    cv_test_reply reply;
    wire_say(w, said);
    w->server->ops->close(w->server, false);
    int rc = cv_test_read_reply(w->cx, w->client, &reply);
    if (rc == 0)
        fail_msg("accepted: %s", said);
    assert_fails(w->cx, rc, code, part);
}

static void expect_alone(const char *said, int code, const char *part)
{
    void *state;
    wire_setup(&state);
    expect_failure(state, said, code, part);
    wire_teardown(&state);
}

static void test_what_is_malformed_is_told(void **state)
{
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
    static const struct {
        const char *said, *part;
    } cases[] = {
        {"ICY 200 OK\r\n\r\n", "status line"},
        {CHUNKED "x\r\n", "size of a chunk"},
        {CHUNKED "\r\n", "size of a chunk"},
        {CHUNKED "-1\r\n", "size of a chunk"},
        {CHUNKED "3 \r\nabc\r\n", "size of a chunk"},
        {CHUNKED "1000000000000000\r\n", "size of a chunk"},
        {CHUNKED "2\r\nabc\r\n0\r\n\r\n", "longer than it says"},
        {CHUNKED "0\r\nA 1\r\n\r\n", "proper name"},
        {CHUNKED "0\r\nContent-Length: 1\r\n\r\n", "trailers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_alone(cases[i].said, CV_E_SYNTAX, cases[i].part);
}

static void test_an_early_end_is_told(void **state)
{
    static const char *const cases[] = {"HTTP/1.1 20", OK "Content-Length: 5\r\n\r\nabc", CHUNKED "5\r\nabc",
                                        CHUNKED "0\r\nA: 1\r\n", CHUNKED "1"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_alone(cases[i], CV_E_CONNECTION_LOST, "in the middle");
    expect_alone("", CV_E_CONNECTION_LOST, "before it");
}

static void test_nothing_may_follow_the_last_reply(void **state)
{
    wire *w = *state;
    cv_test_reply reply;
    wire_say(w, OK "Connection: close\r\nContent-Length: 0\r\n\r\n" OK "Content-Length: 0\r\n\r\n");
    assert_ok(w->cx, cv_test_read_reply(w->cx, w->client, &reply));
    assert_fails(w->cx, cv_test_read_reply(w->cx, w->client, &reply), CV_E_SYNTAX, "ends the connection");
}

static void test_heads_and_lines_are_bounded(void **state)
{
    wire *w = *state;
    cv_test_reply reply;
    size_t len = 300 * 1024;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'a', len);
    cv_test_network_set(w->client, &(cv_test_network){.window_bytes = len});
    assert_int_equal(wire_write(w, cv_str_make(text, len)), len);
    free(text);
    assert_fails(w->cx, cv_test_read_reply(w->cx, w->client, &reply), CV_E_SYNTAX, "no line end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        wire_test(test_each_way_to_end_a_body),
        wire_test(test_a_reply_in_single_bytes),
        wire_test(test_a_body_to_the_end_of_the_connection),
        wire_test(test_a_reset_is_no_end_of_a_body),
        cmocka_unit_test(test_what_is_malformed_is_told),
        cmocka_unit_test(test_an_early_end_is_told),
        wire_test(test_nothing_may_follow_the_last_reply),
        wire_test(test_heads_and_lines_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
