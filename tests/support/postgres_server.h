/* PostgreSQL for tests: databases on the shared test server (COVET_TEST_POSTGRES), and servers of a test's own, which
 * it may freeze and kill. Sessions of plain libpq watch what the code under test did. Whatever goes wrong in here fails
 * the present case. */
#ifndef COVET_TESTS_SUPPORT_POSTGRES_SERVER_H
#define COVET_TESTS_SUPPORT_POSTGRES_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

#define TEST_URL_BYTES 512

/** Make a database of the test's own on the shared server and write its URL; the name is made unique. False when
 *  COVET_TEST_POSTGRES is not set: skip then. */
bool test_database_create(const char *name, char url[TEST_URL_BYTES]);
void test_database_drop(const char *url);

/** A session that knows nothing of the code under test. */
PGconn *test_session_open(const char *url);

/** Run statements; the first cell of the last result, "" without rows. Valid until the next call. */
const char *test_session_run(PGconn *session, const char *sql);

typedef struct test_server {
    char folder[128]; /* "data", "sock" and "log" lie here */
    char bin[128];
    int port;
} test_server;

/** Create a cluster in a temporary folder and start it; the user "app" needs no password, all others need SCRAM. False
 *  when PostgreSQL is not installed. */
bool test_server_create(test_server *server);
/** Kill what runs and remove the folder. An all-zero server is allowed. */
void test_server_destroy(test_server *server);

void test_server_start(test_server *server);
/** Start one that will not let anybody in, such as a replica with hot_standby off; wait until it refuses. */
void test_server_start_closed(test_server *server);
/** Stop it in order; its port stays its own. */
void test_server_stop(test_server *server);

/** Write a file of the cluster: "postgresql.auto.conf" for settings, "pg_hba.conf", "server.key"; readable by the
 *  server's user alone. Most settings need test_server_reload or a stop and a start. */
void test_server_write(const test_server *server, const char *name, const char *text);
/** Have it read its settings again, and wait until it has. */
void test_server_reload(test_server *server);

/** Create and start a replica of a running server. */
void test_server_replicate(const test_server *primary, test_server *replica);
/** Make a replica a primary. */
void test_server_promote(test_server *replica);

/** Kill the server and all its processes as a power cut would. */
void test_server_kill(test_server *server);
/** Stop (SIGSTOP) and continue all its processes: connections stay, nothing answers. */
void test_server_freeze(test_server *server);
void test_server_thaw(test_server *server);

/** "postgres://USER@127.0.0.1:PORT/app" */
void test_server_url(const test_server *server, const char *user, char url[TEST_URL_BYTES]);

#endif
