#include "postgres_server.h"
#include "await.h"
#include "server_process.h"
#include "test.h"

#include <dirent.h>
#include <glob.h>
#include <signal.h>
#include <unistd.h>

/* --- databases and sessions --- */

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

PGconn *test_session_open(const char *url)
{
    PGconn *session = PQconnectdb(url);
    if (PQstatus(session) != CONNECTION_OK)
        fail_msg("a watching session cannot connect: %s", PQerrorMessage(session));
    PQsetNoticeProcessor(session, ignore_notice, NULL);
    return session;
}

const char *test_session_run(PGconn *session, const char *sql)
{
    static char cell[1024];
    PGresult *result = PQexec(session, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    snprintf(cell, sizeof cell, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return cell;
}

bool test_database_create(const char *name, char url[TEST_URL_BYTES])
{
    const char *server = getenv("COVET_TEST_POSTGRES");
    if (!server || !*server) {
        print_message("# skipped: COVET_TEST_POSTGRES is not set; run the tests with tools/servers run\n");
        return false;
    }
    char sql[256];
    PGconn *session = test_session_open(server);
    snprintf(sql, sizeof sql, "CREATE DATABASE \"test_%s_%d\"", name, (int)getpid());
    test_session_run(session, sql);
    PQfinish(session);
    const char *end = strrchr(server, '/');
    snprintf(url, TEST_URL_BYTES, "%.*s/test_%s_%d", (int)(end - server), server, name, (int)getpid());
    return true;
}

void test_database_drop(const char *url)
{
    char sql[256];
    PGconn *session = test_session_open(getenv("COVET_TEST_POSTGRES"));
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", strrchr(url, '/') + 1);
    test_session_run(session, sql);
    PQfinish(session);
}

/* --- servers --- */

/* Run a program of the server in its folder to the end; the exit status. */
static int run(const test_server *server, const char *program, const char *const arguments[])
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", server->bin, program);
    return test_server_program(server->folder, path, arguments);
}

static bool find_programs(test_server *server)
{
    glob_t found;
    bool any = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (any) {
        const char *last = found.gl_pathv[found.gl_pathc - 1];
        snprintf(server->bin, sizeof server->bin, "%.*s", (int)(strrchr(last, '/') - last), last);
    }
    globfree(&found);
    return any;
}

static void path_in(const test_server *server, const char *name, char path[TEST_PATH_BYTES])
{
    test_server_path(server->folder, name, path);
}

static void write_hba(const test_server *server)
{
    char path[TEST_PATH_BYTES];
    path_in(server, "data/pg_hba.conf", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("local all app trust\nlocal replication app trust\nhost all app 127.0.0.1/32 trust\nhost all all "
          "127.0.0.1/32 scram-sha-256\n",
          file);
    fclose(file);
}

bool test_server_create(test_server *server)
{
    *server = (test_server){0};
    if (!find_programs(server)) {
        print_message("# skipped: PostgreSQL is not installed; tools/bootstrap test installs it\n");
        return false;
    }
    test_server_folder("sock", server->folder);
    const char *const initdb[] = {"initdb",           "-D",        "data", "-U", "app", "-A", "trust", "-E", "UTF8",
                                  "--locale=C.UTF-8", "--no-sync", NULL};
    assert_int_equal(run(server, "initdb", initdb), 0);
    write_hba(server);
    test_server_start(server);
    char sock[TEST_PATH_BYTES], port[16];
    path_in(server, "sock", sock);
    snprintf(port, sizeof port, "%d", server->port);
    const char *const create[] = {"createdb", "-h", sock, "-p", port, "-U", "app", "app", NULL};
    assert_int_equal(run(server, "createdb", create), 0);
    return true;
}

void test_server_start(test_server *server)
{
    char options[512];
    const char *const start[] = {"pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options, "start", NULL};
    int rc = -1;
    bool first = server->port == 0;
    for (int attempt = 0; attempt < 5 && rc != 0; attempt++) {
        if (first)
            server->port = test_server_port(); /* another process may take it first */
        snprintf(options, sizeof options,
                 "-p %d -k %s/sock -c listen_addresses=127.0.0.1 -c fsync=off "
                 "-c full_page_writes=off -c shared_buffers=32MB -c max_connections=30 -c deadlock_timeout=50ms",
                 server->port, server->folder);
        rc = run(server, "pg_ctl", start);
    }
    assert_int_equal(rc, 0);
}

static bool refuses_everybody(const test_server *server)
{
    char url[TEST_URL_BYTES];
    test_server_url(server, "app", url);
    PGconn *session = PQconnectdb(url);
    bool refuses = strstr(PQerrorMessage(session), "not accepting connections") != NULL;
    PQfinish(session);
    return refuses;
}

void test_server_start_closed(test_server *server)
{
    char options[512];
    const char *const start[] = {"pg_ctl", "-D", "data", "-l", "log", "-W", "-o", options, "start", NULL};
    snprintf(options, sizeof options, "-p %d -k %s/sock -c listen_addresses=127.0.0.1 -c max_connections=30",
             server->port, server->folder);
    assert_int_equal(run(server, "pg_ctl", start), 0);
    await_blocked(refuses_everybody(server));
}

void test_server_stop(test_server *server)
{
    const char *const stop[] = {"pg_ctl", "-D", "data", "-m", "fast", "-w", "-t", "60", "stop", NULL};
    assert_int_equal(run(server, "pg_ctl", stop), 0);
}

void test_server_write(const test_server *server, const char *name, const char *text)
{
    char in_data[128];
    snprintf(in_data, sizeof in_data, "data/%s", name);
    test_server_file(server->folder, in_data, text);
}

/* The moment at which the server last read its settings, as it tells a session; until the next call. */
static const char *load_time(const test_server *server)
{
    static char told[64];
    char url[TEST_URL_BYTES];
    snprintf(url, sizeof url, "postgres:///app?host=%s/sock&port=%d&user=app", server->folder, server->port);
    PGconn *session = test_session_open(url);
    snprintf(told, sizeof told, "%s", test_session_run(session, "SELECT pg_conf_load_time()"));
    PQfinish(session);
    return told;
}

void test_server_reload(test_server *server)
{
    const char *const reload[] = {"pg_ctl", "-D", "data", "reload", NULL};
    char before[64];
    snprintf(before, sizeof before, "%s", load_time(server));
    assert_int_equal(run(server, "pg_ctl", reload), 0);
    await_blocked(strcmp(before, load_time(server)) != 0);
}

void test_server_replicate(const test_server *primary, test_server *replica)
{
    char sock[TEST_PATH_BYTES], port[16];
    *replica = (test_server){0};
    assert_true(find_programs(replica));
    test_server_folder("sock", replica->folder);
    path_in(primary, "sock", sock);
    snprintf(port, sizeof port, "%d", primary->port);
    const char *const copy[] = {"pg_basebackup", "-D", "data", "-h",     sock, "-p",   port,        "-U",
                                "app",           "-R", "-X",   "stream", "-c", "fast", "--no-sync", NULL};
    assert_int_equal(run(replica, "pg_basebackup", copy), 0);
    test_server_start(replica);
}

void test_server_promote(test_server *replica)
{
    const char *const promote[] = {"pg_ctl", "-D", "data", "-w", "-t", "60", "promote", NULL};
    assert_int_equal(run(replica, "pg_ctl", promote), 0);
}

static pid_t postmaster(const test_server *server)
{
    return test_server_pid(server->folder, "data/postmaster.pid");
}

/* Send a signal to the postmaster and its processes; those processes are written to `pids`, their number returned. */
static size_t signal_all(const test_server *server, int signal_number, pid_t pids[64])
{
    size_t count = 0;
    pid_t master = postmaster(server);
    if (master <= 1)
        return 0;
    pids[count++] = master;
    if (signal_number == SIGSTOP)
        test_process_freeze(master); /* first, so that it makes no further ones */
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 1 && count < 64 && test_process_parent(pid) == master)
            pids[count++] = pid;
    }
    closedir(proc);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], signal_number);
    return count;
}

void test_server_freeze(test_server *server)
{
    pid_t pids[64];
    size_t count = signal_all(server, SIGSTOP, pids);
    assert_true(count > 1);
    for (size_t i = 1; i < count; i++)
        if (test_process_is_running(pids[i]))
            test_process_freeze(pids[i]);
}

void test_server_thaw(test_server *server)
{
    pid_t pids[64];
    signal_all(server, SIGCONT, pids);
}

/* A killed server leaves its lock files, and perhaps a zombie that looks alive to the next one. */
static void remove_locks(const test_server *server)
{
    char name[64], path[TEST_PATH_BYTES];
    path_in(server, "data/postmaster.pid", path);
    unlink(path);
    snprintf(name, sizeof name, "sock/.s.PGSQL.%d.lock", server->port);
    path_in(server, name, path);
    unlink(path);
}

/* They are nobody's children here: their end can only be looked for. */
void test_server_kill(test_server *server)
{
    pid_t pids[64];
    size_t count = signal_all(server, SIGKILL, pids);
    for (size_t i = 0; i < count; i++)
        test_process_await_end(pids[i]);
    remove_locks(server);
}

void test_server_destroy(test_server *server)
{
    if (!server->folder[0])
        return;
    test_server_kill(server);
    test_server_remove(server->folder);
    server->folder[0] = '\0';
}

void test_server_url(const test_server *server, const char *user, char url[TEST_URL_BYTES])
{
    snprintf(url, TEST_URL_BYTES, "postgres://%s@127.0.0.1:%d/app", user, server->port);
}
