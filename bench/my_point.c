/* One row by its key from MariaDB: a thousand fibers with cv_get over sixteen connections, against Connector/C's
 * non-blocking calls on libuv, bare, over as many connections, each with one prepared statement and its next key at
 * hand. Same keys, and every column read. */
#include "my_bench.h"
#include "point.h"

#include <uv.h>

enum { GETS = 40, CONNECTIONS = 16, RUNS = 9, WARM_UPS = 2 };

static const point all_rows = {.rows = 100000, .gets = GETS};

/* ---- bare Connector/C on libuv ---- */

typedef struct bare bare;

typedef struct session {
    bare *all;
    MYSQL *my;
    MYSQL_STMT *statement;
    uv_poll_t poll;
    bool executing; /* and else fetching */
    int result;
    int64_t key, id, amount, sum;
    char name[512];
    unsigned long length;
} session;

struct bare {
    uv_loop_t loop;
    session sessions[CONNECTIONS];
    unsigned next, busy;
};

static void bind_session(session *s)
{
    MYSQL_BIND in = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &s->key};
    MYSQL_BIND out[3] = {
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &s->id},
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = s->name, .buffer_length = sizeof s->name, .length = &s->length},
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &s->amount},
    };
    if (mysql_stmt_bind_param(s->statement, &in) || mysql_stmt_bind_result(s->statement, out))
        die("bind", mysql_stmt_error(s->statement));
}

static void ready(uv_poll_t *poll, int status, int events);

static void wait_for(session *s, int events)
{
    uv_poll_start(&s->poll,
                  (events & MYSQL_WAIT_READ ? UV_READABLE : 0) | (events & MYSQL_WAIT_WRITE ? UV_WRITABLE : 0), ready);
}

/* A call has ended: start the next one, 0 when all keys are given out. */
static bool start_next(session *s, int *ret_events)
{
    if (s->executing && s->result)
        die("execute", mysql_stmt_error(s->statement));
    if (s->executing || s->result == 0) {
        if (!s->executing)
            s->sum += s->id + s->amount + (unsigned char)s->name[5];
        s->executing = false;
        *ret_events = mysql_stmt_fetch_start(&s->result, s->statement);
        return true;
    }
    if (s->result != MYSQL_NO_DATA)
        die("fetch", mysql_stmt_error(s->statement));
    if (s->all->next == FIBERS * GETS)
        return false;
    s->key = key_of(&all_rows, s->all->next % FIBERS, s->all->next / FIBERS);
    s->all->next++;
    s->executing = true;
    *ret_events = mysql_stmt_execute_start(&s->result, s->statement);
    return true;
}

static void go_on(session *s, int events)
{
    while (events == 0)
        if (!start_next(s, &events)) {
            uv_poll_stop(&s->poll);
            s->all->busy--;
            return;
        }
    wait_for(s, events);
}

static void ready(uv_poll_t *poll, int status, int events)
{
    session *s = poll->data;
    int seen = (events & UV_READABLE ? MYSQL_WAIT_READ : 0) | (events & UV_WRITABLE ? MYSQL_WAIT_WRITE : 0);
    (void)status;
    go_on(s, s->executing ? mysql_stmt_execute_cont(&s->result, s->statement, seen)
                          : mysql_stmt_fetch_cont(&s->result, s->statement, seen));
}

static void open_bare(bare *all)
{
    uv_loop_init(&all->loop);
    for (int i = 0; i < CONNECTIONS; i++) {
        session *s = &all->sessions[i];
        s->all = all;
        s->my = session_open(false);
        s->statement = session_prepare(s->my, "SELECT id, name, amount FROM items WHERE id = ?");
        bind_session(s);
        uv_poll_init(&all->loop, &s->poll, mysql_get_socket(s->my));
        s->poll.data = s;
    }
}

static double with_connector(bare *all, int64_t *ret_sum)
{
    double start = now_ns();
    all->next = 0;
    all->busy = CONNECTIONS;
    *ret_sum = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        all->sessions[i].sum = 0;
        all->sessions[i].executing = false;
        all->sessions[i].result = MYSQL_NO_DATA;
        go_on(&all->sessions[i], 0);
    }
    uv_run(&all->loop, UV_RUN_DEFAULT);
    for (int i = 0; i < CONNECTIONS; i++)
        *ret_sum += all->sessions[i].sum;
    return now_ns() - start;
}

static void close_bare(bare *all)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        uv_close((uv_handle_t *)&all->sessions[i].poll, NULL);
        mysql_stmt_close(all->sessions[i].statement);
    }
    uv_run(&all->loop, UV_RUN_DEFAULT);
    uv_loop_close(&all->loop);
    for (int i = 0; i < CONNECTIONS; i++)
        mysql_close(all->sessions[i].my);
}

/* ---- in turns ---- */

static void compare(cv_ctx *cx, bare *all)
{
    double ours[RUNS], theirs[RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        int64_t our_sum, their_sum;
        ours[at] = FIBERS * GETS * 1e9 / point_with_covet(cx, &all_rows, &our_sum);
        theirs[at] = FIBERS * GETS * 1e9 / with_connector(all, &their_sum);
        if (our_sum != their_sum)
            die("compare", "the two sides have read different rows");
    }
    print_run_ratios("my-point", "1,000 fibers over 16 connections", "gets/s", ours,
                     "Connector/C, non-blocking on libuv", theirs, 0.9, RUNS);
}

static void fill(void)
{
    MYSQL *my = session_open(true);
    session_run(my, "CREATE OR REPLACE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL,"
                    " amount BIGINT NOT NULL)");
    session_run(my, "INSERT INTO items SELECT seq, CONCAT('a name of some thirty to forty bytes ', seq), seq * 7"
                    " FROM seq_1_to_100000");
    mysql_close(my);
}

int main(void)
{
    static bare all;
    char url[512];
    server_url(url, sizeof url, "&max_connections=16&min_connections=16&shed_target=off&acquire_timeout=30s");
    fill();
    open_bare(&all);
    covet_side covet = covet_open_model(url, item_model);
    compare(covet.cx, &all);
    covet_close_model(&covet);
    close_bare(&all);
    return 0;
}
