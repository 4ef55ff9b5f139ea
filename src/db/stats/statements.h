/* How often statements ran, and how long: bounded, the least recently run out first. */
#ifndef COVET_SRC_DB_STATS_STATEMENTS_H
#define COVET_SRC_DB_STATS_STATEMENTS_H

#include "db/db_driver.h"

typedef struct cv__statement_stats cv__statement_stats;
typedef struct cv__statement_stat cv__statement_stat;

/** At most `capacity` statements are remembered; NULL without memory. Free with cv__statement_stats_free (NULL
 * allowed), when nothing is under way. */
cv__statement_stats *cv__statement_stats_new(size_t capacity);
void cv__statement_stats_free(cv__statement_stats *stats);

/** A statement begins: the entry to be ended with, kept until then. NULL without memory, or with `stats` NULL. Nothing
 * here suspends. */
cv__statement_stat *cv__statement_stats_begin(cv__statement_stats *stats, const cv__statement *statement);

/** It ended after `ns`. NULL is allowed. */
void cv__statement_stats_end(cv__statement_stat *stat, int64_t ns, uint64_t rows, bool failed);

/** Those that took the most time, in the context's arena. CV_E_NOMEM. */
CV_CHECKED int cv__statement_stats_top(cv_ctx *cx, const cv__statement_stats *stats, size_t max,
                                       cv_statement_stats **ret_list, size_t *ret_count);

void cv__statement_stats_clear(cv__statement_stats *stats);

#endif
