#include "http/request.h"
#include "http/response.h"
#include "test.h"
#include <covet/covet.h>

struct country {
    int64_t id;
    char *name;
};

struct author {
    int64_t id;
    char *name;
    char *password;
    cv_opt_i64 country_id;
    struct country *country;
};

struct book {
    int64_t id;
    char *title;
    cv_opt_bool sold;
    cv_opt_i64 pages;
    cv_opt_f64 weight;
    cv_opt_decimal price;
    cv_opt_time published;
    cv_opt_date day;
    cv_opt_uuid token;
    cv_json extra;
    cv_bytes cover;
    int64_t author_id;
    struct author *author;
};

CV_MODEL(country, "countries", CV_ID(id), CV_CHAR(name, .max_length = 100))
CV_MODEL(author, "authors", CV_ID(id), CV_CHAR(name, .max_length = 100),
         CV_CHAR(password, .max_length = 100, .hidden = true), CV_FOREIGN_KEY(country, country))
CV_MODEL(book, "books", CV_ID(id), CV_TEXT(title), CV_BOOLEAN(sold), CV_INTEGER(pages), CV_FLOAT(weight),
         CV_DECIMAL(price, .digits = 20, .places = 4), CV_DATETIME(published), CV_DATE(day), CV_UUID(token),
         CV_JSON(extra, .null = true), CV_BINARY(cover, .null = true), CV_FOREIGN_KEY(author, author))

static cv_ctx *cx;
static cv_registry *registry;
static cv_db *db;
static cv_response res;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "shop", country_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "shop", author_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "shop", book_model()));
    assert_ok(cx, cv_registry_check(cx, registry));
    cv_use_registry(cx, registry);
    assert_ok(cx, cv_db_open(cx, "sqlite::memory:", NULL, &db));
    cv_use_db(cx, db);
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE countries (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"));
    assert_ok(cx, cv_exec(cx, NULL,
                          "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, password TEXT, "
                          "country_id INTEGER) STRICT"));
    assert_ok(cx, cv_exec(cx, NULL,
                          "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, sold INTEGER, pages "
                          "INTEGER, weight REAL, price TEXT, published INTEGER, day INTEGER, token BLOB, extra TEXT, "
                          "cover BLOB, author_id INTEGER) STRICT"));
    cv__response_init(cx, &res, CV_GET, 1, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cv_use_db(cx, NULL);
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    cv_registry_free(registry);
    return 0;
}

static const char *body(void)
{
    return cv_response_body(&res)->data;
}

static struct author le_guin(void)
{
    return (struct author){.name = cv_strdup(cx, "Le Guin"), .password = cv_strdup(cx, "x")};
}

static void add_books(int count)
{
    struct author author = le_guin();
    assert_ok(cx, cv_save(cx, author, &author));
    for (int i = 1; i <= count; i++) {
        struct book b = {.title = cv_sprintf(cx, "b%02d", i), .author_id = author.id};
        assert_ok(cx, cv_save(cx, book, &b));
    }
}

static void test_every_type_is_written(void **state)
{
    (void)state;
    struct book b = {.id = 1,
                     .title = cv_strdup(cx, "A \"Wizard\"\n"),
                     .sold = {true, true},
                     .pages = {INT64_C(9007199254740993), true},
                     .weight = {0.1, true},
                     .cover = {(const uint8_t *)"\0\1\2", 3},
                     .extra = {CV_STR("{\"a\":1}")},
                     .author_id = 4};
    b.price.set = b.published.set = b.day.set = b.token.set = true;
    assert_int_equal(cv_decimal_parse(CV_STR("1234567890123456.7890"), &b.price.value), 0);
    assert_int_equal(cv_time_parse(CV_STR("2026-11-21T04:05:06.000007Z"), &b.published.value), 0);
    b.day.value = cv_date_of(b.published.value);
    memset(&b.token.value, 0x5a, sizeof b.token.value);
    assert_ok(cx, cv_reply(cx, &res, 201, book, &b));
    assert_int_equal(cv_response_get_status(&res), 201);
    assert_true(cv_str_equal(cv_response_get_header(&res, "content-type"), CV_STR("application/json")));
    assert_string_equal(body(), "{\"id\":1,\"title\":\"A \\\"Wizard\\\"\\n\",\"sold\":true,\"pages\":9007199254740993,"
                                "\"weight\":0.1,\"price\":1234567890123456.7890,"
                                "\"published\":\"2026-11-21T04:05:06.000007Z\",\"day\":\"2026-11-21\","
                                "\"token\":\"5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a\",\"extra\":{\"a\":1},"
                                "\"cover\":\"AAEC\",\"author_id\":4}");
}

static void test_null_is_written_as_null(void **state)
{
    (void)state;
    struct book b = {.author_id = 4};
    assert_ok(cx, cv_reply(cx, &res, 200, book, &b));
    assert_string_equal(body(), "{\"id\":0,\"title\":null,\"sold\":null,\"pages\":null,\"weight\":null,\"price\":null,"
                                "\"published\":null,\"day\":null,\"token\":null,\"extra\":null,\"cover\":null,"
                                "\"author_id\":4}");
}

static void test_loaded_relations_are_nested_and_hidden_fields_left_out(void **state)
{
    (void)state;
    struct country country = {.id = 7, .name = cv_strdup(cx, "US")};
    struct author author = le_guin();
    author.country_id = (cv_opt_i64){7, true};
    author.country = &country;
    assert_ok(cx, cv_reply(cx, &res, 200, author, &author));
    assert_string_equal(body(),
                        "{\"id\":0,\"name\":\"Le Guin\",\"country_id\":7,\"country\":{\"id\":7,\"name\":\"US\"}}");
}

static void test_an_object_in_a_reply_of_ones_own_shape(void **state)
{
    (void)state;
    struct country country = {.id = 7, .name = cv_strdup(cx, "US")};
    cv_json_writer w;
    assert_ok(cx, cv_reply_json(cx, &res, 202, &w));
    cv_json_array_start(&w);
    assert_ok(cx, cv_write_object(cx, &w, country, &country));
    cv_json_array_end(&w);
    assert_string_equal(body(), "[{\"id\":7,\"name\":\"US\"}]");
    assert_int_equal(cv_response_get_status(&res), 202);
}

static void test_all_objects_of_a_query(void **state)
{
    (void)state;
    add_books(2);
    cv_query *q = cv_objects(cx, book);
    cv_order_by(q, "-title");
    cv_select_related(q, "author");
    assert_ok(cx, cv_reply_all(cx, &res, q));
    const char *first = strstr(body(), "\"b02\""), *second = strstr(body(), "\"b01\"");
    assert_true(first && second && first < second);
    assert_non_null(strstr(body(), "\"author_id\":1,\"author\":{\"id\":1,\"name\":\"Le Guin\",\"country_id\":null}}"));
    assert_null(strstr(body(), "password"));
    assert_ok(cx, cv_json_check(cx, cv_buf_str(cv_response_body(&res)), NULL));
}

static void test_every_type_of_a_row_is_written_as_of_an_object(void **state)
{
    (void)state;
    struct book b = {.title = cv_strdup(cx, "A \"Wizard\"\n"),
                     .sold = {true, true},
                     .pages = {INT64_C(9007199254740993), true},
                     .weight = {0.1, true},
                     .cover = {(const uint8_t *)"\0\1\2", 3},
                     .extra = {CV_STR("{\"a\":1}")},
                     .author_id = 4};
    b.price.set = b.published.set = b.day.set = b.token.set = true;
    assert_int_equal(cv_decimal_parse(CV_STR("1234567890123456.7890"), &b.price.value), 0);
    assert_int_equal(cv_time_parse(CV_STR("2026-11-21T04:05:06.000007Z"), &b.published.value), 0);
    b.day.value = cv_date_of(b.published.value);
    struct book empty = {.title = cv_strdup(cx, ""), .author_id = 4};
    assert_ok(cx, cv_save(cx, book, &b));
    assert_ok(cx, cv_save(cx, book, &empty));
    assert_ok(cx, cv_reply(cx, &res, 200, book, &b));
    const char *first = cv_strdup(cx, body());
    assert_ok(cx, cv_reply(cx, &res, 200, book, &empty));
    const char *second = cv_strdup(cx, body());
    cv_query *q = cv_objects(cx, book);
    cv_order_by(q, "id");
    assert_ok(cx, cv_reply_all(cx, &res, q));
    assert_string_equal(body(), cv_sprintf(cx, "[%s,%s]", first, second));
}

static void test_a_row_without_a_related_object_is_without_its_member(void **state)
{
    (void)state;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO countries VALUES (7, 'US')"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO authors VALUES (1, 'A', 'x', 7), (2, 'B', 'x', NULL)"));
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (id, title, author_id) VALUES (1, 'a', 1), (2, 'b', 2)"));
    cv_query *q = cv_objects(cx, book);
    cv_order_by(q, "id");
    cv_select_related(q, "author__country");
    assert_ok(cx, cv_reply_all(cx, &res, q));
    assert_non_null(strstr(body(), "\"author_id\":1,\"author\":{\"id\":1,\"name\":\"A\",\"country_id\":7,"
                                   "\"country\":{\"id\":7,\"name\":\"US\"}}},"));
    assert_non_null(strstr(body(), "\"author_id\":2,\"author\":{\"id\":2,\"name\":\"B\",\"country_id\":null}}]"));
}

static void test_a_row_that_its_model_cannot_hold_is_an_error(void **state)
{
    (void)state;
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO books (id, title) VALUES (1, 'a')"));
    assert_fails(cx, cv_reply_all(cx, &res, cv_objects(cx, book)), CV_E_NOT_NULL, "author_id");
    assert_ok(cx, cv_exec(cx, NULL, "UPDATE books SET author_id = 1, title = 'a' || char(0) || 'b'"));
    assert_fails(cx, cv_reply_all(cx, &res, cv_objects(cx, book)), CV_E_INVALID, "NUL");
}

static void test_no_objects_are_an_empty_array(void **state)
{
    (void)state;
    assert_ok(cx, cv_reply_all(cx, &res, cv_objects(cx, book)));
    assert_string_equal(body(), "[]");
}

static void test_a_mistake_in_the_query_comes_before_any_reply(void **state)
{
    (void)state;
    cv_query *q = cv_objects(cx, book);
    cv_filter(q, "titel", "x");
    assert_fails(cx, cv_reply_all(cx, &res, q), CV_E_FIELD, "titel");
    assert_false(cv_response_is_made(&res));
}

static void test_a_missing_table_is_an_error(void **state)
{
    (void)state;
    assert_ok(cx, cv_exec(cx, NULL, "DROP TABLE books"));
    assert_fails(cx, cv_reply_all(cx, &res, cv_objects(cx, book)), CV_E_SQL, "books");
}

static void test_a_reply_over_one_mebibyte_is_refused_with_advice(void **state)
{
    (void)state;
    char *large = cv_alloc(cx, 700001);
    assert_non_null(large);
    memset(large, 'x', 700000);
    large[700000] = '\0';
    for (int i = 0; i < 2; i++) {
        struct book b = {.title = large, .author_id = 1};
        assert_ok(cx, cv_save(cx, book, &b));
    }
    assert_int_equal(cv_reply_all(cx, &res, cv_objects(cx, book)), CV_E_LIMIT);
    assert_non_null(strstr(cv_error_last(cx)->message, "1 MiB"));
    assert_non_null(strstr(cv_error_last(cx)->hint, "cv_reply_page"));
    cv_error_clear(cx);
    int64_t count; /* the rows were given back: the connection serves again */
    assert_ok(cx, cv_count(cx, cv_objects(cx, book), &count));
    assert_int_equal(count, 2);
}

static const char *page(int64_t number, int64_t limit)
{
    cv_query *q = cv_objects(cx, book);
    cv_order_by(q, "title");
    cv__response_reset(&res);
    assert_ok(cx, cv_reply_page(cx, &res, q, number, limit));
    assert_ok(cx, cv_json_check(cx, cv_buf_str(cv_response_body(&res)), NULL));
    return body();
}

static void test_pages_cover_everything_once(void **state)
{
    (void)state;
    add_books(5);
    const char *const last = "{\"count\":5,\"page\":3,\"pages\":3,\"limit\":2,\"results\":[{\"id\":5,";
    assert_non_null(strstr(page(1, 2), "{\"count\":5,\"page\":1,\"pages\":3,\"limit\":2,\"results\":[{\"id\":1,"));
    assert_null(strstr(body(), "b03"));
    assert_true(strstr(page(2, 2), "b03") && strstr(body(), "b04") && !strstr(body(), "b05"));
    assert_non_null(strstr(page(3, 2), last));
    assert_non_null(strstr(page(1, 5), "\"pages\":1,"));
}

static void test_bounds_of_pages(void **state)
{
    (void)state;
    assert_string_equal(page(1, 10), "{\"count\":0,\"page\":1,\"pages\":0,\"limit\":10,\"results\":[]}");
    add_books(1);
    cv_query *q = cv_objects(cx, book);
    assert_fails(cx, cv_reply_page(cx, &res, q, 2, 10), CV_E_NOT_FOUND, "there is no page 2");
    assert_fails(cx, cv_reply_page(cx, &res, q, INT64_MAX, 10), CV_E_NOT_FOUND, "the last is 1");
    assert_fails(cx, cv_reply_page(cx, &res, q, 0, 10), CV_E_RANGE, "positive");
    assert_fails(cx, cv_reply_page(cx, &res, q, 1, 0), CV_E_RANGE, "positive");
}

static int read_page(const char *query, int64_t *ret_page, int64_t *ret_limit)
{
    static const cv__parser_limits limits = {.max_header_bytes = 16384, .max_headers = 100, .max_body_bytes = 4096};
    cv__parser parser;
    cv__parser_init(&parser, &limits);
    size_t size;
    char *room = cv__parser_room(&parser, &size);
    assert_non_null(room);
    int len = snprintf(room, size, "GET /?%s HTTP/1.0\r\n\r\n", query);
    assert_int_equal(cv__parser_feed(&parser, (size_t)len), CV__PARSE_DONE);
    cv_request req;
    assert_ok(cx, cv__request_init(cx, &req, &parser, NULL));
    int rc = cv_query_page(&req, 50, 200, ret_page, ret_limit);
    cv__parser_done(&parser);
    return rc;
}

static void test_page_and_limit_from_the_query_string(void **state)
{
    (void)state;
    int64_t number, limit;
    assert_ok(cx, read_page("", &number, &limit));
    assert_true(number == 1 && limit == 50);
    assert_ok(cx, read_page("page=3&limit=200", &number, &limit));
    assert_true(number == 3 && limit == 200);
    const char *const bad[][2] = {{"page=0", "page"},   {"page=x", "page"},     {"page=9223372036854775807", "page"},
                                  {"limit=0", "limit"}, {"limit=201", "limit"}, {"limit=", "limit"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_page(bad[i][0], &number, &limit), CV_E_VALIDATION);
        assert_int_equal(cv_error_last(cx)->field_count, 1);
        assert_string_equal(cv_error_last(cx)->fields[0].field, bad[i][1]);
        cv_error_clear(cx);
    }
}

/* The connection would be held while the client reads. */
static int reply_inside_a_transaction(void)
{
    struct country country = {.id = 7};
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_reply(cx, &res, 200, country, &country));
    }
    return 0;
}

static void test_no_reply_inside_a_transaction(void **state)
{
    (void)state;
    assert_fails(cx, reply_inside_a_transaction(), CV_E_IN_TRANSACTION, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_type_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_null_is_written_as_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loaded_relations_are_nested_and_hidden_fields_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_object_in_a_reply_of_ones_own_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_objects_of_a_query, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_type_of_a_row_is_written_as_of_an_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_without_a_related_object_is_without_its_member, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_that_its_model_cannot_hold_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_objects_are_an_empty_array, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_mistake_in_the_query_comes_before_any_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_missing_table_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_over_one_mebibyte_is_refused_with_advice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_cover_everything_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds_of_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_and_limit_from_the_query_string, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_reply_inside_a_transaction, setup, teardown),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
