/* copy: what the command line asks for. */
#include "base/config.h"
#include "cli/copy.h"

#include <stdarg.h>
#include <stdio.h>

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

/* What is in such a file is neither of the formats. */
static int check_plain(const cv__copy_request *request)
{
    static const char *const packers[][2] = {
        {".gz", "gzip"}, {".bz2", "bzip2"}, {".xz", "xz"}, {".zst", "zstd"}, {".lz4", "lz4"}};
    const char *file = request->file;
    for (size_t i = 0; i < sizeof packers / sizeof packers[0]; i++) {
        const char *packer = packers[i][1];
        if (!ends_with(file, packers[i][0]))
            continue;
        return request->out ? usage_error("\"%s\" would not be packed: write to \"- | %s > %s\"", file, packer, file)
                            : usage_error("\"%s\" is packed: read it from \"%s -dc %s |\" with - for the file", file,
                                          packer, file);
    }
    return 0;
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
    return name ? 0 : check_plain(request);
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

static int find_timeout(const char *text, cv__copy_request *request)
{
    request->timeout = text;
    request->timeout_ms = CV__COPY_NO_TIMEOUT_MS;
    if (text && (cv__setting_parse(CV_SETTING_DURATION, cv_str_of(text), &request->timeout_ms) < 0 ||
                 request->timeout_ms < 1 || request->timeout_ms > CV__COPY_NO_TIMEOUT_MS))
        return usage_error("the timeout must be a duration such as \"90s\" or \"10m\", not \"%s\"", text);
    return 0;
}

static int check_request(const cv__copy_request *request, const char *delimiter)
{
    if (request->format == CV__COPY_JSON_LINES && (delimiter || request->csv.null_text || request->csv.no_header))
        return usage_error("--delimiter, --null and --no-header are for CSV");
    if (request->out && (request->batch_rows || request->dry_run))
        return usage_error("--batch and --dry-run are for copying in");
    return 0;
}

int cv__copy_parse(cv_ctx *cx, cv_app *app, int argc, char **argv, cv__copy_request *request)
{
    cv__args args = cv__args_make(app, argc, argv);
    const char *format = cv__args_value(&args, "--format"), *columns = cv__args_value(&args, "--columns");
    const char *delimiter = cv__args_value(&args, "--delimiter"), *batch = cv__args_value(&args, "--batch");
    *request = (cv__copy_request){.csv.null_text = cv__args_value(&args, "--null")};
    request->csv.no_header = cv__args_flag(&args, "--no-header");
    const char *timeout = cv__args_value(&args, "--timeout");
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
        (rc = find_columns(cx, columns, request)) || (rc = find_batch(batch, request)) ||
        (rc = find_timeout(timeout, request)))
        return rc;
    return check_request(request, delimiter);
}
