/* The control connection of a database: one of its own, on which statements of other connections are cancelled. It is
 * made aside, in a fiber of its own, when it is first needed; used by one fiber at a time; closed at the first trouble.
 */
#ifndef COVET_SRC_DB_SERVER_CONTROL_H
#define COVET_SRC_DB_SERVER_CONTROL_H

#include "db/db_driver.h"

typedef struct cv__control cv__control;

/** Make one, without a connection. `shared` is what the driver's connect is given; `gone(shared)` is called once after
 *  cv__control_close, when nothing uses it any more. NULL without memory. Does not suspend. */
cv__control *cv__control_new(const cv__driver *driver, void *shared, void (*gone)(void *shared));

/** Have the connection to oneself, until cv__control_leave; made when there is none, so the first one waits for it.
 *  CV_E_CLOSED; CV_E_CONNECTION_LOST within a second of a failure; CV_E_NOMEM, and the errors of a wait. Suspends. */
CV_CHECKED int cv__control_take(cv_ctx *cx, cv__control *control, cv__conn **ret_conn);
void cv__control_leave(cv_ctx *cx, cv__control *control);

/** Something to do on it: 0, or an error, after which it is tried again. Suspends. */
typedef int cv__control_fn(cv_ctx *cx, cv__conn *conn, const void *arg);

/** Do `fn` later, what its caller has no time left for: in a fiber of its own, one such thing after the other, for ten
 *  seconds at most, and not after the close. `arg` is copied. Where there is no memory, or too many wait, it is left
 *  undone. Keeps the context's error. Does not suspend. */
void cv__control_later(cv_ctx *cx, cv__control *control, cv__control_fn *fn, const void *arg, size_t arg_bytes);

/** The database is being closed, nobody takes it any more: it is freed, with its connection, now or when the fibers
 *  that make one or do something later have ended. */
void cv__control_close(cv__control *control);

#endif
