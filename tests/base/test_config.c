#include "base/config.h"
#include "test.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const cv_setting settings[] = {
    {.name = "http.port", .kind = CV_SETTING_INTEGER, .default_value = "8000", .min = 1, .max = 65535},
    {.name = "http.host", .kind = CV_SETTING_TEXT},
    {.name = "http.idle_timeout", .kind = CV_SETTING_DURATION, .default_value = "1m", .min = 10, .max = 3600000},
    {.name = "http.body_limit", .kind = CV_SETTING_SIZE, .default_value = "1MiB"},
    {.name = "debug", .kind = CV_SETTING_BOOLEAN, .default_value = "false"},
    {.name = "database.url", .kind = CV_SETTING_TEXT, .env = "DATABASE_URL", .flag = "database", .secret = true},
    {.name = "database.pin", .kind = CV_SETTING_INTEGER, .secret = true},
    {.name = "mail.password", .kind = CV_SETTING_INTEGER},
};

static cv_ctx *cx;
static cv_config *config;
static char path[64];

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    config = cv_config_new(cx);
    strcpy(path, "/tmp/covet-config-XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    return cv_config_add(cx, config, settings, sizeof settings / sizeof *settings);
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    cv_ctx_free(cx);
    return 0;
}

static int read_yaml(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return cv_config_read_file(cx, config, path);
}

static int read_env(const char *variable)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", variable);
    char *envp[] = {copy, NULL};
    return cv_config_read_env(cx, config, envp);
}

/* Up to three arguments behind the program's name. */
static int read_flags(const char *first, const char *second)
{
    char name[] = "app", a[128], b[128];
    snprintf(a, sizeof a, "%s", first);
    snprintf(b, sizeof b, "%s", second ? second : "");
    char *argv[] = {name, a, second ? b : NULL, NULL};
    int argc = second ? 3 : 2;
    return cv_config_read_flags(cx, config, &argc, argv);
}

static void defaults_hold_until_something_is_read(void **state)
{
    (void)state;
    assert_int_equal(cv_config_integer(config, "http.port"), 8000);
    assert_null(cv_config_text(config, "http.host"));
    assert_int_equal(cv_config_duration_ms(config, "http.idle_timeout"), 60000);
    assert_int_equal(cv_config_size_bytes(config, "http.body_limit"), 1048576);
    assert_false(cv_config_boolean(config, "debug"));
    assert_string_equal(cv_config_source(config, "http.port"), "default");
}

static void a_file_sets_by_sections(void **state)
{
    (void)state;
    char source[128];
    assert_ok(cx, read_yaml("debug: yes\nhttp:\n  port: 9000\n  host: \"\"\n  idle_timeout: 5s\n"));
    assert_true(cv_config_boolean(config, "debug"));
    assert_int_equal(cv_config_integer(config, "http.port"), 9000);
    assert_string_equal(cv_config_text(config, "http.host"), "");
    assert_int_equal(cv_config_duration_ms(config, "http.idle_timeout"), 5000);
    snprintf(source, sizeof source, "file %s:3", path);
    assert_string_equal(cv_config_source(config, "http.port"), source);
}

static void a_file_may_be_empty_and_sections_too(void **state)
{
    (void)state;
    assert_ok(cx, read_yaml("# nothing yet\n"));
    assert_ok(cx, read_yaml("http:\n  # port: 1\ndebug: on\n"));
    assert_ok(cx, read_yaml("http.port: 81\n"));
    assert_int_equal(cv_config_integer(config, "http.port"), 81);
}

static void the_higher_source_wins_whatever_is_read_first(void **state)
{
    (void)state;
    assert_ok(cx, read_flags("--http-port=3", NULL));
    assert_ok(cx, read_env("HTTP_PORT=2"));
    assert_ok(cx, read_yaml("http: {port: 1}"));
    assert_int_equal(cv_config_integer(config, "http.port"), 3);
    assert_string_equal(cv_config_source(config, "http.port"), "flag --http-port");
    assert_ok(cx, read_yaml("debug: true"));
    assert_ok(cx, read_env("DEBUG=0"));
    assert_false(cv_config_boolean(config, "debug"));
    assert_string_equal(cv_config_source(config, "debug"), "environment DEBUG");
}

static void of_two_files_the_later_wins(void **state)
{
    (void)state;
    assert_ok(cx, read_yaml("http: {port: 1}"));
    assert_ok(cx, read_yaml("http: {port: 2}"));
    assert_int_equal(cv_config_integer(config, "http.port"), 2);
}

static void names_of_variables_and_flags_can_be_given(void **state)
{
    (void)state;
    assert_ok(cx, read_env("DATABASE_URL=sqlite:///a=b.db"));
    assert_string_equal(cv_config_text(config, "database.url"), "sqlite:///a=b.db");
    assert_ok(cx, read_flags("--database", "sqlite:///flag.db"));
    assert_string_equal(cv_config_text(config, "database.url"), "sqlite:///flag.db");
}

static void variables_of_no_setting_are_ignored(void **state)
{
    (void)state;
    assert_ok(cx, read_env("PATH=/bin"));
    assert_ok(cx, read_env("HTTP_PORT"));
    assert_ok(cx, cv_config_read_env(cx, config, NULL));
    assert_int_equal(cv_config_integer(config, "http.port"), 8000);
}

static void expect_file_refusal(const char *text, const char *part, const char *hint)
{
    int rc = read_yaml(text);
    assert_int_equal(rc, CV_E_CONFIG);
    const cv_error *error = cv_error_last(cx);
    if (!strstr(error->message, part) || !strstr(error->message, path))
        fail_msg("\"%s\" does not contain \"%s\" and the path", error->message, part);
    assert_true(!hint || (error->hint && strstr(error->hint, hint)));
    cv_error_clear(cx);
}

static void mistakes_in_a_file_are_refused_with_the_line(void **state)
{
    (void)state;
    expect_file_refusal("debug: true\nhttp:\n  prot: 1\n", ":3: there is no setting \"http.prot\"",
                        "did you mean \"http.port\"?");
    expect_file_refusal("htpp: {port: 1}", ":1: there is no setting \"htpp.port\"", "http.port");
    expect_file_refusal("wholly_different: 1", "there is no setting", NULL);
    expect_file_refusal("other: {}", ":1: there is no setting \"other\"", NULL);
    expect_file_refusal("http: 1", ":1: \"http\" is a section of settings and takes no value", NULL);
    expect_file_refusal("http: [1]", "is a section", NULL);
    expect_file_refusal("debug: {a: 1}", ":1: the setting \"debug\" needs one value, not a mapping", NULL);
    expect_file_refusal("debug: [1]", "needs one value, not a sequence", NULL);
    expect_file_refusal("http: {port: }", "the setting \"http.port\" has no value", "leave the line out");
    expect_file_refusal("http: {port: 1}\nhttp.port: 2", ":2: the setting \"http.port\" is given twice", NULL);
    expect_file_refusal("- a", ":1: the settings must be a mapping, not a sequence", NULL);
    expect_file_refusal("http: {port: many}", "\"many\" for setting \"http.port\" from file", NULL);
    expect_file_refusal("http: {port: 1, port: 2}", ":1:17: duplicate key", NULL);
    expect_file_refusal("http: &a {port: 1}", "anchors", NULL);
}

static void a_long_name_is_refused(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'a', sizeof text);
    memcpy(text + 390, ": 1", 4);
    expect_file_refusal(text, "too long", NULL);
}

static void a_missing_file_is_told_apart(void **state)
{
    (void)state;
    assert_fails(cx, cv_config_read_file(cx, config, "/nonexistent/app.yaml"), CV_E_NOT_FOUND, "/nonexistent/app.yaml");
}

static void flags_are_taken_out_of_the_arguments(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"app"},
                    (char[]){"serve"},
                    (char[]){"--http-port"},
                    (char[]){"80"},
                    (char[]){"-x"},
                    (char[]){"--other"},
                    (char[]){"--debug"},
                    (char[]){"value"},
                    (char[]){"--"},
                    (char[]){"--debug"},
                    NULL};
    int argc = 10;
    assert_ok(cx, cv_config_read_flags(cx, config, &argc, argv));
    static const char *const left[] = {"app", "serve", "-x", "--other", "value", "--", "--debug"};
    assert_int_equal(argc, 7);
    for (int i = 0; i < argc; i++)
        assert_string_equal(argv[i], left[i]);
    assert_null(argv[argc]);
    assert_int_equal(cv_config_integer(config, "http.port"), 80);
    assert_true(cv_config_boolean(config, "debug"));
}

static void booleans_have_a_negative_flag(void **state)
{
    (void)state;
    assert_ok(cx, read_yaml("debug: true"));
    assert_ok(cx, read_flags("--no-debug", NULL));
    assert_false(cv_config_boolean(config, "debug"));
    assert_ok(cx, read_flags("--debug=on", NULL));
    assert_true(cv_config_boolean(config, "debug"));
    assert_fails(cx, read_flags("--no-debug=1", NULL), CV_E_CONFIG, "the flag \"--no-debug\" takes no value");
    assert_ok(cx, read_flags("--no-http-port", NULL));
    assert_ok(cx, read_flags("--no-such", NULL));
}

static void a_flag_without_its_value_is_refused(void **state)
{
    (void)state;
    assert_fails(cx, read_flags("--http-port", NULL), CV_E_CONFIG, "the flag \"--http-port\" needs a value");
    assert_fails(cx, read_flags("--http-port", "x"), CV_E_CONFIG,
                 "\"x\" for setting \"http.port\" from flag --http-port is not an integer");
}

static void expect_number(cv_setting_kind kind, const char *text, int64_t wanted)
{
    int64_t number = -1;
    assert_int_equal(cv__setting_parse(kind, cv_str_of(text), &number), 0);
    assert_true(number == wanted);
}

static void expect_bad(cv_setting_kind kind, const char *text, int code)
{
    int64_t number;
    assert_int_equal(cv__setting_parse(kind, cv_str_of(text), &number), code);
}

static void values_have_the_form_of_their_kind(void **state)
{
    (void)state;
    expect_number(CV_SETTING_INTEGER, "-5", -5);
    expect_bad(CV_SETTING_INTEGER, "5.0", CV_E_SYNTAX);
    expect_bad(CV_SETTING_INTEGER, "", CV_E_SYNTAX);
    expect_bad(CV_SETTING_INTEGER, "9223372036854775808", CV_E_RANGE);
    static const char *const truths[] = {"true", "yes", "on", "1", "TRUE"}, *const lies[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 5; i++)
        expect_number(CV_SETTING_BOOLEAN, truths[i], 1);
    for (size_t i = 0; i < 4; i++)
        expect_number(CV_SETTING_BOOLEAN, lies[i], 0);
    expect_bad(CV_SETTING_BOOLEAN, "2", CV_E_SYNTAX);
    expect_number(CV_SETTING_DURATION, "250ms", 250);
    expect_number(CV_SETTING_DURATION, "5s", 5000);
    expect_number(CV_SETTING_DURATION, "2m", 120000);
    expect_number(CV_SETTING_DURATION, "1h", 3600000);
    static const char *const bad[] = {"5", "0", "", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1sec"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(CV_SETTING_DURATION, bad[i], CV_E_SYNTAX);
    expect_bad(CV_SETTING_DURATION, "9223372036854775807h", CV_E_RANGE);
    expect_number(CV_SETTING_SIZE, "512", 512);
    expect_number(CV_SETTING_SIZE, "16KiB", 16384);
    expect_number(CV_SETTING_SIZE, "2GiB", INT64_C(2147483648));
    expect_bad(CV_SETTING_SIZE, "1KB", CV_E_SYNTAX);
    expect_bad(CV_SETTING_SIZE, "KiB", CV_E_SYNTAX);
    expect_bad(CV_SETTING_SIZE, "99999999999GiB", CV_E_RANGE);
    expect_bad((cv_setting_kind)99, "1", CV_E_INVALID);
}

static void bounds_are_named(void **state)
{
    (void)state;
    assert_fails(cx, read_env("HTTP_PORT=0"), CV_E_CONFIG,
                 "\"0\" for setting \"http.port\" from environment HTTP_PORT is not between 1 and 65535");
    assert_fails(cx, read_env("HTTP_IDLE_TIMEOUT=2h"), CV_E_CONFIG, "is not between 10 ms and 3600000 ms");
    assert_fails(cx, read_env("HTTP_IDLE_TIMEOUT=9"), CV_E_CONFIG, "is not a duration such as \"250ms\"");
    assert_fails(cx, read_env("HTTP_BODY_LIMIT=99999999999GiB"), CV_E_CONFIG, "is not small enough");
    assert_fails(cx, read_env("DEBUG="), CV_E_CONFIG, "is not true or false");
}

static void secrets_never_appear(void **state)
{
    (void)state;
    size_t position = 0;
    const cv_setting *setting;
    const char *value;
    int count = 0;
    assert_fails(cx, read_env("DATABASE_PIN=hunter2"), CV_E_CONFIG,
                 "the value of setting \"database.pin\" from environment DATABASE_PIN is not an integer");
    assert_fails(cx, read_env("MAIL_PASSWORD=hunter2"), CV_E_CONFIG, "the value of setting \"mail.password\"");
    assert_ok(cx, read_env("DATABASE_URL=postgres://u:hunter2@h/d"));
    for (; cv_config_next(config, &position, &setting, &value); count++) {
        assert_ptr_equal(setting, &settings[count]);
        assert_true(!value || !strstr(value, "hunter2"));
        if (strcmp(setting->name, "database.url") == 0)
            assert_string_equal(value, "***");
        if (strcmp(setting->name, "http.port") == 0)
            assert_string_equal(value, "8000");
    }
    assert_int_equal(count, 8);
}

static void a_refused_value_changes_nothing(void **state)
{
    (void)state;
    assert_fails(cx, read_env("HTTP_PORT=x"), CV_E_CONFIG, "is not an integer");
    assert_int_equal(cv_config_integer(config, "http.port"), 8000);
    assert_string_equal(cv_config_source(config, "http.port"), "default");
}

static void names_must_not_collide(void **state)
{
    (void)state;
    const cv_setting same = {.name = "debug", .kind = CV_SETTING_TEXT};
    const cv_setting variable = {.name = "a", .kind = CV_SETTING_TEXT, .env = "HTTP_PORT"};
    const cv_setting flag = {.name = "b", .kind = CV_SETTING_TEXT, .flag = "database"};
    const cv_setting bad = {.name = "c", .kind = CV_SETTING_DURATION, .default_value = "5"};
    assert_fails(cx, cv_config_add(cx, config, &same, 1), CV_E_EXISTS, "\"debug\" exists already");
    assert_fails(cx, cv_config_add(cx, config, &variable, 1), CV_E_EXISTS, "share the variable HTTP_PORT");
    assert_fails(cx, cv_config_add(cx, config, &flag, 1), CV_E_EXISTS, "share the flag --database");
    assert_fails(cx, cv_config_add(cx, config, &bad, 1), CV_E_CONFIG, "from default is not a duration");
}

static void many_settings_fit(void **state)
{
    (void)state;
    static char names[100][16];
    static cv_setting many[100];
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "many.n%d", i);
        many[i] = (cv_setting){.name = names[i], .kind = CV_SETTING_INTEGER, .default_value = "7"};
    }
    assert_ok(cx, cv_config_add(cx, config, many, 100));
    assert_int_equal(cv_config_integer(config, "many.n99"), 7);
    assert_int_equal(cv_config_integer(config, "http.port"), 8000);
}

static void expect_abort(bool wrong_kind)
{
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        if (wrong_kind)
            cv_config_text(config, "http.port");
        else
            cv_config_source(config, "http.none");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void asking_wrongly_aborts(void **state)
{
    (void)state;
    expect_abort(true);
    expect_abort(false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold_until_something_is_read),
        TEST(a_file_sets_by_sections),
        TEST(a_file_may_be_empty_and_sections_too),
        TEST(the_higher_source_wins_whatever_is_read_first),
        TEST(of_two_files_the_later_wins),
        TEST(names_of_variables_and_flags_can_be_given),
        TEST(variables_of_no_setting_are_ignored),
        TEST(mistakes_in_a_file_are_refused_with_the_line),
        TEST(a_long_name_is_refused),
        TEST(a_missing_file_is_told_apart),
        TEST(flags_are_taken_out_of_the_arguments),
        TEST(booleans_have_a_negative_flag),
        TEST(a_flag_without_its_value_is_refused),
        TEST(values_have_the_form_of_their_kind),
        TEST(bounds_are_named),
        TEST(secrets_never_appear),
        TEST(a_refused_value_changes_nothing),
        TEST(names_must_not_collide),
        TEST(many_settings_fit),
        TEST(asking_wrongly_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
