/* Parameters: binary where the C type says the SQL type, text otherwise. A text has no type of its own, so that the
 * server takes it for what the place wants: a date, a number, an enumeration. */
#include "db/postgres/types.h"
#include "db/postgres/values.h"
#include <endian.h>

typedef cv__pg_scratch scratch;

#define MAX_PARAMS 65535

static void set(cv__pg_params *p, int i, Oid type, const void *value, size_t len, int binary)
{
    p->types[i] = type;
    p->values[i] = value;
    p->lengths[i] = (int)len;
    p->formats[i] = binary;
    p->bytes += len;
}

static void set_u64(cv__pg_params *p, int i, Oid type, uint64_t bits, scratch *room)
{
    uint64_t big = htobe64(bits);
    memcpy(room->bytes, &big, sizeof big);
    set(p, i, type, room->bytes, sizeof big, 1);
}

static void set_f64(cv__pg_params *p, int i, double value, scratch *room)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    set_u64(p, i, CV__PG_FLOAT8, bits, room);
}

static void set_date(cv__pg_params *p, int i, cv_date date, scratch *room)
{
    uint32_t big = htobe32((uint32_t)(date.days - CV__PG_EPOCH_DAYS));
    memcpy(room->bytes, &big, sizeof big);
    set(p, i, CV__PG_DATE, room->bytes, sizeof big, 1);
}

/* Text is sent with an end mark; a NUL byte inside would cut it without a word. */
static int set_text(cv_ctx *cx, cv__pg_params *p, int i, Oid type, cv_str text)
{
    if (text.len > INT32_MAX / 2)
        return cv_fail(cx, CV_E_LIMIT, "parameter %d is larger than 1 GiB", i + 1);
    if (memchr(text.ptr, 0, text.len))
        return cv_fail(cx, CV_E_INVALID, "the text of parameter %d has a NUL byte, which PostgreSQL cannot hold",
                       i + 1);
    const char *copy = cv_strndup(cx, text.ptr, text.len);
    if (!copy)
        return CV_E_NOMEM;
    set(p, i, type, copy, text.len, 0);
    return 0;
}

static int set_bytes(cv_ctx *cx, cv__pg_params *p, int i, cv_bytes bytes)
{
    if (bytes.len > INT32_MAX / 2)
        return cv_fail(cx, CV_E_LIMIT, "parameter %d is larger than 1 GiB", i + 1);
    set(p, i, CV__PG_BYTEA, bytes.ptr ? (const void *)bytes.ptr : "", bytes.len, 1);
    return 0;
}

/* The writer's maximum is the server's. */
static int set_packed(cv_ctx *cx, cv__pg_params *p, int i, cv_value value)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), INT32_MAX / 2);
    int rc = cv__pg_encode_packed(&out, value);
    if (rc == CV_E_LIMIT)
        return cv_fail(cx, CV_E_LIMIT, "parameter %d is larger than 1 GiB", i + 1);
    if (rc == CV_E_INVALID)
        return cv_fail(cx, rc, "a text in the array of parameter %d has a NUL byte, which PostgreSQL cannot hold",
                       i + 1);
    if (rc < 0)
        return rc;
    set(p, i, cv__pg_packed_type(value), out.data, out.len, 1);
    return 0;
}

static int encode(cv_ctx *cx, cv__pg_params *p, int i, const cv_value *value, scratch *room)
{
    switch (value->type) {
    case CV_TYPE_NULL:
        set(p, i, 0, NULL, 0, 0);
        return 0;
    case CV_TYPE_BOOL:
        room->bytes[0] = value->as.boolean;
        set(p, i, CV__PG_BOOL, room->bytes, 1, 1);
        return 0;
    case CV_TYPE_I64:
        set_u64(p, i, CV__PG_INT8, (uint64_t)value->as.i64, room);
        return 0;
    case CV_TYPE_F64:
        set_f64(p, i, value->as.f64, room);
        return 0;
    case CV_TYPE_DECIMAL:
        set(p, i, CV__PG_NUMERIC, room->decimal, cv_decimal_format(value->as.decimal, room->decimal), 0);
        return 0;
    case CV_TYPE_TEXT:
        return set_text(cx, p, i, 0, value->as.text);
    case CV_TYPE_BYTES:
        return set_bytes(cx, p, i, value->as.bytes);
    case CV_TYPE_TIME:
        set_u64(p, i, CV__PG_TIMESTAMPTZ, (uint64_t)(value->as.time.us - CV__PG_EPOCH_US), room);
        return 0;
    case CV_TYPE_DATE:
        set_date(p, i, value->as.date, room);
        return 0;
    case CV_TYPE_UUID:
        set(p, i, CV__PG_UUID, value->as.uuid.bytes, sizeof value->as.uuid.bytes, 1);
        return 0;
    case CV_TYPE_JSON:
        return set_text(cx, p, i, CV__PG_JSONB, value->as.text);
    case CV_TYPE_ARRAY:
    case CV_TYPE_RANGE:
        return set_packed(cx, p, i, *value);
    }
    return cv_fail(cx, CV_E_INTERNAL, "parameter %d has an unknown type", i + 1);
}

static int make_room(cv_ctx *cx, size_t count, cv__pg_params *p, scratch **ret_rooms)
{
    if (count > MAX_PARAMS)
        return cv_fail(cx, CV_E_LIMIT, "a statement cannot have more than %d parameters, this has %zu", MAX_PARAMS,
                       count);
    p->types = cv_zalloc(cx, count, sizeof *p->types);
    p->values = cv_zalloc(cx, count, sizeof *p->values);
    p->lengths = cv_zalloc(cx, count, sizeof *p->lengths);
    p->formats = cv_zalloc(cx, count, sizeof *p->formats);
    *ret_rooms = cv_zalloc(cx, count, sizeof **ret_rooms);
    return p->types && p->values && p->lengths && p->formats && *ret_rooms ? 0 : CV_E_NOMEM;
}

int cv__pg_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__pg_params *ret_params)
{
    ret_params->count = (int)count;
    ret_params->bytes = 0;
    scratch *rooms = ret_params->few.rooms;
    ret_params->types = ret_params->few.types;
    ret_params->values = ret_params->few.values;
    ret_params->lengths = ret_params->few.lengths;
    ret_params->formats = ret_params->few.formats;
    if (count > CV__PG_FEW_PARAMS)
        CV_TRY(make_room(cx, count, ret_params, &rooms));
    for (size_t i = 0; i < count; i++)
        CV_TRY(encode(cx, ret_params, (int)i, &values[i], &rooms[i]));
    return 0;
}
