/* The head of a request: from its complete bytes to what it says. Pure functions over the parser's buffer. */
#ifndef COVET_SRC_HTTP_HEAD_H
#define COVET_SRC_HTTP_HEAD_H

#include "http/parser.h"

/** Read the head in data[head_start .. head_end), all its lines ending in CR LF and the last one empty: fills `headers`
 *  and `head` of the parser. False with the refusal set. */
bool cv__head_read(cv__parser *parser, size_t head_end);

/** Set the refusal; always false. */
bool cv__refuse(cv__parser *parser, int status, const char *reason);

/** Read the request line in `line` (without CR LF) which starts at `at`: method, target, version. False: refused. */
bool cv__request_line_read(cv__parser *parser, cv_str line, size_t at);

/** Take the target apart: path and query, and for the absolute form the authority (else the NULL view). Refuses bad
 *  escapes, an escaped NUL, and dot segments that lead above the root or stand beside an escaped slash. False: refused.
 */
bool cv__target_read(cv__parser *parser, cv_str *ret_authority);

/** Whether a segment of a path is a dot segment, escaped or not: 1 for ".", 2 for "..", 0 for a name. */
size_t cv__dot_segment(cv_str segment);

/** Whether the text can be an authority without user information: host and optional port. */
bool cv__authority_is_valid(cv_str text);

/** The value of a hexadecimal digit, or -1. */
int cv__hex_digit(char c);

/** Whether a field of that name must not be a trailer. */
bool cv__is_forbidden_trailer(cv_str name);

/** Whether all bytes are RFC 9110 token characters, and there is one. */
bool cv__is_token(cv_str text);

#endif
