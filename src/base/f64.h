/* Doubles as text, independent of the locale. */
#ifndef COVET_SRC_BASE_F64_H
#define COVET_SRC_BASE_F64_H

#include <stddef.h>

#define CV__F64_TEXT_BYTES 40

/** Write the shortest decimal text that reads back to the same double, a valid JSON number: "0.1", "-0", "1e-7",
 *  "12345". `value` must be finite. NUL-terminated; returns the length. Cannot fail and does not suspend. */
size_t cv__f64_format(double value, char out[CV__F64_TEXT_BYTES]);

#endif
