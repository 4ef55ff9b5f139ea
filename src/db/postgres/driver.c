/* The table of the PostgreSQL driver. */
#include "db/postgres/connect.h"
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/session.h"
#include "db/postgres/shared.h"
#include "db/server/control.h"

void cv__pg_shared_close(cv__pg_shared *shared)
{
    shared->closed = true;
    if (shared->errands == 0) {
        cv__pg_sharing_free(shared->sharing);
        cv__pg_listener_free(shared->listener);
        cv__pg_shared_free(shared);
    }
}

void cv__pg_errand_ended(cv__pg_shared *shared)
{
    shared->errands--;
    if (shared->closed)
        cv__pg_shared_close(shared);
}

static void control_gone(void *shared)
{
    cv__pg_shared_close(shared);
}

static int open_database(cv_ctx *cx, const cv_url *url, const cv_db_options *options, void **ret_shared)
{
    cv__pg_shared *shared;
    CV_TRY(cv__pg_shared_new(cx, url, options, &shared));
    int rc = cv__pg_sharing_new(cx, shared, options);
    if (rc == 0 && !(shared->control = cv__control_new(&cv__driver_postgres, shared, control_gone)))
        rc = cv_fail(cx, CV_E_NOMEM, "no memory for a database");
    if (rc < 0)
        cv__pg_shared_close(shared);
    else
        *ret_shared = shared;
    return rc;
}

static void close_database(void *shared)
{
    cv__pg_shared *database = shared;
    cv__control_close(database->control); /* then the rest is freed */
}

static const cv__statement_counters *statement_counters(const void *shared)
{
    const cv__pg_shared *database = shared;
    return &database->statements;
}

const cv__driver cv__driver_postgres = {
    .name = "postgres",
    .dialect = &cv__dialect_postgres,
    .capabilities = CV__CAN(SESSIONS) | CV__CAN(CONCURRENT_WRITERS) | CV__CAN(ISOLATION_LEVELS) | CV__CAN(TWO_PHASE) |
                    CV__CAN(ARRAYS) | CV__CAN(STRICT_TYPES) | CV__CAN(EXACT_NUMBERS) | CV__CAN(NOT_A_NUMBER) |
                    CV__CAN(UTF8_CHECKED) | CV__CAN(ERROR_ON_ZERO) | CV__CAN(CONSTRAINT_NAMES) | CV__CAN(TIME_ZONES) |
                    CV__CAN(INFINITE) | CV__CAN(DEFERRED_KEYS) | CV__CAN(ON_CONFLICT) | CV__CAN(UPDATE_RETURNING) |
                    CV__CAN(TRANSACTIONAL_DDL) | CV__CAN(NOTIFICATIONS),
    .default_readers = 10,
    .default_writers = 0,
    .open = open_database,
    .close = close_database,
    .limit = cv__pg_limit,
    .execute_shared = cv__pg_execute_shared,
    .close_shared = cv__pg_close_shared,
    .connect = cv__pg_connect,
    .disconnect = cv__pg_disconnect,
    .reset = cv__pg_reset,
    .is_clean = cv__pg_is_clean,
    .is_alive = cv__pg_is_alive,
    .ping = cv__pg_ping,
    .sever = cv__pg_sever,
    .detach = cv__pg_detach,
    .attach = cv__pg_attach,
    .execute = cv__pg_execute,
    .fetch = cv__pg_fetch,
    .finish = cv__pg_finish,
    .begin = cv__pg_begin,
    .commit = cv__pg_commit,
    .rollback = cv__pg_rollback,
    .savepoint = cv__pg_savepoint,
    .release = cv__pg_release,
    .rollback_to = cv__pg_rollback_to,
    .prepare_transaction = cv__pg_prepare_transaction,
    .finish_prepared = cv__pg_finish_prepared,
    .list_prepared = cv__pg_list_prepared,
    .transaction_id = cv__pg_transaction_id,
    .transaction_status = cv__pg_transaction_status,
    .statement_counters = statement_counters,
    .health = cv__pg_health,
    .plans = cv__pg_list_plans,
    .notify = &cv__pg_notify,
    .copy = &cv__copy_postgres,
    .changes = &cv__changes_postgres,
};
