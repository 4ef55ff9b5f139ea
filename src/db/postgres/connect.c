/* Making, checking and closing connections.
 *
 * libpq would resolve names inside PQconnectStart, and block the loop: it gets an address, with the name beside it,
 * which is what certificates are compared with. */
#include "db/postgres/connect.h"
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/wire.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

/* One step of libpq's state machine. While TLS is being set up libpq frees its TLS session with the failure, and the
 * reason with it: so it is held meanwhile. */
static PostgresPollingStatusType step(PGconn *pg, cv__pg_handshake *handshake)
{
    bool shaking = PQstatus(pg) == CONNECTION_SSL_STARTUP;
    SSL *tls = shaking ? PQsslStruct(pg, "OpenSSL") : NULL;
    if (tls)
        SSL_up_ref(tls);
    PostgresPollingStatusType status = PQconnectPoll(pg);
    handshake->failed = shaking && status == PGRES_POLLING_FAILED;
    long verdict = tls ? SSL_get_verify_result(tls) : X509_V_OK;
    if (handshake->failed && verdict != X509_V_OK)
        handshake->reason = X509_verify_cert_error_string(verdict);
    SSL_free(tls);
    return status;
}

typedef struct step_job {
    PGconn *pg;
    cv__pg_handshake *handshake;
    PostgresPollingStatusType status;
} step_job;

static int run_step(void *arg)
{
    step_job *job = arg;
    job->status = step(job->pg, job->handshake);
    return 0;
}

/* Proving a password by SCRAM takes 4,096 rounds of HMAC, some milliseconds: not on the loop. */
static bool computes(const PGconn *pg)
{
    const char *password = PQpass(pg);
    return PQstatus(pg) == CONNECTION_AWAITING_RESPONSE && password && *password;
}

static int take_step(cv_ctx *cx, cv__pg_conn *conn, PostgresPollingStatusType *ret_status,
                     cv__pg_handshake *ret_handshake)
{
    step_job job = {.pg = conn->pg, .handshake = ret_handshake};
    int rc = computes(conn->pg) ? cv_offload(cx, CV_LANE_CPU, run_step, &job, NULL) : run_step(&job);
    if (rc == CV_E_BUSY || rc == CV_E_SYSTEM) {
        cv_error_clear(cx);
        rc = run_step(&job);
    }
    *ret_status = job.status;
    return rc;
}

/* Drive libpq's state machine until the connection stands or cannot. The socket may change from step to step. */
static int drive(cv_ctx *cx, cv__pg_conn *conn, PostgresPollingStatusType *ret_status, cv__pg_handshake *ret_handshake)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        int rc = cv__wait_fd(cx, PQsocket(conn->pg), status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE, NULL);
        if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
            return rc;
        if (rc < 0)
            cv_error_clear(cx); /* libpq will look at the socket and know more */
        int waited = rc;
        CV_TRY(take_step(cx, conn, &status, ret_handshake));
        if (waited < 0 && (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING))
            return cv_fail(cx, waited, "could not wait for PostgreSQL at \"%s\"", cv__pg_place(conn));
    }
    *ret_status = status;
    return 0;
}

void cv__pg_hang_up(cv__pg_conn *conn)
{
    cv__poll_free(conn->poll);
    conn->poll = NULL;
    PQfinish(conn->pg);
    conn->pg = NULL;
}

static int start(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr)
{
    const cv__pg_shared *shared = conn->shared;
    const cv__db_host *host = &shared->hosts[conn->host];
    char port[16];
    size_t count = 0;
    while (shared->keywords[count])
        count++;
    const char **values = cv_zalloc(cx, count + 1, sizeof *values);
    if (!values)
        return CV_E_NOMEM;
    memcpy(values, shared->values, count * sizeof *values);
    snprintf(port, sizeof port, "%d", host->port);
    values[CV__PG_KEY_HOSTADDR] = hostaddr;
    values[CV__PG_KEY_HOST] = host->name;
    values[CV__PG_KEY_PORT] = port;
    if (conn->pooled)
        values[CV__PG_KEY_OPTIONS] = NULL;
    if (conn->replication)
        values[CV__PG_KEY_REPLICATION] = "database";
    conn->pg = PQconnectStartParams(shared->keywords, values, 0);
    if (!conn->pg)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to PostgreSQL");
    PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
    PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* the only way to learn the SQLSTATE of a refusal */
    return 0;
}

/* One connection's way to the point where the server, or a pooler, is ready for statements, or it has failed. */
static int walk(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, PostgresPollingStatusType *ret_status,
                cv__pg_handshake *ret_handshake)
{
    cv__pg_hang_up(conn);
    conn->base.broken = false;
    *ret_status = PGRES_POLLING_FAILED;
    *ret_handshake = (cv__pg_handshake){0};
    CV_TRY(start(cx, conn, hostaddr));
    return PQstatus(conn->pg) == CONNECTION_BAD ? 0 : drive(cx, conn, ret_status, ret_handshake);
}

/* When a server answers within the very step in which libpq makes its TLS session, the reason for refusing the
 * certificate is lost: then it is asked again. */
static bool is_unexplained(const PGconn *pg, cv__pg_handshake handshake)
{
    return handshake.failed && !handshake.reason && strstr(PQerrorMessage(pg), "certificate verify failed");
}

static int shake_hands(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final)
{
    enum { TRIES = 3 };
    PostgresPollingStatusType status;
    cv__pg_handshake handshake;
    int rc = walk(cx, conn, hostaddr, &status, &handshake);
    for (int i = 1; i < TRIES && rc == 0 && is_unexplained(conn->pg, handshake); i++)
        rc = walk(cx, conn, hostaddr, &status, &handshake);
    *ret_final = rc == CV_E_CANCELLED || rc == CV_E_CONTEXT || rc == CV_E_NOMEM;
    if (rc == CV_E_TIMEOUT)
        return cv_fail(cx, rc, "could not connect to PostgreSQL at \"%s\": no answer in time", cv__pg_place(conn));
    CV_TRY(rc);
    return status == PGRES_POLLING_OK ? 0 : cv__pg_fail_connect(cx, conn, handshake, ret_final);
}

/* A pooler that refuses the settings of a session gets none. */
static int reach(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final)
{
    bool *behind_pooler = &conn->shared->behind_pooler[conn->host];
    cv__pg_pooler pooler = conn->shared->pooler;
    conn->pooled = pooler == CV__PG_POOLER_YES || (pooler == CV__PG_POOLER_AUTO && *behind_pooler);
    int rc = shake_hands(cx, conn, hostaddr, ret_final);
    if (rc == 0 || !conn->pg || conn->pooled || pooler != CV__PG_POOLER_AUTO || !cv__pg_is_refused_setting(conn->pg))
        return rc;
    cv_error_clear(cx);
    *behind_pooler = true;
    conn->pooled = true;
    return shake_hands(cx, conn, hostaddr, ret_final);
}

int cv__pg_attempt(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final)
{
    CV_TRY(reach(cx, conn, hostaddr, ret_final));
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    if (PQsetnonblocking(conn->pg, 1) != 0)
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__poll_new(cx, PQsocket(conn->pg), &conn->poll));
    int rc = cv__pg_session_start(cx, conn);
    *ret_final = rc == CV_E_CONFIG;
    return rc;
}

static cv__pg_conn *make(cv__pg_shared *shared, cv__conn_role role)
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
    if (cv__statement_cache_init(&conn->statements, capacity, cv__pg_prepared_free, conn) < 0) {
        free(conn);
        return NULL;
    }
    conn->statements.lifetime_ns = shared->statement_lifetime_ns;
    cv__statement_cache_report(&conn->statements, &shared->statements);
    return conn;
}

/* `conn` is as make has made it, or NULL; in the end it is connected, or freed. */
static int connect_made(cv_ctx *cx, cv__pg_conn *conn)
{
    if (!conn)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to PostgreSQL");
    int rc = CV_E_TIMEOUT;
    CV_SCOPE(cx)
    {
        CV_WITHIN(cx, conn->shared->connect_timeout_ms)
        {
            rc = cv__pg_connect_to_any(cx, conn);
        }
    }
    if (rc < 0) {
        cv__pg_disconnect(&conn->base);
        return rc;
    }
    return 0;
}

int cv__pg_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn)
{
    cv__pg_conn *conn = make(shared, role);
    CV_TRY(connect_made(cx, conn));
    *ret_conn = &conn->base;
    return 0;
}

int cv__pg_connect_replication(cv_ctx *cx, cv__pg_shared *shared, cv__pg_conn **ret_conn)
{
    cv__pg_conn *conn = make(shared, CV__READER);
    if (conn)
        conn->replication = true;
    CV_TRY(connect_made(cx, conn));
    *ret_conn = conn;
    return 0;
}

/* PQfinish sends a good-bye when it can do so at once, and does not wait: the socket does not block. */
void cv__pg_disconnect(cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    cv__pg_cursors_free(conn);
    if (conn->copy)
        conn->copy->free(conn->copy);
    cv__pg_hang_up(conn);
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

/* Whoever waits for the socket reads its end. */
void cv__pg_sever(cv_ctx *cx, cv__conn *base)
{
    (void)cx;
    (void)shutdown(PQsocket(cv__pg_conn_of(base)->pg), SHUT_RDWR);
}

void cv__pg_detach(cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    cv__poll_free(conn->poll);
    conn->poll = NULL;
    cv__statement_cache_report(&conn->statements, NULL);
}

int cv__pg_attach(cv_ctx *cx, void *shared, cv__conn *base)
{
    cv__pg_conn *conn = cv__pg_conn_of(base);
    conn->shared = shared;
    cv__statement_cache_report(&conn->statements, &conn->shared->statements);
    return cv__poll_new(cx, PQsocket(conn->pg), &conn->poll);
}
