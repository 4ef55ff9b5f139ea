/* How the file is. */
#include "db/sqlite/sqlite.h"
#include <covet/runtime.h>

/* A question that reads the file. */
static int ask(cv_ctx *cx, cv__conn *head, int64_t *ret_ns)
{
    cv__statement question = {.sql = CV_STR("SELECT count(*) FROM sqlite_schema")};
    cv__cursor *cursor = NULL;
    cv_result result;
    cv_value cell;
    int64_t start_ns = cv_now_ns(cx);
    CV_TRY(cv__sqlite_execute(cx, head, &question, &result, &cursor));
    int rc = cv__sqlite_fetch(cx, cursor, &cell, &result);
    cv__sqlite_finish(cx, cursor);
    *ret_ns = cv_now_ns(cx) - start_ns;
    return rc < 0 ? rc : 0;
}

int cv__sqlite_health(cv_ctx *cx, cv__conn *head, cv_db_report *ret_report)
{
    cv__sqlite_conn *conn = cv__sqlite_conn_of(head);
    CV_TRY(ask(cx, head, &ret_report->latency_ns));
    const char *path = sqlite3_db_filename(conn->db, "main");
    ret_report->version = sqlite3_libversion();
    ret_report->place = cv_strdup(cx, path && *path ? path : ":memory:");
    ret_report->read_only = conn->shared->read_only;
    return ret_report->place ? 0 : CV_E_NOMEM;
}

const cv__statement_counters *cv__sqlite_statement_counters(const void *shared)
{
    const cv__sqlite_shared *database = shared;
    return &database->statements;
}
