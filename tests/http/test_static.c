#include "client.h"
#include "folder.h"

#include "http/files/file.h"

#include <sys/stat.h>
#include <sys/syscall.h>

typedef struct world {
    fixture f;
    char root[64]; /* root/site is served */
} world;

static void put(const world *w, const char *path, const char *content, size_t len)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", w->root, path);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void put_text(const world *w, const char *path, const char *content)
{
    put(w, path, content, strlen(content));
}

static void make_folder(const world *w, const char *path)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", w->root, path);
    assert_int_equal(mkdir(name, 0755), 0);
}

static void link_to(const world *w, const char *target, const char *path)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", w->root, path);
    assert_int_equal(symlink(target, name), 0);
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fixture_init(&w->f);
    test_folder_make(w->root);
    make_folder(w, "site");
    make_folder(w, "site/docs");
    make_folder(w, "site/empty");
    make_folder(w, "site/.git");
    put_text(w, "secret.txt", "secret");
    put_text(w, "site/a.txt", "0123456789");
    put_text(w, "site/zero.css", "");
    put_text(w, "site/with space.HTML", "<p>");
    put_text(w, "site/docs/index.html", "<h1>docs");
    put_text(w, "site/.git/config", "secret");
    link_to(w, "a.txt", "site/inside.txt");
    link_to(w, "../secret.txt", "site/outside.txt");
    link_to(w, "/", "site/slash");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    fixture_done(&w->f);
    test_folder_remove(w->root);
    free(w);
    return 0;
}

static void serve(world *w, const char *prefix, const cv_static_options *options)
{
    char site[128];
    snprintf(site, sizeof site, "%s/site", w->root);
    assert_ok(w->f.cx, cv_router_static(w->f.cx, w->f.router, prefix, site, options));
    fixture_start(&w->f, (cv_server_options){0});
}

static reply ask(client *c, const char *target, const char *headers)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, headers);
    client_send(c, request);
    return client_reply(c);
}

static void expect(client *c, const char *target, const char *headers, int status, const char *body)
{
    reply r = ask(c, target, headers);
    if (r.status != status)
        fail_msg("%s: status %d instead of %d", target, r.status, status);
    if (body && strcmp(r.body ? r.body : "", body) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", target, r.body, body);
    assert_null(r.body ? strstr(r.body, "secret") : NULL);
    reply_done(&r);
}

/* valgrind and old kernels lack it. */
static bool has_openat2(void)
{
    return syscall(SYS_openat2, -1, NULL, NULL, 0) != -1 || errno != ENOSYS;
}

static void test_files_with_their_types(void **state)
{
    world *w = *state;
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    reply r = ask(c, "/s/a.txt", "");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "0123456789");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(reply_header(&r, "Content-Length"), "10");
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-cache");
    assert_string_equal(reply_header(&r, "Accept-Ranges"), "bytes");
    assert_non_null(reply_header(&r, "Last-Modified"));
    reply_done(&r);
    r = ask(c, "/s/with%20space.HTML", "");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/html; charset=utf-8");
    reply_done(&r);
    expect(c, "/s/zero.css", "", 200, "");
    if (has_openat2()) /* otherwise no link is followed */
        expect(c, "/s/inside.txt", "", 200, "0123456789");
    client_send(c, "HEAD /s/a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_reply_to(c, true);
    assert_string_equal(reply_header(&r, "Content-Length"), "10");
    reply_done(&r);
    client_send(c, "POST /s/a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    client_expect(c, 405, NULL);
    client_close(c);
}

static void test_folders(void **state)
{
    world *w = *state;
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    expect(c, "/s/docs/", "", 200, "<h1>docs");
    reply r = ask(c, "/s/docs?a=b", "");
    assert_int_equal(r.status, 301);
    assert_string_equal(reply_header(&r, "Location"), "/s/docs/?a=b");
    reply_done(&r);
    r = ask(c, "/s", "");
    assert_string_equal(reply_header(&r, "Location"), "/s/");
    reply_done(&r);
    expect(c, "/s/", "", 404, NULL);
    expect(c, "/s/empty/", "", 404, NULL);
    expect(c, "/s/a.txt/", "", 404, NULL);
    client_close(c);
}

static void test_the_root_can_be_served(void **state)
{
    world *w = *state;
    put_text(w, "site/index.html", "home");
    serve(w, "/", &(cv_static_options){.max_age_s = 60});
    client *c = client_open(&w->f);
    reply r = ask(c, "/", "");
    assert_string_equal(r.body, "home");
    assert_string_equal(reply_header(&r, "Cache-Control"), "max-age=60");
    reply_done(&r);
    expect(c, "/a.txt", "", 200, "0123456789");
    expect(c, "//docs", "", 404, NULL);
    client_close(c);
}

static void test_no_way_out(void **state)
{
    world *w = *state;
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    static const char *const hidden[] = {"/s/outside.txt",
                                         "/s/slash/etc/passwd",
                                         "/s/.git/config",
                                         "/s/none",
                                         "/s//a.txt",
                                         "/s/docs//index.html",
                                         "/s/slash",
                                         "/s/docs/%2Findex.html",
                                         "/s/../secret.txt",
                                         "/s/%2e%2e/secret.txt",
                                         "/s/docs/%2E./%2e./secret.txt"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        expect(c, hidden[i], "", 404, NULL);
    client_close(c);
    static const char *const refused[] = {"/s/../../secret.txt", "/s/..%2fsecret.txt", "/s/a.txt%00.html"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        c = client_open(&w->f);
        expect(c, refused[i], "", 400, NULL);
        client_close(c);
    }
}

static void test_what_is_unchanged_is_not_sent_again(void **state)
{
    world *w = *state;
    char header[1100], date[1100];
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    reply r = ask(c, "/s/a.txt", "");
    snprintf(header, sizeof header, "If-None-Match: \"x\", W/%s\r\n", reply_header(&r, "ETag"));
    snprintf(date, sizeof date, "If-Modified-Since: %s\r\n", reply_header(&r, "Last-Modified"));
    reply_done(&r);
    expect(c, "/s/a.txt", header, 304, "");
    expect(c, "/s/a.txt", date, 304, "");
    expect(c, "/s/a.txt", "If-None-Match: *\r\n", 304, "");
    expect(c, "/s/a.txt", "If-None-Match: \"x\"\r\n", 200, "0123456789");
    expect(c, "/s/a.txt", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n", 200, "0123456789");
    expect(c, "/s/a.txt", "If-Modified-Since: yesterday\r\n", 200, "0123456789");
    client_close(c);
}

static void test_parts_of_a_file(void **state)
{
    world *w = *state;
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    reply r = ask(c, "/s/a.txt", "Range: bytes=2-4\r\n");
    assert_int_equal(r.status, 206);
    assert_string_equal(r.body, "234");
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes 2-4/10");
    reply_done(&r);
    expect(c, "/s/a.txt", "Range: bytes=-3\r\n", 206, "789");
    expect(c, "/s/a.txt", "Range: bytes=7-100\r\n", 206, "789");
    expect(c, "/s/a.txt", "Range: bytes=0-1,3-4\r\n", 206, "01234");
    expect(c, "/s/a.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", 200, "0123456789");
    r = ask(c, "/s/a.txt", "Range: bytes=10-\r\n");
    assert_int_equal(r.status, 416);
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes */10");
    reply_done(&r);
    client_close(c);
}

static void test_large_files_come_in_blocks(void **state)
{
    world *w = *state;
    size_t len = 200 * 1024 + 17;
    char *content = malloc(len);
    assert_non_null(content);
    for (size_t i = 0; i < len; i++)
        content[i] = (char)(i * 31 >> 3);
    put(w, "site/large.bin", content, len);
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    reply r = ask(c, "/s/large.bin", "");
    assert_string_equal(reply_header(&r, "Content-Type"), "application/octet-stream");
    assert_int_equal(r.body_len, len);
    assert_memory_equal(r.body, content, len);
    reply_done(&r);
    client_close(c);
    free(content);
}

static void test_opening_without_openat2_follows_no_link(void **state)
{
    world *w = *state;
    char site[128];
    snprintf(site, sizeof site, "%s/site", w->root);
    int root = open(site, O_RDONLY | O_DIRECTORY);
    assert_true(root >= 0);
    static const struct {
        const char *path;
        bool opens, opens_with_openat2;
    } cases[] = {
        {"a.txt", true, true},
        {"docs/index.html", true, true},
        {"docs//index.html", true, true},
        {"", true, true},
        {"docs", true, true},
        {"inside.txt", false, true},
        {"outside.txt", false, false},
        {"../secret.txt", false, false},
        {"docs/../../secret.txt", false, false},
        {"slash/etc/passwd", false, false},
        {"a.txt/x", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = cv__open_beneath_walk(root, cases[i].path);
        if ((fd >= 0) != cases[i].opens)
            fail_msg("walk \"%s\": %d", cases[i].path, fd);
        if (fd >= 0)
            close(fd);
        fd = cv__open_beneath(root, cases[i].path);
        if (fd < 0 && cases[i].opens_with_openat2 && cases[i].opens)
            fail_msg("open \"%s\": %d", cases[i].path, fd);
        assert_true(fd < 0 || cases[i].opens_with_openat2);
        if (fd >= 0)
            close(fd);
    }
    char name[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(cv__open_beneath_walk(root, name), -ENAMETOOLONG);
    close(root);
}

static void test_names_are_decoded_once(void **state)
{
    world *w = *state;
    put_text(w, "site/caf\xc3\xa9.txt", "coffee");
    put_text(w, "site/100%25.txt", "escaped twice");
    put_text(w, "site/a+b&c;d.txt", "marks");
    put_text(w, "site/docs/.hidden", "secret");
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    expect(c, "/s/%61.txt", "", 200, "0123456789");
    expect(c, "/s/caf%C3%A9.txt", "", 200, "coffee");
    expect(c, "/s/caf%c3%a9.txt", "", 200, "coffee");
    expect(c, "/s/100%2525.txt", "", 200, "escaped twice");
    expect(c, "/s/100%25.txt", "", 404, NULL);
    expect(c, "/s/a+b&c;d.txt", "", 200, "marks");
    expect(c, "/s/docs%2Findex.html", "", 200, "<h1>docs");
    expect(c, "/s/docs/%2ehidden", "", 404, NULL);
    expect(c, "/s/docs%2F.hidden", "", 404, NULL);
    client_close(c);
}

/* As somebody who may not read everything. */
static void expect_as_nobody(client *c, const char *target, int status)
{
    uid_t before = geteuid();
    if (!before)
        assert_int_equal(seteuid(65534), 0);
    expect(c, target, "", status, NULL);
    assert_int_equal(seteuid(before), 0);
}

static void test_what_may_not_be_read_is_not_there(void **state)
{
    world *w = *state;
    char path[128];
    put_text(w, "site/private.txt", "secret");
    make_folder(w, "site/locked");
    put_text(w, "site/locked/index.html", "secret");
    snprintf(path, sizeof path, "%s/site/private.txt", w->root);
    assert_int_equal(chmod(path, 0), 0);
    snprintf(path, sizeof path, "%s/site/locked", w->root);
    assert_int_equal(chmod(path, 0), 0);
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    expect_as_nobody(c, "/s/private.txt", 404);
    expect_as_nobody(c, "/s/locked/", 404);
    expect_as_nobody(c, "/s/locked", 404);
    expect_as_nobody(c, "/s/a.txt", 200);
    client_close(c);
    assert_int_equal(chmod(path, 0755), 0);
}

static void test_only_files_are_sent(void **state)
{
    world *w = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/site/pipe.txt", w->root);
    assert_int_equal(mkfifo(path, 0644), 0);
    link_to(w, "round.txt", "site/round.txt");
    link_to(w, "nowhere.txt", "site/broken.txt");
    link_to(w, "../docs", "site/docs/up");
    link_to(w, "/proc/self/fd/0", "site/magic.txt");
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    expect(c, "/s/pipe.txt", "", 404, NULL);
    expect(c, "/s/round.txt", "", 404, NULL);
    expect(c, "/s/broken.txt", "", 404, NULL);
    expect(c, "/s/magic.txt", "", 404, NULL);
    expect(c, "/s/docs/up/index.html", "", has_openat2() ? 200 : 404, NULL);
    client_close(c);
}

static void expect_coding(client *c, const char *accept, const char *coding, const char *body)
{
    char header[256];
    snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", accept);
    reply r = ask(c, "/s/app.js", *accept ? header : "");
    const char *found = reply_header(&r, "Content-Encoding");
    if (strcmp(found ? found : "none", coding ? coding : "none") != 0)
        fail_msg("\"%s\": coding %s", accept, found ? found : "none");
    assert_string_equal(r.body, body);
    assert_string_equal(reply_header(&r, "Vary"), "Accept-Encoding");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/javascript; charset=utf-8");
    reply_done(&r);
}

static void test_precompressed_siblings(void **state)
{
    world *w = *state;
    char header[1200], etag[1024];
    put_text(w, "site/app.js", "plain text of the program");
    put_text(w, "site/app.js.gz", "gzipped 0123456789");
    put_text(w, "site/app.js.br", "brotli 0123456789");
    make_folder(w, "site/a.txt.zst");
    serve(w, "/s", &(cv_static_options){.precompressed = true, .max_age_s = 60, .immutable = true});
    client *c = client_open(&w->f);
    expect_coding(c, "", NULL, "plain text of the program");
    expect_coding(c, "gzip", "gzip", "gzipped 0123456789");
    expect_coding(c, "gzip, deflate, br, zstd", "br", "brotli 0123456789");
    expect_coding(c, "zstd, gzip;q=0.5", "gzip", "gzipped 0123456789");
    expect_coding(c, "br;q=0.2, gzip;q=0.9", "gzip", "gzipped 0123456789");
    expect_coding(c, "br;q=0, gzip;q=0", NULL, "plain text of the program");
    expect_coding(c, "zstd", NULL, "plain text of the program");
    expect_coding(c, "identity", NULL, "plain text of the program");
    expect(c, "/s/a.txt", "Accept-Encoding: zstd\r\n", 200, "0123456789"); /* its sibling is a folder */
    reply r = ask(c, "/s/app.js", "Accept-Encoding: br\r\nRange: bytes=7-9\r\n");
    assert_int_equal(r.status, 206);
    assert_string_equal(r.body, "012");
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes 7-9/17");
    assert_string_equal(reply_header(&r, "Content-Encoding"), "br");
    assert_string_equal(reply_header(&r, "Cache-Control"), "max-age=60, immutable");
    snprintf(etag, sizeof etag, "%.127s", reply_header(&r, "ETag"));
    reply_done(&r);
    snprintf(header, sizeof header, "Accept-Encoding: br\r\nIf-None-Match: %s\r\n", etag);
    r = ask(c, "/s/app.js", header);
    assert_int_equal(r.status, 304);
    assert_string_equal(reply_header(&r, "Vary"), "Accept-Encoding");
    assert_null(reply_header(&r, "Content-Encoding"));
    reply_done(&r);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    expect(c, "/s/app.js", header, 200, "plain text of the program");
    client_close(c);
}

static void test_siblings_are_left_alone_unless_wanted(void **state)
{
    world *w = *state;
    put_text(w, "site/a.txt.gz", "gzipped");
    serve(w, "/s", &(cv_static_options){.max_age_s = -1});
    client *c = client_open(&w->f);
    reply r = ask(c, "/s/a.txt", "Accept-Encoding: gzip\r\n");
    assert_string_equal(r.body, "0123456789");
    assert_null(reply_header(&r, "Vary"));
    assert_null(reply_header(&r, "Cache-Control"));
    reply_done(&r);
    client_close(c);
}

static void test_dates_of_all_three_forms(void **state)
{
    world *w = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/site/a.txt", w->root);
    const struct timespec times[2] = {{.tv_sec = 784111777}, {.tv_sec = 784111777}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    serve(w, "/s", NULL);
    client *c = client_open(&w->f);
    expect(c, "/s/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, "");
    expect(c, "/s/a.txt", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304, "");
    expect(c, "/s/a.txt", "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304, "");
    expect(c, "/s/a.txt", "If-Modified-Since: Sun Nov  6 08:49:36 1994\r\n", 200, NULL);
    expect(c, "/s/a.txt", "Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 206, "12");
    expect(c, "/s/a.txt", "Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200, NULL);
    client_close(c);
}

static void test_folders_that_cannot_be_served(void **state)
{
    world *w = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/nowhere", w->root);
    assert_fails(w->f.cx, cv_router_static(w->f.cx, w->f.router, "/s", path, NULL), CV_E_NOT_FOUND, "nowhere");
    snprintf(path, sizeof path, "%s/secret.txt", w->root);
    assert_fails(w->f.cx, cv_router_static(w->f.cx, w->f.router, "/s", path, NULL), CV_E_NOT_FOUND, "secret.txt");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_files_with_their_types),
        CASE(test_folders),
        CASE(test_the_root_can_be_served),
        CASE(test_no_way_out),
        CASE(test_what_is_unchanged_is_not_sent_again),
        CASE(test_parts_of_a_file),
        CASE(test_large_files_come_in_blocks),
        CASE(test_opening_without_openat2_follows_no_link),
        CASE(test_names_are_decoded_once),
        CASE(test_what_may_not_be_read_is_not_there),
        CASE(test_only_files_are_sent),
        CASE(test_precompressed_siblings),
        CASE(test_siblings_are_left_alone_unless_wanted),
        CASE(test_dates_of_all_three_forms),
        CASE(test_folders_that_cannot_be_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
