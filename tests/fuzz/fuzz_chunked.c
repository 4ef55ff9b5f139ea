/* Chunked bodies with trailers: whatever the bytes and however they are cut, a body that is taken as it comes is the
 * one that is collected, with the same trailers, the same end and the same refusal. The first two bytes of the input
 * choose the cuts. */
#include "http/chunked.h"
#include "http/head.h"
#include "http/parser.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BODY_BYTES = 500 };

static const cv__parser_limits limits = {
    .max_header_bytes = 512, .max_headers = 6, .max_body_bytes = MAX_BODY_BYTES, .heads_first = true};

/* What came of a run. */
typedef struct outcome {
    cv__parse end;
    int status;
    char body[MAX_BODY_BYTES];
    size_t body_len;
    uint64_t trailers;          /* as one number */
    size_t trailer_count, left; /* bytes behind the request */
} outcome;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t mix(uint64_t sum, cv_str text)
{
    for (size_t i = 0; i < text.len; i++)
        sum = (sum ^ (unsigned char)text.ptr[i]) * UINT64_C(1099511628211);
    return (sum ^ text.len) * UINT64_C(1099511628211);
}

static void put(cv__parser *parser, const char *bytes, size_t len)
{
    size_t room_size;
    char *room = cv__parser_room(parser, &room_size);
    require(room && room_size >= len);
    memcpy(room, bytes, len);
}

static void begin(cv__parser *parser, bool streaming)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    cv__parser_init(parser, &limits);
    put(parser, head, sizeof head - 1);
    require(cv__parser_feed(parser, sizeof head - 1) == CV__PARSE_HEAD);
    require(cv__parser_body(parser, MAX_BODY_BYTES) == CV__PARSE_MORE);
    if (streaming)
        require(cv__parser_stream(parser));
}

static void take_body(cv__parser *parser, outcome *out, size_t step)
{
    while (parser->body_len) {
        size_t got = cv__parser_take(parser, out->body + out->body_len, step);
        require(got > 0 && out->body_len + got <= MAX_BODY_BYTES);
        out->body_len += got;
    }
}

static void check_trailers(const cv__parser *parser, outcome *out)
{
    const char *text = parser->trailer_text.data;
    require(parser->trailer_count <= limits.max_headers);
    for (size_t i = 0; i < parser->trailer_count; i++) {
        cv__span name = parser->trailers[i].name, value = parser->trailers[i].value;
        require((size_t)name.at + name.len <= parser->trailer_text.len);
        require((size_t)value.at + value.len <= parser->trailer_text.len);
        cv_str name_text = cv_str_make(text + name.at, name.len), value_text = cv_str_make(text + value.at, value.len);
        require(cv__is_token(name_text) && !cv__is_forbidden_trailer(name_text));
        require(!memchr(value_text.ptr, '\r', value_text.len) && !memchr(value_text.ptr, '\n', value_text.len) &&
                !memchr(value_text.ptr, '\0', value_text.len));
        out->trailers = mix(mix(out->trailers, name_text), value_text);
    }
    out->trailer_count = parser->trailer_count;
}

static outcome run(cv_str bytes, size_t step, bool streaming, size_t taken)
{
    cv__parser parser;
    outcome out = {.end = CV__PARSE_MORE};
    size_t at = 0;
    begin(&parser, streaming);
    while (out.end == CV__PARSE_MORE && at < bytes.len) {
        size_t part = step < bytes.len - at ? step : bytes.len - at;
        put(&parser, bytes.ptr + at, part);
        at += part;
        out.end = cv__parser_feed(&parser, part);
        if (streaming)
            take_body(&parser, &out, taken);
    }
    if (out.end == CV__PARSE_DONE) {
        take_body(&parser, &out, SIZE_MAX);
        check_trailers(&parser, &out);
        out.left = parser.len - parser.end + (bytes.len - at);
    } else if (out.end == CV__PARSE_REFUSED) {
        out.status = parser.refusal.status;
        out.body_len = 0; /* as much as came before the mistake was seen */
    }
    cv__parser_done(&parser);
    return out;
}

static void check_same(const outcome *a, const outcome *b)
{
    require(a->end == b->end && a->status == b->status && a->trailers == b->trailers);
    if (a->end != CV__PARSE_DONE)
        return;
    require(a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0);
    require(a->trailer_count == b->trailer_count && a->left == b->left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 2048)
        return 0;
    size_t step = 1 + data[0] % 64, taken = 1 + data[1] % 16;
    cv_str bytes = cv_str_make((const char *)data + 2, size - 2);
    outcome whole = run(bytes, SIZE_MAX, false, 0);
    outcome others[] = {run(bytes, 1, false, 0), run(bytes, step, true, taken), run(bytes, 1, true, 1),
                        run(bytes, SIZE_MAX, true, taken)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        check_same(&whole, &others[i]);
    return 0;
}
