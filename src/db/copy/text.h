/* The texts of values in files, by the type of their column. */
#ifndef COVET_SRC_DB_COPY_TEXT_H
#define COVET_SRC_DB_COPY_TEXT_H

#include <covet/copy.h>

/** A text as the value of a column: views into it, or in the context's arena. CV_E_SYNTAX, CV_E_RANGE, CV_E_LIMIT,
 *  CV_E_NOMEM, without a story (cv__copy_text_refuse tells it). */
typedef int cv__copy_text_reader(cv_ctx *cx, const cv_copy_column *column, cv_str text, cv_value *ret_value);

/** That of the column's type. */
cv__copy_text_reader *cv__copy_text_reader_of(const cv_copy_column *column);

/** Those of several columns, in their order, in the context's arena. CV_E_LIMIT, CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__copy_text_readers(cv_ctx *cx, const cv_copy_column *columns, size_t count,
                                     cv__copy_text_reader ***ret_readers);

/** Report that the column cannot have this, where "rows.csv, row 3, column ..." is the place; returns the code. */
int cv__copy_text_refuse(cv_ctx *cx, int code, const char *place, const cv_copy_column *column, cv_value given);

/** A decimal with as many places as its column has. */
cv_decimal cv__copy_text_decimal(const cv_copy_column *column, cv_decimal value);

/** Whether a text may be written to a file; otherwise CV_E_INVALID with a story. */
int cv__copy_text_check(cv_ctx *cx, const cv_copy_column *column, cv_str text, int64_t row);

#endif
