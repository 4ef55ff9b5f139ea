#include "db/options.h"

#define MAX_CONNECTIONS 10000
#define MAX_STATEMENTS  1000000
#define MAX_DURATION_MS INT64_C(86400000)

static const char *const common_names[] = {"max_connections", "acquire_timeout", "connect_timeout", "statement_cache"};
enum { COMMON_COUNT = sizeof common_names / sizeof common_names[0], MAX_OWN = 32 };

int cv__db_unknown_option(cv_ctx *cx, cv_str name, const char *const *own_names, size_t own_count)
{
    const char *all[COMMON_COUNT + MAX_OWN];
    size_t count = 0;
    for (size_t i = 0; i < COMMON_COUNT; i++)
        all[count++] = common_names[i];
    for (size_t i = 0; i < own_count && i < MAX_OWN; i++)
        all[count++] = own_names[i];
    const char *nearest = cv_str_nearest(name, all, count);
    cv_fail(cx, CV_E_CONFIG, "the database URL has an unknown option \"%.*s\"", CV_STR_ARG(name));
    if (nearest)
        cv_error_hint(cx, "did you mean \"%s\"?", nearest);
    return CV_E_CONFIG;
}

static int fail_value(cv_ctx *cx, cv_str name, cv_str text, const char *wanted)
{
    return cv_fail(cx, CV_E_CONFIG, "the database option \"%.*s\" is \"%.*s\", which is not %s", CV_STR_ARG(name),
                   CV_STR_ARG(text), wanted);
}

int cv__db_option_number(cv_ctx *cx, cv_str name, cv_str text, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value;
    if (cv_str_to_i64(text, &value) < 0)
        return fail_value(cx, name, text, "a whole number");
    if (value < min || value > max)
        return cv_fail(cx, CV_E_CONFIG, "the database option \"%.*s\" is %lld, which is not between %lld and %lld",
                       CV_STR_ARG(name), (long long)value, (long long)min, (long long)max);
    *ret_value = value;
    return 0;
}

int cv__db_option_duration(cv_ctx *cx, cv_str name, cv_str text, int64_t *ret_ms)
{
    int64_t unit_ms = 1;
    cv_str digits = text;
    if (cv_str_ends_with(text, CV_STR("ms"))) {
        digits.len -= 2;
    } else if (cv_str_ends_with(text, CV_STR("s"))) {
        digits.len -= 1;
        unit_ms = 1000;
    }
    int64_t value;
    if (cv_str_to_i64(digits, &value) < 0 || value < 0 || value > MAX_DURATION_MS / unit_ms)
        return fail_value(cx, name, text, "a time such as \"500ms\" or \"5s\"");
    *ret_ms = value * unit_ms;
    return 0;
}

/* 1 when the option is one of every engine's, 0 when it is the driver's. */
static int take_common(cv_ctx *cx, cv_str name, cv_str value, cv_db_options *options)
{
    int64_t number;
    if (cv_str_equal(name, CV_STR("max_connections"))) {
        CV_TRY(cv__db_option_number(cx, name, value, 1, MAX_CONNECTIONS, &number));
        options->max_connections = (size_t)number;
    } else if (cv_str_equal(name, CV_STR("statement_cache"))) {
        CV_TRY(cv__db_option_number(cx, name, value, 1, MAX_STATEMENTS, &number));
        options->statement_cache = (size_t)number;
    } else if (cv_str_equal(name, CV_STR("acquire_timeout"))) {
        CV_TRY(cv__db_option_duration(cx, name, value, &options->acquire_timeout_ms));
    } else if (cv_str_equal(name, CV_STR("connect_timeout"))) {
        CV_TRY(cv__db_option_duration(cx, name, value, &options->connect_timeout_ms));
    } else {
        return 0;
    }
    return 1;
}

static cv_db_options with_defaults(const cv__driver *driver, const cv_db_options *given)
{
    cv_db_options o = given ? *given : (cv_db_options){0};
    if (!o.max_connections)
        o.max_connections = driver->default_readers;
    if (!o.acquire_timeout_ms)
        o.acquire_timeout_ms = 5000;
    if (!o.connect_timeout_ms)
        o.connect_timeout_ms = 5000;
    if (!o.statement_cache)
        o.statement_cache = 1000;
    if (!o.sqlite_journal_mode)
        o.sqlite_journal_mode = "wal";
    if (!o.sqlite_synchronous)
        o.sqlite_synchronous = "full";
    if (!o.sqlite_busy_timeout_ms)
        o.sqlite_busy_timeout_ms = 5000;
    if (!o.sqlite_cache_kib)
        o.sqlite_cache_kib = 16384;
    return o;
}

static int check_given(cv_ctx *cx, const cv_db_options *o)
{
    if (o->max_connections > MAX_CONNECTIONS || o->statement_cache > MAX_STATEMENTS)
        return cv_fail(cx, CV_E_CONFIG, "max_connections or statement_cache is too large");
    if (o->acquire_timeout_ms < 0 || o->connect_timeout_ms < 0 || o->acquire_timeout_ms > MAX_DURATION_MS ||
        o->connect_timeout_ms > MAX_DURATION_MS)
        return cv_fail(cx, CV_E_CONFIG, "a timeout of the database is not between 0 and one day");
    return 0;
}

int cv__db_options_merge(cv_ctx *cx, const cv__driver *driver, const cv_db_options *given, cv_url *url,
                         cv_db_options *ret_options)
{
    cv_db_options options = with_defaults(driver, given);
    CV_TRY(check_given(cx, &options));
    cv_buf own;
    cv_buf_init_arena(&own, cv_ctx_arena(cx), 0);
    cv_str rest = cv_str_of(url->query), pair;
    while (rest.ptr && cv_str_split(&rest, '&', &pair)) {
        cv_str name, value;
        size_t position = 0;
        int rc = cv_query_string_next(cx, pair, &position, &name, &value);
        if (rc > 0)
            rc = take_common(cx, name, value, &options);
        else if (rc == 0)
            continue;
        CV_TRY(rc);
        if (rc == 0) {
            if (own.len)
                cv_buf_add_char(&own, '&');
            cv_buf_add_str(&own, pair);
        }
    }
    if (own.error)
        return cv_fail(cx, own.error, "could not read the options of the database URL");
    url->query = own.len ? own.data : NULL;
    *ret_options = options;
    return 0;
}
