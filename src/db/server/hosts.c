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
