/* Covet's own settings: every one documented, with its default. */
#include "app/app.h"

#include <stdlib.h>

/* Bounds of durations and sizes: 0 would silently be taken for the default, and a wait beyond a day is a slip. */
#define DURATION          .kind = CV_SETTING_DURATION, .min = 1, .max = INT64_C(86400000)
#define SIZE(least, most) .kind = CV_SETTING_SIZE, .min = (least), .max = (most)

const cv_setting cv__settings[] = {
    {.name = "database.url",
     .kind = CV_SETTING_TEXT,
     .env = "DATABASE_URL",
     .flag = "database",
     .secret = true,
     .help = "sqlite:///app.db, postgres://user:password@host/name or mysql://user:password@host/name (default: "
             "sqlite:///NAME.db)"},
    {.name = "database.max_connections",
     .kind = CV_SETTING_INTEGER,
     .default_value = "0",
     .min = 0,
     .max = 10000,
     .help =
         "connections of the process, which the workers of serve share; 0: 10 for PostgreSQL, 4 readers in each worker "
         "for SQLite"},
    {.name = "database.acquire_timeout",
     DURATION,
     .default_value = "5s",
     .help = "longest wait for a connection of the pool"},
    {.name = "http.listen",
     .kind = CV_SETTING_TEXT,
     .flag = "listen",
     .help = "where to listen, instead of http.host and http.port: 127.0.0.1:8000, [::1]:8000, :8000, "
             "unix:/run/app.sock, fd:3, or inherited"},
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
    {.name = "http.workers",
     .kind = CV_SETTING_INTEGER,
     .default_value = "0",
     .flag = "workers",
     .min = 0,
     .max = 256,
     .help = "threads that answer; 0: one a core, or 1 with a database in memory"},
    {.name = "http.backlog",
     .kind = CV_SETTING_INTEGER,
     .default_value = "511",
     .min = 1,
     .max = 65535,
     .help = "connections that wait to be accepted; the kernel caps it at net.core.somaxconn"},
    {.name = "http.unix_mode",
     .kind = CV_SETTING_TEXT,
     .default_value = "0660",
     .help = "permissions of a unix socket, octal"},
    {.name = "http.trusted_proxies",
     .kind = CV_SETTING_TEXT,
     .help = "proxies that are believed, separated by commas: 10.0.0.0/8, ::1, unix (default: nobody)"},
    {.name = "http.forwarded",
     .kind = CV_SETTING_TEXT,
     .default_value = "x-forwarded-for",
     .help = "the header that trusted proxies set: x-forwarded-for (with -proto and -host) or forwarded"},
    {.name = "http.max_connections_per_address",
     .kind = CV_SETTING_INTEGER,
     .default_value = "1000",
     .min = 1,
     .max = 1000000,
     .help = "open connections of one client (IPv6: of one /64); further ones are closed; not for trusted proxies"},
    {.name = "http.max_connections",
     .kind = CV_SETTING_INTEGER,
     .default_value = "10000",
     .min = 1,
     .max = 1000000,
     .help = "open connections; further ones wait"},
    {.name = "http.max_body", SIZE(1, 1 << 30), .default_value = "2MiB", .help = "largest request body"},
    {.name = "http.max_header",
     SIZE(256, 1 << 20),
     .default_value = "32KiB",
     .help = "largest request line and headers together"},
    {.name = "http.max_target", SIZE(64, 64 << 10), .default_value = "8KiB", .help = "longest request target"},
    {.name = "http.max_headers",
     .kind = CV_SETTING_INTEGER,
     .default_value = "100",
     .min = 1,
     .max = 10000,
     .help = "most headers of a request, and most trailers"},
    {.name = "http.max_requests",
     .kind = CV_SETTING_INTEGER,
     .default_value = "10000",
     .min = 1,
     .max = 1000000000,
     .help = "requests of one connection, which is closed then"},
    {.name = "http.header_timeout",
     DURATION,
     .default_value = "10s",
     .help = "longest time for the headers of a request to arrive"},
    {.name = "http.body_timeout",
     DURATION,
     .default_value = "10s",
     .help = "window in which a request body must come at http.min_body_rate"},
    {.name = "http.min_body_rate",
     SIZE(1, 1 << 30),
     .default_value = "500",
     .help = "bytes a second at which a request body must come"},
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
     .default_value = "10s",
     .help = "window in which a reply must be taken at http.min_write_rate"},
    {.name = "http.min_write_rate",
     SIZE(1, 1 << 30),
     .default_value = "500",
     .help = "bytes a second at which a reply must be taken"},
    {.name = "http.shutdown_timeout",
     DURATION,
     .default_value = "10s",
     .help = "time that running requests have when the server stops"},
    {.name = "http.drain_delay",
     .kind = CV_SETTING_DURATION,
     .default_value = "0s",
     .min = 0,
     .max = INT64_C(86400000),
     .help = "time between not being ready any more and accepting nobody, for load balancers to notice"},
    {.name = "http.access_log",
     .kind = CV_SETTING_TEXT,
     .default_value = "off",
     .help = "a line a request: off, common (Combined Log Format) or json on standard output, or log"},
    {.name = "http.request_id",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "true",
     .help = "give each request an identity: X-Request-Id"},
    {.name = "http.error_pages",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "true",
     .help = "error replies as HTML to browsers"},
    {.name = "http.security_headers",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "true",
     .help = "headers that tell browsers to be careful"},
    {.name = "http.content_security_policy",
     .kind = CV_SETTING_TEXT,
     .help = "in place of the default policy (scripts and styles from own files only); empty: none"},
    {.name = "http.permissions_policy",
     .kind = CV_SETTING_TEXT,
     .help = "the header Permissions-Policy (default: none)"},
    {.name = "http.hsts_max_age",
     .kind = CV_SETTING_DURATION,
     .default_value = "0s",
     .min = 0,
     .max = INT64_C(63072000000),
     .help = "Strict-Transport-Security of https requests, up to two years; 0s: none"},
    {.name = "http.allowed_hosts",
     .kind = CV_SETTING_TEXT,
     .help = "hosts that are served: \"example.org, *.example.net\" (default: all)"},
    {.name = "http.compression",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "true",
     .help = "compress replies: zstd, br, gzip"},
    {.name = "http.decompression",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "true",
     .help = "decode request bodies: gzip, deflate, br, zstd"},
    {.name = "development",
     .kind = CV_SETTING_BOOLEAN,
     .default_value = "false",
     .env = "COVET_DEVELOPMENT",
     .help = "error replies tell their whole story; never in public"},
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
        .max_target_bytes = (size_t)cv_config_size_bytes(config, "http.max_target"),
        .max_headers = (size_t)cv_config_integer(config, "http.max_headers"),
        .max_requests_per_connection = (size_t)cv_config_integer(config, "http.max_requests"),
        .min_body_rate = (size_t)cv_config_size_bytes(config, "http.min_body_rate"),
        .min_write_rate = (size_t)cv_config_size_bytes(config, "http.min_write_rate"),
        .max_body_bytes = (size_t)cv_config_size_bytes(config, "http.max_body"),
        .max_header_bytes = (size_t)cv_config_size_bytes(config, "http.max_header"),
        .header_timeout_ms = cv_config_duration_ms(config, "http.header_timeout"),
        .body_timeout_ms = cv_config_duration_ms(config, "http.body_timeout"),
        .idle_timeout_ms = cv_config_duration_ms(config, "http.idle_timeout"),
        .request_timeout_ms = cv_config_duration_ms(config, "http.request_timeout"),
        .write_timeout_ms = cv_config_duration_ms(config, "http.write_timeout"),
        .shutdown_timeout_ms = cv_config_duration_ms(config, "http.shutdown_timeout"),
        .log_refusals = strcmp(cv_config_text(config, "http.access_log"), "off") != 0,
        .development = cv_config_boolean(config, "development"),
    };
}

int cv__server_options_forwarded(cv_ctx *cx, const cv_config *config, cv_server_options *options)
{
    const char *name = cv_config_text(config, "http.forwarded");
    bool standard = strcmp(name, "forwarded") == 0;
    if (!standard && strcmp(name, "x-forwarded-for") != 0)
        return cv_fail(cx, CV_E_CONFIG, "http.forwarded cannot be \"%s\": it is x-forwarded-for or forwarded", name);
    options->forwarded = standard ? CV_FORWARDED_STANDARD : CV_FORWARDED_X;
    return 0;
}

/* The parts of a list separated by commas, without the space around them; ends with NULL. */
static int split_list(cv_ctx *cx, const char *text, const char ***ret_parts)
{
    const char **parts = cv_zalloc(cx, strlen(text) / 2 + 2, sizeof *parts);
    size_t count = 0;
    while (parts && *text) {
        text += strspn(text, ", \t");
        size_t len = strcspn(text, ", \t");
        if (len && !(parts[count++] = cv_strndup(cx, text, len)))
            return CV_E_NOMEM;
        text += len;
    }
    *ret_parts = parts;
    return parts ? 0 : CV_E_NOMEM;
}

int cv__listener_options(cv_ctx *cx, const cv_config *config, cv_listener_options *ret_options)
{
    const char *mode = cv_config_text(config, "http.unix_mode"),
               *proxies = cv_config_text(config, "http.trusted_proxies");
    char *end;
    unsigned long bits = strtoul(mode, &end, 8);
    const char **parts = NULL;
    if (*mode < '0' || *mode > '7' || *end || bits == 0 || bits > 0777)
        return cv_fail(cx, CV_E_CONFIG, "http.unix_mode cannot be \"%s\": it is octal, such as 0660", mode);
    if (proxies)
        CV_TRY(split_list(cx, proxies, &parts));
    *ret_options = (cv_listener_options){
        .backlog = (int)cv_config_integer(config, "http.backlog"),
        .unix_mode = (unsigned)bits,
        .max_connections = (size_t)cv_config_integer(config, "http.max_connections"),
        .max_per_address = (size_t)cv_config_integer(config, "http.max_connections_per_address"),
        .trusted_proxies = parts,
    };
    return 0;
}

const char *cv__app_database_url(cv_ctx *cx, const cv_app *app)
{
    const char *url = cv_config_text(app->config, "database.url");
    return url ? url : cv_sprintf(cx, "sqlite:///%s.db", app->name);
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
