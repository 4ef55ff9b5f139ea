#include "rt/wait.h"

#include <stdio.h>

static int code_of(int uv_error)
{
    switch (uv_error) {
    case UV_ENOMEM:
        return CV_E_NOMEM;
    case UV_EMFILE:
    case UV_ENFILE:
        return CV_E_LIMIT;
    case UV_EINVAL:
        return CV_E_INVALID;
    case UV_ENOENT:
        return CV_E_NOT_FOUND;
    case UV_EEXIST:
        return CV_E_EXISTS;
    case UV_EACCES:
    case UV_EPERM:
    case UV_EROFS:
        return CV_E_PERMISSION;
    case UV_ENOSPC:
        return CV_E_DISK_FULL;
    case UV_EIO:
        return CV_E_IO;
    case UV_EADDRINUSE:
        return CV_E_ADDRESS_IN_USE;
    case UV_ECONNREFUSED:
        return CV_E_REFUSED;
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH:
    case UV_ENETDOWN:
    case UV_ETIMEDOUT: /* the system gave up; CV_E_TIMEOUT is for deadlines of ours */
        return CV_E_UNREACHABLE;
    case UV_ECONNRESET:
    case UV_ECONNABORTED:
    case UV_ENOTCONN:
    case UV_EPIPE:
        return CV_E_CONNECTION_LOST;
    case UV_EOF:
        return CV_E_END;
    case UV_ECANCELED:
        return CV_E_CANCELLED;
    default:
        return CV_E_SYSTEM;
    }
}

int cv__fail_uv(cv_ctx *cx, int uv_error, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return cv_fail(cx, code_of(uv_error), "could not %s: %s", what, uv_strerror(uv_error));
}
