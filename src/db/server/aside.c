#include "db/server/aside.h"

#include "rt/wait.h"
#include <covet/fiber.h>
#include <stdlib.h>

typedef struct errand {
    const cv__driver *driver;
    void *shared;
    cv__aside_fn *done;
    void *arg;
} errand;

static int run(cv_ctx *cx, void *arg)
{
    errand e = *(errand *)arg;
    cv__conn *conn = NULL;
    free(arg);
    int rc = e.driver->connect(cx, e.shared, CV__READER, &conn);
    e.done(cx, e.arg, rc == 0 ? conn : NULL);
    return rc;
}

bool cv__connect_aside(cv_ctx *cx, const cv__driver *driver, void *shared, cv__aside_fn *done, void *arg)
{
    errand *e = malloc(sizeof *e);
    if (!e)
        return false;
    *e = (errand){.driver = driver, .shared = shared, .done = done, .arg = arg};
    cv_error *first = cv_error_take(cx);
    int rc = cv_spawn(cv__main_ctx(cx), "make a connection", run, e, NULL);
    if (rc < 0) {
        free(e);
        cv_error_clear(cv__main_ctx(cx));
    }
    cv_error_put_back(cx, first);
    return rc == 0;
}
