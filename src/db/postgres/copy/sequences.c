/* Keys that are copied do not pass the sequence that makes the keys of a column: the next INSERT would be given one
 * that is there. So the sequences are brought behind what was copied, as the other engines do by themselves.
 *
 * A sequence is no part of the transaction. It is asked for a number first, which tells where it stands also when it
 * was never used, and then set forward only. Somebody who draws more numbers between the two than were copied would be
 * set back; that is one step of one statement. */
#include "db/postgres/copy/copy.h"
#include "db/postgres/rows.h"
#include "db/postgres/wire.h"

static void add_text(cv_buf *out, cv_str text)
{
    cv__dialect_postgres.add_literal(out, cv_value_str(text), NULL);
}

/* Those of the columns' sequences that are behind. */
static void add_statement(cv_buf *sql, const cv__copy_target *target, const int64_t *greatest)
{
    size_t columns = 0;
    cv_buf_add_text(sql, "SELECT CASE WHEN nextval(seqrelid) < top THEN setval(seqrelid, top) END FROM (VALUES ");
    for (size_t i = 0; i < target->count; i++) {
        if (greatest[i] <= 0)
            continue;
        cv_buf_add_text(sql, columns++ ? ", (pg_get_serial_sequence(" : "(pg_get_serial_sequence(");
        add_text(sql, target->table);
        cv_buf_add_text(sql, ", ");
        add_text(sql, cv_str_of(target->columns[i].name));
        cv_buf_printf(sql, "), CAST(%lld AS bigint))", (long long)greatest[i]);
    }
    cv_buf_add_text(sql, ") AS copied (name, top) JOIN pg_sequence ON seqrelid = CAST(name AS regclass)"
                         " WHERE seqincrement > 0 AND top <= seqmax"
                         " AND top > coalesce(pg_sequence_last_value(seqrelid), 0)");
}

static bool has_any(const cv__copy_target *target, const int64_t *greatest)
{
    for (size_t i = 0; i < target->count; i++)
        if (greatest[i] > 0)
            return true;
    return false;
}

static int run(cv_ctx *cx, cv__pg_conn *conn, cv_str sql)
{
    CV_TRY(cv__wait_check(cx, "copy"));
    cv__pg_note_running(conn, sql);
    if (!PQsendQuery(conn->pg, sql.ptr))
        return cv__pg_lost(cx, conn);
    int rc = cv__pg_finish_statement(cx, conn);
    if (rc == CV_E_PERMISSION)
        cv_error_hint(cx, "grant USAGE and UPDATE on the sequence, so that it can be brought behind the keys that are "
                          "copied");
    return rc;
}

int cv__pg_copy_pass_sequences(cv_ctx *cx, cv__pg_conn *conn, const cv__copy_target *target, const int64_t *greatest)
{
    cv_buf sql;
    if (!has_any(target, greatest))
        return 0;
    cv_buf_init(&sql, 0);
    add_statement(&sql, target, greatest);
    int rc = sql.error ? cv_fail(cx, CV_E_NOMEM, "could not copy: out of memory") : run(cx, conn, cv_buf_str(&sql));
    cv_buf_done(&sql);
    return rc;
}
