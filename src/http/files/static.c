/* Files below a folder: which of them a path means, and which of them nobody may see. */
#include "http/files/file.h"

#include "base/ctx.h"
#include "http/request.h"
#include "http/router.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Shared by all workers that serve the router, and never changed. */
typedef struct folder {
    int fd;
    cv_file_options options;
} folder;

/* Whatever cannot be opened is not there for the client: it does not learn why. */
static int not_found(cv_ctx *cx, cv_response *res)
{
    cv_error_clear(cx);
    return cv_reply_problem(cx, res, 404, NULL, "nothing is at this path");
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

static int serve(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const folder *from = cv_request_route_arg(req);
    cv__file *file;
    cv_str path = cv_path_text(req, "path");
    bool wants_folder = !path.len || path.ptr[path.len - 1] == '/';
    if (!is_servable(path))
        return not_found(cx, res);
    char *name = cv_sprintf(cx, "%.*s%s", CV_STR_ARG(path), wants_folder ? "index.html" : "");
    if (!name)
        return cx->error_code;
    int rc = cv__file_open(cx, from->fd, name, &file);
    if (rc == CV_E_NOT_FOUND || rc == CV_E_PERMISSION)
        return not_found(cx, res);
    CV_TRY(rc);
    if (S_ISREG(file->info.st_mode))
        return cv__file_reply(cx, req, res, file, &from->options);
    return wants_folder || !S_ISDIR(file->info.st_mode) ? not_found(cx, res) : redirect_to_slash(cx, req, res);
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
    static const cv_static_options defaults = {0};
    int fd = open_folder(cx, path);
    CV_TRY(fd);
    options = options ? options : &defaults;
    folder *from = cv_arena_alloc(cv__router_arena(router), sizeof *from);
    if (from)
        *from = (folder){fd,
                         {.max_age_s = options->max_age_s,
                          .immutable = options->immutable,
                          .precompressed = options->precompressed}};
    if (!from || cv_arena_cleanup(cv__router_arena(router), close_folder, from) < 0) {
        close(fd);
        return cv_fail(cx, CV_E_NOMEM, "could not serve the folder \"%s\": out of memory", path);
    }
    return add_routes(cx, router, strcmp(prefix, "/") == 0 ? "" : prefix, from);
}
