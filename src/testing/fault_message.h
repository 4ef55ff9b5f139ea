/* Where the messages of a connection begin and end, and what they are: one row of the table of protocols for each that
 * is known. Knows neither sockets nor faults. */
#ifndef COVET_SRC_TESTING_FAULT_MESSAGE_H
#define COVET_SRC_TESTING_FAULT_MESSAGE_H

#include <covet/fault_proxy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How far a rule's text is looked for. */
enum { CV__FAULT_LOOK_BYTES = 4096 };

/** What comes next in a direction. */
typedef enum cv__fault_phase {
    CV__FAULT_BYTES, /* no messages are known: another protocol, or TLS */
    CV__FAULT_START, /* what a connection begins with */
    CV__FAULT_TYPED
} cv__fault_phase;

typedef struct cv__fault_protocol cv__fault_protocol;

/** Where both directions of a connection are. */
typedef struct cv__fault_wire {
    const cv__fault_protocol *protocol;
    cv__fault_phase client, server; /* of their messages */
    bool tls_asked;                 /* the server's next byte is its answer */
    bool asked;                     /* the server has not begun to answer what the client said last */
} cv__fault_wire;

typedef struct cv__fault_message {
    char type;     /* 0: bytes */
    uint64_t size; /* of the whole */
    bool opaque;   /* behind it there are only bytes, both ways */
} cv__fault_message;

struct cv__fault_protocol {
    const char *schemes[2]; /* of URLs; NULL: none */
    int port;               /* of a URL without one; 0: it needs one */
    cv__fault_phase client, server;
    /** Look at `len` (> 0) bytes that are not those of CV__FAULT_BYTES: false when more are needed to say. What cannot
     *  be a message is left as it is: bytes. */
    bool (*look)(const cv__fault_wire *wire, cv_fault_side side, const uint8_t *bytes, size_t len,
                 cv__fault_message *message);
};

/** That of a URL's scheme; never NULL: others have no messages. Constant. */
const cv__fault_protocol *cv__fault_protocol_of(const char *scheme);

/** The beginning of a connection. */
void cv__fault_wire_init(cv__fault_wire *wire, const cv__fault_protocol *protocol);

/** Look at what has come from a side. False when more bytes are needed to say; what cannot be a message is bytes. */
bool cv__fault_look(const cv__fault_wire *wire, cv_fault_side side, const uint8_t *bytes, size_t len,
                    cv__fault_message *ret_message);

/** A message of a side goes on: what it says about those behind it. */
void cv__fault_follow(cv__fault_wire *wire, cv_fault_side side, const cv__fault_message *message);

#endif
