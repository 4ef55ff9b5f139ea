/* The storing side of an import. A fiber has the next batch filled on a lane while this one is stored: reading takes
 * one core, the database the other. Batches go round between two channels. */
#include "import.h"

#include "batch.h"

#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_FILE "/var/lib/dpkg/status"
#define WRONG_USAGE  2
#define BATCHES      2

/* Ids of sections and maintainers are kept in maps, as pointers. */
struct import {
    cv_ctx *cx;
    cv_map *sections, *maintainers, *maintainers_as_written;
    struct batch_source source;
    cv_channel *empty, *full;
    size_t packages, dependencies, duplicates;
};

/* ---- the reading fiber ---- */

struct filling {
    struct batch *batch;
    struct batch_source *source;
    bool more;
};

static int fill_on_lane(void *arg)
{
    struct filling *filling = arg;
    int rc = batch_fill(filling->batch, filling->source);
    filling->more = rc > 0;
    return rc < 0 ? rc : 0;
}

static int read_batches(cv_ctx *cx, void *arg)
{
    struct import *import = arg;
    struct filling filling = {.source = &import->source, .more = true};
    int rc = 0;
    while (rc == 0 && filling.more) {
        void *item;
        CV_TRY(cv_channel_receive(cx, import->empty, &item));
        filling.batch = item;
        rc = cv_offload(cx, CV_LANE_FILES, fill_on_lane, &filling, NULL);
        if (rc == 0)
            rc = cv_channel_send(cx, import->full, filling.batch);
        else if (!cv_error_last(cx))
            cv_error_copy(cx, filling.batch->cx);
    }
    cv_channel_close(import->full);
    return rc;
}

/* ---- storing ---- */

static int section_id(struct import *import, cv_str name, int64_t *ret_id)
{
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

/* A maintainer as one writes it now; the same one may be written in several ways. */
static int new_maintainer_id(struct import *import, cv_str text, void **ret_id)
{
    struct maintainer maintainer = parse_maintainer(text);
    char *key = cv_sprintf(import->cx, "%.*s\n%.*s", CV_STR_ARG(maintainer.name), CV_STR_ARG(maintainer.email));
    if (!key)
        return CV_E_NOMEM;
    *ret_id = cv_map_get(import->maintainers, cv_str_of(key));
    if (*ret_id)
        return 0;
    CV_TRY(cv_save(import->cx, maintainer, &maintainer));
    *ret_id = (void *)(intptr_t)maintainer.id;
    return cv_map_set(import->maintainers, cv_str_of(key), *ret_id, NULL);
}

static int maintainer_id(struct import *import, cv_str text, int64_t *ret_id)
{
    void *known = cv_map_get(import->maintainers_as_written, text);
    if (!known) {
        CV_TRY(new_maintainer_id(import, text, &known));
        CV_TRY(cv_map_set(import->maintainers_as_written, text, known, NULL));
    }
    *ret_id = (int64_t)(intptr_t)known;
    return 0;
}

/* Nobody asks for their keys, so they go in bulk. */
static int store_dependencies(cv_ctx *cx, struct batch *batch)
{
    cv_copy_source rows;
    CV_TRY(cv_objects_source(cx, dependency, batch->dependencies, batch->dependency_count, &rows));
    return cv_copy_in(cx, dependency_model()->table, &rows, NULL, NULL);
}

/* Dependencies refer to their package by its place in the batch until the batch's packages have their ids. */
static int store(struct import *import, struct batch *batch)
{
    cv_ctx *cx = import->cx;
    for (size_t i = 0; i < batch->package_count; i++) {
        CV_TRY(section_id(import, batch->sections[i], &batch->packages[i].section_id));
        CV_TRY(maintainer_id(import, batch->maintainers[i], &batch->packages[i].maintainer_id));
    }
    CV_TRY(cv_bulk_create(cx, package, batch->packages, batch->package_count));
    for (size_t i = 0; i < batch->dependency_count; i++)
        batch->dependencies[i].package_id = batch->packages[batch->dependencies[i].package_id].id;
    CV_TRY(store_dependencies(cx, batch));
    import->packages += batch->package_count;
    import->dependencies += batch->dependency_count;
    import->duplicates += batch->duplicates;
    return 0;
}

static int store_batch(struct import *import, struct batch *batch)
{
    int rc = store(import, batch);
    if (rc < 0)
        return cv_fail(import->cx, rc, "%s, lines %d to %d: could not store the packages",
                       control_path(import->source.file), batch->first_line, batch->last_line);
    return 0;
}

/* Until the reader closes its channel, at the end of the file or after a failure, which joining it tells. */
static int store_batches(struct import *import, cv_progress *progress)
{
    cv_ctx *cx = import->cx;
    for (;;)
        CV_SCOPE(cx)
        {
            void *item;
            int rc = cv_channel_receive(cx, import->full, &item);
            if (rc == CV_E_CLOSED) {
                cv_error_clear(cx);
                return 0;
            }
            CV_TRY(rc);
            struct batch *batch = item;
            CV_TRY(store_batch(import, batch));
            cv_progress_set(progress, batch->offset);
            CV_TRY(cv_channel_send(cx, import->empty, batch));
        }
}

static int clear(cv_ctx *cx)
{
    CV_TRY(cv_delete_all(cx, cv_objects(cx, dependency), NULL));
    CV_TRY(cv_delete_all(cx, cv_objects(cx, package), NULL));
    CV_TRY(cv_delete_all(cx, cv_objects(cx, maintainer), NULL));
    return cv_delete_all(cx, cv_objects(cx, section), NULL);
}

/* The reader is joined in every case: it uses what the import owns. */
static int read_and_store(struct import *import, cv_progress *progress)
{
    cv_ctx *cx = import->cx;
    cv_fiber *reader = NULL;
    CV_TRY(cv_spawn(cx, "reader", read_batches, import, &reader));
    int stored = store_batches(import, progress);
    if (stored < 0)
        cv_cancel(reader);
    cv_error *first = cv_error_take(cx);
    int read = cv_join(cx, reader, NULL);
    cv_error_put_back(cx, first);
    return stored < 0 ? stored : read;
}

static int mirror(struct import *import, cv_progress *progress)
{
    cv_ctx *cx = import->cx;
    CV_ATOMIC(cx)
    {
        CV_TRY(clear(cx));
        CV_TRY(read_and_store(import, progress));
        /* More likely a list that could not be made than a machine without packages. */
        if (import->packages == 0)
            return cv_fail(cx, CV_E_INVALID, "%s: there is no package in it; nothing was changed",
                           control_path(import->source.file));
    }
    return 0;
}

/* ---- the command ---- */

static void free_map(void *map)
{
    cv_map_free(map);
}

static void free_channel(void *channel)
{
    cv_channel_free(channel);
}

static void free_batch(void *batch)
{
    batch_free(batch);
}

/* What `made` frees lives as long as the context's arena. */
static int own(cv_ctx *cx, void *made, void (*release)(void *))
{
    if (!made)
        return cv_fail(cx, CV_E_NOMEM, "could not import: out of memory");
    int rc = cv_cleanup(cx, release, made);
    if (rc < 0)
        release(made);
    return rc;
}

static int prepare(struct import *import)
{
    cv_ctx *cx = import->cx;
    CV_TRY(own(cx, import->sections = cv_map_new(0), free_map));
    CV_TRY(own(cx, import->maintainers = cv_map_new(0), free_map));
    CV_TRY(own(cx, import->maintainers_as_written = cv_map_new(0), free_map));
    CV_TRY(own(cx, import->source.seen = cv_map_new(0), free_map));
    CV_TRY(own(cx, import->empty = cv_channel_new(BATCHES), free_channel));
    CV_TRY(own(cx, import->full = cv_channel_new(BATCHES), free_channel));
    for (int i = 0; i < BATCHES; i++) {
        struct batch *batch = batch_new();
        CV_TRY(own(cx, batch, free_batch));
        CV_TRY(cv_channel_try_send(import->empty, batch));
    }
    return 0;
}

static void report(const struct import *import, const cv_app *app)
{
    size_t sections = cv_map_count(import->sections), maintainers = cv_map_count(import->maintainers);
    if (cv_app_wants_json(app))
        printf("{\"packages\":%zu,\"sections\":%zu,\"maintainers\":%zu,\"dependencies\":%zu,\"duplicates\":%zu}\n",
               import->packages, sections, maintainers, import->dependencies, import->duplicates);
    else
        printf("imported %zu packages of %zu sections and %zu maintainers with %zu dependencies\n", import->packages,
               sections, maintainers, import->dependencies);
}

int import_command(cv_ctx *cx, cv_app *app, int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && argv[1][0] == '-' && argv[1][1])) {
        fprintf(stderr, "import: takes one file, or - for standard input, not \"%s\"\n", argv[argc - 1]);
        return WRONG_USAGE;
    }
    struct import import = {.cx = cx};
    CV_TRY(control_open(cx, argc == 2 ? argv[1] : DEFAULT_FILE, &import.source.file));
    CV_TRY(prepare(&import));
    cv_progress *progress = cv_progress_new(cx, app, "importing", control_size(import.source.file));
    int rc = mirror(&import, progress);
    cv_progress_done(progress);
    if (rc == 0)
        report(&import, app);
    return rc;
}
