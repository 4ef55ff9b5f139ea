/* What PostgreSQL's logical decoding says: messages of its plugin "pgoutput", version 1 of their protocol, as events.
 *
 * Knows nothing of connections. Values come in the binary form, or as texts (cv__pgoutput_use_text): then scalars are
 * read as what they are, and everything else stays the text that the server wrote.
 *
 * Source: https://www.postgresql.org/docs/15/protocol-logicalrep-message-formats.html */
#ifndef COVET_SRC_DB_POSTGRES_CHANGES_PGOUTPUT_H
#define COVET_SRC_DB_POSTGRES_CHANGES_PGOUTPUT_H

#include "db/changes.h"
#include "db/postgres/values.h"

typedef struct cv__pgoutput cv__pgoutput;

/** NULL without memory. */
cv__pgoutput *cv__pgoutput_new(void);
/** NULL is allowed. */
void cv__pgoutput_free(cv__pgoutput *output);

/** From here on texts come, until the end. */
void cv__pgoutput_use_text(cv__pgoutput *output);
bool cv__pgoutput_uses_text(const cv__pgoutput *output);

/** A type of the database's own whose binary form is that of another: an enumeration is a text, a domain what it is
 *  made of. `base` 0: only its name is known. Forgotten all together. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__pgoutput_add_type(cv__pgoutput *output, Oid type, Oid base, const char *name);
void cv__pgoutput_forget_types(cv__pgoutput *output);

/** The connection is another: the transaction under way is told again, tables are described again. */
void cv__pgoutput_restart(cv__pgoutput *output);

/** What a message was, beside an error. */
enum { CV__PGOUTPUT_NOTHING = 0, CV__PGOUTPUT_EVENT = 1 };

/** Read a message: 1 when it is an event of a table that `changes` wants, or the end of a transaction that had some; 0
 *  otherwise. Views into the message, and into memory that lasts until the next call. CV_E_TYPE: a column has a type
 *  that is not known, CV_E_RANGE: a value that has no place in ours: both may be read as text. CV_E_CORRUPT,
 * CV_E_NOMEM. Does not suspend. */
CV_CHECKED int cv__pgoutput_read(cv_ctx *cx, cv__pgoutput *output, const cv_changes *changes, cv_str message,
                                 cv_change *ret_change);

/** The next event of the message before, which may have several (TRUNCATE of many tables): 1, or 0. */
CV_CHECKED int cv__pgoutput_more(cv__pgoutput *output, cv_change *ret_change);

/** Inside a transaction, between its first message and its last. */
bool cv__pgoutput_in_transaction(const cv__pgoutput *output);

/** Where the log goes on behind the last complete transaction; 0: none was read. */
uint64_t cv__pgoutput_end(const cv__pgoutput *output);

/* --- pgoutput_types.c --- */

/** How a column is read. */
typedef struct cv__pgoutput_reader {
    Oid type, base; /* as the server has it; as it is read */
    int32_t modifier;
    cv__pg_decode_fn *decode; /* binary; NULL: not known */
} cv__pgoutput_reader;

/** The type of ours for one of the server's; CV_TYPE_TEXT for those without one. */
cv_type cv__pgoutput_type(Oid type, bool text);

/** What the server calls a type of its own, with its length or digits; in the arena, or NULL. */
const char *cv__pgoutput_type_name(cv_arena *arena, Oid type, int32_t modifier);

/** A value from the server's text. One that is none of ours stays text. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__pgoutput_from_text(cv_arena *arena, Oid type, cv_str text, cv_value *ret_value);

#endif
