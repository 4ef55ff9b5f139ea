/* Values to and from the wire format. Nothing here knows of connections. */
#ifndef COVET_SRC_DB_MARIADB_VALUES_H
#define COVET_SRC_DB_MARIADB_VALUES_H

#include <covet/ctx.h>
#include <covet/value.h>
#include <mysql.h>

/* --- params.c --- */

enum { CV__MY_FEW_PARAMS = 4 };

/** Where a value lies that is not bound from where it is. */
typedef union cv__my_scratch {
    MYSQL_TIME time;
    char decimal[CV_DECIMAL_TEXT_BYTES];
    char uuid[CV_UUID_TEXT_BYTES];
    signed char boolean;
} cv__my_scratch;

/** Parameters as Connector/C takes them. They must not move: few of them lie in `few`. */
typedef struct cv__my_params {
    size_t count, bytes;
    MYSQL_BIND *binds;
    struct {
        MYSQL_BIND binds[CV__MY_FEW_PARAMS];
        cv__my_scratch rooms[CV__MY_FEW_PARAMS];
    } few;
} cv__my_params;

/** Make them of values; memory from the context's arena. CV_E_LIMIT for too many, CV_E_INVALID for a text that is not
 *  UTF-8, CV_E_RANGE for a number that the server cannot hold. Does not suspend. */
CV_CHECKED int cv__my_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__my_params *ret_params);

/* --- decode.c --- */

/** A cell of a row in binary form; `data` is NULL for NULL. */
typedef struct cv__my_cell {
    const unsigned char *data;
    size_t len;
} cv__my_cell;

/** Decode a cell that is not NULL; views into the cell. CV_E_RANGE, CV_E_TYPE (malformed), without a story. */
typedef int cv__my_decode_fn(cv__my_cell cell, cv_value *ret_value);

/** The decoder of a column of a result, or NULL when there is none. */
cv__my_decode_fn *cv__my_decoder(const MYSQL_FIELD *field);

/** Whether an attribute of a field, of those that MariaDB adds to its type, has this value. */
bool cv__my_is_called(const MYSQL_FIELD *field, enum mariadb_field_attr_t attribute, const char *name);

/** Take one cell off a row in binary form: its bytes, without their length; the row moves on. `row` NULL is NULL. */
cv__my_cell cv__my_take_cell(enum enum_field_types type, unsigned char **row);

#endif
