/* Whether the program can take requests: it has started, is not about to stop, its database answers, and its own checks
 * pass. All checks run at the same time, each for a second at most. */
#include "app/app.h"
#include "base/ctx.h"
#include "rt/wait.h"

#include <covet/db.h>
#include <covet/fiber.h>

enum { CHECK_MS = 1000 };

void cv_app_ready_check(cv_app *app, const char *name, int (*fn)(cv_ctx *cx, void *arg), void *arg)
{
    if (app->error)
        return;
    if (app->ready_check_count == CV__MAX_READY_CHECKS)
        cv__app_note(
            app, cv_fail(app->cx, CV_E_LIMIT, "an application has at most %d readiness checks", CV__MAX_READY_CHECKS));
    else
        app->ready_checks[app->ready_check_count++] = (cv__ready_check){name, fn, arg};
}

static int database_answers(cv_ctx *cx, void *arg)
{
    (void)arg;
    cv_value one;
    return cv_scalar(cx, &one, "SELECT 1");
}

/* It may outlive who asked: it knows nothing of them. */
static int run_check(cv_ctx *cx, void *arg)
{
    const cv__ready_check *check = arg;
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, CHECK_MS)
    {
        rc = check->fn(cx, check->arg);
    }
    return rc;
}

static void note(cv__readiness *found, const char *name, const char *lack)
{
    found->checks[found->count++] = (cv__finding){name, lack};
    found->ready = found->ready && !lack;
}

/* What the check said; the error is gone afterwards. */
static const char *take_message(cv_ctx *cx, int rc)
{
    const cv_error *error = cv_error_last(cx);
    const char *message = cv_strdup(cx, error ? error->message : cv_error_text(rc));
    cv_error_clear(cx);
    return message ? message : cv_error_text(rc);
}

static void note_result(cv_ctx *cx, const cv__ready_check *check, int rc, cv__readiness *found)
{
    note(found, check->name, rc < 0 ? take_message(cx, rc) : NULL);
}

int cv__readiness_check(cv_ctx *cx, cv_app *app, cv__readiness *ret_found)
{
    static cv__ready_check database = {"database", database_answers, NULL};
    cv__ready_check *checks[CV__MAX_READY_CHECKS + 1];
    cv_fiber *fibers[CV__MAX_READY_CHECKS + 1];
    size_t count = 0;
    if (cx->db)
        checks[count++] = &database;
    for (size_t i = 0; i < app->ready_check_count; i++)
        checks[count++] = &app->ready_checks[i];
    ret_found->count = 0;
    ret_found->ready = true;
    const char *lack = !app->serving.started   ? "it has not started yet"
                       : app->serving.draining ? "it is stopping"
                                               : NULL;
    note(ret_found, "serving", lack);
    for (size_t i = 0; i < count; i++) {
        fibers[i] = NULL;
        int rc = cv_spawn(cx, "readiness check", run_check, checks[i], &fibers[i]);
        if (rc < 0)
            note_result(cx, checks[i], rc, ret_found);
    }
    for (size_t i = 0; i < count; i++)
        if (fibers[i])
            note_result(cx, checks[i], cv_join(cx, fibers[i], NULL), ret_found);
    return cv__wait_check(cx, "look whether the program is ready");
}
