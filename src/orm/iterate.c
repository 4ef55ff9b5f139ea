/* Objects one by one. What an object points to lies in an arena of the iterator's own, rewound for each. */
#include "orm/reader.h"

struct cv_iterator {
    cv_ctx *cx;
    const cv_model *model;
    cv__run run;
    cv_arena *arena; /* NULL: closed */
    cv_arena_mark start;
    cv__reader reader;
};

/* Bounds what one object and all that is loaded with it may take. */
#define OBJECT_LIMIT ((size_t)64 << 20)

void cv_iterator_close(cv_ctx *cx, cv_iterator *it)
{
    if (!it || !it->arena)
        return;
    cv__reader_close(cx, &it->reader);
    cv__run_done(&it->run);
    cv_arena_free(it->arena);
    it->arena = NULL;
}

static void close_at_cleanup(void *arg)
{
    cv_iterator *it = arg;
    cv_iterator_close(it->cx, it);
}

static int open_iterator(cv_ctx *cx, cv_query *q, cv_iterator *it)
{
    CV_TRY(cv__run_prepare(cx, q, &(cv__run_options){.purpose = CV__LOAD, .limit = -1}, &it->run));
    const cv__statement statement = cv__run_statement(&it->run);
    cv_arena *arena = cv_arena_new(OBJECT_LIMIT);
    int rc = arena ? cv__reader_open(cx, &it->reader, arena, it->run.db, &statement, &it->run.shape->plan)
                   : cv_fail(cx, CV_E_NOMEM, "could not go through the objects: out of memory");
    if (rc < 0) {
        cv_arena_free(arena);
        cv__run_done(&it->run);
        return rc;
    }
    it->arena = arena;
    it->start = cv_arena_save(arena);
    return 0;
}

int cv__iterate(cv_ctx *cx, cv_query *q, const cv_model *model, cv_iterator **ret_iterator)
{
    if (!q->error && q->model->model != model)
        return cv_fail(cx, CV_E_TYPE, "a query of model \"%s\" cannot load objects of model \"%s\"",
                       q->model->model->name, model->name);
    cv_iterator *it = cv_zalloc(cx, 1, sizeof *it);
    if (!it)
        return CV_E_NOMEM;
    it->cx = cx;
    it->model = model;
    CV_TRY(open_iterator(cx, q, it));
    int rc = cv_cleanup(cx, close_at_cleanup, it);
    if (rc < 0) {
        cv_iterator_close(cx, it);
        return rc;
    }
    *ret_iterator = it;
    return 0;
}

int cv__next(cv_ctx *cx, cv_iterator *it, const cv_model *model, void *ret_object)
{
    if (model != it->model)
        return cv_fail(cx, CV_E_TYPE, "an iterator over model \"%s\" has no objects of model \"%s\"", it->model->name,
                       model->name);
    if (!it->arena)
        return 0;
    cv_arena_rewind(it->arena, it->start);
    cv__decoder_reset(&it->reader.decoder);
    int rc = cv__reader_next(cx, &it->reader, ret_object);
    if (rc <= 0)
        cv_iterator_close(cx, it);
    return rc;
}
