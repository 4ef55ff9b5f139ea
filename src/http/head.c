#include "http/head.h"

#include <llhttp.h>

bool cv__refuse(cv__parser *parser, int status, const char *reason)
{
    parser->refusal = (cv__refusal){status, reason};
    return false;
}

/* ---- the fields, by llhttp ---- */

static cv__span span_of(const cv__parser *parser, const char *at, size_t len)
{
    return (cv__span){(uint32_t)(at - parser->data), (uint32_t)len};
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    cv__parser *parser = llhttp->data;
    if (parser->header_count == parser->limits->max_headers) {
        cv__refuse(parser, 431, "there are too many headers");
        return -1;
    }
    parser->headers[parser->header_count++] = (cv__header){.name = span_of(parser, at, len)};
    return 0;
}

/* llhttp leaves white space behind a value; an empty value may come without a call, and so may an empty name, which the
 * parser has refused before. */
static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    cv__parser *parser = llhttp->data;
    if (!parser->header_count)
        return -1;
    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    parser->headers[parser->header_count - 1].value = span_of(parser, at, len);
    return 0;
}

/* The body is framed by our own rules: llhttp ends here. */
static int on_headers_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static bool read_fields(cv__parser *parser, size_t head_end)
{
    llhttp_t llhttp;
    llhttp_init(&llhttp, HTTP_REQUEST, &head_settings);
    llhttp.data = parser;
    parser->header_count = 0;
    parser->refusal = (cv__refusal){0, NULL};
    llhttp_errno_t error = llhttp_execute(&llhttp, parser->data + parser->head_start, head_end - parser->head_start);
    if (error == HPE_PAUSED)
        return true;
    if (parser->refusal.status)
        return false;
    return cv__refuse(parser, 400, "the request line or a header is malformed");
}

/* ---- what the fields mean for the message ---- */

/* What is collected over all fields before it is judged. */
typedef struct framing {
    size_t hosts, lengths, codings, expectations;
    cv_str host, length, coding, expectation;
    bool close, keep_alive;
} framing;

static void note(cv_str value, size_t *count, cv_str *ret_value)
{
    ++*count;
    *ret_value = value;
}

static void note_connection(framing *f, cv_str value)
{
    cv_str part;
    while (cv_str_split(&value, ',', &part)) {
        part = cv_str_trim(part);
        if (cv_str_equal_nocase(part, CV_STR("close")))
            f->close = true;
        else if (cv_str_equal_nocase(part, CV_STR("keep-alive")))
            f->keep_alive = true;
    }
}

static void note_field(framing *f, cv_str name, cv_str value)
{
    if (cv_str_equal_nocase(name, CV_STR("host")))
        note(value, &f->hosts, &f->host);
    else if (cv_str_equal_nocase(name, CV_STR("content-length")))
        note(value, &f->lengths, &f->length);
    else if (cv_str_equal_nocase(name, CV_STR("transfer-encoding")))
        note(value, &f->codings, &f->coding);
    else if (cv_str_equal_nocase(name, CV_STR("expect")))
        note(value, &f->expectations, &f->expectation);
    else if (cv_str_equal_nocase(name, CV_STR("connection")))
        note_connection(f, value);
}

static bool judge_host(cv__parser *parser, const framing *f, cv_str authority)
{
    if (f->hosts > 1)
        return cv__refuse(parser, 400, "there are several Host headers");
    if (!f->hosts)
        return parser->head.minor_version == 0 || cv__refuse(parser, 400, "the Host header is missing");
    if (!cv__authority_is_valid(f->host))
        return cv__refuse(parser, 400, "the Host header is malformed");
    if (authority.ptr && !cv_str_equal_nocase(authority, f->host))
        return cv__refuse(parser, 400, "the Host header differs from the request target");
    return true;
}

static bool judge_length(cv__parser *parser, cv_str text)
{
    uint64_t length = 0;
    if (!text.len || text.len > 19)
        return cv__refuse(parser, 400, "the Content-Length header is malformed");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return cv__refuse(parser, 400, "the Content-Length header is malformed");
        length = length * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    parser->head.content_length = length;
    return true;
}

/* Tokens with chunked as the last one and nowhere else: without it a request has no end (RFC 9112 6.3). */
static bool is_coding_list(cv_str text)
{
    cv_str part;
    bool chunked = false;
    while (cv_str_split(&text, ',', &part)) {
        part = cv_str_trim(part);
        if (chunked || !cv__is_token(part))
            return false;
        chunked = cv_str_equal_nocase(part, CV_STR("chunked"));
    }
    return chunked;
}

static bool judge_coding(cv__parser *parser, const framing *f)
{
    if (f->lengths)
        return cv__refuse(parser, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (parser->head.minor_version == 0)
        return cv__refuse(parser, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (f->codings > 1 || !is_coding_list(f->coding))
        return cv__refuse(parser, 400, "the Transfer-Encoding header is malformed");
    if (!cv_str_equal_nocase(f->coding, CV_STR("chunked")))
        return cv__refuse(parser, 501, "the only transfer coding known here is chunked");
    parser->head.chunked = true;
    return true;
}

static bool judge_body(cv__parser *parser, const framing *f)
{
    if (f->codings)
        return judge_coding(parser, f);
    if (f->lengths > 1)
        return cv__refuse(parser, 400, "there are several Content-Length headers");
    return !f->lengths || judge_length(parser, f->length);
}

static bool judge_expectation(cv__parser *parser, const framing *f)
{
    if (!f->expectations || parser->head.minor_version == 0)
        return true;
    if (f->expectations > 1 || !cv_str_equal_nocase(f->expectation, CV_STR("100-continue")))
        return cv__refuse(parser, 417, "the only expectation known here is 100-continue");
    parser->head.expect_continue = true;
    return true;
}

static bool judge(cv__parser *parser, const framing *f)
{
    cv_str authority;
    if (!cv__target_read(parser, &authority) || !judge_host(parser, f, authority) || !judge_body(parser, f) ||
        !judge_expectation(parser, f))
        return false;
    parser->head.keep_alive = !f->close && (parser->head.minor_version == 1 || f->keep_alive);
    return true;
}

bool cv__head_read(cv__parser *parser, size_t head_end)
{
    const char *line = parser->data + parser->head_start;
    const char *cr = memchr(line, '\r', head_end - parser->head_start);
    cv_str request_line = cv_str_make(line, (size_t)(cr - line));
    if (!cv__request_line_read(parser, request_line, parser->head_start) || !read_fields(parser, head_end))
        return false;
    framing f = {0};
    for (size_t i = 0; i < parser->header_count; i++)
        note_field(&f, cv__parser_text(parser, parser->headers[i].name),
                   cv__parser_text(parser, parser->headers[i].value));
    return judge(parser, &f);
}
