/* How much freed memory the process keeps.
 *
 * glibc gives the end of its heap back to the system as soon as 128 KiB of it are free, and maps blocks from 128 KiB
 * on one by one. A service that makes and frees a result of some hundred rows with each query then pays for the same
 * pages again and again: a fifth of its processor time. */
#include <covet/runtime.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

enum { KEPT_BYTES = 8 << 20, MAPPED_FROM_BYTES = 1 << 20 };

static bool is_set_outside(void)
{
    return getenv("GLIBC_TUNABLES") || getenv("MALLOC_TRIM_THRESHOLD_") || getenv("MALLOC_MMAP_THRESHOLD_");
}

void cv_tune_heap(void)
{
    if (is_set_outside())
        return;
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
}
#else
void cv_tune_heap(void)
{
}
#endif
