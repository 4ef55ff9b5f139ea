#include "batch.h"

#include "relation.h"

#include <stdlib.h>

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->cx = cv_ctx_new(0);
    batch->dependencies = calloc(BATCH_DEPENDENCIES, sizeof *batch->dependencies);
    if (!batch->cx || !batch->dependencies) {
        batch_free(batch);
        return NULL;
    }
    batch->empty = cv_arena_save(cv_ctx_arena(batch->cx));
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    cv_ctx_free(batch->cx);
    free(batch->dependencies);
    free(batch);
}

static cv_str or_text(cv_str text, const char *fallback)
{
    return text.ptr && text.len > 0 ? text : cv_str_of(fallback);
}

static cv_str or_null(cv_str text)
{
    return text.len > 0 ? text : cv_str_make(NULL, 0);
}

static int add_dependencies(struct batch *batch, const struct paragraph *paragraph)
{
    for (size_t i = 0; i < relation_kind_count; i++) {
        cv_str value = paragraph_get(paragraph, relation_kinds[i].field);
        if (value.len == 0)
            continue;
        struct relation_reader reader;
        relation_reader_init(&reader, batch->cx, value);
        int rc;
        struct dependency dependency = {.package_id = (int64_t)batch->package_count, .kind = relation_kinds[i].kind};
        while ((rc = relation_next(&reader, &dependency)) > 0) {
            if (batch->dependency_count == BATCH_DEPENDENCIES)
                return cv_fail(batch->cx, CV_E_LIMIT, "a package has more than %d relations", BATCH_DEPENDENCIES / 2);
            batch->dependencies[batch->dependency_count++] = dependency;
        }
        CV_TRY(rc);
    }
    return 0;
}

static void split_description(cv_str text, struct package *package)
{
    cv_str rest = or_text(text, "");
    cv_str first = CV_STR("");
    if (cv_str_split(&rest, '\n', &first) && rest.ptr)
        package->description = rest;
    else
        package->description = CV_STR("");
    package->summary = first;
}

/* "install ok installed" has the state last. Lists of available packages have no such field. */
static cv_str package_status(const struct paragraph *paragraph)
{
    cv_str status = paragraph_get(paragraph, "Status"), word, last = CV_STR("available");
    while (cv_str_split(&status, ' ', &word))
        last = word;
    return last;
}

static int add_package(struct batch *batch, const struct paragraph *paragraph)
{
    struct package package = {
        .name = paragraph_get(paragraph, "Package"),
        .architecture = or_text(paragraph_get(paragraph, "Architecture"), "all"),
        .version = or_text(paragraph_get(paragraph, "Version"), "unknown"),
        .status = package_status(paragraph),
        .priority = or_null(paragraph_get(paragraph, "Priority")),
        .source = or_null(paragraph_get(paragraph, "Source")),
        .homepage = or_null(paragraph_get(paragraph, "Homepage")),
    };
    split_description(paragraph_get(paragraph, "Description"), &package);
    cv_str size = paragraph_get(paragraph, "Installed-Size");
    package.installed_size.set = size.len > 0 && cv_str_to_i64(size, &package.installed_size.value) == 0;
    CV_TRY(add_dependencies(batch, paragraph));
    batch->sections[batch->package_count] = or_text(paragraph_get(paragraph, "Section"), "unknown");
    batch->maintainers[batch->package_count] = or_text(paragraph_get(paragraph, "Maintainer"), "unknown");
    batch->packages[batch->package_count++] = package;
    return 0;
}

/* 1 for a package that came before. */
static int is_duplicate(struct batch *batch, struct batch_source *source, const struct paragraph *paragraph)
{
    cv_str name = paragraph_get(paragraph, "Package");
    cv_str architecture = or_text(paragraph_get(paragraph, "Architecture"), "all");
    char *key = cv_sprintf(batch->cx, "%.*s:%.*s", CV_STR_ARG(name), CV_STR_ARG(architecture));
    if (!key)
        return CV_E_NOMEM;
    if (cv_map_has(source->seen, cv_str_of(key)))
        return 1;
    return cv_map_set(source->seen, cv_str_of(key), source, NULL);
}

/* Copy the paragraph's text into the arena: a batch outlives the reader's buffer. */
static int keep(cv_ctx *cx, struct paragraph *paragraph)
{
    char *copy = cv_strndup(cx, paragraph->text.ptr, paragraph->text.len);
    if (!copy)
        return CV_E_NOMEM;
    for (size_t i = 0; i < paragraph->count; i++)
        paragraph->fields[i].value.ptr = copy + (paragraph->fields[i].value.ptr - paragraph->text.ptr);
    return 0;
}

static int add_paragraph(struct batch *batch, struct batch_source *source, struct paragraph *paragraph)
{
    const struct control_file *file = source->file;
    cv_str name = paragraph_get(paragraph, "Package");
    if (name.len == 0)
        return cv_fail(batch->cx, CV_E_SYNTAX, "%s, line %d: the paragraph has no field \"Package\"",
                       control_path(file), control_line(file));
    if (cv_str_equal(package_status(paragraph), CV_STR("not-installed")))
        return 0;
    int rc = is_duplicate(batch, source, paragraph);
    if (rc > 0) {
        batch->duplicates++;
        return 0;
    }
    CV_TRY(rc);
    CV_TRY(keep(batch->cx, paragraph));
    rc = add_package(batch, paragraph);
    if (rc < 0)
        return cv_fail(batch->cx, rc, "%s, line %d: cannot import the package \"%.*s\"", control_path(file),
                       control_line(file), CV_STR_ARG(cv_str_sub(name, 0, 80)));
    return 0;
}

int batch_fill(struct batch *batch, struct batch_source *source)
{
    struct paragraph paragraph;
    int rc = 1;
    cv_arena_rewind(cv_ctx_arena(batch->cx), batch->empty);
    batch->package_count = batch->dependency_count = batch->duplicates = 0;
    while (rc > 0 && batch->package_count < BATCH_PACKAGES && batch->dependency_count < BATCH_DEPENDENCIES / 2) {
        rc = control_next(batch->cx, source->file, &paragraph);
        if (rc > 0 && batch->package_count == 0)
            batch->first_line = control_line(source->file);
        if (rc > 0)
            CV_TRY(add_paragraph(batch, source, &paragraph));
    }
    batch->last_line = control_line(source->file);
    batch->offset = control_offset(source->file);
    return rc;
}
