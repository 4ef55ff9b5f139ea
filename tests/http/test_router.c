#include "http/response.h"
#include "http/router.h"
#include "test.h"

static const cv__parser_limits limits = {.max_header_bytes = 16384, .max_headers = 100, .max_body_bytes = 4096};

typedef struct fixture {
    cv_ctx *cx;
    cv_router *router;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->cx = cv_ctx_new(0);
    f->router = cv_router_new();
    *state = f;
    return !f->cx || !f->router;
}

static int teardown(void **state)
{
    fixture *f = *state;
    cv_router_free(f->router);
    cv_ctx_free(f->cx);
    free(f);
    return 0;
}

/* Replies with the pattern and all parameters: "/b/{id:int} id=5". */
static int echo(cv_ctx *cx, cv_request *req, cv_response *res)
{
    cv_buf *body = cv_response_body(res);
    (void)cx;
    cv_buf_printf(body, "%s%s", cv_request_route(req), (const char *)cv_request_route_arg(req));
    for (size_t i = 0; i < req->route->param_count; i++)
        cv_buf_printf(body, " %s=%.*s", req->route->params[i].name, CV_STR_ARG(req->params[i]));
    return 0;
}

static int add(fixture *f, unsigned methods, const char *pattern)
{
    return cv_router_add(f->cx, f->router, methods, pattern, echo, (void *)(uintptr_t) "");
}

/* The reply to a request as "status body". */
static const char *ask(fixture *f, const char *method, const char *target, cv_str *ret_allow)
{
    static char text[1024];
    char request[1024];
    cv__parser p;
    cv__parser_init(&p, &limits);
    int len = snprintf(request, sizeof request, "%s %s HTTP/1.0\r\n\r\n", method, target);
    size_t size;
    char *room = cv__parser_room(&p, &size);
    assert_non_null(room);
    memcpy(room, request, (size_t)len);
    assert_int_equal(cv__parser_feed(&p, (size_t)len), CV__PARSE_DONE);
    cv_request req;
    cv_response res;
    assert_ok(f->cx, cv__request_init(f->cx, &req, &p, NULL));
    cv__response_init(f->cx, &res, p.head.method, 0, true);
    assert_ok(f->cx, cv__router_dispatch(f->cx, f->router, &req, &res));
    snprintf(text, sizeof text, "%d %.*s", res.status, CV_STR_ARG(cv_buf_str(&res.body)));
    if (ret_allow)
        *ret_allow = cv_response_get_header(&res, "allow");
    cv__parser_done(&p);
    return text;
}

static void expect(fixture *f, const char *method, const char *target, const char *reply)
{
    assert_string_equal(ask(f, method, target, NULL), reply);
}

static void test_literals_and_parameters(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, add(f, CV_GET, "/"));
    assert_ok(f->cx, add(f, CV_GET, "/books"));
    assert_ok(f->cx, add(f, CV_GET, "/books/"));
    assert_ok(f->cx, add(f, CV_GET, "/books/{id:int}/pages/{page}"));
    assert_ok(f->cx, add(f, CV_GET, "/files/{rest:path}"));
    expect(f, "GET", "/", "200 /");
    expect(f, "GET", "/books?x=1", "200 /books");
    expect(f, "GET", "/books/", "200 /books/");
    expect(f, "GET", "/books/-7/pages/a%2Fb%20c", "200 /books/{id:int}/pages/{page} id=-7 page=a/b c");
    expect(f, "GET", "/files/a/b%20/c", "200 /files/{rest:path} rest=a/b /c");
    assert_non_null(strstr(ask(f, "GET", "/books/x/pages/1", NULL), "404"));
    assert_non_null(strstr(ask(f, "GET", "/books/1/pages/", NULL), "404"));
    assert_non_null(strstr(ask(f, "GET", "/files/", NULL), "404"));
    assert_non_null(strstr(ask(f, "GET", "//", NULL), "404"));
}

static void test_the_better_rank_wins(void **state)
{
    fixture *f = *state;
    static const char *const patterns[] = {"/x/{rest:path}", "/x/{t}", "/x/{u:uuid}",
                                           "/x/{i:int}",     "/x/new", "/x/new/z"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        assert_ok(f->cx, add(f, CV_GET, patterns[i]));
    expect(f, "GET", "/x/new", "200 /x/new");
    expect(f, "GET", "/x/12", "200 /x/{i:int} i=12");
    expect(f, "GET", "/x/99999999999999999999", "200 /x/{t} t=99999999999999999999");
    expect(f, "GET", "/x/+1", "200 /x/{t} t=+1");
    expect(f, "GET", "/x/01234567-89ab-cdef-0123-456789ABCDEF",
           "200 /x/{u:uuid} u=01234567-89ab-cdef-0123-456789ABCDEF");
    expect(f, "GET", "/x/new/y", "200 /x/{rest:path} rest=new/y");
}

static void test_another_method_may_be_served_by_a_lower_rank(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, add(f, CV_GET, "/x/new"));
    assert_ok(f->cx, add(f, CV_PUT | CV_DELETE, "/x/{id}"));
    expect(f, "PUT", "/x/new", "200 /x/{id} id=new");
}

static void test_methods_that_nobody_added(void **state)
{
    fixture *f = *state;
    cv_str allow;
    assert_ok(f->cx, add(f, CV_GET, "/x"));
    assert_ok(f->cx, add(f, CV_POST, "/x"));
    assert_ok(f->cx, add(f, CV_HEAD, "/h"));
    assert_ok(f->cx, cv_router_add(f->cx, f->router, CV_GET, "/h", echo, (void *)(uintptr_t) " by get"));
    expect(f, "HEAD", "/x", "200 /x");
    expect(f, "HEAD", "/h", "200 /h");
    assert_non_null(strstr(ask(f, "DELETE", "/x", &allow), "405"));
    assert_true(cv_str_equal(allow, CV_STR("GET, HEAD, POST, OPTIONS")));
    expect(f, "OPTIONS", "/x", "204 ");
    ask(f, "OPTIONS", "/x", &allow);
    assert_true(cv_str_equal(allow, CV_STR("GET, HEAD, POST, OPTIONS")));
    ask(f, "OPTIONS", "*", &allow);
    assert_true(cv_str_equal(allow, CV_STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
    assert_non_null(strstr(ask(f, "OPTIONS", "/none", NULL), "404"));
}

static void test_conflicts_are_refused(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, add(f, CV_GET | CV_PUT, "/a/{id:int}"));
    assert_fails(f->cx, add(f, CV_GET, "/a/{id:int}"), CV_E_ROUTE, "\"/a/{id:int}\" matches the same requests");
    assert_fails(f->cx, add(f, CV_POST, "/a/{n:int}"), CV_E_ROUTE, "with other names");
    assert_ok(f->cx, add(f, CV_POST, "/a/{id:int}"));
    assert_ok(f->cx, add(f, CV_GET, "/a/{n:int}/b"));
    assert_fails(f->cx, add(f, 0, "/b"), CV_E_INVALID, "methods");
    assert_fails(f->cx, add(f, 1 << 12, "/b"), CV_E_INVALID, "methods");
}

static void test_bad_patterns_are_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *pattern, *part;
    } cases[] = {
        {"", "starts with a slash"},         {"a", "starts with a slash"},
        {"/{a:float}", "unknown type"},      {"/{}", "does not name"},
        {"/{9a}", "does not name"},          {"/{a-b}", "does not name"},
        {"/{a", "neither plain text"},       {"/x{a}", "neither plain text"},
        {"/a b", "neither plain text"},      {"/a?b", "neither plain text"},
        {"/a/../b", "neither plain text"},   {"/a%20b", "neither plain text"},
        {"/{a:path}/b", "must be the last"}, {"/{a}/{a:int}", "an earlier parameter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_fails(f->cx, add(f, CV_GET, cases[i].pattern), CV_E_SYNTAX, cases[i].part);
    char deep[2048] = "", many[512] = "", name[16];
    for (int i = 0; i < 64; i++)
        strcat(deep, "/a");
    for (int i = 0; i < 17; i++) {
        snprintf(name, sizeof name, "/{p%d}", i);
        strcat(many, name);
    }
    assert_fails(f->cx, add(f, CV_GET, deep), CV_E_SYNTAX, "one segment too many");
    assert_fails(f->cx, add(f, CV_GET, many), CV_E_SYNTAX, "one parameter too many");
    memset(deep, 'a', sizeof deep - 1);
    deep[0] = '/';
    assert_fails(f->cx, add(f, CV_GET, deep), CV_E_SYNTAX, "longer than");
}

static void test_groups_have_a_prefix_and_nest(void **state)
{
    fixture *f = *state;
    cv_route_group *api = cv_router_group(f->cx, f->router, "/api");
    assert_non_null(api);
    cv_route_group *user = cv_route_group_nest(f->cx, api, "/users/{user:int}");
    assert_non_null(user);
    assert_ok(f->cx, cv_route_group_add(f->cx, user, CV_GET, "/books", echo, (void *)(uintptr_t) ""));
    assert_ok(f->cx, cv_route_group_add(f->cx, api, CV_GET, "", echo, (void *)(uintptr_t) ""));
    expect(f, "GET", "/api/users/3/books", "200 /api/users/{user:int}/books user=3");
    expect(f, "GET", "/api", "200 /api");
    assert_null(cv_router_group(f->cx, f->router, "/api/"));
    assert_string_equal(cv_error_last(f->cx)->message,
                        "cannot group below \"/api/\": a prefix does not end in a slash");
    cv_error_clear(f->cx);
    assert_null(cv_router_group(f->cx, f->router, "api"));
}

static void test_routes_are_visited_in_order(void **state)
{
    fixture *f = *state;
    assert_ok(f->cx, add(f, CV_GET, "/b"));
    assert_ok(f->cx, add(f, CV_PUT | CV_POST, "/a"));
    size_t position = 0;
    cv_route_info info;
    assert_true(cv_router_next(f->router, &position, &info));
    assert_string_equal(info.pattern, "/b");
    assert_true(cv_router_next(f->router, &position, &info));
    assert_int_equal(info.methods, CV_PUT | CV_POST);
    assert_ptr_equal(info.handler, echo);
    assert_false(cv_router_next(f->router, &position, &info));
}

static void test_many_routes_and_deep_paths(void **state)
{
    fixture *f = *state;
    char pattern[64], path[2048] = "", wanted[64];
    for (int i = 0; i < 500; i++) {
        snprintf(pattern, sizeof pattern, "/p%d/{id}", (i * 7919) % 500);
        assert_ok(f->cx, add(f, CV_GET, pattern));
    }
    for (int i = 0; i < 500; i += 17) {
        snprintf(path, sizeof path, "/p%d/x", i);
        snprintf(wanted, sizeof wanted, "200 /p%d/{id} id=x", i);
        expect(f, "GET", path, wanted);
    }
    assert_ok(f->cx, add(f, CV_GET, "/deep/{rest:path}"));
    strcpy(path, "/deep");
    for (int i = 0; i < 200; i++)
        strcat(path, "/a");
    assert_non_null(strstr(ask(f, "GET", path, NULL), "200 /deep/{rest:path} rest=a/a/"));
    assert_non_null(strstr(ask(f, "GET", path + 5, NULL), "404"));
}

static void expect_match(fixture *f, const char *path, const char *pattern, const char *first)
{
    char scratch[64];
    cv__match match;
    cv_str raw = cv_str_of(path);
    bool rewritten = strchr(path, '%') || strstr(path, "/.");
    const cv__route *route = cv__router_match(f->router, CV_GET, raw, rewritten ? scratch : NULL, &match);
    assert_string_equal(route->pattern, pattern);
    cv_str decoded = cv__path_decode(raw, rewritten ? scratch : NULL);
    assert_true(cv_str_equal(cv_str_sub(decoded, match.params[0].at, match.params[0].len), cv_str_of(first)));
}

static void test_a_head_is_matched_without_a_fiber(void **state)
{
    fixture *f = *state;
    cv__match match;
    assert_ok(f->cx, add(f, CV_GET, "/a/{x}"));
    assert_ok(f->cx, add(f, CV_GET, "/b/{rest:path}"));
    expect_match(f, "/a/1", "/a/{x}", "1");
    expect_match(f, "/%61/%2F%20", "/a/{x}", "/ ");
    expect_match(f, "/b/c%2Fd/e", "/b/{rest:path}", "c/d/e");
    expect_match(f, "/x/../a/./1", "/a/{x}", "1");
    expect_match(f, "/x/%2E%2e/a/y/.%2e/%61", "/a/{x}", "a");
    expect_match(f, "/b/x//../c/..", "/b/{rest:path}", "x/");
    expect_match(f, "/b/c/.../.d/.", "/b/{rest:path}", "c/.../.d/");
    const cv__route *none = cv__router_match(f->router, CV_PUT, CV_STR("/a/1"), NULL, &match);
    assert_null(none->handler);
    assert_null(none->pattern);
    assert_int_equal(match.allowed, CV_GET);
    assert_ptr_equal(cv__router_match(f->router, CV_GET, CV_STR(""), NULL, &match), none);
    assert_int_equal(match.allowed, 0);
}

static void test_limits_come_from_the_nearest_group(void **state)
{
    fixture *f = *state;
    cv_route_group *outer = cv_router_group(f->cx, f->router, "/o");
    assert_non_null(outer);
    cv_route_group *inner = cv_route_group_nest(f->cx, outer, "");
    assert_non_null(inner);
    assert_ok(f->cx, cv_route_group_limit(f->cx, cv_router_root(f->router), &(cv_route_limits){.timeout_ms = 9}));
    assert_ok(f->cx, cv_route_group_limit(f->cx, outer, &(cv_route_limits){100, 7}));
    assert_ok(f->cx, cv_route_group_limit(f->cx, inner, &(cv_route_limits){.max_body_bytes = 50}));
    assert_ok(f->cx, cv_route_group_route(f->cx, inner,
                                          &(cv_route_spec){.methods = CV_GET,
                                                           .pattern = "/a",
                                                           .handler = echo,
                                                           .limits = {.timeout_ms = 5},
                                                           .stream_body = true,
                                                           .exclude_from_log = true}));
    assert_ok(f->cx, cv_route_group_add(f->cx, inner, CV_GET | CV_PUT, "/b", echo, NULL));
    assert_ok(f->cx, add(f, CV_GET, "/c"));
    assert_ok(f->cx, cv__router_freeze(f->cx, f->router));
    const struct {
        size_t body;
        int64_t timeout_ms;
        const char *label;
    } expected[] = {
        {50, 5, "GET /o/a"}, {50, 7, "GET,PUT /o/b"}, {0, 9, "GET /c"}, {0, 9, "http request without a route"}};
    for (size_t i = 0; i < 4; i++) {
        const cv__route *route = cv__router_route_at(f->router, i);
        assert_int_equal(route->index, i);
        assert_int_equal(route->limits.max_body_bytes, expected[i].body);
        assert_int_equal(route->limits.timeout_ms, expected[i].timeout_ms);
        assert_string_equal(route->label, expected[i].label);
        assert_int_equal(route->stream_body && route->exclude_from_log, i == 0);
    }
    assert_int_equal(cv__router_route_count(f->router), 3);
}

static void test_bad_limits_are_refused(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    assert_fails(f->cx, cv_route_group_limit(f->cx, root, &(cv_route_limits){.timeout_ms = -1}), CV_E_INVALID,
                 "negative");
    cv_route_spec spec = {.methods = CV_GET, .pattern = "/a", .handler = echo, .limits = {.timeout_ms = -1}};
    assert_fails(f->cx, cv_route_group_route(f->cx, root, &spec), CV_E_INVALID, "negative");
    spec = (cv_route_spec){.methods = CV_GET, .pattern = "/a"};
    assert_fails(f->cx, cv_route_group_route(f->cx, root, &spec), CV_E_INVALID, "no handler");
}

static void test_a_frozen_router_takes_nothing_more(void **state)
{
    fixture *f = *state;
    cv_route_group *root = cv_router_root(f->router);
    assert_ok(f->cx, add(f, CV_GET, "/a"));
    assert_ok(f->cx, cv__router_freeze(f->cx, f->router));
    assert_ok(f->cx, cv__router_freeze(f->cx, f->router));
    assert_fails(f->cx, add(f, CV_GET, "/b"), CV_E_STATE, "a server has started");
    assert_fails(f->cx, cv_route_group_limit(f->cx, root, &(cv_route_limits){0}), CV_E_STATE, "a server has started");
    assert_null(cv_router_group(f->cx, f->router, "/c"));
    cv_error_clear(f->cx);
    expect(f, "GET", "/a", "200 /a");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_literals_and_parameters),
        CASE(test_the_better_rank_wins),
        CASE(test_another_method_may_be_served_by_a_lower_rank),
        CASE(test_methods_that_nobody_added),
        CASE(test_conflicts_are_refused),
        CASE(test_bad_patterns_are_refused),
        CASE(test_groups_have_a_prefix_and_nest),
        CASE(test_routes_are_visited_in_order),
        CASE(test_many_routes_and_deep_paths),
        CASE(test_a_head_is_matched_without_a_fiber),
        CASE(test_limits_come_from_the_nearest_group),
        CASE(test_bad_limits_are_refused),
        CASE(test_a_frozen_router_takes_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
