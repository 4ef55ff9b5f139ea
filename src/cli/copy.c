/* copy: rows of files into tables, and out of them. */
#include "cli/copy.h"

#include <covet/fiber.h>
#include <covet/json.h>
#include <covet/runtime.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_ROWS 10000
#define NS_PER_SECOND INT64_C(1000000000)

/* ---- how far it is ---- */

struct copying {
    const cv__copy_request *request;
    cv_app *app;
    cv_input *input;
    cv_output *output;
    cv_progress *progress;
    cv_copy_result result;
    int64_t started_ns;
    int64_t file_bytes; /* in the end */
    cv_fiber *fiber;    /* NULL when it has ended */
    bool is_interrupted;
};

static bool is_standard(const cv__copy_request *request)
{
    return strcmp(request->file, "-") == 0;
}

static int64_t bytes_so_far(const struct copying *copying)
{
    return copying->input ? cv_input_position(copying->input) : cv_output_position(copying->output);
}

static int tell_progress(cv_ctx *cx, void *arg, const cv_copy_result *so_far)
{
    struct copying *copying = arg;
    double seconds = (double)(cv_now_ns(cx) - copying->started_ns) / NS_PER_SECOND;
    int64_t bytes = bytes_so_far(copying);
    cv_progress_note(copying->progress, "%" PRId64 " rows  %.1f MB  %.0f rows/s", so_far->rows, (double)bytes / 1e6,
                     seconds > 0 ? (double)so_far->rows / seconds : 0);
    cv_progress_set(copying->progress, bytes);
    return 0;
}

static void start_progress(cv_ctx *cx, struct copying *copying)
{
    const cv__copy_request *request = copying->request;
    int64_t total = copying->input ? cv_input_size(copying->input) : 0;
    copying->started_ns = cv_now_ns(cx);
    if (request->out && is_standard(request) && isatty(STDOUT_FILENO))
        return; /* the rows themselves are seen */
    copying->progress = cv_progress_new(cx, copying->app,
                                        request->dry_run ? "checking"
                                        : request->out   ? "copying out"
                                                         : "copying in",
                                        total);
}

/* ---- copying ---- */

static int open_source(cv_ctx *cx, struct copying *copying, cv_copy_source *ret_source)
{
    const cv__copy_request *request = copying->request;
    if (is_standard(request))
        CV_TRY(cv_input_fd(cx, STDIN_FILENO, "standard input", &copying->input));
    else
        CV_TRY(cv_input_file(cx, request->file, &copying->input));
    if (request->format == CV__COPY_JSON_LINES) {
        cv_json_lines_options options = {.columns = request->columns, .column_count = request->column_count};
        return cv_json_lines_source(cx, copying->input, &options, ret_source);
    }
    cv_csv_options options = request->csv;
    options.columns = request->columns;
    options.column_count = request->column_count;
    if (options.no_header && options.column_count == 0) { /* those of the table, in its order */
        const cv_copy_column *columns;
        CV_TRY(cv_copy_columns(cx, request->table, &columns, &options.column_count));
        const char **names = cv_zalloc(cx, options.column_count, sizeof *names);
        if (!names)
            return CV_E_NOMEM;
        for (size_t i = 0; i < options.column_count; i++)
            names[i] = columns[i].name;
        options.columns = names;
    }
    return cv_csv_source(cx, copying->input, &options, ret_source);
}

static int copy_in(cv_ctx *cx, struct copying *copying)
{
    const cv__copy_request *request = copying->request;
    cv_copy_source source;
    cv_copy_options options = {.batch_rows = request->batch_rows,
                               .progress = tell_progress,
                               .progress_arg = copying,
                               .progress_rows = PROGRESS_ROWS};
    CV_TRY(open_source(cx, copying, &source));
    start_progress(cx, copying);
    int rc = request->dry_run ? cv__copy_check(cx, request->table, &source, &options, &copying->result.rows)
                              : cv_copy_in(cx, request->table, &source, &options, &copying->result);
    if (rc == CV_E_FIELD && request->format == CV__COPY_CSV && source.column_count == 1)
        cv__copy_hint_delimiter(cx, source.columns[0]);
    return rc;
}

static int copy_out(cv_ctx *cx, struct copying *copying)
{
    const cv__copy_request *request = copying->request;
    cv_copy_sink sink;
    cv_copy_options options = {.columns = request->columns,
                               .column_count = request->column_count,
                               .progress = tell_progress,
                               .progress_arg = copying,
                               .progress_rows = PROGRESS_ROWS};
    if (is_standard(request))
        CV_TRY(cv_output_fd(cx, STDOUT_FILENO, "standard output", &copying->output));
    else
        CV_TRY(cv_output_file(cx, request->file, &copying->output));
    if (request->format == CV__COPY_JSON_LINES)
        CV_TRY(cv_json_lines_sink(cx, copying->output, &sink));
    else
        CV_TRY(cv_csv_sink(cx, copying->output, &request->csv, &sink));
    start_progress(cx, copying);
    CV_TRY(cv_copy_out(cx, request->table, &sink, &options, &copying->result));
    return cv_output_finish(cx, copying->output);
}

static int copy_within(cv_ctx *cx, struct copying *copying, int64_t timeout_ms)
{
    CV_WITHIN(cx, timeout_ms)
    {
        return copying->request->out ? copy_out(cx, copying) : copy_in(cx, copying);
    }
    return CV_E_INTERNAL;
}

/* In a fiber of its own, which a signal can cancel. */
static int copy(cv_ctx *cx, void *arg)
{
    struct copying *copying = arg;
    int rc = copy_within(cx, copying, copying->request->timeout_ms);
    cv_progress_done(copying->progress);
    if (rc == 0)
        copying->file_bytes = bytes_so_far(copying);
    return rc;
}

static int on_stop(cv_ctx *cx, void *arg)
{
    struct copying *copying = arg;
    (void)cx;
    copying->is_interrupted = true;
    if (copying->fiber)
        cv_cancel(copying->fiber);
    return 0;
}

/* ---- the command ---- */

static const char *rows_word(int64_t rows)
{
    return rows == 1 ? "row" : "rows";
}

/* What there is of a copy that failed. */
static const char *what_is_left(cv_ctx *cx, const struct copying *copying)
{
    const cv__copy_request *request = copying->request;
    int64_t rows = copying->result.rows;
    const char *text;
    if (request->out)
        text = is_standard(request) ? cv_sprintf(cx, "%" PRId64 " %s are written", rows, rows_word(rows))
                                    : cv_sprintf(cx, "\"%s\" is as it was", request->file);
    else if (request->batch_rows && !request->dry_run)
        text = cv_sprintf(cx, "%" PRId64 " rows of the batches before are stored", rows);
    else
        text = "nothing is stored";
    return text ? text : "it is not complete";
}

/* The story of a failure, with what only the command line knows. */
static int explain(cv_ctx *cx, const struct copying *copying, int rc)
{
    const cv__copy_request *request = copying->request;
    const char *left = what_is_left(cx, copying);
    if (rc == CV_E_CANCELLED && copying->is_interrupted) {
        cv_error_clear(cx);
        return cv_fail(cx, rc, "interrupted: %s", left);
    }
    if (rc == CV_E_TIMEOUT && request->timeout)
        return cv_fail(cx, rc, "could not copy within %s: %s", request->timeout, left);
    if (rc == CV_E_SQL)
        cv__copy_hint_table(cx, request->table);
    if (request->batch_rows)
        cv_error_detail(cx, "%s", left);
    return rc;
}

static int report(cv_ctx *cx, const struct copying *copying, double seconds)
{
    const cv__copy_request *request = copying->request;
    FILE *to = request->out && is_standard(request) ? stderr : stdout; /* where the rows are not */
    int64_t bytes = copying->file_bytes, rows = copying->result.rows;
    if (!copying->app->json) {
        fprintf(to, "%s %" PRId64 " %s %s \"%s\" (%.1f MB in %.1f s)\n", request->dry_run ? "checked" : "copied", rows,
                rows_word(rows),
                request->dry_run ? "for"
                : request->out   ? "out of"
                                 : "into",
                request->table, (double)bytes / 1e6, seconds);
        return 0;
    }
    cv_buf out;
    cv_json_writer w;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("table"));
    cv_json_text(&w, request->table);
    cv_json_key(&w, CV_STR("rows"));
    cv_json_i64(&w, rows);
    cv_json_key(&w, CV_STR("bytes"));
    cv_json_i64(&w, bytes);
    cv_json_key(&w, CV_STR("stored"));
    cv_json_bool(&w, !request->out && !request->dry_run);
    cv_json_object_end(&w);
    if (to == stdout)
        return cv__print_json(cx, &out);
    fprintf(stderr, "%s\n", out.data);
    return 0;
}

static int run_copy(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    cv__copy_request request;
    int rc = cv__copy_parse(cx, app, argc, argv, &request);
    if (rc)
        return rc;
    struct copying *copying = cv_zalloc(cx, 1, sizeof *copying); /* signals may come after this returns */
    if (!copying)
        return CV_E_NOMEM;
    *copying = (struct copying){.request = &request, .app = app};
    int64_t started_ns = cv_now_ns(cx);
    CV_TRY(cv_on_signal(cx, SIGINT, on_stop, copying));
    CV_TRY(cv_on_signal(cx, SIGTERM, on_stop, copying));
    CV_TRY(cv_spawn(cx, "copy", copy, copying, &copying->fiber));
    rc = cv_join(cx, copying->fiber, NULL);
    copying->fiber = NULL;
    if (rc < 0)
        return explain(cx, copying, rc);
    return report(cx, copying, (double)(cv_now_ns(cx) - started_ns) / NS_PER_SECOND);
}

const cv_command cv__command_copy = {
    .name = "copy",
    .usage = "in|out TABLE FILE|- [--format csv|tsv|jsonl] [--columns NAME,NAME] [--delimiter C] [--null TEXT] "
             "[--no-header] [--batch ROWS] [--dry-run] [--timeout DURATION] [--json]",
    .help = "copy the rows of a file into a table, or those of a table into a file",
    .options =
        "TABLE is a table's name or a model's; - is standard input or output\n"
        "--format csv|tsv|jsonl  otherwise by the file's name; CSV where that says nothing\n"
        "--columns NAME,NAME     out: which, in which order; in: those of the file, instead of its header's\n"
        "--no-header             CSV without a first row of names\n"
        "--delimiter C           of CSV: \";\", or \\t for a tab\n"
        "--null TEXT             of CSV: what stands for NULL without quotation marks; nothing between two delimiters\n"
        "--batch ROWS            in: commit after so many rows; without it all rows are stored, or none\n"
        "--dry-run               in: read and check everything, store nothing\n"
        "--timeout DURATION      give up after \"90s\", \"10m\"; without it a copy takes as long as it takes\n",
    .run = run_copy,
};
