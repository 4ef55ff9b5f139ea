/* Values through models: what a struct says is what comes back, on every engine. */
#include "conformance.h"
#include "orm_tables.h"

#include <covet/query.h>
#include <float.h>
#include <math.h>

struct thing {
    int64_t id;
    bool yes;
    int16_t small;
    int32_t middle;
    int64_t whole;
    double real;
    cv_decimal price;
    cv_decimal wide;
    char *name;
    cv_str notes;
    cv_bytes data;
    cv_json extra;
    cv_time at;
    cv_date day;
    cv_uuid token;
    cv_opt_i64 pages;
    cv_opt_time seen;
    cv_bool_array flags;
    cv_i16_array smalls;
    cv_i32_array middles;
    cv_i64_array wholes;
    cv_f64_array reals;
    cv_decimal_array prices;
    cv_str_array tags;
    cv_time_array times;
    cv_date_array days;
    cv_uuid_array tokens;
    cv_i32_range few;
    cv_i64_range span;
    cv_decimal_range costs;
    cv_time_range open;
    cv_opt_date_range stay;
};

CV_MODEL(thing, "things", CV_ID(id), CV_BOOLEAN(yes), CV_INTEGER(small), CV_INTEGER(middle), CV_INTEGER(whole),
         CV_FLOAT(real), CV_DECIMAL(price, .digits = 10, .places = 2), CV_DECIMAL(wide, .digits = 38, .places = 8),
         CV_CHAR(name, .max_length = 40), CV_TEXT(notes, .null = true), CV_BINARY(data, .null = true),
         CV_JSON(extra, .null = true), CV_DATETIME(at), CV_DATE(day), CV_UUID(token), CV_INTEGER(pages),
         CV_DATETIME(seen), CV_ARRAY(flags, .null = true), CV_ARRAY(smalls, .null = true),
         CV_ARRAY(middles, .null = true), CV_ARRAY(wholes, .default_value = "[]"), CV_ARRAY(reals, .null = true),
         CV_ARRAY(prices, .null = true, .digits = 12, .places = 3), CV_ARRAY(tags, .null = true, .max_length = 20),
         CV_ARRAY(times, .null = true), CV_ARRAY(days, .null = true), CV_ARRAY(tokens, .null = true), CV_RANGE(few),
         CV_RANGE(span), CV_RANGE(costs, .digits = 12, .places = 3), CV_RANGE(open), CV_RANGE(stay))

static void open_things(suite *s)
{
    cv_registry *registry = cv_registry_new(s->cx);
    assert_ok(s->cx, cv_registry_add(s->cx, registry, "conformance", thing_model()));
    assert_ok(s->cx, cv_registry_check(s->cx, registry));
    cv_use_registry(s->cx, registry);
    run(s, "DROP TABLE IF EXISTS things");
    assert_ok(s->cx, test_create_tables(s->cx, registry));
}

static void close_things(suite *s)
{
    run(s, "DROP TABLE things");
    cv_registry_free(cv_use_registry(s->cx, NULL));
}

static cv_decimal decimal(const char *text)
{
    cv_decimal value;
    assert_int_equal(cv_decimal_parse(cv_str_of(text), &value), 0);
    return value;
}

/* The members of two objects, all of them, by the model. */
static void assert_same(const struct thing *a, const struct thing *b)
{
    assert_int_equal(a->yes, b->yes);
    assert_int_equal(a->small, b->small);
    assert_int_equal(a->middle, b->middle);
    assert_int_equal(a->whole, b->whole);
    assert_true(memcmp(&a->real, &b->real, sizeof a->real) == 0);
    assert_int_equal(cv_decimal_compare(a->price, b->price), 0);
    assert_int_equal(cv_decimal_compare(a->wide, b->wide), 0);
    assert_string_equal(a->name, b->name);
    assert_true(cv_str_equal(a->notes, b->notes));
    assert_true(cv_value_equal(cv_value_bytes(a->data), cv_value_bytes(b->data)));
    assert_true(cv_str_equal(a->extra.text, b->extra.text));
    assert_int_equal(a->at.us, b->at.us);
    assert_int_equal(a->day.days, b->day.days);
    assert_int_equal(cv_uuid_compare(a->token, b->token), 0);
    assert_int_equal(a->pages.set, b->pages.set);
    assert_int_equal(a->seen.set, b->seen.set);
#define SAME(member) assert_true(cv_value_equal(CV_VALUE(a->member), CV_VALUE(b->member)))
    SAME(flags);
    SAME(smalls);
    SAME(middles);
    SAME(wholes);
    SAME(reals);
    SAME(prices);
    SAME(tags);
    SAME(times);
    SAME(days);
    SAME(tokens);
#undef SAME
}

static void assert_ranges_same(const struct thing *a, const struct thing *b)
{
    assert_true(cv_value_equal(CV_VALUE(&a->few), CV_VALUE(&b->few)));
    assert_true(cv_value_equal(CV_VALUE(&a->span), CV_VALUE(&b->span)));
    assert_true(cv_value_equal(CV_VALUE(&a->costs), CV_VALUE(&b->costs)));
    assert_true(cv_value_equal(CV_VALUE(&a->open), CV_VALUE(&b->open)));
    assert_int_equal(a->stay.set, b->stay.set);
    if (a->stay.set)
        assert_true(cv_value_equal(CV_VALUE(&a->stay.value), CV_VALUE(&b->stay.value)));
}

static struct thing least(void)
{
    return (struct thing){.small = INT16_MIN,
                          .middle = INT32_MIN,
                          .whole = INT64_MIN,
                          .real = -DBL_MAX,
                          .price = decimal("-99999999.99"),
                          .wide = decimal("-999999999999999999999999999999.99999999"),
                          .name = (char *)(uintptr_t) "",
                          .at = {CV_TIME_MIN_US},
                          .day = {-719162},
                          .wholes = {.items = CV_NO_ITEMS},
                          .few = CV_SPAN_NONE,
                          .span = {.flags = CV_RANGE_LOWER_INFINITE | CV_RANGE_UPPER_INFINITE},
                          .costs = CV_SPAN(decimal("-1.5"), decimal("2")),
                          .open = {.upper = {5}, .flags = CV_RANGE_LOWER_INFINITE}};
}

void case_the_least_object_comes_back(suite *s)
{
    struct thing saved = least(), loaded;
    open_things(s);
    assert_ok(s->cx, cv_save(s->cx, thing, &saved));
    assert_ok(s->cx, cv_get(s->cx, thing, &loaded, saved.id));
    assert_same(&saved, &loaded);
    assert_ranges_same(&saved, &loaded);
    assert_null(loaded.tags.items);
    assert_non_null(loaded.wholes.items);
    close_things(s);
}

static bool some[] = {false, true};
static bool booleans[] = {true, false};
static int16_t smalls[] = {INT16_MIN, INT16_MAX};
static int32_t middles[] = {INT32_MIN, INT32_MAX};
static int64_t wholes[] = {INT64_MIN, INT64_MAX};
static double reals[] = {5e-324, DBL_MAX};
static cv_time times[] = {{CV_TIME_MIN_US}, {CV_TIME_MAX_US}};
static cv_date days[] = {{-719162}, {2932896}};

static struct thing greatest(void)
{
    static cv_decimal prices[2];
    static cv_str tags[2];
    static cv_uuid tokens[2];
    struct thing t = least();
    prices[0] = decimal("-999999999.999");
    prices[1] = decimal("0.001");
    tags[0] = CV_STR("\xf0\x9f\x90\x98 \"{},\\");
    tags[1] = CV_STR("");
    tokens[0] = cv_uuid_v4();
    t.yes = true;
    t.small = INT16_MAX;
    t.middle = INT32_MAX;
    t.whole = INT64_MAX;
    t.real = 5e-324;
    t.price = decimal("99999999.99");
    t.wide = decimal("999999999999999999999999999999.99999999");
    t.notes = CV_STR("n");
    t.data = (cv_bytes){(const uint8_t *)"\0\xff", 2};
    t.extra.text = CV_STR("[1]");
    t.at.us = CV_TIME_MAX_US;
    t.day.days = 2932896;
    t.token = tokens[0];
    t.pages = (cv_opt_i64)CV_SOME(0);
    t.flags = (cv_bool_array){booleans, 2, some};
    t.smalls = (cv_i16_array){smalls, 2, NULL};
    t.middles = (cv_i32_array){middles, 2, some};
    t.wholes = (cv_i64_array){wholes, 2, NULL};
    t.reals = (cv_f64_array){reals, 2, NULL};
    t.prices = (cv_decimal_array){prices, 2, NULL};
    t.tags = (cv_str_array){tags, 2, NULL};
    t.times = (cv_time_array){times, 2, NULL};
    t.days = (cv_date_array){days, 2, some};
    t.tokens = (cv_uuid_array){tokens, 2, NULL};
    t.few = (cv_i32_range)CV_SPAN(INT32_MIN, INT32_MAX);
    t.span = (cv_i64_range)CV_SPAN(INT64_MIN, INT64_MAX);
    t.stay = (cv_opt_date_range){.value = CV_SPAN(((cv_date){1}), ((cv_date){8})), .set = true};
    return t;
}

void case_the_greatest_object_comes_back(suite *s)
{
    struct thing saved = greatest(), loaded;
    open_things(s);
    assert_ok(s->cx, cv_save(s->cx, thing, &saved));
    assert_ok(s->cx, cv_get(s->cx, thing, &loaded, saved.id));
    assert_same(&saved, &loaded);
    assert_ranges_same(&saved, &loaded);
    assert_true(loaded.flags.nulls[1]);
    assert_string_equal(loaded.tags.items[0].ptr, saved.tags.items[0].ptr); /* ends with a NUL byte, too */
    struct thing changed = least();
    changed.id = saved.id;
    assert_ok(s->cx, cv_save(s->cx, thing, &changed));
    assert_ok(s->cx, cv_get(s->cx, thing, &loaded, saved.id));
    assert_same(&changed, &loaded);
    assert_ranges_same(&changed, &loaded);
    close_things(s);
}

void case_lists_of_objects_come_back(suite *s)
{
    struct thing saved[3] = {least(), greatest(), least()}, *loaded;
    size_t count;
    open_things(s);
    assert_ok(s->cx, cv_bulk_create(s->cx, thing, saved, 3));
    cv_query *q = cv_objects(s->cx, thing);
    cv_order_by(q, "id");
    assert_ok(s->cx, cv_all(s->cx, q, thing, &loaded, &count));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_same(&saved[i], &loaded[i]);
        assert_ranges_same(&saved[i], &loaded[i]);
    }
    close_things(s);
}

void case_a_range_comes_back_in_its_one_form(suite *s)
{
    struct thing saved = least(), loaded;
    open_things(s);
    saved.span = (cv_i64_range)CV_SPAN_CLOSED(1, 5);
    assert_ok(s->cx, cv_save(s->cx, thing, &saved));
    assert_ok(s->cx, cv_get(s->cx, thing, &loaded, saved.id));
    assert_int_equal(loaded.span.lower, 1);
    assert_int_equal(loaded.span.upper, 6);
    assert_int_equal(loaded.span.flags, CV_RANGE_LOWER_INCLUSIVE);
    close_things(s);
}

static void assert_refused(suite *s, struct thing *t, const char *field)
{
    assert_int_equal(cv_save(s->cx, thing, t), CV_E_VALIDATION);
    assert_string_equal(cv_error_last(s->cx)->fields[0].field, field);
    cv_error_clear(s->cx);
    *t = least();
}

void case_models_refuse_what_no_engine_should_hold(suite *s)
{
    struct thing t = least();
    cv_str long_tag = CV_STR("more than twenty characters"), broken = CV_STR("\xff");
    cv_decimal places = decimal("0.0001");
    open_things(s);
    t.tags = (cv_str_array){&long_tag, 1, NULL};
    assert_refused(s, &t, "tags");
    t.tags = (cv_str_array){&broken, 1, NULL};
    assert_refused(s, &t, "tags");
    t.prices = (cv_decimal_array){&places, 1, NULL};
    assert_refused(s, &t, "prices");
    t.wholes.items = NULL;
    assert_refused(s, &t, "wholes");
    t.span = (cv_i64_range)CV_SPAN(9, 1);
    assert_refused(s, &t, "span");
    t.real = HUGE_VAL;
    assert_refused(s, &t, "real");
    t.name = (char *)(uintptr_t) "\xed\xa0\x80";
    assert_refused(s, &t, "name");
    assert_int_equal(count(s, "things"), 0);
    close_things(s);
}

void case_arrays_are_found_by_being_null(suite *s)
{
    struct thing saved[2] = {least(), greatest()};
    int64_t found;
    open_things(s);
    assert_ok(s->cx, cv_bulk_create(s->cx, thing, saved, 2));
    cv_query *q = cv_objects(s->cx, thing);
    cv_filter(q, "tags__isnull", false);
    assert_ok(s->cx, cv_count(s->cx, q, &found));
    assert_int_equal(found, 1);
    q = cv_objects(s->cx, thing);
    cv_filter(q, "tags__gt", "x");
    assert_error(s, cv_count(s->cx, q, &found), CV_E_TYPE);
    close_things(s);
}
