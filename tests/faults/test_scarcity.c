/* What there is not enough of: space on disks, connections, memory for a huge row, answers of a resolver, and room for
 * two transactions in one row. Each has its class, a message that helps, and an end. */
#include "await.h"
#include "fault_test.h"

#include <covet/lane.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static fault_test test;
static bool available;

/* ---- a disk of its own ---- */

typedef struct small_disk {
    char path[64];
    bool mounted;
} small_disk;

/* Some of it is taken, until disk_make_room. */
static void take_room(const small_disk *disk, size_t bytes)
{
    char path[96];
    snprintf(path, sizeof path, "%s/ballast", disk->path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    while (bytes-- > 0)
        fputc('b', file);
    fclose(file);
}

static void disk_make_room(const small_disk *disk)
{
    char path[96];
    snprintf(path, sizeof path, "%s/ballast", disk->path);
    assert_int_equal(unlink(path), 0);
}

/* A file system in memory, with some room taken; only root may. */
static bool disk_mount(small_disk *disk, const char *size, size_t taken_bytes)
{
    char options[64];
    const struct passwd *nobody = getpwnam("nobody");
    strcpy(disk->path, "/tmp/covet-disk-XXXXXX");
    assert_non_null(mkdtemp(disk->path));
    snprintf(options, sizeof options, "mode=0777,size=%s", size);
    disk->mounted = geteuid() == 0 && nobody && mount("tmpfs", disk->path, "tmpfs", 0, options) == 0;
    if (!disk->mounted) {
        rmdir(disk->path);
        print_message("# skipped: a small file system cannot be mounted here; run the test as root\n");
    } else
        take_room(disk, taken_bytes);
    return disk->mounted;
}

static void disk_unmount(small_disk *disk)
{
    assert_int_equal(umount2(disk->path, MNT_DETACH), 0); /* a server may still hold a file of it */
    rmdir(disk->path);
}

/* ---- full disks ---- */

/* Rows of some KiB until the disk is full; how many were stored. */
static int fill(cv_ctx *cx, int *ret_code)
{
    static char text[8000];
    memset(text, 'x', sizeof text - 1);
    for (int id = 0; id < 100000; id++) {
        int rc = cv_exec(cx, NULL, "INSERT INTO full_notes VALUES (?, ?)", id, text);
        if (rc < 0) {
            *ret_code = rc;
            return id;
        }
    }
    fail_msg("the disk was never full");
    return 0;
}

static void assert_full_and_well(cv_ctx *cx)
{
    cv_value count;
    int code = 0, stored = fill(cx, &code);
    assert_int_equal(code, CV_E_DISK_FULL);
    assert_string_equal(cv_error_last(cx)->sqlstate, "53100");
    assert_non_null(cv_error_last(cx)->hint);
    cv_error_clear(cx);
    assert_true(stored > 0);
    assert_ok(cx, cv_scalar(cx, &count, "SELECT count(*) FROM full_notes WHERE text LIKE 'xxx%'"));
    assert_int_equal(count.as.i64, stored); /* what was acknowledged, and no more */
}

static void a_full_disk_under_sqlite_is_told_and_nothing_is_lost(void **state)
{
    (void)state;
    small_disk disk;
    cv_ctx *cx;
    cv_db *db;
    char url[128];
    if (!disk_mount(&disk, "2m", 500000))
        skip();
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    snprintf(url, sizeof url, "sqlite:///%s/full.db", disk.path);
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_use_db(cx, db);
    assert_ok(cx, cv_exec(cx, NULL, "CREATE TABLE full_notes (id int PRIMARY KEY, text text)"));
    assert_full_and_well(cx);
    disk_make_room(&disk);
    assert_ok(cx, cv_exec(cx, NULL, "INSERT INTO full_notes VALUES (-1, 'xxx')"));
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    disk_unmount(&disk);
}

/* A server of its own: while the disk is full, no checkpoint of PostgreSQL succeeds, whoever asks for it. */
static bool open_own(fault_server *server, const char *settings, fault_test *ret_own)
{
    *ret_own = (fault_test){.engine = test.engine};
    if (!test.engine->server_create(server, settings))
        return false;
    test.engine->server_url(server, ret_own->url);
    assert_int_equal(cv_runtime_new(NULL, &ret_own->cx), 0);
    cv_db_options options = {.max_connections = 4};
    assert_ok(ret_own->cx, cv_db_open(ret_own->cx, ret_own->url, &options, &ret_own->db));
    cv_use_db(ret_own->cx, ret_own->db);
    return true;
}

static void close_own(fault_server *server, fault_test *own)
{
    cv_db_close(own->cx, own->db);
    cv_runtime_free(own->cx);
    test.engine->server_destroy(server);
}

static void make_small_space(const small_disk *disk, const fault_server *server)
{
    char folder[128];
    const struct passwd *nobody = getpwnam("nobody");
    snprintf(folder, sizeof folder, "%s/space", disk->path);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chown(folder, nobody->pw_uid, nobody->pw_gid), 0);
    test.engine->server_small_space(server, folder);
}

static void a_full_disk_under_a_server_is_told_and_nothing_is_lost(void **state)
{
    (void)state;
    small_disk disk;
    fault_server server;
    fault_test own;
    if (!available || !disk_mount(&disk, "12m", 7500000))
        skip();
    assert_true(open_own(&server, "", &own));
    make_small_space(&disk, &server);
    assert_full_and_well(own.cx);
    disk_make_room(&disk);
    assert_ok(own.cx, cv_exec(own.cx, NULL, "INSERT INTO full_notes VALUES (1, 'xxx')"));
    fault_assert_permits(&own);
    close_own(&server, &own);
    disk_unmount(&disk);
}

/* ---- a row of 64 MiB ---- */

static size_t resident_mib(void)
{
    size_t total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    if (fscanf(file, "%zu %zu", &total, &resident) != 2)
        fail_msg("statm cannot be read");
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE) >> 20;
}

enum { HUGE_BYTES = 64 << 20 };

static void read_huge_row(cv_ctx *cx)
{
    cv_rows *rows;
    assert_ok(cx, cv_select(cx, &rows, "SELECT repeat('r', 67108864), 7"));
    assert_int_equal(cv_rows_next(cx, rows), 1);
    cv_str text = cv_rows_get(rows, 0).as.text;
    assert_int_equal(text.len, HUGE_BYTES);
    assert_true(text.ptr[0] == 'r' && text.ptr[HUGE_BYTES - 1] == 'r');
    assert_int_equal(cv_rows_get(rows, 1).as.i64, 7);
    assert_int_equal(cv_rows_next(cx, rows), 0);
    cv_rows_close(cx, rows);
}

static void a_row_of_64_mib_leaves_no_memory_behind(void **state)
{
    (void)state;
    fault_server server;
    fault_test own;
    if (!available)
        skip();
    assert_true(open_own(&server, test.engine->huge_rows, &own));
    cv_value number;
    assert_ok(own.cx, cv_scalar(own.cx, &number, "SELECT 1"));
    size_t before_mib = resident_mib();
    for (int i = 0; i < 2; i++)
        read_huge_row(own.cx);
    assert_ok(own.cx, cv_scalar(own.cx, &number, "SELECT 1"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    size_t after_mib = resident_mib();
    if (after_mib > before_mib + 24)
        fail_msg("%zu MiB before, %zu MiB afterwards", before_mib, after_mib);
#else
    (void)before_mib;
#endif
    fault_assert_permits(&own);
    close_own(&server, &own);
}

/* ---- a resolver that hangs ---- */

static pthread_mutex_t hang_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hang_over = PTHREAD_COND_INITIALIZER;
static bool hanging = true;

/* In front of libc's: one name is never answered. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret_found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host && strcmp(host, "hangs.test") == 0) {
        pthread_mutex_lock(&hang_mutex);
        while (hanging)
            pthread_cond_wait(&hang_over, &hang_mutex);
        pthread_mutex_unlock(&hang_mutex);
        return EAI_AGAIN;
    }
    return real(host, port, hints, ret_found);
}

/* The test's database at another name of its host. */
static void url_of_host(const char *host, char url[FAULT_URL_BYTES])
{
    const char *at = strchr(test.url, '@') + 1;
    snprintf(url, FAULT_URL_BYTES, "%.*s%s%s", (int)(at - test.url), test.url, host, strrchr(test.url, ':'));
}

static void a_resolver_that_hangs_is_waited_for_until_the_deadline(void **state)
{
    (void)state;
    cv_ctx *cx;
    cv_db *db = NULL;
    char url[FAULT_URL_BYTES];
    if (!available)
        skip();
    assert_int_equal(cv_runtime_new(NULL, &cx), 0);
    int64_t start_ns = cv_now_ns(cx);
    url_of_host("hangs.test", url);
    int rc = cv_db_open(cx, url, &(cv_db_options){.connect_timeout_ms = 200}, &db);
    assert_int_equal(rc, CV_E_TIMEOUT);
    assert_true((cv_now_ns(cx) - start_ns) / 1000000 < FAULT_LIMIT_MS);
    bool named = false;
    for (const cv_error *e = cv_error_last(cx); e; e = e->cause)
        named = named || strstr(e->message, "hangs.test");
    if (!named)
        fail_msg("the host is not named: %s", cv_error_last(cx)->message);
    cv_error_clear(cx);
    url_of_host("localhost", url); /* other names are resolved meanwhile */
    assert_ok(cx, cv_db_open(cx, url, NULL, &db));
    cv_db_close(cx, db);
    pthread_mutex_lock(&hang_mutex);
    hanging = false;
    pthread_cond_broadcast(&hang_over);
    pthread_mutex_unlock(&hang_mutex);
    cv_runtime_free(cx);
}

/* ---- a server at its limit of connections ---- */

static int read_slowly(cv_ctx *cx, void *arg)
{
    (void)arg;
    return cv_sql_run(cx, test.engine->sleep_shortly, NULL, 0, NULL, NULL);
}

static void assert_too_many(const char *url)
{
    cv_db *db;
    assert_int_equal(cv_db_open(test.cx, url, NULL, &db), CV_E_TOO_MANY_CONNECTIONS);
    assert_string_equal(cv_error_last(test.cx)->sqlstate, "53300");
    assert_non_null(cv_error_last(test.cx)->hint);
    cv_error_clear(test.cx);
}

static void an_account_at_its_limit_is_served_with_the_connections_there_are(void **state)
{
    (void)state;
    cv_fiber *fibers[12];
    cv_db *db, *former;
    char url[FAULT_URL_BYTES];
    if (!available)
        skip();
    test.engine->create_few(test.url, url);
    assert_ok(test.cx,
              cv_db_open(test.cx, url, &(cv_db_options){.max_connections = 12, .shared_connections = -1}, &db));
    former = cv_use_db(test.cx, db);
    for (size_t i = 0; i < 12; i++)
        assert_ok(test.cx, cv_spawn(test.cx, "reader", read_slowly, NULL, &fibers[i]));
    for (size_t i = 0; i < 12; i++)
        assert_ok(test.cx, cv_join(test.cx, fibers[i], NULL));
    assert_true(cv_db_pool_stats(db, 0).open <= FAULT_FEW);
    cv_use_db(test.cx, former);
    cv_db_close(test.cx, db);
    await_that(test.cx, strcmp(fault_watch(&test, test.engine->count_few), "0") == 0);

    void *all[FAULT_FEW];
    for (size_t i = 0; i < FAULT_FEW; i++)
        all[i] = test.engine->open(url);
    assert_too_many(url);
    for (size_t i = 0; i < FAULT_FEW; i++)
        test.engine->close(all[i]);
    test.engine->drop_few(test.url);
}

static void a_server_that_is_full_says_so(void **state)
{
    (void)state;
    fault_server server;
    char url[FAULT_URL_BYTES];
    void *sessions[FAULT_MANY];
    size_t count = 0;
    if (!available)
        skip();
    assert_true(test.engine->server_create(&server, ""));
    test.engine->server_url(&server, url);
    while (count < FAULT_MANY && (sessions[count] = test.engine->try_open(url)))
        count++;
    assert_in_range(count, 1, FAULT_MANY - 1);
    assert_too_many(url);
    while (count > 0)
        test.engine->close(sessions[--count]);
    test.engine->server_destroy(&server);
}

/* ---- one row, many transactions ---- */

static int increment(cv_ctx *cx, void *arg)
{
    cv_value n;
    (void)arg;
    CV_TRY(cv_scalar(cx, &n, "SELECT n FROM counters WHERE id = 1"));
    CV_TRY(cv_yield(cx));
    return cv_exec(cx, NULL, "UPDATE counters SET n = ? WHERE id = 1", n.as.i64 + 1);
}

static int increment_often(cv_ctx *cx, void *arg)
{
    cv_tx_options options = {.isolation = CV_SERIALIZABLE, .max_attempts = 100};
    for (int i = 0; i < 3; i++)
        CV_TRY(cv_atomic_retry(cx, &options, increment, arg));
    return 0;
}

static void serialization_failures_are_tried_again_to_success(void **state)
{
    (void)state;
    cv_fiber *fibers[4];
    if (!available)
        skip();
    fault_watch(&test, "CREATE TABLE counters (id int PRIMARY KEY, n int8); INSERT INTO counters VALUES (1, 0)");
    for (size_t i = 0; i < 4; i++)
        assert_ok(test.cx, cv_spawn(test.cx, "counter", increment_often, NULL, &fibers[i]));
    for (size_t i = 0; i < 4; i++)
        assert_ok(test.cx, cv_join(test.cx, fibers[i], NULL));
    assert_string_equal(fault_watch(&test, "SELECT n FROM counters"), "12");
    fault_assert_permits(&test);
}

/* Each takes a row, waits once for the other, and wants the other's. */
static struct {
    cv_wait_group both;
    int attempts;
} crossing;

static int cross(cv_ctx *cx, void *arg)
{
    bool first = *(int *)arg == 1;
    bool meeting = crossing.attempts++ < 2;
    CV_TRY(cv_exec(cx, NULL, "UPDATE crossings SET n = n + 1 WHERE id = ?", first ? 1 : 2));
    if (meeting) {
        cv_wait_group_finish(&crossing.both);
        CV_TRY(cv_wait_group_wait(cx, &crossing.both));
    }
    return cv_exec(cx, NULL, "UPDATE crossings SET n = n + 1 WHERE id = ?", first ? 2 : 1);
}

static int cross_until_done(cv_ctx *cx, void *arg)
{
    return cv_atomic_retry(cx, NULL, cross, arg);
}

static void a_deadlock_of_two_fibers_is_tried_again_to_success(void **state)
{
    (void)state;
    cv_fiber *fibers[2];
    int who[2] = {1, 2};
    if (!available)
        skip();
    fault_watch(&test, "CREATE TABLE crossings (id int PRIMARY KEY, n int);"
                       "INSERT INTO crossings VALUES (1, 0), (2, 0)");
    cv_wait_group_init(&crossing.both);
    cv_wait_group_add(&crossing.both, 2);
    for (size_t i = 0; i < 2; i++)
        assert_ok(test.cx, cv_spawn(test.cx, "crossing", cross_until_done, &who[i], &fibers[i]));
    for (size_t i = 0; i < 2; i++)
        assert_ok(test.cx, cv_join(test.cx, fibers[i], NULL));
    cv_wait_group_done(&crossing.both);
    assert_true(crossing.attempts >= 3); /* one of them was the victim */
    assert_string_equal(fault_watch(&test, "SELECT min(n) * 10 + max(n) FROM crossings"), "22");
}

/* ---- a lock that somebody holds ---- */

static int update_held_row(cv_ctx *cx, void *arg)
{
    (void)arg;
    int rc = 0;
    CV_ATOMIC(cx)
    {
        CV_TRY(cv_sql_run(cx, test.engine->wait_little, NULL, 0, NULL, NULL));
        rc = cv_exec(cx, NULL, "UPDATE held SET n = n + 1");
        CV_TRY(rc);
    }
    return rc;
}

static void a_lock_that_is_not_given_up_in_time_is_told(void **state)
{
    (void)state;
    if (!available)
        skip();
    fault_watch(&test, "CREATE TABLE held (id int PRIMARY KEY, n int); INSERT INTO held VALUES (1, 0)");
    fault_watch(&test, "BEGIN; UPDATE held SET n = 10");
    assert_int_equal(update_held_row(test.cx, NULL), CV_E_LOCKED);
    fault_assert_story(test.cx, CV_E_LOCKED);
    fault_watch(&test, "COMMIT");
    assert_ok(test.cx, update_held_row(test.cx, NULL));
    assert_string_equal(fault_watch(&test, "SELECT n FROM held"), "11");
    fault_assert_permits(&test);
}

static int update_when_it_is_given_up(cv_ctx *cx, void *arg)
{
    int *attempts = arg;
    if (++*attempts == 2)
        fault_watch(&test, "COMMIT");
    CV_TRY(cv_sql_run(cx, test.engine->wait_little, NULL, 0, NULL, NULL));
    return cv_exec(cx, NULL, "UPDATE held_again SET n = n + 1");
}

static void a_lock_that_is_given_up_later_is_tried_again_to_success(void **state)
{
    (void)state;
    int attempts = 0;
    if (!available)
        skip();
    fault_watch(&test, "CREATE TABLE held_again (id int PRIMARY KEY, n int); INSERT INTO held_again VALUES (1, 0)");
    fault_watch(&test, "BEGIN; UPDATE held_again SET n = 10");
    assert_ok(test.cx, cv_atomic_retry(test.cx, NULL, update_when_it_is_given_up, &attempts));
    assert_int_equal(attempts, 2);
    assert_string_equal(fault_watch(&test, "SELECT n FROM held_again"), "11");
}

static int set_up(void **state)
{
    (void)state;
    available = fault_set_up(&test, "scarcity");
    if (available)
        fault_open_db(&test, &(cv_db_options){.max_connections = 6});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (available)
        fault_tear_down(&test);
    return 0;
}

int main(int argc, char **argv)
{
    fault_engine_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_under_sqlite_is_told_and_nothing_is_lost),
        cmocka_unit_test(a_full_disk_under_a_server_is_told_and_nothing_is_lost),
        cmocka_unit_test(a_row_of_64_mib_leaves_no_memory_behind),
        cmocka_unit_test(a_resolver_that_hangs_is_waited_for_until_the_deadline),
        cmocka_unit_test(an_account_at_its_limit_is_served_with_the_connections_there_are),
        cmocka_unit_test(a_server_that_is_full_says_so),
        cmocka_unit_test(serialization_failures_are_tried_again_to_success),
        cmocka_unit_test(a_deadlock_of_two_fibers_is_tried_again_to_success),
        cmocka_unit_test(a_lock_that_is_not_given_up_in_time_is_told),
        cmocka_unit_test(a_lock_that_is_given_up_later_is_tried_again_to_success),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
