/* Models with every kind of field, in the versions of a program over time. */
#ifndef COVET_TESTS_MIGRATE_MODELS_H
#define COVET_TESTS_MIGRATE_MODELS_H

#include <covet/model.h>

struct shelf {
    char *code;
};

struct writer {
    int64_t id;
    char *name;
    int64_t best_id;
    struct work *best;
};

struct work {
    int64_t id;
    char *title;
    cv_str body;
    bool sold;
    cv_opt_bool checked;
    int16_t small;
    int32_t medium;
    cv_opt_i64 large;
    double weight;
    cv_decimal price;
    cv_opt_decimal exact;
    cv_time published;
    cv_date day;
    cv_uuid code;
    cv_json extra;
    cv_bytes cover;
    int64_t writer_id;
    struct writer *writer;
    cv_opt_i64 editor_id;
    struct writer *editor;
    char *shelf_id;
    struct shelf *shelf;
    cv_opt_i64 sequel_id;
    struct work *sequel;
};

/** Two tables that refer to each other, and one that all kinds of columns have. */
CV_MODEL_DECLARE(shelf);
CV_MODEL_DECLARE(writer);
CV_MODEL_DECLARE(work);

/** One table in five versions: as first made; with a column, index and check more; with less; and two that changed in a
 * way that operations cannot follow. */
struct note_1 {
    int64_t id;
    char *title;
    char *author;
};
struct note_2 {
    int64_t id;
    char *title;
    char *author;
    cv_opt_i64 pages;
    int64_t rank;
};
struct note_3 {
    int64_t id;
    char *title;
    char *writer;
};
CV_MODEL_DECLARE(note_1);
CV_MODEL_DECLARE(note_2);
CV_MODEL_DECLARE(note_3);
CV_MODEL_DECLARE(note_wider);
CV_MODEL_DECLARE(note_checked);
CV_MODEL_DECLARE(note_required);
CV_MODEL_DECLARE(note_renamed);
/* note_1 without its index, and with one column more */
CV_MODEL_DECLARE(note_plain);
CV_MODEL_DECLARE(note_paged);

#endif
