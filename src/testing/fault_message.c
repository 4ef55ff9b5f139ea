#include "testing/fault_message.h"

#include <string.h>

/* ---- PostgreSQL (its manual, 53.2) ----
 *
 * A client's first messages have no type; the answer to its request for TLS is one byte; all others have a type and a
 * length. */

enum { TLS_REQUEST = 80877103, GSS_REQUEST = 80877104 };

static uint32_t big_endian_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool look_at_start(const uint8_t *bytes, size_t len, cv__fault_message *message)
{
    if (len < 8)
        return false;
    uint32_t size = big_endian_at(bytes), code = big_endian_at(bytes + 4);
    if (size < 8)
        return true; /* not this protocol: bytes */
    message->type = code == TLS_REQUEST || code == GSS_REQUEST ? CV_FAULT_TYPE_TLS : CV_FAULT_TYPE_START;
    message->size = size;
    return true;
}

static bool look_at_typed(const uint8_t *bytes, size_t len, cv__fault_message *message)
{
    if (len < 5)
        return false;
    uint32_t size = big_endian_at(bytes + 1);
    if (size < 4)
        return true; /* not this protocol: bytes */
    message->type = (char)bytes[0];
    message->size = UINT64_C(1) + size;
    return true;
}

static bool look_postgres(const cv__fault_wire *wire, cv_fault_side side, const uint8_t *bytes, size_t len,
                          cv__fault_message *message)
{
    bool is_client = side == CV_FAULT_CLIENT;
    if (!is_client && wire->tls_asked && bytes[0] != 'E') { /* old servers answer with an error instead */
        *message = (cv__fault_message){CV_FAULT_TYPE_TLS, 1, bytes[0] == 'S' || bytes[0] == 'G'};
        return true;
    }
    return is_client && wire->client == CV__FAULT_START ? look_at_start(bytes, len, message)
                                                        : look_at_typed(bytes, len, message);
}

/* ---- MySQL (https://mariadb.com/kb/en/0-packet/ and the pages below it) ----
 *
 * Each message is a packet: three bytes of length, its number since the last command, and that many bytes. The server
 * begins with a greeting; the client's answer says what the connection can do; both are followed by what proves the
 * password, and then by commands. What is longer than a packet goes in several. */

enum { PACKET_HEAD = 4, PROTOCOL_VERSION = 10, CAN_COMPRESS = 0x20, CAN_TLS = 0x800, TLS_REQUEST_BYTES = 32 };

enum { ANSWER_OK = 0x00, ANSWER_END = 0xfe, ANSWER_ERROR = 0xff, END_MOST_BYTES = 9 };

enum {
    COMMAND_QUIT = 0x01,
    COMMAND_QUERY = 0x03,
    COMMAND_PING = 0x0e,
    COMMAND_PREPARE = 0x16,
    COMMAND_EXECUTE = 0x17,
    COMMAND_CLOSE = 0x19,
    COMMAND_RESET = 0x1f
};

static char command_type(uint8_t command)
{
    switch (command) {
    case COMMAND_QUERY:
        return 'Q';
    case COMMAND_PREPARE:
        return 'P';
    case COMMAND_EXECUTE:
        return 'E';
    case COMMAND_CLOSE:
        return 'C';
    case COMMAND_PING:
        return 'S';
    case COMMAND_RESET:
        return 'R';
    case COMMAND_QUIT:
        return 'X';
    default:
        return 'c';
    }
}

/* Of the server's packets the first that answers tells more: a row may begin like anything. */
static char answer_type(const cv__fault_wire *wire, uint8_t first, uint32_t size)
{
    if (first == ANSWER_ERROR)
        return 'E';
    if (first == ANSWER_END && size < END_MOST_BYTES)
        return 'Z';
    return first == ANSWER_OK && wire->asked ? 'K' : 'D';
}

/* The greeting, and the answer to it: a request for TLS is the answer without its rest. */
static bool look_at_greeting(cv_fault_side side, const uint8_t *bytes, uint32_t size, cv__fault_message *message)
{
    const uint8_t *said = bytes + PACKET_HEAD;
    bool refuses = side == CV_FAULT_SERVER && size > 0 && said[0] == ANSWER_ERROR;
    bool greets = side == CV_FAULT_SERVER && size > 0 && said[0] == PROTOCOL_VERSION;
    bool fits = side == CV_FAULT_CLIENT ? size >= TLS_REQUEST_BYTES : refuses || greets;
    if (!fits)
        return true; /* not this protocol: bytes */
    message->size = UINT64_C(4) + size;
    message->type = refuses ? 'E' : CV_FAULT_TYPE_START;
    if (side == CV_FAULT_SERVER)
        return true;
    unsigned can = said[0] | (unsigned)said[1] << 8;
    if (size == TLS_REQUEST_BYTES && (can & CAN_TLS))
        message->type = CV_FAULT_TYPE_TLS;
    message->opaque = message->type == CV_FAULT_TYPE_TLS || (can & CAN_COMPRESS);
    return true;
}

static bool look_mysql(const cv__fault_wire *wire, cv_fault_side side, const uint8_t *bytes, size_t len,
                       cv__fault_message *message)
{
    if (len < PACKET_HEAD)
        return false;
    uint32_t size = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    bool is_client = side == CV_FAULT_CLIENT;
    if (len < PACKET_HEAD + (size < 2 ? size : 2u))
        return false;
    if ((is_client ? wire->client : wire->server) == CV__FAULT_START)
        return look_at_greeting(side, bytes, size, message);
    message->size = UINT64_C(4) + size;
    if (size == 0)
        message->type = is_client ? 'd' : 'D';
    else if (is_client)
        message->type = bytes[3] == 0 ? command_type(bytes[PACKET_HEAD]) : 'd';
    else
        message->type = answer_type(wire, bytes[PACKET_HEAD], size);
    return true;
}

/* ---- */

static const cv__fault_protocol protocols[] = {
    {{"postgres", "postgresql"}, 5432, CV__FAULT_START, CV__FAULT_TYPED, look_postgres},
    {{"mysql", "mariadb"}, 3306, CV__FAULT_START, CV__FAULT_START, look_mysql},
    {{NULL, NULL}, 0, CV__FAULT_BYTES, CV__FAULT_BYTES, NULL},
};

const cv__fault_protocol *cv__fault_protocol_of(const char *scheme)
{
    const cv__fault_protocol *at = protocols;
    while (at->look && strcmp(at->schemes[0], scheme) != 0 && strcmp(at->schemes[1], scheme) != 0)
        at++;
    return at;
}

void cv__fault_wire_init(cv__fault_wire *wire, const cv__fault_protocol *protocol)
{
    *wire = (cv__fault_wire){.protocol = protocol, .client = protocol->client, .server = protocol->server};
}

bool cv__fault_look(const cv__fault_wire *wire, cv_fault_side side, const uint8_t *bytes, size_t len,
                    cv__fault_message *ret_message)
{
    cv__fault_message message = {0, len, false};
    cv__fault_phase phase = side == CV_FAULT_CLIENT ? wire->client : wire->server;
    if (len == 0)
        return false;
    if (phase != CV__FAULT_BYTES && !wire->protocol->look(wire, side, bytes, len, &message))
        return false;
    *ret_message = message;
    return len >= (message.size < CV__FAULT_LOOK_BYTES ? message.size : CV__FAULT_LOOK_BYTES);
}

void cv__fault_follow(cv__fault_wire *wire, cv_fault_side side, const cv__fault_message *message)
{
    bool is_client = side == CV_FAULT_CLIENT;
    if (message->type == CV_FAULT_TYPE_START)
        *(is_client ? &wire->client : &wire->server) = CV__FAULT_TYPED;
    if (message->type == CV_FAULT_TYPE_TLS)
        wire->tls_asked = is_client;
    wire->asked = is_client;
    if (message->opaque)
        wire->client = wire->server = CV__FAULT_BYTES;
}
