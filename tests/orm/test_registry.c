/* The registry: what it accepts, what it refuses, and what it makes of a model. */
#include "library.h"
#include "orm/registry.h"

static int set_up(void **state)
{
    cv_ctx *cx = cv_ctx_new(0);
    *state = cx;
    return cx ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_ctx_free(*state);
    return 0;
}

/* ---- what is compiled ---- */

struct shelf {
    int64_t id;
    char *label;
    cv_decimal weight;
    cv_opt_i64 room_id;
    struct room *room;
    cv_opt_i64 a_column_with_quite_a_long_name_indeed;
    cv_opt_i64 another_column_with_quite_a_long_name;
};
struct room {
    int64_t id;
    char *name;
    cv_opt_i64 best_shelf_id;
    struct shelf *best_shelf;
};
CV_MODEL_DECLARE(room);
CV_MODEL(shelf, "shelves", CV_ID(id), CV_CHAR(label, .max_length = 20, .unique = true, .default_value = "new"),
         CV_DECIMAL(weight, .digits = 6, .places = 2, .min = "0.5", .max = "100", .column = "kg"),
         CV_FOREIGN_KEY(room, room, .on_delete = CV_SET_NULL), CV_INTEGER(a_column_with_quite_a_long_name_indeed),
         CV_INTEGER(another_column_with_quite_a_long_name), CV_INDEX("-weight", "label"),
         CV_INDEX("a_column_with_quite_a_long_name_indeed", "another_column_with_quite_a_long_name"),
         CV_UNIQUE_TOGETHER("room", "weight"), CV_CHECK("known_label", "label__in", "new,old"),
         CV_CHECK_FIELDS("columns_ordered", "a_column_with_quite_a_long_name_indeed__lte",
                         "another_column_with_quite_a_long_name"),
         CV_ORDERING("room__name", "-label"))
CV_MODEL(room, "rooms", CV_ID(id), CV_CHAR(name, .max_length = 20, .index = true),
         CV_FOREIGN_KEY(best_shelf, shelf, .on_delete = CV_SET_NULL))

static cv_registry *checked(cv_ctx *cx, const cv_model *one, const cv_model *two)
{
    cv_registry *registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "house", one));
    if (two)
        assert_ok(cx, cv_registry_add(cx, registry, "house", two));
    assert_ok(cx, cv_registry_check(cx, registry));
    return registry;
}

static void a_model_is_compiled(void **state)
{
    cv_registry *registry = checked(*state, shelf_model(), room_model());
    cv__model_info *info = cv__registry_find(registry, shelf_model());
    assert_string_equal(info->label, "house");
    assert_int_equal(info->field_count, 6);
    assert_ptr_equal(info->primary_key, &info->fields[0]);
    assert_true(info->primary_key->identity);
    cv__field_info *weight = cv__field_find(info, CV_STR("weight"));
    assert_string_equal(weight->column, "kg");
    assert_int_equal(weight->type.type, CV_TYPE_DECIMAL);
    assert_int_equal(weight->min.type, CV_TYPE_DECIMAL);
    assert_false(weight->null);
    cv__field_info *label = cv__field_find(info, CV_STR("label"));
    assert_true(label->has_default);
    assert_true(cv_str_equal(label->default_value.as.text, CV_STR("new")));
    assert_int_equal(label->type.max_length, 20);
    cv_registry_free(registry);
}

static void a_foreign_key_has_two_names_and_the_targets_type(void **state)
{
    cv_registry *registry = checked(*state, shelf_model(), room_model());
    cv__model_info *info = cv__registry_find(registry, shelf_model());
    cv__field_info *room = cv__field_find(info, CV_STR("room"));
    assert_ptr_equal(room, cv__field_find(info, CV_STR("room_id")));
    assert_ptr_equal(room->target, cv__registry_find(registry, room_model()));
    assert_string_equal(room->column, "room_id");
    assert_true(room->null);
    assert_int_equal(room->type.type, CV_TYPE_I64);
    assert_ptr_equal(cv__field_find(info, CV_STR("pk")), info->primary_key);
    cv_registry_free(registry);
}

static void names_of_indexes_follow_from_table_and_columns(void **state)
{
    cv_registry *registry = checked(*state, shelf_model(), room_model());
    cv__model_info *info = cv__registry_find(registry, shelf_model());
    const char *const names[] = {"shelves_label_uniq", "shelves_room_id_idx", "shelves_kg_label_idx", NULL,
                                 "shelves_room_id_kg_uniq"};
    assert_int_equal(info->index_count, 5);
    for (size_t i = 0; i < 5; i++)
        if (names[i])
            assert_string_equal(info->indexes[i].name, names[i]);
    assert_true(info->indexes[2].descending[0]);
    assert_false(info->indexes[2].descending[1]);
    assert_true(info->indexes[0].unique);
    cv_registry_free(registry);
}

static void long_names_are_shortened_the_same_way_every_time(void **state)
{
    char first[64];
    for (int run = 0; run < 2; run++) {
        cv_registry *registry = checked(*state, shelf_model(), room_model());
        const char *name = cv__registry_find(registry, shelf_model())->indexes[3].name;
        assert_true(strlen(name) <= 63);
        assert_true(cv__identifier_ok(cv_str_of(name)));
        if (run == 0)
            strcpy(first, name);
        assert_string_equal(name, first);
        cv_registry_free(registry);
    }
    assert_string_equal(first, "shelves_a_column_with_quite_a_long_name_indeed_ano_999a8d11_idx");
}

static void bounds_and_checks_become_constraints(void **state)
{
    cv_registry *registry = checked(*state, shelf_model(), room_model());
    cv__model_info *info = cv__registry_find(registry, shelf_model());
    assert_int_equal(info->check_count, 4);
    assert_string_equal(info->checks[0].name, "shelves_kg_min");
    assert_int_equal(info->checks[0].lookup, CV__GTE);
    assert_string_equal(info->checks[1].name, "shelves_kg_max");
    assert_int_equal(info->checks[2].value_count, 2);
    assert_true(cv_str_equal(info->checks[2].values[1].as.text, CV_STR("old")));
    assert_string_equal(info->checks[3].other->name, "another_column_with_quite_a_long_name");
    assert_string_equal(info->ordering[0], "room__name");
    assert_null(info->ordering[2]);
    cv_registry_free(registry);
}

static void models_are_visited_in_the_order_added(void **state)
{
    cv_registry *registry = checked(*state, shelf_model(), room_model());
    size_t position = 0;
    const char *label;
    const cv_model *model;
    assert_true(cv_registry_next(registry, &position, &label, &model));
    assert_ptr_equal(model, shelf_model());
    assert_true(cv_registry_next(registry, &position, &label, &model));
    assert_ptr_equal(model, room_model());
    assert_false(cv_registry_next(registry, &position, &label, &model));
    assert_int_equal(cv__registry_count(registry), 2);
    assert_ptr_equal(cv__registry_at(registry, 1)->model, room_model());
    assert_null(cv__registry_at(registry, 2));
    cv_registry_free(registry);
}

static void checking_again_changes_nothing(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = checked(cx, shelf_model(), room_model());
    cv__model_info *info = cv__registry_find(registry, shelf_model());
    assert_ok(cx, cv_registry_check(cx, registry));
    assert_ptr_equal(cv__registry_find(registry, shelf_model()), info);
    cv_registry_free(registry);
}

static void an_addition_needs_another_check(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = checked(cx, shelf_model(), room_model());
    cv_registry *former = cv_use_registry(cx, registry);
    assert_null(former);
    assert_ok(cx, cv_registry_add(cx, registry, "house", bare_model()));
    assert_null(cv__model_need(cx, shelf_model()));
    assert_non_null(strstr(cv_error_last(cx)->message, "was not checked"));
    cv_error_clear(cx);
    assert_ok(cx, cv_registry_check(cx, registry));
    assert_non_null(cv__model_need(cx, shelf_model()));
    assert_ptr_equal(cv_use_registry(cx, NULL), registry);
    assert_null(cv__model_need(cx, shelf_model()));
    assert_non_null(strstr(cv_error_last(cx)->message, "no registry"));
    cv_registry_free(registry);
}

static void an_unregistered_model_is_named(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = checked(cx, bare_model(), NULL);
    cv_use_registry(cx, registry);
    assert_null(cv__model_need(cx, author_model()));
    assert_string_equal(cv_error_last(cx)->message, "model \"author\" is not registered");
    assert_int_equal(cv_error_last(cx)->code, CV_E_MODEL);
    cv_registry_free(registry);
}

static void a_model_is_added_once_under_a_good_label(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "house", bare_model()));
    assert_fails(cx, cv_registry_add(cx, registry, "house", bare_model()), CV_E_MODEL, "registered twice");
    assert_fails(cx, cv_registry_add(cx, registry, "my house", room_model()), CV_E_MODEL, "\"my house\"");
    cv_registry_free(registry);
    cv_registry_free(NULL);
}

/* ---- what is refused ---- */

struct odd {
    int64_t id;
    int64_t other;
    char *text;
    cv_decimal amount;
    cv_json document;
    int32_t narrow;
    int64_t pk;
    cv_opt_i64 perhaps;
    int64_t country_id;
    struct country *country;
    int64_t author_id;
    struct author *author;
};

#define ODD(function, ...)                                                                                             \
    static const cv_model *function(void)                                                                              \
    {                                                                                                                  \
        typedef struct odd cv_self;                                                                                    \
        static const cv_field fields[] = {__VA_ARGS__};                                                                \
        static const cv_model model = {.name = "odd",                                                                  \
                                       .table = "odds",                                                                \
                                       .fields = fields,                                                               \
                                       .field_count = sizeof fields / sizeof fields[0],                                \
                                       .field_bytes = sizeof(cv_field),                                                \
                                       .object_bytes = sizeof(cv_self)};                                               \
        return &model;                                                                                                 \
    }

ODD(without_key, CV_CHAR(text, .max_length = 5))
ODD(two_keys, CV_ID(id), CV_INTEGER(other, .primary_key = true))
ODD(nullable_key, CV_INTEGER(perhaps, .primary_key = true))
ODD(json_key, CV_JSON(document, .primary_key = true))
ODD(same_column, CV_ID(id), CV_INTEGER(other, .column = "ID"))
ODD(bad_column, CV_ID(id), CV_INTEGER(other, .column = "a\"; DROP TABLE x"))
ODD(called_pk, CV_ID(id), CV_INTEGER(pk))
ODD(unbounded_char, CV_ID(id), CV_CHAR(text))
ODD(no_digits, CV_ID(id), CV_DECIMAL(amount, .places = 2))
ODD(too_many_digits, CV_ID(id), CV_DECIMAL(amount, .digits = 39, .places = 2))
ODD(more_places, CV_ID(id), CV_DECIMAL(amount, .digits = 2, .places = 3))
ODD(bad_default, CV_ID(id), CV_INTEGER(other, .default_value = "many"))
ODD(long_default, CV_ID(id), CV_CHAR(text, .max_length = 3, .default_value = "four"))
ODD(default_out_of_bounds, CV_ID(id), CV_INTEGER(other, .min = "5", .default_value = "4"))
ODD(bad_minimum, CV_ID(id), CV_INTEGER(other, .min = "low"))
ODD(crossed_bounds, CV_ID(id), CV_INTEGER(other, .min = "5", .max = "4"))
ODD(bound_of_text, CV_ID(id), CV_CHAR(text, .max_length = 3, .min = "a"))
ODD(time_of_number, CV_ID(id), CV_INTEGER(other, .auto_now = true))
ODD(null_number, CV_ID(id), CV_INTEGER(other, .null = true))
ODD(unregistered_target, CV_ID(id), CV_FOREIGN_KEY(author, author))
ODD(set_null_on_required, CV_ID(id), CV_FOREIGN_KEY(author, author, .on_delete = CV_SET_NULL))
ODD(other_key_type, CV_ID(id), CV_FOREIGN_KEY(country, country))
ODD(name_twice, CV_ID(id), CV_FOREIGN_KEY(author, author), CV_INTEGER(author_id, .column = "x"))
ODD(index_of_nothing, CV_ID(id), CV_INDEX("colour"))
ODD(unique_of_nothing, CV_ID(id), CV_UNIQUE_TOGETHER("id", "colour"))
ODD(index_without_fields, CV_ID(id), CV_INDEX(NULL))
ODD(index_twice, CV_ID(id), CV_INTEGER(other, .index = true), CV_INDEX("other"))
ODD(check_of_nothing, CV_ID(id), CV_CHECK("c", "colour__gt", "0"))
ODD(check_by_unknown, CV_ID(id), CV_INTEGER(other), CV_CHECK("c", "other__icontains", "0"))
ODD(check_with_text, CV_ID(id), CV_INTEGER(other), CV_CHECK("c", "other__gt", "low"))
ODD(check_bad_name, CV_ID(id), CV_INTEGER(other), CV_CHECK("c c", "other__gt", "1"))
ODD(check_twice, CV_ID(id), CV_INTEGER(other), CV_CHECK("c", "other__gt", "1"), CV_CHECK("c", "other__gt", "2"))
ODD(check_types, CV_ID(id), CV_INTEGER(other), CV_CHAR(text, .max_length = 5),
    CV_CHECK_FIELDS("c", "other__gt", "text"))
ODD(order_by_nothing, CV_ID(id), CV_ORDERING("-colour"))
ODD(order_twice, CV_ID(id), CV_ORDERING("id"), CV_ORDERING("-id"))

static void mistakes_are_named_with_model_and_field(void **state)
{
    cv_ctx *cx = *state;
    static const struct {
        cv_model_fn *model;
        const char *message;
    } cases[] = {
        {without_key, "model \"odd\" has no primary key"},
        {two_keys, "both \"id\" and \"other\" are primary keys"},
        {nullable_key, "the primary key \"perhaps\" cannot be nullable"},
        {json_key, "\"document\" cannot be a primary key"},
        {same_column, "\"id\" and \"other\" have the same column"},
        {bad_column, "cannot have a column called"},
        {called_pk, "cannot be called \"pk\""},
        {unbounded_char, "\"text\" needs a maximum length"},
        {no_digits, "\"amount\" cannot have 0 digits"},
        {too_many_digits, "\"amount\" cannot have 39 digits"},
        {more_places, "2 digits with 3 places"},
        {bad_default, "the default \"many\" of the field \"other\" is not of type"},
        {long_default, "the default \"four\" of the field \"text\" must be at most 3 characters"},
        {default_out_of_bounds, "the default \"4\" of the field \"other\" must be at least 5"},
        {bad_minimum, "the minimum \"low\""},
        {crossed_bounds, "\"other\""},
        {bound_of_text, "\"text\" cannot have a bound"},
        {time_of_number, "\"other\" is not a time"},
        {null_number, "\"other\" cannot hold NULL"},
        {unregistered_target, "the target \"author\" of the foreign key \"author\" is not registered"},
        {index_of_nothing, "names \"colour\", which is no field"},
        {unique_of_nothing, "unique constraint names \"colour\""},
        {index_without_fields, "an index without fields"},
        {index_twice, "declares the index \"odds_other_idx\" twice"},
        {check_of_nothing, "check \"c\" names \"colour__gt\""},
        {check_by_unknown, "check \"c\" cannot use \"other__icontains\""},
        {check_with_text, "compares \"other\" with \"low\""},
        {check_bad_name, "cannot be called \"c c\""},
        {check_twice, "declares the check \"c\" twice"},
        {check_types, "cannot compare \"other\" with \"text\""},
        {order_by_nothing, "the ordering names \"-colour\""},
        {order_twice, "two orderings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_registry *registry = cv_registry_new(cx);
        assert_ok(cx, cv_registry_add(cx, registry, "odd", cases[i].model()));
        assert_fails(cx, cv_registry_check(cx, registry), CV_E_MODEL, cases[i].message);
        assert_int_equal(cv__registry_count(registry), 0);
        cv_registry_free(registry);
    }
}

static void mistakes_about_targets(void **state)
{
    cv_ctx *cx = *state;
    static const struct {
        cv_model_fn *model;
        const char *message;
    } cases[] = {
        {set_null_on_required, "\"author\" cannot be set to NULL on delete"},
        {other_key_type, "\"country_id\" has another type than the key \"code\" of \"country\""},
        {name_twice, "the name \"author_id\" is used twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_registry *registry = cv_registry_new(cx);
        assert_ok(cx, cv_registry_add(cx, registry, "odd", country_model()));
        assert_ok(cx, cv_registry_add(cx, registry, "odd", author_model()));
        assert_ok(cx, cv_registry_add(cx, registry, "odd", cases[i].model()));
        assert_fails(cx, cv_registry_check(cx, registry), CV_E_MODEL, cases[i].message);
        cv_registry_free(registry);
    }
}

ODD(many_mistakes, CV_CHAR(text), CV_DECIMAL(amount), CV_INTEGER(other, .default_value = "x"))

static void all_mistakes_are_told_at_once(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "odd", many_mistakes()));
    assert_int_equal(cv_registry_check(cx, registry), CV_E_MODEL);
    const cv_error *error = cv_error_last(cx);
    assert_non_null(strstr(error->message, "maximum length"));
    assert_non_null(strstr(error->hint, "CV_CHAR"));
    assert_non_null(strstr(error->cause->message, "digits"));
    assert_non_null(strstr(error->cause->cause->message, "no primary key"));
    assert_non_null(strstr(error->cause->cause->cause->message, "default \"x\""));
    assert_null(error->cause->cause->cause->cause);
    cv_registry_free(registry);
}

struct twin {
    int64_t id;
};
CV_MODEL(twin, "Bare", CV_ID(id))

static void two_models_need_two_tables(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "one", bare_model()));
    assert_ok(cx, cv_registry_add(cx, registry, "one", twin_model()));
    assert_fails(cx, cv_registry_check(cx, registry), CV_E_MODEL, "have the same table");
    cv_registry_free(registry);
}

struct reserved {
    int64_t id;
};
CV_MODEL(reserved, "sqlite_master", CV_ID(id))

static void tables_of_the_engines_are_refused(void **state)
{
    cv_ctx *cx = *state;
    cv_registry *registry = cv_registry_new(cx);
    assert_ok(cx, cv_registry_add(cx, registry, "one", reserved_model()));
    assert_fails(cx, cv_registry_check(cx, registry), CV_E_MODEL, "a table called \"sqlite_master\"");
    cv_registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_is_compiled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_foreign_key_has_two_names_and_the_targets_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_indexes_follow_from_table_and_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_names_are_shortened_the_same_way_every_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_and_checks_become_constraints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(models_are_visited_in_the_order_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checking_again_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_addition_needs_another_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unregistered_model_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_is_added_once_under_a_good_label, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_named_with_model_and_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_about_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_mistakes_are_told_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_models_need_two_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_of_the_engines_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
