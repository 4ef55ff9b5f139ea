/* String views and growable buffers.
 *
 * A `cv_str` points into memory that somebody else owns; it is not NUL-terminated. `ptr == NULL` is the SQL NULL and
 * differs from the empty string. A `cv_buf` grows up to a maximum and remembers the first failure, so that a writer may
 * append many times and check once. Nothing here suspends. */
#ifndef COVET_STR_H
#define COVET_STR_H

#include <covet/api.h>
#include <covet/arena.h>
#include <covet/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

CV_BEGIN_DECLS

/** A view of `len` bytes of text. */
typedef struct cv_str {
    const char *ptr;
    size_t len;
} cv_str;

/** A view of `len` bytes of binary data; `ptr == NULL` is NULL. */
typedef struct cv_bytes {
    const uint8_t *ptr;
    size_t len;
} cv_bytes;

/** A view of a string literal; of a NUL-terminated text (NULL gives the NULL view); of a part. */
#define CV_STR(literal) ((cv_str){"" literal "", sizeof(literal) - 1})
static inline cv_str cv_str_of(const char *text)
{
    cv_str view = {text, text ? strlen(text) : 0};
    return view;
}
static inline cv_str cv_str_make(const char *ptr, size_t len)
{
    cv_str view = {ptr, len};
    return view;
}

/** For printf: `printf("%.*s", CV_STR_ARG(view))`. */
#define CV_STR_ARG(view) (int)(view).len, ((view).ptr ? (view).ptr : "")

/** Comparison by bytes; NULL equals NULL alone. `cv_str_compare`: negative, 0, positive; NULL sorts first. The
 * `_nocase` forms fold ASCII only. */
static inline bool cv_str_equal(cv_str a, cv_str b)
{
    if (!a.ptr || !b.ptr)
        return a.ptr == b.ptr;
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}
CV_API bool cv_str_equal_nocase(cv_str a, cv_str b);
CV_API int cv_str_compare(cv_str a, cv_str b);
CV_API bool cv_str_starts_with(cv_str text, cv_str prefix);
CV_API bool cv_str_ends_with(cv_str text, cv_str suffix);

/** The position of the first `needle`, or -1. */
CV_API ptrdiff_t cv_str_find(cv_str text, cv_str needle);
CV_API ptrdiff_t cv_str_find_char(cv_str text, char c);

/** The part from `from` (clamped) of at most `len` bytes. */
CV_API cv_str cv_str_sub(cv_str text, size_t from, size_t len);

/** Without ASCII white space at both ends. */
CV_API cv_str cv_str_trim(cv_str text);

/** Cut the text before the first `separator` off `*rest` into `*ret_part`; false when `*rest` is exhausted (its ptr is
 *  then NULL). An empty text gives one empty part. */
CV_API bool cv_str_split(cv_str *rest, char separator, cv_str *ret_part);

/** The whole text as a decimal integer or number (finite; at most 1,023 bytes where it is long), whatever the locale.
 *  CV_E_SYNTAX or CV_E_RANGE, without a story. */
CV_API CV_CHECKED int cv_str_to_i64(cv_str text, int64_t *ret_value);
CV_API CV_CHECKED int cv_str_to_u64(cv_str text, uint64_t *ret_value);
CV_API CV_CHECKED int cv_str_to_f64(cv_str text, double *ret_value);

/** Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
CV_API bool cv_utf8_valid(cv_str text);

/** The number of code points of well-formed UTF-8. */
CV_API size_t cv_utf8_length(cv_str text);

/** FNV-1a is not used: this is a keyed 64-bit hash (SipHash-1-3 construction) with a per-process random key, safe for
 *  keys from outside. */
CV_API uint64_t cv_hash(const void *data, size_t len);

/** Levenshtein distance of two short texts (longer than 64 bytes: the length of the longer), for suggestions. */
CV_API size_t cv_str_distance(cv_str a, cv_str b);

/** The entry of `names` nearest to `wanted`, or NULL when none is near enough to suggest. */
CV_API const char *cv_str_nearest(cv_str wanted, const char *const *names, size_t count);

/** Whether two secrets are equal, in time that depends on the lengths only. */
CV_API bool cv_secret_equal(cv_bytes a, cv_bytes b);

/** A growable buffer with a maximum. Initialise with one of the two functions; `data` is NUL-terminated when not NULL.
 *  Once `error` is set (CV_E_NOMEM or CV_E_LIMIT), further appends do nothing. */
typedef struct cv_buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max_bytes;
    cv_arena *arena; /* NULL: the heap */
    int error;
} cv_buf;

/** On the heap: free with cv_buf_done. In an arena: cv_buf_done is allowed and only forgets. `max_bytes` 0: 64 MiB. */
CV_API void cv_buf_init(cv_buf *buf, size_t max_bytes);
CV_API void cv_buf_init_arena(cv_buf *buf, cv_arena *arena, size_t max_bytes);
CV_API void cv_buf_done(cv_buf *buf);

/** Forget the contents and the error, keep the memory. */
CV_API void cv_buf_clear(cv_buf *buf);

/* The ways through growth; not for direct use. */
CV_API void cv__buf_add_slow(cv_buf *buf, const void *data, size_t len);
CV_API char *cv__buf_reserve_slow(cv_buf *buf, size_t len);

/** Append. Failures are sticky in `buf->error`; what does not fit is left out as a whole. A NULL text adds nothing. */
static inline void cv_buf_add(cv_buf *buf, const void *data, size_t len)
{
    if (__builtin_expect(buf->error != 0 || len >= buf->capacity - buf->len, 0)) {
        cv__buf_add_slow(buf, data, len);
        return;
    }
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}
static inline void cv_buf_add_str(cv_buf *buf, cv_str text)
{
    cv_buf_add(buf, text.ptr, text.len);
}
static inline void cv_buf_add_text(cv_buf *buf, const char *text)
{
    cv_buf_add(buf, text, text ? strlen(text) : 0);
}
static inline void cv_buf_add_char(cv_buf *buf, char c)
{
    cv_buf_add(buf, &c, 1);
}
CV_API void cv_buf_add_i64(cv_buf *buf, int64_t value);
CV_API void cv_buf_add_u64(cv_buf *buf, uint64_t value);
CV_API void cv_buf_printf(cv_buf *buf, const char *format, ...) CV_PRINTF(2, 3);

/** Room for `len` more bytes at the end, to be written by the caller and then added with cv_buf_commit; NULL on
 * failure. */
CV_CHECKED static inline char *cv_buf_reserve(cv_buf *buf, size_t len)
{
    if (__builtin_expect(buf->error != 0 || len >= buf->capacity - buf->len, 0))
        return cv__buf_reserve_slow(buf, len);
    return buf->data + buf->len;
}

/** Add `len` bytes that were written to reserved room; no more than were reserved. */
static inline void cv_buf_commit(cv_buf *buf, size_t len)
{
    buf->len += len;
    buf->data[buf->len] = '\0';
}

/** Remove the first `len` bytes. */
CV_API void cv_buf_consume(cv_buf *buf, size_t len);

/** What the buffer holds, as a view; valid until the next change. */
static inline cv_str cv_buf_str(const cv_buf *buf)
{
    cv_str view = {buf->data ? buf->data : "", buf->len};
    return view;
}

CV_END_DECLS

#endif
