#include "cli/cli.h"

#include <covet/json.h>
#include <stdio.h>

int cv__print_json(cv_ctx *cx, const cv_buf *out)
{
    if (out->error)
        return cv_fail(cx, out->error, "could not write the output: %s", cv_error_text(out->error));
    if (fwrite(out->data, 1, out->len, stdout) != out->len || fputc('\n', stdout) == EOF || fflush(stdout) == EOF)
        return cv_fail(cx, CV_E_IO, "could not write to standard output");
    return 0;
}

/* Whether an error says all that its cause does: "row 3: the key is there already", because "the key is there
 * already". */
static bool tells_cause(const cv_error *error)
{
    const cv_error *cause = error->cause;
    bool detail_too = !cause->detail || (error->detail && strcmp(cause->detail, error->detail) == 0);
    return detail_too && cause->field_count == 0 &&
           cv_str_ends_with(cv_str_of(error->message), cv_str_of(cause->message));
}

static void print_text(const char *program, const cv_error *error)
{
    for (const cv_error *at = error, *told = NULL; at; told = at, at = at->cause) {
        if (told && tells_cause(told))
            continue;
        fprintf(stderr, at == error ? "%s: %s\n" : "  %s: %s\n", at == error ? program : "because", at->message);
        for (size_t i = 0; i < at->field_count; i++)
            fprintf(stderr, "    %s %s\n", at->fields[i].field, at->fields[i].message);
        if (at->detail)
            fprintf(stderr, "    detail: %s\n", at->detail);
    }
    for (const cv_error *at = error; at; at = at->cause)
        if (at->hint)
            fprintf(stderr, "  hint: %s\n", at->hint);
}

static void add_member(cv_json_writer *w, const char *name, const char *text)
{
    if (!text)
        return;
    cv_json_key(w, cv_str_of(name));
    cv_json_text(w, text);
}

static void write_fields(cv_json_writer *w, const cv_error *error)
{
    cv_json_key(w, CV_STR("fields"));
    cv_json_array_start(w);
    for (size_t i = 0; i < error->field_count; i++) {
        cv_json_object_start(w);
        add_member(w, "field", error->fields[i].field);
        add_member(w, "message", error->fields[i].message);
        cv_json_object_end(w);
    }
    cv_json_array_end(w);
}

static void write_error(cv_json_writer *w, const cv_error *error)
{
    cv_json_object_start(w);
    add_member(w, "code", cv_error_name(error->code));
    add_member(w, "message", error->message);
    add_member(w, "detail", error->detail);
    add_member(w, "hint", error->hint);
    add_member(w, "sqlstate", error->sqlstate);
    add_member(w, "table", error->table);
    add_member(w, "column", error->column);
    add_member(w, "constraint", error->constraint);
    if (error->field_count)
        write_fields(w, error);
    if (error->cause) {
        cv_json_key(w, CV_STR("cause"));
        write_error(w, error->cause);
    }
    cv_json_object_end(w);
}

static void print_json(const cv_error *error)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_json_writer w;
    cv_json_writer_init(&w, &out, 0);
    cv_json_object_start(&w);
    cv_json_key(&w, CV_STR("error"));
    write_error(&w, error);
    cv_json_object_end(&w);
    fprintf(stderr, "%.*s\n", CV_STR_ARG(cv_buf_str(&out)));
    cv_buf_done(&out);
}

void cv__print_error(const char *program, const cv_error *error, int code, bool json)
{
    cv_error bare = {.code = code, .message = cv_error_text(code)};
    if (!error)
        error = &bare;
    if (json)
        print_json(error);
    else
        print_text(program, error);
}

void cv__print_unknown(const char *program, const char *what, const char *name, const char *nearest)
{
    fprintf(stderr, "%s: there is no %s \"%s\"", program, what, name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fputc('\n', stderr);
}
