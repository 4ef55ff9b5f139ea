/* Values: what goes into a query and what comes out of a row, and the nullable scalars of models.
 *
 * A `cv_value` is a tagged value. Texts, bytes, JSON, arrays and ranges are views: valid as long as the memory they
 * point to (for values from a row: until the next row is fetched). Nothing here suspends. */
#ifndef COVET_VALUE_H
#define COVET_VALUE_H

#include <covet/array.h>

CV_BEGIN_DECLS

/* Nullable scalars: `set` false is NULL. `CV_SOME(v)` and `CV_NONE` initialise any of them. Texts, bytes and JSON are
 * nullable by their pointer. */
typedef struct cv_opt_bool {
    bool value, set;
} cv_opt_bool;
typedef struct cv_opt_i16 {
    int16_t value;
    bool set;
} cv_opt_i16;
typedef struct cv_opt_i32 {
    int32_t value;
    bool set;
} cv_opt_i32;
typedef struct cv_opt_i64 {
    int64_t value;
    bool set;
} cv_opt_i64;
typedef struct cv_opt_f64 {
    double value;
    bool set;
} cv_opt_f64;
typedef struct cv_opt_decimal {
    cv_decimal value;
    bool set;
} cv_opt_decimal;
typedef struct cv_opt_time {
    cv_time value;
    bool set;
} cv_opt_time;
typedef struct cv_opt_date {
    cv_date value;
    bool set;
} cv_opt_date;
typedef struct cv_opt_uuid {
    cv_uuid value;
    bool set;
} cv_opt_uuid;

#define CV_SOME(v)                                                                                                     \
    {                                                                                                                  \
        .value = (v), .set = true                                                                                      \
    }
#define CV_NONE                                                                                                        \
    {                                                                                                                  \
        .set = false                                                                                                   \
    }

/** A JSON document as text (RFC 8259), checked when it enters; `text.ptr == NULL` is the SQL NULL. */
typedef struct cv_json {
    cv_str text;
} cv_json;

typedef enum cv_type {
    CV_TYPE_NULL,
    CV_TYPE_BOOL,
    CV_TYPE_I64,
    CV_TYPE_F64,
    CV_TYPE_DECIMAL,
    CV_TYPE_TEXT,
    CV_TYPE_BYTES,
    CV_TYPE_TIME,
    CV_TYPE_DATE,
    CV_TYPE_UUID,
    CV_TYPE_JSON,
    CV_TYPE_ARRAY,
    CV_TYPE_RANGE,
} cv_type;

typedef struct cv_value {
    cv_type type;
    union {
        bool boolean;
        int64_t i64;
        double f64;
        cv_decimal decimal;
        cv_str text; /* also JSON */
        cv_bytes bytes;
        cv_time time;
        cv_date date;
        cv_uuid uuid;
        cv_array_view array;
        cv_range_view range;
    } as;
} cv_value;

/** "text", "integer", ... for messages. Static storage. */
CV_API const char *cv_type_name(cv_type type);

static inline cv_value cv_value_null(void)
{
    cv_value v = {CV_TYPE_NULL, {0}};
    return v;
}
static inline cv_value cv_value_bool(bool x)
{
    cv_value v = {CV_TYPE_BOOL, {0}};
    v.as.boolean = x;
    return v;
}
static inline cv_value cv_value_i64(int64_t x)
{
    cv_value v = {CV_TYPE_I64, {0}};
    v.as.i64 = x;
    return v;
}
static inline cv_value cv_value_f64(double x)
{
    cv_value v = {CV_TYPE_F64, {0}};
    v.as.f64 = x;
    return v;
}
static inline cv_value cv_value_decimal(cv_decimal x)
{
    cv_value v = {CV_TYPE_DECIMAL, {0}};
    v.as.decimal = x;
    return v;
}
static inline cv_value cv_value_str(cv_str x)
{
    cv_value v = {x.ptr ? CV_TYPE_TEXT : CV_TYPE_NULL, {0}};
    v.as.text = x;
    return v;
}
static inline cv_value cv_value_text(const char *x)
{
    return cv_value_str(cv_str_of(x));
}
static inline cv_value cv_value_bytes(cv_bytes x)
{
    cv_value v = {x.ptr ? CV_TYPE_BYTES : CV_TYPE_NULL, {0}};
    v.as.bytes = x;
    return v;
}
static inline cv_value cv_value_time(cv_time x)
{
    cv_value v = {CV_TYPE_TIME, {0}};
    v.as.time = x;
    return v;
}
static inline cv_value cv_value_date(cv_date x)
{
    cv_value v = {CV_TYPE_DATE, {0}};
    v.as.date = x;
    return v;
}
static inline cv_value cv_value_uuid(cv_uuid x)
{
    cv_value v = {CV_TYPE_UUID, {0}};
    v.as.uuid = x;
    return v;
}
static inline cv_value cv_value_json(cv_json x)
{
    cv_value v = {x.text.ptr ? CV_TYPE_JSON : CV_TYPE_NULL, {0}};
    v.as.text = x.text;
    return v;
}
static inline cv_value cv_value_array(cv_array_view x)
{
    cv_value v = {x.items ? CV_TYPE_ARRAY : CV_TYPE_NULL, {0}};
    v.as.array = x;
    return v;
}
static inline cv_value cv_value_range(cv_range_view x)
{
    cv_value v = {CV_TYPE_RANGE, {0}};
    v.as.range = x;
    return v;
}

/* The typed arrays; 4,294,967,295 elements at most, which no engine takes. The value is a view of the array's items. */
#define CV__ARRAY_VALUE(name, type, width)                                                                             \
    static inline cv_value cv_value_##name(cv_##name x)                                                                \
    {                                                                                                                  \
        cv_array_view view = {x.items, x.nulls, x.count < UINT32_MAX ? (uint32_t)x.count : UINT32_MAX, type, width};   \
        return cv_value_array(view);                                                                                   \
    }
CV__ARRAY_VALUE(bool_array, CV_TYPE_BOOL, 0)
CV__ARRAY_VALUE(i16_array, CV_TYPE_I64, 16)
CV__ARRAY_VALUE(i32_array, CV_TYPE_I64, 32)
CV__ARRAY_VALUE(i64_array, CV_TYPE_I64, 64)
CV__ARRAY_VALUE(f64_array, CV_TYPE_F64, 0)
CV__ARRAY_VALUE(decimal_array, CV_TYPE_DECIMAL, 0)
CV__ARRAY_VALUE(str_array, CV_TYPE_TEXT, 0)
CV__ARRAY_VALUE(time_array, CV_TYPE_TIME, 0)
CV__ARRAY_VALUE(date_array, CV_TYPE_DATE, 0)
CV__ARRAY_VALUE(uuid_array, CV_TYPE_UUID, 0)
#undef CV__ARRAY_VALUE

/* The typed ranges, by their address: the value is a view of the range. */
#define CV__RANGE_VALUE(name, type, width)                                                                             \
    static inline cv_value cv_value_##name(const cv_##name *x)                                                         \
    {                                                                                                                  \
        cv_range_view view = {x, type, width, x->flags};                                                               \
        return cv_value_range(view);                                                                                   \
    }
CV__RANGE_VALUE(i32_range, CV_TYPE_I64, 32)
CV__RANGE_VALUE(i64_range, CV_TYPE_I64, 64)
CV__RANGE_VALUE(decimal_range, CV_TYPE_DECIMAL, 0)
CV__RANGE_VALUE(time_range, CV_TYPE_TIME, 0)
CV__RANGE_VALUE(date_range, CV_TYPE_DATE, 0)
#undef CV__RANGE_VALUE

/** The element `index` of an array, a view into it; NULL beyond its end. */
CV_API cv_value cv_array_at(cv_array_view array, size_t index);

/** The bounds of a range, views into it; NULL where it has none, and of an empty range. */
CV_API cv_value cv_range_lower(cv_range_view range);
CV_API cv_value cv_range_upper(cv_range_view range);

/** An unsigned number beyond INT64_MAX cannot be bound: it becomes a decimal, so that no digit is lost. */
CV_API cv_value cv_value_u64(uint64_t x);
static inline cv_value cv_value_self(cv_value x)
{
    return x;
}

/** NULL as a value, where a `cv_value` is asked for. */
#define CV_NULL (cv_value_null())

#ifndef __cplusplus
/** Any C value as a cv_value, chosen by its type: `CV_VALUE(20)`, `CV_VALUE("x")`, `CV_VALUE(price)`, `CV_VALUE(ids)`,
 *  `CV_VALUE(&span)` for a range. */
#define CV_VALUE(x)                                                                                                    \
    _Generic((x),                                                                                                      \
        bool: cv_value_bool,                                                                                           \
        char: cv_value_i64,                                                                                            \
        signed char: cv_value_i64,                                                                                     \
        unsigned char: cv_value_i64,                                                                                   \
        short: cv_value_i64,                                                                                           \
        unsigned short: cv_value_i64,                                                                                  \
        int: cv_value_i64,                                                                                             \
        unsigned: cv_value_i64,                                                                                        \
        long: cv_value_i64,                                                                                            \
        long long: cv_value_i64,                                                                                       \
        unsigned long: cv_value_u64,                                                                                   \
        unsigned long long: cv_value_u64,                                                                              \
        float: cv_value_f64,                                                                                           \
        double: cv_value_f64,                                                                                          \
        char *: cv_value_text,                                                                                         \
        const char *: cv_value_text,                                                                                   \
        cv_str: cv_value_str,                                                                                          \
        cv_bytes: cv_value_bytes,                                                                                      \
        cv_decimal: cv_value_decimal,                                                                                  \
        cv_time: cv_value_time,                                                                                        \
        cv_date: cv_value_date,                                                                                        \
        cv_uuid: cv_value_uuid,                                                                                        \
        cv_json: cv_value_json,                                                                                        \
        cv_bool_array: cv_value_bool_array,                                                                            \
        cv_i16_array: cv_value_i16_array,                                                                              \
        cv_i32_array: cv_value_i32_array,                                                                              \
        cv_i64_array: cv_value_i64_array,                                                                              \
        cv_f64_array: cv_value_f64_array,                                                                              \
        cv_decimal_array: cv_value_decimal_array,                                                                      \
        cv_str_array: cv_value_str_array,                                                                              \
        cv_time_array: cv_value_time_array,                                                                            \
        cv_date_array: cv_value_date_array,                                                                            \
        cv_uuid_array: cv_value_uuid_array,                                                                            \
        cv_i32_range *: cv_value_i32_range,                                                                            \
        const cv_i32_range *: cv_value_i32_range,                                                                      \
        cv_i64_range *: cv_value_i64_range,                                                                            \
        const cv_i64_range *: cv_value_i64_range,                                                                      \
        cv_decimal_range *: cv_value_decimal_range,                                                                    \
        const cv_decimal_range *: cv_value_decimal_range,                                                              \
        cv_time_range *: cv_value_time_range,                                                                          \
        const cv_time_range *: cv_value_time_range,                                                                    \
        cv_date_range *: cv_value_date_range,                                                                          \
        const cv_date_range *: cv_value_date_range,                                                                    \
        cv_value: cv_value_self)(x)
#endif

/** Convert to another type without loss: integers to decimal, decimal or float to integer when whole, text to anything
 *  that it parses as, anything to text; arrays and ranges to text and JSON only (cv_json_value). NULL stays NULL. Text
 * results are made in the arena. CV_E_TYPE, CV_E_RANGE, CV_E_SYNTAX or CV_E_NOMEM, without a story. */
CV_API CV_CHECKED int cv_value_convert(cv_arena *arena, cv_value value, cv_type wanted, cv_value *ret_value);

/** Deep equality of type and value (decimals by value, not by scale; arrays of integers whatever their width). */
CV_API bool cv_value_equal(cv_value a, cv_value b);

/** Append for messages and logs: texts quoted and cut at 64 bytes. */
CV_API void cv_value_describe(cv_buf *out, cv_value value);

CV_END_DECLS

#endif
