/* Arrays and ranges out of JSON: the elements as cv_json_value writes them, numbers beyond the finite as strings. */
#include "base/arena.h"
#include "base/base64.h"
#include "base/ctx.h"
#include "base/packed.h"

#include <covet/json.h>

#define MAX_STRING_BYTES ((size_t)1 << 30)

typedef struct parser {
    cv_json_reader reader;
    cv_arena *arena;
    unsigned element, bits;
} parser;

static int read_number(const cv_json_reader *reader, unsigned element, cv_value *ret_value)
{
    ret_value->type = (cv_type)element;
    switch (element) {
    case CV_TYPE_I64:
        return cv_json_number_i64(reader, &ret_value->as.i64);
    case CV_TYPE_F64:
        return cv_json_number_f64(reader, &ret_value->as.f64);
    case CV_TYPE_DECIMAL:
        return cv_json_number_decimal(reader, &ret_value->as.decimal);
    default:
        return CV_E_TYPE;
    }
}

static int read_bytes(const parser *p, cv_value *ret_value)
{
    uint8_t *data = cv_arena_alloc(p->arena, p->reader.text.len / 4 * 3 + 1);
    size_t len;
    if (!data)
        return p->arena->failure;
    CV_TRY(cv__base64_read(p->reader.text, data, &len));
    *ret_value = cv_value_bytes((cv_bytes){data, len});
    return 0;
}

static int read_f64_word(cv_str word, cv_value *ret_value)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    static const double values[] = {(double)__builtin_nanf(""), (double)__builtin_inff(), (double)-__builtin_inff()};
    for (size_t i = 0; i < 3; i++) {
        if (cv_str_equal(word, cv_str_of(words[i]))) {
            *ret_value = cv_value_f64(values[i]);
            return 0;
        }
    }
    return CV_E_TYPE;
}

static int read_string(const parser *p, cv_value *ret_value)
{
    cv_str text = p->reader.text;
    switch (p->element) {
    case CV_TYPE_F64:
        return read_f64_word(text, ret_value);
    case CV_TYPE_BYTES:
        return read_bytes(p, ret_value);
    case CV_TYPE_BOOL:
    case CV_TYPE_I64:
        return CV_E_TYPE;
    default:
        return cv_value_convert(p->arena, cv_value_str(text.ptr ? text : CV_STR("")), (cv_type)p->element, ret_value);
    }
}

/* The value whose event was just read. */
static int read_element(const parser *p, cv_json_event event, cv_value *ret_value)
{
    switch (event) {
    case CV_JSON_NULL:
        *ret_value = cv_value_null();
        return 0;
    case CV_JSON_BOOL:
        *ret_value = cv_value_bool(p->reader.boolean);
        return p->element == CV_TYPE_BOOL ? 0 : CV_E_TYPE;
    case CV_JSON_NUMBER:
        return read_number(&p->reader, p->element, ret_value);
    case CV_JSON_STRING:
        return read_string(p, ret_value);
    case CV_JSON_ARRAY_START:
        return CV_E_UNSUPPORTED;
    default:
        return CV_E_TYPE;
    }
}

static int read_array(parser *p, cv_value *ret_value)
{
    cv__array_builder builder = {.arena = p->arena, .element = p->element, .bits = p->bits};
    cv_json_event event;
    CV_TRY(cv_json_next(&p->reader, &event));
    if (event != CV_JSON_ARRAY_START)
        return CV_E_TYPE;
    CV_TRY(cv_json_next(&p->reader, &event));
    for (; event != CV_JSON_ARRAY_END;) {
        cv_value element;
        CV_TRY(read_element(p, event, &element));
        CV_TRY(cv__array_add(&builder, element));
        CV_TRY(cv_json_next(&p->reader, &event));
    }
    return cv__array_take(&builder, ret_value);
}

typedef struct range_draft {
    cv_value lower, upper;
    unsigned flags;
} range_draft;

/* "[)" and the others. */
static int read_bounds(cv_str text, unsigned *flags)
{
    if (text.len != 2 || !strchr("[(", text.ptr[0]) || !strchr("])", text.ptr[1]))
        return CV_E_SYNTAX;
    *flags &= ~(unsigned)(CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INCLUSIVE);
    *flags |= (text.ptr[0] == '[' ? (unsigned)CV_RANGE_LOWER_INCLUSIVE : 0) |
              (text.ptr[1] == ']' ? (unsigned)CV_RANGE_UPPER_INCLUSIVE : 0);
    return 0;
}

static int read_range_member(parser *p, range_draft *draft)
{
    static const char *const names[] = {"lower", "upper", "bounds", "empty"};
    size_t which = 0;
    cv_json_event event;
    while (which < 4 && !cv_str_equal(p->reader.text, cv_str_of(names[which])))
        which++;
    CV_TRY(cv_json_next(&p->reader, &event));
    if (which < 2)
        return read_element(p, event, which == 0 ? &draft->lower : &draft->upper);
    if (which == 2 && event == CV_JSON_STRING)
        return read_bounds(p->reader.text, &draft->flags);
    if (which != 3 || event != CV_JSON_BOOL)
        return CV_E_TYPE;
    draft->flags |= p->reader.boolean ? (unsigned)CV_RANGE_EMPTY : 0;
    return 0;
}

static int read_range(parser *p, cv_value *ret_value)
{
    range_draft draft = {cv_value_null(), cv_value_null(), CV_RANGE_LOWER_INCLUSIVE};
    cv_json_event event;
    CV_TRY(cv_json_next(&p->reader, &event));
    if (event != CV_JSON_OBJECT_START)
        return CV_E_TYPE;
    CV_TRY(cv_json_next(&p->reader, &event));
    while (event == CV_JSON_KEY) {
        CV_TRY(read_range_member(p, &draft));
        CV_TRY(cv_json_next(&p->reader, &event));
    }
    return cv__range_make(p->arena, p->element, p->bits, draft.lower, draft.upper, draft.flags, ret_value);
}

/* The reader tells its mistakes as a story; nobody here can hear it. */
static int parse(cv_arena *arena, cv_str json, unsigned element, unsigned bits,
                 int (*read)(parser *p, cv_value *ret_value), cv_value *ret_value)
{
    if (cv__packed_bytes(element, bits) == 0)
        return CV_E_TYPE;
    cv_ctx quiet;
    cv__ctx_init(&quiet, arena);
    parser p = {.arena = arena, .element = element, .bits = bits};
    cv_json_event event;
    cv_json_reader_init(&p.reader, &quiet, json, &(cv_json_limits){4, MAX_STRING_BYTES});
    int rc = read(&p, ret_value);
    if (rc == 0)
        rc = cv_json_next(&p.reader, &event); /* the end, or an error for what follows */
    cv_arena_free(quiet.error_arena);
    return rc < 0 ? rc : 0;
}

int cv__array_parse(cv_arena *arena, cv_str json, unsigned element, unsigned bits, cv_value *ret_value)
{
    return parse(arena, json, element, bits, read_array, ret_value);
}

int cv__range_parse(cv_arena *arena, cv_str json, unsigned element, unsigned bits, cv_value *ret_value)
{
    return parse(arena, json, element, bits, read_range, ret_value);
}
