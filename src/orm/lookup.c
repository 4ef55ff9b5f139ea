/* Conditions: from "price__lt" and a value to a node of the query's tree.
 *
 * SQL knows a third truth value, programs do not. A condition that is to be left out is therefore made two-valued
 * first: NOT (x = 1 AND x IS NOT NULL) keeps the rows where x is NULL, as "all but those where x is 1" says. */
#include "orm/query.h"

typedef struct condition {
    cv_query *q;
    cv__path path;
    uint32_t table;
    const cv_value *values;
    size_t count;
} condition;

static int no_memory(cv_query *q)
{
    return cv_fail(q->cx, CV_E_NOMEM, "could not add a condition: out of memory");
}

static bool is_text_lookup(cv__lookup lookup)
{
    return lookup >= CV__IEXACT && lookup <= CV__IENDSWITH;
}

static bool is_order_lookup(cv__lookup lookup)
{
    return lookup >= CV__GT && lookup <= CV__RANGE;
}

/* ---- values ---- */

static int wrong_value(const condition *c, cv_value value, int code)
{
    cv_buf text;
    const cv__field_info *field = c->path.field;
    cv_buf_init(&text, 1024);
    cv_value_describe(&text, value);
    if (code == CV_E_RANGE)
        (void)cv_fail(c->q->cx, code, "the value %s is out of range for the field \"%s\" of model \"%s\"",
                      text.data ? text.data : "", field->name, field->model->model->name);
    else if (code == CV_E_NOMEM || code == CV_E_LIMIT)
        code = no_memory(c->q);
    else
        code = cv_fail(c->q->cx, CV_E_TYPE,
                       "the field \"%s\" of model \"%s\" is of type %s and cannot be compared with %s", field->name,
                       field->model->model->name, cv_type_name(field->type.type), text.data ? text.data : "that value");
    cv_buf_done(&text);
    return code;
}

static bool in_range(const cv__field_info *field, cv_value value)
{
    int before, after;
    switch (value.type) {
    case CV_TYPE_I64:
        return (field->type.bits != 16 || (value.as.i64 >= INT16_MIN && value.as.i64 <= INT16_MAX)) &&
               (field->type.bits != 32 || (value.as.i64 >= INT32_MIN && value.as.i64 <= INT32_MAX));
    case CV_TYPE_DECIMAL:
        cv_decimal_digits(value.as.decimal, &before, &after);
        return after <= field->type.places && before <= field->type.digits - field->type.places;
    case CV_TYPE_F64:
        return value.as.f64 == value.as.f64;
    default:
        return true;
    }
}

/* The query may outlive what the caller's view points to. */
static int keep_text(const condition *c, cv_value *value)
{
    if (value->type != CV_TYPE_TEXT && value->type != CV_TYPE_BYTES && value->type != CV_TYPE_JSON)
        return 0;
    if (value->type == CV_TYPE_TEXT &&
        (memchr(value->as.text.ptr, '\0', value->as.text.len) || !cv_utf8_valid(value->as.text)))
        return cv_fail(c->q->cx, CV_E_INVALID,
                       "the field \"%s\" of model \"%s\" cannot be compared with a text that is not UTF-8 or has a NUL",
                       c->path.field->name, c->path.field->model->model->name);
    value->as.text.ptr = cv_arena_strndup(cv_ctx_arena(c->q->cx), value->as.text.ptr, value->as.text.len);
    return value->as.text.ptr ? 0 : no_memory(c->q);
}

static int convert(const condition *c, cv_value value, cv_value *ret_value)
{
    const cv__field_info *field = c->path.field;
    cv_value wanted;
    int rc = cv_value_convert(cv_ctx_arena(c->q->cx), value, field->type.type, &wanted);
    if (rc < 0)
        return wrong_value(c, value, rc);
    if (!in_range(field, wanted))
        return wrong_value(c, value, CV_E_RANGE);
    CV_TRY(keep_text(c, &wanted));
    *ret_value = wanted;
    return 0;
}

static int reserve_params(cv_query *q, size_t more)
{
    size_t need = q->param_count + more, capacity = q->param_capacity ? q->param_capacity : 8;
    if (need <= q->param_capacity)
        return 0;
    while (capacity < need)
        capacity *= 2;
    cv__query_param *grown =
        cv_arena_realloc(cv_ctx_arena(q->cx), q->params, q->param_capacity * sizeof *grown, capacity * sizeof *grown);
    if (!grown)
        return no_memory(q);
    q->params = grown;
    q->param_capacity = capacity;
    return 0;
}

static void push_param(const condition *c, cv_value value, cv__lookup lookup)
{
    cv_query *q = c->q;
    q->params[q->param_count++] = (cv__query_param){value, &c->path.field->type, lookup};
}

/* ---- nodes; each adds what the text depends on to the key ---- */

static cv_arena *arena_of(const condition *c)
{
    return cv_ctx_arena(c->q->cx);
}

static const cv__expr *column_of(const condition *c)
{
    return cv__expr_column(arena_of(c), c->table, c->path.field->column);
}

static int is_null_wanted(const condition *c, bool *ret_null)
{
    cv_value wanted;
    if (c->values[0].type == CV_TYPE_NULL || cv_value_convert(arena_of(c), c->values[0], CV_TYPE_BOOL, &wanted) < 0) {
        int rc = cv_fail(c->q->cx, CV_E_TYPE, "isnull of the field \"%s\" needs true or false", c->path.field->name);
        return rc;
    }
    *ret_null = wanted.as.boolean;
    return 0;
}

static int add_null(condition *c, bool null, cv__expr **ret_node)
{
    cv_buf_add_char(&c->q->key, null ? 'n' : 'N');
    *ret_node = cv__expr_null(arena_of(c), column_of(c), null);
    return *ret_node ? 0 : no_memory(c->q);
}

/* Fill up to a power of two with the last value: lists of 5, 6, 7 and 8 share a shape. */
static size_t padded(size_t count)
{
    size_t length = 1;
    while (length < count)
        length *= 2;
    return length <= CV__QUERY_CACHED_PARAMS ? length : count;
}

static int add_in(condition *c, cv__expr **ret_node)
{
    cv_query *q = c->q;
    size_t first = q->param_count, kept = 0, length = padded(c->count);
    CV_TRY(reserve_params(q, length));
    for (size_t i = 0; i < c->count; i++) {
        cv_value value;
        if (c->values[i].type == CV_TYPE_NULL) /* nothing equals NULL */
            continue;
        CV_TRY(convert(c, c->values[i], &value));
        push_param(c, value, CV__EXACT);
        kept++;
    }
    length = kept ? padded(kept) : 0;
    while (q->param_count < first + length)
        q->params[q->param_count] = q->params[q->param_count - 1], q->param_count++;
    cv_buf_add_char(&q->key, 'i');
    cv_buf_add(&q->key, &length, sizeof length);
    *ret_node = cv__expr_in(arena_of(c), column_of(c), first + 1, length);
    return *ret_node ? 0 : no_memory(q);
}

static int add_range(condition *c, cv__expr **ret_node)
{
    CV_TRY(reserve_params(c->q, 2));
    size_t first = c->q->param_count;
    for (size_t i = 0; i < 2; i++) {
        cv_value value;
        if (c->values[i].type == CV_TYPE_NULL)
            return cv_fail(c->q->cx, CV_E_TYPE, "the range of the field \"%s\" cannot have NULL as a bound",
                           c->path.field->name);
        CV_TRY(convert(c, c->values[i], &value));
        push_param(c, value, CV__EXACT);
    }
    cv_buf_add_char(&c->q->key, 'r');
    *ret_node = cv__expr_range(arena_of(c), column_of(c), first + 1);
    return *ret_node ? 0 : no_memory(c->q);
}

static int add_text(condition *c, cv__expr **ret_node)
{
    cv_value value = c->values[0];
    if (value.type != CV_TYPE_TEXT)
        return wrong_value(c, value, CV_E_TYPE);
    CV_TRY(reserve_params(c->q, 1));
    CV_TRY(keep_text(c, &value));
    push_param(c, value, c->path.lookup);
    cv_buf_add_char(&c->q->key, 't');
    *ret_node = cv__expr_text(arena_of(c), c->path.lookup, column_of(c), c->q->param_count);
    return *ret_node ? 0 : no_memory(c->q);
}

static int add_comparison(condition *c, cv__expr **ret_node)
{
    cv_value value;
    if (c->values[0].type == CV_TYPE_NULL) {
        if (c->path.lookup == CV__EXACT)
            return add_null(c, true, ret_node);
        int rc = cv_fail(c->q->cx, CV_E_TYPE, "\"%s\" of the field \"%s\" cannot be compared with NULL",
                         cv__lookup_names[c->path.lookup], c->path.field->name);
        cv_error_hint(c->q->cx, "use exact or isnull");
        return rc;
    }
    CV_TRY(reserve_params(c->q, 1));
    CV_TRY(convert(c, c->values[0], &value));
    push_param(c, value, CV__EXACT);
    cv_buf_add_char(&c->q->key, 'c');
    *ret_node =
        cv__expr_compare(arena_of(c), c->path.lookup, column_of(c), cv__expr_param(arena_of(c), c->q->param_count));
    return *ret_node ? 0 : no_memory(c->q);
}

/* ---- what fits what ---- */

/* Engines compare these by their own forms: not at all here. */
static bool is_document(const cv__field_info *field)
{
    cv_type type = field->type.type;
    return type == CV_TYPE_JSON || type == CV_TYPE_ARRAY || type == CV_TYPE_RANGE;
}

static int lookup_fits(const condition *c)
{
    const cv__field_info *field = c->path.field;
    cv__lookup lookup = c->path.lookup;
    const char *name = cv__lookup_names[lookup];
    bool fits = true;
    if (is_text_lookup(lookup))
        fits = field->type.type == CV_TYPE_TEXT;
    else if (is_order_lookup(lookup))
        fits = field->type.type != CV_TYPE_BOOL && !is_document(field);
    else if (is_document(field))
        fits = lookup == CV__ISNULL || (lookup == CV__EXACT && c->values[0].type == CV_TYPE_NULL);
    if (!fits)
        return cv_fail(c->q->cx, CV_E_TYPE, "the field \"%s\" of model \"%s\" is of type %s and has no look-up \"%s\"",
                       field->name, field->model->model->name, cv_type_name(field->type.type), name);
    if (lookup == CV__RANGE && c->count != 2) {
        int rc = cv_fail(c->q->cx, CV_E_INVALID, "a range of the field \"%s\" needs two values", field->name);
        cv_error_hint(c->q->cx, "use cv_range");
        return rc;
    }
    return 0;
}

static int make_node(condition *c, cv__expr **ret_node)
{
    bool null;
    switch (c->path.lookup) {
    case CV__IN:
        return add_in(c, ret_node);
    case CV__RANGE:
        return add_range(c, ret_node);
    case CV__ISNULL:
        CV_TRY(is_null_wanted(c, &null));
        return add_null(c, null, ret_node);
    default:
        return is_text_lookup(c->path.lookup) ? add_text(c, ret_node) : add_comparison(c, ret_node);
    }
}

/* Under a negation: true or false, never NULL. */
static cv__expr *two_valued(condition *c, cv__expr *node)
{
    bool nullable = c->path.field->null || (c->table && c->q->joins[c->table - 1].nullable);
    if (!nullable || node->kind == CV__EXPR_NULL || node->kind == CV__EXPR_NOT_NULL)
        return node;
    cv__expr *both = cv__expr_list(arena_of(c), CV__EXPR_AND);
    cv__expr *present = cv__expr_null(arena_of(c), column_of(c), false);
    if (!both || !present)
        return NULL;
    cv__expr_add(both, node);
    cv__expr_add(both, present);
    return both;
}

static int add_condition(condition *c, bool exclude)
{
    cv_query *q = c->q;
    cv__expr *node;
    const char head[] = {exclude ? 'X' : 'F', (char)c->table, (char)c->path.field->index, (char)c->path.lookup};
    CV_TRY(lookup_fits(c));
    cv_buf_add(&q->key, head, sizeof head);
    CV_TRY(make_node(c, &node));
    if (exclude || q->negations)
        node = two_valued(c, node);
    if (exclude && node)
        node = cv__expr_not(arena_of(c), node);
    if (!node || q->key.error)
        return no_memory(q);
    cv__expr_add(q->groups[q->depth], node);
    return 0;
}

void cv__query_add_condition(cv_query *q, cv_str path, cv__lookup forced, bool is_forced, const cv_value *values,
                             size_t count, bool exclude)
{
    condition c = {.q = q, .values = values, .count = count};
    if (q->error)
        return;
    int rc = cv__path_resolve(q->cx, q->model, path, !is_forced, &c.path);
    if (is_forced)
        c.path.lookup = forced;
    if (rc < 0 || !cv__query_follow(q, &c.path, &c.table)) {
        cv__query_fail(q, rc);
        return;
    }
    rc = add_condition(&c, exclude);
    if (rc < 0)
        cv__query_fail(q, rc);
}

/* ---- the public functions ---- */

void cv_filter_value(cv_query *q, const char *path, cv_value value)
{
    cv__query_add_condition(q, cv_str_of(path), CV__EXACT, false, &value, 1, false);
}

void cv_exclude_value(cv_query *q, const char *path, cv_value value)
{
    cv__query_add_condition(q, cv_str_of(path), CV__EXACT, false, &value, 1, true);
}

void cv_range_values(cv_query *q, const char *path, cv_value low, cv_value high)
{
    const cv_value bounds[] = {low, high};
    cv__query_add_condition(q, cv_str_of(path), CV__RANGE, true, bounds, 2, false);
}

static cv_value element(const void *array, size_t at, enum cv__in_type type)
{
    switch (type) {
    case CV__IN_I64:
        return cv_value_i64(((const int64_t *)array)[at]);
    case CV__IN_I32:
        return cv_value_i64(((const int32_t *)array)[at]);
    case CV__IN_F64:
        return cv_value_f64(((const double *)array)[at]);
    case CV__IN_CHARS:
        return cv_value_text(((const char *const *)array)[at]);
    case CV__IN_STR:
        return cv_value_str(((const cv_str *)array)[at]);
    case CV__IN_UUID:
        return cv_value_uuid(((const cv_uuid *)array)[at]);
    default:
        return ((const cv_value *)array)[at];
    }
}

void cv__in(cv_query *q, const char *path, const void *array, size_t count, enum cv__in_type type)
{
    if (q->error)
        return;
    if (count > CV__IN_MAX) {
        int rc = cv_fail(q->cx, CV_E_LIMIT, "a list of %zu values is too long for one query", count);
        cv_error_hint(q->cx,
                      "load the objects in several queries, or keep the list in a table and filter by a relation");
        cv__query_fail(q, rc);
        return;
    }
    cv_value *values = cv_alloc(q->cx, (count + 1) * sizeof *values);
    if (!values) {
        cv__query_fail(q, CV_E_NOMEM);
        return;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = element(array, i, type);
    cv__query_add_condition(q, cv_str_of(path), CV__IN, true, values, count, false);
}
