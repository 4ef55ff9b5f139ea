/* What a client likes best: Accept and Accept-Encoding (RFC 9110 12.5). Pure functions over header values. */
#ifndef COVET_SRC_HTTP_NEGOTIATION_H
#define COVET_SRC_HTTP_NEGOTIATION_H

#include <covet/str.h>

/** Of `types`, the index of the one with the highest quality by an Accept header, the first of equals; -1 when none is
 *  acceptable. A header that is absent (the NULL view) or without any well-formed member accepts everything. */
int cv__prefer_type(cv_str accept, const char *const *types, size_t count);

/** The same for codings by an Accept-Encoding header; without one, only "identity" is acceptable, since nothing says
 *  that the client can decode. */
int cv__prefer_encoding(cv_str accept, const char *const *encodings, size_t count);

#endif
