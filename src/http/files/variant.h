/* Precompressed siblings of a file. */
#ifndef COVET_SRC_HTTP_FILES_VARIANT_H
#define COVET_SRC_HTTP_FILES_VARIANT_H

#include "http/files/file.h"

/** The sibling of `file` (NAME.zst, NAME.br, NAME.gz) that the request likes best, with its coding, or the file itself
 * with NULL. Suspends. CV_E_NOMEM and errors that are not the sibling's absence. */
CV_CHECKED int cv__file_choose(cv_ctx *cx, const cv_request *req, cv__file *file, cv__file **ret_file,
                               const char **ret_coding);

#endif
