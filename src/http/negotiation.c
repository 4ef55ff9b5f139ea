/* Members of a list are judged one by one; a malformed one is left out. Of those that match a candidate, the most
 * specific counts (RFC 9110 12.5.1). Qualities are whole thousandths. At most MAX_MEMBERS are looked at, so that the
 * work is bounded by the candidates. */
#include "http/negotiation.h"

#include "http/head.h"
#include "http/request.h"

enum { MAX_MEMBERS = 64, FULL_QUALITY = 1000 };

/* One member of a list: "text/html;level=1;q=0.5". */
typedef struct member {
    cv_str name;
    int quality;
    bool has_parameters; /* besides the quality and a charset */
} member;

/* ---- the grammar ---- */

/* Cut at the first `separator` outside quoted strings. */
static bool split_quoted(cv_str *rest, char separator, cv_str *ret_part)
{
    if (!rest->ptr)
        return false;
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->len && (quoted || rest->ptr[at] != separator); at++) {
        if (rest->ptr[at] == '"')
            quoted = !quoted;
        else if (quoted && rest->ptr[at] == '\\')
            at++;
    }
    at = at < rest->len ? at : rest->len;
    *ret_part = cv_str_trim(cv_str_make(rest->ptr, at));
    *rest = at < rest->len ? cv_str_make(rest->ptr + at + 1, rest->len - at - 1) : cv_str_make(NULL, 0);
    return true;
}

/* "1", "0.25": at most three digits behind the point, at most 1. Returns thousandths, or -1. */
static int read_quality(cv_str text)
{
    if (!text.len || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') || (text.len > 1 && text.ptr[1] != '.'))
        return -1;
    int quality = (text.ptr[0] - '0') * FULL_QUALITY, unit = 100;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        quality += (text.ptr[i] - '0') * unit;
    }
    return quality <= FULL_QUALITY ? quality : -1;
}

static bool read_parameter(cv_str text, member *m)
{
    ptrdiff_t equals = cv_str_find_char(text, '=');
    if (equals < 1)
        return false;
    cv_str name = cv_str_sub(text, 0, (size_t)equals), value = cv_str_sub(text, (size_t)equals + 1, text.len);
    if (!cv__is_token(name) || !value.len)
        return false;
    if (cv_str_equal_nocase(name, CV_STR("q")))
        return (m->quality = read_quality(value)) >= 0;
    if (!cv_str_equal_nocase(name, CV_STR("charset")))
        m->has_parameters = true;
    return true;
}

static bool read_member(cv_str text, member *ret_member)
{
    cv_str part;
    *ret_member = (member){.quality = FULL_QUALITY};
    if (!split_quoted(&text, ';', &ret_member->name) || !ret_member->name.len)
        return false;
    while (split_quoted(&text, ';', &part))
        if (part.len && !read_parameter(part, ret_member))
            return false;
    return true;
}

static size_t read_list(cv_str list, member members[MAX_MEMBERS])
{
    size_t count = 0;
    cv_str part;
    while (count < MAX_MEMBERS && split_quoted(&list, ',', &part))
        count += read_member(part, &members[count]);
    return count;
}

/* ---- media types ---- */

/* How well a range fits a type: 0 not at all, 1 for any, 2 for the major type, 3 for the type itself. */
static int type_fit(const member *m, cv_str type)
{
    if (m->has_parameters)
        return 0;
    if (cv_str_equal(m->name, CV_STR("*/*")))
        return 1;
    if (cv_str_equal_nocase(m->name, type))
        return 3;
    ptrdiff_t slash = cv_str_find_char(type, '/');
    bool any_minor = cv_str_ends_with(m->name, CV_STR("/*")) && slash > 0 && m->name.len == (size_t)slash + 2;
    return any_minor && cv_str_equal_nocase(cv_str_sub(m->name, 0, (size_t)slash), cv_str_sub(type, 0, (size_t)slash))
               ? 2
               : 0;
}

static int encoding_fit(const member *m, cv_str encoding)
{
    if (cv_str_equal(m->name, CV_STR("*")))
        return 1;
    bool same = cv_str_equal_nocase(m->name, encoding) ||
                (cv_str_equal_nocase(m->name, CV_STR("x-gzip")) && cv_str_equal(encoding, CV_STR("gzip")));
    return same ? 2 : 0;
}

/* The quality that the best fitting member gives; `otherwise` when none fits. */
static int quality_of(const member *members, size_t count, int (*fit)(const member *m, cv_str candidate),
                      cv_str candidate, int otherwise)
{
    int best = 0, quality = otherwise;
    for (size_t i = 0; i < count; i++) {
        int how_well = fit(&members[i], candidate);
        if (how_well <= best)
            continue;
        best = how_well;
        quality = members[i].quality;
    }
    return quality;
}

int cv__prefer_type(cv_str accept, const char *const *types, size_t count)
{
    member members[MAX_MEMBERS];
    size_t member_count = accept.ptr ? read_list(accept, members) : 0;
    int best = -1, best_quality = 0;
    if (!member_count)
        return count ? 0 : -1;
    for (size_t i = 0; i < count; i++) {
        int quality = quality_of(members, member_count, type_fit, cv_str_of(types[i]), 0);
        if (quality <= best_quality)
            continue;
        best = (int)i;
        best_quality = quality;
    }
    return best;
}

/* ---- codings ---- */

/* Identity stays acceptable when nothing speaks of it, but anything that was asked for is better. */
int cv__prefer_encoding(cv_str accept, const char *const *encodings, size_t count)
{
    member members[MAX_MEMBERS];
    size_t member_count = accept.ptr ? read_list(accept, members) : 0;
    int best = -1, best_quality = 0;
    for (size_t i = 0; i < count; i++) {
        cv_str encoding = cv_str_of(encodings[i]);
        bool identity = cv_str_equal(encoding, CV_STR("identity"));
        int quality = 2 * quality_of(members, member_count, encoding_fit, encoding, 0);
        if (identity && !quality && quality_of(members, member_count, encoding_fit, encoding, 1))
            quality = 1;
        if (quality <= best_quality)
            continue;
        best = (int)i;
        best_quality = quality;
    }
    return best;
}

/* ---- of a request ---- */

int cv_request_prefers(const cv_request *req, const char *const *types, size_t count)
{
    return cv__prefer_type(cv_request_header(req, "accept"), types, count);
}

int cv_request_prefers_encoding(const cv_request *req, const char *const *encodings, size_t count)
{
    return cv__prefer_encoding(cv_request_header(req, "accept-encoding"), encodings, count);
}
