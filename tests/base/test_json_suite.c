/* The public JSONTestSuite: y_ must be accepted, n_ refused, i_ must come back with an answer. */
#include "test.h"
#include <covet/json.h>
#include <dirent.h>

struct tally {
    int accepted, refused, either;
};

static cv_str read_whole(cv_ctx *cx, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    rewind(file);
    char *data = cv_alloc(cx, (size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, file), size);
    fclose(file);
    return cv_str_make(data, (size_t)size);
}

static void check_case(cv_ctx *cx, const char *name, const char *path, struct tally *tally)
{
    cv_json_limits limits = {.max_depth = 1024};
    int rc = cv_json_check(cx, read_whole(cx, path), &limits);
    if (name[0] == 'y') {
        if (rc < 0)
            fail_msg("%s was refused: %s", name, cv_error_last(cx)->message);
        tally->accepted++;
    } else if (name[0] == 'n') {
        if (rc == 0)
            fail_msg("%s was accepted", name);
        assert_true(rc == CV_E_SYNTAX || rc == CV_E_LIMIT);
        tally->refused++;
    } else {
        tally->either++;
    }
    cv_error_clear(cx);
}

static void the_suite_is_judged_as_it_asks(void **state)
{
    (void)state;
    const char *corpora = getenv("COVET_CORPORA");
    char folder[512], path[1024];
    snprintf(folder, sizeof folder, "%s/json/test_parsing", corpora ? corpora : ".");
    DIR *cases = opendir(folder);
    if (!cases) {
        print_message("skipped: the JSON corpus is not there\n");
        skip();
        return;
    }
    struct tally tally = {0};
    cv_ctx *cx = cv_ctx_new(0);
    for (struct dirent *entry; (entry = readdir(cases));) {
        size_t len = strlen(entry->d_name);
        if (len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        CV_SCOPE(cx)
        {
            check_case(cx, entry->d_name, path, &tally);
        }
    }
    closedir(cases);
    cv_ctx_free(cx);
    assert_true(tally.accepted >= 90 && tally.refused >= 180 && tally.either >= 30);
}

static void very_deep_nesting_is_refused_at_the_limit(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    size_t depth = 100000;
    char *text = cv_alloc(cx, depth);
    assert_non_null(text);
    memset(text, '[', depth);
    assert_fails(cx, cv_json_check(cx, cv_str_make(text, depth), NULL), CV_E_LIMIT, "deeper than 64");
    cv_ctx_free(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_suite_is_judged_as_it_asks),
        cmocka_unit_test(very_deep_nesting_is_refused_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
