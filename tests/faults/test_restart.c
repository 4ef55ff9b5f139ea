/* The server is killed and started again while fibers write and read. Nobody helps the program: it recovers by itself.
 * What was acknowledged is there afterwards, what failed is not, transactions are there as a whole or not at all, and
 * no read is ever wrong. Outcomes that are unknown are counted apart: they may be either. */
#include "fault_test.h"

#include <covet/lane.h>

enum { WRITERS = 16, READERS = 6, MOST_IDS = 2000000, SHORT_ROUNDS = 3, LONG_ROUNDS = 20, SUCCESSES = 10 };

enum { ROWS_OF_A_WRITE = 2 };

/* The breaker, which trips with each restart, leaves the server alone for longer each time. */
enum { RECOVERY_MS = 3 * 60 * 1000 };

typedef enum told { NEVER_TRIED, FAILED, UNKNOWN, ACKNOWLEDGED } told;

static fault_server server;
static const fault_engine *engine;
static bool available;

static struct {
    cv_ctx *cx;
    cv_db *db;
    bool stop;
    int next_id;
    unsigned char outcome[MOST_IDS];       /* told, by id */
    unsigned successes[WRITERS + READERS]; /* of each fiber, since they were last waited for */
    unsigned failures[200];                /* by -code */
    unsigned wrong;
} load;

/* What a program may see while the server is away. */
static bool is_expected(int code)
{
    static const int expected[] = {CV_E_CONNECTION_LOST, CV_E_REFUSED,   CV_E_TIMEOUT,      CV_E_POOL_TIMEOUT,
                                   CV_E_COMMIT_UNKNOWN,  CV_E_NO_SERVER, CV_E_CIRCUIT_OPEN, CV_E_OVERLOADED};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (code == expected[i])
            return true;
    return false;
}

static void note_failure(cv_ctx *cx, int code)
{
    const cv_error *error = cv_error_last(cx);
    if (-code > 0 && -code < 200)
        load.failures[-code]++;
    if (!is_expected(code)) {
        print_message("# %s: %s\n", cv_error_name(code), error ? error->message : "");
        load.wrong++;
    }
    cv_error_clear(cx);
}

static int write_pair(cv_ctx *cx, int id)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO pairs VALUES (?, 'left')", id));
        CV_TRY(cv_exec(cx, NULL, "INSERT INTO pairs VALUES (?, 'right')", id));
    }
    return 0;
}

static int write_on(cv_ctx *cx, void *arg)
{
    unsigned *successes = arg;
    while (!load.stop && load.next_id < MOST_IDS)
        CV_SCOPE(cx)
        {
            int id = load.next_id++;
            int rc = 0;
            load.outcome[id] = UNKNOWN;
            CV_WITHIN(cx, FAULT_LIMIT_MS) rc = write_pair(cx, id);
            load.outcome[id] = rc == 0 ? ACKNOWLEDGED : rc == CV_E_COMMIT_UNKNOWN ? UNKNOWN : FAILED;
            if (rc == 0) {
                ++*successes;
            } else {
                note_failure(cx, rc);
                CV_TRY(cv_sleep_ms(cx, 5));
            }
        }
    return 0;
}

/* An acknowledged pair is whole, and a number comes back as it went. */
static int read_pair(cv_ctx *cx, int id)
{
    cv_value rows, echo;
    int64_t wanted = (int64_t)id * 1000003;
    bool acknowledged = load.outcome[id] == ACKNOWLEDGED;
    CV_TRY(cv_scalar(cx, &rows, "SELECT count(*) FROM pairs WHERE id = ?", id));
    CV_TRY(cv_scalar(cx, &echo, FAULT_ECHO, wanted));
    if (echo.as.i64 != wanted || (acknowledged && rows.as.i64 != ROWS_OF_A_WRITE)) {
        print_message("# id %d: %d rows, %lld for %lld\n", id, (int)rows.as.i64, (long long)echo.as.i64,
                      (long long)wanted);
        load.wrong++;
    }
    return 0;
}

static int read_on(cv_ctx *cx, void *arg)
{
    unsigned *successes = arg;
    uint64_t x = (uintptr_t)arg;
    while (!load.stop)
        CV_SCOPE(cx)
        {
            int rc = 0;
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            CV_WITHIN(cx, FAULT_LIMIT_MS)
            rc = read_pair(cx, load.next_id ? (int)((x >> 33) % (unsigned)load.next_id) : 0);
            if (rc == 0)
                ++*successes;
            else
                note_failure(cx, rc);
            CV_TRY(cv_sleep_ms(cx, rc < 0 ? 5 : 0));
        }
    return 0;
}

/* ---- the server, on a thread: the load goes on ---- */

static int kill_and_start(void *arg)
{
    (void)arg;
    engine->server_kill(&server);
    engine->server_start(&server);
    return 0;
}

static int stop_and_start(void *arg)
{
    (void)arg;
    engine->server_stop(&server);
    engine->server_start(&server);
    return 0;
}

static void wait_until_all_work(unsigned round)
{
    int64_t start_ns = cv_now_ns(load.cx);
    memset(load.successes, 0, sizeof load.successes);
    for (size_t i = 0; i < WRITERS + READERS;) {
        if (load.successes[i] >= SUCCESSES) {
            i++;
            continue;
        }
        assert_ok(load.cx, cv_sleep_ms(load.cx, 2));
        if (cv_now_ns(load.cx) - start_ns > RECOVERY_MS * INT64_C(1000000))
            fail_msg("fiber %zu has not recovered within %d s of restart %u", i, RECOVERY_MS / 1000, round);
    }
}

static void check_outcomes(void)
{
    char url[FAULT_URL_BYTES], sql[128];
    unsigned acknowledged = 0, unknown = 0;
    engine->server_url(&server, url);
    void *watch = engine->open(url);
    assert_string_equal(engine->run(watch, "SELECT id FROM pairs GROUP BY id HAVING count(*) <> 2 LIMIT 1"), "");
    for (int id = 0; id < load.next_id; id++) {
        acknowledged += load.outcome[id] == ACKNOWLEDGED;
        unknown += load.outcome[id] == UNKNOWN;
        if (load.outcome[id] == UNKNOWN)
            continue;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM pairs WHERE id = %d", id);
        int rows = atoi(engine->run(watch, sql));
        if (rows != (load.outcome[id] == ACKNOWLEDGED ? ROWS_OF_A_WRITE : 0))
            fail_msg("write %d was %s and has %d rows", id,
                     load.outcome[id] == ACKNOWLEDGED ? "acknowledged" : "told as failed", rows);
    }
    engine->close(watch);
    print_message("# %d writes: %u acknowledged, %u unknown\n", load.next_id, acknowledged, unknown);
    for (int code = 1; code < 200; code++)
        if (load.failures[code])
            print_message("# %u times %s\n", load.failures[code], cv_error_name(-code));
    assert_true(acknowledged > 0);
}

static void acknowledged_commits_outlive_the_server(void **state)
{
    (void)state;
    if (!available)
        skip();
    cv_fiber *fibers[WRITERS + READERS];
    for (size_t i = 0; i < WRITERS + READERS; i++)
        assert_ok(load.cx, cv_spawn(load.cx, i < WRITERS ? "writer" : "reader", i < WRITERS ? write_on : read_on,
                                    &load.successes[i], &fibers[i]));
    unsigned rounds = fault_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    for (unsigned round = 1; round <= rounds; round++) {
        wait_until_all_work(round - 1);
        int (*restart)(void *arg) = round % 3 == 2 ? stop_and_start : kill_and_start;
        assert_ok(load.cx, cv_offload(load.cx, CV_LANE_CPU, restart, NULL, NULL));
        wait_until_all_work(round);
    }
    load.stop = true;
    for (size_t i = 0; i < WRITERS + READERS; i++)
        assert_ok(load.cx, cv_join(load.cx, fibers[i], NULL));
    assert_int_equal(cv_db_pool_stats(load.db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(load.db, 0).waiting, 0);
    check_outcomes();
    assert_int_equal(load.wrong, 0);
}

static int set_up(void **state)
{
    (void)state;
    char url[FAULT_URL_BYTES];
    engine = fault_engine_used();
    available = engine->server_create(&server, "");
    if (!available)
        return 0;
    engine->server_url(&server, url);
    void *session = engine->open(url);
    engine->run(session, "CREATE TABLE pairs (id int, side varchar(10), PRIMARY KEY (id, side))");
    engine->close(session);
    assert_int_equal(cv_runtime_new(NULL, &load.cx), 0);
    assert_ok(load.cx, cv_db_open(load.cx, url, &(cv_db_options){.max_connections = 12}, &load.db));
    cv_use_db(load.cx, load.db);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!available)
        return 0;
    cv_db_close(load.cx, load.db);
    cv_runtime_free(load.cx);
    engine->server_destroy(&server);
    return 0;
}

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_commits_outlive_the_server)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
