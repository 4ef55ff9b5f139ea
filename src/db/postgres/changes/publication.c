/* The publication of a reader's tables: what it lacks is added, what is there already is taken as it is. So somebody
 * who may do it can make it beforehand, with row filters and lists of columns. One that was made here says so in its
 * comment, and is removed with its slot. */
#include "db/postgres/changes/changes.h"
#include "db/postgres/session.h"
#include "db/postgres/wire.h"

#include "sql/dialect.h"

#define OURS "made by covet for its reader of changes"

enum {
    PUBLICATION_SINCE = 100000,
    ROOT_SINCE = 130000, /* partitions told as their table */
};

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

static int query_buf(cv_ctx *cx, cv__pg_conn *conn, cv_buf *sql, PGresult **ret_rows)
{
    int rc = add_failed(cx, sql);
    if (rc == 0)
        rc = cv__pg_query(cx, conn, sql->data, ret_rows);
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

/* --- removing --- */

int cv__pg_drop_publication(cv_ctx *cx, cv__pg_conn *conn, const char *name)
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
