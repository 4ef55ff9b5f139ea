/* Rows from MariaDB (stream.h), against a loop of bare Connector/C that fetches them unbuffered, in binary, with the
 * blocking calls. */
#include "my_bench.h"
#include "stream.h"

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

static double with_connector(void *session, sums *ret_sums)
{
    MYSQL_STMT *statement = session;
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

/* ---- */

static void fill(MYSQL *my)
{
    session_run(my, "CREATE OR REPLACE TABLE stream_rows (a INTEGER, b BIGINT, c VARCHAR(40), d DOUBLE)");
    session_run(my, "INSERT INTO stream_rows SELECT seq, seq * 7000000000, CONCAT('twenty chars ', 1000000 + seq),"
                    " seq / 8 FROM seq_1_to_1000000");
}

int main(void)
{
    char url[512];
    MYSQL *my = session_open(true);
    fill(my);
    MYSQL_STMT *statement = session_prepare(my, select_rows);
    server_url(url, sizeof url, "&max_connections=2");
    stream_bench_run(&(stream_bench){.name = "my-stream",
                                     .peer = "Connector/C, unbuffered fetch",
                                     .url = url,
                                     .bare = with_connector,
                                     .session = statement});
    mysql_stmt_close(statement);
    session_run(my, "DROP TABLE stream_rows");
    mysql_close(my);
    return 0;
}
