/* The parts of `copy`: what was asked for, looking through a file without writing, and what may have been meant. */
#ifndef COVET_SRC_CLI_COPY_H
#define COVET_SRC_CLI_COPY_H

#include "cli/cli.h"

#include <covet/copy_formats.h>

typedef enum cv__copy_format { CV__COPY_CSV, CV__COPY_JSON_LINES } cv__copy_format;

/* What the command line asks for. */
typedef struct cv__copy_request {
    bool out, dry_run;
    const char *table, *file; /* "-": the standard streams */
    cv__copy_format format;
    cv_csv_options csv;
    const char **columns; /* NULL: all */
    size_t column_count;
    int64_t batch_rows;
    const char *timeout; /* as it was given; NULL: none */
    int64_t timeout_ms;
} cv__copy_request;

/* A year: as long as it takes. */
#define CV__COPY_NO_TIMEOUT_MS (INT64_C(365) * 24 * 3600 * 1000)

/** Read the arguments. What is wrong with them is said on standard error: CV__EXIT_USAGE; else 0, or CV_E_NOMEM. */
CV_CHECKED int cv__copy_parse(cv_ctx *cx, cv_app *app, int argc, char **argv, cv__copy_request *request);

/** The name of the table that is meant: a table's, or a model's of the registry. */
const char *cv__copy_table(cv_ctx *cx, const char *name);

/** Hint at the nearest table or model of the registry when there is none of this name. */
void cv__copy_hint_table(cv_ctx *cx, const char *name);

/** Hint at another delimiter when the name of the only column of a CSV file looks like several. */
void cv__copy_hint_delimiter(cv_ctx *cx, const char *name);

/** Read a source to its end as cv_copy_in would, and check each value against the columns of the table and, where it
 * has a model, against that; nothing is written. The errors are those of the source, CV_E_FIELD, CV_E_VALIDATION,
 * CV_E_SQL. `ret_rows` is set in every case. Suspends. */
CV_CHECKED int cv__copy_check(cv_ctx *cx, const char *table, const cv_copy_source *source,
                              const cv_copy_options *options, int64_t *ret_rows);

#endif
