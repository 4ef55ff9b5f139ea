/* Which server: hosts and addresses in turn (db/server/hosts.h), until one answers and is what was asked for. One that
 * would do, though another kind is preferred, is kept until the others have been asked. */
#include "db/postgres/connect.h"
#include "db/postgres/session.h"

typedef enum verdict { WRONG_KIND, SECOND_CHOICE, RIGHT } verdict;

/* The search for a server. */
typedef struct search {
    cv__pg_conn *conn;
    bool wrong_kind; /* a server was there, but not what was asked for */
    struct {
        PGconn *pg; /* NULL: none */
        cv__poll *poll;
        size_t host;
        bool checks_client, pooled;
    } spare; /* the second choice */
} search;

/* Servers from 14 on say of themselves what they are, and whenever it changes. */
static int ask_kind(cv_ctx *cx, cv__pg_conn *conn, bool *ret_standby, bool *ret_read_only)
{
    const char *standby = PQparameterStatus(conn->pg, "in_hot_standby");
    const char *read_only = PQparameterStatus(conn->pg, "default_transaction_read_only");
    char cells[2][CV__PG_CELL_BYTES];
    if (!standby || !read_only) {
        CV_TRY(cv__pg_ask(cx, conn,
                          "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END, "
                          "pg_catalog.current_setting('transaction_read_only')",
                          2, cells));
        standby = cells[0];
        read_only = cells[1];
    }
    *ret_standby = strcmp(standby, "on") == 0;
    *ret_read_only = *ret_standby || strcmp(read_only, "on") == 0;
    return 0;
}

static verdict judge(cv__pg_target target, bool standby, bool read_only)
{
    switch (target) {
    case CV__PG_READ_WRITE:
        return read_only ? WRONG_KIND : RIGHT;
    case CV__PG_READ_ONLY:
        return read_only ? RIGHT : WRONG_KIND;
    case CV__PG_PRIMARY:
        return standby ? WRONG_KIND : RIGHT;
    case CV__PG_STANDBY:
        return standby ? RIGHT : WRONG_KIND;
    case CV__PG_PREFER_STANDBY:
        return standby ? RIGHT : SECOND_CHOICE;
    case CV__PG_ANY:
        break;
    }
    return RIGHT;
}

static int fail_wrong_kind(cv_ctx *cx, search *s, bool standby)
{
    s->wrong_kind = true;
    return cv_fail(cx, CV_E_NO_SERVER, "the PostgreSQL server at \"%s\" %s", cv__pg_place(s->conn),
                   standby                                       ? "is a standby"
                   : s->conn->shared->target == CV__PG_STANDBY   ? "is no standby"
                   : s->conn->shared->target == CV__PG_READ_ONLY ? "accepts writes"
                                                                 : "accepts no writes");
}

static void keep_spare(search *s)
{
    cv__pg_conn *conn = s->conn;
    if (s->spare.pg)
        return;
    s->spare.pg = conn->pg;
    s->spare.poll = conn->poll;
    s->spare.host = conn->host;
    s->spare.checks_client = conn->checks_client;
    s->spare.pooled = conn->pooled;
    conn->pg = NULL;
    conn->poll = NULL;
}

static void take_spare(search *s)
{
    cv__pg_conn *conn = s->conn;
    cv__pg_hang_up(conn);
    conn->pg = s->spare.pg;
    conn->poll = s->spare.poll;
    conn->host = s->spare.host;
    conn->checks_client = s->spare.checks_client;
    conn->pooled = s->spare.pooled;
    s->spare.pg = NULL;
    s->spare.poll = NULL;
}

static void drop_spare(search *s)
{
    cv__poll_free(s->spare.poll);
    PQfinish(s->spare.pg);
}

/* Whether the server that the connection stands with will do. */
static int check_kind(cv_ctx *cx, search *s)
{
    bool standby, read_only;
    cv__pg_target target = s->conn->shared->target;
    if (target == CV__PG_ANY)
        return 0;
    CV_TRY(ask_kind(cx, s->conn, &standby, &read_only));
    verdict found = judge(target, standby, read_only);
    if (found == RIGHT)
        return 0;
    if (found == SECOND_CHOICE)
        keep_spare(s);
    return fail_wrong_kind(cx, s, standby);
}

static int try_address(cv_ctx *cx, void *arg, const char *hostaddr, bool *ret_final)
{
    search *s = arg;
    CV_TRY(cv__pg_attempt(cx, s->conn, hostaddr, ret_final));
    *ret_final = false;
    return check_kind(cx, s);
}

static int try_host(cv_ctx *cx, void *arg, size_t index, bool *ret_final)
{
    search *s = arg;
    const cv__db_host *host = &s->conn->shared->hosts[index];
    s->conn->host = index;
    if (host->name[0] == '/')
        return try_address(cx, s, NULL, ret_final);
    return cv__addresses_in_turn(cx, host->name, host->port, try_address, s, ret_final);
}

/* The failures of the attempts are the causes of this one. */
static int fail_all(cv_ctx *cx, const search *s, int code)
{
    const cv__pg_shared *shared = s->conn->shared;
    if (shared->host_count == 1 && !s->wrong_kind)
        return code;
    static const char *const wanted[] = {[CV__PG_READ_WRITE] = "read-write",
                                         [CV__PG_READ_ONLY] = "read-only",
                                         [CV__PG_PRIMARY] = "primary",
                                         [CV__PG_STANDBY] = "standby"};
    if (!s->wrong_kind)
        return cv_fail(cx, code, "could not connect to any of the %zu PostgreSQL servers at \"%s\"", shared->host_count,
                       shared->place);
    int rc = cv_fail(cx, CV_E_NO_SERVER, "could not find a server that is \"%s\" among \"%s\"", wanted[shared->target],
                     shared->place);
    cv_error_hint(cx, "while another server takes over this may pass by itself; otherwise look at the hosts and at "
                      "target_session_attrs of the database URL");
    return rc;
}

int cv__pg_connect_to_any(cv_ctx *cx, cv__pg_conn *conn)
{
    cv__pg_shared *shared = conn->shared;
    search s = {.conn = conn};
    bool final;
    int rc = cv__hosts_in_turn(cx, shared->hosts, shared->host_count, shared->any_order, try_host, &s, &final);
    if (rc < 0 && s.spare.pg && rc != CV_E_CANCELLED && rc != CV_E_CONTEXT) {
        take_spare(&s);
        rc = 0;
    }
    drop_spare(&s);
    if (rc < 0)
        return final ? rc : fail_all(cx, &s, rc);
    cv_error_clear(cx); /* of the attempts before */
    return 0;
}
