/* COPY: what its files share. A connection that copies carries nothing else: `conn->copy` is set from the first byte to
 * the end of the answer. */
#ifndef COVET_SRC_DB_POSTGRES_COPY_COPY_H
#define COVET_SRC_DB_POSTGRES_COPY_COPY_H

#include "db/copy/copy.h"
#include "db/postgres/postgres.h"

/** The head of a copy under way, in or out; the connection's. */
struct cv__pg_copy {
    cv__pg_conn *conn;
    /** Read what the server still sends, whatever it is, until the wire is idle. Suspends. */
    int (*drain)(cv_ctx *cx, cv__pg_copy *copy);
    /** Free it; the connection is not touched. */
    void (*free)(cv__pg_copy *copy);
};

/** The first bytes of the binary format (without the lengths behind them). */
#define CV__PG_COPY_SIGNATURE "PGCOPY\n\377\r\n"
enum { CV__PG_COPY_SIGNATURE_BYTES = 11, CV__PG_COPY_HEADER_BYTES = 19 };

/* --- types.c --- */

/** How values of a column are written in binary. */
typedef enum cv__pg_form {
    CV__PG_AS_TEXT, /* not at all: the server reads a text */
    CV__PG_AS_BOOL,
    CV__PG_AS_INT2,
    CV__PG_AS_INT4,
    CV__PG_AS_INT8,
    CV__PG_AS_OID,
    CV__PG_AS_FLOAT4,
    CV__PG_AS_FLOAT8,
    CV__PG_AS_NUMERIC,
    CV__PG_AS_CHARS, /* text and what is sent like it */
    CV__PG_AS_JSONB,
    CV__PG_AS_BYTES,
    CV__PG_AS_TIME,
    CV__PG_AS_DATE,
    CV__PG_AS_UUID,
    CV__PG_AS_PACKED, /* arrays and ranges */
} cv__pg_form;

cv__pg_form cv__pg_form_of(Oid type);

/** What a column of a type is to models and migrations; texts for what has no C type. `modifier` is the -1 or the
 *  encoded number in parentheses of VARCHAR(n) and NUMERIC(p, s). */
cv__column_type cv__pg_column_type(Oid type, int modifier);

/* --- sequences.c --- */

/** Rows were copied: let the sequences that make keys of their columns go on behind `greatest`, the greatest integer of
 *  each column (0: none), where they are not there yet. Suspends. CV_E_PERMISSION. */
CV_CHECKED int cv__pg_copy_pass_sequences(cv_ctx *cx, cv__pg_conn *conn, const cv__copy_target *target,
                                          const int64_t *greatest);

/* --- text.c --- */

/** A value as a field of the text format (without delimiters), appended. CV_E_INVALID for a NUL byte, CV_E_LIMIT,
 *  CV_E_NOMEM, without a story. `arena` is for what has to be converted. */
CV_CHECKED int cv__pg_add_copy_text(cv_buf *out, cv_arena *arena, const cv_value *value);

#endif
