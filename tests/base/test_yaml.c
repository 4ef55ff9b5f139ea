#include "base/yaml.h"
#include "folder.h"
#include <sys/stat.h>
#include <unistd.h>

static cv_ctx *cx;

static int setup(void **state)
{
    (void)state;
    cx = cv_ctx_new(0);
    return cx ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cv_ctx_free(cx);
    return 0;
}

static const cv__yaml_node *read_text(const char *text)
{
    const cv__yaml_node *root = NULL;
    assert_ok(cx, cv__yaml_read(cx, cv_str_of(text), NULL, &root));
    return root;
}

static void expect_refusal(const char *text, const char *part)
{
    const cv__yaml_node *root;
    cv__yaml_options options = {.name = "app.yaml", .error_code = CV_E_CONFIG};
    assert_fails(cx, cv__yaml_read(cx, cv_str_of(text), &options, &root), CV_E_CONFIG, part);
}

static void the_tree_has_what_was_written_and_where(void **state)
{
    (void)state;
    const cv__yaml_node *root = read_text("# comment\n"
                                          "name: shop\n"
                                          "list:\n"
                                          "  - 1\n"
                                          "  - \"2\"\n"
                                          "flow: {a: [x, y], b: }\n");
    assert_int_equal(root->kind, CV__YAML_MAPPING);
    assert_int_equal(root->count, 3);
    const cv__yaml_node *name = cv__yaml_get(root, "name"), *list = cv__yaml_get(root, "list");
    assert_string_equal(name->text.ptr, "shop");
    assert_true(name->plain);
    assert_int_equal(name->line, 2);
    assert_int_equal(name->column, 7);
    assert_int_equal(name->key_line, 2);
    assert_int_equal(name->key_column, 1);
    assert_int_equal(list->kind, CV__YAML_SEQUENCE);
    assert_int_equal(list->count, 2);
    assert_true(list->first->plain);
    assert_null(list->first->key.ptr);
    assert_false(list->last->plain);
    assert_string_equal(list->last->text.ptr, "2");
    const cv__yaml_node *flow = cv__yaml_get(root, "flow");
    assert_string_equal(cv__yaml_get(flow, "a")->last->text.ptr, "y");
    assert_true(cv__yaml_is_null(cv__yaml_get(flow, "b")));
    assert_null(cv__yaml_get(flow, "c"));
    assert_null(cv__yaml_get(list, "a"));
    assert_null(cv__yaml_get(NULL, "a"));
}

static void a_text_of_comments_has_no_root(void **state)
{
    (void)state;
    assert_null(read_text(""));
    assert_null(read_text("# nothing\n\n"));
    assert_null(read_text("---\n"));
    assert_non_null(read_text("''"));
}

static void block_scalars_keep_their_lines(void **state)
{
    (void)state;
    const cv__yaml_node *sql = cv__yaml_get(read_text("sql: |\n  SELECT 1\n  FROM t\n"), "sql");
    assert_string_equal(sql->text.ptr, "SELECT 1\nFROM t\n");
    assert_false(sql->plain);
}

static void null_and_booleans_are_plain_words(void **state)
{
    (void)state;
    bool value = false;
    const cv__yaml_node *root = read_text("[~, null, 'null', true, false, 'true', yes]");
    const cv__yaml_node *at = root->first;
    assert_true(cv__yaml_is_null(at));
    assert_true(cv__yaml_is_null(at = at->next));
    assert_false(cv__yaml_is_null(at = at->next));
    assert_true(cv__yaml_to_bool(at = at->next, &value));
    assert_true(value);
    assert_true(cv__yaml_to_bool(at = at->next, &value));
    assert_false(value);
    assert_false(cv__yaml_to_bool(at = at->next, &value));
    assert_false(cv__yaml_to_bool(at->next, &value));
    assert_false(cv__yaml_to_bool(root, &value));
    assert_string_equal(cv__yaml_kind_name(root->kind), "a sequence");
}

static void what_invites_mistakes_is_refused(void **state)
{
    (void)state;
    expect_refusal("a: &x 1", "app.yaml:1:4: anchors are not supported");
    expect_refusal("a: &x [1]", "app.yaml:1:4: anchors are not supported");
    expect_refusal("a: *x", "app.yaml:1:4: aliases are not supported");
    expect_refusal("a: !!str 1", "app.yaml:1:4: tags are not supported");
    expect_refusal("a: !own {b: 1}", "app.yaml:1:4: tags are not supported");
    expect_refusal("a: 1\nb: 2\na: 3", "app.yaml:3:1: duplicate key \"a\"");
    expect_refusal("{a: 1, a: 2}", "app.yaml:1:8: duplicate key \"a\"");
    expect_refusal("? [a]\n: 1", "app.yaml:1:3: a key must be a scalar");
    expect_refusal("%YAML 1.1\n---\na: 1", "directives are not supported");
    expect_refusal("%TAG ! tag:x,2000:\n---\na: 1", "directives are not supported");
    expect_refusal("a: 1\n---\nb: 1", "app.yaml:2:1: only one document is allowed");
    expect_refusal("a: \"x\\0y\"", "app.yaml:1:4: a text must not contain NUL");
}

static void a_duplicate_is_found_deep_inside(void **state)
{
    (void)state;
    expect_refusal("a:\n  - b: 1\n    c: {d: 1, e: 2, d: 3}\n", "app.yaml:3:21: duplicate key \"d\"");
    assert_non_null(read_text("a: {x: 1}\nb: {x: 1}"));
}

static void malformed_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    expect_refusal("a: [1, 2", "app.yaml:");
    expect_refusal("a: 1\n b: 2", "app.yaml:2:3:");
    expect_refusal("a: \"\xFF\"", "app.yaml: ");
    expect_refusal("\tb: 1", "app.yaml:1:1:");
    expect_refusal("\xFF\xFE"
                   "a",
                   "app.yaml: ");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    const cv__yaml_node *root;
    cv__yaml_options options = {.max_depth = 3};
    assert_ok(cx, cv__yaml_read(cx, CV_STR("[[[1]]]"), &options, &root));
    assert_fails(cx, cv__yaml_read(cx, CV_STR("[[[[1]]]]"), &options, &root), CV_E_LIMIT,
                 "yaml:1:4: nested deeper than 3 levels");
    options.max_depth = 1000;
    char text[200];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_fails(cx, cv__yaml_read(cx, cv_str_make(text, 130), &options, &root), CV_E_LIMIT, "deeper than 64");
}

static void size_is_bounded(void **state)
{
    (void)state;
    const cv__yaml_node *root;
    cv__yaml_options options = {.max_bytes = 4};
    assert_ok(cx, cv__yaml_read(cx, CV_STR("a: 1"), &options, &root));
    assert_fails(cx, cv__yaml_read(cx, CV_STR("a: 12"), &options, &root), CV_E_LIMIT, "more than 4 bytes");
}

static void the_arena_bounds_the_tree(void **state)
{
    (void)state;
    const cv__yaml_node *root;
    static char text[200001];
    for (size_t i = 0; i < 100000; i++)
        memcpy(text + 2 * i, i ? ",a" : "[a", 2);
    text[200000] = ']';
    cv_arena_set_limit(cv_ctx_arena(cx), 65536);
    assert_true(cv__yaml_read(cx, cv_str_make(text, sizeof text), NULL, &root) < 0);
}

static void a_large_mapping_is_checked_quickly(void **state)
{
    (void)state;
    cv_buf text;
    cv_buf_init(&text, 0);
    for (int i = 0; i < 20000; i++)
        cv_buf_printf(&text, "key%d: 1\n", i);
    const cv__yaml_node *root;
    assert_ok(cx, cv__yaml_read(cx, cv_buf_str(&text), NULL, &root));
    assert_int_equal(root->count, 20000);
    cv_buf_add_text(&text, "key777: 2\n");
    assert_fails(cx, cv__yaml_read(cx, cv_buf_str(&text), NULL, &root), CV_E_SYNTAX,
                 "yaml:20001:1: duplicate key \"key777\"");
    cv_buf_done(&text);
}

static void files_are_read_and_named(void **state)
{
    (void)state;
    const cv__yaml_node *root;
    char path[] = "/tmp/covet-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 1\na: 2\n", 10), 10);
    close(fd);
    assert_fails(cx, cv__yaml_read_file(cx, path, NULL, &root), CV_E_SYNTAX, path);
    cv__yaml_options options = {.name = "other", .max_bytes = 4};
    assert_fails(cx, cv__yaml_read_file(cx, path, &options, &root), CV_E_LIMIT, "other: more than 4 bytes");
    assert_int_equal(truncate(path, 5), 0);
    assert_ok(cx, cv__yaml_read_file(cx, path, NULL, &root));
    assert_string_equal(cv__yaml_get(root, "a")->text.ptr, "1");
    unlink(path);
    assert_fails(cx, cv__yaml_read_file(cx, path, NULL, &root), CV_E_NOT_FOUND, "could not read \"/tmp/covet-yaml-");
    assert_fails(cx, cv__yaml_read_file(cx, "/tmp", NULL, &root), CV_E_IO, "directory");
}

static void a_named_pipe_does_not_hold_the_program(void **state)
{
    (void)state;
    const cv__yaml_node *root;
    char folder[64], path[80];
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_ok(cx, cv__yaml_read_file(cx, path, NULL, &root));
    assert_null(root);
    test_folder_remove(folder);
}

static void expect_scalar(cv_str text, const char *wanted)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    cv__yaml_add_scalar(&out, text);
    assert_string_equal(out.data, wanted);
    cv_buf_done(&out);
}

static void scalars_are_quoted_when_they_could_be_misread(void **state)
{
    (void)state;
    expect_scalar(CV_STR("title"), "title");
    expect_scalar(CV_STR("two words"), "two words");
    expect_scalar(CV_STR("a/b.c-d_e"), "a/b.c-d_e");
    static const char *const quoted[] = {"",    "yes", "No",  "NULL", "true", "1",          "1.5", "2026-11-21",
                                         "-",   "~",   "a:b", "a #c", "x ",   " x",         "[a]", "{a}",
                                         "*a",  "&a",  "!a",  "%a",   "@a",   "`a",         "'a'", "a, b",
                                         "- a", "off", "y",   "=",    "<<",   "caf\xC3\xA9"};
    for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "\"%s\"", quoted[i]);
        expect_scalar(cv_str_of(quoted[i]), wanted);
    }
    expect_scalar(CV_STR("a\"b\\c\n\t\x01\x7F"), "\"a\\\"b\\\\c\\n\\t\\u0001\\u007F\"");
    expect_scalar(CV_STR("\xE2\x80\xA8\xEF\xBB\xBF\xFF"), "\"\\u2028\\uFEFF\xEF\xBF\xBD\"");
}

static void what_is_emitted_reads_back(void **state)
{
    (void)state;
    static const uint32_t points[] = {1,      9,      10,     13,     32,     34,     39,      58,      92,
                                      126,    127,    128,    133,    159,    160,    0xE9,    0x2028,  0x2029,
                                      0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        char text[16] = "a";
        uint32_t p = points[i];
        size_t len = 1;
        if (p < 0x80) {
            text[len++] = (char)p;
        } else if (p < 0x800) {
            text[len++] = (char)(0xC0 | p >> 6);
            text[len++] = (char)(0x80 | (p & 63));
        } else if (p < 0x10000) {
            text[len++] = (char)(0xE0 | p >> 12);
            text[len++] = (char)(0x80 | (p >> 6 & 63));
            text[len++] = (char)(0x80 | (p & 63));
        } else {
            text[len++] = (char)(0xF0 | p >> 18);
            text[len++] = (char)(0x80 | (p >> 12 & 63));
            text[len++] = (char)(0x80 | (p >> 6 & 63));
            text[len++] = (char)(0x80 | (p & 63));
        }
        text[len++] = ' ';
        cv_buf out;
        cv_buf_init(&out, 0);
        cv_buf_add_text(&out, "- ");
        cv__yaml_add_scalar(&out, cv_str_make(text, len));
        const cv__yaml_node *root = read_text(out.data);
        assert_int_equal(root->first->text.len, len);
        assert_memory_equal(root->first->text.ptr, text, len);
        cv_buf_done(&out);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tree_has_what_was_written_and_where),
        TEST(a_text_of_comments_has_no_root),
        TEST(block_scalars_keep_their_lines),
        TEST(null_and_booleans_are_plain_words),
        TEST(what_invites_mistakes_is_refused),
        TEST(a_duplicate_is_found_deep_inside),
        TEST(malformed_texts_are_refused_with_their_place),
        TEST(depth_is_bounded),
        TEST(size_is_bounded),
        TEST(the_arena_bounds_the_tree),
        TEST(a_large_mapping_is_checked_quickly),
        TEST(files_are_read_and_named),
        TEST(a_named_pipe_does_not_hold_the_program),
        TEST(scalars_are_quoted_when_they_could_be_misread),
        TEST(what_is_emitted_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
