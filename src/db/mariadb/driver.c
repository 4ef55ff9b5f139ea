/* The table of the MariaDB driver. */
#include "db/copy/copy.h"
#include "db/mariadb/changes/changes.h"
#include "db/mariadb/connect.h"
#include "db/mariadb/rows.h"
#include "db/mariadb/session.h"
#include "db/mariadb/wire.h"
#include "db/server/control.h"

static void free_shared(void *shared)
{
    cv__my_shared_free(shared);
}

static int open_database(cv_ctx *cx, const cv_url *url, const cv_db_options *options, void **ret_shared)
{
    cv__my_shared *shared;
    CV_TRY(cv__my_shared_new(cx, url, options, &shared));
    shared->control = cv__control_new(&cv__driver_mariadb, shared, free_shared);
    if (!shared->control) {
        cv__my_shared_free(shared);
        return cv_fail(cx, CV_E_NOMEM, "no memory for a database");
    }
    *ret_shared = shared;
    return 0;
}

static void close_database(void *shared)
{
    cv__my_shared *database = shared;
    cv__control_close(database->control); /* which frees the rest */
}

static const cv__statement_counters *statement_counters(const void *shared)
{
    const cv__my_shared *database = shared;
    return &database->statements;
}

const cv__driver cv__driver_mariadb = {
    .name = "mariadb",
    .dialect = &cv__dialect_mariadb,
    .capabilities = CV__CAN(SESSIONS) | CV__CAN(CONCURRENT_WRITERS) | CV__CAN(ISOLATION_LEVELS) | CV__CAN(TWO_PHASE) |
                    CV__CAN(STRICT_TYPES) | CV__CAN(EXACT_NUMBERS) | CV__CAN(NUL_IN_TEXT) | CV__CAN(UTF8_CHECKED) |
                    CV__CAN(CONSTRAINT_NAMES) | CV__CAN(INSERT_IDS),
    .default_readers = 10,
    .default_writers = 0,
    .open = open_database,
    .close = close_database,
    .connect = cv__my_connect,
    .disconnect = cv__my_disconnect,
    .reset = cv__my_reset,
    .is_clean = cv__my_is_clean,
    .is_alive = cv__my_is_alive,
    .ping = cv__my_ping,
    .sever = cv__my_sever,
    .detach = cv__my_detach,
    .attach = cv__my_attach,
    .execute = cv__my_execute,
    .fetch = cv__my_fetch,
    .finish = cv__my_finish,
    .begin = cv__my_begin,
    .commit = cv__my_commit,
    .rollback = cv__my_rollback,
    .savepoint = cv__my_savepoint,
    .release = cv__my_release,
    .rollback_to = cv__my_rollback_to,
    .begin_prepared = cv__my_begin_prepared,
    .prepare_transaction = cv__my_prepare_transaction,
    .finish_prepared = cv__my_finish_prepared,
    .list_prepared = cv__my_list_prepared,
    .statement_counters = statement_counters,
    .health = cv__my_health,
    .copy = &cv__copy_mariadb,
    .changes = &cv__changes_mariadb,
};
