/* The identity of a request: from whoever is trusted, or new. */
#include "http/middleware/middleware.h"

#include "base/ctx.h"
#include "base/log.h"
#include "http/head.h"

enum { MAX_ID_BYTES = 128 };

typedef struct settings {
    cv_str header;
    bool trust;
} settings;

static bool is_id(cv_str text)
{
    if (!text.len || text.len > MAX_ID_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static int give(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const settings *s = arg;
    (void)res;
    cv_str sent = cv_request_header(req, s->header.ptr);
    bool taken = is_id(sent) && (s->trust || cv__request_peer_is_trusted(req));
    char *id = cv_alloc(cx, taken ? sent.len + 1 : CV_UUID_TEXT_BYTES);
    if (!id)
        return cx->error_code;
    if (taken) {
        memcpy(id, sent.ptr, sent.len);
        id[sent.len] = '\0';
    } else {
        cv_uuid_format(cv_uuid_v7(), id);
    }
    req->id = id;
    cv_log *log = cv__log_with(cv_ctx_arena(cx), cx->log, "request_id", cv_str_of(id));
    if (log)
        cx->log = log;
    return 0;
}

static int tell(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    const settings *s = arg;
    (void)cx;
    return *req->id ? cv__response_default(res, s->header, cv_str_of(req->id)) : 0;
}

int cv_use_request_id(cv_ctx *cx, cv_route_group *group, const cv_request_id_options *options)
{
    settings *s = cv__group_alloc(cx, group, sizeof *s);
    const char *header = options && options->header ? options->header : "X-Request-Id";
    if (!s || !(header = cv__group_strdup(cx, group, header)))
        return cx->error_code;
    if (!cv__is_token(cv_str_of(header)))
        return cv_fail(cx, CV_E_INVALID, "cannot take request ids from the header \"%s\": that is no header name",
                       header);
    *s = (settings){cv_str_of(header), options && options->trust};
    const cv_middleware middleware = {
        .name = "request id", .phase = CV_PHASE_OBSERVE, .before = give, .reply = tell, .arg = s};
    return cv_use(cx, group, &middleware);
}
