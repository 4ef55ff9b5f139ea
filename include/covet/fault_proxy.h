/* A bad network between a program and its server, on purpose: a proxy that delays, stalls, cuts or resets connections
 * at a message that the test chooses.
 *
 *     cv_fault_proxy *proxy;
 *     cv_fault_proxy_new(cx, "postgres://app@127.0.0.1/app", NULL, &proxy);
 *     cv_db_open(cx, cv_fault_proxy_url(proxy), NULL, &db);
 *     cv_fault_proxy_set(cx, proxy, &(cv_fault_rule){CV_FAULT_CUT, .from = CV_FAULT_SERVER, .type = 'D', .nth = 3}, 1);
 *
 * It understands the messages of PostgreSQL (postgres://) and of MariaDB and MySQL (mysql://, mariadb://); for other
 * servers, within TLS and in compressed connections each piece of bytes that arrives together counts as one. It works
 * in a thread of its own: it goes on while the code under test holds its loop, and costs that loop nothing. Its
 * functions are for the runtime that made it; docs/testing.md is the guide. */
#ifndef COVET_FAULT_PROXY_H
#define COVET_FAULT_PROXY_H

#include <covet/ctx.h>

CV_BEGIN_DECLS

typedef struct cv_fault_proxy cv_fault_proxy;

typedef enum cv_fault {
    CV_FAULT_NONE,     /* only counts: for cv_fault_proxy_wait */
    CV_FAULT_DELAY,    /* the message goes on delay_ms later, and what is behind it */
    CV_FAULT_STALL,    /* from the message on nothing goes on; the sockets stay open, as if the server were frozen */
    CV_FAULT_CUT,      /* instead of the message both sides see the end of the connection */
    CV_FAULT_RESET,    /* instead of the message both sides see a reset (TCP's RST) */
    CV_FAULT_THROTTLE, /* from the message on this direction of the connection has bytes_per_s */
    CV_FAULT_REFUSE    /* new connections are refused; has nothing to do with messages */
} cv_fault;

typedef enum cv_fault_side { CV_FAULT_EITHER, CV_FAULT_CLIENT, CV_FAULT_SERVER } cv_fault_side;

/* Types of messages. PostgreSQL's have their own ('Q', 'P', 'Z'...). MariaDB's packets: from clients 'Q' a query as
 * text, 'P' prepare, 'E' execute, 'C' close a statement, 'S' ping (a sign of life), 'R' reset the connection, 'X' quit,
 * 'c' other commands, 'd' what continues a command or a proof of the password; from servers 'K' OK, 'E' an error, 'Z'
 * an end of rows or columns, 'D' all others (columns, rows). And of both: */

/* What a connection begins with. PostgreSQL: the client's first message, after TLS was asked for or not; MariaDB: the
 * server's greeting, and the client's answer to it. */
#define CV_FAULT_TYPE_START '^'
/* The request for TLS; PostgreSQL: also the server's one byte about it. */
#define CV_FAULT_TYPE_TLS '~'

/* What happens to which messages. Counting begins anew with each cv_fault_proxy_set. Several rules that fit are obeyed
 * in their order. */
typedef struct cv_fault_rule {
    cv_fault fault;
    cv_fault_side from; /* whose messages */
    char type;          /* one of the above; 0: any */
    const char *text;   /* those that contain this in their first 4 KiB; NULL: any. Copied */
    size_t connection;  /* the n-th connection accepted since the rules were set; 0: all, also older ones */
    size_t nth;         /* the n-th message that fits all of this, counted over all connections; 0: each */
    bool halfway;       /* STALL, CUT, RESET: the first half of the message still goes out */
    bool one_way;       /* STALL: what comes the other way still goes on */
    int64_t delay_ms;
    int64_t bytes_per_s;
} cv_fault_rule;

/* All zero is a good choice. */
typedef struct cv_fault_proxy_options {
    const char *server_path; /* connect to this unix socket instead of the URL's host and port */
    const char
        *listen_path; /* listen at this unix socket instead of a free port of 127.0.0.1; it is made and removed */
} cv_fault_proxy_options;

/** Start a proxy without rules in front of the server of a URL, "postgres://..." or any other scheme with host and port
 *  ("tcp://127.0.0.1:6379"). The options are copied; NULL: none. Suspends. CV_E_SYNTAX, CV_E_INVALID (no port),
 *  CV_E_RESOLVE, CV_E_SYSTEM, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_fault_proxy_new(cv_ctx *cx, const char *url, const cv_fault_proxy_options *options,
                                         cv_fault_proxy **ret_proxy);
/** Close all connections and free it. Suspends. NULL is allowed. */
CV_API void cv_fault_proxy_free(cv_ctx *cx, cv_fault_proxy *proxy);

/** The URL with the proxy's host and port in place of the server's; with listen_path the URL as it was. Lives as long
 * as the proxy. */
CV_API const char *cv_fault_proxy_url(const cv_fault_proxy *proxy);
/** Where it listens on 127.0.0.1; 0 with listen_path. */
CV_API int cv_fault_proxy_port(const cv_fault_proxy *proxy);

/** Have these rules, at most 16, instead of those there were; none heals the network: what was stalled goes on.
 * Messages that are held are looked at again. When it returns, the rules are in force. Suspends. CV_E_INVALID,
 * CV_E_NOMEM, CV_E_TIMEOUT, CV_E_CANCELLED. */
CV_API CV_CHECKED int cv_fault_proxy_set(cv_ctx *cx, cv_fault_proxy *proxy, const cv_fault_rule *rules, size_t count);

/** Wait until the rule `index` of the present ones has taken effect `times` times (a rule with `nth` does so once).
 *  Suspends. CV_E_INVALID (no such rule), CV_E_STATE (other rules were set meanwhile), CV_E_TIMEOUT (the context's
 *  deadline, at most 60 s), CV_E_CANCELLED. */
CV_API CV_CHECKED int cv_fault_proxy_wait(cv_ctx *cx, cv_fault_proxy *proxy, size_t index, size_t times);

typedef struct cv_fault_proxy_stats {
    uint64_t connections, from_client, from_server; /* since it was made: accepted; messages passed on */
    uint64_t faults;                                /* times that the present rules have taken effect */
    size_t open, stalled;                           /* now: connections; directions in which something is held */
} cv_fault_proxy_stats;
/** Suspends. CV_E_TIMEOUT, CV_E_CANCELLED, CV_E_NOMEM. */
CV_API CV_CHECKED int cv_fault_proxy_get_stats(cv_ctx *cx, cv_fault_proxy *proxy, cv_fault_proxy_stats *ret_stats);

CV_END_DECLS

#endif
