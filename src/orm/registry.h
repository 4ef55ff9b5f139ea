/* The registry inside the library: models compiled for use, read-only after cv_registry_check. Migrations, queries,
 * binding and replies all read these. What is compiled lives until the registry is freed or checked again after an
 * addition. A registry serves one runtime: the statements it caches are not locked. Nothing here suspends. */
#ifndef COVET_SRC_ORM_REGISTRY_H
#define COVET_SRC_ORM_REGISTRY_H

#include "sql/dialect.h"
#include <covet/map.h>
#include <covet/model.h>

typedef struct cv__model_info cv__model_info;

/** A field that is a column. */
typedef struct cv__field_info {
    const cv_field *field;
    cv__model_info *model;
    size_t index;       /* in model->fields, and in cv_fields sets */
    const char *name;   /* "author" */
    const char *key;    /* its name in JSON and in look-ups by value: "author_id" for a foreign key, else the name */
    cv_str json_key;    /* the key as cv__json_member wants it */
    const char *column; /* "author_id" */
    cv__column_type type;
    bool null;
    bool primary_key;
    bool identity;          /* numbered by the database */
    cv__model_info *target; /* foreign key, else NULL */
    cv_value default_value; /* of the logical type; CV_TYPE_NULL when has_default is false */
    bool has_default;
    cv_value min, max;   /* of the logical type; CV_TYPE_NULL: none */
    uint32_t max_length; /* texts: code points, bytes: bytes; 0: unbounded */
} cv__field_info;

/** An index or unique constraint over columns. */
typedef struct cv__index_info {
    const char *name;
    bool unique;
    size_t column_count;
    cv__field_info *columns[8];
    bool descending[8];
} cv__index_info;

/** A check: field OP value, or field OP other field. Bounds of fields (.min, .max) are checks, too. */
typedef struct cv__check_info {
    const char *name;
    cv__field_info *field;
    cv__lookup lookup;     /* exact, gt, gte, lt, lte, in, startswith */
    cv__field_info *other; /* compare with a field; else with the values */
    const cv_value *values;
    size_t value_count;
} cv__check_info;

struct cv__model_info {
    const cv_model *model;
    const char *label;
    cv__field_info *fields;
    size_t field_count;
    cv__field_info *primary_key;
    cv__field_info **relations; /* the foreign keys */
    size_t relation_count;
    cv__index_info *indexes; /* of single fields (.index, .unique) and of meta entries */
    size_t index_count;
    cv__check_info *checks;
    size_t check_count;
    const char *const *ordering; /* NULL-terminated, "-name" descending */
    cv_map *by_name;             /* name and key -> cv__field_info, and "pk" */
    const char **names;          /* the fields' names, for suggestions */
    size_t number;               /* position in the registry */
    cv_registry *registry;
};

/** The compiled model; CV_E_MODEL when it is not registered or the registry was not checked. NULL then. Fast. */
cv__model_info *cv__model_need(cv_ctx *cx, const cv_model *model);

/** The compiled model of a registry, or NULL. */
cv__model_info *cv__registry_find(const cv_registry *registry, const cv_model *model);

/** A checked copy with the same models and labels, for another runtime: what is cached with a registry is not locked.
 * Free with cv_registry_free. CV_E_NOMEM and what cv_registry_check reports. */
CV_CHECKED int cv__registry_copy(cv_ctx *cx, const cv_registry *registry, cv_registry **ret_copy);

/** The number of compiled models and each of them, in the order added. */
size_t cv__registry_count(const cv_registry *registry);
cv__model_info *cv__registry_at(const cv_registry *registry, size_t number);

/** The slot for the rendered statements that the ORM keeps with a registry; what it holds is freed by `free_fn` with
 * the registry, or when it is checked anew. */
void **cv__registry_statements(cv_registry *registry, void (*free_fn)(void *statements));

/** A field by name or key ("pk" is the primary key); NULL. And with the error reported, naming the nearest. */
cv__field_info *cv__field_find(const cv__model_info *model, cv_str name);
cv__field_info *cv__field_need(cv_ctx *cx, const cv__model_info *model, cv_str name);

/** The field table of a model is walked by the stride of the program that declared it. */
const cv_field *cv__model_entry(const cv_model *model, size_t index);

/** Whether a C type can be NULL by itself; what it holds without that (CV_MEMBER_OPT_I64: CV_MEMBER_I64; both texts are
 *  CV_MEMBER_STR). */
bool cv__member_is_opt(cv_member member);
cv_member cv__member_base(cv_member member);

/** A look-up by its name ("gte"); false when there is none of that name. And all names, in the order of cv__lookup. */
bool cv__lookup_find(cv_str name, cv__lookup *ret_lookup);
#define CV__LOOKUP_COUNT 15
extern const char *const cv__lookup_names[CV__LOOKUP_COUNT];

/** Read a member as a value (texts are views into the object), and write one: the value is converted to the member's
 *  type; texts are copied into the context's arena. cv__field_set: CV_E_TYPE, CV_E_RANGE, CV_E_NOT_NULL, CV_E_INVALID
 * (an embedded NUL byte in a char *), with a story. */
cv_value cv__field_get(const cv__field_info *field, const void *object);
CV_CHECKED int cv__field_set(cv_ctx *cx, const cv__field_info *field, void *object, cv_value value);

/** Check the values of an object's fields (all, or those of the set when it is not NULL): lengths, bounds, digits, NULL
 * where it is not allowed, UTF-8, well-formed JSON. CV_E_VALIDATION with every bad field. */
CV_CHECKED int cv__object_validate(cv_ctx *cx, const cv__model_info *model, const void *object, const cv_fields *set);

/** Whether a value of the field's logical type (or NULL) may be stored in it; otherwise `message` says what it must be
 *  ("must be at most 100 characters long"). The context is for memory only: its error stays as it is. */
#define CV__MESSAGE_BYTES 160
bool cv__value_acceptable(cv_ctx *cx, const cv__field_info *field, cv_value value, char message[CV__MESSAGE_BYTES]);

/** Negative, 0, positive: two values of one type that has an order. */
int cv__value_compare(cv_value a, cv_value b);

/** The related object that the foreign key's pointer holds, or NULL when it is not loaded. */
const void *cv__field_related(const cv__field_info *field, const void *object);

#endif
