#include "http/request.h"
#include "http/response.h"

#include <covet/json.h>

static void write_fields(cv_json_writer *json, const cv_error *error)
{
    cv_json_key(json, CV_STR("errors"));
    cv_json_array_start(json);
    for (size_t i = 0; i < error->field_count; i++) {
        cv_json_object_start(json);
        cv_json_key(json, CV_STR("field"));
        cv_json_text(json, error->fields[i].field);
        cv_json_key(json, CV_STR("message"));
        cv_json_text(json, error->fields[i].message);
        cv_json_object_end(json);
    }
    cv_json_array_end(json);
}

static void write_member(cv_json_writer *json, const char *name, const char *text)
{
    if (!text)
        return;
    cv_json_key(json, cv_str_of(name));
    cv_json_text(json, text);
}

void cv__problem_write(cv_buf *out, int status, const char *title, const char *detail, const cv_error *error,
                       const char *request_id)
{
    cv_json_writer json;
    cv_json_writer_init(&json, out, 0);
    cv_json_object_start(&json);
    write_member(&json, "type", "about:blank");
    write_member(&json, "title", title);
    cv_json_key(&json, CV_STR("status"));
    cv_json_i64(&json, status);
    write_member(&json, "detail", detail);
    if (error) {
        write_member(&json, "hint", error->hint);
        if (error->field_count)
            write_fields(&json, error);
    }
    write_member(&json, "request_id", request_id);
    cv_json_object_end(&json);
}

static int make(cv_ctx *cx, cv_response *res, int status, const char *title, const char *detail, const cv_error *error)
{
    const char *request_id = res->request && *res->request->id ? res->request->id : NULL;
    cv_buf_clear(&res->body);
    cv__problem_write(&res->body, status, title, detail, error, request_id);
    if (res->body.error)
        return cv_fail(cx, res->body.error, "could not write the problem document: %s", cv_error_text(res->body.error));
    CV_TRY(cv_response_header(res, "Content-Type", "application/problem+json"));
    cv_response_status(res, status);
    res->is_problem = true;
    res->problem_detail = detail ? cv_strdup(cx, detail) : NULL;
    res->state = CV__REPLY_WHOLE;
    return 0;
}

int cv_reply_problem(cv_ctx *cx, cv_response *res, int status, const char *title, const char *detail)
{
    CV_TRY(cv__response_check(cx, res));
    return make(cx, res, status, title ? title : cv_http_reason(status), detail, NULL);
}

int cv__response_problem(cv_ctx *cx, cv_response *res)
{
    const cv_error *error = cv_error_last(cx);
    int status = cv_http_status(error ? error->code : CV_E_INTERNAL);
    if (status >= 500)
        error = NULL;
    return make(cx, res, status, cv_http_reason(status), error ? error->message : NULL, error);
}

int cv_reply_error(cv_ctx *cx, cv_response *res)
{
    CV_TRY(cv__response_check(cx, res));
    return cv__response_problem(cx, res);
}
