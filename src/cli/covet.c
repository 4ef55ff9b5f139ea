/* The `covet` command: what concerns no application in particular. */
#include "cli/cli.h"

#include <covet/covet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char usage[] = "usage: covet COMMAND\n"
                            "\n"
                            "commands:\n"
                            "  embed --dir FOLDER --symbol NAME [--output FILE]\n"
                            "      write a C source with all migrations of a folder, to be compiled into a program\n"
                            "  version\n"
                            "      show the version\n"
                            "  help\n"
                            "      show this text\n";

/* Written beside the target and renamed, so that a build never sees half a file. */
static int write_file(cv_ctx *cx, const char *path, cv_str text)
{
    char *draft = cv_sprintf(cx, "%s.new", path);
    if (!draft)
        return CV_E_NOMEM;
    FILE *file = fopen(draft, "we");
    if (!file)
        return cv_fail(cx, CV_E_IO, "could not write \"%s\": %s", draft, strerror(errno));
    bool written = fwrite(text.ptr, 1, text.len, file) == text.len;
    if (fclose(file) == EOF || !written || rename(draft, path) < 0) {
        cv_fail(cx, CV_E_IO, "could not write \"%s\": %s", path, strerror(errno));
        unlink(draft);
        return CV_E_IO;
    }
    return 0;
}

static int embed(cv_ctx *cx, const char *folder, const char *symbol, const char *output)
{
    if (access(folder, R_OK | X_OK) < 0)
        return cv_fail(cx, CV_E_NOT_FOUND, "could not read the folder \"%s\": %s", folder, strerror(errno));
    cv_migrations_source source = {.folder = folder};
    cv_migrations *migrations;
    CV_TRY(cv_migrations_load(cx, &source, &migrations));
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    CV_TRY(cv_migrations_embed(cx, migrations, symbol, &out));
    if (output)
        return write_file(cx, output, cv_buf_str(&out));
    fwrite(out.data, 1, out.len, stdout);
    return 0;
}

static int run_embed(cv_ctx *cx, int argc, char **argv)
{
    cv__args args = cv__args_make(NULL, argc, argv);
    const char *folder = cv__args_value(&args, "--dir");
    const char *symbol = cv__args_value(&args, "--symbol");
    const char *output = cv__args_value(&args, "--output");
    int rc = cv__args_end(&args, "--dir FOLDER --symbol NAME [--output FILE]", 0, 0);
    if (rc)
        return rc;
    if (!folder || !symbol) {
        fprintf(stderr, "embed: --dir and --symbol are needed\n");
        return CV__EXIT_USAGE;
    }
    return embed(cx, folder, symbol, output);
}

static int run(cv_ctx *cx, int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("covet %s\n", CV_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "embed") == 0)
        return run_embed(cx, argc - 1, argv + 1);
    static const char *const names[] = {"embed", "version", "help"};
    const char *nearest = cv_str_nearest(cv_str_of(argv[1]), names, 3);
    cv__print_unknown("covet", "command", argv[1], nearest);
    fputs(usage, stderr);
    return CV__EXIT_USAGE;
}

int main(int argc, char **argv)
{
    cv_ctx *cx;
    int rc = cv_runtime_new(NULL, &cx);
    if (rc < 0) {
        fprintf(stderr, "covet: could not start the event loop: %s\n", cv_error_text(rc));
        return CV__EXIT_FAILED;
    }
    rc = run(cx, argc, argv);
    if (rc < 0)
        cv__print_error("covet", cv_error_last(cx), rc, false);
    cv_runtime_free(cx);
    return rc < 0 ? CV__EXIT_FAILED : rc;
}
