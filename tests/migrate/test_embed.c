/* What embed writes compiles without a warning and holds the files byte by byte. */
#include "migrate_test.h"

static void the_source_compiles_and_holds_the_texts(void **state)
{
    (void)state;
    const char *root = getenv("COVET_SOURCE_ROOT");
    if (!root) {
        print_message("skipped: COVET_SOURCE_ROOT is not set\n");
        skip();
    }
    cv_ctx *cx = cv_ctx_new(0);
    folder f = make_folder();
    cv_buf source, command;
    static char text[9000] = "covet: 1\noperations: []\n# \xc3\xa9";
    memset(text + strlen(text), 'x', sizeof text - strlen(text) - 1);
    const cv_embedded_migration both[] = {ONE("0001_x", OPERATIONS(BOOKS)), {"shop", "0002_y", text, strlen(text)}};
    cv_migrations *set = load_set(cx, (cv_migrations_source){.embedded = both, .embedded_count = 2});
    cv_buf_init_arena(&source, cv_ctx_arena(cx), 0);
    cv_buf_init_arena(&command, cv_ctx_arena(cx), 0);
    assert_ok(cx, cv_migrations_embed(cx, set, "my_set", &source));
    /* the program prints what it holds */
    cv_buf_add_text(&source, "#include <stdio.h>\n"
                             "int main(void)\n{\n    for (size_t i = 0; i < my_set_count; i++)\n"
                             "        printf(\"%s/%s:%s\", my_set[i].label, my_set[i].name, my_set[i].text);\n"
                             "    return 0;\n}\n");
    put_file(&f, ".", "set.c", source.data);
    cv_buf_printf(
        &command,
        "cc -std=c17 -Wall -Wextra -Wpedantic -Wcast-qual -Werror -I%s/include -o %s/set %s/set.c && %s/set > "
        "%s/out",
        root, f.path, f.path, f.path, f.path);
    assert_int_equal(system(command.data), 0);
    char path[256], expected[16384], got[16384] = "";
    snprintf(path, sizeof path, "%s/out", f.path);
    snprintf(expected, sizeof expected, "shop/0001_x:%sshop/0002_y:%s", both[0].text, text);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(got, expected);
    remove_folder(&f);
    cv_ctx_free(cx);
}

static void an_empty_set_is_a_source_too(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv_buf source;
    cv_buf_init_arena(&source, cv_ctx_arena(cx), 0);
    assert_ok(cx, cv_migrations_embed(cx, load_set(cx, (cv_migrations_source){0}), "none", &source));
    assert_non_null(strstr(source.data, "const size_t none_count = 0;"));
    cv_ctx_free(cx);
}

static void the_symbol_must_be_one(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    cv_buf source;
    cv_buf_init_arena(&source, cv_ctx_arena(cx), 0);
    cv_migrations *set = load_set(cx, (cv_migrations_source){0});
    assert_fails(cx, cv_migrations_embed(cx, set, "a-b", &source), CV_E_INVALID, "\"a-b\" is not a name in C");
    assert_fails(cx, cv_migrations_embed(cx, set, "1a", &source), CV_E_INVALID, "not a name");
    assert_fails(cx, cv_migrations_embed(cx, set, "", &source), CV_E_INVALID, "not a name");
    cv_buf tiny;
    cv_buf_init_arena(&tiny, cv_ctx_arena(cx), 16);
    assert_fails(cx, cv_migrations_embed(cx, set, "a", &tiny), CV_E_LIMIT, "could not write the source");
    cv_ctx_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_source_compiles_and_holds_the_texts),
        cmocka_unit_test(an_empty_set_is_a_source_too),
        cmocka_unit_test(the_symbol_must_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
