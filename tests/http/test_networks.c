#include "http/networks.h"
#include "test.h"

static cv__address address_of(const char *text)
{
    cv__address address = {0};
    assert_true(cv__address_parse(cv_str_of(text), false, &address));
    return address;
}

static bool is_in(const cv__networks *networks, const char *text)
{
    cv__address address = address_of(text);
    return cv__networks_contain(networks, &address);
}

static int set_up(void **state)
{
    *state = cv_ctx_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cv_ctx_free(*state);
    return 0;
}

/* ---- addresses ---- */

static void check_text(const char *given, bool with_port, const char *expected)
{
    char text[CV__ADDRESS_TEXT_BYTES];
    cv__address address;
    if (!cv__address_parse(cv_str_of(given), with_port, &address))
        fail_msg("\"%s\" is an address", given);
    assert_string_equal(cv__address_text(&address, text), expected);
}

static void test_addresses_are_parsed_and_told(void **state)
{
    (void)state;
    check_text("192.0.2.1", false, "192.0.2.1");
    check_text("2001:DB8:0:0::1", false, "2001:db8::1");
    check_text("::ffff:192.0.2.1", false, "192.0.2.1");
    check_text("::", false, "::");
}

static void test_ports_are_taken_off_when_asked_for(void **state)
{
    (void)state;
    check_text("192.0.2.1", true, "192.0.2.1");
    check_text("192.0.2.1:8080", true, "192.0.2.1");
    check_text("2001:db8::1", true, "2001:db8::1");
    check_text("[2001:db8::1]", true, "2001:db8::1");
    check_text("[2001:db8::1]:80", true, "2001:db8::1");
}

static void test_what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "unknown",      "_hidden",          "192.0.2", "192.0.2.256", "192.0.2.01",  " 192.0.2.1",
        "192.0.2.1 ", "fe80::1%eth0", "localhost",        "[::1",    "192.0.2.1:",  "192.0.2.1:x", "[::1]80",
        "[::1]:",     "[192.0.2.1]",  "192.0.2.1:123456", "[]",      ":80",         "[::1]:80:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cv__address address;
        if (cv__address_parse(cv_str_of(wrong[i]), true, &address))
            fail_msg("\"%s\" is no address", wrong[i]);
    }
    cv__address address;
    assert_false(cv__address_parse(CV_STR("192.0.2.1:80"), false, &address));
    assert_false(cv__address_parse(CV_STR("127.0.0.1\0x"), true, &address));
}

static void test_addresses_of_sockets(void **state)
{
    (void)state;
    char text[CV__ADDRESS_TEXT_BYTES];
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    ((struct sockaddr_in *)&storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cv__address address = cv__address_of(&storage);
    assert_string_equal(cv__address_text(&address, text), "127.0.0.1");
    storage = (struct sockaddr_storage){.ss_family = AF_INET6};
    ((struct sockaddr_in6 *)&storage)->sin6_addr = in6addr_loopback;
    address = cv__address_of(&storage);
    assert_string_equal(cv__address_text(&address, text), "::1");
    storage = (struct sockaddr_storage){.ss_family = AF_UNIX};
    address = cv__address_of(&storage);
    assert_string_equal(cv__address_text(&address, text), "unix");
}

/* ---- networks ---- */

static void test_nobody_is_in_an_empty_list(void **state)
{
    cv__networks *networks = (cv__networks *)1;
    assert_ok(*state, cv__networks_parse(*state, NULL, &networks));
    assert_null(networks);
    assert_ok(*state, cv__networks_parse(*state, (const char *const[]){NULL}, &networks));
    assert_null(networks);
    assert_false(is_in(networks, "127.0.0.1"));
    cv__networks_free(networks);
}

static void test_ranges_contain_exactly_their_addresses(void **state)
{
    cv__networks *networks;
    assert_ok(*state, cv__networks_parse(*state,
                                         (const char *const[]){"10.0.0.0/8", "192.0.2.128/25", "203.0.113.7", "::1",
                                                               "2001:db8:40::/42", NULL},
                                         &networks));
    static const char *const inside[] = {"10.0.0.0",      "10.255.255.255",     "192.0.2.128",
                                         "203.0.113.7",   "::ffff:10.1.2.3",    "::1",
                                         "2001:db8:40::", "2001:db8:7f:ffff::1"};
    static const char *const outside[] = {"9.255.255.255", "11.0.0.0", "192.0.2.127",   "203.0.113.6",   "203.0.113.8",
                                          "::2",           "::",       "2001:db8:80::", "2001:db8:3f::", "::a00:1"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (!is_in(networks, inside[i]))
            fail_msg("%s is in it", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (is_in(networks, outside[i]))
            fail_msg("%s is not in it", outside[i]);
    cv__address at_unix = {.is_unix = true};
    assert_false(cv__networks_contain(networks, &at_unix));
    cv__networks_free(networks);
}

static void test_all_of_one_family(void **state)
{
    cv__networks *networks;
    assert_ok(*state, cv__networks_parse(*state, (const char *const[]){"::/0", NULL}, &networks));
    assert_true(is_in(networks, "2001:db8::1"));
    assert_false(is_in(networks, "192.0.2.1"));
    cv__networks_free(networks);
    assert_ok(*state, cv__networks_parse(*state, (const char *const[]){"0.0.0.0/0", NULL}, &networks));
    assert_true(is_in(networks, "192.0.2.1"));
    assert_false(is_in(networks, "2001:db8::1"));
    cv__networks_free(networks);
}

static void test_unix_is_peers_on_unix_sockets(void **state)
{
    cv__networks *networks;
    cv__address at_unix = {.is_unix = true};
    assert_ok(*state, cv__networks_parse(*state, (const char *const[]){"unix", NULL}, &networks));
    assert_true(cv__networks_contain(networks, &at_unix));
    assert_false(is_in(networks, "127.0.0.1"));
    assert_false(is_in(networks, "::"));
    cv__networks_free(networks);
}

static void test_what_is_no_network_is_refused(void **state)
{
    static const char *const wrong[] = {"",     "10.0.0.0/",  "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ",
                                        "10/8", "::/129",     "::/1000",     "proxy",       "10.0.0.0/8/8",
                                        "UNIX", "10.0.0.0/x", "/8",          "127.0.0.1:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cv__networks *networks = NULL;
        assert_fails(*state, cv__networks_parse(*state, (const char *const[]){"::1", wrong[i], NULL}, &networks),
                     CV_E_INVALID, "is no network");
        assert_null(networks);
    }
    cv__networks *networks;
    assert_fails(*state, cv__networks_parse(*state, (const char *const[]){"10.1.0.0/8", NULL}, &networks), CV_E_INVALID,
                 "bits set behind its prefix");
    assert_fails(*state, cv__networks_parse(*state, (const char *const[]){"2001:db8:1::/33", NULL}, &networks),
                 CV_E_INVALID, "bits set behind its prefix");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_addresses_are_parsed_and_told),
        CASE(test_ports_are_taken_off_when_asked_for),
        CASE(test_what_is_no_address_is_refused),
        CASE(test_addresses_of_sockets),
        CASE(test_nobody_is_in_an_empty_list),
        CASE(test_ranges_contain_exactly_their_addresses),
        CASE(test_all_of_one_family),
        CASE(test_unix_is_peers_on_unix_sockets),
        CASE(test_what_is_no_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
