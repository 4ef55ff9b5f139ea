#include "network_test.h"

#include <fcntl.h>
#include <unistd.h>

static void client_expect(wire *w, const char *text)
{
    char taken[64] = "";
    size_t len;
    assert_ok(w->cx, cv_test_read(w->cx, w->client, taken, sizeof taken - 1, &len));
    taken[len] = '\0';
    assert_string_equal(taken, text);
}

static void client_says(wire *w, const char *text)
{
    assert_int_equal(cv_test_write(w->client, cv_str_of(text)), 0);
}

static void test_bytes_pass_both_ways_and_the_ends_after_them(void **state)
{
    wire *w = *state;
    w->server->ops->want(w->server, CV__READABLE);
    client_says(w, "ping");
    assert_int_equal(cv_test_untaken(w->client), 4);
    assert_int_equal(w->calls, 0); /* never from inside a call */
    wire_settle(w);
    assert_string_equal(w->got, "ping");
    assert_int_equal(cv_test_untaken(w->client), 0);
    wire_say(w, "pong");
    client_expect(w, "pong");
    cv_test_end(w->client);
    assert_int_equal(cv_test_write(w->client, CV_STR("more")), CV_E_STATE);
    wire_settle(w);
    assert_int_equal(w->last, 0);
    wire_say(w, "bye");
    w->server->ops->shutdown(w->server);
    client_expect(w, "bye");
    client_expect(w, "");
}

static void test_readiness_lasts_while_it_holds(void **state)
{
    wire *w = *state;
    w->reads = false;
    client_says(w, "a");
    wire_settle(w);
    assert_int_equal(w->calls, 0); /* not wanted */
    for (unsigned i = 1; i < 4; i++) {
        w->server->ops->want(w->server, CV__READABLE);
        wire_settle(w);
        assert_int_equal(w->calls, i);
        assert_int_equal(w->events, CV__READABLE);
    }
    w->server->ops->want(w->server, CV__WRITABLE);
    wire_settle(w);
    assert_int_equal(w->events, CV__WRITABLE);
}

static void test_a_delay_takes_time_of_the_simulated_clock(void **state)
{
    wire *w = *state;
    int64_t start_ns = cv_now_ns(w->cx);
    cv_test_network_set(w->client, &(cv_test_network){.delay_ms = 3000});
    w->server->ops->want(w->server, CV__READABLE);
    client_says(w, "a");
    wire_say(w, "b");
    client_expect(w, "b");
    assert_int_equal(wire_ms(w, start_ns), 3000);
    wire_settle(w);
    assert_string_equal(w->got, "a");
}

static void test_pieces_come_one_a_read_and_with_a_delay_one_after_the_other(void **state)
{
    wire *w = *state;
    char two[2];
    cv_test_network_set(w->client, &(cv_test_network){.piece_bytes = 2});
    client_says(w, "abcde");
    assert_int_equal(w->server->ops->read(w->server, two, 2), 2);
    assert_int_equal(w->server->ops->read(w->server, two, 2), UV_EAGAIN);
    w->server->ops->want(w->server, CV__READABLE);
    wire_settle(w);
    assert_string_equal(w->got, "cde");
    assert_int_equal(w->calls, 2);
    cv_test_network_set(w->client, &(cv_test_network){.piece_bytes = 1, .delay_ms = 1000});
    client_says(w, "fgh");
    client_says(w, "i");
    assert_ok(w->cx, cv_sleep_ms(w->cx, 2500));
    assert_string_equal(w->got, "cdefg");
    assert_ok(w->cx, cv_sleep_ms(w->cx, 1600));
    assert_string_equal(w->got, "cdefghi");
}

static void test_writes_wait_for_room_in_the_window(void **state)
{
    wire *w = *state;
    cv_test_network_set(w->client, &(cv_test_network){.window_bytes = 4});
    assert_int_equal(wire_write(w, CV_STR("abcdef")), 4);
    assert_int_equal(wire_write(w, CV_STR("ef")), UV_EAGAIN);
    w->server->ops->want(w->server, CV__WRITABLE);
    wire_settle(w);
    assert_int_equal(w->calls, 0);
    client_expect(w, "abcd");
    wire_settle(w);
    assert_int_equal(w->events, CV__WRITABLE);
    wire_say(w, "ef");
    client_expect(w, "ef");
}

static void test_several_pieces_are_written_as_far_as_there_is_room(void **state)
{
    wire *w = *state;
    char text[] = "abcde";
    struct iovec pieces[] = {{text, 2}, {text + 2, 0}, {text + 2, 2}, {text + 4, 1}};
    cv_test_network_set(w->client, &(cv_test_network){.window_bytes = 3});
    assert_int_equal(w->server->ops->write(w->server, pieces, 4, true), 3);
    client_expect(w, "abc");
}

static void test_a_file_is_sent(void **state)
{
    wire *w = *state;
    char path[] = "/tmp/covet-network-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    cv_test_network_set(w->client, &(cv_test_network){.window_bytes = 4});
    assert_int_equal(w->server->ops->send_file(w->server, fd, 2, 8), 4);
    assert_int_equal(w->server->ops->send_file(w->server, fd, 6, 4), UV_EAGAIN);
    client_expect(w, "2345");
    assert_int_equal(w->server->ops->send_file(w->server, -1, 6, 4), UV_EBADF);
    close(fd);
    unlink(path);
}

static void test_a_stalled_network_passes_nothing_until_it_is_released(void **state)
{
    wire *w = *state;
    int64_t start_ns = cv_now_ns(w->cx);
    cv_test_network_set(w->client, &(cv_test_network){.stalled = true});
    w->server->ops->want(w->server, CV__READABLE);
    client_says(w, "a");
    wire_say(w, "b");
    size_t len;
    int rc = 0;
    char byte;
    CV_WITHIN(w->cx, 5000)
    {
        rc = cv_test_read(w->cx, w->client, &byte, 1, &len);
    }
    assert_int_equal(rc, CV_E_TIMEOUT);
    cv_error_clear(w->cx);
    assert_int_equal(wire_ms(w, start_ns), 5000);
    assert_int_equal(w->got_len, 0);
    cv_test_network_set(w->client, NULL);
    client_expect(w, "b");
    wire_settle(w);
    assert_string_equal(w->got, "a");
}

static void test_a_deliberate_reset_leaves_what_has_arrived(void **state)
{
    wire *w = *state;
    wire_say(w, "half");
    w->server->ops->close(w->server, true);
    client_expect(w, "half");
    char byte;
    size_t len;
    assert_fails(w->cx, cv_test_read(w->cx, w->client, &byte, 1, &len), CV_E_CONNECTION_LOST, "reset");
    assert_int_equal(cv_test_write(w->client, CV_STR("x")), CV_E_CONNECTION_LOST);
}

static void test_a_close_with_unread_input_loses_the_last_words(void **state)
{
    wire *w = *state;
    client_says(w, "unread");
    wire_say(w, "lost");
    w->server->ops->close(w->server, false);
    char byte;
    size_t len;
    assert_fails(w->cx, cv_test_read(w->cx, w->client, &byte, 1, &len), CV_E_CONNECTION_LOST, "reset");
}

static void test_input_after_the_close_loses_them_too(void **state)
{
    wire *w = *state;
    wire_say(w, "lost");
    w->server->ops->close(w->server, false);
    assert_int_equal(cv_test_write(w->client, CV_STR("more")), 0);
    char byte;
    size_t len;
    assert_fails(w->cx, cv_test_read(w->cx, w->client, &byte, 1, &len), CV_E_CONNECTION_LOST, "reset");
}

static void test_a_client_that_leaves_is_an_end_or_a_reset(void **state)
{
    wire *w = *state;
    w->server->ops->want(w->server, CV__READABLE);
    client_says(w, "a");
    wire_hang_up(w);
    wire_settle(w);
    assert_string_equal(w->got, "a");
    assert_int_equal(w->last, 0);
    assert_int_equal(wire_write(w, CV_STR("to nobody")), UV_EPIPE);
}

static void test_a_client_that_leaves_unread_bytes_resets(void **state)
{
    wire *w = *state;
    w->server->ops->want(w->server, CV__READABLE);
    wire_say(w, "unread");
    wire_hang_up(w);
    wire_settle(w);
    assert_int_equal(w->last, UV_ECONNRESET);
}

static int read_in_fiber(cv_ctx *cx, void *arg)
{
    wire *w = arg;
    char byte;
    size_t len;
    CV_TRY(cv_test_read(cx, w->client, &byte, 1, &len));
    return len == 1 ? byte : 0;
}

static void test_one_fiber_reads_at_a_time(void **state)
{
    wire *w = *state;
    cv_fiber *first;
    char byte;
    size_t len;
    assert_ok(w->cx, cv_spawn(w->cx, "first", read_in_fiber, w, &first));
    wire_settle(w);
    assert_fails(w->cx, cv_test_read(w->cx, w->client, &byte, 1, &len), CV_E_STATE, "another fiber");
    wire_say(w, "x");
    assert_int_equal(cv_join(w->cx, first, NULL), 'x');
}

static void test_nobody_waits_for_ever(void **state)
{
    wire *w = *state;
    char byte;
    size_t len;
    assert_fails(w->cx, cv_test_read(w->cx, w->client, &byte, 1, &len), CV_E_DEADLOCK_SELF, "read from the server");
}

static void test_what_the_server_must_still_read_is_bounded(void **state)
{
    wire *w = *state;
    size_t size = (size_t)64 << 20;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    assert_int_equal(cv_test_write(w->client, cv_str_make(bytes, size)), 0);
    assert_int_equal(cv_test_write(w->client, CV_STR("x")), CV_E_LIMIT);
    free(bytes);
}

static void ignore_close(cv__transport *transport)
{
    (void)transport;
}

static void test_peers_are_addresses(void **state)
{
    wire *w = *state;
    static const struct {
        const char *peer;
        int family;
    } cases[] = {{NULL, AF_INET}, {"192.0.2.1", AF_INET}, {"2001:db8::1", AF_INET6}, {"unix", AF_UNIX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_test_connection *c;
        assert_ok(w->cx, cv__network_connect(w->cx, w->network, cases[i].peer, &c));
        assert_int_equal(c->transport.peer.address.ss_family, cases[i].family);
        c->transport.closed = ignore_close;
        c->transport.ops->close(&c->transport, false);
        cv_test_close(c, false);
    }
    cv_test_connection *c;
    assert_fails(w->cx, cv__network_connect(w->cx, w->network, "localhost", &c), CV_E_INVALID, "localhost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        wire_test(test_bytes_pass_both_ways_and_the_ends_after_them),
        wire_test(test_readiness_lasts_while_it_holds),
        wire_test(test_a_delay_takes_time_of_the_simulated_clock),
        wire_test(test_pieces_come_one_a_read_and_with_a_delay_one_after_the_other),
        wire_test(test_writes_wait_for_room_in_the_window),
        wire_test(test_several_pieces_are_written_as_far_as_there_is_room),
        wire_test(test_a_file_is_sent),
        wire_test(test_a_stalled_network_passes_nothing_until_it_is_released),
        wire_test(test_a_deliberate_reset_leaves_what_has_arrived),
        wire_test(test_a_close_with_unread_input_loses_the_last_words),
        wire_test(test_input_after_the_close_loses_them_too),
        wire_test(test_a_client_that_leaves_is_an_end_or_a_reset),
        wire_test(test_a_client_that_leaves_unread_bytes_resets),
        wire_test(test_one_fiber_reads_at_a_time),
        wire_test(test_nobody_waits_for_ever),
        wire_test(test_what_the_server_must_still_read_is_bounded),
        wire_test(test_peers_are_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
