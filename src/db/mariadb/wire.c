/* Driving Connector/C: each of its calls is started, and continued whenever the socket is ready for what it waits for.
 * The library runs them on a stack of its own; between two steps we are back on ours, and suspend there. */
#include "db/mariadb/wire.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"

#include <covet/fiber.h>
#include <errmsg.h>
#include <openssl/err.h>
#include <sys/socket.h>

/* After so many rows that were there already, others get their turn. */
enum { ROWS_AT_ONCE = 256 };

/* --- waiting --- */

static int uv_events(int events)
{
    return (events & MYSQL_WAIT_READ ? UV_READABLE : 0) | (events & MYSQL_WAIT_WRITE ? UV_WRITABLE : 0);
}

static int my_events(int events)
{
    return (events & UV_READABLE ? MYSQL_WAIT_READ : 0) | (events & UV_WRITABLE ? MYSQL_WAIT_WRITE : 0);
}

static int wait_socket(cv_ctx *cx, cv__my_conn *conn, int events, int *ret_ready)
{
    int seen = 0;
    if (conn->poll)
        CV_TRY(cv__poll_wait(cx, conn->poll, uv_events(events), &seen));
    else
        CV_TRY(cv__wait_fd(cx, mysql_get_socket(conn->my), uv_events(events), &seen));
    *ret_ready = my_events(seen);
    return 0;
}

/* The library's own time limits come on top of the context's. */
static int wait_within(cv_ctx *cx, cv__my_conn *conn, int events, int *ret_ready)
{
    if (!(events & MYSQL_WAIT_TIMEOUT))
        return wait_socket(cx, conn, events, ret_ready);
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, mysql_get_timeout_value_ms(conn->my))
    {
        rc = wait_socket(cx, conn, events, ret_ready);
    }
    if (rc != CV_E_TIMEOUT || cv__deadline_left_ms(cx) == 0)
        return rc;
    cv_error_clear(cx);
    *ret_ready = MYSQL_WAIT_TIMEOUT;
    return 0;
}

/* The number of a socket that the library has closed may be another's any moment now. */
static void forget_socket(cv__my_conn *conn)
{
    cv__poll_free(conn->poll);
    conn->poll = NULL;
}

void cv__my_abandon(cv__my_conn *conn)
{
    forget_socket(conn);
    if (!conn->call.cont)
        return;
    (void)shutdown(mysql_get_socket(conn->my), SHUT_RDWR);
    while (conn->call.cont(conn, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_TIMEOUT))
        continue;
    conn->call.cont = NULL;
    conn->waits_for = 0;
}

static int give_up(cv_ctx *cx, cv__my_conn *conn, int code)
{
    if (!cv__my_give_up(cx, conn)) {
        cv__my_abandon(conn);
        conn->base.broken = true;
    }
    return cv_fail(cx, code, "could not wait for the answer of MariaDB: %s", cv_error_text(code));
}

/* Go on with the suspended call while it waits for any of these. */
static int resume_while(cv_ctx *cx, cv__my_conn *conn, int events)
{
    while (conn->waits_for & events) {
        int ready = 0;
        conn->rows_at_once = 0;
        CV_TRY(wait_within(cx, conn, conn->waits_for, &ready));
        conn->waits_for = conn->call.cont(conn, ready);
    }
    if (!conn->waits_for)
        conn->call.cont = NULL;
    return 0;
}

static const int any_event = ~0;

int cv__my_resume(cv_ctx *cx, cv__my_conn *conn)
{
    return resume_while(cx, conn, any_event);
}

/* The library will say what is wrong with a socket that cannot be waited for. */
static int fail_wait(cv_ctx *cx, cv__my_conn *conn)
{
    cv_error_clear(cx);
    cv__my_abandon(conn);
    return 0;
}

static int drive_while(cv_ctx *cx, cv__my_conn *conn, int events)
{
    int rc = resume_while(cx, conn, events);
    if (rc == 0)
        return 0;
    bool over = rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT;
    if (conn->giving_up && over)
        return rc; /* whoever gives up decides */
    return over ? give_up(cx, conn, rc) : fail_wait(cx, conn);
}

int cv__my_drive(cv_ctx *cx, cv__my_conn *conn, int events, cv__my_cont_fn *cont)
{
    if (!events)
        return 0;
    conn->call.cont = cont;
    conn->waits_for = events;
    return drive_while(cx, conn, any_event);
}

/* --- failures --- */

int cv__my_lost(cv_ctx *cx, cv__my_conn *conn)
{
    forget_socket(conn);
    ERR_clear_error();
    conn->base.broken = conn->base.lost = true;
    const char *said = conn->my ? mysql_error(conn->my) : "";
    int rc = cv_fail(cx, CV_E_CONNECTION_LOST, "the connection to MariaDB at \"%s\" was lost: %s", cv__my_place(conn),
                     *said ? said : "the server closed it");
    cv_error_place(cx, "08006", NULL, NULL, NULL);
    return rc;
}

static int fail_call(cv_ctx *cx, cv__my_conn *conn, const MYSQL_STMT *statement, cv_str sql)
{
    bool of_statement = statement && statement->last_errno;
    unsigned number = of_statement ? statement->last_errno : mysql_errno(conn->my);
    const char *state = of_statement ? statement->sqlstate : mysql_sqlstate(conn->my);
    const char *message = of_statement ? statement->last_error : mysql_error(conn->my);
    if (cv__my_is_lost(number))
        return cv__my_lost(cx, conn);
    int rc = cv__my_fail_with(cx, number, state, message, sql);
    cv__my_note_state(conn);
    cv__my_check_transaction(cx, conn, rc);
    return rc;
}

void cv__my_note_state(cv__my_conn *conn)
{
    conn->base.in_transaction = conn->begins || (conn->my->server_status & SERVER_STATUS_IN_TRANS);
}

static cv_str text_of(const MYSQL_STMT *statement)
{
    const cv__my_prepared *p = statement->user_data;
    return p ? p->cached.sql : (cv_str){NULL, 0};
}

/* --- prepared statements --- */

static int prepare_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_prepare_cont(&conn->call.number, conn->call.statement, events);
}

int cv__my_prepare(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement, cv_str sql)
{
    conn->call.statement = statement;
    CV_TRY(cv__my_drive(cx, conn, mysql_stmt_prepare_start(&conn->call.number, statement, sql.ptr, sql.len),
                        prepare_cont));
    return conn->call.number == 0 ? 0 : fail_call(cx, conn, statement, sql);
}

static int execute_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_execute_cont(&conn->call.number, conn->call.statement, events);
}

int cv__my_send_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    conn->call.statement = statement;
    conn->waits_for = mysql_stmt_execute_start(&conn->call.number, statement);
    if (!conn->waits_for)
        return 0;
    conn->call.cont = execute_cont;
    return drive_while(cx, conn, MYSQL_WAIT_WRITE);
}

int cv__my_read_answer(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    if (conn->call.cont)
        CV_TRY(drive_while(cx, conn, any_event));
    if (conn->call.number != 0)
        return fail_call(cx, conn, statement, text_of(statement));
    cv__my_note_state(conn);
    return 0;
}

int cv__my_execute_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    CV_TRY(cv__my_send_statement(cx, conn, statement));
    return cv__my_read_answer(cx, conn, statement);
}

static int fetch_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_fetch_cont(&conn->call.number, conn->call.statement, events);
}

int cv__my_fetch_row(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    if (conn->rows_at_once++ >= ROWS_AT_ONCE) {
        conn->rows_at_once = 0;
        CV_TRY(cv_yield(cx));
    }
    conn->call.statement = statement;
    int events = mysql_stmt_fetch_start(&conn->call.number, statement);
    if (events)
        CV_TRY(cv__my_drive(cx, conn, events, fetch_cont));
    if (conn->call.number == 0 || conn->call.number == MYSQL_DATA_TRUNCATED)
        return 1;
    if (conn->call.number != MYSQL_NO_DATA)
        return fail_call(cx, conn, statement, text_of(statement));
    cv__my_note_state(conn);
    return 0;
}

static int next_result_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_next_result_cont(&conn->call.number, conn->call.statement, events);
}

int cv__my_next_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    if (!mysql_stmt_more_results(statement))
        return 0;
    conn->call.statement = statement;
    CV_TRY(cv__my_drive(cx, conn, mysql_stmt_next_result_start(&conn->call.number, statement), next_result_cont));
    if (conn->call.number > 0)
        return fail_call(cx, conn, statement, text_of(statement));
    cv__my_note_state(conn);
    return conn->call.number == 0;
}

static int free_result_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_free_result_cont(&conn->call.flag, conn->call.statement, events);
}

int cv__my_free_result(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    conn->call.statement = statement;
    CV_TRY(cv__my_drive(cx, conn, mysql_stmt_free_result_start(&conn->call.flag, statement), free_result_cont));
    return mysql_get_socket(conn->my) < 0 ? cv__my_lost(cx, conn) : 0;
}

static int close_statement_cont(cv__my_conn *conn, int events)
{
    return mysql_stmt_close_cont(&conn->call.flag, conn->call.statement, events);
}

int cv__my_close_statement(cv_ctx *cx, cv__my_conn *conn, MYSQL_STMT *statement)
{
    if (!statement->mysql) { /* the server has forgotten it */
        (void)mysql_stmt_close(statement);
        return 0;
    }
    conn->call.statement = statement;
    CV_TRY(cv__my_drive(cx, conn, mysql_stmt_close_start(&conn->call.flag, statement), close_statement_cont));
    return mysql_get_socket(conn->my) < 0 ? cv__my_lost(cx, conn) : 0;
}

/* --- commands as texts --- */

static int query_cont(cv__my_conn *conn, int events)
{
    return mysql_real_query_cont(&conn->call.number, conn->my, events);
}

static int store_cont(cv__my_conn *conn, int events)
{
    return mysql_store_result_cont(&conn->call.rows, conn->my, events);
}

static int run_query(cv_ctx *cx, cv__my_conn *conn, cv_str sql, MYSQL_RES **ret_rows)
{
    CV_TRY(cv__my_drive(cx, conn, mysql_real_query_start(&conn->call.number, conn->my, sql.ptr, sql.len), query_cont));
    if (conn->call.number != 0)
        return fail_call(cx, conn, NULL, sql);
    *ret_rows = NULL;
    if (mysql_field_count(conn->my) > 0) {
        CV_TRY(cv__my_drive(cx, conn, mysql_store_result_start(&conn->call.rows, conn->my), store_cont));
        if (!conn->call.rows)
            return fail_call(cx, conn, NULL, sql);
        *ret_rows = conn->call.rows;
    }
    cv__my_note_state(conn);
    return 0;
}

int cv__my_query(cv_ctx *cx, cv__my_conn *conn, cv_str sql, MYSQL_RES **ret_rows)
{
    CV_TRY(cv__wait_check(cx, "ask MariaDB"));
    return run_query(cx, conn, sql, ret_rows);
}

int cv__my_command(cv_ctx *cx, cv__my_conn *conn, const char *sql)
{
    MYSQL_RES *rows = NULL;
    CV_TRY(cv__wait_check(cx, "send a command to MariaDB"));
    conn->commanding = true;
    int rc = run_query(cx, conn, cv_str_of(sql), &rows);
    conn->commanding = false;
    mysql_free_result(rows);
    return rc;
}

static int ping_cont(cv__my_conn *conn, int events)
{
    return mysql_ping_cont(&conn->call.number, conn->my, events);
}

int cv__my_ping(cv_ctx *cx, cv__conn *base)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    CV_TRY(cv__wait_check(cx, "ask MariaDB for a sign of life"));
    bool commanding = conn->commanding;
    conn->commanding = true;
    int rc = cv__my_drive(cx, conn, mysql_ping_start(&conn->call.number, conn->my), ping_cont);
    conn->commanding = commanding;
    CV_TRY(rc);
    if (conn->call.number != 0)
        return cv__my_lost(cx, conn);
    cv__my_note_state(conn);
    return 0;
}

int cv__my_make_ready(cv_ctx *cx, cv__my_conn *conn)
{
    if (conn->base.broken)
        return cv_fail(cx, CV_E_CONNECTION_LOST, "the connection to MariaDB is not usable any more");
    CV_TRY(cv__wait_check(cx, "run a statement"));
    if (conn->live)
        CV_TRY(cv__my_keep_rows(cx, conn));
    return cv__my_close_stale(cx, conn);
}
