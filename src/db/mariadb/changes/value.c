/* The values of a row in the binary log. What no cv_value can hold is passed over; what cannot be passed over ends it.
 */
#include "db/mariadb/changes/codes.h"
#include "db/mariadb/changes/table.h"

#include <arpa/inet.h>
#include <string.h>

enum { GIVEN = 1, NOT_GIVEN = 0 };

/* ---- numbers ---- */

static int integer_value(cv__bytes_in *in, size_t len, const cv__binlog_column *column, cv_value *ret_value)
{
    uint64_t number = cv__bytes_little(in, len);
    if (column->is_unsigned) {
        *ret_value = cv_value_u64(number);
        return GIVEN;
    }
    unsigned shift = (unsigned)(64 - 8 * len);
    int64_t with_sign = (int64_t)(number << shift) >> shift;
    *ret_value = column->sense == CV__BINLOG_BOOLEAN && (with_sign == 0 || with_sign == 1) ? cv_value_bool(with_sign)
                                                                                           : cv_value_i64(with_sign);
    return GIVEN;
}

static int float_value(cv__bytes_in *in, cv_value *ret_value)
{
    uint32_t bits = (uint32_t)cv__bytes_little(in, 4);
    float number;
    memcpy(&number, &bits, sizeof number);
    *ret_value = cv_value_f64((double)number);
    return GIVEN;
}

static int double_value(cv__bytes_in *in, cv_value *ret_value)
{
    uint64_t bits = cv__bytes_little(in, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    *ret_value = cv_value_f64(number);
    return GIVEN;
}

/* Nine digits in four bytes, the rest, in front before the point and at the end behind it, in as few as they need. The
 * first bit is the sign, and turned; all bits are turned when the number is negative. */
enum { MOST_DIGITS = 65 };
static const uint8_t bytes_of_digits[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

static char *put_digits(char *out, const uint8_t *bytes, size_t *at, unsigned digits)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < bytes_of_digits[digits]; i++)
        number = number << 8 | bytes[(*at)++];
    for (unsigned i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + digits;
}

static int decimal_value(cv__bytes_in *in, uint16_t meta, cv_value *ret_value)
{
    unsigned precision = meta >> 8, places = meta & 0xff;
    if (precision > MOST_DIGITS || places > precision)
        return CV_E_CORRUPT;
    unsigned whole = precision - places;
    size_t len = whole / 9 * 4 + bytes_of_digits[whole % 9] + places / 9 * 4 + bytes_of_digits[places % 9], at = 0;
    const uint8_t *taken = cv__bytes_take(in, len);
    uint8_t bytes[4 * (MOST_DIGITS / 9 + 2)];
    char text[MOST_DIGITS + 4], *out = text;
    if (!taken || len == 0)
        return CV_E_CORRUPT;
    bool negative = !(taken[0] & 0x80);
    for (size_t i = 0; i < len; i++)
        bytes[i] = taken[i] ^ (negative ? 0xff : 0);
    bytes[0] ^= 0x80;
    if (negative)
        *out++ = '-';
    *out++ = '0';
    out = put_digits(out, bytes, &at, whole % 9);
    for (unsigned i = 0; i < whole / 9; i++)
        out = put_digits(out, bytes, &at, 9);
    *out++ = '.';
    for (unsigned i = 0; i < places / 9; i++)
        out = put_digits(out, bytes, &at, 9);
    out = put_digits(out, bytes, &at, places % 9);
    out -= places == 0;
    cv_decimal number;
    if (cv_decimal_parse(cv_str_make(text, (size_t)(out - text)), &number) < 0)
        return NOT_GIVEN;
    *ret_value = cv_value_decimal(number);
    return GIVEN;
}

static int bit_value(cv__bytes_in *in, uint16_t meta, cv_value *ret_value)
{
    size_t len = (size_t)(meta & 0xff) + (meta >> 8 != 0);
    if (len > 8)
        return CV_E_CORRUPT;
    *ret_value = cv_value_u64(cv__bytes_big(in, len));
    return GIVEN;
}

/* ---- times ---- */

/* Microseconds of 0 to 6 digits, in half as many bytes. */
static unsigned fraction(cv__bytes_in *in, unsigned digits)
{
    static const unsigned scale[] = {1, 10000, 10000, 100, 100, 1, 1};
    digits = digits > 6 ? 6 : digits;
    return (unsigned)cv__bytes_big(in, (digits + 1) / 2) * scale[digits];
}

static int civil_value(unsigned year, unsigned month, unsigned day, unsigned second_of_day, unsigned us,
                       cv_value *ret_value)
{
    cv_date date;
    if (month == 0 || day == 0 || cv_date_from_civil((int)year, (int)month, (int)day, &date) < 0)
        return NOT_GIVEN;
    cv_time time = cv_date_to_time(date);
    time.us += (int64_t)second_of_day * 1000000 + us;
    *ret_value = cv_value_time(time);
    return GIVEN;
}

static int date_value(cv__bytes_in *in, cv_value *ret_value)
{
    unsigned bits = (unsigned)cv__bytes_little(in, 3), month = bits >> 5 & 15, day = bits & 31;
    cv_date date;
    if (month == 0 || day == 0 || cv_date_from_civil((int)(bits >> 9), (int)month, (int)day, &date) < 0)
        return NOT_GIVEN;
    *ret_value = cv_value_date(date);
    return GIVEN;
}

/* One bit of sign, 17 of year and month (13 months a year), 5 of the day, 17 of the time of day. */
static int datetime_value(cv__bytes_in *in, unsigned digits, cv_value *ret_value)
{
    int64_t bits = (int64_t)cv__bytes_big(in, 5) - INT64_C(0x8000000000);
    unsigned us = fraction(in, digits);
    if (bits < 0)
        return NOT_GIVEN;
    unsigned time = bits & 0x1ffff, date = (unsigned)(bits >> 17), months = date >> 5;
    return civil_value(months / 13, months % 13, date & 31, (time >> 12) * 3600 + (time >> 6 & 63) * 60 + (time & 63),
                       us, ret_value);
}

/* YYYYMMDDhhmmss as a number. */
static int old_datetime_value(cv__bytes_in *in, cv_value *ret_value)
{
    uint64_t number = cv__bytes_little(in, 8), date = number / 1000000, time = number % 1000000;
    return civil_value((unsigned)(date / 10000), (unsigned)(date / 100 % 100), (unsigned)(date % 100),
                       (unsigned)(time / 10000 * 3600 + time / 100 % 100 * 60 + time % 100), 0, ret_value);
}

static int timestamp_value(uint64_t seconds, unsigned us, cv_value *ret_value)
{
    if (seconds == 0 && us == 0)
        return NOT_GIVEN; /* the date of zeros */
    *ret_value = cv_value_time((cv_time){(int64_t)seconds * 1000000 + us});
    return GIVEN;
}

static int clock_value(cv_arena *arena, bool negative, unsigned hours, unsigned minutes, unsigned seconds, unsigned us,
                       unsigned digits, cv_value *ret_value)
{
    static const unsigned scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const char *sign = negative ? "-" : "";
    char *text = digits ? cv_arena_printf(arena, "%s%02u:%02u:%02u.%0*u", sign, hours, minutes, seconds, (int)digits,
                                          us / scale[digits])
                        : cv_arena_printf(arena, "%s%02u:%02u:%02u", sign, hours, minutes, seconds);
    if (!text)
        return CV_E_NOMEM;
    *ret_value = cv_value_text(text);
    return GIVEN;
}

/* Around 0x800000, with the fraction; below it is negative, and counts down. */
static int time_value(cv__bytes_in *in, unsigned digits, cv_arena *arena, cv_value *ret_value)
{
    static const unsigned scale[] = {1, 10000, 10000, 100, 100, 1, 1};
    digits = digits > 6 ? 6 : digits;
    unsigned fraction_bytes = (digits + 1) / 2;
    int64_t bits = (int64_t)cv__bytes_big(in, 3 + fraction_bytes) - (INT64_C(0x800000) << 8 * fraction_bytes);
    bool negative = bits < 0;
    bits = negative ? -bits : bits;
    unsigned us = (unsigned)(bits & ((INT64_C(1) << 8 * fraction_bytes) - 1)) * scale[digits];
    unsigned time = (unsigned)(bits >> 8 * fraction_bytes);
    return clock_value(arena, negative, time >> 12, time >> 6 & 63, time & 63, us, digits, ret_value);
}

static int old_time_value(cv__bytes_in *in, cv_arena *arena, cv_value *ret_value)
{
    int32_t number = (int32_t)(cv__bytes_little(in, 3) << 8) >> 8;
    unsigned time = (unsigned)(number < 0 ? -number : number);
    return clock_value(arena, number < 0, time / 10000, time / 100 % 100, time % 100, 0, 0, ret_value);
}

/* ---- texts and bytes ---- */

static int bytes_value(const uint8_t *bytes, size_t len, cv__binlog_sense sense, cv_value *ret_value)
{
    static const uint8_t nothing[1];
    if (!bytes)
        return CV_E_CORRUPT;
    cv_str text = cv_str_make((const char *)(len ? bytes : nothing), len);
    if (sense == CV__BINLOG_JSON)
        *ret_value = cv_value_json((cv_json){text});
    else if (sense == CV__BINLOG_TEXT)
        *ret_value = cv_value_str(text);
    else
        *ret_value = cv_value_bytes((cv_bytes){(const uint8_t *)text.ptr, len});
    return GIVEN;
}

static int sized_value(cv__bytes_in *in, size_t size_bytes, cv__binlog_sense sense, cv_value *ret_value)
{
    size_t len = cv__bytes_little(in, size_bytes);
    return bytes_value(cv__bytes_take(in, len), len, sense, ret_value);
}

/* Zeros at the end of fixed bytes are not logged. */
static const uint8_t *take_fixed(cv__bytes_in *in, size_t size, cv_arena *arena)
{
    size_t len = cv__bytes_little(in, size > 255 ? 2 : 1);
    const uint8_t *bytes = cv__bytes_take(in, len);
    if (!bytes || len > size || len == size)
        return len > size ? NULL : bytes;
    uint8_t *whole = cv_arena_zalloc(arena, 1, size);
    if (whole)
        memcpy(whole, bytes, len);
    return whole;
}

/* Of the usual versions the parts are stored in reverse, so that an index has them by time. */
static int uuid_value(const uint8_t *stored, cv_value *ret_value)
{
    cv_uuid uuid;
    if (!stored)
        return CV_E_CORRUPT;
    if (stored[6] & 0x80 && stored[8] >= 0x10 && stored[8] < 0x60) {
        memcpy(uuid.bytes, stored + 12, 4);
        memcpy(uuid.bytes + 4, stored + 10, 2);
        memcpy(uuid.bytes + 6, stored + 8, 2);
        memcpy(uuid.bytes + 8, stored + 6, 2);
        memcpy(uuid.bytes + 10, stored, 6);
    } else {
        memcpy(uuid.bytes, stored, sizeof uuid.bytes);
    }
    *ret_value = cv_value_uuid(uuid);
    return GIVEN;
}

static int address_value(const uint8_t *stored, int family, cv_arena *arena, cv_value *ret_value)
{
    char text[INET6_ADDRSTRLEN];
    if (!stored || !inet_ntop(family, stored, text, sizeof text))
        return CV_E_CORRUPT;
    char *kept = cv_arena_strdup(arena, text);
    if (!kept)
        return CV_E_NOMEM;
    *ret_value = cv_value_text(kept);
    return GIVEN;
}

static int string_value(const cv__binlog_column *column, cv__bytes_in *in, cv_arena *arena, cv_value *ret_value)
{
    switch (column->sense) {
    case CV__BINLOG_UUID:
        return uuid_value(take_fixed(in, 16, arena), ret_value);
    case CV__BINLOG_INET4:
        return address_value(take_fixed(in, 4, arena), AF_INET, arena, ret_value);
    case CV__BINLOG_INET6:
        return address_value(take_fixed(in, 16, arena), AF_INET6, arena, ret_value);
    case CV__BINLOG_PADDED:
        return bytes_value(take_fixed(in, column->meta, arena), column->meta, column->sense, ret_value);
    default:
        return sized_value(in, column->meta > 255 ? 2 : 1, column->sense, ret_value);
    }
}

static int enum_value(const cv__binlog_column *column, cv__bytes_in *in, cv_value *ret_value)
{
    uint64_t number = cv__bytes_little(in, column->meta);
    if (!column->members)
        *ret_value = cv_value_u64(number);
    else
        *ret_value = cv_value_text(number > 0 && number <= column->member_count ? column->members[number - 1] : "");
    return GIVEN;
}

static int set_value(const cv__binlog_column *column, cv__bytes_in *in, cv_arena *arena, cv_value *ret_value)
{
    uint64_t bits = cv__bytes_little(in, column->meta);
    if (!column->members) {
        *ret_value = cv_value_u64(bits);
        return GIVEN;
    }
    size_t size = 1;
    for (size_t i = 0; i < column->member_count && i < 64; i++)
        size += bits >> i & 1 ? strlen(column->members[i]) + 1 : 0;
    char *text = cv_arena_alloc(arena, size), *at = text;
    if (!text)
        return CV_E_NOMEM;
    *at = '\0';
    for (size_t i = 0; i < column->member_count && i < 64; i++) {
        if (!(bits >> i & 1))
            continue;
        if (at > text)
            *at++ = ',';
        at = stpcpy(at, column->members[i]);
    }
    *ret_value = cv_value_text(text);
    return GIVEN;
}

static int pass_over(cv__bytes_in *in, size_t size_bytes)
{
    (void)cv__bytes_take(in, cv__bytes_little(in, size_bytes));
    return NOT_GIVEN;
}

/* ---- a value, a row ---- */

static int number_value(const cv__binlog_column *column, cv__bytes_in *in, cv_value *ret_value)
{
    switch (column->code) {
    case CV__CODE_TINY:
        return integer_value(in, 1, column, ret_value);
    case CV__CODE_SHORT:
        return integer_value(in, 2, column, ret_value);
    case CV__CODE_INT24:
        return integer_value(in, 3, column, ret_value);
    case CV__CODE_LONG:
        return integer_value(in, 4, column, ret_value);
    case CV__CODE_LONGLONG:
        return integer_value(in, 8, column, ret_value);
    case CV__CODE_FLOAT:
        return float_value(in, ret_value);
    case CV__CODE_DOUBLE:
        return double_value(in, ret_value);
    case CV__CODE_NEWDECIMAL:
        return decimal_value(in, column->meta, ret_value);
    case CV__CODE_BIT:
        return bit_value(in, column->meta, ret_value);
    case CV__CODE_YEAR: {
        uint64_t year = cv__bytes_little(in, 1);
        *ret_value = cv_value_i64(year ? (int64_t)year + 1900 : 0);
        return GIVEN;
    }
    default:
        return CV_E_TYPE;
    }
}

static int time_or_number_value(const cv__binlog_column *column, cv__bytes_in *in, cv_arena *arena, cv_value *ret_value)
{
    switch (column->code) {
    case CV__CODE_DATE:
    case CV__CODE_NEWDATE:
        return date_value(in, ret_value);
    case CV__CODE_TIME:
        return old_time_value(in, arena, ret_value);
    case CV__CODE_TIME2:
        return time_value(in, column->meta, arena, ret_value);
    case CV__CODE_DATETIME:
        return old_datetime_value(in, ret_value);
    case CV__CODE_DATETIME2:
        return datetime_value(in, column->meta, ret_value);
    case CV__CODE_TIMESTAMP:
        return timestamp_value(cv__bytes_little(in, 4), 0, ret_value);
    case CV__CODE_TIMESTAMP2: {
        uint64_t seconds = cv__bytes_big(in, 4);
        return timestamp_value(seconds, fraction(in, column->meta), ret_value);
    }
    default:
        return number_value(column, in, ret_value);
    }
}

static int value(const cv__binlog_column *column, cv__bytes_in *in, cv_arena *arena, cv_value *ret_value)
{
    switch (column->code) {
    case CV__CODE_VARCHAR:
    case CV__CODE_VAR_STRING:
        return sized_value(in, column->meta > 255 ? 2 : 1, column->sense, ret_value);
    case CV__CODE_BLOB:
    case CV__CODE_GEOMETRY:
        return column->meta > 4 ? CV_E_CORRUPT : sized_value(in, column->meta, column->sense, ret_value);
    case CV__CODE_STRING:
        return string_value(column, in, arena, ret_value);
    case CV__CODE_ENUM:
        return column->meta > 2 ? CV_E_CORRUPT : enum_value(column, in, ret_value);
    case CV__CODE_SET:
        return column->meta > 8 ? CV_E_CORRUPT : set_value(column, in, arena, ret_value);
    case CV__CODE_VARCHAR_COMPRESSED:
        return pass_over(in, column->meta > 255 ? 2 : 1);
    case CV__CODE_BLOB_COMPRESSED:
        return column->meta > 4 ? CV_E_CORRUPT : pass_over(in, column->meta);
    default:
        return time_or_number_value(column, in, arena, ret_value);
    }
}

static bool bit_at(const uint8_t *bits, size_t index)
{
    return bits[index / 8] >> index % 8 & 1;
}

static size_t count_present(const uint8_t *present, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += bit_at(present, i);
    return found;
}

int cv__binlog_row(const cv__binlog_table *table, cv__bytes_in *in, const uint8_t *present, cv_arena *arena,
                   cv_value *ret_values, bool *ret_given, bool *ret_complete, size_t *ret_column)
{
    const uint8_t *nulls = cv__bytes_take(in, (count_present(present, table->column_count) + 7) / 8);
    size_t logged = 0;
    if (!nulls)
        return CV_E_CORRUPT;
    for (size_t i = 0; i < table->column_count; i++) {
        ret_values[i] = CV_NULL;
        ret_given[i] = bit_at(present, i);
        if (!ret_given[i]) {
            *ret_complete = false;
            continue;
        }
        if (bit_at(nulls, logged++))
            continue;
        int rc = value(&table->columns[i], in, arena, &ret_values[i]);
        *ret_column = i;
        if (rc < 0 || in->bad)
            return rc < 0 ? rc : CV_E_CORRUPT;
        ret_given[i] = rc == GIVEN;
        *ret_complete &= ret_given[i];
    }
    return 0;
}
