/* Loading objects: one, the first, all. */
#include "orm/reader.h"

/* Objects up to this size are decoded on the stack first, so that a failure leaves the caller's as it was. */
#define SMALL_OBJECT 512
#define FIRST_CHUNK  ((size_t)4 << 10)
#define LARGE_CHUNK  ((size_t)1 << 20)

static int check_model(cv_ctx *cx, const cv_query *q, const cv_model *model)
{
    if (q->error || q->model->model == model)
        return 0;
    return cv_fail(cx, CV_E_TYPE, "a query of model \"%s\" cannot load objects of model \"%s\"", q->model->model->name,
                   model->name);
}

/* ---- one object ---- */

/* 1 with an object, 0 without; with `only`, a second row is CV_E_MULTIPLE. */
static int read_one(cv_ctx *cx, cv__reader *reader, const cv__model_info *model, void *object, bool only)
{
    _Alignas(16) char small[SMALL_OBJECT];
    size_t bytes = model->model->object_bytes;
    char *draft = bytes <= sizeof small ? small : cv_alloc(cx, bytes);
    if (!draft)
        return CV_E_NOMEM;
    memcpy(draft, object, bytes);
    int rc = cv__reader_next(cx, reader, draft);
    if (rc <= 0)
        return rc;
    if (only) {
        rc = cv__db_next_row(cx, &reader->stream, reader->cells);
        if (rc < 0)
            return rc;
        if (rc > 0)
            return cv_fail(cx, CV_E_MULTIPLE, "more than one \"%s\" matches", model->model->name);
    }
    memcpy(object, draft, bytes);
    return 1;
}

static int load_one(cv_ctx *cx, const cv__model_info *model, cv_db *db, const cv__statement *statement,
                    const cv__shape *shape, void *object, bool only)
{
    cv__reader reader;
    CV_TRY(cv__reader_open(cx, &reader, cv_ctx_arena(cx), db, statement, &shape->plan));
    int rc = read_one(cx, &reader, model, object, only);
    cv__reader_close(cx, &reader);
    return rc;
}

static int load_by_query(cv_ctx *cx, cv_query *q, const cv_model *model, const cv__run_options *options, void *object,
                         bool only)
{
    cv__run run;
    CV_TRY(check_model(cx, q, model));
    CV_TRY(cv__run_prepare(cx, q, options, &run));
    const cv__statement statement = cv__run_statement(&run);
    int rc = load_one(cx, q->model, run.db, &statement, run.shape, object, only);
    cv__run_done(&run);
    if (rc == 0)
        return cv_fail(cx, CV_E_NOT_FOUND, "no \"%s\" matches", model->name);
    return rc < 0 ? rc : 0;
}

int cv__one(cv_ctx *cx, cv_query *q, const cv_model *model, void *ret_object)
{
    const cv__run_options options = {.purpose = CV__LOAD, .limit = 2};
    return load_by_query(cx, q, model, &options, ret_object, true);
}

int cv__first(cv_ctx *cx, cv_query *q, const cv_model *model, void *ret_object)
{
    const cv__run_options options = {.purpose = CV__LOAD, .limit = 1, .by_key = true};
    return load_by_query(cx, q, model, &options, ret_object, false);
}

/* ---- by primary key: no query, no tree, no key to look up ---- */

static int stored_key(cv_ctx *cx, const cv__model_info *model, const cv__dialect *dialect, cv_value key,
                      cv_value *ret_stored)
{
    const cv__field_info *field = model->primary_key;
    cv_value wanted;
    int rc = key.type == CV_TYPE_NULL ? CV_E_TYPE : cv_value_convert(cv_ctx_arena(cx), key, field->type.type, &wanted);
    if (rc < 0)
        return cv_fail(cx, rc == CV_E_SYNTAX ? CV_E_TYPE : rc, "the key of model \"%s\" is of type %s: %s",
                       model->model->name, cv_type_name(field->type.type), cv_error_text(rc));
    return cv__store(cx, dialect, field, wanted, ret_stored);
}

static int no_such_key(cv_ctx *cx, const cv__model_info *model, cv_value key)
{
    cv_buf text;
    cv_buf_init(&text, 256);
    cv_value_describe(&text, key);
    int rc = cv_fail(cx, CV_E_NOT_FOUND, "there is no \"%s\" with \"%s\" %s", model->model->name,
                     model->primary_key->name, text.data ? text.data : "as given");
    cv_buf_done(&text);
    return rc;
}

int cv__get(cv_ctx *cx, const cv_model *model, void *ret_object, cv_value key)
{
    cv__model_info *info = cv__model_need(cx, model);
    if (!info)
        return CV_E_MODEL;
    cv_db *db = cv__db_need(cx);
    if (!db)
        return CV_E_NO_DATABASE;
    cv__shapes *shapes = cv__shapes_of(cx, info->registry, cv__db_dialect(db));
    cv__shape *shape = shapes ? cv__fixed_need(cx, shapes, info, CV__GET, 0) : NULL;
    if (!shape)
        return CV_E_NOMEM;
    cv_value stored;
    CV_TRY(stored_key(cx, info, shapes->dialect, key, &stored));
    const cv__statement statement = {.sql = shape->sql,
                                     .hash = shape->hash,
                                     .params = &stored,
                                     .param_count = 1,
                                     .columns = shape->columns,
                                     .column_count = shape->plan.column_count,
                                     .quick = true};
    int rc = load_one(cx, info, db, &statement, shape, ret_object, false);
    if (rc == 0)
        return no_such_key(cx, info, key);
    return rc < 0 ? rc : 0;
}

/* ---- all objects ---- */

/* Objects are decoded into chunks of growing size, so that none moves while more come; only when there are several
 * chunks they are joined at the end. */
typedef struct chunk {
    struct chunk *next;
    size_t count;
    char *objects;
} chunk;

typedef struct collection {
    cv_ctx *cx;
    size_t object_bytes;
    chunk *first, *last;
    size_t room; /* in the last chunk */
    size_t count;
} collection;

static int add_chunk(collection *c, size_t room)
{
    chunk *added = cv_alloc(c->cx, sizeof *added);
    char *objects = added ? cv_zalloc(c->cx, room, c->object_bytes) : NULL;
    if (!objects) {
        if (cv_error_last(c->cx) && cv_error_last(c->cx)->code == CV_E_LIMIT)
            cv_error_hint(c->cx, "go through the objects with cv_iterate, or ask for fewer with cv_limit");
        return CV_E_NOMEM;
    }
    *added = (chunk){.objects = objects};
    if (c->last)
        c->last->next = added;
    else
        c->first = added;
    c->last = added;
    c->room = room;
    return 0;
}

static size_t first_room(const collection *c, int64_t limit)
{
    size_t room = FIRST_CHUNK / c->object_bytes + 1;
    if (limit >= 0 && (uint64_t)limit <= LARGE_CHUNK / c->object_bytes)
        room = limit < 1 ? 1 : (size_t)limit;
    return room;
}

static int collect(cv_ctx *cx, collection *c, cv__reader *reader)
{
    for (;;) {
        if (c->last->count == c->room) {
            size_t most = LARGE_CHUNK / c->object_bytes + 1, room = c->room * 2;
            CV_TRY(add_chunk(c, room < most ? room : most));
        }
        int rc = cv__reader_next(cx, reader, c->last->objects + c->last->count * c->object_bytes);
        if (rc <= 0)
            return rc;
        c->last->count++;
        c->count++;
    }
}

static int join_chunks(collection *c, void **ret_objects)
{
    if (c->first == c->last) {
        *ret_objects = c->first->objects;
        return 0;
    }
    char *all = cv_alloc(c->cx, c->count * c->object_bytes), *at = all;
    if (!all)
        return CV_E_NOMEM;
    for (const chunk *part = c->first; part; part = part->next) {
        memcpy(at, part->objects, part->count * c->object_bytes);
        at += part->count * c->object_bytes;
    }
    *ret_objects = all;
    return 0;
}

static int load_all(cv_ctx *cx, cv__run *run, collection *c, int64_t limit)
{
    cv__reader reader;
    const cv__statement statement = cv__run_statement(run);
    CV_TRY(add_chunk(c, first_room(c, limit)));
    CV_TRY(cv__reader_open(cx, &reader, cv_ctx_arena(cx), run->db, &statement, &run->shape->plan));
    int rc = collect(cx, c, &reader);
    cv__reader_close(cx, &reader);
    return rc;
}

int cv__all(cv_ctx *cx, cv_query *q, const cv_model *model, void **ret_objects, size_t *ret_count)
{
    cv__run run;
    void *objects;
    CV_TRY(check_model(cx, q, model));
    CV_TRY(cv__run_prepare(cx, q, &(cv__run_options){.purpose = CV__LOAD, .limit = -1}, &run));
    collection c = {.cx = cx, .object_bytes = model->object_bytes};
    int rc = load_all(cx, &run, &c, q->limit);
    cv__run_done(&run);
    CV_TRY(rc);
    CV_TRY(join_chunks(&c, &objects));
    *ret_objects = objects;
    *ret_count = c.count;
    return 0;
}
