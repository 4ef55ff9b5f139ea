/* XA transactions that are prepared and not decided, each with the blocks that it will tell when it is committed. */
#ifndef COVET_SRC_DB_MARIADB_CHANGES_BRANCHES_H
#define COVET_SRC_DB_MARIADB_CHANGES_BRANCHES_H

#include "db/mariadb/changes/queue.h"

typedef struct cv__branch {
    cv_link link;
    char *xid;
    size_t xid_len, bytes;
    cv_link blocks;
    cv__binlog_position before; /* behind what came before it */
} cv__branch;

typedef struct cv__branches {
    cv_link all;  /* in the order of the log */
    size_t bytes; /* of all their blocks */
} cv__branches;

void cv__branches_init(cv__branches *branches);
void cv__branches_done(cv__branches *branches);

/** The one of this name, or NULL. */
cv__branch *cv__branch_find(const cv__branches *branches, cv_str xid);
/** The one of this name, made when there is none: it is one that comes a second time then, after a lost connection.
 * NULL without memory. */
cv__branch *cv__branch_begin(cv__branches *branches, cv_str xid, const cv__binlog_position *before);
/** Keep a block, which belongs to it now. */
void cv__branch_keep(cv__branches *branches, cv__branch *branch, cv__binlog_block *block);
/** Take the first block that it keeps out of it, or NULL. */
cv__binlog_block *cv__branch_take(cv__branch *branch);
void cv__branch_free(cv__branches *branches, cv__branch *branch);

/** Where whoever starts gets all of them again; NULL: there are none. */
const cv__binlog_position *cv__branches_before(const cv__branches *branches);

#endif
