/* What the name of a file says to a client: its media type, and the name to store it under. */
#ifndef COVET_SRC_HTTP_FILES_NAMING_H
#define COVET_SRC_HTTP_FILES_NAMING_H

#include <covet/str.h>

/** The media type for the ending of the file name, "application/octet-stream" for unknown ones. Static storage. */
const char *cv__mime_type(cv_str path);

/** Append a Content-Disposition for a download under `name` (RFC 6266): a plain form that every client can read, and
 *  for what that cannot hold the exact one (RFC 8187). Slashes and control characters become "_". Failures are in the
 *  buffer's error. */
void cv__content_disposition(cv_str name, cv_buf *out);

#endif
