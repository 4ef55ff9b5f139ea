/* The types of columns, for copying. */
#include "db/postgres/types.h"
#include "db/postgres/copy/copy.h"

/* What is known of a type. */
typedef struct known_type {
    Oid oid;
    cv__pg_form form;
    cv_type type, element;
    uint16_t bits;
} known_type;

static const known_type known_types[] = {
    {CV__PG_BOOL, CV__PG_AS_BOOL, CV_TYPE_BOOL, CV_TYPE_NULL, 0},
    {CV__PG_INT2, CV__PG_AS_INT2, CV_TYPE_I64, CV_TYPE_NULL, 16},
    {CV__PG_INT4, CV__PG_AS_INT4, CV_TYPE_I64, CV_TYPE_NULL, 32},
    {CV__PG_INT8, CV__PG_AS_INT8, CV_TYPE_I64, CV_TYPE_NULL, 64},
    {CV__PG_OID, CV__PG_AS_OID, CV_TYPE_I64, CV_TYPE_NULL, 64},
    {CV__PG_FLOAT4, CV__PG_AS_FLOAT4, CV_TYPE_F64, CV_TYPE_NULL, 0},
    {CV__PG_FLOAT8, CV__PG_AS_FLOAT8, CV_TYPE_F64, CV_TYPE_NULL, 0},
    {CV__PG_NUMERIC, CV__PG_AS_NUMERIC, CV_TYPE_DECIMAL, CV_TYPE_NULL, 0},
    {CV__PG_TEXT, CV__PG_AS_CHARS, CV_TYPE_TEXT, CV_TYPE_NULL, 0},
    {CV__PG_VARCHAR, CV__PG_AS_CHARS, CV_TYPE_TEXT, CV_TYPE_NULL, 0},
    {CV__PG_BPCHAR, CV__PG_AS_CHARS, CV_TYPE_TEXT, CV_TYPE_NULL, 0},
    {CV__PG_NAME, CV__PG_AS_CHARS, CV_TYPE_TEXT, CV_TYPE_NULL, 0},
    {CV__PG_JSON, CV__PG_AS_CHARS, CV_TYPE_JSON, CV_TYPE_NULL, 0},
    {CV__PG_JSONB, CV__PG_AS_JSONB, CV_TYPE_JSON, CV_TYPE_NULL, 0},
    {CV__PG_BYTEA, CV__PG_AS_BYTES, CV_TYPE_BYTES, CV_TYPE_NULL, 0},
    {CV__PG_TIMESTAMPTZ, CV__PG_AS_TIME, CV_TYPE_TIME, CV_TYPE_NULL, 0},
    {CV__PG_TIMESTAMP, CV__PG_AS_TIME, CV_TYPE_TIME, CV_TYPE_NULL, 0},
    {CV__PG_DATE, CV__PG_AS_DATE, CV_TYPE_DATE, CV_TYPE_NULL, 0},
    {CV__PG_UUID, CV__PG_AS_UUID, CV_TYPE_UUID, CV_TYPE_NULL, 0},
    /* arrays name the type of their elements: those of a type that is not written so go as text */
    {CV__PG_BOOL_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_BOOL, 0},
    {CV__PG_INT2_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_I64, 16},
    {CV__PG_INT4_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_I64, 32},
    {CV__PG_INT8_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_I64, 64},
    {CV__PG_FLOAT8_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_F64, 0},
    {CV__PG_FLOAT4_ARRAY, CV__PG_AS_TEXT, CV_TYPE_ARRAY, CV_TYPE_F64, 0},
    {CV__PG_NUMERIC_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_DECIMAL, 0},
    {CV__PG_TEXT_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_TEXT, 0},
    {CV__PG_VARCHAR_ARRAY, CV__PG_AS_TEXT, CV_TYPE_ARRAY, CV_TYPE_TEXT, 0},
    {CV__PG_BPCHAR_ARRAY, CV__PG_AS_TEXT, CV_TYPE_ARRAY, CV_TYPE_TEXT, 0},
    {CV__PG_NAME_ARRAY, CV__PG_AS_TEXT, CV_TYPE_ARRAY, CV_TYPE_TEXT, 0},
    {CV__PG_TIMESTAMPTZ_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_TIME, 0},
    {CV__PG_TIMESTAMP_ARRAY, CV__PG_AS_TEXT, CV_TYPE_ARRAY, CV_TYPE_TIME, 0},
    {CV__PG_DATE_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_DATE, 0},
    {CV__PG_UUID_ARRAY, CV__PG_AS_PACKED, CV_TYPE_ARRAY, CV_TYPE_UUID, 0},
    {CV__PG_INT4RANGE, CV__PG_AS_PACKED, CV_TYPE_RANGE, CV_TYPE_I64, 32},
    {CV__PG_INT8RANGE, CV__PG_AS_PACKED, CV_TYPE_RANGE, CV_TYPE_I64, 64},
    {CV__PG_NUMRANGE, CV__PG_AS_PACKED, CV_TYPE_RANGE, CV_TYPE_DECIMAL, 0},
    {CV__PG_TSTZRANGE, CV__PG_AS_PACKED, CV_TYPE_RANGE, CV_TYPE_TIME, 0},
    {CV__PG_TSRANGE, CV__PG_AS_TEXT, CV_TYPE_RANGE, CV_TYPE_TIME, 0},
    {CV__PG_DATERANGE, CV__PG_AS_PACKED, CV_TYPE_RANGE, CV_TYPE_DATE, 0},
};

static const known_type *find(Oid type)
{
    for (size_t i = 0; i < sizeof known_types / sizeof known_types[0]; i++)
        if (known_types[i].oid == type)
            return &known_types[i];
    return NULL;
}

cv__pg_form cv__pg_form_of(Oid type)
{
    const known_type *known = find(type);
    return known ? known->form : CV__PG_AS_TEXT;
}

/* Both numbers are kept four higher than they are. Scales from PostgreSQL 15 on may be negative, or larger than the
 * precision; such numbers the server rounds as it likes. */
static void set_digits(cv__column_type *column, int modifier)
{
    unsigned digits = (unsigned)(modifier - 4) >> 16 & 0xffff, places = (unsigned)(modifier - 4) & 0x7ff;
    if (places > digits)
        return;
    column->digits = (uint16_t)digits;
    column->places = (uint16_t)places;
}

cv__column_type cv__pg_column_type(Oid type, int modifier)
{
    const known_type *known = find(type);
    if (!known)
        return (cv__column_type){.type = CV_TYPE_TEXT};
    cv__column_type column = {.type = known->type, .element = known->element, .bits = known->bits};
    if (modifier < 4)
        return column;
    if (type == CV__PG_VARCHAR || type == CV__PG_BPCHAR)
        column.max_length = (uint32_t)modifier - 4;
    else if (type == CV__PG_NUMERIC || type == CV__PG_NUMERIC_ARRAY)
        set_digits(&column, modifier);
    return column;
}
