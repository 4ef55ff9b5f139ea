#include "http/parser.h"
#include "test.h"

static const cv__parser_limits limits = {.max_header_bytes = 1024, .max_headers = 8, .max_body_bytes = 64};
static const cv__parser_limits wide = {.max_header_bytes = 65536, .max_headers = 100, .max_body_bytes = 1 << 20};

static cv__parse feed(cv__parser *p, const char *data, size_t len)
{
    cv__parse result = CV__PARSE_MORE;
    while (len && result != CV__PARSE_REFUSED) {
        size_t size;
        char *room = cv__parser_room(p, &size);
        if (!room)
            return result;
        size = size < len ? size : len;
        memcpy(room, data, size);
        result = cv__parser_feed(p, size);
        data += size;
        len -= size;
    }
    return result;
}

static cv__parse feed_text(cv__parser *p, const char *text)
{
    return feed(p, text, strlen(text));
}

/* The status of the refusal, 0 when complete, -1 when more is needed; in one piece and byte by byte. */
static int verdict_of(const cv__parser_limits *with, const char *data, size_t len, size_t step)
{
    cv__parser p;
    cv__parser_init(&p, with);
    cv__parse result = CV__PARSE_MORE;
    for (size_t at = 0; at < len && result != CV__PARSE_REFUSED && result != CV__PARSE_DONE; at += step)
        result = feed(&p, data + at, len - at < step ? len - at : step);
    int verdict = result == CV__PARSE_REFUSED ? p.refusal.status : result == CV__PARSE_DONE ? 0 : -1;
    cv__parser_done(&p);
    return verdict;
}

static void expect_bytes(int verdict, const char *data, size_t len)
{
    int whole = verdict_of(&limits, data, len, len), single = verdict_of(&limits, data, len, 1);
    if (whole != verdict || single != verdict)
        fail_msg("%d in one piece, %d byte by byte, not %d: %s", whole, single, verdict, data);
}

static void expect(int verdict, const char *text)
{
    expect_bytes(verdict, text, strlen(text));
}

#define HOST                           "Host: a\r\n"
#define EXPECT_BYTES(verdict, literal) expect_bytes((verdict), (literal), sizeof(literal) - 1)

static void test_a_request_is_taken_apart(void **state)
{
    (void)state;
    cv__parser p;
    cv__parser_init(&p, &limits);
    assert_int_equal(
        feed_text(&p, "POST /a%20b?x=1 HTTP/1.1\r\nHost: h:80\r\nX-Y: \t z \r\nContent-Length: 3\r\n\r\nabc"),
        CV__PARSE_DONE);
    assert_int_equal(p.head.method, CV_POST);
    assert_int_equal(p.head.minor_version, 1);
    assert_true(p.head.keep_alive && p.head.path_rewritten);
    assert_true(cv_str_equal(cv__parser_text(&p, p.head.target), CV_STR("/a%20b?x=1")));
    assert_true(cv_str_equal(cv__parser_text(&p, p.head.path), CV_STR("/a%20b")));
    assert_true(cv_str_equal(cv__parser_text(&p, p.head.query), CV_STR("x=1")));
    assert_int_equal(p.header_count, 3);
    assert_true(cv_str_equal(cv__parser_text(&p, p.headers[1].name), CV_STR("X-Y")));
    assert_true(cv_str_equal(cv__parser_text(&p, p.headers[1].value), CV_STR("z")));
    assert_true(cv_str_equal(cv_str_make(p.data + p.body_at, p.body_len), CV_STR("abc")));
    cv__parser_done(&p);
}

static void test_what_follows_belongs_to_the_next_request(void **state)
{
    (void)state;
    cv__parser p;
    cv__parser_init(&p, &limits);
    assert_int_equal(feed_text(&p, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.0\r\n\r\nGE"), CV__PARSE_DONE);
    assert_true(cv__parser_has_bytes(&p));
    cv__parser_next(&p);
    assert_int_equal(cv__parser_feed(&p, 0), CV__PARSE_DONE);
    assert_true(cv_str_equal(cv__parser_text(&p, p.head.path), CV_STR("/2")));
    assert_false(p.head.keep_alive);
    cv__parser_next(&p);
    assert_int_equal(cv__parser_feed(&p, 0), CV__PARSE_MORE);
    assert_int_equal(feed_text(&p, "T /3 HTTP/1.1\r\n" HOST "\r\n"), CV__PARSE_DONE);
    assert_false(cv__parser_has_bytes(&p));
    cv__parser_next(&p);
    assert_null(p.data); /* idle: no memory */
    cv__parser_done(&p);
}

static void test_the_head_is_reported_before_the_body(void **state)
{
    (void)state;
    cv__parser p;
    cv__parser_init(&p, &limits);
    assert_int_equal(feed_text(&p, "PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
                     CV__PARSE_HEAD);
    assert_true(p.head.expect_continue);
    assert_int_equal(feed_text(&p, "x"), CV__PARSE_MORE);
    assert_int_equal(feed_text(&p, "y"), CV__PARSE_DONE);
    cv__parser_done(&p);
}

static void test_chunks_become_one_body(void **state)
{
    (void)state;
    const char *text = "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
                       "3;ext=\"1\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET";
    for (size_t step = 1; step < 8; step++) {
        cv__parser p;
        cv__parser_init(&p, &limits);
        for (size_t at = 0; at < strlen(text); at += step)
            feed(&p, text + at, strlen(text) - at < step ? strlen(text) - at : step);
        assert_true(cv_str_equal(cv_str_make(p.data + p.body_at, p.body_len), CV_STR("abc0123456789")));
        assert_int_equal(p.len - p.end, 3);
        cv__parser_done(&p);
    }
}

static void test_messages_that_could_be_read_in_two_ways(void **state)
{
    (void)state;
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n");
    expect(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n");
    expect(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect(400, "GET / HTTP/1.1\n" HOST "\r\n");
    expect(400, "GET / HTTP/1.1\r\nHost: a\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST "\r\r\n\r\n");
    EXPECT_BYTES(400, "GET / HTTP/1.1\r\n" HOST "A: \0b\r\n\r\n");
    EXPECT_BYTES(400, "GET /\0 HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_BYTES(400, "GET / HTTP/1.1\r\n" HOST "A\0: b\r\n\r\n");
}

static void test_bad_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x1\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n0\r\n",
        "1\r\na\rX",
        "0\r\n\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na: b\n\r\n",
        "1;\x01\r\na\r\n",
        "1;\r\na\r\n",
        "1;;a\r\na\r\n",
        "1;a=\r\na\r\n",
        "1;a=b c\r\na\r\n",
        "1;a=\"b\r\na\r\n",
        "1;a=\"b\"c\r\na\r\n",
        "1;a=\"\\\r\n\"\r\na\r\n",
        ";a=b\r\n",
        "0\r\n\rX",
        "1\rXa\r\n",
        "11111111111111111\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s", bad[i]);
        expect(400, text);
    }
}

static void test_framing_of_chunks_is_bounded(void **state)
{
    (void)state;
    static const char *const starts[] = {"1;a", "0\r\nA: ", ""};
    for (size_t i = 0; i < 3; i++) {
        char text[8192];
        int len =
            snprintf(text, sizeof text, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s", starts[i]);
        memset(text + len, '0', 5000);
        expect_bytes(400, text, (size_t)len + 5000);
    }
}

static void test_the_size_of_the_body_is_bounded(void **state)
{
    (void)state;
    expect(413, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 65\r\n\r\n");
    expect(-1, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 64\r\n\r\n");
    expect(413, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n41\r\n");
    expect(413, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n40\r\n");
    expect(-1, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n3f\r\n");
}

static void test_the_size_of_the_head_is_bounded(void **state)
{
    (void)state;
    char text[4096], *at = text;
    memset(text, 'x', sizeof text);
    memcpy(text, "GET /", 5);
    expect_bytes(414, text, 1025);
    expect_bytes(-1, text, 1024);
    at += sprintf(at, "GET / HTTP/1.1\r\n" HOST "A: ");
    *at = 'x';
    expect_bytes(431, text, 1025);
    at = text + sprintf(text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 7; i++)
        at += sprintf(at, "A: b\r\n");
    strcpy(at, "A: b\r\n\r\n");
    expect(431, text);
    strcpy(at, "\r\n");
    expect(0, text);
}

static void test_host_is_needed_once(void **state)
{
    (void)state;
    expect(400, "GET / HTTP/1.1\r\n\r\n");
    expect(0, "GET / HTTP/1.0\r\n\r\n");
    expect(400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n");
    static const char *const good[] = {"a", "a.b:80", "[::1]", "[::1]:8000", "10.0.0.1:1", "a_b"};
    static const char *const bad[] = {"", "a b", "u@a", "a/", "a:x", "a:123456", "[::1", "[]", "[g]", ":80", "a,b:1,"};
    char text[128];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        expect(0, text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        expect(400, text);
    }
}

static void test_methods_and_versions(void **state)
{
    (void)state;
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    static const char *const unknown[] = {"CONNECT", "TRACE", "PROPFIND", "get", "PRI", "G!ET"};
    char text[128];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST "\r\n", known[i]);
        expect(0, text);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST "\r\n", unknown[i]);
        expect(501, text);
    }
    expect(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
    expect(505, "GET / HTTP/0.9\r\n" HOST "\r\n");
    expect(505, "GET / HTTP/1.2\r\n" HOST "\r\n");
    expect(400, "GET / HTTP/11\r\n" HOST "\r\n");
    expect(400, "GET / http/1.1\r\n" HOST "\r\n");
    expect(400, "GET /\r\n" HOST "\r\n");
    expect(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    expect(400, "GET / x HTTP/1.1\r\n" HOST "\r\n");
    expect(400, "G{T / HTTP/1.1\r\n" HOST "\r\n");
    expect(417, "PUT / HTTP/1.1\r\n" HOST "Expect: magic\r\nContent-Length: 1\r\n\r\nx");
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const good[] = {
        "/",          "/a/b/?c=/../", "/a%2Fb",     "/...", "/.a",     "/a..",           "http://a",
        "http://a/x", "http://A?q",   "https://a/", "//x",  "/%c3%a4", "/a?b[]=|{}^`\\", "/a/..",
        "/a/./b",     "/.",           "/a/%2e",
    };
    static const char *const bad[] = {
        "*",       "a",         "/../x",    "/a/../..", "/a/.//../../../b",
        "/a%2f..", "/%2e%2E/x", "/a/..%2F", "/%",       "/%4",
        "/%zz",    "/%00",      "/a#b",     "/\x80",    "http://b/",
        "http://", "http:///x", "ftp://a/", "/a\tb",    "/..%2fx",
        "/a\\b",   "/a|b",      "/a?<",     "/\"",      "/[",
    };
    char text[128];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", good[i]);
        expect(0, text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", bad[i]);
        expect(400, text);
    }
    expect(0, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    expect(0, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
}

static void test_the_connection_header_decides_whether_it_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *version, *value;
        bool keep_alive;
    } cases[] = {
        {"1.1", "x", true},  {"1.1", "close", false},          {"1.1", "a, Close", false},
        {"1.0", "x", false}, {"1.0", "foo, Keep-Alive", true}, {"1.0", "keep-alive, close", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        cv__parser p;
        cv__parser_init(&p, &limits);
        snprintf(text, sizeof text, "GET / HTTP/%s\r\n" HOST "Connection: %s\r\n\r\n", cases[i].version,
                 cases[i].value);
        assert_int_equal(feed_text(&p, text), CV__PARSE_DONE);
        assert_int_equal(p.head.keep_alive, cases[i].keep_alive);
        cv__parser_done(&p);
    }
}

static void test_after_the_end_bytes_are_kept_while_there_is_room(void **state)
{
    (void)state;
    cv__parser p;
    cv__parser_init(&p, &limits);
    assert_int_equal(feed_text(&p, "GET / HTTP/1.1\r\n" HOST "\r\n"), CV__PARSE_DONE);
    char *filler = calloc(1, 65536);
    assert_non_null(filler);
    assert_int_equal(feed(&p, filler, 65536), CV__PARSE_DONE);
    size_t size;
    assert_null(cv__parser_room(&p, &size));
    assert_true(cv_str_equal(cv__parser_text(&p, p.head.path), CV_STR("/")));
    free(filler);
    cv__parser_done(&p);
}

/* ---- llhttp's own cases ---- */

/* The file's notation: line ends are CR LF, "\r", "\n", "\t", "\f", "\xNN" stand for the bytes, a backslash at the end
 * of a line joins it with the next. The last line end belongs to the fence. */
static size_t decode_case(const char *from, const char *to, char *out)
{
    char *start = out;
    for (const char *at = from; at < to; at++) {
        if (*at == '\n') {
            if (at + 1 == to)
                break;
            *out++ = '\r';
            *out++ = '\n';
        } else if (*at == '\\' && at + 1 < to) {
            at++;
            if (*at == 'r')
                *out++ = '\r';
            else if (*at == 'n')
                *out++ = '\n';
            else if (*at == 't')
                *out++ = '\t';
            else if (*at == 'f')
                *out++ = '\f';
            else if (*at == 'x') {
                *out++ = (char)strtol((char[]){at[1], at[2], 0}, NULL, 16);
                at += 2;
            } else if (*at != '\n') {
                *out++ = '\\';
                *out++ = *at;
            }
        } else {
            *out++ = *at;
        }
    }
    return (size_t)(out - start);
}

/* Whether any message of the sequence was refused. */
static bool is_refused(const char *data, size_t len)
{
    cv__parser p;
    cv__parser_init(&p, &wide);
    cv__parse result = feed(&p, data, len);
    while (result == CV__PARSE_DONE && p.head.keep_alive && cv__parser_has_bytes(&p)) {
        cv__parser_next(&p);
        result = cv__parser_feed(&p, 0);
    }
    if (result == CV__PARSE_MORE)
        result = feed_text(&p, "\r\n\r\n"); /* llhttp stops in the middle of the head, this parser at its end */
    bool closed_with_rest = result == CV__PARSE_DONE && cv__parser_has_bytes(&p);
    cv__parser_done(&p);
    return result == CV__PARSE_REFUSED || closed_with_rest;
}

static int check_file(const char *path)
{
    static char text[65536];
    char decoded[16384];
    int checked = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    for (const char *at = text; (at = strstr(at, "<!-- meta={\"type\": \"request\""));) {
        const char *from = strstr(at, "```http\n"), *to = from ? strstr(from + 8, "```") : NULL;
        const char *log = to ? strstr(to, "```log\n") : NULL, *end = log ? strstr(log + 7, "```") : NULL;
        if (!end)
            break;
        const char *error = strstr(log, "error code="), *pause = strstr(log, "error code=2");
        if (error && error < end && !(pause && pause < end && pause[12] >= '1' && pause[12] <= '3')) {
            size_t len = decode_case(from + 8, to, decoded);
            if (!is_refused(decoded, len))
                fail_msg("%s: not refused: %.*s", path, (int)len, decoded);
            checked++;
        }
        at = end;
    }
    return checked;
}

static void test_what_llhttp_refuses_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"connection", "content-length",    "finish", "invalid", "method", "pipelining",
                                        "sample",     "transfer-encoding", "uri"};
    const char *corpora = getenv("COVET_CORPORA");
    char path[512];
    snprintf(path, sizeof path, "%s/http/request/invalid.md", corpora ? corpora : "");
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("no corpora of requests: skipped\n");
        skip();
    }
    fclose(file);
    int checked = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/http/request/%s.md", corpora, files[i]);
        checked += check_file(path);
    }
    assert_true(checked > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_taken_apart),
        cmocka_unit_test(test_what_follows_belongs_to_the_next_request),
        cmocka_unit_test(test_the_head_is_reported_before_the_body),
        cmocka_unit_test(test_chunks_become_one_body),
        cmocka_unit_test(test_messages_that_could_be_read_in_two_ways),
        cmocka_unit_test(test_bad_chunks_are_refused),
        cmocka_unit_test(test_framing_of_chunks_is_bounded),
        cmocka_unit_test(test_the_size_of_the_body_is_bounded),
        cmocka_unit_test(test_the_size_of_the_head_is_bounded),
        cmocka_unit_test(test_host_is_needed_once),
        cmocka_unit_test(test_methods_and_versions),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_the_connection_header_decides_whether_it_goes_on),
        cmocka_unit_test(test_after_the_end_bytes_are_kept_while_there_is_room),
        cmocka_unit_test(test_what_llhttp_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
