/* Attempts to connect that failed: which of our codes, and what to do about it.
 *
 * libpq gives a text. In the verbose form that was asked for, the refusal of a server has its SQLSTATE in it; failures
 * of the system and of TLS are told by the moment and by the parts of the text that are not translated. */
#include "db/postgres/connect.h"
#include "db/postgres/wire.h"
#include <ctype.h>
#include <errno.h>

/* A refusal reads "... FATAL:  28P01: password authentication failed ...": the severity may be translated, what follows
 * is not. `*ret_text` is the text behind the SQLSTATE, up to the end of the line. */
static bool find_sqlstate(const char *message, char ret_sqlstate[6], cv_str *ret_text)
{
    for (const char *at = message; (at = strstr(at, ":  ")); at++) {
        const char *state = at + 3;
        size_t len = 0;
        while (len < 5 && (isdigit((unsigned char)state[len]) || isupper((unsigned char)state[len])))
            len++;
        if (len == 5 && state[5] == ':' && state[6] == ' ') {
            memcpy(ret_sqlstate, state, 5);
            ret_sqlstate[5] = '\0';
            *ret_text = cv_str_make(state + 7, strcspn(state + 7, "\n"));
            return true;
        }
    }
    return false;
}

static bool is_set_to(const cv__pg_shared *shared, const char *keyword, const char *value)
{
    const char *set = cv__pg_keyword(shared, keyword);
    return set && strcmp(set, value) == 0;
}

/* --- refusals of the server --- */

/* "28000": pg_hba.conf has no rule for who comes, from where, and how. */
static void advise_on_rules(cv_ctx *cx, const cv__pg_shared *shared)
{
    bool plain = is_set_to(shared, "sslmode", "disable") || is_set_to(shared, "sslmode", "allow");
    bool certificate = cv__pg_keyword(shared, "sslcert") != NULL;
    cv_error_hint(cx, "pg_hba.conf of the server decides who may come from where%s%s",
                  plain ? "; if it accepts TLS alone, set sslmode=verify-full and sslrootcert" : "",
                  certificate ? "" : "; if it wants a certificate of the client, set sslcert and sslkey");
}

static void advise_on_password(cv_ctx *cx, const cv__pg_shared *shared)
{
    cv_error_hint(cx,
                  cv__pg_keyword(shared, "password")
                      ? "look at user and password of the database URL; marks such as @ : / %% are written %%40 %%3A "
                        "%%2F %%25 there"
                      : "the server wants a password, and the database URL has none");
}

static void advise(cv_ctx *cx, const cv__pg_shared *shared, const char *sqlstate)
{
    if (strcmp(sqlstate, "28P01") == 0)
        advise_on_password(cx, shared);
    else if (strcmp(sqlstate, "28000") == 0)
        advise_on_rules(cx, shared);
    else if (strcmp(sqlstate, "3D000") == 0)
        cv_error_hint(cx, "create it with CREATE DATABASE, or look at the name behind the last slash of the database "
                          "URL");
    else if (strcmp(sqlstate, "53300") == 0)
        cv_error_hint(cx, "the pools of all programs together must stay below the server's max_connections: lower "
                          "theirs, raise the server's, or put a pooler in between");
    else if (strcmp(sqlstate, "08P01") == 0)
        cv_error_hint(cx, "a pooler that takes no settings at the start: pooler=auto does without them, "
                          "ignore_startup_parameters=options of PgBouncer takes and drops them");
    else if (strcmp(sqlstate, "57P03") == 0)
        cv_error_hint(cx, "it is starting, stopping or recovering: try again soon");
}

/* Another host has the same users and databases; but it may be up, and have room. */
static bool holds_everywhere(const char *sqlstate)
{
    return strcmp(sqlstate, "57P03") != 0 && strncmp(sqlstate, "53", 2) != 0;
}

static int fail_with_state(cv_ctx *cx, const cv__pg_conn *conn, const char *sqlstate, cv_str text)
{
    int rc = cv_fail(cx, cv__pg_error_code(sqlstate), "could not connect to PostgreSQL at \"%s\": %.*s",
                     cv__pg_place(conn), CV_STR_ARG(text));
    cv_error_place(cx, sqlstate, NULL, NULL, NULL);
    advise(cx, conn->shared, sqlstate);
    return rc;
}

/* --- TLS --- */

static void advise_on_tls(cv_ctx *cx, const cv__pg_shared *shared, const char *message, const char *reason)
{
    if (reason || strstr(message, "certificate verify failed"))
        cv_error_hint(cx, "the server needs a certificate that is valid now and signed by an authority in %s",
                      cv__pg_keyword(shared, "sslrootcert") ? cv__pg_keyword(shared, "sslrootcert")
                                                            : "sslrootcert (not set)");
    else if (strstr(message, "does not match host name"))
        cv_error_hint(cx,
                      "connect by a name that is in the server's certificate; sslmode=verify-ca would not look at the "
                      "name");
    else if (strstr(message, "does not support SSL"))
        cv_error_hint(cx,
                      "set ssl=on in the server's postgresql.conf, or sslmode=disable where nobody else can listen");
    else if (strstr(message, "alert"))
        cv_error_hint(cx, "the server gave up: it wants another certificate of the client (sslcert, sslkey), or other "
                          "versions of TLS");
    else if (strstr(message, "private key"))
        cv_error_hint(cx,
                      "sslkey must fit sslcert, be readable by its owner alone (chmod 600), and have its sslpassword "
                      "when it is encrypted");
    else
        cv_error_hint(cx, "look at sslmode, sslrootcert, sslcert and sslkey of the database URL");
}

static int fail_tls(cv_ctx *cx, const cv__pg_conn *conn, cv_str line, const char *message, const char *reason)
{
    int rc = cv_fail(cx, CV_E_TLS, "could not connect to PostgreSQL at \"%s\": %.*s%s%s", cv__pg_place(conn),
                     CV_STR_ARG(line), reason ? ": " : "", reason ? reason : "");
    advise_on_tls(cx, conn->shared, message, reason);
    return rc;
}

/* --- failures of the system --- */

/* libpq tells system errors by their text alone. */
static int code_of_system_text(const char *message)
{
    static const struct {
        int number, code;
    } known[] = {
        {ECONNREFUSED, CV_E_REFUSED},       {ENOENT, CV_E_REFUSED},        {EHOSTUNREACH, CV_E_UNREACHABLE},
        {ENETUNREACH, CV_E_UNREACHABLE},    {ETIMEDOUT, CV_E_TIMEOUT},     {EACCES, CV_E_PERMISSION},
        {ECONNRESET, CV_E_CONNECTION_LOST}, {EPIPE, CV_E_CONNECTION_LOST},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(message, strerrordesc_np(known[i].number)))
            return known[i].code;
    bool ended = strstr(message, "EOF detected") || strstr(message, "server closed the connection");
    return ended ? CV_E_CONNECTION_LOST : CV_E_DB;
}

static bool is_tls_failure(const char *message, cv__pg_handshake handshake, int system_code)
{
    if (strstr(message, "SSL SYSCALL error"))
        return false;
    return handshake.reason || strstr(message, "SSL error") || strstr(message, "certificate") ||
           strstr(message, "private key") || (handshake.failed && system_code == CV_E_DB);
}

static int fail_without_state(cv_ctx *cx, const cv__pg_conn *conn, cv__pg_handshake handshake)
{
    const char *message = PQerrorMessage(conn->pg);
    const char *start = strstr(message, "failed: "); /* "connection to server at ... failed: reason" */
    start = start ? start + strlen("failed: ") : message;
    cv_str line = cv_str_make(start, strcspn(start, "\n"));
    int code = code_of_system_text(message);
    if (is_tls_failure(message, handshake, code))
        return fail_tls(cx, conn, line, message, handshake.reason);
    bool no_password = PQconnectionNeedsPassword(conn->pg);
    int rc = cv_fail(cx, no_password ? CV_E_AUTH : code, "could not connect to PostgreSQL at \"%s\": %.*s",
                     cv__pg_place(conn), CV_STR_ARG(line));
    if (no_password)
        advise_on_password(cx, conn->shared);
    else if (code == CV_E_REFUSED)
        cv_error_hint(cx, "is the server running, and does it listen there (listen_addresses, port)?");
    return rc;
}

/* PgBouncer before 1.20 says so, in English alone. */
bool cv__pg_is_refused_setting(const PGconn *pg)
{
    return strstr(PQerrorMessage(pg), "unsupported startup parameter") != NULL;
}

int cv__pg_fail_connect(cv_ctx *cx, const cv__pg_conn *conn, cv__pg_handshake handshake, bool *ret_final)
{
    char sqlstate[6];
    cv_str text;
    *ret_final = false;
    if (!find_sqlstate(PQerrorMessage(conn->pg), sqlstate, &text))
        return fail_without_state(cx, conn, handshake);
    *ret_final = holds_everywhere(sqlstate);
    return fail_with_state(cx, conn, sqlstate, text);
}
