/* The request parser: whatever the bytes and however they are cut, the requests found and the refusal are the same, and
 * what a complete request says lies inside its buffer and within the limits. The first byte of the input chooses the
 * cuts. */
#include "http/head.h"
#include "http/parser.h"
#include "http/request.h"

#include <stdio.h>
#include <stdlib.h>

static const cv__parser_limits limits = {.max_header_bytes = 512, .max_headers = 10, .max_body_bytes = 300};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* What a run found, as one number. */
static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return (sum ^ len) * UINT64_C(1099511628211);
}

static void check_span(const cv__parser *parser, cv__span span)
{
    require((size_t)span.at + span.len <= parser->body_at);
}

/* What handlers ask of the headers: each value is in what its name gives, and a media type is plain. */
static void check_values(const cv__parser *parser)
{
    char name[512];
    cv_request req;
    cv_ctx *cx = cv_ctx_new(0);
    require(cx && cv__request_init(cx, &req, parser, NULL) == 0);
    for (size_t i = 0; i < parser->header_count; i++) {
        cv_str text = cv__parser_text(parser, parser->headers[i].name);
        snprintf(name, sizeof name, "%.*s", CV_STR_ARG(text));
        require(cv_str_find(cv_request_header(&req, name), cv__parser_text(parser, parser->headers[i].value)) >= 0);
    }
    cv_str type = cv_request_media_type(&req);
    for (size_t i = 0; i < type.len; i++)
        require(type.ptr[i] != ';' && !(type.ptr[i] >= 'A' && type.ptr[i] <= 'Z'));
    cv_ctx_free(cx);
}

static uint64_t take_request(const cv__parser *parser, uint64_t sum)
{
    const cv__head *head = &parser->head;
    check_span(parser, head->target);
    check_span(parser, head->path);
    check_span(parser, head->query);
    require(parser->header_count <= limits.max_headers);
    require(parser->body_start - parser->start <= limits.max_header_bytes);
    require(parser->body_len <= limits.max_body_bytes);
    require(parser->body_at + parser->body_len <= parser->end && parser->end <= parser->len);
    for (size_t i = 0; i < parser->header_count; i++) {
        cv_str name = cv__parser_text(parser, parser->headers[i].name);
        cv_str value = cv__parser_text(parser, parser->headers[i].value);
        check_span(parser, parser->headers[i].name);
        check_span(parser, parser->headers[i].value);
        require(cv__is_token(name));
        require(!value.len || (!memchr(value.ptr, '\r', value.len) && !memchr(value.ptr, '\n', value.len) &&
                               !memchr(value.ptr, '\0', value.len)));
        sum = mix(mix(sum, name.ptr, name.len), value.ptr, value.len);
    }
    sum = mix(sum, parser->data + head->target.at, head->target.len);
    sum = mix(sum, parser->data + parser->body_at, parser->body_len);
    return mix(sum, &head->keep_alive, sizeof head->keep_alive);
}

/* Hand over everything that is there: requests one after the other, until more is needed. False after a refusal. */
static bool drain(cv__parser *parser, cv__parse result, uint64_t *sum)
{
    while (result == CV__PARSE_DONE) {
        *sum = take_request(parser, *sum);
        check_values(parser);
        cv__parser_next(parser);
        result = cv__parser_feed(parser, 0);
    }
    if (result == CV__PARSE_REFUSED)
        *sum = mix(*sum, &parser->refusal.status, sizeof parser->refusal.status);
    return result != CV__PARSE_REFUSED;
}

static uint64_t run(const uint8_t *data, size_t size, size_t step)
{
    cv__parser parser;
    uint64_t sum = 0;
    bool open = true;
    cv__parser_init(&parser, &limits);
    for (size_t at = 0; open && at < size;) {
        size_t room_size;
        char *room = cv__parser_room(&parser, &room_size);
        if (!room)
            break;
        size_t part = step < room_size ? step : room_size;
        part = part < size - at ? part : size - at;
        memcpy(room, data + at, part);
        at += part;
        open = drain(&parser, cv__parser_feed(&parser, part), &sum);
    }
    cv__parser_done(&parser);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint64_t whole = run(data + 1, size - 1, SIZE_MAX);
    require(whole == run(data + 1, size - 1, 1));
    require(whole == run(data + 1, size - 1, 2 + data[0] % 64));
    return 0;
}
