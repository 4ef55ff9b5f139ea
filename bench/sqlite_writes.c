/* A model saved, each with a commit of its own, synchronous=FULL: 200 fibers with cv_insert against a bare prepared
 * INSERT in a loop, each a transaction of its own; two files of one folder, same settings. Once with the disk as it is,
 * once with a disk that takes two milliseconds more for each sync: a VFS in front of SQLite's own, for both sides. */
#include "sqlite_bench.h"

#include <covet/fiber.h>

enum { FIBERS = 200, SAVES_FAST = 100, SAVES_SLOW = 20, BARE_FAST = 2000, BARE_SLOW = 100, ROUNDS = 7 };

struct entry {
    int64_t id;
    char *name;
    int64_t amount;
};

CV_MODEL(entry, "entries", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_INTEGER(amount))

static const char schema[] = "CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, "
                             "amount BIGINT NOT NULL)";

/* ---- the slow disk ---- */

static int64_t sync_delay_us; /* of the whole process; set while nothing runs */
static int (*plain_sync)(sqlite3_file *file, int flags);
static sqlite3_vfs *plain_vfs;
static sqlite3_io_methods slow_methods[2]; /* of files with and without shared memory */

static int slow_sync(sqlite3_file *file, int flags)
{
    if (sync_delay_us > 0)
        usleep((useconds_t)sync_delay_us);
    return plain_sync(file, flags);
}

static int slow_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int rc = plain_vfs->xOpen(plain_vfs, name, file, flags, ret_flags);
    if (rc != SQLITE_OK || !file->pMethods)
        return rc;
    sqlite3_io_methods *slow = &slow_methods[file->pMethods->xShmMap != NULL];
    plain_sync = file->pMethods->xSync;
    *slow = *file->pMethods;
    slow->xSync = slow_sync;
    file->pMethods = slow;
    return rc;
}

/* Before anything else opens a database: whatever is put in front later goes through it, too. */
static void install_slow_disk(void)
{
    static sqlite3_vfs slow;
    plain_vfs = sqlite3_vfs_find(NULL);
    slow = *plain_vfs;
    slow.zName = "slow-disk";
    slow.pNext = NULL;
    slow.xOpen = slow_open;
    sqlite3_vfs_register(&slow, 1);
}

/* ---- by hand ---- */

static double by_hand(sqlite3 *db, int count)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, "INSERT INTO entries (name, amount) VALUES (?1, ?2)", -1, SQLITE_PREPARE_PERSISTENT,
                           &statement, NULL) != SQLITE_OK)
        exit(1);
    double start = now_ns();
    for (int i = 0; i < count; i++) {
        sqlite3_bind_text(statement, 1, "a name of some thirty to forty bytes", -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, i);
        if (sqlite3_step(statement) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(statement);
    }
    double took = now_ns() - start;
    sqlite3_finalize(statement);
    return count * 1e9 / took;
}

/* ---- with Covet ---- */

typedef struct job {
    int saves;
    int64_t last;
} job;

static int save_often(cv_ctx *cx, void *arg)
{
    job *own = arg;
    for (int i = 0; i < own->saves; i++)
        CV_SCOPE(cx)
        {
            struct entry entry = {.name = (char[]){"a name of some thirty to forty bytes"}, .amount = i};
            CV_TRY(cv_save(cx, entry, &entry));
            if (entry.id == own->last)
                return CV_E_INTERNAL;
            own->last = entry.id;
        }
    return 0;
}

static double with_covet(cv_ctx *cx, int fibers, int saves)
{
    static job jobs[FIBERS];
    static cv_fiber *handles[FIBERS];
    double start = now_ns();
    for (int i = 0; i < fibers; i++) {
        jobs[i] = (job){.saves = saves};
        if (cv_spawn(cx, "saves", save_often, &jobs[i], &handles[i]) < 0)
            exit(1);
    }
    for (int i = 0; i < fibers; i++)
        if (cv_join(cx, handles[i], NULL) < 0) {
            fprintf(stderr, "could not save: %s\n", cv_error_last(cx)->message);
            exit(1);
        }
    return fibers * (double)saves * 1e9 / (now_ns() - start);
}

typedef struct setting {
    const char *what;
    int fibers, saves, bare;
    int64_t delay_us;
    double wanted;
} setting;

static void compare(cv_ctx *cx, sqlite3 *db, const setting *s)
{
    double ours[ROUNDS], theirs[ROUNDS];
    sync_delay_us = s->delay_us;
    for (int i = -1; i < ROUNDS; i++) {
        double hand = by_hand(db, s->bare), mine = with_covet(cx, s->fibers, s->saves);
        if (i < 0)
            continue;
        theirs[i] = hand;
        ours[i] = mine;
    }
    sync_delay_us = 0;
    double us = median(ours, ROUNDS), them = median(theirs, ROUNDS);
    printf(
        "{\"bench\":\"sqlite-writes\",\"what\":\"%s\",\"unit\":\"saves/s\",\"ours\":%.0f,\"peer\":\"a prepared INSERT "
        "in a loop\",\"theirs\":%.0f,\"ratio\":%.3f,\"runs\":%d,\"wanted\":%.1f,\"pass\":%s}\n",
        s->what, us, them, us / them, ROUNDS, s->wanted, us / them >= s->wanted ? "true" : "false");
}

int main(void)
{
    static const setting settings[] = {
        {"200 fibers", FIBERS, SAVES_FAST, BARE_FAST, 0, 12},
        {"200 fibers, 2 ms more for each sync", FIBERS, SAVES_SLOW, BARE_SLOW, 2000, 80},
        /* pays for the way to the thread that syncs, and for checkpoints that sync beside it */
        {"one fiber alone", 1, BARE_FAST, BARE_FAST, 0, 0.3},
    };
    sqlite_file own, bare;
    install_slow_disk();
    if (!sqlite_file_make(&own) || !sqlite_file_make(&bare))
        return 1;
    sqlite3 *db = sqlite_file_open(&bare);
    if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
        die("make the table", sqlite3_errmsg(db));
    covet_side covet = covet_open_model(own.url, entry_model);
    if (cv_sql_run(covet.cx, schema, NULL, 0, NULL, NULL) < 0)
        die("make the table", cv_error_last(covet.cx)->message);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        compare(covet.cx, db, &settings[i]);
    sqlite3_close(db);
    covet_close_model(&covet);
    sqlite_file_remove(&own);
    sqlite_file_remove(&bare);
    return 0;
}
