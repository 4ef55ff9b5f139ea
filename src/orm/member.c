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
    case CV_MEMBER_OPT_I32_RANGE:
        return CV_MEMBER_I32_RANGE;
    case CV_MEMBER_OPT_I64_RANGE:
        return CV_MEMBER_I64_RANGE;
    case CV_MEMBER_OPT_DECIMAL_RANGE:
        return CV_MEMBER_DECIMAL_RANGE;
    case CV_MEMBER_OPT_TIME_RANGE:
        return CV_MEMBER_TIME_RANGE;
    case CV_MEMBER_OPT_DATE_RANGE:
        return CV_MEMBER_DATE_RANGE;
    default:
        return member;
    }
}
