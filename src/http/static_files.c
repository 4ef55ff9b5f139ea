/* Files below a folder. One job on the lane of files opens the file, looks at it and reads the first block, so that a
 * small file costs one trip; each further block is one more, read while nothing else of this request is under way. */
#include "http/static_files.h"

#include "base/ctx.h"
#include "http/response.h"
#include "http/router.h"
#include <covet/lane.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

typedef struct folder {
    int fd;
    int64_t max_age_s;
} folder;

/* ---- conditions ---- */

void cv__static_etag(const struct stat *info, char out[64])
{
    snprintf(out, 64, "\"%llx-%llx.%lx\"", (unsigned long long)info->st_size, (unsigned long long)info->st_mtim.tv_sec,
             info->st_mtim.tv_nsec);
}

bool cv__etag_matches(cv_str value, const char *etag)
{
    cv_str part;
    if (cv_str_equal(cv_str_trim(value), CV_STR("*")))
        return true;
    while (cv_str_split(&value, ',', &part)) {
        part = cv_str_trim(part);
        if (cv_str_starts_with(part, CV_STR("W/")))
            part = cv_str_sub(part, 2, part.len);
        if (cv_str_equal(part, cv_str_of(etag)))
            return true;
    }
    return false;
}

/* Digits only; an absent number is `fallback`. */
static bool read_position(cv_str text, uint64_t fallback, uint64_t *ret_value)
{
    *ret_value = fallback;
    if (!text.len)
        return true;
    return text.ptr[0] >= '0' && text.ptr[0] <= '9' && cv_str_to_u64(text, ret_value) == 0;
}

cv__range cv__range_parse(cv_str value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    const cv_str unit = CV_STR("bytes=");
    cv_str last_text = cv_str_sub(value, unit.len, value.len), first_text;
    uint64_t first, last;
    if (!cv_str_starts_with(value, unit) || !cv_str_split(&last_text, '-', &first_text) || !last_text.ptr ||
        (!first_text.len && !last_text.len) || !read_position(first_text, 0, &first) ||
        !read_position(last_text, UINT64_MAX, &last))
        return CV__RANGE_WHOLE;
    if (!first_text.len) {
        first = last < size ? size - last : 0;
        last = last ? UINT64_MAX : 0;
        if (!last)
            return CV__RANGE_UNSATISFIABLE;
    } else if (first > last) {
        return CV__RANGE_WHOLE;
    }
    if (first >= size)
        return CV__RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_last = last < size ? last : size - 1;
    return CV__RANGE_PART;
}

/* ---- jobs on the lane of files ---- */

typedef struct job {
    int root_fd, fd; /* fd: -1 until opened; closed by the request's clean-up */
    const char *path;
    struct stat info;
    uint64_t offset;
    char *block;
    size_t wanted, got;
} job;

static int read_block(void *arg)
{
    job *j = arg;
    j->got = 0;
    while (j->got < j->wanted) {
        ssize_t got = pread(j->fd, j->block + j->got, j->wanted - j->got, (off_t)(j->offset + j->got));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? CV_E_IO : CV_E_END;
        j->got += (size_t)got;
    }
    return 0;
}

/* Whatever cannot be opened is not there for the client: it does not learn why. */
static int open_file(void *arg)
{
    job *j = arg;
    int fd = cv__static_open(j->root_fd, j->path);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
        return CV_E_SYSTEM;
    if (fd < 0)
        return CV_E_NOT_FOUND;
    j->fd = fd;
    if (fstat(fd, &j->info) < 0)
        return CV_E_IO;
    return S_ISREG(j->info.st_mode) || S_ISDIR(j->info.st_mode) ? 0 : CV_E_NOT_FOUND;
}

static void close_file(void *arg)
{
    job *j = arg;
    if (j->fd >= 0)
        close(j->fd);
}

/* Errors of the lane have their story, those of the jobs need one. */
static int offload(cv_ctx *cx, int (*fn)(void *arg), job *j)
{
    int rc = cv_offload(cx, CV_LANE_FILES, fn, j, NULL);
    if (rc < 0 && !cv_error_last(cx))
        cv_fail(cx, rc, "could not read the file \"%s\"", j->path);
    return rc;
}

/* ---- replying ---- */

static int not_found(cv_ctx *cx, cv_response *res)
{
    cv_error_clear(cx);
    return cv_reply_problem(cx, res, 404, NULL, "nothing is at this path");
}

static int set_validators(cv_ctx *cx, cv_response *res, const folder *from, const struct stat *info, const char *etag)
{
    char date[CV_TIME_TEXT_BYTES];
    cv_time changed = {.us = (int64_t)info->st_mtim.tv_sec * 1000000};
    cv_time_format_http(changed, date);
    CV_TRY(cv_response_header(res, "ETag", etag));
    CV_TRY(cv_response_header(res, "Last-Modified", date));
    CV_TRY(cv_response_header(res, "X-Content-Type-Options", "nosniff"));
    if (from->max_age_s <= 0)
        return cv_response_header(res, "Cache-Control", "no-cache");
    char *age = cv_sprintf(cx, "max-age=%lld", (long long)from->max_age_s);
    return age ? cv_response_header(res, "Cache-Control", age) : cx->error_code;
}

/* If-None-Match wins over If-Modified-Since (RFC 9110 13.2.2). */
static bool is_unchanged(const cv_request *req, const struct stat *info, const char *etag)
{
    cv_time since;
    cv_str tags = cv_request_header(req, "if-none-match");
    if (tags.ptr)
        return cv__etag_matches(tags, etag);
    cv_str date = cv_request_header(req, "if-modified-since");
    return date.ptr && cv_time_parse_http(date, &since) == 0 && info->st_mtim.tv_sec <= since.us / 1000000;
}

static cv__range find_range(const cv_request *req, const struct stat *info, const char *etag, uint64_t *first,
                            uint64_t *last)
{
    cv_str range = cv_request_header(req, "range"), condition = cv_request_header(req, "if-range");
    *first = 0;
    *last = info->st_size ? (uint64_t)info->st_size - 1 : 0;
    if (!range.ptr || cv_request_method(req) != CV_GET || (condition.ptr && !cv_str_equal(condition, cv_str_of(etag))))
        return CV__RANGE_WHOLE;
    return cv__range_parse(range, (uint64_t)info->st_size, first, last);
}

static int set_content_range(cv_ctx *cx, cv_response *res, cv__range range, uint64_t first, uint64_t last, int64_t size)
{
    if (range == CV__RANGE_WHOLE)
        return cv_response_header(res, "Accept-Ranges", "bytes");
    char *text = range == CV__RANGE_PART ? cv_sprintf(cx, "bytes %llu-%llu/%lld", (unsigned long long)first,
                                                      (unsigned long long)last, (long long)size)
                                         : cv_sprintf(cx, "bytes */%lld", (long long)size);
    return text ? cv_response_header(res, "Content-Range", text) : cx->error_code;
}

/* Send `left` bytes from `first` on. A file that shrinks meanwhile cuts the connection: its length was announced. */
static int send_content(cv_ctx *cx, cv_response *res, job *j, uint64_t first, uint64_t left)
{
    j->offset = first;
    j->block = left && res->method != CV_HEAD ? cv_alloc(cx, CV__STATIC_BLOCK_BYTES) : NULL;
    if (!j->block)
        return left && res->method != CV_HEAD ? cx->error_code : cv_stream_end(cx, res);
    for (; left; left -= j->got) {
        j->wanted = left < CV__STATIC_BLOCK_BYTES ? (size_t)left : CV__STATIC_BLOCK_BYTES;
        CV_TRY(offload(cx, read_block, j));
        CV_TRY(cv_stream_write(cx, res, j->block, j->got));
        j->offset += j->got;
    }
    return cv_stream_end(cx, res);
}

static int reply_file(cv_ctx *cx, cv_request *req, cv_response *res, const folder *from, job *j)
{
    char etag[64];
    uint64_t first, last;
    cv__static_etag(&j->info, etag);
    CV_TRY(set_validators(cx, res, from, &j->info, etag));
    if (is_unchanged(req, &j->info, etag))
        return cv_reply_empty(cx, res, 304);
    cv__range range = find_range(req, &j->info, etag, &first, &last);
    CV_TRY(set_content_range(cx, res, range, first, last, j->info.st_size));
    if (range == CV__RANGE_UNSATISFIABLE)
        return cv_reply_problem(cx, res, 416, NULL, NULL);
    uint64_t length = j->info.st_size ? last - first + 1 : 0;
    const char *type = cv__mime_type(cv_str_of(j->path));
    CV_TRY(cv_stream_start(cx, res, range == CV__RANGE_PART ? 206 : 200, type, (int64_t)length));
    return send_content(cx, res, j, first, length);
}

/* The target's path with a slash behind it; the query is kept. */
static int redirect_to_slash(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_str path = cv__parser_text(req->parser, req->parser->head.path), query = cv_request_query(req);
    while (path.len > 1 && path.ptr[1] == '/')
        path = cv_str_sub(path, 1, path.len); /* "//host" would lead to another host */
    char *location = cv_sprintf(cx, "%.*s/%s%.*s", CV_STR_ARG(path), query.len ? "?" : "", CV_STR_ARG(query));
    return location ? cv_reply_redirect(cx, res, 301, location) : cx->error_code;
}

/* Dot segments were refused with the request; a segment that begins with a dot is a hidden file. A slash that was
 * escaped or a doubled one names nothing. */
static bool is_servable(cv_str path)
{
    cv_str part;
    while (cv_str_split(&path, '/', &part))
        if (cv_str_starts_with(part, CV_STR(".")) || (!part.len && path.ptr))
            return false;
    return true;
}

static int open_job(cv_ctx *cx, job *j, const folder *from, const char *path)
{
    *j = (job){.root_fd = from->fd, .fd = -1, .path = path};
    CV_TRY(cv_cleanup(cx, close_file, j));
    return offload(cx, open_file, j);
}

static int serve(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const folder *from = cv_request_route_arg(req);
    cv_str path = cv_path_text(req, "path");
    bool wants_folder = !path.len || path.ptr[path.len - 1] == '/';
    job *j = cv_zalloc(cx, 1, sizeof *j);
    char *name = cv_sprintf(cx, "%.*s%s", CV_STR_ARG(path), wants_folder ? "index.html" : "");
    if (!j || !name)
        return cx->error_code;
    if (!is_servable(path))
        return not_found(cx, res);
    int rc = open_job(cx, j, from, name);
    if (rc == CV_E_NOT_FOUND)
        return not_found(cx, res);
    CV_TRY(rc);
    if (S_ISREG(j->info.st_mode))
        return reply_file(cx, req, res, from, j);
    return wants_folder ? not_found(cx, res) : redirect_to_slash(cx, req, res);
}

static int serve_prefix(cv_ctx *cx, cv_request *req, cv_response *res)
{
    return redirect_to_slash(cx, req, res);
}

/* ---- adding ---- */

static void close_folder(void *arg)
{
    folder *from = arg;
    close(from->fd);
}

static int open_folder(cv_ctx *cx, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int code = errno == ENOENT || errno == ENOTDIR ? CV_E_NOT_FOUND
               : errno == EACCES || errno == EPERM ? CV_E_PERMISSION
                                                   : CV_E_SYSTEM;
    return cv_fail(cx, code, "cannot serve the folder \"%s\": %s", path, strerror(errno));
}

static int add_routes(cv_ctx *cx, cv_router *router, const char *prefix, folder *from)
{
    char *rest = cv_sprintf(cx, "%s/{path:path}", prefix), *root = cv_sprintf(cx, "%s/", prefix);
    if (!rest || !root)
        return cx->error_code;
    CV_TRY(cv_router_add(cx, router, CV_GET, rest, serve, from));
    CV_TRY(cv_router_add(cx, router, CV_GET, root, serve, from));
    return *prefix ? cv_router_add(cx, router, CV_GET, prefix, serve_prefix, from) : 0;
}

int cv_router_static(cv_ctx *cx, cv_router *router, const char *prefix, const char *path,
                     const cv_static_options *options)
{
    int fd = open_folder(cx, path);
    CV_TRY(fd);
    folder *from = cv_arena_alloc(cv__router_arena(router), sizeof *from);
    if (from)
        *from = (folder){fd, options ? options->max_age_s : 0};
    if (!from || cv_arena_cleanup(cv__router_arena(router), close_folder, from) < 0) {
        close(fd);
        return cv_fail(cx, CV_E_NOMEM, "could not serve the folder \"%s\": out of memory", path);
    }
    return add_routes(cx, router, strcmp(prefix, "/") == 0 ? "" : prefix, from);
}
