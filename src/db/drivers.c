#include "db/db_driver.h"

static const struct {
    const char *scheme;
    const cv__driver *driver;
} schemes[] = {
    {"sqlite", &cv__driver_sqlite},   {"postgres", &cv__driver_postgres}, {"postgresql", &cv__driver_postgres},
    {"mariadb", &cv__driver_mariadb}, {"mysql", &cv__driver_mariadb},
};

const cv__driver *cv__driver_for_scheme(const char *scheme)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strcmp(schemes[i].scheme, scheme) == 0)
            return schemes[i].driver;
    return NULL;
}
