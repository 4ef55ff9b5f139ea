/* String views: comparison, search, cutting, suggestions. UTF-8 is in utf8.c, numbers are in number.c. */
#include <covet/str.h>

#define LONGEST_DISTANCE 64

static unsigned char fold(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

bool cv_str_equal_nocase(cv_str a, cv_str b)
{
    if (!a.ptr || !b.ptr)
        return a.ptr == b.ptr;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

int cv_str_compare(cv_str a, cv_str b)
{
    if (!a.ptr || !b.ptr)
        return (a.ptr != NULL) - (b.ptr != NULL);
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool cv_str_starts_with(cv_str text, cv_str prefix)
{
    return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

bool cv_str_ends_with(cv_str text, cv_str suffix)
{
    return text.len >= suffix.len &&
           (suffix.len == 0 || memcmp(text.ptr + text.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

ptrdiff_t cv_str_find(cv_str text, cv_str needle)
{
    if (needle.len == 0)
        return 0;
    if (text.len < needle.len)
        return -1;
    const char *at = memmem(text.ptr, text.len, needle.ptr, needle.len);
    return at ? at - text.ptr : -1;
}

ptrdiff_t cv_str_find_char(cv_str text, char c)
{
    const char *at = text.len ? memchr(text.ptr, c, text.len) : NULL;
    return at ? at - text.ptr : -1;
}

cv_str cv_str_sub(cv_str text, size_t from, size_t len)
{
    if (!text.ptr)
        return text;
    if (from > text.len)
        from = text.len;
    if (len > text.len - from)
        len = text.len - from;
    return cv_str_make(text.ptr + from, len);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

cv_str cv_str_trim(cv_str text)
{
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    while (text.len && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return text;
}

bool cv_str_split(cv_str *rest, char separator, cv_str *ret_part)
{
    if (!rest->ptr)
        return false;
    ptrdiff_t at = cv_str_find_char(*rest, separator);
    if (at < 0) {
        *ret_part = *rest;
        *rest = cv_str_make(NULL, 0);
        return true;
    }
    *ret_part = cv_str_make(rest->ptr, (size_t)at);
    *rest = cv_str_make(rest->ptr + at + 1, rest->len - (size_t)at - 1);
    return true;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t cv_str_distance(cv_str a, cv_str b)
{
    if (a.len > LONGEST_DISTANCE || b.len > LONGEST_DISTANCE)
        return a.len > b.len ? a.len : b.len;
    size_t row[LONGEST_DISTANCE + 1]; /* distances of the first i bytes of `a` to each beginning of `b` */
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b.len];
}

const char *cv_str_nearest(cv_str wanted, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = 2 + wanted.len / 4; /* the first distance that is too far */
    if (best > wanted.len)
        best = wanted.len;
    for (size_t i = 0; i < count; i++) {
        size_t distance = cv_str_distance(wanted, cv_str_of(names[i]));
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

bool cv_secret_equal(cv_bytes a, cv_bytes b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (a.ptr[i] ^ b.ptr[i]));
    return difference == 0;
}
