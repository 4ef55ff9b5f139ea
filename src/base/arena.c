/* Arenas: a bump pointer in a list of growing blocks; see arena.h for the layout. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT ((size_t)64 << 20)
/* With the allocator's own header, the first block fills one page. */
#define FIRST_BLOCK_BYTES ((size_t)4096 - 16)
#define LARGEST_GROWTH    ((size_t)1 << 20)

static bool runs_under_valgrind(void)
{
#if defined(CV_HAVE_MEMCHECK) && !defined(CV__ASAN)
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

cv_arena *cv_arena_new(size_t limit_bytes)
{
    cv_arena *arena = malloc(sizeof *arena);
    if (!arena)
        return NULL;
    *arena = (cv_arena){.limit = limit_bytes ? limit_bytes : DEFAULT_LIMIT, .checked = runs_under_valgrind()};
    return arena;
}

/* The placed block is the first again. */
static void link_placed(cv_arena *arena)
{
    cv__arena_block *block = arena->placed;
    block->next = NULL;
    arena->first = block;
    arena->reserved += sizeof *block + block->size;
    cv__arena_poison(arena, block->data, block->size);
}

cv_arena *cv__arena_place(void *memory, size_t size, size_t limit_bytes)
{
    cv_arena *arena = memory;
    *arena = (cv_arena){.limit = limit_bytes ? limit_bytes : DEFAULT_LIMIT, .checked = runs_under_valgrind()};
    size_t head = cv__arena_round(sizeof *arena);
    arena->placed = (cv__arena_block *)(void *)((char *)memory + head);
    arena->placed->size = size - head - sizeof *arena->placed;
    link_placed(arena);
    return arena;
}

static void run_cleanups(cv_arena *arena, const cv__arena_cleanup *until)
{
    while (arena->cleanups != until) {
        cv__arena_cleanup *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->fn(cleanup->arg);
    }
}

static void free_block(cv_arena *arena, cv__arena_block *block)
{
    arena->reserved -= sizeof *block + block->size;
    cv__arena_unpoison(arena, block->data, block->size);
    if (block != arena->placed)
        free(block);
}

/* Free the blocks that follow `*link`. */
static void free_blocks(cv_arena *arena, cv__arena_block **link)
{
    cv__arena_block *block = *link;
    *link = NULL;
    while (block) {
        cv__arena_block *next = block->next;
        free_block(arena, block);
        block = next;
    }
}

void cv_arena_free(cv_arena *arena)
{
    if (!arena)
        return;
    run_cleanups(arena, NULL);
    free_blocks(arena, &arena->first);
    if (!arena->placed)
        free(arena);
}

/* Make `block` the current one, with its first `used` bytes taken. */
static void enter_block(cv_arena *arena, cv__arena_block *block, size_t used)
{
    arena->block = block;
    arena->at = block->data + used;
    arena->end = block->data + block->size;
}

/* Drop empty blocks that are too small for `need`; the first that is large enough, or NULL. */
static cv__arena_block *take_spare(cv_arena *arena, cv__arena_block **link, size_t need)
{
    while (*link && (*link)->size < need) {
        cv__arena_block *small = *link;
        *link = small->next;
        free_block(arena, small);
    }
    return *link;
}

/* The size of a new block, its header included: twice the current one, less near the limit; 0 beyond the limit. */
static size_t next_block_bytes(const cv_arena *arena, size_t need)
{
    size_t left = arena->limit > arena->reserved ? arena->limit - arena->reserved : 0;
    if (need > left || left - need < sizeof(cv__arena_block))
        return 0;
    size_t wanted = FIRST_BLOCK_BYTES;
    if (arena->block)
        wanted = 2 * (arena->block->size + sizeof(cv__arena_block));
    if (wanted > LARGEST_GROWTH)
        wanted = LARGEST_GROWTH;
    if (wanted < need + sizeof(cv__arena_block))
        wanted = need + sizeof(cv__arena_block);
    return wanted < left ? wanted : left;
}

static cv__arena_block *add_block(cv_arena *arena, cv__arena_block **link, size_t need)
{
    size_t bytes = next_block_bytes(arena, need);
    cv__arena_block *block = bytes ? malloc(bytes) : NULL;
    if (!block) {
        arena->failure = bytes ? CV_E_NOMEM : CV_E_LIMIT;
        return NULL;
    }
    *block = (cv__arena_block){.next = *link, .size = bytes - sizeof *block};
    *link = block;
    arena->reserved += bytes;
    cv__arena_poison(arena, block->data, block->size);
    return block;
}

void *cv__arena_alloc_slow(cv_arena *arena, size_t size)
{
    size_t need = cv__arena_round(size);
    if (!need) {
        arena->failure = CV_E_LIMIT;
        return NULL;
    }
    if (need > (size_t)(arena->end - arena->at)) {
        cv__arena_block **link = arena->block ? &arena->block->next : &arena->first;
        cv__arena_block *next = take_spare(arena, link, need);
        if (!next)
            next = add_block(arena, link, need);
        if (!next)
            return NULL;
        if (arena->block)
            arena->block->used = (size_t)(arena->at - arena->block->data);
        enter_block(arena, next, 0);
    }
    char *ptr = arena->at;
    arena->at = ptr + need;
    cv__arena_unpoison(arena, ptr, size);
    return ptr;
}

void *cv_arena_alloc(cv_arena *arena, size_t size)
{
    return cv__arena_alloc(arena, size);
}

void *cv_arena_zalloc(cv_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena->failure = CV_E_LIMIT;
        return NULL;
    }
    void *ptr = cv__arena_alloc(arena, bytes);
    return ptr ? memset(ptr, 0, bytes) : NULL;
}

/* Whether the allocation is the latest one of the current block. */
static bool is_latest(const cv_arena *arena, const char *ptr, size_t size)
{
    return arena->block && ptr >= arena->block->data && ptr < arena->at && ptr + cv__arena_round(size) == arena->at;
}

void *cv_arena_realloc(cv_arena *arena, void *ptr, size_t old_size, size_t new_size)
{
    if (!ptr)
        return cv__arena_alloc(arena, new_size);
    size_t need = cv__arena_round(new_size);
    if (need && is_latest(arena, ptr, old_size) && need <= (size_t)(arena->end - (char *)ptr)) {
        char *former = arena->at;
        arena->at = (char *)ptr + need;
        if (former > arena->at)
            cv__arena_poison(arena, arena->at, (size_t)(former - arena->at));
        if (new_size > old_size)
            cv__arena_unpoison(arena, (char *)ptr + old_size, new_size - old_size);
        return ptr;
    }
    if (new_size <= old_size)
        return ptr;
    void *moved = cv__arena_alloc(arena, new_size);
    return moved ? memcpy(moved, ptr, old_size) : NULL;
}

char *cv_arena_strndup(cv_arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? cv__arena_alloc(arena, len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *cv_arena_strdup(cv_arena *arena, const char *text)
{
    return cv_arena_strndup(arena, text, strlen(text));
}

char *cv_arena_vprintf(cv_arena *arena, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    char *text = NULL;
    if (len >= 0 && (size_t)len < sizeof small) {
        text = cv_arena_strndup(arena, small, (size_t)len);
    } else if (len >= 0) {
        text = cv__arena_alloc(arena, (size_t)len + 1);
        if (text)
            vsnprintf(text, (size_t)len + 1, format, again);
    } else {
        arena->failure = CV_E_NOMEM;
    }
    va_end(again);
    return text;
}

char *cv_arena_printf(cv_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = cv_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

int cv_arena_cleanup(cv_arena *arena, void (*fn)(void *arg), void *arg)
{
    cv__arena_cleanup *cleanup = cv__arena_alloc(arena, sizeof *cleanup);
    if (!cleanup)
        return arena->failure;
    *cleanup = (cv__arena_cleanup){arena->cleanups, fn, arg};
    arena->cleanups = cleanup;
    return 0;
}

cv_arena_mark cv_arena_save(cv_arena *arena)
{
    size_t used = arena->block ? (size_t)(arena->at - arena->block->data) : 0;
    return (cv_arena_mark){arena->block, used, arena->cleanups};
}

void cv_arena_rewind(cv_arena *arena, cv_arena_mark mark)
{
    run_cleanups(arena, mark.cleanups);
    if (!arena->block)
        return;
    cv__arena_block *block = mark.block ? mark.block : arena->first;
    char *from = block->data + mark.used;
    if (block == arena->block) {
        cv__arena_poison(arena, from, (size_t)(arena->at - from));
        arena->at = from;
        return;
    }
    arena->block->used = (size_t)(arena->at - arena->block->data);
    for (cv__arena_block *later = block->next; later != arena->block->next; later = later->next)
        cv__arena_poison(arena, later->data, later->used);
    cv__arena_poison(arena, from, block->used - mark.used);
    enter_block(arena, block, mark.used);
}

void cv__arena_reset(cv_arena *arena)
{
    if (!arena->block)
        return;
    cv_arena_rewind(arena, (cv_arena_mark){0});
    if (arena->first->next)
        free_blocks(arena, &arena->first->next);
    if (arena->first->size > FIRST_BLOCK_BYTES) { /* made for one large object: pooled arenas stay small */
        free_blocks(arena, &arena->first);
        arena->block = NULL;
        arena->at = arena->end = NULL;
        if (arena->placed)
            link_placed(arena);
    }
}

cv_arena_stats cv_arena_get_stats(const cv_arena *arena)
{
    cv_arena_stats stats = {.reserved_bytes = arena->reserved, .limit_bytes = arena->limit};
    for (const cv__arena_block *block = arena->first; block && block != arena->block; block = block->next)
        stats.used_bytes += block->used;
    if (arena->block)
        stats.used_bytes += (size_t)(arena->at - arena->block->data);
    return stats;
}

void cv_arena_set_limit(cv_arena *arena, size_t limit_bytes)
{
    arena->limit = limit_bytes ? limit_bytes : DEFAULT_LIMIT;
}
