/* From a URL to what libpq is given. Only options of the list below go through: others would change what the driver
 * relies on (client_encoding), or where it connects to behind its back (service). */
#include "db/postgres/postgres.h"
#include <strings.h>

/* Taken by libpq as they are. */
static const char *const passed_on[] = {
    "application_name",
    "channel_binding",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "options",
    "passfile",
    "requirepeer",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
};
#define PASSED_ON_COUNT (sizeof passed_on / sizeof passed_on[0])

/* hostaddr, host, port, user, password, dbname, client_encoding, connect_timeout */
#define OWN_COUNT 8
/* For queries that name an option twice. */
#define MAX_KEYWORDS (OWN_COUNT + PASSED_ON_COUNT)

typedef struct keywords {
    cv_ctx *cx;
    cv__pg_shared *shared;
    size_t count;
    const char *user_options; /* "options" of the URL */
} keywords;

/* The index of the keyword in the list, or the end of it. */
static size_t keyword_index(const keywords *k, const char *keyword)
{
    size_t i = 0;
    while (i < k->count && strcmp(k->shared->keywords[i], keyword) != 0)
        i++;
    return i;
}

/* Set a keyword, in the place of an earlier one with the name; a NULL value is left out. */
static int set_keyword(keywords *k, const char *keyword, cv_str value)
{
    if (!value.ptr)
        return 0;
    size_t index = keyword_index(k, keyword);
    const char *copy = cv_arena_strndup(k->shared->arena, value.ptr, value.len);
    if (!copy || index >= MAX_KEYWORDS)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    k->shared->keywords[index] = keyword;
    k->shared->values[index] = copy;
    if (index == k->count)
        k->count++;
    return 0;
}

static const char *find_passed_on(cv_str name)
{
    for (size_t i = 0; i < PASSED_ON_COUNT; i++)
        if (cv_str_equal(cv_str_of(passed_on[i]), name))
            return passed_on[i];
    return NULL;
}

static int take_port(keywords *k, cv_str value)
{
    int64_t port;
    if (cv_str_to_i64(value, &port) < 0 || port < 1 || port > 65535)
        return cv_fail(k->cx, CV_E_CONFIG, "port \"%.*s\" is not between 1 and 65535", CV_STR_ARG(value));
    k->shared->port = (int)port;
    return 0;
}

static int take_option(keywords *k, cv_str name, cv_str value)
{
    if (cv_str_equal(name, CV_STR("host"))) {
        k->shared->host = cv_arena_strndup(k->shared->arena, value.ptr, value.len);
        return 0;
    }
    if (cv_str_equal(name, CV_STR("port")))
        return take_port(k, value);
    const char *keyword = find_passed_on(name);
    if (!keyword)
        return cv__db_unknown_option(k->cx, name, passed_on, PASSED_ON_COUNT);
    if (strcmp(keyword, "options") == 0) {
        k->user_options = cv_arena_strndup(k->shared->arena, value.ptr, value.len);
        return 0;
    }
    return set_keyword(k, keyword, value);
}

static int take_query(keywords *k, const char *query)
{
    size_t position = 0;
    cv_str name, value;
    int rc;
    while ((rc = cv_query_string_next(k->cx, cv_str_of(query), &position, &name, &value)) > 0)
        CV_TRY(take_option(k, name, value));
    return rc;
}

/* Settings of every session that statements and decoders rely on. As part of the start-up message they are also what
 * RESET ALL goes back to. */
static int set_session_options(keywords *k, bool read_only)
{
    const char *options = cv_arena_printf(k->shared->arena,
                                          "%s%s-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres "
                                          "-c standard_conforming_strings=on%s",
                                          k->user_options ? k->user_options : "", k->user_options ? " " : "",
                                          read_only ? " -c default_transaction_read_only=on" : "");
    if (!options)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    return set_keyword(k, "options", cv_str_of(options));
}

static cv_str path_to_name(const char *path)
{
    if (!path || strcmp(path, "/") == 0 || !*path)
        return (cv_str){NULL, 0};
    return cv_str_of(path + (*path == '/'));
}

static int set_place(keywords *k)
{
    cv__pg_shared *shared = k->shared;
    bool folder = shared->host[0] == '/';
    bool colons = strchr(shared->host, ':') != NULL;
    shared->place = folder   ? cv_arena_printf(shared->arena, "%s/.s.PGSQL.%d", shared->host, shared->port)
                    : colons ? cv_arena_printf(shared->arena, "[%s]:%d", shared->host, shared->port)
                             : cv_arena_printf(shared->arena, "%s:%d", shared->host, shared->port);
    char port[8];
    snprintf(port, sizeof port, "%d", shared->port);
    if (!shared->place)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    CV_TRY(set_keyword(k, "host", cv_str_of(shared->host)));
    return set_keyword(k, "port", cv_str_of(port));
}

static int fill(keywords *k, const cv_url *url, const cv_db_options *options)
{
    cv__pg_shared *shared = k->shared;
    shared->keywords = cv_arena_zalloc(shared->arena, MAX_KEYWORDS + 1, sizeof *shared->keywords);
    shared->values = cv_arena_zalloc(shared->arena, MAX_KEYWORDS + 1, sizeof *shared->values);
    shared->host = cv_arena_strdup(shared->arena, url->host && *url->host ? url->host : "127.0.0.1");
    shared->port = url->port ? url->port : 5432;
    if (!shared->keywords || !shared->values || !shared->host)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    CV_TRY(set_keyword(k, "hostaddr", CV_STR("")));
    CV_TRY(set_keyword(k, "application_name", CV_STR("covet")));
    CV_TRY(set_keyword(k, "gssencmode", CV_STR("disable")));
    if (url->query)
        CV_TRY(take_query(k, url->query));
    if (!shared->host)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    CV_TRY(set_place(k));
    CV_TRY(set_keyword(k, "user", cv_str_of(url->user)));
    CV_TRY(set_keyword(k, "password", cv_str_of(url->password)));
    CV_TRY(set_keyword(k, "dbname", path_to_name(url->path)));
    CV_TRY(set_keyword(k, "client_encoding", CV_STR("UTF8")));
    shared->statement_cache = options->statement_cache;
    shared->connect_timeout_ms = options->connect_timeout_ms;
    return set_session_options(k, options->read_only);
}

int cv__pg_shared_new(cv_ctx *cx, const cv_url *url, const cv_db_options *options, cv__pg_shared **ret_shared)
{
    cv_arena *arena = cv_arena_new((size_t)1 << 20);
    cv__pg_shared *shared = arena ? cv_arena_zalloc(arena, 1, sizeof *shared) : NULL;
    if (!shared) {
        cv_arena_free(arena);
        return cv_fail(cx, CV_E_NOMEM, "no memory for a database");
    }
    shared->arena = arena;
    keywords k = {.cx = cx, .shared = shared};
    int rc = fill(&k, url, options);
    if (rc < 0) {
        cv__pg_shared_free(shared);
        return rc;
    }
    *ret_shared = shared;
    return 0;
}

void cv__pg_shared_free(cv__pg_shared *shared)
{
    if (!shared)
        return;
    for (size_t i = 0; shared->keywords && shared->values && shared->keywords[i]; i++)
        if (strcasestr(shared->keywords[i], "password")) {
            char *secret = (char *)(uintptr_t)shared->values[i];
            explicit_bzero(secret, strlen(secret));
        }
    cv_arena_free(shared->arena);
}
