/* The options of a SQLite database: from the program, then from the URL, each checked against a list. */
#include "db/options.h"
#include "db/sqlite/sqlite.h"

#include <pthread.h>
#include <stdlib.h>

static const char *const journal_modes[] = {"wal", "delete", "truncate", "persist", "memory", NULL};
static const char *const synchronous_modes[] = {"full", "normal", "off", "extra", NULL};
static const char *const option_names[] = {"mode",       "journal_mode", "synchronous",      "busy_timeout",
                                           "cache_size", "foreign_keys", "checkpoint_pages", "wal_limit",
                                           "immutable"};

enum { CHECKPOINT_PAGES = 1000, WAL_LIMIT_BYTES = 64 * 1024 * 1024 };

static int take_mode(cv_ctx *cx, cv_str value, cv__sqlite_shared *shared)
{
    static const char *const modes[] = {"ro", "rw", "rwc", "memory", NULL};
    const char *mode;
    CV_TRY(cv__sqlite_choose(cx, "mode", value, modes, &mode));
    shared->read_only = shared->read_only || strcmp(mode, "ro") == 0;
    shared->create = strcmp(mode, "rwc") == 0;
    shared->named = strcmp(mode, "memory") == 0;
    return 0;
}

static int take_switch(cv_ctx *cx, const char *name, cv_str value, bool *ret_on)
{
    static const char *const choices[] = {"on", "off", "true", "false", "1", "0", NULL};
    const char *choice;
    CV_TRY(cv__sqlite_choose(cx, name, value, choices, &choice));
    *ret_on = strcmp(choice, "on") == 0 || strcmp(choice, "true") == 0 || strcmp(choice, "1") == 0;
    return 0;
}

static int fail_unknown(cv_ctx *cx, cv_str name)
{
    const char *names[sizeof option_names / sizeof option_names[0] + CV__SQLITE_SETTINGS];
    size_t count = 0;
    for (; count < sizeof option_names / sizeof option_names[0]; count++)
        names[count] = option_names[count];
    for (size_t i = 0; cv__sqlite_setting_name(i); i++)
        names[count++] = cv__sqlite_setting_name(i);
    return cv__db_unknown_option(cx, name, names, count);
}

static int take_option(cv_ctx *cx, cv_str name, cv_str value, cv__sqlite_shared *shared)
{
    if (cv_str_equal(name, CV_STR("mode")))
        return take_mode(cx, value, shared);
    if (cv_str_equal(name, CV_STR("journal_mode")))
        return cv__sqlite_choose(cx, "journal_mode", value, journal_modes, &shared->journal_mode);
    if (cv_str_equal(name, CV_STR("synchronous")))
        return cv__sqlite_choose(cx, "synchronous", value, synchronous_modes, &shared->synchronous);
    if (cv_str_equal(name, CV_STR("busy_timeout")))
        return cv__db_option_duration(cx, name, value, &shared->busy_timeout_ms);
    if (cv_str_equal(name, CV_STR("cache_size")))
        return cv__db_option_number(cx, name, value, 64, 16 * 1024 * 1024, &shared->cache_kib);
    if (cv_str_equal(name, CV_STR("checkpoint_pages")))
        return cv__db_option_number(cx, name, value, 0, 1000000000, &shared->checkpoint_pages);
    if (cv_str_equal(name, CV_STR("wal_limit")))
        return cv__db_option_number(cx, name, value, 1, INT64_MAX, &shared->wal_limit_bytes);
    if (cv_str_equal(name, CV_STR("foreign_keys")))
        return take_switch(cx, "foreign_keys", value, &shared->foreign_keys);
    if (cv_str_equal(name, CV_STR("immutable")))
        return take_switch(cx, "immutable", value, &shared->immutable);
    int taken = cv__sqlite_setting_take(cx, &shared->settings, name, value);
    return taken > 0 ? 0 : taken < 0 ? taken : fail_unknown(cx, name);
}

static int take_url_options(cv_ctx *cx, const char *query, cv__sqlite_shared *shared)
{
    size_t position = 0;
    cv_str name, value;
    int rc = 0;
    while (query && (rc = cv_query_string_next(cx, cv_str_of(query), &position, &name, &value)) > 0)
        CV_TRY(take_option(cx, name, value, shared));
    return rc;
}

/* "sqlite:///app.db" is relative, "sqlite:////srv/app.db" absolute: the first slash belongs to the URL. */
static int take_path(cv_ctx *cx, const cv_url *url, cv__sqlite_shared *shared)
{
    const char *path = url->path ? url->path : "";
    if (url->host && *url->host) {
        cv_fail(cx, CV_E_CONFIG, "a SQLite URL has no host, but this one has \"%s\"", url->host);
        cv_error_hint(cx, "write sqlite:///relative/path or sqlite:////absolute/path");
        return CV_E_CONFIG;
    }
    shared->memory = strcmp(path, ":memory:") == 0 || strcmp(path, "/:memory:") == 0;
    if (*path == '/')
        path++;
    if (!*path)
        return cv_fail(cx, CV_E_CONFIG, "the SQLite URL names no file");
    shared->path = strdup(path);
    return shared->path ? 0 : cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
}

static int take_given(cv_ctx *cx, const cv_db_options *options, cv__sqlite_shared *shared)
{
    shared->create = true;
    shared->checkpoint_pages = CHECKPOINT_PAGES;
    shared->wal_limit_bytes = WAL_LIMIT_BYTES;
    shared->read_only = options->read_only;
    shared->foreign_keys = !options->sqlite_no_foreign_keys;
    shared->busy_timeout_ms = options->sqlite_busy_timeout_ms;
    shared->cache_kib = options->sqlite_cache_kib;
    shared->connect_timeout_ms = options->connect_timeout_ms;
    shared->max_connections = options->max_connections;
    shared->statement_cache = options->statement_cache;
    CV_TRY(cv__sqlite_choose(cx, "journal_mode", cv_str_of(options->sqlite_journal_mode), journal_modes,
                             &shared->journal_mode));
    return cv__sqlite_choose(cx, "synchronous", cv_str_of(options->sqlite_synchronous), synchronous_modes,
                             &shared->synchronous);
}

/* A statement that changes many rows keeps what it changed, to be undone if it fails in the middle: up to this size in
 * memory, beyond in a temporary file. SQLite's 64 KiB would make files for every large insert. Where the program has
 * initialised SQLite before, its own setting stays. It is also the size of the pieces that the journal is kept and
 * written in, and unixWrite masks lengths with 0x1ffff: from 128 KiB on, the first spill fails as "disk full". */
enum { STATEMENT_JOURNAL_BYTES = 120 * 1024 };

static void configure_process(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, STATEMENT_JOURNAL_BYTES);
    cv__sqlite_vfs_configure();
}

static int make_checkpointer(cv_ctx *cx, cv__sqlite_shared *shared)
{
    if (shared->memory)
        return 0;
    shared->checkpointer = cv__sqlite_checkpointer_new(
        cx, &(cv__sqlite_checkpoint_options){.path = shared->immutable ? shared->path : shared->open_name,
                                             .synchronous = shared->synchronous,
                                             .pages = shared->read_only ? 0 : shared->checkpoint_pages,
                                             .wal_limit_bytes = shared->wal_limit_bytes});
    return shared->checkpointer ? 0 : cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
}

int cv__sqlite_open(cv_ctx *cx, const cv_url *url, const cv_db_options *options, void **ret_shared)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_process);
    cv__sqlite_shared *shared = calloc(1, sizeof *shared);
    if (!shared)
        return cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    shared->watches = cv__sqlite_watches_new();
    shared->log = cv__sqlite_log_new();
    int rc = shared->watches && shared->log ? take_given(cx, options, shared)
                                            : cv_fail(cx, CV_E_NOMEM, "could not open the database: out of memory");
    if (rc == 0)
        rc = take_url_options(cx, url->query, shared);
    if (rc == 0)
        rc = take_path(cx, url, shared);
    if (rc == 0)
        rc = cv__sqlite_mode_prepare(cx, shared);
    if (rc == 0)
        rc = make_checkpointer(cx, shared);
    if (rc < 0) {
        cv__sqlite_close(shared);
        return rc;
    }
    *ret_shared = shared;
    return 0;
}

void cv__sqlite_close(void *arg)
{
    cv__sqlite_shared *shared = arg;
    cv__sqlite_mode_done(shared);
    cv__sqlite_watches_close(shared->watches);
    cv__sqlite_log_close(shared->log);
    cv__sqlite_checkpointer_close(shared->checkpointer);
    free(shared->path);
    free(shared);
}

/* A private database in memory lives in its one connection. One with a name has readers and a writer, which lock each
 * other out, as there is no WAL; SQLite sees to that by itself. */
size_t cv__sqlite_limit(const void *arg, cv__conn_role role, size_t wanted)
{
    const cv__sqlite_shared *shared = arg;
    bool private_memory = shared->memory && !shared->named;
    if (role == CV__WRITER)
        return private_memory || shared->read_only ? 0 : wanted;
    return private_memory ? 1 : wanted;
}
