/* Addresses and sets of them: who counts as a trusted proxy. Nothing here suspends. */
#ifndef COVET_SRC_HTTP_NETWORKS_H
#define COVET_SRC_HTTP_NETWORKS_H

#include <covet/ctx.h>
#include <covet/str.h>
#include <netinet/in.h>

/* An address as it is compared: IPv4 as IPv4-mapped IPv6, so that one form serves for both. */
typedef struct cv__address {
    uint8_t bytes[16];
    bool is_unix; /* a peer on a unix socket; `bytes` are zero */
} cv__address;

enum { CV__ADDRESS_TEXT_BYTES = INET6_ADDRSTRLEN };

/** The address of a socket: AF_INET, AF_INET6, AF_UNIX; anything else counts as unix, which no range contains. */
cv__address cv__address_of(const struct sockaddr_storage *address);

/** Parse a literal address: "192.0.2.1", "2001:db8::1"; with `with_port` also "192.0.2.1:80", "[2001:db8::1]" and
 *  "[2001:db8::1]:80". Zones ("fe80::1%eth0") and anything else are not addresses: false, `*ret_address` untouched. */
CV_CHECKED bool cv__address_parse(cv_str text, bool with_port, cv__address *ret_address);

/** "192.0.2.1" (also for the mapped form), "2001:db8::1", "unix". Returns `text`. */
const char *cv__address_text(const cv__address *address, char text[CV__ADDRESS_TEXT_BYTES]);

/* A set of networks, read-only once parsed: any thread may ask it. */
typedef struct cv__networks cv__networks;

/** Parse a list that ends with NULL: "10.0.0.0/8", "2001:db8::/32", single addresses, "unix" (peers on unix sockets). A
 *  NULL or empty list gives NULL, which contains nobody. CV_E_INVALID for what is none of these or has bits set behind
 *  the prefix, with a story; CV_E_NOMEM. Free with cv__networks_free. */
CV_CHECKED int cv__networks_parse(cv_ctx *cx, const char *const *list, cv__networks **ret_networks);
void cv__networks_free(cv__networks *networks);

/** Whether the address is in one of the networks; NULL has none. */
bool cv__networks_contain(const cv__networks *networks, const cv__address *address);

#endif
