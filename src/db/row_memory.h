/* Memory for what the cells of one row become, where that is not as the engine has it: made when it is first needed,
 * empty again with each row. */
#ifndef COVET_SRC_DB_ROW_MEMORY_H
#define COVET_SRC_DB_ROW_MEMORY_H

#include <covet/arena.h>

/* As much as the engines have in one value. */
#define CV__ROW_MAX_BYTES ((size_t)1 << 30)

/** All zero at first; cv_arena_free(memory.arena) in the end. */
typedef struct cv__row_memory {
    cv_arena *arena; /* NULL: not needed yet */
    cv_arena_mark empty;
} cv__row_memory;

/** Make the arena, unless it is there. CV_E_NOMEM, without a story. */
CV_CHECKED static inline int cv__row_memory_need(cv__row_memory *memory)
{
    if (memory->arena)
        return 0;
    memory->arena = cv_arena_new(CV__ROW_MAX_BYTES);
    if (!memory->arena)
        return CV_E_NOMEM;
    memory->empty = cv_arena_save(memory->arena);
    return 0;
}

/** The next row comes: the values of the last one are gone. */
static inline void cv__row_memory_empty(cv__row_memory *memory)
{
    if (memory->arena)
        cv_arena_rewind(memory->arena, memory->empty);
}

#endif
