#include "orm/decode.h"
#include "base/arena.h"
#include "base/packed.h"
#include "orm/member.h"

#define LARGEST_BLOCK ((size_t)32 << 10)

static int misfit(cv_ctx *cx, const cv__plan_column *column, int code, const char *why)
{
    const cv__field_info *field = column->field;
    const char *table = field->model->model->table;
    (void)cv_fail(cx, code, "the column \"%s\" of table \"%s\" %s", field->column, table, why);
    cv_error_place(cx, NULL, table, field->column, NULL);
    cv_error_hint(cx, "the table and the model \"%s\" disagree; a migration may be missing", field->model->model->name);
    return code;
}

static int no_memory(const cv__decoder *d)
{
    int code = d->arena->failure == CV_E_LIMIT ? CV_E_LIMIT : CV_E_NOMEM;
    (void)cv_fail(d->cx, code, "could not load the objects: %s", cv_error_text(code));
    if (code == CV_E_LIMIT)
        cv_error_hint(d->cx, "go through them one by one with cv_iterate, or ask for fewer with cv_limit");
    return code;
}

static char *new_block(cv__decoder *d, size_t need)
{
    size_t bytes = need > d->block_bytes ? need : d->block_bytes;
    char *block = cv__arena_alloc(d->arena, bytes);
    if (!block)
        return NULL;
    d->at = block + need;
    d->end = block + bytes;
    d->block_bytes = d->block_bytes ? d->block_bytes * 2 : 256;
    if (d->block_bytes > LARGEST_BLOCK)
        d->block_bytes = LARGEST_BLOCK;
    return block;
}

/* A copy that ends with a NUL byte. */
static inline char *copy_text(cv__decoder *d, const void *text, size_t len)
{
    char *copy = d->at;
    if (__builtin_expect((size_t)(d->end - d->at) > len, 1))
        d->at += len + 1;
    else if (!(copy = new_block(d, len + 1)))
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static inline bool has_nul(cv_str text)
{
    return __builtin_expect(memchr(text.ptr, '\0', text.len) != NULL, 0);
}

static inline bool is_beyond(int64_t value, int64_t min, int64_t max)
{
    return __builtin_expect(value < min || value > max, 0);
}

/* What a member cannot hold although the column can. */
static inline int check_value(cv_ctx *cx, const cv__plan_column *column, const cv_value *cell)
{
    switch (column->member) {
    case CV_MEMBER_CHARS:
        return has_nul(cell->as.text) ? misfit(cx, column, CV_E_INVALID, "has a NUL byte, which the member cannot hold")
                                      : 0;
    case CV_MEMBER_I16:
    case CV_MEMBER_OPT_I16:
        return is_beyond(cell->as.i64, INT16_MIN, INT16_MAX)
                   ? misfit(cx, column, CV_E_RANGE, "has a value beyond 16 bits")
                   : 0;
    case CV_MEMBER_I32:
    case CV_MEMBER_OPT_I32:
        return is_beyond(cell->as.i64, INT32_MIN, INT32_MAX)
                   ? misfit(cx, column, CV_E_RANGE, "has a value beyond 32 bits")
                   : 0;
    default:
        return 0;
    }
}

static inline int check_null(cv_ctx *cx, const cv__plan_column *column)
{
    return column->null ? 0 : misfit(cx, column, CV_E_NOT_NULL, "is NULL, which the model does not allow");
}

int cv__cell_check(cv_ctx *cx, const cv__plan_column *column, const cv_value *cell)
{
    return cell->type == CV_TYPE_NULL ? check_null(cx, column) : check_value(cx, column, cell);
}

static int put_chars(cv__decoder *d, cv_str text, const char **member)
{
    *member = copy_text(d, text.ptr, text.len);
    return *member ? 0 : no_memory(d);
}

static int put_text(cv__decoder *d, cv_str text, cv_str *member)
{
    *member = (cv_str){copy_text(d, text.ptr, text.len), text.len};
    return member->ptr ? 0 : no_memory(d);
}

/* In the width of the member, with everything it points to. */
static int put_packed(cv__decoder *d, const cv__plan_column *column, cv_value value, void *at)
{
    const cv__column_type *type = &column->field->type;
    int rc = cv__packed_fit(d->arena, type->element, type->bits, &value);
    if (rc == CV_E_RANGE || rc == CV_E_TYPE)
        return misfit(d->cx, column, rc, "has elements that the member cannot hold");
    if (rc < 0)
        return no_memory(d);
    cv__member_put((cv_member)column->member, at, value);
    return 0;
}

static int put_null(cv__decoder *d, const cv__plan_column *column, void *at)
{
    CV_TRY(check_null(d->cx, column));
    cv__member_put((cv_member)column->member, at, cv_value_null());
    return 0;
}

/* The members with work to do; all others are plain copies. */
static int put(cv__decoder *d, const cv__plan_column *column, const cv_value *cell, void *at)
{
    CV_TRY(check_value(d->cx, column, cell));
    switch (column->member) {
    case CV_MEMBER_I64:
        *(int64_t *)at = cell->as.i64;
        return 0;
    case CV_MEMBER_CHARS:
        return put_chars(d, cell->as.text, at);
    case CV_MEMBER_STR:
    case CV_MEMBER_JSON: /* a cv_json is its text */
    case CV_MEMBER_BYTES:
        return put_text(d, cell->as.text, at);
    default:
        if (cell->type == CV_TYPE_ARRAY || cell->type == CV_TYPE_RANGE)
            return put_packed(d, column, *cell, at);
        cv__member_put((cv_member)column->member, at, *cell);
        return 0;
    }
}

_Static_assert(sizeof(cv_bytes) == sizeof(cv_str) && offsetof(cv_bytes, len) == offsetof(cv_str, len) &&
                   sizeof(cv_json) == sizeof(cv_str),
               "bytes, texts and JSON are stored alike");

static int fill(cv__decoder *d, const cv__plan_object *part, const cv_value *cells, char *object)
{
    for (size_t i = part->first_column; i < part->first_column + part->column_count; i++) {
        const cv__plan_column *column = &d->plan->columns[i];
        int rc = cells[i].type == CV_TYPE_NULL ? put_null(d, column, object + column->offset)
                                               : put(d, column, &cells[i], object + column->offset);
        if (__builtin_expect(rc < 0, 0))
            return rc;
    }
    return 0;
}

/* Until something is loaded into them, relations are NULL. */
static void clear_relations(const cv__model_info *model, char *object)
{
    static const void *const nothing = NULL;
    for (size_t i = 0; i < model->relation_count; i++)
        memcpy(object + model->relations[i]->field->pointer_offset, &nothing, sizeof nothing);
}

static int load_related(cv__decoder *d, const cv_value *cells, char **objects)
{
    for (size_t i = 1; i < d->plan->object_count; i++) {
        const cv__plan_object *part = &d->plan->objects[i];
        char *parent = objects[part->parent];
        objects[i] = NULL;
        if (!parent || cells[part->key_column].type == CV_TYPE_NULL)
            continue;
        objects[i] = cv_arena_zalloc(d->arena, 1, part->model->model->object_bytes);
        if (!objects[i])
            return no_memory(d);
        CV_TRY(fill(d, part, cells, objects[i]));
        memcpy(parent + part->pointer_offset, &objects[i], sizeof objects[i]);
    }
    return 0;
}

int cv__decode_row(cv__decoder *d, const cv_value *cells, void *object)
{
    char *objects[64];
    objects[0] = object;
    clear_relations(d->plan->objects[0].model, object);
    CV_TRY(fill(d, &d->plan->objects[0], cells, object));
    return d->plan->object_count > 1 ? load_related(d, cells, objects) : 0;
}
