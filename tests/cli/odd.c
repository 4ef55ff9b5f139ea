/* A program for the tests of the command line: commands that end in every way, and, as the variable ODD says, an
 * application that was built wrongly. */
#include <covet/covet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct thing {
    int64_t id;
    char *name;
};
struct twin {
    int64_t id;
};
CV_MODEL(thing, "things", CV_ID(id), CV_CHAR(name, .max_length = 10))
CV_MODEL(twin, "things", CV_ID(id))

static int run_exit(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    (void)cx, (void)app;
    int64_t code;
    return argc == 2 && cv_str_to_i64(cv_str_of(argv[1]), &code) == 0 ? (int)code : 2;
}

static int run_fail(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    (void)app, (void)argc, (void)argv;
    cv_fail(cx, CV_E_VALIDATION, "the thing has unacceptable values");
    cv_error_add_field(cx, "name", "must be at most %d characters long", 10);
    cv_error_detail(cx, "row %d", 3);
    cv_fail(cx, CV_E_DB, "could not store the thing");
    cv_error_hint(cx, "shorten the name");
    return CV_E_DB;
}

/* An error without a story. */
static int run_mute(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    (void)cx, (void)app, (void)argc, (void)argv;
    return CV_E_BUSY;
}

static int run_show(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    (void)app;
    printf("%s %s", cv_config_text(cv_ctx_config(cx), "odd.colour"), cv_ctx_db(cx) ? "database" : "none");
    for (int i = 0; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf("\n");
    return 0;
}

static int answer(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_empty(cx, res, 204);
}

/* Whether whoever asks lets go: the file "let-go" has appeared. Nobody waits longer than two minutes for it. */
static bool is_let_go(time_t since)
{
    return access("let-go", F_OK) == 0 || time(NULL) - since > 120;
}

/* Holds the loop. */
static int spin(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    for (time_t since = time(NULL); !is_let_go(since);)
        continue;
    return cv_reply_empty(cx, res, 204);
}

static int wait_long(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    for (time_t since = time(NULL); !is_let_go(since);)
        CV_TRY(cv_sleep_ms(cx, 5));
    return cv_reply_empty(cx, res, 204);
}

static int is_wanted(cv_ctx *cx, void *arg)
{
    (void)arg;
    return getenv("UNREADY") ? cv_fail(cx, CV_E_STATE, "nobody wants it") : 0;
}

static void build_wrongly(cv_app *app, const char *odd)
{
    static const cv_command serve = {.name = "serve", .usage = "", .help = "", .run = run_exit};
    if (strcmp(odd, "command") == 0)
        cv_app_command(app, &serve);
    if (strcmp(odd, "route") == 0)
        cv_route(app, CV_GET, "/things/{", answer);
    if (strcmp(odd, "models") == 0)
        cv_app_models(app, thing_model, twin_model);
}

int main(int argc, char **argv)
{
    static const cv_setting settings[] = {
        {.name = "odd.colour", .kind = CV_SETTING_TEXT, .default_value = "red", .help = "a colour"}};
    static const cv_command commands[] = {
        {.name = "exit", .usage = "CODE", .help = "end so", .run = run_exit, .without_database = true},
        {.name = "fail", .usage = "", .help = "fail", .run = run_fail, .without_database = true},
        {.name = "mute", .usage = "", .help = "fail without a word", .run = run_mute, .without_database = true},
        {.name = "show", .usage = "[WORD...]", .help = "show what it got", .run = run_show},
    };
    const char *odd = getenv("ODD");
    cv_app *app = cv_app_new("odd");
    cv_app_settings(app, settings, 1);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        cv_app_command(app, &commands[i]);
    cv_route(app, CV_GET, "/spin", spin);
    cv_route(app, CV_GET, "/wait", wait_long);
    cv_route(app, CV_GET | CV_POST, "/things/{id:int}", answer);
    cv_app_ready_check(app, "wanted", is_wanted, NULL);
    build_wrongly(app, odd ? odd : "");
    return cv_main(app, argc, argv);
}
