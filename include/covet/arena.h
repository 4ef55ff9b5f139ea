/* Arenas: memory that dies together.
 *
 * An arena hands out memory from growing blocks and frees it all at once. A mark remembers a position; rewinding to it
 * runs the cleanups registered since (last first) and makes the memory after it unusable (poisoned under ASan and
 * valgrind). Each arena has a byte limit. An arena belongs to one fiber; nothing here suspends or locks.
 *
 * Invariants: allocations are aligned to 16 bytes; the sum of block sizes never exceeds the limit; blocks below a mark
 * are never moved. */
#ifndef COVET_ARENA_H
#define COVET_ARENA_H

#include <covet/api.h>
#include <covet/error.h>
#include <stdarg.h>
#include <stdint.h>

CV_BEGIN_DECLS

typedef struct cv_arena cv_arena;

/** A position in an arena. Plain value; valid until the arena is rewound below it. */
typedef struct cv_arena_mark {
    void *block;
    size_t used;
    void *cleanups;
} cv_arena_mark;

typedef struct cv_arena_stats {
    size_t used_bytes;     /* handed out and not rewound, alignment included */
    size_t reserved_bytes; /* taken from the system */
    size_t limit_bytes;
} cv_arena_stats;

/** Make an arena. `limit_bytes` bounds what it takes from the system; 0 means 64 MiB. No memory but the handle is taken
 *  before the first allocation. Returns NULL when the handle cannot be allocated. Free with cv_arena_free. */
CV_API cv_arena *cv_arena_new(size_t limit_bytes);

/** Run all cleanups, last first, and give the memory back. NULL is allowed. */
CV_API void cv_arena_free(cv_arena *arena);

/** `size` bytes, not initialised, 16-byte aligned; NULL when the limit or the memory is exhausted (size 0 gives a valid
 *  pointer). Valid until the arena is freed or rewound below the present position. */
CV_API CV_CHECKED void *cv_arena_alloc(cv_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/** Like cv_arena_alloc, zeroed, for `count` objects of `size`; NULL also when the product overflows. */
CV_API CV_CHECKED void *cv_arena_zalloc(cv_arena *arena, size_t count, size_t size)
    __attribute__((malloc, alloc_size(2, 3)));

/** Grow the latest allocation in place when possible, otherwise move it. `ptr` NULL allocates. NULL on exhaustion; the
 *  old memory then stays valid. */
CV_API CV_CHECKED void *cv_arena_realloc(cv_arena *arena, void *ptr, size_t old_size, size_t new_size);

/** A NUL-terminated copy of `len` bytes; NULL on exhaustion. */
CV_API CV_CHECKED char *cv_arena_strndup(cv_arena *arena, const char *text, size_t len);
CV_API CV_CHECKED char *cv_arena_strdup(cv_arena *arena, const char *text);

/** printf into the arena; NULL on exhaustion. */
CV_API CV_CHECKED char *cv_arena_printf(cv_arena *arena, const char *format, ...) CV_PRINTF(2, 3);
CV_API CV_CHECKED char *cv_arena_vprintf(cv_arena *arena, const char *format, va_list args) CV_PRINTF(2, 0);

/** Call `fn(arg)` when the arena is freed or rewound below this point. CV_E_NOMEM or CV_E_LIMIT without memory (no
 * story: an arena has no context). */
CV_API CV_CHECKED int cv_arena_cleanup(cv_arena *arena, void (*fn)(void *arg), void *arg);

/** Remember and restore a position. Rewinding keeps the blocks for later use. */
CV_API cv_arena_mark cv_arena_save(cv_arena *arena);
CV_API void cv_arena_rewind(cv_arena *arena, cv_arena_mark mark);

CV_API cv_arena_stats cv_arena_get_stats(const cv_arena *arena);

/** Change the byte limit. Lowering it below what is reserved only stops further growth. */
CV_API void cv_arena_set_limit(cv_arena *arena, size_t limit_bytes);

CV_END_DECLS

#endif
