/* The reading side of an import: paragraphs into objects, a batch at a time.
 *
 * A batch has a context of its own, without a runtime: it is filled on a thread of a lane while the former one is being
 * stored. */
#ifndef PACKAGES_BATCH_H
#define PACKAGES_BATCH_H

#include "control_file.h"
#include "models.h"

enum { BATCH_PACKAGES = 8000, BATCH_DEPENDENCIES = 131072 };

struct batch {
    cv_ctx *cx; /* its arena holds the texts; its error is why filling failed */
    cv_arena_mark empty;
    struct package packages[BATCH_PACKAGES];
    cv_str sections[BATCH_PACKAGES]; /* as written, since the ids are not known here */
    cv_str maintainers[BATCH_PACKAGES];
    struct dependency *dependencies; /* package_id is the package's place in the batch */
    size_t package_count, dependency_count, duplicates;
    int first_line, last_line;
    int64_t offset; /* of the file after the batch */
};

/** What is read, and which packages were seen in it: of two of the same name and architecture the first counts. */
struct batch_source {
    struct control_file *file;
    cv_map *seen;
};

/** Make an empty batch, or NULL without memory. Free with batch_free (NULL allowed). */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/** Fill the batch anew: 1 when there may be more behind it, 0 at the end of the file, or an error with its story in
 * batch->cx. Blocks on the file; on one thread at a time. */
CV_CHECKED int batch_fill(struct batch *batch, struct batch_source *source);

#endif
