/* Instants and dates: the calendar, RFC 3339 and the HTTP date. Days are counted in 400-year eras that begin in March,
 * so that the leap day comes last (Howard Hinnant's "chrono-compatible low-level date algorithms" describes the idea).
 */
#include "base/number.h"

#include <covet/time.h>
#include <time.h>

#define US_PER_SECOND  INT64_C(1000000)
#define US_PER_DAY     (86400 * US_PER_SECOND)
#define DAYS_PER_ERA   146097 /* 400 years */
#define DAYS_TO_EPOCH  719468 /* from 0000-03-01 to 1970-01-01 */
#define MIN_DAYS       (-719162)
#define MAX_DAYS       2932896
#define HTTP_TEXT_SIZE 29

static const char weekday_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of a valid date. */
static int32_t days_of(int year, int month, int day)
{
    int years = month <= 2 ? year - 1 : year; /* the year that began last March */
    int era = (int)floor_div(years, 400);
    int year_of_era = years - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

static void set_date(cv_civil *civil, int64_t days)
{
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int day_of_era = (int)(shifted - era * DAYS_PER_ERA);
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 is March */
    civil->day = day_of_year - (153 * month + 2) / 5 + 1;
    civil->month = month < 10 ? month + 3 : month - 9;
    civil->year = (int)(year_of_era + era * 400) + (civil->month <= 2);
    civil->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

cv_time cv_time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (cv_time){(int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000};
}

cv_civil cv_time_to_civil(cv_time time)
{
    int64_t days = floor_div(time.us, US_PER_DAY);
    int64_t us = time.us - days * US_PER_DAY;
    int seconds = (int)(us / US_PER_SECOND);
    cv_civil civil = {.hour = seconds / 3600,
                      .minute = seconds / 60 % 60,
                      .second = seconds % 60,
                      .microsecond = (int)(us % US_PER_SECOND)};
    set_date(&civil, days);
    return civil;
}

static bool is_between(int value, int low, int high)
{
    return value >= low && value <= high;
}

int cv_date_from_civil(int year, int month, int day, cv_date *ret_date)
{
    if (!is_between(year, 1, 9999) || !is_between(month, 1, 12) || !is_between(day, 1, days_in_month(year, month)))
        return CV_E_RANGE;
    ret_date->days = days_of(year, month, day);
    return 0;
}

int cv_time_from_civil(const cv_civil *civil, cv_time *ret_time)
{
    cv_date date;
    CV_TRY(cv_date_from_civil(civil->year, civil->month, civil->day, &date));
    if (!is_between(civil->hour, 0, 23) || !is_between(civil->minute, 0, 59) || !is_between(civil->second, 0, 59) ||
        !is_between(civil->microsecond, 0, 999999))
        return CV_E_RANGE;
    int64_t seconds = civil->hour * 3600 + civil->minute * 60 + civil->second;
    ret_time->us = date.days * US_PER_DAY + seconds * US_PER_SECOND + civil->microsecond;
    return 0;
}

cv_date cv_date_of(cv_time time)
{
    return (cv_date){(int32_t)floor_div(time.us, US_PER_DAY)};
}

cv_time cv_date_to_time(cv_date date)
{
    return (cv_time){date.days * US_PER_DAY};
}

/* The texts have room for years of four digits. */
static cv_time clamp(cv_time time)
{
    if (time.us < CV_TIME_MIN_US)
        return (cv_time){CV_TIME_MIN_US};
    return time.us > CV_TIME_MAX_US ? (cv_time){CV_TIME_MAX_US} : time;
}

static void put_two(char *out, int value)
{
    cv__two_digits((unsigned)value, out);
}

static void put_four(char *out, int value)
{
    put_two(out, value / 100);
    put_two(out + 2, value % 100);
}

static void put_date(char *out, const cv_civil *civil)
{
    put_four(out, civil->year);
    out[4] = '-';
    put_two(out + 5, civil->month);
    out[7] = '-';
    put_two(out + 8, civil->day);
}

static void put_clock(char *out, const cv_civil *civil)
{
    put_two(out, civil->hour);
    out[2] = ':';
    put_two(out + 3, civil->minute);
    out[5] = ':';
    put_two(out + 6, civil->second);
}

/* Whole milliseconds with three digits, else microseconds with six; how many bytes. */
static size_t put_fraction(char *out, int microsecond)
{
    out[0] = '.';
    if (microsecond % 1000 == 0) {
        out[1] = (char)('0' + microsecond / 100000);
        put_two(out + 2, microsecond / 1000 % 100);
        return 4;
    }
    put_two(out + 1, microsecond / 10000);
    put_four(out + 3, microsecond % 10000);
    return 7;
}

size_t cv_time_format(cv_time time, char out[CV_TIME_TEXT_BYTES])
{
    cv_civil civil = cv_time_to_civil(clamp(time));
    put_date(out, &civil);
    out[10] = 'T';
    put_clock(out + 11, &civil);
    size_t len = 19;
    if (civil.microsecond)
        len += put_fraction(out + len, civil.microsecond);
    out[len++] = 'Z';
    out[len] = '\0';
    return len;
}

size_t cv_date_format(cv_date date, char out[CV_TIME_TEXT_BYTES])
{
    int64_t days = date.days < MIN_DAYS ? MIN_DAYS : date.days > MAX_DAYS ? MAX_DAYS : date.days;
    cv_civil civil = {0};
    set_date(&civil, days);
    put_date(out, &civil);
    out[10] = '\0';
    return 10;
}

size_t cv_time_format_http(cv_time time, char out[CV_TIME_TEXT_BYTES])
{
    cv_civil civil = cv_time_to_civil(clamp(time));
    memcpy(out, weekday_names + 3 * civil.weekday, 3);
    memcpy(out + 3, ", ", 2);
    put_two(out + 5, civil.day);
    out[7] = ' ';
    memcpy(out + 8, month_names + 3 * (civil.month - 1), 3);
    out[11] = ' ';
    put_four(out + 12, civil.year);
    out[16] = ' ';
    put_clock(out + 17, &civil);
    memcpy(out + 25, " GMT", 5);
    return HTTP_TEXT_SIZE;
}

/* A cursor over a text; parsers take from its front and fail when it does not begin with what they want. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool take_number(cursor *text, size_t digits, int *ret_value)
{
    if ((size_t)(text->end - text->at) < digits)
        return false;
    int64_t value = cv__digits_read(text->at, digits);
    if (value < 0)
        return false;
    text->at += digits;
    *ret_value = (int)value;
    return true;
}

static bool take_one_of(cursor *text, const char *accepted)
{
    if (text->at == text->end || !*text->at || !strchr(accepted, *text->at))
        return false;
    text->at++;
    return true;
}

static bool take_date(cursor *text, cv_civil *civil)
{
    return take_number(text, 4, &civil->year) && take_one_of(text, "-") && take_number(text, 2, &civil->month) &&
           take_one_of(text, "-") && take_number(text, 2, &civil->day);
}

/* One digit or more; the first six count. */
static bool take_fraction(cursor *text, int *ret_microsecond)
{
    const char *from = text->at;
    int value = 0;
    for (int unit = 100000; text->at != text->end && *text->at >= '0' && *text->at <= '9'; unit /= 10, text->at++)
        value += unit * (*text->at - '0');
    *ret_microsecond = value;
    return text->at != from;
}

/* "HH:MM[:SS[.fraction]]" */
static bool take_clock(cursor *text, cv_civil *civil)
{
    if (!take_number(text, 2, &civil->hour) || !take_one_of(text, ":") || !take_number(text, 2, &civil->minute))
        return false;
    if (!take_one_of(text, ":"))
        return true;
    if (!take_number(text, 2, &civil->second))
        return false;
    return !take_one_of(text, ".") || take_fraction(text, &civil->microsecond);
}

/* "Z", "+HH:MM", "+HH" or nothing, to the end of the text. */
static int take_offset(cursor *text, int *ret_minutes)
{
    *ret_minutes = 0;
    if (text->at == text->end)
        return 0;
    if (take_one_of(text, "Zz"))
        return text->at == text->end ? 0 : CV_E_SYNTAX;
    bool west = *text->at == '-';
    int hours, minutes = 0;
    if (!take_one_of(text, "+-") || !take_number(text, 2, &hours))
        return CV_E_SYNTAX;
    if (text->at != text->end && (!take_one_of(text, ":") || !take_number(text, 2, &minutes)))
        return CV_E_SYNTAX;
    if (text->at != text->end)
        return CV_E_SYNTAX;
    if (hours > 23 || minutes > 59)
        return CV_E_RANGE;
    *ret_minutes = west ? -(hours * 60 + minutes) : hours * 60 + minutes;
    return 0;
}

int cv_time_parse(cv_str text, cv_time *ret_time)
{
    cursor at = {text.ptr, text.ptr + text.len};
    cv_civil civil = {0};
    int offset;
    if (!take_date(&at, &civil) || !take_one_of(&at, "Tt ") || !take_clock(&at, &civil))
        return CV_E_SYNTAX;
    CV_TRY(take_offset(&at, &offset));
    cv_time time;
    CV_TRY(cv_time_from_civil(&civil, &time));
    time.us -= offset * 60 * US_PER_SECOND;
    if (time.us < CV_TIME_MIN_US || time.us > CV_TIME_MAX_US)
        return CV_E_RANGE;
    *ret_time = time;
    return 0;
}

int cv_date_parse(cv_str text, cv_date *ret_date)
{
    cursor at = {text.ptr, text.ptr + text.len};
    cv_civil civil = {0};
    if (!take_date(&at, &civil) || at.at != at.end)
        return CV_E_SYNTAX;
    return cv_date_from_civil(civil.year, civil.month, civil.day, ret_date);
}

/* The place of a three-letter name in a list of them, or -1. */
static int find_name(const char *name, const char *names)
{
    for (int i = 0; names[3 * i]; i++)
        if (memcmp(name, names + 3 * i, 3) == 0)
            return i;
    return -1;
}

static bool take_text(cursor *text, const char *wanted)
{
    size_t len = strlen(wanted);
    if ((size_t)(text->end - text->at) < len || memcmp(text->at, wanted, len) != 0)
        return false;
    text->at += len;
    return true;
}

static bool take_name(cursor *text, const char *names, int *ret_place)
{
    if (text->end - text->at < 3 || (*ret_place = find_name(text->at, names)) < 0)
        return false;
    text->at += 3;
    return true;
}

/* "HH:MM:SS" */
static bool take_http_clock(cursor *text, cv_civil *civil)
{
    return take_number(text, 2, &civil->hour) && take_text(text, ":") && take_number(text, 2, &civil->minute) &&
           take_text(text, ":") && take_number(text, 2, &civil->second);
}

/* IMF-fixdate, behind the weekday: ", 06 Nov 1994 08:49:37 GMT" */
static bool take_fixdate(cursor at, cv_civil *civil)
{
    return take_text(&at, ", ") && take_number(&at, 2, &civil->day) && take_text(&at, " ") &&
           take_name(&at, month_names, &civil->month) && take_text(&at, " ") && take_number(&at, 4, &civil->year) &&
           take_text(&at, " ") && take_http_clock(&at, civil) && take_text(&at, " GMT") && at.at == at.end;
}

/* The form of asctime(3): " Nov  6 08:49:37 1994" */
static bool take_asctime(cursor at, cv_civil *civil)
{
    return take_text(&at, " ") && take_name(&at, month_names, &civil->month) && take_text(&at, " ") &&
           take_number(&at, take_text(&at, " ") ? 1 : 2, &civil->day) && take_text(&at, " ") &&
           take_http_clock(&at, civil) && take_text(&at, " ") && take_number(&at, 4, &civil->year) && at.at == at.end;
}

/* A year of two digits lies at most 50 years ahead (RFC 9110 5.6.7). */
static int full_year(int two_digits)
{
    int now = cv_time_to_civil(cv_time_now()).year, year = now - now % 100 + two_digits;
    return year > now + 50 ? year - 100 : year;
}

/* RFC 850: "day, 06-Nov-94 08:49:37 GMT" */
static bool take_rfc_850(cursor at, cv_civil *civil)
{
    static const char *const endings[] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
    if (!take_text(&at, endings[civil->weekday]) || !take_text(&at, ", ") || !take_number(&at, 2, &civil->day) ||
        !take_text(&at, "-") || !take_name(&at, month_names, &civil->month) || !take_text(&at, "-") ||
        !take_number(&at, 2, &civil->year) || !take_text(&at, " ") || !take_http_clock(&at, civil) ||
        !take_text(&at, " GMT") || at.at != at.end)
        return false;
    civil->year = full_year(civil->year);
    return true;
}

int cv_time_parse_http(cv_str text, cv_time *ret_time)
{
    cursor at = {text.ptr, text.ptr + text.len};
    cv_civil civil = {0};
    if (!take_name(&at, weekday_names, &civil.weekday) ||
        (!take_fixdate(at, &civil) && !take_rfc_850(at, &civil) && !take_asctime(at, &civil)))
        return CV_E_SYNTAX;
    cv_time time;
    civil.month++;
    CV_TRY(cv_time_from_civil(&civil, &time));
    if (cv_time_to_civil(time).weekday != civil.weekday)
        return CV_E_SYNTAX;
    *ret_time = time;
    return 0;
}
