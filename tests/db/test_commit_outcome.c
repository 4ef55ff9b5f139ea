/* The answer to COMMIT is lost. On a server of its own that waits, at COMMIT, for a replica which does not exist: the
 * transaction is stored then, and the session can be killed before it says so. */
#include "postgres_test.h"

#include "base/ctx.h"
#include <pthread.h>

static test_server server;
static bool available;

static int set_up_group(void **state)
{
    (void)state;
    available = test_server_create(&server);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    test_server_destroy(&server);
    return 0;
}

static void wait_for_replica(const fixture *f, bool on)
{
    test_session_run(f->watch, on ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
                                  : "ALTER SYSTEM RESET synchronous_standby_names");
    test_session_run(f->watch, "SELECT pg_reload_conf()");
    const char *wanted = on ? "nobody" : "";
    for (int i = 0; i < 1000; i++) {
        PGconn *fresh = test_session_open(f->url); /* new sessions have the new setting at once */
        bool done = strcmp(test_session_run(fresh, "SHOW synchronous_standby_names"), wanted) == 0;
        PQfinish(fresh);
        if (done)
            return;
        test_session_run(f->watch, "SELECT pg_sleep(0.01)");
    }
    fail_msg("the server does not take its new settings");
}

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    *state = &f;
    if (!available)
        return 0;
    test_server_url(&server, "app", f.url);
    strcat(f.url, "?options=-c%20synchronous_commit%3Don");
    fixture_open(&f, &(cv_db_options){.max_connections = 2});
    test_session_run(f.watch, "SET synchronous_commit = local; DROP TABLE IF EXISTS n; CREATE TABLE n (x bigint)");
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        return 0;
    wait_for_replica(f, false);
    fixture_close(f);
    return 0;
}

static fixture *fixture_of(void **state)
{
    fixture *f = *state;
    if (!f->cx)
        skip();
    return f;
}

/* A session of its own, in a thread of its own, kills whoever waits for the replica. */
typedef struct killer {
    pthread_t thread;
    char url[TEST_URL_BYTES];
} killer;

static void *kill_in_commit(void *arg)
{
    killer *k = arg;
    PGconn *session = PQconnectdb(k->url);
    for (int i = 0; i < 20000; i++) {
        PGresult *result = PQexec(session, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                           "WHERE wait_event = 'SyncRep'");
        bool done = PQntuples(result) > 0;
        PQclear(result);
        if (done)
            break;
    }
    PQfinish(session);
    return NULL;
}

static void start_killer(killer *k, const fixture *f)
{
    memcpy(k->url, f->url, sizeof k->url);
    assert_int_equal(pthread_create(&k->thread, NULL, kill_in_commit, k), 0);
}

typedef struct work {
    const char *sql;
    int made;
    bool kill_before_commit;
    fixture *f;
} work;

static int no_hook(cv_ctx *cx, void *arg)
{
    (void)cx;
    ++*(int *)arg;
    return 0;
}

static int hooks_called;

static int insert(cv_ctx *cx, void *arg)
{
    work *w = arg;
    w->made++;
    CV_TRY(cv_after_commit(cx, no_hook, &hooks_called));
    return cv_exec(cx, NULL, "INSERT INTO n VALUES (1)");
}

static int insert_once(cv_ctx *cx, const cv_tx_options *options, work *w)
{
    hooks_called = 0;
    CV_ATOMIC_WITH(cx, options)
    {
        CV_TRY(insert(cx, w));
    }
    return 0;
}

static const char *rows(const fixture *f)
{
    return test_session_run(f->watch, "SELECT count(*) FROM n");
}

static int lose_the_answer(fixture *f, const cv_tx_options *options)
{
    killer k;
    work w = {0};
    wait_for_replica(f, true);
    start_killer(&k, f);
    int rc = insert_once(f->cx, options, &w);
    pthread_join(k.thread, NULL);
    return rc;
}

static void a_lost_answer_is_an_error_of_its_own_and_no_hook_runs(void **state)
{
    fixture *f = fixture_of(state);
    cv_tx_outcome outcome;
    cv_commit_token nothing = {.outcome = CV_TX_UNKNOWN};
    assert_int_equal(lose_the_answer(f, &(cv_tx_options){0}), CV_E_COMMIT_UNKNOWN);
    assert_false(cv_error_is_transient(CV_E_COMMIT_UNKNOWN));
    assert_int_equal(cv_error_last(f->cx)->cause->code, CV_E_CONNECTION_LOST);
    assert_string_equal(cv_error_last(f->cx)->sqlstate, "08007");
    cv_error_clear(f->cx);
    assert_string_equal(rows(f), "1");
    assert_int_equal(hooks_called, 0);
    assert_int_equal(cv_db_pool_stats(f->db, 0).borrowed, 0);
    assert_ok(f->cx, cv_commit_outcome(f->cx, &nothing, &outcome));
    assert_int_equal(outcome, CV_TX_UNKNOWN);
}

static void the_token_finds_out_later(void **state)
{
    fixture *f = fixture_of(state);
    cv_commit_token token = {0};
    cv_tx_outcome outcome = CV_TX_OPEN;
    assert_int_equal(lose_the_answer(f, &(cv_tx_options){.commit_token = &token}), CV_E_COMMIT_UNKNOWN);
    cv_error_clear(f->cx);
    assert_int_equal(token.outcome, CV_TX_UNKNOWN);
    assert_ok(f->cx, cv_commit_outcome(f->cx, &token, &outcome));
    assert_int_equal(outcome, CV_TX_COMMITTED);
    assert_string_equal(rows(f), "1");
}

static void a_block_that_verifies_ends_well_when_it_is_committed(void **state)
{
    fixture *f = fixture_of(state);
    cv_commit_token token = {0};
    assert_ok(f->cx, lose_the_answer(f, &(cv_tx_options){.verify_commit = true, .commit_token = &token}));
    assert_null(cv_error_last(f->cx));
    assert_false(f->cx->tx_marked);
    assert_int_equal(token.outcome, CV_TX_COMMITTED);
    assert_int_equal(hooks_called, 1);
    assert_string_equal(rows(f), "1");
}

/* A trigger that waits for the end of the transaction kills the session inside COMMIT, the first time. */
static void kill_at_first_commit(const fixture *f)
{
    test_session_run(f->watch,
                     "DROP TABLE IF EXISTS killed; CREATE TABLE killed (x int); INSERT INTO killed VALUES (1)");
    test_session_run(f->watch, "CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                               "IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
                               "PERFORM pg_sleep(20); END IF; RETURN NULL; END $$");
    test_session_run(f->watch, "DROP SEQUENCE IF EXISTS deaths; CREATE SEQUENCE deaths");
    test_session_run(f->watch, "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED "
                               "FOR EACH ROW EXECUTE FUNCTION die()");
}

static void a_commit_that_did_not_happen_is_found_and_repeated(void **state)
{
    fixture *f = fixture_of(state);
    cv_commit_token token = {0};
    cv_tx_outcome outcome = CV_TX_OPEN;
    work w = {0};
    kill_at_first_commit(f);
    assert_int_equal(insert_once(f->cx, &(cv_tx_options){.commit_token = &token}, &w), CV_E_COMMIT_UNKNOWN);
    cv_error_clear(f->cx);
    assert_ok(f->cx, cv_commit_outcome(f->cx, &token, &outcome));
    assert_int_equal(outcome, CV_TX_ROLLED_BACK);
    assert_string_equal(rows(f), "0");

    test_session_run(f->watch, "ALTER SEQUENCE deaths RESTART");
    assert_int_equal(insert_once(f->cx, &(cv_tx_options){.verify_commit = true}, &w), CV_E_CONNECTION_LOST);
    assert_string_equal(cv_error_last(f->cx)->message, "the connection was lost before the transaction was committed");
    cv_error_clear(f->cx);

    test_session_run(f->watch, "ALTER SEQUENCE deaths RESTART");
    w.made = 0;
    assert_int_equal(cv_atomic_retry(f->cx, &(cv_tx_options){0}, insert, &w), CV_E_COMMIT_UNKNOWN);
    cv_error_clear(f->cx);
    assert_int_equal(w.made, 1); /* who does not know must not repeat */

    test_session_run(f->watch, "ALTER SEQUENCE deaths RESTART");
    w.made = 0;
    assert_ok(f->cx, cv_atomic_retry(f->cx, &(cv_tx_options){.verify_commit = true}, insert, &w));
    assert_int_equal(w.made, 2);
    assert_string_equal(rows(f), "1");
}

static void without_time_left_nobody_asks(void **state)
{
    fixture *f = fixture_of(state);
    work w = {0};
    wait_for_replica(f, true);
    int rc = insert_once(f->cx, &(cv_tx_options){.verify_commit = true, .timeout_ms = 300}, &w);
    assert_int_equal(rc, CV_E_COMMIT_UNKNOWN);
    assert_int_equal(cv_error_last(f->cx)->cause->code, CV_E_TIMEOUT);
    cv_error_clear(f->cx);
    assert_int_equal(cv_ctx_deadline_ns(f->cx), INT64_MAX);
}

static int empty_block(cv_ctx *cx, cv_commit_token *token)
{
    CV_ATOMIC_WITH(cx, (&(cv_tx_options){.verify_commit = true, .commit_token = token}))
    {
        assert_int_equal(token->outcome, CV_TX_OPEN);
    }
    return 0;
}

static void a_token_knows_what_needs_no_question(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db;
    work w = {0};
    cv_commit_token token = {.outcome = CV_TX_UNKNOWN};
    cv_tx_outcome outcome = CV_TX_UNKNOWN;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &db));
    assert_fails(cx, cv_commit_outcome(cx, &token, &outcome), CV_E_NO_DATABASE, "no database");
    cv_use_db(cx, db);
    assert_ok(cx, empty_block(cx, &token));
    assert_ok(cx, cv_commit_outcome(cx, &token, &outcome));
    assert_int_equal(outcome, CV_TX_COMMITTED);
    assert_int_equal(insert_once(cx, &(cv_tx_options){.verify_commit = true, .commit_token = &token}, &w), CV_E_SQL);
    cv_error_clear(cx);
    assert_ok(cx, cv_commit_outcome(cx, &token, &outcome));
    assert_int_equal(outcome, CV_TX_ROLLED_BACK);
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_lost_answer_is_an_error_of_its_own_and_no_hook_runs),
        CASE(the_token_finds_out_later),
        CASE(a_block_that_verifies_ends_well_when_it_is_committed),
        CASE(a_commit_that_did_not_happen_is_found_and_repeated),
        CASE(without_time_left_nobody_asks),
        cmocka_unit_test(a_token_knows_what_needs_no_question),
    };
    return cmocka_run_group_tests_name("db commit outcome", tests, set_up_group, tear_down_group);
}
