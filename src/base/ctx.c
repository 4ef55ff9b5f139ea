/* The context: its life, memory that reports, the deadline, and scopes. */
#include "base/ctx.h"
#include "base/arena.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void cv__ctx_init(cv_ctx *cx, cv_arena *arena)
{
    *cx = (cv_ctx){.arena = arena, .deadline_ns = INT64_MAX};
}

void cv__ctx_done(cv_ctx *cx)
{
    cv_arena_free(cx->arena); /* first: its cleanups may report errors */
    cv_arena_free(cx->error_arena);
    *cx = (cv_ctx){.deadline_ns = INT64_MAX};
}

void cv__ctx_recycle(cv_ctx *cx)
{
    cv_arena *arena = cx->arena;
    cv__arena_reset(arena);
    cv_arena *error_arena = cx->error_arena; /* after the cleanups, which may have made it */
    if (error_arena)
        cv__arena_reset(error_arena);
    *cx = (cv_ctx){.arena = arena, .error_arena = error_arena, .deadline_ns = INT64_MAX};
}

void cv__ctx_inherit(cv_ctx *child, const cv_ctx *parent)
{
    child->deadline_ns = parent->deadline_ns;
    child->runtime = parent->runtime;
    child->log = cv__log_inherit(child->arena, parent->log);
    child->metrics = parent->metrics;
    child->app = parent->app;
    child->registry = parent->registry;
    child->db = parent->db;
}

cv_ctx *cv_ctx_new(size_t arena_limit_bytes)
{
    cv_ctx *cx = malloc(sizeof *cx);
    cv_arena *arena = cv_arena_new(arena_limit_bytes);
    if (!cx || !arena) {
        free(cx);
        cv_arena_free(arena);
        return NULL;
    }
    cv__ctx_init(cx, arena);
    return cx;
}

void cv_ctx_free(cv_ctx *cx)
{
    if (!cx)
        return;
    cv__ctx_done(cx);
    free(cx);
}

cv_arena *cv_ctx_arena(cv_ctx *cx)
{
    return cx->arena;
}

/* Tell why the context's arena gave no memory, and return the code. */
static int report_exhaustion(cv_ctx *cx, size_t size)
{
    cv_arena *arena = cx->arena;
    if (arena->failure == CV_E_LIMIT) {
        cv_fail(cx, CV_E_LIMIT, "cannot allocate %zu bytes: the context's memory limit of %zu bytes is reached", size,
                arena->limit);
        cv_error_hint(cx, "use CV_SCOPE in loops, or give the context a higher limit");
        return CV_E_LIMIT;
    }
    return cv_fail(cx, CV_E_NOMEM, "could not allocate %zu bytes: out of memory", size);
}

void *cv_alloc(cv_ctx *cx, size_t size)
{
    void *ptr = cv__arena_alloc(cx->arena, size);
    if (__builtin_expect(!ptr, 0))
        report_exhaustion(cx, size);
    return ptr;
}

void *cv_zalloc(cv_ctx *cx, size_t count, size_t size)
{
    void *ptr = cv_arena_zalloc(cx->arena, count, size);
    if (__builtin_expect(!ptr, 0)) {
        size_t bytes;
        report_exhaustion(cx, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
    }
    return ptr;
}

char *cv_strndup(cv_ctx *cx, const char *text, size_t len)
{
    char *copy = cv_arena_strndup(cx->arena, text, len);
    if (!copy)
        report_exhaustion(cx, len + 1);
    return copy;
}

char *cv_strdup(cv_ctx *cx, const char *text)
{
    return cv_strndup(cx, text, strlen(text));
}

char *cv_sprintf(cv_ctx *cx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = cv_arena_vprintf(cx->arena, format, args);
    va_end(args);
    if (!text)
        report_exhaustion(cx, strlen(format));
    return text;
}

int cv_cleanup(cv_ctx *cx, void (*fn)(void *arg), void *arg)
{
    int rc = cv_arena_cleanup(cx->arena, fn, arg);
    return rc < 0 ? report_exhaustion(cx, sizeof(cv__arena_cleanup)) : 0;
}

int64_t cv_ctx_deadline_ns(const cv_ctx *cx)
{
    return cx->deadline_ns;
}

int64_t cv_ctx_set_deadline_ns(cv_ctx *cx, int64_t deadline_ns)
{
    int64_t former = cx->deadline_ns;
    if (deadline_ns < former)
        cx->deadline_ns = deadline_ns;
    return former;
}

void cv_ctx_restore_deadline_ns(cv_ctx *cx, int64_t former_ns)
{
    cx->deadline_ns = former_ns;
}

struct cv__scope cv__scope_enter(cv_ctx *cx)
{
    return (struct cv__scope){cx, cv_arena_save(cx->arena), 1};
}

void cv__scope_leave(struct cv__scope *scope)
{
    cv_arena_rewind(scope->cx->arena, scope->mark);
}
