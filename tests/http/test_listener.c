/* Listeners: addresses, unix sockets, sockets that are there already, and who may come in. */
#include "await.h"
#include "client.h"
#include "folder.h"

#include "http/listener.h"
#include "http/server.h"
#include <covet/listener.h>
#include <covet/sync.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { SERVERS = 4 };

typedef struct world {
    fixture f;
    cv_listener *listener;
    cv_server *servers[SERVERS];
    char folder[64];
    cv_cond gate;
    bool open;
    int inside;
} world;

static int hello(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("hello"));
}

static int wait_for_gate(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    w->inside++;
    while (!w->open)
        CV_TRY(cv_cond_wait(cx, &w->gate, NULL));
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("waited"));
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    fixture_init(&w->f);
    cv_cond_init(&w->gate);
    test_folder_make(w->folder);
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/", hello, NULL));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/wait", wait_for_gate, w));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < SERVERS; i++)
        cv_server_stop(w->f.cx, w->servers[i]);
    cv_listener_close(w->listener);
    fixture_done(&w->f);
    test_folder_remove(w->folder);
    free(w);
    return 0;
}

static void listen_at(world *w, const char *address, cv_listener_options options)
{
    assert_ok(w->f.cx, cv_listener_open(w->f.cx, address, &options, &w->listener));
}

static void serve(world *w, size_t servers)
{
    for (size_t i = 0; i < servers; i++)
        assert_ok(w->f.cx, cv_server_start(w->f.cx, w->f.router,
                                           &(cv_server_options){.listener = w->listener, .socket = i}, &w->servers[i]));
    w->f.server = NULL;
}

static void stop(world *w, size_t index)
{
    cv_server_stop(w->f.cx, w->servers[index]);
    w->servers[index] = NULL;
}

static client *connect_to(world *w, const void *address, socklen_t len)
{
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->cx = w->f.cx;
    c->fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = connect(c->fd, address, len);
    assert_true(rc == 0 || errno == EINPROGRESS);
    return c;
}

static client *connect_v4(world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)cv_listener_port(w->listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect_to(w, &to, sizeof to);
}

static client *connect_v6(world *w)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)cv_listener_port(w->listener)),
                              .sin6_addr = in6addr_loopback};
    return connect_to(w, &to, sizeof to);
}

static client *connect_unix(world *w, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    return connect_to(w, &to, sizeof to);
}

static void ask_and_close(client *c)
{
    client_send(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(c, 200, "hello");
    client_close(c);
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* ---- addresses ---- */

static void test_a_literal_address(void **state)
{
    world *w = *state;
    char url[64];
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 1);
    assert_true(cv_listener_port(w->listener) > 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", cv_listener_port(w->listener));
    assert_string_equal(cv_listener_url(w->listener), url);
    assert_int_equal(cv_server_port(w->servers[0]), cv_listener_port(w->listener));
    ask_and_close(connect_v4(w));
}

static void test_an_ipv6_address(void **state)
{
    world *w = *state;
    if (!has_ipv6())
        skip();
    listen_at(w, "[::1]:0", (cv_listener_options){0});
    serve(w, 1);
    assert_non_null(strstr(cv_listener_url(w->listener), "http://[::1]:"));
    ask_and_close(connect_v6(w));
}

static void test_a_name(void **state)
{
    world *w = *state;
    listen_at(w, "localhost:0", (cv_listener_options){0});
    serve(w, 1);
    ask_and_close(w->listener->bound.ss_family == AF_INET6 ? connect_v6(w) : connect_v4(w));
}

static void test_all_addresses_of_both_families(void **state)
{
    world *w = *state;
    listen_at(w, ":0", (cv_listener_options){.sockets = 2});
    serve(w, 2);
    ask_and_close(connect_v4(w));
    if (has_ipv6())
        ask_and_close(connect_v6(w));
}

static void test_what_is_no_address_is_refused(void **state)
{
    world *w = *state;
    static const char *const wrong[] = {"",         "localhost",    "127.0.0.1",     "127.0.0.1:", "127.0.0.1:x",
                                        "::1:8000", "[::1]",        "[::1:8000",     "1.2.3.4:8x", "127.0.0.1:65536",
                                        "unix:",    "fd:",          "fd:x",          "fd:-1",      "127.0.0.1:123456",
                                        "fd:65536", "127.0.0.1:-1", "127.0.0.1: 80", "[]x:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(w->f.cx, cv_listener_open(w->f.cx, wrong[i], NULL, &w->listener), CV_E_INVALID,
                     "cannot listen at");
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, "does.not.exist.invalid:80", NULL, &w->listener), CV_E_RESOLVE, "");
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, "192.0.2.1:0", NULL, &w->listener), CV_E_SYSTEM, "192.0.2.1:0");
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, "inherited", NULL, &w->listener), CV_E_NOT_FOUND, "handed over");
}

static void test_options_out_of_range_are_refused(void **state)
{
    world *w = *state;
    const cv_listener_options wrong[] = {{.sockets = 257},
                                         {.backlog = -1},
                                         {.unix_mode = 01000},
                                         {.max_connections = SIZE_MAX},
                                         {.max_per_address = SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(w->f.cx, cv_listener_open(w->f.cx, "127.0.0.1:0", &wrong[i], &w->listener), CV_E_INVALID,
                     "option");
    const cv_listener_options proxies = {.trusted_proxies = (const char *const[]){"proxy", NULL}};
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, "127.0.0.1:0", &proxies, &w->listener), CV_E_INVALID, "no network");
}

static void test_a_port_in_use_is_refused_also_beside_shared_sockets(void **state)
{
    world *w = *state;
    char address[64];
    listen_at(w, "127.0.0.1:0", (cv_listener_options){.sockets = 3});
    snprintf(address, sizeof address, "127.0.0.1:%d", cv_listener_port(w->listener));
    cv_listener *other = NULL;
    for (size_t sockets = 1; sockets <= 3; sockets++)
        assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, &(cv_listener_options){.sockets = sockets}, &other),
                     CV_E_ADDRESS_IN_USE, address);
    assert_null(other);
}

static void test_each_worker_has_a_socket_and_all_are_served(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){.sockets = 3});
    assert_int_equal(cv__listener_sockets(w->listener), 3);
    serve(w, 3);
    client *clients[60];
    for (size_t i = 0; i < 60; i++)
        client_send(clients[i] = connect_v4(w), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (size_t i = 0; i < 60; i++)
        client_expect(clients[i], 200, "hello");
    size_t open = 0;
    for (size_t i = 0; i < 3; i++)
        open += cv_server_get_stats(w->servers[i]).connections_open;
    assert_int_equal(open, 60);
    assert_int_equal(w->listener->connections, 60);
    for (size_t i = 0; i < 60; i++)
        client_close(clients[i]);
}

static void test_fewer_workers_serve_all_sockets(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){.sockets = 4});
    w->listener->options.sockets = 2; /* as after a reload: more were handed over than there are workers now */
    serve(w, 2);
    for (int i = 0; i < 40; i++)
        ask_and_close(connect_v4(w));
}

static void test_a_listener_ends_with_its_last_server(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 2);
    stop(w, 0);
    ask_and_close(connect_v4(w));
    stop(w, 1);
    cv_server *late;
    assert_fails(w->f.cx, cv_server_start(w->f.cx, w->f.router, &(cv_server_options){.listener = w->listener}, &late),
                 CV_E_CLOSED, "last server");
}

/* ---- unix sockets ---- */

static void unix_address(world *w, char address[128], const char **ret_path)
{
    snprintf(address, 128, "unix:%s/app.sock", w->folder);
    *ret_path = address + 5;
}

static void test_a_unix_socket(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    listen_at(w, address, (cv_listener_options){.sockets = 2, .unix_mode = 0600});
    serve(w, 2);
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_string_equal(cv_listener_url(w->listener), address);
    assert_int_equal(cv_listener_port(w->listener), 0);
    for (int i = 0; i < 5; i++)
        ask_and_close(connect_unix(w, path));
    stop(w, 0);
    stop(w, 1);
    cv_listener_close(w->listener);
    w->listener = NULL;
    assert_int_equal(access(path, F_OK), -1);
}

static int leave_stale_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(fd, (struct sockaddr *)&at, sizeof at);
    close(fd);
    return rc;
}

static void test_a_stale_unix_socket_is_replaced(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    assert_int_equal(leave_stale_socket(path), 0);
    listen_at(w, address, (cv_listener_options){0});
    serve(w, 1);
    ask_and_close(connect_unix(w, path));
}

static void test_a_unix_socket_in_use_is_not_replaced(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    listen_at(w, address, (cv_listener_options){0});
    cv_listener *other;
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &other), CV_E_ADDRESS_IN_USE, path);
    serve(w, 1);
    ask_and_close(connect_unix(w, path));
}

static void test_a_file_is_not_replaced_by_a_unix_socket(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    FILE *file = fopen(path, "w");
    fclose(file);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_ADDRESS_IN_USE, path);
    assert_int_equal(unlink(path), 0);
}

static void test_paths_that_cannot_be(void **state)
{
    world *w = *state;
    char address[256] = "unix:/";
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, "unix:/nowhere/at/all.sock", NULL, &w->listener), CV_E_NOT_FOUND,
                 "/nowhere/at/all.sock");
    memset(address + 6, 'x', 150);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_INVALID, "at most 107 bytes");
}

static void test_a_folder_without_permission(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    if (geteuid() == 0)
        skip();
    unix_address(w, address, &path);
    assert_int_equal(chmod(w->folder, 0500), 0);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_PERMISSION, path);
    assert_int_equal(chmod(w->folder, 0700), 0);
}

static void test_a_file_of_somebody_else_is_left_at_the_close(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    listen_at(w, address, (cv_listener_options){0});
    assert_int_equal(unlink(path), 0);
    assert_int_equal(leave_stale_socket(path), 0);
    cv_listener_close(w->listener);
    w->listener = NULL;
    assert_int_equal(unlink(path), 0);
}

/* ---- descriptors ---- */

static void test_a_descriptor_that_listens(void **state)
{
    world *w = *state;
    char address[32];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    snprintf(address, sizeof address, "fd:%d", fd);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_INVALID, "no listening stream");
    assert_int_equal(listen(fd, 16), 0);
    listen_at(w, address, (cv_listener_options){.sockets = 2});
    serve(w, 2);
    for (int i = 0; i < 5; i++)
        ask_and_close(connect_v4(w));
}

static void test_a_descriptor_that_is_no_socket(void **state)
{
    world *w = *state;
    char address[32];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    snprintf(address, sizeof address, "fd:%d", fd);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_INVALID, "no listening stream");
    close(fd);
    assert_fails(w->f.cx, cv_listener_open(w->f.cx, address, NULL, &w->listener), CV_E_INVALID, "no listening stream");
}

/* ---- who may come in ---- */

static void test_a_place_that_comes_free_in_another_worker(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){.sockets = 2, .max_connections = 2});
    serve(w, 2);
    client *clients[8];
    for (size_t i = 0; i < 8; i++)
        client_send(clients[i] = connect_v4(w), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (size_t i = 0; i < 8; i++) {
        client_expect(clients[i], 200, "hello");
        client_read_to_end(clients[i]);
        client_close(clients[i]);
    }
    assert_true(w->listener->connections <= 2);
}

static void expect_end(client *c)
{
    client_read_to_end(c);
    assert_int_equal(c->len, 0);
    client_close(c);
}

static void test_connections_of_an_address_beyond_its_limit_are_closed(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){.max_per_address = 2});
    serve(w, 1);
    client *first = connect_v4(w), *second = connect_v4(w);
    client_send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(first, 200, "hello");
    expect_end(connect_v4(w));
    assert_int_equal(cv_server_get_stats(w->servers[0]).connections_refused, 1);
    client_close(first);
    await_turns(w->f.cx, w->listener->connections <= 1);
    ask_and_close(connect_v4(w));
    client_close(second);
}

static void test_trusted_proxies_have_no_limit_of_their_own(void **state)
{
    world *w = *state;
    listen_at(
        w, "127.0.0.1:0",
        (cv_listener_options){.max_per_address = 1, .trusted_proxies = (const char *const[]){"127.0.0.0/8", NULL}});
    serve(w, 1);
    client *first = connect_v4(w);
    client_send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(first, 200, "hello");
    ask_and_close(connect_v4(w));
    client_close(first);
}

static void test_unix_peers_have_no_limit_of_their_own(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    listen_at(w, address, (cv_listener_options){.max_per_address = 1});
    serve(w, 1);
    client *first = connect_unix(w, path);
    client_send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(first, 200, "hello");
    ask_and_close(connect_unix(w, path));
    client_close(first);
}

static int count_lines(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* All descriptors are used up: connections end orderly, it is told once, and it goes on when there are some again. */
static void test_without_descriptors_connections_end_and_nothing_spins(void **state)
{
    world *w = *state;
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded && strstr(preloaded, "vgpreload"))
        skip(); /* valgrind keeps the limit in its own way: it accepts a connection and closes it */
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 1);
    client *first = connect_v4(w), *clients[3];
    client_send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(first, 200, "hello");
    for (size_t i = 0; i < 3; i++)
        clients[i] = connect_v4(w); /* their own descriptors; the server has not seen them */
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    none = limit;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (size_t i = 0; i < 3; i++) {
        client_read_to_end(clients[i]);
        assert_false(clients[i]->was_reset);
        client_close(clients[i]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int fill = open("/dev/null", O_RDONLY | O_CLOEXEC); /* what the client had */
        assert_true(fill >= 0);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(count_lines(w->f.logged, "could not accept connections"), 1);
    assert_int_equal(cv_server_get_stats(w->servers[0]).connections_refused, 3);
    client_send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(first, 200, "hello");
    ask_and_close(connect_v4(w));
    client_close(first);
}

/* ---- stopping ---- */

static void test_what_waits_in_the_backlog_is_answered(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 1);
    client *clients[20];
    for (size_t i = 0; i < 20; i++)
        client_send(clients[i] = connect_v4(w), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    stop(w, 0);
    for (size_t i = 0; i < 20; i++) {
        client_expect(clients[i], 200, "hello");
        client_close(clients[i]);
    }
}

static int stop_in_fiber(cv_ctx *cx, void *arg)
{
    world *w = arg;
    cv_server *server = w->servers[0];
    cv_server_stop(cx, server);
    w->servers[0] = NULL;
    return 0;
}

static cv_fiber *begin_stop(world *w)
{
    cv_fiber *stopper;
    assert_ok(w->f.cx, cv_spawn(w->f.cx, "stop", stop_in_fiber, w, &stopper));
    assert_ok(w->f.cx, cv_yield(w->f.cx));
    return stopper;
}

static void wait_for_connections(world *w, size_t count)
{
    await_turns(w->f.cx, cv_server_get_stats(w->servers[0]).connections_open >= count);
}

static void test_a_connection_may_still_ask_its_first_question(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 1);
    client *asking = connect_v4(w), *silent = connect_v4(w);
    wait_for_connections(w, 2);
    cv_fiber *stopper = begin_stop(w);
    client_send(asking, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    reply r = client_reply(asking);
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_done(&r);
    client_read_to_end(silent); /* within a second */
    assert_ok(w->f.cx, cv_join(w->f.cx, stopper, NULL));
    client_close(asking);
    client_close(silent);
}

static void test_patience_can_be_ended(void **state)
{
    world *w = *state;
    listen_at(w, "127.0.0.1:0", (cv_listener_options){0});
    serve(w, 1);
    client *busy = connect_v4(w);
    client_send(busy, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await_turns(w->f.cx, w->inside > 0);
    cv__server_cut(w->servers[0]); /* not stopping: no effect */
    cv_fiber *stopper = begin_stop(w);
    cv__server_cut(w->servers[0]);
    client_read_to_end(busy);
    assert_true(busy->was_reset);
    assert_ok(w->f.cx, cv_join(w->f.cx, stopper, NULL));
    client_close(busy);
}

/* The heir is a second descriptor of the same socket, as in another process. */
static void test_an_heir_gets_the_backlog(void **state)
{
    world *w = *state;
    char address[128];
    const char *path;
    unix_address(w, address, &path);
    listen_at(w, address, (cv_listener_options){0});
    serve(w, 1);
    cv__handed handed;
    assert_int_equal(cv__listener_descriptors(w->listener, &handed, 1), 1);
    assert_false(handed.foreign);
    int heir = fcntl(handed.fd, F_DUPFD_CLOEXEC, 3);
    client *c = connect_unix(w, path);
    cv_server_leave(w->servers[0]);
    stop(w, 0);
    cv_listener_close(w->listener);
    w->listener = NULL;
    int fd = accept(heir, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    client_close(c);
    close(heir);
    assert_int_equal(unlink(path), 0); /* it is the heir's */
}

static void test_sockets_of_the_system_keep_their_backlog(void **state)
{
    world *w = *state;
    char address[32];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 16), 0);
    int system = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    snprintf(address, sizeof address, "fd:%d", fd);
    listen_at(w, address, (cv_listener_options){0});
    serve(w, 1);
    client *c = connect_v4(w);
    stop(w, 0);
    fd = accept(system, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    client_close(c);
    close(system);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_literal_address),
        CASE(test_an_ipv6_address),
        CASE(test_a_name),
        CASE(test_all_addresses_of_both_families),
        CASE(test_what_is_no_address_is_refused),
        CASE(test_options_out_of_range_are_refused),
        CASE(test_a_port_in_use_is_refused_also_beside_shared_sockets),
        CASE(test_each_worker_has_a_socket_and_all_are_served),
        CASE(test_fewer_workers_serve_all_sockets),
        CASE(test_a_listener_ends_with_its_last_server),
        CASE(test_a_unix_socket),
        CASE(test_a_stale_unix_socket_is_replaced),
        CASE(test_a_unix_socket_in_use_is_not_replaced),
        CASE(test_a_file_is_not_replaced_by_a_unix_socket),
        CASE(test_paths_that_cannot_be),
        CASE(test_a_folder_without_permission),
        CASE(test_a_file_of_somebody_else_is_left_at_the_close),
        CASE(test_a_descriptor_that_listens),
        CASE(test_a_descriptor_that_is_no_socket),
        CASE(test_a_place_that_comes_free_in_another_worker),
        CASE(test_connections_of_an_address_beyond_its_limit_are_closed),
        CASE(test_trusted_proxies_have_no_limit_of_their_own),
        CASE(test_unix_peers_have_no_limit_of_their_own),
        CASE(test_without_descriptors_connections_end_and_nothing_spins),
        CASE(test_what_waits_in_the_backlog_is_answered),
        CASE(test_a_connection_may_still_ask_its_first_question),
        CASE(test_patience_can_be_ended),
        CASE(test_an_heir_gets_the_backlog),
        CASE(test_sockets_of_the_system_keep_their_backlog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
