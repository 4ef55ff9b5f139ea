/* Positions in MariaDB's binary log: a global transaction id for each replication domain, "0-1-100,1-2-5", as
 * @@gtid_binlog_pos has them. Nothing here waits. Source: https://mariadb.com/kb/en/gtid/ */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_POSITION_H
#define COVET_SRC_DB_MARIADB_CHANGES_POSITION_H

#include "db/mariadb/changes/event.h"

enum { CV__BINLOG_DOMAINS = 64, CV__BINLOG_POSITION_BYTES = CV__BINLOG_DOMAINS * CV__GTID_TEXT_BYTES };

/** The last transaction of each domain, by rising domain. */
typedef struct cv__binlog_position {
    size_t count;
    cv__gtid last[CV__BINLOG_DOMAINS];
} cv__binlog_position;

/** "0-1-100". Returns its length. */
size_t cv__gtid_format(cv__gtid gtid, char out[CV__GTID_TEXT_BYTES]);

/** Read a position; empty is the beginning of all. False: it is none, or has too many domains. */
bool cv__binlog_position_parse(const char *text, cv__binlog_position *ret_position);

/** Write it, NUL-terminated. Returns the length. */
size_t cv__binlog_position_format(const cv__binlog_position *position, char out[CV__BINLOG_POSITION_BYTES]);

/** Go on behind a transaction. False: there are too many domains. */
bool cv__binlog_position_pass(cv__binlog_position *position, cv__gtid gtid);

/** Less than, equal to or greater than 0; 2: each is behind the other in some domain. */
int cv__binlog_position_compare(const cv__binlog_position *a, const cv__binlog_position *b);

#endif
