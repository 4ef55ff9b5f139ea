/* Which server: the hosts of a database in turn, the addresses of each in turn.
 *
 * Every attempt has its share of the time that is left, so that one that does not answer leaves time for the others;
 * such a host is tried last for a while. */
#ifndef COVET_SRC_DB_SERVER_HOSTS_H
#define COVET_SRC_DB_SERVER_HOSTS_H

#include <covet/ctx.h>
#include <covet/url.h>

/** One of the hosts of a database. */
typedef struct cv__db_host {
    const char *name; /* a name, an address, or, with a slash at its beginning, a socket or its folder */
    int port;
    const char *place;       /* for messages: "127.0.0.1:3306" */
    int64_t silent_since_ns; /* it did not answer in time: for a while it is tried after the others; 0: it did */
} cv__db_host;

/** What a URL says of `count` hosts, one at least, in `arena`: without a name 127.0.0.1, without a port the engine's.
 *  `socket` is what the path of a socket has between its folder, which is then the host's name, and the port; NULL: the
 *  name is the whole path. NULL without memory. */
cv__db_host *cv__hosts_make(cv_arena *arena, const cv_url_host *given, size_t count, int default_port,
                            const char *socket);

/** For messages: all of them, in `arena`; NULL without memory. */
const char *cv__hosts_place(cv_arena *arena, const cv__db_host *hosts, size_t count);

/** Try one host or one address. `*ret_final` says that after this failure no other would help. */
typedef int cv__try_host_fn(cv_ctx *cx, void *arg, size_t host, bool *ret_final);
typedef int cv__try_address_fn(cv_ctx *cx, void *arg, const char *address, bool *ret_final);

/** Call `attempt` for the hosts in turn, or in a random order, until one succeeds or it is final. The code of the last
 *  attempt, with the stories of those before as causes. CV_E_RESOLVE without hosts. Suspends as `attempt` does. */
CV_CHECKED int cv__hosts_in_turn(cv_ctx *cx, cv__db_host *hosts, size_t count, bool any_order, cv__try_host_fn *attempt,
                                 void *arg, bool *ret_final);

/** Resolve a name off the loop and call `attempt` for its addresses, as numbers, until one succeeds or it is final.
 *  CV_E_RESOLVE, and what `attempt` gives. Suspends. */
CV_CHECKED int cv__addresses_in_turn(cv_ctx *cx, const char *name, int port, cv__try_address_fn *attempt, void *arg,
                                     bool *ret_final);

#endif
