/* Errors: the list of codes, and the chain of stories in a context.
 *
 * Stories lie in an arena of their own, so that an error can be told when the context's arena is exhausted. Everything
 * after `cx->error_base` belongs to the pending chain and dies when it is cleared; what lies before belongs to errors
 * that were taken and will be put back. Texts are formatted on the stack first: they may quote the very story that is
 * about to be dropped. */
#include "base/arena.h"
#include "base/ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_ARENA_BYTES ((size_t)64 << 10)
#define LONGEST_CHAIN     16
#define MOST_FIELDS       ((size_t)100)
#define LONGEST_TEXT      4096

/* An error as it is stored: what callers see, and what the chain needs. */
typedef struct story {
    cv_error error; /* first: a cv_error of ours is a story */
    cv_error_field *fields;
    size_t field_capacity;
    cv_arena_mark former_base; /* of a taken error: `error_base` from before */
} story;

/* Every error of a chain was made here and may be changed here; to callers it is constant. */
static story *story_of(const cv_error *error)
{
    return (story *)(uintptr_t)error;
}

const char *cv_error_name(int code)
{
    switch (code) {
    case CV_OK:
        return "CV_OK";
#define X(name, number, text, doc)                                                                                     \
    case name:                                                                                                         \
        return #name;
        CV_ERRORS(X)
#undef X
    default:
        return "CV_E_?";
    }
}

const char *cv_error_text(int code)
{
    switch (code) {
    case CV_OK:
        return "success";
#define X(name, number, text, doc)                                                                                     \
    case name:                                                                                                         \
        return text;
        CV_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

bool cv_error_is_transient(int code)
{
    switch (code) {
    case CV_E_BUSY:
    case CV_E_REFUSED:
    case CV_E_CONNECTION_LOST:
    case CV_E_LOCKED:
    case CV_E_TOO_MANY_CONNECTIONS:
    case CV_E_NO_SERVER:
    case CV_E_POOL_TIMEOUT:
    case CV_E_OVERLOADED:
    case CV_E_CIRCUIT_OPEN:
    case CV_E_SERIALIZATION:
    case CV_E_DEADLOCK:
        return true;
    default:
        return false;
    }
}

const cv_error *cv_error_last(const cv_ctx *cx)
{
    return cx->error;
}

static void forget(cv_ctx *cx)
{
    cx->error = NULL;
    cx->error_code = 0;
    if (cx->error_arena)
        cv_arena_rewind(cx->error_arena, cx->error_base);
}

void cv_error_clear(cv_ctx *cx)
{
    forget(cx);
    cx->tx_marked = false; /* what went wrong was handled, and so was what was rolled back */
}

/* Format into `out` and return the length; a longer text ends with "..." and never inside a UTF-8 sequence. */
CV_PRINTF(2, 0)
static size_t format_text(char out[LONGEST_TEXT], const char *format, va_list args)
{
    int len = vsnprintf(out, LONGEST_TEXT, format, args);
    if (len < 0) {
        out[0] = '\0';
        return 0;
    }
    if (len < LONGEST_TEXT)
        return (size_t)len;
    size_t end = LONGEST_TEXT - 4;
    while (end > 0 && ((unsigned char)out[end] & 0xC0) == 0x80)
        end--;
    memcpy(out + end, "...", 4);
    return end + 3;
}

/* A story with its message, not yet linked; NULL when the error arena is exhausted. */
static story *make_story(cv_ctx *cx, int code, const char *message, size_t len)
{
    if (!cx->error_arena)
        cx->error_arena = cv_arena_new(ERROR_ARENA_BYTES);
    if (!cx->error_arena)
        return NULL;
    story *told = cv__arena_alloc(cx->error_arena, sizeof *told);
    char *copy = cv_arena_strndup(cx->error_arena, message, len);
    if (!told || !copy)
        return NULL;
    *told = (story){.error = {.code = code, .message = copy}};
    return told;
}

/* Like make_story; when there is no room, the pending chain is given up for the new story. */
static story *make_story_at_any_price(cv_ctx *cx, int code, const char *message, size_t len)
{
    story *told = make_story(cx, code, message, len);
    if (!told && cx->error_arena) {
        forget(cx);
        told = make_story(cx, code, message, len);
    }
    return told;
}

/* Let go of the oldest causes beyond the longest chain. */
static void cut_chain(const cv_error *error)
{
    for (int depth = 1; error && depth < LONGEST_CHAIN; depth++)
        error = error->cause;
    if (error)
        story_of(error)->error.cause = NULL;
}

int cv_error_set(cv_ctx *cx, int code, const char *file, int line, const char *format, ...)
{
    char text[LONGEST_TEXT];
    va_list args;
    va_start(args, format);
    size_t len = format_text(text, format, args);
    va_end(args);

    story *told = make_story_at_any_price(cx, code, text, len);
    if (told) {
        told->error.file = file;
        told->error.line = line;
        told->error.cause = cx->error;
        cut_chain(&told->error);
    }
    cx->error = told ? &told->error : NULL;
    cx->error_code = code;
    return code;
}

/* A copy of a text that may be missing, or NULL when there is no room. */
static const char *copy_text(cv_ctx *cx, const char *text)
{
    return text ? cv_arena_strdup(cx->error_arena, text) : NULL;
}

static void replace_text(cv_ctx *cx, const char **slot, const char *text)
{
    const char *copy = copy_text(cx, text);
    if (copy)
        *slot = copy;
}

void cv_error_detail(cv_ctx *cx, const char *format, ...)
{
    if (!cx->error)
        return;
    char text[LONGEST_TEXT];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    replace_text(cx, &cx->error->detail, text);
}

void cv_error_hint(cv_ctx *cx, const char *format, ...)
{
    if (!cx->error)
        return;
    char text[LONGEST_TEXT];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    replace_text(cx, &cx->error->hint, text);
}

void cv_error_place(cv_ctx *cx, const char *sqlstate, const char *table, const char *column, const char *constraint)
{
    if (!cx->error)
        return;
    replace_text(cx, &cx->error->sqlstate, sqlstate);
    replace_text(cx, &cx->error->table, table);
    replace_text(cx, &cx->error->column, column);
    replace_text(cx, &cx->error->constraint, constraint);
}

static void append_field(cv_ctx *cx, story *told, const char *field, const char *message)
{
    if (told->error.field_count == MOST_FIELDS)
        return;
    if (told->error.field_count == told->field_capacity) {
        size_t capacity = told->field_capacity ? 2 * told->field_capacity : 4;
        cv_error_field *grown = cv_arena_realloc(cx->error_arena, told->fields, told->field_capacity * sizeof *grown,
                                                 capacity * sizeof *grown);
        if (!grown)
            return;
        told->fields = grown;
        told->field_capacity = capacity;
        told->error.fields = grown;
    }
    cv_error_field entry = {copy_text(cx, field), copy_text(cx, message)};
    if (entry.field && entry.message)
        told->fields[told->error.field_count++] = entry;
}

void cv_error_add_field(cv_ctx *cx, const char *field, const char *format, ...)
{
    if (!cx->error)
        return;
    char text[LONGEST_TEXT];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    append_field(cx, story_of(cx->error), field, text);
}

cv_error *cv_error_take(cv_ctx *cx)
{
    story *first = story_of(cx->error);
    if (!first)
        return NULL;
    first->former_base = cx->error_base;
    cx->error_base = cv_arena_save(cx->error_arena);
    cx->error = NULL;
    cx->error_code = 0;
    return &first->error;
}

void cv_error_put_back(cv_ctx *cx, cv_error *first)
{
    if (!first)
        return;
    forget(cx);
    cx->error = first;
    cx->error_code = first->code;
    cx->error_base = story_of(first)->former_base;
}

/* Copy one error of another context, without its cause. NULL when there is no room. */
static story *copy_story(cv_ctx *to, const cv_error *from, bool at_any_price)
{
    size_t len = strlen(from->message);
    story *told = at_any_price ? make_story_at_any_price(to, from->code, from->message, len)
                               : make_story(to, from->code, from->message, len);
    if (!told)
        return NULL;
    told->error.file = from->file;
    told->error.line = from->line;
    told->error.detail = copy_text(to, from->detail);
    told->error.hint = copy_text(to, from->hint);
    told->error.sqlstate = copy_text(to, from->sqlstate);
    told->error.table = copy_text(to, from->table);
    told->error.column = copy_text(to, from->column);
    told->error.constraint = copy_text(to, from->constraint);
    for (size_t i = 0; i < from->field_count; i++)
        append_field(to, told, from->fields[i].field, from->fields[i].message);
    return told;
}

int cv_error_copy(cv_ctx *to, const cv_ctx *from)
{
    if (to == from || !from->error_code)
        return from->error_code;
    story *head = from->error ? copy_story(to, from->error, true) : NULL;
    cv_error *tail = head ? &head->error : NULL;
    for (const cv_error *cause = head ? from->error->cause : NULL; cause; cause = cause->cause) {
        story *copy = copy_story(to, cause, false);
        if (!copy)
            break;
        tail->cause = &copy->error;
        tail = &copy->error;
    }
    if (head) {
        tail->cause = to->error;
        cut_chain(&head->error);
    }
    to->error = head ? &head->error : NULL;
    to->error_code = from->error_code;
    return from->error_code;
}
