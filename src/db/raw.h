/* Raw SQL: a user's statement with `?` placeholders, made ready once and kept by its text. */
#ifndef COVET_SRC_DB_RAW_H
#define COVET_SRC_DB_RAW_H

#include "db/db.h"

typedef struct cv__raw {
    cv__cached_statement cached; /* its sql is the user's text */
    cv_str sql;                  /* the engine's */
    uint64_t hash;
    size_t param_count;
    cv__conn_role role;
    bool role_known;
    bool groupable; /* one INSERT, UPDATE or DELETE */
} cv__raw;

/** The statement made ready for the database, with its role; valid until cv__raw_put. CV_E_SYNTAX, CV_E_LIMIT,
 * CV_E_STATE for BEGIN and its like. Suspends when the engine has to be asked whether the statement writes.
 */
CV_CHECKED int cv__raw_get(cv_ctx *cx, cv_db *db, const char *sql, cv__raw **ret_raw);

/** The statement has run. */
void cv__raw_put(cv_db *db, cv__raw *raw);

#endif
