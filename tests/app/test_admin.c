/* The admin listener, through the test kit: no socket, the clock is simulated. */
#include "app/admin.h"
#include "base/ctx.h"
#include "promtool.h"
#include "test.h"

#include <covet/db.h>
#include <covet/fiber.h>
#include <covet/testing.h>

typedef struct world {
    cv_ctx *cx;
    cv_metrics *metrics;
    cv_app *app;
    cv_router *router;
    cv_test_client *client;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->metrics = cv_metrics_new();
    cv_runtime_options options = {.metrics = w->metrics, .simulated_clock = true};
    assert_int_equal(cv_runtime_new(&options, &w->cx), 0);
    w->app = cv_app_new("watched");
    w->router = cv__admin_router(w->cx, w->app);
    assert_non_null(w->router);
    assert_ok(w->cx, cv_test_client_new(w->cx, w->router, NULL, &w->client));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    cv_test_client_free(w->cx, w->client);
    cv_router_free(w->router);
    cv_app_free(w->app);
    cv_runtime_free(w->cx);
    cv_metrics_free(w->metrics);
    free(w);
    return 0;
}

static cv_test_reply expect(world *w, const char *target, int status, const char *part)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_get(w->cx, w->client, target, &reply));
    if (reply.status != status || !strstr(reply.body.ptr, part))
        fail_msg("%s: %d: %s", target, reply.status, reply.body.ptr);
    return reply;
}

static void the_index_lists_the_pages(void **state)
{
    expect(*state, "/", 200, "/metrics");
}

static void metrics_are_prometheus_text(void **state)
{
    world *w = *state;
    cv_test_reply reply = expect(w, "/metrics", 200, "# TYPE covet_workers gauge\ncovet_workers 0\n");
    assert_true(
        cv_str_equal(cv_test_reply_header(&reply, "Content-Type"), CV_STR("text/plain; version=0.0.4; charset=utf-8")));
    char *said;
    int found = promtool_check(reply.body, &said);
    if (found < 0)
        skip_without_promtool();
    if (found > 0)
        fail_msg("%s", said);
    free(said);
}

static void many_metrics_go_out_as_a_stream(void **state)
{
    world *w = *state;
    char labels[256];
    for (int i = 0; i < 8000; i++) {
        snprintf(labels, sizeof labels, "name=\"%0200d\"", i);
        cv_counter_add(cv_counter_get(w->metrics, "many_total", "Many.", labels), 1);
    }
    cv_test_reply reply = expect(w, "/metrics", 200, labels);
    assert_true(reply.body.len > 1 << 20);
}

static void a_process_is_live_while_its_loops_come_back(void **state)
{
    expect(*state, "/live", 200, "live");
}

static void it_is_ready_between_start_and_stop(void **state)
{
    world *w = *state;
    expect(w, "/ready", 503,
           "{\"ready\":false,\"checks\":[{\"name\":\"serving\",\"ready\":false,"
           "\"reason\":\"it has not started yet\"}]}");
    w->app->serving.started = true;
    cv_test_reply reply =
        expect(w, "/ready", 200, "{\"ready\":true,\"checks\":[{\"name\":\"serving\",\"ready\":true}]}");
    assert_true(cv_str_equal(cv_test_reply_header(&reply, "Cache-Control"), CV_STR("no-store")));
    w->app->serving.draining = true;
    expect(w, "/ready", 503, "it is stopping");
}

static int pass(cv_ctx *cx, void *arg)
{
    (void)cx, (void)arg;
    return 0;
}

static int fail_alone(cv_ctx *cx, void *arg)
{
    return cv_fail(cx, CV_E_BUSY, "the queue \"%s\" is full", (const char *)arg);
}

static int hang(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_sleep_ms(cx, 1000000);
}

static int fail_without_a_word(cv_ctx *cx, void *arg)
{
    (void)cx, (void)arg;
    return CV_E_IO;
}

static void checks_of_the_program_are_asked(void **state)
{
    world *w = *state;
    w->app->serving.started = true;
    cv_app_ready_check(w->app, "cache", pass, NULL);
    expect(w, "/ready", 200, "{\"name\":\"cache\",\"ready\":true}");
    cv_app_ready_check(w->app, "queue", fail_alone, (void *)(uintptr_t) "mail");
    cv_app_ready_check(w->app, "peer", hang, NULL);
    cv_app_ready_check(w->app, "disk", fail_without_a_word, NULL);
    int64_t start_ns = cv_now_ns(w->cx);
    expect(w, "/ready", 503, "{\"name\":\"queue\",\"ready\":false,\"reason\":\"the queue \\\"mail\\\" is full\"}");
    assert_true(cv_now_ns(w->cx) - start_ns < 1500 * INT64_C(1000000));
    expect(w, "/ready", 503, "\"name\":\"cache\",\"ready\":true");
    expect(w, "/ready", 503, "\"name\":\"peer\",\"ready\":false,\"reason\":\"could not sleep");
    expect(w, "/ready", 503, "\"name\":\"disk\",\"ready\":false");
}

static void checks_are_bounded_in_number(void **state)
{
    world *w = *state;
    for (int i = 0; i < CV__MAX_READY_CHECKS; i++)
        cv_app_ready_check(w->app, "one", pass, NULL);
    assert_int_equal(w->app->error, 0);
    cv_app_ready_check(w->app, "too many", pass, NULL);
    assert_int_equal(w->app->error, CV_E_LIMIT);
    cv_app_ready_check(w->app, "later", pass, NULL);
    assert_int_equal(w->app->ready_check_count, CV__MAX_READY_CHECKS);
}

static void the_database_is_asked(void **state)
{
    world *w = *state;
    cv_db *db;
    assert_ok(w->cx, cv_db_open(w->cx, "sqlite::memory:", NULL, &db));
    cv_use_db(w->cx, db);
    w->app->serving.started = true;
    expect(w, "/ready", 200, "{\"name\":\"database\",\"ready\":true}");
    cv_use_db(w->cx, NULL);
    cv_db_close(w->cx, db);
}

static void all_fibers_are_dumped(void **state)
{
    expect(*state, "/fibers", 200, "\"GET /fibers\" alive");
}

static void addresses_are_checked(void **state)
{
    world *w = *state;
    static const char *const bad[] = {"9464", ":9464", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"};
    cv__admin *admin;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char flag[64];
        snprintf(flag, sizeof flag, "--admin-listen=%s", bad[i]);
        char name[] = "x", *argv[] = {name, flag, NULL};
        int argc = 2;
        assert_ok(w->cx, cv_config_read_flags(w->cx, w->app->config, &argc, argv));
        assert_int_equal(cv__admin_start(w->cx, w->app, &admin), CV_E_CONFIG);
        assert_null(admin);
        cv_error_clear(w->cx);
    }
}

static void without_the_setting_nothing_listens(void **state)
{
    world *w = *state;
    cv__admin *admin;
    assert_ok(w->cx, cv__admin_start(w->cx, w->app, &admin));
    assert_null(admin);
    cv__admin_stop(w->cx, admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_index_lists_the_pages),
        TEST(metrics_are_prometheus_text),
        TEST(many_metrics_go_out_as_a_stream),
        TEST(a_process_is_live_while_its_loops_come_back),
        TEST(it_is_ready_between_start_and_stop),
        TEST(checks_of_the_program_are_asked),
        TEST(checks_are_bounded_in_number),
        TEST(the_database_is_asked),
        TEST(all_fibers_are_dumped),
        TEST(addresses_are_checked),
        TEST(without_the_setting_nothing_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
