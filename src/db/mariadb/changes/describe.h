/* What the server says of a table, from information_schema. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_DESCRIBE_H
#define COVET_SRC_DB_MARIADB_CHANGES_DESCRIBE_H

#include "db/mariadb/changes/replica.h"
#include "db/mariadb/changes/table.h"

/** The columns of a table as it is now, in the arena; none when it is no more. Blocks, and fails, as cv__replica_ask
 *  does. */
CV_CHECKED int cv__binlog_describe(cv__replica *replica, cv_arena *arena, cv_str schema, cv_str table,
                                   cv__binlog_description **ret_described, size_t *ret_count);

#endif
