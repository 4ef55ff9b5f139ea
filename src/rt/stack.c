#include "rt/stack.h"

#include <covet/error.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

enum { GUARD_PAGES = 4, COLOURS = 16, COLOUR_BYTES = 128 };

static size_t usable_bytes(size_t bytes, size_t head_bytes, size_t page)
{
#if defined(CV__ASAN) || defined(CV__TSAN)
    bytes *= 2;
#endif
    return (bytes + head_bytes + page - 1) / page * page;
}

int cv__stack_map(cv__stack *stack, size_t bytes, size_t head_bytes, size_t number)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = usable_bytes(bytes, head_bytes, page);
    size_t guard = GUARD_PAGES * page;
    void *mapping = mmap(NULL, guard + usable, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        return CV_E_NOMEM;
    if (mprotect(mapping, guard, PROT_NONE) != 0) {
        munmap(mapping, guard + usable);
        return CV_E_NOMEM;
    }
    stack->mapping = mapping;
    stack->mapped_bytes = guard + usable;
    stack->guard_bytes = guard;
    stack->low = stack->mapping + guard;
    stack->top = stack->low + usable - head_bytes - number % COLOURS * COLOUR_BYTES;
    cv__annotate_begin(&stack->annotation, stack->low, (size_t)(stack->top - stack->low));
    return 0;
}

void cv__stack_unmap(cv__stack *stack)
{
    cv__annotate_end(&stack->annotation);
    munmap(stack->mapping, stack->mapped_bytes);
}
