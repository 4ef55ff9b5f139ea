/* Access logs, read from the pipe or file that they were written to. */
#include "await.h"
#include "middleware_test.h"

#include <covet/json.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int broken(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_TRY(cv_stream_start(cx, res, 200, "text/plain", -1));
    CV_TRY(cv_stream_write(cx, res, "abc", 3));
    return cv_fail(cx, CV_E_IO, "broken");
}

typedef struct ends {
    int read, write;
} ends;

static ends open_pipe(void)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    return (ends){fds[0], fds[1]};
}

static void start(world *w, cv_access_format format, int fd)
{
    assert_ok(w->cx, cv_use_access_log(w->cx, w->root, &(cv_access_log_options){format, fd}));
    world_route(w, CV_GET | CV_POST, "/hello/{name}", hello);
    world_route(w, CV_GET, "/broken", broken);
    assert_ok(w->cx, cv_route_group_route(
                         w->cx, w->root,
                         &(cv_route_spec){
                             .methods = CV_GET, .pattern = "/health", .handler = hello, .exclude_from_log = true}));
    world_start(w, (cv_server_options){0});
}

/* What was written, once there is something. */
static const char *read_log(world *w, int fd)
{
    static char got[65536];
    ssize_t len = -1;
    await_that(w->cx, (len = read(fd, got, sizeof got - 1)) > 0);
    got[len] = '\0';
    return got;
}

static void close_ends(ends e)
{
    close(e.read);
    close(e.write);
}

/* "[21/Nov/2026:06:38:00 +0000]" becomes "[]". */
static void cut_time(char *line)
{
    char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;
    assert_non_null(close);
    assert_int_equal(close - open, 27);
    memmove(open + 1, close, strlen(close) + 1);
}

static void expect_common(world *w, ends e, const char *target, const cv_test_header *headers, const char *expected)
{
    char line[8192];
    world_send(w, (cv_test_request){.target = target, .headers = headers});
    snprintf(line, sizeof line, "%s", read_log(w, e.read));
    cut_time(line);
    assert_string_equal(line, expected);
}

static void test_the_combined_log_format(void **state)
{
    world *w = *state;
    ends e = open_pipe();
    start(w, CV_ACCESS_COMMON, e.write);
    expect_common(w, e, "/hello/a%20b?x=1&y", NULL,
                  "127.0.0.1 - - [] \"GET /hello/a%20b?x=1&y HTTP/1.1\" 200 5 \"-\" \"-\"\n");
    const cv_test_header headers[] = {{"Referer", "http://a/"}, {"User-Agent", "curl/8 \"x\" \\ \x80"}, {NULL, NULL}};
    expect_common(w, e, "/hello/x", headers,
                  "127.0.0.1 - - [] \"GET /hello/x HTTP/1.1\" 200 5 \"http://a/\" "
                  "\"curl/8 \\x22x\\x22 \\x5C \\x80\"\n");
    expect_common(w, e, "/hello/x?token=abc&q=1&password=&b", NULL,
                  "127.0.0.1 - - [] \"GET /hello/x?token=***&q=1&password=***&b HTTP/1.1\" 200 5 \"-\" \"-\"\n");
    world_send(w, (cv_test_request){.target = "/health"});
    world_send(w, (cv_test_request){.method = "HEAD", .target = "/hello/x"});
    assert_non_null(strstr(read_log(w, e.read), "\"HEAD /hello/x HTTP/1.1\" 200 0"));
    close_ends(e);
}

static void test_fields_of_clients_are_cut(void **state)
{
    world *w = *state;
    ends e = open_pipe();
    char long_text[3000];
    memset(long_text, '\x80', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    start(w, CV_ACCESS_COMMON, e.write);
    world_get(w, "/hello/x", "User-Agent", long_text);
    assert_true(strlen(read_log(w, e.read)) < 4096);
    close_ends(e);
}

static void test_json_has_the_names_of_opentelemetry(void **state)
{
    world *w = *state;
    ends e = open_pipe();
    assert_ok(w->cx, cv_use_request_id(w->cx, w->root, &(cv_request_id_options){.trust = true}));
    start(w, CV_ACCESS_JSON, e.write);
    const cv_test_header headers[] = {{"X-Request-Id", "id-1"}, {"User-Agent", "\xff<"}, {NULL, NULL}};
    world_send(w, (cv_test_request){.target = "/hello/x?a=1", .headers = headers});
    const char *line = read_log(w, e.read);
    assert_ok(w->cx, cv_json_check(w->cx, cv_str_of(line), NULL));
    static const char *const parts[] = {"\"http.request.method\":\"GET\"",
                                        "\"url.scheme\":\"http\"",
                                        "\"url.path\":\"/hello/x\"",
                                        "\"url.query\":\"a=1\"",
                                        "\"http.route\":\"/hello/{name}\"",
                                        "\"http.response.status_code\":200",
                                        "\"http.response.body.size\":5",
                                        "\"http.server.request.duration\":",
                                        "\"network.protocol.version\":\"1.1\"",
                                        "\"client.address\":\"127.0.0.1\"",
                                        "\"user_agent.original\":\"\\\\xFF<\"",
                                        "\"http.request.id\":\"id-1\""};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(line, parts[i]))
            fail_msg("%s is missing in %s", parts[i], line);
    close_ends(e);
}

static void test_replies_that_were_cut_say_so(void **state)
{
    world *w = *state;
    ends e = open_pipe();
    cv_test_reply reply;
    start(w, CV_ACCESS_JSON, e.write);
    assert_int_equal(cv_test_get(w->cx, w->client, "/broken", &reply), CV_E_CONNECTION_LOST);
    cv_error_clear(w->cx);
    const char *line = read_log(w, e.read);
    assert_non_null(strstr(line, "\"error.type\":\"cut\""));
    assert_non_null(strstr(line, "\"http.response.body.size\":3"));
    close_ends(e);
}

static void test_a_line_of_the_log(void **state)
{
    world *w = *state;
    start(w, CV_ACCESS_LOG, 0);
    world_get(w, "/hello/x", NULL, NULL);
    world_get(w, "/health", NULL, NULL);
    assert_non_null(strstr(w->logged, "request method=GET path=/hello/x status=200 bytes=5 us="));
    assert_non_null(strstr(w->logged, "client=127.0.0.1"));
    assert_null(strstr(w->logged, "/health"));
}

static void test_a_full_pipe_blocks_nobody(void **state)
{
    world *w = *state;
    ends e = open_pipe();
    assert_int_equal(fcntl(e.write, F_SETPIPE_SZ, 4096), 4096);
    start(w, CV_ACCESS_COMMON, e.write);
    char agent[600];
    memset(agent, 'a', sizeof agent - 1);
    agent[sizeof agent - 1] = '\0';
    cv_counter *dropped = cv_counter_get(w->metrics, "covet_access_log_dropped_total", "", NULL);
    for (int i = 0; i < 1000 && !cv_counter_value(dropped); i++)
        CV_SCOPE(w->cx)
        {
            assert_int_equal(world_get(w, "/hello/x", "User-Agent", agent).status, 200);
        }
    assert_true(cv_counter_value(dropped) > 0);
    size_t whole = 0;
    for (int i = 0; i < 10; i++) {
        const char *got = read_log(w, e.read);
        assert_memory_equal(got, "127.0.0.1 - - [", 15);
        assert_int_equal(got[strlen(got) - 1], '\n');
        whole += strlen(got);
    }
    assert_true(whole > 4096);
    uint64_t before = cv_counter_value(dropped);
    signal(SIGPIPE, SIG_IGN);
    close(e.read); /* what is left has nobody to read it, and nothing waits for that */
    cv_test_client_free(w->cx, w->client);
    w->client = NULL;
    assert_true(cv_counter_value(dropped) > before);
    close(e.write);
}

static void test_files_and_sockets(void **state)
{
    world *w = *state;
    char name[] = "/tmp/covet-access-XXXXXX", got[1024];
    int file = mkstemp(name), pair[2];
    assert_true(file >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_ok(w->cx, cv_use_access_log(w->cx, w->root, &(cv_access_log_options){CV_ACCESS_JSON, pair[0]}));
    start(w, CV_ACCESS_COMMON, file);
    for (int i = 0; i < 3; i++)
        world_get(w, "/hello/x", NULL, NULL);
    cv_test_client_free(w->cx, w->client); /* what is left is written at the latest now */
    w->client = NULL;
    ssize_t len = pread(file, got, sizeof got - 1, 0);
    assert_true(len > 0);
    got[len] = '\0';
    assert_non_null(strstr(got, "\"GET /hello/x HTTP/1.1\" 200 5"));
    len = recv(pair[1], got, sizeof got, MSG_DONTWAIT);
    assert_true(len > 0 && got[0] == '{');
    close(file);
    close(pair[0]);
    close(pair[1]);
    unlink(name);
}

static void test_bad_options_are_refused(void **state)
{
    world *w = *state;
    assert_fails(w->cx, cv_use_access_log(w->cx, w->root, &(cv_access_log_options){.fd = -1}), CV_E_INVALID,
                 "cannot keep an access log");
    assert_fails(w->cx, cv_use_access_log(w->cx, w->root, &(cv_access_log_options){.format = (cv_access_format)9}),
                 CV_E_INVALID, "cannot keep an access log");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_the_combined_log_format),
        CASE(test_fields_of_clients_are_cut),
        CASE(test_json_has_the_names_of_opentelemetry),
        CASE(test_replies_that_were_cut_say_so),
        CASE(test_a_line_of_the_log),
        CASE(test_a_full_pipe_blocks_nobody),
        CASE(test_files_and_sockets),
        CASE(test_bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
