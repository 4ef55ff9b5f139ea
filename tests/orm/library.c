#include "library.h"
#include "folder.h"
#include "mariadb_server.h"
#include "orm_tables.h"
#include "postgres_server.h"

CV_MODEL(country, "countries", CV_CHAR(code, .max_length = 2, .primary_key = true), CV_CHAR(name, .max_length = 50))

CV_MODEL(author, "authors", CV_ID(id), CV_CHAR(name, .max_length = 100, .index = true),
         CV_CHAR(email, .max_length = 100, .null = true, .unique = true), CV_DATE(born),
         CV_FOREIGN_KEY(country, country, .null = true, .on_delete = CV_SET_NULL))

CV_MODEL(book, "books", CV_ID(id), CV_CHAR(title, .max_length = 200),
         CV_DECIMAL(price, .digits = 8, .places = 2, .min = "0"), CV_INTEGER(pages, .max = "5000"),
         CV_BOOLEAN(available, .default_value = "true"), CV_TEXT(summary, .null = true),
         CV_DATETIME(published, .auto_now_add = true), CV_DATETIME(updated, .auto_now = true),
         CV_FOREIGN_KEY(author, author, .on_delete = CV_PROTECT),
         CV_FOREIGN_KEY(editor, author, .on_delete = CV_SET_NULL))

CV_MODEL(sample, "samples", CV_UUID(id, .primary_key = true), CV_BOOLEAN(a_bool), CV_INTEGER(an_i16),
         CV_INTEGER(an_i32), CV_INTEGER(an_i64), CV_FLOAT(a_f64), CV_DECIMAL(a_decimal, .digits = 18, .places = 4),
         CV_DECIMAL(a_long_decimal, .digits = 38, .places = 10), CV_CHAR(a_text, .max_length = 1000), CV_TEXT(a_str),
         CV_BINARY(some_bytes), CV_JSON(a_json), CV_DATETIME(a_time), CV_DATE(a_date), CV_UUID(a_uuid),
         CV_BOOLEAN(o_bool), CV_INTEGER(o_i16), CV_INTEGER(o_i32), CV_INTEGER(o_i64), CV_FLOAT(o_f64),
         CV_DECIMAL(o_decimal, .digits = 18, .places = 4), CV_TEXT(o_text, .null = true), CV_TEXT(o_str, .null = true),
         CV_BINARY(o_bytes, .null = true), CV_JSON(o_json, .null = true), CV_DATETIME(o_time), CV_DATE(o_date),
         CV_UUID(o_uuid))

CV_MODEL(bare, "bare", CV_ID(id))

static void add_models(library *lib)
{
    lib->registry = cv_registry_new(lib->cx);
    assert_non_null(lib->registry);
    assert_ok(lib->cx, cv_registry_add(lib->cx, lib->registry, "library", country_model()));
    assert_ok(lib->cx, cv_registry_add(lib->cx, lib->registry, "library", author_model()));
    assert_ok(lib->cx, cv_registry_add(lib->cx, lib->registry, "library", book_model()));
    assert_ok(lib->cx, cv_registry_add(lib->cx, lib->registry, "library", sample_model()));
    assert_ok(lib->cx, cv_registry_add(lib->cx, lib->registry, "library", bare_model()));
    assert_ok(lib->cx, cv_registry_check(lib->cx, lib->registry));
    cv_use_registry(lib->cx, lib->registry);
}

static bool choose_url(library *lib, const char *engine)
{
    if (strcmp(engine, "postgres") == 0)
        return test_database_create("orm", lib->url);
    if (strcmp(engine, "mariadb") == 0)
        return test_mariadb_create("orm", lib->url);
    test_folder_make(lib->folder);
    snprintf(lib->url, sizeof lib->url, "sqlite:///%s/test.db", lib->folder);
    return true;
}

bool library_open(library *lib, const char *engine)
{
    memset(lib, 0, sizeof *lib);
    if (!choose_url(lib, engine))
        return false;
    assert_int_equal(cv_runtime_new(NULL, &lib->cx), 0);
    assert_ok(lib->cx, cv_db_open(lib->cx, lib->url, NULL, &lib->db));
    cv_use_db(lib->cx, lib->db);
    add_models(lib);
    assert_ok(lib->cx, test_create_tables(lib->cx, lib->registry));
    return true;
}

void library_close(library *lib)
{
    cv_db_close(lib->cx, lib->db);
    cv_runtime_free(lib->cx);
    cv_registry_free(lib->registry);
    if (*lib->folder)
        test_folder_remove(lib->folder);
    else if (strncmp(lib->url, "mysql", 5) == 0)
        test_mariadb_drop(lib->url);
    else
        test_database_drop(lib->url);
}

int library_setup(void **state)
{
    library *lib = calloc(1, sizeof *lib);
    if (!lib || !library_open(lib, "sqlite"))
        return -1;
    *state = lib;
    return 0;
}

int library_teardown(void **state)
{
    library_close(*state);
    free(*state);
    return 0;
}

cv_decimal library_decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return value;
}

void library_fill(library *lib)
{
    cv_ctx *cx = lib->cx;
    struct country countries[] = {{"us", "United States"}, {"fr", "France"}, {"gb", "Great Britain"}};
    struct author authors[] = {{.name = "Ursula", .email = "ursula@example.org", .country_id = "us"},
                               {.name = "Jules", .email = "jules@example.org", .country_id = "fr"},
                               {.name = "Anonymous"}};
    struct book books[] = {
        {.title = "The Dispossessed",
         .price = library_decimal("9.99"),
         .pages = CV_SOME(341),
         .available = true,
         .summary = "Two worlds",
         .author_id = 1,
         .editor_id = CV_SOME(2)},
        {.title = "Earthsea", .price = library_decimal("5.50"), .available = true, .author_id = 1},
        {.title = "Vingt mille lieues",
         .price = library_decimal("12"),
         .pages = CV_SOME(720),
         .author_id = 2,
         .editor_id = CV_SOME(1)},
        {.title = "Beowulf", .price = library_decimal("0"), .pages = CV_SOME(100), .author_id = 3},
        {.title = "\xc3\x89t\xc3\xa9 100%_x",
         .price = library_decimal("7.25"),
         .summary = "",
         .author_id = 3,
         .editor_id = CV_SOME(3)},
    };
    assert_ok(cx, cv_bulk_create(cx, country, countries, 3));
    assert_ok(cx, cv_bulk_create(cx, author, authors, 3));
    assert_ok(cx, cv_bulk_create(cx, book, books, 5));
    assert_int_equal(books[4].id, 5);
}

const char *library_books(library *lib, cv_query *q)
{
    struct book *books;
    size_t count;
    cv_buf out;
    cv_buf_init_arena(&out, cv_ctx_arena(lib->cx), 0);
    assert_ok(lib->cx, cv_all(lib->cx, q, book, &books, &count));
    for (size_t i = 0; i < count; i++)
        cv_buf_printf(&out, "%s%lld", i ? "," : "", (long long)books[i].id);
    return out.data ? out.data : "";
}
