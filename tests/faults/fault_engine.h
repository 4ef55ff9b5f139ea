/* The engines that the cases of faults run on: how each server is reached, started, killed and frozen, and the words of
 * its language where they differ. A new engine is a new table; the cases are the same.
 *
 * The program's argument chooses ("mariadb"); without one it is PostgreSQL. Whatever goes wrong in here fails the
 * present case. */
#ifndef COVET_TESTS_FAULTS_FAULT_ENGINE_H
#define COVET_TESTS_FAULTS_FAULT_ENGINE_H

#include "mariadb_server.h"
#include "postgres_server.h"

#include <covet/fault_proxy.h>
#include <stdbool.h>

#define FAULT_URL_BYTES 512

/* An integer of 64 bits, back as it came. */
#define FAULT_ECHO "SELECT COALESCE(?, 9223372036854775807)"

/* A server of a test's own: that of the engine in use. */
typedef union fault_server {
    test_server postgres;
    test_mariadb mariadb;
} fault_server;

typedef struct fault_engine {
    const char *name;

    /* On the shared server: a database of the test's own; false: skip. */
    bool (*create)(const char *name, char url[FAULT_URL_BYTES]);
    void (*drop)(const char *url);
    /* An account that may have `FAULT_FEW` connections to the database at `url`. */
    void (*create_few)(const char *url, char ret_url[FAULT_URL_BYTES]);
    void (*drop_few)(const char *url);

    /* A session that knows nothing of the code under test; run gives the first cell of the last result, valid until the
     * next call. */
    void *(*open)(const char *url);
    void *(*try_open)(const char *url); /* NULL: refused */
    const char *(*run)(void *session, const char *sql);
    void (*close)(void *session);
    /* End all others in the session's database; they are gone when it returns. */
    void (*end_others)(void *session);

    /* A server of its own, with further settings, in the form of its files; false: skip. */
    bool (*server_create)(fault_server *server, const char *settings);
    void (*server_destroy)(fault_server *server);
    void (*server_start)(fault_server *server);
    void (*server_stop)(fault_server *server);
    void (*server_kill)(fault_server *server);
    void (*server_freeze)(fault_server *server);
    void (*server_thaw)(fault_server *server);
    void (*server_url)(const fault_server *server, char url[FAULT_URL_BYTES]);
    /* A table full_notes (id int, text text), whose rows of some KiB lie in a folder that belongs to its user. */
    void (*server_small_space)(const fault_server *server, const char *folder);

    /* Words. */
    const char *set_something; /* a simple statement: of the session */
    const char *series[2];     /* a table n of the numbers n from 1 to what is written between them */
    const char *sleep_long, *sleep_shortly;
    const char *count_few;   /* the connections of the account that may have few */
    const char *wait_little; /* in a transaction: for locks, some seconds at most */
    cv_fault_rule sleep;     /* which message has sleep_long run */
    cv_fault_rule life;      /* which belongs to the pool's question whether a connection is alive */

    const char *huge_rows; /* settings of a server of its own */
} fault_engine;

/* Connections of an account that may have few; more than a server of its own allows. */
enum { FAULT_FEW = 3, FAULT_MANY = 64 };

/** Read the program's arguments. */
void fault_engine_choose(int argc, char **argv);
const fault_engine *fault_engine_used(void);

#endif
