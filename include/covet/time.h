/* Instants and dates.
 *
 * A `cv_time` is UTC, in microseconds since 1970-01-01T00:00:00Z, without leap seconds; a `cv_date` is a day of the
 * proleptic Gregorian calendar, counted from 1970-01-01. Both range from year 1 to year 9999, which every engine holds.
 * Nothing here suspends; errors come without a story: CV_E_SYNTAX, CV_E_RANGE. */
#ifndef COVET_TIME_H
#define COVET_TIME_H

#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_time {
    int64_t us;
} cv_time;

typedef struct cv_date {
    int32_t days;
} cv_date;

#define CV_TIME_MIN_US     INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define CV_TIME_MAX_US     INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */
#define CV_TIME_TEXT_BYTES 32

/** A calendar instant in UTC: month 1..12, day 1..31, weekday 0 = Sunday. */
typedef struct cv_civil {
    int year, month, day, hour, minute, second, microsecond, weekday;
} cv_civil;

/** The wall clock. */
CV_API cv_time cv_time_now(void);

CV_API cv_civil cv_time_to_civil(cv_time time);
/** CV_E_RANGE for a field outside its range (weekday is ignored). */
CV_API CV_CHECKED int cv_time_from_civil(const cv_civil *civil, cv_time *ret_time);

/** RFC 3339: "2026-11-21T10:00:00.000001Z". Fractions are written as 0, 3 or 6 digits, as needed. Returns the length.
 */
CV_API size_t cv_time_format(cv_time time, char out[CV_TIME_TEXT_BYTES]);

/** RFC 3339 with any offset; a space for the T, a missing offset (taken as UTC) and missing seconds are accepted; more
 *  than six fraction digits are cut. */
CV_API CV_CHECKED int cv_time_parse(cv_str text, cv_time *ret_time);

/** RFC 9110 IMF-fixdate: "Sat, 21 Nov 2026 10:00:00 GMT". Parsing accepts the two obsolete forms, too, as
 *  RFC 9110 demands: "Saturday, 21-Nov-26 10:00:00 GMT" and "Sat Nov 21 10:00:00 2026". */
CV_API size_t cv_time_format_http(cv_time time, char out[CV_TIME_TEXT_BYTES]);
CV_API CV_CHECKED int cv_time_parse_http(cv_str text, cv_time *ret_time);

/** "2026-11-21" */
CV_API size_t cv_date_format(cv_date date, char out[CV_TIME_TEXT_BYTES]);
CV_API CV_CHECKED int cv_date_parse(cv_str text, cv_date *ret_date);
CV_API CV_CHECKED int cv_date_from_civil(int year, int month, int day, cv_date *ret_date);
CV_API cv_date cv_date_of(cv_time time);
CV_API cv_time cv_date_to_time(cv_date date);

CV_END_DECLS

#endif
