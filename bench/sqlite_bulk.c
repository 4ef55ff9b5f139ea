/* A million rows into a SQLite file: through Covet, against a prepared INSERT in one transaction; in turns, each into a
 * new table of the same file. */
#include "rows.h"
#include "sqlite_bench.h"

enum { RUNS = 5, WARM_UPS = 1 };

static const char make_table[] =
    "DROP TABLE IF EXISTS bulk; CREATE TABLE bulk (a INTEGER PRIMARY KEY, b BIGINT, c TEXT, d REAL)";

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("copy", sqlite3_errmsg(db));
}

/* The log is copied back, so that both sides begin with none. */
static void begin_anew(sqlite3 *db)
{
    run(db, make_table);
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static double by_hand(sqlite3 *db)
{
    sqlite3_stmt *insert;
    char text[32];
    begin_anew(db);
    double start = now_ns();
    run(db, "BEGIN IMMEDIATE");
    if (sqlite3_prepare_v2(db, "INSERT INTO bulk VALUES (?, ?, ?, ?)", -1, &insert, NULL) != SQLITE_OK)
        die("copy", sqlite3_errmsg(db));
    for (int64_t row = 1; row <= ROWS; row++) {
        sqlite3_bind_int64(insert, 1, row);
        sqlite3_bind_int64(insert, 2, row * 7000000);
        sqlite3_bind_text(insert, 3, text, (int)make_text(text, row), SQLITE_STATIC);
        sqlite3_bind_double(insert, 4, (double)row / 8);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die("copy", sqlite3_errmsg(db));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "COMMIT");
    return now_ns() - start;
}

static double with_covet(cv_ctx *cx, sqlite3 *db)
{
    begin_anew(db);
    return copy_rows_in(cx, "bulk");
}

int main(void)
{
    sqlite_file file;
    double ours[RUNS], theirs[RUNS];
    if (!sqlite_file_make(&file))
        return 1;
    covet_side covet = covet_open(file.url);
    sqlite3 *db = sqlite_file_open(&file);
    run(db, "PRAGMA cache_size=-65536"); /* that of the writer */
    for (int i = -WARM_UPS; i < RUNS; i++) {
        int at = i < 0 ? 0 : i;
        theirs[at] = ROWS * 1e9 / by_hand(db);
        ours[at] = ROWS * 1e9 / with_covet(covet.cx, db);
    }
    sqlite3_close(db);
    covet_close(&covet);
    sqlite_file_remove(&file);
    print_run_ratios("sqlite-bulk", "1,000,000 rows of 4 columns", "rows/s", ours,
                     "a prepared INSERT in one transaction", theirs, 0.9, RUNS);
    return 0;
}
