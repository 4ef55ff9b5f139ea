/* What the drivers of servers share of transactions: the words, which standard SQL gives, and a lost COMMIT. */
#ifndef COVET_SRC_DB_SERVER_TX_SQL_H
#define COVET_SRC_DB_SERVER_TX_SQL_H

#include <covet/transaction.h>
#include <stdbool.h>

/** Room for the text of a savepoint statement, with its end. */
enum { CV__SAVEPOINT_SQL_BYTES = 64 };

/** The SQL name of an isolation level, as "REPEATABLE READ"; NULL for the server's default. A constant. */
const char *cv__isolation_sql(cv_isolation isolation);

/** Write `command` ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT") for the savepoint of a level, which
 *  counts from 1. */
void cv__savepoint_sql(const char *command, int level, char ret_sql[CV__SAVEPOINT_SQL_BYTES]);

/** The savepoints of a connection. They come to be on the server with the first statement behind them. */
typedef struct cv__savepoints {
    int levels; /* that were asked for; their numbers go from 1 up to this */
    int sent;   /* those that the server has */
} cv__savepoints;

/** Release the one of a level, or roll back to it, with all inside it: whether the server has it, and must be told. */
bool cv__savepoints_release(cv__savepoints *savepoints, int level);
bool cv__savepoints_rollback_to(cv__savepoints *savepoints, int level);

/** Once COMMIT, or what stands for it, is sent and its answer does not come, nobody knows what became of it. Returns
 *  CV_E_COMMIT_UNKNOWN. */
int cv__fail_commit_unknown(cv_ctx *cx);

#endif
