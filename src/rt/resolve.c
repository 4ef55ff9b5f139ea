#include <covet/lane.h>

#include "base/ctx.h"
#include "rt/wait.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ADDRESSES = 16, LONGEST_HOST = 253, MOST_PORT = 65535 };

/* Shared by the caller and the lane's thread, freed by the later of them; both references belong to the runtime's
 * thread. */
struct lookup {
    char host[LONGEST_HOST + 1];
    char port[8];
    struct addrinfo *found;
    int gai_error, system_error;
    int references;
};

static void unref_lookup(void *arg)
{
    struct lookup *lookup = arg;
    if (--lookup->references > 0)
        return;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    free(lookup);
}

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    errno = 0;
    lookup->gai_error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    lookup->system_error = errno;
    return 0;
}

static int copy_address(cv_ctx *cx, const struct sockaddr *from, unsigned length, cv_address *ret_address)
{
    struct sockaddr *copy = cv_alloc(cx, length);
    if (!copy)
        return cx->error_code;
    memcpy(copy, from, length);
    *ret_address = (cv_address){copy, length};
    return 0;
}

static int copy_found(cv_ctx *cx, const struct addrinfo *found, cv_address **ret_addresses, size_t *ret_count)
{
    size_t count = 0;
    for (const struct addrinfo *at = found; at && count < MOST_ADDRESSES; at = at->ai_next)
        count++;
    cv_address *addresses = cv_zalloc(cx, count, sizeof *addresses);
    if (!addresses)
        return cx->error_code;
    for (size_t i = 0; i < count; i++, found = found->ai_next)
        CV_TRY(copy_address(cx, found->ai_addr, found->ai_addrlen, &addresses[i]));
    *ret_addresses = addresses;
    *ret_count = count;
    return 0;
}

static int take_lookup(cv_ctx *cx, const struct lookup *lookup, cv_address **ret_addresses, size_t *ret_count)
{
    if (lookup->gai_error == EAI_SYSTEM)
        return cv_fail(cx, CV_E_RESOLVE, "could not resolve \"%s\": %s", lookup->host, strerror(lookup->system_error));
    if (lookup->gai_error != 0)
        return cv_fail(cx, CV_E_RESOLVE, "could not resolve \"%s\": %s", lookup->host, gai_strerror(lookup->gai_error));
    return copy_found(cx, lookup->found, ret_addresses, ret_count);
}

/* Literal addresses need no thread. */
static bool parse_literal(const char *host, int port, struct sockaddr_storage *ret_address, unsigned *ret_length)
{
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)ret_address) == 0) {
        *ret_length = sizeof(struct sockaddr_in);
        return true;
    }
    if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret_address) == 0) {
        *ret_length = sizeof(struct sockaddr_in6);
        return true;
    }
    return false;
}

static int resolve_name(cv_ctx *cx, const char *host, int port, cv_address **ret_addresses, size_t *ret_count)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return cv_fail(cx, CV_E_NOMEM, "could not resolve \"%s\": out of memory", host);
    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    snprintf(lookup->port, sizeof lookup->port, "%d", port);
    lookup->references = 2;
    int rc = cv_offload(cx, CV_LANE_NAMES, look_up, lookup, unref_lookup);
    if (rc == 0)
        rc = take_lookup(cx, lookup, ret_addresses, ret_count);
    else
        rc = cv_fail(cx, rc, "could not resolve \"%s\"", host);
    unref_lookup(lookup);
    return rc;
}

int cv_resolve(cv_ctx *cx, const char *host, int port, cv_address **ret_addresses, size_t *ret_count)
{
    size_t length = strlen(host);
    if (length == 0 || length > LONGEST_HOST)
        return cv_fail(cx, CV_E_INVALID, "cannot resolve a host name of %zu characters: 1 to %d are allowed", length,
                       LONGEST_HOST);
    if (port < 0 || port > MOST_PORT)
        return cv_fail(cx, CV_E_INVALID, "cannot resolve \"%s\": port %d is not between 0 and %d", host, port,
                       MOST_PORT);
    struct sockaddr_storage literal = {0};
    unsigned literal_length = 0;
    if (!parse_literal(host, port, &literal, &literal_length))
        return resolve_name(cx, host, port, ret_addresses, ret_count);
    cv_address *address = cv_alloc(cx, sizeof *address);
    if (!address)
        return cx->error_code;
    CV_TRY(copy_address(cx, (const struct sockaddr *)&literal, literal_length, address));
    *ret_addresses = address;
    *ret_count = 1;
    return 0;
}
