/* A folder of a test's own. */
#ifndef COVET_TESTS_SUPPORT_FOLDER_H
#define COVET_TESTS_SUPPORT_FOLDER_H

#include "test.h"

#include <ftw.h>
#include <unistd.h>

/** A new folder below $TMPDIR, or /tmp; its path, at most 63 bytes, goes into `path`. */
static inline void test_folder_make(char path[64])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, 64, "%.40s/covet-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline int test_folder_remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

/** Remove it with all that is in it. An empty path is allowed. */
static inline void test_folder_remove(const char *path)
{
    if (*path)
        nftw(path, test_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
