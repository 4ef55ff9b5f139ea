/* Arrays and ranges in binary (array_send and range_send of PostgreSQL's backend).
 *
 *     array    dimensions | has NULLs | element type | for each dimension: length, lower index | elements
 *     range    flags | the bounds that there are
 *
 * all numbers of four bytes but the flags, of one. An element or bound is its length, -1 for NULL, and its own binary
 * form. */
#include "base/packed.h"
#include "db/postgres/types.h"
#include "db/postgres/values.h"
#include <endian.h>

static uint32_t number_at(const char *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof big);
    return be32toh(big);
}

/* What is left of a cell. */
typedef struct source {
    const char *at, *end;
} source;

static bool take_number(source *from, int32_t *ret_number)
{
    if (from->end - from->at < 4)
        return false;
    *ret_number = (int32_t)number_at(from->at);
    from->at += 4;
    return true;
}

/* The next element or bound; `len` -1 for NULL. */
static bool take_cell(source *from, cv__pg_cell *ret_cell)
{
    int32_t len;
    if (!take_number(from, &len) || len < -1 || len > from->end - from->at)
        return false;
    *ret_cell = (cv__pg_cell){from->at, len};
    from->at += len > 0 ? len : 0;
    return true;
}

/* --- arrays --- */

/* The C type of the elements of a type. */
static bool element_of(Oid type, unsigned *ret_element, unsigned *ret_bits)
{
    static const struct {
        Oid type;
        cv_type element;
        unsigned bits;
    } elements[] = {
        {CV__PG_INT4, CV_TYPE_I64, 32},  {CV__PG_INT8, CV_TYPE_I64, 64},       {CV__PG_TEXT, CV_TYPE_TEXT, 0},
        {CV__PG_FLOAT8, CV_TYPE_F64, 0}, {CV__PG_BOOL, CV_TYPE_BOOL, 0},       {CV__PG_INT2, CV_TYPE_I64, 16},
        {CV__PG_UUID, CV_TYPE_UUID, 0},  {CV__PG_NUMERIC, CV_TYPE_DECIMAL, 0}, {CV__PG_TIMESTAMPTZ, CV_TYPE_TIME, 0},
        {CV__PG_DATE, CV_TYPE_DATE, 0},  {CV__PG_VARCHAR, CV_TYPE_TEXT, 0},    {CV__PG_BYTEA, CV_TYPE_BYTES, 0},
        {CV__PG_FLOAT4, CV_TYPE_F64, 0}, {CV__PG_TIMESTAMP, CV_TYPE_TIME, 0},  {CV__PG_JSONB, CV_TYPE_JSON, 0},
        {CV__PG_JSON, CV_TYPE_JSON, 0},  {CV__PG_NAME, CV_TYPE_TEXT, 0},       {CV__PG_BPCHAR, CV_TYPE_TEXT, 0},
        {CV__PG_CHAR, CV_TYPE_TEXT, 0},  {CV__PG_OID, CV_TYPE_I64, 64},
    };
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (elements[i].type != type)
            continue;
        *ret_element = elements[i].element;
        *ret_bits = elements[i].bits;
        return true;
    }
    return false;
}

static bool read_header(source *from, int32_t *ret_dimensions, Oid *ret_type, int32_t *ret_count)
{
    int32_t nulls, type, lower;
    *ret_count = 0;
    if (!take_number(from, ret_dimensions) || !take_number(from, &nulls) || !take_number(from, &type))
        return false;
    *ret_type = (Oid)type;
    return *ret_dimensions != 1 || (take_number(from, ret_count) && take_number(from, &lower) && *ret_count >= 0 &&
                                    *ret_count <= (from->end - from->at) / 4);
}

/* Integers of 32 and 64 bits without NULLs, the most common ones, at one go: lengths and values alternate. */
static bool read_plain_integers(cv__array_builder *b, source from, size_t count)
{
    size_t bytes = b->bits / 8;
    if (b->element != CV_TYPE_I64 || b->bits == 16 || (size_t)(from.end - from.at) != count * (4 + bytes))
        return false;
    for (size_t i = 0; i < count; i++, from.at += 4 + bytes) {
        uint64_t big = 0;
        if (number_at(from.at) != bytes)
            return false;
        memcpy(&big, from.at + 4, bytes);
        if (bytes == 4)
            ((int32_t *)(void *)b->items)[i] = (int32_t)number_at(from.at + 4);
        else
            ((int64_t *)(void *)b->items)[i] = (int64_t)be64toh(big);
    }
    b->count = count;
    return true;
}

static int read_elements(cv__array_builder *b, source *from, Oid type, size_t count)
{
    cv__pg_decode_fn *decode = cv__pg_decoder(type);
    for (size_t i = 0; i < count; i++) {
        cv__pg_cell cell;
        cv_value value = cv_value_null();
        if (!take_cell(from, &cell))
            return CV_E_TYPE;
        if (cell.len >= 0)
            CV_TRY(decode(b->arena, cell, &value));
        CV_TRY(cv__array_add(b, value));
    }
    return from->at == from->end ? 0 : CV_E_TYPE;
}

int cv__pg_decode_array(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    source from = {cell.data, cell.data + cell.len};
    cv__array_builder b = {.arena = arena};
    int32_t dimensions, count;
    Oid type;
    if (!read_header(&from, &dimensions, &type, &count))
        return CV_E_TYPE;
    if (dimensions > 1)
        return CV_E_UNSUPPORTED;
    if (!element_of(type, &b.element, &b.bits))
        return CV_E_TYPE;
    CV_TRY(cv__array_reserve(&b, (size_t)count));
    if (count > 0 && !read_plain_integers(&b, from, (size_t)count))
        CV_TRY(read_elements(&b, &from, type, (size_t)count));
    return cv__array_take(&b, ret_value);
}

/* --- ranges --- */

/* A range, and the type of its bounds. */
static const struct range_type {
    Oid range, bound;
    cv_type element;
    unsigned bits;
} range_types[] = {
    {CV__PG_INT8RANGE, CV__PG_INT8, CV_TYPE_I64, 64},      {CV__PG_INT4RANGE, CV__PG_INT4, CV_TYPE_I64, 32},
    {CV__PG_NUMRANGE, CV__PG_NUMERIC, CV_TYPE_DECIMAL, 0}, {CV__PG_TSTZRANGE, CV__PG_TIMESTAMPTZ, CV_TYPE_TIME, 0},
    {CV__PG_TSRANGE, CV__PG_TIMESTAMP, CV_TYPE_TIME, 0},   {CV__PG_DATERANGE, CV__PG_DATE, CV_TYPE_DATE, 0},
};

static int decode_range(cv_arena *arena, cv__pg_cell cell, size_t which, cv_value *ret_value)
{
    const struct range_type *type = &range_types[which];
    cv__pg_decode_fn *decode = cv__pg_decoder(type->bound);
    source from = {cell.data + 1, cell.data + cell.len};
    static const unsigned absent[2] = {CV_RANGE_EMPTY | CV_RANGE_LOWER_INFINITE,
                                       CV_RANGE_EMPTY | CV_RANGE_UPPER_INFINITE};
    cv_value bounds[2] = {cv_value_null(), cv_value_null()};
    if (cell.len < 1)
        return CV_E_TYPE;
    unsigned flags = (unsigned char)cell.data[0];
    for (size_t i = 0; i < 2; i++) {
        cv__pg_cell bound;
        if (flags & absent[i])
            continue;
        if (!take_cell(&from, &bound) || bound.len < 0)
            return CV_E_TYPE;
        CV_TRY(decode(arena, bound, &bounds[i]));
    }
    return cv__range_make(arena, type->element, type->bits, bounds[0], bounds[1], flags, ret_value);
}

static int decode_int8range(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 0, ret_value);
}

static int decode_int4range(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 1, ret_value);
}

static int decode_numrange(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 2, ret_value);
}

static int decode_tstzrange(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 3, ret_value);
}

static int decode_tsrange(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 4, ret_value);
}

static int decode_daterange(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value)
{
    return decode_range(arena, cell, 5, ret_value);
}

cv__pg_decode_fn *cv__pg_range_decoder(Oid type)
{
    static cv__pg_decode_fn *const decoders[] = {decode_int8range, decode_int4range, decode_numrange,
                                                 decode_tstzrange, decode_tsrange,   decode_daterange};
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (range_types[i].range == type)
            return decoders[i];
    return NULL;
}

/* --- parameters --- */

static void add_u32(cv_buf *out, uint32_t number)
{
    uint32_t big = htobe32(number);
    cv_buf_add(out, &big, sizeof big);
}

static void add_u64(cv_buf *out, uint64_t number)
{
    uint64_t big = htobe64(number);
    cv_buf_add(out, &big, sizeof big);
}

static void add_integer(cv_buf *out, unsigned bits, int64_t number)
{
    uint16_t small = htobe16((uint16_t)number);
    if (bits == 16)
        cv_buf_add(out, &small, sizeof small);
    else if (bits == 32)
        add_u32(out, (uint32_t)number);
    else
        add_u64(out, (uint64_t)number);
}

static void add_numeric(cv_buf *out, cv_decimal value)
{
    char numeric[CV__PG_NUMERIC_BYTES];
    cv_buf_add(out, numeric, cv__pg_encode_numeric(value, numeric));
}

static void add_f64(cv_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u64(out, bits);
}

static int add_text(cv_buf *out, cv_str text)
{
    if (memchr(text.ptr, 0, text.len))
        return CV_E_INVALID;
    cv_buf_add_str(out, text);
    return 0;
}

static int add_value(cv_buf *out, unsigned bits, cv_value value)
{
    switch (value.type) {
    case CV_TYPE_BOOL:
        cv_buf_add_char(out, value.as.boolean ? 1 : 0);
        return 0;
    case CV_TYPE_I64:
        add_integer(out, bits, value.as.i64);
        return 0;
    case CV_TYPE_F64:
        add_f64(out, value.as.f64);
        return 0;
    case CV_TYPE_DECIMAL:
        add_numeric(out, value.as.decimal);
        return 0;
    case CV_TYPE_BYTES:
        cv_buf_add(out, value.as.bytes.ptr, value.as.bytes.len);
        return 0;
    case CV_TYPE_TIME:
        add_u64(out, (uint64_t)(value.as.time.us - CV__PG_EPOCH_US));
        return 0;
    case CV_TYPE_DATE:
        add_u32(out, (uint32_t)(value.as.date.days - CV__PG_EPOCH_DAYS));
        return 0;
    case CV_TYPE_UUID:
        cv_buf_add(out, value.as.uuid.bytes, sizeof value.as.uuid.bytes);
        return 0;
    case CV_TYPE_JSON:
        cv_buf_add_char(out, 1); /* the version of jsonb */
        return add_text(out, value.as.text);
    default:
        return add_text(out, value.as.text);
    }
}

/* An element or bound behind its length, which is known when it is written. */
static int add_cell(cv_buf *out, unsigned bits, cv_value value)
{
    size_t at = out->len;
    if (value.type == CV_TYPE_NULL) {
        add_u32(out, UINT32_MAX);
        return 0;
    }
    add_u32(out, 0);
    CV_TRY(add_value(out, bits, value));
    if (out->error)
        return out->error;
    uint32_t len = htobe32((uint32_t)(out->len - at - 4));
    memcpy(out->data + at, &len, sizeof len);
    return 0;
}

static Oid element_type(unsigned element, unsigned bits)
{
    switch (element) {
    case CV_TYPE_BOOL:
        return CV__PG_BOOL;
    case CV_TYPE_I64:
        return bits == 16 ? CV__PG_INT2 : bits == 32 ? CV__PG_INT4 : CV__PG_INT8;
    case CV_TYPE_F64:
        return CV__PG_FLOAT8;
    case CV_TYPE_DECIMAL:
        return CV__PG_NUMERIC;
    case CV_TYPE_BYTES:
        return CV__PG_BYTEA;
    case CV_TYPE_TIME:
        return CV__PG_TIMESTAMPTZ;
    case CV_TYPE_DATE:
        return CV__PG_DATE;
    case CV_TYPE_UUID:
        return CV__PG_UUID;
    case CV_TYPE_JSON:
        return CV__PG_JSONB;
    default:
        return CV__PG_TEXT;
    }
}

static Oid array_type(unsigned element, unsigned bits)
{
    switch (element_type(element, bits)) {
    case CV__PG_BOOL:
        return CV__PG_BOOL_ARRAY;
    case CV__PG_INT2:
        return CV__PG_INT2_ARRAY;
    case CV__PG_INT4:
        return CV__PG_INT4_ARRAY;
    case CV__PG_INT8:
        return CV__PG_INT8_ARRAY;
    case CV__PG_FLOAT8:
        return CV__PG_FLOAT8_ARRAY;
    case CV__PG_NUMERIC:
        return CV__PG_NUMERIC_ARRAY;
    case CV__PG_BYTEA:
        return CV__PG_BYTEA_ARRAY;
    case CV__PG_TIMESTAMPTZ:
        return CV__PG_TIMESTAMPTZ_ARRAY;
    case CV__PG_DATE:
        return CV__PG_DATE_ARRAY;
    case CV__PG_UUID:
        return CV__PG_UUID_ARRAY;
    case CV__PG_JSONB:
        return CV__PG_JSONB_ARRAY;
    default:
        return CV__PG_TEXT_ARRAY;
    }
}

Oid cv__pg_packed_type(cv_value value)
{
    if (value.type == CV_TYPE_ARRAY)
        return array_type(value.as.array.element, value.as.array.bits);
    switch (value.as.range.element) {
    case CV_TYPE_DECIMAL:
        return CV__PG_NUMRANGE;
    case CV_TYPE_TIME:
        return CV__PG_TSTZRANGE;
    case CV_TYPE_DATE:
        return CV__PG_DATERANGE;
    default:
        return value.as.range.bits == 32 ? CV__PG_INT4RANGE : CV__PG_INT8RANGE;
    }
}

static int encode_array(cv_buf *out, cv_array_view array)
{
    add_u32(out, array.count > 0);
    add_u32(out, array.nulls != NULL);
    add_u32(out, element_type(array.element, array.bits));
    if (array.count > 0) {
        add_u32(out, array.count);
        add_u32(out, 1);
    }
    for (size_t i = 0; i < array.count; i++)
        CV_TRY(add_cell(out, array.bits, cv_array_at(array, i)));
    return out->error;
}

static int encode_range(cv_buf *out, cv_range_view range)
{
    cv_value lower = cv_range_lower(range), upper = cv_range_upper(range);
    cv_buf_add_char(out, (char)range.flags);
    if (lower.type != CV_TYPE_NULL)
        CV_TRY(add_cell(out, range.bits, lower));
    if (upper.type != CV_TYPE_NULL)
        CV_TRY(add_cell(out, range.bits, upper));
    return out->error;
}

int cv__pg_encode_packed(cv_buf *out, cv_value value)
{
    return value.type == CV_TYPE_ARRAY ? encode_array(out, value.as.array) : encode_range(out, value.as.range);
}
