/* The admin listener: metrics, liveness, readiness and a dump of all fibers, for those who operate the program. It runs
 * in the main runtime beside the workers, so that it answers when none of them does. */
#ifndef COVET_SRC_APP_ADMIN_H
#define COVET_SRC_APP_ADMIN_H

#include "app/app.h"

typedef struct cv__admin cv__admin;

/** Listen at the setting "admin.listen"; `*ret_admin` is NULL without one. From the main context. Errors of
 *  cv_server_start; CV_E_CONFIG for an address that is none. */
CV_CHECKED int cv__admin_start(cv_ctx *cx, cv_app *app, cv__admin **ret_admin);

/** Where it listens: "http://127.0.0.1:9464/". Lives as long as it. */
const char *cv__admin_url(const cv__admin *admin);

/** Its listener, to be handed over; NULL allowed and returned. */
const cv_listener *cv__admin_listener(const cv__admin *admin);

/** Another process goes on with its sockets. NULL is allowed. */
void cv__admin_leave(cv__admin *admin);

/** NULL is allowed. Suspends. */
void cv__admin_stop(cv_ctx *cx, cv__admin *admin);

/** The router of the admin listener, for tests of it without a socket. Free with cv_router_free. NULL, reported,
 * without memory. */
cv_router *cv__admin_router(cv_ctx *cx, cv_app *app);

/** From now on SIGUSR1 writes a dump of all fibers to standard error. From the main context. CV_E_SYSTEM, CV_E_NOMEM.
 */
CV_CHECKED int cv__dump_on_signal(cv_ctx *cx);

#endif
