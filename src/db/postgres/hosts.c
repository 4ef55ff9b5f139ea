/* Which server: the hosts of a database in turn, the addresses of each in turn, until one answers and is what was asked
 * for.
 *
 * Every attempt has its share of the time that is left, so that one that does not answer leaves time for the others;
 * such a host is tried last for a while. A server that would do, though another kind is preferred, is kept until the
 * others have been asked. */
#include "db/postgres/postgres.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/runtime.h>
#include <covet/uuid.h>
#include <netdb.h>

/* How long a host that did not answer is tried after the others. */
#define SILENT_NS INT64_C(10000000000)

typedef enum verdict { WRONG_KIND, SECOND_CHOICE, RIGHT } verdict;

/* The search for a server. */
typedef struct search {
    cv_ctx *cx;
    cv__pg_conn *conn;
    bool final;      /* the last failure holds everywhere */
    bool wrong_kind; /* a server was there, but not what was asked for */
    struct {
        PGconn *pg; /* NULL: none */
        cv__poll *poll;
        size_t host;
        bool checks_client, pooled;
    } spare; /* the second choice */
} search;

/* Servers from 14 on say of themselves what they are, and whenever it changes. */
static int ask_kind(search *s, bool *ret_standby, bool *ret_read_only)
{
    const char *standby = PQparameterStatus(s->conn->pg, "in_hot_standby");
    const char *read_only = PQparameterStatus(s->conn->pg, "default_transaction_read_only");
    char cells[2][CV__PG_CELL_BYTES];
    if (!standby || !read_only) {
        CV_TRY(cv__pg_ask(s->cx, s->conn,
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

static int fail_wrong_kind(search *s, bool standby)
{
    s->wrong_kind = true;
    return cv_fail(s->cx, CV_E_NO_SERVER, "the PostgreSQL server at \"%s\" %s", cv__pg_place(s->conn),
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
static int check_kind(search *s)
{
    bool standby, read_only;
    cv__pg_target target = s->conn->shared->target;
    if (target == CV__PG_ANY)
        return 0;
    CV_TRY(ask_kind(s, &standby, &read_only));
    verdict found = judge(target, standby, read_only);
    if (found == RIGHT)
        return 0;
    if (found == SECOND_CHOICE)
        keep_spare(s);
    return fail_wrong_kind(s, standby);
}

static int try_address(search *s, const char *hostaddr)
{
    CV_TRY(cv__pg_attempt(s->cx, s->conn, hostaddr, &s->final));
    s->final = false;
    return check_kind(s);
}

static int64_t share_of_time(cv_ctx *cx, size_t left_to_try)
{
    int64_t left = cv__deadline_left_ms(cx);
    return left == INT64_MAX ? left : left / (int64_t)left_to_try + 1;
}

static int try_addresses(search *s, const cv_address *addresses, size_t count)
{
    int rc = CV_E_RESOLVE;
    for (size_t i = 0; i < count && rc < 0 && !s->final; i++) {
        char literal[NI_MAXHOST];
        if (getnameinfo(addresses[i].address, addresses[i].length, literal, sizeof literal, NULL, 0, NI_NUMERICHOST) !=
            0)
            return cv_fail(s->cx, CV_E_RESOLVE, "the address of host \"%s\" cannot be written",
                           s->conn->shared->hosts[s->conn->host].name);
        CV_WITHIN(s->cx, share_of_time(s->cx, count - i))
        {
            rc = try_address(s, literal);
        }
    }
    return rc;
}

static int try_host(search *s)
{
    const cv__pg_host *host = &s->conn->shared->hosts[s->conn->host];
    if (host->name[0] == '/')
        return try_address(s, NULL);
    cv_address *addresses;
    size_t count;
    CV_TRY(cv_resolve(s->cx, host->name, host->port, &addresses, &count));
    return try_addresses(s, addresses, count);
}

static bool is_silent(const cv__pg_host *host, int64_t now_ns)
{
    return host->silent_since_ns && now_ns - host->silent_since_ns < SILENT_NS;
}

static void shuffle(size_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        uint32_t random;
        cv_random_bytes(&random, sizeof random);
        size_t other = random % i, former = order[i - 1];
        order[i - 1] = order[other];
        order[other] = former;
    }
}

/* Those that lately did not answer come last. */
static void make_order(const cv__pg_shared *shared, int64_t now_ns, size_t order[CV_URL_MAX_HOSTS])
{
    size_t drawn[CV_URL_MAX_HOSTS], count = 0;
    for (size_t i = 0; i < shared->host_count; i++)
        drawn[i] = i;
    if (shared->any_order)
        shuffle(drawn, shared->host_count);
    for (int silent = 0; silent <= 1; silent++)
        for (size_t i = 0; i < shared->host_count; i++)
            if (is_silent(&shared->hosts[drawn[i]], now_ns) == (silent == 1))
                order[count++] = drawn[i];
}

/* The failures of the attempts are the causes of this one. */
static int fail_all(search *s, int code)
{
    const cv__pg_shared *shared = s->conn->shared;
    bool over = code == CV_E_CANCELLED || code == CV_E_CONTEXT || s->final;
    if (over || (shared->host_count == 1 && !s->wrong_kind))
        return code;
    static const char *const wanted[] = {[CV__PG_READ_WRITE] = "read-write",
                                         [CV__PG_READ_ONLY] = "read-only",
                                         [CV__PG_PRIMARY] = "primary",
                                         [CV__PG_STANDBY] = "standby"};
    if (!s->wrong_kind)
        return cv_fail(s->cx, code, "could not connect to any of the %zu PostgreSQL servers at \"%s\"",
                       shared->host_count, shared->place);
    int rc = cv_fail(s->cx, CV_E_NO_SERVER, "could not find a server that is \"%s\" among \"%s\"",
                     wanted[shared->target], shared->place);
    cv_error_hint(s->cx, "while another server takes over this may pass by itself; otherwise look at the hosts and at "
                         "target_session_attrs of the database URL");
    return rc;
}

static int search_hosts(search *s)
{
    cv__pg_shared *shared = s->conn->shared;
    size_t order[CV_URL_MAX_HOSTS];
    int rc = CV_E_RESOLVE;
    make_order(shared, cv_now_ns(s->cx), order);
    for (size_t i = 0; i < shared->host_count && rc < 0 && !s->final; i++) {
        cv__pg_host *host = &shared->hosts[order[i]];
        s->conn->host = order[i];
        CV_WITHIN(s->cx, share_of_time(s->cx, shared->host_count - i))
        {
            rc = try_host(s);
        }
        host->silent_since_ns = rc == CV_E_TIMEOUT ? cv_now_ns(s->cx) : 0;
        s->final |= rc == CV_E_CANCELLED || rc == CV_E_CONTEXT;
    }
    return rc;
}

int cv__pg_connect_to_any(cv_ctx *cx, cv__pg_conn *conn)
{
    search s = {.cx = cx, .conn = conn};
    int rc = search_hosts(&s);
    if (rc < 0 && s.spare.pg && rc != CV_E_CANCELLED && rc != CV_E_CONTEXT) {
        take_spare(&s);
        rc = 0;
    }
    drop_spare(&s);
    if (rc < 0)
        return fail_all(&s, rc);
    cv_error_clear(cx); /* of the attempts before */
    return 0;
}
