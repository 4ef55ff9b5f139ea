/* The wire is cut at each message of an exchange: the n-th, for every n, until the exchange passes uncut. Whatever the
 * message, the call ends with a lost connection (or an unknown outcome, at COMMIT), the next statement works, nothing
 * is leaked, and what was said about a transaction is true. */
#include "fault_test.h"

#include <covet/copy.h>

enum { MOST_MESSAGES = 400, READERS = 4 };

static fault_test test;
static bool available;
static int next_id; /* of rows, never used twice */

/* ---- exchanges: 0, or how they failed ---- */

static int simple_statement(cv_ctx *cx)
{
    return cv_sql_run(cx, test.engine->set_something, NULL, 0, NULL, NULL);
}

static int prepared_again(cv_ctx *cx)
{
    cv_value value;
    CV_TRY(cv_scalar(cx, &value, "SELECT 40 + CAST(? AS INT)", 2));
    assert_int_equal(value.as.i64, 42);
    return 0;
}

/* A text of its own each time. */
static int prepared_first(cv_ctx *cx)
{
    char sql[64];
    cv_value value = CV_VALUE(2);
    cv_rows *rows = NULL;
    snprintf(sql, sizeof sql, "SELECT %d + CAST(? AS INT)", next_id++);
    CV_TRY(cv_sql_run(cx, sql, &value, 1, NULL, &rows));
    int rc = cv_rows_next(cx, rows);
    if (rc == 1)
        assert_int_equal(cv_rows_get(rows, 0).as.i64, next_id + 1);
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

/* What came is right and in order, however it ends; the end is one only when all have come. */
static int stream(cv_ctx *cx)
{
    cv_rows *rows = NULL;
    int rc, count = 0;
    CV_TRY(cv_sql_run(cx, fault_series("n, repeat('x', 100)", 12), NULL, 0, NULL, &rows));
    while ((rc = cv_rows_next(cx, rows)) > 0)
        assert_int_equal(cv_rows_get(rows, 0).as.i64, ++count);
    cv_rows_close(cx, rows);
    if (rc == 0)
        assert_int_equal(count, 12);
    return rc;
}

static int stopped_stream(cv_ctx *cx)
{
    cv_rows *rows = NULL;
    CV_TRY(cv_sql_run(cx, fault_series("n", 9), NULL, 0, NULL, &rows));
    int rc = cv_rows_next(cx, rows);
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

static int insert(cv_ctx *cx, int id)
{
    return cv_exec(cx, NULL, "INSERT INTO notes VALUES (?, 'cut')", id);
}

static int transaction(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, next_id));
        CV_ATOMIC(cx)
        {
            CV_TRY(insert(cx, next_id + 1));
        }
        CV_TRY(insert(cx, next_id + 2));
    }
    return 0;
}

static int rolled_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(insert(cx, next_id));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static int autocommit(cv_ctx *cx)
{
    return insert(cx, next_id);
}

/* Reads of several fibers at once. */
static int read_number(cv_ctx *cx, void *arg)
{
    cv_value value;
    int64_t wanted = (int64_t)(intptr_t)arg;
    CV_TRY(cv_scalar(cx, &value, FAULT_ECHO, wanted));
    assert_int_equal(value.as.i64, wanted);
    return 0;
}

static int at_once(cv_ctx *cx, cv_fiber_fn *fn)
{
    cv_fiber *fibers[READERS];
    int rc = 0;
    for (intptr_t i = 0; i < READERS; i++)
        assert_ok(cx, cv_spawn(cx, "reader", fn, (void *)i, &fibers[i]));
    for (int i = 0; i < READERS; i++) {
        int one = cv_join(cx, fibers[i], NULL);
        rc = one < 0 ? one : rc;
    }
    return rc;
}

static int several_at_once(cv_ctx *cx)
{
    return at_once(cx, read_number);
}

/* The same over a connection that they share. */
static int read_quickly(cv_ctx *cx, void *arg)
{
    cv_rows *rows = NULL;
    int64_t wanted = (int64_t)(intptr_t)arg;
    CV_TRY(cv_select_quick(cx, &rows, FAULT_ECHO, wanted));
    int rc = cv_rows_next(cx, rows);
    if (rc == 1)
        assert_int_equal(cv_rows_get(rows, 0).as.i64, wanted);
    cv_rows_close(cx, rows);
    return rc < 0 ? rc : 0;
}

static int shared_reads(cv_ctx *cx)
{
    return at_once(cx, read_quickly);
}

/* ---- bulk ---- */

static int next_note(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    static cv_value values[2];
    int *given = arg;
    (void)cx;
    if (*given == 3)
        return 0;
    values[0] = cv_value_i64(next_id + (*given)++);
    values[1] = cv_value_text("copied");
    *ret_values = values;
    return 1;
}

static int copied_in(cv_ctx *cx)
{
    static const char *const columns[] = {"id", "text"};
    int given = 0;
    cv_copy_source source = {.columns = columns, .column_count = 2, .next = next_note, .arg = &given};
    return cv_copy_in(cx, "notes", &source, NULL, NULL);
}

static int check_number(cv_ctx *cx, void *arg, const cv_value *values)
{
    (void)cx;
    assert_int_equal(values[0].as.i64, ++*(int *)arg);
    return 0;
}

static int copied_out(cv_ctx *cx)
{
    int seen = 0;
    cv_copy_sink sink = {.row = check_number, .arg = &seen};
    CV_TRY(cv_copy_out_query(cx, fault_series("n", 12), NULL, 0, &sink, NULL, NULL));
    assert_int_equal(seen, 12);
    return 0;
}

/* ---- cutting ---- */

static void assert_rows(int first, int wanted)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM notes WHERE id BETWEEN %d AND %d", first, first + 2);
    assert_int_equal(atoi(fault_watch(&test, sql)), wanted);
}

/* Nothing is told that is not so. `wanted`: rows of an exchange that ended well. */
static void assert_told_truly(int rc, int first, int wanted, bool may_be_unknown)
{
    if (rc == 0) {
        assert_rows(first, wanted);
        return;
    }
    if (rc == CV_E_COMMIT_UNKNOWN && !may_be_unknown)
        fail_msg("the outcome is unknown where nothing was to be committed");
    if (rc != CV_E_CONNECTION_LOST && rc != CV_E_COMMIT_UNKNOWN)
        fail_msg("a cut wire gave %s: %s", cv_error_name(rc), cv_error_last(test.cx)->message);
    if (rc == CV_E_CONNECTION_LOST && wanted > 0 && may_be_unknown)
        assert_rows(first, 0);
    fault_assert_story(test.cx, rc);
}

typedef struct exchange {
    const char *name;
    int (*run)(cv_ctx *cx);
    int rows;
    bool commits; /* in a block: a lost commit is told apart */
} exchange;

/* Cut at message `n` of a side; false when it was not reached. */
static bool cut_at(const exchange *e, cv_fault_rule rule)
{
    int first = next_id;
    assert_ok(test.cx, prepared_again(test.cx)); /* connections are there, and warm */
    assert_ok(test.cx, shared_reads(test.cx));
    fault_set(&test, rule);
    int rc = e->run(test.cx);
    bool reached = fault_count(&test) > 0;
    if (!reached)
        assert_int_equal(rc, 0);
    assert_told_truly(rc, first, e->rows, e->commits);
    next_id = next_id < first + 3 ? first + 3 : next_id;
    fault_heal(&test);
    assert_ok(test.cx, prepared_again(test.cx)); /* at once */
    assert_ok(test.cx, shared_reads(test.cx));
    assert_int_equal(cv_db_pool_stats(test.db, 0).borrowed, 0);
    return reached;
}

static void cut_everywhere(const exchange *e, cv_fault_rule rule)
{
    for (rule.nth = 1; cut_at(e, rule); rule.nth++)
        assert_true(rule.nth < MOST_MESSAGES);
    if (rule.nth == 1)
        fail_msg("%s: not one message was seen", e->name);
    fault_assert_permits(&test);
}

static void cut(const exchange *e)
{
    if (!available)
        skip();
    for (cv_fault_side side = CV_FAULT_CLIENT; side <= CV_FAULT_SERVER; side++) {
        cut_everywhere(e, (cv_fault_rule){CV_FAULT_CUT, .from = side});
        cut_everywhere(e, (cv_fault_rule){CV_FAULT_RESET, .from = side});
        if (fault_long() || side == CV_FAULT_SERVER)
            cut_everywhere(e, (cv_fault_rule){CV_FAULT_CUT, .from = side, .halfway = true});
        if (fault_long())
            cut_everywhere(e, (cv_fault_rule){CV_FAULT_RESET, .from = side, .halfway = true});
    }
}

#define CUT_CASE(function, ...)                                                                                        \
    static void at_each_message_of_##function(void **state)                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        cut(&(exchange){#function, function, __VA_ARGS__});                                                            \
    }

CUT_CASE(simple_statement, 0, false)
CUT_CASE(prepared_first, 0, false)
CUT_CASE(prepared_again, 0, false)
CUT_CASE(several_at_once, 0, false)
CUT_CASE(shared_reads, 0, false)
CUT_CASE(stream, 0, false)
CUT_CASE(stopped_stream, 0, false)
CUT_CASE(autocommit, 1, false)
CUT_CASE(transaction, 3, true)
CUT_CASE(rolled_back, 0, false)
CUT_CASE(copied_in, 3, true)
CUT_CASE(copied_out, 0, false)

/* ---- connecting ---- */

static int open_and_close(cv_ctx *cx)
{
    cv_db *db = NULL;
    int rc = cv_db_open(cx, cv_fault_proxy_url(test.proxy), NULL, &db);
    if (rc == 0)
        cv_db_close(cx, db);
    return rc;
}

static void at_each_message_of_connecting(void **state)
{
    (void)state;
    if (!available)
        skip();
    for (cv_fault_side side = CV_FAULT_CLIENT; side <= CV_FAULT_SERVER; side++) {
        bool reached = true;
        for (size_t n = 1; reached; n++) {
            assert_true(n < MOST_MESSAGES);
            fault_set(&test, (cv_fault_rule){CV_FAULT_CUT, .from = side, .nth = n});
            int rc = open_and_close(test.cx);
            reached = fault_count(&test) > 0;
            if (rc < 0 && rc != CV_E_CONNECTION_LOST)
                fail_msg("message %zu: %s: %s", n, cv_error_name(rc), cv_error_last(test.cx)->message);
            if (rc < 0)
                fault_assert_story(test.cx, rc);
            fault_heal(&test);
        }
    }
    assert_ok(test.cx, open_and_close(test.cx));
}

static int set_up(void **state)
{
    (void)state;
    available = fault_set_up(&test, "cut");
    if (available)
        fault_open_db(&test, &(cv_db_options){.max_connections = 6, .breaker_window = -1, .shared_connections = 1});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (available)
        fault_tear_down(&test);
    return 0;
}

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_each_message_of_simple_statement), cmocka_unit_test(at_each_message_of_prepared_first),
        cmocka_unit_test(at_each_message_of_prepared_again),   cmocka_unit_test(at_each_message_of_several_at_once),
        cmocka_unit_test(at_each_message_of_shared_reads),     cmocka_unit_test(at_each_message_of_stream),
        cmocka_unit_test(at_each_message_of_stopped_stream),   cmocka_unit_test(at_each_message_of_autocommit),
        cmocka_unit_test(at_each_message_of_transaction),      cmocka_unit_test(at_each_message_of_rolled_back),
        cmocka_unit_test(at_each_message_of_copied_in),        cmocka_unit_test(at_each_message_of_copied_out),
        cmocka_unit_test(at_each_message_of_connecting),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
