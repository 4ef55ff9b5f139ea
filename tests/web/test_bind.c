#include "http/request.h"
#include "http/response.h"
#include "test.h"
#include <covet/web.h>

struct owner {
    int64_t id;
    char *name;
};

CV_MODEL(owner, "owners", CV_ID(id), CV_CHAR(name, .max_length = 20))

struct item {
    int64_t id;
    char *title;
    cv_str notes;
    char *code;
    bool active;
    cv_opt_bool checked;
    int16_t small;
    int32_t amount;
    cv_opt_i64 pages;
    cv_opt_f64 weight;
    cv_decimal price;
    cv_opt_time seen;
    cv_opt_date day;
    cv_opt_uuid token;
    cv_json extra;
    cv_bytes blob;
    char *status;
    char *secret;
    cv_time created;
    cv_time changed;
    int64_t owner_id;
    struct owner *owner;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(title, .max_length = 5), CV_TEXT(notes, .null = true),
         CV_CHAR(code, .max_length = 10, .read_only = true, .null = true), CV_BOOLEAN(active, .default_value = "true"),
         CV_BOOLEAN(checked), CV_INTEGER(small, .default_value = "7"),
         CV_INTEGER(amount, .min = "0", .max = "100", .default_value = "1"), CV_INTEGER(pages), CV_FLOAT(weight),
         CV_DECIMAL(price, .digits = 6, .places = 2, .min = "0"), CV_DATETIME(seen), CV_DATE(day), CV_UUID(token),
         CV_JSON(extra, .null = true), CV_BINARY(blob, .null = true),
         CV_CHAR(status, .max_length = 10, .default_value = "new"),
         CV_CHAR(secret, .max_length = 40, .hidden = true, .null = true), CV_DATETIME(created, .auto_now_add = true),
         CV_DATETIME(changed, .auto_now = true), CV_FOREIGN_KEY(owner, owner))

struct badge {
    cv_uuid id;
    bool valid;
};

CV_MODEL(badge, "badges", CV_UUID(id, .primary_key = true), CV_BOOLEAN(valid))

struct trip {
    int64_t id;
    cv_str_array tags;
    cv_i16_array scores;
    cv_date_range stay;
    cv_opt_i64_range seats;
};

CV_MODEL(trip, "trips", CV_ID(id), CV_ARRAY(tags, .max_length = 5, .default_value = "[]"),
         CV_ARRAY(scores, .null = true), CV_RANGE(stay), CV_RANGE(seats))

static const cv__parser_limits limits = {.max_header_bytes = 16384, .max_headers = 100, .max_body_bytes = 1 << 20};

static cv_ctx *cx;
static cv_registry *registry;
static cv__parser parser;
static cv_request request;
static struct item item;

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "shop", owner_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "shop", item_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "shop", badge_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "shop", trip_model()));
    assert_ok(cx, cv_registry_check(cx, registry));
    cv_use_registry(cx, registry);
    memset(&item, 0, sizeof item);
    memset(&parser, 0, sizeof parser);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cv__parser_done(&parser);
    cv_ctx_free(cx);
    cv_registry_free(registry);
    return 0;
}

/* Feed the whole text to the parser, as a connection would. */
static void feed(const char *text, size_t len)
{
    cv__parse state = CV__PARSE_MORE;
    while (len) {
        size_t room;
        char *at = cv__parser_room(&parser, &room);
        assert_non_null(at);
        size_t part = len < room ? len : room;
        memcpy(at, text, part);
        state = cv__parser_feed(&parser, part);
        while (state == CV__PARSE_HEAD)
            state = cv__parser_feed(&parser, 0);
        text += part;
        len -= part;
    }
    assert_int_equal(state, CV__PARSE_DONE);
}

static void post_as(const char *media_type, const char *body, size_t len)
{
    char *text = cv_alloc(cx, len + 256);
    assert_non_null(text);
    int head = snprintf(text, 256, "POST / HTTP/1.1\r\nHost: a\r\n%s%s%sContent-Length: %zu\r\n\r\n",
                        *media_type ? "Content-Type: " : "", media_type, *media_type ? "\r\n" : "", len);
    memcpy(text + head, body, len);
    cv__parser_done(&parser);
    cv__parser_init(&parser, &limits);
    feed(text, (size_t)head + len);
    assert_ok(cx, cv__request_init(cx, &request, &parser, NULL));
}

static int bind(const char *body)
{
    memset(&item, 0, sizeof item);
    post_as("application/json", body, strlen(body));
    return cv_bind_body(cx, &request, item, &item);
}

static int patch(const char *body, cv_fields *ret_set)
{
    post_as("application/merge-patch+json", body, strlen(body));
    return cv_bind_patch(cx, &request, item, &item, ret_set);
}

/* All bad fields as "field: message; ..."; the error is cleared. */
static const char *mistakes(int rc)
{
    static char text[8192];
    size_t len = 0;
    assert_int_equal(rc, CV_E_VALIDATION);
    const cv_error *error = cv_error_last(cx);
    assert_non_null(error);
    text[0] = '\0';
    for (size_t i = 0; i < error->field_count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %s", i ? "; " : "", error->fields[i].field,
                                error->fields[i].message);
    cv_error_clear(cx);
    return text;
}

/* The body with one more member beside what every item needs. */
static const char *mistakes_of(const char *member)
{
    return mistakes(bind(cv_sprintf(cx, "{\"title\": \"a\", \"price\": 1, \"owner_id\": 1, %s}", member)));
}

static void test_every_type_is_read(void **state)
{
    (void)state;
    assert_ok(cx, bind("{\"title\": \"caf\\u00e9\", \"notes\": \"a\\nb\", \"active\": false, \"checked\": true,"
                       " \"small\": -32768, \"amount\": 100, \"pages\": 9007199254740993, \"weight\": 1.5e2,"
                       " \"price\": 1234.50, \"seen\": \"2026-11-21T04:05:06.5Z\", \"day\": \"2026-11-21\","
                       " \"token\": \"00112233-4455-6677-8899-aabbccddeeff\", \"extra\": {\"a\": [1, 2]},"
                       " \"blob\": \"AAEC\", \"status\": \"old\", \"owner_id\": 3}"));
    assert_string_equal(item.title, "caf\xc3\xa9");
    assert_true(cv_str_equal(item.notes, CV_STR("a\nb")));
    assert_false(item.active);
    assert_true(item.checked.set && item.checked.value);
    assert_int_equal(item.small, -32768);
    assert_int_equal(item.amount, 100);
    assert_true(item.pages.set && item.pages.value == INT64_C(9007199254740993));
    assert_true(item.weight.set && item.weight.value == 150.0);
    cv_decimal price;
    assert_int_equal(cv_decimal_parse(CV_STR("1234.5"), &price), 0);
    assert_int_equal(cv_decimal_compare(item.price, price), 0);
    cv_time seen;
    assert_int_equal(cv_time_parse(CV_STR("2026-11-21T04:05:06.5Z"), &seen), 0);
    assert_true(item.seen.set && item.seen.value.us == seen.us);
    assert_true(item.day.set && item.day.value.days == cv_date_of(seen).days);
    assert_true(item.token.set && item.token.value.bytes[0] == 0 && item.token.value.bytes[15] == 0xff);
    assert_true(cv_str_equal(item.extra.text, CV_STR("{\"a\": [1, 2]}")));
    assert_int_equal(item.blob.len, 3);
    assert_memory_equal(item.blob.ptr, "\0\1\2", 3);
    assert_string_equal(item.status, "old");
    assert_int_equal(item.owner_id, 3);
    assert_null(item.owner);
}

static int bind_trip(const char *body, struct trip *trip)
{
    memset(trip, 0, sizeof *trip);
    post_as("application/json", body, strlen(body));
    return cv_bind_body(cx, &request, trip, trip);
}

static void test_arrays_and_ranges_are_read(void **state)
{
    (void)state;
    struct trip trip;
    assert_ok(cx, bind_trip("{\"tags\": [\"a\", null, \"\\u00e9\"], \"scores\": [1, -2],"
                            " \"stay\": {\"lower\": \"2026-01-02\", \"upper\": \"2026-01-05\"},"
                            " \"seats\": {\"lower\": 3, \"bounds\": \"(]\"}}",
                            &trip));
    assert_int_equal(trip.tags.count, 3);
    assert_true(trip.tags.nulls[1]);
    assert_string_equal(trip.tags.items[2].ptr, "\xc3\xa9");
    assert_int_equal(trip.scores.items[1], -2);
    assert_int_equal(trip.stay.upper.days - trip.stay.lower.days, 3);
    assert_int_equal(trip.stay.flags, CV_RANGE_LOWER_INCLUSIVE);
    assert_true(trip.seats.set);
    assert_int_equal(trip.seats.value.flags, CV_RANGE_UPPER_INFINITE);
    assert_ok(cx, bind_trip("{\"stay\": {\"empty\": true}, \"scores\": null, \"seats\": null}", &trip));
    assert_int_equal(trip.tags.count, 0);
    assert_non_null(trip.tags.items);
    assert_null(trip.scores.items);
    assert_false(trip.seats.set);
    assert_string_equal(
        mistakes(
            bind_trip("{\"tags\": [1], \"scores\": [99999], \"stay\": [1], \"seats\": {\"lower\": \"x\"}}", &trip)),
        "tags must be an array of texts; scores is out of range; stay must be an object with a range, not an array; "
        "seats must be an object with a range of integers");
    assert_string_equal(mistakes(bind_trip("{\"tags\": [\"too long\"], \"scores\": [[1]], \"stay\":"
                                           " {\"lower\": \"2026-01-02\", \"upper\": \"2026-01-01\"}}",
                                           &trip)),
                        "scores must have one dimension; tags must be at most 5 characters long; stay must not begin "
                        "behind its end");
}

static void test_missing_fields_take_defaults_or_stay_null(void **state)
{
    (void)state;
    assert_ok(cx, bind("{\"title\": \"a\", \"price\": \"0.01\", \"owner_id\": 1}"));
    assert_true(item.active);
    assert_int_equal(item.small, 7);
    assert_string_equal(item.status, "new");
    assert_false(item.checked.set || item.pages.set || item.seen.set || item.token.set);
    assert_null(item.notes.ptr);
    assert_null(item.secret);
}

static void test_null_is_taken_where_the_field_may_be_null(void **state)
{
    (void)state;
    assert_ok(cx, bind("{\"title\": \"a\", \"price\": 1, \"owner_id\": 1, \"pages\": null, \"notes\": null, "
                       "\"extra\": null, \"blob\": null, \"seen\": null}"));
    assert_false(item.pages.set || item.seen.set);
    assert_null(item.notes.ptr);
    assert_null(item.extra.text.ptr);
    assert_null(item.blob.ptr);
    assert_string_equal(mistakes_of("\"amount\": null"), "amount must be a whole number, not null");
}

static void test_required_fields_are_named(void **state)
{
    (void)state;
    assert_string_equal(mistakes(bind("{}")), "title is required; price is required; owner_id is required");
}

static void test_wrong_types_are_named_with_what_is_wanted(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"\"notes\": 5", "notes must be a string, not a number"},
        {"\"active\": 1", "active must be a boolean, not a number"},
        {"\"active\": \"true\"", "active must be a boolean, not a string"},
        {"\"amount\": \"5\"", "amount must be a whole number, not a string"},
        {"\"amount\": true", "amount must be a whole number, not a boolean"},
        {"\"amount\": 1.5", "amount must be a whole number, not a number with a fraction"},
        {"\"weight\": \"x\"", "weight must be a number, not a string"},
        {"\"seen\": 12", "seen must be a string with a time as in RFC 3339, not a number"},
        {"\"seen\": \"yesterday\"", "seen must be a string with a time as in RFC 3339"},
        {"\"day\": \"21.11.2026\"", "day must be a string with a date such as 2026-11-21"},
        {"\"token\": \"0011\"", "token must be a string with a UUID"},
        {"\"blob\": \"A\"", "blob must be a string in base64"},
        {"\"blob\": \"????\"", "blob must be a string in base64"},
        {"\"blob\": 7", "blob must be a string in base64, not a number"},
        {"\"notes\": {\"a\": {}}", "notes must be a string, not an object"},
        {"\"amount\": [1, [2]]", "amount must be a whole number, not an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(mistakes_of(cases[i][0]), cases[i][1]);
    assert_string_equal(mistakes(bind("{\"title\": \"a\", \"price\": \"1,5\", \"owner_id\": 1}")),
                        "price must be a decimal number, or a string with one");
    assert_string_equal(mistakes(bind("{\"title\": \"a\", \"price\": false, \"owner_id\": 1}")),
                        "price must be a decimal number, or a string with one, not a boolean");
}

static void test_numbers_out_of_range(void **state)
{
    (void)state;
    assert_string_equal(mistakes_of("\"small\": 32768"), "small is out of range");
    assert_string_equal(mistakes_of("\"pages\": 9223372036854775808"), "pages is out of range");
    assert_string_equal(mistakes_of("\"weight\": 1e999"), "weight is out of range");
    assert_string_equal(mistakes_of("\"amount\": -1, \"small\": 1"), "amount must be at least 0");
    assert_string_equal(mistakes_of("\"amount\": 101"), "amount must be at most 100");
    assert_string_equal(mistakes_of("\"day\": \"2026-02-30\""), "day is out of range");
    assert_non_null(strstr(mistakes_of("\"seen\": \"9999-12-31T23:59:59-23:00\""), "seen "));
    const char *const prices[][2] = {
        {"-0.01", "price must be at least 0"},
        {"0.001", "price must have at most 2 digits after the point"},
        {"12345", "price must have at most 4 digits before the point"},
        {"1e99", "price is out of range"},
        {"\"1e99\"", "price is out of range"},
    };
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++)
        assert_string_equal(
            mistakes(bind(cv_sprintf(cx, "{\"title\": \"a\", \"owner_id\": 1, \"price\": %s}", prices[i][0]))),
            prices[i][1]);
}

static void test_texts_too_long_or_with_nul(void **state)
{
    (void)state;
    assert_string_equal(mistakes(bind("{\"title\": \"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x\", \"price\": 1, "
                                      "\"owner_id\": 1}")),
                        "title must be at most 5 characters long");
    assert_ok(cx, bind("{\"title\": \"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\", \"price\": 1, \"owner_id\": 1}"));
    assert_string_equal(mistakes(bind("{\"title\": \"a\\u0000b\", \"price\": 1, \"owner_id\": 1}")),
                        "title must not contain a NUL character");
    assert_string_equal(mistakes_of("\"notes\": \"a\\u0000b\""), "notes must not contain a NUL character");
}

static void test_unknown_keys_suggest_the_nearest_a_client_may_set(void **state)
{
    (void)state;
    assert_string_equal(mistakes_of("\"tilte\": 1"), "tilte is not a field; did you mean \"title\"?");
    assert_string_equal(mistakes_of("\"owner\": {\"id\": 1}"), "owner is not a field; did you mean \"owner_id\"?");
    assert_string_equal(mistakes_of("\"qqqqqqqqqq\": [[], {}]"), "qqqqqqqqqq is not a field");
    assert_string_equal(mistakes_of("\"pk\": 1"), "pk is not a field");
    /* hidden fields do not exist for a client, not even in a suggestion */
    assert_string_equal(mistakes_of("\"secret\": \"x\""), "secret is not a field");
    assert_string_equal(mistakes_of("\"secre\": \"x\""), "secre is not a field");
}

static void test_long_unknown_keys_are_cut(void **state)
{
    (void)state;
    char body[512];
    snprintf(body, sizeof body, "{\"%0300d\": 1}", 0);
    const char *found = mistakes(bind(body));
    assert_true(strspn(found, "0") == 64);
}

static void test_keys_given_twice(void **state)
{
    (void)state;
    assert_string_equal(mistakes_of("\"small\": 1, \"small\": 2, \"small\": 3"),
                        "small is given twice; small is given twice");
}

static void test_fields_that_are_not_the_clients(void **state)
{
    (void)state;
    assert_string_equal(mistakes_of("\"id\": 1, \"code\": \"x\", \"created\": null, \"changed\": {}"),
                        "id cannot be set; code cannot be set; created cannot be set; changed cannot be set");
}

static void test_all_bad_fields_are_named_at_once(void **state)
{
    (void)state;
    const char *found = mistakes(bind("{\"title\": \"too long\", \"titel\": 1, \"price\": -1, \"amount\": \"x\", "
                                      "\"owner_id\": null, \"day\": 5}"));
    const char *const all[] = {"title must be at most",  "titel is not a field",     "price must be at least",
                               "amount must be a whole", "owner_id must be a whole", "day must be a string"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strstr(found, all[i]))
            fail_msg("\"%s\" is missing in: %s", all[i], found);
}

static void test_mistakes_are_bounded(void **state)
{
    (void)state;
    cv_buf body;
    cv_buf_init_arena(&body, cv_ctx_arena(cx), 0);
    cv_buf_add_char(&body, '{');
    for (int i = 0; i < 300; i++)
        cv_buf_printf(&body, "%s\"k%d\": 1", i ? "," : "", i);
    cv_buf_add_char(&body, '}');
    assert_int_equal(bind(body.data), CV_E_VALIDATION);
    assert_int_equal(cv_error_last(cx)->field_count, 100);
    cv_error_clear(cx);
}

static void test_text_that_is_not_json_has_a_position(void **state)
{
    (void)state;
    assert_fails(cx, bind("{\"title\": \"a\",\n  oops}"), CV_E_SYNTAX, "line 2, column 3");
    assert_fails(cx, bind("{\"title\": \"a\"} x"), CV_E_SYNTAX, "line 1, column 16");
    assert_fails(cx, bind("{\"title\": [1,}"), CV_E_SYNTAX, "line 1, column 14");
    assert_fails(cx, bind("{\"unknown\": \"\xff\"}"), CV_E_SYNTAX, "line 1");
    assert_fails(cx, bind(""), CV_E_SYNTAX, "line 1, column 1");
    assert_int_equal(cv_http_status(CV_E_SYNTAX), 400);
}

static void test_a_body_that_is_no_object(void **state)
{
    (void)state;
    assert_fails(cx, bind("[1]"), CV_E_VALIDATION, "must be a JSON object, not an array");
    assert_fails(cx, bind("null"), CV_E_VALIDATION, "must be a JSON object, not null");
    assert_fails(cx, bind("\"x\""), CV_E_VALIDATION, "must be a JSON object, not a string");
}

static void test_huge_nesting_is_the_clients_fault(void **state)
{
    (void)state;
    enum { DEPTH = 10000 };
    const char *const before[] = {"{\"notes\": ", "{\"extra\": ", "{\"unknown\": "};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        cv_buf body;
        cv_buf_init_arena(&body, cv_ctx_arena(cx), 0);
        cv_buf_add_text(&body, before[i]);
        for (int level = 0; level < DEPTH; level++)
            cv_buf_add_char(&body, '[');
        assert_fails(cx, bind(body.data), CV_E_BAD_REQUEST, "64");
    }
    assert_int_equal(cv_http_status(CV_E_BAD_REQUEST), 400);
}

static void test_other_media_types_are_refused(void **state)
{
    (void)state;
    const char *const types[] = {"text/plain", "application/x-www-form-urlencoded", ""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        post_as(types[i], "{}", 2);
        assert_int_equal(cv_bind_body(cx, &request, item, &item), CV_E_MEDIA_TYPE);
        assert_non_null(cv_error_last(cx)->hint);
        cv_error_clear(cx);
    }
    const char *const good[] = {"application/json; charset=utf-8", "Application/JSON", "application/vnd.shop+json"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char body[] = "{\"title\": \"a\", \"price\": 1, \"owner_id\": 1}";
        post_as(good[i], body, sizeof body - 1);
        assert_ok(cx, cv_bind_body(cx, &request, item, &item));
    }
}

static void test_a_patch_tells_what_came(void **state)
{
    (void)state;
    cv_fields set = {0}, wanted = {0};
    item.amount = 9;
    item.title = NULL;
    assert_ok(cx, patch("{\"price\": 2, \"pages\": null}", &set));
    assert_ok(cx, cv_fields_of(cx, item, &wanted, "price", "pages"));
    assert_memory_equal(&set, &wanted, sizeof set);
    assert_int_equal(item.amount, 9); /* neither required nor defaulted */
    assert_null(item.title);
    assert_ok(cx, patch("{}", &set));
    assert_true(cv_fields_is_empty(&set));
    assert_string_equal(mistakes(patch("{\"id\": 1, \"amount\": -5, \"qqqqqq\": 1}", &set)),
                        "id cannot be set; qqqqqq is not a field; amount must be at least 0");
}

static void test_a_uuid_key_may_come_or_be_made_later(void **state)
{
    (void)state;
    struct badge badge = {0};
    cv_fields set;
    const char *without = "{\"valid\": true}";
    const char *with = "{\"valid\": true, \"id\": \"00112233-4455-6677-8899-aabbccddeeff\"}";
    post_as("application/json", without, strlen(without));
    assert_ok(cx, cv_bind_body(cx, &request, badge, &badge));
    assert_int_equal(badge.id.bytes[1], 0);
    post_as("application/json", with, strlen(with));
    assert_ok(cx, cv_bind_body(cx, &request, badge, &badge));
    assert_int_equal(badge.id.bytes[1], 0x11);
    assert_string_equal(mistakes(cv_bind_patch(cx, &request, badge, &badge, &set)), "id cannot be set");
}

static void test_a_model_that_is_not_registered(void **state)
{
    (void)state;
    post_as("application/json", "{}", 2);
    cv_registry *empty = cv_registry_new(cx);
    assert_ok(cx, cv_registry_check(cx, empty));
    cv_use_registry(cx, empty);
    assert_fails(cx, cv_bind_body(cx, &request, item, &item), CV_E_MODEL, "item");
    cv_registry_free(empty);
}

static void test_the_problem_document_lists_the_fields(void **state)
{
    (void)state;
    assert_int_equal(bind("{\"title\": \"much too long\", \"price\": 1}"), CV_E_VALIDATION);
    cv_response res;
    cv__response_init(cx, &res, CV_POST, 1, true);
    assert_ok(cx, cv_reply_error(cx, &res));
    assert_int_equal(cv_response_get_status(&res), 422);
    assert_string_equal(cv_response_body(&res)->data,
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
                        "\"detail\":\"the body has 2 unacceptable fields\",\"errors\":["
                        "{\"field\":\"owner_id\",\"message\":\"is required\"},"
                        "{\"field\":\"title\",\"message\":\"must be at most 5 characters long\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_type_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arrays_and_ranges_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_fields_take_defaults_or_stay_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_null_is_taken_where_the_field_may_be_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_required_fields_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_types_are_named_with_what_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_out_of_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_too_long_or_with_nul, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_keys_suggest_the_nearest_a_client_may_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_unknown_keys_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_given_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields_that_are_not_the_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_bad_fields_are_named_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mistakes_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_that_is_not_json_has_a_position, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_body_that_is_no_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_huge_nesting_is_the_clients_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_media_types_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_patch_tells_what_came, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_uuid_key_may_come_or_be_made_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_model_that_is_not_registered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_problem_document_lists_the_fields, setup, teardown),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
