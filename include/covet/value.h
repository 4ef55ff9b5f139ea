/* Values: what goes into a query and what comes out of a row, and the nullable scalars of models.
 *
 * A `cv_value` is a tagged value. Text, bytes and JSON are views: valid as long as the memory they point to (for values
 * from a row: until the next row is fetched). Nothing here suspends. */
#ifndef COVET_VALUE_H
#define COVET_VALUE_H

#include <covet/decimal.h>
#include <covet/str.h>
#include <covet/time.h>
#include <covet/uuid.h>

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
/** An unsigned number beyond INT64_MAX cannot be bound: it becomes a decimal, so that no digit is lost. */
CV_API cv_value cv_value_u64(uint64_t x);
static inline cv_value cv_value_self(cv_value x)
{
    return x;
}

/** NULL as a value, where a `cv_value` is asked for. */
#define CV_NULL (cv_value_null())

#ifndef __cplusplus
/** Any C value as a cv_value, chosen by its type: `CV_VALUE(20)`, `CV_VALUE("x")`, `CV_VALUE(price)`. */
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
        cv_value: cv_value_self)(x)
#endif

/** Convert to another type without loss: integers to decimal, decimal or float to integer when whole, text to anything
 *  that it parses as, anything to text. NULL stays NULL. Text results are made in the arena. CV_E_TYPE, CV_E_RANGE,
 *  CV_E_SYNTAX or CV_E_NOMEM, without a story. */
CV_API CV_CHECKED int cv_value_convert(cv_arena *arena, cv_value value, cv_type wanted, cv_value *ret_value);

/** Deep equality of type and value (decimals by value, not by scale). */
CV_API bool cv_value_equal(cv_value a, cv_value b);

/** Append for messages and logs: texts quoted and cut at 64 bytes. */
CV_API void cv_value_describe(cv_buf *out, cv_value value);

CV_END_DECLS

#endif
