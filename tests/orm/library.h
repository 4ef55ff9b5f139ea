/* The models that the tests of the ORM share: a small library, and one model with a member of every type. */
#ifndef COVET_TESTS_ORM_LIBRARY_H
#define COVET_TESTS_ORM_LIBRARY_H

#include "test.h"

#include <covet/query.h>
#include <covet/runtime.h>
#include <covet/transaction.h>

struct country {
    const char *code;
    const char *name;
};
struct author {
    int64_t id;
    const char *name;
    const char *email;
    cv_opt_date born;
    const char *country_id;
    struct country *country;
};
struct book {
    int64_t id;
    const char *title;
    cv_decimal price;
    cv_opt_i64 pages;
    bool available;
    const char *summary;
    cv_time published;
    cv_time updated;
    int64_t author_id;
    struct author *author;
    cv_opt_i64 editor_id;
    struct author *editor;
    int counter; /* no field: the program's own */
};
struct sample {
    cv_uuid id;
    bool a_bool;
    int16_t an_i16;
    int32_t an_i32;
    int64_t an_i64;
    double a_f64;
    cv_decimal a_decimal;
    cv_decimal a_long_decimal;
    const char *a_text;
    cv_str a_str;
    cv_bytes some_bytes;
    cv_json a_json;
    cv_time a_time;
    cv_date a_date;
    cv_uuid a_uuid;
    cv_opt_bool o_bool;
    cv_opt_i16 o_i16;
    cv_opt_i32 o_i32;
    cv_opt_i64 o_i64;
    cv_opt_f64 o_f64;
    cv_opt_decimal o_decimal;
    const char *o_text;
    cv_str o_str;
    cv_bytes o_bytes;
    cv_json o_json;
    cv_opt_time o_time;
    cv_opt_date o_date;
    cv_opt_uuid o_uuid;
};
struct bare {
    int64_t id;
};

CV_MODEL_DECLARE(country);
CV_MODEL_DECLARE(author);
CV_MODEL_DECLARE(book);
CV_MODEL_DECLARE(sample);
CV_MODEL_DECLARE(bare);

/** A runtime with a registry of these models and an open database with their tables. */
typedef struct library {
    cv_ctx *cx;
    cv_registry *registry;
    cv_db *db;
    char folder[64];
    char url[512];
} library;

/** `engine` "sqlite", "postgres" or "mariadb"; false, with a message, where that engine is not at hand. */
bool library_open(library *lib, const char *engine);
void library_close(library *lib);

/** cmocka fixtures over a library on SQLite: *state is a library. */
int library_setup(void **state);
int library_teardown(void **state);

/** A handful of rows that the tests of queries know:
 *    countries us, fr, gb; authors 1 Ursula (us), 2 Jules (fr), 3 Anonymous (no country, no email)
 *    books 1 "The Dispossessed" 9.99 341 pages by 1, edited by 2; 2 "Earthsea" 5.50, no pages, by 1;
 *          3 "Vingt mille lieues" 12.00 720 pages by 2, edited by 1; 4 "Beowulf" 0.00 100 pages by 3;
 *          5 "Été 100%_x" 7.25 without pages by 3, edited by 3 */
void library_fill(library *lib);

cv_decimal library_decimal(const char *text);

/** The keys of the books that a query finds, in its order, as "1,2,3". In the arena of the context. */
const char *library_books(library *lib, cv_query *q);

#define assert_books(lib, q, expected) assert_string_equal(library_books((lib), (q)), (expected))

#endif
