/* Growable buffers. The fast path of appending is inline in the header; here is the way through growth. `capacity`
 * counts the NUL behind the contents and never exceeds `max_bytes + 1`. */
#include "base/arena.h"
#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_MAX_BYTES ((size_t)64 << 20)
#define FIRST_CAPACITY    ((size_t)128)

void cv_buf_init_arena(cv_buf *buf, cv_arena *arena, size_t max_bytes)
{
    size_t max = max_bytes ? max_bytes : DEFAULT_MAX_BYTES;
    *buf = (cv_buf){.max_bytes = max < SIZE_MAX ? max : SIZE_MAX - 1, .arena = arena};
}

void cv_buf_init(cv_buf *buf, size_t max_bytes)
{
    cv_buf_init_arena(buf, NULL, max_bytes);
}

void cv_buf_done(cv_buf *buf)
{
    if (!buf->arena)
        free(buf->data);
    cv_buf_init_arena(buf, buf->arena, buf->max_bytes);
}

void cv_buf_clear(cv_buf *buf)
{
    buf->len = 0;
    buf->error = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* At least `needed` bytes, or twice what there is, within the maximum. */
static size_t next_capacity(const cv_buf *buf, size_t needed)
{
    size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY / 2;
    capacity = capacity <= SIZE_MAX / 2 ? capacity * 2 : SIZE_MAX;
    if (capacity < needed)
        capacity = needed;
    return capacity <= buf->max_bytes + 1 ? capacity : buf->max_bytes + 1;
}

/* Make room for `len` more bytes and the NUL; false with the error set. */
static bool grow(cv_buf *buf, size_t len)
{
    if (buf->error)
        return false;
    if (len < buf->capacity - buf->len)
        return true;
    if (len > buf->max_bytes - buf->len) {
        buf->error = CV_E_LIMIT;
        return false;
    }
    size_t capacity = next_capacity(buf, buf->len + len + 1);
    char *data =
        buf->arena ? cv_arena_realloc(buf->arena, buf->data, buf->capacity, capacity) : realloc(buf->data, capacity);
    if (!data) {
        buf->error = buf->arena ? buf->arena->failure : CV_E_NOMEM;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void cv__buf_add_slow(cv_buf *buf, const void *data, size_t len)
{
    if (!grow(buf, len))
        return;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

char *cv__buf_reserve_slow(cv_buf *buf, size_t len)
{
    if (!grow(buf, len))
        return NULL;
    buf->data[buf->len] = '\0';
    return buf->data + buf->len;
}

/* Near the maximum there may be room for the digits though not for the longest number: they are written apart. */
void cv_buf_add_u64(cv_buf *buf, uint64_t value)
{
    char digits[CV__U64_TEXT_BYTES];
    bool in_place = !buf->error && CV__U64_TEXT_BYTES < buf->capacity - buf->len;
    char *out = in_place ? buf->data + buf->len : digits;
    size_t len = cv__u64_format(value, out);
    if (in_place)
        cv_buf_commit(buf, len);
    else
        cv__buf_add_slow(buf, digits, len);
}

void cv_buf_add_i64(cv_buf *buf, int64_t value)
{
    if (value >= 0) {
        cv_buf_add_u64(buf, (uint64_t)value);
        return;
    }
    char digits[CV__I64_TEXT_BYTES];
    cv_buf_add(buf, digits, cv__i64_format(value, digits));
}

void cv_buf_printf(cv_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = buf->error ? 0 : buf->capacity - buf->len;
    int len = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
    va_end(args);
    if (buf->error)
        return;
    if (len < 0) {
        buf->error = CV_E_NOMEM;
        return;
    }
    if ((size_t)len >= room) {
        if (room)
            buf->data[buf->len] = '\0'; /* what was written of a text that did not fit */
        char *out = cv_buf_reserve(buf, (size_t)len);
        if (!out)
            return;
        va_start(args, format);
        vsnprintf(out, (size_t)len + 1, format, args);
        va_end(args);
    }
    cv_buf_commit(buf, (size_t)len);
}

void cv_buf_consume(cv_buf *buf, size_t len)
{
    if (len > buf->len)
        len = buf->len;
    if (!len)
        return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len + 1);
}
