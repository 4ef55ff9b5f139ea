/* Whatever the bytes: no crash; what is read as a migration is the same after it was written and read again; what the
 * state accepts is rendered for every engine, or refused with a story. */
#include "migrate/render.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static cv_str written(cv_ctx *cx, const cv__file *file)
{
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(cx), 0);
    cv__file_write(&out, NULL, file);
    must(out.error == 0);
    return cv_buf_str(&out);
}

static void check_round_trip(cv_ctx *cx, const cv__file *file)
{
    cv__file again;
    cv_str text = written(cx, file);
    if (text.len > CV__FILE_MAX_BYTES)
        return;
    must(cv__file_read(cx, "again", text, &again) == 0);
    must(again.operation_count == file->operation_count && again.depend_count == file->depend_count);
    must(cv_str_equal(written(cx, &again), text));
}

static void check_rendering(cv_ctx *cx, const cv_migrations *set, bool forward)
{
    for (size_t engine = 0; engine < CV__ENGINE_COUNT; engine++) {
        cv_buf sql;
        cv_buf_init_arena(&sql, cv_ctx_arena(cx), 0);
        int rc = cv_migration_sql(cx, set, "label", "0001_name", cv__engine_names[engine], forward, &sql);
        must(rc == 0 || cv_error_last(cx));
        cv_error_clear(cx);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cv_ctx *cx = cv_ctx_new(0);
    cv_str text = cv_str_make((const char *)data, size);
    const cv__source_file source = {"label", "0001_name", "label/0001_name", text};
    cv__file file;
    cv_migrations *set;
    must(cx != NULL);
    if (cv__file_read(cx, "fuzz", text, &file) == 0)
        check_round_trip(cx, &file);
    cv_error_clear(cx);
    if (cv__migrations_build(cx, &source, 1, &set) == 0) {
        check_rendering(cx, set, true);
        check_rendering(cx, set, false);
    }
    cv_ctx_free(cx);
    return 0;
}
