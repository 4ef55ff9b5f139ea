#include "relation.h"

const struct relation_kind relation_kinds[] = {
    {"Depends", {"depends", 7}},     {"Pre-Depends", {"pre-depends", 11}}, {"Recommends", {"recommends", 10}},
    {"Suggests", {"suggests", 8}},   {"Enhances", {"enhances", 8}},        {"Breaks", {"breaks", 6}},
    {"Conflicts", {"conflicts", 9}}, {"Replaces", {"replaces", 8}},        {"Provides", {"provides", 8}},
};
const size_t relation_kind_count = sizeof relation_kinds / sizeof relation_kinds[0];

void relation_reader_init(struct relation_reader *reader, cv_ctx *cx, cv_str value)
{
    *reader = (struct relation_reader){.cx = cx, .groups = value, .position = -1};
}

/* Cut the leading run of bytes for which `inside` holds off the text. */
static cv_str cut(cv_str *text, bool (*inside)(char c))
{
    size_t len = 0;
    while (len < text->len && inside(text->ptr[len]))
        len++;
    cv_str part = cv_str_make(text->ptr, len);
    *text = cv_str_sub(*text, len, text->len);
    return part;
}

static bool is_name(char c)
{
    return c != ' ' && c != '\t' && c != '\n' && c != '(' && c != '[' && c != '<' && c != ':';
}

static bool is_operator(char c)
{
    return c == '<' || c == '>' || c == '=';
}

static int fail_syntax(cv_ctx *cx, cv_str text)
{
    return cv_fail(cx, CV_E_SYNTAX, "cannot read the relation \"%.*s\"", (int)(text.len < 80 ? text.len : 80),
                   text.ptr);
}

/* "(>= 2.34)" */
static int read_version(cv_ctx *cx, cv_str text, cv_str *rest, struct dependency *dependency)
{
    ptrdiff_t close = cv_str_find_char(*rest, ')');
    if (close < 0)
        return fail_syntax(cx, text);
    cv_str inner = cv_str_trim(cv_str_sub(*rest, 1, (size_t)close - 1));
    *rest = cv_str_trim(cv_str_sub(*rest, (size_t)close + 1, rest->len));
    dependency->relation = cut(&inner, is_operator);
    dependency->version = cv_str_trim(inner);
    if (dependency->relation.len == 0 || dependency->relation.len > 2 || dependency->version.len == 0)
        return fail_syntax(cx, text);
    return 0;
}

/* "name[:architecture] [(operator version)]"; restrictions in [] and <> are of source packages and are passed over. */
static int read_alternative(cv_ctx *cx, cv_str text, struct dependency *dependency)
{
    cv_str rest = cv_str_trim(text);
    dependency->architecture = dependency->relation = dependency->version = cv_str_make(NULL, 0);
    dependency->name = cut(&rest, is_name);
    if (dependency->name.len == 0)
        return fail_syntax(cx, text);
    if (rest.len > 0 && rest.ptr[0] == ':') {
        rest = cv_str_sub(rest, 1, rest.len);
        dependency->architecture = cut(&rest, is_name);
    }
    rest = cv_str_trim(rest);
    if (rest.len > 0 && rest.ptr[0] == '(')
        CV_TRY(read_version(cx, text, &rest, dependency));
    if (rest.len > 0 && rest.ptr[0] != '[' && rest.ptr[0] != '<')
        return fail_syntax(cx, text);
    return 0;
}

int relation_next(struct relation_reader *reader, struct dependency *ret_dependency)
{
    cv_str alternative;
    while (!cv_str_split(&reader->group, '|', &alternative)) {
        if (!cv_str_split(&reader->groups, ',', &reader->group))
            return 0;
        if (cv_str_trim(reader->group).len == 0) {
            reader->group = cv_str_make(NULL, 0); /* a trailing comma is customary */
            continue;
        }
        reader->position++;
        reader->alternative = 0;
    }
    CV_TRY(read_alternative(reader->cx, alternative, ret_dependency));
    ret_dependency->position = reader->position;
    ret_dependency->alternative = reader->alternative++;
    return 1;
}
