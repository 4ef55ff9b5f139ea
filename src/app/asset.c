/* Files of the program itself, answered from memory. */
#include "app/app.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_ASSET_BYTES ((size_t)1 << 20) /* what a reply may have */

struct asset {
    const char *content_type;
    cv_str data;
    char etag[24];
};

/* FNV-1a: an entity tag must be the same in every process that serves the same bytes. */
static uint64_t fingerprint(cv_str data)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < data.len; i++)
        hash = (hash ^ (uint8_t)data.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

static int serve_asset(cv_ctx *cx, cv_request *req, cv_response *res)
{
    const struct asset *asset = cv_request_route_arg(req);
    bool done;
    CV_TRY(cv_response_header(res, "Cache-Control", "no-cache"));
    CV_TRY(cv_response_header(res, "X-Content-Type-Options", "nosniff"));
    CV_TRY(cv_reply_conditional(cx, req, res, asset->etag, (cv_time){0}, &done));
    if (done)
        return 0;
    return cv_reply_text(cx, res, 200, asset->content_type, asset->data);
}

static int add_asset(cv_app *app, const char *path, const char *content_type, cv_str data)
{
    if (data.len > MAX_ASSET_BYTES)
        return cv_fail(app->cx, CV_E_LIMIT, "cannot serve \"%s\" from memory: it is larger than 1 MiB", path);
    struct asset *asset = cv_zalloc(app->cx, 1, sizeof *asset);
    if (!asset)
        return CV_E_NOMEM;
    asset->content_type = content_type;
    asset->data = data;
    snprintf(asset->etag, sizeof asset->etag, "\"%016" PRIx64 "\"", fingerprint(asset->data));
    return cv_router_add(app->cx, app->router, CV_GET, path, serve_asset, asset);
}

void cv_app_asset(cv_app *app, const char *path, const char *content_type, const void *data, size_t len)
{
    if (app->error == 0)
        cv__app_note(app, add_asset(app, path, content_type, cv_str_make(data, len)));
}
