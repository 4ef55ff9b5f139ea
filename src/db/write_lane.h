/* The write lane: autocommit writes that wait at the same time share one commit.
 *
 * A write is put in the lane's queue, and its fiber waits. The first starts the lane's own fiber, which borrows the
 * writer from the pool like anybody else, begins a transaction, runs what waits, commits, gives the writer back and
 * answers; it ends when nobody waits. While it commits, the next group gathers.
 *
 * A write stands or falls alone. One that fails is undone alone. When a group is lost (the engine has rolled back all
 * of it, or its commit failed), each of its writes is told to run alone, by its own fiber, on a connection that it
 * borrows, as if there were no lane. Nobody is answered before COMMIT. */
#ifndef COVET_SRC_DB_WRITE_LANE_H
#define COVET_SRC_DB_WRITE_LANE_H

#include "db/db_driver.h"

typedef struct cv__write_lane {
    cv_link queue;        /* of writes that have not begun, in order */
    bool running;         /* the lane's fiber exists */
    int64_t group_ns;     /* a group takes no more writes after that: 10 ms */
    int64_t statement_ms; /* a statement that runs for longer has no place in a group: 50 ms */
    uint64_t arrived;
    uint64_t groups_total, grouped_total, lost_total, left_total;
    /* Statements that cost a group its transaction lately: they run alone for a while. */
    struct {
        uint64_t hash;
        int64_t until_ns;
    } loners[64];
} cv__write_lane;

void cv__write_lane_init(cv__write_lane *lane);

/** Whether the statement may go through the lane of the database: it is groupable, the engine groups, and the context
 *  neither is in a transaction nor holds the writer. */
bool cv__write_lane_takes(const cv_ctx *cx, const cv_db *db, const cv__statement *statement);

/** Run a statement in a group. 0 and `*ret_alone` true: it has not run, and is to be run alone by the caller.
 *
 *  When deadline or cancellation ends the wait of a write that has not begun, it has not been written. One that has
 *  begun waits for the commit, for at most 30 ms (and until its own statement has ended) beyond that: then it is
 * answered with what became of it, or with CV_E_COMMIT_UNKNOWN. Suspends. */
CV_CHECKED int cv__write_lane_run(cv_ctx *cx, cv_db *db, const cv__statement *statement, cv_result *ret_result,
                                  bool *ret_alone);

#endif
