#include "db/options.h"

#define MAX_CONNECTIONS 10000
#define MAX_STATEMENTS  1000000
#define MAX_WINDOW      1024
#define MAX_DURATION_MS INT64_C(86400000)

/* Options of every engine. Where 0 would be taken for the default, `off` allows "off" and 0, kept as -1. */
static const struct common_option {
    const char *name;
    enum { COUNT, NUMBER, FLAG, DURATION } kind; /* size_t, int, int, int64_t */
    size_t offset;
    int64_t min, max;
    bool off;
} common_options[] = {
#define AT(member) offsetof(cv_db_options, member)
    {"max_connections", COUNT, AT(max_connections), 1, MAX_CONNECTIONS, false},
    {"min_connections", NUMBER, AT(min_connections), 0, MAX_CONNECTIONS, true},
    {"statement_cache", COUNT, AT(statement_cache), 1, MAX_STATEMENTS, false},
    {"statement_lifetime", DURATION, AT(statement_lifetime_ms), 0, MAX_DURATION_MS, true},
    {"statement_statistics", FLAG, AT(statement_statistics), 0, 1, false},
    {"read_only", FLAG, AT(read_only), 0, 1, false},
    {"acquire_timeout", DURATION, AT(acquire_timeout_ms), 0, MAX_DURATION_MS, false},
    {"connect_timeout", DURATION, AT(connect_timeout_ms), 0, MAX_DURATION_MS, false},
    {"idle_timeout", DURATION, AT(idle_timeout_ms), 0, MAX_DURATION_MS, true},
    {"max_lifetime", DURATION, AT(max_lifetime_ms), 0, MAX_DURATION_MS, true},
    {"validate_after", DURATION, AT(validate_after_ms), 0, MAX_DURATION_MS, true},
    {"validate_timeout", DURATION, AT(validate_timeout_ms), 0, MAX_DURATION_MS, false},
    {"shed_target", DURATION, AT(shed_target_ms), 0, MAX_DURATION_MS, true},
    {"shed_interval", DURATION, AT(shed_interval_ms), 0, MAX_DURATION_MS, false},
    {"leak_threshold", DURATION, AT(leak_threshold_ms), 0, MAX_DURATION_MS, true},
    {"forced_return", DURATION, AT(forced_return_ms), 0, MAX_DURATION_MS, true},
    {"long_transaction", DURATION, AT(long_transaction_ms), 0, MAX_DURATION_MS, true},
    {"idle_transaction", DURATION, AT(idle_transaction_ms), 0, MAX_DURATION_MS, true},
    {"listen_check", DURATION, AT(listen_check_ms), 0, MAX_DURATION_MS, false},
    {"breaker_window", NUMBER, AT(breaker_window), 0, MAX_WINDOW, true},
    {"breaker_percent", NUMBER, AT(breaker_percent), 1, 100, false},
    {"breaker_open", DURATION, AT(breaker_open_ms), 0, MAX_DURATION_MS, false},
    {"breaker_probes", NUMBER, AT(breaker_probes), 1, MAX_WINDOW, false},
#undef AT
};
enum { COMMON_COUNT = sizeof common_options / sizeof common_options[0], MAX_OWN = 32 };

int cv__db_unknown_option(cv_ctx *cx, cv_str name, const char *const *own_names, size_t own_count)
{
    const char *all[COMMON_COUNT + MAX_OWN];
    size_t count = 0;
    for (size_t i = 0; i < COMMON_COUNT; i++)
        all[count++] = common_options[i].name;
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

int cv__db_option_choice(cv_ctx *cx, const char *name, cv_str value, const char *const *choices, size_t count,
                         size_t *ret_index)
{
    for (size_t i = 0; i < count; i++)
        if (cv_str_equal(cv_str_of(choices[i]), value)) {
            *ret_index = i;
            return 0;
        }
    const char *nearest = cv_str_nearest(value, choices, count);
    cv_fail(cx, CV_E_CONFIG, "the database option \"%s\" cannot be \"%.*s\"", name, CV_STR_ARG(value));
    cv_error_hint(cx, "did you mean \"%s\"?", nearest ? nearest : choices[0]);
    return CV_E_CONFIG;
}

static void store(cv_db_options *options, const struct common_option *option, int64_t value)
{
    char *place = (char *)options + option->offset;
    if (option->kind == COUNT)
        *(size_t *)(void *)place = (size_t)value;
    else if (option->kind == NUMBER || option->kind == FLAG)
        *(int *)(void *)place = (int)value;
    else
        *(int64_t *)(void *)place = value;
}

static int64_t load(const cv_db_options *options, const struct common_option *option)
{
    const char *place = (const char *)options + option->offset;
    if (option->kind == COUNT) {
        size_t count = *(const size_t *)(const void *)place;
        return count > INT64_MAX ? INT64_MAX : (int64_t)count;
    }
    return option->kind == NUMBER || option->kind == FLAG ? *(const int *)(const void *)place
                                                          : *(const int64_t *)(const void *)place;
}

static int take_flag(cv_ctx *cx, cv_str name, cv_str text, int64_t *ret_flag)
{
    *ret_flag = cv_str_equal(text, CV_STR("true"));
    return *ret_flag || cv_str_equal(text, CV_STR("false")) ? 0 : fail_value(cx, name, text, "\"true\" or \"false\"");
}

static int take(cv_ctx *cx, const struct common_option *option, cv_str name, cv_str text, cv_db_options *options)
{
    int64_t value;
    if (option->off && cv_str_equal(text, CV_STR("off")))
        value = 0;
    else if (option->kind == FLAG)
        CV_TRY(take_flag(cx, name, text, &value));
    else if (option->kind == DURATION)
        CV_TRY(cv__db_option_duration(cx, name, text, &value));
    else
        CV_TRY(cv__db_option_number(cx, name, text, option->min, option->max, &value));
    store(options, option, option->off && value == 0 ? -1 : value);
    return 1;
}

/* 1 when the option is one of every engine's, 0 when it is the driver's. */
static int take_common(cv_ctx *cx, cv_str name, cv_str value, cv_db_options *options)
{
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (cv_str_equal(name, cv_str_of(common_options[i].name)))
            return take(cx, &common_options[i], name, value, options);
    if (!cv_str_equal(name, CV_STR("pool_name")))
        return 0;
    options->pool_name = cv_strndup(cx, value.ptr, value.len);
    return options->pool_name ? 1 : CV_E_NOMEM;
}

#define DEFAULT(member, value)                                                                                         \
    do {                                                                                                               \
        if (!(member))                                                                                                 \
            (member) = (value);                                                                                        \
    } while (0)

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
    DEFAULT(o.min_connections, 1);
    DEFAULT(o.idle_timeout_ms, driver->ping ? 600000 : -1);
    DEFAULT(o.max_lifetime_ms, driver->ping ? 1800000 : -1);
    DEFAULT(o.validate_after_ms, 500);
    DEFAULT(o.validate_timeout_ms, 500);
    DEFAULT(o.shed_interval_ms, 1000);
    DEFAULT(o.leak_threshold_ms, -1);
    DEFAULT(o.forced_return_ms, -1);
    DEFAULT(o.long_transaction_ms, 10000);
    DEFAULT(o.idle_transaction_ms, 5000);
    DEFAULT(o.breaker_window, 100);
    DEFAULT(o.breaker_percent, 50);
    DEFAULT(o.breaker_open_ms, 60000);
    DEFAULT(o.breaker_probes, 10);
    DEFAULT(o.statement_lifetime_ms, 3600000);
    DEFAULT(o.listen_check_ms, 5000);
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
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        const struct common_option *option = &common_options[i];
        int64_t value = load(o, option);
        bool below = value < option->min && !(option->off && value < 0);
        if (below || value > option->max)
            return cv_fail(cx, CV_E_CONFIG, "the database option \"%s\" is %lld, which is not between %lld and %lld",
                           option->name, (long long)value, (long long)option->min, (long long)option->max);
    }
    return 0;
}

/* What follows from others. Connections without a server do not grow old. */
static void derive(const cv__driver *driver, cv_db_options *o)
{
    if (!o->shed_target_ms)
        o->shed_target_ms = o->acquire_timeout_ms / 2;
    if (driver->ping)
        return;
    o->idle_timeout_ms = o->max_lifetime_ms = -1;
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
    derive(driver, &options);
    *ret_options = options;
    return 0;
}
