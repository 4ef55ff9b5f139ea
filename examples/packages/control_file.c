#include "control_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The buffer always holds the whole paragraph being read: bytes [begin, end) are read and not yet consumed. */
#define CHUNK_BYTES   (256 * 1024)
#define MAX_PARAGRAPH (4 * 1024 * 1024)

struct control_file {
    FILE *input;
    const char *path;
    char *buffer;
    size_t capacity, begin, end;
    int64_t offset, size;
    int line, paragraph_line;
    bool at_end;
};

static void close_file(void *arg)
{
    struct control_file *file = arg;
    if (file->input && file->input != stdin)
        fclose(file->input);
    free(file->buffer);
}

static int fail_open(cv_ctx *cx, const char *path)
{
    int code = errno == ENOENT ? CV_E_NOT_FOUND : errno == EACCES ? CV_E_PERMISSION : CV_E_IO;
    cv_fail(cx, code, "could not open \"%s\": %s", path, strerror(errno));
    cv_error_hint(cx, "name a file in the format of /var/lib/dpkg/status, or - for standard input");
    return code;
}

int control_open(cv_ctx *cx, const char *path, struct control_file **ret_file)
{
    struct control_file *file = cv_zalloc(cx, 1, sizeof *file);
    if (!file)
        return CV_E_NOMEM;
    file->path = strcmp(path, "-") == 0 ? "standard input" : path;
    file->line = 1;
    file->capacity = CHUNK_BYTES;
    file->input = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file->input)
        return fail_open(cx, path);
    file->buffer = malloc(file->capacity);
    if (!file->buffer || cv_cleanup(cx, close_file, file) < 0) {
        close_file(file);
        return cv_fail(cx, CV_E_NOMEM, "could not read \"%s\": out of memory", path);
    }
    struct stat info = {0};
    if (fstat(fileno(file->input), &info) == 0 && S_ISREG(info.st_mode))
        file->size = info.st_size;
    if (S_ISDIR(info.st_mode))
        return cv_fail(cx, CV_E_INVALID, "cannot read \"%s\": it is a directory", path);
    *ret_file = file;
    return 0;
}

/* Move what is left to the front and read more behind it. */
static int fill(cv_ctx *cx, struct control_file *file)
{
    memmove(file->buffer, file->buffer + file->begin, file->end - file->begin);
    file->end -= file->begin;
    file->begin = 0;
    if (file->end == file->capacity) {
        if (file->capacity >= MAX_PARAGRAPH)
            return cv_fail(cx, CV_E_LIMIT, "%s, line %d: a paragraph is larger than 4 MiB", file->path, file->line);
        char *larger = realloc(file->buffer, file->capacity + CHUNK_BYTES);
        if (!larger)
            return cv_fail(cx, CV_E_NOMEM, "could not read \"%s\": out of memory", file->path);
        file->buffer = larger;
        file->capacity += CHUNK_BYTES;
    }
    size_t got = fread(file->buffer + file->end, 1, file->capacity - file->end, file->input);
    file->end += got;
    if (got == 0 && ferror(file->input))
        return cv_fail(cx, CV_E_IO, "could not read \"%s\": %s", file->path, strerror(errno));
    file->at_end = got == 0;
    return 0;
}

static void consume(struct control_file *file, size_t bytes)
{
    file->begin += bytes;
    file->offset += (int64_t)bytes;
}

/* The length of the paragraph at the beginning of the buffer including its final newline; 0 when its end was not read
 * yet. */
static size_t paragraph_length(const struct control_file *file)
{
    const char *text = file->buffer + file->begin;
    size_t len = file->end - file->begin;
    const char *gap = memmem(text, len, "\n\n", 2);
    if (gap)
        return (size_t)(gap - text) + 1;
    return file->at_end ? len : 0;
}

static int skip_blank_lines(cv_ctx *cx, struct control_file *file)
{
    for (;;) {
        while (file->begin < file->end && file->buffer[file->begin] == '\n') {
            consume(file, 1);
            file->line++;
        }
        if (file->begin < file->end || file->at_end)
            return 0;
        CV_TRY(fill(cx, file));
    }
}

static int add_field(cv_ctx *cx, const struct control_file *file, struct paragraph *paragraph, cv_str line)
{
    ptrdiff_t colon = cv_str_find_char(line, ':');
    if (colon <= 0)
        return cv_fail(cx, CV_E_SYNTAX, "%s, line %d: expected \"Field: value\", found \"%.*s\"", file->path,
                       file->line, (int)(line.len < 40 ? line.len : 40), line.ptr);
    if (paragraph->count == CONTROL_MAX_FIELDS)
        return cv_fail(cx, CV_E_LIMIT, "%s, line %d: a paragraph has more than %d fields", file->path, file->line,
                       CONTROL_MAX_FIELDS);
    paragraph->fields[paragraph->count].name = cv_str_make(line.ptr, (size_t)colon);
    paragraph->fields[paragraph->count].value = cv_str_trim(cv_str_sub(line, (size_t)colon + 1, line.len));
    paragraph->count++;
    return 0;
}

static int continue_field(cv_ctx *cx, const struct control_file *file, struct paragraph *paragraph, cv_str line)
{
    if (paragraph->count == 0)
        return cv_fail(cx, CV_E_SYNTAX, "%s, line %d: a continuation line without a field before it", file->path,
                       file->line);
    cv_str *value = &paragraph->fields[paragraph->count - 1].value;
    *value = cv_str_make(value->ptr, (size_t)(line.ptr + line.len - value->ptr));
    return 0;
}

int control_next(cv_ctx *cx, struct control_file *file, struct paragraph *ret_paragraph)
{
    CV_TRY(skip_blank_lines(cx, file));
    if (file->begin == file->end)
        return 0;
    size_t len;
    while ((len = paragraph_length(file)) == 0)
        CV_TRY(fill(cx, file));

    file->paragraph_line = file->line;
    ret_paragraph->count = 0;
    ret_paragraph->text = cv_str_make(file->buffer + file->begin, len);
    cv_str rest = ret_paragraph->text, line;
    while (cv_str_split(&rest, '\n', &line)) {
        if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
            CV_TRY(continue_field(cx, file, ret_paragraph, line));
        else if (line.len > 0)
            CV_TRY(add_field(cx, file, ret_paragraph, line));
        if (rest.ptr)
            file->line++;
    }
    consume(file, len);
    return 1;
}

const char *control_path(const struct control_file *file)
{
    return file->path;
}

int64_t control_offset(const struct control_file *file)
{
    return file->offset;
}

int64_t control_size(const struct control_file *file)
{
    return file->size;
}

int control_line(const struct control_file *file)
{
    return file->paragraph_line;
}

cv_str paragraph_get(const struct paragraph *paragraph, const char *name)
{
    cv_str wanted = cv_str_of(name);
    for (size_t i = 0; i < paragraph->count; i++)
        if (cv_str_equal_nocase(paragraph->fields[i].name, wanted))
            return paragraph->fields[i].value;
    return cv_str_make(NULL, 0);
}
