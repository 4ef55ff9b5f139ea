/* The context: first parameter of everything that can wait or fail.
 *
 * It carries the arena, the last error, the deadline and cancellation, the database and the current transaction, and
 * the runtime with the fiber that it belongs to. A context belongs to one fiber and is used by that fiber alone;
 * spawning a fiber derives a child context with an arena and an error of its own. There are no hidden globals.
 *
 * No function of this header suspends. */
#ifndef COVET_CTX_H
#define COVET_CTX_H

#include <covet/api.h>
#include <covet/arena.h>
#include <covet/error.h>
#include <stdint.h>

CV_BEGIN_DECLS

/** A context without a runtime: memory and errors only; calls that wait fail with CV_E_CONTEXT. `arena_limit_bytes` 0
 *  means 64 MiB. NULL without memory. Programs use cv_runtime_new (runtime.h), which makes one with a runtime. */
CV_API cv_ctx *cv_ctx_new(size_t arena_limit_bytes);

/** Free the context, its arena and its error. NULL is allowed. */
CV_API void cv_ctx_free(cv_ctx *cx);

/** The arena of the context: results of calls live here. */
CV_API cv_arena *cv_ctx_arena(cv_ctx *cx);

/** Memory from the context's arena. On exhaustion NULL, with CV_E_NOMEM or CV_E_LIMIT reported in the context.
 *  `cv_alloc` does not initialise; `cv_zalloc` zeroes `count` objects of `size`. */
CV_API CV_CHECKED void *cv_alloc(cv_ctx *cx, size_t size) __attribute__((alloc_size(2)));
CV_API CV_CHECKED void *cv_zalloc(cv_ctx *cx, size_t count, size_t size) __attribute__((alloc_size(2, 3)));

/** Copies and formatted text in the context's arena; NULL, with the error reported, on exhaustion. */
CV_API CV_CHECKED char *cv_strdup(cv_ctx *cx, const char *text);
CV_API CV_CHECKED char *cv_strndup(cv_ctx *cx, const char *text, size_t len);
CV_API CV_CHECKED char *cv_sprintf(cv_ctx *cx, const char *format, ...) CV_PRINTF(2, 3);

/** Call `fn(arg)` when the context's arena is freed or rewound below this point. CV_E_NOMEM, CV_E_LIMIT. */
CV_API CV_CHECKED int cv_cleanup(cv_ctx *cx, void (*fn)(void *arg), void *arg);

/** The monotonic instant, in nanoseconds of cv_now_ns (runtime.h), at which waits of this context end; INT64_MAX when
 *  there is none. */
CV_API int64_t cv_ctx_deadline_ns(const cv_ctx *cx);

/** Shorten the deadline and return the former one, to be given to cv_ctx_restore_deadline_ns later. An instant after
 * the present deadline has no effect: deadlines only shorten. */
CV_API int64_t cv_ctx_set_deadline_ns(cv_ctx *cx, int64_t deadline_ns);

/** Put back the deadline that cv_ctx_set_deadline_ns returned. The pairs nest. */
CV_API void cv_ctx_restore_deadline_ns(cv_ctx *cx, int64_t former_ns);

/** Bound memory in loops: everything allocated from the context's arena inside the block is gone at its end, however
 * the block is left. for (...) CV_SCOPE(cx) { ... } */
#define CV_SCOPE(cx)                                                                                                   \
    for (struct cv__scope CV__UNIQUE(cv__scope_) __attribute__((cleanup(cv__scope_leave))) = cv__scope_enter(cx);      \
         CV__UNIQUE(cv__scope_).open; CV__UNIQUE(cv__scope_).open = 0)

/* What CV_SCOPE expands to; not for direct use. */
struct cv__scope {
    cv_ctx *cx;
    cv_arena_mark mark;
    int open;
};
CV_API struct cv__scope cv__scope_enter(cv_ctx *cx);
CV_API void cv__scope_leave(struct cv__scope *scope);

CV_END_DECLS

#endif
