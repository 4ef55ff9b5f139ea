/* The fault proxy's life, its rules and its door.
 *
 *     the test's thread            the proxy's thread
 *     cv_fault_proxy_new    --->   worker: listens; a fiber accepts
 *     set, wait, get_stats  --->   a fiber does it   --->  answer
 *     cv_fault_proxy_free   --->   all fibers are cancelled; each closes its connection
 *
 * What is asked may outlive the one that asks, who gives up at a deadline: both hold it. */
#include "testing/fault_proxy.h"

#include "base/ctx.h"
#include <arpa/inet.h>
#include <covet/lane.h>
#include <covet/runtime.h>
#include <covet/str.h>
#include <covet/url.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, STACK_BYTES = 64 * 1024, MOST_FIBERS = 100 * 1000 };

/* ---- rules ---- */

static bool contains(const uint8_t *bytes, size_t len, const char *text)
{
    return memmem(bytes, len < CV__FAULT_LOOK_BYTES ? len : CV__FAULT_LOOK_BYTES, text, strlen(text)) != NULL;
}

static bool fits(const cv_fault_rule *rule, const cv__fault_flow *flow, const cv__fault_message *message,
                 const uint8_t *bytes)
{
    const cv__fault_conn *conn = flow->conn;
    if (rule->fault == CV_FAULT_REFUSE || (rule->from != CV_FAULT_EITHER && rule->from != flow->side))
        return false;
    if (rule->type && rule->type != message->type)
        return false;
    if (rule->connection && (conn->generation != conn->proxy->generation || conn->number != rule->connection))
        return false;
    return !rule->text || contains(bytes, message->size < SIZE_MAX ? (size_t)message->size : SIZE_MAX, rule->text);
}

bool cv__fault_fires(cv__fault_rule *rule, const cv__fault_flow *flow, const cv__fault_message *message,
                     const uint8_t *bytes)
{
    if (!fits(&rule->said, flow, message, bytes))
        return false;
    rule->seen++;
    if (rule->said.nth && rule->said.nth != rule->seen)
        return false;
    rule->fired++;
    return true;
}

static void free_rules(cv__fault_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)rules[i].said.text);
}

/* ---- the door ---- */

static int bind_tcp(cv_ctx *cx, int port, int *ret_fd, int *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    in.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cv__fail_uv(cx, -errno, "make a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&in, sizeof in) != 0 ||
        getsockname(fd, (struct sockaddr *)&in, &length) != 0) {
        int error = -errno;
        close(fd);
        return cv__fail_uv(cx, error, "bind the fault proxy");
    }
    *ret_fd = fd;
    *ret_port = ntohs(in.sin_port);
    return 0;
}

static int bind_unix(cv_ctx *cx, const char *path, int *ret_fd)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cv__fail_uv(cx, -errno, "make a socket");
    if (bind(fd, (const struct sockaddr *)&un, sizeof un) != 0) {
        int error = -errno;
        close(fd);
        return cv__fail_uv(cx, error, "bind the fault proxy to \"%s\"", path);
    }
    *ret_fd = fd;
    return 0;
}

/* The keeper never listens: it keeps the port while the door is closed. */
static int open_door(cv_ctx *cx, cv_fault_proxy *proxy)
{
    int fd = -1;
    if (proxy->listen_path) {
        CV_TRY(bind_unix(cx, proxy->listen_path, &fd));
    } else {
        if (proxy->keeper < 0)
            CV_TRY(bind_tcp(cx, 0, &proxy->keeper, &proxy->port));
        CV_TRY(bind_tcp(cx, proxy->port, &fd, &proxy->port));
    }
    if (listen(fd, BACKLOG) != 0) {
        int error = -errno;
        close(fd);
        return cv__fail_uv(cx, error, "listen for the fault proxy");
    }
    proxy->listener = fd;
    cv_cond_broadcast(&proxy->changed);
    return 0;
}

static void close_door(cv_fault_proxy *proxy)
{
    if (proxy->listener >= 0)
        close(proxy->listener);
    proxy->listener = -1;
    cv_cond_broadcast(&proxy->changed);
}

/* Take in who comes, until the door is closed. */
static int accept_all(cv_ctx *cx, cv_fault_proxy *proxy)
{
    int rc = 0;
    cv__poll *poll = NULL;
    CV_TRY(cv__poll_new(cx, proxy->listener, &poll));
    while (rc == 0 && !proxy->refusing) {
        int fd = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            cv__fault_serve(cx, proxy, fd);
        else if (errno == EAGAIN)
            rc = cv__poll_wait(cx, poll, UV_READABLE, NULL);
        else if (errno == EMFILE || errno == ENFILE)
            rc = cv_sleep_ms(cx, 10); /* others close theirs */
        else if (errno != EINTR && errno != ECONNABORTED)
            break; /* shut down: see refuse */
    }
    cv__poll_free(poll);
    return rc;
}

/* While it is closed the kernel refuses whoever comes. */
static int keep_door(cv_ctx *cx, void *arg)
{
    cv_fault_proxy *proxy = arg;
    int rc = 0;
    cv_ctx_restore_deadline_ns(cx, INT64_MAX); /* that of the start */
    while (rc == 0) {
        if (proxy->listener < 0)
            rc = open_door(cx, proxy);
        if (rc == 0)
            rc = accept_all(cx, proxy);
        close_door(proxy);
        while (rc == 0 && proxy->refusing)
            rc = cv_cond_wait(cx, &proxy->changed, NULL);
    }
    cv_error_clear(cx);
    return 0;
}

static void refuse(cv_fault_proxy *proxy, bool refusing)
{
    if (refusing && !proxy->refusing && proxy->listener >= 0)
        (void)shutdown(proxy->listener, SHUT_RD); /* from now on; wakes the fiber that accepts */
    proxy->refusing = refusing;
}

/* ---- the worker ---- */

static int find_server(cv_ctx *cx, cv_fault_proxy *proxy)
{
    if (proxy->server_path) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        snprintf(un.sun_path, sizeof un.sun_path, "%s", proxy->server_path);
        memcpy(&proxy->server, &un, sizeof un);
        proxy->server_length = sizeof un;
        return 0;
    }
    cv_address *addresses = NULL;
    size_t count = 0;
    CV_TRY(cv_resolve(cx, proxy->host, proxy->server_port, &addresses, &count));
    memcpy(&proxy->server, addresses[0].address, addresses[0].length);
    proxy->server_length = addresses[0].length;
    return 0;
}

static int start_worker(cv_ctx *main, size_t index, void *arg)
{
    (void)index;
    cv_fault_proxy *proxy = arg;
    CV_TRY(find_server(main, proxy));
    CV_TRY(open_door(main, proxy));
    return cv_spawn(main, "fault proxy door", keep_door, proxy, NULL);
}

/* ---- asking it ---- */

struct ask {
    atomic_int holders;
    cv_fault_proxy *proxy;
    int (*fn)(cv_ctx *cx, struct ask *ask);
    cv__fault_rule rules[CV__FAULT_RULES];
    size_t count;
    size_t index, times;
    cv_fault_proxy_stats stats;
};

static void let_go(void *arg)
{
    struct ask *ask = arg;
    if (atomic_fetch_sub(&ask->holders, 1) > 1)
        return;
    free_rules(ask->rules, ask->count);
    free(ask);
}

static struct ask *make_ask(cv_ctx *cx, cv_fault_proxy *proxy, int (*fn)(cv_ctx *cx, struct ask *ask))
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask) {
        (void)cv_fail(cx, CV_E_NOMEM, "could not ask the fault proxy: out of memory");
        return NULL;
    }
    atomic_init(&ask->holders, 2);
    ask->proxy = proxy;
    ask->fn = fn;
    return ask;
}

static int answer(cv_ctx *cx, size_t index, void *arg)
{
    (void)index;
    struct ask *ask = arg;
    return ask->fn(cx, ask);
}

static int send_ask(cv_ctx *cx, struct ask *ask)
{
    return cv_workers_each(cx, ask->proxy->workers, answer, ask, let_go);
}

/* The former rules go the way back. */
static int do_set(cv_ctx *cx, struct ask *ask)
{
    cv_fault_proxy *proxy = ask->proxy;
    cv__fault_rule former[CV__FAULT_RULES];
    size_t former_count = proxy->rule_count;
    bool refusing = false;
    memcpy(former, proxy->rules, sizeof former);
    memcpy(proxy->rules, ask->rules, sizeof former);
    memcpy(ask->rules, former, sizeof former);
    proxy->rule_count = ask->count;
    ask->count = former_count;
    proxy->generation++;
    proxy->accepted = 0;
    for (size_t i = 0; i < proxy->rule_count; i++)
        refusing = refusing || proxy->rules[i].said.fault == CV_FAULT_REFUSE;
    refuse(proxy, refusing);
    cv__fault_wake_all(proxy);
    cv_cond_broadcast(&proxy->changed);
    while (proxy->refusing == (proxy->listener >= 0))
        CV_TRY(cv_cond_wait(cx, &proxy->changed, NULL));
    return 0;
}

static int do_wait(cv_ctx *cx, struct ask *ask)
{
    cv_fault_proxy *proxy = ask->proxy;
    uint64_t generation = proxy->generation;
    if (ask->index >= proxy->rule_count)
        return cv_fail(cx, CV_E_INVALID, "cannot wait for rule %zu: there are %zu", ask->index, proxy->rule_count);
    while (proxy->rules[ask->index].fired < ask->times) {
        CV_TRY(cv_cond_wait(cx, &proxy->changed, NULL));
        if (generation != proxy->generation)
            return cv_fail(cx, CV_E_STATE, "could not wait for rule %zu: other rules were set", ask->index);
    }
    return 0;
}

static int do_get_stats(cv_ctx *cx, struct ask *ask)
{
    (void)cx;
    ask->stats = ask->proxy->stats;
    for (size_t i = 0; i < ask->proxy->rule_count; i++)
        ask->stats.faults += ask->proxy->rules[i].fired;
    cv_list_each (link, &ask->proxy->connections) {
        const cv__fault_conn *conn = cv_list_entry(link, cv__fault_conn, link);
        ask->stats.open++;
        ask->stats.stalled += (size_t)conn->up.holding + (size_t)conn->down.holding;
    }
    return 0;
}

static int take_rules(cv_ctx *cx, struct ask *ask, const cv_fault_rule *rules, size_t count)
{
    for (; ask->count < count; ask->count++) {
        cv_fault_rule *said = &ask->rules[ask->count].said;
        *said = rules[ask->count];
        said->text = NULL;
        if (rules[ask->count].text && !(said->text = strdup(rules[ask->count].text)))
            return cv_fail(cx, CV_E_NOMEM, "could not set a rule of the fault proxy: out of memory");
    }
    return 0;
}

int cv_fault_proxy_set(cv_ctx *cx, cv_fault_proxy *proxy, const cv_fault_rule *rules, size_t count)
{
    if (count > CV__FAULT_RULES)
        return cv_fail(cx, CV_E_INVALID, "cannot set %zu rules of a fault proxy: there are at most %d", count,
                       CV__FAULT_RULES);
    struct ask *ask = make_ask(cx, proxy, do_set);
    if (!ask)
        return CV_E_NOMEM;
    int rc = take_rules(cx, ask, rules, count);
    if (rc < 0)
        let_go(ask);
    else
        rc = send_ask(cx, ask);
    let_go(ask);
    return rc;
}

int cv_fault_proxy_wait(cv_ctx *cx, cv_fault_proxy *proxy, size_t index, size_t times)
{
    struct ask *ask = make_ask(cx, proxy, do_wait);
    if (!ask)
        return CV_E_NOMEM;
    ask->index = index;
    ask->times = times;
    int rc = send_ask(cx, ask);
    let_go(ask);
    return rc == CV_E_TIMEOUT ? cv_fail(cx, rc, "rule %zu of the fault proxy did not take effect in time", index) : rc;
}

int cv_fault_proxy_get_stats(cv_ctx *cx, cv_fault_proxy *proxy, cv_fault_proxy_stats *ret_stats)
{
    struct ask *ask = make_ask(cx, proxy, do_get_stats);
    if (!ask)
        return CV_E_NOMEM;
    int rc = send_ask(cx, ask);
    if (rc == 0)
        *ret_stats = ask->stats;
    let_go(ask);
    return rc;
}

/* ---- its life ---- */

static void free_proxy(cv_fault_proxy *proxy)
{
    if (proxy->listen_path)
        (void)unlink(proxy->listen_path);
    close_door(proxy);
    if (proxy->keeper >= 0)
        close(proxy->keeper);
    free_rules(proxy->rules, proxy->rule_count);
    free(proxy->url);
    free(proxy->host);
    free(proxy->server_path);
    free(proxy->listen_path);
    free(proxy);
}

static bool copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy;
}

static int check_path(cv_ctx *cx, const char *path)
{
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (path && strlen(path) > most)
        return cv_fail(cx, CV_E_INVALID, "cannot use the socket \"%s\": its path has more than %zu bytes", path, most);
    return 0;
}

static int read_url(cv_ctx *cx, cv_fault_proxy *proxy, const char *text, const cv_fault_proxy_options *options)
{
    cv_url url;
    CV_TRY(cv_url_parse(cx, cv_str_of(text), &url));
    CV_TRY(check_path(cx, options->server_path));
    CV_TRY(check_path(cx, options->listen_path));
    proxy->protocol = cv__fault_protocol_of(url.scheme);
    proxy->server_port = url.port ? url.port : proxy->protocol->port;
    if (!options->server_path && proxy->server_port == 0)
        return cv_fail(cx, CV_E_INVALID, "cannot put a fault proxy in front of a server whose URL has no port");
    bool copied = copy_text(url.host ? url.host : "127.0.0.1", &proxy->host) &&
                  copy_text(options->server_path, &proxy->server_path) &&
                  copy_text(options->listen_path, &proxy->listen_path);
    return copied ? 0 : cv_fail(cx, CV_E_NOMEM, "could not make a fault proxy: out of memory");
}

/* scheme://[user@]HOST:PORT[/...] with another host and port. */
static int rewrite_url(cv_ctx *cx, cv_fault_proxy *proxy, const char *text)
{
    const char *authority = strstr(text, "://") + 3;
    const char *end = authority + strcspn(authority, "/?#");
    const char *host = authority;
    for (const char *at = authority; at < end; at++)
        if (*at == '@')
            host = at + 1;
    size_t size = strlen(text) + sizeof "127.0.0.1:65535";
    proxy->url = malloc(size);
    if (!proxy->url)
        return cv_fail(cx, CV_E_NOMEM, "could not make a fault proxy: out of memory");
    if (proxy->listen_path)
        snprintf(proxy->url, size, "%s", text);
    else
        snprintf(proxy->url, size, "%.*s127.0.0.1:%d%s", (int)(host - text), text, proxy->port, end);
    return 0;
}

static int start_proxy(cv_ctx *cx, cv_fault_proxy *proxy, const char *url, const cv_fault_proxy_options *options)
{
    CV_TRY(read_url(cx, proxy, url, options));
    cv_workers_options workers = {
        .count = 1,
        .start = start_worker,
        .arg = proxy,
        .runtime = {.stack_bytes = STACK_BYTES, .max_fibers = MOST_FIBERS, .watchdog_ms = -1},
    };
    CV_TRY(cv_workers_start(cx, &workers, &proxy->workers));
    return rewrite_url(cx, proxy, url);
}

int cv_fault_proxy_new(cv_ctx *cx, const char *url, const cv_fault_proxy_options *options, cv_fault_proxy **ret_proxy)
{
    static const cv_fault_proxy_options none = {0};
    cv_fault_proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy)
        return cv_fail(cx, CV_E_NOMEM, "could not make a fault proxy: out of memory");
    proxy->listener = proxy->keeper = -1;
    cv_cond_init(&proxy->changed);
    cv_list_init(&proxy->connections);
    int rc = start_proxy(cx, proxy, url, options ? options : &none);
    if (rc == 0)
        *ret_proxy = proxy;
    else
        cv_fault_proxy_free(cx, proxy);
    return rc;
}

void cv_fault_proxy_free(cv_ctx *cx, cv_fault_proxy *proxy)
{
    if (!proxy)
        return;
    cv_workers_stop(cx, proxy->workers);
    free_proxy(proxy);
}

const char *cv_fault_proxy_url(const cv_fault_proxy *proxy)
{
    return proxy->url;
}

int cv_fault_proxy_port(const cv_fault_proxy *proxy)
{
    return proxy->port;
}
