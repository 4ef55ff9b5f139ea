/* Two-phase commit: XA (https://mariadb.com/kb/en/xa-transactions/).
 *
 * A transaction has to be one of XA from its first statement on. What is prepared can be finished by another session
 * only when the one that prepared it is gone, so its connection is given up; the server lets go of it a moment later.
 *
 * A name has two parts of 64 bytes there: ours is cut into them. */
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"
#include "db/server/tx_sql.h"

#include <covet/fiber.h>
#include <mysqld_error.h>
#include <stdlib.h>

enum { PART_BYTES = 64, MAX_GID = 2 * PART_BYTES, XID_BYTES = 2 * MAX_GID + 16 };

/* How long a prepared transaction may still belong to the session that prepared it, and how often one looks. */
enum { LET_GO_MS = 2000, LOOK_MS = 5 };

static char *add_hex(char *at, const char *bytes, size_t len)
{
    *at++ = 'X';
    *at++ = '\'';
    for (size_t i = 0; i < len; i++)
        at += sprintf(at, "%02x", (unsigned char)bytes[i]);
    *at++ = '\'';
    return at;
}

/* "X'...',X'...'" */
static void write_xid(const char *gid, char out[XID_BYTES])
{
    size_t len = strlen(gid), first = len < PART_BYTES ? len : PART_BYTES;
    char *at = add_hex(out, gid, first);
    *at++ = ',';
    *add_hex(at, gid + first, len - first) = '\0';
}

static int check_length(cv_ctx *cx, const char *gid)
{
    size_t len = strlen(gid);
    if (len <= MAX_GID)
        return 0;
    return cv_fail(cx, CV_E_INVALID,
                   "the name of a prepared transaction has %zu bytes, and MariaDB takes no more than %d", len, MAX_GID);
}

static int xa(cv_ctx *cx, cv__my_conn *conn, const char *verb, const char *gid)
{
    char xid[XID_BYTES], sql[XID_BYTES + 32];
    write_xid(gid, xid);
    snprintf(sql, sizeof sql, "XA %s %s", verb, xid);
    return cv__my_command(cx, conn, sql);
}

static bool failed_with(const cv__my_conn *conn, unsigned number)
{
    return !conn->base.broken && mysql_errno(conn->my) == number;
}

/* --- beginning and ending --- */

int cv__my_begin_prepared(cv_ctx *cx, cv__conn *base, const cv_tx_options *options, const char *gid)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    CV_TRY(check_length(cx, gid));
    CV_TRY(cv__my_begin(cx, base, options));
    conn->gid = strdup(gid);
    if (conn->gid)
        return 0;
    conn->begins = base->in_transaction = false;
    return cv_fail(cx, CV_E_NOMEM, "no memory for a transaction");
}

int cv__my_xa_start(cv_ctx *cx, cv__my_conn *conn)
{
    int rc = xa(cx, conn, "START", conn->gid);
    if (rc < 0 && failed_with(conn, ER_XAER_DUPID))
        return cv_fail(cx, CV_E_EXISTS, "a transaction is prepared already under the name \"%s\"", conn->gid);
    return rc;
}

void cv__my_xa_forget(cv__my_conn *conn)
{
    free(conn->gid);
    conn->gid = NULL;
}

/* One that the server has rolled back cannot be ended, only rolled back. */
int cv__my_xa_rollback(cv_ctx *cx, cv__my_conn *conn)
{
    if (xa(cx, conn, "END", conn->gid) < 0 && !conn->base.broken)
        cv_error_clear(cx);
    int rc = conn->base.broken ? CV_E_CONNECTION_LOST : xa(cx, conn, "ROLLBACK", conn->gid);
    cv__my_xa_forget(conn);
    return rc;
}

int cv__my_xa_commit(cv_ctx *cx, cv__my_conn *conn)
{
    int rc = xa(cx, conn, "END", conn->gid);
    if (rc == 0) {
        char xid[XID_BYTES], sql[XID_BYTES + 32];
        write_xid(conn->gid, xid);
        snprintf(sql, sizeof sql, "XA COMMIT %s ONE PHASE", xid);
        rc = cv__my_command(cx, conn, sql);
        if (rc < 0 && conn->base.broken)
            rc = cv__fail_commit_unknown(cx);
    }
    cv__my_xa_forget(conn);
    return rc;
}

int cv__my_prepare_transaction(cv_ctx *cx, cv__conn *base, const char *gid)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    if (!conn->gid)
        return cv_fail(cx, CV_E_STATE, "cannot prepare a transaction that was not declared before its first statement");
    CV_TRY(cv__my_make_ready(cx, conn));
    CV_TRY(cv__my_send_pending(cx, conn));
    CV_TRY(xa(cx, conn, "END", gid));
    int rc = xa(cx, conn, "PREPARE", gid);
    if (rc < 0)
        return base->broken ? cv__fail_commit_unknown(cx) : rc;
    cv__my_xa_forget(conn);
    base->in_transaction = false;
    base->broken = true;
    return 0;
}

/* --- finishing by another session --- */

typedef int each_fn(void *arg, const char *gid, size_t len);

/* All that are prepared, by their names. */
static int each_prepared(cv_ctx *cx, cv__my_conn *conn, each_fn *fn, void *arg)
{
    MYSQL_RES *rows;
    CV_TRY(cv__my_query(cx, conn, CV_STR("XA RECOVER"), &rows));
    int rc = 0;
    for (MYSQL_ROW row; rc == 0 && rows && (row = mysql_fetch_row(rows));)
        rc = fn(arg, row[3], strtoul(row[1], NULL, 10) + strtoul(row[2], NULL, 10));
    mysql_free_result(rows);
    return rc;
}

typedef struct wanted {
    const char *gid;
    bool found;
} wanted;

static int compare(void *arg, const char *gid, size_t len)
{
    wanted *w = arg;
    w->found |= strlen(w->gid) == len && memcmp(w->gid, gid, len) == 0;
    return 0;
}

static int fail_not_found(cv_ctx *cx, const char *gid)
{
    return cv_fail(cx, CV_E_NOT_FOUND, "no transaction is prepared under the name \"%s\"", gid);
}

int cv__my_finish_prepared(cv_ctx *cx, cv__conn *base, const char *gid, bool commit)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    if (strlen(gid) > MAX_GID)
        return fail_not_found(cx, gid);
    CV_TRY(cv__my_make_ready(cx, conn));
    for (int waited_ms = 0;; waited_ms += LOOK_MS) {
        wanted w = {.gid = gid};
        int rc = xa(cx, conn, commit ? "COMMIT" : "ROLLBACK", gid);
        if (rc == 0 || !failed_with(conn, ER_XAER_NOTA))
            return rc;
        cv_error_clear(cx);
        CV_TRY(each_prepared(cx, conn, compare, &w));
        if (!w.found || waited_ms >= LET_GO_MS)
            return fail_not_found(cx, gid);
        CV_TRY(cv_sleep_ms(cx, LOOK_MS)); /* whoever prepared it is going */
    }
}

typedef struct listing {
    cv_ctx *cx;
    cv_prepared *list;
    size_t count, capacity;
} listing;

/* The server tells neither who prepared it nor when. */
static int add(void *arg, const char *gid, size_t len)
{
    listing *l = arg;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 16;
        cv_prepared *list = cv_zalloc(l->cx, capacity, sizeof *list);
        if (!list)
            return CV_E_NOMEM;
        if (l->count > 0)
            memcpy(list, l->list, l->count * sizeof *list);
        l->list = list;
        l->capacity = capacity;
    }
    const char *copy = cv_strndup(l->cx, gid, len);
    if (!copy)
        return CV_E_NOMEM;
    l->list[l->count++] = (cv_prepared){.gid = copy, .owner = "", .database = ""};
    return 0;
}

int cv__my_list_prepared(cv_ctx *cx, cv__conn *base, cv_prepared **ret_list, size_t *ret_count)
{
    cv__my_conn *conn = cv__my_conn_of(base);
    listing l = {.cx = cx};
    CV_TRY(cv__my_make_ready(cx, conn));
    CV_TRY(each_prepared(cx, conn, add, &l));
    *ret_list = l.list;
    *ret_count = l.count;
    return 0;
}
