/* Events of MariaDB's binary log: from bytes to what they say. Nothing here waits, and everything is checked: the bytes
 * come from outside.
 *
 * Sources: https://mariadb.com/kb/en/2-binlog-event-header/ and the pages of each event beside it. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_EVENT_H
#define COVET_SRC_DB_MARIADB_CHANGES_EVENT_H

#include <covet/arena.h>
#include <covet/change.h>

/** The types of events that say something here. */
enum {
    CV__BINLOG_QUERY = 2,
    CV__BINLOG_ROTATE = 4,
    CV__BINLOG_FORMAT = 15,
    CV__BINLOG_XID = 16,
    CV__BINLOG_TABLE_MAP = 19,
    CV__BINLOG_WRITE_ROWS = 23, /* version 1, as MariaDB writes them */
    CV__BINLOG_UPDATE_ROWS = 24,
    CV__BINLOG_DELETE_ROWS = 25,
    CV__BINLOG_INCIDENT = 26,
    CV__BINLOG_HEARTBEAT = 27,
    CV__BINLOG_XA_PREPARE = 38,
    CV__BINLOG_GTID = 162,
    CV__BINLOG_START_ENCRYPTION = 164,
    CV__BINLOG_QUERY_COMPRESSED = 165,
    CV__BINLOG_WRITE_ROWS_COMPRESSED = 166,
    CV__BINLOG_UPDATE_ROWS_COMPRESSED = 167,
    CV__BINLOG_DELETE_ROWS_COMPRESSED = 168,
};

/** Bytes that are read from the front; after the first that are missing everything is 0 and `bad` is set. */
typedef struct cv__bytes_in {
    const uint8_t *at, *end;
    bool bad;
} cv__bytes_in;

/** `len` bytes, or NULL. */
const uint8_t *cv__bytes_take(cv__bytes_in *in, size_t len);
/** An unsigned number of 1 to 8 bytes, the least significant first, or the most significant. */
uint64_t cv__bytes_little(cv__bytes_in *in, size_t len);
uint64_t cv__bytes_big(cv__bytes_in *in, size_t len);
/** A number of the protocol's variable length. */
uint64_t cv__bytes_packed(cv__bytes_in *in);
/** The next `len` bytes as a reader of their own. */
cv__bytes_in cv__bytes_part(cv__bytes_in *in, size_t len);

/** An event with its header taken off. */
typedef struct cv__binlog_event {
    uint8_t type;
    uint16_t flags;
    uint32_t seconds; /* when it was written, since 1970 */
    uint32_t server_id;
    const uint8_t *body;
    size_t len;
} cv__binlog_event;

/** False: it is too short. */
bool cv__binlog_event_read(const uint8_t *bytes, size_t len, cv__binlog_event *ret_event);

/** The name of a transaction: 0-1-100. */
typedef struct cv__gtid {
    uint32_t domain, server;
    uint64_t number;
} cv__gtid;

enum { CV__GTID_TEXT_BYTES = 48 };

/** What a transaction begins with. */
typedef struct cv__binlog_begin {
    cv__gtid gtid;
    bool alone;        /* one statement, and no commit behind it */
    bool is_prepared;  /* the first phase of an XA transaction */
    bool is_completed; /* its second phase */
    cv_str xid;        /* of these: its name, a view into the event */
} cv__binlog_begin;

bool cv__binlog_begin_read(const cv__binlog_event *event, cv__binlog_begin *ret_begin);

/** A statement that was logged as it is. */
typedef struct cv__binlog_query {
    cv_str database, sql; /* views into the event */
} cv__binlog_query;

bool cv__binlog_query_read(const cv__binlog_event *event, cv__binlog_query *ret_query);

/** What comes before the rows of a table. Views into the event. */
typedef struct cv__binlog_map {
    uint64_t table_id;
    cv_str database, table;
    size_t column_count;
    const uint8_t *types;
    cv__bytes_in metadata; /* of the types */
    cv__bytes_in optional; /* what binlog_row_metadata adds */
} cv__binlog_map;

bool cv__binlog_map_read(const cv__binlog_event *event, cv__binlog_map *ret_map);

/** Rows of a table. Views into the event. */
typedef struct cv__binlog_rows {
    cv_change_kind kind;
    uint64_t table_id;
    size_t column_count;
    const uint8_t *present, *present_after; /* bits; for an update those before it and after it */
    cv__bytes_in rows;
} cv__binlog_rows;

bool cv__binlog_rows_read(const cv__binlog_event *event, cv__binlog_rows *ret_rows);

/** What a statement is to a reader of changes. */
typedef enum cv__binlog_statement_kind {
    CV__BINLOG_OTHER, /* nothing: rights, functions, settings... */
    CV__BINLOG_BEGIN,
    CV__BINLOG_END,    /* the transaction is complete */
    CV__BINLOG_SCHEMA, /* a table was made, changed or dropped */
    CV__BINLOG_TRUNCATE,
    CV__BINLOG_DATA, /* a change of rows that was logged as a statement: its rows are not known */
} cv__binlog_statement_kind;

/** Tell it by its words. `*ret_schema` and `*ret_table`, copied into the arena, name what is concerned; the table is
 * NULL where it is not one (several tables, a database); the schema is that of the session where the name has none. */
cv__binlog_statement_kind cv__binlog_statement(cv_arena *arena, const cv__binlog_query *query, const char **ret_schema,
                                               const char **ret_table);

#endif
