/* A descriptor that was handed over comes without FD_CLOEXEC; one that was taken has it. So nothing else has to be
 * remembered. */
#include "http/listener.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 3, MOST = 1024 };

static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return -1;
    long number = strtol(text, &end, 10);
    return *end ? -1 : number;
}

/* One behind the last descriptor that was handed over to this very process. */
static int end(void)
{
    long count = number_of("LISTEN_FDS");
    if (number_of("LISTEN_PID") != (long)getpid() || count < 1 || count > MOST)
        return FIRST;
    return FIRST + (int)count;
}

int cv__inherited_next(int *position)
{
    for (; FIRST + *position < end(); ++*position) {
        int flags = fcntl(FIRST + *position, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            return FIRST + (*position)++;
    }
    return -1;
}

bool cv__inherited_is_ours(int fd)
{
    const char *at = getenv("LISTEN_FDNAMES");
    if (!at || fd >= end())
        return false;
    for (int skip = fd - FIRST; skip > 0 && at; skip--)
        at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL;
    return at && strcspn(at, ":") == strlen(CV__HANDED_OVER) &&
           strncmp(at, CV__HANDED_OVER, strlen(CV__HANDED_OVER)) == 0;
}

void cv__inherited_take(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}
