#include "base/packed.h"
#include "base/arena.h"

#include <assert.h>

#define DAY_MAX (CV_TIME_MAX_US / INT64_C(86400000000))

size_t cv__packed_bytes(unsigned element, unsigned bits)
{
    switch (element) {
    case CV_TYPE_BOOL:
        return sizeof(bool);
    case CV_TYPE_I64:
        return bits == 16 ? sizeof(int16_t) : bits == 32 ? sizeof(int32_t) : sizeof(int64_t);
    case CV_TYPE_F64:
        return sizeof(double);
    case CV_TYPE_DECIMAL:
        return sizeof(cv_decimal);
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        return sizeof(cv_str);
    case CV_TYPE_BYTES:
        return sizeof(cv_bytes);
    case CV_TYPE_TIME:
        return sizeof(cv_time);
    case CV_TYPE_DATE:
        return sizeof(cv_date);
    case CV_TYPE_UUID:
        return sizeof(cv_uuid);
    default:
        return 0;
    }
}

static int64_t get_integer(const void *at, unsigned bits)
{
    return bits == 16 ? *(const int16_t *)at : bits == 32 ? *(const int32_t *)at : *(const int64_t *)at;
}

cv_value cv__packed_get(const void *at, unsigned element, unsigned bits)
{
    switch (element) {
    case CV_TYPE_BOOL:
        return cv_value_bool(*(const bool *)at);
    case CV_TYPE_I64:
        return cv_value_i64(get_integer(at, bits));
    case CV_TYPE_F64:
        return cv_value_f64(*(const double *)at);
    case CV_TYPE_DECIMAL:
        return cv_value_decimal(*(const cv_decimal *)at);
    case CV_TYPE_TEXT:
        return cv_value_str(*(const cv_str *)at);
    case CV_TYPE_JSON:
        return cv_value_json((cv_json){*(const cv_str *)at});
    case CV_TYPE_BYTES:
        return cv_value_bytes(*(const cv_bytes *)at);
    case CV_TYPE_TIME:
        return cv_value_time(*(const cv_time *)at);
    case CV_TYPE_DATE:
        return cv_value_date(*(const cv_date *)at);
    case CV_TYPE_UUID:
        return cv_value_uuid(*(const cv_uuid *)at);
    default:
        return cv_value_null();
    }
}

static void put_integer(void *at, unsigned bits, int64_t value)
{
    if (bits == 16)
        *(int16_t *)at = (int16_t)value;
    else if (bits == 32)
        *(int32_t *)at = (int32_t)value;
    else
        *(int64_t *)at = value;
}

void cv__packed_put(void *at, unsigned element, unsigned bits, cv_value value)
{
    switch (element) {
    case CV_TYPE_BOOL:
        *(bool *)at = value.as.boolean;
        break;
    case CV_TYPE_I64:
        put_integer(at, bits, value.as.i64);
        break;
    case CV_TYPE_F64:
        *(double *)at = value.as.f64;
        break;
    case CV_TYPE_DECIMAL:
        *(cv_decimal *)at = value.as.decimal;
        break;
    case CV_TYPE_TEXT:
    case CV_TYPE_JSON:
        *(cv_str *)at = value.as.text;
        break;
    case CV_TYPE_BYTES:
        *(cv_bytes *)at = value.as.bytes;
        break;
    case CV_TYPE_TIME:
        *(cv_time *)at = value.as.time;
        break;
    case CV_TYPE_DATE:
        *(cv_date *)at = value.as.date;
        break;
    case CV_TYPE_UUID:
        *(cv_uuid *)at = value.as.uuid;
        break;
    default:
        break;
    }
}

bool cv__packed_fits(unsigned bits, cv_value value)
{
    if (value.type != CV_TYPE_I64 || bits == 64 || bits == 0)
        return true;
    return bits == 16 ? value.as.i64 >= INT16_MIN && value.as.i64 <= INT16_MAX
                      : value.as.i64 >= INT32_MIN && value.as.i64 <= INT32_MAX;
}

/* ---- reading ---- */

cv_value cv_array_at(cv_array_view array, size_t index)
{
    if (index >= array.count || (array.nulls && array.nulls[index]))
        return cv_value_null();
    size_t bytes = cv__packed_bytes(array.element, array.bits);
    return cv__packed_get((const char *)array.items + index * bytes, array.element, array.bits);
}

static cv_value bound(cv_range_view range, unsigned infinite, size_t index)
{
    if (range.flags & (CV_RANGE_EMPTY | infinite))
        return cv_value_null();
    size_t bytes = cv__packed_bytes(range.element, range.bits);
    return cv__packed_get((const char *)range.bounds + index * bytes, range.element, range.bits);
}

cv_value cv_range_lower(cv_range_view range)
{
    return bound(range, CV_RANGE_LOWER_INFINITE, 0);
}

cv_value cv_range_upper(cv_range_view range)
{
    return bound(range, CV_RANGE_UPPER_INFINITE, 1);
}

/* ---- building arrays ---- */

int cv__array_reserve(cv__array_builder *b, size_t count)
{
    size_t bytes = cv__packed_bytes(b->element, b->bits);
    if (count <= b->capacity)
        return 0;
    if (count >= UINT32_MAX)
        return CV_E_LIMIT;
    char *items = cv_arena_realloc(b->arena, b->items, b->capacity * bytes, count * bytes);
    if (!items)
        return b->arena->failure;
    b->items = items;
    if (b->nulls) {
        bool *nulls = cv_arena_realloc(b->arena, b->nulls, b->capacity, count);
        if (!nulls)
            return b->arena->failure;
        memset(nulls + b->capacity, 0, count - b->capacity);
        b->nulls = nulls;
    }
    b->capacity = count;
    return 0;
}

static int add_null(cv__array_builder *b)
{
    size_t bytes = cv__packed_bytes(b->element, b->bits);
    if (!b->nulls)
        b->nulls = cv_arena_zalloc(b->arena, b->capacity, sizeof *b->nulls);
    if (!b->nulls)
        return b->arena->failure;
    assert(b->items); /* there is room */
    memset(b->items + b->count * bytes, 0, bytes);
    b->nulls[b->count++] = true;
    return 0;
}

int cv__array_add(cv__array_builder *b, cv_value value)
{
    if (b->count == b->capacity)
        CV_TRY(cv__array_reserve(b, b->capacity ? b->capacity * 2 : 8));
    if (value.type == CV_TYPE_NULL)
        return add_null(b);
    if (value.type != b->element)
        return CV_E_TYPE;
    if (!cv__packed_fits(b->bits, value))
        return CV_E_RANGE;
    cv__packed_put(b->items + b->count * cv__packed_bytes(b->element, b->bits), b->element, b->bits, value);
    b->count++;
    return 0;
}

int cv__array_take(cv__array_builder *b, cv_value *ret_value)
{
    cv_array_view view = {b->count ? b->items : CV_NO_ITEMS, b->nulls, (uint32_t)b->count, (uint16_t)b->element,
                          (uint16_t)b->bits};
    *ret_value = cv_value_array(view);
    return 0;
}

/* ---- ranges ---- */

static int put_bound(char *at, unsigned element, unsigned bits, cv_value value)
{
    if (value.type == CV_TYPE_NULL)
        return 0;
    if (value.type != element)
        return CV_E_TYPE;
    if (!cv__packed_fits(bits, value))
        return CV_E_RANGE;
    cv__packed_put(at, element, bits, value);
    return 0;
}

int cv__range_make(cv_arena *arena, unsigned element, unsigned bits, cv_value lower, cv_value upper, unsigned flags,
                   cv_value *ret_value)
{
    size_t bytes = cv__packed_bytes(element, bits);
    char *bounds = cv_arena_zalloc(arena, 2, bytes);
    if (!bounds)
        return arena->failure;
    if (flags & CV_RANGE_EMPTY)
        flags = CV_RANGE_EMPTY;
    if (lower.type == CV_TYPE_NULL && !(flags & CV_RANGE_EMPTY))
        flags = (flags | CV_RANGE_LOWER_INFINITE) & ~(unsigned)CV_RANGE_LOWER_INCLUSIVE;
    if (upper.type == CV_TYPE_NULL && !(flags & CV_RANGE_EMPTY))
        flags = (flags | CV_RANGE_UPPER_INFINITE) & ~(unsigned)CV_RANGE_UPPER_INCLUSIVE;
    CV_TRY(put_bound(bounds, element, bits, lower));
    CV_TRY(put_bound(bounds + bytes, element, bits, upper));
    *ret_value = cv_value_range((cv_range_view){bounds, (uint16_t)element, (uint16_t)bits, (uint8_t)flags});
    return 0;
}

static int compare_bounds(cv_value a, cv_value b)
{
    switch (a.type) {
    case CV_TYPE_I64:
        return (a.as.i64 > b.as.i64) - (a.as.i64 < b.as.i64);
    case CV_TYPE_DECIMAL:
        return cv_decimal_compare(a.as.decimal, b.as.decimal);
    case CV_TYPE_TIME:
        return (a.as.time.us > b.as.time.us) - (a.as.time.us < b.as.time.us);
    default:
        return (a.as.date.days > b.as.date.days) - (a.as.date.days < b.as.date.days);
    }
}

/* The next whole number or day. */
static int step(cv_range_view range, cv_value *value)
{
    if (value->type == CV_TYPE_DATE) {
        if (value->as.date.days >= DAY_MAX)
            return CV_E_RANGE;
        value->as.date.days++;
        return 0;
    }
    if (value->as.i64 == INT64_MAX)
        return CV_E_RANGE;
    value->as.i64++;
    return cv__packed_fits(range.bits, *value) ? 0 : CV_E_RANGE;
}

int cv__range_normal(cv_arena *arena, cv_range_view range, cv_range_view *ret_range)
{
    cv_value lower = cv_range_lower(range), upper = cv_range_upper(range), normal;
    unsigned flags = range.flags;
    bool both = lower.type != CV_TYPE_NULL && upper.type != CV_TYPE_NULL;
    if (both && compare_bounds(lower, upper) > 0)
        return CV_E_INVALID;
    if (range.element == CV_TYPE_I64 || range.element == CV_TYPE_DATE) {
        if (lower.type != CV_TYPE_NULL && !(flags & CV_RANGE_LOWER_INCLUSIVE))
            CV_TRY(step(range, &lower));
        if (upper.type != CV_TYPE_NULL && (flags & CV_RANGE_UPPER_INCLUSIVE))
            CV_TRY(step(range, &upper));
        flags = (flags | CV_RANGE_LOWER_INCLUSIVE) & ~(unsigned)CV_RANGE_UPPER_INCLUSIVE;
    }
    unsigned closed = CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INCLUSIVE;
    int order = both ? compare_bounds(lower, upper) : -1;
    if (order > 0 || (order == 0 && (flags & closed) != closed))
        flags = CV_RANGE_EMPTY;
    CV_TRY(cv__range_make(arena, range.element, range.bits, lower, upper, flags, &normal));
    *ret_range = normal.as.range;
    return 0;
}

/* ---- owning ---- */

static int own_text(cv_arena *arena, cv_str *text)
{
    char *copy = cv_arena_strndup(arena, text->ptr, text->len);
    if (!copy)
        return arena->failure;
    text->ptr = copy;
    return 0;
}

static bool points(unsigned type)
{
    return type == CV_TYPE_TEXT || type == CV_TYPE_JSON || type == CV_TYPE_BYTES;
}

_Static_assert(sizeof(cv_bytes) == sizeof(cv_str) && offsetof(cv_bytes, len) == offsetof(cv_str, len),
               "bytes and texts are packed alike");

static int own_array(cv_arena *arena, cv_array_view *array)
{
    size_t bytes = array->count * cv__packed_bytes(array->element, array->bits);
    char *items = cv_arena_alloc(arena, bytes ? bytes : 1);
    bool *nulls = items && array->nulls ? cv_arena_alloc(arena, array->count ? array->count : 1) : NULL;
    if (!items || (array->nulls && !nulls))
        return arena->failure;
    if (bytes)
        memcpy(items, array->items, bytes);
    if (nulls && array->count)
        memcpy(nulls, array->nulls, array->count);
    array->items = items;
    array->nulls = nulls;
    cv_str *texts = (cv_str *)(void *)items;
    for (size_t i = 0; points(array->element) && i < array->count; i++)
        if (!nulls || !nulls[i])
            CV_TRY(own_text(arena, &texts[i]));
    return 0;
}

int cv__value_own(cv_arena *arena, cv_value *value)
{
    if (points(value->type))
        return own_text(arena, &value->as.text);
    if (value->type == CV_TYPE_ARRAY)
        return own_array(arena, &value->as.array);
    if (value->type != CV_TYPE_RANGE)
        return 0;
    size_t bytes = 2 * cv__packed_bytes(value->as.range.element, value->as.range.bits);
    void *bounds = cv_arena_alloc(arena, bytes);
    if (!bounds)
        return arena->failure;
    memcpy(bounds, value->as.range.bounds, bytes);
    value->as.range.bounds = bounds;
    return 0;
}

/* ---- another width ---- */

static int widen_array(cv_arena *arena, unsigned bits, cv_value *value)
{
    cv_array_view array = value->as.array;
    cv__array_builder b = {.arena = arena, .element = array.element, .bits = bits};
    CV_TRY(cv__array_reserve(&b, array.count));
    for (size_t i = 0; i < array.count; i++)
        CV_TRY(cv__array_add(&b, cv_array_at(array, i)));
    return cv__array_take(&b, value);
}

int cv__packed_fit(cv_arena *arena, unsigned element, unsigned bits, cv_value *value)
{
    bool array = value->type == CV_TYPE_ARRAY;
    if ((array ? value->as.array.element : value->as.range.element) != element)
        return CV_E_TYPE;
    if (element != CV_TYPE_I64 || (array ? value->as.array.bits : value->as.range.bits) == bits)
        return cv__value_own(arena, value);
    if (array)
        return widen_array(arena, bits, value);
    cv_range_view range = value->as.range;
    return cv__range_make(arena, element, bits, cv_range_lower(range), cv_range_upper(range), range.flags, value);
}
