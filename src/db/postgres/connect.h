/* Making and closing connections, and why one could not be made. */
#ifndef COVET_SRC_DB_POSTGRES_CONNECT_H
#define COVET_SRC_DB_POSTGRES_CONNECT_H

#include "db/postgres/postgres.h"

/* --- connect.c: the driver's connect, disconnect, is_alive --- */

CV_CHECKED int cv__pg_connect(cv_ctx *cx, void *shared, cv__conn_role role, cv__conn **ret_conn);
/** The same, for reading the log of the database: it takes simple statements and the commands of replication. */
CV_CHECKED int cv__pg_connect_replication(cv_ctx *cx, cv__pg_shared *shared, cv__pg_conn **ret_conn);
void cv__pg_disconnect(cv__conn *base);
bool cv__pg_is_alive(cv__conn *conn);
void cv__pg_sever(cv_ctx *cx, cv__conn *base);
void cv__pg_detach(cv__conn *base);
CV_CHECKED int cv__pg_attach(cv_ctx *cx, void *shared, cv__conn *base);
CV_CHECKED int cv__pg_ping(cv_ctx *cx, cv__conn *base); /* session.c */

/** One attempt to connect to the connection's host, at an address (NULL: a socket folder). After a failure,
 * `*ret_final` says that no other address or host would help. Suspends. */
CV_CHECKED int cv__pg_attempt(cv_ctx *cx, cv__pg_conn *conn, const char *hostaddr, bool *ret_final);

/** Close the socket and forget libpq's side of the connection, whatever its state. */
void cv__pg_hang_up(cv__pg_conn *conn);

/* --- hosts.c --- */

/** Connect to the first host that answers and is what the database's target asks for; each has its share of the
 *  context's time. CV_E_NO_SERVER when there is none, and every error of an attempt. Suspends. */
CV_CHECKED int cv__pg_connect_to_any(cv_ctx *cx, cv__pg_conn *conn);

/* --- refusal.c --- */

/** Why the certificate of the server was not accepted, as far as it is known. */
typedef struct cv__pg_handshake {
    bool failed;        /* the attempt ended while TLS was being set up */
    const char *reason; /* "certificate has expired"; NULL: unknown. Static storage */
} cv__pg_handshake;

/** Report the failure of an attempt to connect, with what to do about it. `*ret_final` tells whether a server gave the
 *  refusal for a reason that holds at every other address and host: the password, the name of the database. */
int cv__pg_fail_connect(cv_ctx *cx, const cv__pg_conn *conn, cv__pg_handshake handshake, bool *ret_final);

/** Whether an attempt failed because a pooler takes no settings of the session at the start. */
bool cv__pg_is_refused_setting(const PGconn *pg);

#endif
