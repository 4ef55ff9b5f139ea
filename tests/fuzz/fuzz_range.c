/* Range headers: what is sent lies inside the file, apart from each other, and costs less than the whole. The first
 * eight bytes of the input are the size of the file. */
#include "http/files/range.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_ranges(const cv__ranges *ranges, uint64_t size)
{
    uint64_t bytes = 0;
    require(ranges->count >= 1 && ranges->count <= CV__MAX_RANGES);
    for (size_t i = 0; i < ranges->count; i++) {
        const cv__range *range = &ranges->at[i];
        require(range->first <= range->last && range->last < size);
        bytes += range->last - range->first + 1;
        for (size_t j = 0; j < i; j++)
            require(ranges->at[j].last + CV__PART_OVERHEAD < range->first ||
                    range->last + CV__PART_OVERHEAD < ranges->at[j].first);
    }
    require(bytes <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t file_size;
    cv__ranges ranges;
    if (size < sizeof file_size)
        return 0;
    memcpy(&file_size, data, sizeof file_size);
    file_size %= (uint64_t)INT64_MAX;
    cv_str value = cv_str_make((const char *)data + sizeof file_size, size - sizeof file_size);
    if (cv__ranges_parse(value, file_size, &ranges) == CV__RANGE_PARTS)
        check_ranges(&ranges, file_size);
    return 0;
}
