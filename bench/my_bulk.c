/* A million rows into MariaDB: through Covet, against bare array binding in blocking calls with chunks of the same
 * size; in turns. */
#include <covet/copy.h>
#include <covet/runtime.h>
#include <covet/url.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 1000000, CHUNK = 1000, RUNS = 5, WARM_UPS = 1 };

static const char *const columns[] = {"a", "b", "c", "d"};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "could not %s: %s\n", what, why);
    exit(1);
}

static size_t make_text(char *out, int64_t row)
{
    memcpy(out, "twenty chars 1000000", 20);
    for (size_t i = 19; row > 0; i--, row /= 10)
        out[i] = (char)('0' + row % 10);
    return 20;
}

/* ---- bare array binding ---- */

static MYSQL *session_open(cv_ctx *cx, const char *text)
{
    cv_url url;
    MYSQL *my = mysql_init(NULL);
    if (!my || cv_url_parse(cx, cv_str_of(text), &url) < 0)
        die("read the URL of the server", text);
    if (!mysql_real_connect(my, url.host, url.user, url.password, url.path + 1, (unsigned)url.port, NULL, 0))
        die("connect", mysql_error(my));
    return my;
}

static void session_run(MYSQL *my, const char *sql)
{
    if (mysql_query(my, sql) != 0)
        die("prepare the table", mysql_error(my));
}

typedef struct chunk {
    int64_t small[CHUNK], big[CHUNK];
    double real[CHUNK];
    char text[CHUNK][20];
    const char *texts[CHUNK];
    unsigned long lengths[CHUNK];
    char given[CHUNK];
} chunk;

static void fill_chunk(chunk *c, int64_t first)
{
    for (size_t i = 0; i < CHUNK; i++) {
        int64_t row = first + (int64_t)i;
        c->small[i] = row;
        c->big[i] = row * 7000000;
        c->real[i] = (double)row / 8;
        c->texts[i] = c->text[i];
        c->lengths[i] = make_text(c->text[i], row);
    }
}

static double with_connector(MYSQL *my)
{
    static chunk c;
    unsigned size = CHUNK;
    static const char insert[] = "INSERT INTO bulk_rows (a, b, c, d) VALUES (?,?,?,?)";
    MYSQL_BIND binds[4] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = c.small},
                           {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = c.big},
                           {.buffer_type = MYSQL_TYPE_STRING, .buffer = (void *)c.texts, .length = c.lengths},
                           {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = c.real}};
    for (size_t i = 0; i < 4; i++)
        binds[i].u.indicator = c.given;
    session_run(my, "TRUNCATE bulk_rows");
    double start = now_ns();
    session_run(my, "START TRANSACTION");
    MYSQL_STMT *statement = mysql_stmt_init(my);
    if (mysql_stmt_prepare(statement, insert, sizeof insert - 1) != 0)
        die("copy", mysql_stmt_error(statement));
    mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &size);
    mysql_stmt_bind_param(statement, binds);
    for (int64_t row = 1; row <= ROWS; row += CHUNK) {
        fill_chunk(&c, row);
        if (mysql_stmt_execute(statement) != 0)
            die("copy", mysql_stmt_error(statement));
    }
    session_run(my, "COMMIT");
    double took = now_ns() - start;
    mysql_stmt_close(statement);
    return took;
}

/* ---- with Covet ---- */

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

static double with_covet(cv_ctx *cx, MYSQL *my)
{
    rows r = {.values = {{.type = CV_TYPE_I64}, {.type = CV_TYPE_I64}, {.type = CV_TYPE_TEXT}, {.type = CV_TYPE_F64}}};
    cv_copy_source source = {.columns = columns, .column_count = 4, .next = next_row, .arg = &r};
    r.values[2].as.text.ptr = r.text;
    session_run(my, "TRUNCATE bulk_rows");
    double start = now_ns();
    if (cv_copy_in(cx, "bulk_rows", &source, NULL, NULL) < 0)
        die("copy", cv_error_last(cx)->message);
    return now_ns() - start;
}

int main(void)
{
    const char *url = getenv("COVET_TEST_MARIADB");
    double ours[RUNS], theirs[RUNS];
    cv_ctx *cx;
    cv_db *db;
    if (!url)
        die("find MariaDB", "run it with tools/servers run mariadb -- PROGRAM");
    if (cv_runtime_new(NULL, &cx) < 0)
        return 1;
    if (cv_db_open(cx, url, NULL, &db) < 0)
        die("open the database", cv_error_last(cx)->message);
    cv_use_db(cx, db);
    MYSQL *my = session_open(cx, url);
    session_run(my, "DROP TABLE IF EXISTS bulk_rows");
    session_run(my, "CREATE TABLE bulk_rows (a INT, b BIGINT, c TEXT, d DOUBLE)");
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        theirs[at] = ROWS * 1e9 / with_connector(my);
        ours[at] = ROWS * 1e9 / with_covet(cx, my);
    }
    session_run(my, "DROP TABLE bulk_rows");
    mysql_close(my);
    cv_db_close(cx, db);
    cv_runtime_free(cx);
    qsort(ours, RUNS, sizeof *ours, by_value);
    qsort(theirs, RUNS, sizeof *theirs, by_value);
    double us = ours[RUNS / 2], them = theirs[RUNS / 2];
    printf("{\"bench\":\"my-bulk\",\"what\":\"1,000,000 rows of 4 columns\",\"unit\":\"rows/s\",\"ours\":%.0f,"
           "\"peer\":\"Connector/C, array "
           "binding\",\"theirs\":%.0f,\"ratio\":%.3f,\"wanted\":0.95,\"pass\":%s,\"runs\":%d}\n",
           us, them, us / them, us / them >= 0.95 ? "true" : "false", RUNS);
    return 0;
}
