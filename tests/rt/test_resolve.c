/* Name resolution. Needs no network: literals, the hosts file, and a name that cannot exist. */
#include "rt_test.h"

#include <arpa/inet.h>
#include <covet/lane.h>
#include <netinet/in.h>

static void a_literal_address_is_resolved_without_waiting(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0); /* without a runtime it could not wait */
    cv_address *addresses = NULL;
    size_t count = 0;
    assert_ok(cx, cv_resolve(cx, "192.0.2.7", 8080, &addresses, &count));
    assert_int_equal(count, 1);
    struct sockaddr_in four;
    assert_int_equal(addresses[0].length, sizeof four);
    memcpy(&four, addresses[0].address, sizeof four);
    assert_int_equal(four.sin_family, AF_INET);
    assert_int_equal(ntohs(four.sin_port), 8080);
    assert_int_equal(ntohl(four.sin_addr.s_addr), 0xC0000207);
    assert_ok(cx, cv_resolve(cx, "::1", 53, &addresses, &count));
    struct sockaddr_in6 six;
    assert_int_equal(addresses[0].length, sizeof six);
    memcpy(&six, addresses[0].address, sizeof six);
    assert_int_equal(six.sin6_family, AF_INET6);
    assert_int_equal(ntohs(six.sin6_port), 53);
    cv_ctx_free(cx);
}

static void localhost_is_resolved_in_the_lane(void **state)
{
    cv_ctx *cx = *state;
    cv_address *addresses = NULL;
    size_t count = 0;
    assert_ok(cx, cv_resolve(cx, "localhost", 80, &addresses, &count));
    assert_true(count >= 1 && count <= 16);
    assert_non_null(addresses[0].address);
}

static void an_unknown_name_says_why(void **state)
{
    cv_ctx *cx = *state;
    cv_address *addresses = NULL;
    size_t count = 0;
    assert_fails(cx, cv_resolve(cx, "a name with blanks.invalid", 80, &addresses, &count), CV_E_RESOLVE,
                 "could not resolve \"a name with blanks.invalid\": ");
}

static void impossible_input_is_refused(void **state)
{
    cv_ctx *cx = *state;
    cv_address *addresses = NULL;
    size_t count = 0;
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_fails(cx, cv_resolve(cx, "", 80, &addresses, &count), CV_E_INVALID, "0 characters");
    assert_fails(cx, cv_resolve(cx, longest, 80, &addresses, &count), CV_E_INVALID, "299 characters");
    assert_fails(cx, cv_resolve(cx, "localhost", 65536, &addresses, &count), CV_E_INVALID, "port 65536");
}

static void resolution_is_bounded_by_the_deadline(void **state)
{
    cv_ctx *cx = *state;
    cv_address *addresses = NULL;
    size_t count = 0;
    CV_WITHIN(cx, 0)
    {
        assert_fails(cx, cv_resolve(cx, "localhost", 80, &addresses, &count), CV_E_TIMEOUT, "could not resolve");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_address_is_resolved_without_waiting),
        runtime_test(localhost_is_resolved_in_the_lane),
        runtime_test(an_unknown_name_says_why),
        runtime_test(impossible_input_is_refused),
        runtime_test(resolution_is_bounded_by_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
