/* copy: rows of files into tables, and out of them. */
#include "cli/copy.h"

#include <covet/fiber.h>
#include <covet/json.h>
#include <covet/runtime.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_ROWS 10000
#define NS_PER_SECOND INT64_C(1000000000)

/* ---- what was asked for ---- */

CV_PRINTF(1, 2) static int usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("copy: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CV__EXIT_USAGE;
}

static bool ends_with(const char *file, const char *extension)
{
    return cv_str_ends_with(cv_str_of(file), cv_str_of(extension));
}

/* By its name, or by what the file is called; CSV otherwise. */
static int find_format(const char *name, cv__copy_request *request)
{
    const char *file = request->file;
    if (name ? strcmp(name, "jsonl") == 0 || strcmp(name, "ndjson") == 0
             : ends_with(file, ".jsonl") || ends_with(file, ".ndjson"))
        request->format = CV__COPY_JSON_LINES;
    else if (name ? strcmp(name, "tsv") == 0 : ends_with(file, ".tsv"))
        request->csv.delimiter = '\t';
    else if (name && strcmp(name, "csv") != 0)
        return usage_error("there is no format \"%s\"; there are csv, tsv, jsonl", name);
    return 0;
}

static int find_delimiter(const char *text, cv__copy_request *request)
{
    if (!text)
        return 0;
    if (strcmp(text, "\\t") == 0)
        text = "\t";
    if (strlen(text) != 1)
        return usage_error("the delimiter must be one ASCII character, not \"%s\"", text);
    request->csv.delimiter = *text;
    return 0;
}

/* "id,name" */
static int find_columns(cv_ctx *cx, const char *text, cv__copy_request *request)
{
    cv_str rest = cv_str_of(text), name;
    if (!text)
        return 0;
    size_t most = 1;
    for (const char *at = text; *at; at++)
        most += *at == ',';
    request->columns = cv_zalloc(cx, most, sizeof *request->columns);
    if (!request->columns)
        return CV_E_NOMEM;
    while (cv_str_split(&rest, ',', &name)) {
        name = cv_str_trim(name);
        if (name.len == 0)
            return usage_error("a name is missing in the list of columns \"%s\"", text);
        if (!(request->columns[request->column_count++] = cv_strndup(cx, name.ptr, name.len)))
            return CV_E_NOMEM;
    }
    return 0;
}

static int find_batch(const char *text, cv__copy_request *request)
{
    if (text && (cv_str_to_i64(cv_str_of(text), &request->batch_rows) < 0 || request->batch_rows < 1))
        return usage_error("the rows of a batch must be a number from 1 on, not \"%s\"", text);
    return 0;
}

static int check_request(const cv__copy_request *request, const char *delimiter, bool header)
{
    if (request->format == CV__COPY_JSON_LINES &&
        (delimiter || request->csv.null_text || request->csv.no_header || header))
        return usage_error("--delimiter, --null, --header and --no-header are for CSV");
    if (header && request->csv.no_header)
        return usage_error("--header and --no-header contradict each other");
    if (request->out && (request->batch_rows || request->dry_run))
        return usage_error("--batch and --dry-run are for copying in");
    return 0;
}

/* 0, an exit code, or an error. */
static int parse(cv_ctx *cx, cv_app *app, int argc, char **argv, cv__copy_request *request)
{
    cv__args args = cv__args_make(app, argc, argv);
    const char *format = cv__args_value(&args, "--format"), *columns = cv__args_value(&args, "--columns");
    const char *delimiter = cv__args_value(&args, "--delimiter"), *batch = cv__args_value(&args, "--batch");
    *request = (cv__copy_request){.csv.null_text = cv__args_value(&args, "--null")};
    request->csv.no_header = cv__args_flag(&args, "--no-header");
    bool header = cv__args_flag(&args, "--header");
    request->dry_run = cv__args_flag(&args, "--dry-run");
    int rc = cv__args_end(&args, cv__command_copy.usage, 3, 3);
    if (rc)
        return rc;
    request->out = strcmp(args.argv[0], "out") == 0;
    if (!request->out && strcmp(args.argv[0], "in") != 0)
        return usage_error("rows are copied \"in\" or \"out\", not \"%s\"", args.argv[0]);
    request->table = cv__copy_table(cx, args.argv[1]);
    request->file = args.argv[2];
    if ((rc = find_format(format, request)) || (rc = find_delimiter(delimiter, request)) ||
        (rc = find_columns(cx, columns, request)) || (rc = find_batch(batch, request)))
        return rc;
    return check_request(request, delimiter, header);
}

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
    if (request->dry_run)
        return cv__copy_check(cx, request->table, &source, &options, &copying->result.rows);
    int rc = cv_copy_in(cx, request->table, &source, &options, &copying->result);
    if (rc < 0 && request->batch_rows)
        cv_error_detail(cx, "%" PRId64 " rows of the batches before are stored", copying->result.rows);
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

/* In a fiber of its own, which a signal can cancel. */
static int copy(cv_ctx *cx, void *arg)
{
    struct copying *copying = arg;
    int rc = copying->request->out ? copy_out(cx, copying) : copy_in(cx, copying);
    cv_progress_done(copying->progress);
    if (rc == 0)
        copying->file_bytes = bytes_so_far(copying);
    return rc;
}

static int on_stop(cv_ctx *cx, void *arg)
{
    struct copying *copying = arg;
    (void)cx;
    if (copying->fiber)
        cv_cancel(copying->fiber);
    return 0;
}

/* ---- the command ---- */

static int report(cv_ctx *cx, const struct copying *copying, double seconds)
{
    const cv__copy_request *request = copying->request;
    FILE *to = request->out && is_standard(request) ? stderr : stdout; /* where the rows are not */
    int64_t bytes = copying->file_bytes, rows = copying->result.rows;
    if (!copying->app->json) {
        fprintf(to, "%s %" PRId64 " rows %s \"%s\" (%.1f MB in %.1f s)\n", request->dry_run ? "checked" : "copied",
                rows,
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
    int rc = parse(cx, app, argc, argv, &request);
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
    CV_TRY(rc);
    return report(cx, copying, (double)(cv_now_ns(cx) - started_ns) / NS_PER_SECOND);
}

const cv_command cv__command_copy = {
    .name = "copy",
    .usage = "in|out TABLE FILE|- [--format csv|tsv|jsonl] [--columns NAME,NAME] [--delimiter C] [--null TEXT] "
             "[--no-header] [--batch ROWS] [--dry-run] [--json]",
    .help = "copy the rows of a file into a table, or those of a table into a file",
    .run = run_copy,
};
