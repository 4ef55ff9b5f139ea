/* The intrusive list. */
#include "test.h"

#include <covet/list.h>

struct item {
    char name;
    cv_link link;
};

static void expect(cv_link *list, const char *names)
{
    cv_list_each (at, list) {
        assert_int_equal(cv_list_entry(at, struct item, link)->name, *names);
        names++;
    }
    assert_int_equal(*names, '\0');
}

static void items_keep_their_order(void **state)
{
    (void)state;
    cv_link list;
    cv_list_init(&list);
    assert_true(cv_list_is_empty(&list));
    struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
    cv_list_push_back(&list, &b.link);
    cv_list_push_back(&list, &d.link);
    cv_list_push_front(&list, &a.link);
    cv_list_insert_before(&d.link, &c.link);
    expect(&list, "abcd");
    assert_false(cv_list_is_empty(&list));
    assert_ptr_equal(cv_list_pop_front(&list), &a.link);
    assert_false(cv_list_is_linked(&a.link));
    assert_true(cv_list_is_linked(&b.link));
    expect(&list, "bcd");
}

static void an_item_may_leave_while_it_is_visited(void **state)
{
    (void)state;
    cv_link list;
    cv_list_init(&list);
    struct item items[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}};
    for (size_t i = 0; i < 3; i++)
        cv_list_push_back(&list, &items[i].link);
    cv_list_each (at, &list) {
        if (cv_list_entry(at, struct item, link)->name != 'b')
            cv_list_remove(at);
    }
    expect(&list, "b");
}

static void leaving_twice_does_nothing(void **state)
{
    (void)state;
    cv_link list;
    cv_list_init(&list);
    assert_null(cv_list_pop_front(&list));
    struct item a = {.name = 'a'};
    cv_list_init(&a.link);
    cv_list_remove(&a.link);
    cv_list_push_back(&list, &a.link);
    cv_list_remove(&a.link);
    cv_list_remove(&a.link);
    assert_true(cv_list_is_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order),
        cmocka_unit_test(an_item_may_leave_while_it_is_visited),
        cmocka_unit_test(leaving_twice_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
