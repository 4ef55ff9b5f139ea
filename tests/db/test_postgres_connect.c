/* The first moments of a connection: names that do not resolve, accounts that are refused, servers that are not ready.
 * On a server of its own. */
#include "postgres_test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>

static test_server server;
static bool available;
static cv_ctx *cx;

/* --- a resolver that hangs: this program's getaddrinfo comes before that of the C library --- */

static sem_t stuck;

typedef int resolve_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret_found)
{
    resolve_fn *real;
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    if (host && strcmp(host, "stuck.example.com") == 0) {
        sem_wait(&stuck);
        return EAI_AGAIN;
    }
    return real(host, service, hints, ret_found);
}

/* --- the server --- */

static const char accounts[] = "DROP ROLE IF EXISTS scram; SET password_encryption = 'scram-sha-256';"
                               "CREATE ROLE scram LOGIN PASSWORD 'open sesame';"
                               "DROP ROLE IF EXISTS digest; SET password_encryption = 'md5';"
                               "CREATE ROLE digest LOGIN PASSWORD 'open sesame';"
                               "DROP ROLE IF EXISTS crowd; CREATE ROLE crowd LOGIN CONNECTION LIMIT 1";
static const char rules[] = "local all app trust\nlocal replication app trust\nhost all app,crowd 127.0.0.1/32 trust\n"
                            "host all digest 127.0.0.1/32 md5\nhost all scram 127.0.0.1/32 scram-sha-256\n";

static int set_up_group(void **state)
{
    (void)state;
    char url[TEST_URL_BYTES];
    sem_init(&stuck, 0, 0);
    available = test_server_create(&server);
    if (!available)
        return 0;
    test_server_url(&server, "app", url);
    PGconn *session = test_session_open(url);
    test_session_run(session, accounts);
    PQfinish(session);
    test_server_write(&server, "pg_hba.conf", rules);
    test_server_reload(&server);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
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

static int connect_as(const char *account, const char *name, cv_db **ret_db)
{
    char url[TEST_URL_BYTES];
    snprintf(url, sizeof url, "postgres://%s@127.0.0.1:%d/%s?max_connections=1", account, server.port, name);
    return cv_db_open(cx, url, NULL, ret_db);
}

static void assert_connects(const char *account)
{
    cv_db *db;
    assert_ok(cx, connect_as(account, "app", &db));
    cv_db_close(cx, db);
}

static void assert_refused(const char *account, const char *name, int code, const char *sqlstate, const char *hint)
{
    cv_db *db;
    int rc = connect_as(account, name, &db);
    if (rc != code)
        fail_msg("%s/%s: got %s, expected %s", account, name, cv_error_name(rc), cv_error_name(code));
    const cv_error *error = cv_error_last(cx);
    assert_string_equal(error->sqlstate, sqlstate);
    if (!error->hint || !strstr(error->hint, hint))
        fail_msg("the hint \"%s\" does not contain \"%s\"", error->hint ? error->hint : "", hint);
    for (; error; error = error->cause)
        assert_null(strstr(error->message, "sesame"));
    cv_error_clear(cx);
}

static void every_way_to_prove_a_password_works(void **state)
{
    (void)state;
    if (!available)
        skip();
    assert_connects("app");
    assert_connects("scram:open%20sesame");
    assert_connects("digest:open%20sesame");
}

static void refused_accounts_say_what_to_do(void **state)
{
    (void)state;
    if (!available)
        skip();
    assert_refused("scram:sesame", "app", CV_E_AUTH, "28P01", "user and password");
    assert_refused("digest:sesame", "app", CV_E_AUTH, "28P01", "user and password");
    assert_refused("nobody:sesame", "app", CV_E_AUTH, "28000", "pg_hba.conf");
    assert_refused("app", "nothing", CV_E_NOT_FOUND, "3D000", "CREATE DATABASE");
}

static void an_account_at_its_limit_says_so(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_ok(cx, connect_as("crowd", "app", &db));
    assert_refused("crowd", "app", CV_E_TOO_MANY_CONNECTIONS, "53300", "max_connections");
    cv_db_close(cx, db);
}

static void a_server_that_is_not_ready_says_so(void **state)
{
    (void)state;
    if (!available)
        skip();
    test_server cold;
    char url[TEST_URL_BYTES];
    cv_db *db;
    test_server_replicate(&server, &cold);
    test_server_stop(&cold);
    test_server_write(&cold, "postgresql.conf", "hot_standby = off\n"); /* what it is started with says the rest */
    test_server_start_closed(&cold);
    snprintf(url, sizeof url, "postgres://app@127.0.0.1:%d/app", cold.port);
    assert_int_equal(cv_db_open(cx, url, NULL, &db), CV_E_NO_SERVER);
    assert_string_equal(cv_error_last(cx)->sqlstate, "57P03");
    assert_non_null(strstr(cv_error_last(cx)->hint, "try again"));
    assert_true(cv_error_is_transient(CV_E_NO_SERVER));
    cv_error_clear(cx);
    snprintf(url, sizeof url, "postgres://app@127.0.0.1:%d,127.0.0.1:%d/app", cold.port, server.port);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db)); /* the next host may be ready */
    cv_db_close(cx, db);
    test_server_destroy(&cold);
}

static void a_resolver_that_hangs_ends_with_the_deadline(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    int64_t start = cv_now_ns(cx);
    assert_fails(cx, cv_db_open(cx, "postgres://app@stuck.example.com/app?connect_timeout=200ms", NULL, &db),
                 CV_E_TIMEOUT, "stuck.example.com");
    assert_in_range(ms_since(cx, start), 190, 20000);
    char url[TEST_URL_BYTES];
    snprintf(url, sizeof url, "postgres://app@stuck.example.com,127.0.0.1:%d/app?connect_timeout=1s", server.port);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db)); /* the next host has its share of the time */
    cv_db_close(cx, db);
    sem_post(&stuck);
    sem_post(&stuck);
}

static void a_name_that_does_not_exist_is_told(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_db *db;
    assert_fails(cx, cv_db_open(cx, "postgres://app@nowhere.invalid/app", NULL, &db), CV_E_RESOLVE, "nowhere.invalid");
}

/* Proving a password takes some milliseconds of computing; ten at once would hold the loop for long. */
static int tick(cv_ctx *ctx, void *arg)
{
    int64_t *worst_ns = arg;
    for (int64_t last = cv_now_ns(ctx);;) {
        CV_TRY(cv_sleep_ms(ctx, 1));
        int64_t now = cv_now_ns(ctx);
        *worst_ns = now - last > *worst_ns ? now - last : *worst_ns;
        last = now;
    }
}

static int connect_once(cv_ctx *ctx, void *arg)
{
    cv_db *db;
    CV_TRY(cv_db_open(ctx, arg, NULL, &db));
    cv_db_close(ctx, db);
    return 0;
}

static void proving_passwords_does_not_hold_the_loop(void **state)
{
    (void)state;
    if (!available)
        skip();
    char url[TEST_URL_BYTES];
    cv_fiber *ticker, *connects[10];
    int64_t worst_ns = 0;
    snprintf(
        url, sizeof url,
        "postgres://scram:open%%20sesame@127.0.0.1:%d/app?max_connections=1&connect_timeout=60s&acquire_timeout=60s",
        server.port);
    assert_ok(cx, cv_spawn(cx, "ticker", tick, &worst_ns, &ticker));
    for (int i = 0; i < 10; i++)
        assert_ok(cx, cv_spawn(cx, "connect", connect_once, url, &connects[i]));
    for (int i = 0; i < 10; i++)
        assert_ok(cx, cv_join(cx, connects[i], NULL));
    cv_cancel(ticker);
    assert_int_equal(cv_join(cx, ticker, NULL), CV_E_CANCELLED);
    cv_error_clear(cx);
    print_message("# the loop was held for at most %lld us\n", (long long)(worst_ns / 1000));
    assert_in_range(worst_ns, 0, 1000000000);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        case_of(every_way_to_prove_a_password_works),
        case_of(refused_accounts_say_what_to_do),
        case_of(an_account_at_its_limit_says_so),
        case_of(a_server_that_is_not_ready_says_so),
        case_of(a_resolver_that_hangs_ends_with_the_deadline),
        case_of(a_name_that_does_not_exist_is_told),
        case_of(proving_passwords_does_not_hold_the_loop),
    };
    return cmocka_run_group_tests_name("postgres-connect", tests, set_up_group, tear_down_group);
}
