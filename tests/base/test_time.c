/* Instants and dates: the calendar, RFC 3339, the HTTP date. */
#include "test.h"

#include <covet/time.h>
#include <time.h>

static cv_time t(const char *text)
{
    cv_time time = {0};
    if (cv_time_parse(cv_str_of(text), &time) != 0)
        fail_msg("\"%s\" does not parse", text);
    return time;
}

static void the_clock_goes_on(void **state)
{
    (void)state;
    cv_time first = cv_time_now(), second = cv_time_now();
    assert_true(first.us > t("2024-01-01T00:00:00Z").us);
    assert_true(second.us - first.us < INT64_C(3600000000));
}

static void every_day_of_the_range_converts_both_ways(void **state)
{
    (void)state;
    cv_date first, last, date;
    assert_int_equal(cv_date_from_civil(1, 1, 1, &first), 0);
    assert_int_equal(cv_date_from_civil(9999, 12, 31, &last), 0);
    assert_true(cv_date_to_time(first).us == CV_TIME_MIN_US);
    assert_true(cv_date_to_time(last).us + INT64_C(86399999999) == CV_TIME_MAX_US);
    int weekday = 1; /* 0001-01-01 was a Monday */
    for (int32_t days = first.days; days <= last.days; days++) {
        cv_civil civil = cv_time_to_civil(cv_date_to_time((cv_date){days}));
        if (cv_date_from_civil(civil.year, civil.month, civil.day, &date) != 0 || date.days != days ||
            civil.weekday != weekday)
            fail_msg("day %d becomes %d-%d-%d", days, civil.year, civil.month, civil.day);
        weekday = (weekday + 1) % 7;
    }
}

static void the_calendar_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t seconds = -40000000000; seconds < 200000000000; seconds += 86400 * 37 + 12345) {
        time_t when = (time_t)seconds;
        struct tm tm;
        assert_non_null(gmtime_r(&when, &tm));
        cv_civil civil = cv_time_to_civil((cv_time){seconds * 1000000 + 7});
        assert_int_equal(civil.year, tm.tm_year + 1900);
        assert_int_equal(civil.month, tm.tm_mon + 1);
        assert_int_equal(civil.day, tm.tm_mday);
        assert_int_equal(civil.hour, tm.tm_hour);
        assert_int_equal(civil.minute, tm.tm_min);
        assert_int_equal(civil.second, tm.tm_sec);
        assert_int_equal(civil.microsecond, 7);
        assert_int_equal(civil.weekday, tm.tm_wday);
        cv_time back;
        assert_int_equal(cv_time_from_civil(&civil, &back), 0);
        assert_true(back.us == seconds * 1000000 + 7);
    }
}

static void fields_outside_their_range_are_refused(void **state)
{
    (void)state;
    static const cv_civil wrong[] = {
        {.year = 0, .month = 1, .day = 1},
        {.year = 10000, .month = 1, .day = 1},
        {.year = 2026, .month = 0, .day = 1},
        {.year = 2026, .month = 13, .day = 1},
        {.year = 2026, .month = 2, .day = 29},
        {.year = 1900, .month = 2, .day = 29},
        {.year = 2026, .month = 4, .day = 31},
        {.year = 2026, .month = 1, .day = 0},
        {.year = 2026, .month = 1, .day = 1, .hour = 24},
        {.year = 2026, .month = 1, .day = 1, .minute = 60},
        {.year = 2026, .month = 1, .day = 1, .second = 60},
        {.year = 2026, .month = 1, .day = 1, .second = -1},
        {.year = 2026, .month = 1, .day = 1, .microsecond = 1000000},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cv_time time;
        assert_int_equal(cv_time_from_civil(&wrong[i], &time), CV_E_RANGE);
    }
    cv_date date;
    assert_int_equal(cv_date_from_civil(2000, 2, 29, &date), 0);
    assert_int_equal(cv_date_from_civil(2024, 2, 29, &date), 0);
}

static void instants_are_written_as_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {500000, "1970-01-01T00:00:00.500Z"},
        {INT64_C(1795255200000001), "2026-11-21T10:00:00.000001Z"},
        {CV_TIME_MIN_US, "0001-01-01T00:00:00Z"},
        {CV_TIME_MAX_US, "9999-12-31T23:59:59.999999Z"},
        {INT64_MIN, "0001-01-01T00:00:00Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[CV_TIME_TEXT_BYTES];
        assert_int_equal(cv_time_format((cv_time){cases[i].us}, out), strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
        if (cases[i].us >= CV_TIME_MIN_US && cases[i].us <= CV_TIME_MAX_US)
            assert_true(t(out).us == cases[i].us);
    }
}

static void many_forms_of_an_instant_are_read(void **state)
{
    (void)state;
    static const char *const same[] = {"2026-11-21T10:00:00Z",
                                       "2026-11-21t10:00:00z",
                                       "2026-11-21 10:00:00",
                                       "2026-11-21 10:00",
                                       "2026-11-21T10:00Z",
                                       "2026-11-21T12:30:00+02:30",
                                       "2026-11-21T05:00:00-05:00",
                                       "2026-11-21 12:00:00+02",
                                       "2026-11-21T10:00:00.0000009Z",
                                       "2026-11-22T00:00:00.000+14:00"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_true(t(same[i]).us == INT64_C(1795255200000000));
    assert_int_equal(t("1970-01-01T00:00:00.12Z").us, 120000);
    assert_int_equal(t("1970-01-01T00:00:00.1234567899Z").us, 123456);
}

static void what_is_no_instant_is_refused(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",
        "2026-11-21",
        "2026-11-21T",
        "2026-11-21T10",
        "2026-11-21T10:0",
        "2026-11-21T10:00:",
        "2026-11-21T10:00:0",
        "2026-11-21T10:00:00.",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00ZZ",
        "2026-11-21T10:00:00+",
        "2026-11-21T10:00:00+2",
        "2026-11-21T10:00:00+02:",
        "2026-11-21T10:00:00+0230",
        "2026-11-21T10:00:00+02:300",
        "2026-11-21T10:00:00 ",
        "2026-11-21X10:00:00Z",
        "2026/11/21T10:00:00Z",
        "26-11-21T10:00:00Z",
        "-026-11-21T10:00:00Z",
        "2026-1a-21T10:00:00Z",
    };
    static const char *const impossible[] = {"2026-02-30T10:00:00Z",      "2026-13-01T10:00:00Z",
                                             "0000-01-01T00:00:00Z",      "2026-11-21T24:00:00Z",
                                             "2026-11-21T10:60:00Z",      "2026-11-21T23:59:60Z",
                                             "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+02:60",
                                             "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01"};
    cv_time time;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(cv_time_parse(cv_str_of(malformed[i]), &time), CV_E_SYNTAX);
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        assert_int_equal(cv_time_parse(cv_str_of(impossible[i]), &time), CV_E_RANGE);
    assert_int_equal(cv_time_parse(cv_str_make("2026-11-21\0"
                                               "10:00:00Z",
                                               20),
                                   &time),
                     CV_E_SYNTAX);
}

static void dates_are_read_and_written(void **state)
{
    (void)state;
    cv_date date;
    char out[CV_TIME_TEXT_BYTES];
    assert_int_equal(cv_date_parse(CV_STR("2026-11-21"), &date), 0);
    assert_int_equal(cv_date_format(date, out), 10);
    assert_string_equal(out, "2026-11-21");
    assert_int_equal(cv_date_of(t("2026-11-21T23:59:59Z")).days, date.days);
    assert_int_equal(cv_date_of((cv_time){-1}).days, -1);
    assert_int_equal(cv_date_parse(CV_STR("2026-11-2"), &date), CV_E_SYNTAX);
    assert_int_equal(cv_date_parse(CV_STR("2026-11-21T"), &date), CV_E_SYNTAX);
    assert_int_equal(cv_date_parse(CV_STR("2026-02-29"), &date), CV_E_RANGE);
    cv_date_format((cv_date){INT32_MAX}, out);
    assert_string_equal(out, "9999-12-31");
    cv_date_format((cv_date){INT32_MIN}, out);
    assert_string_equal(out, "0001-01-01");
}

static void the_http_date_has_one_form_to_write_and_three_to_read(void **state)
{
    (void)state;
    char out[CV_TIME_TEXT_BYTES];
    cv_time time = {0};
    assert_int_equal(cv_time_format_http((cv_time){INT64_C(784111777000000)}, out), 29);
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT"); /* the example of RFC 9110 5.6.7 */
    assert_int_equal(cv_time_parse_http(cv_str_of(out), &time), 0);
    assert_true(time.us == INT64_C(784111777000000));
    static const char *const obsolete[] = {"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < sizeof obsolete / sizeof obsolete[0]; i++) {
        time.us = 0;
        assert_int_equal(cv_time_parse_http(cv_str_of(obsolete[i]), &time), 0);
        assert_true(time.us == INT64_C(784111777000000));
    }
    assert_int_equal(cv_time_parse_http(CV_STR("Saturday, 21-Nov-26 10:00:00 GMT"), &time), 0);
    assert_true(time.us == INT64_C(1795255200000000));
    static const char *const days[] = {"Sunday, 01-Nov-26",    "Monday, 02-Nov-26",   "Tuesday, 03-Nov-26",
                                       "Wednesday, 04-Nov-26", "Thursday, 05-Nov-26", "Friday, 06-Nov-26",
                                       "Saturday, 07-Nov-26"};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s 00:00:00 GMT", days[i]);
        assert_int_equal(cv_time_parse_http(cv_str_of(text), &time), 0);
    }
    static const char *const wrong[] = {
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994     ",
        "Sun Nov 6 08:49:37 1994",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 94",
        "Mon Nov  6 08:49:37 1994",
        "Sun",
        "",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 199x 08:49:37 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49    GMT",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(cv_time_parse_http(cv_str_of(wrong[i]), &time), CV_E_SYNTAX);
    assert_int_equal(cv_time_parse_http(CV_STR("Sun, 31 Nov 1994 08:49:37 GMT"), &time), CV_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(every_day_of_the_range_converts_both_ways),
        cmocka_unit_test(the_calendar_agrees_with_the_c_library),
        cmocka_unit_test(fields_outside_their_range_are_refused),
        cmocka_unit_test(instants_are_written_as_rfc_3339),
        cmocka_unit_test(many_forms_of_an_instant_are_read),
        cmocka_unit_test(what_is_no_instant_is_refused),
        cmocka_unit_test(dates_are_read_and_written),
        cmocka_unit_test(the_http_date_has_one_form_to_write_and_three_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
