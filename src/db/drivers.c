#include "db/db_driver.h"

static const struct {
    const char *scheme;
    const cv__driver *driver;
} schemes[] = {
    {"sqlite", &cv__driver_sqlite},   {"postgres", &cv__driver_postgres}, {"postgresql", &cv__driver_postgres},
    {"mariadb", &cv__driver_mariadb}, {"mysql", &cv__driver_mariadb},
};
enum { SCHEME_COUNT = sizeof schemes / sizeof schemes[0] };

static int unknown_scheme(cv_ctx *cx, const char *scheme)
{
    const char *names[SCHEME_COUNT];
    for (size_t i = 0; i < SCHEME_COUNT; i++)
        names[i] = schemes[i].scheme;
    const char *nearest = cv_str_nearest(cv_str_of(scheme), names, SCHEME_COUNT);
    cv_fail(cx, CV_E_CONFIG, "the database URL has an unknown scheme \"%s\"", scheme);
    cv_error_hint(cx, nearest ? "did you mean \"%s\"?" : "there are sqlite, postgres and mysql", nearest);
    return CV_E_CONFIG;
}

int cv__driver_find(cv_ctx *cx, const char *scheme, const cv__driver **ret_driver)
{
    for (size_t i = 0; i < SCHEME_COUNT; i++)
        if (strcmp(schemes[i].scheme, scheme) == 0) {
            *ret_driver = schemes[i].driver;
            return 0;
        }
    return unknown_scheme(cx, scheme);
}
