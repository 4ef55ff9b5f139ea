/* What a check of all models has found: kept until the end, so that one run names every mistake. */
#ifndef COVET_SRC_ORM_FINDINGS_H
#define COVET_SRC_ORM_FINDINGS_H

#include <covet/ctx.h>

/** As many as an error chain holds; further ones are counted only. */
#define CV__FINDINGS_MAX 15

typedef struct cv__findings {
    cv_arena *arena;
    size_t count;
    struct {
        const char *message, *hint;
    } items[CV__FINDINGS_MAX];
} cv__findings;

/** Add one. `hint` is static or NULL; the message is formatted into the arena. */
void cv__finding(cv__findings *findings, const char *hint, const char *format, ...) CV_PRINTF(3, 4);

/** Report them as one chain, the first finding on top: 0 without any, else CV_E_MODEL. */
CV_CHECKED int cv__findings_report(cv_ctx *cx, const cv__findings *findings);

#endif
