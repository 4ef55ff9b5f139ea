/* Writing objects, shared by single and bulk inserts. */
#ifndef COVET_SRC_ORM_WRITE_H
#define COVET_SRC_ORM_WRITE_H

#include "orm/statement.h"

/** What a write goes to: the model, the database, its shapes, and the time that automatic fields get. */
typedef struct cv__target {
    cv_ctx *cx;
    cv__model_info *model;
    cv_db *db;
    cv__shapes *shapes;
    cv_time now;
} cv__target;

/** CV_E_MODEL, CV_E_NO_DATABASE, CV_E_NOMEM. */
CV_CHECKED int cv__target_of(cv_ctx *cx, const cv_model *model, cv__target *ret_target);

/** Whether the object's primary key is unset: 0, NULL, or all zero. */
bool cv__key_is_unset(const cv__model_info *model, const void *object);

/** Whether the database makes the key of this object. A UUID key that is unset is made here and written into it. */
bool cv__key_is_new(const cv__model_info *model, void *object);

/** The value of a field as it is written now, of its logical type: the object's, or the time where it is automatic. */
cv_value cv__written_value(const cv__field_info *field, const void *object, cv_time now, bool inserted);

/** The values of a row to insert, in stored form: all fields, without the key when it is new. */
CV_CHECKED int cv__insert_values(const cv__target *target, const void *object, bool new_key, cv_value *values);

/** After success: automatic times of an insert or update into the object. */
void cv__write_times(const cv__target *target, void *object, bool inserted, const cv_fields *set);

#endif
