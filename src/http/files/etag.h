/* Entity tags (RFC 9110 8.8.3) and lists of them, read by the letter of the grammar. */
#ifndef COVET_SRC_HTTP_FILES_ETAG_H
#define COVET_SRC_HTTP_FILES_ETAG_H

#include <covet/str.h>

typedef struct cv__etag {
    cv_str opaque; /* with its quotes */
    bool weak;
} cv__etag;

/** Read one entity tag and nothing else. Views into `text`. */
bool cv__etag_parse(cv_str text, cv__etag *ret_tag);

/** Cut the next tag off a list. 1, 0 at its end, or CV_E_SYNTAX. */
int cv__etag_next(cv_str *rest, cv__etag *ret_tag);

/** Comparison (RFC 9110 8.8.3.2): strong ones need two strong tags. */
bool cv__etag_equal(cv__etag a, cv__etag b, bool strong);

typedef enum cv__etag_match { CV__ETAGS_OTHER, CV__ETAGS_MATCH, CV__ETAGS_MALFORMED } cv__etag_match;

/** Whether a list of tags, or "*" for any, names the current one; `current` NULL: there is no tag. `exists` decides for
 *  "*". A list that breaks the grammar anywhere matches nothing. */
cv__etag_match cv__etag_list_match(cv_str list, const cv__etag *current, bool exists, bool strong);

#endif
