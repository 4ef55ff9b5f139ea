/* Parameters: binary where the server has the type, text otherwise. */
#include "db/mariadb/values.h"
#include "sql/dialect.h"

#include <math.h>

typedef cv__my_scratch scratch;

#define MAX_PARAMS 65535
/* What the server can be told to take in one packet. */
#define MAX_VALUE_BYTES ((size_t)1 << 30)

static void set_number(MYSQL_BIND *bind, enum enum_field_types type, const void *at)
{
    bind->buffer_type = type;
    bind->buffer = (void *)(uintptr_t)at;
}

static void set_bytes(MYSQL_BIND *bind, enum enum_field_types type, const void *at, size_t len)
{
    set_number(bind, type, at ? at : "");
    bind->buffer_length = len;
}

static int set_text(cv_ctx *cx, MYSQL_BIND *bind, size_t i, cv_str text)
{
    if (text.len > MAX_VALUE_BYTES)
        return cv_fail(cx, CV_E_LIMIT, "parameter %zu is larger than 1 GiB", i + 1);
    if (!cv_utf8_valid(text))
        return cv_fail(cx, CV_E_INVALID, "the text of parameter %zu is not UTF-8", i + 1);
    set_bytes(bind, MYSQL_TYPE_STRING, text.ptr, text.len);
    return 0;
}

static int set_f64(cv_ctx *cx, MYSQL_BIND *bind, size_t i, const double *value)
{
    if (!isfinite(*value))
        return cv_fail(cx, CV_E_RANGE, "parameter %zu is %s, which MariaDB cannot hold", i + 1,
                       isnan(*value) ? "NaN" : "infinite");
    set_number(bind, MYSQL_TYPE_DOUBLE, value);
    return 0;
}

static void set_time(MYSQL_BIND *bind, cv_time time, scratch *room)
{
    cv_civil civil = cv_time_to_civil(time);
    room->time = (MYSQL_TIME){.year = (unsigned)civil.year,
                              .month = (unsigned)civil.month,
                              .day = (unsigned)civil.day,
                              .hour = (unsigned)civil.hour,
                              .minute = (unsigned)civil.minute,
                              .second = (unsigned)civil.second,
                              .second_part = (unsigned long)civil.microsecond,
                              .time_type = MYSQL_TIMESTAMP_DATETIME};
    set_number(bind, MYSQL_TYPE_DATETIME, &room->time);
}

static void set_date(MYSQL_BIND *bind, cv_date date, scratch *room)
{
    set_time(bind, cv_date_to_time(date), room);
    room->time.time_type = MYSQL_TIMESTAMP_DATE;
    bind->buffer_type = MYSQL_TYPE_DATE;
}

/* Arrays and ranges, in the form that columns have. */
static int set_packed(cv_ctx *cx, MYSQL_BIND *bind, size_t i, cv_value value)
{
    cv_value stored;
    int rc = cv__dialect_mariadb.store(cv_ctx_arena(cx), value, NULL, &stored);
    if (rc == CV_E_INVALID)
        return cv_fail(
            cx, rc, "cannot bind value %zu: a text in it is not UTF-8, or its lower bound lies above the upper", i + 1);
    if (rc < 0)
        return cv_fail(cx, rc, "cannot bind value %zu: %s", i + 1, cv_error_text(rc));
    return set_text(cx, bind, i, stored.as.text);
}

static int set(cv_ctx *cx, MYSQL_BIND *bind, size_t i, const cv_value *value, scratch *room)
{
    switch (value->type) {
    case CV_TYPE_NULL:
        bind->buffer_type = MYSQL_TYPE_NULL;
        return 0;
    case CV_TYPE_BOOL:
        room->boolean = value->as.boolean;
        set_number(bind, MYSQL_TYPE_TINY, &room->boolean);
        return 0;
    case CV_TYPE_I64:
        set_number(bind, MYSQL_TYPE_LONGLONG, &value->as.i64);
        return 0;
    case CV_TYPE_F64:
        return set_f64(cx, bind, i, &value->as.f64);
    case CV_TYPE_DECIMAL:
        set_bytes(bind, MYSQL_TYPE_NEWDECIMAL, room->decimal, cv_decimal_format(value->as.decimal, room->decimal));
        return 0;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        return set_text(cx, bind, i, value->as.text);
    case CV_TYPE_BYTES:
        if (value->as.bytes.len > MAX_VALUE_BYTES)
            return cv_fail(cx, CV_E_LIMIT, "parameter %zu is larger than 1 GiB", i + 1);
        set_bytes(bind, MYSQL_TYPE_BLOB, value->as.bytes.ptr, value->as.bytes.len);
        return 0;
    case CV_TYPE_TIME:
        set_time(bind, value->as.time, room);
        return 0;
    case CV_TYPE_DATE:
        set_date(bind, value->as.date, room);
        return 0;
    case CV_TYPE_UUID:
        set_bytes(bind, MYSQL_TYPE_STRING, room->uuid, cv_uuid_format(value->as.uuid, room->uuid));
        return 0;
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return set_packed(cx, bind, i, *value);
    }
    return cv_fail(cx, CV_E_INTERNAL, "parameter %zu has an unknown type", i + 1);
}

static int make_room(cv_ctx *cx, size_t count, cv__my_params *p, scratch **ret_rooms)
{
    if (count > MAX_PARAMS)
        return cv_fail(cx, CV_E_LIMIT, "a statement cannot have more than %d parameters, this has %zu", MAX_PARAMS,
                       count);
    p->binds = cv_zalloc(cx, count, sizeof *p->binds);
    *ret_rooms = cv_zalloc(cx, count, sizeof **ret_rooms);
    return p->binds && *ret_rooms ? 0 : CV_E_NOMEM;
}

int cv__my_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__my_params *ret_params)
{
    scratch *rooms = ret_params->few.rooms;
    ret_params->count = count;
    ret_params->bytes = 0;
    ret_params->binds = ret_params->few.binds;
    if (count > CV__MY_FEW_PARAMS)
        CV_TRY(make_room(cx, count, ret_params, &rooms));
    else
        memset(ret_params->few.binds, 0, count * sizeof *ret_params->few.binds);
    for (size_t i = 0; i < count; i++) {
        CV_TRY(set(cx, &ret_params->binds[i], i, &values[i], &rooms[i]));
        ret_params->bytes += ret_params->binds[i].buffer_length;
    }
    return 0;
}
