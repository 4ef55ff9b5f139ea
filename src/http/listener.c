#include "http/listener.h"

#include <covet/error.h>
#include <covet/str.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- life ---- */

static int check_range(cv_ctx *cx, const char *name, uint64_t value, uint64_t max)
{
    if (value <= max)
        return 0;
    return cv_fail(cx, CV_E_INVALID, "cannot listen: the option \"%s\" is not between 0 and %llu", name,
                   (unsigned long long)max);
}

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static int take_options(cv_ctx *cx, cv_listener *listener, const cv_listener_options *given)
{
    cv_listener_options *o = &listener->options;
    *o = given ? *given : (cv_listener_options){0};
    CV_TRY(check_range(cx, "sockets", o->sockets, 256));
    CV_TRY(check_range(cx, "backlog", (uint64_t)o->backlog, 65535));
    CV_TRY(check_range(cx, "unix_mode", o->unix_mode, 0777));
    CV_TRY(check_range(cx, "max_connections", o->max_connections, INT_MAX));
    CV_TRY(check_range(cx, "max_per_address", o->max_per_address, INT_MAX));
    DEFAULT(o->sockets, 1);
    DEFAULT(o->backlog, 511);
    DEFAULT(o->unix_mode, 0660);
    DEFAULT(o->max_connections, 10000);
    DEFAULT(o->max_per_address, 1000);
    CV_TRY(cv__networks_parse(cx, o->trusted_proxies, &listener->trusted));
    o->trusted_proxies = NULL;
    return 0;
}

static void write_url(cv_listener *listener)
{
    char host[INET6_ADDRSTRLEN];
    cv__address address = cv__address_of(&listener->bound);
    if (listener->bound.ss_family == AF_UNIX) {
        const struct sockaddr_un *at = (const struct sockaddr_un *)&listener->bound;
        snprintf(listener->url, sizeof listener->url, "unix:%.*s", (int)sizeof at->sun_path, at->sun_path);
        return;
    }
    cv__address_text(&address, host);
    const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
    snprintf(listener->url, sizeof listener->url, "http://%s%s%s:%d/", open, host, close, cv_listener_port(listener));
}

int cv_listener_open(cv_ctx *cx, const char *address, const cv_listener_options *options, cv_listener **ret_listener)
{
    cv_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return cv_fail(cx, CV_E_NOMEM, "could not listen at \"%s\": out of memory", address);
    cv__address_table_init(&listener->addresses);
    int rc = take_options(cx, listener, options);
    if (rc == 0)
        rc = cv__listener_open_sockets(cx, listener, address);
    if (rc < 0) {
        cv_listener_close(listener);
        return rc;
    }
    write_url(listener);
    *ret_listener = listener;
    return 0;
}

static void close_socket(cv__listening *socket)
{
    int fd = atomic_exchange(&socket->fd, -1);
    if (fd >= 0)
        close(fd);
}

/* Whoever has put another socket in its place meanwhile keeps it. */
static void remove_file(const cv_listener *listener)
{
    const struct sockaddr_un *at = (const struct sockaddr_un *)&listener->bound;
    struct stat now;
    if (stat(at->sun_path, &now) == 0 && now.st_dev == listener->file_device && now.st_ino == listener->file_number)
        unlink(at->sun_path);
}

void cv_listener_close(cv_listener *listener)
{
    if (!listener)
        return;
    if (listener->owns_file && !atomic_load(&listener->left))
        remove_file(listener);
    for (size_t i = 0; i < listener->count; i++)
        close_socket(&listener->sockets[i]);
    free(listener->sockets);
    cv__networks_free(listener->trusted);
    cv__address_table_done(&listener->addresses);
    free(listener);
}

int cv_listener_port(const cv_listener *listener)
{
    switch (listener->bound.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&listener->bound)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)&listener->bound)->sin6_port);
    default:
        return 0;
    }
}

const char *cv_listener_url(const cv_listener *listener)
{
    return listener->url;
}

/* ---- for servers ---- */

size_t cv__listener_sockets(const cv_listener *listener)
{
    return listener->count;
}

size_t cv__listener_workers(const cv_listener *listener)
{
    return listener->options.sockets;
}

int cv__listener_attach(cv_listener *listener, size_t index)
{
    cv__listening *socket = &listener->sockets[index];
    atomic_fetch_add(&socket->users, 1);
    int fd = atomic_load(&socket->fd);
    if (fd >= 0)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    else
        errno = EBADF;
    if (fd < 0)
        atomic_fetch_sub(&socket->users, 1);
    return fd;
}

bool cv__listener_is_last(cv_listener *listener, size_t index)
{
    const cv__listening *socket = &listener->sockets[index];
    return !socket->foreign && !atomic_load(&listener->left) && atomic_load(&socket->users) == 1;
}

void cv__listener_detach(cv_listener *listener, size_t index)
{
    cv__listening *socket = &listener->sockets[index];
    if (atomic_fetch_sub(&socket->users, 1) == 1)
        close_socket(socket);
}

void cv__listener_leave(cv_listener *listener)
{
    atomic_store(&listener->left, true);
}

size_t cv__listener_descriptors(const cv_listener *listener, cv__handed *ret_handed, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < listener->count; i++) {
        int fd = atomic_load(&listener->sockets[i].fd);
        if (fd >= 0 && count < size)
            ret_handed[count++] = (cv__handed){fd, listener->sockets[i].foreign};
    }
    return count;
}

/* ---- who may come in ---- */

bool cv__listener_take_place(cv_listener *listener)
{
    if (atomic_fetch_add(&listener->connections, 1) < listener->options.max_connections)
        return true;
    atomic_fetch_sub(&listener->connections, 1);
    return false;
}

void cv__listener_give_place(cv_listener *listener)
{
    atomic_fetch_sub(&listener->connections, 1);
}

static bool is_exempt(const cv_listener *listener, const cv__address *address)
{
    return address->is_unix || cv__networks_contain(listener->trusted, address);
}

bool cv__listener_admit(cv_listener *listener, const struct sockaddr_storage *peer)
{
    cv__address address = cv__address_of(peer);
    return is_exempt(listener, &address) ||
           cv__address_table_add(&listener->addresses, &address, listener->options.max_per_address);
}

void cv__listener_release(cv_listener *listener, const struct sockaddr_storage *peer)
{
    if (!listener)
        return;
    cv__address address = cv__address_of(peer);
    if (!is_exempt(listener, &address))
        cv__address_table_remove(&listener->addresses, &address);
    cv__listener_give_place(listener);
}
