/* Cells of the binary protocol to values
 * (https://mariadb.com/kb/en/resultset-row/, "Binary Resultset Row"). */
#include "db/mariadb/values.h"

#include <endian.h>

/* The character set of what is bytes and no text. */
enum { BINARY_CHARSET = 63 };

/* --- taking cells off a row --- */

static uint64_t little(const unsigned char *at, size_t len)
{
    uint64_t value = 0;
    memcpy(&value, at, len);
    return le64toh(value);
}

/* The bytes of a type of fixed size; 0: the length comes first. */
static size_t fixed_size(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_TINY:
        return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
        return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

static size_t take_length(unsigned char **at)
{
    unsigned char first = *(*at)++;
    size_t size = first == 252 ? 2 : first == 253 ? 3 : first == 254 ? 8 : 0;
    if (size == 0)
        return first;
    size_t len = little(*at, size);
    *at += size;
    return len;
}

cv__my_cell cv__my_take_cell(enum enum_field_types type, unsigned char **row)
{
    if (!row)
        return (cv__my_cell){NULL, 0};
    size_t len = fixed_size(type);
    if (len == 0)
        len = take_length(row);
    cv__my_cell cell = {*row, len};
    *row += len;
    return cell;
}

/* --- numbers --- */

static int decode_i8(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_i64((int8_t)cell.data[0]);
    return 0;
}

/* BOOLEAN is TINYINT(1), which holds other numbers, too: they stay what they are. */
static int decode_bool(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cell.data[0] <= 1 ? cv_value_bool(cell.data[0]) : cv_value_i64((int8_t)cell.data[0]);
    return 0;
}

static int decode_i16(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_i64((int16_t)little(cell.data, 2));
    return 0;
}

static int decode_i32(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_i64((int32_t)little(cell.data, 4));
    return 0;
}

static int decode_i64(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_i64((int64_t)little(cell.data, 8));
    return 0;
}

static int decode_unsigned(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_u64(little(cell.data, cell.len));
    return 0;
}

static int decode_f32(cv__my_cell cell, cv_value *ret_value)
{
    uint32_t bits = (uint32_t)little(cell.data, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    *ret_value = cv_value_f64(value);
    return 0;
}

static int decode_f64(cv__my_cell cell, cv_value *ret_value)
{
    uint64_t bits = little(cell.data, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    *ret_value = cv_value_f64(value);
    return 0;
}

static int decode_decimal(cv__my_cell cell, cv_value *ret_value)
{
    cv_decimal value;
    CV_TRY(cv_decimal_parse(cv_str_make((const char *)cell.data, cell.len), &value));
    *ret_value = cv_value_decimal(value);
    return 0;
}

/* BIT(n): a number, its highest byte first. */
static int decode_bits(cv__my_cell cell, cv_value *ret_value)
{
    uint64_t value = 0;
    if (cell.len > sizeof value)
        return CV_E_TYPE;
    for (size_t i = 0; i < cell.len; i++)
        value = value << 8 | cell.data[i];
    *ret_value = cv_value_u64(value);
    return 0;
}

/* --- texts and bytes --- */

static cv_str str_of(cv__my_cell cell)
{
    return cv_str_make((const char *)cell.data, cell.len);
}

static int decode_text(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_str(str_of(cell));
    return 0;
}

static int decode_json(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_json((cv_json){str_of(cell)});
    return 0;
}

static int decode_uuid(cv__my_cell cell, cv_value *ret_value)
{
    cv_uuid uuid;
    CV_TRY(cv_uuid_parse(str_of(cell), &uuid));
    *ret_value = cv_value_uuid(uuid);
    return 0;
}

static int decode_bytes(cv__my_cell cell, cv_value *ret_value)
{
    *ret_value = cv_value_bytes((cv_bytes){cell.data, cell.len});
    return 0;
}

/* --- times --- */

/* Year, month and day; then, where they are not zero, hour, minute and second; then microseconds. The date of zeros is
 * none. */
static int decode_civil(cv__my_cell cell, cv_civil *ret_civil)
{
    if (cell.len != 4 && cell.len != 7 && cell.len != 11)
        return cell.len == 0 ? CV_E_RANGE : CV_E_TYPE;
    const unsigned char *at = cell.data;
    *ret_civil = (cv_civil){.year = (int)little(at, 2), .month = at[2], .day = at[3]};
    if (cell.len >= 7) {
        ret_civil->hour = at[4];
        ret_civil->minute = at[5];
        ret_civil->second = at[6];
    }
    if (cell.len == 11)
        ret_civil->microsecond = (int)little(at + 7, 4);
    return 0;
}

static int decode_datetime(cv__my_cell cell, cv_value *ret_value)
{
    cv_civil civil;
    cv_time time;
    CV_TRY(decode_civil(cell, &civil));
    CV_TRY(cv_time_from_civil(&civil, &time));
    *ret_value = cv_value_time(time);
    return 0;
}

static int decode_date(cv__my_cell cell, cv_value *ret_value)
{
    cv_civil civil;
    cv_date date;
    CV_TRY(decode_civil(cell, &civil));
    CV_TRY(cv_date_from_civil(civil.year, civil.month, civil.day, &date));
    *ret_value = cv_value_date(date);
    return 0;
}

static int decode_null(cv__my_cell cell, cv_value *ret_value)
{
    (void)cell;
    *ret_value = cv_value_null();
    return 0;
}

/* --- which one --- */

/* What the server says of a column beyond its type: "uuid", "json". MySQL says nothing. */
bool cv__my_is_called(const MYSQL_FIELD *field, enum mariadb_field_attr_t attribute, const char *name)
{
    MARIADB_CONST_STRING said = {0};
    return mariadb_field_attr(&said, field, attribute) == 0 && said.length == strlen(name) &&
           memcmp(said.str, name, said.length) == 0;
}

static cv__my_decode_fn *decoder_of_string(const MYSQL_FIELD *field)
{
    if (cv__my_is_called(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME, "uuid"))
        return decode_uuid;
    if (cv__my_is_called(field, MARIADB_FIELD_ATTR_FORMAT_NAME, "json"))
        return decode_json;
    return field->charsetnr == BINARY_CHARSET ? decode_bytes : decode_text;
}

static cv__my_decode_fn *decoder_of_integer(const MYSQL_FIELD *field)
{
    if (field->flags & UNSIGNED_FLAG)
        return decode_unsigned;
    switch (field->type) {
    case MYSQL_TYPE_TINY:
        return field->length == 1 ? decode_bool : decode_i8;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        return decode_i16;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
        return decode_i32;
    default:
        return decode_i64;
    }
}

cv__my_decode_fn *cv__my_decoder(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
        return decoder_of_integer(field);
    case MYSQL_TYPE_FLOAT:
        return decode_f32;
    case MYSQL_TYPE_DOUBLE:
        return decode_f64;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return decode_decimal;
    case MYSQL_TYPE_BIT:
        return decode_bits;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        return decode_datetime;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return decode_date;
    case MYSQL_TYPE_NULL:
        return decode_null;
    case MYSQL_TYPE_JSON:
        return decode_json;
    case MYSQL_TYPE_GEOMETRY:
        return decode_bytes;
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
        return decoder_of_string(field);
    default:
        return NULL;
    }
}
