/* Arrays and ranges, as members of models and as values.
 *
 * An array has one dimension; its elements lie side by side, and any of them may be NULL. A range has two bounds, each
 * part of it or not, or none at that side; it may be empty. The structs of this header are for members and for binding
 * (`CV_VALUE(ids)`); the views are what a `cv_value` holds, whatever the type of the elements. Nothing here owns
 * memory, nothing suspends. */
#ifndef COVET_ARRAY_H
#define COVET_ARRAY_H

#include <covet/decimal.h>
#include <covet/str.h>
#include <covet/time.h>
#include <covet/uuid.h>

CV_BEGIN_DECLS

/* `items == NULL` is NULL, an empty array has any other pointer (`CV_NO_ITEMS`). `nulls`, when it is there, says for
 * each element whether it is NULL; without it none is. */
#define CV__ARRAY(name, T)                                                                                             \
    typedef struct name {                                                                                              \
        T *items;                                                                                                      \
        size_t count;                                                                                                  \
        bool *nulls;                                                                                                   \
    } name

CV__ARRAY(cv_bool_array, bool);
CV__ARRAY(cv_i16_array, int16_t);
CV__ARRAY(cv_i32_array, int32_t);
CV__ARRAY(cv_i64_array, int64_t);
CV__ARRAY(cv_f64_array, double);
CV__ARRAY(cv_decimal_array, cv_decimal);
CV__ARRAY(cv_str_array, cv_str);
CV__ARRAY(cv_time_array, cv_time);
CV__ARRAY(cv_date_array, cv_date);
CV__ARRAY(cv_uuid_array, cv_uuid);

#undef CV__ARRAY

/** The items of an array that has none and is not NULL: `b.tags = (cv_str_array){.items = CV_NO_ITEMS}`. */
#define CV_NO_ITEMS ((void *)(uintptr_t) "")

/** What a range says of its bounds. The values are those of PostgreSQL's wire format. */
enum {
    CV_RANGE_EMPTY = 0x01,           /* nothing lies in it; the bounds mean nothing */
    CV_RANGE_LOWER_INCLUSIVE = 0x02, /* the bound itself lies in it */
    CV_RANGE_UPPER_INCLUSIVE = 0x04,
    CV_RANGE_LOWER_INFINITE = 0x08, /* there is no bound at this side */
    CV_RANGE_UPPER_INFINITE = 0x10,
};

#define CV__RANGE(name, T)                                                                                             \
    typedef struct cv_##name {                                                                                         \
        T lower, upper;                                                                                                \
        uint8_t flags; /* CV_RANGE_... */                                                                              \
    } cv_##name;                                                                                                       \
    typedef struct cv_opt_##name {                                                                                     \
        cv_##name value;                                                                                               \
        bool set;                                                                                                      \
    } cv_opt_##name

CV__RANGE(i32_range, int32_t);
CV__RANGE(i64_range, int64_t);
CV__RANGE(decimal_range, cv_decimal);
CV__RANGE(time_range, cv_time);
CV__RANGE(date_range, cv_date);

#undef CV__RANGE

/** Initialise a range: with its lower bound and without the upper one, as most are meant; with both; empty. */
#define CV_SPAN(from, to)                                                                                              \
    {                                                                                                                  \
        .lower = (from), .upper = (to), .flags = CV_RANGE_LOWER_INCLUSIVE                                              \
    }
#define CV_SPAN_CLOSED(from, to)                                                                                       \
    {                                                                                                                  \
        .lower = (from), .upper = (to), .flags = CV_RANGE_LOWER_INCLUSIVE | CV_RANGE_UPPER_INCLUSIVE                   \
    }
#define CV_SPAN_NONE                                                                                                   \
    {                                                                                                                  \
        .flags = CV_RANGE_EMPTY                                                                                        \
    }

/** Any array, as a value holds it. The elements are packed: bool; int16_t, int32_t or int64_t by `bits`; double;
 * cv_decimal; cv_str for texts and JSON; cv_bytes; cv_time; cv_date; cv_uuid. Read them with cv_array_at. */
typedef struct cv_array_view {
    const void *items;
    const bool *nulls;
    uint32_t count;
    uint16_t element; /* a cv_type */
    uint16_t bits;    /* integers: 16, 32 or 64 */
} cv_array_view;

/** Any range, as a value holds it: `bounds` are the lower and the upper one, packed like two elements of an array. Read
 * them with cv_range_lower and cv_range_upper. */
typedef struct cv_range_view {
    const void *bounds;
    uint16_t element; /* a cv_type: integer, decimal, time or date */
    uint16_t bits;    /* integers: 32 or 64 */
    uint8_t flags;    /* CV_RANGE_... */
} cv_range_view;

CV_END_DECLS

#endif
