/* Relation fields of packages: "libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any" (Debian Policy 7.1).
 */
#ifndef PACKAGES_RELATION_H
#define PACKAGES_RELATION_H

#include "models.h"

/** Walks the alternatives of one relation field. `*rest` starts as the whole value. Fills name, architecture, relation,
 * version, position and alternative of `ret_dependency`, as views. 1 for one, 0 at the end, CV_E_SYNTAX. */
struct relation_reader {
    cv_ctx *cx;
    cv_str groups; /* what follows the present group */
    cv_str group;  /* what is left of the present group */
    int32_t position, alternative;
};

void relation_reader_init(struct relation_reader *reader, cv_ctx *cx, cv_str value);
CV_CHECKED int relation_next(struct relation_reader *reader, struct dependency *ret_dependency);

/** The kinds of relations as fields name them: "Depends", ... and as they are stored: "depends", ... */
struct relation_kind {
    const char *field;
    cv_str kind;
};
extern const struct relation_kind relation_kinds[];
extern const size_t relation_kind_count;

#endif
