/* UUIDs and random bytes. */
#include "test.h"

#include <covet/uuid.h>
#include <pthread.h>
#include <time.h>

static void the_text_has_one_form(void **state)
{
    (void)state;
    cv_uuid uuid;
    char out[CV_UUID_TEXT_BYTES];
    static const char *const same[] = {"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
                                       "017f22e279b07cc398c4dc0c0c07398f"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cv_uuid_parse(cv_str_of(same[i]), &uuid), 0);
        assert_int_equal(cv_uuid_format(uuid, out), 36);
        assert_string_equal(out, same[0]);
    }
}

static void what_is_no_uuid_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                                        "017f22e2079b007cc3098c40dc0c0c07398f",
                                        "017f22e279b07cc398c4dc0c0c07398-",
                                        "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
                                        "{017f22e279b07cc398c4dc0c0c0739}",
                                        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0"};
    cv_uuid uuid;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(cv_uuid_parse(cv_str_of(wrong[i]), &uuid), CV_E_SYNTAX);
}

static void version_4_is_random(void **state)
{
    (void)state;
    cv_uuid a = cv_uuid_v4(), b = cv_uuid_v4();
    assert_int_equal(a.bytes[6] >> 4, 4);
    assert_int_equal(a.bytes[8] >> 6, 2);
    assert_int_not_equal(cv_uuid_compare(a, b), 0);
    assert_int_equal(cv_uuid_compare(a, a), 0);
}

static void version_7_carries_the_time(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    cv_uuid uuid = cv_uuid_v7();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_int_equal(uuid.bytes[6] >> 4, 7);
    assert_int_equal(uuid.bytes[8] >> 6, 2);
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | uuid.bytes[i];
    assert_true(ms >= (uint64_t)before.tv_sec * 1000);
    assert_true(ms <= (uint64_t)after.tv_sec * 1000 + 1100);
}

static void version_7_ascends_within_a_thread(void **state)
{
    (void)state;
    cv_uuid last = cv_uuid_v7();
    for (int i = 0; i < 100000; i++) {
        cv_uuid next = cv_uuid_v7();
        if (cv_uuid_compare(last, next) >= 0)
            fail_msg("number %d does not ascend", i);
        last = next;
    }
}

enum { PER_THREAD = 20000, THREADS = 4 };

static void *make_many(void *arg)
{
    cv_uuid *uuids = arg;
    for (int i = 0; i < PER_THREAD; i++)
        uuids[i] = cv_uuid_v7();
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cv_uuid));
}

static void threads_never_get_the_same_place_in_time(void **state)
{
    (void)state;
    static cv_uuid uuids[THREADS][PER_THREAD];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, uuids[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    cv_uuid *all = uuids[0];
    for (int i = 0; i < THREADS * PER_THREAD; i++) {
        all[i].bytes[8] &= 0xFC; /* time and counter alone */
        memset(all[i].bytes + 9, 0, 7);
    }
    qsort(all, THREADS * PER_THREAD, sizeof *all, by_value);
    for (int i = 1; i < THREADS * PER_THREAD; i++)
        assert_int_not_equal(cv_uuid_compare(all[i - 1], all[i]), 0);
}

static void random_bytes_fill_any_length(void **state)
{
    (void)state;
    static unsigned char bytes[2000];
    cv_random_bytes(bytes, 0);
    assert_int_equal(bytes[0], 0);
    cv_random_bytes(bytes, sizeof bytes);
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_has_one_form),
        cmocka_unit_test(what_is_no_uuid_is_refused),
        cmocka_unit_test(version_4_is_random),
        cmocka_unit_test(version_7_carries_the_time),
        cmocka_unit_test(version_7_ascends_within_a_thread),
        cmocka_unit_test(threads_never_get_the_same_place_in_time),
        cmocka_unit_test(random_bytes_fill_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
