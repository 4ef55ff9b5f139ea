/* The inside of the context, for the library only.
 *
 * Floor 0 knows the upper floors' objects only as pointers to named structs; each floor sets and reads its own. */
#ifndef COVET_SRC_BASE_CTX_H
#define COVET_SRC_BASE_CTX_H

#include <covet/ctx.h>
#include <covet/log.h>
#include <covet/metric.h>

struct cv_runtime;  /* rt */
struct cv_fiber;    /* rt */
struct cv_db;       /* db */
struct cv_tx;       /* db */
struct cv_registry; /* orm */
struct cv_app;      /* app */

struct cv_ctx {
    cv_arena *arena;
    cv_arena *error_arena;    /* made at the first error */
    cv_arena_mark error_base; /* where the pending chain begins in it; before it lie errors that were taken */
    cv_error *error;          /* pending, or NULL */
    int error_code;           /* kept even when the story could not be stored */

    int64_t deadline_ns; /* INT64_MAX: none */

    struct cv_runtime *runtime; /* NULL: no runtime, waits fail */
    struct cv_fiber *fiber;     /* NULL: the main context, outside any fiber */

    cv_log *log;
    cv_metrics *metrics;
    struct cv_app *app; /* NULL outside an application */
    struct cv_registry *registry;
    struct cv_db *db; /* the default database */
    struct cv_tx *tx; /* the innermost open transaction of this context, or NULL */
    bool tx_marked;   /* an atomic block was left early: what this context replies would not be what is stored */
};

/** Set up and tear down in place, for contexts embedded in fibers. `arena` is owned by the context from then on; it may
 *  be reused over many lives (see cv__ctx_recycle). */
void cv__ctx_init(cv_ctx *cx, cv_arena *arena);
void cv__ctx_done(cv_ctx *cx);

/** Make the context as new, keeping one small block of its arena: for pooled fibers. Runs the arena's cleanups. No
 *  system call and no walk over memory when the life before was a small one. */
void cv__ctx_recycle(cv_ctx *cx);

/** Inherit from `parent` what a child fiber shares: deadline, runtime, log, metrics, application, registry and
 *  database. */
void cv__ctx_inherit(cv_ctx *child, const cv_ctx *parent);

#endif
