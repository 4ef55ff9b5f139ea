#include "db/server/tx_sql.h"

#include <covet/error.h>
#include <stdio.h>

const char *cv__isolation_sql(cv_isolation isolation)
{
    switch (isolation) {
    case CV_READ_COMMITTED:
        return "READ COMMITTED";
    case CV_REPEATABLE_READ:
        return "REPEATABLE READ";
    case CV_SERIALIZABLE:
        return "SERIALIZABLE";
    case CV_ISOLATION_DEFAULT:
        break;
    }
    return NULL;
}

void cv__savepoint_sql(const char *command, int level, char ret_sql[CV__SAVEPOINT_SQL_BYTES])
{
    snprintf(ret_sql, CV__SAVEPOINT_SQL_BYTES, "%s cv_%d", command, level);
}

/* Those inside it go on the server, too. */
static bool end_inside(cv__savepoints *savepoints, int level, int left)
{
    bool sent = level <= savepoints->sent;
    savepoints->levels = left;
    if (savepoints->sent > left)
        savepoints->sent = left;
    return sent;
}

bool cv__savepoints_release(cv__savepoints *savepoints, int level)
{
    return end_inside(savepoints, level, level - 1);
}

bool cv__savepoints_rollback_to(cv__savepoints *savepoints, int level)
{
    return end_inside(savepoints, level, level);
}

int cv__fail_commit_unknown(cv_ctx *cx)
{
    cv_fail(cx, CV_E_COMMIT_UNKNOWN, "could not learn whether the transaction was committed");
    cv_error_place(cx, "08007", NULL, NULL, NULL); /* transaction_resolution_unknown */
    cv_error_hint(cx, "the changes may or may not be stored: look before trying again");
    return CV_E_COMMIT_UNKNOWN;
}
