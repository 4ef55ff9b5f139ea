#include "fault_engine.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

/* "scheme://USER@REST" with another user. */
static void url_of_user(const char *url, const char *scheme, const char *user, char ret_url[FAULT_URL_BYTES])
{
    snprintf(ret_url, FAULT_URL_BYTES, "%s://%s%s", scheme, user, strchr(url, '@'));
}

/* ---- PostgreSQL ---- */

static void *postgres_open(const char *url)
{
    return test_session_open(url);
}

static void *postgres_try_open(const char *url)
{
    PGconn *session = PQconnectdb(url);
    if (PQstatus(session) == CONNECTION_OK)
        return session;
    PQfinish(session);
    return NULL;
}

static const char *postgres_run(void *session, const char *sql)
{
    return test_session_run(session, sql);
}

static void postgres_close(void *session)
{
    PQfinish(session);
}

static void postgres_end_others(void *session)
{
    test_session_run(session, "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE pid <> "
                              "pg_backend_pid() AND datname = current_database()");
}

static void postgres_create_few(const char *url, char ret_url[FAULT_URL_BYTES])
{
    PGconn *session = test_session_open(url);
    test_session_run(session, "DROP ROLE IF EXISTS fault_few; CREATE ROLE fault_few LOGIN CONNECTION LIMIT 3");
    PQfinish(session);
    url_of_user(url, "postgres", "fault_few", ret_url);
}

static void postgres_drop_few(const char *url)
{
    PGconn *session = test_session_open(url);
    test_session_run(session, "DROP ROLE fault_few");
    PQfinish(session);
}

static bool postgres_server_create(fault_server *server, const char *settings)
{
    if (!test_server_create(&server->postgres))
        return false;
    if (*settings) {
        test_server_stop(&server->postgres);
        test_server_write(&server->postgres, "postgresql.auto.conf", settings);
        test_server_start(&server->postgres);
    }
    return true;
}

static void postgres_server_destroy(fault_server *server)
{
    test_server_destroy(&server->postgres);
}

static void postgres_server_start(fault_server *server)
{
    test_server_start(&server->postgres);
}

static void postgres_server_stop(fault_server *server)
{
    test_server_stop(&server->postgres);
}

static void postgres_server_kill(fault_server *server)
{
    test_server_kill(&server->postgres);
}

static void postgres_server_freeze(fault_server *server)
{
    test_server_freeze(&server->postgres);
}

static void postgres_server_thaw(fault_server *server)
{
    test_server_thaw(&server->postgres);
}

static void postgres_server_url(const fault_server *server, char url[FAULT_URL_BYTES])
{
    test_server_url(&server->postgres, "app", url);
}

static void postgres_server_small_space(const fault_server *server, const char *folder)
{
    char url[FAULT_URL_BYTES], sql[256];
    postgres_server_url(server, url);
    PGconn *session = test_session_open(url);
    snprintf(sql, sizeof sql, "CREATE TABLESPACE small LOCATION '%s'", folder);
    test_session_run(session, sql);
    test_session_run(session, "CREATE TABLE full_notes (id int, text text) TABLESPACE small;"
                              "ALTER TABLE full_notes ALTER text SET STORAGE PLAIN");
    PQfinish(session);
}

static const fault_engine postgres = {
    .name = "postgres",
    .create = test_database_create,
    .drop = test_database_drop,
    .create_few = postgres_create_few,
    .drop_few = postgres_drop_few,
    .open = postgres_open,
    .try_open = postgres_try_open,
    .run = postgres_run,
    .close = postgres_close,
    .end_others = postgres_end_others,
    .server_create = postgres_server_create,
    .server_destroy = postgres_server_destroy,
    .server_start = postgres_server_start,
    .server_stop = postgres_server_stop,
    .server_kill = postgres_server_kill,
    .server_freeze = postgres_server_freeze,
    .server_thaw = postgres_server_thaw,
    .server_url = postgres_server_url,
    .server_small_space = postgres_server_small_space,
    .set_something = "SET application_name = 'cut'",
    .series = {"generate_series(1, ", ") n"},
    .sleep_long = "SELECT pg_sleep(1000)",
    .sleep_shortly = "SELECT pg_sleep(0.02)",
    .count_few = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'fault_few'",
    .wait_little = "SET LOCAL lock_timeout = '1s'",
    .sleep = {.from = CV_FAULT_CLIENT, .text = "pg_sleep"},
    .life = {.from = CV_FAULT_SERVER, .type = 'I'}, /* the answer to an empty query */
    .huge_rows = "",
};

/* ---- MariaDB ---- */

static void *mariadb_open(const char *url)
{
    return test_mariadb_open(url);
}

static void *mariadb_try_open(const char *url)
{
    return test_mariadb_try_open(url);
}

static const char *mariadb_run(void *session, const char *sql)
{
    return test_mariadb_run(session, sql);
}

static void mariadb_close(void *session)
{
    test_mariadb_close(session);
}

static void mariadb_end_others(void *session)
{
    char database[128];
    snprintf(database, sizeof database, "%s", test_mariadb_run(session, "SELECT DATABASE()"));
    test_mariadb_end_sessions(session, database);
}

static void mariadb_create_few(const char *url, char ret_url[FAULT_URL_BYTES])
{
    char sql[256];
    MYSQL *session = test_mariadb_admin();
    snprintf(sql, sizeof sql,
             "CREATE OR REPLACE USER fault_few IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 3;"
             "GRANT ALL ON `%s`.* TO fault_few",
             strrchr(url, '/') + 1);
    test_mariadb_run(session, sql);
    test_mariadb_close(session);
    url_of_user(url, "mysql", "fault_few:few", ret_url);
}

static void mariadb_drop_few(const char *url)
{
    (void)url;
    MYSQL *session = test_mariadb_admin();
    test_mariadb_run(session, "DROP USER fault_few");
    test_mariadb_close(session);
}

static bool mariadb_server_create(fault_server *server, const char *settings)
{
    if (!test_mariadb_server_create(&server->mariadb))
        return false;
    if (*settings) {
        test_mariadb_server_stop(&server->mariadb);
        test_mariadb_server_write(&server->mariadb, "extra.cnf", settings);
        test_mariadb_server_start(&server->mariadb);
    }
    return true;
}

static void mariadb_server_destroy(fault_server *server)
{
    test_mariadb_server_destroy(&server->mariadb);
}

static void mariadb_server_start(fault_server *server)
{
    test_mariadb_server_start(&server->mariadb);
}

static void mariadb_server_stop(fault_server *server)
{
    test_mariadb_server_stop(&server->mariadb);
}

static void mariadb_server_kill(fault_server *server)
{
    test_mariadb_server_kill(&server->mariadb);
}

static void mariadb_server_freeze(fault_server *server)
{
    test_mariadb_server_freeze(&server->mariadb);
}

static void mariadb_server_thaw(fault_server *server)
{
    test_mariadb_server_thaw(&server->mariadb);
}

static void mariadb_server_url(const fault_server *server, char url[FAULT_URL_BYTES])
{
    test_mariadb_server_url(&server->mariadb, "app", url);
}

static void mariadb_server_small_space(const fault_server *server, const char *folder)
{
    char url[FAULT_URL_BYTES], sql[256];
    test_mariadb_server_url(&server->mariadb, "admin", url);
    MYSQL *session = test_mariadb_open(url);
    snprintf(sql, sizeof sql, "CREATE TABLE full_notes (id int, text text) DATA DIRECTORY = '%s'", folder);
    test_mariadb_run(session, sql);
    test_mariadb_close(session);
}

static const fault_engine mariadb = {
    .name = "mariadb",
    .create = test_mariadb_create,
    .drop = test_mariadb_drop,
    .create_few = mariadb_create_few,
    .drop_few = mariadb_drop_few,
    .open = mariadb_open,
    .try_open = mariadb_try_open,
    .run = mariadb_run,
    .close = mariadb_close,
    .end_others = mariadb_end_others,
    .server_create = mariadb_server_create,
    .server_destroy = mariadb_server_destroy,
    .server_start = mariadb_server_start,
    .server_stop = mariadb_server_stop,
    .server_kill = mariadb_server_kill,
    .server_freeze = mariadb_server_freeze,
    .server_thaw = mariadb_server_thaw,
    .server_url = mariadb_server_url,
    .server_small_space = mariadb_server_small_space,
    .set_something = "SET @cut = 1",
    .series = {"(SELECT seq AS n FROM seq_1_to_", ") n"},
    .sleep_long = "SELECT SLEEP(1000)",
    .sleep_shortly = "SELECT SLEEP(0.02)",
    .count_few = "SELECT count(*) FROM information_schema.processlist WHERE user = 'fault_few'",
    .wait_little = "SET innodb_lock_wait_timeout = 1",
    .sleep = {.from = CV_FAULT_CLIENT, .type = 'E'},
    .life = {.from = CV_FAULT_CLIENT, .type = 'S'},
    .huge_rows = "[mariadbd]\nmax-allowed-packet = 128M\n",
};

/* ---- */

static const fault_engine *used = &postgres;

void fault_engine_choose(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "mariadb") == 0)
        used = &mariadb;
}

const fault_engine *fault_engine_used(void)
{
    return used;
}
