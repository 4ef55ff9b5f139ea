#include "http/files/variant.h"

#include "base/ctx.h"

/* A coding and the ending of files that have it; of what a client likes equally the first wins. */
static const struct {
    const char *coding, *ending;
} siblings[] = {{"zstd", ".zst"}, {"br", ".br"}, {"gzip", ".gz"}};

enum { SIBLINGS = sizeof siblings / sizeof siblings[0] };

/* The sibling as a regular file, or NULL when there is none. */
static int open_sibling(cv_ctx *cx, const cv__file *file, const char *ending, cv__file **ret_sibling)
{
    *ret_sibling = NULL;
    const char *path = cv_sprintf(cx, "%s%s", file->path, ending);
    if (!path)
        return cx->error_code;
    int rc = cv__file_open(cx, file->folder, path, ret_sibling);
    if (rc == CV_E_NOT_FOUND || rc == CV_E_PERMISSION || (rc == 0 && !S_ISREG((*ret_sibling)->info.st_mode))) {
        cv_error_clear(cx);
        *ret_sibling = NULL;
        return 0;
    }
    return rc;
}

int cv__file_choose(cv_ctx *cx, const cv_request *req, cv__file *file, cv__file **ret_file, const char **ret_coding)
{
    const char *codings[SIBLINGS + 1];
    size_t place[SIBLINGS + 1], count = 0;
    for (size_t i = 0; i < SIBLINGS; i++) {
        codings[count] = siblings[i].coding;
        place[count++] = i;
    }
    codings[count++] = "identity";
    int best;
    while ((best = cv_request_prefers_encoding(req, codings, count)) >= 0 && (size_t)best < count - 1) {
        cv__file *sibling;
        CV_TRY(open_sibling(cx, file, siblings[place[best]].ending, &sibling));
        if (sibling) {
            *ret_file = sibling;
            *ret_coding = codings[best];
            return 0;
        }
        count--;
        memmove(&codings[best], &codings[best + 1], (count - (size_t)best) * sizeof codings[0]);
        memmove(&place[best], &place[best + 1], (count - (size_t)best) * sizeof place[0]);
    }
    *ret_file = file;
    *ret_coding = NULL;
    return 0;
}
