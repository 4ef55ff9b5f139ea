/* The greeting of a server (https://mariadb.com/kb/en/connection/): whether it offers TLS.
 *
 * Connector/C takes a server without TLS even when TLS is required, unless it also checks the server's name, and sends
 * the proof of the password. So the greeting is looked at before the library reads it. */
#include "db/mariadb/connect.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { PACKET_HEAD = 4, GREETING_VERSION = 10, NUMBER_AND_SALT = 4 + 8 + 1, CAN_TLS = 0x800, LOOK_BYTES = 512 };

/* Protocol, version as a text, number of the connection, salt, capabilities... */
static cv__my_greeting read_greeting(const unsigned char *bytes, size_t len)
{
    if (len < PACKET_HEAD + 1)
        return CV__MY_GREETING_PART;
    if (bytes[PACKET_HEAD] != GREETING_VERSION)
        return CV__MY_GREETING_NONE; /* an error, or not this protocol */
    const unsigned char *version = bytes + PACKET_HEAD + 1;
    size_t left = len - PACKET_HEAD - 1;
    const unsigned char *end = memchr(version, 0, left);
    size_t at = end ? (size_t)(end - version) + 1 + NUMBER_AND_SALT : 0;
    if (!end || left < at + 2)
        return len < LOOK_BYTES ? CV__MY_GREETING_PART : CV__MY_GREETING_NONE;
    return (version[at] | (unsigned)version[at + 1] << 8) & CAN_TLS ? CV__MY_GREETING_TLS : CV__MY_GREETING_PLAIN;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

cv__my_greeting cv__my_await_greeting(int fd, int64_t limit_ms)
{
    unsigned char bytes[LOOK_BYTES];
    struct pollfd socket = {.fd = fd, .events = POLLIN};
    for (int64_t end_ms = now_ms() + limit_ms;;) {
        int64_t left_ms = end_ms - now_ms();
        int count = left_ms > 0 ? poll(&socket, 1, (int)left_ms) : 0;
        if (count == 0)
            return CV__MY_GREETING_LATE;
        if (count < 0 || (socket.revents & POLLERR))
            return CV__MY_GREETING_NONE; /* the error is left for the library */
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
        cv__my_greeting is = got > 0 ? read_greeting(bytes, (size_t)got) : CV__MY_GREETING_NONE;
        if (is != CV__MY_GREETING_PART || (socket.revents & POLLHUP))
            return is;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the rest comes soon */
    }
}
