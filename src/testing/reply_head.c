#include "testing/reply.h"

#include <covet/error.h>

static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text(cv_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_token(cv_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char((unsigned char)text.ptr[i]))
            return false;
    return text.len > 0;
}

static int malformed(cv_ctx *cx, const char *what, cv_str line)
{
    line = cv_str_sub(line, 0, 100);
    return cv_fail(cx, CV_E_SYNTAX, "the reply is not HTTP: %s: \"%.*s\"", what, CV_STR_ARG(line));
}

/* ---- fields ---- */

/* Cut the next line, without its end, off `*rest`; false at the end of the text. */
static bool next_line(cv_str *rest, cv_str *ret_line)
{
    ptrdiff_t end = cv_str_find(*rest, CV_STR("\r\n"));
    if (end < 0)
        return false;
    *ret_line = cv_str_sub(*rest, 0, (size_t)end);
    *rest = cv_str_sub(*rest, (size_t)end + 2, SIZE_MAX);
    return true;
}

static bool split_field(cv_str line, cv_str *ret_name, cv_str *ret_value)
{
    ptrdiff_t colon = cv_str_find_char(line, ':');
    if (colon < 0)
        return false;
    *ret_name = cv_str_sub(line, 0, (size_t)colon);
    *ret_value = cv_str_trim(cv_str_sub(line, (size_t)colon + 1, SIZE_MAX));
    return true;
}

cv_str cv__reply_find_field(cv_str fields, const char *name)
{
    cv_str line, field, value, wanted = cv_str_of(name);
    while (next_line(&fields, &line))
        if (split_field(line, &field, &value) && cv_str_equal_nocase(field, wanted))
            return value;
    return (cv_str){0};
}

int cv__reply_check_fields(cv_ctx *cx, cv_str fields)
{
    cv_str line, name, value;
    while (next_line(&fields, &line)) {
        if (!line.len || line.ptr[0] == ' ' || line.ptr[0] == '\t')
            return malformed(cx, "a folded or empty line among the headers", line);
        if (!split_field(line, &name, &value) || !is_token(name))
            return malformed(cx, "a header without a proper name", line);
        if (!is_text(value))
            return malformed(cx, "a control character in a header", line);
    }
    return fields.len ? malformed(cx, "a header line without its end", fields) : 0;
}

static size_t count_fields(cv_str fields, cv_str name)
{
    cv_str line, field, value;
    size_t count = 0;
    while (next_line(&fields, &line))
        count += split_field(line, &field, &value) && cv_str_equal_nocase(field, name);
    return count;
}

/* Fields that are no lists: two of them contradict each other. */
static int check_singletons(cv_ctx *cx, cv_str fields)
{
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Date",          "Content-Type",
                                        "ETag",           "Content-Encoding",  "Content-Range", "Age",
                                        "Location",       "Last-Modified",     "Retry-After",   "Connection",
                                        "Server"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (count_fields(fields, cv_str_of(names[i])) > 1)
            return malformed(cx, "a header that stands there twice", cv_str_of(names[i]));
    return 0;
}

/* ---- the status line ---- */

static int read_status_line(cv_ctx *cx, cv_str line, int *ret_status)
{
    bool ok = line.len >= 13 && cv_str_starts_with(line, CV_STR("HTTP/1.1 ")) && line.ptr[12] == ' ' && is_text(line);
    int status = 0;
    for (size_t i = 9; ok && i < 12; i++) {
        ok = line.ptr[i] >= '0' && line.ptr[i] <= '9';
        status = status * 10 + line.ptr[i] - '0';
    }
    if (!ok || status < 100 || status > 599)
        return malformed(cx, "the status line", line);
    *ret_status = status;
    return 0;
}

/* ---- framing ---- */

static bool list_has(cv_str list, cv_str wanted)
{
    cv_str part;
    while (cv_str_split(&list, ',', &part))
        if (cv_str_equal_nocase(cv_str_trim(part), wanted))
            return true;
    return false;
}

static int read_length(cv_ctx *cx, cv_str text, uint64_t *ret_length)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return malformed(cx, "Content-Length is no number", text);
    if (cv_str_to_u64(text, ret_length) < 0)
        return malformed(cx, "Content-Length is no number", text);
    return 0;
}

/* RFC 9112 6.3, and of what it allows only what leaves no doubt. */
static int read_framing(cv_ctx *cx, cv_str fields, bool to_head, cv__reply_head *head)
{
    cv_str length = cv__reply_find_field(fields, "Content-Length");
    cv_str coding = cv__reply_find_field(fields, "Transfer-Encoding");
    bool never = head->status < 200 || head->status == 204;
    if (length.ptr && coding.ptr)
        return malformed(cx, "it has Content-Length and Transfer-Encoding", coding);
    if (never && (length.ptr || coding.ptr))
        return malformed(cx, "a status without a body announces one", length.ptr ? length : coding);
    if (coding.ptr && !cv_str_equal_nocase(coding, CV_STR("chunked")))
        return malformed(cx, "Transfer-Encoding is not chunked", coding);
    if (length.ptr)
        CV_TRY(read_length(cx, length, &head->length));
    if (never || head->status == 304 || to_head)
        head->body = CV__BODY_NONE;
    else if (coding.ptr || length.ptr)
        head->body = coding.ptr ? CV__BODY_CHUNKED : CV__BODY_LENGTH;
    else if (head->close)
        head->body = CV__BODY_TO_END;
    else
        return malformed(cx, "a body without an end: no length, no chunks, and the connection stays open", CV_STR(""));
    return 0;
}

int cv__reply_read_head(cv_ctx *cx, cv_str text, bool to_head, cv__reply_head *ret_head)
{
    cv__reply_head head = {0};
    cv_str line = {0};
    if (!next_line(&text, &line))
        return malformed(cx, "a head without a line end", text);
    CV_TRY(read_status_line(cx, line, &head.status));
    if (!cv_str_ends_with(text, CV_STR("\r\n")))
        return malformed(cx, "a head without its end", line);
    cv_str fields = cv_str_sub(text, 0, text.len - 2);
    CV_TRY(cv__reply_check_fields(cx, fields));
    CV_TRY(check_singletons(cx, fields));
    if (head.status >= 200 && head.status < 500 && !cv__reply_find_field(fields, "Date").ptr)
        return malformed(cx, "it has no Date", line);
    head.close = list_has(cv__reply_find_field(fields, "Connection"), CV_STR("close"));
    CV_TRY(read_framing(cx, fields, to_head, &head));
    *ret_head = head;
    return 0;
}
