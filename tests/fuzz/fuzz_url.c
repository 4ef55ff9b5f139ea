/* Whatever the bytes: no crash, and no password in a message or in the redacted text of a URL that parses. */
#include <covet/url.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_url(cv_ctx *cx, cv_str text)
{
    cv_url url;
    char *redacted = cv_url_redact(cx, text);
    must(redacted != NULL);
    if (cv_url_parse(cx, text, &url) < 0) {
        must(cv_error_last(cx) != NULL);
        cv_error_clear(cx);
        return;
    }
    must(url.scheme && *url.scheme && url.port >= 0 && url.port <= 65535);
    must(!url.path || *url.path == '/');
    if (url.password)
        must(strstr(redacted, ":***@") != NULL);
}

static void check_query(cv_ctx *cx, cv_str text)
{
    size_t position = 0;
    cv_str key, value;
    int rc;
    while ((rc = cv_query_string_next(cx, text, &position, &key, &value)) > 0)
        must(strlen(key.ptr) == key.len && strlen(value.ptr) == value.len);
    must(rc == 0 || rc == CV_E_SYNTAX);
    cv_error_clear(cx);
}

static void check_coding(cv_ctx *cx, cv_str text)
{
    cv_buf out;
    cv_str decoded;
    cv_buf_init(&out, 0);
    cv_percent_encode(&out, text);
    if (cv_percent_decode(cx, cv_buf_str(&out), false, &decoded) == 0)
        must(cv_str_equal(decoded, text));
    else
        must(memchr(text.ptr, '\0', text.len) != NULL);
    cv_error_clear(cx);
    cv_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cv_ctx *cx = cv_ctx_new(0);
    cv_str text = {size ? (const char *)data : "", size};
    must(cx != NULL);
    check_url(cx, text);
    check_query(cx, text);
    check_coding(cx, text);
    cv_ctx_free(cx);
    return 0;
}
