/* Objects and queries into JSON replies: from the members of an object, or from the cells of a row, straight to the
 * writer. */
#include "base/json_writer.h"
#include "orm/query_rows.h"
#include "orm/registry.h"
#include <covet/web.h>

/* A chain of loaded relations cannot be longer than the writer's levels; deeper ones are left out. */
#define MAX_NESTING 16

/* ---- objects ---- */

static void write_model(cv_json_writer *w, const cv__model_info *model, const void *object, int depth);

static void write_field(cv_json_writer *w, const cv__field_info *field, const void *object, int depth)
{
    if (field->field->hidden)
        return;
    const cv_value value = cv__field_get(field, object);
    cv__json_member(w, field->json_key, &value);
    const void *related = field->target && depth < MAX_NESTING ? cv__field_related(field, object) : NULL;
    if (!related)
        return;
    cv_json_key(w, cv_str_of(field->name));
    write_model(w, field->target, related, depth + 1);
}

static void write_model(cv_json_writer *w, const cv__model_info *model, const void *object, int depth)
{
    cv_json_object_start(w);
    for (size_t i = 0; i < model->field_count; i++)
        write_field(w, &model->fields[i], object, depth);
    cv_json_object_end(w);
}

/* ---- rows ---- */

static int write_row(cv_ctx *cx, cv_json_writer *w, const cv__query_rows *rows, size_t number, int depth);

/* The object that was loaded through the foreign key of another one. */
static int write_related(cv_ctx *cx, cv_json_writer *w, const cv__query_rows *rows, size_t parent,
                         const cv__field_info *field, int depth)
{
    for (size_t i = parent + 1; i < rows->plan->object_count; i++) {
        const cv__plan_object *part = &rows->plan->objects[i];
        if (part->parent != parent || part->pointer_offset != field->field->pointer_offset)
            continue;
        if (rows->cells[part->key_column].type == CV_TYPE_NULL)
            return 0;
        cv_json_key(w, cv_str_of(field->name));
        return write_row(cx, w, rows, i, depth + 1);
    }
    return 0;
}

/* One of the objects that a row holds, and what is loaded along with it. */
static int write_row(cv_ctx *cx, cv_json_writer *w, const cv__query_rows *rows, size_t number, int depth)
{
    const cv__plan_object *part = &rows->plan->objects[number];
    cv_json_object_start(w);
    for (size_t i = part->first_column; i < part->first_column + part->column_count; i++) {
        const cv__plan_column *column = &rows->plan->columns[i];
        CV_TRY(cv__cell_check(cx, column, &rows->cells[i]));
        if (column->field->field->hidden)
            continue;
        cv__json_member(w, column->field->json_key, &rows->cells[i]);
        if (column->field->target && depth < MAX_NESTING)
            CV_TRY(write_related(cx, w, rows, number, column->field, depth));
    }
    cv_json_object_end(w);
    return 0;
}

/* ---- replies ---- */

/* The buffer's sticky error, with the story that a reply deserves. */
static int check_written(cv_ctx *cx, const cv_json_writer *w)
{
    if (w->out->error == 0)
        return 0;
    if (w->out->error != CV_E_LIMIT)
        return cv_fail(cx, w->out->error, "could not write the reply: %s", cv_error_text(w->out->error));
    cv_fail(cx, CV_E_LIMIT, "the reply is larger than 1 MiB");
    cv_error_hint(cx, "reply with pages (cv_reply_page) or with a stream (cv_stream_start)");
    return CV_E_LIMIT;
}

int cv__write_object(cv_ctx *cx, cv_json_writer *writer, const cv_model *model, const void *object)
{
    const cv__model_info *info = cv__model_need(cx, model);
    if (!info)
        return CV_E_MODEL;
    write_model(writer, info, object, 0);
    return check_written(cx, writer);
}

int cv_reply_json(cv_ctx *cx, cv_response *res, int status, cv_json_writer *ret_writer)
{
    CV_TRY(cv_reply_text(cx, res, status, "application/json", CV_STR("")));
    cv_json_writer_init(ret_writer, cv_response_body(res), 0);
    return 0;
}

int cv__reply(cv_ctx *cx, cv_response *res, int status, const cv_model *model, const void *object)
{
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, status, &w));
    return cv__write_object(cx, &w, model, object);
}

static int write_rows(cv_ctx *cx, cv_json_writer *w, cv_query *q)
{
    cv__query_rows rows;
    CV_TRY(cv__query_rows_open(cx, &rows, q));
    cv_json_array_start(w);
    int rc;
    while ((rc = cv__query_rows_next(cx, &rows)) > 0) {
        rc = write_row(cx, w, &rows, 0, 0);
        if (rc == 0)
            rc = check_written(cx, w);
        if (rc < 0)
            break;
    }
    cv__query_rows_close(cx, &rows);
    cv_json_array_end(w);
    return rc < 0 ? rc : check_written(cx, w);
}

int cv_reply_all(cv_ctx *cx, cv_response *res, cv_query *q)
{
    CV_TRY(cv_query_error(q));
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, 200, &w));
    return write_rows(cx, &w, q);
}

static void write_number(cv_json_writer *w, cv_str key, int64_t value)
{
    cv_json_key(w, key);
    cv_json_i64(w, value);
}

int cv_reply_page(cv_ctx *cx, cv_response *res, cv_query *q, int64_t page, int64_t limit)
{
    if (page < 1 || limit < 1)
        return cv_fail(cx, CV_E_RANGE, "page and limit must be positive");
    int64_t count;
    CV_TRY(cv_count(cx, q, &count));
    int64_t pages = count ? (count - 1) / limit + 1 : 0;
    if (page > pages && page > 1)
        return cv_fail(cx, CV_E_NOT_FOUND, "there is no page %lld; the last is %lld", (long long)page,
                       (long long)pages);
    cv_query *slice = cv_query_copy(cx, q);
    cv_limit(slice, limit);
    cv_offset(slice, (page - 1) * limit);
    cv_json_writer w;
    CV_TRY(cv_reply_json(cx, res, 200, &w));
    cv_json_object_start(&w);
    write_number(&w, CV_STR("count"), count);
    write_number(&w, CV_STR("page"), page);
    write_number(&w, CV_STR("pages"), pages);
    write_number(&w, CV_STR("limit"), limit);
    cv_json_key(&w, CV_STR("results"));
    CV_TRY(write_rows(cx, &w, slice));
    cv_json_object_end(&w);
    return check_written(cx, &w);
}

/* A page so far that its offset would not fit an int64_t cannot exist either. */
#define MAX_PAGE INT64_C(1000000000)

int cv_query_page(cv_request *req, int64_t default_limit, int64_t max_limit, int64_t *ret_page, int64_t *ret_limit)
{
    CV_TRY(cv_query_i64(req, "page", 1, 1, MAX_PAGE, ret_page));
    return cv_query_i64(req, "limit", default_limit, 1, max_limit, ret_limit);
}
