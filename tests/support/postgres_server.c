#include "postgres_server.h"
#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

/* The programs of the server refuse to run as root. */
static void become_server_user(void)
{
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
    if (nobody && (setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0))
        _exit(126);
}

/* Run a program of the server in its folder to the end; the exit status. */
static int run(const test_server *server, const char *program, const char *const arguments[])
{
    pid_t pid = fork();
    if (pid == 0) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", server->bin, program);
        int log = open("/dev/null", O_RDWR);
        dup2(log, 0);
        dup2(log, 1);
        dup2(log, 2);
        become_server_user();
        setenv("LC_ALL", "C", 1);
        unsetenv("LD_PRELOAD"); /* sanitizers are for the code under test */
        if (chdir(server->folder) == 0)
            execv(path, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void path_in(const test_server *server, const char *name, char path[192])
{
    memcpy(path, server->folder, sizeof server->folder);
    size_t len = strnlen(path, sizeof server->folder - 1);
    snprintf(path + len, 192 - len, "/%s", name);
}

static void make_folder(test_server *server)
{
    const char *tmp = getenv("TMPDIR");
    char sock[192];
    snprintf(server->folder, sizeof server->folder, "%s/covet-server.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(server->folder));
    path_in(server, "sock", sock);
    assert_int_equal(mkdir(sock, 0755), 0);
    assert_int_equal(chmod(server->folder, 0755), 0);
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
    if (nobody) {
        assert_int_equal(chown(server->folder, nobody->pw_uid, nobody->pw_gid), 0);
        assert_int_equal(chown(sock, nobody->pw_uid, nobody->pw_gid), 0);
    }
}

static void write_hba(const test_server *server)
{
    char path[192];
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
    make_folder(server);
    const char *const initdb[] = {"initdb",           "-D",        "data", "-U", "app", "-A", "trust", "-E", "UTF8",
                                  "--locale=C.UTF-8", "--no-sync", NULL};
    assert_int_equal(run(server, "initdb", initdb), 0);
    write_hba(server);
    test_server_start(server);
    char sock[192], port[16];
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
            server->port = free_port(); /* another process may take it first */
        snprintf(options, sizeof options,
                 "-p %d -k %s/sock -c listen_addresses=127.0.0.1 -c fsync=off "
                 "-c full_page_writes=off -c shared_buffers=32MB -c max_connections=30 -c deadlock_timeout=50ms",
                 server->port, server->folder);
        rc = run(server, "pg_ctl", start);
    }
    assert_int_equal(rc, 0);
}

void test_server_start_closed(test_server *server)
{
    char options[512], url[TEST_URL_BYTES];
    const char *const start[] = {"pg_ctl", "-D", "data", "-l", "log", "-W", "-o", options, "start", NULL};
    snprintf(options, sizeof options, "-p %d -k %s/sock -c listen_addresses=127.0.0.1 -c max_connections=30",
             server->port, server->folder);
    assert_int_equal(run(server, "pg_ctl", start), 0);
    test_server_url(server, "app", url);
    bool refuses = false;
    for (int attempt = 0; attempt < 6000 && !refuses; attempt++) {
        PGconn *session = PQconnectdb(url);
        refuses = strstr(PQerrorMessage(session), "not accepting connections") != NULL;
        PQfinish(session);
        if (!refuses)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(refuses);
}

void test_server_stop(test_server *server)
{
    const char *const stop[] = {"pg_ctl", "-D", "data", "-m", "fast", "-w", "-t", "60", "stop", NULL};
    assert_int_equal(run(server, "pg_ctl", stop), 0);
}

void test_server_write(const test_server *server, const char *name, const char *text)
{
    char path[192], in_data[128];
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
    snprintf(in_data, sizeof in_data, "data/%s", name);
    path_in(server, in_data, path);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    if (nobody)
        assert_int_equal(fchown(fd, nobody->pw_uid, nobody->pw_gid), 0);
    close(fd);
}

/* The moment at which the server last read its settings, as it tells a session. */
static void ask_load_time(const test_server *server, char ret_time[64])
{
    char url[TEST_URL_BYTES];
    snprintf(url, sizeof url, "postgres:///app?host=%s/sock&port=%d&user=app", server->folder, server->port);
    PGconn *session = test_session_open(url);
    snprintf(ret_time, 64, "%s", test_session_run(session, "SELECT pg_conf_load_time()"));
    PQfinish(session);
}

void test_server_reload(test_server *server)
{
    const char *const reload[] = {"pg_ctl", "-D", "data", "reload", NULL};
    char before[64], after[64];
    ask_load_time(server, before);
    assert_int_equal(run(server, "pg_ctl", reload), 0);
    do
        ask_load_time(server, after);
    while (strcmp(before, after) == 0);
}

void test_server_replicate(const test_server *primary, test_server *replica)
{
    char sock[192], port[16];
    *replica = (test_server){0};
    assert_true(find_programs(replica));
    make_folder(replica);
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
    char path[192];
    int pid = 0;
    path_in(server, "data/postmaster.pid", path);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    return pid;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fgets(line, sizeof line, file) && strrchr(line, ')'))
        sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
    fclose(file);
    return parent;
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
        kill(master, SIGSTOP); /* first, so that it makes no further ones */
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 1 && count < 64 && parent_of(pid) == master)
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
    assert_true(signal_all(server, SIGSTOP, pids) > 1);
}

void test_server_thaw(test_server *server)
{
    pid_t pids[64];
    signal_all(server, SIGCONT, pids);
}

static bool is_running(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const char *name_end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return name_end && name_end[1] && name_end[2] != 'Z' && name_end[2] != 'X';
}

/* A killed server leaves its lock files, and perhaps a zombie that looks alive to the next one. */
static void remove_locks(const test_server *server)
{
    char name[64], path[192];
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
        while (is_running(pids[i]))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    remove_locks(server);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void test_server_destroy(test_server *server)
{
    if (!server->folder[0])
        return;
    test_server_kill(server);
    nftw(server->folder, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    server->folder[0] = '\0';
}

void test_server_url(const test_server *server, const char *user, char url[TEST_URL_BYTES])
{
    snprintf(url, TEST_URL_BYTES, "postgres://%s@127.0.0.1:%d/app", user, server->port);
}
