/* LISTEN and NOTIFY: with the real server, and what it does to connections. */
#include "postgres_test.h"

#include <covet/engine.h>
#include <covet/notify.h>

static char url[TEST_URL_BYTES];
static bool have_server;

static int set_up_group(void **state)
{
    (void)state;
    have_server = test_database_create("notify", url);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    if (have_server)
        test_database_drop(url);
    return 0;
}

static fixture shared;

static int set_up(void **state)
{
    *state = &shared;
    if (have_server) {
        const cv_db_options options = {.max_connections = 4, .listen_check_ms = 60000};
        memcpy(shared.url, url, sizeof url);
        fixture_open(&shared, &options);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (shared.cx)
        fixture_close(&shared);
    return 0;
}

static cv_ctx *context(void)
{
    if (!shared.cx)
        skip();
    return shared.cx;
}

static cv_subscription *listen_to(const char *channel)
{
    cv_subscription *s = NULL;
    assert_ok(shared.cx, cv_listen(shared.cx, shared.db, channel, NULL, &s));
    return s;
}

static cv_notification next_within(cv_ctx *cx, cv_subscription *s, int64_t ms)
{
    cv_notification n = {0};
    CV_WITHIN(cx, ms)
    {
        int rc = cv_notification_next(cx, s, &n);
        if (rc < 0)
            fail_msg("%s", cv_error_last(cx)->message);
        assert_int_equal(rc, 1);
    }
    return n;
}

static cv_notification next(cv_subscription *s)
{
    return next_within(shared.cx, s, 60000);
}

static void assert_payload(cv_notification n, const char *expected)
{
    assert_false(n.gap);
    assert_int_equal(n.payload.len, strlen(expected));
    assert_memory_equal(n.payload.ptr, expected, n.payload.len);
}

static void assert_silent(cv_subscription *s)
{
    cv_notification n;
    CV_WITHIN(shared.cx, 50)
    {
        assert_fails(shared.cx, cv_notification_next(shared.cx, s, &n), CV_E_TIMEOUT, "");
    }
}

/* The number of the server's process that listens. */
static const char *listener_pid(void)
{
    return test_session_run(shared.watch, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%LISTEN \"%' AND pid <> "
                                          "pg_backend_pid() AND datname = current_database() ORDER BY pid LIMIT 1");
}

static void kill_listener(void)
{
    char sql[128];
    const char *pid = listener_pid();
    assert_string_not_equal(pid, "");
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%s, 10000)", pid);
    assert_string_equal(test_session_run(shared.watch, sql), "t");
}

/* --- what it is for --- */

static void a_notification_arrives(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s = NULL;
    assert_ok(cx, cv_listen(cx, NULL, "news", NULL, &s)); /* NULL: the context's */
    assert_ok(cx, cv_notify(cx, NULL, "news", CV_STR("hello")));
    cv_notification n = next(s);
    assert_payload(n, "hello");
    assert_string_equal(n.channel, "news");
    assert_true(n.sender > 0);
    cv_listen_end(s);
}

static void another_session_is_heard(void **state)
{
    (void)state;
    (void)context();
    cv_subscription *s = listen_to("news");
    test_session_run(shared.watch, "NOTIFY news, 'from psql'");
    cv_notification n = next(s);
    assert_payload(n, "from psql");
    assert_int_equal(n.sender, PQbackendPID(shared.watch));
    test_session_run(shared.watch, "NOTIFY news");
    assert_payload(next(s), "");
    cv_listen_end(s);
}

static void every_subscriber_of_a_channel_is_told(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *a = listen_to("news"), *b = listen_to("news"), *other = listen_to("other");
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("1")));
    assert_payload(next(a), "1");
    assert_payload(next(b), "1");
    assert_silent(other);
    cv_listen_end(a);
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("2")));
    assert_payload(next(b), "2");
    cv_listen_end(b);
    cv_listen_end(other);
}

static void all_channels_share_one_connection(void **state)
{
    (void)state;
    (void)context();
    enum { CHANNELS = 1200 };
    cv_subscription *s[CHANNELS];
    char name[32];
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(name, sizeof name, "channel %d", i);
        s[i] = listen_to(name);
    }
    assert_string_equal(test_session_run(shared.watch, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                                                       "'%LISTEN \"%' AND pid <> pg_backend_pid() "
                                                       "AND datname = current_database()"),
                        "1");
    test_session_run(shared.watch, "SELECT pg_notify('channel ' || i, i::text) FROM generate_series(0, 1199) i");
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_payload(next(s[i]), name);
        cv_listen_end(s[i]);
    }
}

static void names_are_taken_as_they_are(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const char *const names[] = {"Shop Orders",
                                 "a\"b",
                                 "\"",
                                 "';--",
                                 "größe/€",
                                 "select",
                                 "123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cv_subscription *s = listen_to(names[i]);
        assert_ok(cx, cv_notify(cx, shared.db, names[i], CV_STR("x")));
        cv_notification n = next(s);
        assert_payload(n, "x");
        assert_string_equal(n.channel, names[i]);
        cv_listen_end(s);
    }
}

static void names_that_cannot_be_are_refused(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s;
    char name[65] = "1234567890123456789012345678901234567890123456789012345678901234";
    assert_fails(cx, cv_listen(cx, shared.db, name, NULL, &s), CV_E_LIMIT, "64 bytes, more than 63");
    assert_fails(cx, cv_notify(cx, shared.db, name, CV_STR("")), CV_E_LIMIT, "64 bytes, more than 63");
    assert_fails(cx, cv_listen(cx, shared.db, "", NULL, &s), CV_E_INVALID, "empty");
    assert_fails(cx, cv_listen(cx, shared.db, "a\xff", NULL, &s), CV_E_INVALID, "not UTF-8");
    const cv_listen_options options = {.queue_length = 1000001};
    assert_fails(cx, cv_listen(cx, shared.db, "a", &options, &s), CV_E_LIMIT, "longer than 1000000");
}

static void a_payload_has_a_limit(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    static char payload[CV_NOTIFY_PAYLOAD_MAX_BYTES + 2];
    memset(payload, 'x', sizeof payload - 1);
    assert_int_equal(cv_notify(cx, shared.db, "news", cv_str_of(payload)), CV_E_LIMIT);
    assert_string_equal(cv_error_last(cx)->message, "the payload of a notification has 8000 bytes, more than 7999");
    assert_non_null(strstr(cv_error_last(cx)->hint, "table"));
    cv_error_clear(cx);
    payload[CV_NOTIFY_PAYLOAD_MAX_BYTES] = '\0';
    cv_subscription *s = listen_to("news");
    assert_ok(cx, cv_notify(cx, shared.db, "news", cv_str_of(payload)));
    assert_payload(next(s), payload);
    assert_fails(cx, cv_notify(cx, shared.db, "news", cv_str_make("a\0b", 3)), CV_E_INVALID, "");
    cv_listen_end(s);
}

/* --- transactions --- */

static int notify_and_commit(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_notify(cx, shared.db, "news", CV_STR("committed")));
        test_session_run(shared.watch, "NOTIFY news, 'earlier'");
    }
    return 0;
}

static int notify_and_roll_back(cv_ctx *cx)
{
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_notify(cx, shared.db, "news", CV_STR("rolled back")));
        CV_TRY(cv_rollback(cx));
    }
    return 0;
}

static void a_notification_belongs_to_the_transaction(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s = listen_to("news");
    assert_ok(cx, notify_and_roll_back(cx));
    assert_ok(cx, notify_and_commit(cx));
    assert_payload(next(s), "earlier");
    assert_payload(next(s), "committed");
    assert_silent(s);
    cv_listen_end(s);
}

/* --- many --- */

static void thousands_arrive_in_order(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    enum { COUNT = 20000 };
    const cv_listen_options options = {.queue_length = COUNT};
    cv_subscription *s;
    char text[16];
    assert_ok(cx, cv_listen(cx, shared.db, "numbers", &options, &s));
    for (int i = 0; i < COUNT; i += 1000) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT pg_notify('numbers', i::text) FROM generate_series(%d, %d) i", i, i + 999);
        test_session_run(shared.watch, sql);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_payload(next(s), text);
    }
    cv_listen_end(s);
}

static void a_slow_reader_is_told_how_many_it_missed_and_where(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const cv_listen_options options = {.queue_length = 10};
    cv_subscription *slow, *quick = listen_to("numbers");
    char text[16];
    assert_ok(cx, cv_listen(cx, shared.db, "numbers", &options, &slow));
    test_session_run(shared.watch, "SELECT pg_notify('numbers', i::text) FROM generate_series(0, 24) i");
    for (int i = 0; i < 25; i++)
        (void)next(quick);
    assert_payload(next(slow), "0");
    test_session_run(shared.watch, "SELECT pg_notify('numbers', i::text) FROM generate_series(25, 29) i");
    for (int i = 0; i < 5; i++)
        (void)next(quick);
    for (int i = 1; i < 10; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_payload(next(slow), text);
    }
    cv_notification n = next(slow);
    assert_true(n.gap);
    assert_false(n.reconnected);
    assert_int_equal(n.dropped, 15);
    assert_payload(next(slow), "25");
    n = next(slow);
    assert_true(n.gap);
    assert_int_equal(n.dropped, 4);
    assert_silent(slow);
    cv_listen_end(slow);
    cv_listen_end(quick);
}

/* --- the end of subscriptions --- */

static int wait_in_fiber(cv_ctx *cx, void *arg)
{
    cv_notification n;
    return cv_notification_next(cx, arg, &n);
}

static cv_fiber *spawn_waiting(cv_subscription *s)
{
    cv_fiber *fiber;
    assert_ok(shared.cx, cv_spawn(shared.cx, "reader", wait_in_fiber, s, &fiber));
    assert_ok(shared.cx, cv_yield(shared.cx));
    return fiber;
}

static void ending_a_subscription_ends_the_wait(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s = listen_to("news");
    cv_fiber *reader = spawn_waiting(s);
    cv_listen_end(s);
    assert_fails(cx, cv_join(cx, reader, NULL), CV_E_CLOSED, "the subscription was ended");
}

static void closing_the_database_ends_the_wait_and_what_came_is_still_read(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *waiting = listen_to("news"), *full = listen_to("other"), *late = listen_to("third");
    cv_fiber *reader = spawn_waiting(waiting);
    cv_notification n;
    assert_ok(cx, cv_notify(cx, shared.db, "other", CV_STR("1")));
    assert_ok(cx, cv_notify(cx, shared.db, "third", CV_STR("1")));
    assert_payload(next(late), "1");
    cv_db_close(cx, shared.db);
    shared.db = NULL;
    assert_fails(cx, cv_join(cx, reader, NULL), CV_E_CLOSED, "the database was closed");
    assert_payload(next(full), "1");
    assert_fails(cx, cv_notification_next(cx, full, &n), CV_E_CLOSED, "the database was closed");
    cv_listen_end(waiting);
    cv_listen_end(full);
    cv_listen_end(late);
}

static void one_fiber_waits_at_a_time_and_a_deadline_changes_nothing(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s = listen_to("news");
    cv_fiber *reader = spawn_waiting(s);
    cv_notification n;
    assert_fails(cx, cv_notification_next(cx, s, &n), CV_E_STATE, "another fiber waits");
    cv_cancel(reader);
    assert_fails(cx, cv_join(cx, reader, NULL), CV_E_CANCELLED, "");
    assert_silent(s);
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("x")));
    assert_payload(next(s), "x");
    cv_listen_end(s);
    cv_listen_end(NULL);
}

/* The server may take a moment to hear of it. */
static void the_last_one_of_a_channel_has_it_forgotten(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *kept = listen_to("kept"), *s = listen_to("news"), *second = listen_to("news");
    cv_listen_end(s);
    cv_listen_end(second);
    int64_t start = cv_now_ns(cx);
    while (!strstr(test_session_run(shared.watch, "SELECT string_agg(query, ';') FROM pg_stat_activity"),
                   "UNLISTEN \"news\"")) {
        assert_true(ms_since(cx, start) < 60000);
        assert_ok(cx, cv_sleep_ms(cx, 5));
    }
    for (int i = 0; i < 20; i++) { /* while it is being forgotten, too */
        s = listen_to("news");
        assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("again")));
        assert_payload(next(s), "again");
        cv_listen_end(s);
        if (i % 2)
            assert_ok(cx, cv_yield(cx));
    }
    cv_listen_end(kept);
}

/* --- a connection that is lost --- */

static void a_killed_connection_is_made_anew_with_a_gap(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *a = listen_to("news"), *b = listen_to("other");
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("before")));
    assert_payload(next(a), "before");
    kill_listener();
    cv_notification n = next(a);
    assert_true(n.gap && n.reconnected);
    assert_string_equal(n.channel, "news");
    n = next(b);
    assert_true(n.gap && n.reconnected);
    assert_int_equal(n.dropped, 0);
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("after")));
    assert_ok(cx, cv_notify(cx, shared.db, "other", CV_STR("after")));
    assert_payload(next(a), "after");
    assert_payload(next(b), "after");
    cv_listen_end(a);
    cv_listen_end(b);
}

static void what_came_before_the_loss_is_read_before_the_gap(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    cv_subscription *s = listen_to("news"), *other = listen_to("other");
    assert_ok(cx, cv_notify(cx, shared.db, "news", CV_STR("before")));
    assert_ok(cx, cv_notify(cx, shared.db, "other", CV_STR("before")));
    assert_payload(next(other), "before");
    kill_listener();
    assert_true(next(other).gap);
    assert_payload(next(s), "before");
    assert_true(next(s).gap);
    cv_listen_end(s);
    cv_listen_end(other);
}

/* --- who cannot --- */

static void behind_a_pooler_nobody_listens_but_everybody_notifies(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const char *pooler = getenv("COVET_TEST_PGBOUNCER");
    if (!pooler)
        skip();
    char pooled[TEST_URL_BYTES];
    const char *name = strrchr(url, '/');
    snprintf(pooled, sizeof pooled, "%.*s%s", (int)(strrchr(pooler, '/') - pooler), pooler, name);
    cv_subscription *s = listen_to("news"), *none;
    cv_db *db;
    assert_ok(cx, cv_db_open(cx, pooled, NULL, &db));
    assert_int_equal(cv_listen(cx, db, "news", NULL, &none), CV_E_UNSUPPORTED);
    assert_non_null(strstr(cv_error_last(cx)->message, "shares sessions"));
    assert_non_null(strstr(cv_error_last(cx)->hint, "server itself"));
    cv_error_clear(cx);
    assert_ok(cx, cv_notify(cx, db, "news", CV_STR("through the pooler")));
    assert_payload(next(s), "through the pooler");
    cv_db_close(cx, db);
    cv_listen_end(s);
}

static void a_standby_cannot(void **state)
{
    (void)state;
    cv_ctx *cx = context();
    const char *replica = getenv("COVET_TEST_POSTGRES_REPLICA");
    if (!replica)
        skip();
    cv_subscription *s;
    cv_db *db;
    assert_ok(cx, cv_db_open(cx, replica, NULL, &db));
    assert_fails(cx, cv_listen(cx, db, "news", NULL, &s), CV_E_READ_ONLY, "");
    cv_db_close(cx, db);
}

static void sqlite_cannot(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db;
    cv_subscription *s;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &db));
    assert_false(cv_db_can(db, CV_CAN_NOTIFICATIONS));
    assert_fails(cx, cv_listen(cx, db, "news", NULL, &s), CV_E_UNSUPPORTED, "\"sqlite\" has no notifications");
    assert_fails(cx, cv_notify(cx, db, "news", CV_STR("")), CV_E_UNSUPPORTED, "cannot notify");
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_notification_arrives),
        CASE(another_session_is_heard),
        CASE(every_subscriber_of_a_channel_is_told),
        CASE(all_channels_share_one_connection),
        CASE(names_are_taken_as_they_are),
        CASE(names_that_cannot_be_are_refused),
        CASE(a_payload_has_a_limit),
        CASE(a_notification_belongs_to_the_transaction),
        CASE(thousands_arrive_in_order),
        CASE(a_slow_reader_is_told_how_many_it_missed_and_where),
        CASE(ending_a_subscription_ends_the_wait),
        CASE(closing_the_database_ends_the_wait_and_what_came_is_still_read),
        CASE(one_fiber_waits_at_a_time_and_a_deadline_changes_nothing),
        CASE(the_last_one_of_a_channel_has_it_forgotten),
        CASE(a_killed_connection_is_made_anew_with_a_gap),
        CASE(what_came_before_the_loss_is_read_before_the_gap),
        CASE(behind_a_pooler_nobody_listens_but_everybody_notifies),
        CASE(a_standby_cannot),
        cmocka_unit_test(sqlite_cannot),
    };
#undef CASE
    return cmocka_run_group_tests_name("notify", tests, set_up_group, tear_down_group);
}
