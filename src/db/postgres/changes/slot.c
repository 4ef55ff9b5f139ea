/* The place of a reader on the server: a replication slot, and the publication that says which tables.
 *
 * Everything is said in simple statements over the connection that will stream. A publication of the reader's name that
 * is there already is taken as it is, and only tables that are missing are added: so somebody who may do it can make it
 * beforehand, with row filters and lists of columns. One that was made here says so in its comment, and is removed with
 * its slot. */
#include "db/postgres/changes/changes.h"

#include "sql/dialect.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <stdlib.h>

#define OURS "made by covet for its reader of changes"

enum {
    HELD_WAIT_MS = 3000, /* for a slot whose reader has just gone, or is going */
    HELD_PAUSE_MS = 20,
    PUBLICATION_SINCE = 100000,
    BINARY_SINCE = 140000,
    ROOT_SINCE = 130000, /* partitions told as their table */
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

/* --- statements --- */

static int add_failed(cv_ctx *cx, const cv_buf *sql)
{
    return sql->error ? cv_fail(cx, CV_E_NOMEM, "no memory for the tables of a change stream") : 0;
}

static void add_literal(cv_buf *sql, const char *text)
{
    cv_buf_add_char(sql, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            cv_buf_add_char(sql, '\'');
        cv_buf_add_char(sql, *text);
    }
    cv_buf_add_char(sql, '\'');
}

/* The rows of a query of the driver's own; to be cleared. */
static int query(cv_ctx *cx, cv__pg_conn *conn, const char *sql, PGresult **ret_rows)
{
    PGresult *rows;
    CV_TRY(cv__wait_check(cx, "ask PostgreSQL"));
    if (!PQsendQuery(conn->pg, sql))
        return cv__pg_lost(cx, conn);
    CV_TRY(cv__pg_next_result(cx, conn, &rows));
    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        return cv__pg_fail_statement(cx, conn, rows);
    int rc = cv__pg_finish_statement(cx, conn);
    if (rc < 0)
        PQclear(rows);
    else
        *ret_rows = rows;
    return rc;
}

static int query_buf(cv_ctx *cx, cv__pg_conn *conn, cv_buf *sql, PGresult **ret_rows)
{
    int rc = add_failed(cx, sql);
    if (rc == 0)
        rc = query(cx, conn, sql->data, ret_rows);
    cv_buf_done(sql);
    return rc;
}

static int run_buf(cv_ctx *cx, cv__pg_conn *conn, cv_buf *sql)
{
    int rc = add_failed(cx, sql);
    if (rc == 0)
        rc = cv__pg_command(cx, conn, sql->data, NULL);
    cv_buf_done(sql);
    return rc;
}

/* --- the server --- */

static int check_server(cv_ctx *cx, cv__pg_conn *conn)
{
    char cells[1][CV__PG_CELL_BYTES];
    if (PQserverVersion(conn->pg) < PUBLICATION_SINCE)
        return cv_fail(cx, CV_E_UNSUPPORTED, "cannot read changes: PostgreSQL at \"%s\" is older than 10",
                       cv__pg_place(conn));
    CV_TRY(cv__pg_ask(cx, conn, "SELECT pg_catalog.current_setting('wal_level')", 1, cells));
    if (strcmp(cells[0], "logical") == 0)
        return 0;
    cv_fail(cx, CV_E_CONFIG,
            "cannot read changes: PostgreSQL at \"%s\" does not write them to its log (wal_level is "
            "\"%s\")",
            cv__pg_place(conn), cells[0]);
    cv_error_hint(cx, "set wal_level = logical in its postgresql.conf, and start it again");
    return CV_E_CONFIG;
}

/* --- tables --- */

/* A condition on pg_class c and pg_namespace n: ordinary tables, with partitions told as the table that they are of. */
static void add_tables_condition(cv_buf *sql, const cv__pg_conn *conn, const char *table)
{
    cv_buf_add_text(sql, "c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> "
                         "'information_schema'");
    if (PQserverVersion(conn->pg) >= ROOT_SINCE)
        cv_buf_add_text(sql, " AND NOT c.relispartition");
    if (!table)
        return;
    cv_buf_add_text(sql, " AND ");
    add_literal(sql, table);
    cv_buf_add_text(sql, " IN (c.relname, n.nspname || '.' || c.relname)");
}

#define FROM_TABLES " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "

/* Without a key, or another way to know a row, the server would refuse to change rows of a published table. */
static int check_identity(cv_ctx *cx, cv__pg_conn *conn, const char *table)
{
    cv_buf sql;
    PGresult *rows = NULL;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)" FROM_TABLES);
    add_tables_condition(&sql, conn, table);
    cv_buf_add_text(&sql, " AND (c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (SELECT FROM "
                          "pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))) ORDER BY 1 LIMIT 1");
    CV_TRY(query_buf(cx, conn, &sql, &rows));
    int rc = 0;
    if (PQntuples(rows) > 0) {
        const char *name = PQgetvalue(rows, 0, 0);
        rc = cv_fail(cx, CV_E_CONFIG, "cannot read changes of table %s: it has no primary key to know its rows by",
                     name);
        cv_error_hint(
            cx,
            "give it one, or ALTER TABLE %s REPLICA IDENTITY FULL: once its changes are published, the server "
            "would refuse updates and deletes there",
            name);
    }
    PQclear(rows);
    return rc;
}

/* The tables of that name that the publication lacks, as a list for ADD TABLE; "" when there are none. */
static int find_missing(cv_ctx *cx, cv__pg_conn *conn, const char *publication, const char *table, cv_buf *list)
{
    cv_buf sql;
    PGresult *rows = NULL;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM "
                          "pg_catalog.pg_publication_tables t WHERE t.pubname = ");
    add_literal(&sql, publication);
    cv_buf_add_text(&sql, " AND t.schemaname = n.nspname AND t.tablename = c.relname)" FROM_TABLES);
    add_tables_condition(&sql, conn, table);
    CV_TRY(query_buf(cx, conn, &sql, &rows));
    for (int i = 0; i < PQntuples(rows); i++)
        if (PQgetvalue(rows, i, 1)[0] == 'f')
            cv_buf_printf(list, "%s%s", list->len ? ", " : "", PQgetvalue(rows, i, 0));
    int rc =
        PQntuples(rows) > 0 ? 0 : cv_fail(cx, CV_E_NOT_FOUND, "cannot read changes: there is no table \"%s\"", table);
    PQclear(rows);
    return rc;
}

/* --- publications --- */

static int find_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name, bool *ret_found, bool *ret_ours)
{
    cv_buf sql;
    PGresult *rows = NULL;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "SELECT pg_catalog.obj_description(oid, 'pg_publication') = '" OURS
                          "' FROM pg_catalog.pg_publication WHERE pubname = ");
    add_literal(&sql, name);
    CV_TRY(query_buf(cx, conn, &sql, &rows));
    *ret_found = PQntuples(rows) > 0;
    *ret_ours = *ret_found && PQgetvalue(rows, 0, 0)[0] == 't';
    PQclear(rows);
    return 0;
}

static int explain_publication(cv_ctx *cx, int rc)
{
    if (rc == CV_E_PERMISSION)
        cv_error_hint(cx,
                      "who reads all tables needs a publication that a superuser makes (CREATE PUBLICATION name FOR "
                      "ALL TABLES, with the name of the reader); who names tables must own them");
    return rc;
}

static int create_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name, const char *tables)
{
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "CREATE PUBLICATION ");
    cv__add_identifier(&sql, cv_str_of(name));
    cv_buf_printf(&sql, tables ? " FOR TABLE %s" : " FOR ALL TABLES%s", tables ? tables : "");
    if (PQserverVersion(conn->pg) >= ROOT_SINCE)
        cv_buf_add_text(&sql, " WITH (publish_via_partition_root = true)");
    cv_buf_add_text(&sql, "; COMMENT ON PUBLICATION ");
    cv__add_identifier(&sql, cv_str_of(name));
    cv_buf_add_text(&sql, " IS '" OURS "'");
    return explain_publication(cx, run_buf(cx, conn, &sql));
}

static int add_to_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name, const char *tables)
{
    cv_buf sql;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "ALTER PUBLICATION ");
    cv__add_identifier(&sql, cv_str_of(name));
    cv_buf_printf(&sql, " ADD TABLE %s", tables);
    return explain_publication(cx, run_buf(cx, conn, &sql));
}

static int publish_missing(cv_ctx *cx, cv__pg_conn *conn, const char *publication, bool found, const cv_buf *missing)
{
    if (missing->error)
        return cv_fail(cx, CV_E_NOMEM, "no memory for the tables of a change stream");
    if (missing->len == 0)
        return 0;
    return found ? add_to_publication(cx, conn, publication, missing->data)
                 : create_publication(cx, conn, publication, missing->data);
}

static int publish_tables(cv_ctx *cx, cv__pg_conn *conn, const char *publication, bool found, const char *const *tables,
                          size_t count)
{
    cv_buf missing;
    int rc = 0;
    cv_buf_init(&missing, 0);
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t before = missing.len;
        rc = find_missing(cx, conn, publication, tables[i], &missing);
        if (rc == 0 && missing.len > before)
            rc = check_identity(cx, conn, tables[i]);
    }
    if (rc == 0)
        rc = publish_missing(cx, conn, publication, found, &missing);
    cv_buf_done(&missing);
    return rc;
}

static int publish(cv_ctx *cx, cv__pg_conn *conn, const char *publication, const char *const *tables, size_t count)
{
    bool found = false, ours = false;
    CV_TRY(find_publication(cx, conn, publication, &found, &ours));
    if (count > 0)
        return publish_tables(cx, conn, publication, found, tables, count);
    if (found)
        return 0;
    CV_TRY(check_identity(cx, conn, NULL));
    return create_publication(cx, conn, publication, NULL);
}

/* Another reader may be making the same one at this moment: then it is there the next time. */
int cv__pg_publish(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, const char *const *tables,
                   size_t table_count)
{
    CV_TRY(check_server(cx, conn));
    int rc = publish(cx, conn, slot->publication, tables, table_count);
    const cv_error *error = rc < 0 ? cv_error_last(cx) : NULL;
    bool again =
        error && error->sqlstate && (strcmp(error->sqlstate, "42710") == 0 || strcmp(error->sqlstate, "23505") == 0);
    if (!again)
        return rc;
    cv_error_clear(cx);
    return publish(cx, conn, slot->publication, tables, table_count);
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
    CV_TRY(query(cx, conn, OWN_TYPES, &rows));
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
    cv_buf sql, name;
    char start[CV__PG_POSITION_BYTES];
    PGresult *result = NULL;
    cv__pg_position_format(position, start);
    cv_buf_init(&sql, 0);
    cv_buf_init(&name, 0);
    cv__add_identifier(&name, cv_str_of(slot->publication));
    cv_buf_printf(&sql, "START_REPLICATION SLOT \"%s\" LOGICAL %s (proto_version '1', publication_names ", slot->name,
                  start);
    add_literal(&sql, name.data ? name.data : "");
    cv_buf_add_text(&sql, binary ? ", binary 'true')" : ")");
    int rc = sql.error || name.error ? cv_fail(cx, CV_E_NOMEM, "no memory for a command") : 0;
    if (rc == 0 && !PQsendQuery(conn->pg, sql.data))
        rc = cv__pg_lost(cx, conn);
    cv_buf_done(&sql);
    cv_buf_done(&name);
    CV_TRY(rc);
    CV_TRY(cv__pg_next_result(cx, conn, &result));
    bool streams = PQresultStatus(result) == PGRES_COPY_BOTH;
    if (!streams)
        return cv__pg_fail_statement(cx, conn, result);
    PQclear(result);
    return 0;
}

/* Between a look at the slot and its use another reader may take it, or the server throw it away. */
static int explain_start(cv_ctx *cx, cv__pg_conn *conn, const cv__pg_slot *slot, int rc)
{
    const cv_error *error = cv_error_last(cx);
    if (rc != CV_E_STATE || !error || !error->sqlstate)
        return rc;
    if (strcmp(error->sqlstate, "55006") == 0)
        return cv_fail(cx, CV_E_LOCKED, "another reader has the name \"%s\" at \"%s\"", slot->name, cv__pg_place(conn));
    if (strcmp(error->sqlstate, "55000") == 0)
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

int cv__pg_stream(cv_ctx *cx, cv__pg_conn *conn, cv__pg_slot *slot, uint64_t position, int former_pid,
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
    return explain_start(cx, conn, slot, begin_stream(cx, conn, slot, ret_log->start, binary));
}

/* --- removing --- */

static int drop_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name)
{
    bool found = false, ours = false;
    cv_buf sql;
    CV_TRY(find_publication(cx, conn, name, &found, &ours));
    if (!ours)
        return 0;
    cv_buf_init(&sql, 0);
    cv_buf_add_text(&sql, "DROP PUBLICATION IF EXISTS ");
    cv__add_identifier(&sql, cv_str_of(name));
    return run_buf(cx, conn, &sql);
}

int cv__pg_unpublish(cv_ctx *cx, cv__pg_conn *conn, const char *name)
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
    CV_TRY(drop_publication(cx, conn, name));
    return state.found ? 0 : cv_fail(cx, CV_E_NOT_FOUND, "there is no reader of changes \"%s\"", name);
}
