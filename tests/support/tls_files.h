/* Keys and certificates for tests of TLS, made by the openssl program in a temporary folder.
 *
 *     ca.crt, other-ca.crt         two authorities
 *     server.{crt,key}             for "localhost", signed by ca
 *     elsewhere.{crt,key}          for "db.example.com"
 *     expired.{crt,key}            for "localhost", no longer valid
 *     client.{crt,key}             for the user "app"
 *     locked.key                   the key of client, encrypted: "open sesame"
 *     stranger.{crt,key}           for the user "app", signed by other-ca
 *     revoked.crl                  of ca: server.crt is revoked */
#ifndef COVET_TESTS_SUPPORT_TLS_FILES_H
#define COVET_TESTS_SUPPORT_TLS_FILES_H

#include <stdbool.h>

typedef struct test_tls {
    char folder[64];
} test_tls;

/** Make them all. False when there is no openssl program: skip then. */
bool test_tls_create(test_tls *tls);
void test_tls_destroy(test_tls *tls);

/** The text of one of the files; until the next call. */
const char *test_tls_read(const test_tls *tls, const char *name);

#endif
