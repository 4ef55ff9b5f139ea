#include "import.h"

#include "control_file.h"
#include "models.h"
#include "relation.h"

#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_FILE       "/var/lib/dpkg/status"
#define BATCH_PACKAGES     500
#define BATCH_DEPENDENCIES 16384
#define WRONG_USAGE        2

/* What one import carries along. Ids of sections and maintainers are kept in maps, as pointers. A package comes with
 * its paragraph copied into the arena of its batch; a batch is written when it is full, and its memory is released. */
struct import {
    cv_ctx *cx;
    cv_map *sections, *maintainers, *seen;
    struct package packages[BATCH_PACKAGES];
    struct dependency *dependencies;
    size_t package_count, dependency_count;
    size_t total_packages, total_dependencies, duplicates;
    int first_line; /* of the batch */
};

static cv_str or_text(cv_str text, const char *fallback)
{
    return text.ptr && text.len > 0 ? text : cv_str_of(fallback);
}

static cv_str or_null(cv_str text)
{
    return text.len > 0 ? text : cv_str_make(NULL, 0);
}

static int section_id(struct import *import, cv_str name, int64_t *ret_id)
{
    name = or_text(name, "unknown");
    void *known = cv_map_get(import->sections, name);
    if (!known) {
        struct section section = {.name = name};
        CV_TRY(cv_save(import->cx, section, &section));
        known = (void *)(intptr_t)section.id;
        CV_TRY(cv_map_set(import->sections, name, known, NULL));
    }
    *ret_id = (int64_t)(intptr_t)known;
    return 0;
}

/* "Jane Doe <jane@debian.org>" */
static struct maintainer parse_maintainer(cv_str text)
{
    struct maintainer maintainer = {.name = text};
    ptrdiff_t open = cv_str_find_char(text, '<');
    if (open > 0 && text.ptr[text.len - 1] == '>') {
        maintainer.name = cv_str_trim(cv_str_sub(text, 0, (size_t)open));
        maintainer.email = cv_str_sub(text, (size_t)open + 1, text.len - (size_t)open - 2);
    }
    return maintainer;
}

static int maintainer_id(struct import *import, cv_str text, int64_t *ret_id)
{
    text = or_text(text, "unknown");
    struct maintainer maintainer = parse_maintainer(text);
    char *key = cv_sprintf(import->cx, "%.*s\n%.*s", CV_STR_ARG(maintainer.name), CV_STR_ARG(maintainer.email));
    if (!key)
        return CV_E_NOMEM;
    void *known = cv_map_get(import->maintainers, cv_str_of(key));
    if (!known) {
        CV_TRY(cv_save(import->cx, maintainer, &maintainer));
        known = (void *)(intptr_t)maintainer.id;
        CV_TRY(cv_map_set(import->maintainers, cv_str_of(key), known, NULL));
    }
    *ret_id = (int64_t)(intptr_t)known;
    return 0;
}

/* Dependencies refer to their package by its place in the batch until the batch's packages have their ids. */
static int flush(struct import *import)
{
    cv_ctx *cx = import->cx;
    if (import->package_count == 0)
        return 0;
    CV_TRY(cv_bulk_create(cx, package, import->packages, import->package_count));
    for (size_t i = 0; i < import->dependency_count; i++)
        import->dependencies[i].package_id = import->packages[import->dependencies[i].package_id].id;
    CV_TRY(cv_bulk_create(cx, dependency, import->dependencies, import->dependency_count));
    import->total_packages += import->package_count;
    import->total_dependencies += import->dependency_count;
    import->package_count = import->dependency_count = 0;
    return 0;
}

static int add_dependencies(struct import *import, const struct paragraph *paragraph)
{
    for (size_t i = 0; i < relation_kind_count; i++) {
        cv_str value = paragraph_get(paragraph, relation_kinds[i].field);
        if (value.len == 0)
            continue;
        struct relation_reader reader;
        relation_reader_init(&reader, import->cx, value);
        int rc;
        struct dependency dependency = {.package_id = (int64_t)import->package_count, .kind = relation_kinds[i].kind};
        while ((rc = relation_next(&reader, &dependency)) > 0) {
            if (import->dependency_count == BATCH_DEPENDENCIES)
                return cv_fail(import->cx, CV_E_LIMIT, "a package has more than %d relations", BATCH_DEPENDENCIES / 2);
            import->dependencies[import->dependency_count++] = dependency;
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

static int add_package(struct import *import, const struct paragraph *paragraph, cv_str status)
{
    struct package package = {
        .name = paragraph_get(paragraph, "Package"),
        .architecture = or_text(paragraph_get(paragraph, "Architecture"), "all"),
        .version = or_text(paragraph_get(paragraph, "Version"), "unknown"),
        .status = status,
        .priority = or_null(paragraph_get(paragraph, "Priority")),
        .source = or_null(paragraph_get(paragraph, "Source")),
        .homepage = or_null(paragraph_get(paragraph, "Homepage")),
    };
    split_description(paragraph_get(paragraph, "Description"), &package);
    cv_str size = paragraph_get(paragraph, "Installed-Size");
    package.installed_size.set = size.len > 0 && cv_str_to_i64(size, &package.installed_size.value) == 0;
    CV_TRY(section_id(import, paragraph_get(paragraph, "Section"), &package.section_id));
    CV_TRY(maintainer_id(import, paragraph_get(paragraph, "Maintainer"), &package.maintainer_id));
    CV_TRY(add_dependencies(import, paragraph));
    import->packages[import->package_count++] = package;
    return 0;
}

/* A list of available packages may name a package twice (two versions): the first one counts. 1 for a further one. */
static int is_duplicate(struct import *import, const struct paragraph *paragraph)
{
    cv_str name = paragraph_get(paragraph, "Package");
    cv_str architecture = or_text(paragraph_get(paragraph, "Architecture"), "all");
    char *key = cv_sprintf(import->cx, "%.*s:%.*s", CV_STR_ARG(name), CV_STR_ARG(architecture));
    if (!key)
        return CV_E_NOMEM;
    if (cv_map_has(import->seen, cv_str_of(key)))
        return 1;
    return cv_map_set(import->seen, cv_str_of(key), import, NULL);
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

static int import_paragraph(struct import *import, const struct control_file *file, struct paragraph *paragraph)
{
    cv_str name = paragraph_get(paragraph, "Package");
    if (name.len == 0)
        return cv_fail(import->cx, CV_E_SYNTAX, "%s, line %d: the paragraph has no field \"Package\"",
                       control_path(file), control_line(file));
    if (cv_str_equal(package_status(paragraph), CV_STR("not-installed")))
        return 0;
    int rc = is_duplicate(import, paragraph);
    if (rc > 0) {
        import->duplicates++;
        return 0;
    }
    CV_TRY(rc);
    CV_TRY(keep(import->cx, paragraph));
    rc = add_package(import, paragraph, package_status(paragraph));
    if (rc < 0)
        return cv_fail(import->cx, rc, "%s, line %d: cannot import the package \"%.*s\"", control_path(file),
                       control_line(file), CV_STR_ARG(cv_str_sub(name, 0, 80)));
    return 0;
}

/* One batch: read until it is full or the file ends. 1 when there may be more. */
static int import_batch(struct import *import, struct control_file *file)
{
    struct paragraph paragraph;
    int rc = 1;
    while (rc > 0 && import->package_count < BATCH_PACKAGES && import->dependency_count < BATCH_DEPENDENCIES / 2) {
        rc = control_next(import->cx, file, &paragraph);
        if (rc > 0 && import->package_count == 0)
            import->first_line = control_line(file);
        if (rc > 0)
            CV_TRY(import_paragraph(import, file, &paragraph));
    }
    CV_TRY(rc);
    int stored = flush(import);
    if (stored < 0)
        return cv_fail(import->cx, stored, "%s, lines %d to %d: could not store the packages", control_path(file),
                       import->first_line, control_line(file));
    return rc;
}

static int clear(cv_ctx *cx)
{
    CV_TRY(cv_delete_all(cx, cv_objects(cx, dependency), NULL));
    CV_TRY(cv_delete_all(cx, cv_objects(cx, package), NULL));
    CV_TRY(cv_delete_all(cx, cv_objects(cx, maintainer), NULL));
    return cv_delete_all(cx, cv_objects(cx, section), NULL);
}

static int mirror(struct import *import, struct control_file *file, cv_progress *progress)
{
    cv_ctx *cx = import->cx;
    int rc = 1;
    CV_ATOMIC(cx)
    {
        CV_TRY(clear(cx));
        while (rc > 0) {
            CV_SCOPE(cx)
            {
                rc = import_batch(import, file);
            }
            CV_TRY(rc);
            cv_progress_set(progress, control_offset(file));
        }
        /* More likely a list that could not be made than a machine without packages. */
        if (import->total_packages == 0)
            return cv_fail(cx, CV_E_INVALID, "%s: there is no package in it; nothing was changed", control_path(file));
    }
    return 0;
}

static void free_map(void *map)
{
    cv_map_free(map);
}

static int make_map(cv_ctx *cx, cv_map **ret_map)
{
    *ret_map = cv_map_new(0);
    if (!*ret_map)
        return cv_fail(cx, CV_E_NOMEM, "could not import: out of memory");
    int rc = cv_cleanup(cx, free_map, *ret_map);
    if (rc < 0)
        cv_map_free(*ret_map);
    return rc;
}

static void report(const struct import *import, const cv_app *app)
{
    if (cv_app_wants_json(app))
        printf("{\"packages\":%zu,\"sections\":%zu,\"maintainers\":%zu,\"dependencies\":%zu,\"duplicates\":%zu}\n",
               import->total_packages, cv_map_count(import->sections), cv_map_count(import->maintainers),
               import->total_dependencies, import->duplicates);
    else
        printf("imported %zu packages of %zu sections and %zu maintainers with %zu dependencies\n",
               import->total_packages, cv_map_count(import->sections), cv_map_count(import->maintainers),
               import->total_dependencies);
}

int import_command(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && argv[1][0] == '-' && argv[1][1])) {
        fprintf(stderr, "import: takes one file, or - for standard input, not \"%s\"\n", argv[argc - 1]);
        return WRONG_USAGE;
    }
    struct control_file *file;
    CV_TRY(control_open(cx, argc == 2 ? argv[1] : DEFAULT_FILE, &file));
    struct import *import = cv_zalloc(cx, 1, sizeof *import);
    if (!import)
        return CV_E_NOMEM;
    import->cx = cx;
    import->dependencies = cv_zalloc(cx, BATCH_DEPENDENCIES, sizeof *import->dependencies);
    if (!import->dependencies)
        return CV_E_NOMEM;
    CV_TRY(make_map(cx, &import->sections));
    CV_TRY(make_map(cx, &import->maintainers));
    CV_TRY(make_map(cx, &import->seen));
    cv_progress *progress = cv_progress_new(cx, app, "importing", control_size(file));
    int rc = mirror(import, file, progress);
    cv_progress_done(progress);
    if (rc == 0)
        report(import, app);
    return rc;
}
