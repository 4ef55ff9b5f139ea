/* Connections that are made aside: in a fiber of their own, so that nobody waits for them. */
#include "db/postgres/postgres.h"
#include <covet/fiber.h>
#include <stdlib.h>

typedef struct errand {
    cv__pg_shared *shared;
    const char *command;
    cv__pg_aside_fn *done;
    void *arg;
} errand;

void cv__pg_shared_close(cv__pg_shared *shared)
{
    shared->closed = true;
    if (shared->errands == 0) {
        cv__pg_sharing_free(shared->sharing);
        cv__pg_control_free(shared->control);
        cv__pg_listener_free(shared->listener);
        cv__pg_shared_free(shared);
    }
}

static int make(cv_ctx *cx, const errand *e, cv__pg_conn **ret_conn)
{
    cv__conn *conn;
    CV_TRY(cv__pg_connect(cx, e->shared, CV__READER, &conn));
    int rc = e->command ? cv__pg_command(cx, cv__pg_conn_of(conn), e->command, NULL) : 0;
    if (rc < 0 || e->shared->closed) {
        cv__pg_disconnect(conn);
        return rc < 0 ? rc : CV_E_CLOSED;
    }
    *ret_conn = cv__pg_conn_of(conn);
    return 0;
}

static int run(cv_ctx *cx, void *arg)
{
    errand *e = arg;
    cv__pg_shared *shared = e->shared;
    cv__pg_conn *conn = NULL;
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, shared->connect_timeout_ms)
    {
        rc = make(cx, e, &conn);
    }
    e->done(cx, e->arg, rc == 0 ? conn : NULL);
    free(e);
    shared->errands--;
    if (shared->closed)
        cv__pg_shared_close(shared);
    return rc;
}

bool cv__pg_connect_aside(cv_ctx *cx, cv__pg_shared *shared, const char *command, cv__pg_aside_fn *done, void *arg)
{
    errand *e = malloc(sizeof *e);
    if (!e)
        return false;
    *e = (errand){.shared = shared, .command = command, .done = done, .arg = arg};
    cv_error *first = cv_error_take(cx);
    int rc = cv_spawn(cv__main_ctx(cx), "connect to PostgreSQL", run, e, NULL);
    if (rc < 0) {
        free(e);
        cv_error_clear(cv__main_ctx(cx));
    } else {
        shared->errands++;
    }
    cv_error_put_back(cx, first);
    return rc == 0;
}
