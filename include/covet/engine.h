/* What the engines of databases can do: where they differ, and nowhere else, programs may ask. The table is that of
 * docs/engines.md. */
#ifndef COVET_ENGINE_H
#define COVET_ENGINE_H

#include <covet/db.h>

CV_BEGIN_DECLS

/** X(NAME, title, what it means where it is there and where not). */
#define CV_CAPABILITIES(X)                                                                                             \
    X(SESSIONS, "several sessions", "several connections see the same data; a database in memory has one")             \
    X(CONCURRENT_WRITERS, "concurrent writers",                                                                        \
      "transactions write at the same time; elsewhere each waits for the one before to end")                           \
    X(ISOLATION_LEVELS, "isolation levels",                                                                            \
      "read committed and repeatable read are levels of their own; elsewhere every transaction is serializable")       \
    X(TWO_PHASE, "prepared transactions", "a transaction can be prepared, and committed by another session")           \
    X(ARRAYS, "arrays and ranges",                                                                                     \
      "column types of their own, with operators; elsewhere JSON texts that come back as what they were, to models")   \
    X(STRICT_TYPES, "strict types", "a column refuses a value of another type, and a text longer than VARCHAR(n)")     \
    X(EXACT_NUMBERS, "exact numbers",                                                                                  \
      "decimals in raw SQL are bound, compared and summed with every digit; elsewhere models alone keep them")         \
    X(NOT_A_NUMBER, "NaN", "floats may be NaN; elsewhere it is refused with CV_E_RANGE")                               \
    X(INFINITE, "infinite floats", "floats may be infinite; elsewhere that is refused with CV_E_RANGE")                \
    X(NUL_IN_TEXT, "NUL in texts", "a text may have NUL bytes; elsewhere it is refused with CV_E_INVALID")             \
    X(UTF8_CHECKED, "UTF-8 checked",                                                                                   \
      "a text in raw SQL that is not UTF-8 is refused with CV_E_INVALID; elsewhere models alone refuse it")            \
    X(ERROR_ON_ZERO, "division by zero", "is an error, CV_E_INVALID; elsewhere it gives NULL")                         \
    X(CONSTRAINT_NAMES, "constraint names",                                                                            \
      "errors of unique and foreign keys tell the name of the constraint and its table; elsewhere unique keys tell "   \
      "their columns, foreign keys nothing")                                                                           \
    X(DEFERRED_KEYS, "deferred keys",                                                                                  \
      "foreign keys may be checked at the commit; elsewhere each statement has to keep them")                          \
    X(ON_CONFLICT, "ON CONFLICT",                                                                                      \
      "what INSERT does with a duplicate; elsewhere ON DUPLICATE KEY UPDATE, which counts a changed row twice")        \
    X(UPDATE_RETURNING, "UPDATE RETURNING", "an UPDATE returns what it wrote; INSERT and DELETE do everywhere")        \
    X(TRANSACTIONAL_DDL, "schema in transactions",                                                                     \
      "CREATE, ALTER and DROP are rolled back with the rest; elsewhere each commits what came before it")              \
    X(TIME_ZONES, "time zones", "sessions have a time zone, in which texts without one are read")                      \
    X(INSERT_IDS, "insert ids", "cv_result tells the key of an INSERT; elsewhere RETURNING does, which all have")      \
    X(NOTIFICATIONS, "notifications",                                                                                  \
      "sessions send each other messages (`cv_listen`, `cv_notify`); elsewhere CV_E_UNSUPPORTED")

typedef enum cv_capability {
#define CV__CAPABILITY(name, title, text) CV_CAN_##name,
    CV_CAPABILITIES(CV__CAPABILITY)
#undef CV__CAPABILITY
        CV_CAPABILITY_COUNT,
} cv_capability;

/** Whether this database can. Does not suspend. */
CV_API bool cv_db_can(const cv_db *db, cv_capability what);

CV_END_DECLS

#endif
