/* Reading Debian control files (deb822: paragraphs of "Field: value" lines with continuations), one paragraph at a
 * time, with bounded memory. */
#ifndef PACKAGES_CONTROL_FILE_H
#define PACKAGES_CONTROL_FILE_H

#include <covet/covet.h>

struct control_file;

#define CONTROL_MAX_FIELDS 128

/** One paragraph. Views are valid until the next call of control_next. */
struct paragraph {
    cv_str text; /* the whole paragraph; all views point into it */
    struct {
        cv_str name, value; /* a value keeps the line breaks of its continuation lines */
    } fields[CONTROL_MAX_FIELDS];
    size_t count;
};

/** Open a file, or standard input for "-". Closed with the context's arena. CV_E_NOT_FOUND, CV_E_PERMISSION,
 * CV_E_NOMEM. */
CV_CHECKED int control_open(cv_ctx *cx, const char *path, struct control_file **ret_file);

/** The next paragraph: 1, 0 at the end, or CV_E_SYNTAX with file and line, CV_E_LIMIT (over 4 MiB), CV_E_IO. Blocks on
 * the file: for commands. */
CV_CHECKED int control_next(cv_ctx *cx, struct control_file *file, struct paragraph *ret_paragraph);

/** The file as messages name it. */
const char *control_path(const struct control_file *file);

/** Bytes consumed, and the size of the file (0 when it cannot be known). */
int64_t control_offset(const struct control_file *file);
int64_t control_size(const struct control_file *file);

/** The line at which the last paragraph began. */
int control_line(const struct control_file *file);

/** A field by its name, any case; the NULL view when absent. */
cv_str paragraph_get(const struct paragraph *paragraph, const char *name);

#endif
