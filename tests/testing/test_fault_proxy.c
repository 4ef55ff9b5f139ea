/* The fault proxy in front of a server that echoes: each rule, seen from a plain client. Both work with blocking
 * sockets, the server in threads of its own. */
#include "await.h"
#include "test.h"

#include <arpa/inet.h>
#include <covet/fault_proxy.h>
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LIMIT_S = 20, MOST_CONNECTIONS = 16 };

/* ---- the server ---- */

typedef struct echo {
    int listener, port;
    char path[64];
    const char *greeting; /* sent to whoever connects, when set */
    size_t greeting_len;
    size_t swallow;    /* bytes at the beginning of each connection that are not echoed */
    const char *after; /* sent when they have come, when set */
    size_t after_len;
    char tls_answer;        /* to the first of them, when set */
    atomic_int open, total; /* connections */
    pthread_t thread, threads[MOST_CONNECTIONS];
    struct connection {
        struct echo *echo;
        int fd;
    } connections[MOST_CONNECTIONS];
} echo;

static void *echo_connection(void *arg)
{
    struct connection *c = arg;
    char buffer[65536];
    size_t swallow = c->echo->swallow;
    ssize_t got;
    if (c->echo->greeting)
        (void)!write(c->fd, c->echo->greeting, c->echo->greeting_len);
    if (c->echo->tls_answer && recv(c->fd, buffer, 8, MSG_WAITALL) == 8)
        (void)!write(c->fd, &c->echo->tls_answer, 1);
    while ((got = recv(c->fd, buffer, swallow ? swallow : sizeof buffer, 0)) > 0) {
        bool swallows = swallow > 0;
        swallow -= swallows ? (size_t)got : 0;
        if (swallows && swallow == 0 && c->echo->after)
            (void)!write(c->fd, c->echo->after, c->echo->after_len);
        if (!swallows && send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    }
    close(c->fd);
    atomic_fetch_sub(&c->echo->open, 1);
    return NULL;
}

static void *echo_accept(void *arg)
{
    echo *e = arg;
    int fd;
    while ((fd = accept(e->listener, NULL, NULL)) >= 0) {
        int index = atomic_fetch_add(&e->total, 1);
        atomic_fetch_add(&e->open, 1);
        e->connections[index] = (struct connection){e, fd};
        pthread_create(&e->threads[index], NULL, echo_connection, &e->connections[index]);
    }
    return NULL;
}

static void echo_start(echo *e)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t length = sizeof in;
    bool local = e->path[0] != 0;
    snprintf(un.sun_path, sizeof un.sun_path, "%s", e->path);
    e->listener = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (local)
        assert_int_equal(bind(e->listener, (struct sockaddr *)&un, sizeof un), 0);
    else
        assert_int_equal(bind(e->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(e->listener, 16), 0);
    if (!local && getsockname(e->listener, (struct sockaddr *)&in, &length) == 0)
        e->port = ntohs(in.sin_port);
    pthread_create(&e->thread, NULL, echo_accept, e);
}

static void echo_stop(echo *e)
{
    shutdown(e->listener, SHUT_RDWR);
    pthread_join(e->thread, NULL);
    close(e->listener);
    for (int i = 0; i < atomic_load(&e->total); i++)
        pthread_join(e->threads[i], NULL);
    if (e->path[0])
        unlink(e->path);
}

/* ---- the client ---- */

static int try_connect(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = LIMIT_S}, sizeof(struct timeval));
    if (connect(fd, (struct sockaddr *)&in, sizeof in) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static void send_bytes(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* A message of PostgreSQL. */
static void send_message(int fd, char type, const char *text)
{
    uint8_t message[256] = {(uint8_t)type};
    size_t len = strlen(text);
    uint32_t size = htonl((uint32_t)len + 4);
    memcpy(message + 1, &size, 4);
    memcpy(message + 5, text, len);
    send_bytes(fd, message, len + 5);
}

static void send_start(int fd, uint32_t code)
{
    uint32_t start[2] = {htonl(8), htonl(code)};
    send_bytes(fd, start, sizeof start);
}

/* A packet of MySQL. */
static void send_packet(int fd, uint8_t number, const void *bytes, size_t len)
{
    uint8_t packet[256] = {(uint8_t)len, 0, 0, number};
    if (len)
        memcpy(packet + 4, bytes, len);
    send_bytes(fd, packet, len + 4);
}

static void expect(int fd, const char *bytes, size_t len)
{
    char got[512];
    assert_int_equal(recv(fd, got, len, MSG_WAITALL), (ssize_t)len);
    assert_memory_equal(got, bytes, len);
}

static void expect_message(int fd, char type, const char *text)
{
    char got[512];
    size_t len = strlen(text) + 5;
    assert_int_equal(recv(fd, got, len, MSG_WAITALL), (ssize_t)len);
    assert_int_equal(got[0], type);
    assert_memory_equal(got + 5, text, len - 5);
}

static void expect_packet(int fd, uint8_t number, const void *bytes, size_t len)
{
    uint8_t got[256];
    assert_int_equal(recv(fd, got, len + 4, MSG_WAITALL), (ssize_t)len + 4);
    assert_int_equal(got[0], len);
    assert_int_equal(got[3], number);
    if (len)
        assert_memory_equal(got + 4, bytes, len);
}

static void expect_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void expect_reset(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void expect_nothing(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* ---- a case ---- */

typedef struct fixture {
    echo echo;
    cv_ctx *cx;
    cv_fault_proxy *proxy;
    int fd;
} fixture;

static void begin(fixture *f, const char *scheme)
{
    char url[128];
    bool postgres = strcmp(scheme, "postgres") == 0;
    if (postgres && !f->echo.swallow)
        f->echo.swallow = 8;
    echo_start(&f->echo);
    assert_int_equal(cv_runtime_new(NULL, &f->cx), 0);
    snprintf(url, sizeof url, "%s://me@127.0.0.1:%d/data?a=b", scheme, f->echo.port);
    assert_ok(f->cx, cv_fault_proxy_new(f->cx, url, NULL, &f->proxy));
    f->fd = try_connect(cv_fault_proxy_port(f->proxy));
    assert_true(f->fd >= 0);
    if (postgres && !f->echo.tls_answer)
        send_start(f->fd, 196608);
}

static void end(fixture *f)
{
    close(f->fd);
    cv_fault_proxy_free(f->cx, f->proxy);
    cv_runtime_free(f->cx);
    echo_stop(&f->echo);
}

#define set_rules(f, ...)                                                                                              \
    do {                                                                                                               \
        const cv_fault_rule rules_[] = {__VA_ARGS__};                                                                  \
        assert_ok((f)->cx, cv_fault_proxy_set((f)->cx, (f)->proxy, rules_, sizeof rules_ / sizeof rules_[0]));         \
    } while (0)

static void heal(fixture *f)
{
    assert_ok(f->cx, cv_fault_proxy_set(f->cx, f->proxy, NULL, 0));
}

static cv_fault_proxy_stats stats_of(fixture *f)
{
    cv_fault_proxy_stats stats = {0};
    assert_ok(f->cx, cv_fault_proxy_get_stats(f->cx, f->proxy, &stats));
    return stats;
}

/* ---- MySQL: a greeting, the answer to it, and packets ---- */

enum { ANSWER_BYTES = 34, TLS_BYTES = 32 };

#define GREETING "\4\0\0\0\n10"

/* In front of a server that greets; the greeting has come. */
static void begin_mysql(fixture *f)
{
    f->echo.greeting = GREETING;
    f->echo.greeting_len = sizeof GREETING;
    begin(f, "mysql");
    expect(f->fd, GREETING, sizeof GREETING);
}

/* The client's answer; a request for TLS is its beginning. */
static void send_answer(int fd, unsigned can, size_t len)
{
    uint8_t answer[ANSWER_BYTES] = {(uint8_t)can, (uint8_t)(can >> 8)};
    send_packet(fd, 1, answer, len);
}

/* Behind the answer: what is sent from here on comes back. */
static void begin_commands(fixture *f)
{
    f->echo.swallow = ANSWER_BYTES + 4;
    begin_mysql(f);
    send_answer(f->fd, 0x200, ANSWER_BYTES);
    send_packet(f->fd, 0, "\x0e", 1);
    expect_packet(f->fd, 0, "\x0e", 1);
}

/* ---- cases ---- */

static void without_rules_everything_passes(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    send_message(f.fd, 'Q', "SELECT 1");
    expect_message(f.fd, 'Q', "SELECT 1");
    send_message(f.fd, 'X', "");
    expect_message(f.fd, 'X', "");
    cv_fault_proxy_stats stats = stats_of(&f);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.open, 1);
    assert_int_equal(stats.from_client, 3);
    assert_int_equal(stats.from_server, 2);
    assert_int_equal(stats.stalled, 0);
    end(&f);
}

static void the_url_leads_to_the_proxy(void **state)
{
    (void)state;
    fixture f = {0};
    char url[128];
    begin(&f, "tcp");
    snprintf(url, sizeof url, "tcp://me@127.0.0.1:%d/data?a=b", cv_fault_proxy_port(f.proxy));
    assert_string_equal(cv_fault_proxy_url(f.proxy), url);
    send_bytes(f.fd, "PING", 4);
    expect(f.fd, "PING", 4);
    end(&f);
}

static void a_large_message_passes_whole_and_counts_once(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'd'});
    uint8_t *message = calloc(2, SIZE + 1);
    uint32_t size = htonl(SIZE);
    message[0] = 'd';
    memcpy(message + 1, &size, 4);
    memset(message + 5, 'd', SIZE - 4);
    for (size_t sent = 0; sent < SIZE + 1; sent += 50000) {
        size_t part = SIZE + 1 - sent < 50000 ? SIZE + 1 - sent : 50000;
        send_bytes(f.fd, message + sent, part);
        assert_int_equal(recv(f.fd, message + SIZE + 1, part, MSG_WAITALL), (ssize_t)part);
        assert_memory_equal(message + sent, message + SIZE + 1, part);
    }
    send_message(f.fd, 'c', "");
    expect_message(f.fd, 'c', "");
    cv_fault_proxy_stats stats = stats_of(&f);
    assert_int_equal(stats.from_client, 3);
    free(message);
    end(&f);
}

static void a_delay_holds_a_message_back(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_DELAY, .from = CV_FAULT_CLIENT, .delay_ms = 60});
    int64_t start_ns = cv_now_ns(f.cx);
    send_bytes(f.fd, "late", 4);
    expect(f.fd, "late", 4);
    assert_true(cv_now_ns(f.cx) - start_ns >= 60 * 1000000);
    end(&f);
}

static void a_stall_keeps_everything_until_it_is_healed(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_STALL, .from = CV_FAULT_CLIENT, .type = 'Q', .text = "COMMIT"});
    send_message(f.fd, 'Q', "SELECT 1");
    expect_message(f.fd, 'Q', "SELECT 1");
    send_message(f.fd, 'Q', "COMMIT");
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    send_message(f.fd, 'Q', "SELECT 2");
    assert_int_equal(stats_of(&f).stalled, 1);
    assert_int_equal(stats_of(&f).faults, 1);
    expect_nothing(f.fd);
    heal(&f);
    expect_message(f.fd, 'Q', "COMMIT");
    expect_message(f.fd, 'Q', "SELECT 2");
    assert_int_equal(stats_of(&f).stalled, 0);
    end(&f);
}

static void a_held_message_is_judged_anew_by_new_rules(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_STALL});
    send_bytes(f.fd, "x", 1);
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    set_rules(&f, {CV_FAULT_NONE}, {CV_FAULT_CUT, .from = CV_FAULT_CLIENT});
    expect_end(f.fd);
    end(&f);
}

static void a_stall_of_one_way_lets_the_other_pass(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_STALL, .from = CV_FAULT_SERVER, .type = 'B', .one_way = true});
    send_message(f.fd, 'A', "");
    expect_message(f.fd, 'A', "");
    send_message(f.fd, 'B', "");
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    send_message(f.fd, 'C', ""); /* reaches the server */
    await_that(f.cx, stats_of(&f).from_client >= 4);
    expect_nothing(f.fd);
    end(&f);
}

static void the_connection_of_a_client_that_gives_up_is_ended(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_STALL});
    send_bytes(f.fd, "x", 1);
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    close(f.fd);
    await_that(f.cx, atomic_load(&f.echo.open) == 0 && stats_of(&f).open == 0);
    f.fd = try_connect(cv_fault_proxy_port(f.proxy));
    end(&f);
}

static void a_cut_ends_the_connection_at_the_message(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_CUT, .from = CV_FAULT_SERVER, .nth = 3});
    for (int i = 0; i < 4; i++)
        send_message(f.fd, 'D', "row");
    expect_message(f.fd, 'D', "row");
    expect_message(f.fd, 'D', "row");
    expect_end(f.fd);
    end(&f);
}

static void a_cut_halfway_truncates_the_message(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_CUT, .from = CV_FAULT_SERVER, .type = 'D', .halfway = true});
    send_message(f.fd, 'T', "1");
    send_message(f.fd, 'D', "12345"); /* 10 bytes */
    expect_message(f.fd, 'T', "1");
    expect(f.fd, "D\0\0\0\x09", 5);
    expect_end(f.fd);
    end(&f);
}

static void a_stall_halfway_goes_on_with_the_other_half(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_STALL, .from = CV_FAULT_SERVER, .type = 'D', .halfway = true});
    send_message(f.fd, 'D', "12345");
    expect(f.fd, "D\0\0\0\x09", 5);
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    heal(&f);
    expect(f.fd, "12345", 5);
    send_message(f.fd, 'Z', "I");
    expect_message(f.fd, 'Z', "I");
    end(&f);
}

static void a_reset_is_one(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_RESET, .nth = 2});
    send_bytes(f.fd, "x", 1);
    expect_reset(f.fd);
    end(&f);
}

static void a_throttle_slows_down(void **state)
{
    (void)state;
    fixture f = {0};
    char bytes[400] = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_THROTTLE, .from = CV_FAULT_SERVER, .bytes_per_s = 4000});
    int64_t start_ns = cv_now_ns(f.cx);
    send_bytes(f.fd, bytes, sizeof bytes);
    expect(f.fd, bytes, sizeof bytes); /* 100 ms, less a piece */
    assert_true(cv_now_ns(f.cx) - start_ns >= 80 * 1000000);
    end(&f);
}

static void connections_are_refused_and_accepted_again(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_REFUSE});
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_connect(cv_fault_proxy_port(f.proxy)), -ECONNREFUSED);
    send_bytes(f.fd, "old ones", 8);
    expect(f.fd, "old ones", 8);
    heal(&f);
    int fd = try_connect(cv_fault_proxy_port(f.proxy));
    assert_true(fd >= 0);
    send_bytes(fd, "new", 3);
    expect(fd, "new", 3);
    close(fd);
    end(&f);
}

static void a_rule_for_one_connection_spares_the_others(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    send_bytes(f.fd, "o", 1);
    expect(f.fd, "o", 1);
    set_rules(&f, {CV_FAULT_CUT, .connection = 2});
    int first = try_connect(cv_fault_proxy_port(f.proxy));
    send_bytes(first, "a", 1);
    expect(first, "a", 1);
    int second = try_connect(cv_fault_proxy_port(f.proxy));
    send_bytes(second, "b", 1);
    expect_end(second);
    send_bytes(f.fd, "c", 1);
    expect(f.fd, "c", 1);
    close(first);
    close(second);
    end(&f);
}

static void after_a_refused_tls_messages_are_told_apart(void **state)
{
    (void)state;
    fixture f = {.echo = {.tls_answer = 'N', .swallow = 8}};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_NONE, .type = CV_FAULT_TYPE_TLS}, {CV_FAULT_NONE, .type = CV_FAULT_TYPE_START},
              {CV_FAULT_CUT, .type = 'Q', .nth = 2});
    send_start(f.fd, 80877103);
    expect(f.fd, "N", 1);
    send_start(f.fd, 196608);
    send_message(f.fd, 'Q', "");
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 2));
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 1, 1));
    expect_end(f.fd); /* the echo of the message is the second */
    end(&f);
}

static void within_tls_there_are_only_bytes(void **state)
{
    (void)state;
    fixture f = {.echo = {.tls_answer = 'S'}};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_CUT, .type = 'Q'});
    send_start(f.fd, 80877103);
    expect(f.fd, "S", 1);
    send_bytes(f.fd, "swallow!", 8);
    send_bytes(f.fd, "Q\0\0\0\4", 5);
    expect(f.fd, "Q\0\0\0\4", 5);
    end(&f);
}

static void what_is_no_message_passes_as_bytes(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "postgres");
    set_rules(&f, {CV_FAULT_CUT, .type = 'Q'});
    send_bytes(f.fd, "Q\0\0\0\1", 5);
    expect(f.fd, "Q\0\0\0\1", 5);
    end(&f);
}

static void packets_of_mysql_are_told_apart(void **state)
{
    (void)state;
    fixture f = {0};
    begin_commands(&f);
    set_rules(
        &f, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'Q'},
        {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'P'}, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'E'},
        {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'C'}, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'S'},
        {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'R'}, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'X'},
        {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'c'}, {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .type = 'd'},
        {CV_FAULT_NONE, .from = CV_FAULT_CLIENT, .text = "SELECT 2"});
    const char *const packets[] = {"\x03SELECT 2", "\x16SELECT 1", "\x17", "\x19", "\x0e", "\x1f", "\x01", "\x1b"};
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        send_packet(f.fd, 0, packets[i], strlen(packets[i]));
        expect_packet(f.fd, 0, packets[i], strlen(packets[i]));
    }
    send_packet(f.fd, 1, "\x03", 1); /* the rest of a command may begin like another */
    expect_packet(f.fd, 1, "\x03", 1);
    for (size_t i = 0; i < 10; i++)
        assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, i, 1));
    assert_int_equal(stats_of(&f).faults, 10);
    end(&f);
}

/* What the server sends is the echo of what the client sent. */
static void answers_of_mysql_are_told_apart(void **state)
{
    (void)state;
    fixture f = {0};
    begin_commands(&f);
    set_rules(&f, {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'K'},
              {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'E'},
              {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'Z'},
              {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'D'});
    send_packet(f.fd, 0, "\0\0", 2);
    expect_packet(f.fd, 0, "\0\0", 2);
    send_packet(f.fd, 0, "\xff!", 2);
    expect_packet(f.fd, 0, "\xff!", 2);
    send_packet(f.fd, 0, "\xfe\0\0\2\0", 5);
    expect_packet(f.fd, 0, "\xfe\0\0\2\0", 5);
    send_packet(f.fd, 0, "\xfe is a long row", 15);
    expect_packet(f.fd, 0, "\xfe is a long row", 15);
    send_packet(f.fd, 2, "", 0);
    expect_packet(f.fd, 2, "", 0);
    for (size_t i = 0; i < 4; i++)
        assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, i, i == 3 ? 2 : 1));
    assert_int_equal(stats_of(&f).faults, 5);
    end(&f);
}

/* Two packets of the server behind one of the client: the second may begin like an answer, and is a row. */
static void a_row_of_mysql_is_no_answer(void **state)
{
    (void)state;
    fixture f = {.echo = {.swallow = ANSWER_BYTES + 4, .after = "\1\0\0\1\0\1\0\0\2\0", .after_len = 10}};
    begin_mysql(&f);
    set_rules(&f, {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'K'},
              {CV_FAULT_NONE, .from = CV_FAULT_SERVER, .type = 'D'});
    send_answer(f.fd, 0x200, ANSWER_BYTES);
    expect(f.fd, f.echo.after, f.echo.after_len);
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 1, 1));
    end(&f);
}

static void a_cut_within_a_packet_of_mysql(void **state)
{
    (void)state;
    fixture f = {0};
    begin_commands(&f);
    set_rules(&f, {CV_FAULT_CUT, .from = CV_FAULT_SERVER, .nth = 2, .halfway = true});
    send_packet(f.fd, 0, "one", 3);
    expect_packet(f.fd, 0, "one", 3);
    send_packet(f.fd, 0, "123456", 6);
    expect(f.fd,
           "\6\0\0\0"
           "1",
           5);
    expect_end(f.fd);
    end(&f);
}

static void a_packet_of_mysql_that_comes_in_pieces_is_one(void **state)
{
    (void)state;
    fixture f = {0};
    begin_commands(&f);
    uint64_t before = stats_of(&f).from_client;
    const char packet[] = "\5\0\0\0\x03word";
    for (size_t i = 0; i < 9; i++) {
        send_bytes(f.fd, packet + i, 1);
        assert_ok(f.cx, cv_sleep_ms(f.cx, 1));
    }
    expect(f.fd, packet, 9);
    assert_int_equal(stats_of(&f).from_client, before + 1);
    end(&f);
}

static void the_greeting_of_mysql_can_be_held(void **state)
{
    (void)state;
    fixture f = {.echo = {.greeting = GREETING, .greeting_len = sizeof GREETING}};
    begin(&f, "mariadb");
    set_rules(&f, {CV_FAULT_STALL, .type = CV_FAULT_TYPE_START});
    int fd = try_connect(cv_fault_proxy_port(f.proxy));
    assert_ok(f.cx, cv_fault_proxy_wait(f.cx, f.proxy, 0, 1));
    expect_nothing(fd);
    heal(&f);
    expect(fd, GREETING, sizeof GREETING);
    close(fd);
    end(&f);
}

static void a_mysql_server_that_refuses_at_once_is_heard(void **state)
{
    (void)state;
    fixture f = {.echo = {.greeting = "\3\0\0\0\xff\x10\4", .greeting_len = 7}};
    begin(&f, "mysql");
    expect(f.fd, "\3\0\0\0\xff\x10\4", 7);
    set_rules(&f, {CV_FAULT_CUT, .from = CV_FAULT_SERVER, .type = 'E'});
    int fd = try_connect(cv_fault_proxy_port(f.proxy));
    expect_end(fd);
    close(fd);
    end(&f);
}

/* Behind either there are bytes that look like commands. */
static void only_bytes_behind(unsigned can, size_t len)
{
    fixture f = {.echo = {.swallow = len + 4}};
    begin_mysql(&f);
    set_rules(&f, {CV_FAULT_NONE, .type = CV_FAULT_TYPE_TLS}, {CV_FAULT_CUT, .type = 'S'});
    send_answer(f.fd, can, len);
    send_packet(f.fd, 0, "\x0e", 1);
    expect_packet(f.fd, 0, "\x0e", 1);
    assert_int_equal(stats_of(&f).faults, len == TLS_BYTES);
    end(&f);
}

static void behind_a_request_for_tls_of_mysql_there_are_only_bytes(void **state)
{
    (void)state;
    only_bytes_behind(0x800, TLS_BYTES);
}

static void in_a_compressed_connection_of_mysql_there_are_only_bytes(void **state)
{
    (void)state;
    only_bytes_behind(0x20, ANSWER_BYTES);
}

static void what_does_not_greet_like_mysql_passes_as_bytes(void **state)
{
    (void)state;
    fixture f = {.echo = {.greeting = "SSH-2.0 hello", .greeting_len = 13}};
    begin(&f, "mysql");
    expect(f.fd, "SSH-2.0 hello", 13);
    send_packet(f.fd, 0, "\x0e", 1);
    expect_packet(f.fd, 0, "\x0e", 1);
    end(&f);
}

static void unix_sockets_on_both_sides(void **state)
{
    (void)state;
    fixture f = {0};
    char path[64];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(f.echo.path, sizeof f.echo.path, "/tmp/covet-echo-%d", (int)getpid());
    snprintf(path, sizeof path, "/tmp/covet-proxy-%d", (int)getpid());
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    echo_start(&f.echo);
    assert_int_equal(cv_runtime_new(NULL, &f.cx), 0);
    cv_fault_proxy_options options = {.server_path = f.echo.path, .listen_path = path};
    assert_ok(f.cx, cv_fault_proxy_new(f.cx, "redis://localhost", &options, &f.proxy));
    assert_string_equal(cv_fault_proxy_url(f.proxy), "redis://localhost");
    set_rules(&f, {CV_FAULT_REFUSE});
    f.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(f.fd, (struct sockaddr *)&un, sizeof un), -1);
    heal(&f);
    assert_int_equal(connect(f.fd, (struct sockaddr *)&un, sizeof un), 0);
    send_bytes(f.fd, "unix", 4);
    expect(f.fd, "unix", 4);
    end(&f);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_server_that_is_not_there_resets(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    send_bytes(f.fd, "x", 1);
    expect(f.fd, "x", 1);
    shutdown(f.echo.listener, SHUT_RDWR);
    int fd = try_connect(cv_fault_proxy_port(f.proxy));
    assert_true(fd >= 0);
    expect_reset(fd);
    close(fd);
    end(&f);
}

static void waiting_ends_with_the_deadline_and_with_other_rules(void **state)
{
    (void)state;
    fixture f = {0};
    begin(&f, "tcp");
    set_rules(&f, {CV_FAULT_NONE});
    assert_int_equal(cv_fault_proxy_wait(f.cx, f.proxy, 1, 1), CV_E_INVALID);
    cv_error_clear(f.cx);
    CV_WITHIN(f.cx, 10)
    assert_int_equal(cv_fault_proxy_wait(f.cx, f.proxy, 0, 1), CV_E_TIMEOUT);
    assert_non_null(strstr(cv_error_last(f.cx)->message, "did not take effect in time"));
    cv_error_clear(f.cx);
    end(&f);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_fault_proxy *proxy = NULL;
    cv_fault_rule rules[17] = {{0}};
    char path[200];
    memset(path, 'p', sizeof path);
    path[199] = 0;
    cv_fault_proxy_options options = {.listen_path = path}, absent = {.listen_path = "/nowhere/at/all"};
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    assert_int_equal(cv_fault_proxy_new(cx, "nonsense", NULL, &proxy), CV_E_SYNTAX);
    assert_int_equal(cv_fault_proxy_new(cx, "redis://localhost", NULL, &proxy), CV_E_INVALID);
    assert_int_equal(cv_fault_proxy_new(cx, "redis://localhost:1", &options, &proxy), CV_E_INVALID);
    assert_int_equal(cv_fault_proxy_new(cx, "redis://localhost:1", &absent, &proxy), CV_E_NOT_FOUND);
    assert_int_equal(cv_fault_proxy_new(cx, "redis://no.such.name.invalid:1", NULL, &proxy), CV_E_RESOLVE);
    cv_error_clear(cx);
    assert_ok(cx, cv_fault_proxy_new(cx, "mysql://127.0.0.1", NULL, &proxy)); /* has a port of its own */
    cv_fault_proxy_free(cx, proxy);
    assert_ok(cx, cv_fault_proxy_new(cx, "postgres://127.0.0.1", NULL, &proxy));
    assert_int_equal(cv_fault_proxy_set(cx, proxy, rules, 17), CV_E_INVALID);
    cv_error_clear(cx);
    cv_fault_proxy_free(cx, proxy);
    cv_fault_proxy_free(cx, NULL);
    cv_runtime_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everything_passes),
        cmocka_unit_test(the_url_leads_to_the_proxy),
        cmocka_unit_test(a_large_message_passes_whole_and_counts_once),
        cmocka_unit_test(a_delay_holds_a_message_back),
        cmocka_unit_test(a_stall_keeps_everything_until_it_is_healed),
        cmocka_unit_test(a_held_message_is_judged_anew_by_new_rules),
        cmocka_unit_test(a_stall_of_one_way_lets_the_other_pass),
        cmocka_unit_test(the_connection_of_a_client_that_gives_up_is_ended),
        cmocka_unit_test(a_cut_ends_the_connection_at_the_message),
        cmocka_unit_test(a_cut_halfway_truncates_the_message),
        cmocka_unit_test(a_stall_halfway_goes_on_with_the_other_half),
        cmocka_unit_test(a_reset_is_one),
        cmocka_unit_test(a_throttle_slows_down),
        cmocka_unit_test(connections_are_refused_and_accepted_again),
        cmocka_unit_test(a_rule_for_one_connection_spares_the_others),
        cmocka_unit_test(after_a_refused_tls_messages_are_told_apart),
        cmocka_unit_test(within_tls_there_are_only_bytes),
        cmocka_unit_test(what_is_no_message_passes_as_bytes),
        cmocka_unit_test(packets_of_mysql_are_told_apart),
        cmocka_unit_test(answers_of_mysql_are_told_apart),
        cmocka_unit_test(a_row_of_mysql_is_no_answer),
        cmocka_unit_test(a_cut_within_a_packet_of_mysql),
        cmocka_unit_test(a_packet_of_mysql_that_comes_in_pieces_is_one),
        cmocka_unit_test(the_greeting_of_mysql_can_be_held),
        cmocka_unit_test(a_mysql_server_that_refuses_at_once_is_heard),
        cmocka_unit_test(behind_a_request_for_tls_of_mysql_there_are_only_bytes),
        cmocka_unit_test(in_a_compressed_connection_of_mysql_there_are_only_bytes),
        cmocka_unit_test(what_does_not_greet_like_mysql_passes_as_bytes),
        cmocka_unit_test(unix_sockets_on_both_sides),
        cmocka_unit_test(a_server_that_is_not_there_resets),
        cmocka_unit_test(waiting_ends_with_the_deadline_and_with_other_rules),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
