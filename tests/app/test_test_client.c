/* The whole program under test, in the process. */
#include "test.h"

#include <covet/covet.h>
#include <unistd.h>

struct note {
    int64_t id;
    const char *text;
};
CV_MODEL(note, "notes", CV_ID(id), CV_CHAR(text, .max_length = 50, .unique = true))

static int list_notes(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_all(cx, res, cv_objects(cx, note));
}

static int add_note(cv_ctx *cx, cv_request *req, cv_response *res)
{
    struct note n = {0};
    CV_TRY(cv_bind_body(cx, req, note, &n));
    CV_TRY(cv_save(cx, note, &n));
    return cv_reply(cx, res, 201, note, &n);
}

static int sleep_too_long(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    for (int i = 0; i < 60; i++)
        CV_TRY(cv_sleep_ms(cx, 1000));
    return cv_reply_empty(cx, res, 204);
}

typedef struct world {
    cv_ctx *cx;
    cv_app *app;
    cv_test_client *client;
} world;

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.simulated_clock = true, .watchdog_ms = -1}, &w->cx), 0);
    w->app = cv_app_new("notes");
    cv_app_models(w->app, note_model);
    cv_route(w->app, CV_GET, "/notes", list_notes);
    cv_route(w->app, CV_POST, "/notes", add_note);
    cv_route(w->app, CV_GET, "/slow", sleep_too_long);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    cv_test_client_free(w->cx, w->client);
    cv_runtime_free(w->cx);
    cv_app_free(w->app);
    free(w);
    return 0;
}

static void start(world *w, const char *const *settings)
{
    assert_ok(w->cx, cv_app_test_client(w->cx, w->app, settings, &w->client));
}

static void expect(world *w, int status, const char *body)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_get(w->cx, w->client, "/notes", &reply));
    assert_int_equal(reply.status, status);
    assert_string_equal(reply.body.ptr, body);
}

static void post(world *w, const char *json, int status)
{
    cv_test_reply reply;
    assert_ok(w->cx, cv_test_post_json(w->cx, w->client, "/notes", json, &reply));
    if (reply.status != status)
        fail_msg("%d instead of %d: %s", reply.status, status, reply.body.ptr);
}

static void test_tables_come_from_the_models(void **state)
{
    world *w = *state;
    start(w, NULL);
    expect(w, 200, "[]");
    post(w, "{\"text\":\"first\"}", 201);
    post(w, "{\"text\":\"first\"}", 409);
    post(w, "{\"text\":7}", 422);
    expect(w, 200, "[{\"id\":1,\"text\":\"first\"}]");
}

static void test_migrations_are_applied(void **state)
{
    static const char text[] = "covet: 1\n"
                               "operations:\n"
                               "  - create_table:\n"
                               "      name: notes\n"
                               "      columns:\n"
                               "        - {name: id, type: integer, bits: 64, identity: true}\n"
                               "        - {name: text, type: char, max_length: 50}\n"
                               "  - run_sql: {sqlite: [\"INSERT INTO notes (text) VALUES ('from the migration')\"]}\n";
    static const cv_embedded_migration embedded[] = {{"notes", "0001_initial", text, sizeof text - 1}};
    world *w = *state;
    cv_app_migrations(w->app, embedded, 1);
    start(w, NULL);
    expect(w, 200, "[{\"id\":1,\"text\":\"from the migration\"}]");
}

static void test_settings_are_those_of_the_environment(void **state)
{
    static const char *const settings[] = {"HTTP_MAX_BODY=20", "HTTP_REQUEST_TIMEOUT=5s", NULL};
    world *w = *state;
    cv_test_reply reply;
    start(w, settings);
    post(w, "{\"text\":\"longer than that\"}", 413);
    int64_t start_ns = cv_now_ns(w->cx);
    assert_ok(w->cx, cv_test_get(w->cx, w->client, "/slow", &reply));
    assert_int_equal(reply.status, 503);
    assert_int_equal((cv_now_ns(w->cx) - start_ns) / 1000000, 5000);
}

static void test_a_database_in_a_file(void **state)
{
    char path[] = "/tmp/covet-test-client-XXXXXX", setting[80];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(setting, sizeof setting, "DATABASE_URL=sqlite:///%s", path);
    world *w = *state;
    start(w, (const char *const[]){setting, NULL});
    post(w, "{\"text\":\"kept\"}", 201);
    expect(w, 200, "[{\"id\":1,\"text\":\"kept\"}]");
    unlink(path);
}

static void test_mistakes_are_told(void **state)
{
    world *w = *state;
    assert_fails(w->cx,
                 cv_app_test_client(w->cx, w->app, (const char *const[]){"HTTP_MAX_BODY=much", NULL}, &w->client),
                 CV_E_CONFIG, "HTTP_MAX_BODY");
    cv_route(w->app, CV_GET, "/notes", list_notes);
    assert_fails(w->cx, cv_app_test_client(w->cx, w->app, NULL, &w->client), CV_E_ROUTE, "/notes");
}

static int make_in_fiber(cv_ctx *cx, void *arg)
{
    world *w = arg;
    return cv_app_test_client(cx, w->app, NULL, &w->client);
}

static void test_only_the_main_context_makes_one(void **state)
{
    world *w = *state;
    cv_fiber *fiber;
    assert_ok(w->cx, cv_spawn(w->cx, "make", make_in_fiber, w, &fiber));
    assert_fails(w->cx, cv_join(w->cx, fiber, NULL), CV_E_CONTEXT, "main context");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_tables_come_from_the_models),
        CASE(test_migrations_are_applied),
        CASE(test_settings_are_those_of_the_environment),
        CASE(test_a_database_in_a_file),
        CASE(test_mistakes_are_told),
        CASE(test_only_the_main_context_makes_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
