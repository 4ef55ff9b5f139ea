/* The inside of arenas, for the library's own hot paths: allocation without a call.
 *
 * Blocks form a list in the order in which they are filled. Those after the current one are empty and wait for reuse
 * (left over from a rewind). `at` and `end` bound the free part of the current block; both are NULL before the first.
 */
#ifndef COVET_SRC_BASE_ARENA_H
#define COVET_SRC_BASE_ARENA_H

#include <covet/arena.h>
#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__)
#define CV__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CV__ASAN 1
#endif
#endif

#if defined(CV__ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(CV_HAVE_MEMCHECK)
#include <valgrind/memcheck.h>
#endif

#define CV__ARENA_ALIGN ((size_t)16)

typedef struct cv__arena_block {
    struct cv__arena_block *next;
    size_t size;      /* bytes from `data` to the end */
    size_t used;      /* valid once a later block is current */
    size_t alignment; /* keeps `data` at a multiple of 16 */
    char data[];
} cv__arena_block;

typedef struct cv__arena_cleanup {
    struct cv__arena_cleanup *next;
    void (*fn)(void *arg);
    void *arg;
} cv__arena_cleanup;

struct cv_arena {
    char *at, *end;
    cv__arena_block *block; /* current */
    cv__arena_block *first;
    cv__arena_cleanup *cleanups; /* latest first */
    size_t reserved, limit;
    cv__arena_block *placed; /* the block in memory that is not the arena's own (cv__arena_place); or NULL */
    int failure;             /* why the last allocation gave NULL: CV_E_LIMIT or CV_E_NOMEM */
    bool checked;            /* running under valgrind: tell it about every allocation */
};

/** What an allocation of `size` bytes takes; 0 when that cannot be counted. */
static inline size_t cv__arena_round(size_t size)
{
    return size ? (size + CV__ARENA_ALIGN - 1) & ~(CV__ARENA_ALIGN - 1) : CV__ARENA_ALIGN;
}

/** Tell the checkers that bytes may be used, or may not. Without a checker, no instruction but one test. */
static inline void cv__arena_unpoison(const cv_arena *arena, void *ptr, size_t size)
{
#if defined(CV__ASAN)
    (void)arena;
    __asan_unpoison_memory_region(ptr, size);
#elif defined(CV_HAVE_MEMCHECK)
    if (__builtin_expect(arena->checked, 0))
        VALGRIND_MAKE_MEM_UNDEFINED(ptr, size);
#else
    (void)arena, (void)ptr, (void)size;
#endif
}

static inline void cv__arena_poison(const cv_arena *arena, void *ptr, size_t size)
{
#if defined(CV__ASAN)
    (void)arena;
    __asan_poison_memory_region(ptr, size);
#elif defined(CV_HAVE_MEMCHECK)
    if (__builtin_expect(arena->checked, 0))
        VALGRIND_MAKE_MEM_NOACCESS(ptr, size);
#else
    (void)arena, (void)ptr, (void)size;
#endif
}

/** An arena whose head and first block lie in `memory`, 16-byte aligned, of `size` bytes (more than the two heads):
 * those are the caller's again after cv_arena_free, as they were. For what is used beside it, to lie beside it. */
cv_arena *cv__arena_place(void *memory, size_t size, size_t limit_bytes);

/** The way through the next block; NULL with `arena->failure` set. */
void *cv__arena_alloc_slow(cv_arena *arena, size_t size);

/** cv_arena_alloc, inlined. */
static inline void *cv__arena_alloc(cv_arena *arena, size_t size)
{
    size_t need = (size + CV__ARENA_ALIGN - 1) & ~(CV__ARENA_ALIGN - 1);
    /* `need` 0 (nothing asked for, or an overflow) wraps around and takes the slow way too. */
    if (__builtin_expect(need - 1 < (size_t)(arena->end - arena->at), 1)) {
        char *ptr = arena->at;
        arena->at = ptr + need;
        cv__arena_unpoison(arena, ptr, size);
        return ptr;
    }
    return cv__arena_alloc_slow(arena, size);
}

/** Make the arena empty: run its cleanups and keep the first block only. Costs nothing when it was not used. */
void cv__arena_reset(cv_arena *arena);

#endif
