#include "test.h"
#include <covet/json.h>
#include <covet/url.h>

static cv_ctx *cx;

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    return cx ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cv_ctx_free(cx);
    return 0;
}

static cv_url parse(const char *text)
{
    cv_url url;
    assert_ok(cx, cv_url_parse(cx, cv_str_of(text), &url));
    return url;
}

static void every_part_is_found(void **state)
{
    (void)state;
    cv_url url = parse("Postgres://al%69ce:p%40ss%2F@db.example.org:5433/shop%20a?sslmode=require&x=%20#frag%21");
    assert_string_equal(url.scheme, "postgres");
    assert_string_equal(url.user, "alice");
    assert_string_equal(url.password, "p@ss/");
    assert_string_equal(url.host, "db.example.org");
    assert_int_equal(url.port, 5433);
    assert_string_equal(url.path, "/shop a");
    assert_string_equal(url.query, "sslmode=require&x=%20");
    assert_string_equal(url.fragment, "frag!");
}

static void missing_parts_are_null(void **state)
{
    (void)state;
    cv_url url = parse("sqlite:///app.db");
    assert_null(url.user);
    assert_null(url.password);
    assert_null(url.host);
    assert_int_equal(url.port, 0);
    assert_string_equal(url.path, "/app.db");
    assert_null(url.query);
    assert_null(url.fragment);
    url = parse("http://host");
    assert_null(url.path);
    url = parse("http://u:@host:?#");
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "");
    assert_int_equal(url.port, 0);
    assert_string_equal(url.query, "");
    assert_string_equal(url.fragment, "");
    url = parse("http://:p@h");
    assert_null(url.user);
    assert_string_equal(url.password, "p");
}

static void addresses_in_brackets_lose_them(void **state)
{
    (void)state;
    cv_url url = parse("http://[::1]:80/");
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 80);
    assert_string_equal(parse("http://[2001:db8::ffff:1.2.3.4]").host, "2001:db8::ffff:1.2.3.4");
}

static void marks_belong_to_the_part_they_stand_in(void **state)
{
    (void)state;
    cv_url url = parse("http://h/a@b:c?d/e?f#g?h/i");
    assert_string_equal(url.host, "h");
    assert_string_equal(url.path, "/a@b:c");
    assert_string_equal(url.query, "d/e?f");
    assert_string_equal(url.fragment, "g?h/i");
    assert_string_equal(parse("http://h?x=1").query, "x=1");
    assert_string_equal(parse("a+b-c.d://h").scheme, "a+b-c.d");
}

static void expect_refusal(const char *text, const char *part)
{
    cv_url url;
    assert_fails(cx, cv_url_parse(cx, cv_str_of(text), &url), CV_E_SYNTAX, part);
}

static void malformed_urls_are_refused_with_the_reason(void **state)
{
    (void)state;
    expect_refusal("", "must start with a scheme");
    expect_refusal("host/path", "must start with a scheme");
    expect_refusal("://host", "must start with a scheme");
    expect_refusal("1a://host", "must start with a scheme");
    expect_refusal("a_b://host", "must start with a scheme");
    expect_refusal("http://h:0", "not a number from 1 to 65535");
    expect_refusal("http://h:65536", "not a number from 1 to 65535");
    expect_refusal("http://h:000080", "not a number from 1 to 65535");
    expect_refusal("http://h:-1", "not a number from 1 to 65535");
    expect_refusal("http://[::1", "must be an IPv6 address");
    expect_refusal("http://[]", "must be an IPv6 address");
    expect_refusal("http://[::1]x", "must be an IPv6 address");
    expect_refusal("http://[fe80::1%25eth0]", "must be an IPv6 address");
    expect_refusal("http://a b/", "spaces, as at offset 8");
    expect_refusal("http://a\\b", "backslashes");
    expect_refusal("http://a/\n", "control characters");
    expect_refusal("http://a/\x7F", "control characters");
    expect_refusal("http://a/\xFF", "valid UTF-8");
    expect_refusal("http://a|b/", "character that is not allowed");
    expect_refusal("http://b\xC3\xBC"
                   "cher/",
                   "character that is not allowed");
    expect_refusal("http://h/%zz", "the path of a URL is not percent-encoded correctly");
    expect_refusal("http://h/%0", "the path of a URL is not percent-encoded correctly");
    expect_refusal("http://h%00/", "the host of a URL is not percent-encoded correctly");
    expect_refusal("http://h/#%", "the fragment");
}

static void a_password_never_appears_in_a_message(void **state)
{
    (void)state;
    static const char *const texts[] = {"postgres://u:hunter2/x@h/db",  "postgres://u:hun@hunter2@h/db",
                                        "postgres://u:hunter2%zz@h/db", "postgres://u:hunter2 x@h/db",
                                        "postgres://u:hunter2\\@h",     "//u:hunter2@h",
                                        "postgres://u:hunter2#@h"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cv_url url;
        assert_int_equal(cv_url_parse(cx, cv_str_of(texts[i]), &url), CV_E_SYNTAX);
        for (const cv_error *error = cv_error_last(cx); error; error = error->cause) {
            assert_null(strstr(error->message, "hunter2"));
            assert_true(!error->hint || !strstr(error->hint, "hunter2"));
        }
        cv_error_clear(cx);
    }
}

static void a_hint_says_how_to_write_marks_in_a_password(void **state)
{
    (void)state;
    cv_url url;
    assert_int_equal(cv_url_parse(cx, CV_STR("pg://u:a@b@h"), &url), CV_E_SYNTAX);
    assert_non_null(strstr(cv_error_last(cx)->hint, "%40"));
}

static void expect_redacted(const char *text, const char *wanted)
{
    char *redacted = cv_url_redact(cx, cv_str_of(text));
    assert_non_null(redacted);
    assert_string_equal(redacted, wanted);
}

static void redaction_hides_passwords_even_in_malformed_urls(void **state)
{
    (void)state;
    expect_redacted("postgres://u:secret@h:5/db?x=1", "postgres://u:***@h:5/db?x=1");
    expect_redacted("postgres://u@h/db", "postgres://u@h/db");
    expect_redacted("http://h:80/", "http://h:80/");
    expect_redacted("postgres://u:a/b@c?d#e@h/db", "postgres://u:***@h/db");
    expect_redacted("u:p@h", "u:***@h");
    expect_redacted("", "");
    expect_redacted("pg://h/db?user=u&Password=p&sslmode=require&access_token=t",
                    "pg://h/db?user=u&Password=***&sslmode=require&access_token=***");
    expect_redacted("pg://h/db?password", "pg://h/db?password");
}

static void query_strings_are_walked_pair_by_pair(void **state)
{
    (void)state;
    size_t position = 0;
    cv_str query = CV_STR("a=1+2&&b&c=%26%3D=x&=v&"), key, value;
    static const char *const wanted[][2] = {{"a", "1 2"}, {"b", ""}, {"c", "&==x"}, {"", "v"}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cv_query_string_next(cx, query, &position, &key, &value), 1);
        assert_string_equal(key.ptr, wanted[i][0]);
        assert_string_equal(value.ptr, wanted[i][1]);
    }
    assert_int_equal(cv_query_string_next(cx, query, &position, &key, &value), 0);
    assert_int_equal(cv_query_string_next(cx, query, &position, &key, &value), 0);
}

static void bad_query_strings_are_refused(void **state)
{
    (void)state;
    size_t position = 0;
    cv_str key, value;
    assert_fails(cx, cv_query_string_next(cx, CV_STR("a=%4"), &position, &key, &value), CV_E_SYNTAX, "offset 0");
    position = 0;
    assert_fails(cx, cv_query_string_next(cx, CV_STR("%00=1"), &position, &key, &value), CV_E_SYNTAX, "NUL");
    position = 0;
    assert_fails(cx, cv_query_string_next(cx, cv_str_make("a\0=1", 4), &position, &key, &value), CV_E_SYNTAX, "NUL");
}

static void coding_and_decoding_are_inverse(void **state)
{
    (void)state;
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    cv_buf out;
    cv_str decoded;
    cv_buf_init(&out, 0);
    cv_percent_encode(&out, cv_str_make(all, sizeof all));
    assert_ok(cx, cv_percent_decode(cx, cv_buf_str(&out), false, &decoded));
    assert_int_equal(decoded.len, sizeof all);
    assert_memory_equal(decoded.ptr, all, sizeof all);
    cv_buf_clear(&out);
    cv_percent_encode(&out, CV_STR("aZ09-._~ /+\xC3\xA9"));
    assert_string_equal(out.data, "aZ09-._~%20%2F%2B%C3%A9");
    cv_buf_done(&out);
}

static void a_plus_is_a_space_in_forms_only(void **state)
{
    (void)state;
    cv_str text;
    assert_ok(cx, cv_percent_decode(cx, CV_STR("a+b%2b"), true, &text));
    assert_string_equal(text.ptr, "a b+");
    assert_ok(cx, cv_percent_decode(cx, CV_STR("a+b%2B"), false, &text));
    assert_string_equal(text.ptr, "a+b+");
}

static void exhausted_memory_is_reported(void **state)
{
    (void)state;
    static char text[100000];
    memset(text, 'a', sizeof text);
    memcpy(text, "http://", 7);
    cv_url url;
    cv_str decoded;
    cv_arena_set_limit(cv_ctx_arena(cx), 4096);
    assert_true(cv_url_parse(cx, cv_str_make(text, sizeof text), &url) < 0);
    assert_true(cv_percent_decode(cx, cv_str_make(text, sizeof text), false, &decoded) < 0);
    cv_error_clear(cx);
    assert_null(cv_url_redact(cx, cv_str_make(text, sizeof text)));
    assert_non_null(cv_error_last(cx));
}

/* One case of the WHATWG list. */
struct web_case {
    cv_str input, hostname;
};

static void read_member(cv_json_reader *reader, struct web_case *one)
{
    cv_json_event event;
    cv_str name = reader->text;
    assert_ok(cx, cv_json_peek(reader, &event));
    if (event == CV_JSON_STRING && cv_str_equal(name, CV_STR("input")))
        one->input = reader->text;
    if (event == CV_JSON_STRING && cv_str_equal(name, CV_STR("hostname")))
        one->hostname = reader->text;
    assert_ok(cx, cv_json_skip(reader, NULL));
}

/* Browsers repair more than we accept, but what both accept must lead to the same host. */
static bool agree(const struct web_case *one)
{
    cv_url url;
    if (!one->input.ptr || !one->hostname.ptr || cv_url_parse(cx, one->input, &url) < 0) {
        cv_error_clear(cx);
        return false;
    }
    cv_str host = cv_str_of(url.host ? url.host : ""), wanted = one->hostname;
    if (cv_str_starts_with(wanted, CV_STR("[")) || strcmp(url.scheme, "file") == 0)
        return false;
    bool ascii = true;
    for (size_t i = 0; i < host.len; i++)
        ascii = ascii && (unsigned char)host.ptr[i] < 0x80;
    bool number = strspn(host.ptr, "0123456789abcdefxABCDEFX.") == host.len;
    bool repaired = !ascii || number || cv_str_find(wanted, CV_STR("%")) >= 0;
    if (!repaired && !cv_str_equal_nocase(host, wanted))
        fail_msg("\"%.*s\": host \"%s\", expected \"%.*s\"", CV_STR_ARG(one->input), host.ptr, CV_STR_ARG(wanted));
    return !repaired;
}

static void hosts_are_where_browsers_see_them(void **state)
{
    (void)state;
    static char path[512], data[2 << 20];
    const char *corpora = getenv("COVET_CORPORA");
    snprintf(path, sizeof path, "%s/url/urltestdata.json", corpora ? corpora : ".");
    FILE *file = fopen(path, "rb");
    if (!file) {
        print_message("skipped: the URL corpus is not there\n");
        skip();
        return;
    }
    size_t len = fread(data, 1, sizeof data, file);
    fclose(file);
    cv_json_reader reader;
    cv_json_event event;
    int agreed = 0;
    cv_json_reader_init(&reader, cx, cv_str_make(data, len), NULL);
    assert_ok(cx, cv_json_next(&reader, &event));
    while (cv_json_next(&reader, &event) == 0 && event != CV_JSON_ARRAY_END) {
        struct web_case one = {0};
        if (event != CV_JSON_OBJECT_START)
            continue;
        for (;;) {
            assert_ok(cx, cv_json_next(&reader, &event));
            if (event == CV_JSON_OBJECT_END)
                break;
            read_member(&reader, &one);
        }
        agreed += agree(&one);
    }
    assert_int_equal(reader.error, 0);
    assert_true(agreed >= 50);
}

static void several_hosts_keep_their_order_and_ports(void **state)
{
    (void)state;
    cv_url url;
    assert_ok(cx, cv_url_parse(cx, CV_STR("postgres://u:p@a.example:5433,[::1]:5434,%2Frun%2Fpg,:5435/db"), &url));
    assert_int_equal(url.host_count, 4);
    assert_string_equal(url.host, "a.example");
    assert_int_equal(url.port, 5433);
    assert_string_equal(url.hosts[0].name, "a.example");
    assert_string_equal(url.hosts[1].name, "::1");
    assert_int_equal(url.hosts[1].port, 5434);
    assert_string_equal(url.hosts[2].name, "/run/pg");
    assert_int_equal(url.hosts[2].port, 0);
    assert_null(url.hosts[3].name);
    assert_int_equal(url.hosts[3].port, 5435);
    assert_string_equal(url.path, "/db");
    assert_ok(cx, cv_url_parse(cx, CV_STR("postgres://one/db"), &url));
    assert_int_equal(url.host_count, 1);
    assert_ok(cx, cv_url_parse(cx, CV_STR("sqlite:///file.db"), &url));
    assert_int_equal(url.host_count, 0);
    assert_fails(cx, cv_url_parse(cx, CV_STR("postgres://a:1,b:x/db"), &url), CV_E_SYNTAX, "port");
    assert_fails(cx, cv_url_parse(cx, CV_STR("postgres://a,[b/db"), &url), CV_E_SYNTAX, "brackets");
}

static void more_hosts_than_the_limit_are_refused(void **state)
{
    (void)state;
    cv_url url;
    char text[CV_URL_MAX_HOSTS * 2 + 32] = "p://h";
    for (int i = 1; i < CV_URL_MAX_HOSTS; i++)
        strcat(text, ",h");
    assert_ok(cx, cv_url_parse(cx, cv_str_of(text), &url));
    assert_int_equal(url.host_count, CV_URL_MAX_HOSTS);
    strcat(text, ",h");
    assert_fails(cx, cv_url_parse(cx, cv_str_of(text), &url), CV_E_SYNTAX, "more than 32 hosts");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_part_is_found),
        TEST(missing_parts_are_null),
        TEST(addresses_in_brackets_lose_them),
        TEST(several_hosts_keep_their_order_and_ports),
        TEST(more_hosts_than_the_limit_are_refused),
        TEST(marks_belong_to_the_part_they_stand_in),
        TEST(malformed_urls_are_refused_with_the_reason),
        TEST(a_password_never_appears_in_a_message),
        TEST(a_hint_says_how_to_write_marks_in_a_password),
        TEST(redaction_hides_passwords_even_in_malformed_urls),
        TEST(query_strings_are_walked_pair_by_pair),
        TEST(bad_query_strings_are_refused),
        TEST(coding_and_decoding_are_inverse),
        TEST(a_plus_is_a_space_in_forms_only),
        TEST(exhausted_memory_is_reported),
        TEST(hosts_are_where_browsers_see_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
