#include "http/files/naming.h"
#include "test.h"

static void test_media_types_by_ending(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"index.html", "text/html; charset=utf-8"},
        {"A.HTM", "text/html; charset=utf-8"},
        {"site.css", "text/css; charset=utf-8"},
        {"app.js", "text/javascript; charset=utf-8"},
        {"app.mjs", "text/javascript; charset=utf-8"},
        {"data.json", "application/json"},
        {"app.js.map", "application/json"},
        {"lib.wasm", "application/wasm"},
        {"logo.svg", "image/svg+xml"},
        {"a.webp", "image/webp"},
        {"a.avif", "image/avif"},
        {"a.7z", "application/x-7z-compressed"},
        {"a.zst", "application/zstd"},
        {"text.woff2", "font/woff2"},
        {"film.mp4", "video/mp4"},
        {"film.webm", "video/webm"},
        {"favicon.ico", "image/x-icon"},
        {"robots.txt", "text/plain; charset=utf-8"},
        {"feed.xml", "application/xml"},
        {"paper.pdf", "application/pdf"},
        {"all.tar.gz", "application/gzip"},
        {"rows.csv", "text/csv; charset=utf-8"},
        {"README.md", "text/markdown; charset=utf-8"},
        {"site.webmanifest", "application/manifest+json"},
        {"sub.d/README", "application/octet-stream"},
        {"name.", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"a.an-ending-that-is-far-too-long", "application/octet-stream"},
        {"a.unknown", "application/octet-stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cv__mime_type(cv_str_of(cases[i][0])), cases[i][1]) != 0)
            fail_msg("%s: %s", cases[i][0], cv__mime_type(cv_str_of(cases[i][0])));
}

static void test_every_text_says_how_it_is_encoded(void **state)
{
    (void)state;
    static const char *const texts[] = {"a.html", "a.css", "a.js", "a.txt", "a.csv", "a.md", "a.vtt", "a.ics", "a.log"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(cv_str_ends_with(cv_str_of(cv__mime_type(cv_str_of(texts[i]))), CV_STR("; charset=utf-8")));
}

static void test_download_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"report 2026.pdf", "attachment; filename=\"report 2026.pdf\""},
        {"\xc3\xa9t\xc3\xa9.txt", "attachment; filename=\"_t_.txt\"; filename*=UTF-8''%C3%A9t%C3%A9.txt"},
        {"\xe2\x82\xac rates", "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates"},
        {"50%25 \"off\"", "attachment; filename=\"50_25 _off_\"; filename*=UTF-8''50%2525%20%22off%22"},
        {"../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""},
        {"a\\b\r\nSet-Cookie: x", "attachment; filename=\"a_b__Set-Cookie: x\""},
        {"\xff\xfe.bin", "attachment; filename=\"__.bin\""},
        {"", "attachment; filename=\"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cv_buf out;
        cv_buf_init(&out, 0);
        cv__content_disposition(cv_str_of(cases[i][0]), &out);
        assert_string_equal(out.data, cases[i][1]);
        cv_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_types_by_ending),
        cmocka_unit_test(test_every_text_says_how_it_is_encoded),
        cmocka_unit_test(test_download_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
