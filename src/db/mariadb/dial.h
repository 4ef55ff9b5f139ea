/* Making a connection on a thread, with calls that block: a lane's, for the connections of a pool that may have TLS,
 * which Connector/C sets up with such calls; its own, for a change stream. */
#ifndef COVET_SRC_DB_MARIADB_DIAL_H
#define COVET_SRC_DB_MARIADB_DIAL_H

#include "db/mariadb/cutoff.h"
#include "db/mariadb/mariadb.h"

/** What helps against CV_E_TLS. */
#define CV__MY_NO_TLS_HINT "give the server ssl_cert and ssl_key, or set ssl_mode=disabled where nobody else can listen"

/** What is to be connected to what. Nothing in it is owned. */
typedef struct cv__my_dial {
    MYSQL *my; /* not connected yet, with the options of the database (cv__my_handle) */
    const cv__my_shared *shared;
    size_t host;           /* which one of the shared hosts */
    const char *address;   /* of that host, in numbers; NULL: the host is the path of a socket */
    cv__my_cutoff *cutoff; /* by which other threads end it; it holds the socket afterwards, too */
} cv__my_dial;

/** Connect. Where TLS is required, the server's greeting is looked at before anything is sent. Without a story:
 *  CV_E_TLS: TLS is required, and the server has none; CV_E_TIMEOUT: the server was silent for connect_timeout;
 *  CV_E_CLOSED: cut off; CV_E_SYSTEM: no descriptor is left; CV_E_CONNECTION_LOST for all else: mysql_errno says why.
 *  The handle is to be closed by the caller in each case. Blocks: for a thread. */
CV_CHECKED int cv__my_dial_now(const cv__my_dial *dial);

#endif
