/* Why reading a binary log failed: a story, as the thread that reads it has no context to tell it to. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_FAILURE_H
#define COVET_SRC_DB_MARIADB_CHANGES_FAILURE_H

#include <covet/error.h>
#include <mysql.h>
#include <stdbool.h>

typedef struct cv__binlog_failure {
    int code;          /* 0: none yet */
    bool is_transient; /* it may work the next time */
    char message[512], detail[512], hint[256];
} cv__binlog_failure;

/** Set code and message; it is final, without detail and hint. Returns the code. */
CV_PRINTF(3, 4) int cv__binlog_fail(cv__binlog_failure *failure, int code, const char *format, ...);
/** Set the hint. Returns the code. */
CV_PRINTF(2, 3) int cv__binlog_hint(cv__binlog_failure *failure, const char *format, ...);
/** Set the detail. Returns the code. */
CV_PRINTF(2, 3) int cv__binlog_detail(cv__binlog_failure *failure, const char *format, ...);
int cv__binlog_fail_nomem(cv__binlog_failure *failure);

/** What the server, or Connector/C, says of a connection: "could not WHAT: ...". Returns the code. */
int cv__binlog_fail_server(cv__binlog_failure *failure, MYSQL *my, const char *what);

/** Whether an error, by its number in the protocol and the code of ours, may be gone the next time. */
bool cv__binlog_is_transient(unsigned number, int code);

#endif
