#include "http/router.h"

static bool is_name(cv_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (!i || c < '0' || c > '9'))
            return false;
    }
    return text.len > 0;
}

/* A literal is compared with decoded segments, so it is written without escapes; what a path cannot have in this place
 * would never match. */
static bool is_literal(cv_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || strchr("{}?#%", text.ptr[i]) || text.ptr[i] == 0x7f)
            return false;
    return !cv_str_equal(text, CV_STR(".")) && !cv_str_equal(text, CV_STR(".."));
}

static bool read_kind(cv_str text, cv__param_kind *ret_kind)
{
    static const char *const names[] = {"int", "uuid", "text", "path"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cv_str_equal(text, cv_str_of(names[i]))) {
            *ret_kind = (cv__param_kind)i;
            return true;
        }
    return false;
}

static int bad(cv_ctx *cx, const char *pattern, cv_str part, const char *why)
{
    return cv_fail(cx, CV_E_SYNTAX, "cannot route \"%s\": the segment \"%.*s\" %s", pattern, CV_STR_ARG(part), why);
}

/* "{name}" or "{name:kind}" */
static int read_param(cv_ctx *cx, const char *pattern, cv_str part, cv__segment *segment)
{
    cv_str name = cv_str_sub(part, 1, part.len - 2);
    ptrdiff_t colon = cv_str_find_char(name, ':');
    segment->is_param = true;
    segment->kind = CV__PARAM_TEXT;
    if (colon >= 0) {
        if (!read_kind(cv_str_sub(name, (size_t)colon + 1, name.len), &segment->kind)) {
            bad(cx, pattern, part, "has an unknown type");
            cv_error_hint(cx, "types are int, uuid, text and path");
            return CV_E_SYNTAX;
        }
        name = cv_str_sub(name, 0, (size_t)colon);
    }
    segment->text = name;
    return is_name(name) ? 0
                         : bad(cx, pattern, part, "does not name its parameter with letters, digits and underscores");
}

static int read_segment(cv_ctx *cx, const char *pattern, cv_str part, cv__segment *segment)
{
    if (part.len >= 2 && part.ptr[0] == '{' && part.ptr[part.len - 1] == '}')
        return read_param(cx, pattern, part, segment);
    *segment = (cv__segment){.text = part};
    return is_literal(part) ? 0 : bad(cx, pattern, part, "is neither plain text nor one parameter in braces");
}

static int check_params(cv_ctx *cx, const char *text, cv__pattern *pattern)
{
    pattern->param_count = 0;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const cv__segment *segment = &pattern->segments[i];
        if (!segment->is_param)
            continue;
        if (segment->kind == CV__PARAM_PATH && i + 1 < pattern->segment_count)
            return bad(cx, text, segment->text, "takes the rest of the path and must be the last");
        for (size_t j = 0; j < i; j++)
            if (pattern->segments[j].is_param && cv_str_equal(pattern->segments[j].text, segment->text))
                return bad(cx, text, segment->text, "has the name of an earlier parameter");
        if (++pattern->param_count > CV__MAX_PARAMS)
            return bad(cx, text, segment->text, "is one parameter too many");
    }
    return 0;
}

int cv__pattern_parse(cv_ctx *cx, const char *text, cv__pattern *ret_pattern)
{
    cv_str rest = cv_str_of(text), part;
    if (!rest.len || rest.ptr[0] != '/')
        return cv_fail(cx, CV_E_SYNTAX, "cannot route \"%s\": a pattern starts with a slash", text);
    if (rest.len > CV__MAX_PATTERN_BYTES)
        return cv_fail(cx, CV_E_SYNTAX, "cannot route \"%.64s...\": the pattern is longer than %d bytes", text,
                       CV__MAX_PATTERN_BYTES);
    rest = cv_str_sub(rest, 1, rest.len);
    ret_pattern->segment_count = 0;
    while (cv_str_split(&rest, '/', &part)) {
        if (ret_pattern->segment_count == CV__MAX_SEGMENTS - 1)
            return bad(cx, text, part, "is one segment too many");
        CV_TRY(read_segment(cx, text, part, &ret_pattern->segments[ret_pattern->segment_count++]));
    }
    return check_params(cx, text, ret_pattern);
}

/* A UUID is written with its hyphens here, so that no segment is both a number and a UUID. */
bool cv__param_matches(cv__param_kind kind, cv_str segment)
{
    int64_t number;
    cv_uuid uuid;
    switch (kind) {
    case CV__PARAM_INT:
        return segment.len && segment.ptr[0] != '+' && cv_str_to_i64(segment, &number) == 0;
    case CV__PARAM_UUID:
        return segment.len == CV_UUID_TEXT_BYTES - 1 && cv_uuid_parse(segment, &uuid) == 0;
    default:
        return segment.len > 0;
    }
}
