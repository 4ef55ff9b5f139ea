#include "http/address_table.h"
#include "test.h"

static cv__address numbered(unsigned number)
{
    char text[CV__ADDRESS_TEXT_BYTES];
    cv__address address = {0};
    snprintf(text, sizeof text, "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255, number & 255);
    assert_true(cv__address_parse(cv_str_of(text), false, &address));
    return address;
}

static cv__address address_of(const char *text)
{
    cv__address address = {0};
    assert_true(cv__address_parse(cv_str_of(text), false, &address));
    return address;
}

static void test_an_address_has_as_many_as_allowed(void **state)
{
    (void)state;
    cv__address_table table;
    cv__address_table_init(&table);
    cv__address one = numbered(1), other = numbered(2);
    for (int i = 0; i < 3; i++)
        assert_true(cv__address_table_add(&table, &one, 3));
    assert_false(cv__address_table_add(&table, &one, 3));
    assert_true(cv__address_table_add(&table, &other, 3));
    cv__address_table_remove(&table, &one);
    assert_true(cv__address_table_add(&table, &one, 3));
    assert_false(cv__address_table_add(&table, &one, 3));
    assert_int_equal(cv__address_table_used(&table), 2);
    cv__address_table_done(&table);
}

static void test_ipv6_counts_by_its_64_bits(void **state)
{
    (void)state;
    cv__address_table table;
    cv__address_table_init(&table);
    cv__address a = address_of("2001:db8::1"), b = address_of("2001:db8::2"), c = address_of("2001:db8:0:1::1");
    cv__address four = address_of("192.0.2.1"), five = address_of("192.0.2.2");
    assert_true(cv__address_table_add(&table, &a, 1));
    assert_false(cv__address_table_add(&table, &b, 1));
    assert_true(cv__address_table_add(&table, &c, 1));
    assert_true(cv__address_table_add(&table, &four, 1));
    assert_true(cv__address_table_add(&table, &five, 1));
    cv__address_table_remove(&table, &b);
    assert_true(cv__address_table_add(&table, &a, 1));
    cv__address_table_done(&table);
}

enum { ADDRESSES = 3000, STEPS = 200000, MOST = 4 };

/* Against a plain array of counts, through growing and closing gaps. */
static void test_counts_stay_right(void **state)
{
    (void)state;
    static unsigned expected[ADDRESSES];
    cv__address_table table;
    cv__address_table_init(&table);
    size_t used = 0;
    uint32_t random = 1;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        unsigned number = (random >> 8) % ADDRESSES;
        cv__address address = numbered(number);
        if (random >> 31) {
            bool fits = expected[number] < MOST;
            used += expected[number] == 0;
            expected[number] += fits;
            assert_int_equal(cv__address_table_add(&table, &address, MOST), fits);
        } else if (expected[number]) {
            used -= --expected[number] == 0;
            cv__address_table_remove(&table, &address);
        }
        assert_int_equal(cv__address_table_used(&table), used);
    }
    for (unsigned number = 0; number < ADDRESSES; number++) {
        cv__address address = numbered(number);
        for (unsigned i = 0; i < MOST; i++)
            assert_int_equal(cv__address_table_add(&table, &address, MOST), i + expected[number] < MOST);
    }
    cv__address_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_has_as_many_as_allowed),
        cmocka_unit_test(test_ipv6_counts_by_its_64_bits),
        cmocka_unit_test(test_counts_stay_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
