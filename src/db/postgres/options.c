/* From a URL to what libpq is given, and to what is done here instead: hosts are tried, and judged, by hosts.c. Only
 * options of the lists below are taken: others would change what the driver relies on (client_encoding), or where it
 * connects to behind its back (service). */
#include "db/options.h"
#include "db/postgres/shared.h"
#include <strings.h>

/* The options of a URL. Those before "host" are taken by libpq as they are. */
static const char *const names[] = {
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
    "tcp_user_timeout",
    /* from here on: what is done here */
    "host",
    "load_balance_hosts",
    "pooler",
    "port",
    "shared_connections",
    "target_session_attrs",
};
enum { NAME_COUNT = sizeof names / sizeof names[0], PASSED_ON_COUNT = NAME_COUNT - 6 };

/* Besides those passed on: hostaddr, host, port, replication, user, password, dbname, client_encoding,
 * target_session_attrs. */
enum { OWN_COUNT = 9, MAX_KEYWORDS = OWN_COUNT + PASSED_ON_COUNT };

/* What libpq would refuse only when it connects. Those of the last two are in the order of cv__pg_pooler and
 * cv__pg_target. */
static const struct {
    const char *name;
    const char *values[7];
} choices[] = {
    {"sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
    {"ssl_min_protocol_version", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}},
    {"ssl_max_protocol_version", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}},
    {"channel_binding", {"disable", "prefer", "require"}},
    {"gssencmode", {"disable", "prefer", "require"}},
    {"load_balance_hosts", {"disable", "random"}},
    {"pooler", {"auto", "yes", "no"}},
    {"target_session_attrs", {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}},
};

typedef struct keywords {
    cv_ctx *cx;
    cv__pg_shared *shared;
    size_t count;
    const char *user_options; /* "options" of the URL */
    bool read_only;
    cv_url_host hosts[CV_URL_MAX_HOSTS];
    size_t host_count;
} keywords;

/* The index of the keyword in the list, or the end of it. */
static size_t keyword_index(const keywords *k, const char *keyword)
{
    size_t i = 0;
    while (i < k->count && strcmp(k->shared->keywords[i], keyword) != 0)
        i++;
    return i;
}

const char *cv__pg_keyword(const cv__pg_shared *shared, const char *keyword)
{
    for (size_t i = 0; shared->keywords[i]; i++)
        if (strcmp(shared->keywords[i], keyword) == 0)
            return shared->values[i];
    return NULL;
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

static const char *find_name(cv_str name, bool *ret_passed_on)
{
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (cv_str_equal(cv_str_of(names[i]), name)) {
            *ret_passed_on = i < PASSED_ON_COUNT;
            return names[i];
        }
    return NULL;
}

/* The index of the value, where an option has choices. */
static int check_choice(keywords *k, const char *name, cv_str value, size_t *ret_index)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (strcmp(choices[i].name, name) != 0)
            continue;
        while (choices[i].values[count])
            count++;
        return cv__db_option_choice(k->cx, name, value, choices[i].values, count, ret_index);
    }
    *ret_index = 0;
    return 0;
}

static int fail_too_many_hosts(keywords *k)
{
    return cv_fail(k->cx, CV_E_CONFIG, "the database URL names more than %d hosts", CV_URL_MAX_HOSTS);
}

/* host=a,b: in place of those of the URL, whose ports stay. */
static int take_hosts(keywords *k, cv_str list)
{
    size_t count = 0;
    for (cv_str one; cv_str_split(&list, ',', &one); count++) {
        if (count == CV_URL_MAX_HOSTS)
            return fail_too_many_hosts(k);
        k->hosts[count].name = cv_arena_strndup(k->shared->arena, one.ptr, one.len);
        if (!k->hosts[count].name)
            return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    }
    k->host_count = count > k->host_count ? count : k->host_count;
    return 0;
}

/* port=1,2: for the hosts in turn; one alone is that of all. */
static int take_ports(keywords *k, cv_str list)
{
    size_t count = 0;
    int64_t port = 0;
    for (cv_str one; cv_str_split(&list, ',', &one); count++) {
        if (cv_str_to_i64(one, &port) < 0 || port < 1 || port > 65535)
            return cv_fail(k->cx, CV_E_CONFIG, "port \"%.*s\" is not between 1 and 65535", CV_STR_ARG(one));
        if (count == CV_URL_MAX_HOSTS)
            return fail_too_many_hosts(k);
        k->hosts[count].port = (int)port;
    }
    for (size_t i = 1; i < CV_URL_MAX_HOSTS && count == 1; i++)
        k->hosts[i].port = (int)port;
    k->host_count = count > k->host_count ? count : k->host_count;
    return 0;
}

static int take_own(keywords *k, const char *name, cv_str value, size_t choice)
{
    if (strcmp(name, "host") == 0)
        return take_hosts(k, value);
    if (strcmp(name, "port") == 0)
        return take_ports(k, value);
    if (strcmp(name, "load_balance_hosts") == 0)
        k->shared->any_order = choice == 1;
    else if (strcmp(name, "pooler") == 0)
        k->shared->pooler = (cv__pg_pooler)choice;
    else if (strcmp(name, "shared_connections") == 0)
        return cv__pg_take_sharing(k->cx, k->shared, value);
    else
        k->shared->target = (cv__pg_target)choice;
    return 0;
}

static int take_option(keywords *k, cv_str name, cv_str value)
{
    bool passed_on;
    size_t choice;
    const char *known = find_name(name, &passed_on);
    if (!known)
        return cv__db_unknown_option(k->cx, name, names, NAME_COUNT);
    CV_TRY(check_choice(k, known, value, &choice));
    if (!passed_on)
        return take_own(k, known, value, choice);
    if (strcmp(known, "options") != 0)
        return set_keyword(k, known, value);
    k->user_options = cv_arena_strndup(k->shared->arena, value.ptr, value.len);
    return 0;
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

static int set_hosts(keywords *k)
{
    cv__pg_shared *shared = k->shared;
    shared->host_count = k->host_count ? k->host_count : 1;
    shared->hosts = cv__hosts_make(shared->arena, k->hosts, shared->host_count, 5432, "/.s.PGSQL.");
    shared->place = shared->hosts ? cv__hosts_place(shared->arena, shared->hosts, shared->host_count) : NULL;
    return shared->place ? 0 : cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
}

/* Whoever names an authority wants the server to be checked against it, by name. */
static int set_tls_defaults(keywords *k)
{
    if (cv__pg_keyword(k->shared, "sslrootcert") && !cv__pg_keyword(k->shared, "sslmode"))
        CV_TRY(set_keyword(k, "sslmode", CV_STR("verify-full")));
    if (cv__pg_keyword(k->shared, "sslpassword"))
        return 0;
    /* without any, OpenSSL would ask for the password of an encrypted key on the terminal, and wait */
    return set_keyword(k, "sslpassword", CV_STR(" "));
}

static int set_defaults(keywords *k)
{
    CV_TRY(set_keyword(k, "hostaddr", CV_STR("")));
    CV_TRY(set_keyword(k, "host", CV_STR("")));
    CV_TRY(set_keyword(k, "port", CV_STR("")));
    CV_TRY(set_keyword(k, "options", CV_STR("")));
    CV_TRY(set_keyword(k, "replication", CV_STR("")));
    CV_TRY(set_keyword(k, "application_name", CV_STR("covet")));
    CV_TRY(set_keyword(k, "gssencmode", CV_STR("disable")));
    return set_keyword(k, "target_session_attrs", CV_STR("any"));
}

static int set_account(keywords *k, const cv_url *url)
{
    CV_TRY(set_keyword(k, "user", cv_str_of(url->user)));
    CV_TRY(set_keyword(k, "password", cv_str_of(url->password)));
    CV_TRY(set_keyword(k, "dbname", path_to_name(url->path)));
    return set_keyword(k, "client_encoding", CV_STR("UTF8"));
}

static int check_target(keywords *k)
{
    if (!k->read_only || k->shared->target != CV__PG_READ_WRITE)
        return 0;
    return cv_fail(k->cx, CV_E_CONFIG, "the database cannot be read-only and have target_session_attrs \"read-write\"");
}

static int fill(keywords *k, const cv_url *url, const cv_db_options *options)
{
    cv__pg_shared *shared = k->shared;
    shared->keywords = cv_arena_zalloc(shared->arena, MAX_KEYWORDS + 1, sizeof *shared->keywords);
    shared->values = cv_arena_zalloc(shared->arena, MAX_KEYWORDS + 1, sizeof *shared->values);
    if (!shared->keywords || !shared->values)
        return cv_fail(k->cx, CV_E_NOMEM, "no memory for the options of the database");
    k->host_count = url->host_count;
    memcpy(k->hosts, url->hosts, url->host_count * sizeof *url->hosts);
    k->read_only = options->read_only;
    CV_TRY(set_defaults(k));
    if (url->query)
        CV_TRY(take_query(k, url->query));
    CV_TRY(check_target(k));
    CV_TRY(set_hosts(k));
    CV_TRY(set_account(k, url));
    CV_TRY(set_tls_defaults(k));
    shared->needs_session = k->read_only || k->user_options;
    shared->statement_cache = options->statement_cache;
    shared->statement_lifetime_ns = options->statement_lifetime_ms > 0 ? options->statement_lifetime_ms * 1000000 : 0;
    shared->connect_timeout_ms = options->connect_timeout_ms;
    shared->listen_check_ms = options->listen_check_ms > 0 ? options->listen_check_ms : 5000;
    return set_session_options(k, k->read_only);
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
