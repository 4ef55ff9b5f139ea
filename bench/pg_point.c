/* One row by its key from PostgreSQL: a thousand fibers with cv_get on one worker, against bare libpq with the same two
 * connections and as many statements under way, in each of its modes: a Sync for each statement, a Sync for each turn
 * of its loop, the same with 64 statements a Sync at most; and one statement at a time. Same keys, all prepared. */
#include "pg_bench.h"
#include "point.h"

#include <endian.h>
#include <poll.h>

enum { GETS = 40, CONNECTIONS = 2, ALONE = 4000, RUNS = 9, WARM_UPS = 2 };

static const point all_rows = {.rows = 100000, .gets = GETS};

/* ---- bare libpq ---- */

static int64_t take_i64(const PGresult *result, int column)
{
    uint64_t big;
    memcpy(&big, PQgetvalue(result, 0, column), sizeof big);
    return (int64_t)be64toh(big);
}

static int64_t sum_of(const PGresult *result)
{
    char name[128];
    if (PQntuples(result) != 1)
        die("read a row", PQresultErrorMessage(result));
    memcpy(name, PQgetvalue(result, 0, 1), (size_t)PQgetlength(result, 0, 1) + 1);
    return take_i64(result, 0) + take_i64(result, 2) + (unsigned char)name[5];
}

typedef struct param {
    uint64_t key;
    const char *value;
    int length, format;
} param;

static param param_of(unsigned number)
{
    return (param){
        .key = htobe64((uint64_t)key_of(&all_rows, number % FIBERS, number / FIBERS)), .length = 8, .format = 1};
}

static double one_at_a_time(PGconn *pg)
{
    double start = now_ns();
    for (unsigned i = 0; i < ALONE; i++) {
        param p = param_of(i);
        p.value = (const char *)&p.key;
        PGresult *result = PQexecPrepared(pg, "get", 1, &p.value, &p.length, &p.format, 1);
        (void)sum_of(result);
        PQclear(result);
    }
    return now_ns() - start;
}

typedef struct pipe {
    PGconn *pg;
    unsigned due;   /* statements to be sent in this turn */
    unsigned under; /* way */
    int64_t sum;
} pipe_of;

static void send_due(pipe_of *p, unsigned *next, unsigned per_sync)
{
    unsigned unsynced = 0;
    for (; p->due > 0 && *next < FIBERS * GETS; p->due--, p->under++) {
        param q = param_of((*next)++);
        q.value = (const char *)&q.key;
        if (!PQsendQueryPrepared(p->pg, "get", 1, &q.value, &q.length, &q.format, 1))
            die("send", PQerrorMessage(p->pg));
        if (++unsynced == per_sync && PQpipelineSync(p->pg))
            unsynced = 0;
    }
    p->due = 0;
    if (unsynced > 0)
        (void)PQpipelineSync(p->pg);
}

static void take_answers(pipe_of *p)
{
    if (!PQconsumeInput(p->pg))
        die("read", PQerrorMessage(p->pg));
    while (p->under > 0 && !PQisBusy(p->pg)) {
        PGresult *result = PQgetResult(p->pg);
        if (PQresultStatus(result) == PGRES_TUPLES_OK) {
            p->sum += sum_of(result);
            p->under--;
            p->due++;
        } else if (result && PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
            die("read a row", PQresultErrorMessage(result));
        }
        PQclear(result);
    }
}

/* As many statements under way as there are fibers; what was answered in a turn is asked anew at its end. */
static double pipelined(PGconn *const sessions[CONNECTIONS], unsigned per_sync, int64_t *ret_sum)
{
    pipe_of pipes[CONNECTIONS];
    struct pollfd polls[CONNECTIONS];
    unsigned next = 0;
    double start = now_ns();
    for (int i = 0; i < CONNECTIONS; i++) {
        pipes[i] = (pipe_of){.pg = sessions[i], .due = FIBERS / CONNECTIONS};
        PQsetnonblocking(sessions[i], 1);
        PQenterPipelineMode(sessions[i]);
        send_due(&pipes[i], &next, per_sync);
    }
    while (pipes[0].under + pipes[1].under > 0) {
        for (int i = 0; i < CONNECTIONS; i++) {
            bool unsent = PQflush(sessions[i]) > 0;
            polls[i] = (struct pollfd){.fd = PQsocket(sessions[i]), .events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
        }
        poll(polls, CONNECTIONS, -1);
        for (int i = 0; i < CONNECTIONS; i++)
            if (polls[i].revents & POLLIN)
                take_answers(&pipes[i]);
        for (int i = 0; i < CONNECTIONS; i++)
            send_due(&pipes[i], &next, per_sync);
    }
    double took = now_ns() - start;
    *ret_sum = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        PQsetnonblocking(sessions[i], 0);
        while (!PQexitPipelineMode(sessions[i])) /* the last answers to Sync */
            PQclear(PQgetResult(sessions[i]));
        *ret_sum += pipes[i].sum;
    }
    return took;
}

/* ---- in turns ---- */

/* Processor time of this process since the last call, in microseconds for each of `count` things. */
static double cpu_us(double count)
{
    static clock_t last;
    clock_t now = clock();
    double us = (double)(now - last) * 1e6 / CLOCKS_PER_SEC / count;
    last = now;
    return us;
}

enum { EACH, TURN, TURN_64, MODES };
static const char *const mode_names[] = {"libpq, a Sync each", "libpq, a Sync per turn",
                                         "libpq, a Sync per turn and 64"};
static const unsigned mode_syncs[] = {1, FIBERS, 64};

static void check(int64_t ours, int64_t theirs)
{
    if (ours != theirs)
        die("compare", "the two sides have read different rows");
}

static void compare(cv_ctx *cx, PGconn *const sessions[CONNECTIONS])
{
    double covet[RUNS], bare[MODES][RUNS], alone[RUNS], covet_us[RUNS], bare_us[MODES][RUNS];
    for (int run = -WARM_UPS; run < RUNS; run++) {
        int at = run < 0 ? 0 : run;
        int64_t our_sum, their_sum;
        (void)cpu_us(1);
        covet[at] = FIBERS * GETS * 1e9 / point_with_covet(cx, &all_rows, &our_sum);
        covet_us[at] = cpu_us(FIBERS * GETS);
        for (int mode = 0; mode < MODES; mode++) {
            bare[mode][at] = FIBERS * GETS * 1e9 / pipelined(sessions, mode_syncs[mode], &their_sum);
            bare_us[mode][at] = cpu_us(FIBERS * GETS);
            check(our_sum, their_sum);
        }
        alone[at] = ALONE * 1e9 / one_at_a_time(sessions[0]);
    }
    int best = 0;
    double medians[MODES];
    for (int mode = 0; mode < MODES; mode++) {
        medians[mode] = median_of(bare[mode], RUNS);
        best = medians[mode] > medians[best] ? mode : best;
        fprintf(stderr, "%s: %.0f/s, %.2f us of processor time each\n", mode_names[mode], medians[mode],
                median_of(bare_us[mode], RUNS));
    }
    fprintf(stderr, "Covet: %.0f/s, %.2f us of processor time each\n", median_of(covet, RUNS),
            median_of(covet_us, RUNS));
    print_run_ratios("pg-point", "1,000 fibers", "gets/s", covet, mode_names[best], bare[best], 0.9, RUNS);
    print_run_ratios("pg-point", "1,000 fibers, and one at a time", "gets/s", covet, "libpq, one at a time", alone, 3,
                     RUNS);
}

static void fill(PGconn *pg)
{
    session_run(pg, "SET client_min_messages = warning");
    session_run(pg, "DROP TABLE IF EXISTS items;"
                    "CREATE TABLE items (id bigint PRIMARY KEY, name varchar(100) NOT NULL, amount bigint NOT NULL);"
                    "INSERT INTO items SELECT i, 'a name of some thirty to forty bytes ' || i, i * 7"
                    " FROM generate_series(1, 100000) i");
    session_run(pg, "VACUUM ANALYZE items");
}

int main(void)
{
    PGconn *sessions[CONNECTIONS];
    char url[512];
    server_url(url, sizeof url, "&max_connections=8&shared_connections=2");
    for (int i = 0; i < CONNECTIONS; i++)
        sessions[i] = session_open();
    fill(sessions[0]);
    for (int i = 0; i < CONNECTIONS; i++)
        PQclear(
            PQprepare(sessions[i], "get", "SELECT id, name, amount FROM items WHERE id = $1", 1, (const Oid[]){20}));
    covet_side covet = covet_open_model(url, item_model);
    compare(covet.cx, sessions);
    covet_close_model(&covet);
    for (int i = 0; i < CONNECTIONS; i++)
        PQfinish(sessions[i]);
    return 0;
}
