/* A million rows from MariaDB, one after another, every cell read: through Covet, against a loop of bare Connector/C
 * that fetches them unbuffered, in binary, with the blocking calls; in turns. The memory is that of a process which
 * does nothing but read the rows through Covet. */
#include "my_bench.h"

#include <covet/db.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ROWS = 1000000, RUNS = 5, WARM_UPS = 1, WANTED_MIB = 16 };

static const char select_rows[] = "SELECT a, b, c, d FROM stream_rows";

/* What was read: the same on both sides. */
typedef struct sums {
    int64_t rows, small, big, letters;
    double real;
} sums;

/* ---- bare Connector/C ---- */

typedef struct bound_row {
    int32_t small;
    int64_t big;
    char letters[64];
    unsigned long length;
    double real;
    my_bool nulls[4];
} bound_row;

static void bind_row(MYSQL_STMT *statement, bound_row *row)
{
    MYSQL_BIND binds[4] = {
        {.buffer_type = MYSQL_TYPE_LONG, .buffer = &row->small, .is_null = &row->nulls[0]},
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &row->big, .is_null = &row->nulls[1]},
        {.buffer_type = MYSQL_TYPE_STRING,
         .buffer = row->letters,
         .buffer_length = sizeof row->letters,
         .length = &row->length,
         .is_null = &row->nulls[2]},
        {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &row->real, .is_null = &row->nulls[3]},
    };
    if (mysql_stmt_bind_result(statement, binds))
        die("bind", mysql_stmt_error(statement));
}

static double with_connector(MYSQL_STMT *statement, sums *ret_sums)
{
    bound_row row;
    int rc;
    double start = now_ns();
    *ret_sums = (sums){0};
    bind_row(statement, &row);
    if (mysql_stmt_execute(statement))
        die("execute", mysql_stmt_error(statement));
    while ((rc = mysql_stmt_fetch(statement)) == 0) {
        ret_sums->rows++;
        ret_sums->small += row.nulls[0] ? 0 : row.small;
        ret_sums->big += row.nulls[1] ? 0 : row.big;
        ret_sums->letters += row.nulls[2] ? 0 : (int64_t)row.length + row.letters[19];
        ret_sums->real += row.nulls[3] ? 0 : row.real;
    }
    if (rc != MYSQL_NO_DATA)
        die("read rows", mysql_stmt_error(statement));
    return now_ns() - start;
}

/* ---- with Covet ---- */

static int read_rows(cv_ctx *cx, sums *ret_sums)
{
    cv_rows *rows;
    int rc;
    *ret_sums = (sums){0};
    CV_TRY(cv_sql_run(cx, select_rows, NULL, 0, NULL, &rows));
    while ((rc = cv_rows_next(cx, rows)) > 0) {
        cv_value text = cv_rows_get(rows, 2);
        ret_sums->rows++;
        ret_sums->small += cv_rows_get(rows, 0).as.i64;
        ret_sums->big += cv_rows_get(rows, 1).as.i64;
        ret_sums->letters += (int64_t)text.as.text.len + text.as.text.ptr[19];
        ret_sums->real += cv_rows_get(rows, 3).as.f64;
    }
    cv_rows_close(cx, rows);
    return rc;
}

static double with_covet(cv_ctx *cx, sums *ret_sums)
{
    int rc = 0;
    double start = now_ns();
    CV_SCOPE(cx)
    {
        rc = read_rows(cx, ret_sums);
    }
    if (rc < 0)
        die("read rows", cv_error_last(cx)->message);
    return now_ns() - start;
}

static cv_ctx *open_covet(cv_db **ret_db)
{
    char url[512];
    cv_ctx *cx;
    server_url(url, sizeof url, "&max_connections=2");
    if (cv_runtime_new(NULL, &cx) < 0)
        exit(1);
    if (cv_db_open(cx, url, NULL, ret_db) < 0)
        die("open the database", cv_error_last(cx)->message);
    cv_use_db(cx, *ret_db);
    return cx;
}

static void close_covet(cv_ctx *cx, cv_db *db)
{
    cv_db_close(cx, db);
    cv_runtime_free(cx);
}

/* The most memory that a process had which reads the rows once, in KiB. */
static long peak_kib(void)
{
    int status;
    struct rusage used;
    pid_t child = fork();
    if (child == 0) {
        cv_db *db;
        sums read;
        cv_ctx *cx = open_covet(&db);
        (void)with_covet(cx, &read);
        close_covet(cx, db);
        _exit(read.rows != ROWS);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0 || status != 0)
        die("measure the memory", "the process that reads the rows has failed");
    return used.ru_maxrss;
}

/* ---- in turns ---- */

static void compare(cv_ctx *cx, MYSQL_STMT *statement)
{
    double ours[RUNS], theirs[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        sums our_sums, their_sums;
        ours[at] = ROWS * 1e9 / with_covet(cx, &our_sums);
        theirs[at] = ROWS * 1e9 / with_connector(statement, &their_sums);
        if (our_sums.rows != ROWS || memcmp(&our_sums, &their_sums, sizeof our_sums) != 0)
            die("compare", "the two sides have read different rows");
    }
    print_run_ratios("my-stream", "1,000,000 rows of 4 columns", "rows/s", ours, "Connector/C, unbuffered fetch",
                     theirs, 0.9, RUNS);
}

static void fill(MYSQL *my)
{
    session_run(my, "CREATE OR REPLACE TABLE stream_rows (a INTEGER, b BIGINT, c VARCHAR(40), d DOUBLE)");
    session_run(my, "INSERT INTO stream_rows SELECT seq, seq * 7000000000, CONCAT('twenty chars ', 1000000 + seq),"
                    " seq / 8 FROM seq_1_to_1000000");
}

int main(void)
{
    MYSQL *my = session_open(true);
    fill(my);
    long kib = peak_kib();
    printf("{\"bench\":\"my-stream\",\"what\":\"the most memory while reading\",\"unit\":\"MiB\",\"ours\":%.1f,"
           "\"limit\":%d,\"pass\":%s,\"runs\":1}\n",
           (double)kib / 1024, WANTED_MIB, kib < WANTED_MIB * 1024L ? "true" : "false");
    fflush(stdout);
    cv_db *db;
    cv_ctx *cx = open_covet(&db);
    MYSQL_STMT *statement = session_prepare(my, select_rows);
    compare(cx, statement);
    close_covet(cx, db);
    mysql_stmt_close(statement);
    session_run(my, "DROP TABLE stream_rows");
    mysql_close(my);
    return 0;
}
