/* From an open file to a reply: what is said about it, whether it is sent, and which parts. */
#include "http/files/conditional.h"
#include "http/files/file.h"
#include "http/files/naming.h"
#include "http/files/range.h"
#include "http/files/variant.h"

#include "base/ctx.h"
#include "http/response.h"
#include <covet/uuid.h>
#include <fcntl.h>
#include <stdio.h>

/* A reply that is being made. Texts are static or in the request's arena. */
typedef struct making {
    cv_request *req;
    cv_response *res;
    cv__file *file; /* the representation: the file or a precompressed sibling */
    const char *coding, *type, *etag;
    cv_time modified;
    uint64_t size;
} making;

/* ---- what is said about it ---- */

/* Replaces what was set before, and copies nothing. */
static int set_field(cv_response *res, const char *name, const char *value)
{
    cv__response_remove(res, name);
    return cv__response_field(res, cv_str_of(name), cv_str_of(value));
}

/* Strong: size and time of the last change in nanoseconds, and the coding, whose bytes are others. */
static const char *make_etag(cv_ctx *cx, const struct stat *info, const char *coding)
{
    return cv_sprintf(cx, "\"%llx-%llx.%lx%s%s\"", (unsigned long long)info->st_size,
                      (unsigned long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec, coding ? "-" : "",
                      coding ? coding : "");
}

static int set_cache_control(cv_ctx *cx, cv_response *res, const cv_file_options *options)
{
    if (options->max_age_s < 0)
        return 0;
    if (!options->max_age_s)
        return set_field(res, "Cache-Control", "no-cache");
    const char *value =
        cv_sprintf(cx, "max-age=%lld%s", (long long)options->max_age_s, options->immutable ? ", immutable" : "");
    return value ? set_field(res, "Cache-Control", value) : cx->error_code;
}

/* What a 304 carries as well; the validators follow. */
static int set_caching(cv_ctx *cx, const making *m, const cv_file_options *options)
{
    CV_TRY(set_cache_control(cx, m->res, options));
    CV_TRY(set_field(m->res, "X-Content-Type-Options", "nosniff"));
    return options->precompressed ? cv_response_header_add(m->res, "Vary", "Accept-Encoding") : 0;
}

static int set_disposition(cv_ctx *cx, const making *m, const char *name)
{
    cv_buf value;
    cv_buf_init_arena(&value, cv_ctx_arena(cx), CV__MAX_RESPONSE_HEADER_BYTES);
    cv__content_disposition(cv_str_of(name), &value);
    if (value.error)
        return cv_fail(cx, value.error, "cannot use the download name: %s", cv_error_text(value.error));
    return set_field(m->res, "Content-Disposition", value.data);
}

static int set_content(cv_ctx *cx, const making *m, const cv_file_options *options)
{
    if (m->coding)
        CV_TRY(set_field(m->res, "Content-Encoding", m->coding));
    if (options->download_name)
        CV_TRY(set_disposition(cx, m, options->download_name));
    return set_field(m->res, "Accept-Ranges", "bytes");
}

/* ---- ranges ---- */

static cv__range_kind find_ranges(const making *m, cv__ranges *ret_ranges)
{
    cv__etag tag;
    cv_str range = cv_request_header(m->req, "range");
    if (!range.ptr || cv_request_method(m->req) != CV_GET || !cv__etag_parse(cv_str_of(m->etag), &tag))
        return CV__RANGE_WHOLE;
    cv__validators now = {&tag, m->modified};
    if (!cv__if_range_holds(cv_request_header(m->req, "if-range"), &now, cv_time_now()))
        return CV__RANGE_WHOLE;
    return cv__ranges_parse(range, m->size, ret_ranges);
}

static int reply_unsatisfiable(cv_ctx *cx, const making *m)
{
    const char *value = cv_sprintf(cx, "bytes */%llu", (unsigned long long)m->size);
    if (!value)
        return cx->error_code;
    CV_TRY(set_field(m->res, "Content-Range", value));
    return cv__reply_instead(cx, m->res, 416, "nothing of the file lies within these ranges");
}

/* ---- one piece ---- */

/* With its head in one piece; nothing is sent before all of it was read. */
static int reply_small(cv_ctx *cx, const making *m, int status, uint64_t first, size_t len)
{
    cv_buf *body = cv_response_body(m->res);
    cv_buf_clear(body);
    char *room = len ? cv_buf_reserve(body, len) : NULL;
    if (len && !room)
        return cv_fail(cx, body->error, "could not read the file \"%s\": out of memory", m->file->path);
    CV_TRY(cv__file_load(cx, m->file, first, room, len));
    if (len)
        cv_buf_commit(body, len);
    CV_TRY(set_field(m->res, "Content-Type", m->type));
    m->res->status = status;
    m->res->state = CV__REPLY_WHOLE;
    return 0;
}

static int reply_piece(cv_ctx *cx, const making *m, int status, uint64_t first, uint64_t len)
{
    bool is_head = cv_request_method(m->req) == CV_HEAD;
    if (len <= CV__FILE_SMALL_BYTES && !is_head)
        return reply_small(cx, m, status, first, (size_t)len);
    CV_TRY(set_field(m->res, "Content-Type", m->type));
    CV_TRY(cv_stream_start(cx, m->res, status, NULL, (int64_t)len));
    if (!is_head)
        CV_TRY(cv__file_send(cx, m->res, m->file, first, len));
    return cv_stream_end(cx, m->res);
}

static int reply_range(cv_ctx *cx, const making *m, cv__range range)
{
    const char *value = cv_sprintf(cx, "bytes %llu-%llu/%llu", (unsigned long long)range.first,
                                   (unsigned long long)range.last, (unsigned long long)m->size);
    if (!value)
        return cx->error_code;
    CV_TRY(set_field(m->res, "Content-Range", value));
    return reply_piece(cx, m, 206, range.first, range.last - range.first + 1);
}

/* ---- several parts: multipart/byteranges (RFC 9110 14.6) ---- */

typedef struct parts {
    cv_str heads[CV__MAX_RANGES], tail; /* before each part, and behind the last one */
    uint64_t length;
} parts;

static int make_text(cv_ctx *cx, char *text, parts *p, cv_str *ret_text)
{
    if (!text)
        return cx->error_code;
    *ret_text = cv_str_of(text);
    p->length += ret_text->len;
    return 0;
}

/* The boundary is random, as nobody looks through the file for one that does not occur in it. */
static int plan_parts(cv_ctx *cx, const making *m, const cv__ranges *ranges, const char *boundary, parts *ret_parts)
{
    parts p = {.length = 0};
    for (size_t i = 0; i < ranges->count; i++) {
        cv__range range = ranges->at[i];
        char *head = cv_sprintf(cx, "%s--%s\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
                                i ? "\r\n" : "", boundary, m->type, (unsigned long long)range.first,
                                (unsigned long long)range.last, (unsigned long long)m->size);
        CV_TRY(make_text(cx, head, &p, &p.heads[i]));
        p.length += range.last - range.first + 1;
    }
    CV_TRY(make_text(cx, cv_sprintf(cx, "\r\n--%s--\r\n", boundary), &p, &p.tail));
    *ret_parts = p;
    return 0;
}

static int reply_parts(cv_ctx *cx, const making *m, const cv__ranges *ranges)
{
    char boundary[CV_UUID_TEXT_BYTES];
    parts p;
    cv_uuid_format(cv_uuid_v4(), boundary);
    CV_TRY(plan_parts(cx, m, ranges, boundary, &p));
    const char *type = cv_sprintf(cx, "multipart/byteranges; boundary=%s", boundary);
    if (!type)
        return cx->error_code;
    CV_TRY(cv_stream_start(cx, m->res, 206, type, (int64_t)p.length));
    for (size_t i = 0; i < ranges->count; i++) {
        cv__range range = ranges->at[i];
        CV_TRY(cv_stream_write(cx, m->res, p.heads[i].ptr, p.heads[i].len));
        CV_TRY(cv__file_send(cx, m->res, m->file, range.first, range.last - range.first + 1));
    }
    CV_TRY(cv_stream_write(cx, m->res, p.tail.ptr, p.tail.len));
    return cv_stream_end(cx, m->res);
}

/* ---- all of it ---- */

static int make_reply(cv_ctx *cx, const making *m)
{
    cv__ranges ranges;
    cv__range_kind kind = find_ranges(m, &ranges);
    if (kind == CV__RANGE_UNSATISFIABLE)
        return reply_unsatisfiable(cx, m);
    if (kind == CV__RANGE_WHOLE)
        return reply_piece(cx, m, 200, 0, m->size);
    return ranges.count == 1 ? reply_range(cx, m, ranges.at[0]) : reply_parts(cx, m, &ranges);
}

static int describe(cv_ctx *cx, making *m)
{
    const struct stat *info = &m->file->info;
    m->size = (uint64_t)info->st_size;
    m->modified.us = (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
    m->etag = make_etag(cx, info, m->coding);
    return m->etag ? 0 : cx->error_code;
}

int cv__file_reply(cv_ctx *cx, cv_request *req, cv_response *res, cv__file *file, const cv_file_options *options)
{
    static const cv_file_options defaults = {0};
    bool done;
    making m = {.req = req, .res = res, .file = file};
    options = options ? options : &defaults;
    m.type = options->content_type ? options->content_type : cv__mime_type(cv_str_of(file->path));
    CV_TRY(cv__response_check(cx, res));
    if (options->precompressed)
        CV_TRY(cv__file_choose(cx, req, file, &m.file, &m.coding));
    CV_TRY(describe(cx, &m));
    CV_TRY(set_caching(cx, &m, options));
    CV_TRY(cv_reply_conditional(cx, req, res, m.etag, m.modified, &done));
    if (done)
        return 0;
    CV_TRY(set_content(cx, &m, options));
    return make_reply(cx, &m);
}

int cv_reply_file(cv_ctx *cx, cv_request *req, cv_response *res, const char *path, const cv_file_options *options)
{
    cv__file *file;
    CV_TRY(cv__file_open(cx, AT_FDCWD, path, &file));
    if (!S_ISREG(file->info.st_mode))
        return cv_fail(cx, CV_E_IO, "cannot send \"%s\": it is not a regular file", path);
    return cv__file_reply(cx, req, res, file, options);
}
