/* What must be the same on every engine: each case runs on SQLite, and on PostgreSQL and
 * MariaDB where a test server is at hand. */
#include "library.h"

#include <math.h>

/* ---- look-ups: every one, on required and nullable columns, directly and across relations ---- */

typedef struct lookup_case {
    const char *path;
    const char *text; /* NULL: the number */
    int number;
    const char *kept;     /* by cv_filter, ordered by key */
    const char *excluded; /* by cv_exclude: all others, those with NULL included */
} lookup_case;

static const lookup_case lookup_cases[] = {
    {"title", "Earthsea", 0, "2", "1,3,4,5"},
    {"title__exact", "earthsea", 0, "", "1,2,3,4,5"},
    {"title__iexact", "eARTHSEA", 0, "2", "1,3,4,5"},
    {"title__contains", "sea", 0, "2", "1,3,4,5"},
    {"title__contains", "SEA", 0, "", "1,2,3,4,5"},
    {"title__icontains", "SEA", 0, "2", "1,3,4,5"},
    {"title__icontains", "\xc3\xa9T\xc3\x89", 0, "5", "1,2,3,4"},
    {"title__startswith", "The", 0, "1", "2,3,4,5"},
    {"title__startswith", "the", 0, "", "1,2,3,4,5"},
    {"title__istartswith", "tHE", 0, "1", "2,3,4,5"},
    {"title__endswith", "wulf", 0, "4", "1,2,3,5"},
    {"title__iendswith", "WULF", 0, "4", "1,2,3,5"},
    {"title__contains", "%", 0, "5", "1,2,3,4"},
    {"title__contains", "_", 0, "5", "1,2,3,4"},
    {"title__endswith", "100%_x", 0, "5", "1,2,3,4"},
    {"title__contains", "", 0, "1,2,3,4,5", ""},
    {"summary", "", 0, "5", "1,2,3,4"},
    {"summary__icontains", "WORLDS", 0, "1", "2,3,4,5"},
    {"summary__startswith", "Two", 0, "1", "2,3,4,5"},
    {"summary__endswith", "worlds", 0, "1", "2,3,4,5"},
    {"summary__isnull", NULL, 1, "2,3,4", "1,5"},
    {"summary__isnull", NULL, 0, "1,5", "2,3,4"},
    {"title__isnull", NULL, 1, "", "1,2,3,4,5"},
    {"pages", NULL, 100, "4", "1,2,3,5"},
    {"pages__gt", NULL, 341, "3", "1,2,4,5"},
    {"pages__gte", NULL, 341, "1,3", "2,4,5"},
    {"pages__lt", NULL, 341, "4", "1,2,3,5"},
    {"pages__lte", NULL, 341, "1,4", "2,3,5"},
    {"pages__in", NULL, 341, "1", "2,3,4,5"},
    {"pages__isnull", NULL, 1, "2,5", "1,3,4"},
    {"price", "9.99", 0, "1", "2,3,4,5"},
    {"price__gt", "7.25", 0, "1,3", "2,4,5"},
    {"price__lte", NULL, 7, "2,4", "1,3,5"},
    {"available", NULL, 1, "1,2", "3,4,5"},
    {"author", NULL, 3, "4,5", "1,2,3"},
    {"author_id", NULL, 3, "4,5", "1,2,3"},
    {"author__pk__gt", NULL, 1, "3,4,5", "1,2"},
    {"editor", NULL, 3, "5", "1,2,3,4"},
    {"editor__isnull", NULL, 1, "2,4", "1,3,5"},
    {"editor__id__isnull", NULL, 0, "1,3,5", "2,4"},
    {"author__name", "Jules", 0, "3", "1,2,4,5"},
    {"author__name__istartswith", "URS", 0, "1,2", "3,4,5"},
    {"author__email__isnull", NULL, 1, "4,5", "1,2,3"},
    {"author__email__contains", "jules", 0, "3", "1,2,4,5"},
    {"author__country", "us", 0, "1,2", "3,4,5"},
    {"author__country__name", "France", 0, "3", "1,2,4,5"},
    {"author__country__isnull", NULL, 1, "4,5", "1,2,3"},
    {"author__country__name__isnull", NULL, 1, "4,5", "1,2,3"},
    {"editor__name", "Jules", 0, "1", "2,3,4,5"},
    {"editor__name__gt", "B", 0, "1,3", "2,4,5"},
    {"editor__email__isnull", NULL, 1, "2,4,5", "1,3"},
    {"editor__country__name__icontains", "states", 0, "3", "1,2,4,5"},
};

static void look_ups_find_the_same_everywhere(library *lib)
{
    library_fill(lib);
    for (size_t i = 0; i < sizeof lookup_cases / sizeof lookup_cases[0]; i++) {
        const lookup_case *c = &lookup_cases[i];
        cv_value value = c->text ? cv_value_text(c->text) : cv_value_i64(c->number);
        cv_query *kept = cv_objects(lib->cx, book), *others = cv_objects(lib->cx, book);
        cv_filter(kept, c->path, value);
        cv_order_by(kept, "id");
        cv_exclude(others, c->path, value);
        cv_order_by(others, "id");
        const char *found = library_books(lib, kept), *rest = library_books(lib, others);
        if (strcmp(found, c->kept) != 0 || strcmp(rest, c->excluded) != 0)
            fail_msg("%s %s %d: kept \"%s\", excluded \"%s\"", c->path, c->text ? c->text : "", c->number, found, rest);
    }
}

static void lists_and_ranges(library *lib)
{
    cv_ctx *cx = lib->cx;
    library_fill(lib);
    cv_query *q = cv_objects(cx, book);
    cv_in(q, "author__country", ((const char *[]){"us", "fr", "xx"}), 3);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,2,3");
    q = cv_objects(cx, book);
    cv_in(q, "pages", ((cv_value[]){CV_NULL, CV_VALUE(100), CV_VALUE("341")}), 3);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,4");
    q = cv_objects(cx, book);
    cv_in(q, "price", ((double[]){9.99, 5.5}), 2);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,2");
    q = cv_objects(cx, book);
    cv_in(q, "id", ((int32_t[]){5, 4, 4}), 3);
    cv_order_by(q, "-id");
    assert_books(lib, q, "5,4");
    q = cv_objects(cx, book);
    cv_in(q, "title", ((cv_str[]){CV_STR("Beowulf")}), 1);
    assert_books(lib, q, "4");
    q = cv_objects(cx, book);
    cv_in(q, "id", ((int64_t[]){1}), 0);
    assert_books(lib, q, "");
    q = cv_objects(cx, book);
    cv_range(q, "price", "5.50", "9.99");
    cv_order_by(q, "price");
    assert_books(lib, q, "2,5,1");
    q = cv_objects(cx, book);
    cv_range(q, "editor__name", "A", "K");
    cv_order_by(q, "id");
    assert_books(lib, q, "1,5");
    cv_uuid id = cv_uuid_v4();
    struct sample *none;
    size_t count;
    q = cv_objects(cx, sample);
    cv_in(q, "id", &id, 1);
    assert_ok(cx, cv_all(cx, q, sample, &none, &count));
    assert_int_equal(count, 0);
}

static void groups_and_exclusions(library *lib)
{
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_any_begin(q);
    cv_filter(q, "editor__name", "Jules");
    cv_filter(q, "title__startswith", "Beo");
    cv_group_end(q);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,4");
    q = cv_objects(lib->cx, book);
    cv_exclude_begin(q);
    cv_filter(q, "pages__gt", 50);
    cv_filter(q, "available", false);
    cv_group_end(q);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,2,5");
    q = cv_objects(lib->cx, book);
    cv_exclude_begin(q);
    cv_any_begin(q);
    cv_filter(q, "editor__country", "us");
    cv_exclude(q, "author__country__name", "France");
    cv_group_end(q);
    cv_group_end(q);
    cv_order_by(q, "id");
    assert_books(lib, q, "");
}

static void order_puts_null_last_and_crosses_relations(library *lib)
{
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_order_by(q, "pages", "id");
    assert_books(lib, q, "4,1,3,2,5");
    cv_order_by(q, "-pages", "-id");
    assert_books(lib, q, "5,2,3,1,4");
    cv_order_by(q, "author__country__name", "-id");
    assert_books(lib, q, "3,2,1,5,4");
    cv_order_by(q, "editor__id", "id");
    assert_books(lib, q, "3,1,5,2,4");
    cv_limit(q, 2);
    cv_offset(q, 1);
    assert_books(lib, q, "1,5");
    q = cv_objects(lib->cx, book);
    cv_order_by(q, "id");
    cv_offset(q, 3);
    assert_books(lib, q, "4,5");
}

/* ---- values ---- */

static struct sample full_sample(void)
{
    static const uint8_t bytes[] = {0, 1, 0xff, 0};
    return (struct sample){
        .id = cv_uuid_v4(),
        .a_bool = true,
        .an_i16 = INT16_MIN,
        .an_i32 = INT32_MAX,
        .an_i64 = INT64_MIN,
        .a_f64 = -0.1,
        .a_decimal = library_decimal("-12345678901234.5678"),
        .a_long_decimal = library_decimal("9999999999999999999999999999.9999999999"),
        .a_text = "it's \"quoted\" \xe2\x82\xac %_\\",
        .a_str = CV_STR("a view"),
        .some_bytes = {bytes, sizeof bytes},
        .a_json = {CV_STR("{\"a\":1}")},
        .a_time = {CV_TIME_MAX_US},
        .a_date = {-719162},
        .a_uuid = cv_uuid_v7(),
        .o_bool = CV_SOME(false),
        .o_i16 = CV_SOME(INT16_MAX),
        .o_i32 = CV_SOME(INT32_MIN),
        .o_i64 = CV_SOME(INT64_MAX),
        .o_f64 = CV_SOME(1e300),
        .o_decimal = CV_SOME(library_decimal("0.0001")),
        .o_text = "",
        .o_str = CV_STR(""),
        .o_bytes = {bytes, 0},
        .o_json = {CV_STR("[]")},
        .o_time = CV_SOME(((cv_time){CV_TIME_MIN_US})),
        .o_date = CV_SOME(((cv_date){0})),
        .o_uuid = CV_SOME(cv_uuid_v4()),
    };
}

static void every_type_comes_back_as_it_went(library *lib)
{
    struct sample in = full_sample(), out;
    assert_ok(lib->cx, cv_insert(lib->cx, sample, &in));
    assert_ok(lib->cx, cv_get(lib->cx, sample, &out, in.id));
    assert_true(out.a_bool);
    assert_int_equal(out.an_i16, INT16_MIN);
    assert_int_equal(out.an_i32, INT32_MAX);
    assert_true(out.an_i64 == INT64_MIN);
    assert_true(out.a_f64 == -0.1);
    assert_int_equal(cv_decimal_compare(out.a_decimal, in.a_decimal), 0);
    assert_int_equal(cv_decimal_compare(out.a_long_decimal, in.a_long_decimal), 0);
    assert_string_equal(out.a_text, in.a_text);
    assert_true(cv_str_equal(out.a_str, in.a_str));
    assert_int_equal(out.some_bytes.len, 4);
    assert_memory_equal(out.some_bytes.ptr, in.some_bytes.ptr, 4);
    assert_true(cv_str_find(out.a_json.text, CV_STR("\"a\"")) >= 0);
    assert_true(out.a_time.us == CV_TIME_MAX_US);
    assert_int_equal(out.a_date.days, -719162);
    assert_memory_equal(&out.a_uuid, &in.a_uuid, 16);
    assert_true(out.o_bool.set && !out.o_bool.value);
    assert_true(out.o_i16.set && out.o_i16.value == INT16_MAX);
    assert_true(out.o_i32.set && out.o_i32.value == INT32_MIN);
    assert_true(out.o_i64.set && out.o_i64.value == INT64_MAX);
    assert_true(out.o_f64.set && out.o_f64.value == 1e300);
    assert_true(out.o_decimal.set && cv_decimal_compare(out.o_decimal.value, in.o_decimal.value) == 0);
    assert_string_equal(out.o_text, "");
    assert_true(out.o_str.ptr && out.o_str.len == 0);
    assert_true(out.o_bytes.ptr && out.o_bytes.len == 0);
    assert_true(cv_str_equal(out.o_json.text, CV_STR("[]")));
    assert_true(out.o_time.set && out.o_time.value.us == CV_TIME_MIN_US);
    assert_true(out.o_date.set && out.o_date.value.days == 0);
    assert_true(out.o_uuid.set);
    assert_memory_equal(&out.o_uuid.value, &in.o_uuid.value, 16);
}

static void null_comes_back_as_null(library *lib)
{
    struct sample in = full_sample(), out = full_sample();
    memset((char *)&in + offsetof(struct sample, o_bool), 0, sizeof in - offsetof(struct sample, o_bool));
    assert_ok(lib->cx, cv_save(lib->cx, sample, &in));
    assert_ok(lib->cx, cv_get(lib->cx, sample, &out, in.id));
    assert_false(out.o_bool.set || out.o_i16.set || out.o_i32.set || out.o_i64.set || out.o_f64.set);
    assert_false(out.o_decimal.set || out.o_time.set || out.o_date.set || out.o_uuid.set);
    assert_null(out.o_text);
    assert_null(out.o_str.ptr);
    assert_null(out.o_bytes.ptr);
    assert_null(out.o_json.text.ptr);
}

static void values_are_found_by_every_type(library *lib)
{
    struct sample in = full_sample(), out;
    int64_t count;
    assert_ok(lib->cx, cv_insert(lib->cx, sample, &in));
#define FOUND(path, value)                                                                                             \
    do {                                                                                                               \
        cv_query *q = cv_objects(lib->cx, sample);                                                                     \
        cv_filter(q, path, value);                                                                                     \
        assert_ok(lib->cx, cv_count(lib->cx, q, &count));                                                              \
        assert_int_equal(count, 1);                                                                                    \
    } while (0)
    FOUND("an_i16", in.an_i16);
    FOUND("an_i64__lt", 0);
    FOUND("a_f64__lt", 0);
    FOUND("a_decimal", in.a_decimal);
    FOUND("a_decimal__lt", -5);
    FOUND("a_long_decimal", in.a_long_decimal);
    FOUND("a_long_decimal__gt", "9999999999999999999999999999.9999999998");
    FOUND("a_text", in.a_text);
    FOUND("a_str", in.a_str);
    FOUND("some_bytes", in.some_bytes);
    FOUND("a_time", in.a_time);
    FOUND("a_date__lte", in.a_date);
    FOUND("a_uuid", in.a_uuid);
    FOUND("o_bool", in.o_bool.value);
    FOUND("o_json__isnull", false);
    FOUND("pk", in.id);
    cv_query *q = cv_objects(lib->cx, sample);
    cv_order_by(q, "-a_long_decimal");
    assert_ok(lib->cx, cv_first(lib->cx, q, sample, &out));
}

/* Texts that were written to break out of statements go in and come out, and are found again. */
static void hostile_texts_are_only_texts(library *lib)
{
    const char *folder = getenv("COVET_CORPORA");
    char path[512], line[1024];
    size_t tried = 0;
    snprintf(path, sizeof path, "%s/sqli/payloads.txt", folder ? folder : ".");
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("# skipped: there is no %s\n", path);
        return;
    }
    assert_ok(lib->cx, cv_insert(lib->cx, author, &((struct author){.name = "A"})));
    while (fgets(line, sizeof line, file) && tried < 400) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line || !cv_utf8_valid(cv_str_of(line)) || cv_utf8_length(cv_str_of(line)) > 200)
            continue;
        CV_SCOPE(lib->cx)
        {
            struct book b = {.title = line, .summary = line, .author_id = 1}, found;
            assert_ok(lib->cx, cv_insert(lib->cx, book, &b));
            cv_query *q = cv_objects(lib->cx, book);
            cv_filter(q, "title", line);
            cv_filter(q, "title__icontains", line);
            cv_filter(q, "summary__startswith", line);
            cv_filter(q, "summary__endswith", line);
            cv_filter(q, "id", b.id);
            assert_ok(lib->cx, cv_one(lib->cx, q, book, &found));
            assert_string_equal(found.summary, line);
        }
        tried++;
    }
    fclose(file);
    int64_t count;
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, book), &count));
    assert_int_equal(count, tried);
    assert_true(tried > 50);
}

/* ---- writing ---- */

static void constraints_name_their_place(library *lib)
{
    cv_ctx *cx = lib->cx;
    struct author a = {.name = "A", .email = "a@example.org"}, same = a;
    struct book b = {.title = "B", .author_id = 99};
    assert_ok(cx, cv_save(cx, author, &a));
    assert_int_equal(cv_save(cx, author, &same), CV_E_UNIQUE);
    assert_string_equal(cv_error_last(cx)->table, "authors");
    assert_int_equal(same.id, 0);
    cv_error_clear(cx);
    assert_int_equal(cv_save(cx, book, &b), CV_E_FOREIGN_KEY);
    assert_int_equal(b.id, 0);
    assert_int_equal(b.published.us, 0);
    cv_error_clear(cx);
    assert_int_equal(cv_insert(cx, author, &((struct author){.id = a.id, .name = "again"})), CV_E_UNIQUE);
    cv_error_clear(cx);
    b.author_id = a.id;
    assert_ok(cx, cv_save(cx, book, &b));
    assert_int_equal(cv_delete(cx, author, &a), CV_E_FOREIGN_KEY);
    cv_error_clear(cx);
    assert_ok(cx, cv_delete(cx, book, &b));
    assert_ok(cx, cv_delete(cx, author, &a));
}

static void the_database_makes_keys(library *lib)
{
    struct author authors[150] = {0};
    struct bare alone = {0}, several[3] = {0};
    for (size_t i = 0; i < 150; i++)
        authors[i].name = "x";
    assert_ok(lib->cx, cv_bulk_create(lib->cx, author, authors, 150));
    for (size_t i = 0; i < 150; i++)
        assert_int_equal(authors[i].id, i + 1);
    assert_ok(lib->cx, cv_save(lib->cx, bare, &alone));
    assert_ok(lib->cx, cv_bulk_create(lib->cx, bare, several, 3));
    assert_int_equal(alone.id, 1);
    assert_int_equal(several[2].id, 4);
    assert_ok(lib->cx, cv_save(lib->cx, bare, &several[2]));
}

static void changes_are_counted(library *lib)
{
    int64_t count;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "editor__isnull", false);
    assert_ok(lib->cx, cv_update_all(lib->cx, q, (const char *const[]){"editor", "pages"},
                                     (const cv_value[]){CV_NULL, CV_VALUE(7)}, 2, &count));
    assert_int_equal(count, 3);
    q = cv_objects(lib->cx, book);
    cv_filter(q, "author__country__name__startswith", "F");
    assert_ok(lib->cx, cv_delete_all(lib->cx, q, &count));
    assert_int_equal(count, 1);
    q = cv_objects(lib->cx, book);
    cv_filter(q, "pages", 7);
    cv_order_by(q, "id");
    assert_books(lib, q, "1,5");
}

static void changes_cross_relations(library *lib)
{
    int64_t count;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_filter(q, "author__country__name__startswith", "United");
    cv_filter(q, "pages__gt", 100);
    assert_ok(lib->cx, cv_update_all(lib->cx, q, (const char *const[]){"pages", "summary"},
                                     (const cv_value[]){CV_VALUE(1), CV_VALUE("crossed")}, 2, &count));
    assert_int_equal(count, 1);
    assert_ok(lib->cx,
              cv_update_all(lib->cx, q, (const char *const[]){"pages"}, (const cv_value[]){CV_VALUE(1)}, 1, &count));
    assert_int_equal(count, 0);
    q = cv_objects(lib->cx, book);
    cv_exclude(q, "editor__name", "Jules");
    assert_ok(lib->cx, cv_delete_all(lib->cx, q, &count));
    assert_int_equal(count, 4);
    q = cv_objects(lib->cx, book);
    cv_filter(q, "summary", "crossed");
    assert_books(lib, q, "1");
}

static void relations_are_loaded_by_joins(library *lib)
{
    struct book *books;
    size_t count;
    library_fill(lib);
    cv_query *q = cv_objects(lib->cx, book);
    cv_select_related(q, "author__country", "editor");
    cv_order_by(q, "id");
    assert_ok(lib->cx, cv_all(lib->cx, q, book, &books, &count));
    assert_int_equal(count, 5);
    assert_string_equal(books[0].author->country->name, "United States");
    assert_string_equal(books[0].editor->name, "Jules");
    assert_null(books[0].editor->country);
    assert_null(books[1].editor);
    assert_null(books[3].author->country);
}

/* ---- running them ---- */

typedef void engine_case(library *lib);

static void on(const char *engine, engine_case *run)
{
    library lib;
    if (!library_open(&lib, engine)) {
        skip();
        return;
    }
    run(&lib);
    library_close(&lib);
}

#define CASES(X)                                                                                                       \
    X(look_ups_find_the_same_everywhere)                                                                               \
    X(lists_and_ranges)                                                                                                \
    X(groups_and_exclusions)                                                                                           \
    X(order_puts_null_last_and_crosses_relations)                                                                      \
    X(every_type_comes_back_as_it_went)                                                                                \
    X(null_comes_back_as_null)                                                                                         \
    X(values_are_found_by_every_type)                                                                                  \
    X(hostile_texts_are_only_texts)                                                                                    \
    X(constraints_name_their_place)                                                                                    \
    X(the_database_makes_keys)                                                                                         \
    X(changes_are_counted)                                                                                             \
    X(changes_cross_relations)                                                                                         \
    X(relations_are_loaded_by_joins)

#define DEFINE(name)                                                                                                   \
    static void sqlite_##name(void **state)                                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        on("sqlite", name);                                                                                            \
    }                                                                                                                  \
    static void postgres_##name(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        on("postgres", name);                                                                                          \
    }                                                                                                                  \
    static void mariadb_##name(void **state)                                                                           \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        on("mariadb", name);                                                                                           \
    }
CASES(DEFINE)
#define LIST(name) cmocka_unit_test(sqlite_##name), cmocka_unit_test(postgres_##name), cmocka_unit_test(mariadb_##name),

int main(void)
{
    const struct CMUnitTest tests[] = {CASES(LIST)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
