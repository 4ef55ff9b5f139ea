/* Making and closing connections, and why one could not be made. */
#ifndef COVET_SRC_DB_MARIADB_CONNECT_H
#define COVET_SRC_DB_MARIADB_CONNECT_H

#include "db/mariadb/mariadb.h"

/* --- connect.c: the driver's connect, disconnect and what belongs to them --- */

CV_CHECKED int cv__my_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);

/** A handle of Connector/C with the options of the database, to be connected. NULL without memory. */
MYSQL *cv__my_handle(const cv__my_shared *shared);

void cv__my_disconnect(cv__conn *base);
bool cv__my_is_alive(cv__conn *conn);
void cv__my_sever(cv_ctx *cx, cv__conn *base);
void cv__my_detach(cv__conn *base);
CV_CHECKED int cv__my_attach(cv_ctx *cx, void *shared, cv__conn *base);

/* --- greeting.c --- */

typedef enum cv__my_greeting {
    CV__MY_GREETING_NONE,  /* an error, another protocol, or the end */
    CV__MY_GREETING_LATE,  /* none has come in time */
    CV__MY_GREETING_PART,  /* not all of it has come */
    CV__MY_GREETING_PLAIN, /* without TLS */
    CV__MY_GREETING_TLS
} cv__my_greeting;

/** Wait for the server's greeting on a socket that connects, and look at it; it is left to be read, as is an error of
 *  the socket. Never CV__MY_GREETING_PART. Blocks, for so long at most, or until the socket is shut down: for a thread.
 */
cv__my_greeting cv__my_await_greeting(int fd, int64_t limit_ms);

/* --- refusal.c --- */

/** The code of ours for the failure of an attempt to connect. */
int cv__my_connect_code(MYSQL *my);

/** Report the failure of an attempt to connect, with what to do about it. `*ret_final` tells whether it holds at every
 *  other address and host: the password, the name of the database. */
int cv__my_fail_connect(cv_ctx *cx, const cv__my_conn *conn, bool *ret_final);

#endif
