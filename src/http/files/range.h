/* Byte ranges (RFC 9110 14): what a Range header asks for, and what of it is sent. */
#ifndef COVET_SRC_HTTP_FILES_RANGE_H
#define COVET_SRC_HTTP_FILES_RANGE_H

#include <covet/str.h>

enum {
    CV__MAX_RANGES = 16,
    CV__MAX_OVERLAPS = 2,
    CV__PART_OVERHEAD = 160, /* bytes around a part, roughly: gaps that are smaller are sent as well */
};

typedef struct cv__range {
    uint64_t first, last; /* both included */
} cv__range;

typedef enum cv__range_kind {
    CV__RANGE_WHOLE,         /* no ranges, or none that we honour */
    CV__RANGE_PARTS,         /* at least one */
    CV__RANGE_UNSATISFIABLE, /* well-formed, and nothing of it exists */
} cv__range_kind;

typedef struct cv__ranges {
    size_t count;
    cv__range at[CV__MAX_RANGES]; /* in the order asked for; apart from each other by more than a part costs */
} cv__ranges;

/** Read a Range header for a representation of `size` bytes. The whole is sent for other units, what breaks the
 * grammar, more than CV__MAX_RANGES ranges, more than CV__MAX_OVERLAPS that overlap, and parts that would cost more
 * than the whole. `ret_ranges` is set for parts. */
cv__range_kind cv__ranges_parse(cv_str value, uint64_t size, cv__ranges *ret_ranges);

#endif
