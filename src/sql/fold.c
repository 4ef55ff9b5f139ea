#include "sql/fold.h"

#include <stdlib.h>
#include <utf8proc.h>

enum fold_need { FOLD_NOTHING, FOLD_ASCII, FOLD_UNICODE };

static enum fold_need what_folding_needs(cv_str text)
{
    bool upper = false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x80)
            return FOLD_UNICODE;
        upper |= c >= 'A' && c <= 'Z';
    }
    return upper ? FOLD_ASCII : FOLD_NOTHING;
}

static int take_memory(cv_arena *arena, size_t size, char **ret_memory, void **ret_heap)
{
    *ret_memory = arena ? cv_arena_alloc(arena, size) : malloc(size);
    *ret_heap = arena ? NULL : *ret_memory;
    return *ret_memory ? 0 : CV_E_NOMEM;
}

static int fold_ascii(cv_arena *arena, cv_str text, cv_str *ret_folded, void **ret_heap)
{
    char *copy;
    CV_TRY(take_memory(arena, text.len + 1, &copy, ret_heap));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    copy[text.len] = '\0';
    *ret_folded = cv_str_make(copy, text.len);
    return 0;
}

int cv__fold(cv_arena *arena, cv_str text, cv_str *ret_folded, void **ret_heap)
{
    *ret_heap = NULL;
    enum fold_need need = what_folding_needs(text);
    if (need == FOLD_NOTHING) {
        *ret_folded = text;
        return 0;
    }
    if (need == FOLD_ASCII)
        return fold_ascii(arena, text, ret_folded, ret_heap);

    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t len =
        utf8proc_map((const utf8proc_uint8_t *)text.ptr, (utf8proc_ssize_t)text.len, &folded, UTF8PROC_CASEFOLD);
    if (len == UTF8PROC_ERROR_NOMEM)
        return CV_E_NOMEM;
    if (len == UTF8PROC_ERROR_OVERFLOW)
        return CV_E_LIMIT;
    if (len < 0)
        return fold_ascii(arena, text, ret_folded, ret_heap);
    if (!arena) {
        *ret_folded = cv_str_make((const char *)folded, (size_t)len);
        *ret_heap = folded;
        return 0;
    }
    char *copy = cv_arena_strndup(arena, (const char *)folded, (size_t)len);
    free(folded);
    if (!copy)
        return CV_E_NOMEM;
    *ret_folded = cv_str_make(copy, (size_t)len);
    return 0;
}
