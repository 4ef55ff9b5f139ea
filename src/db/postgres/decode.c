/* Binary results, by the type that the server declares. Formats: the ..._send functions of PostgreSQL's backend. */
#include "db/postgres/rows.h"
#include "db/postgres/types.h"
#include <endian.h>

static uint16_t read_u16(const char *at)
{
    uint16_t big;
    memcpy(&big, at, sizeof big);
    return be16toh(big);
}

static uint32_t read_u32(const char *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof big);
    return be32toh(big);
}

static uint64_t read_u64(const char *at)
{
    uint64_t big;
    memcpy(&big, at, sizeof big);
    return be64toh(big);
}

/* Only what the type has is written: a whole value, made and copied, costs more than all the rest of a cell. */
static int set_i64(cv_value *value, int64_t x)
{
    value->type = CV_TYPE_I64;
    value->as.i64 = x;
    return 0;
}

static int set_f64(cv_value *value, double x)
{
    value->type = CV_TYPE_F64;
    value->as.f64 = x;
    return 0;
}

static int set_text(cv_value *value, cv_type type, const char *text, int len)
{
    value->type = type;
    value->as.text = cv_str_make(text, (size_t)len);
    return 0;
}

static int decode_bool(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 1)
        return CV_E_TYPE;
    ret_value->type = CV_TYPE_BOOL;
    ret_value->as.boolean = cell.data[0] != 0;
    return 0;
}

static int decode_int2(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 2)
        return CV_E_TYPE;
    return set_i64(ret_value, (int16_t)read_u16(cell.data));
}

static int decode_int4(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 4)
        return CV_E_TYPE;
    return set_i64(ret_value, (int32_t)read_u32(cell.data));
}

/* Object identifiers and transaction numbers have no sign. */
static int decode_oid(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 4)
        return CV_E_TYPE;
    return set_i64(ret_value, (int64_t)read_u32(cell.data));
}

static int decode_int8(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 8)
        return CV_E_TYPE;
    return set_i64(ret_value, (int64_t)read_u64(cell.data));
}

static int decode_float4(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 4)
        return CV_E_TYPE;
    uint32_t bits = read_u32(cell.data);
    float value;
    memcpy(&value, &bits, sizeof value);
    return set_f64(ret_value, (double)value);
}

static int decode_float8(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 8)
        return CV_E_TYPE;
    uint64_t bits = read_u64(cell.data);
    double value;
    memcpy(&value, &bits, sizeof value);
    return set_f64(ret_value, value);
}

static int decode_text(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    return set_text(ret_value, CV_TYPE_TEXT, cell.data, cell.len);
}

static int decode_json(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    return set_text(ret_value, CV_TYPE_JSON, cell.data, cell.len);
}

/* A version byte, then the text. */
static int decode_jsonb(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len < 1 || cell.data[0] != 1)
        return CV_E_TYPE;
    return set_text(ret_value, CV_TYPE_JSON, cell.data + 1, cell.len - 1);
}

static int decode_bytea(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    ret_value->type = CV_TYPE_BYTES;
    ret_value->as.bytes = (cv_bytes){(const uint8_t *)cell.data, (size_t)cell.len};
    return 0;
}

/* Beyond years 1 to 9999 lie the infinities, too. */
static int decode_time(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 8)
        return CV_E_TYPE;
    int64_t us = (int64_t)read_u64(cell.data);
    if (us < CV_TIME_MIN_US - CV__PG_EPOCH_US || us > CV_TIME_MAX_US - CV__PG_EPOCH_US)
        return CV_E_RANGE;
    ret_value->type = CV_TYPE_TIME;
    ret_value->as.time = (cv_time){us + CV__PG_EPOCH_US};
    return 0;
}

#define DAY_US INT64_C(86400000000)

static int decode_date(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    if (cell.len != 4)
        return CV_E_TYPE;
    int64_t days = (int64_t)(int32_t)read_u32(cell.data) + CV__PG_EPOCH_DAYS;
    if (days < CV_TIME_MIN_US / DAY_US || days > CV_TIME_MAX_US / DAY_US)
        return CV_E_RANGE;
    *ret_value = cv_value_date((cv_date){(int32_t)days});
    return 0;
}

static int decode_uuid(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena;
    cv_uuid uuid;
    if (cell.len != sizeof uuid.bytes)
        return CV_E_TYPE;
    memcpy(uuid.bytes, cell.data, sizeof uuid.bytes);
    *ret_value = cv_value_uuid(uuid);
    return 0;
}

/* What functions without a result return. */
static int decode_void(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    (void)arena, (void)cell;
    *ret_value = cv_value_null();
    return 0;
}

static const struct {
    Oid type;
    cv__pg_decode_fn *decode;
} decoders[] = {
    {CV__PG_INT8, decode_int8},
    {CV__PG_INT4, decode_int4},
    {CV__PG_TEXT, decode_text},
    {CV__PG_VARCHAR, decode_text},
    {CV__PG_BOOL, decode_bool},
    {CV__PG_TIMESTAMPTZ, decode_time},
    {CV__PG_NUMERIC, cv__pg_decode_numeric},
    {CV__PG_FLOAT8, decode_float8},
    {CV__PG_INT2, decode_int2},
    {CV__PG_FLOAT4, decode_float4},
    {CV__PG_BYTEA, decode_bytea},
    {CV__PG_TIMESTAMP, decode_time},
    {CV__PG_DATE, decode_date},
    {CV__PG_UUID, decode_uuid},
    {CV__PG_JSON, decode_json},
    {CV__PG_JSONB, decode_jsonb},
    {CV__PG_BPCHAR, decode_text},
    {CV__PG_NAME, decode_text},
    {CV__PG_OID, decode_oid},
    {CV__PG_XID, decode_oid},
    {CV__PG_CID, decode_oid},
    {CV__PG_REGCLASS, decode_oid},
    {CV__PG_REGTYPE, decode_oid},
    {CV__PG_REGPROC, decode_oid},
    {CV__PG_CHAR, decode_text},
    {CV__PG_UNKNOWN, decode_text},
    {CV__PG_INT8_ARRAY, cv__pg_decode_array},
    {CV__PG_INT4_ARRAY, cv__pg_decode_array},
    {CV__PG_TEXT_ARRAY, cv__pg_decode_array},
    {CV__PG_FLOAT8_ARRAY, cv__pg_decode_array},
    {CV__PG_BOOL_ARRAY, cv__pg_decode_array},
    {CV__PG_UUID_ARRAY, cv__pg_decode_array},
    {CV__PG_NUMERIC_ARRAY, cv__pg_decode_array},
    {CV__PG_TIMESTAMPTZ_ARRAY, cv__pg_decode_array},
    {CV__PG_DATE_ARRAY, cv__pg_decode_array},
    {CV__PG_INT2_ARRAY, cv__pg_decode_array},
    {CV__PG_VARCHAR_ARRAY, cv__pg_decode_array},
    {CV__PG_BYTEA_ARRAY, cv__pg_decode_array},
    {CV__PG_FLOAT4_ARRAY, cv__pg_decode_array},
    {CV__PG_TIMESTAMP_ARRAY, cv__pg_decode_array},
    {CV__PG_JSONB_ARRAY, cv__pg_decode_array},
    {CV__PG_JSON_ARRAY, cv__pg_decode_array},
    {CV__PG_NAME_ARRAY, cv__pg_decode_array},
    {CV__PG_BPCHAR_ARRAY, cv__pg_decode_array},
    {CV__PG_CHAR_ARRAY, cv__pg_decode_array},
    {CV__PG_OID_ARRAY, cv__pg_decode_array},
    {CV__PG_INT2VECTOR, cv__pg_decode_array},
    {CV__PG_OIDVECTOR, cv__pg_decode_array},
    {CV__PG_XID8, decode_int8},
    {CV__PG_XML, decode_text},
    {CV__PG_VOID, decode_void},
};

cv__pg_decode_fn *cv__pg_decoder(Oid type)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (decoders[i].type == type)
            return decoders[i].decode;
    cv__pg_decode_fn *decode = cv__pg_range_decoder(type);
    return decode ? decode : cv__pg_textual_decoder(type);
}

bool cv__pg_needs_arena(Oid type)
{
    return cv__pg_decoder(type) == cv__pg_decode_array || cv__pg_range_decoder(type) != NULL ||
           cv__pg_textual_decoder(type) != NULL;
}

/* The decoders of most cells are compared with and inlined: where the columns are of several types, the processor
 * guesses wrong where an indirect call leads, which costs more than the call. */
static inline int decode_cell(cv_arena *arena, const cv__pg_column *column, cv__pg_cell cell, cv_value *ret_value)
{
    cv__pg_decode_fn *decode = column->decode;
    if (cell.len < 0) {
        ret_value->type = CV_TYPE_NULL;
        return 0;
    }
    if (decode == decode_int4)
        return decode_int4(arena, cell, ret_value);
    if (decode == decode_int8)
        return decode_int8(arena, cell, ret_value);
    if (decode == decode_text)
        return decode_text(arena, cell, ret_value);
    if (decode == decode_bool)
        return decode_bool(arena, cell, ret_value);
    if (decode == decode_time)
        return decode_time(arena, cell, ret_value);
    if (decode == decode_float8)
        return decode_float8(arena, cell, ret_value);
    if (decode == decode_oid)
        return decode_oid(arena, cell, ret_value);
    if (decode == decode_int2)
        return decode_int2(arena, cell, ret_value);
    return decode(arena, cell, ret_value);
}

int cv__pg_decode_cell(cv_arena *arena, const cv__pg_column *column, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_cell(arena, column, cell, ret_value);
}

/* Only what is empty is asked whether it is NULL. */
static cv__pg_cell cell_of(const PGresult *result, int row, int column)
{
    int len = PQgetlength(result, row, column);
    bool null = len == 0 && PQgetisnull(result, row, column);
    return (cv__pg_cell){PQgetvalue(result, row, column), null ? -1 : len};
}

int cv__pg_decode_row(cv__pg_columns *columns, const PGresult *result, int row, cv_value *ret_values)
{
    const cv__pg_column *column = columns->at;
    for (size_t i = 0; i < columns->count; i++) {
        int rc = decode_cell(columns->memory.arena, &column[i], cell_of(result, row, (int)i), &ret_values[i]);
        if (rc < 0) {
            columns->failed = i;
            return rc;
        }
    }
    return 0;
}
