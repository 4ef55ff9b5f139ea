/* The channel. Items are small numbers in disguise. */
#include "rt_test.h"

#include <covet/sync.h>

struct ends {
    cv_channel *channel;
    intptr_t first, count; /* send: which; receive: how many */
    intptr_t received[64];
    size_t length;
    int rc;
};

static int send_all(cv_ctx *cx, void *arg)
{
    struct ends *ends = arg;
    for (intptr_t i = 0; i < ends->count; i++)
        CV_TRY(cv_channel_send(cx, ends->channel, (void *)(ends->first + i)));
    return 0;
}

static int receive_all(cv_ctx *cx, void *arg)
{
    struct ends *ends = arg;
    void *item = NULL;
    while ((ends->rc = cv_channel_receive(cx, ends->channel, &item)) == 0)
        ends->received[ends->length++] = (intptr_t)item;
    cv_error_clear(cx);
    return 0;
}

static void assert_sequence(const struct ends *ends, size_t count)
{
    assert_int_equal(ends->length, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ends->received[i], i + 1);
}

static void items_arrive_in_order_at_any_capacity(void **state)
{
    cv_ctx *cx = *state;
    for (size_t capacity = 0; capacity < 5; capacity++) {
        cv_channel *channel = cv_channel_new(capacity);
        assert_non_null(channel);
        struct ends out = {.channel = channel, .first = 1, .count = 20}, in = {.channel = channel};
        cv_fiber *sender, *receiver;
        assert_ok(cx, cv_spawn(cx, "sender", send_all, &out, &sender));
        assert_ok(cx, cv_spawn(cx, "receiver", receive_all, &in, &receiver));
        assert_ok(cx, cv_join(cx, sender, NULL));
        cv_channel_close(channel);
        assert_ok(cx, cv_join(cx, receiver, NULL));
        assert_sequence(&in, 20);
        assert_int_equal(in.rc, CV_E_CLOSED);
        cv_channel_free(channel);
    }
}

static void a_waiting_receiver_gets_the_item_directly(void **state)
{
    cv_ctx *cx = *state;
    cv_channel *channel = cv_channel_new(0);
    struct ends in = {.channel = channel};
    cv_fiber *receiver;
    assert_ok(cx, cv_spawn(cx, "receiver", receive_all, &in, &receiver));
    assert_ok(cx, cv_yield(cx));
    assert_int_equal(cv_channel_try_send(channel, (void *)1), 0);
    assert_int_equal(cv_channel_try_send(channel, (void *)2), CV_E_BUSY); /* it has not come back yet */
    cv_channel_close(channel);
    assert_ok(cx, cv_join(cx, receiver, NULL));
    assert_sequence(&in, 1);
    cv_channel_free(channel);
}

static void trying_says_full_and_empty(void **state)
{
    (void)state;
    cv_channel *channel = cv_channel_new(2);
    void *item = NULL;
    assert_int_equal(cv_channel_try_receive(channel, &item), CV_E_BUSY);
    assert_int_equal(cv_channel_try_send(channel, (void *)1), 0);
    assert_int_equal(cv_channel_try_send(channel, (void *)2), 0);
    assert_int_equal(cv_channel_try_send(channel, (void *)3), CV_E_BUSY);
    assert_int_equal(cv_channel_length(channel), 2);
    assert_int_equal(cv_channel_try_receive(channel, &item), 0);
    assert_int_equal((intptr_t)item, 1);
    cv_channel_free(channel);
}

static void closing_lets_receivers_take_what_is_left(void **state)
{
    cv_ctx *cx = *state;
    cv_channel *channel = cv_channel_new(4);
    void *item = NULL;
    assert_ok(cx, cv_channel_send(cx, channel, (void *)1));
    cv_channel_close(channel);
    cv_channel_close(channel);
    assert_fails(cx, cv_channel_send(cx, channel, (void *)2), CV_E_CLOSED, "cannot send to the channel");
    assert_ok(cx, cv_channel_receive(cx, channel, &item));
    assert_int_equal((intptr_t)item, 1);
    assert_fails(cx, cv_channel_receive(cx, channel, &item), CV_E_CLOSED, "cannot receive from the channel");
    cv_channel_free(channel);
}

static void closing_fails_waiting_senders(void **state)
{
    cv_ctx *cx = *state;
    cv_channel *channel = cv_channel_new(1);
    struct ends out = {.channel = channel, .first = 1, .count = 3};
    cv_fiber *sender;
    void *item = NULL;
    assert_ok(cx, cv_spawn(cx, "sender", send_all, &out, &sender));
    assert_ok(cx, cv_yield(cx));
    cv_channel_close(channel);
    assert_fails(cx, cv_join(cx, sender, NULL), CV_E_CLOSED, "the channel is closed");
    assert_int_equal(cv_channel_try_receive(channel, &item), 0);
    assert_int_equal(cv_channel_try_receive(channel, &item), CV_E_CLOSED); /* the failed item is not in it */
    cv_channel_free(channel);
}

static void a_cancelled_sender_takes_its_item_back(void **state)
{
    cv_ctx *cx = *state;
    cv_channel *channel = cv_channel_new(0);
    struct ends first = {.channel = channel, .first = 1, .count = 1},
                second = {.channel = channel, .first = 2, .count = 1};
    cv_fiber *fibers[2];
    void *item = NULL;
    assert_ok(cx, cv_spawn(cx, "first", send_all, &first, &fibers[0]));
    assert_ok(cx, cv_spawn(cx, "second", send_all, &second, &fibers[1]));
    assert_ok(cx, cv_yield(cx));
    cv_cancel(fibers[0]);
    assert_ok(cx, cv_channel_receive(cx, channel, &item));
    assert_int_equal((intptr_t)item, 2);
    assert_fails(cx, cv_join(cx, fibers[0], NULL), CV_E_CANCELLED, "could not send to the channel");
    assert_ok(cx, cv_join(cx, fibers[1], NULL));
    cv_channel_free(channel);
}

static void an_impossible_capacity_gives_no_channel(void **state)
{
    (void)state;
    assert_null(cv_channel_new(SIZE_MAX));
    cv_channel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(items_arrive_in_order_at_any_capacity),
        runtime_test(a_waiting_receiver_gets_the_item_directly),
        cmocka_unit_test(trying_says_full_and_empty),
        runtime_test(closing_lets_receivers_take_what_is_left),
        runtime_test(closing_fails_waiting_senders),
        runtime_test(a_cancelled_sender_takes_its_item_back),
        cmocka_unit_test(an_impossible_capacity_gives_no_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
