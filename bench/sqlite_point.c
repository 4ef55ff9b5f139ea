/* One row by its key, of 1,000,000: a thousand fibers with cv_get against a bare prepared statement in a loop, each
 * statement a transaction of its own; same file, same settings, same keys in the same order. */
#include "sqlite_bench.h"

#include <covet/fiber.h>

enum { ROWS = 1000000, FIBERS = 1000, GETS = 100 };

struct item {
    int64_t id;
    char *name;
    int64_t amount;
};

CV_MODEL(item, "items", CV_ID(id), CV_CHAR(name, .max_length = 100), CV_INTEGER(amount))

static const char fill[] =
    "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, amount BIGINT NOT NULL);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
    " INSERT INTO items SELECT i, 'a name of some thirty to forty bytes ' || i, i * 7 FROM n;"
    "PRAGMA wal_checkpoint(TRUNCATE)";

static int64_t key_of(unsigned fiber, unsigned step)
{
    uint64_t mixed = ((uint64_t)fiber * GETS + step + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (int64_t)((mixed >> 20) % ROWS) + 1;
}

/* ---- by hand ---- */

static double by_hand(sqlite3 *db, int64_t *ret_sum)
{
    sqlite3_stmt *statement;
    char name[128];
    int64_t sum = 0;
    if (sqlite3_prepare_v3(db, "SELECT id, name, amount FROM items WHERE id = ?1", -1, SQLITE_PREPARE_PERSISTENT,
                           &statement, NULL) != SQLITE_OK)
        exit(1);
    double start = now_ns();
    for (unsigned step = 0; step < GETS; step++)
        for (unsigned fiber = 0; fiber < FIBERS; fiber++) {
            sqlite3_bind_int64(statement, 1, key_of(fiber, step));
            if (sqlite3_step(statement) != SQLITE_ROW)
                exit(1);
            memcpy(name, sqlite3_column_text(statement, 1), (size_t)sqlite3_column_bytes(statement, 1) + 1);
            sum += sqlite3_column_int64(statement, 0) + sqlite3_column_int64(statement, 2) + (unsigned char)name[5];
            sqlite3_reset(statement);
        }
    double took = now_ns() - start;
    sqlite3_finalize(statement);
    *ret_sum = sum;
    return took;
}

/* ---- with Covet ---- */

typedef struct job {
    unsigned fiber;
    int64_t sum;
} job;

static int get_often(cv_ctx *cx, void *arg)
{
    job *own = arg;
    for (unsigned step = 0; step < GETS; step++)
        CV_SCOPE(cx)
        {
            struct item item;
            CV_TRY(cv_get(cx, item, &item, key_of(own->fiber, step)));
            own->sum += item.id + item.amount + (unsigned char)item.name[5];
        }
    return 0;
}

static double with_covet(cv_ctx *cx, int64_t *ret_sum)
{
    static job jobs[FIBERS];
    double start = now_ns();
    for (unsigned i = 0; i < FIBERS; i++) {
        jobs[i] = (job){.fiber = i};
        if (cv_spawn(cx, "gets", get_often, &jobs[i], NULL) < 0)
            exit(1);
    }
    if (cv_runtime_run(cx) < 0)
        exit(1);
    double took = now_ns() - start;
    *ret_sum = 0;
    for (unsigned i = 0; i < FIBERS; i++)
        *ret_sum += jobs[i].sum;
    return took;
}

int main(void)
{
    return sqlite_bench_run(&(sqlite_bench){
        .name = "sqlite-point",
        .unit = "gets/s",
        .peer = "a prepared statement in a loop",
        .model = item_model,
        .fill = fill,
        .units = FIBERS * GETS,
        .wanted = 1.0,
        .by_hand = by_hand,
        .with_covet = with_covet,
    });
}
