/* A client that goes away: the query that runs for it on PostgreSQL ends, the transaction around it too, and its
 * connection is free. And a request's deadline reaches its query. Over the simulated network, with the real clock and
 * server. */
#include "../db/postgres_test.h"
#include "await.h"

#include "base/ctx.h"
#include <covet/testing.h>

static char url[TEST_URL_BYTES];
static bool available;

static int set_up_group(void **state)
{
    (void)state;
    available = test_database_create("hangup", url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (available)
        test_database_drop(url);
    return 0;
}

typedef struct world {
    fixture f;
    cv_router *router;
    cv_test_client *client;
} world;

/* Locks the table, then takes ten minutes. */
static int slow(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO n VALUES (1)"));
        CV_TRY(cv_exec(cx, NULL, "SELECT pg_sleep(600)"));
    }
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("done"));
}

static int bounded(cv_ctx *cx, cv_request *req, cv_response *res)
{
    int rc = CV_E_INTERNAL;
    CV_WITHIN(cx, 200)
    {
        rc = slow(cx, req, res);
    }
    return rc;
}

static int set_up(void **state)
{
    static world w;
    w = (world){0};
    *state = &w;
    if (!available)
        return 0;
    memcpy(w.f.url, url, sizeof url);
    fixture_open(&w.f, &(cv_db_options){.max_connections = 1});
    test_session_run(w.f.watch, "DROP TABLE IF EXISTS n; CREATE TABLE n (x bigint)");
    w.router = cv_router_new();
    assert_ok(w.f.cx, cv_router_add(w.f.cx, w.router, CV_GET, "/slow", slow, NULL));
    assert_ok(w.f.cx, cv_router_add(w.f.cx, w.router, CV_GET, "/bounded", bounded, NULL));
    assert_ok(w.f.cx, cv_test_client_new(w.f.cx, w.router, NULL, &w.client));
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    if (!w->f.cx)
        return 0;
    cv_test_client_free(w->f.cx, w->client);
    cv_router_free(w->router);
    fixture_close(&w->f);
    return 0;
}

static world *world_of(void **state)
{
    world *w = *state;
    if (!w->f.cx)
        skip();
    return w;
}

static const char *sleeping(const world *w)
{
    return test_session_run(w->f.watch, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                        "AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
}

static void wait_until_sleeping(const world *w, const char *count)
{
    await_that(w->f.cx, strcmp(sleeping(w), count) == 0);
}

static void assert_all_is_free(const world *w)
{
    const char *locks = "SELECT count(*) FROM pg_locks WHERE relation = 'n'::regclass AND pid <> pg_backend_pid()";
    cv_value seven;
    assert_ok(w->f.cx, cv_scalar(w->f.cx, &seven, "SELECT 7"));
    assert_int_equal(cv_db_pool_stats(w->f.db, 0).borrowed, 0);
    assert_string_equal(test_session_run(w->f.watch, locks), "0");
    assert_string_equal(test_session_run(w->f.watch, "SELECT count(*) FROM n"), "0");
}

static void go_away(void **state, bool reset)
{
    world *w = world_of(state);
    cv_test_connection *connection;
    assert_ok(w->f.cx, cv_test_connect(w->f.cx, w->client, NULL, &connection));
    assert_ok(w->f.cx, cv_test_write(connection, CV_STR("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")));
    wait_until_sleeping(w, "1");
    cv_test_close(connection, reset);
    wait_until_sleeping(w, "0");
    assert_all_is_free(w);
}

static void a_client_that_resets_ends_its_query_on_the_server(void **state)
{
    go_away(state, true);
}

static void a_client_that_closes_ends_its_query_on_the_server(void **state)
{
    go_away(state, false);
}

static void a_deadline_ends_the_query_on_the_server(void **state)
{
    world *w = world_of(state);
    cv_test_reply reply;
    assert_ok(w->f.cx, cv_test_get(w->f.cx, w->client, "/bounded", &reply));
    assert_int_equal(reply.status, 503);
    wait_until_sleeping(w, "0");
    assert_all_is_free(w);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_client_that_resets_ends_its_query_on_the_server),
        CASE(a_client_that_closes_ends_its_query_on_the_server),
        CASE(a_deadline_ends_the_query_on_the_server),
    };
    return cmocka_run_group_tests_name("testing hangup", tests, set_up_group, tear_down_group);
}
