/* Building queries: mistakes are kept and told, values are converted, copies are independent. Running: one, first, get,
 * count, exists, delete_all, update_all. */
#include "library.h"

#include <covet/fiber.h>

static void mistaken(library *lib, cv_query *q, int code, const char *message, const char *hint)
{
    const cv_error *error;
    int rc = cv_query_error(q);
    if (rc != code)
        fail_msg("got %s, expected %s (%s)", cv_error_name(rc), cv_error_name(code), message);
    error = cv_error_last(lib->cx);
    assert_non_null(error);
    if (!strstr(error->message, message))
        fail_msg("message \"%s\" does not contain \"%s\"", error->message, message);
    if (hint && (!error->hint || !strstr(error->hint, hint)))
        fail_msg("hint \"%s\" does not contain \"%s\"", error->hint ? error->hint : "", hint);
    cv_error_clear(lib->cx);
}

static void unknown_names_get_a_suggestion(void **state)
{
    library *lib = *state;
    static const struct {
        const char *path, *message, *hint;
    } cases[] = {
        {"titel", "model \"book\" has no field \"titel\"", "did you mean \"title\"?"},
        {"title__contians", "has no look-up \"contians\"", "did you mean \"contains\"?"},
        {"title__zzzzzz", "has no look-up \"zzzzzz\"", "look-ups are exact"},
        {"author__nme", "model \"author\" has no field \"nme\"", "did you mean \"name\"?"},
        {"author__country__nam", "model \"country\" has no field \"nam\"", "did you mean \"name\"?"},
        {"title__gt__gt", "nothing can follow", NULL},
        {"title__author", "has no look-up \"author\"", NULL},
        {"", "has no field \"\"", NULL},
        {"__", "has no field \"\"", NULL},
        {"author__", "has no field \"\"", NULL},
        {"author__id__name", "has no look-up \"name\"", NULL},
        {"id\" = 1 OR \"1", "has no field", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_query *q = cv_objects(lib->cx, book);
        cv_filter(q, cases[i].path, 1);
        mistaken(lib, q, CV_E_FIELD, cases[i].message, cases[i].hint);
    }
}

static void unknown_names_in_order_and_relations(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_order_by(q, "-titel");
    mistaken(lib, q, CV_E_FIELD, "no field \"titel\"", "\"title\"");
    q = cv_objects(lib->cx, book);
    cv_order_by(q, "title__gt");
    mistaken(lib, q, CV_E_FIELD, "\"gt\" cannot follow", "must end with the name of a field");
    q = cv_objects(lib->cx, book);
    cv_select_related(q, "autor");
    mistaken(lib, q, CV_E_FIELD, "no field \"autor\"", "\"author\"");
    q = cv_objects(lib->cx, book);
    cv_select_related(q, "title");
    mistaken(lib, q, CV_E_FIELD, "\"title\" of model \"book\" is not a foreign key", NULL);
}

static void values_of_the_wrong_type_are_refused(void **state)
{
    library *lib = *state;
    cv_time now = {0};
    cv_uuid uuid = {{1}};
#define REFUSED(path, value, code, message)                                                                            \
    do {                                                                                                               \
        cv_query *q = cv_objects(lib->cx, book);                                                                       \
        cv_filter(q, path, value);                                                                                     \
        mistaken(lib, q, code, message, NULL);                                                                         \
    } while (0)
    REFUSED("pages", "many", CV_E_TYPE, "\"pages\" of model \"book\" is of type");
    REFUSED("pages", 1.5, CV_E_RANGE, "out of range for the field \"pages\"");
    REFUSED("price", "9.999", CV_E_RANGE, "\"price\"");
    REFUSED("price", "1234567.00", CV_E_RANGE, "\"price\"");
    REFUSED("published", 5, CV_E_TYPE, "\"published\"");
    REFUSED("available", 2, CV_E_RANGE, "\"available\"");
    REFUSED("author__born", "last year", CV_E_TYPE, "\"born\"");
    REFUSED("author", now, CV_E_TYPE, "\"author\"");
    REFUSED("author", uuid, CV_E_TYPE, "\"author\"");
    REFUSED("pages__icontains", "3", CV_E_TYPE, "has no look-up \"icontains\"");
    REFUSED("title__contains", 3, CV_E_TYPE, "cannot be compared");
    REFUSED("title__contains", CV_NULL, CV_E_TYPE, "cannot be compared");
    REFUSED("pages__gt", CV_NULL, CV_E_TYPE, "\"gt\" of the field \"pages\" cannot be compared with NULL");
    REFUSED("pages__isnull", "perhaps", CV_E_TYPE, "isnull of the field \"pages\"");
    REFUSED("pages__isnull", CV_NULL, CV_E_TYPE, "isnull of the field \"pages\"");
    REFUSED("available__gt", true, CV_E_TYPE, "has no look-up \"gt\"");
    REFUSED("pages__range", 3, CV_E_INVALID, "needs two values");
    REFUSED("title", "\xff", CV_E_INVALID, "not UTF-8");
    REFUSED("title", cv_str_make("a\0b", 3), CV_E_INVALID, "NUL");
    cv_query *q = cv_objects(lib->cx, sample);
    cv_filter(q, "an_i16", 40000);
    mistaken(lib, q, CV_E_RANGE, "\"an_i16\"", NULL);
    q = cv_objects(lib->cx, sample);
    cv_filter(q, "an_i32", INT64_C(3000000000));
    mistaken(lib, q, CV_E_RANGE, "\"an_i32\"", NULL);
    q = cv_objects(lib->cx, sample);
    cv_filter(q, "a_json", "{}");
    mistaken(lib, q, CV_E_TYPE, "\"a_json\"", NULL);
    q = cv_objects(lib->cx, book);
    cv_range(q, "pages", CV_NULL, 3);
    mistaken(lib, q, CV_E_TYPE, "cannot have NULL as a bound", NULL);
}

static void the_first_mistake_is_kept_and_told_by_whatever_runs(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    struct book b, *books;
    cv_iterator *it;
    size_t count;
    int64_t number;
    bool found;
    cv_str sql;
    cv_filter(q, "titel", 1);
    cv_filter(q, "autor", 1);
    cv_order_by(q, "nothing");
    cv_limit(q, -1);
    cv_any_begin(q);
    cv_group_end(q);
    cv_error_clear(lib->cx);
    assert_fails(lib->cx, cv_all(lib->cx, q, book, &books, &count), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_one(lib->cx, q, book, &b), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_first(lib->cx, q, book, &b), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_count(lib->cx, q, &number), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_exists(lib->cx, q, &found), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_delete_all(lib->cx, q, NULL), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_iterate(lib->cx, q, book, &it), CV_E_FIELD, "\"titel\"");
    assert_fails(lib->cx, cv_query_sql(lib->cx, q, &sql), CV_E_FIELD, "\"titel\"");
    assert_int_equal(cv_all(lib->cx, cv_query_copy(lib->cx, q), book, &books, &count), CV_E_FIELD);
    assert_string_equal(cv_error_last(lib->cx)->hint, "did you mean \"title\"?");
}

static void groups_must_be_balanced_and_bounded(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    int64_t count;
    cv_group_end(q);
    mistaken(lib, q, CV_E_STATE, "not begun", NULL);
    q = cv_objects(lib->cx, book);
    cv_any_begin(q);
    assert_fails(lib->cx, cv_count(lib->cx, q, &count), CV_E_STATE, "not ended");
    q = cv_objects(lib->cx, book);
    for (int i = 0; i < 64; i++)
        cv_any_begin(q);
    mistaken(lib, q, CV_E_LIMIT, "at most 63 levels", NULL);
}

static void twenty_levels_of_groups_run(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    library_fill(lib);
    for (int i = 0; i < 20; i++) {
        i % 2 ? cv_all_begin(q) : cv_any_begin(q);
        cv_filter(q, "id", i % 2 ? 2 : 1);
    }
    for (int i = 0; i < 20; i++)
        cv_group_end(q);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,2");
}

static void slices_cannot_be_negative(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    cv_limit(q, -1);
    mistaken(lib, q, CV_E_RANGE, "the limit of a query cannot be -1", NULL);
    q = cv_objects(lib->cx, book);
    cv_offset(q, -7);
    mistaken(lib, q, CV_E_RANGE, "the offset of a query cannot be -7", NULL);
}

static void lists_beyond_the_engine_are_refused_with_a_hint(void **state)
{
    library *lib = *state;
    static int64_t keys[100000];
    int64_t count;
    for (size_t i = 0; i < 100000; i++)
        keys[i] = (int64_t)i;
    cv_query *q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 100000);
    mistaken(lib, q, CV_E_LIMIT, "100000 values", "several queries");
    q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 40000);
    assert_int_equal(cv_count(lib->cx, q, &count), CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(lib->cx)->hint, "several queries"));
    cv_error_clear(lib->cx);
    library_fill(lib);
    q = cv_objects(lib->cx, book);
    cv_in(q, "id", keys, 30000);
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
    assert_int_equal(count, 5);
}

static void a_query_may_cross_many_relations_but_not_endlessly(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    static const char *const names[] = {"id", "id", "id", "id", "id", "id", "id", "id", "id", "id", "id", "id",
                                        "id", "id", "id", "id", "id", "id", "id", "id", "id", "id", "id", "id",
                                        "id", "id", "id", "id", "id", "id", "id", "id", "id", NULL};
    cv_order_by_names(q, names);
    mistaken(lib, q, CV_E_LIMIT, "at most 32 fields", NULL);
}

static void a_copy_is_independent(void **state)
{
    library *lib = *state;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author", 1);
    cv_order_by(q, "id");
    cv_query *copy = cv_query_copy(lib->cx, q);
    cv_filter(copy, "pages__gt", 5);
    cv_limit(copy, 1);
    assert_books(lib, copy, "1");
    assert_books(lib, q, "1,2");
    cv_filter(q, "title", "Earthsea");
    assert_books(lib, q, "2");
    assert_books(lib, copy, "1");
}

static void a_query_runs_several_times_and_outlives_its_values(void **state)
{
    library *lib = *state;
    char title[] = "Beowulf";
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "title", title);
    memset(title, 'x', sizeof title - 1);
    assert_books(lib, q, "4");
    assert_books(lib, q, "4");
}

static void a_query_of_another_model_is_refused(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, author);
    struct book b, *books;
    size_t count;
    cv_iterator *it;
    assert_fails(lib->cx, cv_all(lib->cx, q, book, &books, &count), CV_E_TYPE, "model \"author\"");
    assert_fails(lib->cx, cv_first(lib->cx, q, book, &b), CV_E_TYPE, "model \"author\"");
    assert_fails(lib->cx, cv_iterate(lib->cx, q, book, &it), CV_E_TYPE, "model \"author\"");
}

static void without_a_registry_or_database(void **state)
{
    library *lib = *state;
    struct book b;
    int64_t count;
    cv_use_db(lib->cx, NULL);
    assert_fails(lib->cx, cv_get(lib->cx, book, &b, 1), CV_E_NO_DATABASE, "");
    assert_fails(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, book), &count), CV_E_NO_DATABASE, "");
    cv_use_registry(lib->cx, NULL);
    assert_fails(lib->cx, cv_get(lib->cx, book, &b, 1), CV_E_MODEL, "no registry");
    mistaken(lib, cv_objects(lib->cx, book), CV_E_MODEL, "no registry", "cv_registry_add");
}

/* ---- running ---- */

static void get_finds_by_primary_key(void **state)
{
    library *lib = *state;
    struct book b = {.counter = 77};
    struct country c;
    library_fill(lib);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 3));
    assert_string_equal(b.title, "Vingt mille lieues");
    assert_int_equal(b.pages.value, 720);
    assert_int_equal(b.author_id, 2);
    assert_null(b.author);
    assert_null(b.summary);
    assert_int_equal(b.counter, 77);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, "4"));
    assert_string_equal(b.title, "Beowulf");
    assert_ok(lib->cx, cv_get(lib->cx, country, &c, "fr"));
    assert_string_equal(c.name, "France");
}

static void get_says_what_is_missing(void **state)
{
    library *lib = *state;
    struct book b = {.id = 5};
    assert_fails(lib->cx, cv_get(lib->cx, book, &b, 99), CV_E_NOT_FOUND, "no \"book\" with \"id\" 99");
    assert_fails(lib->cx, cv_get(lib->cx, book, &b, "x"), CV_E_TYPE, "the key of model \"book\"");
    assert_fails(lib->cx, cv_get(lib->cx, book, &b, CV_NULL), CV_E_TYPE, "the key of model \"book\"");
    assert_int_equal(b.id, 5);
}

static void one_wants_exactly_one(void **state)
{
    library *lib = *state;
    struct book b = {.title = "before"};
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author", 1);
    assert_fails(lib->cx, cv_one(lib->cx, q, book, &b), CV_E_MULTIPLE, "more than one \"book\"");
    assert_string_equal(b.title, "before");
    cv_filter(q, "pages", 341);
    assert_ok(lib->cx, cv_one(lib->cx, q, book, &b));
    assert_int_equal(b.id, 1);
    cv_filter(q, "pages", 342);
    assert_fails(lib->cx, cv_one(lib->cx, q, book, &b), CV_E_NOT_FOUND, "no \"book\" matches");
}

static void first_goes_by_order_or_primary_key(void **state)
{
    library *lib = *state;
    struct book b;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    assert_ok(lib->cx, cv_first(lib->cx, q, book, &b));
    assert_int_equal(b.id, 1);
    cv_order_by(q, "-price");
    assert_ok(lib->cx, cv_first(lib->cx, q, book, &b));
    assert_int_equal(b.id, 3);
    cv_offset(q, 1);
    assert_ok(lib->cx, cv_first(lib->cx, q, book, &b));
    assert_int_equal(b.id, 1);
    cv_limit(q, 0);
    assert_fails(lib->cx, cv_first(lib->cx, q, book, &b), CV_E_NOT_FOUND, "no \"book\" matches");
}

static void all_of_nothing_is_an_empty_array(void **state)
{
    library *lib = *state;
    struct book *books = NULL;
    size_t count = 7;
    assert_ok(lib->cx, cv_all(lib->cx, cv_objects(lib->cx, book), book, &books, &count));
    assert_int_equal(count, 0);
    assert_non_null(books);
}

static void count_and_exists_ignore_order_and_relations_but_not_slices(void **state)
{
    library *lib = *state;
    int64_t count;
    bool found;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_order_by(q, "editor__name");
    cv_select_related(q, "author");
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
    assert_int_equal(count, 5);
    cv_limit(q, 2);
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
    assert_int_equal(count, 2);
    cv_offset(q, 4);
    assert_ok(lib->cx, cv_count(lib->cx, q, &count));
    assert_int_equal(count, 1);
    assert_ok(lib->cx, cv_exists(lib->cx, q, &found));
    assert_true(found);
    cv_offset(q, 5);
    assert_ok(lib->cx, cv_exists(lib->cx, q, &found));
    assert_false(found);
}

static void delete_all_deletes_what_matches(void **state)
{
    library *lib = *state;
    int64_t count;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "pages__gt", 300);
    assert_ok(lib->cx, cv_delete_all(lib->cx, q, &count));
    assert_int_equal(count, 2);
    q = cv_objects(lib->cx, book);
    cv_filter(q, "author__name", "Anonymous");
    cv_filter(q, "editor__name__isnull", true);
    assert_ok(lib->cx, cv_delete_all(lib->cx, q, &count));
    assert_int_equal(count, 1);
    cv_query *rest = cv_objects(lib->cx, book);
    cv_order_by(rest, "id");
    assert_books(lib, rest, "2,5");
    cv_limit(rest, 1);
    assert_fails(lib->cx, cv_delete_all(lib->cx, rest, &count), CV_E_STATE, "with a limit or an offset");
}

static void update_all_sets_what_matches(void **state)
{
    library *lib = *state;
    int64_t count;
    struct book b;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author__country__name", "United States");
    assert_ok(lib->cx, cv_update_all(lib->cx, q, (const char *const[]){"price", "summary"},
                                     (const cv_value[]){CV_VALUE("3.25"), CV_NULL}, 2, &count));
    assert_int_equal(count, 2);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 1));
    assert_int_equal(cv_decimal_compare(b.price, library_decimal("3.25")), 0);
    assert_null(b.summary);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 3));
    assert_int_equal(cv_decimal_compare(b.price, library_decimal("12")), 0);
}

static void update_all_checks_what_it_sets(void **state)
{
    library *lib = *state;
    cv_query *q = cv_objects(lib->cx, book);
    static const char *const price[] = {"price"}, *const typo[] = {"prise"}, *const title[] = {"title"};
    assert_fails(lib->cx, cv_update_all(lib->cx, q, typo, (cv_value[]){CV_VALUE(1)}, 1, NULL), CV_E_FIELD, "prise");
    assert_fails(lib->cx, cv_update_all(lib->cx, q, price, (cv_value[]){CV_VALUE("x")}, 1, NULL), CV_E_TYPE, "price");
    assert_fails(lib->cx, cv_update_all(lib->cx, q, price, (cv_value[]){CV_VALUE(-1)}, 1, NULL), CV_E_VALIDATION,
                 "must be at least 0");
    assert_fails(lib->cx, cv_update_all(lib->cx, q, title, (cv_value[]){CV_NULL}, 1, NULL), CV_E_VALIDATION, "null");
    assert_fails(lib->cx, cv_update_all(lib->cx, q, title, NULL, 0, NULL), CV_E_INVALID, "cannot set 0 fields");
    cv_offset(q, 1);
    assert_fails(lib->cx, cv_update_all(lib->cx, q, price, (cv_value[]){CV_VALUE(1)}, 1, NULL), CV_E_STATE, "offset");
}

static void a_passed_deadline_ends_a_query(void **state)
{
    library *lib = *state;
    struct book b, *books;
    size_t count;
    library_fill(lib);
    int64_t former = cv_ctx_set_deadline_ns(lib->cx, cv_now_ns(lib->cx) - 1);
    assert_int_equal(cv_get(lib->cx, book, &b, 1), CV_E_TIMEOUT);
    cv_error_clear(lib->cx);
    assert_int_equal(cv_all(lib->cx, cv_objects(lib->cx, book), book, &books, &count), CV_E_TIMEOUT);
    cv_error_clear(lib->cx);
    cv_ctx_restore_deadline_ns(lib->cx, former);
    assert_ok(lib->cx, cv_get(lib->cx, book, &b, 1));
}

struct listed {
    int64_t id;
    const char *name;
};
CV_MODEL(listed, "authors", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_ORDERING("-name"))

static void a_model_may_have_an_order_of_its_own(void **state)
{
    library *lib = *state;
    struct listed *all, first;
    size_t count;
    library_fill(lib);
    cv_registry *registry = cv_registry_new(lib->cx);
    assert_ok(lib->cx, cv_registry_add(lib->cx, registry, "other", listed_model()));
    assert_ok(lib->cx, cv_registry_check(lib->cx, registry));
    cv_use_registry(lib->cx, registry);
    assert_ok(lib->cx, cv_all(lib->cx, cv_objects(lib->cx, listed), listed, &all, &count));
    assert_string_equal(all[0].name, "Ursula");
    assert_string_equal(all[2].name, "Anonymous");
    cv_query *q = cv_objects(lib->cx, listed);
    cv_order_by(q, "name");
    assert_ok(lib->cx, cv_first(lib->cx, q, listed, &first));
    assert_string_equal(first.name, "Anonymous");
    cv_use_registry(lib->cx, lib->registry);
    cv_registry_free(registry);
}

/* Building and running, with what a request might do. */
static int build_and_run(library *lib)
{
    struct book *books, b = {.id = 1};
    size_t count;
    int64_t number;
    cv_query *q = cv_objects(lib->cx, book);
    cv_any_begin(q);
    cv_filter(q, "author__name__icontains", "URSULA");
    cv_in(q, "id", ((int64_t[]){1, 2, 3}), 3);
    cv_group_end(q);
    cv_exclude(q, "pages", 7);
    cv_range(q, "price", 0, 100);
    cv_order_by(q, "-editor__name");
    cv_select_related(q, "author__country");
    cv_query *copy = cv_query_copy(lib->cx, q);
    CV_TRY(cv_all(lib->cx, copy, book, &books, &count));
    CV_TRY(cv_count(lib->cx, q, &number));
    CV_TRY(cv_get(lib->cx, book, &b, 1));
    return cv_save(lib->cx, book, &b);
}

static void memory_may_end_anywhere(void **state)
{
    library *lib = *state;
    cv_arena *arena = cv_ctx_arena(lib->cx);
    size_t limit = cv_arena_get_stats(arena).limit_bytes, failures = 0;
    int rc = -1;
    library_fill(lib);
    for (size_t more = 0; rc < 0 && more < 200000; more += 200)
        CV_SCOPE(lib->cx)
        {
            cv_arena_set_limit(arena, 1);
            for (size_t bytes = 4096; bytes >= 16; bytes /= 2)
                while (cv_arena_alloc(arena, bytes))
                    continue;
            cv_arena_set_limit(arena, cv_arena_get_stats(arena).reserved_bytes + more);
            rc = build_and_run(lib);
            failures += rc < 0;
            if (rc < 0 && rc != CV_E_NOMEM && rc != CV_E_LIMIT)
                fail_msg("got %s with %zu bytes: %s", cv_error_name(rc), more, cv_error_last(lib->cx)->message);
            cv_error_clear(lib->cx);
            cv_arena_set_limit(arena, limit);
        }
    assert_int_equal(rc, 0);
    assert_true(failures > 20);
    assert_int_equal(cv_db_pool_stats(lib->db, 0).borrowed, 0);
    assert_int_equal(cv_db_pool_stats(lib->db, 1).borrowed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, library_setup, library_teardown)
        TEST(unknown_names_get_a_suggestion),
        TEST(unknown_names_in_order_and_relations),
        TEST(values_of_the_wrong_type_are_refused),
        TEST(the_first_mistake_is_kept_and_told_by_whatever_runs),
        TEST(groups_must_be_balanced_and_bounded),
        TEST(twenty_levels_of_groups_run),
        TEST(slices_cannot_be_negative),
        TEST(lists_beyond_the_engine_are_refused_with_a_hint),
        TEST(a_query_may_cross_many_relations_but_not_endlessly),
        TEST(a_copy_is_independent),
        TEST(a_query_runs_several_times_and_outlives_its_values),
        TEST(a_query_of_another_model_is_refused),
        TEST(without_a_registry_or_database),
        TEST(get_finds_by_primary_key),
        TEST(get_says_what_is_missing),
        TEST(one_wants_exactly_one),
        TEST(first_goes_by_order_or_primary_key),
        TEST(all_of_nothing_is_an_empty_array),
        TEST(count_and_exists_ignore_order_and_relations_but_not_slices),
        TEST(delete_all_deletes_what_matches),
        TEST(update_all_sets_what_matches),
        TEST(update_all_checks_what_it_sets),
        TEST(a_passed_deadline_ends_a_query),
        TEST(a_model_may_have_an_order_of_its_own),
        TEST(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
