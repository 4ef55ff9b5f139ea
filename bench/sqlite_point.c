/* One row by its key, of 1,000,000: a thousand fibers with cv_get against a bare prepared statement in a loop, each
 * statement a transaction of its own; same file, same settings, same keys in the same order. */
#include "point.h"
#include "sqlite_bench.h"

enum { GETS = 100 };

static const point all_rows = {.rows = 1000000, .gets = GETS};

static const char fill[] =
    "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, amount BIGINT NOT NULL);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
    " INSERT INTO items SELECT i, 'a name of some thirty to forty bytes ' || i, i * 7 FROM n;"
    "PRAGMA wal_checkpoint(TRUNCATE)";

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
            sqlite3_bind_int64(statement, 1, key_of(&all_rows, fiber, step));
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

static double with_covet(cv_ctx *cx, int64_t *ret_sum)
{
    return point_with_covet(cx, &all_rows, ret_sum);
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
