#include "http/response.h"

#include "base/ctx.h"
#include "http/head.h"
#include <covet/middleware.h>

void cv__response_init(cv_ctx *cx, cv_response *res, cv_method method, int minor_version, bool keep_alive)
{
    *res = (cv_response){.cx = cx, .method = method, .minor_version = minor_version, .keep_alive = keep_alive};
    cv_buf_init_arena(&res->body, cv_ctx_arena(cx), CV__MAX_RESPONSE_BODY);
    cv_buf_init_arena(&res->trailers, cv_ctx_arena(cx), 0);
    cv__response_reset(res);
}

void cv__response_reset(cv_response *res)
{
    res->state = CV__REPLY_NONE;
    res->status = 200;
    res->field_count = res->field_bytes = 0;
    res->is_problem = false;
    res->problem_detail = NULL;
    cv_buf_clear(&res->body);
}

void cv_response_status(cv_response *res, int status)
{
    res->status = status;
}

int cv_response_get_status(const cv_response *res)
{
    return res->status;
}

bool cv_response_is_made(const cv_response *res)
{
    return res->state != CV__REPLY_NONE || res->body.len || res->body.error;
}

bool cv_response_is_whole(const cv_response *res)
{
    return !res->starting && res->state < CV__REPLY_STREAM;
}

uint64_t cv_response_bytes_sent(const cv_response *res)
{
    return res->bytes_sent;
}

bool cv_response_was_cut(const cv_response *res)
{
    return res->state == CV__REPLY_CUT;
}

bool cv__status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

int cv__response_check(cv_ctx *cx, const cv_response *res)
{
    if (cx->tx) {
        cv_fail(cx, CV_E_IN_TRANSACTION, "cannot reply inside an open transaction: it may still fail");
        cv_error_hint(cx, "reply after the atomic block");
        return CV_E_IN_TRANSACTION;
    }
    if (res->state >= CV__REPLY_STREAM)
        return cv_fail(cx, CV_E_STATE, "cannot make a reply: a stream was started");
    return 0;
}

/* ---- headers ---- */

static int grow_fields(cv_response *res)
{
    size_t capacity = res->field_capacity ? res->field_capacity * 2 : 8;
    cv__field *fields = cv_arena_realloc(cv_ctx_arena(res->cx), res->fields, res->field_capacity * sizeof *fields,
                                         capacity * sizeof *fields);
    if (!fields)
        return cv_fail(res->cx, CV_E_NOMEM, "could not set a header: out of memory");
    res->fields = fields;
    res->field_capacity = capacity;
    return 0;
}

int cv__response_field(cv_response *res, cv_str name, cv_str value)
{
    size_t bytes = name.len + value.len;
    if (res->field_count == CV__MAX_RESPONSE_HEADERS || bytes > CV__MAX_RESPONSE_HEADER_BYTES - res->field_bytes)
        return cv_fail(res->cx, CV_E_LIMIT, "cannot set the header \"%.*s\": at most %d headers of %zu bytes together",
                       CV_STR_ARG(name), CV__MAX_RESPONSE_HEADERS, CV__MAX_RESPONSE_HEADER_BYTES);
    if (res->field_count == res->field_capacity)
        CV_TRY(grow_fields(res));
    res->fields[res->field_count++] = (cv__field){name, value};
    res->field_bytes += bytes;
    return 0;
}

static void remove_field(cv_response *res, cv_str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < res->field_count; i++) {
        if (cv_str_equal_nocase(res->fields[i].name, name))
            res->field_bytes -= res->fields[i].name.len + res->fields[i].value.len;
        else
            res->fields[kept++] = res->fields[i];
    }
    res->field_count = kept;
}

void cv__response_remove(cv_response *res, const char *name)
{
    remove_field(res, cv_str_of(name));
}

cv_str cv_response_get_header(const cv_response *res, const char *name)
{
    for (size_t i = 0; i < res->field_count; i++)
        if (cv_str_equal_nocase(res->fields[i].name, cv_str_of(name)))
            return res->fields[i].value;
    return cv_str_make(NULL, 0);
}

/* White space around a value; line ends are not: they are refused wherever they are. */
static cv_str trim_blanks(cv_str text)
{
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = cv_str_sub(text, 1, text.len);
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool value_is_valid(cv_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool is_framing(cv_str name)
{
    static const char *const own[] = {"content-length", "transfer-encoding", "connection", "date"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (cv_str_equal_nocase(name, cv_str_of(own[i])))
            return true;
    return false;
}

static int check_value(const cv_response *res, cv_str name, cv_str value)
{
    if (res->state >= CV__REPLY_STREAM)
        return cv_fail(res->cx, CV_E_STATE, "cannot set the header \"%.*s\": the headers were sent", CV_STR_ARG(name));
    if (!value_is_valid(value))
        return cv_fail(res->cx, CV_E_INVALID, "cannot set the header \"%.*s\": its value has a control character",
                       CV_STR_ARG(name));
    return 0;
}

static int check_field(const cv_response *res, cv_str name, cv_str value)
{
    if (!cv__is_token(name))
        return cv_fail(res->cx, CV_E_INVALID, "cannot set a header: its name is not a token of RFC 9110");
    if (is_framing(name))
        return cv_fail(res->cx, CV_E_INVALID, "cannot set the header \"%.*s\": the server makes it", CV_STR_ARG(name));
    return check_value(res, name, value);
}

static int copy_field(cv_response *res, cv_str name, cv_str value)
{
    char *name_copy = cv_strndup(res->cx, name.ptr, name.len);
    char *value_copy = cv_strndup(res->cx, value.ptr, value.len);
    if (!name_copy || !value_copy)
        return res->cx->error_code;
    return cv__response_field(res, cv_str_make(name_copy, name.len), cv_str_make(value_copy, value.len));
}

int cv_response_header_add(cv_response *res, const char *name_text, const char *value_text)
{
    cv_str name = cv_str_of(name_text), value = trim_blanks(cv_str_of(value_text));
    CV_TRY(check_field(res, name, value));
    return copy_field(res, name, value);
}

int cv_response_header(cv_response *res, const char *name_text, const char *value_text)
{
    cv_str name = cv_str_of(name_text), value = trim_blanks(cv_str_of(value_text));
    CV_TRY(check_field(res, name, value));
    remove_field(res, name);
    return copy_field(res, name, value);
}

/* A header that a reply has by itself: its name is a literal of ours. */
static int set_own(cv_response *res, cv_str name, const char *value_text)
{
    cv_str value = trim_blanks(cv_str_of(value_text));
    CV_TRY(check_value(res, name, value));
    const char *copy = cv_strndup(res->cx, value.ptr, value.len);
    if (!copy)
        return res->cx->error_code;
    remove_field(res, name);
    return cv__response_field(res, name, cv_str_make(copy, value.len));
}

/* ---- replies ---- */

cv_buf *cv_response_body(cv_response *res)
{
    return &res->body;
}

int cv_reply_text(cv_ctx *cx, cv_response *res, int status, const char *content_type, cv_str body)
{
    CV_TRY(cv__response_check(cx, res));
    if (body.len > CV__MAX_RESPONSE_BODY) {
        cv_fail(cx, CV_E_LIMIT, "cannot reply with %zu bytes at once: at most %zu", body.len, CV__MAX_RESPONSE_BODY);
        cv_error_hint(cx, "use cv_stream_start for large replies");
        return CV_E_LIMIT;
    }
    res->is_problem = false;
    cv_buf_clear(&res->body);
    cv_buf_add_str(&res->body, body);
    if (res->body.error)
        return cv_fail(cx, res->body.error, "could not copy the reply: %s", cv_error_text(res->body.error));
    if (content_type)
        CV_TRY(set_own(res, CV_STR("Content-Type"), content_type));
    res->status = status;
    res->state = CV__REPLY_WHOLE;
    return 0;
}

int cv_reply_empty(cv_ctx *cx, cv_response *res, int status)
{
    CV_TRY(cv__response_check(cx, res));
    res->is_problem = false;
    cv_buf_clear(&res->body);
    res->status = status;
    res->state = CV__REPLY_WHOLE;
    return 0;
}

int cv_reply_redirect(cv_ctx *cx, cv_response *res, int status, const char *location)
{
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return cv_fail(cx, CV_E_INVALID, "cannot redirect with the status %d", status);
    CV_TRY(set_own(res, CV_STR("Location"), location));
    return cv_reply_empty(cx, res, status);
}

/* ---- trailers ---- */

int cv__response_trailer(cv_response *res, cv_str name, cv_str value)
{
    if (!cv__is_token(name) || !value_is_valid(value) || cv__is_forbidden_trailer(name))
        return cv_fail(res->cx, CV_E_INVALID, "cannot send the trailer \"%.*s\": its name or value cannot stand there",
                       CV_STR_ARG(name));
    if (name.len + value.len + 4 > CV__MAX_TRAILER_BYTES - res->trailers.len)
        return cv_fail(res->cx, CV_E_LIMIT, "cannot send the trailer \"%.*s\": at most %zu bytes together",
                       CV_STR_ARG(name), CV__MAX_TRAILER_BYTES);
    cv_buf_add_str(&res->trailers, name);
    cv_buf_add(&res->trailers, ": ", 2);
    cv_buf_add_str(&res->trailers, value);
    cv_buf_add(&res->trailers, "\r\n", 2);
    return res->trailers.error ? cv_fail(res->cx, res->trailers.error, "could not keep a trailer: out of memory") : 0;
}

/* ---- the head on the wire ---- */

static char *put(char *at, cv_str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_u64(char *at, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

static char *put_status(char *at, int status)
{
    if (status == 200)
        return put(at, CV_STR("HTTP/1.1 200 OK\r\n"));
    at = put(at, CV_STR("HTTP/1.1 "));
    at = put_u64(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, cv_str_of(cv_http_reason(status)));
    return put(at, CV_STR("\r\n"));
}

static char *put_field(char *at, cv_str name, cv_str value)
{
    at = put(at, name);
    at = put(at, CV_STR(": "));
    at = put(at, value);
    return put(at, CV_STR("\r\n"));
}

static char *put_connection(char *at, const cv_response *res)
{
    if (!res->keep_alive)
        return put(at, CV_STR("Connection: close\r\n"));
    return res->minor_version == 0 ? put(at, CV_STR("Connection: keep-alive\r\n")) : at;
}

/* Status line, Date, framing and Connection are shorter than this together. */
enum { OWN_LINES_BYTES = 256 };

size_t cv__response_head_most(const cv_response *res)
{
    return OWN_LINES_BYTES + res->field_bytes + 4 * res->field_count;
}

char *cv__response_head_put(const cv_response *res, cv_str date, cv__framing framing, uint64_t content_length, char *at)
{
    at = put_status(at, res->status);
    at = put_field(at, CV_STR("Date"), date);
    for (size_t i = 0; i < res->field_count; i++)
        at = put_field(at, res->fields[i].name, res->fields[i].value);
    if (framing == CV__FRAMING_LENGTH) {
        at = put_u64(put(at, CV_STR("Content-Length: ")), content_length);
        at = put(at, CV_STR("\r\n"));
    } else if (framing == CV__FRAMING_CHUNKED) {
        at = put(at, CV_STR("Transfer-Encoding: chunked\r\n"));
    }
    return put(put_connection(at, res), CV_STR("\r\n"));
}

void cv__response_head(const cv_response *res, cv_str date, cv__framing framing, uint64_t content_length, cv_buf *out)
{
    char *start = cv_buf_reserve(out, cv__response_head_most(res));
    if (start)
        cv_buf_commit(out, (size_t)(cv__response_head_put(res, date, framing, content_length, start) - start));
}
