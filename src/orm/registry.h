/* The registry inside the library: models compiled for use, read-only after cv_registry_check. Migrations, queries,
 * binding and replies all read these. */
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
    const char *column; /* "author_id" */
    cv__column_type type;
    bool null;
    bool primary_key;
    bool identity;          /* numbered by the database */
    cv__model_info *target; /* foreign key, else NULL */
    cv_value default_value; /* of the logical type; CV_TYPE_NULL when has_default is false */
    bool has_default;
    cv_value min, max; /* of the logical type; CV_TYPE_NULL: none */
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
    cv__index_info *indexes; /* of single fields (.index, .unique) and of meta entries */
    size_t index_count;
    cv__check_info *checks;
    size_t check_count;
    const char *const *ordering; /* NULL-terminated, "-name" descending */
    cv_map *by_name;             /* name and key -> cv__field_info */
    size_t number;               /* position in the registry */
    void *statements;            /* rendered statements, owned by the ORM's statement code */
};

/** The compiled model; CV_E_MODEL when it is not registered or the registry was not checked. NULL then. Fast. */
cv__model_info *cv__model_need(cv_ctx *cx, const cv_model *model);

/** The number of compiled models and each of them, in the order added. */
size_t cv__registry_count(const cv_registry *registry);
cv__model_info *cv__registry_at(const cv_registry *registry, size_t number);

/** A field by name or key; NULL. And with the error reported, naming the nearest. */
cv__field_info *cv__field_find(const cv__model_info *model, cv_str name);
cv__field_info *cv__field_need(cv_ctx *cx, const cv__model_info *model, cv_str name);

/** Read a member as a value (texts are views into the object), and write one: the value is converted to the member's
 *  type; texts are copied into the context's arena. cv__field_set: CV_E_TYPE, CV_E_RANGE, CV_E_NOT_NULL, CV_E_INVALID
 * (an embedded NUL byte in a char *), with a story. */
cv_value cv__field_get(const cv__field_info *field, const void *object);
CV_CHECKED int cv__field_set(cv_ctx *cx, const cv__field_info *field, void *object, cv_value value);

/** Check the values of an object's fields (all, or those of the set when it is not NULL): lengths, bounds, digits, NULL
 * where it is not allowed, UTF-8, well-formed JSON. CV_E_VALIDATION with every bad field. */
CV_CHECKED int cv__object_validate(cv_ctx *cx, const cv__model_info *model, const void *object, const cv_fields *set);

/** The related object that the foreign key's pointer holds, or NULL when it is not loaded. */
const void *cv__field_related(const cv__field_info *field, const void *object);

#endif
