/* Objects into tables in bulk and out of them, and the round trip through files: on every engine, and across engines.
 */
#include "library.h"

#include <covet/copy_formats.h>
#include <covet/copy_objects.h>

/* ---- what is copied ---- */

enum { SAMPLES = 3 };

static cv_uuid uuid_of(uint8_t last)
{
    return (cv_uuid){{1, 2, 3, 4, 5, 6, 0x70, 8, 0x89, 10, 11, 12, 13, 14, 15, last}};
}

static struct sample full_sample(void)
{
    return (struct sample){.id = uuid_of(1),
                           .a_bool = true,
                           .an_i16 = INT16_MIN,
                           .an_i32 = INT32_MAX,
                           .an_i64 = INT64_MIN,
                           .a_f64 = -0.1,
                           .a_decimal = library_decimal("12345678901234.5"),
                           .a_long_decimal = library_decimal("-1234567890123456789012345678.0123456789"),
                           .a_text = "a \"quoted\", text; \\N\n with lines\r\n and \xC3\xA4",
                           .a_str = CV_STR(" blanks "),
                           .some_bytes = {(const uint8_t *)"\x00\xFF\\x", 4},
                           .a_json = {CV_STR("{\"a\": [1, \"\\n\"]}")},
                           .a_time = {1763719200000001},
                           .a_date = {-1},
                           .a_uuid = uuid_of(9),
                           .o_bool = CV_SOME(false),
                           .o_i16 = CV_SOME(-1),
                           .o_i32 = CV_SOME(0),
                           .o_i64 = CV_SOME(7),
                           .o_f64 = CV_SOME(1e300),
                           .o_decimal = {library_decimal("0"), true},
                           .o_text = "",
                           .o_str = CV_STR("\\."),
                           .o_bytes = {(const uint8_t *)"", 0},
                           .o_json = {CV_STR("[]")},
                           .o_time = {{-1}, true},
                           .o_date = {{20000}, true},
                           .o_uuid = {uuid_of(7), true}};
}

/* One with everything, one with NULL wherever it can be, one plain. */
static void make_samples(struct sample samples[SAMPLES])
{
    samples[0] = full_sample();
    samples[1] = (struct sample){.id = uuid_of(2),
                                 .a_decimal = library_decimal("0"),
                                 .a_long_decimal = library_decimal("0"),
                                 .a_text = "",
                                 .a_str = CV_STR(""),
                                 .some_bytes = {(const uint8_t *)"", 0},
                                 .a_json = {CV_STR("null")}};
    samples[2] = full_sample();
    samples[2].id = uuid_of(3);
    samples[2].a_text = "plain";
    samples[2].a_json = (cv_json){CV_STR("\"text\"")};
}

/* ---- copying ---- */

static void copy_samples_in(library *lib)
{
    struct sample samples[SAMPLES];
    cv_copy_source source;
    cv_copy_result result;
    make_samples(samples);
    assert_ok(lib->cx, cv_objects_source(lib->cx, sample, samples, SAMPLES, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "samples", &source, NULL, &result));
    assert_int_equal(result.rows, SAMPLES);
}

static void sink_of(library *lib, const char *format, cv_output *output, cv_copy_sink *ret_sink)
{
    if (strcmp(format, "csv") == 0)
        assert_ok(lib->cx, cv_csv_sink(lib->cx, output, NULL, ret_sink));
    else
        assert_ok(lib->cx, cv_json_lines_sink(lib->cx, output, ret_sink));
}

/* Lines in the order of their keys are texts that can be compared: rows of a query, in an order. */
static void copy_out(library *lib, const char *format, cv_buf *out)
{
    cv_output *output;
    cv_copy_sink sink;
    cv_buf_init(out, 0);
    assert_ok(lib->cx, cv_output_memory(lib->cx, out, NULL, &output));
    sink_of(lib, format, output, &sink);
    assert_ok(lib->cx, cv_copy_out(lib->cx, "samples", &sink, NULL, NULL));
    assert_ok(lib->cx, cv_output_finish(lib->cx, output));
}

static void copy_in(library *lib, const char *format, cv_str text)
{
    cv_input *input;
    cv_copy_source source;
    assert_ok(lib->cx, cv_delete_all(lib->cx, cv_objects(lib->cx, sample), NULL));
    assert_ok(lib->cx, cv_input_memory(lib->cx, text, "copy", &input));
    if (strcmp(format, "csv") == 0)
        assert_ok(lib->cx, cv_csv_source(lib->cx, input, NULL, &source));
    else
        assert_ok(lib->cx, cv_json_lines_source(lib->cx, input, NULL, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "samples", &source, NULL, NULL));
}

static void assert_same_text(const cv_buf *a, const cv_buf *b)
{
    assert_string_equal(a->data, b->data);
    assert_int_equal(a->len, b->len);
}

/* ---- cases on one engine ---- */

static void files_bring_back_the_rows(library *lib, const char *format)
{
    cv_buf first, again;
    copy_samples_in(lib);
    copy_out(lib, format, &first);
    copy_in(lib, format, cv_buf_str(&first));
    copy_out(lib, format, &again);
    assert_same_text(&first, &again);
    cv_buf_done(&first);
    cv_buf_done(&again);
}

static void csv_brings_back_the_rows(library *lib)
{
    files_bring_back_the_rows(lib, "csv");
}

static void json_lines_bring_back_the_rows(library *lib)
{
    /* The JSON null is the one value that they have no other text for than NULL has. */
    struct sample samples[SAMPLES];
    cv_copy_source source;
    cv_buf first, again;
    make_samples(samples);
    samples[1].a_json = (cv_json){CV_STR("{}")};
    assert_ok(lib->cx, cv_objects_source(lib->cx, sample, samples, SAMPLES, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "samples", &source, NULL, NULL));
    copy_out(lib, "jsonl", &first);
    copy_in(lib, "jsonl", cv_buf_str(&first));
    copy_out(lib, "jsonl", &again);
    assert_same_text(&first, &again);
    cv_buf_done(&first);
    cv_buf_done(&again);
}

static void objects_are_stored_as_cv_save_stores_them(library *lib)
{
    struct sample found, wanted = full_sample();
    copy_samples_in(lib);
    assert_ok(lib->cx, cv_get(lib->cx, sample, &found, uuid_of(1)));
    assert_int_equal(found.an_i64, wanted.an_i64);
    assert_int_equal(cv_decimal_compare(found.a_long_decimal, wanted.a_long_decimal), 0);
    assert_string_equal(found.a_text, wanted.a_text);
    assert_true(cv_str_equal(found.a_str, wanted.a_str));
    assert_int_equal(found.some_bytes.len, 4);
    assert_int_equal(found.a_time.us, wanted.a_time.us);
    assert_int_equal(found.a_date.days, wanted.a_date.days);
    assert_true(found.o_text && !*found.o_text);
    assert_ok(lib->cx, cv_get(lib->cx, sample, &found, uuid_of(2)));
    assert_false(found.o_i64.set);
    assert_null(found.o_text);
}

static void the_database_makes_the_keys_where_the_objects_have_none(library *lib)
{
    struct author authors[] = {{.name = "A"}, {.name = "B"}, {.name = "C"}};
    cv_copy_source source;
    int64_t count;
    assert_ok(lib->cx, cv_objects_source(lib->cx, author, authors, 3, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "authors", &source, NULL, NULL));
    assert_int_equal(authors[0].id, 0);
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, author), &count));
    assert_int_equal(count, 3);
    authors[1].id = 77;
    assert_ok(lib->cx, cv_objects_source(lib->cx, author, authors, 3, &source));
    assert_fails(lib->cx, cv_copy_in(lib->cx, "authors", &source, NULL, NULL), CV_E_INVALID,
                 "object 2 has a key, the first has none");
    authors[0].id = 76;
    assert_ok(lib->cx, cv_objects_source(lib->cx, author, authors, 3, &source));
    assert_fails(lib->cx, cv_copy_in(lib->cx, "authors", &source, NULL, NULL), CV_E_INVALID,
                 "object 3 has no key, the first has one");
    assert_ok(lib->cx, cv_count(lib->cx, cv_objects(lib->cx, author), &count));
    assert_int_equal(count, 3);
}

static void objects_are_validated_and_times_are_now(library *lib)
{
    struct author who = {.name = "A"};
    struct book found,
        books[] = {{.title = "good", .price = library_decimal("1")}, {.title = "bad", .price = library_decimal("-1")}};
    cv_copy_source source;
    cv_time before = cv_time_now();
    assert_ok(lib->cx, cv_save(lib->cx, author, &who));
    books[0].author_id = books[1].author_id = who.id;
    assert_ok(lib->cx, cv_objects_source(lib->cx, book, books, 2, &source));
    int rc = cv_copy_in(lib->cx, "books", &source, NULL, NULL);
    assert_int_equal(rc, CV_E_VALIDATION);
    assert_string_equal(cv_error_last(lib->cx)->detail, "object 2");
    cv_error_clear(lib->cx);
    assert_ok(lib->cx, cv_objects_source(lib->cx, book, books, 1, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "books", &source, NULL, NULL));
    cv_query *q = cv_objects(lib->cx, book);
    assert_ok(lib->cx, cv_one(lib->cx, q, book, &found));
    assert_true(found.published.us >= before.us && found.updated.us >= before.us);
}

static int give_countries(cv_ctx *cx, void *arg, void **ret_object)
{
    static struct country countries[] = {{"us", "United States"}, {"fr", "France"}};
    size_t *at = arg;
    (void)cx;
    if (*at == 2)
        return 0;
    *ret_object = &countries[(*at)++];
    return 1;
}

struct gathered {
    int count;
    char codes[32];
    int fails_at;
};

static int gather_country(cv_ctx *cx, void *arg, void *object)
{
    struct gathered *gathered = arg;
    const struct country *one = object;
    if (++gathered->count == gathered->fails_at)
        return cv_fail(cx, CV_E_CLOSED, "enough");
    strcat(gathered->codes, one->code);
    return 0;
}

static void objects_are_made_when_due_and_handed_out_one_by_one(library *lib)
{
    size_t at = 0;
    cv_copy_source source;
    cv_copy_sink sink;
    struct gathered gathered = {0}, impatient = {.fails_at = 2};
    assert_ok(lib->cx, cv_each_source(lib->cx, country_model(), give_countries, &at, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "countries", &source, NULL, NULL));
    assert_ok(lib->cx, cv_each_sink(lib->cx, country_model(), gather_country, &gathered, &sink));
    assert_ok(lib->cx, cv_copy_out(lib->cx, "countries", &sink, NULL, NULL));
    assert_int_equal(gathered.count, 2);
    assert_true(strcmp(gathered.codes, "usfr") == 0 || strcmp(gathered.codes, "frus") == 0);
    assert_ok(lib->cx, cv_each_sink(lib->cx, country_model(), gather_country, &impatient, &sink));
    assert_fails(lib->cx, cv_copy_out(lib->cx, "countries", &sink, NULL, NULL), CV_E_CLOSED, "enough");
    static const char *const one_column[] = {"name"};
    const cv_copy_options part = {.columns = one_column, .column_count = 1};
    assert_ok(lib->cx, cv_each_sink(lib->cx, country_model(), gather_country, &gathered, &sink));
    assert_fails(lib->cx, cv_copy_out(lib->cx, "countries", &sink, &part, NULL), CV_E_FIELD,
                 "the rows have no column \"code\", which the model \"country\" has");
}

static void no_objects_are_no_rows(library *lib)
{
    cv_copy_source source;
    cv_copy_result result;
    assert_ok(lib->cx, cv_objects_source(lib->cx, author, (struct author *)NULL, 0, &source));
    assert_ok(lib->cx, cv_copy_in(lib->cx, "authors", &source, NULL, &result));
    assert_int_equal(result.rows, 0);
}

/* ---- across engines ---- */

static const char *const engines[] = {"sqlite", "postgres", "mariadb"};
enum { ENGINES = sizeof engines / sizeof engines[0] };

/* What one engine writes is what every other writes, and reads. */
static void a_file_is_the_same_whatever_the_engine(void **state)
{
    (void)state;
    cv_buf from_first = {0};
    for (size_t i = 0; i < ENGINES; i++) {
        library lib;
        if (!library_open(&lib, engines[i]))
            continue;
        cv_buf own, back;
        copy_samples_in(&lib);
        copy_out(&lib, "csv", &own);
        if (!from_first.data) {
            from_first = own;
        } else {
            assert_same_text(&own, &from_first);
            copy_in(&lib, "csv", cv_buf_str(&from_first));
            copy_out(&lib, "csv", &back);
            assert_same_text(&back, &from_first);
            cv_buf_done(&own);
            cv_buf_done(&back);
        }
        library_close(&lib);
    }
    cv_buf_done(&from_first);
}

#define CASES(X)                                                                                                       \
    X(csv_brings_back_the_rows)                                                                                        \
    X(json_lines_bring_back_the_rows)                                                                                  \
    X(objects_are_stored_as_cv_save_stores_them)                                                                       \
    X(the_database_makes_the_keys_where_the_objects_have_none)                                                         \
    X(objects_are_validated_and_times_are_now)                                                                         \
    X(objects_are_made_when_due_and_handed_out_one_by_one)                                                             \
    X(no_objects_are_no_rows)

static void run_on(const char *engine, void (*test)(library *lib))
{
    library lib;
    if (!library_open(&lib, engine))
        skip();
    test(&lib);
    library_close(&lib);
}

#define DEFINE(name)                                                                                                   \
    static void sqlite_##name(void **state)                                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_on("sqlite", name);                                                                                        \
    }                                                                                                                  \
    static void postgres_##name(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_on("postgres", name);                                                                                      \
    }                                                                                                                  \
    static void mariadb_##name(void **state)                                                                           \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_on("mariadb", name);                                                                                       \
    }
CASES(DEFINE)

#define LIST(name) cmocka_unit_test(sqlite_##name), cmocka_unit_test(postgres_##name), cmocka_unit_test(mariadb_##name),

int main(void)
{
    const struct CMUnitTest tests[] = {CASES(LIST) cmocka_unit_test(a_file_is_the_same_whatever_the_engine)};
    return cmocka_run_group_tests_name("copy_objects", tests, NULL, NULL);
}
