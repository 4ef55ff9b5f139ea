/* The types of columns in the log: their names, what they become, and values that come as text. */
#include "db/postgres/changes/pgoutput.h"
#include "db/postgres/types.h"

static const struct {
    Oid type;
    cv_type ours;
    const char *name;
} types[] = {
    {CV__PG_BOOL, CV_TYPE_BOOL, "boolean"},
    {CV__PG_INT2, CV_TYPE_I64, "smallint"},
    {CV__PG_INT4, CV_TYPE_I64, "integer"},
    {CV__PG_INT8, CV_TYPE_I64, "bigint"},
    {CV__PG_OID, CV_TYPE_I64, "oid"},
    {CV__PG_XID, CV_TYPE_I64, "xid"},
    {CV__PG_CID, CV_TYPE_I64, "cid"},
    {CV__PG_XID8, CV_TYPE_I64, "xid8"},
    {CV__PG_REGPROC, CV_TYPE_I64, "regproc"},
    {CV__PG_REGCLASS, CV_TYPE_I64, "regclass"},
    {CV__PG_REGTYPE, CV_TYPE_I64, "regtype"},
    {CV__PG_FLOAT4, CV_TYPE_F64, "real"},
    {CV__PG_FLOAT8, CV_TYPE_F64, "double precision"},
    {CV__PG_NUMERIC, CV_TYPE_DECIMAL, "numeric"},
    {CV__PG_TEXT, CV_TYPE_TEXT, "text"},
    {CV__PG_VARCHAR, CV_TYPE_TEXT, "character varying"},
    {CV__PG_BPCHAR, CV_TYPE_TEXT, "character"},
    {CV__PG_CHAR, CV_TYPE_TEXT, "\"char\""},
    {CV__PG_NAME, CV_TYPE_TEXT, "name"},
    {CV__PG_XML, CV_TYPE_TEXT, "xml"},
    {CV__PG_BYTEA, CV_TYPE_BYTES, "bytea"},
    {CV__PG_TIMESTAMP, CV_TYPE_TIME, "timestamp without time zone"},
    {CV__PG_TIMESTAMPTZ, CV_TYPE_TIME, "timestamp with time zone"},
    {CV__PG_DATE, CV_TYPE_DATE, "date"},
    {CV__PG_UUID, CV_TYPE_UUID, "uuid"},
    {CV__PG_JSON, CV_TYPE_JSON, "json"},
    {CV__PG_JSONB, CV_TYPE_JSON, "jsonb"},
    {CV__PG_TIME, CV_TYPE_TEXT, "time without time zone"},
    {CV__PG_TIMETZ, CV_TYPE_TEXT, "time with time zone"},
    {CV__PG_INTERVAL, CV_TYPE_TEXT, "interval"},
    {CV__PG_INET, CV_TYPE_TEXT, "inet"},
    {CV__PG_CIDR, CV_TYPE_TEXT, "cidr"},
    {CV__PG_MACADDR, CV_TYPE_TEXT, "macaddr"},
    {CV__PG_MACADDR8, CV_TYPE_TEXT, "macaddr8"},
    {CV__PG_BIT, CV_TYPE_TEXT, "bit"},
    {CV__PG_VARBIT, CV_TYPE_TEXT, "bit varying"},
    {CV__PG_LSN, CV_TYPE_TEXT, "pg_lsn"},
    {CV__PG_JSONPATH, CV_TYPE_TEXT, "jsonpath"},
    {CV__PG_INT4RANGE, CV_TYPE_RANGE, "int4range"},
    {CV__PG_INT8RANGE, CV_TYPE_RANGE, "int8range"},
    {CV__PG_NUMRANGE, CV_TYPE_RANGE, "numrange"},
    {CV__PG_TSRANGE, CV_TYPE_RANGE, "tsrange"},
    {CV__PG_TSTZRANGE, CV_TYPE_RANGE, "tstzrange"},
    {CV__PG_DATERANGE, CV_TYPE_RANGE, "daterange"},
    {CV__PG_BOOL_ARRAY, CV_TYPE_ARRAY, "boolean[]"},
    {CV__PG_INT2_ARRAY, CV_TYPE_ARRAY, "smallint[]"},
    {CV__PG_INT4_ARRAY, CV_TYPE_ARRAY, "integer[]"},
    {CV__PG_INT8_ARRAY, CV_TYPE_ARRAY, "bigint[]"},
    {CV__PG_FLOAT4_ARRAY, CV_TYPE_ARRAY, "real[]"},
    {CV__PG_FLOAT8_ARRAY, CV_TYPE_ARRAY, "double precision[]"},
    {CV__PG_NUMERIC_ARRAY, CV_TYPE_ARRAY, "numeric[]"},
    {CV__PG_TEXT_ARRAY, CV_TYPE_ARRAY, "text[]"},
    {CV__PG_VARCHAR_ARRAY, CV_TYPE_ARRAY, "character varying[]"},
    {CV__PG_BPCHAR_ARRAY, CV_TYPE_ARRAY, "character[]"},
    {CV__PG_CHAR_ARRAY, CV_TYPE_ARRAY, "\"char\"[]"},
    {CV__PG_NAME_ARRAY, CV_TYPE_ARRAY, "name[]"},
    {CV__PG_BYTEA_ARRAY, CV_TYPE_ARRAY, "bytea[]"},
    {CV__PG_TIMESTAMP_ARRAY, CV_TYPE_ARRAY, "timestamp without time zone[]"},
    {CV__PG_TIMESTAMPTZ_ARRAY, CV_TYPE_ARRAY, "timestamp with time zone[]"},
    {CV__PG_DATE_ARRAY, CV_TYPE_ARRAY, "date[]"},
    {CV__PG_UUID_ARRAY, CV_TYPE_ARRAY, "uuid[]"},
    {CV__PG_JSON_ARRAY, CV_TYPE_ARRAY, "json[]"},
    {CV__PG_JSONB_ARRAY, CV_TYPE_ARRAY, "jsonb[]"},
    {CV__PG_OID_ARRAY, CV_TYPE_ARRAY, "oid[]"},
    {CV__PG_INT2VECTOR, CV_TYPE_ARRAY, "int2vector"},
    {CV__PG_OIDVECTOR, CV_TYPE_ARRAY, "oidvector"},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

static size_t find(Oid type)
{
    size_t i = 0;
    while (i < TYPE_COUNT && types[i].type != type)
        i++;
    return i;
}

cv_type cv__pgoutput_type(Oid type, bool text)
{
    size_t i = find(type);
    cv_type ours = i < TYPE_COUNT ? types[i].ours : CV_TYPE_TEXT;
    return text && (ours == CV_TYPE_ARRAY || ours == CV_TYPE_RANGE) ? CV_TYPE_TEXT : ours;
}

const char *cv__pgoutput_type_name(cv_arena *arena, Oid type, int32_t modifier)
{
    size_t i = find(type);
    if (i == TYPE_COUNT)
        return NULL;
    int32_t value = modifier >= 4 ? modifier - 4 : -1; /* the length of a head that there is no more */
    if (value >= 0 && (type == CV__PG_VARCHAR || type == CV__PG_BPCHAR))
        return cv_arena_printf(arena, "%s(%d)", types[i].name, value);
    if (value >= 0 && type == CV__PG_NUMERIC)
        return cv_arena_printf(arena, "%s(%d,%d)", types[i].name, value >> 16, value & 0x7ff);
    return types[i].name;
}

/* --- texts --- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 1 when it is not of the form that the server writes. */
static int bytes_from_text(cv_arena *arena, cv_str text, cv_value *ret_value)
{
    if (!cv_str_starts_with(text, CV_STR("\\x")) || text.len % 2)
        return 1;
    size_t len = text.len / 2 - 1;
    uint8_t *bytes = cv_arena_alloc(arena, len + 1);
    if (!bytes)
        return CV_E_NOMEM;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.ptr[2 + 2 * i]), low = hex_digit(text.ptr[3 + 2 * i]);
        if (high < 0 || low < 0)
            return 1;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_value = cv_value_bytes((cv_bytes){bytes, len});
    return 0;
}

/* The session is in UTC: the zone is always "+00". */
static int time_from_text(cv_str text, cv_value *ret_value)
{
    cv_time time;
    if (cv_str_ends_with(text, CV_STR("+00")))
        text.len -= 3;
    if (cv_time_parse(text, &time) < 0)
        return 1;
    *ret_value = cv_value_time(time);
    return 0;
}

static int f64_from_text(cv_str text, cv_value *ret_value)
{
    static const struct {
        cv_str text;
        double value;
    } special[] = {
        {{"NaN", 3}, __builtin_nan("")}, {{"Infinity", 8}, __builtin_inf()}, {{"-Infinity", 9}, -__builtin_inf()}};
    double value;
    for (size_t i = 0; i < 3; i++)
        if (cv_str_equal(text, special[i].text)) {
            *ret_value = cv_value_f64(special[i].value);
            return 0;
        }
    if (cv_str_to_f64(text, &value) < 0)
        return 1;
    *ret_value = cv_value_f64(value);
    return 0;
}

static int date_from_text(cv_str text, cv_value *ret_value)
{
    cv_date date;
    if (cv_date_parse(text, &date) < 0)
        return 1;
    *ret_value = cv_value_date(date);
    return 0;
}

static int uuid_from_text(cv_str text, cv_value *ret_value)
{
    cv_uuid uuid;
    if (cv_uuid_parse(text, &uuid) < 0)
        return 1;
    *ret_value = cv_value_uuid(uuid);
    return 0;
}

static int decimal_from_text(cv_str text, cv_value *ret_value)
{
    cv_decimal decimal;
    if (cv_decimal_parse(text, &decimal) < 0)
        return 1;
    *ret_value = cv_value_decimal(decimal);
    return 0;
}

static int i64_from_text(cv_str text, cv_value *ret_value)
{
    int64_t value;
    if (cv_str_to_i64(text, &value) < 0)
        return 1;
    *ret_value = cv_value_i64(value);
    return 0;
}

static int from_text(cv_arena *arena, cv_type type, cv_str text, cv_value *ret_value)
{
    switch (type) {
    case CV_TYPE_BOOL:
        *ret_value = cv_value_bool(cv_str_equal(text, CV_STR("t")));
        return 0;
    case CV_TYPE_I64:
        return i64_from_text(text, ret_value);
    case CV_TYPE_F64:
        return f64_from_text(text, ret_value);
    case CV_TYPE_DECIMAL:
        return decimal_from_text(text, ret_value);
    case CV_TYPE_BYTES:
        return bytes_from_text(arena, text, ret_value);
    case CV_TYPE_TIME:
        return time_from_text(text, ret_value);
    case CV_TYPE_DATE:
        return date_from_text(text, ret_value);
    case CV_TYPE_UUID:
        return uuid_from_text(text, ret_value);
    case CV_TYPE_JSON:
        *ret_value = cv_value_json((cv_json){text});
        return 0;
    default:
        return 1;
    }
}

int cv__pgoutput_from_text(cv_arena *arena, Oid type, cv_str text, cv_value *ret_value)
{
    int rc = from_text(arena, cv__pgoutput_type(type, true), text, ret_value);
    if (rc > 0)
        *ret_value = cv_value_str(text);
    return rc < 0 ? rc : 0;
}
