#include "await.h"
#include "client.h"
#include "folder.h"

#include "http/files/file.h"
#include "http/response.h"
#include <covet/files.h>
#include <covet/middleware.h>
#include <sys/stat.h>

enum { LARGE_BYTES = 24 * 1024 * 1024 };

typedef struct world {
    fixture f;
    char root[64], path[128]; /* of the file that "/file" sends */
    cv_file_options options;
} world;

static int send_it(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    return cv_reply_file(cx, req, res, w->path, &w->options);
}

static int send_plainly(cv_ctx *cx, cv_request *req, cv_response *res)
{
    world *w = cv_request_route_arg(req);
    return cv_reply_file(cx, req, res, w->path, NULL);
}

static int ping(cv_ctx *cx, cv_request *req, cv_response *res)
{
    (void)req;
    return cv_reply_text(cx, res, 200, "text/plain", CV_STR("pong"));
}

/* A filter that changes nothing: what a file sends must pass through it all the same. */
static int pass_on(cv_ctx *cx, cv__filter *filter, cv_str data, cv_buf *out)
{
    (void)cx;
    (void)filter;
    cv_buf_add_str(out, data);
    return 0;
}

static int add_nothing(cv_ctx *cx, cv__filter *filter, cv_buf *out)
{
    (void)cx;
    (void)filter;
    (void)out;
    return 0;
}

static int put_filter(cv_ctx *cx, cv_request *req, cv_response *res, void *arg)
{
    static cv__filter filter = {.write = pass_on, .flush = add_nothing, .end = add_nothing};
    (void)cx;
    (void)req;
    (void)arg;
    res->filter = &filter;
    return 0;
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fixture_init(&w->f);
    test_folder_make(w->root);
    snprintf(w->path, sizeof w->path, "%s/file.txt", w->root);
    cv_route_group *filtered = cv_router_group(w->f.cx, w->f.router, "/filtered");
    assert_non_null(filtered);
    assert_ok(w->f.cx, cv_use(w->f.cx, filtered,
                              &(cv_middleware){.name = "filter", .phase = CV_PHASE_CONTENT, .reply = put_filter}));
    assert_ok(w->f.cx, cv_route_group_add(w->f.cx, filtered, CV_GET, "/file", send_it, w));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET | CV_PUT, "/file", send_it, w));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/plain", send_plainly, w));
    assert_ok(w->f.cx, cv_router_add(w->f.cx, w->f.router, CV_GET, "/ping", ping, NULL));
    fixture_start(&w->f, (cv_server_options){0});
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

/* ---- files ---- */

static void put(const world *w, const char *text)
{
    FILE *file = fopen(w->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset * 2654435761u) >> 13);
}

/* A file whose bytes tell where they were. */
static void put_large(const world *w, const char *path, size_t len)
{
    char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    (void)w;
    assert_true(fd >= 0);
    for (size_t at = 0; at < len; at += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)byte_at(at + i);
        size_t part = len - at < sizeof block ? len - at : sizeof block;
        assert_int_equal(write(fd, block, part), part);
    }
    assert_int_equal(close(fd), 0);
}

/* Out of the page cache, where the file system lets it. */
static void make_cold(const world *w)
{
    int fd = open(w->path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

/* ---- asking ---- */

static void ask_for(client *c, const char *target, const char *headers)
{
    char request[2048];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, headers);
    client_send(c, request);
}

static reply ask(client *c, const char *target, const char *headers)
{
    ask_for(c, target, headers);
    return client_reply(c);
}

static void expect(client *c, const char *headers, int status, const char *body)
{
    reply r = ask(c, "/file", headers);
    if (r.status != status)
        fail_msg("%s: status %d instead of %d", headers, r.status, status);
    if (body && strcmp(r.body ? r.body : "", body) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", headers, r.body, body);
    reply_done(&r);
}

/* Read the head of a reply and leave the rest where it is; returns the length that it announces. */
static uint64_t read_head(client *c, reply *r)
{
    *r = client_reply_to(c, true);
    return strtoull(reply_header(r, "Content-Length"), NULL, 10);
}

/* Take bytes of the large file, starting at `*at`, until `wanted` came or the connection ended. */
static void take_large(client *c, uint64_t *at, uint64_t wanted)
{
    while (wanted) {
        if (!c->len && !client_read_some(c))
            return;
        size_t part = c->len < wanted ? c->len : (size_t)wanted;
        for (size_t i = 0; i < part; i++)
            if ((unsigned char)c->data[i] != byte_at(*at + i))
                fail_msg("byte %llu is wrong", (unsigned long long)(*at + i));
        client_take(c, part);
        *at += part;
        wanted -= part;
    }
}

static void expect_large(world *w, const char *target, size_t len)
{
    reply r;
    uint64_t at = 0;
    client *c = client_open(&w->f);
    ask_for(c, target, "");
    assert_int_equal(read_head(c, &r), len);
    take_large(c, &at, len);
    assert_int_equal(at, len);
    ask_for(c, "/ping", "");
    client_expect(c, 200, "pong");
    client_close(c);
}

/* ---- what is said ---- */

static void test_what_is_said_about_a_file(void **state)
{
    world *w = *state;
    put(w, "0123456789");
    client *c = client_open(&w->f);
    reply r = ask(c, "/plain", "");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "0123456789");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-cache");
    assert_string_equal(reply_header(&r, "Accept-Ranges"), "bytes");
    assert_string_equal(reply_header(&r, "X-Content-Type-Options"), "nosniff");
    assert_non_null(reply_header(&r, "ETag"));
    assert_non_null(reply_header(&r, "Last-Modified"));
    assert_null(reply_header(&r, "Content-Disposition"));
    reply_done(&r);
    w->options =
        (cv_file_options){.content_type = "text/x-log", .download_name = "r\xc3\xa9sum\xc3\xa9.txt", .max_age_s = -1};
    r = ask(c, "/file", "");
    assert_string_equal(reply_header(&r, "Content-Type"), "text/x-log");
    assert_string_equal(reply_header(&r, "Content-Disposition"),
                        "attachment; filename=\"r_sum_.txt\"; filename*=UTF-8''r%C3%A9sum%C3%A9.txt");
    assert_null(reply_header(&r, "Cache-Control"));
    reply_done(&r);
    client_close(c);
}

static void test_what_cannot_be_sent(void **state)
{
    world *w = *state;
    client *c = client_open(&w->f);
    expect(c, "", 404, NULL);
    snprintf(w->path, sizeof w->path, "%s", w->root);
    expect(c, "", 500, NULL);
    assert_non_null(strstr(w->f.logged, "not a regular file"));
    w->options.download_name = "\xff";
    snprintf(w->path, sizeof w->path, "%s/file.txt/more", w->root);
    expect(c, "", 404, NULL);
    client_close(c);
}

static void test_an_empty_file(void **state)
{
    world *w = *state;
    put(w, "");
    client *c = client_open(&w->f);
    reply r = ask(c, "/file", "");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Length"), "0");
    reply_done(&r);
    expect(c, "Range: bytes=0-\r\n", 416, NULL);
    expect(c, "Range: bytes=-5\r\n", 200, "");
    client_close(c);
}

static void test_head(void **state)
{
    world *w = *state;
    put(w, "0123456789");
    client *c = client_open(&w->f);
    client_send(c, "HEAD /file HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n");
    reply r = client_reply_to(c, true);
    assert_int_equal(r.status, 200); /* ranges are for GET */
    assert_string_equal(reply_header(&r, "Content-Length"), "10");
    reply_done(&r);
    put_large(w, w->path, 100000);
    client_send(c, "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_reply_to(c, true);
    assert_string_equal(reply_header(&r, "Content-Length"), "100000");
    reply_done(&r);
    ask_for(c, "/ping", "");
    client_expect(c, 200, "pong");
    client_close(c);
}

/* ---- conditions and ranges ---- */

static void test_conditions(void **state)
{
    world *w = *state;
    char header[1200], etag[1024];
    put(w, "0123456789");
    client *c = client_open(&w->f);
    reply r = ask(c, "/file", "");
    snprintf(etag, sizeof etag, "%.255s", reply_header(&r, "ETag"));
    reply_done(&r);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    expect(c, header, 304, "");
    snprintf(header, sizeof header, "If-Match: \"other\", %s\r\n", etag);
    expect(c, header, 200, "0123456789");
    snprintf(header, sizeof header, "If-Match: W/%s\r\n", etag);
    expect(c, header, 412, NULL);
    expect(c, "If-Match: \"other\"\r\nRange: bytes=0-1\r\n", 412, NULL);
    expect(c, "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n", 412, NULL);
    snprintf(header, sizeof header, "Range: bytes=2-3\r\nIf-Range: %s\r\n", etag);
    expect(c, header, 206, "23");
    snprintf(header, sizeof header, "Range: bytes=2-3\r\nIf-Range: W/%s\r\n", etag);
    expect(c, header, 200, "0123456789");
    expect(c, "If-Range: \"other\"\r\n", 200, "0123456789");
    put(w, "0123456789 and more");
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    expect(c, header, 200, "0123456789 and more");
    client_close(c);
}

static void test_several_ranges_are_a_multipart_reply(void **state)
{
    world *w = *state;
    char boundary[64], expected[2048];
    put_large(w, w->path, 50000);
    client *c = client_open(&w->f);
    reply r = ask(c, "/file", "Range: bytes=40000-40003, 0-2,-1\r\n");
    assert_int_equal(r.status, 206);
    assert_null(reply_header(&r, "Content-Range"));
    assert_int_equal(sscanf(reply_header(&r, "Content-Type"), "multipart/byteranges; boundary=%63s", boundary), 1);
    int len = snprintf(
        expected, sizeof expected,
        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 40000-40003/50000\r\n\r\n%c%c%c%c"
        "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-2/50000\r\n\r\n%c%c%c"
        "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 49999-49999/50000\r\n\r\n%c"
        "\r\n--%s--\r\n",
        boundary, byte_at(40000), byte_at(40001), byte_at(40002), byte_at(40003), boundary, byte_at(0), byte_at(1),
        byte_at(2), boundary, byte_at(49999), boundary);
    assert_int_equal(r.body_len, len);
    assert_memory_equal(r.body, expected, (size_t)len);
    reply_done(&r);
    r = ask(c, "/file", "Range: bytes=60000-, 10-19, 15-29\r\n"); /* one is left */
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes 10-29/50000");
    assert_int_equal(r.body_len, 20);
    reply_done(&r);
    r = ask(c, "/file", "Range: bytes=60000-, 70000-80000\r\n");
    assert_int_equal(r.status, 416);
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes */50000");
    assert_string_equal(reply_header(&r, "Content-Type"), "application/problem+json");
    assert_null(reply_header(&r, "ETag"));
    assert_null(reply_header(&r, "Cache-Control"));
    reply_done(&r);
    client_close(c);
}

static void test_large_parts_of_a_multipart_reply(void **state)
{
    world *w = *state;
    put_large(w, w->path, 3000000);
    make_cold(w); /* parts of different sizes share one block */
    client *c = client_open(&w->f);
    ask_for(c, "/file", "Range: bytes=0-19999, 1000000-1149999\r\n");
    reply r;
    uint64_t length = read_head(c, &r), at = 0;
    client_read_until(c, "\r\n\r\n");
    size_t first = (size_t)(strstr(c->data, "\r\n\r\n") - c->data) + 4;
    client_take(c, first);
    take_large(c, &at, 20000);
    client_read_until(c, "\r\n\r\n");
    size_t second = (size_t)(strstr(c->data, "1149999/3000000\r\n\r\n") - c->data) + 19;
    client_take(c, second);
    at = 1000000;
    take_large(c, &at, 150000);
    client_need(c, length - first - second - 170000);
    ask_for(c, "/ping", "");
    client_read_until(c, "pong");
    client_close(c);
}

static void test_old_clients_get_ranges_too(void **state)
{
    world *w = *state;
    put(w, "0123456789");
    expect_once(&w->f, "GET /file HTTP/1.0\r\nRange: bytes=2-4\r\n\r\n", 206, "234");
}

/* ---- size ---- */

static void test_a_part_of_a_file_beyond_four_gigabytes(void **state)
{
    world *w = *state;
    const uint64_t size = UINT64_C(5) << 30;
    int fd = open(w->path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    if (ftruncate(fd, (off_t)size) < 0 || pwrite(fd, "the end", 7, (off_t)size - 7) != 7) {
        close(fd);
        skip(); /* no sparse files here */
    }
    close(fd);
    client *c = client_open(&w->f);
    reply r = ask(c, "/file", "Range: bytes=-7\r\n");
    assert_string_equal(r.body, "the end");
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes 5368709113-5368709119/5368709120");
    reply_done(&r);
    r = ask(c, "/file", "Range: bytes=3221225472-3221245471\r\n"); /* from a hole */
    assert_int_equal(r.status, 206);
    assert_int_equal(r.body_len, 20000);
    for (size_t i = 0; i < r.body_len; i++)
        assert_int_equal(r.body[i], 0);
    reply_done(&r);
    client_send(c, "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_reply_to(c, true);
    assert_string_equal(reply_header(&r, "Content-Length"), "5368709120");
    reply_done(&r);
    client_close(c);
}

static void test_a_large_file_from_memory(void **state)
{
    world *w = *state;
    put_large(w, w->path, LARGE_BYTES + 1);
    expect_large(w, "/file", LARGE_BYTES + 1);
}

static void test_a_large_file_from_the_disk(void **state)
{
    world *w = *state;
    put_large(w, w->path, 3000001);
    make_cold(w);
    expect_large(w, "/file", 3000001);
    make_cold(w);
    expect_large(w, "/file", 3000001);
}

static void test_a_small_file_from_the_disk(void **state)
{
    world *w = *state;
    put_large(w, w->path, 12345);
    make_cold(w);
    expect_large(w, "/file", 12345);
}

static void test_what_is_in_memory_is_known(void **state)
{
    world *w = *state;
    put_large(w, w->path, 1000000);
    cv__file file = {.fd = open(w->path, O_RDONLY), .path = w->path};
    assert_true(file.fd >= 0);
    assert_true(cv__file_is_cached(&file, 0, 1000000));
    assert_true(cv__file_is_cached(&file, 4095, 2));
    assert_true(cv__file_is_cached(&file, 5, 0));
    make_cold(w);
    char byte;
    bool cold = !cv__file_is_cached(&file, 900000, 1);
    assert_int_equal(pread(file.fd, &byte, 1, 900000), 1);
    assert_true(cv__file_is_cached(&file, 900000, 1));
    if (cold) /* some file systems keep everything */
        assert_false(cv__file_is_cached(&file, 0, 1000000));
    close(file.fd);
}

static void test_a_file_passes_the_filters_of_a_reply(void **state)
{
    world *w = *state;
    put_large(w, w->path, 200000);
    client *c = client_open(&w->f);
    reply r = ask(c, "/filtered/file", "");
    assert_string_equal(reply_header(&r, "Transfer-Encoding"), "chunked");
    assert_int_equal(r.body_len, 200000);
    for (size_t i = 0; i < r.body_len; i++)
        assert_int_equal((unsigned char)r.body[i], byte_at(i));
    reply_done(&r);
    client_close(c);
}

/* ---- while it is sent ---- */

/* A client that has asked for the large file, read its head, and reads no further. */
static client *begin_slowly(world *w)
{
    reply r;
    put_large(w, w->path, LARGE_BYTES);
    client *c = client_open_sized(&w->f, 16384);
    ask_for(c, "/file", "");
    assert_int_equal(read_head(c, &r), LARGE_BYTES);
    return c;
}

/* It gets the bytes of the file that was asked for, and never all of them. */
static void expect_cut(client *c)
{
    uint64_t got = 0;
    while (got < LARGE_BYTES) {
        if (!c->len && !client_read_some(c))
            break;
        got += c->len;
        c->len = 0;
    }
    assert_true(c->ended);
    assert_true(got < LARGE_BYTES);
    client_close(c);
}

static void test_a_file_that_becomes_shorter_cuts_the_connection(void **state)
{
    world *w = *state;
    client *c = begin_slowly(w);
    assert_int_equal(truncate(w->path, LARGE_BYTES / 2), 0);
    expect_cut(c);
}

static void test_a_file_that_changes_cuts_the_connection(void **state)
{
    world *w = *state;
    client *c = begin_slowly(w);
    int fd = open(w->path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "changed", 7, LARGE_BYTES - 7), 7);
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(futimens(fd, times), 0); /* clocks of file systems may be coarse */
    close(fd);
    expect_cut(c);
    assert_non_null(strstr(w->f.logged, "it was changed at the same time"));
}

static void test_a_file_that_is_replaced_is_sent_to_its_end(void **state)
{
    world *w = *state;
    char other[160];
    client *c = begin_slowly(w);
    snprintf(other, sizeof other, "%s.new", w->path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(other, w->path), 0);
    uint64_t at = 0;
    take_large(c, &at, LARGE_BYTES);
    assert_int_equal(at, LARGE_BYTES);
    client_close(c);
}

static void test_a_slow_reader_does_not_stop_others(void **state)
{
    world *w = *state;
    client *slow = begin_slowly(w), *other = client_open(&w->f);
    uint64_t at = 0;
    for (int i = 0; i < 20; i++) {
        reply r = ask(other, "/ping", "");
        assert_string_equal(r.body, "pong");
        reply_done(&r);
    }
    expect(other, "Range: bytes=0-0\r\n", 206, NULL);
    client_close(other);
    take_large(slow, &at, LARGE_BYTES);
    assert_int_equal(at, LARGE_BYTES);
    client_close(slow);
}

/* How many descriptors of this process are the file. */
static int count_open(const world *w)
{
    char link[64], target[256];
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        count += strcmp(target, w->path) == 0;
    }
    return count;
}

static void test_a_client_that_leaves_leaves_nothing_open(void **state)
{
    world *w = *state;
    client *c = begin_slowly(w);
    assert_int_equal(count_open(w), 1);
    client_close(c);
    await_turns(w->f.cx, count_open(w) == 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_said_about_a_file),
        CASE(test_what_cannot_be_sent),
        CASE(test_an_empty_file),
        CASE(test_head),
        CASE(test_conditions),
        CASE(test_several_ranges_are_a_multipart_reply),
        CASE(test_large_parts_of_a_multipart_reply),
        CASE(test_old_clients_get_ranges_too),
        CASE(test_a_part_of_a_file_beyond_four_gigabytes),
        CASE(test_a_large_file_from_memory),
        CASE(test_a_large_file_from_the_disk),
        CASE(test_a_small_file_from_the_disk),
        CASE(test_what_is_in_memory_is_known),
        CASE(test_a_file_passes_the_filters_of_a_reply),
        CASE(test_a_file_that_becomes_shorter_cuts_the_connection),
        CASE(test_a_file_that_changes_cuts_the_connection),
        CASE(test_a_file_that_is_replaced_is_sent_to_its_end),
        CASE(test_a_slow_reader_does_not_stop_others),
        CASE(test_a_client_that_leaves_leaves_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
