/* Errors: one list of codes, and the story of the last error in the context.
 *
 * Every fallible function returns an `int`: 0 on success, a negative code of this list otherwise. The story (message,
 * detail, hint, SQLSTATE, table, column, constraint, cause chain, file and line) lies in the context. It is owned by
 * the context and valid until the error is cleared, replaced, or the context is freed.
 *
 * No function of this header suspends. */
#ifndef COVET_ERROR_H
#define COVET_ERROR_H

#include <covet/api.h>
#include <stdbool.h>
#include <stddef.h>

CV_BEGIN_DECLS

typedef struct cv_ctx cv_ctx;

/* X(name, number, text, documentation). Numbers are stable: new codes take the next free number of their group. */
#define CV_ERRORS(X)                                                                                                   \
    /* general */                                                                                                      \
    X(CV_E_NOMEM, -1, "out of memory", "an allocation failed")                                                         \
    X(CV_E_LIMIT, -2, "limit exceeded", "a configured bound on size, depth or number was reached")                     \
    X(CV_E_INVALID, -3, "invalid argument", "a value cannot be accepted in this place")                                \
    X(CV_E_RANGE, -4, "out of range", "a value does not fit the type or the allowed range")                            \
    X(CV_E_SYNTAX, -5, "syntax error", "a text could not be parsed; the message names the position")                   \
    X(CV_E_TYPE, -6, "wrong type", "a value has another type than the place asks for")                                 \
    X(CV_E_NOT_FOUND, -7, "not found", "what was asked for does not exist")                                            \
    X(CV_E_EXISTS, -8, "already exists", "what was to be made exists already")                                         \
    X(CV_E_STATE, -9, "wrong state", "the call is not allowed in the present state of the object")                     \
    X(CV_E_CONTEXT, -10, "wrong context", "a waiting call was made from a loop callback or from a foreign thread")     \
    X(CV_E_UNSUPPORTED, -11, "not supported", "this engine, platform or build cannot do what was asked")               \
    X(CV_E_CONFIG, -12, "invalid configuration", "a setting is unknown, missing or malformed")                         \
    X(CV_E_INTERNAL, -13, "internal error", "a defect in the program; please report it")                               \
    /* waiting */                                                                                                      \
    X(CV_E_TIMEOUT, -20, "deadline exceeded", "the deadline passed before the operation ended")                        \
    X(CV_E_CANCELLED, -21, "cancelled", "the fiber was cancelled")                                                     \
    X(CV_E_CLOSED, -22, "closed", "the channel, stream or server was closed")                                          \
    X(CV_E_BUSY, -23, "busy", "a bounded queue or lane is full")                                                       \
    X(CV_E_DEADLOCK_SELF, -24, "would wait for itself", "the waiting fiber holds what it waits for")                   \
    /* system and network */                                                                                           \
    X(CV_E_SYSTEM, -30, "system call failed", "the operating system refused; the message has its reason")              \
    X(CV_E_IO, -31, "input/output error", "reading or writing failed")                                                 \
    X(CV_E_PERMISSION, -32, "permission denied", "the operating system forbids the access")                            \
    X(CV_E_DISK_FULL, -33, "disk full", "there is no space left for the data")                                         \
    X(CV_E_ADDRESS_IN_USE, -34, "address in use", "another process listens on this address")                           \
    X(CV_E_REFUSED, -35, "connection refused", "nothing listens at the address")                                       \
    X(CV_E_UNREACHABLE, -36, "unreachable", "there is no route to the address")                                        \
    X(CV_E_RESOLVE, -37, "name not resolved", "the host name could not be resolved")                                   \
    X(CV_E_CONNECTION_LOST, -38, "connection lost", "the peer closed or reset the connection")                         \
    X(CV_E_END, -39, "end of data", "a stream ended where more was expected")                                          \
    X(CV_E_TLS, -40, "no secure connection", "TLS is wanted and not offered, or a certificate is not accepted")        \
    /* database */                                                                                                     \
    X(CV_E_DB, -50, "database error", "an error of the engine without a code of its own")                              \
    X(CV_E_SQL, -51, "invalid statement", "the engine rejected the statement")                                         \
    X(CV_E_NOT_A_DATABASE, -52, "not a database", "the file is not a database of this engine")                         \
    X(CV_E_CORRUPT, -53, "database corrupt", "the engine found damaged data")                                          \
    X(CV_E_LOCKED, -54, "database locked", "another process or transaction holds the lock")                            \
    X(CV_E_READ_ONLY, -55, "read-only", "the database or transaction does not accept writes")                          \
    X(CV_E_AUTH, -56, "authentication failed", "the server did not accept user or password")                           \
    X(CV_E_TOO_MANY_CONNECTIONS, -57, "too many connections", "the server accepts no further connection")              \
    X(CV_E_POOL_TIMEOUT, -58, "no connection became free", "the wait for a pooled connection timed out")               \
    X(CV_E_SERIALIZATION, -59, "serialization failure", "a concurrent transaction interfered; try again")              \
    X(CV_E_DEADLOCK, -60, "deadlock detected", "the server chose this transaction as a victim; try again")             \
    X(CV_E_UNIQUE, -61, "unique violation", "a row with this key exists already")                                      \
    X(CV_E_FOREIGN_KEY, -62, "foreign key violation",                                                                  \
      "the referenced row is missing, or rows still refer to this one")                                                \
    X(CV_E_NOT_NULL, -63, "not-null violation", "a column that needs a value got none")                                \
    X(CV_E_CHECK, -64, "check violation", "a check constraint does not hold")                                          \
    X(CV_E_MULTIPLE, -65, "more than one row", "one row was asked for and several match")                              \
    X(CV_E_TX_ABORTED, -66, "transaction aborted", "an error inside left the transaction unusable; roll back")         \
    X(CV_E_IN_TRANSACTION, -67, "inside a transaction", "the call is not allowed inside an open transaction")          \
    X(CV_E_NO_TRANSACTION, -68, "no transaction", "the call needs an open transaction")                                \
    X(CV_E_NO_DATABASE, -69, "no database", "the context has no database")                                             \
    X(CV_E_NO_SERVER, -70, "no server ready", "no host of the database is up, and what target_session_attrs asks for") \
    X(CV_E_COMMIT_UNKNOWN, -71, "outcome of the commit unknown",                                                       \
      "the connection was lost after COMMIT was sent: the changes may or may not be stored")                           \
    X(CV_E_RETRY_BUDGET, -72, "retry budget used up", "too many calls fail already: trying again would only add load") \
    X(CV_E_OVERLOADED, -74, "overloaded", "the line for a resource is too long; newcomers are turned away")            \
    X(CV_E_CIRCUIT_OPEN, -75, "circuit open", "it failed so often lately that it is not tried for a while")            \
    X(CV_E_LOAN_REVOKED, -76, "connection taken back", "it was held for longer than the pool allows")                  \
    X(CV_E_GAP, -77, "gap in the stream", "what came after the position is not kept any more: something was missed")   \
    /* models and migrations */                                                                                        \
    X(CV_E_MODEL, -80, "invalid model", "a model declaration is not consistent")                                       \
    X(CV_E_FIELD, -81, "no such field", "a path does not name a field of the model")                                   \
    X(CV_E_NOT_LOADED, -82, "relation not loaded", "the relation was not part of the query")                           \
    X(CV_E_VALIDATION, -83, "validation failed", "one or more fields have unacceptable values")                        \
    X(CV_E_MIGRATION, -84, "invalid migration", "a migration file or the migration graph is not valid")                \
    X(CV_E_CHECKSUM, -85, "checksum mismatch", "an applied migration was changed afterwards")                          \
    /* HTTP */                                                                                                         \
    X(CV_E_BAD_REQUEST, -100, "bad request", "the peer's message violates the protocol")                               \
    X(CV_E_TOO_LARGE, -101, "content too large", "the body is larger than the limit")                                  \
    X(CV_E_METHOD, -102, "method not allowed", "the resource exists but not for this method")                          \
    X(CV_E_MEDIA_TYPE, -103, "unsupported media type", "the body's content type is not accepted here")                 \
    X(CV_E_ROUTE, -104, "route conflict", "two routes match the same request")                                         \
    X(CV_E_UNAUTHORIZED, -105, "unauthorized", "the request lacks valid credentials")                                  \
    X(CV_E_FORBIDDEN, -106, "forbidden", "the acting user may not do this")

enum cv_error_code {
    CV_OK = 0,
#define X(name, number, text, doc) name = number,
    CV_ERRORS(X)
#undef X
};

/** One unacceptable field of an input: "author.name", "must be at most 100 characters long". */
typedef struct cv_error_field {
    const char *field;
    const char *message;
} cv_error_field;

/** The story of an error. All strings are NUL-terminated and owned by the context; unknown parts are NULL.
 *  `cause` is the error that led to this one, or NULL. */
typedef struct cv_error {
    int code;
    const char *message;  /* one line, lower case, says what and why */
    const char *detail;   /* more facts, e.g. the server's own words */
    const char *hint;     /* what to do about it */
    const char *sqlstate; /* five characters, ISO/IEC 9075 */
    const char *table;
    const char *column;
    const char *constraint;
    const char *file; /* source position of the code that reported it */
    int line;
    const struct cv_error *cause;
    const cv_error_field *fields; /* every bad field of a CV_E_VALIDATION, in the order found; at most 100 are kept */
    size_t field_count;
} cv_error;

/** The name of a code ("CV_E_TIMEOUT"), "CV_OK" for 0, "CV_E_?" for an unknown one. Static storage. */
CV_API const char *cv_error_name(int code);

/** The short text of a code ("deadline exceeded"). Static storage. */
CV_API const char *cv_error_text(int code);

/** The error of the context, or NULL when there is none. Valid until cleared or replaced. */
CV_API const cv_error *cv_error_last(const cv_ctx *cx);

/** Forget the error: call it when an error was handled. */
CV_API void cv_error_clear(cv_ctx *cx);

/* Tells the compiler that the code of a failure is negative, so that results set only on success are not suspected. */
static inline int cv__negative(int code)
{
    return code < 0 ? code : CV_E_INTERNAL;
}

/** Report an error and return its code: `return cv_fail(cx, CV_E_RANGE, "month %d is not between 1 and 12", m);`
 *  An error still pending in the context becomes the cause of the new one, so nothing is lost; the chain is cut at 16.
 *  Messages: lower case, no final period, names quoted, "could not" for what may work next time, "cannot" for what
 * never will. Values are copied; a text of 4 KiB or more is cut and ends with "...". When the memory for
 * stories is exhausted (64 KiB a context), the causes are given up first; without any memory, the code alone is kept.
 */
#define cv_fail(cx, code, ...) cv__negative(cv_error_set((cx), (code), __FILE__, __LINE__, __VA_ARGS__))
CV_API int cv_error_set(cv_ctx *cx, int code, const char *file, int line, const char *format, ...) CV_PRINTF(5, 6);

/** Add to the last error; no effect when there is none. The text is copied. */
CV_API void cv_error_detail(cv_ctx *cx, const char *format, ...) CV_PRINTF(2, 3);
CV_API void cv_error_hint(cv_ctx *cx, const char *format, ...) CV_PRINTF(2, 3);

/** Add a bad field to the last error (a CV_E_VALIDATION); no effect when there is none. Copied. cv_error_copy copies
 * them. */
CV_API void cv_error_add_field(cv_ctx *cx, const char *field, const char *format, ...) CV_PRINTF(3, 4);

/** Name the place in the database that the last error concerns; NULL leaves a part as it is. Copied. */
CV_API void cv_error_place(cv_ctx *cx, const char *sqlstate, const char *table, const char *column,
                           const char *constraint);

/** Clean-up that may itself fail must not replace the first error:
 *  `cv_error *first = cv_error_take(cx); ...clean up...; cv_error_put_back(cx, first);`
 *  take: detaches the pending error (NULL when none); it stays valid, whatever is reported or cleared in between.
 *  put_back: makes it the last error again and drops whatever was reported in between; with NULL, errors reported in
 *  between are kept. Pairs nest: the error taken last is put back first. To drop an error, use cv_error_clear. */
CV_API cv_error *cv_error_take(cv_ctx *cx);
CV_API void cv_error_put_back(cv_ctx *cx, cv_error *first);

/** Copy the error of `from`, with its chain, into `to` and return its code; 0 when `from` has none. As with cv_fail, an
 *  error pending in `to` stays, as the last cause of the chain. Used where a fiber's result crosses to the one that
 * joins it. */
CV_API int cv_error_copy(cv_ctx *to, const cv_ctx *from);

/** Whether the code is worth trying again without a change: serialization failure, deadlock, lock, lost connection...
 */
CV_API bool cv_error_is_transient(int code);

/** Return the code of a failed call upwards: `CV_TRY(cv_save(cx, book, &b));` */
#define CV_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        int cv__rc = (expr);                                                                                           \
        if (cv__rc < 0)                                                                                                \
            return cv__rc;                                                                                             \
    } while (0)

CV_END_DECLS

#endif
