/* What SQLite calls while a statement runs. Both handlers may suspend the fiber: the connection is NOMUTEX, so no mutex
 * is held then, and it is borrowed by this fiber alone. */
#include "db/sqlite/sqlite.h"

#include "base/ctx.h"
#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <time.h>

enum { OPCODES_PER_CHECK = 1000, SLICE_NS = 200000 };

void cv__sqlite_enter(cv_ctx *cx, cv__sqlite_conn *conn)
{
    conn->cx = cx;
    conn->stop_code = 0;
    conn->lock_wait_began_ns = 0;
}

void cv__sqlite_leave(cv__sqlite_conn *conn)
{
    conn->cx = NULL;
}

/* Each thousand opcodes, some 80 us: has the fiber been cancelled, is its time over, has it had its slice? */
static int on_progress(void *arg)
{
    cv__sqlite_conn *conn = arg;
    cv_ctx *cx = conn->cx;
    if (!cx)
        return conn->on_lane && atomic_load_explicit(&conn->stop_on_lane, memory_order_relaxed);
    conn->stop_code = cv__wait_check(cx, "finish the statement");
    if (conn->stop_code < 0)
        return 1;
    if (!cx->fiber)
        return 0;
    int64_t now_ns = cv_now_ns(cx);
    if (conn->slice_began_ns == 0)
        conn->slice_began_ns = now_ns;
    if (now_ns - conn->slice_began_ns < SLICE_NS)
        return 0;
    conn->stop_code = cv_yield_background(cx);
    conn->slice_began_ns = cv_now_ns(cx);
    return conn->stop_code < 0;
}

static int64_t pause_ms(int attempt)
{
    static const int pauses_ms[] = {1, 2, 5, 10, 10};
    enum { PAUSES = sizeof pauses_ms / sizeof pauses_ms[0] };
    return attempt < PAUSES ? pauses_ms[attempt] : 20;
}

/* How long to sleep now; 0: the wait for the lock has lasted long enough. */
static int64_t next_pause_ms(cv__sqlite_conn *conn, int attempt, int64_t now_ns)
{
    if (attempt == 0)
        conn->lock_wait_began_ns = now_ns;
    int64_t left_ms = conn->shared->busy_timeout_ms - (now_ns - conn->lock_wait_began_ns) / 1000000;
    int64_t wanted_ms = pause_ms(attempt);
    return left_ms <= 0 ? 0 : wanted_ms < left_ms ? wanted_ms : left_ms;
}

/* On a thread of a lane, which may sleep itself. */
static int on_busy_lane(cv__sqlite_conn *conn, int attempt)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = next_pause_ms(conn, attempt, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    if (ms == 0 || atomic_load(&conn->stop_on_lane))
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    return 1;
}

/* Another process, or another connection, holds the lock: sleep and let SQLite try again. Never sqlite3_busy_timeout:
 * it would stop the loop, and with it the fiber that may hold the lock. */
static int on_busy(void *arg, int attempt)
{
    cv__sqlite_conn *conn = arg;
    cv_ctx *cx = conn->cx;
    if (!cx)
        return conn->on_lane ? on_busy_lane(conn, attempt) : 0;
    int64_t ms = next_pause_ms(conn, attempt, cv_now_ns(cx));
    if (ms == 0)
        return 0;
    conn->stop_code = cv_sleep_ms(cx, ms);
    return conn->stop_code == 0;
}

void cv__sqlite_install_handlers(cv__sqlite_conn *conn)
{
    sqlite3_busy_handler(conn->db, on_busy, conn);
    sqlite3_progress_handler(conn->db, OPCODES_PER_CHECK, on_progress, conn);
}
