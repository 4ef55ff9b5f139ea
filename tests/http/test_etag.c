#include "http/files/etag.h"
#include "test.h"

static void test_tags_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *opaque;
        bool weak;
    } cases[] = {
        {"\"a\"", "\"a\"", false},  {"\"\"", "\"\"", false},
        {"W/\"a\"", "\"a\"", true}, {"\"a,b;cW/d!#\\\xc3\xa9\"", "\"a,b;cW/d!#\\\xc3\xa9\"", false},
        {"a", NULL, false},         {"", NULL, false},
        {"W/", NULL, false},        {"w/\"a\"", NULL, false},
        {"W/ \"a\"", NULL, false},  {"\"a", NULL, false},
        {"a\"", NULL, false},       {"\"", NULL, false},
        {"\"a\"b", NULL, false},    {"\"a b\"", NULL, false},
        {"\"a\tb\"", NULL, false},  {"\"a\x7f\"", NULL, false},
        {"'a'", NULL, false},       {"*", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv__etag tag = {0};
        bool read = cv__etag_parse(cv_str_of(cases[i].text), &tag);
        if (read != (cases[i].opaque != NULL))
            fail_msg("%s: %s", cases[i].text, read ? "read" : "refused");
        if (read && (tag.weak != cases[i].weak || !cv_str_equal(tag.opaque, cv_str_of(cases[i].opaque))))
            fail_msg("%s: %.*s", cases[i].text, CV_STR_ARG(tag.opaque));
    }
}

static void test_weak_tags_are_equal_only_weakly(void **state)
{
    (void)state;
    const cv__etag strong = {CV_STR("\"1\""), false}, weak = {CV_STR("\"1\""), true}, other = {CV_STR("\"2\""), false};
    assert_true(cv__etag_equal(strong, strong, true));
    assert_false(cv__etag_equal(weak, weak, true));
    assert_false(cv__etag_equal(weak, strong, true));
    assert_true(cv__etag_equal(weak, strong, false));
    assert_true(cv__etag_equal(weak, weak, false));
    assert_false(cv__etag_equal(strong, other, false));
}

static void test_lists_match_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    const cv__etag current = {CV_STR("\"v,1\""), false};
    static const struct {
        const char *list;
        cv__etag_match strong, weak;
    } cases[] = {
        {"\"v,1\"", CV__ETAGS_MATCH, CV__ETAGS_MATCH},
        {"W/\"v,1\"", CV__ETAGS_OTHER, CV__ETAGS_MATCH},
        {"\"a\" ,\t\"v,1\"", CV__ETAGS_MATCH, CV__ETAGS_MATCH},
        {",, \"v,1\" ,,", CV__ETAGS_MATCH, CV__ETAGS_MATCH},
        {"\"v\",\"1\"", CV__ETAGS_OTHER, CV__ETAGS_OTHER},
        {"*", CV__ETAGS_MATCH, CV__ETAGS_MATCH},
        {"\"v,1\", *", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
        {"\"v,1\" \"a\"", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
        {"\"v,1\", a", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
        {"v,1", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
        {"", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
        {" , ", CV__ETAGS_MALFORMED, CV__ETAGS_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int strong = 0; strong < 2; strong++) {
            cv__etag_match match = cv__etag_list_match(cv_str_of(cases[i].list), &current, true, strong);
            if (match != (strong ? cases[i].strong : cases[i].weak))
                fail_msg("%s (%s): %d", cases[i].list, strong ? "strong" : "weak", match);
        }
}

static void test_without_a_tag_only_the_star_can_match(void **state)
{
    (void)state;
    assert_int_equal(cv__etag_list_match(CV_STR("*"), NULL, true, true), CV__ETAGS_MATCH);
    assert_int_equal(cv__etag_list_match(CV_STR("*"), NULL, false, true), CV__ETAGS_OTHER);
    assert_int_equal(cv__etag_list_match(CV_STR("\"a\""), NULL, true, false), CV__ETAGS_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_are_read_strictly),
        cmocka_unit_test(test_weak_tags_are_equal_only_weakly),
        cmocka_unit_test(test_lists_match_as_a_whole_or_not_at_all),
        cmocka_unit_test(test_without_a_tag_only_the_star_can_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
