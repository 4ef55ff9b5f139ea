/* From a URL to what Connector/C is given, and to what is done here. Only options of the list are taken, and no
 * configuration file is read: others would change what the driver relies on. */
#include "db/options.h"
#include "db/mariadb/mariadb.h"

#include <covet/url.h>

enum { DEFAULT_PORT = 3306 };
#define DEFAULT_PROGRAM "covet"
#define DEFAULT_ZONE    "+00:00"

typedef struct reader {
    cv_ctx *cx;
    cv__my_shared *shared;
    cv_url_host hosts[CV_URL_MAX_HOSTS];
    size_t host_count;
    bool tls_given;
} reader;

typedef struct option option;
typedef int take_fn(reader *r, const option *o, cv_str value);

/* An option is a text of the shared state, or has a function. */
struct option {
    const char *name;
    take_fn *take;
    size_t offset;
};

static int fail_nomem(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_NOMEM, "no memory for the options of the database");
}

static int take_text(reader *r, const option *o, cv_str value)
{
    const char **at = (const char **)(void *)((char *)r->shared + o->offset);
    *at = cv_arena_strndup(r->shared->arena, value.ptr, value.len);
    return *at ? 0 : fail_nomem(r->cx);
}

static int take_tls(reader *r, const option *o, cv_str value)
{
    static const char *const modes[] = {"preferred", "disabled", "required", "verify_ca", "verify_identity"};
    size_t index;
    CV_TRY(cv__db_option_choice(r->cx, o->name, value, modes, sizeof modes / sizeof modes[0], &index));
    r->shared->tls = (cv__my_tls)index;
    r->tls_given = true;
    return 0;
}

static int take_tls_version(reader *r, const option *o, cv_str value)
{
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3", "TLSv1.2,TLSv1.3"};
    size_t index;
    CV_TRY(cv__db_option_choice(r->cx, o->name, value, versions, sizeof versions / sizeof versions[0], &index));
    r->shared->tls_version = versions[index];
    return 0;
}

static int take_order(reader *r, const option *o, cv_str value)
{
    static const char *const orders[] = {"disable", "random"};
    size_t index;
    CV_TRY(cv__db_option_choice(r->cx, o->name, value, orders, 2, &index));
    r->shared->any_order = index == 1;
    return 0;
}

static int take_compress(reader *r, const option *o, cv_str value)
{
    static const char *const answers[] = {"false", "true"};
    size_t index;
    CV_TRY(cv__db_option_choice(r->cx, o->name, value, answers, 2, &index));
    r->shared->compress = index == 1;
    return 0;
}

/* It becomes part of a statement. */
static int take_zone(reader *r, const option *o, cv_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!strchr("+-:/_", value.ptr[i]) && (value.ptr[i] | 0x20) - 'a' + 0u >= 26u && value.ptr[i] - '0' + 0u >= 10u)
            return cv_fail(r->cx, CV_E_CONFIG, "the database option \"time_zone\" cannot be \"%.*s\"",
                           CV_STR_ARG(value));
    return take_text(r, o, value);
}

/* socket=/run/mysqld/mysqld.sock: in place of the host of the URL. */
static int take_socket(reader *r, const option *o, cv_str value)
{
    if (value.len == 0 || value.ptr[0] != '/')
        return cv_fail(r->cx, CV_E_CONFIG, "the database option \"%s\" is no path that begins with a slash: \"%.*s\"",
                       o->name, CV_STR_ARG(value));
    r->hosts[0].name = cv_arena_strndup(r->shared->arena, value.ptr, value.len);
    r->host_count = 1;
    return r->hosts[0].name ? 0 : fail_nomem(r->cx);
}

#define TEXT(name, member)                                                                                             \
    {                                                                                                                  \
        name, take_text, offsetof(cv__my_shared, member)                                                               \
    }

static const option options_known[] = {
    {"compress", take_compress, 0},
    {"load_balance_hosts", take_order, 0},
    TEXT("program_name", program_name),
    {"socket", take_socket, 0},
    TEXT("ssl_ca", ssl_ca),
    TEXT("ssl_capath", ssl_capath),
    TEXT("ssl_cert", ssl_cert),
    TEXT("ssl_cipher", ssl_cipher),
    TEXT("ssl_crl", ssl_crl),
    TEXT("ssl_key", ssl_key),
    TEXT("ssl_key_password", ssl_key_password),
    {"ssl_mode", take_tls, 0},
    {"time_zone", take_zone, offsetof(cv__my_shared, time_zone)},
    {"tls_version", take_tls_version, 0},
};
enum { OPTION_COUNT = sizeof options_known / sizeof options_known[0] };

static int take_option(reader *r, cv_str name, cv_str value)
{
    const char *names[OPTION_COUNT];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        names[i] = options_known[i].name;
        if (cv_str_equal(cv_str_of(names[i]), name))
            return options_known[i].take(r, &options_known[i], value);
    }
    return cv__db_unknown_option(r->cx, name, names, OPTION_COUNT);
}

static int take_query(reader *r, const char *query)
{
    size_t position = 0;
    cv_str name, value;
    int rc;
    while ((rc = cv_query_string_next(r->cx, cv_str_of(query), &position, &name, &value)) > 0)
        CV_TRY(take_option(r, name, value));
    return rc;
}

/* --- all of it --- */

static int set_hosts(reader *r)
{
    cv__my_shared *shared = r->shared;
    shared->host_count = r->host_count ? r->host_count : 1;
    shared->hosts = cv__hosts_make(shared->arena, r->hosts, shared->host_count, DEFAULT_PORT, NULL);
    shared->place = shared->hosts ? cv__hosts_place(shared->arena, shared->hosts, shared->host_count) : NULL;
    return shared->place ? 0 : fail_nomem(r->cx);
}

static int copy_text(reader *r, const char *text, const char **ret_copy)
{
    *ret_copy = text ? cv_arena_strdup(r->shared->arena, text) : NULL;
    return text && !*ret_copy ? fail_nomem(r->cx) : 0;
}

static int set_account(reader *r, const cv_url *url)
{
    const char *path = url->path ? url->path + (url->path[0] == '/') : "";
    CV_TRY(copy_text(r, url->user, &r->shared->user));
    CV_TRY(copy_text(r, url->password, &r->shared->password));
    return copy_text(r, *path ? path : NULL, &r->shared->database);
}

/* Whoever names an authority wants the server to be checked against it, by name. */
static int check_tls(reader *r)
{
    cv__my_shared *shared = r->shared;
    bool has_authority = shared->ssl_ca || shared->ssl_capath;
    if (!r->tls_given && has_authority)
        shared->tls = CV__MY_TLS_VERIFY_IDENTITY;
    if (shared->tls < CV__MY_TLS_VERIFY_CA || has_authority)
        return 0;
    cv_fail(r->cx, CV_E_CONFIG,
            "the database option \"ssl_mode\" wants the server's certificate to be checked, and "
            "there is no authority to check it by");
    cv_error_hint(r->cx, "set ssl_ca to a file of authorities, such as /etc/ssl/certs/ca-certificates.crt");
    return CV_E_CONFIG;
}

static int fill(reader *r, const cv_url *url, const cv_db_options *options)
{
    cv__my_shared *shared = r->shared;
    shared->program_name = DEFAULT_PROGRAM;
    shared->time_zone = DEFAULT_ZONE;
    r->host_count = url->host_count;
    memcpy(r->hosts, url->hosts, url->host_count * sizeof *url->hosts);
    if (url->query)
        CV_TRY(take_query(r, url->query));
    CV_TRY(check_tls(r));
    CV_TRY(set_hosts(r));
    CV_TRY(set_account(r, url));
    shared->read_only = options->read_only;
    shared->statement_cache = options->statement_cache;
    shared->statement_lifetime_ns = options->statement_lifetime_ms > 0 ? options->statement_lifetime_ms * 1000000 : 0;
    shared->connect_timeout_ms = options->connect_timeout_ms;
    return 0;
}

int cv__my_shared_new(cv_ctx *cx, const cv_url *url, const cv_db_options *options, cv__my_shared **ret_shared)
{
    cv_arena *arena = cv_arena_new((size_t)1 << 20);
    cv__my_shared *shared = arena ? cv_arena_zalloc(arena, 1, sizeof *shared) : NULL;
    if (!shared) {
        cv_arena_free(arena);
        return cv_fail(cx, CV_E_NOMEM, "no memory for a database");
    }
    shared->arena = arena;
    atomic_init(&shared->references, 1);
    reader r = {.cx = cx, .shared = shared};
    int rc = fill(&r, url, options);
    if (rc < 0) {
        cv__my_shared_free(shared);
        return rc;
    }
    *ret_shared = shared;
    return 0;
}

static void wipe(const char *secret)
{
    if (secret)
        explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
}

cv__my_shared *cv__my_shared_ref(cv__my_shared *shared)
{
    atomic_fetch_add(&shared->references, 1);
    return shared;
}

void cv__my_shared_free(cv__my_shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->references, 1) > 1)
        return;
    wipe(shared->password);
    wipe(shared->ssl_key_password);
    cv_arena_free(shared->arena);
}
