/* The place of a reader on the server: a replication slot, found or made, and the stream that begins there.
 *
 * Everything is said in simple statements over the connection that will stream. Names of slots and publications have
 * a-z, 0-9 and _ only, so they need no quotes. */
#include "db/postgres/changes/changes.h"
#include "db/postgres/session.h"
#include "db/postgres/wire.h"

#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

enum {
    HELD_WAIT_MS = 3000, /* for a slot whose reader has just gone, or is going */
    HELD_PAUSE_MS = 20,
    BINARY_SINCE = 140000,
};

/* --- positions --- */

int cv__pg_position_parse(const char *text, uint64_t *ret_position)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    size_t high = text ? strspn(text, digits) : 0;
    if (high < 1 || high > 8 || text[high] != '/')
        return CV_E_INVALID;
    const char *rest = text + high + 1;
    size_t low = strspn(rest, digits);
    if (low < 1 || low > 8 || rest[low] != '\0')
        return CV_E_INVALID;
    *ret_position = (uint64_t)strtoul(text, NULL, 16) << 32 | strtoul(rest, NULL, 16);
    return 0;
}

void cv__pg_position_format(uint64_t position, char ret_text[CV__PG_POSITION_BYTES])
{
    snprintf(ret_text, CV__PG_POSITION_BYTES, "%X/%X", (unsigned)(position >> 32), (unsigned)position);
}

/* --- slots --- */

typedef struct slot_state {
    bool found, logical, here, lost;
    int holder; /* the server's process that reads it; 0: nobody */
    uint64_t confirmed;
} slot_state;

static int look(cv_ctx *cx, cv__pg_conn *conn, const char *name, slot_state *ret_state)
{
    char sql[512], cells[5][CV__PG_CELL_BYTES];
    const char *lost = PQserverVersion(conn->pg) >= 130000 ? "wal_status = 'lost'" : "false";
    snprintf(sql, sizeof sql,
             "SELECT coalesce(plugin = 'pgoutput', false), coalesce(database = pg_catalog.current_database(), false), "
             "coalesce(%s, false), coalesce(active_pid, 0), coalesce(confirmed_flush_lsn, '0/0') "
             "FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
             lost, name);
    CV_TRY(cv__pg_ask(cx, conn, sql, 5, cells));
    *ret_state = (slot_state){.found = cells[0][0] != '\0',
                              .logical = cells[0][0] == 't',
                              .here = cells[1][0] == 't',
                              .lost = cells[2][0] == 't',
                              .holder = (int)strtol(cells[3], NULL, 10)};
    if (ret_state->holder == PQbackendPID(conn->pg)) /* a temporary slot is its session's, streaming or not */
        ret_state->holder = 0;
    if (ret_state->found && cv__pg_position_parse(cells[4], &ret_state->confirmed) < 0)
        return cv_fail(cx, CV_E_CORRUPT, "PostgreSQL gave \"%s\" as a position in its log", cells[4]);
    return 0;
}

static int fail_gap(cv_ctx *cx, const char *why)
{
    cv_fail(cx, CV_E_GAP, "changes were missed: %s", why);
    cv_error_hint(cx, "open the stream from now (without a position; after cv_changes_drop when it has a name), and "
                      "read the tables anew");
    return CV_E_GAP;
}

static int check_slot(cv_ctx *cx, const cv__pg_slot *slot, const slot_state *state, uint64_t position)
{
    if (state->found && (!state->logical || !state->here)) {
        cv_fail(cx, CV_E_CONFIG, "the replication slot \"%s\" is there already, for %s", slot->name,
                state->logical ? "another database of the server" : "another purpose");
        cv_error_hint(cx, "slots are known by their names on all of a server: take another name");
        return CV_E_CONFIG;
    }
    if (!state->found && slot->made)
        return fail_gap(cx, slot->temporary
                                ? "the connection was lost, and with it the place of a reader without a name"
                                : "the place of the reader was removed from the server");
    if (!state->found && position)
        return fail_gap(cx, "the server keeps no place of this name, and no log from the position on");
    if (state->lost)
        return fail_gap(cx, "the server has thrown away the log that the reader had not read "
                            "(max_slot_wal_keep_size)");
    if (state->found && position && position < state->confirmed)
        return fail_gap(cx, "the position lies before the one that was acknowledged");
    return 0;
}

static int create_slot(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, uint64_t *ret_position)
{
    char sql[256], cells[2][CV__PG_CELL_BYTES];
    snprintf(sql, sizeof sql, "CREATE_REPLICATION_SLOT \"%s\" %sLOGICAL pgoutput NOEXPORT_SNAPSHOT", slot->name,
             slot->temporary ? "TEMPORARY " : "");
    int rc = cv__pg_ask(cx, conn, sql, 2, cells);
    if (rc == CV_E_LIMIT) {
        cv_error_hint(cx, "every reader of changes needs a replication slot: drop those that nobody reads "
                          "(cv_changes_drop), or raise max_replication_slots");
        return rc;
    }
    CV_TRY(rc);
    return cv__pg_position_parse(cells[1], ret_position) < 0
               ? cv_fail(cx, CV_E_CORRUPT, "PostgreSQL gave \"%s\" as a position in its log", cells[1])
               : 0;
}

/* Our own process of before may not have noticed yet that we have gone. */
static int end_former(cv_ctx *cx, cv__pg_conn *conn, const char *name, int pid)
{
    char sql[256], cells[1][CV__PG_CELL_BYTES];
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots "
             "WHERE slot_name = '%s' AND active_pid = %d",
             name, pid);
    return cv__pg_ask(cx, conn, sql, 1, cells);
}

static int fail_held(cv_ctx *cx, const cv__pg_conn *conn, const char *name, int pid)
{
    cv_fail(cx, CV_E_LOCKED, "another reader has the name \"%s\": process %d of PostgreSQL at \"%s\" serves it", name,
            pid, cv__pg_place(conn));
    cv_error_hint(cx,
                  "one reader at a time has a name; pg_stat_replication shows who it is, and "
                  "pg_terminate_backend(%d) ends it",
                  pid);
    return CV_E_LOCKED;
}

/* A reader that has just gone, or was killed, holds its slot for a moment. */
static int wait_until_free(cv_ctx *cx, cv__pg_conn *conn, const char *name, int former_pid, slot_state *ret_state)
{
    int64_t until_ns = cv_now_ns(cx) + HELD_WAIT_MS * INT64_C(1000000);
    CV_TRY(look(cx, conn, name, ret_state));
    while (ret_state->holder && cv_now_ns(cx) < until_ns) {
        if (ret_state->holder == former_pid)
            CV_TRY(end_former(cx, conn, name, former_pid));
        CV_TRY(cv_sleep_ms(cx, HELD_PAUSE_MS));
        CV_TRY(look(cx, conn, name, ret_state));
    }
    return ret_state->holder ? fail_held(cx, conn, name, ret_state->holder) : 0;
}

/* --- types --- */

/* Enumerations and what is sent like a text are read as texts, domains as what they are made of. */
#define OWN_TYPES                                                                                                      \
    "SELECT t.oid, CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typtype = 'e' OR p.proname IN ('textsend', "    \
    "'citextsend', 'varcharsend') THEN 25 ELSE 0 END, pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t "  \
    "LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typsend WHERE t.oid >= 16384 AND t.typrelid = 0"

static int learn_types(cv_ctx *cx, cv__pg_conn *conn, cv__pgoutput *output)
{
    PGresult *rows = NULL;
    CV_TRY(cv__pg_query(cx, conn, OWN_TYPES, &rows));
    cv__pgoutput_forget_types(output);
    int rc = 0;
    for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
        rc = cv__pgoutput_add_type(output, (Oid)strtoul(PQgetvalue(rows, i, 0), NULL, 10),
                                   (Oid)strtoul(PQgetvalue(rows, i, 1), NULL, 10), PQgetvalue(rows, i, 2));
    PQclear(rows);
    return rc < 0 ? cv_fail(cx, rc, "no memory for the types of the database") : 0;
}

/* --- streaming --- */

static int begin_stream(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, uint64_t position, bool binary)
{
    char sql[512], start[CV__PG_POSITION_BYTES];
    PGresult *result = NULL;
    cv__pg_position_format(position, start);
    snprintf(sql, sizeof sql,
             "START_REPLICATION SLOT \"%s\" LOGICAL %s (proto_version '1', publication_names '\"%s\"'%s)", slot->name,
             start, slot->publication, binary ? ", binary 'true'" : "");
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    bool streams = PQresultStatus(result) == PGRES_COPY_BOTH;
    if (!streams)
        return cv__pg_fail_statement(cx, conn, result);
    PQclear(result);
    return 0;
}

int cv__pg_slot_explain(cv_ctx *cx, const cv__pg_conn *conn, const cv__pg_slot *slot, int rc)
{
    const cv_error *error = rc < 0 ? cv_error_last(cx) : NULL;
    const char *sqlstate = error && error->sqlstate ? error->sqlstate : "";
    if (strcmp(sqlstate, "55006") == 0)
        return cv_fail(cx, CV_E_LOCKED, "another reader has the name \"%s\" at \"%s\"", slot->name, cv__pg_place(conn));
    if (strcmp(sqlstate, "42704") == 0)
        return fail_gap(cx,
                        "the publication of the reader was removed, and what was changed without it cannot be read");
    if (strcmp(sqlstate, "55000") == 0 || strcmp(sqlstate, "58P01") == 0)
        return fail_gap(cx, "the server cannot read the log of the reader any more");
    return rc;
}

static int ask_sender_timeout(cv_ctx *cx, cv__pg_conn *conn, int64_t *ret_ms)
{
    char cells[1][CV__PG_CELL_BYTES];
    CV_TRY(
        cv__pg_ask(cx, conn, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'", 1, cells));
    *ret_ms = strtoll(cells[0], NULL, 10);
    return 0;
}

static int copy_slot(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot)
{
    char sql[256], cells[1][CV__PG_CELL_BYTES];
    snprintf(sql, sizeof sql, "SELECT lsn FROM pg_catalog.pg_copy_logical_replication_slot('%s', '%s', true)",
             slot->copy_of, slot->name);
    return cv__pg_ask(cx, conn, sql, 1, cells);
}

static int have_slot(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, uint64_t position, int former_pid,
                     uint64_t *ret_confirmed)
{
    slot_state state;
    *ret_confirmed = position;
    if (slot->copy_of)
        return copy_slot(cx, conn, slot);
    CV_TRY(wait_until_free(cx, conn, slot->name, former_pid, &state));
    CV_TRY(check_slot(cx, slot, &state, position));
    if (!state.found)
        CV_TRY(create_slot(cx, conn, slot, &state.confirmed));
    *ret_confirmed = state.confirmed;
    return 0;
}

int cv__pg_slot_start(cv_ctx *cx, cv__pg_conn *conn, cv__pg_slot *slot, uint64_t position, int former_pid,
                      cv__pgoutput *output, cv__pg_log *ret_log)
{
    CV_TRY(ask_sender_timeout(cx, conn, &ret_log->sender_timeout_ms));
    CV_TRY(learn_types(cx, conn, output));
    CV_TRY(have_slot(cx, conn, slot, position, former_pid, &ret_log->confirmed));
    slot->made = true;
    ret_log->start = position ? position : ret_log->confirmed;
    bool binary = PQserverVersion(conn->pg) >= BINARY_SINCE && !cv__pgoutput_uses_text(output);
    if (!binary)
        cv__pgoutput_use_text(output);
    return cv__pg_slot_explain(cx, conn, slot, begin_stream(cx, conn, slot, ret_log->start, binary));
}

/* --- removing --- */

int cv__pg_slot_drop(cv_ctx *cx, cv__pg_conn *conn, const char *name)
{
    slot_state state;
    char sql[160], cells[1][CV__PG_CELL_BYTES];
    CV_TRY(wait_until_free(cx, conn, name, 0, &state));
    if (state.found && (!state.logical || !state.here))
        return cv_fail(cx, CV_E_NOT_FOUND,
                       "there is no reader of changes \"%s\", but a replication slot of another kind", name);
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_drop_replication_slot('%s')", name);
    if (state.found)
        CV_TRY(cv__pg_ask(cx, conn, sql, 1, cells));
    CV_TRY(cv__pg_drop_publication(cx, conn, name));
    return state.found ? 0 : cv_fail(cx, CV_E_NOT_FOUND, "there is no reader of changes \"%s\"", name);
}
