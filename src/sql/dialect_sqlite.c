/* SQLite: few storage classes, so the declared types carry the meaning, under names that give the right affinity
 * (https://www.sqlite.org/datatype3.html, 3.1): the value that was bound is the value that is stored. */
#include "base/packed.h"
#include "sql/dialect_common.h"
#include "sql/fold.h"

#include <math.h>

static void add_placeholder(cv_buf *out, size_t index)
{
    cv_buf_add_char(out, '?');
    cv_buf_add_u64(out, index);
}

static bool is_scaled(const cv__column_type *type)
{
    return type->digits > 0 && type->digits <= CV__SCALED_DIGITS;
}

static void add_decimal_type(cv_buf *out, const cv__column_type *type)
{
    cv_buf_add_text(out, is_scaled(type) ? "DECIMAL" : "TEXT_DECIMAL");
    if (type->digits)
        cv_buf_printf(out, "(%u,%u)", type->digits, type->places);
}

/* Names without INT in them, which would ask for another affinity. */
static const cv__type_name element_names[] = {
    {"BOOL", CV_TYPE_BOOL, 0}, {"I16", CV_TYPE_I64, 16},  {"I32", CV_TYPE_I64, 32},        {"I64", CV_TYPE_I64, 64},
    {"F64", CV_TYPE_F64, 0},   {"TEXT", CV_TYPE_TEXT, 0}, {"DECIMAL", CV_TYPE_DECIMAL, 0}, {"TIME", CV_TYPE_TIME, 0},
    {"DATE", CV_TYPE_DATE, 0}, {"UUID", CV_TYPE_UUID, 0},
};
#define ELEMENT_NAME_COUNT (sizeof element_names / sizeof element_names[0])
#define ARRAY_PREFIX       "TEXT_ARRAY_"
#define RANGE_PREFIX       "TEXT_RANGE_"

/* "TEXT_ARRAY_I64", "TEXT_RANGE_DECIMAL(8,2)" */
static void add_packed_type(cv_buf *out, const char *prefix, const cv__column_type *type)
{
    const char *name = "TEXT";
    for (size_t i = 0; i < ELEMENT_NAME_COUNT; i++)
        if (element_names[i].type == type->element &&
            (type->element != CV_TYPE_I64 || element_names[i].bits == (type->bits ? type->bits : 64)))
            name = element_names[i].name;
    cv_buf_add_text(out, prefix);
    cv_buf_add_text(out, name);
    if (type->element == CV_TYPE_DECIMAL && type->digits)
        cv_buf_printf(out, "(%u,%u)", type->digits, type->places);
}

static void add_column_type(cv_buf *out, const cv__column_type *type)
{
    switch (type->type) {
    case CV_TYPE_BOOL:
        cv_buf_add_text(out, "BOOLEAN");
        break;
    case CV_TYPE_I64:
        cv_buf_add_text(out, type->bits == 16 ? "SMALLINT" : type->bits == 32 ? "INTEGER" : "BIGINT");
        break;
    case CV_TYPE_F64:
        cv_buf_add_text(out, "REAL");
        break;
    case CV_TYPE_DECIMAL:
        add_decimal_type(out, type);
        break;
    case CV_TYPE_TEXT:
        if (type->max_length)
            cv_buf_printf(out, "VARCHAR(%u)", type->max_length);
        else
            cv_buf_add_text(out, "TEXT");
        break;
    case CV_TYPE_TIME:
        cv_buf_add_text(out, "DATETIME");
        break;
    case CV_TYPE_DATE:
        cv_buf_add_text(out, "DATE");
        break;
    case CV_TYPE_UUID:
        cv_buf_add_text(out, "BLOB_UUID");
        break;
    case CV_TYPE_JSON:
        cv_buf_add_text(out, "JSON_TEXT");
        break;
    case CV_TYPE_ARRAY:
        add_packed_type(out, ARRAY_PREFIX, type);
        break;
    case CV_TYPE_RANGE:
        add_packed_type(out, RANGE_PREFIX, type);
        break;
    case CV_TYPE_BYTES:
    case CV_TYPE_NULL:
        cv_buf_add_text(out, "BLOB");
        break;
    }
}

static void add_identity(cv_buf *out)
{
    cv_buf_add_text(out, "INTEGER PRIMARY KEY AUTOINCREMENT");
}

static const cv__type_name type_names[] = {
    {"BOOLEAN", CV_TYPE_BOOL, 0},   {"BOOL", CV_TYPE_BOOL, 0},
    {"SMALLINT", CV_TYPE_I64, 16},  {"INTEGER", CV_TYPE_I64, 32},
    {"INT", CV_TYPE_I64, 32},       {"BIGINT", CV_TYPE_I64, 64},
    {"REAL", CV_TYPE_F64, 0},       {"DOUBLE", CV_TYPE_F64, 0},
    {"FLOAT", CV_TYPE_F64, 0},      {"DOUBLE PRECISION", CV_TYPE_F64, 0},
    {"VARCHAR", CV_TYPE_TEXT, 0},   {"CHAR", CV_TYPE_TEXT, 0},
    {"TEXT", CV_TYPE_TEXT, 0},      {"DATETIME", CV_TYPE_TIME, 0},
    {"DATE", CV_TYPE_DATE, 0},      {"BLOB", CV_TYPE_BYTES, 0},
    {"BLOB_UUID", CV_TYPE_UUID, 0}, {"JSON_TEXT", CV_TYPE_JSON, 0},
};

static bool parse_packed_type(cv_str declared, const char *prefix, cv_type packed, cv__column_type *ret_type)
{
    cv__column_type type;
    if (!cv_str_starts_with(declared, cv_str_of(prefix)) ||
        !cv__parse_type(element_names, ELEMENT_NAME_COUNT, cv_str_sub(declared, strlen(prefix), SIZE_MAX), &type))
        return false;
    type.element = type.type;
    type.type = packed;
    *ret_type = type;
    return true;
}

/* The two decimal names must agree with the number of digits, or a value would be read the wrong way. */
static bool parse_column_type(cv_str declared, cv__column_type *ret_type)
{
    static const cv__type_name scaled_name[] = {{"DECIMAL", CV_TYPE_DECIMAL, 0}};
    static const cv__type_name text_name[] = {{"TEXT_DECIMAL", CV_TYPE_DECIMAL, 0}};
    cv__column_type type;
    if (cv__parse_type(type_names, sizeof type_names / sizeof type_names[0], declared, ret_type))
        return true;
    if (cv__parse_type(scaled_name, 1, declared, &type) && is_scaled(&type)) {
        *ret_type = type;
        return true;
    }
    if (cv__parse_type(text_name, 1, declared, &type) && !is_scaled(&type)) {
        *ret_type = type;
        return true;
    }
    return parse_packed_type(declared, ARRAY_PREFIX, CV_TYPE_ARRAY, ret_type) ||
           parse_packed_type(declared, RANGE_PREFIX, CV_TYPE_RANGE, ret_type);
}

static int store_decimal(cv_arena *arena, cv_decimal value, const cv__column_type *type, cv_value *ret_stored)
{
    if (!type)
        return CV_E_TYPE;
    if (type->digits && !cv__decimal_fits(value, type))
        return CV_E_RANGE;
    if (is_scaled(type)) {
        int64_t scaled;
        CV_TRY(cv_decimal_to_scaled(value, type->places, &scaled));
        *ret_stored = cv_value_i64(scaled);
        return 0;
    }
    char *key = cv_arena_alloc(arena, CV_DECIMAL_KEY_BYTES);
    if (!key)
        return CV_E_NOMEM;
    size_t len = cv_decimal_to_key(value, key);
    *ret_stored = cv_value_str(cv_str_make(key, len));
    return 0;
}

static int store(cv_arena *arena, cv_value value, const cv__column_type *type, cv_value *ret_stored)
{
    switch (value.type) {
    case CV_TYPE_BOOL:
        *ret_stored = cv_value_i64(value.as.boolean);
        return 0;
    case CV_TYPE_DECIMAL:
        return store_decimal(arena, value.as.decimal, type, ret_stored);
    case CV_TYPE_TIME:
        *ret_stored = cv_value_i64(value.as.time.us);
        return 0;
    case CV_TYPE_DATE:
        *ret_stored = cv_value_i64(value.as.date.days);
        return 0;
    case CV_TYPE_UUID: {
        uint8_t *copy = cv_arena_alloc(arena, sizeof value.as.uuid.bytes);
        if (!copy)
            return CV_E_NOMEM;
        memcpy(copy, value.as.uuid.bytes, sizeof value.as.uuid.bytes);
        *ret_stored = cv_value_bytes((cv_bytes){copy, sizeof value.as.uuid.bytes});
        return 0;
    }
    case CV_TYPE_JSON:
        *ret_stored = cv_value_str(value.as.text);
        return 0;
    case CV_TYPE_F64:
        /* SQLite stores a NaN as NULL: it would come back as another value. */
        if (isnan(value.as.f64))
            return CV_E_RANGE;
        *ret_stored = value;
        return 0;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return cv__store_as_json(arena, value, type, ret_stored);
    case CV_TYPE_NULL:
    case CV_TYPE_I64:
    case CV_TYPE_TEXT:
    case CV_TYPE_BYTES:
        *ret_stored = value;
        return 0;
    }
    return CV_E_TYPE;
}

static void add_decimal_literal(cv_buf *out, cv_decimal value, const cv__column_type *type)
{
    char key[CV_DECIMAL_KEY_BYTES];
    int64_t scaled;
    if (type && is_scaled(type) && cv_decimal_to_scaled(value, type->places, &scaled) == 0) {
        cv_buf_add_i64(out, scaled);
        return;
    }
    size_t len = cv_decimal_to_key(value, key);
    cv__add_quoted(out, cv_str_make(key, len));
}

static void add_float(cv_buf *out, double value)
{
    if (isinf(value))
        cv_buf_add_text(out, value > 0 ? "9e999" : "-9e999");
    else
        cv__add_float(out, value);
}

static void add_literal(cv_buf *out, cv_value value, const cv__column_type *type)
{
    switch (value.type) {
    case CV_TYPE_F64:
        add_float(out, value.as.f64);
        break;
    case CV_TYPE_DECIMAL:
        add_decimal_literal(out, value.as.decimal, type);
        break;
    case CV_TYPE_TIME:
        cv_buf_add_i64(out, value.as.time.us);
        break;
    case CV_TYPE_DATE:
        cv_buf_add_i64(out, value.as.date.days);
        break;
    case CV_TYPE_UUID:
        cv__add_blob(out, value.as.uuid.bytes, sizeof value.as.uuid.bytes);
        break;
    default:
        cv__add_plain_literal(out, value);
        break;
    }
}

/* Append a pattern with %L for the left side and %P for the parameter. */
static void add_pattern(cv_buf *out, const char *pattern, cv_str left, size_t index)
{
    for (const char *p = pattern; *p; p++) {
        if (*p != '%') {
            cv_buf_add_char(out, *p);
        } else if (*++p == 'L') {
            cv_buf_add_str(out, left);
        } else {
            add_placeholder(out, index);
        }
    }
}

/* No LIKE: it ignores the case of ASCII letters only. In startswith, the range lets an index serve: every text that
 * begins with P lies from P up to, not including, P followed by a byte that no UTF-8 text contains. */
static void add_text_lookup(cv_buf *out, cv__lookup lookup, cv_str left, size_t index)
{
    const char *pattern = "%L = %P";
    switch (lookup) {
    case CV__CONTAINS:
        pattern = "instr(%L, %P) > 0";
        break;
    case CV__STARTSWITH:
        pattern = "(%L >= %P AND %L < %P || x'ff' AND substr(%L, 1, length(%P)) = %P)";
        break;
    case CV__ENDSWITH:
        pattern = "substr(%L, length(%L) - length(%P) + 1) = %P";
        break;
    case CV__IEXACT:
        pattern = "cv_fold(%L) = %P";
        break;
    case CV__ICONTAINS:
        pattern = "instr(cv_fold(%L), %P) > 0";
        break;
    case CV__ISTARTSWITH:
        pattern = "substr(cv_fold(%L), 1, length(%P)) = %P";
        break;
    case CV__IENDSWITH:
        pattern = "substr(cv_fold(%L), length(cv_fold(%L)) - length(%P) + 1) = %P";
        break;
    case CV__EXACT:
    case CV__IN:
    case CV__GT:
    case CV__GTE:
    case CV__LT:
    case CV__LTE:
    case CV__RANGE:
    case CV__ISNULL:
        break;
    }
    add_pattern(out, pattern, left, index);
}

static int lookup_value(cv_arena *arena, cv__lookup lookup, cv_str text, cv_value *ret_value)
{
    if (cv__lookup_ignores_case(lookup)) {
        void *heap;
        CV_TRY(cv__fold(arena, text, &text, &heap));
    }
    *ret_value = cv_value_str(text);
    return 0;
}

const cv__dialect cv__dialect_sqlite = {
    .name = "sqlite",
    .max_params = 32766,
    .add_placeholder = add_placeholder,
    .add_column_type = add_column_type,
    .add_identity = add_identity,
    .add_literal = add_literal,
    .parse_column_type = parse_column_type,
    .store = store,
    .add_text_lookup = add_text_lookup,
    .lookup_value = lookup_value,
    .row_source = "cv_rows",
    .made_keys = CV__KEYS_IN_SEQUENCE,
    .row_of_defaults = " DEFAULT VALUES",
    .table_options = "",
    .transactional_ddl = true,
    .bracket_quotes = true,
    .backquotes = true,
};
