#include "base/secret.h"
#include <covet/url.h>

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the escape at `at` stands for, or -1. */
static int read_escape(cv_str text, size_t at)
{
    if (text.len - at < 3)
        return -1;
    int high = hex_digit(text.ptr[at + 1]), low = hex_digit(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int cv_percent_decode(cv_ctx *cx, cv_str text, bool plus_is_space, cv_str *ret_text)
{
    char *out = cv_alloc(cx, text.len + 1);
    if (!out)
        return CV_E_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int byte = (unsigned char)text.ptr[i];
        if (byte == '+' && plus_is_space)
            byte = ' ';
        if (byte == '%') {
            byte = read_escape(text, i);
            i += 2;
        }
        if (byte < 0)
            return cv_fail(cx, CV_E_SYNTAX, "a percent sign at offset %zu is not followed by two hexadecimal digits",
                           i - 2);
        if (byte == 0)
            return cv_fail(cx, CV_E_SYNTAX, "a text must not contain NUL");
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    *ret_text = cv_str_make(out, len);
    return 0;
}

void cv_percent_encode(cv_buf *out, cv_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len && !out->error; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved((char)c))
            cv_buf_add_char(out, (char)c);
        else
            cv_buf_add(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}

int cv_query_string_next(cv_ctx *cx, cv_str query, size_t *position, cv_str *ret_key, cv_str *ret_value)
{
    while (*position < query.len) {
        cv_str rest = cv_str_sub(query, *position, query.len);
        ptrdiff_t end = cv_str_find_char(rest, '&');
        cv_str pair = end < 0 ? rest : cv_str_sub(rest, 0, (size_t)end);
        *position += pair.len + 1;
        if (!pair.len)
            continue;
        ptrdiff_t equals = cv_str_find_char(pair, '=');
        size_t key_len = equals < 0 ? pair.len : (size_t)equals;
        cv_str key, value;
        CV_TRY(cv_percent_decode(cx, cv_str_sub(pair, 0, key_len), true, &key));
        CV_TRY(cv_percent_decode(cx, cv_str_sub(pair, key_len + 1, pair.len), true, &value));
        *ret_key = key;
        *ret_value = value;
        return 1;
    }
    return 0;
}

/* The parts of a URL as written. */
struct pieces {
    cv_str scheme, user, password, path, query, fragment;
    struct {
        cv_str name, port;
    } hosts[CV_URL_MAX_HOSTS];
    size_t host_count;
};

/* Cut `*text` at the first of `marks`: the part before it is returned, `*text` keeps the rest with the mark. */
static cv_str cut_before(cv_str *text, const char *marks)
{
    size_t len = 0;
    while (len < text->len && !strchr(marks, text->ptr[len]))
        len++;
    cv_str part = cv_str_sub(*text, 0, len);
    *text = cv_str_sub(*text, len, text->len);
    return part;
}

static bool starts_with(cv_str text, char c)
{
    return text.len && text.ptr[0] == c;
}

static cv_str without_first(cv_str text)
{
    return cv_str_sub(text, 1, text.len);
}

static int check_characters(cv_ctx *cx, cv_str text)
{
    if (!cv_utf8_valid(text))
        return cv_fail(cx, CV_E_SYNTAX, "a URL must be valid UTF-8");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c > 0x20 && c != 0x7F && c != '\\')
            continue;
        return cv_fail(cx, CV_E_SYNTAX, "a URL must not contain %s, as at offset %zu",
                       c == ' '    ? "spaces"
                       : c == '\\' ? "backslashes"
                                   : "control characters",
                       i);
    }
    return 0;
}

static int split_scheme(cv_ctx *cx, cv_str *rest, struct pieces *p)
{
    ptrdiff_t colon = cv_str_find(*rest, CV_STR("://"));
    p->scheme = cv_str_sub(*rest, 0, colon < 0 ? 0 : (size_t)colon);
    bool good = p->scheme.len && is_alpha(p->scheme.ptr[0]);
    for (size_t i = 0; i < p->scheme.len && good; i++) {
        char c = p->scheme.ptr[i];
        good = is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
    }
    if (!good) {
        int rc = cv_fail(cx, CV_E_SYNTAX, "a URL must start with a scheme");
        cv_error_hint(cx, "as in \"postgres://user@host/name\" or \"sqlite:///file.db\"");
        return rc;
    }
    *rest = cv_str_sub(*rest, p->scheme.len + 3, rest->len);
    return 0;
}

static int split_user(cv_ctx *cx, cv_str *authority, struct pieces *p)
{
    ptrdiff_t at = cv_str_find_char(*authority, '@');
    if (at < 0)
        return 0;
    cv_str info = cv_str_sub(*authority, 0, (size_t)at);
    *authority = cv_str_sub(*authority, (size_t)at + 1, authority->len);
    if (cv_str_find_char(*authority, '@') >= 0) {
        int rc = cv_fail(cx, CV_E_SYNTAX, "a URL has more than one \"@\" before its path");
        cv_error_hint(cx, "write \"@\" in a user name or password as \"%%40\"");
        return rc;
    }
    p->user = cut_before(&info, ":");
    if (starts_with(info, ':'))
        p->password = without_first(info);
    return 0;
}

static int split_bracketed(cv_ctx *cx, cv_str text, cv_str *ret_host, cv_str *ret_port)
{
    cv_str rest = without_first(text), host = cut_before(&rest, "]");
    bool good = rest.len && host.len && (rest.len == 1 || rest.ptr[1] == ':');
    for (size_t i = 0; i < host.len && good; i++) {
        char c = host.ptr[i];
        good = hex_digit(c) >= 0 || c == ':' || c == '.';
    }
    if (!good)
        return cv_fail(cx, CV_E_SYNTAX, "a host in brackets must be an IPv6 address");
    *ret_host = host;
    *ret_port = cv_str_sub(rest, 2, rest.len);
    return 0;
}

static int check_host(cv_ctx *cx, cv_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!is_unreserved(c) && !strchr("%!$&'()*+,;=", c))
            return cv_fail(cx, CV_E_SYNTAX, "a host name in a URL contains a character that is not allowed");
    }
    return 0;
}

static int split_host(cv_ctx *cx, cv_str text, cv_str *ret_host, cv_str *ret_port)
{
    if (starts_with(text, '['))
        return split_bracketed(cx, text, ret_host, ret_port);
    *ret_host = cut_before(&text, ":");
    *ret_port = without_first(text);
    return check_host(cx, *ret_host);
}

static int split_hosts(cv_ctx *cx, cv_str authority, struct pieces *p)
{
    for (;;) {
        cv_str one = cut_before(&authority, ",");
        if (p->host_count == CV_URL_MAX_HOSTS)
            return cv_fail(cx, CV_E_SYNTAX, "a URL must not name more than %d hosts", CV_URL_MAX_HOSTS);
        CV_TRY(split_host(cx, one, &p->hosts[p->host_count].name, &p->hosts[p->host_count].port));
        p->host_count++;
        if (!starts_with(authority, ','))
            return 0;
        authority = without_first(authority);
    }
}

static int split(cv_ctx *cx, cv_str text, struct pieces *p)
{
    *p = (struct pieces){0};
    cv_str rest = text;
    CV_TRY(check_characters(cx, text));
    CV_TRY(split_scheme(cx, &rest, p));
    cv_str authority = cut_before(&rest, "/?#");
    CV_TRY(split_user(cx, &authority, p));
    CV_TRY(split_hosts(cx, authority, p));
    p->path = cut_before(&rest, "?#");
    if (starts_with(rest, '?')) {
        rest = without_first(rest);
        p->query = cut_before(&rest, "#");
    }
    if (starts_with(rest, '#'))
        p->fragment = without_first(rest);
    return 0;
}

/* What follows the host may be the tail of a password with an unescaped slash, so the message does not repeat it. */
static int parse_port(cv_ctx *cx, cv_str text, int *ret_port)
{
    uint64_t port = 0;
    bool good = text.len <= 5;
    for (size_t i = 0; i < text.len && good; i++) {
        good = is_digit(text.ptr[i]);
        port = port * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (good && port <= 65535 && (port > 0 || !text.len)) {
        *ret_port = (int)port;
        return 0;
    }
    int rc = cv_fail(cx, CV_E_SYNTAX, "the port of a URL is not a number from 1 to 65535");
    cv_error_hint(cx, "write \"/\" in a password as \"%%2F\"");
    return rc;
}

/* Empty parts are missing ones, unless `keep_empty`. */
static int decode_part(cv_ctx *cx, cv_str written, bool keep_empty, const char *name, const char **ret_part)
{
    *ret_part = NULL;
    if (!written.ptr || (!written.len && !keep_empty))
        return 0;
    cv_str decoded;
    int rc = cv_percent_decode(cx, written, false, &decoded);
    if (rc == CV_E_SYNTAX)
        return cv_fail(cx, CV_E_SYNTAX, "the %s of a URL is not percent-encoded correctly", name);
    if (rc < 0)
        return rc;
    *ret_part = decoded.ptr;
    return 0;
}

static int lower_scheme(cv_ctx *cx, cv_str scheme, const char **ret_scheme)
{
    char *copy = cv_strndup(cx, scheme.ptr, scheme.len);
    if (!copy)
        return CV_E_NOMEM;
    for (char *at = copy; *at; at++)
        if (is_alpha(*at))
            *at = (char)(*at | 0x20);
    *ret_scheme = copy;
    return 0;
}

/* A URL without a host has none; one with several may leave out the name of any. */
static int decode_hosts(cv_ctx *cx, const struct pieces *p, cv_url *url)
{
    cv_url_host *hosts = cv_zalloc(cx, p->host_count, sizeof *hosts);
    if (!hosts)
        return CV_E_NOMEM;
    for (size_t i = 0; i < p->host_count; i++) {
        CV_TRY(parse_port(cx, p->hosts[i].port, &hosts[i].port));
        CV_TRY(decode_part(cx, p->hosts[i].name, false, "host", &hosts[i].name));
    }
    url->host = hosts[0].name;
    url->port = hosts[0].port;
    url->hosts = hosts;
    url->host_count = p->host_count > 1 || hosts[0].name || hosts[0].port ? p->host_count : 0;
    return 0;
}

int cv_url_parse(cv_ctx *cx, cv_str text, cv_url *ret_url)
{
    struct pieces p;
    cv_url url = {0};
    CV_TRY(split(cx, text, &p));
    CV_TRY(decode_hosts(cx, &p, &url));
    CV_TRY(lower_scheme(cx, p.scheme, &url.scheme));
    CV_TRY(decode_part(cx, p.user, false, "user name", &url.user));
    CV_TRY(decode_part(cx, p.password, true, "password", &url.password));
    CV_TRY(decode_part(cx, p.path, false, "path", &url.path));
    CV_TRY(decode_part(cx, p.fragment, true, "fragment", &url.fragment));
    if (p.query.ptr) {
        url.query = cv_strndup(cx, p.query.ptr, p.query.len);
        if (!url.query)
            return CV_E_NOMEM;
    }
    *ret_url = url;
    return 0;
}

/* The values of secret parameters: libpq, for one, takes a password there. */
static void redact_query(cv_buf *out, cv_str query)
{
    for (cv_str pair; cv_str_split(&query, '&', &pair);) {
        cv_str rest = pair, name = cut_before(&rest, "=");
        if (rest.len && cv__is_secret_name(name)) {
            cv_buf_add_str(out, name);
            cv_buf_add_text(out, "=" CV__SECRET_MASK);
        } else {
            cv_buf_add_str(out, pair);
        }
        if (query.ptr)
            cv_buf_add_char(out, '&');
    }
}

static ptrdiff_t find_last(cv_str text, char c)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.ptr[i - 1] == c)
            return (ptrdiff_t)i - 1;
    return -1;
}

/* A URL that comes here may be malformed, with a password full of marks: all from the first colon to the last "@" goes.
 * Too much is hidden when a path has an "@" behind a port; that is the right side to err on. */
static void redact(cv_buf *out, cv_str text)
{
    ptrdiff_t scheme_end = cv_str_find(text, CV_STR("://"));
    size_t head = scheme_end < 0 ? 0 : (size_t)scheme_end + 3;
    cv_buf_add_str(out, cv_str_sub(text, 0, head));
    cv_str rest = cv_str_sub(text, head, text.len);
    ptrdiff_t last = find_last(rest, '@');
    ptrdiff_t colon = cv_str_find_char(cv_str_sub(rest, 0, last < 0 ? 0 : (size_t)last), ':');
    if (colon >= 0) {
        cv_buf_add_str(out, cv_str_sub(rest, 0, (size_t)colon));
        cv_buf_add_text(out, ":" CV__SECRET_MASK);
        rest = cv_str_sub(rest, (size_t)last, rest.len);
    }
    cv_buf_add_str(out, cut_before(&rest, "?"));
    if (starts_with(rest, '?')) {
        cv_buf_add_char(out, '?');
        redact_query(out, without_first(rest));
    }
}

char *cv_url_redact(cv_ctx *cx, cv_str text)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), text.len * 4 + 64);
    redact(&out, text);
    if (out.error) {
        cv_fail(cx, out.error, "%s", cv_error_text(out.error));
        return NULL;
    }
    return out.data ? out.data : cv_strdup(cx, "");
}
