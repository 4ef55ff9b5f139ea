/* docs/engines.md has the table of what each engine can do, and it is the drivers' own. */
#include "db/db_driver.h"
#include "test.h"

static char *read_page(void)
{
    static char page[1 << 16];
    char path[512];
    snprintf(path, sizeof path, "%s/docs/engines.md", getenv("COVET_SOURCE_ROOT"));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    return page;
}

static const char *answer(const cv__driver *driver, cv_capability what)
{
    return driver->capabilities >> what & 1 ? "yes" : "no";
}

static const struct {
    const char *name, *title, *text;
} capabilities[] = {
#define ROW(name, title, text) {#name, title, text},
    CV_CAPABILITIES(ROW)
#undef ROW
};

static void the_page_says_what_the_drivers_say(void **state)
{
    (void)state;
    const char *page = read_page();
    for (int i = 0; i < CV_CAPABILITY_COUNT; i++) {
        char row[512];
        snprintf(row, sizeof row, "\n| %s: `CV_CAN_%s` | %s | %s | %s | %s |\n", capabilities[i].title,
                 capabilities[i].name, capabilities[i].text, answer(&cv__driver_sqlite, (cv_capability)i),
                 answer(&cv__driver_postgres, (cv_capability)i), answer(&cv__driver_mariadb, (cv_capability)i));
        if (!strstr(page, row))
            fail_msg("docs/engines.md needs the row%s", row);
    }
}

static void the_page_has_no_other_row(void **state)
{
    (void)state;
    int rows = 0;
    for (const char *at = read_page(); (at = strstr(at, ": `CV_CAN_")); at++)
        rows++;
    assert_int_equal(rows, CV_CAPABILITY_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_says_what_the_drivers_say),
        cmocka_unit_test(the_page_has_no_other_row),
    };
    return cmocka_run_group_tests_name("engines-page", tests, NULL, NULL);
}
