#include "db/mariadb/dial.h"
#include "db/mariadb/connect.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

static bool needs_tls(const cv__my_shared *shared)
{
    return shared->tls >= CV__MY_TLS_REQUIRED;
}

static void set_options(const cv__my_dial *dial)
{
    unsigned seconds = (unsigned)((dial->shared->connect_timeout_ms + 999) / 1000);
    unsigned protocol = dial->address ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET; /* "localhost" would be a socket */
    (void)mysql_options(dial->my, MYSQL_OPT_PROTOCOL, &protocol);
    (void)mysql_options(dial->my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
}

/* Wait for what the library wants: what has come. */
static int await_events(const cv__my_dial *dial, int fd, int events, int *ret_ready)
{
    struct pollfd socket = {.fd = fd};
    socket.events = (short)((events & MYSQL_WAIT_READ ? POLLIN : 0) | (events & MYSQL_WAIT_WRITE ? POLLOUT : 0));
    *ret_ready = events & ~MYSQL_WAIT_TIMEOUT;
    return poll(&socket, 1, (int)dial->shared->connect_timeout_ms) == 0 ? CV_E_TIMEOUT : 0;
}

/* Nothing is sent to a server without TLS where it is required. */
static int check_greeting(const cv__my_dial *dial, int fd)
{
    switch (cv__my_await_greeting(fd, dial->shared->connect_timeout_ms)) {
    case CV__MY_GREETING_PLAIN:
        return CV_E_TLS;
    case CV__MY_GREETING_LATE:
        return CV_E_TIMEOUT;
    default:
        return 0; /* the library says what is wrong */
    }
}

static int await(const cv__my_dial *dial, int events, bool is_first, int *ret_ready)
{
    my_socket fd = mysql_get_socket(dial->my);
    CV_TRY(cv__my_cutoff_hold(dial->cutoff, fd));
    if (is_first && needs_tls(dial->shared))
        CV_TRY(check_greeting(dial, fd));
    return await_events(dial, fd, events, ret_ready);
}

static int start(const cv__my_dial *dial, MYSQL **ret_connected)
{
    const cv__my_shared *shared = dial->shared;
    const cv__db_host *host = &shared->hosts[dial->host];
    /* the certificate is compared with the name that the library is given */
    bool by_name = dial->address && shared->tls == CV__MY_TLS_VERIFY_IDENTITY;
    return mysql_real_connect_start(ret_connected, dial->my, by_name ? host->name : dial->address, shared->user,
                                    shared->password, shared->database, (unsigned)host->port,
                                    dial->address ? NULL : host->name, CLIENT_FOUND_ROWS);
}

/* The call is brought to its end in each case: what nobody waits for any more, over a socket that is shut down. */
static int run(const cv__my_dial *dial)
{
    MYSQL *connected = NULL;
    int rc = 0, ready = 0;
    bool is_first = true;
    for (int events = start(dial, &connected); events; is_first = false) {
        if (rc == 0)
            rc = await(dial, events, is_first, &ready);
        if (rc < 0) {
            (void)shutdown(mysql_get_socket(dial->my), SHUT_RDWR);
            ready = events & ~MYSQL_WAIT_TIMEOUT;
        }
        events = mysql_real_connect_cont(&connected, dial->my, ready);
    }
    if (rc == 0 && !connected)
        return CV_E_CONNECTION_LOST;
    if (rc == 0 && needs_tls(dial->shared) && !mysql_get_ssl_cipher(dial->my))
        return CV_E_TLS;
    return rc;
}

int cv__my_dial_now(const cv__my_dial *dial)
{
    set_options(dial);
    ERR_clear_error(); /* what an earlier call left on this thread would be taken for this one's */
    int rc = run(dial);
    ERR_clear_error();
    return rc;
}
