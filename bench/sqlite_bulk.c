/* A million rows into a SQLite file: through Covet, against a prepared INSERT in one transaction; in turns, each into a
 * new table of the same file. */
#include "sqlite_bench.h"

#include <covet/copy.h>

enum { ROWS = 1000000, RUNS = 5, WARM_UPS = 1 };

static const char *const columns[] = {"id", "big", "words", "real_number"};
static const char make_table[] = "DROP TABLE IF EXISTS bulk; CREATE TABLE bulk (id INTEGER PRIMARY KEY, big BIGINT,"
                                 " words TEXT, real_number REAL)";

static size_t make_text(char out[32], int64_t row)
{
    memcpy(out, "twenty chars 1000000", 20);
    for (size_t i = 19; row > 0; i--, row /= 10)
        out[i] = (char)('0' + row % 10);
    return 20;
}

_Noreturn static void die(const char *why)
{
    fprintf(stderr, "could not copy: %s\n", why);
    exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
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
        die(sqlite3_errmsg(db));
    for (int64_t row = 1; row <= ROWS; row++) {
        sqlite3_bind_int64(insert, 1, row);
        sqlite3_bind_int64(insert, 2, row * 7000000);
        sqlite3_bind_text(insert, 3, text, (int)make_text(text, row), SQLITE_STATIC);
        sqlite3_bind_double(insert, 4, (double)row / 8);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die(sqlite3_errmsg(db));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "COMMIT");
    return now_ns() - start;
}

typedef struct rows {
    int64_t given;
    cv_value values[4];
    char text[32];
} rows;

static int next_row(cv_ctx *cx, void *arg, const cv_value **ret_values)
{
    (void)cx;
    rows *r = arg;
    if (r->given == ROWS)
        return 0;
    int64_t row = ++r->given;
    r->values[0].as.i64 = row;
    r->values[1].as.i64 = row * 7000000;
    r->values[2].as.text.len = make_text(r->text, row);
    r->values[3].as.f64 = (double)row / 8;
    *ret_values = r->values;
    return 1;
}

static double with_covet(cv_ctx *cx, sqlite3 *db)
{
    rows r = {.values = {{.type = CV_TYPE_I64}, {.type = CV_TYPE_I64}, {.type = CV_TYPE_TEXT}, {.type = CV_TYPE_F64}}};
    cv_copy_source source = {.columns = columns, .column_count = 4, .next = next_row, .arg = &r};
    r.values[2].as.text.ptr = r.text;
    begin_anew(db);
    double start = now_ns();
    if (cv_copy_in(cx, "bulk", &source, NULL, NULL) < 0)
        die(cv_error_last(cx)->message);
    return now_ns() - start;
}

int main(void)
{
    sqlite_file file;
    cv_ctx *cx;
    cv_db *covet;
    double ours[RUNS], theirs[RUNS];
    if (!sqlite_file_make(&file) || cv_runtime_new(NULL, &cx) < 0)
        return 1;
    if (cv_db_open(cx, file.url, NULL, &covet) < 0)
        die(cv_error_last(cx)->message);
    cv_use_db(cx, covet);
    sqlite3 *db = sqlite_file_open(&file);
    run(db, "PRAGMA cache_size=-65536"); /* that of the writer */
    for (int i = -WARM_UPS; i < RUNS; i++) {
        double hand = by_hand(db), mine = with_covet(cx, db);
        if (i < 0)
            continue;
        theirs[i] = ROWS * 1e9 / hand;
        ours[i] = ROWS * 1e9 / mine;
    }
    sqlite3_close(db);
    cv_db_close(cx, covet);
    cv_runtime_free(cx);
    sqlite_file_remove(&file);
    double us = median(ours, RUNS), them = median(theirs, RUNS);
    printf(
        "{\"bench\":\"sqlite-bulk\",\"what\":\"1,000,000 rows of 4 columns\",\"unit\":\"rows/s\",\"ours\":%.0f,"
        "\"peer\":\"a prepared INSERT in one transaction\",\"theirs\":%.0f,\"ratio\":%.3f,\"wanted\":0.90,\"pass\":%s,"
        "\"runs\":%d}\n",
        us, them, us / them, us / them >= 0.9 ? "true" : "false", RUNS);
    return 0;
}
