#include "testing/fault_message.h"

#include <covet/fault_proxy.h>

enum { TLS_REQUEST = 80877103, GSS_REQUEST = 80877104 };

static uint32_t number_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool look_at_start(const uint8_t *bytes, size_t len, cv__fault_message *ret_message)
{
    if (len < 8)
        return false;
    uint32_t size = number_at(bytes), code = number_at(bytes + 4);
    if (size < 8)
        return true; /* not this protocol: bytes */
    bool encryption = code == TLS_REQUEST || code == GSS_REQUEST;
    *ret_message = (cv__fault_message){encryption ? CV_FAULT_TYPE_TLS : CV_FAULT_TYPE_START, size};
    return true;
}

static bool look_at_typed(const uint8_t *bytes, size_t len, cv__fault_message *ret_message)
{
    if (len < 5)
        return false;
    uint32_t size = number_at(bytes + 1);
    if (size < 4)
        return true; /* not this protocol: bytes */
    *ret_message = (cv__fault_message){(char)bytes[0], UINT64_C(1) + size};
    return true;
}

bool cv__fault_look(cv__fault_phase phase, bool tls_answer, const uint8_t *bytes, size_t len,
                    cv__fault_message *ret_message)
{
    cv__fault_message message = {0, len};
    if (len == 0)
        return false;
    if (tls_answer && bytes[0] != 'E') /* old servers answer with an error instead */
        message = (cv__fault_message){CV_FAULT_TYPE_TLS, 1};
    else if ((phase == CV__FAULT_START && !look_at_start(bytes, len, &message)) ||
             (phase == CV__FAULT_TYPED && !look_at_typed(bytes, len, &message)))
        return false;
    *ret_message = message;
    return len >= (message.size < CV__FAULT_LOOK_BYTES ? message.size : CV__FAULT_LOOK_BYTES);
}
