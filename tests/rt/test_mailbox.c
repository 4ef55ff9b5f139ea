/* Mailboxes: what reaches the runtime of another thread, in which order, and what is lost. */
#include "await.h"
#include "rt/mailbox.h"
#include "rt_test.h"

#include <covet/sync.h>
#include <pthread.h>

/* A message with a letter that is noted when it arrives, and "!" and the letter when it is lost. */
struct parcel {
    cv__message message;
    struct history *history;
    const char *letter;
    const char *fiber_name;
    int code;
};

static void on_parcel(cv_ctx *main, cv__message *message)
{
    struct parcel *parcel = cv_list_entry(message, struct parcel, message);
    (void)main;
    note(parcel->history, parcel->letter);
}

static int run_parcel(cv_ctx *cx, cv__message *message)
{
    struct parcel *parcel = cv_list_entry(message, struct parcel, message);
    parcel->fiber_name = cv_fiber_name(cx);
    note(parcel->history, parcel->letter);
    return 0;
}

static void on_lost(cv__message *message, int code)
{
    struct parcel *parcel = cv_list_entry(message, struct parcel, message);
    parcel->code = code;
    note(parcel->history, "!");
    note(parcel->history, parcel->letter);
}

static struct parcel make_parcel(struct history *history, const char *letter, const char *fiber)
{
    struct parcel parcel = {.history = history, .letter = letter};
    parcel.message = (cv__message){.fiber = fiber, .run = run_parcel, .arrive = on_parcel, .lost = on_lost};
    return parcel;
}

/* Posts `count` parcels from a thread of its own. */
struct sender {
    cv__mailbox *mailbox;
    struct parcel *parcels;
    size_t count;
};

static void *send_parcels(void *arg)
{
    struct sender *sender = arg;
    for (size_t i = 0; i < sender->count; i++)
        cv__post(sender->mailbox, &sender->parcels[i].message);
    return NULL;
}

static void wait_for_length(cv_ctx *cx, const struct history *history, size_t length)
{
    await_turns(cx, history->length >= length);
}

static void messages_of_a_thread_arrive_in_order(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv__mailbox *mailbox = cv__mailbox_new();
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    struct parcel parcels[] = {make_parcel(&history, "a", NULL), make_parcel(&history, "b", NULL),
                               make_parcel(&history, "c", NULL)};
    struct sender sender = {mailbox, parcels, 3};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_parcels, &sender), 0);
    wait_for_length(cx, &history, 3);
    pthread_join(thread, NULL);
    assert_string_equal(history.text, "abc");
    cv__mailbox_close(mailbox);
    cv__mailbox_unref(mailbox);
}

static void messages_can_run_in_fibers(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv__mailbox *mailbox = cv__mailbox_new();
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    struct parcel parcels[] = {make_parcel(&history, "a", "parcel"), make_parcel(&history, "b", "parcel")};
    struct sender sender = {mailbox, parcels, 2};
    send_parcels(&sender);
    wait_for_length(cx, &history, 2);
    assert_string_equal(history.text, "ab");
    assert_string_equal(parcels[1].fiber_name, "parcel");
    cv__mailbox_close(mailbox);
    cv__mailbox_unref(mailbox);
}

static void what_is_posted_before_the_opening_is_kept(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv__mailbox *mailbox = cv__mailbox_new();
    struct parcel parcel = make_parcel(&history, "a", NULL);
    cv__post(mailbox, &parcel.message);
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    wait_for_length(cx, &history, 1);
    assert_string_equal(history.text, "a");
    cv__mailbox_close(mailbox);
    cv__mailbox_unref(mailbox);
}

static void what_is_in_a_mailbox_at_its_close_is_lost(void **state)
{
    cv_ctx *cx = *state;
    struct history history = {0};
    cv__mailbox *mailbox = cv__mailbox_new();
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    struct parcel early = make_parcel(&history, "a", NULL), late = make_parcel(&history, "b", "parcel");
    cv__post(mailbox, &early.message);
    cv__mailbox_close(mailbox);
    cv__post(mailbox, &late.message);
    assert_string_equal(history.text, "!a!b");
    assert_int_equal(early.code, CV_E_CLOSED);
    cv__mailbox_unref(mailbox);
    cv__mailbox_unref(NULL);
}

static void unopened_mailbox_loses_everything(void **state)
{
    (void)state;
    struct history history = {0};
    cv__mailbox *mailbox = cv__mailbox_new();
    struct parcel parcel = make_parcel(&history, "a", NULL);
    parcel.message.lost = NULL; /* nobody needs to know */
    cv__post(mailbox, &parcel.message);
    cv__mailbox_close(mailbox);
    assert_string_equal(history.text, "");
    cv__mailbox_unref(mailbox);
}

static int hold_fiber(cv_ctx *cx, void *arg)
{
    return cv_cond_wait(cx, arg, NULL);
}

static void message_without_a_fiber_left_is_lost(void **state)
{
    (void)state;
    cv_ctx *cx;
    assert_int_equal(cv_runtime_new(&(cv_runtime_options){.max_fibers = 1}, &cx), 0);
    struct history history = {0};
    cv_cond never;
    cv_cond_init(&never);
    assert_ok(cx, cv_spawn(cx, "holder", hold_fiber, &never, NULL));
    cv__mailbox *mailbox = cv__mailbox_new();
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    struct parcel parcel = make_parcel(&history, "a", "parcel");
    cv__post(mailbox, &parcel.message);
    wait_for_length(cx, &history, 2);
    assert_string_equal(history.text, "!a");
    assert_int_equal(parcel.code, CV_E_LIMIT);
    assert_null(cv_error_last(cx));
    cv__mailbox_close(mailbox);
    cv__mailbox_unref(mailbox);
    cv_runtime_free(cx);
}

static void mailbox_nothing_is_expected_in_does_not_hide_a_deadlock(void **state)
{
    cv_ctx *cx = *state;
    cv__mailbox *mailbox = cv__mailbox_new();
    assert_ok(cx, cv__mailbox_open(cx, mailbox));
    cv__mailbox_expect(mailbox, false);
    cv__mailbox_expect(mailbox, true);
    cv__mailbox_expect(mailbox, false);
    cv_cond never;
    cv_cond_init(&never);
    assert_fails(cx, cv_cond_wait(cx, &never, NULL), CV_E_DEADLOCK_SELF, "");
    cv__mailbox_close(mailbox);
    cv__mailbox_unref(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(messages_of_a_thread_arrive_in_order),
        runtime_test(messages_can_run_in_fibers),
        runtime_test(what_is_posted_before_the_opening_is_kept),
        runtime_test(what_is_in_a_mailbox_at_its_close_is_lost),
        runtime_test(unopened_mailbox_loses_everything),
        cmocka_unit_test(message_without_a_fiber_left_is_lost),
        runtime_test(mailbox_nothing_is_expected_in_does_not_hide_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
