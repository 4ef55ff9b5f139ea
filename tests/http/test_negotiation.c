#include "http/negotiation.h"

#include "test.h"

static const char *const types[] = {"application/json", "text/html", "image/png"};
static const char *const encodings[] = {"zstd", "br", "gzip", "identity"};

static void expect_type(const char *accept, const char *expected)
{
    int found = cv__prefer_type(cv_str_of(accept), types, 3);
    const char *name = found < 0 ? NULL : types[found];
    if (name != expected && (!name || !expected || strcmp(name, expected) != 0))
        fail_msg("\"%s\" prefers %s, not %s", accept, name ? name : "nothing", expected ? expected : "nothing");
}

static void expect_encoding(const char *accept, const char *expected)
{
    int found = cv__prefer_encoding(cv_str_of(accept), encodings, 4);
    const char *name = found < 0 ? NULL : encodings[found];
    if (name != expected && (!name || !expected || strcmp(name, expected) != 0))
        fail_msg("\"%s\" prefers %s, not %s", accept, name ? name : "nothing", expected ? expected : "nothing");
}

static void test_the_highest_quality_wins(void **state)
{
    (void)state;
    expect_type("text/html;q=0.5, application/json;q=0.4", "text/html");
    expect_type("text/html;q=0.5, application/json", "application/json");
    expect_type("text/html, application/json", "application/json");
    expect_type("TEXT/HTML ; Q=0.9 , image/png;q=0.899", "text/html");
    expect_type("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html");
}

static void test_the_most_specific_range_counts(void **state)
{
    (void)state;
    expect_type("*/*;q=0.1, text/*;q=0.5, application/json;q=0", "text/html");
    expect_type("text/*;q=0, */*", "application/json");
    expect_type("image/*", "image/png");
    expect_type("imag/*, im/*, images/*", NULL);
    expect_type("text/html;level=1, image/png;q=0.1", "image/png");
    expect_type("text/html;charset=\"utf-8\"", "text/html");
}

static void test_nothing_said_accepts_everything(void **state)
{
    (void)state;
    expect_type(NULL, "application/json");
    expect_type("", "application/json");
    expect_type(" , ,", "application/json");
    assert_int_equal(cv__prefer_type(CV_STR("*/*"), types, 0), -1);
    assert_int_equal(cv__prefer_type(cv_str_of(NULL), types, 0), -1);
}

static void test_nothing_acceptable(void **state)
{
    (void)state;
    expect_type("audio/ogg", NULL);
    expect_type("*/*;q=0", NULL);
    expect_type("text/html;q=0.000", NULL);
}

static void test_malformed_members_are_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {"q=1.1",   "q=2",   "q=0.1234", "q=-1", "q=",    "q=.5", "q",     "=1",
                                      "q=1.001", "q=0,5", "q=a",      "q=0x", "a b=1", "q=01", "q=1e0", "q=0.a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "image/png;%s, text/html;q=0.001", bad[i]);
        expect_type(text, "text/html");
    }
    expect_type("image/png;q=1., text/html;q=0.5", "image/png");
    expect_type("image/png;x=\"a,text/html;q=1\\\"\";q=0.5, text/html;q=0.2", "text/html");
    expect_type("text/html, image/png;x=\"", "text/html");
}

static void test_many_members_are_bounded(void **state)
{
    (void)state;
    char *text = calloc(1, 200 * 8);
    assert_non_null(text);
    for (int i = 0; i < 100; i++)
        strcat(text, "a/b, ");
    strcat(text, "text/html");
    expect_type(text, NULL);
    free(text);
}

static void test_encodings(void **state)
{
    (void)state;
    expect_encoding("gzip, deflate, br, zstd", "zstd");
    expect_encoding("gzip, deflate, br", "br");
    expect_encoding("gzip;q=1.0, br;q=0.5", "gzip");
    expect_encoding("x-gzip", "gzip");
    expect_encoding("gzip;q=0.001", "gzip");
    expect_encoding("GZIP", "gzip");
    expect_encoding("*", "zstd");
    expect_encoding("*;q=0.5, zstd;q=0", "br");
    expect_encoding("deflate", "identity");
}

static void test_identity(void **state)
{
    (void)state;
    expect_encoding(NULL, "identity");
    expect_encoding("", "identity");
    expect_encoding("identity", "identity");
    expect_encoding("identity, gzip;q=0.5", "identity");
    expect_encoding("identity;q=0.5, gzip", "gzip");
    expect_encoding("identity;q=0", NULL);
    expect_encoding("identity;q=0, gzip", "gzip");
    expect_encoding("*;q=0", NULL);
    expect_encoding("*;q=0, identity;q=0.1", "identity");
    expect_encoding("gzip;q=0", "identity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_highest_quality_wins),
        cmocka_unit_test(test_the_most_specific_range_counts),
        cmocka_unit_test(test_nothing_said_accepts_everything),
        cmocka_unit_test(test_nothing_acceptable),
        cmocka_unit_test(test_malformed_members_are_left_out),
        cmocka_unit_test(test_many_members_are_bounded),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
