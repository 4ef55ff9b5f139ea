#include "db/copy/copy.h"
#include "db/sqlite/sqlite.h"

const cv__driver cv__driver_sqlite = {
    .name = "sqlite",
    .dialect = &cv__dialect_sqlite,
    .capabilities = CV__CAN(SESSIONS) | CV__CAN(NUL_IN_TEXT) | CV__CAN(INSERT_IDS) | CV__CAN(INFINITE) |
                    CV__CAN(DEFERRED_KEYS) | CV__CAN(ON_CONFLICT) | CV__CAN(UPDATE_RETURNING) |
                    CV__CAN(TRANSACTIONAL_DDL),
    .default_readers = 4,
    .default_writers = 1,
    .open = cv__sqlite_open,
    .close = cv__sqlite_close,
    .limit = cv__sqlite_limit,
    .connect = cv__sqlite_connect,
    .disconnect = cv__sqlite_disconnect,
    .reset = cv__sqlite_reset,
    .is_clean = cv__sqlite_is_clean,
    .is_alive = cv__sqlite_is_alive,
    .sever = cv__sqlite_sever,
    .detach = cv__sqlite_detach,
    .attach = cv__sqlite_attach,
    .execute = cv__sqlite_execute,
    .fetch = cv__sqlite_fetch,
    .finish = cv__sqlite_finish,
    .run_grouped = cv__sqlite_run_grouped,
    .begin = cv__sqlite_begin,
    .commit = cv__sqlite_commit,
    .rollback = cv__sqlite_rollback,
    .savepoint = cv__sqlite_savepoint,
    .release = cv__sqlite_release,
    .rollback_to = cv__sqlite_rollback_to,
    .writes = cv__sqlite_writes,
    .statement_counters = cv__sqlite_statement_counters,
    .health = cv__sqlite_health,
    .changes = &cv__changes_sqlite,
    .copy = &cv__copy_sqlite,
};
