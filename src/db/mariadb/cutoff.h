/* By which one thread cuts off what another connects or reads.
 *
 * It holds a duplicate of the socket: the library closes its own when it likes, and the number is somebody else's then.
 * A connection is closed for the server when both are. */
#ifndef COVET_SRC_DB_MARIADB_CUTOFF_H
#define COVET_SRC_DB_MARIADB_CUTOFF_H

#include <covet/error.h>
#include <pthread.h>

typedef struct cv__my_cutoff {
    pthread_mutex_t mutex;
    int socket; /* -1: none */
    bool is_cut;
} cv__my_cutoff;

void cv__my_cutoff_init(cv__my_cutoff *cutoff);
void cv__my_cutoff_done(cv__my_cutoff *cutoff);

/** Hold this socket from now on, instead of another. CV_E_CLOSED: it is cut off already, and so is this socket;
 *  CV_E_SYSTEM: there is no descriptor left. Without a story. Does not wait. */
CV_CHECKED int cv__my_cutoff_hold(cv__my_cutoff *cutoff, int socket);

/** Hold none. */
void cv__my_cutoff_let_go(cv__my_cutoff *cutoff);

/** For good: whoever waits for the socket, or for one that is held later, reads its end. From any thread. Does not
 * wait.
 */
void cv__my_cutoff_cut(cv__my_cutoff *cutoff);

#endif
