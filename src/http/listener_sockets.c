/* Opening the sockets of a listener.
 *
 * Of the sockets for one TCP address, the first is bound without SO_REUSEPORT, so that a port another program listens
 * on is refused, and gets it afterwards, so that the others can be bound beside it. Sockets that were handed over come
 * first; all of them are served, however many workers there are now. */
#include "http/listener.h"

#include "rt/wait.h"
#include <covet/error.h>
#include <covet/lane.h>
#include <covet/str.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* An address of a socket. `both` families: IPv6 that takes IPv4, too. */
typedef struct place {
    struct sockaddr_storage address;
    socklen_t len;
    bool both;
} place;

enum { MAX_PLACES = 16 };

/* ---- errors ---- */

static int open_failed(cv_ctx *cx, const char *address, int error)
{
    int rc = cv__fail_uv(cx, error, "listen at \"%s\"", address);
    if (error == -EADDRINUSE)
        cv_error_hint(cx, "stop the other process or choose another address");
    else if (error == -EACCES || error == -EPERM)
        cv_error_hint(cx, "ports below 1024 and some folders need a privilege; choose another address");
    return rc;
}

static int refuse_address(cv_ctx *cx, const char *address, const char *why)
{
    cv_fail(cx, CV_E_INVALID, "cannot listen at \"%s\": %s", address, why);
    cv_error_hint(cx,
                  "an address is \"127.0.0.1:8000\", \"[::1]:8000\", \":8000\", \"unix:/run/app.sock\" or \"fd:3\"");
    return CV_E_INVALID;
}

/* ---- what is there already ---- */

int cv__listener_add(cv_ctx *cx, cv_listener *listener, int fd, bool foreign)
{
    if (listener->count == listener->capacity) {
        size_t capacity = listener->capacity ? 2 * listener->capacity : 4;
        cv__listening *grown = realloc(listener->sockets, capacity * sizeof *grown);
        if (!grown) {
            close(fd);
            return cv_fail(cx, CV_E_NOMEM, "could not listen: out of memory");
        }
        listener->sockets = grown;
        listener->capacity = capacity;
    }
    cv__listening *added = &listener->sockets[listener->count++];
    atomic_init(&added->fd, fd);
    atomic_init(&added->users, 0);
    added->foreign = foreign;
    return 0;
}

static bool is_listening(int fd)
{
    int value = 0, type = 0;
    socklen_t size = sizeof value, type_size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM;
}

static int take_socket(cv_ctx *cx, cv_listener *listener, int fd)
{
    bool ours = cv__inherited_is_ours(fd);
    cv__inherited_take(fd);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return cv__listener_add(cx, listener, fd, !ours);
}

static int port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

/* Port 0 is any. */
static bool is_at(int fd, const place *wanted)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0 || at.ss_family != wanted->address.ss_family)
        return false;
    if (at.ss_family == AF_UNIX)
        return strncmp(((const struct sockaddr_un *)&at)->sun_path,
                       ((const struct sockaddr_un *)&wanted->address)->sun_path,
                       sizeof((struct sockaddr_un *)0)->sun_path) == 0;
    cv__address a = cv__address_of(&at), b = cv__address_of(&wanted->address);
    int port = port_of(&wanted->address);
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0 && (port == 0 || port == port_of(&at));
}

/* Take what was handed over for a place; with port 0, only those of one port. */
static int take_inherited(cv_ctx *cx, cv_listener *listener, place wanted)
{
    int fd, position = 0;
    while ((fd = cv__inherited_next(&position)) >= 0) {
        if (!is_listening(fd) || !is_at(fd, &wanted))
            continue;
        wanted.len = sizeof wanted.address;
        getsockname(fd, (struct sockaddr *)&wanted.address, &wanted.len);
        CV_TRY(take_socket(cx, listener, fd));
    }
    return 0;
}

static int take_all_inherited(cv_ctx *cx, cv_listener *listener)
{
    int fd, position = 0;
    while ((fd = cv__inherited_next(&position)) >= 0)
        if (is_listening(fd))
            CV_TRY(take_socket(cx, listener, fd));
    if (listener->count == 0)
        return cv_fail(cx, CV_E_NOT_FOUND, "cannot listen: no socket was handed over (LISTEN_FDS)");
    return 0;
}

static int take_descriptor(cv_ctx *cx, cv_listener *listener, const char *address, const char *number)
{
    char *end;
    long fd = strtol(number, &end, 10);
    if (*number < '0' || *number > '9' || *end || fd > 65535)
        return refuse_address(cx, address, "\"fd:\" needs the number of a descriptor");
    if (!is_listening((int)fd))
        return refuse_address(cx, address, "the descriptor is no listening stream socket");
    return take_socket(cx, listener, (int)fd);
}

static int read_bound(cv_ctx *cx, cv_listener *listener, const char *address)
{
    listener->bound_len = sizeof listener->bound;
    if (getsockname(atomic_load(&listener->sockets[0].fd), (struct sockaddr *)&listener->bound, &listener->bound_len) <
        0)
        return open_failed(cx, address, -errno);
    return 0;
}

/* ---- TCP ---- */

/* `beside`: others of ours listen at the place already. A descriptor, or a negative errno. */
static int open_tcp(const place *at, bool beside, int backlog)
{
    const int on = 1, off = 0;
    int fd = socket(at->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    bool ready = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 (!at->both || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
                 (!beside || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
                 bind(fd, (const struct sockaddr *)&at->address, at->len) == 0 &&
                 setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && listen(fd, backlog) == 0;
    if (ready)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static bool can_be_joined(const cv_listener *listener)
{
    int value = 0;
    socklen_t size = sizeof value;
    return !listener->sockets[0].foreign &&
           getsockopt(atomic_load(&listener->sockets[0].fd), SOL_SOCKET, SO_REUSEPORT, &value, &size) == 0 && value;
}

/* One for each worker, as far as the system allows; otherwise workers share. */
static int open_further(cv_ctx *cx, cv_listener *listener, const char *address, bool both)
{
    CV_TRY(read_bound(cx, listener, address));
    place at = {listener->bound, listener->bound_len, both};
    while (can_be_joined(listener) && listener->count < listener->options.sockets) {
        int fd = open_tcp(&at, true, listener->options.backlog);
        if (fd < 0)
            return 0;
        CV_TRY(cv__listener_add(cx, listener, fd, false));
    }
    return 0;
}

static int open_at_places(cv_ctx *cx, cv_listener *listener, const char *address, const place *places, size_t count)
{
    int error = -EADDRNOTAVAIL;
    for (size_t i = 0; i < count && listener->count == 0; i++)
        CV_TRY(take_inherited(cx, listener, places[i]));
    bool both = count > 0 && places[0].both && listener->count == 0;
    for (size_t i = 0; i < count && listener->count == 0; i++) {
        int fd = open_tcp(&places[i], false, listener->options.backlog);
        both = places[i].both;
        error = fd;
        if (fd >= 0)
            CV_TRY(cv__listener_add(cx, listener, fd, false));
    }
    if (listener->count == 0)
        return open_failed(cx, address, error);
    return open_further(cx, listener, address, both);
}

static size_t all_addresses(int port, place places[MAX_PLACES])
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    places[0] = (place){.len = sizeof v6, .both = true};
    places[1] = (place){.len = sizeof v4};
    memcpy(&places[0].address, &v6, sizeof v6);
    memcpy(&places[1].address, &v4, sizeof v4); /* where there is no IPv6 */
    return 2;
}

static int resolve(cv_ctx *cx, const char *host, int port, place places[MAX_PLACES], size_t *ret_count)
{
    cv_address *addresses;
    CV_TRY(cv_resolve(cx, host, port, &addresses, ret_count));
    *ret_count = *ret_count < MAX_PLACES ? *ret_count : MAX_PLACES;
    for (size_t i = 0; i < *ret_count; i++) {
        places[i] = (place){.len = (socklen_t)addresses[i].length};
        memcpy(&places[i].address, addresses[i].address, addresses[i].length);
    }
    return 0;
}

/* "host:port", "[host]:port", ":port" */
static bool split(const char *address, cv_str *ret_host, int *ret_port)
{
    const char *colon = strrchr(address, ':');
    char *end;
    if (!colon || colon[1] < '0' || colon[1] > '9' || strlen(colon + 1) > 5)
        return false;
    long port = strtol(colon + 1, &end, 10);
    cv_str host = cv_str_make(address, (size_t)(colon - address));
    if (*end || port > 65535)
        return false;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = cv_str_make(host.ptr + 1, host.len - 2);
    else if (memchr(host.ptr, ':', host.len) || memchr(host.ptr, '[', host.len))
        return false;
    *ret_host = host;
    *ret_port = (int)port;
    return true;
}

static int open_host(cv_ctx *cx, cv_listener *listener, const char *address)
{
    cv_str host;
    int port;
    place places[MAX_PLACES];
    size_t count;
    if (!split(address, &host, &port))
        return refuse_address(cx, address, "it is no host with a port");
    if (host.len == 0) {
        count = all_addresses(port, places);
        return open_at_places(cx, listener, address, places, count);
    }
    const char *name = cv_strndup(cx, host.ptr, host.len);
    if (!name)
        return CV_E_NOMEM;
    CV_TRY(resolve(cx, name, port, places, &count));
    return open_at_places(cx, listener, address, places, count);
}

/* ---- unix sockets ---- */

/* Whether somebody answers; a socket whose backlog is full is one, too. */
static bool is_answered(const place *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)&at->address, at->len) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return !refused;
}

static bool remove_stale(const place *at, const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISSOCK(found.st_mode) && !is_answered(at) && unlink(path) == 0;
}

/* Nobody can connect before listen(2): the permissions are set in time. A descriptor, or a negative errno. */
static int bind_unix(const place *at, const char *path, const cv_listener_options *options)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = bind(fd, (const struct sockaddr *)&at->address, at->len);
    if (rc < 0 && errno == EADDRINUSE) {
        bool stale = remove_stale(at, path);
        errno = EADDRINUSE;
        rc = stale ? bind(fd, (const struct sockaddr *)&at->address, at->len) : rc;
    }
    if (rc == 0 && chmod(path, (mode_t)options->unix_mode) == 0 && listen(fd, options->backlog) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static void note_file(cv_listener *listener, const char *path)
{
    struct stat file;
    if (listener->sockets[0].foreign || stat(path, &file) < 0)
        return;
    listener->owns_file = true;
    listener->file_device = file.st_dev;
    listener->file_number = file.st_ino;
}

static int open_unix(cv_ctx *cx, cv_listener *listener, const char *address, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (!*path)
        return refuse_address(cx, address, "\"unix:\" needs a path");
    if (strlen(path) >= sizeof un.sun_path) {
        cv_fail(cx, CV_E_INVALID, "cannot listen at \"%s\": the path of a unix socket has at most %zu bytes", address,
                sizeof un.sun_path - 1);
        cv_error_hint(cx, "choose a shorter path");
        return CV_E_INVALID;
    }
    memcpy(un.sun_path, path, strlen(path) + 1);
    place at = {.len = sizeof un};
    memcpy(&at.address, &un, sizeof un);
    CV_TRY(take_inherited(cx, listener, at));
    if (listener->count == 0) {
        int fd = bind_unix(&at, path, &listener->options);
        if (fd < 0)
            return open_failed(cx, address, fd);
        CV_TRY(cv__listener_add(cx, listener, fd, false));
    }
    note_file(listener, path);
    return read_bound(cx, listener, address);
}

int cv__listener_open_sockets(cv_ctx *cx, cv_listener *listener, const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(cx, listener, address, address + 5);
    if (strncmp(address, "fd:", 3) != 0 && strcmp(address, "inherited") != 0)
        return open_host(cx, listener, address);
    if (strcmp(address, "inherited") == 0)
        CV_TRY(take_all_inherited(cx, listener));
    else
        CV_TRY(take_descriptor(cx, listener, address, address + 3));
    return read_bound(cx, listener, address);
}
