/* Who is believed about the client, and how far. 10.0.0.0/8, ::1 and peers on unix sockets are our proxies. */
#include "http/forwarded.h"

#include "client.h"
#include "http/server.h"

static const char *const proxies[] = {"10.0.0.0/8", "::1", "unix", NULL};

typedef struct world {
    cv_ctx *cx;
    cv__networks *trusted;
} world;

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->cx = cv_ctx_new(0);
    assert_non_null(w->cx);
    assert_ok(w->cx, cv__networks_parse(w->cx, proxies, &w->trusted));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    cv__networks_free(w->trusted);
    cv_ctx_free(w->cx);
    free(w);
    return 0;
}

static void expect_origin(const char *what, const cv__origin *origin, const char *address, const char *scheme,
                          const char *host)
{
    char text[CV__ADDRESS_TEXT_BYTES];
    if (strcmp(cv__address_text(&origin->client, text), address) != 0)
        fail_msg("%s: the client is %s, not %s", what, text, address);
    if (!cv_str_equal(origin->scheme, cv_str_of(scheme)))
        fail_msg("%s: the scheme is \"%.*s\"", what, CV_STR_ARG(origin->scheme));
    if (!cv_str_equal(origin->host, cv_str_of(host)))
        fail_msg("%s: the host is \"%.*s\"", what, CV_STR_ARG(origin->host));
}

static cv__address peer_of(const char *text)
{
    cv__address peer = {.is_unix = strcmp(text, "unix") == 0};
    assert_true(peer.is_unix || cv__address_parse(cv_str_of(text), false, &peer));
    return peer;
}

static void test_x_forwarded(void **state)
{
    world *w = *state;
    static const struct {
        const char *peer, *addresses, *schemes, *hosts; /* what is sent */
        const char *client, *scheme, *host;             /* what is believed */
    } cases[] = {
        /* nobody told anything */
        {"10.0.0.1", NULL, NULL, NULL, "10.0.0.1", NULL, NULL},
        {"192.0.2.9", NULL, NULL, NULL, "192.0.2.9", NULL, NULL},
        /* strangers are not believed */
        {"192.0.2.9", "6.6.6.6", "https", "evil.example", "192.0.2.9", NULL, NULL},
        {"::2", "6.6.6.6", "https", "evil.example", "::2", NULL, NULL},
        /* one proxy */
        {"10.0.0.1", "192.0.2.1", "https", "a.example", "192.0.2.1", "https", "a.example"},
        {"unix", "192.0.2.1", "HTTPS", "a.example:8443", "192.0.2.1", "https", "a.example:8443"},
        {"::1", "2001:db8::1", "http", "[::1]:80", "2001:db8::1", "http", "[::1]:80"},
        {"10.0.0.1", "192.0.2.1:5678", NULL, NULL, "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "[2001:db8::1]:5678", NULL, NULL, "2001:db8::1", NULL, NULL},
        {"10.0.0.1", NULL, "https", "a.example", "10.0.0.1", "https", "a.example"},
        /* what the client made up stands on the left */
        {"10.0.0.1", "6.6.6.6, 192.0.2.1", "https", NULL, "192.0.2.1", "https", NULL},
        {"10.0.0.1", "10.0.0.2, 192.0.2.1", NULL, NULL, "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "6.6.6.6,192.0.2.1", "https, http", "evil.example, a.example", "192.0.2.1", "http", "a.example"},
        /* several proxies */
        {"10.0.0.1", "6.6.6.6, 192.0.2.1, 10.0.0.7", "x, https, http", "e.example, a.example, b.example", "192.0.2.1",
         "https", "a.example"},
        {"10.0.0.1", "192.0.2.1, 10.0.0.7", "https", "a.example", "192.0.2.1", "https", "a.example"},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", NULL, NULL, "10.0.0.3", NULL, NULL},
        /* what is no address ends the walk */
        {"10.0.0.1", "192.0.2.1, unknown", NULL, NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "192.0.2.1, unknown, 10.0.0.2", NULL, NULL, "10.0.0.2", NULL, NULL},
        {"10.0.0.1", "192.0.2.1,", NULL, NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "", "", "", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "192.0.2.1 6.6.6.6", NULL, NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "fe80::1%eth0", NULL, NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "unix", NULL, NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "127.1", NULL, NULL, "10.0.0.1", NULL, NULL},
        /* other schemes and hosts that are none */
        {"10.0.0.1", "192.0.2.1", "javascript", "a b", "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "192.0.2.1", "https:", "user@a.example", "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "192.0.2.1", "", "a.example/x", "192.0.2.1", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv__origin origin;
        cv__address peer = peer_of(cases[i].peer);
        cv__forwarded_read_x(&peer, w->trusted, cv_str_of(cases[i].addresses), cv_str_of(cases[i].schemes),
                             cv_str_of(cases[i].hosts), &origin);
        expect_origin(cases[i].addresses ? cases[i].addresses : "none", &origin, cases[i].client, cases[i].scheme,
                      cases[i].host);
    }
}

static void test_forwarded(void **state)
{
    world *w = *state;
    static const struct {
        const char *peer, *value, *client, *scheme, *host;
    } cases[] = {
        {"192.0.2.9", "for=6.6.6.6;proto=https;host=evil.example", "192.0.2.9", NULL, NULL},
        {"10.0.0.1", NULL, "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=192.0.2.1;proto=https;host=a.example", "192.0.2.1", "https", "a.example"},
        {"10.0.0.1", "FOR=\"192.0.2.1:4711\" ; Proto=HTTP ; by=_x", "192.0.2.1", "http", NULL},
        {"10.0.0.1", "For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17", NULL, NULL},
        {"10.0.0.1", "for=\"[2001:db8::1]\";host=\"a.example:8443\"", "2001:db8::1", NULL, "a.example:8443"},
        {"10.0.0.1", "proto=https;host=a.example", "10.0.0.1", "https", "a.example"},
        /* the client's own words on the left */
        {"10.0.0.1", "for=6.6.6.6;proto=https, for=192.0.2.1;proto=http", "192.0.2.1", "http", NULL},
        {"10.0.0.1", "for=10.0.0.9;host=evil.example, for=192.0.2.1", "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "@@@;;=, for=192.0.2.1", "192.0.2.1", NULL, NULL},
        /* several proxies */
        {"10.0.0.1", "for=6.6.6.6, for=192.0.2.1;proto=https;host=a.example, for=10.0.0.7;proto=http;host=b.example",
         "192.0.2.1", "https", "a.example"},
        {"10.0.0.1", "for=192.0.2.1;proto=https, for=\"_hidden\";proto=http", "10.0.0.1", "http", NULL},
        {"10.0.0.1", "for=192.0.2.1, for=unknown, for=10.0.0.2", "10.0.0.2", NULL, NULL},
        {"10.0.0.1", "for=10.0.0.3, for=10.0.0.2", "10.0.0.3", NULL, NULL},
        /* commas and semicolons in quotes cut nothing */
        {"10.0.0.1", "for=192.0.2.1;x=\"a,for=6.6.6.6;proto=https\"", "192.0.2.1", NULL, NULL},
        {"10.0.0.1", "for=6.6.6.6;x=\"\\\", for=192.0.2.1;y=\"b\"", "10.0.0.1", NULL, NULL},
        /* quotes that were left open swallow what follows: nothing is believed */
        {"10.0.0.1", "for=\"6.6.6.6, for=192.0.2.1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=6.6.6.6;x=\", for=\"[2001:db8::1]\";proto=https", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "x=\"\\, for=192.0.2.1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "x=\", for=192.0.2.1;host=\",for=6.6.6.6;y=\"", "10.0.0.1", NULL, NULL},
        /* malformed */
        {"10.0.0.1", "for=", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "192.0.2.1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "=192.0.2.1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "f r=192.0.2.1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=2001:db8::1", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=\"192.0.2.1\"x", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=19\"2.0.2.1\"", "10.0.0.1", NULL, NULL},
        {"10.0.0.1", "for=192.0.2.1,", "10.0.0.1", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv__origin origin;
        cv__address peer = peer_of(cases[i].peer);
        cv__forwarded_read(&peer, w->trusted, cv_str_of(cases[i].value), &origin);
        expect_origin(cases[i].value ? cases[i].value : "none", &origin, cases[i].client, cases[i].scheme,
                      cases[i].host);
    }
}

static void test_long_chains_are_bounded(void **state)
{
    world *w = *state;
    char x[2048] = "192.0.2.1", standard[2048] = "for=192.0.2.1";
    cv__origin origin;
    cv__address peer = peer_of("10.0.0.1");
    for (int i = 0; i < 100; i++) {
        strcat(x, ", 10.0.0.2");
        strcat(standard, ",for=10.0.0.2");
    }
    const cv_str none = {NULL, 0};
    cv__forwarded_read_x(&peer, w->trusted, cv_str_of(x), none, none, &origin);
    expect_origin(x, &origin, "10.0.0.2", NULL, NULL);
    cv__forwarded_read(&peer, w->trusted, cv_str_of(standard), &origin);
    expect_origin(standard, &origin, "10.0.0.2", NULL, NULL);
}

/* ---- in requests ---- */

static int tell_origin(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_buf *body = cv_response_body(res);
    (void)cx;
    cv_buf_printf(body, "%s %s ", cv_request_client(req), cv_request_scheme(req));
    cv_buf_add_str(body, cv_request_host(req));
    return 0;
}

static void expect_told(fixture *f, const char *fields, const char *expected)
{
    char request[512];
    snprintf(request, sizeof request, "GET /who HTTP/1.1\r\nHost: own.example\r\n%s\r\n", fields);
    expect_once(f, request, 200, expected);
}

static void test_requests_tell_their_origin(void **state)
{
    world *w = *state;
    fixture f;
    fixture_init(&f);
    assert_ok(f.cx, cv_router_add(f.cx, f.router, CV_GET, "/who", tell_origin, NULL));
    fixture_start(&f, (cv_server_options){0});
    expect_told(&f, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n",
                "127.0.0.1 http own.example");
    expect_once(&f, "GET http://own.example/who HTTP/1.1\r\nHost: own.example\r\n\r\n", 200, "http own.example");
    expect_once(&f, "GET /who HTTP/1.0\r\n\r\n", 200, "127.0.0.1 http ");
    cv__networks *loopback;
    assert_ok(w->cx, cv__networks_parse(w->cx, (const char *const[]){"127.0.0.0/8", NULL}, &loopback));
    f.server->trusted = loopback;
    expect_told(&f, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n",
                "192.0.2.1 https own.example");
    expect_told(&f, "Forwarded: for=192.0.2.1\r\n", "127.0.0.1 http own.example");
    f.server->options.forwarded = CV_FORWARDED_STANDARD;
    expect_told(&f, "Forwarded: for=192.0.2.1;host=b.example;proto=https\r\nX-Forwarded-For: 6.6.6.6\r\n",
                "192.0.2.1 https b.example");
    f.server->trusted = NULL;
    cv__networks_free(loopback);
    fixture_done(&f);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_x_forwarded),
        CASE(test_forwarded),
        CASE(test_long_chains_are_bounded),
        CASE(test_requests_tell_their_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
