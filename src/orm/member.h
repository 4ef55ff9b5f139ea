/* Members of objects by their C type: reading and writing one, without conversions. */
#ifndef COVET_SRC_ORM_MEMBER_H
#define COVET_SRC_ORM_MEMBER_H

#include <covet/model.h>

#define CV__GET_OPT(type, make) (((const type *)at)->set ? make(((const type *)at)->value) : cv_value_null())

/** What the member holds, as a value; texts are views into the object. */
static inline cv_value cv__member_get(cv_member member, const void *at)
{
    switch (member) {
    case CV_MEMBER_NONE:
        break;
    case CV_MEMBER_BOOL:
        return cv_value_bool(*(const bool *)at);
    case CV_MEMBER_I16:
        return cv_value_i64(*(const int16_t *)at);
    case CV_MEMBER_I32:
        return cv_value_i64(*(const int32_t *)at);
    case CV_MEMBER_I64:
        return cv_value_i64(*(const int64_t *)at);
    case CV_MEMBER_F64:
        return cv_value_f64(*(const double *)at);
    case CV_MEMBER_CHARS:
        return cv_value_text(*(const char *const *)at);
    case CV_MEMBER_STR:
        return cv_value_str(*(const cv_str *)at);
    case CV_MEMBER_BYTES:
        return cv_value_bytes(*(const cv_bytes *)at);
    case CV_MEMBER_JSON:
        return cv_value_json(*(const cv_json *)at);
    case CV_MEMBER_DECIMAL:
        return cv_value_decimal(*(const cv_decimal *)at);
    case CV_MEMBER_TIME:
        return cv_value_time(*(const cv_time *)at);
    case CV_MEMBER_DATE:
        return cv_value_date(*(const cv_date *)at);
    case CV_MEMBER_UUID:
        return cv_value_uuid(*(const cv_uuid *)at);
    case CV_MEMBER_BOOL_ARRAY:
        return cv_value_bool_array(*(const cv_bool_array *)at);
    case CV_MEMBER_I16_ARRAY:
        return cv_value_i16_array(*(const cv_i16_array *)at);
    case CV_MEMBER_I32_ARRAY:
        return cv_value_i32_array(*(const cv_i32_array *)at);
    case CV_MEMBER_I64_ARRAY:
        return cv_value_i64_array(*(const cv_i64_array *)at);
    case CV_MEMBER_F64_ARRAY:
        return cv_value_f64_array(*(const cv_f64_array *)at);
    case CV_MEMBER_DECIMAL_ARRAY:
        return cv_value_decimal_array(*(const cv_decimal_array *)at);
    case CV_MEMBER_STR_ARRAY:
        return cv_value_str_array(*(const cv_str_array *)at);
    case CV_MEMBER_TIME_ARRAY:
        return cv_value_time_array(*(const cv_time_array *)at);
    case CV_MEMBER_DATE_ARRAY:
        return cv_value_date_array(*(const cv_date_array *)at);
    case CV_MEMBER_UUID_ARRAY:
        return cv_value_uuid_array(*(const cv_uuid_array *)at);
    case CV_MEMBER_I32_RANGE:
        return cv_value_i32_range(at);
    case CV_MEMBER_I64_RANGE:
        return cv_value_i64_range(at);
    case CV_MEMBER_DECIMAL_RANGE:
        return cv_value_decimal_range(at);
    case CV_MEMBER_TIME_RANGE:
        return cv_value_time_range(at);
    case CV_MEMBER_DATE_RANGE:
        return cv_value_date_range(at);
    case CV_MEMBER_OPT_I32_RANGE:
        return ((const cv_opt_i32_range *)at)->set ? cv_value_i32_range(at) : cv_value_null();
    case CV_MEMBER_OPT_I64_RANGE:
        return ((const cv_opt_i64_range *)at)->set ? cv_value_i64_range(at) : cv_value_null();
    case CV_MEMBER_OPT_DECIMAL_RANGE:
        return ((const cv_opt_decimal_range *)at)->set ? cv_value_decimal_range(at) : cv_value_null();
    case CV_MEMBER_OPT_TIME_RANGE:
        return ((const cv_opt_time_range *)at)->set ? cv_value_time_range(at) : cv_value_null();
    case CV_MEMBER_OPT_DATE_RANGE:
        return ((const cv_opt_date_range *)at)->set ? cv_value_date_range(at) : cv_value_null();
    case CV_MEMBER_OPT_BOOL:
        return CV__GET_OPT(cv_opt_bool, cv_value_bool);
    case CV_MEMBER_OPT_I16:
        return CV__GET_OPT(cv_opt_i16, cv_value_i64);
    case CV_MEMBER_OPT_I32:
        return CV__GET_OPT(cv_opt_i32, cv_value_i64);
    case CV_MEMBER_OPT_I64:
        return CV__GET_OPT(cv_opt_i64, cv_value_i64);
    case CV_MEMBER_OPT_F64:
        return CV__GET_OPT(cv_opt_f64, cv_value_f64);
    case CV_MEMBER_OPT_DECIMAL:
        return CV__GET_OPT(cv_opt_decimal, cv_value_decimal);
    case CV_MEMBER_OPT_TIME:
        return CV__GET_OPT(cv_opt_time, cv_value_time);
    case CV_MEMBER_OPT_DATE:
        return CV__GET_OPT(cv_opt_date, cv_value_date);
    case CV_MEMBER_OPT_UUID:
        return CV__GET_OPT(cv_opt_uuid, cv_value_uuid);
    }
    return cv_value_null();
}

#undef CV__GET_OPT

/* A value without text into a member that may be NULL: `set` follows the value in every cv_opt_ struct. */
#define CV__PUT_OPT(type, source)                                                                                      \
    do {                                                                                                               \
        type *opt = at;                                                                                                \
        opt->set = !null;                                                                                              \
        if (!null)                                                                                                     \
            opt->value = (source);                                                                                     \
    } while (0)

/* Every array struct has the same members. */
static inline void cv__member_put_array(void *at, cv_value value)
{
    cv_bool_array *array = (cv_bool_array *)at;
    bool null = value.type == CV_TYPE_NULL;
    array->items = null ? NULL : (bool *)(uintptr_t)value.as.array.items;
    array->nulls = null ? NULL : (bool *)(uintptr_t)value.as.array.nulls;
    array->count = null ? 0 : value.as.array.count;
}

/* The bounds lie side by side in the member, too. */
#define CV__PUT_RANGE(type)                                                                                            \
    do {                                                                                                               \
        type *range = (type *)at;                                                                                      \
        memcpy(at, value.as.range.bounds, 2 * sizeof range->lower);                                                    \
        range->flags = value.as.range.flags;                                                                           \
    } while (0)

/** Write a value of the member's own logical type, or NULL where the member can be NULL. Texts are not copied: they
 *  must outlive the object, and end with a NUL byte for CV_MEMBER_CHARS. */
static inline void cv__member_put(cv_member member, void *at, cv_value value)
{
    bool null = value.type == CV_TYPE_NULL;
    switch (member) {
    case CV_MEMBER_NONE:
        break;
    case CV_MEMBER_BOOL:
        *(bool *)at = value.as.boolean;
        break;
    case CV_MEMBER_I16:
        *(int16_t *)at = (int16_t)value.as.i64;
        break;
    case CV_MEMBER_I32:
        *(int32_t *)at = (int32_t)value.as.i64;
        break;
    case CV_MEMBER_I64:
        *(int64_t *)at = value.as.i64;
        break;
    case CV_MEMBER_F64:
        *(double *)at = value.as.f64;
        break;
    case CV_MEMBER_CHARS:
        *(const char **)at = null ? NULL : value.as.text.ptr;
        break;
    case CV_MEMBER_STR:
        *(cv_str *)at = null ? (cv_str){NULL, 0} : value.as.text;
        break;
    case CV_MEMBER_JSON:
        *(cv_json *)at = null ? (cv_json){{NULL, 0}} : (cv_json){value.as.text};
        break;
    case CV_MEMBER_BYTES:
        *(cv_bytes *)at = null ? (cv_bytes){NULL, 0} : value.as.bytes;
        break;
    case CV_MEMBER_DECIMAL:
        *(cv_decimal *)at = value.as.decimal;
        break;
    case CV_MEMBER_TIME:
        *(cv_time *)at = value.as.time;
        break;
    case CV_MEMBER_DATE:
        *(cv_date *)at = value.as.date;
        break;
    case CV_MEMBER_UUID:
        *(cv_uuid *)at = value.as.uuid;
        break;
    case CV_MEMBER_BOOL_ARRAY:
    case CV_MEMBER_I16_ARRAY:
    case CV_MEMBER_I32_ARRAY:
    case CV_MEMBER_I64_ARRAY:
    case CV_MEMBER_F64_ARRAY:
    case CV_MEMBER_DECIMAL_ARRAY:
    case CV_MEMBER_STR_ARRAY:
    case CV_MEMBER_TIME_ARRAY:
    case CV_MEMBER_DATE_ARRAY:
    case CV_MEMBER_UUID_ARRAY:
        cv__member_put_array(at, value);
        break;
    case CV_MEMBER_I32_RANGE:
        CV__PUT_RANGE(cv_i32_range);
        break;
    case CV_MEMBER_I64_RANGE:
        CV__PUT_RANGE(cv_i64_range);
        break;
    case CV_MEMBER_DECIMAL_RANGE:
        CV__PUT_RANGE(cv_decimal_range);
        break;
    case CV_MEMBER_TIME_RANGE:
        CV__PUT_RANGE(cv_time_range);
        break;
    case CV_MEMBER_DATE_RANGE:
        CV__PUT_RANGE(cv_date_range);
        break;
    case CV_MEMBER_OPT_I32_RANGE:
        ((cv_opt_i32_range *)at)->set = !null;
        if (!null)
            CV__PUT_RANGE(cv_i32_range);
        break;
    case CV_MEMBER_OPT_I64_RANGE:
        ((cv_opt_i64_range *)at)->set = !null;
        if (!null)
            CV__PUT_RANGE(cv_i64_range);
        break;
    case CV_MEMBER_OPT_DECIMAL_RANGE:
        ((cv_opt_decimal_range *)at)->set = !null;
        if (!null)
            CV__PUT_RANGE(cv_decimal_range);
        break;
    case CV_MEMBER_OPT_TIME_RANGE:
        ((cv_opt_time_range *)at)->set = !null;
        if (!null)
            CV__PUT_RANGE(cv_time_range);
        break;
    case CV_MEMBER_OPT_DATE_RANGE:
        ((cv_opt_date_range *)at)->set = !null;
        if (!null)
            CV__PUT_RANGE(cv_date_range);
        break;
    case CV_MEMBER_OPT_BOOL:
        CV__PUT_OPT(cv_opt_bool, value.as.boolean);
        break;
    case CV_MEMBER_OPT_I16:
        CV__PUT_OPT(cv_opt_i16, (int16_t)value.as.i64);
        break;
    case CV_MEMBER_OPT_I32:
        CV__PUT_OPT(cv_opt_i32, (int32_t)value.as.i64);
        break;
    case CV_MEMBER_OPT_I64:
        CV__PUT_OPT(cv_opt_i64, value.as.i64);
        break;
    case CV_MEMBER_OPT_F64:
        CV__PUT_OPT(cv_opt_f64, value.as.f64);
        break;
    case CV_MEMBER_OPT_DECIMAL:
        CV__PUT_OPT(cv_opt_decimal, value.as.decimal);
        break;
    case CV_MEMBER_OPT_TIME:
        CV__PUT_OPT(cv_opt_time, value.as.time);
        break;
    case CV_MEMBER_OPT_DATE:
        CV__PUT_OPT(cv_opt_date, value.as.date);
        break;
    case CV_MEMBER_OPT_UUID:
        CV__PUT_OPT(cv_opt_uuid, value.as.uuid);
        break;
    }
}

#undef CV__PUT_OPT
#undef CV__PUT_RANGE

#endif
