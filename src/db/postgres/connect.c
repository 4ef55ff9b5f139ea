/* Making, checking and closing connections.
 *
 * libpq resolves names inside PQconnectStart, which would block the loop: names are resolved beforehand, and libpq gets
 * the address, with the name beside it for certificates. */
#include "db/postgres/postgres.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

/* Drive libpq's state machine until the connection stands or cannot. The socket may change from step to step. */
static int drive(cv_ctx *cx, cv__pg_conn *conn, PostgresPollingStatusType *ret_status)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        int rc = cv__wait_fd(cx, PQsocket(conn->pg), status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE, NULL);
        if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
            return rc;
        status = PQconnectPoll(conn->pg);
        if (rc < 0 && (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING))
            return rc;
        if (rc < 0)
            cv_error_clear(cx); /* libpq has looked at the socket and knows more */
    }
    *ret_status = status;
    return 0;
}

static void forget_pg(cv__pg_conn *conn)
{
    cv__poll_free(conn->poll);
    conn->poll = NULL;
    PQfinish(conn->pg);
    conn->pg = NULL;
}

static int start(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr)
{
    const cv__pg_shared *shared = conn->shared;
    size_t count = 0;
    while (shared->keywords[count])
        count++;
    const char **values = cv_zalloc(cx, count + 1, sizeof *values);
    if (!values)
        return CV_E_NOMEM;
    memcpy(values, shared->values, count * sizeof *values);
    values[0] = hostaddr;
    conn->pg = PQconnectStartParams(shared->keywords, values, 0);
    if (!conn->pg)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to PostgreSQL");
    PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
    PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* the only way to learn the SQLSTATE of a refusal */
    return 0;
}

/* One attempt. `*ret_final`: the next address would not help. */
static int attempt(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final)
{
    PostgresPollingStatusType status = PGRES_POLLING_FAILED;
    *ret_final = true;
    CV_TRY(start(cx, conn, hostaddr));
    if (PQstatus(conn->pg) == CONNECTION_BAD)
        return cv__pg_fail_connect(cx, conn->shared, conn->pg, ret_final);
    int rc = drive(cx, conn, &status);
    *ret_final = rc == CV_E_CANCELLED || rc == CV_E_CONTEXT;
    if (rc == CV_E_TIMEOUT)
        return cv_fail(cx, rc, "could not connect to PostgreSQL at \"%s\": no answer in time", conn->shared->place);
    CV_TRY(rc);
    if (status != PGRES_POLLING_OK)
        return cv__pg_fail_connect(cx, conn->shared, conn->pg, ret_final);
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    if (PQsetnonblocking(conn->pg, 1) != 0)
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__poll_new(cx, PQsocket(conn->pg), &conn->poll));
    return cv__pg_session_start(cx, conn);
}

static int64_t share_of_time(cv_ctx *cx, size_t addresses_left)
{
    int64_t left = cv__deadline_left_ms(cx);
    return left == INT64_MAX ? left : left / (int64_t)addresses_left + 1;
}

/* Try the addresses in order. One that does not answer gets its share of the time, not all of it. */
static int attempt_all(cv_ctx *cx, cv__pg_conn *conn, const cv_address *addresses, size_t count)
{
    int rc = CV_E_RESOLVE;
    bool final = false;
    for (size_t i = 0; i < count && rc < 0 && !final; i++) {
        char literal[NI_MAXHOST];
        if (getnameinfo(addresses[i].address, addresses[i].length, literal, sizeof literal, NULL, 0, NI_NUMERICHOST) !=
            0)
            return cv_fail(cx, CV_E_RESOLVE, "the address of host \"%s\" cannot be written", conn->shared->host);
        forget_pg(conn);
        CV_WITHIN(cx, share_of_time(cx, count - i))
        {
            rc = attempt(cx, conn, literal, &final);
        }
    }
    if (rc == 0)
        cv_error_clear(cx); /* of the addresses before */
    return rc;
}

static int establish(cv_ctx *cx, cv__pg_conn *conn)
{
    const cv__pg_shared *shared = conn->shared;
    bool final;
    if (shared->host[0] == '/')
        return attempt(cx, conn, NULL, &final);
    cv_address *addresses;
    size_t count;
    CV_TRY(cv_resolve(cx, shared->host, shared->port, &addresses, &count));
    return attempt_all(cx, conn, addresses, count);
}

static cv__pg_conn *make(const cv__pg_shared *shared, cv__conn_role role)
{
    cv__pg_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->base.driver = &cv__driver_postgres;
    conn->base.role = role;
    conn->shared = shared;
    cv_list_init(&conn->base.link);
    cv_list_init(&conn->cursors);
    cv_buf_init(&conn->stale, 64 << 10);
    size_t capacity = shared->statement_cache ? shared->statement_cache : 1;
    if (cv__statement_cache_init(&conn->statements, capacity, cv__pg_prepared_free, conn) == 0)
        return conn;
    free(conn);
    return NULL;
}

int cv__pg_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn)
{
    cv__pg_conn *conn = make(shared, role);
    if (!conn)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to PostgreSQL");
    int rc = CV_E_TIMEOUT;
    CV_SCOPE(cx)
    {
        CV_WITHIN(cx, conn->shared->connect_timeout_ms)
        {
            rc = establish(cx, conn);
        }
    }
    if (rc < 0) {
        cv__pg_disconnect(&conn->base);
        return rc;
    }
    *ret_conn = &conn->base;
    return 0;
}

/* PQfinish sends a good-bye when it can do so at once, and does not wait: the socket does not block. */
void cv__pg_disconnect(cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    cv__pg_cursors_free(conn);
    forget_pg(conn);
    cv__statement_cache_done(&conn->statements);
    cv_buf_done(&conn->stale);
    free(conn);
}

/* What an idle connection receives is a notice, or the good-bye of the server, or its end. */
bool cv__pg_is_alive(cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    if (base->broken || PQstatus(conn->pg) != CONNECTION_OK)
        return false;
    struct pollfd socket = {.fd = PQsocket(conn->pg), .events = POLLIN | POLLRDHUP};
    if (poll(&socket, 1, 0) == 0)
        return true;
    if (socket.revents & (POLLERR | POLLHUP | POLLRDHUP | POLLNVAL))
        return false;
    if (!PQconsumeInput(conn->pg) || PQisBusy(conn->pg))
        return false;
    for (PGnotify *notify; (notify = PQnotifies(conn->pg));)
        PQfreemem(notify);
    return PQstatus(conn->pg) == CONNECTION_OK;
}
