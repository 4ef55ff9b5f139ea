#include "db/server/hosts.h"

#include "rt/wait.h"
#include <covet/fiber.h>
#include <covet/lane.h>
#include <covet/runtime.h>
#include <covet/url.h>
#include <covet/uuid.h>
#include <netdb.h>

/* How long a host that did not answer is tried after the others. */
#define SILENT_NS INT64_C(10000000000)

/* --- what they are --- */

static const char *place_of(cv_arena *arena, const cv__db_host *host, const char *socket)
{
    if (host->name[0] != '/')
        return cv_arena_printf(arena, strchr(host->name, ':') ? "[%s]:%d" : "%s:%d", host->name, host->port);
    return socket ? cv_arena_printf(arena, "%s%s%d", host->name, socket, host->port) : host->name;
}

cv__db_host *cv__hosts_make(cv_arena *arena, const cv_url_host *given, size_t count, int default_port,
                            const char *socket)
{
    cv__db_host *hosts = cv_arena_zalloc(arena, count, sizeof *hosts);
    for (size_t i = 0; hosts && i < count; i++) {
        const char *name = given[i].name && *given[i].name ? given[i].name : "127.0.0.1";
        hosts[i].port = given[i].port ? given[i].port : default_port;
        hosts[i].name = cv_arena_strdup(arena, name);
        hosts[i].place = hosts[i].name ? place_of(arena, &hosts[i], socket) : NULL;
        if (!hosts[i].place)
            return NULL;
    }
    return hosts;
}

const char *cv__hosts_place(cv_arena *arena, const cv__db_host *hosts, size_t count)
{
    const char *place = hosts[0].place;
    for (size_t i = 1; i < count && place; i++)
        place = cv_arena_printf(arena, "%s,%s", place, hosts[i].place);
    return place;
}

/* --- which of them --- */

static int64_t share_of_time(cv_ctx *cx, size_t left_to_try)
{
    int64_t left = cv__deadline_left_ms(cx);
    return left == INT64_MAX ? left : left / (int64_t)left_to_try + 1;
}

int cv__addresses_in_turn(cv_ctx *cx, const char *name, int port, cv__try_address_fn *attempt, void *arg,
                          bool *ret_final)
{
    cv_address *addresses;
    size_t count;
    int rc = CV_E_RESOLVE;
    *ret_final = false;
    CV_TRY(cv_resolve(cx, name, port, &addresses, &count));
    for (size_t i = 0; i < count && rc < 0 && !*ret_final; i++) {
        char literal[NI_MAXHOST];
        if (getnameinfo(addresses[i].address, addresses[i].length, literal, sizeof literal, NULL, 0, NI_NUMERICHOST) !=
            0)
            return cv_fail(cx, CV_E_RESOLVE, "the address of host \"%s\" cannot be written", name);
        CV_WITHIN(cx, share_of_time(cx, count - i))
        {
            rc = attempt(cx, arg, literal, ret_final);
        }
    }
    return rc;
}

static bool is_silent(const cv__db_host *host, int64_t now_ns)
{
    return host->silent_since_ns && now_ns - host->silent_since_ns < SILENT_NS;
}

static void shuffle(size_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        uint32_t random;
        cv_random_bytes(&random, sizeof random);
        size_t other = random % i, former = order[i - 1];
        order[i - 1] = order[other];
        order[other] = former;
    }
}

/* Those that lately did not answer come last. */
static void make_order(const cv__db_host *hosts, size_t host_count, bool any_order, int64_t now_ns,
                       size_t order[CV_URL_MAX_HOSTS])
{
    size_t drawn[CV_URL_MAX_HOSTS], count = 0;
    for (size_t i = 0; i < host_count; i++)
        drawn[i] = i;
    if (any_order)
        shuffle(drawn, host_count);
    for (int silent = 0; silent <= 1; silent++)
        for (size_t i = 0; i < host_count; i++)
            if (is_silent(&hosts[drawn[i]], now_ns) == (silent == 1))
                order[count++] = drawn[i];
}

int cv__hosts_in_turn(cv_ctx *cx, cv__db_host *hosts, size_t count, bool any_order, cv__try_host_fn *attempt, void *arg,
                      bool *ret_final)
{
    size_t order[CV_URL_MAX_HOSTS];
    int rc = CV_E_RESOLVE;
    *ret_final = false;
    make_order(hosts, count, any_order, cv_now_ns(cx), order);
    for (size_t i = 0; i < count && rc < 0 && !*ret_final; i++) {
        cv__db_host *host = &hosts[order[i]];
        CV_WITHIN(cx, share_of_time(cx, count - i))
        {
            rc = attempt(cx, arg, order[i], ret_final);
        }
        host->silent_since_ns = rc == CV_E_TIMEOUT ? cv_now_ns(cx) : 0;
        *ret_final |= rc == CV_E_CANCELLED || rc == CV_E_CONTEXT;
    }
    return rc;
}
