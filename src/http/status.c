#include <covet/http.h>

const char *cv_method_name(cv_method method)
{
    switch (method) {
    case CV_GET:
        return "GET";
    case CV_HEAD:
        return "HEAD";
    case CV_POST:
        return "POST";
    case CV_PUT:
        return "PUT";
    case CV_PATCH:
        return "PATCH";
    case CV_DELETE:
        return "DELETE";
    case CV_OPTIONS:
        return "OPTIONS";
    }
    return "?";
}

/* What the client can mend is a 4xx; what may work next time without a change is 503; all else is ours. */
int cv_http_status(int error_code)
{
    switch (error_code) {
    case CV_E_BAD_REQUEST:
    case CV_E_SYNTAX:
        return 400;
    case CV_E_UNAUTHORIZED:
        return 401;
    case CV_E_FORBIDDEN:
        return 403;
    case CV_E_NOT_FOUND:
        return 404;
    case CV_E_METHOD:
        return 405;
    case CV_E_EXISTS:
    case CV_E_UNIQUE:
    case CV_E_FOREIGN_KEY:
        return 409;
    case CV_E_TOO_LARGE:
        return 413;
    case CV_E_MEDIA_TYPE:
        return 415;
    case CV_E_VALIDATION:
    case CV_E_NOT_NULL:
    case CV_E_CHECK:
        return 422;
    case CV_E_TIMEOUT:
    case CV_E_CANCELLED:
    case CV_E_BUSY:
    case CV_E_LOCKED:
    case CV_E_TOO_MANY_CONNECTIONS:
    case CV_E_POOL_TIMEOUT:
    case CV_E_OVERLOADED:
    case CV_E_CIRCUIT_OPEN:
    case CV_E_LOAN_REVOKED:
    case CV_E_SERIALIZATION:
    case CV_E_DEADLOCK:
    case CV_E_RETRY_BUDGET:
    case CV_E_CONNECTION_LOST:
    case CV_E_REFUSED:
    case CV_E_UNREACHABLE:
    case CV_E_NO_SERVER:
        return 503;
    default:
        return 500;
    }
}

typedef struct reason {
    int status;
    const char *text;
} reason;

static const reason reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *cv_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}
