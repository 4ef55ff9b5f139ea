/* What concerns all objects that match: counting, asking, deleting, updating. */
#include "orm/statement.h"

/* The only cell of the only row. */
static int read_cell(cv_ctx *cx, const cv__run *run, cv_value *ret_value)
{
    cv__row_stream stream;
    const cv__statement statement = cv__run_statement(run);
    cv_value cell;
    CV_TRY(cv__db_open_rows(cx, run->db, CV__READER, &statement, &stream));
    int rc = cv__db_next_row(cx, &stream, &cell);
    cv__db_close_rows(cx, &stream);
    if (rc == 0)
        return cv_fail(cx, CV_E_INTERNAL, "a counting statement returned no row");
    if (rc > 0)
        *ret_value = cell;
    return rc < 0 ? rc : 0;
}

static int ask(cv_ctx *cx, cv_query *q, cv__purpose purpose, cv_value *ret_value)
{
    cv__run run;
    CV_TRY(cv__run_prepare(cx, q, &(cv__run_options){.purpose = purpose, .limit = -1}, &run));
    int rc = read_cell(cx, &run, ret_value);
    cv__run_done(&run);
    return rc;
}

int cv_count(cv_ctx *cx, cv_query *q, int64_t *ret_count)
{
    cv_value value;
    CV_TRY(ask(cx, q, CV__COUNT, &value));
    *ret_count = value.as.i64;
    return 0;
}

int cv_exists(cv_ctx *cx, cv_query *q, bool *ret_exists)
{
    cv_value value;
    CV_TRY(ask(cx, q, CV__EXISTS, &value));
    *ret_exists = value.as.boolean;
    return 0;
}

static int change(cv_ctx *cx, cv_query *q, const cv__run_options *options, int64_t *ret_count)
{
    cv__run run;
    cv_result result;
    CV_TRY(cv__query_check(cx, q));
    if (q->limit >= 0 || q->offset >= 0) {
        int rc = cv_fail(cx, CV_E_STATE, "a query with a limit or an offset cannot change objects");
        cv_error_hint(cx, "load the keys of the slice first and filter by them");
        return rc;
    }
    CV_TRY(cv__run_prepare(cx, q, options, &run));
    cv__statement statement = cv__run_statement(&run);
    statement.groupable = true;
    int rc = cv__db_run(cx, run.db, CV__WRITER, &statement, &result);
    cv__run_done(&run);
    if (rc == 0 && ret_count)
        *ret_count = result.affected;
    return rc;
}

int cv_delete_all(cv_ctx *cx, cv_query *q, int64_t *ret_count)
{
    return change(cx, q, &(cv__run_options){.purpose = CV__DELETE_ALL, .limit = -1}, ret_count);
}

static int new_value(cv_ctx *cx, const cv__field_info *field, cv_value value, cv_value *ret_value)
{
    char message[CV__MESSAGE_BYTES];
    int rc = cv__column_convert(cv_ctx_arena(cx), value, &field->type, ret_value);
    if (rc < 0)
        return cv_fail(cx, rc == CV_E_SYNTAX ? CV_E_TYPE : rc, "the field \"%s\" of model \"%s\" is of type %s: %s",
                       field->name, field->model->model->name, cv_type_name(field->type.type), cv_error_text(rc));
    if (cv__value_acceptable(cx, field, *ret_value, message))
        return 0;
    rc = cv_fail(cx, CV_E_VALIDATION, "the field \"%s\" of model \"%s\" %s", field->name, field->model->model->name,
                 message);
    cv_error_add_field(cx, field->key, "%s", message);
    return rc;
}

int cv_update_all(cv_ctx *cx, cv_query *q, const char *const *names, const cv_value *values, size_t count,
                  int64_t *ret_count)
{
    cv__field_info *fields[256];
    CV_TRY(cv__query_check(cx, q));
    if (count == 0 || count > q->model->field_count)
        return cv_fail(cx, CV_E_INVALID, "an update of model \"%s\" cannot set %zu fields", q->model->model->name,
                       count);
    cv_value *stored = cv_alloc(cx, count * sizeof *stored);
    if (!stored)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        fields[i] = cv__field_need(cx, q->model, cv_str_of(names[i]));
        if (!fields[i])
            return CV_E_FIELD;
        CV_TRY(new_value(cx, fields[i], values[i], &stored[i]));
    }
    const cv__run_options options = {
        .purpose = CV__UPDATE_ALL, .limit = -1, .fields = fields, .values = stored, .field_count = count};
    return change(cx, q, &options, ret_count);
}
