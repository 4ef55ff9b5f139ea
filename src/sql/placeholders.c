/* Translating `?` placeholders: a scanner that knows just enough SQL to tell code from quoted text.
 *
 * Each skip_ function gets the position of an opening mark and returns the position after the closing one, or
 * NOT_CLOSED.
 */
#include "sql/dialect.h"

#define NOT_CLOSED SIZE_MAX

typedef struct scanner {
    const cv__dialect *dialect;
    cv_str sql;
} scanner;

static char at(const scanner *s, size_t i)
{
    return i < s->sql.len ? s->sql.ptr[i] : '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Up to `close`, which stands for itself when doubled. */
static size_t skip_quoted(const scanner *s, size_t i, char close, bool backslashes)
{
    for (i++; i < s->sql.len; i++) {
        if (backslashes && s->sql.ptr[i] == '\\') {
            i++;
        } else if (s->sql.ptr[i] == close) {
            if (at(s, i + 1) != close)
                return i + 1;
            i++;
        }
    }
    return NOT_CLOSED;
}

static size_t skip_line(const scanner *s, size_t i)
{
    while (i < s->sql.len && s->sql.ptr[i] != '\n')
        i++;
    return i;
}

static size_t skip_comment(const scanner *s, size_t i)
{
    size_t depth = 0;
    while (i < s->sql.len) {
        if (at(s, i) == '/' && at(s, i + 1) == '*' && (depth == 0 || s->dialect->nested_comments)) {
            depth++;
            i += 2;
        } else if (at(s, i) == '*' && at(s, i + 1) == '/') {
            i += 2;
            if (--depth == 0)
                return i;
        } else {
            i++;
        }
    }
    return NOT_CLOSED;
}

/* $$...$$ and $tag$...$tag$; a dollar that opens neither is an ordinary character. */
static size_t skip_dollar_quoted(const scanner *s, size_t i)
{
    size_t tag_end = i + 1;
    if (at(s, tag_end) >= '0' && at(s, tag_end) <= '9')
        return i + 1;
    while (is_word(at(s, tag_end)))
        tag_end++;
    if (at(s, tag_end) != '$')
        return i + 1;
    cv_str tag = cv_str_sub(s->sql, i, tag_end + 1 - i);
    ptrdiff_t close = cv_str_find(cv_str_sub(s->sql, tag_end + 1, SIZE_MAX), tag);
    return close < 0 ? NOT_CLOSED : tag_end + 1 + (size_t)close + tag.len;
}

static bool begins_line_comment(const scanner *s, size_t i)
{
    if (s->dialect->hash_comments && at(s, i) == '#')
        return true;
    return at(s, i) == '-' && at(s, i + 1) == '-' && (!s->dialect->hash_comments || (unsigned char)at(s, i + 2) <= ' ');
}

/* Whether what a comment holds is a part of the statement all the same. */
static bool is_run(const scanner *s, size_t i)
{
    return s->dialect->hash_comments && (at(s, i + 2) == '!' || (at(s, i + 2) == 'M' && at(s, i + 3) == '!'));
}

/* The end of whatever begins at `i` and hides question marks; `i` itself when nothing does. */
static size_t skip_hidden(const scanner *s, size_t i)
{
    const cv__dialect *d = s->dialect;
    char c = at(s, i);
    char before = i > 0 ? at(s, i - 1) : '\0';
    if (c == '\'') {
        bool escapes = d->dollar_quotes && (before == 'e' || before == 'E') && !(i > 1 && is_word(at(s, i - 2)));
        return skip_quoted(s, i, '\'', escapes);
    }
    if (c == '"')
        return skip_quoted(s, i, '"', false);
    if (d->backquotes && c == '`')
        return skip_quoted(s, i, '`', false);
    if (d->bracket_quotes && c == '[') {
        ptrdiff_t close = cv_str_find_char(cv_str_sub(s->sql, i, SIZE_MAX), ']');
        return close < 0 ? NOT_CLOSED : i + (size_t)close + 1;
    }
    if (begins_line_comment(s, i))
        return skip_line(s, i);
    if (c == '/' && at(s, i + 1) == '*')
        return is_run(s, i) ? i : skip_comment(s, i);
    if (d->dollar_quotes && c == '$' && !is_word(before))
        return skip_dollar_quoted(s, i);
    return i;
}

static int fail_not_closed(cv_ctx *cx, const scanner *s, size_t i)
{
    const char *what = at(s, i) == '/' ? "comment" : "quote";
    return cv_fail(cx, CV_E_SYNTAX, "the %s that begins at byte %zu of the statement is not closed", what, i + 1);
}

/* A question mark outside of quotes: sets the position after it. */
static int add_question_mark(cv_ctx *cx, const scanner *s, size_t i, cv_buf *out, size_t *count, size_t *ret_next)
{
    if (at(s, i + 1) == '?') {
        cv_buf_add_char(out, '?');
        *ret_next = i + 2;
        return 0;
    }
    if (at(s, i + 1) >= '0' && at(s, i + 1) <= '9')
        return cv_fail(cx, CV_E_SYNTAX, "the placeholder at byte %zu of the statement has a number", i + 1);
    if (*count == s->dialect->max_params)
        return cv_fail(cx, CV_E_LIMIT, "the statement has more than %zu placeholders", s->dialect->max_params);
    s->dialect->add_placeholder(out, ++*count);
    *ret_next = i + 1;
    return 0;
}

int cv__translate_placeholders(cv_ctx *cx, const cv__dialect *dialect, cv_str sql, cv_buf *out, size_t *ret_params)
{
    scanner s = {dialect, sql};
    size_t count = 0;
    for (size_t i = 0; i < sql.len;) {
        size_t next = skip_hidden(&s, i);
        if (next == NOT_CLOSED)
            return fail_not_closed(cx, &s, i);
        if (next == i && sql.ptr[i] == '?') {
            CV_TRY(add_question_mark(cx, &s, i, out, &count, &next));
        } else {
            next = next == i ? i + 1 : next;
            cv_buf_add(out, sql.ptr + i, next - i);
        }
        i = next;
    }
    if (out->error)
        return cv_fail(cx, out->error, "the statement is too long");
    *ret_params = count;
    return 0;
}
