#include "db/mariadb/changes/failure.h"

#include "db/mariadb/wire.h"

#include <stdio.h>

int cv__binlog_fail(cv__binlog_failure *failure, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *failure = (cv__binlog_failure){.code = code};
    vsnprintf(failure->message, sizeof failure->message, format, args);
    va_end(args);
    return code;
}

int cv__binlog_hint(cv__binlog_failure *failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure->hint, sizeof failure->hint, format, args);
    va_end(args);
    return failure->code;
}

int cv__binlog_detail(cv__binlog_failure *failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure->detail, sizeof failure->detail, format, args);
    va_end(args);
    return failure->code;
}

int cv__binlog_fail_nomem(cv__binlog_failure *failure)
{
    return cv__binlog_fail(failure, CV_E_NOMEM, "could not read changes: out of memory");
}

bool cv__binlog_is_transient(unsigned number, int code)
{
    return cv__my_is_lost(number) || cv_error_is_transient(code) || code == CV_E_REFUSED || code == CV_E_TIMEOUT ||
           code == CV_E_UNREACHABLE || code == CV_E_RESOLVE || code == CV_E_NO_SERVER;
}

int cv__binlog_fail_server(cv__binlog_failure *failure, MYSQL *my, const char *what)
{
    unsigned number = mysql_errno(my);
    int code = cv__my_error_code(number);
    cv__binlog_fail(failure, code, "could not %s: %s", what, mysql_error(my));
    failure->is_transient = cv__binlog_is_transient(number, code);
    if (code == CV_E_PERMISSION)
        return cv__binlog_hint(failure, "GRANT REPLICATION SLAVE ON *.* TO the user, and SELECT on the tables");
    return code;
}
