/* Building an application: the first mistake is kept, whatever comes after it. */
#include "app/app.h"
#include "base/ctx.h"
#include "test.h"

struct thing {
    int64_t id;
};
CV_MODEL(thing, "things", CV_ID(id))

static int answer(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 204);
}

static int run_nothing(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    (void)cx, (void)app, (void)argc, (void)argv;
    return 0;
}

static const char *story(const cv_app *app)
{
    const cv_error *error = cv_error_last(app->cx);
    return error ? error->message : "";
}

static void test_a_sound_application(void **state)
{
    (void)state;
    static const cv_setting settings[] = {{.name = "shop.currency", .kind = CV_SETTING_TEXT, .default_value = "EUR"}};
    static const cv_command command = {.name = "fill-2", .usage = "", .help = "", .run = run_nothing};
    cv_app *app = cv_app_new("book_shop2");
    cv_app_models(app, thing_model);
    cv_route(app, CV_GET, "/things", answer);
    cv_app_static(app, "/static", "/", NULL);
    cv_app_settings(app, settings, 1);
    cv_app_command(app, &command);
    assert_int_equal(app->error, 0);
    assert_null(cv_error_last(app->cx));
    assert_false(cv_app_wants_json(app));
    const char *label;
    const cv_model *model;
    size_t position = 0;
    assert_true(cv_registry_next(app->registry, &position, &label, &model));
    assert_string_equal(label, "book_shop2");
    assert_string_equal(cv_config_text(app->config, "shop.currency"), "EUR");
    cv_app_free(app);
    cv_app_free(NULL);
}

static void test_names_of_applications(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "Shop",
                               "2shop",
                               "book-shop",
                               "book shop",
                               "caf\xc3\xa9",
                               "a123456789a123456789a123456789a123456789a123456789a123456789abcd"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cv_app *app = cv_app_new(bad[i]);
        assert_int_equal(app->error, CV_E_INVALID);
        assert_non_null(strstr(story(app), "cannot name an application"));
        cv_app_free(app);
    }
}

static void test_the_first_mistake_is_kept(void **state)
{
    (void)state;
    cv_app *app = cv_app_new("shop");
    cv_route(app, CV_GET, "/a/{x", answer);
    assert_int_equal(app->error, CV_E_SYNTAX);
    char first[256];
    snprintf(first, sizeof first, "%s", story(app));
    assert_non_null(strstr(first, "/a/{x"));
    cv_route(app, CV_GET, "also wrong", answer);
    cv_app_static(app, "/s", "/no/such/folder", NULL);
    cv_app_models(app, thing_model, thing_model);
    cv_app_asset(app, "bad", "text/plain", "", 0);
    cv_app_command(app, &(cv_command){.name = "No Name"});
    cv_app_settings(app, &(cv_setting){.name = "http.port"}, 1);
    assert_int_equal(app->error, CV_E_SYNTAX);
    assert_string_equal(story(app), first);
    cv_app_free(app);
}

static void test_each_kind_of_mistake(void **state)
{
    (void)state;
    static const cv_command twice = {.name = "fill"}, bad = {.name = "-x"}, empty = {.name = ""};
    cv_app *app = cv_app_new("shop");
    cv_app_models(app, thing_model, thing_model);
    assert_int_equal(app->error, CV_E_MODEL);
    cv_app_free(app);

    app = cv_app_new("shop");
    cv_app_static(app, "/s", "/no/such/folder", NULL);
    assert_int_equal(app->error, CV_E_NOT_FOUND);
    cv_app_free(app);

    app = cv_app_new("shop");
    cv_app_settings(app, &(cv_setting){.name = "http.port"}, 1);
    assert_int_equal(app->error, CV_E_EXISTS);
    cv_app_free(app);

    app = cv_app_new("shop");
    cv_app_command(app, &twice);
    cv_app_command(app, &twice);
    assert_int_equal(app->error, CV_E_EXISTS);
    assert_string_equal(story(app), "there are two commands \"fill\"");
    cv_app_free(app);

    const cv_command *const names[] = {&bad, &empty};
    for (size_t i = 0; i < 2; i++) {
        app = cv_app_new("shop");
        cv_app_command(app, names[i]);
        assert_int_equal(app->error, CV_E_INVALID);
        assert_non_null(strstr(story(app), "cannot name a command"));
        cv_app_free(app);
    }
}

static void test_commands_are_bounded(void **state)
{
    (void)state;
    static char names[CV__MAX_COMMANDS + 1][8];
    static cv_command commands[CV__MAX_COMMANDS + 1];
    cv_app *app = cv_app_new("shop");
    for (size_t i = 0; i <= CV__MAX_COMMANDS; i++) {
        assert_int_equal(app->error, 0);
        snprintf(names[i], sizeof names[i], "c%zu", i);
        commands[i].name = names[i];
        cv_app_command(app, &commands[i]);
    }
    assert_int_equal(app->error, CV_E_LIMIT);
    cv_app_free(app);
}

static void test_models_under_a_label_of_their_own(void **state)
{
    (void)state;
    cv_app *app = cv_app_new("shop");
    cv_app_models_labelled(app, "stock", (cv_model_fn *const[]){thing_model, NULL});
    const char *label;
    const cv_model *model;
    size_t position = 0;
    assert_true(cv_registry_next(app->registry, &position, &label, &model));
    assert_string_equal(label, "stock");
    cv_app_free(app);
}

static void test_the_configuration_of_a_context(void **state)
{
    (void)state;
    cv_app *app = cv_app_new("shop");
    cv_ctx *cx = cv_ctx_new(0);
    assert_null(cv_ctx_config(cx));
    cx->app = app;
    assert_ptr_equal(cv_ctx_config(cx), app->config);
    assert_non_null(cv_app_router(app));
    cv_ctx_free(cx);
    cv_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_application),
        cmocka_unit_test(test_names_of_applications),
        cmocka_unit_test(test_the_first_mistake_is_kept),
        cmocka_unit_test(test_each_kind_of_mistake),
        cmocka_unit_test(test_commands_are_bounded),
        cmocka_unit_test(test_models_under_a_label_of_their_own),
        cmocka_unit_test(test_the_configuration_of_a_context),
    };
    return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
