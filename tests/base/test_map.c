/* The hash map and the hash under it. */
#include "base/hash.h"
#include "test.h"

#include <covet/map.h>

static cv_str key_of(char text[16], int number)
{
    return cv_str_make(text, (size_t)snprintf(text, 16, "key%d", number));
}

static void an_empty_map_knows_nothing(void **state)
{
    (void)state;
    cv_map *map = cv_map_new(0);
    size_t position = 0;
    cv_str key;
    void *value;
    assert_int_equal(cv_map_count(map), 0);
    assert_null(cv_map_get(map, CV_STR("x")));
    assert_false(cv_map_has(map, CV_STR("x")));
    assert_null(cv_map_remove(map, CV_STR("x")));
    assert_false(cv_map_next(map, &position, &key, &value));
    cv_map_free(map);
    cv_map_free(NULL);
}

static void values_are_found_replaced_and_removed(void **state)
{
    (void)state;
    cv_map *map = cv_map_new(0);
    int one, two;
    void *old = &two;
    char name[] = "name";
    assert_int_equal(cv_map_set(map, cv_str_of(name), &one, &old), 0);
    name[0] = 'X'; /* keys are copied */
    assert_null(old);
    assert_ptr_equal(cv_map_get(map, CV_STR("name")), &one);
    assert_int_equal(cv_map_set(map, CV_STR("name"), &two, &old), 0);
    assert_ptr_equal(old, &one);
    assert_int_equal(cv_map_count(map), 1);
    assert_int_equal(cv_map_set(map, CV_STR("nothing"), NULL, NULL), 0);
    assert_null(cv_map_get(map, CV_STR("nothing")));
    assert_true(cv_map_has(map, CV_STR("nothing")));
    assert_ptr_equal(cv_map_remove(map, CV_STR("name")), &two);
    assert_false(cv_map_has(map, CV_STR("name")));
    assert_int_equal(cv_map_count(map), 1);
    cv_map_free(map);
}

static void keys_are_bytes(void **state)
{
    (void)state;
    cv_map *map = cv_map_new(0);
    int values[3];
    assert_int_equal(cv_map_set(map, cv_str_make("a\0b", 3), &values[0], NULL), 0);
    assert_int_equal(cv_map_set(map, cv_str_make("a\0c", 3), &values[1], NULL), 0);
    assert_int_equal(cv_map_set(map, CV_STR(""), &values[2], NULL), 0);
    assert_ptr_equal(cv_map_get(map, cv_str_make("a\0b", 3)), &values[0]);
    assert_ptr_equal(cv_map_get(map, cv_str_make("a\0c", 3)), &values[1]);
    assert_ptr_equal(cv_map_get(map, cv_str_make(NULL, 0)), &values[2]);
    cv_map_free(map);
}

static void the_order_is_that_of_insertion(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static int values[COUNT];
    cv_map *map = cv_map_new(0);
    char text[16];
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(cv_map_set(map, key_of(text, i), &values[i], NULL), 0);
    size_t position = 0;
    cv_str key;
    void *value;
    for (int i = 0; i < COUNT; i++) {
        assert_true(cv_map_next(map, &position, &key, &value));
        assert_true(cv_str_equal(key, key_of(text, i)));
        assert_ptr_equal(value, &values[i]);
    }
    assert_false(cv_map_next(map, &position, &key, &value));
    cv_map_free(map);
}

static void the_visited_entry_may_be_removed(void **state)
{
    (void)state;
    static int values[100];
    cv_map *map = cv_map_new(0);
    char text[16];
    for (int i = 0; i < 100; i++)
        assert_int_equal(cv_map_set(map, key_of(text, i), &values[i], NULL), 0);
    size_t position = 0;
    cv_str key;
    void *value;
    while (cv_map_next(map, &position, &key, &value)) {
        if (((int *)value - values) % 2) {
            cv_str copy = cv_str_make(strndup(key.ptr, key.len), key.len);
            assert_ptr_equal(cv_map_remove(map, copy), value);
            free((void *)(uintptr_t)copy.ptr);
        }
    }
    assert_int_equal(cv_map_count(map), 50);
    assert_true(cv_map_has(map, CV_STR("key98")));
    assert_false(cv_map_has(map, CV_STR("key99")));
    cv_map_free(map);
}

static void coming_and_going_does_not_wear_it_out(void **state)
{
    (void)state;
    int value;
    cv_map *map = cv_map_new(10);
    char text[16];
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(cv_map_set(map, key_of(text, i), &value, NULL), 0);
        if (i >= 5)
            assert_ptr_equal(cv_map_remove(map, key_of(text, i - 5)), &value);
    }
    assert_int_equal(cv_map_count(map), 5);
    cv_map_free(map);
}

static void the_number_of_entries_is_bounded(void **state)
{
    (void)state;
    int value;
    cv_map *map = cv_map_new(2);
    assert_int_equal(cv_map_set(map, CV_STR("a"), &value, NULL), 0);
    assert_int_equal(cv_map_set(map, CV_STR("b"), &value, NULL), 0);
    assert_int_equal(cv_map_set(map, CV_STR("c"), &value, NULL), CV_E_LIMIT);
    assert_int_equal(cv_map_set(map, CV_STR("b"), NULL, NULL), 0);
    assert_null(cv_map_remove(map, CV_STR("b")));
    assert_int_equal(cv_map_set(map, CV_STR("c"), &value, NULL), 0);
    cv_map_free(map);
}

/* From a second implementation, which with two and four rounds gives the vector of the paper. */
static void the_hash_is_siphash(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {{0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
                   {7, UINT64_C(0xd3927d989bb11140)},  {8, UINT64_C(0x369095118d299a8e)},
                   {9, UINT64_C(0x25a48eb36c063de4)},  {15, UINT64_C(0xd320d86d2a519956)},
                   {16, UINT64_C(0xcc4fdd1a7d908b66)}, {63, UINT64_C(0x9d199062b7bbb3a8)}};
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    unsigned char data[64];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_true(cv__siphash13(data, vectors[i].len, key) == vectors[i].hash);
}

static void the_process_hash_is_stable_and_keyed(void **state)
{
    (void)state;
    const uint64_t zero[2] = {0, 0};
    assert_true(cv_hash("abc", 3) == cv_hash("abc", 3));
    assert_true(cv_hash("abc", 3) != cv_hash("abd", 3));
    assert_true(cv_hash("abc", 3) != cv__siphash13("abc", 3, zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_knows_nothing),
        cmocka_unit_test(values_are_found_replaced_and_removed),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(the_order_is_that_of_insertion),
        cmocka_unit_test(the_visited_entry_may_be_removed),
        cmocka_unit_test(coming_and_going_does_not_wear_it_out),
        cmocka_unit_test(the_number_of_entries_is_bounded),
        cmocka_unit_test(the_hash_is_siphash),
        cmocka_unit_test(the_process_hash_is_stable_and_keyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
