/* Reads of one turn of the loop share a read transaction.
 *
 * A read in autocommit takes a lock in the WAL index, looks for the newest commit, and gives the lock back: half of
 * what a read by key costs. So the first read of a fiber in a turn begins a transaction on its connection, later ones
 * of the same turn, of whatever fiber borrows the connection, find it open, and it ends with the turn, before the loop
 * waits for anything. The results are those of autocommit all the same: before each read the header of the WAL index,
 * in memory that all processes share, is compared with what it was at the beginning; after a commit by anybody, of this
 * process or another, the next read begins anew. (https://sqlite.org/walformat.html, "The WAL-Index Header": 48
 * bytes that every commit, and every restart of the log, changes.) Without a WAL index nothing is shared.
 *
 *     CLOSED --a read of a fiber--> OPEN --turn ends, commit seen, many reads, anything but a read--> CLOSED
 *                                   OPEN --turn ends, but a call is under way--> DUE --the call has ended--> CLOSED
 *
 * The transaction is the driver's own: nobody above knows of it, and conn->in_transaction stays false. */
#include "db/sqlite/sqlite.h"

#include "base/ctx.h"

/* So many at most see the same snapshot, should a turn be long. */
enum { MOST_READS = 1000 };

enum { CLOSED, OPEN, DUE };

static cv__sqlite_conn *conn_of(cv__turn_end *end)
{
    return cv_list_entry(end, cv__sqlite_conn, turn.end);
}

static void close_transaction(cv__sqlite_conn *conn)
{
    struct cv__sqlite_turn *turn = &conn->turn;
    turn->state = CLOSED;
    cv__turn_end_drop(&turn->end);
    if (sqlite3_get_autocommit(conn->db) == 0) {
        sqlite3_step(turn->commit);
        sqlite3_reset(turn->commit);
    }
}

/* Reads whose rows are still wanted go on in the same snapshot; SQLite lets it go with the last of them. */
static void at_turn_end(cv__turn_end *end)
{
    cv__sqlite_conn *conn = conn_of(end);
    if (conn->cx || conn->on_lane)
        conn->turn.state = DUE;
    else if (conn->turn.state != CLOSED)
        close_transaction(conn);
}

void cv__sqlite_turn_init(cv__sqlite_conn *conn)
{
    conn->turn.end.fn = at_turn_end;
    cv_list_init(&conn->turn.end.link);
}

static bool prepare(cv__sqlite_conn *conn)
{
    struct cv__sqlite_turn *turn = &conn->turn;
    return turn->begin ||
           (sqlite3_prepare_v3(conn->db, "BEGIN", -1, SQLITE_PREPARE_PERSISTENT, &turn->begin, NULL) == SQLITE_OK &&
            sqlite3_prepare_v3(conn->db, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT, &turn->commit, NULL) == SQLITE_OK);
}

/* Aligned words, each read once: the header may change while it is read. */
static void read_header(const volatile void *header, uint64_t ret_words[CV__SQLITE_WAL_HEADER_WORDS])
{
    const volatile uint64_t *words = header;
    for (size_t i = 0; i < CV__SQLITE_WAL_HEADER_WORDS; i++)
        ret_words[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
}

static bool has_changed(const volatile void *header, const uint64_t former[CV__SQLITE_WAL_HEADER_WORDS])
{
    uint64_t now[CV__SQLITE_WAL_HEADER_WORDS];
    read_header(header, now);
    return memcmp(now, former, sizeof now) != 0;
}

static void open_transaction(cv_ctx *cx, cv__sqlite_conn *conn, const volatile void *header)
{
    struct cv__sqlite_turn *turn = &conn->turn;
    if (sqlite3_get_autocommit(conn->db) == 0 || !prepare(conn))
        return;
    read_header(header, turn->header); /* before the snapshot is taken: a commit in between shows as a change */
    sqlite3_step(turn->begin);
    sqlite3_reset(turn->begin);
    if (sqlite3_get_autocommit(conn->db) != 0)
        return;
    turn->state = OPEN;
    turn->reads = 0;
    cv__turn_end_ask(cx, &turn->end);
}

void cv__sqlite_turn_join(cv_ctx *cx, cv__sqlite_conn *conn)
{
    struct cv__sqlite_turn *turn = &conn->turn;
    const volatile void *header = cv__sqlite_wal_header(conn);
    if (turn->state != CLOSED &&
        (!header || turn->state == DUE || ++turn->reads >= MOST_READS || has_changed(header, turn->header)))
        close_transaction(conn);
    if (turn->state == CLOSED && header && cx->fiber && conn->head.role == CV__READER && !conn->shared->memory)
        open_transaction(cx, conn, header);
}

void cv__sqlite_turn_leave(cv__sqlite_conn *conn)
{
    if (conn->turn.state != CLOSED)
        close_transaction(conn);
}

void cv__sqlite_turn_call_ended(cv__sqlite_conn *conn)
{
    if (conn->turn.state == DUE)
        close_transaction(conn);
}

void cv__sqlite_turn_done(cv__sqlite_conn *conn)
{
    cv__turn_end_drop(&conn->turn.end);
    sqlite3_finalize(conn->turn.begin);
    sqlite3_finalize(conn->turn.commit);
}
