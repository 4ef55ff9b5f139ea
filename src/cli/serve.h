/* The parts of `serve`: its workers, what it tells the service manager, and its next life. */
#ifndef COVET_SRC_CLI_SERVE_H
#define COVET_SRC_CLI_SERVE_H

#include "app/admin.h"
#include "http/listener.h"

/* ---- notify.c ---- */

/** Tell the service manager: "READY=1". Without one nothing is done: 0. CV_E_INVALID, CV_E_SYSTEM, without a story. */
int cv__notify(const char *message);

/* ---- heir.c: the next life of the program ---- */

enum { CV__MAX_HANDED = 512 };

/** Start the program again, as this process was started, with listening sockets that it takes over (LISTEN_FDS), and
 *  wait until it says that it is ready (cv__heir_is_ready there), at most 60 s. It has ended when this fails, and the
 *  story says why. Suspends. CV_E_SYSTEM, CV_E_TIMEOUT, CV_E_NOMEM. */
CV_CHECKED int cv__heir_start(cv_ctx *cx, const cv_app *app, const cv__handed *sockets, size_t count, pid_t *ret_pid);

/** Tell the former life of this process that this one answers now; no effect in a first life. */
void cv__heir_is_ready(void);

/** Whether sockets were handed over to this process. */
bool cv__heir_has_sockets(void);

/* ---- serve_worker.c ---- */

/* What the workers of a `serve` share, and each one's own. */
typedef struct cv__serve_worker {
    cv_registry *registry;
    cv_db *db;
    cv_server *server; /* NULL once it is stopped */
} cv__serve_worker;

typedef struct cv__serve_plan {
    cv_app *app;
    const char *database_url;
    cv_db_options database; /* of each worker */
    cv_server_options server;
    cv__serve_worker workers[]; /* each touched by its worker's thread only */
} cv__serve_plan;

/** The start and stop of a worker (workers.h); `arg` is the plan. */
int cv__serve_worker_start(cv_ctx *main, size_t index, void *arg);
void cv__serve_worker_stop(cv_ctx *main, size_t index, void *arg);

/** For cv_workers_each: leave the sockets to an heir; end all patience. `arg` is the plan. */
int cv__serve_worker_leave(cv_ctx *cx, size_t index, void *arg);
int cv__serve_worker_cut(cv_ctx *cx, size_t index, void *arg);

#endif
