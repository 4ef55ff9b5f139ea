#include "http/head.h"

#include <arpa/inet.h>

/* ---- characters ---- */

int cv__hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Sets of ASCII characters, one bit each. Tokens (RFC 9110 5.6.2) have letters, digits and !#$%&'*+-.^_`|~; names of
 * hosts letters, digits and -._~!$&'()*+;= (RFC 3986 has escapes and commas too: no name has them, and both deceive);
 * paths letters, digits, percent signs and -._~!$&'()*+,;=:@/ (RFC 3986 3.3); queries also have question marks, and
 * []{}|^\` which browsers send as they are. */
static const uint64_t token_characters[] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe};
static const uint64_t host_characters[] = {0x2bff6fd200000000, 0x47fffffe87fffffe};
static const uint64_t path_characters[] = {0x2ffffff200000000, 0x47fffffe87ffffff};
static const uint64_t query_characters[] = {0xaffffff200000000, 0x7fffffffffffffff};

/* How many characters at the start of the text are in the set. */
static size_t span_of(cv_str text, const uint64_t set[2])
{
    size_t len = 0;
    for (; len < text.len; len++) {
        unsigned char c = (unsigned char)text.ptr[len];
        if (c > 127 || !(set[c >> 6] >> (c & 63) & 1))
            break;
    }
    return len;
}

static bool has_only(cv_str text, const uint64_t set[2])
{
    return span_of(text, set) == text.len;
}

bool cv__is_token(cv_str text)
{
    return text.len > 0 && has_only(text, token_characters);
}

/* ---- method and version ---- */

static cv_method method_of(cv_str name)
{
    for (unsigned method = CV_GET; method <= CV_OPTIONS; method <<= 1)
        if (cv_str_equal(name, cv_str_of(cv_method_name((cv_method)method))))
            return (cv_method)method;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_version(cv__parser *parser, cv_str version)
{
    bool formed = version.len == 8 && !memcmp(version.ptr, "HTTP/", 5) && is_digit(version.ptr[5]) &&
                  version.ptr[6] == '.' && is_digit(version.ptr[7]);
    if (!formed)
        return cv__refuse(parser, 400, "the request line is malformed");
    if (version.ptr[5] != '1' || version.ptr[7] > '1')
        return cv__refuse(parser, 505, "the versions known here are HTTP/1.1 and HTTP/1.0");
    parser->head.minor_version = version.ptr[7] - '0';
    return true;
}

bool cv__request_line_read(cv__parser *parser, cv_str line, size_t at)
{
    const char *end = line.ptr + line.len;
    const char *target = memchr(line.ptr, ' ', line.len);
    const char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
    if (!version || memchr(version + 1, ' ', (size_t)(end - version - 1)))
        return cv__refuse(parser, 400, "the request line is malformed");
    cv_str method = cv_str_make(line.ptr, (size_t)(target - line.ptr));
    if (!cv__is_token(method))
        return cv__refuse(parser, 400, "the method is malformed");
    if (!read_version(parser, cv_str_make(version + 1, (size_t)(end - version - 1))))
        return false;
    parser->head.method = method_of(method);
    if (!parser->head.method)
        return cv__refuse(parser, 501, "the method is not known here");
    if (parser->limits->max_target_bytes && (size_t)(version - target - 1) > parser->limits->max_target_bytes)
        return cv__refuse(parser, 414, "the request target is too long");
    parser->head.target = (cv__span){(uint32_t)(at + method.len + 1), (uint32_t)(version - target - 1)};
    return true;
}

/* ---- the target ---- */

/* The length of "[...]" at the start, with an address of IPv6 in it; 0 when there is none. */
static size_t bracketed_length(cv_str text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    ptrdiff_t end = cv_str_find_char(text, ']');
    size_t len = end < 1 ? 0 : (size_t)end - 1;
    if (!len || len >= sizeof address)
        return 0;
    memcpy(address, text.ptr + 1, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1 ? len + 2 : 0;
}

static size_t host_length(cv_str text)
{
    if (text.len && text.ptr[0] == '[')
        return bracketed_length(text);
    return span_of(text, host_characters);
}

bool cv__authority_is_valid(cv_str text)
{
    size_t host = host_length(text);
    if (!host || host == text.len)
        return host > 0;
    if (text.ptr[host] != ':' || text.len - host > 6)
        return false;
    for (size_t i = host + 1; i < text.len; i++)
        if (!is_digit(text.ptr[i]))
            return false;
    return true;
}

/* The byte at `*position`, decoded; -1 for a bad escape. */
static int decoded_byte(cv_str path, size_t *position)
{
    char c = path.ptr[(*position)++];
    if (c != '%')
        return (unsigned char)c;
    if (path.len - *position < 2)
        return -1;
    int high = cv__hex_digit(path.ptr[*position]), low = cv__hex_digit(path.ptr[*position + 1]);
    *position += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t cv__dot_segment(cv_str segment)
{
    size_t dots = 0;
    for (size_t i = 0; i < segment.len; dots++)
        if (decoded_byte(segment, &i) != '.')
            return 0;
    return dots <= 2 ? dots : 0;
}

/* Whether every escape is one, none hides a NUL, and no slash that is escaped has a dot segment beside it: such a slash
 * separates for some and is part of a name for others. */
static bool segment_is_safe(cv_str segment)
{
    size_t dots = 0, others = 0, slashes = 0, hidden = 0;
    for (size_t i = 0; i < segment.len;) {
        int byte = decoded_byte(segment, &i);
        if (byte <= 0)
            return false;
        if (byte == '/') {
            slashes++;
            hidden += !others && (dots == 1 || dots == 2);
            dots = others = 0;
        } else {
            dots += byte == '.';
            others += byte != '.';
        }
    }
    hidden += !others && (dots == 1 || dots == 2);
    return !slashes || !hidden;
}

/* Whether all segments are safe and no dots lead above the root, where servers differ in what they take it for. */
static bool path_is_safe(cv_str path, bool *ret_has_dots)
{
    cv_str rest = cv_str_sub(path, 1, path.len), segment;
    size_t depth = 0;
    *ret_has_dots = false;
    while (cv_str_split(&rest, '/', &segment)) {
        if (!segment_is_safe(segment))
            return false;
        size_t dots = segment.len ? cv__dot_segment(segment) : 0;
        *ret_has_dots |= dots > 0;
        if (dots == 2 && depth-- == 0)
            return false;
        depth += dots == 0;
    }
    return true;
}

/* Cut "http://host:port" off the front of `*rest`. */
static bool take_authority(cv_str *rest, cv_str *ret_authority)
{
    const cv_str scheme = CV_STR("http://"), tls = CV_STR("https://");
    size_t start;
    if (cv_str_equal_nocase(cv_str_sub(*rest, 0, scheme.len), scheme))
        start = scheme.len;
    else if (cv_str_equal_nocase(cv_str_sub(*rest, 0, tls.len), tls))
        start = tls.len;
    else
        return false;
    size_t end = start;
    while (end < rest->len && !is_one_of(rest->ptr[end], "/?"))
        end++;
    *ret_authority = cv_str_sub(*rest, start, end - start);
    *rest = cv_str_make(rest->ptr + end, rest->len - end);
    return cv__authority_is_valid(*ret_authority);
}

static cv__span span_in(const cv__parser *parser, cv_str part)
{
    return (cv__span){(uint32_t)(part.ptr - parser->data), (uint32_t)part.len};
}

bool cv__target_read(cv__parser *parser, cv_str *ret_authority)
{
    cv__head *head = &parser->head;
    cv_str rest = cv__parser_text(parser, head->target);
    *ret_authority = cv_str_make(NULL, 0);
    if (cv_str_equal(rest, CV_STR("*"))) {
        head->path = head->target;
        return head->method == CV_OPTIONS || cv__refuse(parser, 400, "the target * is for OPTIONS only");
    }
    if ((!rest.len || rest.ptr[0] != '/') && !take_authority(&rest, ret_authority))
        return cv__refuse(parser, 400, "the request target is malformed");
    const char *mark = rest.len ? memchr(rest.ptr, '?', rest.len) : NULL;
    cv_str path = cv_str_make(rest.ptr, mark ? (size_t)(mark - rest.ptr) : rest.len);
    cv_str query = mark ? cv_str_sub(rest, path.len + 1, rest.len) : CV_STR("");
    if (!has_only(path, path_characters) || !has_only(query, query_characters))
        return cv__refuse(parser, 400, "the request target has a character that must be escaped");
    if (mark)
        head->query = span_in(parser, query);
    head->path = span_in(parser, path);
    bool has_escapes = cv_str_find_char(path, '%') >= 0, has_dots = cv_str_find_char(path, '.') >= 0;
    if ((has_escapes || has_dots) && !path_is_safe(path, &has_dots))
        return cv__refuse(parser, 400, "the path has a bad escape or dot segments that lead out of it");
    head->path_rewritten = has_escapes || has_dots;
    return true;
}
