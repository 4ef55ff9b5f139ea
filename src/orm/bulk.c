/* Many objects at once. Where the engine has a row source, one INSERT takes all the rows of a batch from it; elsewhere
 * INSERT statements of 2^n rows serve any number of objects with few statements. */
#include "orm/write.h"
#include <covet/transaction.h>

/* Rows of the largest statement; larger ones gain nothing more and take long to parse. */
enum { LARGEST_LOG2 = 6 };

typedef struct bulk {
    cv__target target;
    char *objects;
    size_t count, at; /* all; those written */
} bulk;

static char *object_at(const bulk *b, size_t index)
{
    return b->objects + index * b->target.model->model->object_bytes;
}

/* One statement's worth of rows. */
typedef struct batch {
    size_t rows;
    size_t size; /* see cv__fixed_need */
} batch;

/* The largest power of two that fits the rest and the engine. */
static batch batch_of_params(const bulk *b, size_t left)
{
    size_t log2 = LARGEST_LOG2, columns = b->target.model->field_count;
    while (log2 && ((size_t)1 << log2 > left || columns << log2 > b->target.shapes->dialect->max_params))
        log2--;
    return (batch){(size_t)1 << log2, log2};
}

static batch next_batch(const bulk *b, bool new_key, size_t left)
{
    /* A row of nothing but a new key has no columns to list several times. */
    if (left == 1 || (new_key && b->target.model->field_count == 1))
        return (batch){1, 0};
    if (b->target.shapes->dialect->row_source)
        return (batch){left, CV__INSERT_ANY};
    return batch_of_params(b, left);
}

/* How many of the following objects get their keys in the same way. */
static size_t run_length(const bulk *b, bool *ret_new_key)
{
    const cv__model_info *model = b->target.model;
    bool new_key = cv__key_is_new(model, object_at(b, b->at));
    size_t length = 1;
    while (b->at + length < b->count && cv__key_is_new(model, object_at(b, b->at + length)) == new_key)
        length++;
    *ret_new_key = new_key;
    return length;
}

/* Keys come back in the order of the rows. */
static int take_keys(bulk *b, cv__row_stream *stream, size_t rows)
{
    cv_ctx *cx = b->target.cx;
    cv_value cell;
    size_t taken = 0;
    int rc;
    while ((rc = cv__db_next_row(cx, stream, &cell)) > 0)
        if (taken < rows)
            CV_TRY(cv__field_set(cx, b->target.model->primary_key, object_at(b, b->at + taken++), cell));
    if (rc == 0 && taken != rows)
        return cv_fail(cx, CV_E_INTERNAL, "%zu rows were inserted but %zu keys came back", rows, taken);
    return rc;
}

/* The keys that end with the last one made. */
static int count_keys(bulk *b, int64_t last, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        cv_value key = cv_value_i64(last - (int64_t)(rows - 1 - i));
        CV_TRY(cv__field_set(b->target.cx, b->target.model->primary_key, object_at(b, b->at + i), key));
    }
    return 0;
}

static int run_statement(bulk *b, const cv__statement *statement, bool new_key, size_t rows)
{
    const cv__target *target = &b->target;
    if (!statement->column_count) {
        cv_result result;
        CV_TRY(cv__db_run(target->cx, target->db, CV__WRITER, statement, &result));
        return new_key ? count_keys(b, result.last_insert_id, rows) : 0;
    }
    cv__row_stream stream;
    CV_TRY(cv__db_open_rows(target->cx, target->db, CV__WRITER, statement, &stream));
    int rc = take_keys(b, &stream, rows);
    cv__db_close_rows(target->cx, &stream);
    return rc;
}

/* The row source: an object's values are made when its row is due, over those of the one before. */
typedef struct rows {
    const bulk *b;
    bool new_key;
    cv_value *values;
    cv_arena_mark before;
} rows;

static int make_row(cv_ctx *cx, void *arg, size_t index, const cv_value **ret_values)
{
    const rows *made = arg;
    cv_arena_rewind(cv_ctx_arena(cx), made->before);
    CV_TRY(cv__insert_values(&made->b->target, object_at(made->b, made->b->at + index), made->new_key, made->values));
    *ret_values = made->values;
    return 0;
}

static int insert_from_source(bulk *b, bool new_key, const cv__statement *insert, size_t count)
{
    cv_ctx *cx = b->target.cx;
    size_t columns = b->target.model->field_count - new_key;
    rows made = {.b = b, .new_key = new_key, .values = cv_alloc(cx, columns * sizeof(cv_value))};
    if (!made.values)
        return CV_E_NOMEM;
    made.before = cv_arena_save(cv_ctx_arena(cx));
    const cv__row_source source = {.row = make_row, .arg = &made, .row_count = count, .column_count = columns};
    cv__statement statement = *insert;
    statement.rows = &source;
    return run_statement(b, &statement, new_key, count);
}

static int insert_params(bulk *b, bool new_key, const cv__statement *insert, size_t count)
{
    size_t columns = b->target.model->field_count - new_key;
    cv_value *values = cv_alloc(b->target.cx, (columns * count + 1) * sizeof *values);
    if (!values)
        return CV_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        CV_TRY(cv__insert_values(&b->target, object_at(b, b->at + i), new_key, values + i * columns));
    cv__statement statement = *insert;
    statement.params = values;
    statement.param_count = columns * count;
    statement.groupable = true;
    return run_statement(b, &statement, new_key, count);
}

static int insert_batch(bulk *b, bool new_key, batch step)
{
    const cv__target *target = &b->target;
    cv__fixed which = new_key ? CV__INSERT_NEW_KEY : CV__INSERT_OWN_KEY;
    cv__shape *shape = cv__fixed_need(target->cx, target->shapes, target->model, which, step.size);
    if (!shape)
        return CV_E_NOMEM;
    const cv__statement statement = {.sql = shape->sql,
                                     .hash = shape->hash,
                                     .columns = shape->plan.column_count ? shape->columns : NULL,
                                     .column_count = shape->plan.column_count};
    CV_TRY((step.size == CV__INSERT_ANY ? insert_from_source : insert_params)(b, new_key, &statement, step.rows));
    for (size_t i = 0; i < step.rows; i++)
        cv__write_times(target, object_at(b, b->at + i), true, NULL);
    b->at += step.rows;
    return 0;
}

static int insert_all(bulk *b)
{
    while (b->at < b->count) {
        bool new_key;
        size_t end = b->at + run_length(b, &new_key);
        while (b->at < end)
            CV_SCOPE(b->target.cx)
            {
                CV_TRY(insert_batch(b, new_key, next_batch(b, new_key, end - b->at)));
            }
    }
    return 0;
}

static int validate_all(const bulk *b)
{
    cv_ctx *cx = b->target.cx;
    for (size_t i = 0; i < b->count; i++) {
        int rc = cv__object_validate(cx, b->target.model, object_at(b, i), NULL);
        if (rc < 0) {
            cv_error_detail(cx, "object %zu of %zu", i + 1, b->count);
            return rc;
        }
    }
    return 0;
}

int cv__bulk_create(cv_ctx *cx, const cv_model *model, void *objects, size_t count)
{
    bulk b = {.objects = objects, .count = count};
    CV_TRY(cv__target_of(cx, model, &b.target));
    CV_TRY(validate_all(&b));
    if (!count)
        return 0;
    CV_ATOMIC(cx)
    {
        CV_TRY(insert_all(&b));
    }
    return 0;
}
