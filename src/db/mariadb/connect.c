/* Making, checking and closing connections.
 *
 * Connector/C would resolve names inside mysql_real_connect, and block the loop: it gets an address. While it sets up
 * TLS it waits in a call of the system, and compares the certificate with the name that it was given: so where there
 * may be TLS, all of it is done on a lane. */
#include "db/mariadb/connect.h"
#include "db/mariadb/dial.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"

#include <covet/fiber.h>
#include <covet/lane.h>
#include <netdb.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

/* --- one attempt --- */

static bool checks_certificate(const cv__my_shared *shared)
{
    return shared->tls == CV__MY_TLS_VERIFY_CA || shared->tls == CV__MY_TLS_VERIFY_IDENTITY;
}

static void set_tls(MYSQL *my, const cv__my_shared *shared)
{
    my_bool yes = 1, checks_name = shared->tls == CV__MY_TLS_VERIFY_IDENTITY;
    if (shared->tls == CV__MY_TLS_DISABLED)
        return;
    /* an authority makes the library check the certificate; without one it would take any */
    bool checks = checks_certificate(shared);
    (void)mysql_ssl_set(my, shared->ssl_key, shared->ssl_cert, checks ? shared->ssl_ca : NULL,
                        checks ? shared->ssl_capath : NULL, shared->ssl_cipher);
    if (shared->tls != CV__MY_TLS_PREFERRED)
        (void)mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &yes);
    (void)mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &checks_name);
    if (shared->ssl_crl)
        (void)mysql_options(my, MYSQL_OPT_SSL_CRL, shared->ssl_crl);
    if (shared->tls_version)
        (void)mysql_options(my, MARIADB_OPT_TLS_VERSION, shared->tls_version);
    if (shared->ssl_key_password)
        (void)mysql_options(my, MARIADB_OPT_TLS_PASSPHRASE, shared->ssl_key_password);
}

MYSQL *cv__my_handle(const cv__my_shared *shared)
{
    MYSQL *my = mysql_init(NULL);
    if (!my)
        return NULL;
    my_bool no = 0, yes = 1;
    unsigned int off = 0;
    (void)mysql_options(my, MYSQL_OPT_NONBLOCK, NULL);
    (void)mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    (void)mysql_options(my, MYSQL_OPT_RECONNECT, &no);
    (void)mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off); /* a server may ask for any file otherwise */
    (void)mysql_options(my, MYSQL_REPORT_DATA_TRUNCATION, &no);
    (void)mysql_options4(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", shared->program_name);
    if (shared->compress)
        (void)mysql_options(my, MYSQL_OPT_COMPRESS, &yes);
    set_tls(my, shared);
    return my;
}

static int connect_cont(cv__my_conn *conn, int events)
{
    return mysql_real_connect_cont(&conn->call.connected, conn->my, events);
}

/* Closing must not wait: what cannot be sent at once is not sent. NULL is allowed. */
static void close_handle(MYSQL *my, bool is_broken)
{
    if (!my)
        return;
    my_socket fd = mysql_get_socket(my);
    if (is_broken && fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
    int events = mysql_close_start(my);
    while (events) {
        (void)shutdown(fd, SHUT_RDWR);
        events = mysql_close_cont(my, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_TIMEOUT);
    }
    ERR_clear_error(); /* of TLS: the library would take it for one of another connection */
}

/* A connect on a lane. It may outlast whoever waits for it: names are resolved once more within the library, which
 * nobody can stop. Shared by the fiber and the lane, freed by the later of them; both references belong to the
 * runtime's thread. */
typedef struct lane_job {
    int references;
    cv__my_shared *shared;
    cv__my_dial dial; /* its handle belongs to the job */
    cv__my_cutoff cutoff;
    char address[NI_MAXHOST];
    int result;
} lane_job;

static lane_job *new_job(cv__my_conn *conn, const char *address)
{
    lane_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->references = 2;
    job->shared = cv__my_shared_ref(conn->shared);
    job->dial = (cv__my_dial){.my = conn->my, .shared = conn->shared, .host = conn->host, .cutoff = &job->cutoff};
    if (address)
        job->dial.address = strncpy(job->address, address, sizeof job->address - 1);
    cv__my_cutoff_init(&job->cutoff);
    conn->my = NULL;
    return job;
}

static void unref_job(void *arg)
{
    lane_job *job = arg;
    if (--job->references > 0)
        return;
    close_handle(job->dial.my, true);
    cv__my_cutoff_done(&job->cutoff);
    cv__my_shared_free(job->shared);
    free(job);
}

static int run_on_lane(void *arg)
{
    lane_job *job = arg;
    job->result = cv__my_dial_now(&job->dial);
    return 0;
}

static int fail_late(cv_ctx *cx, const cv__my_conn *conn)
{
    return cv_fail(cx, CV_E_TIMEOUT, "could not connect to MariaDB at \"%s\": no answer in time", cv__my_place(conn));
}

static int fail_without_tls(cv_ctx *cx, const cv__my_conn *conn)
{
    int rc = cv_fail(cx, CV_E_TLS, "could not connect to MariaDB at \"%s\": ssl_mode requires TLS, the server has none",
                     cv__my_place(conn));
    cv_error_hint(cx, CV__MY_NO_TLS_HINT);
    return rc;
}

static int tell_result(cv_ctx *cx, const cv__my_conn *conn, int result, bool *ret_final)
{
    switch (result) {
    case 0:
        return 0;
    case CV_E_TLS:
        return fail_without_tls(cx, conn);
    case CV_E_TIMEOUT:
        return fail_late(cx, conn);
    case CV_E_SYSTEM:
        return cv_fail(cx, result, "could not connect to MariaDB at \"%s\": no file descriptor is left",
                       cv__my_place(conn));
    default:
        return cv__my_fail_connect(cx, conn, ret_final);
    }
}

static int shake_hands_on_lane(cv_ctx *cx, cv__my_conn *conn, const char *address, bool *ret_final)
{
    lane_job *job = new_job(conn, address);
    if (!job)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to MariaDB");
    int rc = cv_offload(cx, CV_LANE_DATABASE, run_on_lane, job, unref_job);
    if (rc < 0) {
        cv__my_cutoff_cut(&job->cutoff);
        rc = rc == CV_E_TIMEOUT ? fail_late(cx, conn) : rc;
    } else {
        conn->my = job->dial.my;
        job->dial.my = NULL;
        rc = tell_result(cx, conn, job->result, ret_final);
    }
    unref_job(job);
    return rc;
}

/* By its address in numbers; NULL: the host is the path of a socket. */
static int shake_hands(cv_ctx *cx, cv__my_conn *conn, const char *address, bool *ret_final)
{
    const cv__my_shared *shared = conn->shared;
    const cv__db_host *host = &shared->hosts[conn->host];
    if (shared->tls != CV__MY_TLS_DISABLED)
        return shake_hands_on_lane(cx, conn, address, ret_final);
    int events = mysql_real_connect_start(&conn->call.connected, conn->my, address, shared->user, shared->password,
                                          shared->database, (unsigned)host->port, address ? NULL : host->name,
                                          CLIENT_FOUND_ROWS);
    int rc = cv__my_drive(cx, conn, events, connect_cont);
    if (rc == CV_E_TIMEOUT)
        return fail_late(cx, conn);
    CV_TRY(rc);
    return conn->call.connected ? 0 : cv__my_fail_connect(cx, conn, ret_final);
}

static void hang_up(cv__my_conn *conn)
{
    if (!conn->my)
        return;
    cv__my_abandon(conn);
    close_handle(conn->my, conn->base.broken);
    conn->my = NULL;
}

static int attempt(cv_ctx *cx, cv__my_conn *conn, const char *address, bool *ret_final)
{
    hang_up(conn);
    conn->base.broken = conn->base.lost = false;
    conn->my = cv__my_handle(conn->shared);
    if (!conn->my)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to MariaDB");
    CV_TRY(shake_hands(cx, conn, address, ret_final));
    CV_TRY(cv__poll_new(cx, mysql_get_socket(conn->my), &conn->poll));
    conn->is_mysql = !mariadb_connection(conn->my);
    conn->max_packet_bytes = 0;
    return cv__my_session_start(cx, conn);
}

static int try_address(cv_ctx *cx, void *arg, const char *address, bool *ret_final)
{
    return attempt(cx, arg, address, ret_final);
}

static int try_host(cv_ctx *cx, void *arg, size_t index, bool *ret_final)
{
    cv__my_conn *conn = arg;
    const cv__db_host *host = &conn->shared->hosts[index];
    conn->host = index;
    if (host->name[0] == '/')
        return attempt(cx, conn, NULL, ret_final);
    return cv__addresses_in_turn(cx, host->name, host->port, try_address, conn, ret_final);
}

static int connect_to_any(cv_ctx *cx, cv__my_conn *conn)
{
    cv__my_shared *shared = conn->shared;
    bool final;
    int rc = cv__hosts_in_turn(cx, shared->hosts, shared->host_count, shared->any_order, try_host, conn, &final);
    if (rc == 0)
        cv_error_clear(cx); /* of the attempts before */
    if (rc == 0 || final || shared->host_count == 1)
        return rc;
    return cv_fail(cx, rc, "could not connect to any of the %zu MariaDB servers at \"%s\"", shared->host_count,
                   shared->place);
}

/* --- the driver's functions --- */

static cv__my_conn *make(cv__my_shared *shared, cv__conn_role role)
{
    cv__my_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->base.driver = &cv__driver_mariadb;
    conn->base.role = role;
    conn->shared = shared;
    cv_list_init(&conn->base.link);
    cv_list_init(&conn->cursors);
    cv_list_init(&conn->stale);
    size_t capacity = shared->statement_cache ? shared->statement_cache : 1;
    if (cv__statement_cache_init(&conn->statements, capacity, cv__my_prepared_free, conn) < 0) {
        free(conn);
        return NULL;
    }
    conn->statements.lifetime_ns = shared->statement_lifetime_ns;
    cv__statement_cache_report(&conn->statements, &shared->statements);
    return conn;
}

int cv__my_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn)
{
    cv__my_conn *conn = make(shared, role);
    if (!conn)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a connection to MariaDB");
    int rc = CV_E_TIMEOUT;
    CV_SCOPE(cx)
    {
        CV_WITHIN(cx, conn->shared->connect_timeout_ms)
        {
            rc = connect_to_any(cx, conn);
        }
    }
    if (rc < 0) {
        cv__my_disconnect(&conn->base);
        return rc;
    }
    *ret_conn = &conn->base;
    return 0;
}

void cv__my_disconnect(cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    cv__my_cursors_free(conn);
    hang_up(conn);
    cv__my_drop_statements(conn);
    cv__my_xa_forget(conn);
    free(conn);
}

/* What an idle connection receives is its end, or the reason for it. */
bool cv__my_is_alive(cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    my_socket fd = base->broken ? -1 : mysql_get_socket(conn->my);
    if (fd < 0)
        return false;
    struct pollfd socket = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&socket, 1, 0) == 0;
}

/* Whoever waits for the socket reads its end. */
void cv__my_sever(cv_ctx *cx, cv__conn *base)
{
    (void)cx;
    my_socket fd = mysql_get_socket(cv__my_conn_of(base)->my);
    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
}

void cv__my_detach(cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    cv__poll_free(conn->poll);
    conn->poll = NULL;
    cv__statement_cache_report(&conn->statements, NULL);
}

int cv__my_attach(cv_ctx *cx, void *shared, cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    conn->shared = shared;
    cv__statement_cache_report(&conn->statements, &conn->shared->statements);
    return cv__poll_new(cx, mysql_get_socket(conn->my), &conn->poll);
}
