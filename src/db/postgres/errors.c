/* From SQLSTATE (ISO/IEC 9075, PostgreSQL appendix A) to codes of ours. */
#include "db/postgres/wire.h"
#include <ctype.h>

/* A prefix of an SQLSTATE and its code; more specific ones come first. */
static const struct {
    char prefix[6];
    int code;
} codes[] = {
    {"08P01", CV_E_SQL}, /* wrong number of parameters, as an example: the connection goes on */
    {"08", CV_E_CONNECTION_LOST},
    {"0A", CV_E_UNSUPPORTED},
    {"22001", CV_E_RANGE},
    {"22003", CV_E_RANGE},
    {"22008", CV_E_RANGE},
    {"22", CV_E_INVALID},
    {"23502", CV_E_NOT_NULL},
    {"23503", CV_E_FOREIGN_KEY},
    {"23001", CV_E_FOREIGN_KEY},
    {"23505", CV_E_UNIQUE},
    {"23P01", CV_E_UNIQUE},
    {"23514", CV_E_CHECK},
    {"25001", CV_E_IN_TRANSACTION},
    {"25006", CV_E_READ_ONLY},
    {"25P01", CV_E_NO_TRANSACTION},
    {"25P02", CV_E_TX_ABORTED},
    {"25P03", CV_E_CONNECTION_LOST},
    {"25", CV_E_STATE},
    {"28", CV_E_AUTH},
    {"3D000", CV_E_NOT_FOUND},
    {"3B001", CV_E_STATE},
    {"40001", CV_E_SERIALIZATION},
    {"40P01", CV_E_DEADLOCK},
    {"42501", CV_E_PERMISSION},
    {"42", CV_E_SQL},
    {"26", CV_E_SQL},
    {"34", CV_E_SQL},
    {"3F", CV_E_SQL},
    {"44", CV_E_CHECK},
    {"53100", CV_E_DISK_FULL},
    {"53200", CV_E_NOMEM},
    {"53300", CV_E_TOO_MANY_CONNECTIONS},
    {"53", CV_E_LIMIT},
    {"54", CV_E_LIMIT},
    {"55P03", CV_E_LOCKED},
    {"55", CV_E_STATE},
    {"57014", CV_E_TIMEOUT},
    {"57P03", CV_E_NO_SERVER}, /* starting up, shutting down, in recovery */
    {"57P", CV_E_CONNECTION_LOST},
    {"58030", CV_E_IO},
    {"58", CV_E_SYSTEM},
    {"XX001", CV_E_CORRUPT},
    {"XX002", CV_E_CORRUPT},
};

int cv__pg_error_code(const char *sqlstate)
{
    for (size_t i = 0; sqlstate && i < sizeof codes / sizeof codes[0]; i++)
        if (strncmp(sqlstate, codes[i].prefix, strlen(codes[i].prefix)) == 0)
            return codes[i].code;
    return CV_E_DB;
}

/* A column of a violated key, which the server names in the detail only: "Key (isbn)=(1) already exists.", in every
 * language with these brackets. Nothing for keys of several columns and of expressions. */
static const char *column_of_key(cv_ctx *cx, const char *detail)
{
    const char *open = detail ? strchr(detail, '(') : NULL;
    const char *close = open ? strstr(open, ")=(") : NULL;
    if (!close)
        return NULL;
    for (const char *at = open + 1; at < close; at++)
        if (!isalnum((unsigned char)*at) && *at != '_')
            return NULL;
    return cv_strndup(cx, open + 1, (size_t)(close - open - 1));
}

static void add_story(cv_ctx *cx, const PGresult *result)
{
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *column = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
    if (detail)
        cv_error_detail(cx, "%s", detail);
    else if (position)
        cv_error_detail(cx, "at character %s of the statement", position);
    if (hint)
        cv_error_hint(cx, "%s", hint);
    if (!column && sqlstate && strcmp(sqlstate, "23505") == 0)
        column = column_of_key(cx, detail);
    cv_error_place(cx, sqlstate, PQresultErrorField(result, PG_DIAG_TABLE_NAME), column,
                   PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
}

/* The plan of a prepared statement no longer fits the table: somebody has changed it. The text may be translated. */
static bool is_changed_plan(const char *sqlstate, const PGresult *result)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return strcmp(sqlstate, "0A000") == 0 && function && strcmp(function, "RevalidateCachedQuery") == 0;
}

/* The index that ON CONFLICT was planned with has gone, or come in another shape: planned anew, another may do. */
static bool has_lost_index(const char *sqlstate)
{
    return strcmp(sqlstate, "42P10") == 0;
}

/* The types that the server gave to texts and NULLs when it prepared the statement are not those of the columns any
 * more: "column is of type integer but expression is of type text", "operator does not exist". */
static bool may_have_outdated_types(const char *sqlstate)
{
    return strcmp(sqlstate, "42804") == 0 || strcmp(sqlstate, "42883") == 0;
}

bool cv__pg_is_outdated(const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return sqlstate && (strcmp(sqlstate, "26000") == 0 || is_changed_plan(sqlstate, result) ||
                        may_have_outdated_types(sqlstate) || has_lost_index(sqlstate));
}

int cv__pg_fail_with(cv_ctx *cx, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    int code = sqlstate && is_changed_plan(sqlstate, result) ? CV_E_SERIALIZATION : cv__pg_error_code(sqlstate);
    int rc = cv_fail(cx, code, "%s", primary ? primary : "PostgreSQL gave no reason");
    add_story(cx, result);
    return rc;
}

int cv__pg_fail_result(cv_ctx *cx, cv__pg_conn *conn, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (PQstatus(conn->pg) != CONNECTION_OK)
        conn->base.broken = true;
    if (!sqlstate || !primary)
        return cv__pg_lost(cx, conn);
    int rc = cv__pg_fail_with(cx, result);
    if (rc == CV_E_CONNECTION_LOST)
        conn->base.broken = true;
    return rc;
}
