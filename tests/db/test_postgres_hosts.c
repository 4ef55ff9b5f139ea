/* Several servers: which one is taken, and what happens when it goes. A primary and a replica of the test's own. */
#include "postgres_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static test_server servers[2]; /* which of them is the primary changes */
static test_server *primary, *standby;
static bool available;
static cv_ctx *cx;

static int set_up_group(void **state)
{
    (void)state;
    available = test_server_create(&servers[0]);
    if (available)
        test_server_replicate(&servers[0], &servers[1]);
    primary = &servers[0];
    standby = &servers[1];
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&servers[0]);
    test_server_destroy(&servers[1]);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return available ? cv_runtime_new(NULL, &cx) : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (available)
        cv_runtime_free(cx);
    return 0;
}

/* A listener that never accepts. */
static int listen_silently(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int open_hosts(const int *ports, size_t count, const char *options, cv_db **ret_db)
{
    char url[TEST_URL_BYTES] = "postgres://app@";
    for (size_t i = 0; i < count; i++)
        snprintf(url + strlen(url), sizeof url - strlen(url), "%s127.0.0.1:%d", i ? "," : "", ports[i]);
    snprintf(url + strlen(url), sizeof url - strlen(url), "/app?max_connections=1%s", options);
    return cv_db_open(cx, url, NULL, ret_db);
}

static void assert_leads_to(const int *ports, size_t count, const char *options, const test_server *wanted)
{
    cv_db *db;
    assert_ok(cx, open_hosts(ports, count, options, &db));
    cv_use_db(cx, db);
    assert_int_equal(scalar(cx, "SELECT inet_server_port()").as.i64, wanted->port);
    cv_db_close(cx, db);
}

static void the_first_host_that_answers_is_taken(void **state)
{
    (void)state;
    if (!available)
        skip();
    assert_leads_to((int[]){primary->port, standby->port}, 2, "", primary);
    assert_leads_to((int[]){standby->port, primary->port}, 2, "", standby);
    assert_leads_to((int[]){1, standby->port, primary->port}, 3, "", standby);
}

static void a_host_that_does_not_answer_leaves_time_for_the_others(void **state)
{
    (void)state;
    if (!available)
        skip();
    int silent, fd = listen_silently(&silent);
    cv_db *db;
    int64_t start = cv_now_ns(cx);
    assert_ok(cx, open_hosts((int[]){silent, primary->port}, 2, "&connect_timeout=2s", &db));
    assert_in_range(ms_since(cx, start), 990, 20000);
    cv_use_db(cx, db);
    assert_int_equal(cv_exec(cx, NULL, "SELECT pg_terminate_backend(pg_backend_pid())"), CV_E_CONNECTION_LOST);
    cv_error_clear(cx);
    CV_WITHIN(cx, 990) /* the silent one is now asked last */
    {
        assert_int_equal(scalar(cx, "SELECT inet_server_port()").as.i64, primary->port);
    }
    cv_db_close(cx, db);
    close(fd);
}

static void what_a_server_must_be_decides(void **state)
{
    (void)state;
    if (!available)
        skip();
    const int both[] = {standby->port, primary->port}, other[] = {primary->port, standby->port};
    assert_leads_to(both, 2, "&target_session_attrs=any", standby);
    assert_leads_to(both, 2, "&target_session_attrs=read-write", primary);
    assert_leads_to(both, 2, "&target_session_attrs=primary", primary);
    assert_leads_to(other, 2, "&target_session_attrs=read-only", standby);
    assert_leads_to(other, 2, "&target_session_attrs=standby", standby);
    assert_leads_to(other, 2, "&target_session_attrs=prefer-standby", standby);
    assert_leads_to(other, 1, "&target_session_attrs=prefer-standby", primary);
    assert_leads_to((int[]){primary->port, 1}, 2, "&target_session_attrs=prefer-standby", primary);
}

static void without_the_right_server_the_error_says_what_was_found(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_int_equal(open_hosts((int[]){standby->port, 1}, 2, "&target_session_attrs=read-write", &db), CV_E_NO_SERVER);
    const cv_error *error = cv_error_last(cx);
    assert_non_null(strstr(error->message, "could not find a server that is \"read-write\""));
    assert_non_null(error->hint);
    assert_non_null(error->cause);
    assert_non_null(strstr(error->cause->message, "Connection refused"));
    assert_non_null(error->cause->cause);
    assert_non_null(strstr(error->cause->cause->message, "is a standby"));
    assert_true(cv_error_is_transient(error->code));
    cv_error_clear(cx);
    assert_fails(cx, open_hosts((int[]){primary->port}, 1, "&target_session_attrs=standby", &db), CV_E_NO_SERVER,
                 "that is \"standby\"");
    assert_fails(cx, open_hosts((int[]){1, 2}, 2, "", &db), CV_E_REFUSED, "any of the 2 PostgreSQL servers");
}

static void a_refused_account_is_not_tried_elsewhere(void **state)
{
    (void)state;
    if (!available)
        skip();
    char url[TEST_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "postgres://stranger:x@127.0.0.1:%d,127.0.0.1:%d/app", primary->port, standby->port);
    assert_fails(cx, cv_db_open(cx, url, NULL, &db), CV_E_AUTH, "stranger");
}

static void a_random_order_finds_every_host(void **state)
{
    (void)state;
    if (!available)
        skip();
    bool seen[2] = {false, false};
    const int ports[] = {primary->port, standby->port};
    for (int i = 0; i < 200 && !(seen[0] && seen[1]); i++) {
        cv_db *db;
        assert_ok(cx, open_hosts(ports, 2, "&load_balance_hosts=random", &db));
        cv_use_db(cx, db);
        seen[scalar(cx, "SELECT inet_server_port()").as.i64 == ports[1]] = true;
        cv_db_close(cx, db);
    }
    assert_true(seen[0] && seen[1]);
}

static void hosts_and_ports_may_be_options(void **state)
{
    (void)state;
    if (!available)
        skip();
    char url[TEST_URL_BYTES];
    cv_db *db;
    snprintf(url, sizeof url, "postgres://app@/app?host=127.0.0.1,localhost&port=1,%d", primary->port);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_db_close(cx, db);
    snprintf(url, sizeof url, "postgres://app@/app?host=%s/sock,127.0.0.1&port=%d", primary->folder, primary->port);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_db_close(cx, db);
    assert_fails(cx, cv_db_open(cx, "postgres://app@/app?port=0", NULL, &db), CV_E_CONFIG, "port");
    assert_fails(cx, cv_db_open(cx, "postgres://h/app?target_session_attrs=readwrite", NULL, &db), CV_E_CONFIG,
                 "target_session_attrs");
    assert_fails(cx, cv_db_open(cx, "postgres://h/app?target_session_attrs=read-write&read_only=true", NULL, &db),
                 CV_E_CONFIG, "read-only");
}

static int write_note(cv_ctx *ctx)
{
    return cv_exec(ctx, NULL, "CREATE TABLE IF NOT EXISTS notes (id int)");
}

static void writes_on_a_standby_are_refused(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_ok(cx, open_hosts((int[]){standby->port}, 1, "", &db));
    cv_use_db(cx, db);
    assert_fails(cx, write_note(cx), CV_E_READ_ONLY, "read-only");
    assert_int_equal(cv_db_pool_stats(db, 0).open, 1);
    cv_db_close(cx, db);
}

static void a_database_may_be_opened_for_reading_alone(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_ok(cx, open_hosts((int[]){primary->port}, 1, "&read_only=true", &db));
    cv_use_db(cx, db);
    assert_int_equal(write_note(cx), CV_E_READ_ONLY);
    assert_string_equal(cv_error_last(cx)->sqlstate, "25006");
    cv_error_clear(cx);
    assert_int_equal(scalar(cx, "SELECT 7").as.i64, 7);
    cv_db_close(cx, db);
}

/* The last case: it changes who is who. */
static void after_a_failover_connections_go_to_the_new_primary(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_ok(cx, open_hosts((int[]){primary->port, standby->port}, 2, "&target_session_attrs=read-write", &db));
    cv_use_db(cx, db);
    assert_int_equal(scalar(cx, "SELECT inet_server_port()").as.i64, primary->port);
    test_server_kill(primary);
    assert_int_equal(write_note(cx), CV_E_NO_SERVER); /* nobody has taken over yet */
    cv_error_clear(cx);
    test_server_promote(standby);
    assert_ok(cx, write_note(cx));
    assert_int_equal(scalar(cx, "SELECT inet_server_port()").as.i64, standby->port);
    cv_db_close(cx, db);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(the_first_host_that_answers_is_taken),
        case_of(a_host_that_does_not_answer_leaves_time_for_the_others),
        case_of(what_a_server_must_be_decides),
        case_of(without_the_right_server_the_error_says_what_was_found),
        case_of(a_refused_account_is_not_tried_elsewhere),
        case_of(a_random_order_finds_every_host),
        case_of(hosts_and_ports_may_be_options),
        case_of(writes_on_a_standby_are_refused),
        case_of(a_database_may_be_opened_for_reading_alone),
        case_of(after_a_failover_connections_go_to_the_new_primary),
    };
    return cmocka_run_group_tests_name("postgres-hosts", tests, set_up_group, tear_down_group);
}
