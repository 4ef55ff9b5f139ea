#include "http/files/range.h"

/* ---- reading ---- */

/* Digits only; what does not fit is beyond every file. */
static bool read_position(cv_str text, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *ret_value = value;
    return text.len;
}

/* The last `count` bytes. */
static cv__range_kind suffix(uint64_t count, uint64_t size, cv__range *ret_range)
{
    if (!count)
        return CV__RANGE_UNSATISFIABLE;
    if (!size)
        return CV__RANGE_WHOLE; /* all of nothing: a Content-Range cannot say it */
    *ret_range = (cv__range){count < size ? size - count : 0, size - 1};
    return CV__RANGE_PARTS;
}

/* "a-b", "a-" or "-n". */
static cv__range_kind read_range(cv_str spec, uint64_t size, cv__range *ret_range)
{
    uint64_t first, last = UINT64_MAX;
    ptrdiff_t dash = cv_str_find_char(spec, '-');
    if (dash < 0)
        return CV__RANGE_WHOLE;
    cv_str before = cv_str_sub(spec, 0, (size_t)dash), after = cv_str_sub(spec, (size_t)dash + 1, spec.len);
    if (!before.len)
        return read_position(after, &last) ? suffix(last, size, ret_range) : CV__RANGE_WHOLE;
    if (!read_position(before, &first) || (after.len && !read_position(after, &last)) || last < first)
        return CV__RANGE_WHOLE;
    if (first >= size)
        return CV__RANGE_UNSATISFIABLE;
    *ret_range = (cv__range){first, last < size ? last : size - 1};
    return CV__RANGE_PARTS;
}

static cv_str trim_space(cv_str text)
{
    while (text.len && (*text.ptr == ' ' || *text.ptr == '\t'))
        text = cv_str_sub(text, 1, text.len);
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* ---- joining ---- */

static bool overlap(cv__range a, cv__range b)
{
    return a.first <= b.last && b.first <= a.last;
}

static bool are_near(cv__range a, cv__range b)
{
    const cv__range *low = a.first < b.first ? &a : &b, *high = a.first < b.first ? &b : &a;
    return high->first <= low->last || high->first - low->last - 1 <= CV__PART_OVERHEAD;
}

/* Make one of `range` and all that it is near to; it takes the place of the first of them. */
static void add_joined(cv__ranges *ranges, cv__range range)
{
    size_t place = ranges->count;
    for (size_t i = 0; i < ranges->count;) {
        cv__range other = ranges->at[i];
        if (!are_near(other, range)) {
            i++;
            continue;
        }
        range = (cv__range){other.first < range.first ? other.first : range.first,
                            other.last > range.last ? other.last : range.last};
        place = place < i ? place : i;
        ranges->count--;
        memmove(&ranges->at[i], &ranges->at[i + 1], (ranges->count - i) * sizeof range);
        i = 0; /* it has grown: those before it may be near now */
    }
    place = place < ranges->count ? place : ranges->count;
    memmove(&ranges->at[place + 1], &ranges->at[place], (ranges->count - place) * sizeof range);
    ranges->at[place] = range;
    ranges->count++;
}

static bool are_worth_it(const cv__ranges *ranges, uint64_t size)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ranges->count; i++)
        bytes += ranges->at[i].last - ranges->at[i].first + 1 + CV__PART_OVERHEAD;
    return ranges->count == 1 || bytes < size;
}

static size_t count_overlaps(const cv__range *asked, size_t count)
{
    size_t overlaps = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            overlaps += overlap(asked[i], asked[j]);
    return overlaps;
}

/* ---- all of it ---- */

cv__range_kind cv__ranges_parse(cv_str value, uint64_t size, cv__ranges *ret_ranges)
{
    const cv_str unit = CV_STR("bytes=");
    cv__range asked[CV__MAX_RANGES];
    cv__ranges ranges = {0};
    size_t count = 0, seen = 0;
    cv_str rest = cv_str_sub(value, unit.len, value.len), spec;
    if (!cv_str_equal_nocase(cv_str_sub(value, 0, unit.len), unit))
        return CV__RANGE_WHOLE;
    while (cv_str_split(&rest, ',', &spec)) {
        spec = trim_space(spec);
        if (!spec.len)
            continue; /* empty elements are accepted (RFC 9110 5.6.1.2) */
        if (seen++ == CV__MAX_RANGES)
            return CV__RANGE_WHOLE;
        cv__range_kind kind = read_range(spec, size, &asked[count]);
        if (kind == CV__RANGE_WHOLE)
            return CV__RANGE_WHOLE;
        count += kind == CV__RANGE_PARTS;
    }
    if (!count)
        return seen ? CV__RANGE_UNSATISFIABLE : CV__RANGE_WHOLE;
    if (count_overlaps(asked, count) > CV__MAX_OVERLAPS)
        return CV__RANGE_WHOLE;
    for (size_t i = 0; i < count; i++)
        add_joined(&ranges, asked[i]);
    if (!are_worth_it(&ranges, size))
        return CV__RANGE_WHOLE;
    *ret_ranges = ranges;
    return CV__RANGE_PARTS;
}
