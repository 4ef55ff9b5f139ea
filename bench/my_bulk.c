/* A million rows into MariaDB: through Covet, against bare array binding in blocking calls with chunks of the same
 * size; in turns. */
#include "my_bench.h"
#include "rows.h"

enum { CHUNK = 1000, RUNS = 5, WARM_UPS = 1 };

/* ---- bare array binding ---- */

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
    MYSQL_BIND binds[4] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = c.small},
                           {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = c.big},
                           {.buffer_type = MYSQL_TYPE_STRING, .buffer = (void *)c.texts, .length = c.lengths},
                           {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = c.real}};
    for (size_t i = 0; i < 4; i++)
        binds[i].u.indicator = c.given;
    session_run(my, "TRUNCATE bulk_rows");
    double start = now_ns();
    session_run(my, "START TRANSACTION");
    MYSQL_STMT *statement = session_prepare(my, "INSERT INTO bulk_rows (a, b, c, d) VALUES (?,?,?,?)");
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

static double with_covet(cv_ctx *cx, MYSQL *my)
{
    session_run(my, "TRUNCATE bulk_rows");
    return copy_rows_in(cx, "bulk_rows");
}

int main(void)
{
    char url[512];
    double ours[RUNS], theirs[RUNS];
    server_url(url, sizeof url, "");
    covet_side covet = covet_open(url);
    MYSQL *my = session_open(true);
    session_run(my, "CREATE OR REPLACE TABLE bulk_rows (a INT, b BIGINT, c TEXT, d DOUBLE)");
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        theirs[at] = ROWS * 1e9 / with_connector(my);
        ours[at] = ROWS * 1e9 / with_covet(covet.cx, my);
    }
    session_run(my, "DROP TABLE bulk_rows");
    mysql_close(my);
    covet_close(&covet);
    print_run_ratios("my-bulk", "1,000,000 rows of 4 columns", "rows/s", ours, "Connector/C, array binding", theirs,
                     0.95, RUNS);
    return 0;
}
