/* A session with a server as a replica has it: its binary log, event after event.
 *
 *     connect -> check the settings -> take the name -> ask for the log behind a position -> event, event...
 *
 * Two connections: one becomes the stream of the log, the other (control) asks for descriptions of tables and holds the
 * lock of the reader's name. All calls block, within limits, until the connections are cut off at the latest: for a
 * thread. What fails is told in `failure`. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_REPLICA_H
#define COVET_SRC_DB_MARIADB_CHANGES_REPLICA_H

#include "db/mariadb/changes/failure.h"
#include "db/mariadb/changes/position.h"
#include "db/mariadb/cutoff.h"
#include "db/mariadb/mariadb.h"

#include <mariadb_rpl.h>

enum { CV__REPLICA_LOG, CV__REPLICA_CONTROL, CV__REPLICA_CONNECTIONS };

typedef struct cv__replica {
    cv__my_shared *shared;       /* one reference */
    cv__my_cutoff *cutoffs;      /* of its connections; they outlive it */
    cv__binlog_failure *failure; /* outlives it */
    char *name;                  /* of the reader; NULL: none */
    int64_t heartbeat_ms;
    size_t host; /* that was good last */
    MYSQL *connections[CV__REPLICA_CONNECTIONS];
    MARIADB_RPL *stream;
    MARIADB_RPL_EVENT *event; /* the present one */
    bool has_checksums;       /* behind each event, as the present log says; Connector/C has compared them */
    bool has_begun;           /* an event has come, in this session or one before */
} cv__replica;

/** Set it up; `name` is copied. CV_E_NOMEM, without a story. */
CV_CHECKED int cv__replica_init(cv__replica *replica, cv__my_shared *shared, const char *name);
void cv__replica_done(cv__replica *replica);

/** Connect, and ask for the log behind a position. With `from_now` that is where the server is, which is set. */
CV_CHECKED int cv__replica_open(cv__replica *replica, bool from_now, cv__binlog_position *position);
/** The next event: views, until the next call or the end of the session. */
CV_CHECKED int cv__replica_next(cv__replica *replica, cv__binlog_event *ret_event);
/** End the session, whatever came of it; another may be opened. */
void cv__replica_close(cv__replica *replica);

/** Ask something over the control connection, anew when that was lost. `*ret_rows` is freed with mysql_free_result. */
CV_CHECKED int cv__replica_ask(cv__replica *replica, const char *sql, const char *what, MYSQL_RES **ret_rows);

#endif
