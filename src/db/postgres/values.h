/* Values to and from the wire format. Nothing here knows of connections. */
#ifndef COVET_SRC_DB_POSTGRES_VALUES_H
#define COVET_SRC_DB_POSTGRES_VALUES_H

#include <covet/ctx.h>
#include <covet/value.h>
#include <libpq-fe.h>

/* --- params.c --- */

/** Where an encoded value lies that is not in the statement's own memory. */
typedef union cv__pg_scratch {
    uint8_t bytes[16];
    char decimal[CV_DECIMAL_TEXT_BYTES];
} cv__pg_scratch;

enum { CV__PG_FEW_PARAMS = 4 };

/** Parameters as libpq takes them. Type 0 lets the server infer. They must not move: few of them lie in `few`. */
typedef struct cv__pg_params {
    int count;
    Oid *types;
    const char **values;
    int *lengths;
    int *formats;
    size_t bytes;
    struct {
        Oid types[CV__PG_FEW_PARAMS];
        const char *values[CV__PG_FEW_PARAMS];
        int lengths[CV__PG_FEW_PARAMS];
        int formats[CV__PG_FEW_PARAMS];
        cv__pg_scratch rooms[CV__PG_FEW_PARAMS];
    } few;
} cv__pg_params;

/** Encode values; memory from the context's arena. CV_E_LIMIT for too many, CV_E_INVALID for a text with a NUL byte.
 *  Does not suspend. */
CV_CHECKED int cv__pg_params_make(cv_ctx *cx, const cv_value *values, size_t count, cv__pg_params *ret_params);

/* --- decode.c --- */

/** A cell of a row in binary form; `len` is -1 for NULL. */
typedef struct cv__pg_cell {
    const char *data;
    int len;
} cv__pg_cell;

/** Decode a cell that is not NULL; views into the cell, or into the arena where the value has another form there:
 * cv__pg_needs_arena. CV_E_RANGE, CV_E_INVALID, CV_E_TYPE (malformed), CV_E_NOMEM, without a story. */
typedef int cv__pg_decode_fn(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The decoder of a type, or NULL when there is none. */
cv__pg_decode_fn *cv__pg_decoder(Oid type);

/** Whether the decoder of the type takes an arena; others may be given NULL. */
bool cv__pg_needs_arena(Oid type);

/* --- textual.c --- */

/** The decoder of a type that comes as the text that the server would write, or NULL. */
cv__pg_decode_fn *cv__pg_textual_decoder(Oid type);

/* --- packed.c: arrays and ranges --- */

/** Arrays, by the type of the elements that they name; one dimension, else CV_E_UNSUPPORTED. */
int cv__pg_decode_array(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The decoder of a range type, or NULL. */
cv__pg_decode_fn *cv__pg_range_decoder(Oid type);

/** The type of an array or range as a parameter. */
Oid cv__pg_packed_type(cv_value value);

/** The binary form of an array or range, appended. CV_E_LIMIT, CV_E_NOMEM; CV_E_INVALID for a text with a NUL byte;
 *  without a story. */
CV_CHECKED int cv__pg_encode_packed(cv_buf *out, cv_value value);

/* --- numeric.c --- */

/** The binary form of NUMERIC, exactly. CV_E_RANGE beyond 38 digits and for NaN and infinities. */
int cv__pg_decode_numeric(cv_arena *arena, cv__pg_cell cell, cv_value *ret_value);

/** The binary form; returns its length. */
#define CV__PG_NUMERIC_BYTES 48
size_t cv__pg_encode_numeric(cv_decimal value, char out[CV__PG_NUMERIC_BYTES]);

#endif
