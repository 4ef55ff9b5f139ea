/* Loans that last too long: they are told with the stack of the borrower, and, when that is wanted, taken back.
 *
 * A connection that is taken back is REVOKED: its place is free at once, whatever the borrower does; the object lives
 * until the borrower lets go. The borrower's next call fails with CV_E_LOAN_REVOKED (cv__conn_check); nothing calls the
 * driver on it any more but a fiber of the pool, which cuts it off (`severing`), and then disconnect. */
#include "db/pool/pool.h"

#include "base/ctx.h"
#include "rt/stacks.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/log.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum { REPORT_MS = 10000 };

/* ---- noting where ---- */

void cv__pool_watch_loan(cv__pool *pool, cv__conn *conn)
{
    conn->leak_told = false;
    if (pool->options.leak_threshold_ms > 0) {
        if (!conn->stack)
            conn->stack = malloc(sizeof *conn->stack);
        if (conn->stack)
            cv__stack_walk(conn->stack, 1);
        cv__pool_keep_by(pool, conn->lent_since_ns + pool->options.leak_threshold_ms * 1000000);
    }
    if (pool->options.forced_return_ms > 0)
        cv__pool_keep_by(pool, conn->lent_since_ns + pool->options.forced_return_ms * 1000000);
}

/* ---- telling ---- */

/* Owned by its fiber, then by the lane's work. */
typedef struct report {
    cv__stack_trace trace;
    char pool[CV__POOL_NAME_BYTES], fiber[64], sql[CV__NOTED_SQL_BYTES];
    int64_t held_ms;
    cv_buf text;
} report;

static void free_report(void *arg)
{
    report *r = arg;
    cv_buf_done(&r->text);
    free(r);
}

static int write_stack(void *arg)
{
    report *r = arg;
    cv__symbols *symbols = cv__symbols_open();
    for (size_t i = 0; i < r->trace.count; i++) {
        if (i)
            cv_buf_add_str(&r->text, CV_STR(" < "));
        cv__symbols_write(symbols, r->trace.frames[i], &r->text);
    }
    cv__symbols_close(symbols);
    return 0;
}

static void log_report(cv_log *log, const report *r, cv_str stack)
{
    CV_LOG_WARN(log, "a connection is held for long", CV_F("pool", (const char *)r->pool),
                CV_F("fiber", (const char *)r->fiber), CV_F("held_ms", r->held_ms), CV_F("sql", (const char *)r->sql),
                CV_F("stack", stack));
}

static int report_fiber(cv_ctx *cx, void *arg)
{
    report *r = arg;
    cv_log *log = cx->log;
    int rc = 0;
    CV_WITHIN(cx, REPORT_MS)
    {
        rc = cv_offload(cx, CV_LANE_CPU, write_stack, r, NULL);
    }
    if (rc < 0)
        cv_error_clear(cx);
    log_report(log, r, cv_buf_str(&r->text));
    free_report(r);
    return 0;
}

static void tell(cv__pool *pool, cv__conn *conn, int64_t now_ns)
{
    conn->leak_told = true;
    pool->leaks_total++;
    report *r = calloc(1, sizeof *r);
    if (!r)
        return;
    cv_buf_init(&r->text, 16 << 10);
    if (conn->stack)
        r->trace = *conn->stack;
    snprintf(r->pool, sizeof r->pool, "%s", pool->name);
    snprintf(r->fiber, sizeof r->fiber, "%s", cv_fiber_name(conn->borrower));
    snprintf(r->sql, sizeof r->sql, "%s", conn->sql);
    r->held_ms = (now_ns - conn->lent_since_ns) / 1000000;
    if (cv__pool_spawn(pool, "pool report", report_fiber, r) < 0)
        free_report(r);
}

/* ---- taking back ---- */

static void bury(cv__pool *pool, cv__conn *conn)
{
    cv_list_remove(&conn->link);
    pool->revoked_count--;
    cv__pool_disconnect(pool, conn);
    cv__pool_check_drained(pool);
}

static int sever_fiber(cv_ctx *cx, void *arg)
{
    cv__conn *conn = arg;
    CV_SHIELD(cx, CV__CLEAN_UP_MS)
    {
        conn->driver->sever(cx, conn);
    }
    cv_error_clear(cx);
    conn->severing = false;
    if (conn->let_go)
        bury(conn->pool, conn);
    return 0;
}

static void take_back(cv__pool *pool, cv__conn *conn, int64_t now_ns)
{
    CV_LOG_WARN(pool->main->log, "a connection was taken back", CV_F("pool", (const char *)pool->name),
                CV_F("fiber", cv_fiber_name(conn->borrower)), CV_F("held_ms", (now_ns - conn->lent_since_ns) / 1000000),
                CV_F("sql", (const char *)conn->sql));
    conn->revoked = conn->broken = true;
    cv_list_remove(&conn->link);
    cv_list_push_back(&pool->revoked, &conn->link);
    pool->revoked_count++;
    pool->revoked_total++;
    cv__pool_note_return(pool, now_ns, now_ns - conn->lent_since_ns);
    conn->severing = conn->driver->sever && cv__pool_spawn(pool, "pool sever", sever_fiber, conn) == 0;
    cv__pool_give_up_place(pool);
}

void cv__pool_let_go(cv__pool *pool, cv__conn *conn)
{
    conn->borrower = NULL;
    if (conn->severing)
        conn->let_go = true;
    else
        bury(pool, conn);
}

/* ---- looking ---- */

static int64_t due_ns(const cv__conn *conn, int64_t limit_ms)
{
    return limit_ms > 0 ? conn->lent_since_ns + limit_ms * 1000000 : INT64_MAX;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t cv__pool_look_at_loans(cv__pool *pool, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    cv_list_each (at, &pool->lent) {
        cv__conn *conn = cv_list_entry(at, cv__conn, link);
        if (!conn->borrows)
            continue; /* being checked, or made clean */
        int64_t tell_ns = conn->leak_told ? INT64_MAX : due_ns(conn, pool->options.leak_threshold_ms);
        int64_t revoke_ns = due_ns(conn, pool->options.forced_return_ms);
        if (now_ns >= tell_ns)
            tell(pool, conn, now_ns);
        else
            next_ns = earlier(next_ns, tell_ns);
        if (now_ns >= revoke_ns)
            take_back(pool, conn, now_ns);
        else
            next_ns = earlier(next_ns, revoke_ns);
    }
    return next_ns;
}
