/* For whom a proxy speaks: X-Forwarded-For, -Proto, -Host, or Forwarded (RFC 7239). */
#ifndef COVET_SRC_HTTP_FORWARDED_H
#define COVET_SRC_HTTP_FORWARDED_H

#include "http/networks.h"

/* What trusted proxies told. */
typedef struct cv__origin {
    cv__address client; /* the peer when nobody told better */
    cv_str scheme;      /* "http" or "https"; the NULL view when nobody told */
    cv_str host;        /* the NULL view when nobody told */
} cv__origin;

/** Whoever is the peer writes the rightmost entry of a header, who it names writes the one before it, as far as they
 * are trusted: the client is the rightmost address that is not. An entry that is no address ends the walk, the last
 * good one counts. Scheme and host are taken from the entry that names the client. Values are those of the headers,
 * joined; the NULL view when absent. The results are views into them. */
void cv__forwarded_read_x(const cv__address *peer, const cv__networks *trusted, cv_str addresses, cv_str schemes,
                          cv_str hosts, cv__origin *ret_origin);
void cv__forwarded_read(const cv__address *peer, const cv__networks *trusted, cv_str value, cv__origin *ret_origin);

#endif
