/* Attempts to connect that failed: which of our codes, and what to do about it. */
#include "db/mariadb/connect.h"
#include "db/mariadb/wire.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <unistd.h>

static void advise_on_password(cv_ctx *cx, const cv__my_shared *shared)
{
    cv_error_hint(cx, shared->password
                          ? "look at user and password of the database URL, and from which host the account may come; "
                            "marks such as @ : / %% are written %%40 %%3A %%2F %%25 there"
                          : "the database URL has no password");
}

static bool is_unreadable(const char *path)
{
    return path && access(path, R_OK) != 0;
}

static void advise_on_tls(cv_ctx *cx, const cv__my_shared *shared, const char *message)
{
    if (is_unreadable(shared->ssl_ca) || is_unreadable(shared->ssl_cert) || is_unreadable(shared->ssl_key) ||
        strstr(message, "No such file") || strstr(message, "not found") || strstr(message, "key values mismatch") ||
        strstr(message, "PEM"))
        cv_error_hint(cx,
                      "look at ssl_ca, ssl_cert and ssl_key of the database URL: the files must be there, readable, "
                      "and the key must fit the certificate");
    else if (strstr(message, "Validation of SSL server certificate"))
        cv_error_hint(cx, "connect by a name that is in the server's certificate; ssl_mode=verify_ca would not look at "
                          "the name");
    else
        cv_error_hint(cx, "the server needs a certificate that is valid now and signed by an authority in %s",
                      shared->ssl_ca ? shared->ssl_ca : "ssl_ca (not set)");
}

static void advise(cv_ctx *cx, const cv__my_shared *shared, unsigned number, int code, const char *message)
{
    if (code == CV_E_TLS)
        advise_on_tls(cx, shared, message);
    else if (number == ER_ACCESS_DENIED_ERROR || number == ER_ACCESS_DENIED_NO_PASSWORD_ERROR)
        advise_on_password(cx, shared);
    else if (number == ER_BAD_DB_ERROR)
        cv_error_hint(cx, "create it with CREATE DATABASE, or look at the name behind the last slash of the database "
                          "URL");
    else if (number == ER_ACCOUNT_HAS_BEEN_LOCKED)
        cv_error_hint(cx, "ALTER USER ... ACCOUNT UNLOCK, or take another account");
    else if (number == ER_DBACCESS_DENIED_ERROR)
        cv_error_hint(cx, "GRANT the account what it needs in this database");
    else if (code == CV_E_TOO_MANY_CONNECTIONS)
        cv_error_hint(cx, "the pools of all programs together must stay below the server's max_connections, and those "
                          "of an account below its own limit");
    else if (number == ER_HOST_IS_BLOCKED)
        cv_error_hint(cx, "too many attempts failed: FLUSH HOSTS on the server, or raise its max_connect_errors");
    else if (code == CV_E_REFUSED)
        cv_error_hint(cx, "is the server running, and does it listen there (bind_address, port, socket)?");
}

/* "Can't connect to server on '127.0.0.1' (111)": the number of the system. */
static int code_of_system(const char *message, int code)
{
    const char *open = strrchr(message, '(');
    switch (open ? strtol(open + 1, NULL, 10) : 0) {
    case EHOSTUNREACH:
    case ENETUNREACH:
        return CV_E_UNREACHABLE;
    case ETIMEDOUT:
        return CV_E_TIMEOUT;
    case EACCES:
        return CV_E_PERMISSION;
    case ECONNRESET:
    case EPIPE:
        return CV_E_CONNECTION_LOST;
    default:
        return code;
    }
}

/* The library's own begin at 2000 and at 5000. */
static bool is_of_server(unsigned number)
{
    return number >= 1000 && number < 5000 && (number < CR_MIN_ERROR || number >= 3000);
}

/* Another host has the same users and databases; but it may be up, and have room. */
static bool holds_everywhere(int code)
{
    return code == CV_E_AUTH || code == CV_E_NOT_FOUND;
}

int cv__my_connect_code(MYSQL *my)
{
    unsigned number = mysql_errno(my);
    const char *message = mysql_error(my);
    int code = cv__my_error_code(number);
    if (number == ER_ACCESS_DENIED_NO_PASSWORD_ERROR)
        return CV_E_AUTH;
    if (number == CR_SERVER_LOST && strstr(message, "TLS"))
        return CV_E_TLS;
    return code == CV_E_REFUSED ? code_of_system(message, code) : code;
}

int cv__my_fail_connect(cv_ctx *cx, const cv__my_conn *conn, bool *ret_final)
{
    unsigned number = mysql_errno(conn->my);
    const char *message = mysql_error(conn->my);
    int code = cv__my_connect_code(conn->my);
    int rc = cv_fail(cx, code, "could not connect to MariaDB at \"%s\": %s", cv__my_place(conn),
                     *message ? message : "no reason was given");
    if (is_of_server(number))
        cv_error_place(cx, cv__my_state(code, mysql_sqlstate(conn->my)), NULL, NULL, NULL);
    advise(cx, conn->shared, number, code, message);
    *ret_final = holds_everywhere(code);
    return rc;
}
