#include "http/files/range.h"
#include "test.h"

/* "0-4 9-9", "whole" or "none". */
static void describe(const char *value, uint64_t size, char *out, size_t out_size)
{
    cv__ranges ranges;
    int at = 0;
    switch (cv__ranges_parse(cv_str_of(value), size, &ranges)) {
    case CV__RANGE_WHOLE:
        snprintf(out, out_size, "whole");
        return;
    case CV__RANGE_UNSATISFIABLE:
        snprintf(out, out_size, "none");
        return;
    case CV__RANGE_PARTS:
        break;
    }
    for (size_t i = 0; i < ranges.count; i++)
        at += snprintf(out + at, out_size - (size_t)at, "%s%llu-%llu", i ? " " : "",
                       (unsigned long long)ranges.at[i].first, (unsigned long long)ranges.at[i].last);
}

typedef struct range_case {
    const char *value;
    uint64_t size;
    const char *expected;
} range_case;

static void expect_ranges(const range_case *cases, size_t count)
{
    char found[1024];
    for (size_t i = 0; i < count; i++) {
        describe(cases[i].value, cases[i].size, found, sizeof found);
        if (strcmp(found, cases[i].expected) != 0)
            fail_msg("\"%s\" of %llu: %s instead of %s", cases[i].value, (unsigned long long)cases[i].size, found,
                     cases[i].expected);
    }
}

#define EXPECT(...)                                                                                                    \
    do {                                                                                                               \
        static const range_case cases_[] = {__VA_ARGS__};                                                              \
        expect_ranges(cases_, sizeof cases_ / sizeof cases_[0]);                                                       \
    } while (0)

static void test_single_ranges(void **state)
{
    (void)state;
    EXPECT({"bytes=0-0", 5, "0-0"}, {"bytes=1-", 5, "1-4"}, {"bytes=0-", 5, "0-4"}, {"bytes=2-900", 5, "2-4"},
           {"BYTES=1-2", 5, "1-2"}, {"bytes=4-4", 5, "4-4"}, {"bytes=000-001", 5, "0-1"},
           {"bytes=1-99999999999999999999999", 5, "1-4"}, {"bytes=0-18446744073709551615", 5, "0-4"},
           {"bytes=9223372036854775806-", INT64_MAX, "9223372036854775806-9223372036854775806"});
}

static void test_suffixes(void **state)
{
    (void)state;
    EXPECT({"bytes=-1", 5, "4-4"}, {"bytes=-5", 5, "0-4"}, {"bytes=-9", 5, "0-4"},
           {"bytes=-99999999999999999999999", 5, "0-4"});
}

static void test_what_lies_behind_the_end_cannot_be_satisfied(void **state)
{
    (void)state;
    EXPECT({"bytes=5-", 5, "none"}, {"bytes=5-9", 5, "none"}, {"bytes=-0", 5, "none"}, {"bytes=0-", 0, "none"},
           {"bytes=0-0", 0, "none"}, {"bytes=7-8, 9-", 5, "none"}, {"bytes=99999999999999999999999-", 5, "none"},
           {"bytes=-0", 0, "none"}, {"bytes=-1", 0, "whole"});
}

static void test_what_breaks_the_grammar_counts_as_no_range(void **state)
{
    (void)state;
    EXPECT({"bytes=4-2", 5, "whole"}, {"bytes=-", 5, "whole"}, {"bytes=", 5, "whole"}, {"bytes=,", 5, "whole"},
           {"bytes=+1-2", 5, "whole"}, {"bytes=1- 2", 5, "whole"}, {"bytes=1 -2", 5, "whole"},
           {"lines=1-2", 5, "whole"}, {"bytes 1-2", 5, "whole"}, {"bytes =1-2", 5, "whole"}, {"bytes=12", 5, "whole"},
           {"bytes=1-2-3", 5, "whole"}, {"bytes=--1", 5, "whole"}, {"bytes=0x1-2", 5, "whole"},
           {"bytes=1-2;3-4", 5, "whole"}, {"", 5, "whole"}, {"bytes", 5, "whole"}, {"bytes=0-1,x", 5, "whole"},
           {"bytes=0-1,4-2", 5, "whole"});
}

static void test_several_ranges_keep_the_order_asked_for(void **state)
{
    (void)state;
    EXPECT({"bytes=0-9,5000-5009", 10000, "0-9 5000-5009"}, {"bytes=-10 , 0-9", 10000, "9990-9999 0-9"},
           {"bytes=0-9,,\t5000-", 10000, "0-9 5000-9999"}, {"bytes=0-0,20000-,5000-5000", 10000, "0-0 5000-5000"});
}

static void test_ranges_that_are_near_become_one(void **state)
{
    (void)state;
    EXPECT({"bytes=0-9,5-19", 10000, "0-19"}, {"bytes=0-9,10-19", 10000, "0-19"}, {"bytes=0-9,170-179", 10000, "0-179"},
           {"bytes=0-9,171-179", 10000, "0-9 171-179"}, {"bytes=0-1,3-4", 10, "0-4"},
           {"bytes=5000-5009,0-9,4990-4999", 10000, "4990-5009 0-9"},
           {"bytes=0-9,9000-9009,400-409,200-209,300-309,100-109", 10000, "0-409 9000-9009"},
           {"bytes=5-19,0-9,3000-3999", 10000, "0-19 3000-3999"});
}

static void test_abuse_gets_the_whole(void **state)
{
    (void)state;
    char sixteen[256] = "bytes=0-0", seventeen[256];
    for (int i = 1; i < 16; i++)
        snprintf(sixteen + strlen(sixteen), 16, ",%d-%d", i * 1000, i * 1000);
    snprintf(seventeen, sizeof seventeen, "%.200s,16000-16000", sixteen);
    char found[1024];
    describe(sixteen, 100000, found, sizeof found);
    assert_non_null(strstr(found, "15000-15000"));
    describe(seventeen, 100000, found, sizeof found);
    assert_string_equal(found, "whole");
    EXPECT({"bytes=0-,0-,0-", 10000, "whole"},  /* three overlaps */
           {"bytes=0-1,1-2,2-3", 10000, "0-3"}, /* two */
           {"bytes=0-0,300-300,600-600,900-900", 1000, "0-0 300-300 600-600 900-900"},
           {"bytes=0-0,200-200,400-400,600-600", 640, "whole"}, /* cheaper than four parts */
           {"bytes=0-4999,5200-9999", 10000, "whole"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_ranges),
        cmocka_unit_test(test_suffixes),
        cmocka_unit_test(test_what_lies_behind_the_end_cannot_be_satisfied),
        cmocka_unit_test(test_what_breaks_the_grammar_counts_as_no_range),
        cmocka_unit_test(test_several_ranges_keep_the_order_asked_for),
        cmocka_unit_test(test_ranges_that_are_near_become_one),
        cmocka_unit_test(test_abuse_gets_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
