#include "orm/member.h"
#include "orm/registry.h"

bool cv__member_is_opt(cv_member member)
{
    return member >= CV_MEMBER_OPT_BOOL;
}

cv_member cv__member_base(cv_member member)
{
    switch (member) {
    case CV_MEMBER_CHARS:
        return CV_MEMBER_STR;
    case CV_MEMBER_OPT_BOOL:
        return CV_MEMBER_BOOL;
    case CV_MEMBER_OPT_I16:
        return CV_MEMBER_I16;
    case CV_MEMBER_OPT_I32:
        return CV_MEMBER_I32;
    case CV_MEMBER_OPT_I64:
        return CV_MEMBER_I64;
    case CV_MEMBER_OPT_F64:
        return CV_MEMBER_F64;
    case CV_MEMBER_OPT_DECIMAL:
        return CV_MEMBER_DECIMAL;
    case CV_MEMBER_OPT_TIME:
        return CV_MEMBER_TIME;
    case CV_MEMBER_OPT_DATE:
        return CV_MEMBER_DATE;
    case CV_MEMBER_OPT_UUID:
        return CV_MEMBER_UUID;
    default:
        return member;
    }
}

#define GET_OPT(type, make) (((const type *)at)->set ? make(((const type *)at)->value) : cv_value_null())

cv_value cv__member_get(cv_member member, const void *at)
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
    case CV_MEMBER_OPT_BOOL:
        return GET_OPT(cv_opt_bool, cv_value_bool);
    case CV_MEMBER_OPT_I16:
        return GET_OPT(cv_opt_i16, cv_value_i64);
    case CV_MEMBER_OPT_I32:
        return GET_OPT(cv_opt_i32, cv_value_i64);
    case CV_MEMBER_OPT_I64:
        return GET_OPT(cv_opt_i64, cv_value_i64);
    case CV_MEMBER_OPT_F64:
        return GET_OPT(cv_opt_f64, cv_value_f64);
    case CV_MEMBER_OPT_DECIMAL:
        return GET_OPT(cv_opt_decimal, cv_value_decimal);
    case CV_MEMBER_OPT_TIME:
        return GET_OPT(cv_opt_time, cv_value_time);
    case CV_MEMBER_OPT_DATE:
        return GET_OPT(cv_opt_date, cv_value_date);
    case CV_MEMBER_OPT_UUID:
        return GET_OPT(cv_opt_uuid, cv_value_uuid);
    }
    return cv_value_null();
}
