/* Models: C structs and their tables, declared once and checked by the compiler.
 *
 *     struct author { int64_t id; char *name; };
 *     struct book   { int64_t id; char *title; cv_decimal price; cv_opt_i64 pages; cv_time published;
 *                     int64_t author_id; struct author *author; };
 *
 *     CV_MODEL(author, "authors",
 *         CV_ID(id),
 *         CV_CHAR(name, .max_length = 100, .index = true))
 *
 *     CV_MODEL(book, "books",
 *         CV_ID(id),
 *         CV_CHAR(title, .max_length = 200),
 *         CV_DECIMAL(price, .digits = 8, .places = 2, .min = "0"),
 *         CV_INTEGER(pages),                            -- nullable: its C type says so
 *         CV_DATETIME(published, .auto_now_add = true),
 *         CV_FOREIGN_KEY(author, author, .on_delete = CV_PROTECT),
 *         CV_UNIQUE_TOGETHER("title", "author"))
 *
 * CV_MODEL(T, table, ...) defines `const cv_model *T_model(void)`. A member whose C type does not fit the field macro
 * does not compile. Scalars and ranges are nullable when their C type is a cv_opt_...; texts, bytes, JSON and arrays
 * with
 * `.null = true`. Any element of an array may be NULL.
 * A foreign key `author` uses two members: `author_id` (its type is that of the target's key, or the cv_opt_ form) and
 * `author`, a pointer that a query with select_related fills and that is NULL otherwise.
 *
 * What the compiler cannot see (two models on one table, a missing primary key, a default that does not parse, a target
 * that is not registered) the registry refuses at start-up. Nothing in this header suspends. */
#ifndef COVET_MODEL_H
#define COVET_MODEL_H

#include <covet/ctx.h>
#include <covet/value.h>

CV_BEGIN_DECLS

typedef struct cv_model cv_model;
typedef const cv_model *cv_model_fn(void);

typedef enum cv_field_kind {
    CV_FIELD_ID = 1, /* int64_t primary key, numbered by the database */
    CV_FIELD_CHAR,
    CV_FIELD_TEXT,
    CV_FIELD_BOOLEAN,
    CV_FIELD_INTEGER, /* as wide as its member: 16, 32 or 64 bits */
    CV_FIELD_FLOAT,
    CV_FIELD_DECIMAL,
    CV_FIELD_DATETIME,
    CV_FIELD_DATE,
    CV_FIELD_UUID,
    CV_FIELD_JSON,
    CV_FIELD_BINARY,
    CV_FIELD_ARRAY, /* of what its member holds */
    CV_FIELD_RANGE,
    CV_FIELD_FOREIGN_KEY,
    /* not columns: */
    CV_META_INDEX,
    CV_META_UNIQUE,
    CV_META_CHECK,
    CV_META_ORDERING,
} cv_field_kind;

/* The C type of a member. */
typedef enum cv_member {
    CV_MEMBER_NONE,
    CV_MEMBER_BOOL,
    CV_MEMBER_I16,
    CV_MEMBER_I32,
    CV_MEMBER_I64,
    CV_MEMBER_F64,
    CV_MEMBER_CHARS, /* char *, NUL-terminated */
    CV_MEMBER_STR,   /* cv_str */
    CV_MEMBER_BYTES,
    CV_MEMBER_DECIMAL,
    CV_MEMBER_TIME,
    CV_MEMBER_DATE,
    CV_MEMBER_UUID,
    CV_MEMBER_JSON,
    CV_MEMBER_BOOL_ARRAY,
    CV_MEMBER_I16_ARRAY,
    CV_MEMBER_I32_ARRAY,
    CV_MEMBER_I64_ARRAY,
    CV_MEMBER_F64_ARRAY,
    CV_MEMBER_DECIMAL_ARRAY,
    CV_MEMBER_STR_ARRAY,
    CV_MEMBER_TIME_ARRAY,
    CV_MEMBER_DATE_ARRAY,
    CV_MEMBER_UUID_ARRAY,
    CV_MEMBER_I32_RANGE,
    CV_MEMBER_I64_RANGE,
    CV_MEMBER_DECIMAL_RANGE,
    CV_MEMBER_TIME_RANGE,
    CV_MEMBER_DATE_RANGE,
    CV_MEMBER_OPT_BOOL,
    CV_MEMBER_OPT_I16,
    CV_MEMBER_OPT_I32,
    CV_MEMBER_OPT_I64,
    CV_MEMBER_OPT_F64,
    CV_MEMBER_OPT_DECIMAL,
    CV_MEMBER_OPT_TIME,
    CV_MEMBER_OPT_DATE,
    CV_MEMBER_OPT_UUID,
    CV_MEMBER_OPT_I32_RANGE,
    CV_MEMBER_OPT_I64_RANGE,
    CV_MEMBER_OPT_DECIMAL_RANGE,
    CV_MEMBER_OPT_TIME_RANGE,
    CV_MEMBER_OPT_DATE_RANGE,
} cv_member;

typedef enum cv_on_delete {
    CV_PROTECT,  /* refuse while rows refer to it: the default */
    CV_CASCADE,  /* delete the referring rows, too */
    CV_SET_NULL, /* the key must be nullable */
} cv_on_delete;

/** One entry of a model's table: a field, or an index, constraint or ordering. The first members are set by the macros;
 *  those below "options" are for the declaration. */
typedef struct cv_field {
    cv_field_kind kind;
    cv_member member;
    const char *name;      /* the member; for a foreign key without "_id"; for meta entries the name or NULL */
    size_t offset;         /* of the value; for a foreign key of the ..._id member */
    size_t pointer_offset; /* foreign key: of the pointer */
    cv_model_fn *target;   /* foreign key */
    const char *paths[8];  /* meta entries: field names; CHECK: the look-up ("price__gte") and what it compares with */

    /* options */
    const char *column; /* NULL: the member's name */
    const char *label;  /* for messages and forms; NULL: the name */
    bool primary_key;   /* a key of the program's own, instead of CV_ID */
    bool null;          /* texts, bytes, JSON, arrays: may be NULL */
    bool unique;
    bool index;                /* foreign keys have one anyway */
    uint32_t max_length;       /* text: in code points; CHAR needs one; arrays of texts: of each */
    uint16_t digits;           /* decimal, also in arrays and ranges: all digits, 1..38 */
    uint16_t places;           /* decimal: digits after the point */
    const char *min, *max;     /* numbers, dates: inclusive bounds, as text; checked by save and by the database */
    const char *default_value; /* as text; used by the database and for keys missing in a bound body */
    bool auto_now_add;         /* datetime, date: the time of the insert */
    bool auto_now;             /* the time of each save */
    bool read_only;            /* never bound from a request body */
    bool hidden;               /* never part of a reply */
    cv_on_delete on_delete;    /* foreign key */
    bool by_field;             /* CHECK: the other side is a field */
} cv_field;

struct cv_model {
    const char *name;  /* "book" */
    const char *table; /* "books" */
    const cv_field *fields;
    size_t field_count;
    size_t field_bytes; /* sizeof(cv_field) of the declaring program: the table is walked by this stride */
    size_t object_bytes;
};

/** A set of fields of a model, by their position in its table: presence for partial updates. At most 256. */
typedef struct cv_fields {
    uint64_t bits[4];
} cv_fields;

static inline bool cv_fields_has(const cv_fields *set, size_t index)
{
    return index < 256 && (set->bits[index / 64] >> (index % 64) & 1);
}
static inline void cv_fields_add(cv_fields *set, size_t index)
{
    if (index < 256)
        set->bits[index / 64] |= UINT64_C(1) << (index % 64);
}
static inline bool cv_fields_is_empty(const cv_fields *set)
{
    return (set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3]) == 0;
}

/** Add fields by name: `cv_fields_of(cx, book, &set, "price", "title")`. CV_E_FIELD with the nearest name. */
#define cv_fields_of(cx, T, set, ...) cv__fields_of((cx), T##_model(), (set), (const char *const[]){__VA_ARGS__, NULL})
CV_API CV_CHECKED int cv__fields_of(cv_ctx *cx, const cv_model *model, cv_fields *set, const char *const *names);

/* ---- the registry ---- */

typedef struct cv_registry cv_registry;

/** Make an empty registry. NULL (reported) without memory. Free with cv_registry_free (NULL allowed). */
CV_API cv_registry *cv_registry_new(cv_ctx *cx);
CV_API void cv_registry_free(cv_registry *registry);

/** Add a model under an application label ("bookshop"), to which its migrations belong. Checked completely by
 *  cv_registry_check. CV_E_MODEL for a model added twice, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_registry_add(cv_ctx *cx, cv_registry *registry, const char *label, const cv_model *model);

/** Check all models together and make them ready for queries: names that the engines accept, one model a table, exactly
 * one primary key, distinct columns, bounds and defaults that parse, decimals of 1..38 digits, targets that are
 * registered and whose key has the type of the ..._id member, SET NULL only on nullable keys, indexes and checks that
 * name fields. CV_E_MODEL names model and field and says what to do; further findings are its causes. Idempotent;
 * adding after it requires another check. */
CV_API CV_CHECKED int cv_registry_check(cv_ctx *cx, cv_registry *registry);

/** The registry of this context and of those spawned from it later. Returns the former one. */
CV_API cv_registry *cv_use_registry(cv_ctx *cx, cv_registry *registry);

/** Visit the models in the order added; `*position` starts at 0. */
CV_API bool cv_registry_next(const cv_registry *registry, size_t *position, const char **ret_label,
                             const cv_model **ret_model);

/* ---- the declaration macros (C only) ---- */
#ifndef __cplusplus

/** Declare a model that another file or a later line defines; needed for cycles and in headers. */
#define CV_MODEL_DECLARE(T) const cv_model *T##_model(void)

/** Define a model for `struct T`. */
#define CV_MODEL(T, table_name, ...)                                                                                   \
    CV_MODEL_DECLARE(T);                                                                                               \
    const cv_model *T##_model(void)                                                                                    \
    {                                                                                                                  \
        typedef struct T cv_self;                                                                                      \
        static const cv_field fields[] = {__VA_ARGS__};                                                                \
        static const cv_model model = {.name = #T,                                                                     \
                                       .table = "" table_name "",                                                      \
                                       .fields = fields,                                                               \
                                       .field_count = sizeof fields / sizeof fields[0],                                \
                                       .field_bytes = sizeof(cv_field),                                                \
                                       .object_bytes = sizeof(cv_self)};                                               \
        return &model;                                                                                                 \
    }

#define CV_ID(...)       CV__FIELD(CV_FIELD_ID, CV__MEMBER_ID, __VA_ARGS__, )
#define CV_CHAR(...)     CV__FIELD(CV_FIELD_CHAR, CV__MEMBER_TEXT, __VA_ARGS__, )
#define CV_TEXT(...)     CV__FIELD(CV_FIELD_TEXT, CV__MEMBER_TEXT, __VA_ARGS__, )
#define CV_BOOLEAN(...)  CV__FIELD(CV_FIELD_BOOLEAN, CV__MEMBER_BOOL, __VA_ARGS__, )
#define CV_INTEGER(...)  CV__FIELD(CV_FIELD_INTEGER, CV__MEMBER_INTEGER, __VA_ARGS__, )
#define CV_FLOAT(...)    CV__FIELD(CV_FIELD_FLOAT, CV__MEMBER_FLOAT, __VA_ARGS__, )
#define CV_DECIMAL(...)  CV__FIELD(CV_FIELD_DECIMAL, CV__MEMBER_DECIMAL, __VA_ARGS__, )
#define CV_DATETIME(...) CV__FIELD(CV_FIELD_DATETIME, CV__MEMBER_TIME, __VA_ARGS__, )
#define CV_DATE(...)     CV__FIELD(CV_FIELD_DATE, CV__MEMBER_DATE, __VA_ARGS__, )
#define CV_UUID(...)     CV__FIELD(CV_FIELD_UUID, CV__MEMBER_UUID, __VA_ARGS__, )
#define CV_JSON(...)     CV__FIELD(CV_FIELD_JSON, CV__MEMBER_JSON, __VA_ARGS__, )
#define CV_BINARY(...)   CV__FIELD(CV_FIELD_BINARY, CV__MEMBER_BYTES, __VA_ARGS__, )
/** Arrays and ranges of what the member holds (array.h): cv_str_array tags, cv_date_range stay. Decimals need .digits
 * and .places as in CV_DECIMAL. */
#define CV_ARRAY(...) CV__FIELD(CV_FIELD_ARRAY, CV__MEMBER_ARRAY, __VA_ARGS__, )
#define CV_RANGE(...) CV__FIELD(CV_FIELD_RANGE, CV__MEMBER_RANGE, __VA_ARGS__, )

/** CV_FOREIGN_KEY(member, T, options): members `member_id` and `struct T *member`. */
#define CV_FOREIGN_KEY(...) CV__FOREIGN_KEY(__VA_ARGS__, )

/** An index, or uniqueness, over several fields; a plain "-name" in an index is descending. Names are made from table
 * and columns. */
#define CV_INDEX(...)                                                                                                  \
    {                                                                                                                  \
        .kind = CV_META_INDEX, .paths = { __VA_ARGS__ }                                                                \
    }
#define CV_UNIQUE_TOGETHER(...)                                                                                        \
    {                                                                                                                  \
        .kind = CV_META_UNIQUE, .paths = { __VA_ARGS__ }                                                               \
    }

/** A check: CV_CHECK("positive_price", "price__gt", "0"). The look-up is one of exact, gt, gte, lt, lte, in ("a,b,c"),
 *  startswith; the value is text, read by the field's type. CV_CHECK_FIELDS compares with another field. */
#define CV_CHECK(check_name, lookup, value)                                                                            \
    {                                                                                                                  \
        .kind = CV_META_CHECK, .name = (check_name), .paths = {(lookup), (value) }                                     \
    }
#define CV_CHECK_FIELDS(check_name, lookup, other)                                                                     \
    {                                                                                                                  \
        .kind = CV_META_CHECK, .name = (check_name), .paths = {(lookup), (other)}, .by_field = true                    \
    }

/** The order of queries that ask for none. */
#define CV_ORDERING(...)                                                                                               \
    {                                                                                                                  \
        .kind = CV_META_ORDERING, .paths = { __VA_ARGS__ }                                                             \
    }

#define CV__FIELD(field_kind, member_check, member_name, ...)                                                          \
    {                                                                                                                  \
        .kind = (field_kind), .member = member_check(member_name), .name = #member_name,                               \
        .offset = offsetof(cv_self, member_name), __VA_ARGS__                                                          \
    }
#define CV__FOREIGN_KEY(member_name, T, ...)                                                                            \
    {                                                                                                                   \
        .kind = CV_FIELD_FOREIGN_KEY, .member = CV__MEMBER_KEY(member_name##_id), .name = #member_name,               \
        .offset = offsetof(cv_self, member_name##_id),                                                                 \
        .pointer_offset = _Generic(CV__ADDRESS(member_name), struct T * *: offsetof(cv_self, member_name)),            \
        .target = T##_model, __VA_ARGS__ \
    }
#define CV__ADDRESS(member_name)   (&((cv_self *)0)->member_name)
#define CV__MEMBER_ID(member_name) _Generic(CV__ADDRESS(member_name), int64_t * : CV_MEMBER_I64)
#define CV__MEMBER_TEXT(member_name)                                                                                   \
    _Generic(CV__ADDRESS(member_name), char **: CV_MEMBER_CHARS, const char **: CV_MEMBER_CHARS, cv_str *: CV_MEMBER_STR)
#define CV__MEMBER_BOOL(member_name)                                                                                   \
    _Generic(CV__ADDRESS(member_name), bool * : CV_MEMBER_BOOL, cv_opt_bool * : CV_MEMBER_OPT_BOOL)
#define CV__MEMBER_INTEGER(member_name)                                                                                \
    _Generic(CV__ADDRESS(member_name), int16_t *                                                                       \
             : CV_MEMBER_I16, int32_t *                                                                                \
             : CV_MEMBER_I32, int64_t *                                                                                \
             : CV_MEMBER_I64, cv_opt_i16 *                                                                             \
             : CV_MEMBER_OPT_I16, cv_opt_i32 *                                                                         \
             : CV_MEMBER_OPT_I32, cv_opt_i64 *                                                                         \
             : CV_MEMBER_OPT_I64)
#define CV__MEMBER_FLOAT(member_name)                                                                                  \
    _Generic(CV__ADDRESS(member_name), double * : CV_MEMBER_F64, cv_opt_f64 * : CV_MEMBER_OPT_F64)
#define CV__MEMBER_DECIMAL(member_name)                                                                                \
    _Generic(CV__ADDRESS(member_name), cv_decimal * : CV_MEMBER_DECIMAL, cv_opt_decimal * : CV_MEMBER_OPT_DECIMAL)
#define CV__MEMBER_TIME(member_name)                                                                                   \
    _Generic(CV__ADDRESS(member_name), cv_time * : CV_MEMBER_TIME, cv_opt_time * : CV_MEMBER_OPT_TIME)
#define CV__MEMBER_DATE(member_name)                                                                                   \
    _Generic(CV__ADDRESS(member_name), cv_date * : CV_MEMBER_DATE, cv_opt_date * : CV_MEMBER_OPT_DATE)
#define CV__MEMBER_UUID(member_name)                                                                                   \
    _Generic(CV__ADDRESS(member_name), cv_uuid * : CV_MEMBER_UUID, cv_opt_uuid * : CV_MEMBER_OPT_UUID)
#define CV__MEMBER_JSON(member_name)  _Generic(CV__ADDRESS(member_name), cv_json * : CV_MEMBER_JSON)
#define CV__MEMBER_BYTES(member_name) _Generic(CV__ADDRESS(member_name), cv_bytes * : CV_MEMBER_BYTES)
#define CV__MEMBER_ARRAY(member_name)                                                                                  \
    _Generic(CV__ADDRESS(member_name), cv_bool_array *                                                                 \
             : CV_MEMBER_BOOL_ARRAY, cv_i16_array *                                                                    \
             : CV_MEMBER_I16_ARRAY, cv_i32_array *                                                                     \
             : CV_MEMBER_I32_ARRAY, cv_i64_array *                                                                     \
             : CV_MEMBER_I64_ARRAY, cv_f64_array *                                                                     \
             : CV_MEMBER_F64_ARRAY, cv_decimal_array *                                                                 \
             : CV_MEMBER_DECIMAL_ARRAY, cv_str_array *                                                                 \
             : CV_MEMBER_STR_ARRAY, cv_time_array *                                                                    \
             : CV_MEMBER_TIME_ARRAY, cv_date_array *                                                                   \
             : CV_MEMBER_DATE_ARRAY, cv_uuid_array *                                                                   \
             : CV_MEMBER_UUID_ARRAY)
#define CV__MEMBER_RANGE(member_name)                                                                                  \
    _Generic(CV__ADDRESS(member_name), cv_i32_range *                                                                  \
             : CV_MEMBER_I32_RANGE, cv_i64_range *                                                                     \
             : CV_MEMBER_I64_RANGE, cv_decimal_range *                                                                 \
             : CV_MEMBER_DECIMAL_RANGE, cv_time_range *                                                                \
             : CV_MEMBER_TIME_RANGE, cv_date_range *                                                                   \
             : CV_MEMBER_DATE_RANGE, cv_opt_i32_range *                                                                \
             : CV_MEMBER_OPT_I32_RANGE, cv_opt_i64_range *                                                             \
             : CV_MEMBER_OPT_I64_RANGE, cv_opt_decimal_range *                                                         \
             : CV_MEMBER_OPT_DECIMAL_RANGE, cv_opt_time_range *                                                        \
             : CV_MEMBER_OPT_TIME_RANGE, cv_opt_date_range *                                                           \
             : CV_MEMBER_OPT_DATE_RANGE)
#define CV__MEMBER_KEY(member_name)                                                                                    \
    _Generic(CV__ADDRESS(member_name), int16_t *: CV_MEMBER_I16, int32_t *: CV_MEMBER_I32, int64_t *: CV_MEMBER_I64,   \
        cv_opt_i16 *: CV_MEMBER_OPT_I16, cv_opt_i32 *: CV_MEMBER_OPT_I32, cv_opt_i64 *: CV_MEMBER_OPT_I64,             \
        cv_uuid *: CV_MEMBER_UUID, cv_opt_uuid *: CV_MEMBER_OPT_UUID, char **: CV_MEMBER_CHARS, const char **: CV_MEMBER_CHARS, \
        cv_str *: CV_MEMBER_STR)
#endif

CV_END_DECLS

#endif
