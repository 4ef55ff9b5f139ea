/* Connections that are made aside: in a fiber of their own, so that nobody waits for them. */
#ifndef COVET_SRC_DB_SERVER_ASIDE_H
#define COVET_SRC_DB_SERVER_ASIDE_H

#include "db/db_driver.h"

/** Called with the new connection, or NULL when there is none, in the fiber that made it: it may suspend. */
typedef void cv__aside_fn(cv_ctx *cx, void *arg, cv__conn *conn);

/** Make a connection in a fiber of its own, within the time limit of connecting. `done(arg)` is called once, in every
 *  case but when this returns false, for want of memory or of fibers; until then `shared`, which the driver's connect
 *  is given, must stay. Keeps the context's error. Does not suspend. */
bool cv__connect_aside(cv_ctx *cx, const cv__driver *driver, void *shared, cv__aside_fn *done, void *arg);

#endif
