#include "http/files/etag.h"

static bool is_etag_char(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

static void skip_space(cv_str *text)
{
    while (text->len && (*text->ptr == ' ' || *text->ptr == '\t'))
        *text = cv_str_sub(*text, 1, text->len);
}

/* Cut one tag off the front. */
static bool take_tag(cv_str *rest, cv__etag *ret_tag)
{
    bool weak = cv_str_starts_with(*rest, CV_STR("W/"));
    cv_str text = weak ? cv_str_sub(*rest, 2, rest->len) : *rest;
    size_t len = 1;
    if (!text.len || *text.ptr != '"')
        return false;
    while (len < text.len && is_etag_char((unsigned char)text.ptr[len]))
        len++;
    if (len == text.len || text.ptr[len] != '"')
        return false;
    *ret_tag = (cv__etag){cv_str_make(text.ptr, len + 1), weak};
    *rest = cv_str_sub(text, len + 1, text.len);
    return true;
}

bool cv__etag_parse(cv_str text, cv__etag *ret_tag)
{
    cv__etag tag;
    if (!take_tag(&text, &tag) || text.len)
        return false;
    *ret_tag = tag;
    return true;
}

/* Recipients accept empty elements (RFC 9110 5.6.1.2). */
int cv__etag_next(cv_str *rest, cv__etag *ret_tag)
{
    skip_space(rest);
    while (rest->len && *rest->ptr == ',') {
        *rest = cv_str_sub(*rest, 1, rest->len);
        skip_space(rest);
    }
    if (!rest->len)
        return 0;
    if (!take_tag(rest, ret_tag))
        return CV_E_SYNTAX;
    skip_space(rest);
    return rest->len && *rest->ptr != ',' ? CV_E_SYNTAX : 1;
}

bool cv__etag_equal(cv__etag a, cv__etag b, bool strong)
{
    return (!strong || (!a.weak && !b.weak)) && cv_str_equal(a.opaque, b.opaque);
}

cv__etag_match cv__etag_list_match(cv_str list, const cv__etag *current, bool exists, bool strong)
{
    cv__etag tag;
    bool found = false, empty = true;
    int rc;
    if (cv_str_equal(list, CV_STR("*")))
        return exists ? CV__ETAGS_MATCH : CV__ETAGS_OTHER;
    for (; (rc = cv__etag_next(&list, &tag)) > 0; empty = false)
        found = found || (current && cv__etag_equal(tag, *current, strong));
    if (rc < 0 || empty)
        return CV__ETAGS_MALFORMED;
    return found ? CV__ETAGS_MATCH : CV__ETAGS_OTHER;
}
