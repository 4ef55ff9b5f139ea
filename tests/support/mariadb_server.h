/* MariaDB for tests: databases on the shared test server (COVET_TEST_MARIADB), and servers of a test's own, which it
 * may freeze and kill. Sessions of the plain client library watch what the code under test did. Whatever goes wrong in
 * here fails the present case. */
#ifndef COVET_TESTS_SUPPORT_MARIADB_SERVER_H
#define COVET_TESTS_SUPPORT_MARIADB_SERVER_H

#include "server_process.h"

#include <mysql.h>
#include <stdbool.h>
#include <sys/types.h>

#define TEST_MARIADB_URL_BYTES 512

/** Make a database of the test's own on the shared server, of the user "app", and write its URL; the name is made
 *  unique. False when COVET_TEST_MARIADB is not set: skip then. */
bool test_mariadb_create(const char *name, char url[TEST_MARIADB_URL_BYTES]);
void test_mariadb_drop(const char *url);

/** A session that knows nothing of the code under test. The URL is as the functions here and tools/servers write it:
 *  mysql://USER:PASSWORD@127.0.0.1:PORT/DATABASE */
MYSQL *test_mariadb_open(const char *url);
/** The same; NULL when the server refuses. */
MYSQL *test_mariadb_try_open(const char *url);
/** One of the user "admin", who may do everything, on the shared server. */
MYSQL *test_mariadb_admin(void);
/** Run one statement; the first cell of the result, "" without rows. Valid until the next call. */
const char *test_mariadb_run(MYSQL *session, const char *sql);
void test_mariadb_close(MYSQL *session);
/** Kill all other sessions that are in a database, and wait until they are gone. */
void test_mariadb_end_sessions(MYSQL *session, const char *database);

typedef struct test_mariadb {
    char folder[TEST_FOLDER_BYTES]; /* "data", "tmp", "sock", "pid" and "error.log" lie here */
    char program[128];
    int port;
    int number;
    pid_t pid; /* 0: it does not run */
} test_mariadb;

/** Create a server in a temporary folder and start it; users "app" (password "app", for the database "app") and "admin"
 *  (password "admin", for everything). False when MariaDB is not installed. */
bool test_mariadb_server_create(test_mariadb *server);
/** Kill what runs and remove the folder. An all-zero server is allowed. */
void test_mariadb_server_destroy(test_mariadb *server);

/** Start it and wait until it answers. */
void test_mariadb_server_start(test_mariadb *server);
/** Stop it in order; its port stays its own. */
void test_mariadb_server_stop(test_mariadb *server);

/** Write a file of the folder, readable by the server's user alone: "extra.cnf" holds further settings ("[mariadbd]"
 *  and lines), read when it starts; keys and certificates. */
void test_mariadb_server_write(const test_mariadb *server, const char *name, const char *text);

/** Kill the server as a power cut would. */
void test_mariadb_server_kill(test_mariadb *server);
/** Stop (SIGSTOP) and continue it: connections stay, nothing answers. */
void test_mariadb_server_freeze(const test_mariadb *server);
void test_mariadb_server_thaw(const test_mariadb *server);

/** "mysql://USER:USER@127.0.0.1:PORT/app" */
void test_mariadb_server_url(const test_mariadb *server, const char *user, char url[TEST_MARIADB_URL_BYTES]);

#endif
