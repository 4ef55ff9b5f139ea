/* Where the messages of a connection begin and end, and what they are. Knows neither sockets nor faults. */
#ifndef COVET_SRC_TESTING_FAULT_MESSAGE_H
#define COVET_SRC_TESTING_FAULT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How far a rule's text is looked for. */
enum { CV__FAULT_LOOK_BYTES = 4096 };

/** What comes next in a direction. PostgreSQL 53.2: a client's first messages have no type; the answer to its request
 * for TLS is one byte; all others have a type and a length. */
typedef enum cv__fault_phase {
    CV__FAULT_BYTES, /* no messages are known: another protocol, or TLS */
    CV__FAULT_START, /* client: start-up, cancel, or a request for encryption */
    CV__FAULT_TYPED
} cv__fault_phase;

typedef struct cv__fault_message {
    char type;     /* 0: bytes */
    uint64_t size; /* with type and length */
} cv__fault_message;

/** Look at what has come. False when more bytes are needed to say; what cannot be a message is bytes. `tls_answer`: the
 * server has been asked for encryption. */
bool cv__fault_look(cv__fault_phase phase, bool tls_answer, const uint8_t *bytes, size_t len,
                    cv__fault_message *ret_message);

#endif
