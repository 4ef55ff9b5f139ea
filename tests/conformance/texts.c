/* Texts: every plane of Unicode, what has broken other programs, and what is no text. */
#include "base/base64.h"
#include "conformance.h"

#include <covet/json.h>

static void assert_text_kept(suite *s, cv_str text)
{
    cv_rows *rows;
    run(s, "DELETE FROM books");
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, ?)", text));
    assert_ok(s->cx, cv_select(s->cx, &rows, "SELECT title FROM books WHERE title = ?", text));
    assert_int_equal(cv_rows_next(s->cx, rows), 1);
    cv_str back = cv_rows_get(rows, 0).as.text;
    if (!cv_str_equal(back, text))
        fail_msg("\"%.*s\" came back as \"%.*s\"", CV_STR_ARG(text), CV_STR_ARG(back));
    cv_rows_close(s->cx, rows);
}

static size_t put_utf8(char out[4], uint32_t c)
{
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

void case_characters_of_all_planes_come_back(suite *s)
{
    for (uint32_t plane = 0; plane < 17; plane++) {
        static const uint32_t offsets[] = {0x1000, 0x4E2D, 0xFFFD, 0xFFFF};
        char text[16];
        size_t len = 0;
        for (size_t i = 0; i < 4; i++)
            len += put_utf8(text + len, plane << 16 | offsets[i]);
        assert_text_kept(s, cv_str_make(text, len));
    }
    assert_text_kept(s, CV_STR(""));
    assert_text_kept(s, CV_STR("e\xcc\x81 is not \xc3\xa9"));
    assert_text_kept(s, CV_STR("' '' \" ` \\ \\' ; -- /* */ $1 ?1 :a @b %s %% \t\r\n\x01\x7f"));
}

/* The texts are lines: each ends with a line feed. */
void case_naughty_strings_come_back(suite *s)
{
    cv_buf json;
    cv_json_reader reader;
    cv_json_event event;
    char chunk[4096];
    size_t got, texts = 0;
    FILE *file = fopen(cv_sprintf(s->cx, "%s/tests/data/blns.base64.json", getenv("COVET_SOURCE_ROOT")), "rb");
    assert_non_null(file);
    cv_buf_init(&json, 0);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        cv_buf_add(&json, chunk, got);
    fclose(file);
    run(s, "DROP TABLE IF EXISTS naughty");
    run(s, "CREATE TABLE naughty (id INTEGER PRIMARY KEY, v TEXT NOT NULL)");
    cv_json_reader_init(&reader, s->cx, cv_buf_str(&json), NULL);
    assert_ok(s->cx, cv_json_next(&reader, &event));
    assert_ok(s->cx, cv_json_next(&reader, &event));
    for (; event == CV_JSON_STRING; texts++) {
        uint8_t *bytes = cv_alloc(s->cx, reader.text.len + 1);
        size_t len;
        assert_int_equal(cv__base64_read(reader.text.ptr ? reader.text : CV_STR(""), bytes, &len), 0);
        cv_str text = {(const char *)bytes, len};
        cv_value back;
        assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO naughty (id, v) VALUES (?, ?)", texts, text));
        assert_ok(s->cx, cv_scalar(s->cx, &back, "SELECT v FROM naughty WHERE id = ? AND v = ?", texts, text));
        assert_true(cv_str_equal(back.as.text, text));
        assert_ok(s->cx, cv_json_next(&reader, &event));
    }
    assert_true(texts > 400);
    assert_int_equal(count(s, "naughty"), texts);
    run(s, "DROP TABLE naughty");
    cv_buf_done(&json);
}

void case_a_nul_byte_is_kept_or_refused(suite *s)
{
    cv_str text = {"a\0b", 3};
    cv_value back;
    int rc = cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, ?)", text);
    if (!can(s, CV_CAN_NUL_IN_TEXT)) {
        assert_error(s, rc, CV_E_INVALID);
        assert_usable(s);
        return;
    }
    assert_ok(s->cx, rc);
    assert_ok(s->cx, cv_scalar(s->cx, &back, "SELECT title FROM books"));
    assert_true(cv_str_equal(back.as.text, text));
}

void case_a_text_that_is_not_utf8_is_refused(suite *s)
{
    static const char *const wrong[] = {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_error(s, cv_exec(s->cx, NULL, "INSERT INTO books (id, title) VALUES (1, ?)", wrong[i]), CV_E_INVALID);
        assert_usable(s);
    }
}

/* Keys in the order in which jsonb keeps them: shorter ones first. Spaces are the engine's. */
void case_json_keeps_what_it_says(suite *s)
{
    static const char text[] =
        "{\"a\":[1,-0.5,1e100,12345678901234567890123456789012345678901234567890.125],"
        "\"bb\":{\"\":null,\"\xc3\xa9\xf0\x9f\x90\x98\":\"\\\"\\\\ \xe2\x82\xac\"},\"ccc\":[true,false,[[]]]}";
    const cv__dialect *dialect = cv__db_dialect(s->db);
    const cv__column_type type = {.type = CV_TYPE_JSON};
    cv_buf ddl;
    cv_value back;
    char kept[512];
    size_t len = 0;
    cv_buf_init_arena(&ddl, cv_ctx_arena(s->cx), 0);
    run(s, "DROP TABLE IF EXISTS documents");
    cv_buf_add_text(&ddl, "CREATE TABLE documents (v ");
    dialect->add_column_type(&ddl, &type);
    cv_buf_add_text(&ddl, ")");
    run(s, ddl.data);
    assert_ok(s->cx, cv_exec(s->cx, NULL, "INSERT INTO documents (v) VALUES (?)", (cv_json){CV_STR("[]")}));
    assert_ok(s->cx, cv_exec(s->cx, NULL, "UPDATE documents SET v = ?", (cv_json){cv_str_of(text)}));
    assert_ok(s->cx, cv_scalar(s->cx, &back, "SELECT v FROM documents"));
    assert_int_equal(back.type, CV_TYPE_JSON);
    for (size_t i = 0; i < back.as.text.len; i++)
        if (back.as.text.ptr[i] != ' ' || (i > 0 && back.as.text.ptr[i - 1] == '\\'))
            kept[len++] = back.as.text.ptr[i];
    kept[len] = '\0';
    assert_non_null(strstr(kept, "12345678901234567890123456789012345678901234567890.125"));
    assert_non_null(strstr(kept, "\xc3\xa9\xf0\x9f\x90\x98"));
    assert_non_null(strstr(kept, "\"ccc\":[true,false,[[]]]"));
    run(s, "DROP TABLE documents");
}
