#include "mariadb_server.h"
#include "await.h"
#include "test.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- databases and sessions --- */

MYSQL *test_mariadb_try_open(const char *url)
{
    char user[64], password[64], host[64], database[128];
    unsigned port = 0, timeout_s = 20;
    if (sscanf(url, "mysql://%63[^:]:%63[^@]@%63[^:]:%u/%127s", user, password, host, &port, database) != 5)
        fail_msg("\"%s\" is no URL of a test server", url);
    MYSQL *session = mysql_init(NULL);
    assert_non_null(session);
    mysql_options(session, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    if (!mysql_real_connect(session, host, user, password, database, port, NULL, CLIENT_MULTI_STATEMENTS)) {
        mysql_close(session);
        return NULL;
    }
    mysql_set_character_set(session, "utf8mb4");
    return session;
}

MYSQL *test_mariadb_open(const char *url)
{
    MYSQL *session = test_mariadb_try_open(url);
    if (!session)
        fail_msg("a watching session cannot connect to \"%s\"", url);
    return session;
}

MYSQL *test_mariadb_admin(void)
{
    const char *url = getenv("COVET_TEST_MARIADB_ADMIN");
    assert_non_null(url);
    return test_mariadb_open(url);
}

const char *test_mariadb_run(MYSQL *session, const char *sql)
{
    static char cell[1024];
    cell[0] = '\0';
    if (mysql_query(session, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(session));
    do {
        MYSQL_RES *result = mysql_store_result(session);
        MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
        snprintf(cell, sizeof cell, "%s", row && row[0] ? row[0] : "");
        mysql_free_result(result);
    } while (mysql_next_result(session) == 0);
    if (mysql_errno(session) != 0)
        fail_msg("%s: %s", sql, mysql_error(session));
    return cell;
}

void test_mariadb_close(MYSQL *session)
{
    mysql_close(session);
}

bool test_mariadb_create(const char *name, char url[TEST_MARIADB_URL_BYTES])
{
    const char *server = getenv("COVET_TEST_MARIADB");
    if (!server || !*server) {
        print_message("# skipped: COVET_TEST_MARIADB is not set; run the tests with tools/servers run\n");
        return false;
    }
    char sql[256];
    MYSQL *session = test_mariadb_admin();
    snprintf(sql, sizeof sql, "CREATE OR REPLACE DATABASE `test_%s_%d` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
             name, (int)getpid());
    test_mariadb_run(session, sql);
    test_mariadb_close(session);
    const char *end = strrchr(server, '/');
    snprintf(url, TEST_MARIADB_URL_BYTES, "%.*s/test_%s_%d", (int)(end - server), server, name, (int)getpid());
    return true;
}

/* Kill one of them, which takes its time; false when there is none. */
static bool end_one_session(MYSQL *session, const char *database)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT id FROM information_schema.processlist WHERE db = '%s' AND id <> CONNECTION_ID() LIMIT 1",
             database);
    const char *id = test_mariadb_run(session, sql);
    if (!*id)
        return false;
    snprintf(sql, sizeof sql, "KILL CONNECTION %.20s", id);
    (void)mysql_query(session, sql); /* it may be gone already */
    return true;
}

void test_mariadb_end_sessions(MYSQL *session, const char *database)
{
    await_blocked(!end_one_session(session, database));
}

void test_mariadb_drop(const char *url)
{
    char sql[256];
    const char *database = strrchr(url, '/') + 1;
    MYSQL *session = test_mariadb_admin();
    test_mariadb_end_sessions(session, database); /* a transaction left open would keep it from being dropped */
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS `%s`", database);
    test_mariadb_run(session, sql);
    test_mariadb_close(session);
}

/* --- servers --- */

static bool find_program(test_mariadb *server)
{
    const char *const places[] = {"/usr/sbin/mariadbd", "/usr/bin/mariadbd", "/usr/local/bin/mariadbd"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], X_OK) == 0 && access("/usr/bin/mariadb-install-db", X_OK) == 0) {
            snprintf(server->program, sizeof server->program, "%s", places[i]);
            return true;
        }
    }
    return false;
}

static void install(const test_mariadb *server)
{
    char data[TEST_PATH_BYTES + 16], tmp[TEST_PATH_BYTES + 16];
    snprintf(data, sizeof data, "--datadir=%s/data", server->folder);
    snprintf(tmp, sizeof tmp, "--tmpdir=%s/tmp", server->folder);
    const char *const arguments[] = {"mariadb-install-db",
                                     "--no-defaults",
                                     data,
                                     tmp,
                                     "--skip-test-db",
                                     "--auth-root-authentication-method=normal",
                                     "--innodb-log-file-size=16M",
                                     "--innodb-flush-method=nosync",
                                     NULL};
    assert_int_equal(test_server_program(server->folder, "/usr/bin/mariadb-install-db", arguments), 0);
}

static void write_settings(const test_mariadb *server)
{
    char text[2048];
    const char *folder = server->folder;
    snprintf(text, sizeof text,
             "[mariadbd]\ndatadir = %s/data\ntmpdir = %s/tmp\nsocket = %s/sock\npid-file = %s/pid\n"
             "log-error = %s/error.log\nbind-address = 127.0.0.1\nport = %d\nserver-id = %d\nskip-name-resolve\n"
             "log-bin = binlog\nbinlog-format = ROW\ngtid-strict-mode = ON\nlocal-infile = ON\nmax-connections = 30\n"
             "character-set-server = utf8mb4\ncollation-server = utf8mb4_general_ci\ninnodb-buffer-pool-size = 32M\n"
             "innodb-log-file-size = 16M\ninnodb-flush-log-at-trx-commit = 2\ninnodb-flush-method = nosync\n"
             "sync-binlog = 0\n!include %s/extra.cnf\n",
             folder, folder, folder, folder, folder, server->port, server->number, folder);
    test_server_file(folder, "my.cnf", text);
}

/* Wait until the server listens and serves; false when it ended instead. */
static bool await_service(test_mariadb *server)
{
    char path[TEST_PATH_BYTES];
    test_server_path(server->folder, "sock", path);
    for (int attempt = 0; attempt < 6000; attempt++) {
        MYSQL *session = mysql_init(NULL);
        MYSQL *connected = mysql_real_connect(session, NULL, "root", NULL, NULL, 0, path, 0);
        mysql_close(session);
        if (connected)
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

void test_mariadb_server_start(test_mariadb *server)
{
    char settings[TEST_PATH_BYTES + 16];
    bool first = server->port == 0, serves = false;
    snprintf(settings, sizeof settings, "--defaults-file=%s/my.cnf", server->folder);
    const char *const arguments[] = {"mariadbd", settings, NULL};
    for (int attempt = 0; attempt < 5 && !serves; attempt++) {
        if (first)
            server->port = test_server_port(); /* another process may take it first */
        write_settings(server);
        server->pid = test_server_spawn(server->folder, server->program, arguments);
        serves = await_service(server);
    }
    assert_true(serves);
}

static void make_users(const test_mariadb *server)
{
    char path[TEST_PATH_BYTES];
    test_server_path(server->folder, "sock", path);
    MYSQL *session = mysql_init(NULL);
    assert_non_null(mysql_real_connect(session, NULL, "root", NULL, NULL, 0, path, CLIENT_MULTI_STATEMENTS));
    test_mariadb_run(session, "CREATE USER 'admin'@'%' IDENTIFIED BY 'admin';"
                              "GRANT ALL ON *.* TO 'admin'@'%' WITH GRANT OPTION;"
                              "CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;"
                              "CREATE USER 'app'@'%' IDENTIFIED BY 'app';"
                              "GRANT PROCESS, REPLICATION SLAVE, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'app'@'%';"
                              "GRANT ALL ON app.* TO 'app'@'%'");
    test_mariadb_close(session);
}

bool test_mariadb_server_create(test_mariadb *server)
{
    *server = (test_mariadb){.number = 1};
    if (!find_program(server)) {
        print_message("# skipped: MariaDB is not installed; tools/bootstrap test installs it\n");
        return false;
    }
    test_server_folder("tmp", server->folder);
    test_server_file(server->folder, "extra.cnf", "");
    install(server);
    test_mariadb_server_start(server);
    make_users(server);
    return true;
}

static void reap(test_mariadb *server)
{
    test_process_reap(server->pid);
    server->pid = 0;
}

void test_mariadb_server_stop(test_mariadb *server)
{
    assert_int_equal(kill(server->pid, SIGTERM), 0);
    reap(server);
}

void test_mariadb_server_kill(test_mariadb *server)
{
    if (server->pid <= 1)
        return;
    kill(server->pid, SIGKILL);
    reap(server);
}

void test_mariadb_server_write(const test_mariadb *server, const char *name, const char *text)
{
    test_server_file(server->folder, name, text);
}

void test_mariadb_server_freeze(const test_mariadb *server)
{
    test_process_freeze(server->pid);
}

void test_mariadb_server_thaw(const test_mariadb *server)
{
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void test_mariadb_server_destroy(test_mariadb *server)
{
    if (!server->folder[0])
        return;
    test_mariadb_server_kill(server);
    test_server_remove(server->folder);
    server->folder[0] = '\0';
}

void test_mariadb_server_url(const test_mariadb *server, const char *user, char url[TEST_MARIADB_URL_BYTES])
{
    snprintf(url, TEST_MARIADB_URL_BYTES, "mysql://%s:%s@127.0.0.1:%d/app", user, user, server->port);
}
