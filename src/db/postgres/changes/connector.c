/* The connection of a reader, and the fiber that makes a lost one again: one of its own, so that it comes about even
 * when every call of the reader has a short deadline. Reading goes on behind the last transaction that was told as a
 * whole. */
#include "db/postgres/changes/reader.h"
#include "db/postgres/connect.h"

#include "base/ctx.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/uuid.h>
#include <stdlib.h>

enum { FIRST_PAUSE_MS = 50, LONGEST_PAUSE_MS = 5000 };

/* --- one connection --- */

void cv__pg_reader_disconnect(cv__pg_reader *r)
{
    cv__pg_stream_forget(r);
    if (!r->conn)
        return;
    r->former_pid = PQbackendPID(r->conn->pg);
    cv__pg_disconnect(&r->conn->base);
    r->conn = NULL;
    cv__pgoutput_restart(r->output);
}

void cv__pg_reader_make_name(char ret_name[CV__PG_READER_NAME_BYTES])
{
    uint64_t random;
    cv_random_bytes(&random, sizeof random);
    snprintf(ret_name, CV__PG_READER_NAME_BYTES, "covet_%016llx", (unsigned long long)random);
}

static int explain_pooler(cv_ctx *cx, int rc)
{
    const cv_error *error = cv_error_last(cx);
    if (rc >= 0 || !error || !error->message || !strstr(error->message, "unsupported startup parameter"))
        return rc;
    cv_fail(cx, CV_E_UNSUPPORTED, "cannot read changes: a pooler is in between, which does not pass replication on");
    cv_error_hint(cx, "open a second database with the URL of the server itself, and read there");
    return CV_E_UNSUPPORTED;
}

/* Beside the connection there is, whose slot is copied. */
static int stream_copy(cv_ctx *cx, cv__pg_reader *r, cv__pg_conn *conn, cv__pg_log *ret_log)
{
    char name[CV__PG_READER_NAME_BYTES];
    cv__pg_slot copy = r->slot;
    cv__pg_reader_make_name(name);
    copy.name = name;
    copy.copy_of = r->name;
    CV_TRY(cv__pg_slot_start(cx, conn, &copy, r->reached, 0, r->output, ret_log));
    memcpy(r->name, name, sizeof name);
    return 0;
}

/* Tables are published at the beginning only: `options` is NULL later. */
static int start_on(cv_ctx *cx, cv__pg_reader *r, cv__pg_conn *conn, const cv_changes_options *options)
{
    cv__pg_log log;
    if (options)
        CV_TRY(cv__pg_publish(cx, conn, &r->slot, options->tables, options->table_count));
    if (r->renewing)
        CV_TRY(stream_copy(cx, r, conn, &log));
    else
        CV_TRY(cv__pg_slot_start(cx, conn, &r->slot, r->reached, r->former_pid, r->output, &log));
    cv__pg_reader_disconnect(r);
    cv__pg_stream_begin(r, conn, &log);
    return 0;
}

int cv__pg_reader_connect(cv_ctx *cx, cv__pg_reader *r, const cv_changes_options *options)
{
    cv__pg_conn *conn;
    CV_TRY(explain_pooler(cx, cv__pg_connect_replication(cx, r->shared, &conn)));
    int rc = start_on(cx, r, conn, options);
    if (rc < 0)
        cv__pg_disconnect(&conn->base);
    return rc;
}

/* --- owners --- */

static void free_reader(cv__pg_reader *r)
{
    cv__pg_shared *shared = r->shared;
    cv__pg_reader_disconnect(r);
    cv__pgoutput_free(r->output);
    cv__kept_error_done(&r->failure);
    free(r);
    cv__pg_errand_ended(shared);
}

void cv__pg_reader_release(cv__pg_reader *r)
{
    if (--r->owners == 0)
        free_reader(r);
}

/* --- the fiber --- */

static void wake(cv__pg_reader *r)
{
    cv__waiter *waiter = r->waiter;
    r->waiter = NULL;
    if (waiter)
        cv__wake(waiter, 0);
}

bool cv__pg_reader_is_passing(int code)
{
    switch (code) {
    case CV_E_CONNECTION_LOST:
    case CV_E_REFUSED:
    case CV_E_UNREACHABLE:
    case CV_E_TIMEOUT:
    case CV_E_RESOLVE:
    case CV_E_NO_SERVER:
    case CV_E_TOO_MANY_CONNECTIONS:
    case CV_E_NOMEM:
        return true;
    default:
        return false;
    }
}

static int64_t choose_pause_ms(unsigned failures)
{
    uint64_t random;
    int64_t longest_ms = (int64_t)FIRST_PAUSE_MS << (failures < 8 ? failures : 8);
    longest_ms = longest_ms < LONGEST_PAUSE_MS ? longest_ms : LONGEST_PAUSE_MS;
    cv_random_bytes(&random, sizeof random);
    return longest_ms / 2 + (int64_t)(random % (uint64_t)(longest_ms / 2 + 1));
}

static bool is_over(const cv__pg_reader *r)
{
    return r->closed || r->interrupted;
}

static int try_to_connect(cv_ctx *cx, cv__pg_reader *r)
{
    int rc = CV_E_TIMEOUT;
    CV_SCOPE(cx)
    {
        CV_WITHIN(cx, r->shared->connect_timeout_ms * 2) /* a slot may have to be waited for */
        {
            rc = cv__pg_reader_connect(cx, r, NULL);
        }
    }
    return rc;
}

static void connect_until_done(cv_ctx *cx, cv__pg_reader *r)
{
    for (unsigned failures = 0; !is_over(r); failures++) {
        int rc = try_to_connect(cx, r);
        if (rc == 0 || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
            return;
        if (!cv__pg_reader_is_passing(rc)) {
            cv__kept_error_keep(cx, &r->failure, rc);
            return;
        }
        cv_error_clear(cx);
        if (cv_sleep_ms(cx, choose_pause_ms(failures)) < 0)
            return;
    }
}

static int run_connector(cv_ctx *cx, void *arg)
{
    cv__pg_reader *r = arg;
    r->connector = cx->fiber;
    cv_ctx_restore_deadline_ns(cx, INT64_MAX);
    connect_until_done(cx, r);
    cv_error_clear(cx);
    r->connector = NULL;
    r->connecting = false;
    wake(r);
    cv__pg_reader_release(r);
    return 0;
}

static int start_connector(cv_ctx *cx, cv__pg_reader *r)
{
    if (r->connecting)
        return 0;
    if (cv_spawn(r->main, "read changes of PostgreSQL", run_connector, r, NULL) < 0) {
        if (r->main != cx)
            cv_error_clear(r->main);
        return cv_fail(cx, CV_E_LIMIT, "could not start the fiber that connects a reader of changes");
    }
    r->connecting = true;
    r->owners++;
    return 0;
}

int cv__pg_reader_await_connection(cv_ctx *cx, cv__pg_reader *r)
{
    CV_TRY(start_connector(cx, r));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "read changes: the server is not there";
    r->waiter = &waiter;
    int rc = cv__wait(cx, &waiter);
    r->waiter = NULL;
    return rc;
}

void cv__pg_reader_interrupt(cv__pg_reader *r)
{
    if (r->connector)
        cv_cancel(r->connector);
    wake(r);
}
