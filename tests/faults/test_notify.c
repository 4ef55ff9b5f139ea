/* Notifications over a bad network: a silent server is found, and no subscription is left without word. */
#include "fault_test.h"

#include <covet/notify.h>

static fault_test t;

/* A database of its own for each case. */
static cv_ctx *open_with(int64_t check_ms)
{
    if (!fault_set_up(&t, "faults_notify"))
        skip();
    const cv_db_options options = {.max_connections = 4, .listen_check_ms = check_ms, .connect_timeout_ms = 60000};
    fault_open_db(&t, &options);
    return t.cx;
}

static int tear_down(void **state)
{
    (void)state;
    fault_tear_down(&t);
    t = (fault_test){0};
    return 0;
}

static cv_subscription *listen_to(const char *channel)
{
    cv_subscription *s = NULL;
    assert_ok(t.cx, cv_listen(t.cx, t.db, channel, NULL, &s));
    return s;
}

static cv_notification next(cv_subscription *s)
{
    cv_notification n = {0};
    CV_WITHIN(t.cx, 60000)
    {
        assert_ok(t.cx, cv_notification_next(t.cx, s, &n));
    }
    return n;
}

static void assert_heard(cv_subscription *s, const char *channel)
{
    assert_ok(t.cx, cv_notify(t.cx, t.db, channel, CV_STR("x")));
    cv_notification n = next(s);
    assert_false(n.gap);
    assert_int_equal(n.payload.len, 1);
}

static void a_server_that_falls_silent_is_found_in_time(void **state)
{
    (void)state;
    cv_ctx *cx = open_with(200);
    cv_subscription *s = listen_to("news");
    fault_set(&t, (cv_fault_rule){CV_FAULT_STALL, .from = CV_FAULT_CLIENT, .type = 'Q', .nth = 1});
    assert_ok(cx, cv_fault_proxy_wait(cx, t.proxy, 0, 1)); /* the question */
    fault_watch(&t, "NOTIFY news, 'lost'");
    cv_notification n = next(s);
    assert_true(n.gap && n.reconnected);
    assert_heard(s, "news");
    cv_listen_end(s);
}

static void an_idle_connection_is_asked_and_kept(void **state)
{
    (void)state;
    cv_ctx *cx = open_with(20);
    cv_subscription *s = listen_to("news");
    fault_set(&t, (cv_fault_rule){CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'I'});
    CV_WITHIN(cx, 60000)
    {
        assert_ok(cx, cv_fault_proxy_wait(cx, t.proxy, 0, 3));
    }
    cv_listen_end(s);
}

static void while_there_is_no_server_newcomers_are_told_and_others_wait(void **state)
{
    (void)state;
    cv_ctx *cx = open_with(60000);
    cv_subscription *s = listen_to("news"), *late;
    fault_set(&t, (cv_fault_rule){CV_FAULT_REFUSE});
    fault_watch(&t, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                    "AND datname = current_database()");
    for (int i = 0; i < 3; i++) {
        int rc = cv_listen(cx, t.db, "late", NULL, &late);
        assert_true(rc < 0);
        fault_assert_story(cx, rc);
    }
    fault_heal(&t);
    assert_true(next(s).gap);
    late = listen_to("late");
    assert_heard(late, "late");
    cv_listen_end(s);
    cv_listen_end(late);
}

static void a_deadline_ends_the_attempt_to_listen(void **state)
{
    (void)state;
    cv_ctx *cx = open_with(60000);
    cv_subscription *s;
    fault_set(&t, (cv_fault_rule){CV_FAULT_STALL, .from = CV_FAULT_CLIENT, .text = "LISTEN"});
    CV_WITHIN(cx, 500)
    {
        assert_fails(cx, cv_listen(cx, t.db, "news", NULL, &s), CV_E_TIMEOUT, "");
    }
    /* the database is closed while the command is under way */
}

static void a_wire_cut_in_the_middle_of_a_notification_is_a_gap(void **state)
{
    (void)state;
    (void)open_with(60000);
    cv_subscription *s = listen_to("news");
    fault_set(&t, (cv_fault_rule){CV_FAULT_CUT, .from = CV_FAULT_SERVER, .type = 'A', .nth = 2, .halfway = true});
    fault_watch(&t, "NOTIFY news, '1'; NOTIFY news, '2'");
    cv_notification n = next(s);
    assert_false(n.gap);
    assert_memory_equal(n.payload.ptr, "1", 1);
    assert_true(next(s).gap);
    assert_heard(s, "news");
    cv_listen_end(s);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_server_that_falls_silent_is_found_in_time),
        CASE(an_idle_connection_is_asked_and_kept),
        CASE(while_there_is_no_server_newcomers_are_told_and_others_wait),
        CASE(a_deadline_ends_the_attempt_to_listen),
        CASE(a_wire_cut_in_the_middle_of_a_notification_is_a_gap),
    };
#undef CASE
    return cmocka_run_group_tests_name("faults-notify", tests, NULL, NULL);
}
