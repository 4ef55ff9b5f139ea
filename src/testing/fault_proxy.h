/* The inside of the fault proxy: fault_proxy.c has its life, its rules and its door, fault_flow.c what passes through a
 * connection, fault_message.c where messages begin and end.
 *
 * Everything but the life belongs to the thread of the proxy, which is a worker (covet/workers.h); others ask it. A
 * connection has two flows, each with a fiber: up carries the client's bytes, down the server's. */
#ifndef COVET_SRC_TESTING_FAULT_PROXY_H
#define COVET_SRC_TESTING_FAULT_PROXY_H

#include "rt/wait.h"
#include "testing/fault_message.h"
#include <covet/fault_proxy.h>
#include <covet/sync.h>
#include <covet/workers.h>
#include <sys/socket.h>

enum { CV__FAULT_RULES = 16, CV__FAULT_BUFFER_BYTES = 32 * 1024 };

/* A rule in force. */
typedef struct cv__fault_rule {
    cv_fault_rule said; /* the text is owned */
    size_t seen, fired; /* messages that fit; that it took effect on */
} cv__fault_rule;

struct cv_fault_proxy {
    cv_workers *workers;
    char *url;
    int port;

    /* Set before the thread starts. */
    char *host;
    char *server_path, *listen_path; /* NULL: TCP */
    int server_port;
    const cv__fault_protocol *protocol;

    /* Of the proxy's thread. */
    struct sockaddr_storage server;
    socklen_t server_length;
    int listener, keeper; /* -1: closed */
    bool refusing;
    cv__fault_rule rules[CV__FAULT_RULES];
    size_t rule_count;
    uint64_t generation; /* of the rules */
    size_t accepted;     /* since they were set */
    cv_cond changed;     /* they were set, or one has taken effect */
    cv_link connections;
    cv_fault_proxy_stats stats; /* but for what is counted when asked */
};

typedef struct cv__fault_flow cv__fault_flow;
typedef struct cv__fault_conn cv__fault_conn;

/* A socket of a connection. */
typedef struct cv__fault_socket {
    uv_poll_t poll;
    cv__fault_conn *conn;
    int fd, started; /* for these events */
    cv__waiter *reader, *writer;
    int reader_events;
    bool gone; /* the peer has closed */
} cv__fault_socket;

struct cv__fault_flow {
    cv__fault_conn *conn;
    cv__fault_socket *from, *to;
    cv_fault_side side;
    cv__waiter *pause; /* while it waits for something else than bytes */
    bool stalled;      /* nothing goes on */
    bool holding;      /* and something would */
    int64_t rate;      /* bytes a second; 0: no limit */
    uint64_t left;     /* bytes of a message that go on without being looked at */
    size_t len;        /* bytes in the buffer */
    size_t passed;     /* those at its beginning that go on */
    uint8_t buffer[CV__FAULT_BUFFER_BYTES];
};

typedef enum cv__fault_end { CV__FAULT_OPEN, CV__FAULT_CLOSED, CV__FAULT_WAS_CUT, CV__FAULT_WAS_RESET } cv__fault_end;

struct cv__fault_conn {
    cv_link link;
    cv_fault_proxy *proxy;
    uint64_t generation; /* of the rules when it was accepted */
    size_t number;       /* among those accepted since */
    cv__fault_end end;
    cv__fault_wire wire;
    unsigned handles, flows; /* open sockets; flows that have not ended */
    cv__fault_socket client, server;
    cv__fault_flow up, down;
};

/** Serve an accepted connection in a new fiber, which owns `fd`. Closed when there is no memory. */
void cv__fault_serve(cv_ctx *cx, cv_fault_proxy *proxy, int fd);

/** The rules have changed: what is held goes on, or is judged anew. */
void cv__fault_wake_all(cv_fault_proxy *proxy);

/** Judge a message by a rule: whether it takes effect now. Counts. */
bool cv__fault_fires(cv__fault_rule *rule, const cv__fault_flow *flow, const cv__fault_message *message,
                     const uint8_t *bytes);

#endif
