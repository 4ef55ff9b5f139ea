/* Covet's own settings: every one documented, with its default. */
#include "app/app.h"

/* Bounds of durations and sizes: 0 would silently be taken for the default, and a wait beyond a day is a slip. */
#define DURATION          .kind = CV_SETTING_DURATION, .min = 1, .max = INT64_C(86400000)
#define SIZE(least, most) .kind = CV_SETTING_SIZE, .min = (least), .max = (most)

const cv_setting cv__settings[] = {
    {.name = "database.url",
     .kind = CV_SETTING_TEXT,
     .env = "DATABASE_URL",
     .flag = "database",
     .secret = true,
     .help = "sqlite:///app.db or postgres://user:password@host/name (default: sqlite:///NAME.db)"},
    {.name = "database.max_connections",
     .kind = CV_SETTING_INTEGER,
     .default_value = "0",
     .min = 0,
     .max = 10000,
     .help = "connections of the pool; 0: 4 readers for SQLite, 10 for PostgreSQL"},
    {.name = "database.acquire_timeout",
     DURATION,
     .default_value = "5s",
     .help = "longest wait for a connection of the pool"},
    {.name = "http.host",
     .kind = CV_SETTING_TEXT,
     .default_value = "127.0.0.1",
     .flag = "host",
     .help = "address to listen on; 0.0.0.0 or :: for all"},
    {.name = "http.port",
     .kind = CV_SETTING_INTEGER,
     .default_value = "8000",
     .flag = "port",
     .min = 0,
     .max = 65535,
     .help = "port to listen on; 0: a free one"},
    {.name = "http.max_connections",
     .kind = CV_SETTING_INTEGER,
     .default_value = "10000",
     .min = 1,
     .max = 1000000,
     .help = "open connections; further ones wait"},
    {.name = "http.max_body", SIZE(1, 1 << 30), .default_value = "1MiB", .help = "largest request body"},
    {.name = "http.max_header",
     SIZE(256, 1 << 20),
     .default_value = "16KiB",
     .help = "largest request line and headers together"},
    {.name = "http.header_timeout",
     DURATION,
     .default_value = "10s",
     .help = "longest time for the headers of a request to arrive"},
    {.name = "http.body_timeout",
     DURATION,
     .default_value = "30s",
     .help = "longest time for the body of a request to arrive"},
    {.name = "http.idle_timeout",
     DURATION,
     .default_value = "60s",
     .help = "longest silence between two requests of a connection"},
    {.name = "http.request_timeout",
     DURATION,
     .default_value = "30s",
     .help = "deadline of a request, its queries included"},
    {.name = "http.write_timeout",
     DURATION,
     .default_value = "30s",
     .help = "longest time without progress in sending a reply"},
    {.name = "http.shutdown_timeout",
     DURATION,
     .default_value = "10s",
     .help = "time that running requests have when the server stops"},
    {.name = "http.access_log", .kind = CV_SETTING_BOOLEAN, .default_value = "false", .help = "log every request"},
    {.name = "admin.listen",
     .kind = CV_SETTING_TEXT,
     .help = "address for /metrics, /live, /ready and /fibers, such as 127.0.0.1:9464 (default: none)"},
    {.name = "log.level", .kind = CV_SETTING_TEXT, .default_value = "info", .help = "debug, info, warn, error or off"},
    {.name = "log.format", .kind = CV_SETTING_TEXT, .default_value = "text", .help = "text or json"},
    {.name = "migrations.dir",
     .kind = CV_SETTING_TEXT,
     .flag = "dir",
     .help = "folder of migrations (default: those compiled in, else \"migrations\")"},
};
const size_t cv__setting_count = sizeof cv__settings / sizeof cv__settings[0];

cv_server_options cv__server_options(const cv_config *config)
{
    return (cv_server_options){
        .host = cv_config_text(config, "http.host"),
        .port = (int)cv_config_integer(config, "http.port"),
        .max_connections = (size_t)cv_config_integer(config, "http.max_connections"),
        .max_body_bytes = (size_t)cv_config_size_bytes(config, "http.max_body"),
        .max_header_bytes = (size_t)cv_config_size_bytes(config, "http.max_header"),
        .header_timeout_ms = cv_config_duration_ms(config, "http.header_timeout"),
        .body_timeout_ms = cv_config_duration_ms(config, "http.body_timeout"),
        .idle_timeout_ms = cv_config_duration_ms(config, "http.idle_timeout"),
        .request_timeout_ms = cv_config_duration_ms(config, "http.request_timeout"),
        .write_timeout_ms = cv_config_duration_ms(config, "http.write_timeout"),
        .shutdown_timeout_ms = cv_config_duration_ms(config, "http.shutdown_timeout"),
        .access_log = cv_config_boolean(config, "http.access_log"),
    };
}

int cv__log_options(cv_ctx *cx, const cv_config *config, cv_log_options *ret_options)
{
    const char *level = cv_config_text(config, "log.level"), *format = cv_config_text(config, "log.format");
    *ret_options = (cv_log_options){.format = strcmp(format, "json") == 0 ? CV_LOG_JSON : CV_LOG_TEXT};
    if (cv_log_level_parse(cv_str_of(level), &ret_options->level) < 0)
        return cv_fail(cx, CV_E_CONFIG, "log.level cannot be \"%s\": it is debug, info, warn, error or off", level);
    if (ret_options->format == CV_LOG_TEXT && strcmp(format, "text") != 0)
        return cv_fail(cx, CV_E_CONFIG, "log.format cannot be \"%s\": it is text or json", format);
    return 0;
}

cv_db_options cv__db_options(const cv_config *config)
{
    return (cv_db_options){
        .max_connections = (size_t)cv_config_integer(config, "database.max_connections"),
        .acquire_timeout_ms = cv_config_duration_ms(config, "database.acquire_timeout"),
    };
}

cv_migrations_source cv__app_migrations_source(const cv_app *app)
{
    cv_migrations_source source = {
        .folder = cv_config_text(app->config, "migrations.dir"),
        .embedded = app->embedded,
        .embedded_count = app->embedded_count,
    };
    if (!source.folder && source.embedded_count == 0)
        source.folder = CV__MIGRATIONS_FOLDER;
    return source;
}
