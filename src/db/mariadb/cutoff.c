#include "db/mariadb/cutoff.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

void cv__my_cutoff_init(cv__my_cutoff *cutoff)
{
    *cutoff = (cv__my_cutoff){.mutex = PTHREAD_MUTEX_INITIALIZER, .socket = -1};
}

void cv__my_cutoff_done(cv__my_cutoff *cutoff)
{
    cv__my_cutoff_let_go(cutoff);
    pthread_mutex_destroy(&cutoff->mutex);
}

/* Under the mutex. */
static void replace(cv__my_cutoff *cutoff, int socket)
{
    if (cutoff->socket >= 0)
        (void)close(cutoff->socket);
    cutoff->socket = socket;
}

int cv__my_cutoff_hold(cv__my_cutoff *cutoff, int socket)
{
    pthread_mutex_lock(&cutoff->mutex);
    replace(cutoff, fcntl(socket, F_DUPFD_CLOEXEC, 0));
    int rc = cutoff->is_cut ? CV_E_CLOSED : cutoff->socket < 0 ? CV_E_SYSTEM : 0;
    if (cutoff->is_cut)
        (void)shutdown(socket, SHUT_RDWR);
    pthread_mutex_unlock(&cutoff->mutex);
    return rc;
}

void cv__my_cutoff_let_go(cv__my_cutoff *cutoff)
{
    pthread_mutex_lock(&cutoff->mutex);
    replace(cutoff, -1);
    pthread_mutex_unlock(&cutoff->mutex);
}

void cv__my_cutoff_cut(cv__my_cutoff *cutoff)
{
    pthread_mutex_lock(&cutoff->mutex);
    cutoff->is_cut = true;
    if (cutoff->socket >= 0)
        (void)shutdown(cutoff->socket, SHUT_RDWR);
    pthread_mutex_unlock(&cutoff->mutex);
}
