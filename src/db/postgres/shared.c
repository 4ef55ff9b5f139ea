/* Reads that share connections: of many fibers, one behind the other, without waiting in between.
 *
 * A line is a shared connection. What the server owes is a queue of steps: answers to PREPARE, to reads, and to Sync.
 * Reads of one turn of the loop are sent together, with one Sync at the turn's end, or after 64 of them. Between two
 * Syncs the server sees one implicit transaction, which an error ends: the reads behind it come back as aborted and are
 * sent again by their fibers. So only what is certain to be a read may be here: the connections are read-only.
 *
 * A fiber whose wait ends early abandons its read: the line drops the answer when it comes. Nothing is ever cancelled
 * here, it could be a neighbour's.
 *
 * States of a line:   none -> connecting -> open -> worn (large results: takes no more, closed when empty) -> none
 *                                           open, worn -> lost (its reads are asked elsewhere) -> none */
#include "db/postgres/shared.h"
#include "db/postgres/connect.h"
#include "db/postgres/rows.h"
#include "db/postgres/wire.h"

#include "base/ctx.h"
#include "db/options.h"
#include "db/server/aside.h"
#include <covet/runtime.h>
#include <stdlib.h>

enum {
    LINES_MAX = 8,
    STEPS = 2048,     /* that one line can owe: a power of two */
    SYNC_EVERY = 64,  /* reads */
    RESENDS = 2,      /* of a read that was aborted by a neighbour's error */
    SPARES = STEPS,   /* reads that wait for the next use */
    SHARING_FROM = 8, /* connections: with fewer none is shared, unless the options say so */
    COLUMNS = 12,     /* that lie in the read itself */
    ROW_BYTES = 256,  /* of a single row, likewise */
    READS_AHEAD = 6,
    FIBERS_AHEAD = 3,
    CACHE_LINE = 64,
};
/* Nothing is placed behind a read that the server has been busy with for longer. */
#define HEAD_MAX_NS INT64_C(5000000)
/* Behind a slow read its neighbours wait as well, even those before it: the server holds answers back up to the Sync.
 * From a line that owes something and is silent for so long all reads are asked again on connections of their own. */
#define STALL_NS INT64_C(100000000)
/* One that stays silent is given up. */
#define SILENCE_MAX_NS INT64_C(5000000000)
/* After a failure to connect. */
#define RETRY_NS INT64_C(1000000000)
/* libpq keeps the memory of large results: a line that had one is replaced. Large parameters do not come here. */
#define RESULT_MAX_BYTES ((size_t)1 << 20)
/* A statement with a larger answer has a connection of its own the next time: its neighbours wait while the answer
 * comes, and the server works at one read a line. */
#define LARGE_BYTES      ((size_t)64 << 10)
#define PARAMS_MAX_BYTES ((size_t)64 << 10)
/* Statements that left the cache stay on the server; a line with so many of them is replaced. */
#define STALE_MAX 1000

#define READ_ONLY "SET default_transaction_read_only = on"

/* How a wait for an answer ended, beside errors. */
enum { ANSWERED = 0, ABORTED = 1, LOST = 2 };

typedef enum step_kind { STEP_PREPARE, STEP_READ, STEP_SYNC } step_kind;

typedef struct step {
    step_kind kind;
    cv__pg_prepared *prepared;
    struct quick_read *read; /* NULL: nobody waits for it any more */
} step;

/* It belongs to its fiber. A thousand of them lie cold until their answers come: what is touched is kept small. */
typedef struct quick_read {
    cv__cursor base;
    cv__waiter wait;
    cv__pg_sharing *sharing;
    step *step;            /* while it is under way */
    cv__pg_layout *layout; /* of its rows; NULL: there are none */
    PGresult *result;      /* what came, but for a single small row, which is in `bytes` */
    int row, row_count;
    cv__pg_columns columns;
    char bytes[ROW_BYTES];
    cv__pg_column column[COLUMNS];
    cv__pg_column *wide;     /* the columns of a result that has more */
    struct quick_read *next; /* while it is spare */
} quick_read;

typedef struct line {
    cv__pg_sharing *sharing;
    cv__pg_conn *conn; /* NULL: none */
    bool connecting, worn;
    int events; /* that the loop looks for */
    int64_t retry_ns;
    int64_t heard_ns; /* when the server last said something, or was first asked */
    unsigned unsynced;
    unsigned first, count;
    step steps[STEPS];
} line;

struct cv__pg_sharing {
    cv__pg_shared *shared;
    cv_ctx *main; /* NULL until the first quick_read */
    cv__turn_end turn;
    cv__timer silence;
    bool closed;
    bool left; /* with the last read that is lent it is freed */
    quick_read *spare;
    size_t spare_count, lent;
    uint64_t resent;
    size_t count;
    line lines[];
};

/* --- reads --- */

static quick_read *read_of(cv__cursor *cursor)
{
    return (quick_read *)(void *)cursor;
}

static quick_read *read_new(cv_ctx *cx, cv__pg_sharing *sharing)
{
    quick_read *r = sharing->spare;
    if (r) {
        sharing->spare = r->next;
        sharing->spare_count--;
    } else if (!(r = malloc(sizeof *r))) {
        return NULL;
    }
    sharing->lent++;
    r->base = (cv__cursor){.driver = &cv__driver_postgres};
    cv__waiter_init(cx, &r->wait);
    r->wait.what = "wait for the answer of PostgreSQL";
    r->sharing = sharing;
    r->step = NULL;
    r->layout = NULL;
    r->result = NULL;
    r->columns.memory.arena = NULL;
    r->wide = NULL;
    return r;
}

static void free_spares(cv__pg_sharing *sharing)
{
    while (sharing->spare) {
        quick_read *r = sharing->spare;
        sharing->spare = r->next;
        free(r);
    }
}

static void put_away(cv__pg_sharing *sharing, quick_read *r)
{
    sharing->lent--;
    if (sharing->spare_count < SPARES && !sharing->left) {
        r->next = sharing->spare;
        sharing->spare = r;
        sharing->spare_count++;
        return;
    }
    free(r);
    if (sharing->left && sharing->lent == 0)
        free(sharing);
}

/* When it is under way still, the line drops the answer. */
static void read_release(quick_read *r)
{
    if (r->step)
        r->step->read = NULL;
    PQclear(r->result);
    cv__pg_columns_done(&r->columns);
    cv__pg_layout_drop(r->layout);
    free(r->wide);
    put_away(r->sharing, r);
}

/* --- a line: its steps --- */

static step *push(line *l, step_kind kind, cv__pg_prepared *prepared, quick_read *read)
{
    step *s = &l->steps[(l->first + l->count++) % STEPS];
    *s = (step){kind, prepared, read};
    if (prepared)
        prepared->cached.in_use++;
    return s;
}

static void pop(line *l)
{
    l->first = (l->first + 1) % STEPS;
    l->count--;
}

/* A statement that left the cache while it was in use is freed by its last user. */
static void unuse(cv__pg_conn *conn, cv__pg_prepared *p)
{
    if (--p->cached.in_use == 0 && !p->cached.cached)
        cv__pg_prepared_free(conn, &p->cached);
}

/* The fiber goes on; what the line still gets for it is dropped. */
static void end_read(step *s, int result)
{
    quick_read *r = s->read;
    if (!r)
        return;
    s->read = NULL;
    r->step = NULL;
    cv__wake(&r->wait, result);
}

/* Its fibers go elsewhere; the answers are dropped when they come. */
static void leave_alone(line *l)
{
    for (unsigned i = 0; i < l->count; i++)
        end_read(&l->steps[(l->first + i) % STEPS], LOST);
}

static void drop_steps(line *l, int result)
{
    for (; l->count > 0; pop(l)) {
        step *s = &l->steps[l->first];
        end_read(s, result);
        if (s->prepared)
            unuse(l->conn, s->prepared);
    }
    l->unsynced = 0;
}

static void close_line(line *l, int result)
{
    drop_steps(l, result);
    cv__pg_disconnect(&l->conn->base);
    l->conn = NULL;
    l->worn = false;
}

static void close_if_worn(line *l)
{
    if (l->conn && l->worn && l->count == 0)
        close_line(l, LOST);
}

/* --- a line: what arrives --- */

/* The next read under way: the one behind the PREPARE that failed is the one that it was for. */
static void fail_next_read(line *l, PGresult *failure)
{
    quick_read *r = l->count > 0 ? l->steps[l->first].read : NULL;
    if (r && !r->result)
        r->result = failure;
    else
        PQclear(failure);
}

static void take_prepared(line *l, cv__pg_prepared *p, PGresult *result)
{
    bool failed = PQresultStatus(result) == PGRES_FATAL_ERROR;
    pop(l);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        cv__statement_cache_remove(&l->conn->statements, &p->cached);
    unuse(l->conn, p);
    if (failed)
        fail_next_read(l, result);
    else
        PQclear(result);
}

/* A row that many reads would have: copied, so that libpq's memory goes on to the next answer, still warm. */
static bool keep_small_row(quick_read *r, const PGresult *result)
{
    if (r->row_count != 1 || cv__pg_row_bytes(result, 0) > ROW_BYTES)
        return false;
    cv__pg_row_keep(result, 0, r->bytes);
    return true;
}

/* False without memory. */
static bool take_rows(quick_read *r, cv__pg_prepared *p, PGresult *result)
{
    if (!p->layout && !(p->layout = cv__pg_layout_new(result))) {
        PQclear(result);
        return false;
    }
    r->layout = p->layout;
    r->layout->users++;
    r->row = 0;
    r->row_count = PQntuples(result);
    if (keep_small_row(r, result))
        PQclear(result);
    else
        r->result = result;
    return true;
}

/* The answer to a read: how its wait ends. */
static int take_answer(quick_read *r, cv__pg_prepared *p, PGresult *result)
{
    if (r->result) { /* why PREPARE failed */
        PQclear(result);
        return ANSWERED;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return take_rows(r, p, result) ? ANSWERED : LOST;
    r->result = result;
    return ANSWERED;
}

static void take_read(line *l, step *s, PGresult *result)
{
    cv__pg_prepared *p = s->prepared;
    bool aborted = PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
    bool outdated = PQresultStatus(result) == PGRES_FATAL_ERROR && cv__pg_is_outdated(result);
    size_t bytes = PQresultMemorySize(result);
    l->worn |= bytes > RESULT_MAX_BYTES;
    p->is_large |= bytes > LARGE_BYTES;
    if (outdated)
        cv__statement_cache_remove(&l->conn->statements, &p->cached);
    if (s->read && !aborted && !outdated) {
        end_read(s, take_answer(s->read, p, result));
    } else {
        PQclear(result);
        end_read(s, s->read && s->read->result ? ANSWERED : ABORTED);
    }
    pop(l);
    unuse(l->conn, p);
}

/* Such as the good-bye of a server that is shut down; and COPY, whose data nobody would read. */
static bool ends_connection(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    const char *state = status == PGRES_FATAL_ERROR ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH ||
           (status == PGRES_FATAL_ERROR && (!state || cv__pg_error_code(state) == CV_E_CONNECTION_LOST));
}

/* The answer to the first step; false when the connection cannot go on, or the answer does not belong there. */
static bool take(line *l, PGresult *result)
{
    step *s = &l->steps[l->first];
    bool synchronised = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    if (PQstatus(l->conn->pg) != CONNECTION_OK || ends_connection(result) || (synchronised && s->kind != STEP_SYNC)) {
        PQclear(result);
        return false;
    }
    switch (s->kind) {
    case STEP_PREPARE:
        take_prepared(l, s->prepared, result);
        break;
    case STEP_READ:
        take_read(l, s, result);
        break;
    case STEP_SYNC: /* before it comes what the end of the implicit transaction has to say, if anything */
        if (synchronised)
            pop(l);
        PQclear(result);
        break;
    }
    return true;
}

/* What has waited among a thousand has left the cache: while libpq is busy with this answer, the reads of the next ones
 * are fetched, then the fibers that wait for them. */
static void fetch_ahead(const line *l)
{
    const quick_read *read = l->steps[(l->first + READS_AHEAD) % STEPS].read;
    const quick_read *waiting = l->steps[(l->first + FIBERS_AHEAD) % STEPS].read;
    if (l->count <= READS_AHEAD)
        return;
    for (size_t at = 0; read && at <= offsetof(quick_read, bytes); at += CACHE_LINE)
        __builtin_prefetch((const char *)read + at, 1);
    if (waiting)
        cv__waiter_fetch(&waiting->wait);
}

static bool take_all(line *l)
{
    bool ended = false; /* the answers of a step end with a NULL */
    while (l->count > 0 && !PQisBusy(l->conn->pg)) {
        fetch_ahead(l);
        PGresult *result = PQgetResult(l->conn->pg);
        if (result ? !take(l, result) : ended)
            return false;
        ended = !result;
    }
    return PQstatus(l->conn->pg) == CONNECTION_OK;
}

static void on_event(void *arg, int events);

/* Send what libpq holds; look for more of the server, and for room when there was none. */
static bool flush(line *l)
{
    int unsent = PQflush(l->conn->pg);
    int events = UV_READABLE | (unsent > 0 ? UV_WRITABLE : 0);
    if (unsent < 0)
        return false;
    if (events == l->events)
        return true;
    l->events = events;
    return cv__poll_call(l->conn->poll, events, on_event, l) == 0;
}

static void lose(line *l)
{
    l->retry_ns = cv__loop_now_ns(l->sharing->main) + RETRY_NS;
    close_line(l, LOST);
}

static void on_event(void *arg, int events)
{
    line *l = arg;
    l->heard_ns = cv__loop_now_ns(l->sharing->main);
    bool readable = events < 0 || (events & ~UV_WRITABLE);
    if ((readable && !PQconsumeInput(l->conn->pg)) || !take_all(l) || !flush(l) || events < 0)
        lose(l);
    else
        close_if_worn(l);
}

/* --- a line: what is sent --- */

static bool send_sync(line *l)
{
    l->unsynced = 0;
    if (!PQpipelineSync(l->conn->pg))
        return false;
    push(l, STEP_SYNC, NULL, NULL);
    return flush(l);
}

static void watch_silence(cv__pg_sharing *sharing)
{
    if (!sharing->silence.armed)
        cv__timer_start(sharing->main, &sharing->silence, cv__loop_now_ns(sharing->main) + STALL_NS / 2);
}

static void on_turn_end(cv__turn_end *end)
{
    cv__pg_sharing *sharing = (cv__pg_sharing *)(void *)((char *)end - offsetof(cv__pg_sharing, turn));
    for (size_t i = 0; i < sharing->count; i++) {
        line *l = &sharing->lines[i];
        if (l->unsynced > 0 && !send_sync(l))
            lose(l);
    }
    watch_silence(sharing);
}

static void on_silence(cv__timer *timer)
{
    cv__pg_sharing *sharing = (cv__pg_sharing *)(void *)((char *)timer - offsetof(cv__pg_sharing, silence));
    int64_t now_ns = cv__loop_now_ns(sharing->main);
    bool owing = false;
    for (size_t i = 0; i < sharing->count; i++) {
        line *l = &sharing->lines[i];
        if (l->count > 0 && now_ns - l->heard_ns >= SILENCE_MAX_NS)
            lose(l);
        else if (l->count > 0 && now_ns - l->heard_ns >= STALL_NS)
            leave_alone(l);
        owing |= l->count > 0;
    }
    if (owing)
        watch_silence(sharing);
}

static bool send_prepare(line *l, cv__pg_prepared *p)
{
    if (!PQsendPrepare(l->conn->pg, p->name, p->sql, p->param_count, p->types))
        return false;
    cv__statement_cache_put(&l->conn->statements, &p->cached);
    push(l, STEP_PREPARE, p, NULL);
    l->worn |= l->conn->stale_count > STALE_MAX;
    return true;
}

static bool send_read(line *l, cv__pg_prepared *p, quick_read *r, const cv__pg_params *params)
{
    if (!PQsendQueryPrepared(l->conn->pg, p->name, params->count, params->values, params->lengths, params->formats, 1))
        return false;
    r->step = push(l, STEP_READ, p, r);
    if (++l->unsynced == SYNC_EVERY)
        return send_sync(l);
    cv__turn_end_ask(l->sharing->main, &l->sharing->turn);
    return true;
}

/* 0: it is under way; 1: this one is not for here, or the line is lost; or an error. */
static int put(cv_ctx *cx, line *l, const cv__statement *statement, quick_read *r)
{
    cv__pg_params params;
    cv__pg_prepared *p;
    bool fresh;
    CV_TRY(cv__pg_params_make(cx, statement->params, statement->param_count, &params));
    if (params.bytes > PARAMS_MAX_BYTES)
        return 1;
    CV_TRY(cv__pg_prepared_need(cx, l->conn, statement, &params, &p, &fresh));
    if (p->is_large)
        return 1;
    if (fresh && p->touches_session) {
        free(p);
        return 1;
    }
    if (l->count == 0)
        l->heard_ns = cv__loop_now_ns(cx);
    if (fresh && !send_prepare(l, p)) {
        free(p);
        lose(l);
        return 1;
    }
    if (!send_read(l, p, r, &params)) {
        lose(l);
        return r->wait.woken ? 0 : 1; /* it was a step already, and has been told */
    }
    return 0;
}

/* --- choosing --- */

static bool takes_more(const line *l, int64_t now_ns)
{
    return !l->worn && l->count + 3 <= STEPS && (l->count == 0 || now_ns - l->heard_ns <= HEAD_MAX_NS);
}

static int make_read_only(cv_ctx *cx, cv__pg_conn *conn)
{
    int rc = CV_E_TIMEOUT;
    CV_WITHIN(cx, conn->shared->connect_timeout_ms)
    {
        rc = cv__pg_command(cx, conn, READ_ONLY, NULL);
    }
    return rc;
}

static void use_connection(cv_ctx *cx, line *l, cv__pg_conn *conn)
{
    int rc = make_read_only(cx, conn);
    if (rc < 0)
        cv_error_clear(cx);
    l->retry_ns = cv__loop_now_ns(cx) + RETRY_NS;
    l->conn = conn;
    l->events = 0;
    if (conn->pooled) /* a pipeline would spread over the pooler's sessions */
        l->retry_ns = INT64_MAX;
    if (rc < 0 || l->sharing->closed || conn->pooled || !PQenterPipelineMode(conn->pg) || !flush(l))
        close_line(l, LOST);
}

static void connected(cv_ctx *cx, void *arg, cv__conn *conn)
{
    line *l = arg;
    cv__pg_shared *shared = l->sharing->shared;
    l->retry_ns = cv__loop_now_ns(cx) + RETRY_NS;
    if (conn)
        use_connection(cx, l, cv__pg_conn_of(conn));
    l->connecting = false;
    cv__pg_errand_ended(shared);
}

static void open_line(cv_ctx *cx, line *l, int64_t now_ns)
{
    cv__pg_shared *shared = l->sharing->shared;
    if (l->connecting || now_ns < l->retry_ns)
        return;
    l->connecting = cv__connect_aside(cx, &cv__driver_postgres, shared, connected, l);
    shared->errands += l->connecting;
}

/* The open line that owes least; lines that are missing are made meanwhile. NULL: none takes a read now. */
static line *choose(cv_ctx *cx, cv__pg_sharing *sharing)
{
    int64_t now_ns = cv__loop_now_ns(cx);
    line *best = NULL;
    for (size_t i = 0; i < sharing->count; i++) {
        line *l = &sharing->lines[i];
        if (!l->conn)
            open_line(cx, l, now_ns);
        else if (takes_more(l, now_ns) && (!best || l->count < best->count))
            best = l;
    }
    return best;
}

/* --- the driver's functions --- */

static int fail_read(cv_ctx *cx, const PGresult *result)
{
    int rc = cv__pg_fail_with(cx, result);
    if (rc == CV_E_READ_ONLY)
        cv_error_hint(cx, "what is marked as a quick read runs on a shared connection, which cannot write: run it with "
                          "cv_exec or cv_select");
    return rc;
}

static int set_columns(cv_ctx *cx, quick_read *r, const cv__statement *statement)
{
    size_t count = r->layout->columns.count;
    if (count > COLUMNS && !(r->wide = malloc(count * sizeof *r->wide)))
        return cv_fail(cx, CV_E_NOMEM, "no memory for rows");
    r->base.column_count = count;
    r->base.column_names = r->layout->columns.names;
    return cv__pg_columns_copy(cx, &r->columns, r->layout, r->wide ? r->wide : r->column, statement);
}

/* An answer without rows. */
static int end_without_rows(cv_ctx *cx, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
        return 0;
    case PGRES_EMPTY_QUERY:
        return cv_fail(cx, CV_E_SQL, "the statement is empty");
    default:
        return fail_read(cx, result);
    }
}

/* An answer has come: a cursor of its rows, NULL when it has none, or its error. */
static int open_cursor(cv_ctx *cx, quick_read *r, const cv__statement *statement, cv__cursor **ret_cursor)
{
    int rc = r->layout ? set_columns(cx, r, statement) : end_without_rows(cx, r->result);
    *ret_cursor = NULL;
    if (rc == 0 && r->layout)
        *ret_cursor = &r->base;
    else
        read_release(r);
    return rc;
}

static int wait_for_answer(cv_ctx *cx, quick_read *r)
{
    cv__io_begin(cx);
    int rc = cv__wait(cx, &r->wait);
    cv__io_end(cx);
    return r->wait.woken && rc == CV_E_CLOSED ? cv_fail(cx, rc, "the database was closed") : rc;
}

/* Once: 0 with the answer, ABORTED, LOST, or an error. */
static int ask(cv_ctx *cx, line *l, const cv__statement *statement, quick_read **ret_read)
{
    quick_read *r = read_new(cx, l->sharing);
    int rc = r ? 0 : cv_fail(cx, CV_E_NOMEM, "no memory for a statement");
    CV_TRY(rc);
    CV_SCOPE(cx)
    {
        rc = put(cx, l, statement, r);
    }
    if (rc == 0)
        rc = wait_for_answer(cx, r);
    else if (rc > 0)
        rc = LOST;
    if (rc == ANSWERED)
        *ret_read = r;
    else
        read_release(r);
    return rc;
}

int cv__pg_execute_shared(cv_ctx *cx, void *shared, const cv__statement *statement, cv__cursor **ret_cursor)
{
    cv__pg_sharing *sharing = ((cv__pg_shared *)shared)->sharing;
    if (sharing->count == 0 || sharing->closed || statement->uncached || !cx->fiber)
        return 1;
    CV_TRY(cv__wait_check(cx, "run a statement"));
    sharing->main = cv__main_ctx(cx);
    quick_read *r = NULL;
    int rc = ABORTED;
    for (int sent = 0; rc == ABORTED && sent <= RESENDS; sent++) {
        line *l = choose(cx, sharing);
        if (!l)
            return 1;
        rc = ask(cx, l, statement, &r);
        sharing->resent += rc == ABORTED;
    }
    if (rc > 0 && sharing->closed)
        return cv_fail(cx, CV_E_CLOSED, "the database was closed");
    return rc == ANSWERED ? open_cursor(cx, r, statement, ret_cursor) : rc < 0 ? rc : 1;
}

int cv__pg_shared_fetch(cv_ctx *cx, cv__cursor *cursor, cv_value *cells, cv_result *ret_result)
{
    quick_read *r = read_of(cursor);
    if (r->row == r->row_count) {
        if (ret_result)
            *ret_result = (cv_result){0};
        return 0;
    }
    int row = r->row++;
    return r->result ? cv__pg_columns_read(cx, &r->columns, r->result, row, cells)
                     : cv__pg_columns_read_kept(cx, &r->columns, r->bytes, cells);
}

void cv__pg_shared_finish(cv__cursor *cursor)
{
    read_release(read_of(cursor));
}

int cv__pg_take_sharing(cv_ctx *cx, cv__pg_shared *shared, cv_str value)
{
    int64_t number = 0;
    if (!cv_str_equal(value, CV_STR("off")))
        CV_TRY(cv__db_option_number(cx, CV_STR("shared_connections"), value, 0, LINES_MAX, &number));
    shared->shared_connections = number == 0 ? -1 : (int)number;
    return 0;
}

int cv__pg_sharing_new(cv_ctx *cx, cv__pg_shared *shared, const cv_db_options *options)
{
    size_t max = options->max_connections;
    int wanted = shared->shared_connections ? shared->shared_connections : options->shared_connections;
    size_t count = wanted < 0 ? 0 : (size_t)wanted;
    if (wanted == 0)
        count = max >= SHARING_FROM ? 2 : 0;
    if (count > LINES_MAX || (count > 0 && count >= max))
        return cv_fail(cx, CV_E_CONFIG,
                       "shared_connections is %zu, which is not between 0 and %d and less than max_connections, %zu",
                       count, LINES_MAX, max);
    cv__pg_sharing *sharing = calloc(1, sizeof *sharing + count * sizeof(line));
    if (!sharing)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a database");
    *sharing = (cv__pg_sharing){.shared = shared, .turn.fn = on_turn_end, .silence.fire = on_silence, .count = count};
    cv_list_init(&sharing->turn.link);
    for (size_t i = 0; i < count; i++)
        sharing->lines[i].sharing = sharing;
    shared->sharing = sharing;
    return 0;
}

size_t cv__pg_limit(const void *shared, cv__conn_role role, size_t wanted)
{
    const cv__pg_sharing *sharing = ((const cv__pg_shared *)shared)->sharing;
    return role == CV__READER ? wanted - sharing->count : wanted;
}

void cv__pg_close_shared(void *shared)
{
    cv__pg_sharing *sharing = ((cv__pg_shared *)shared)->sharing;
    sharing->closed = true;
    cv__pg_listener_close(shared);
    for (size_t i = 0; i < sharing->count; i++)
        if (sharing->lines[i].conn)
            close_line(&sharing->lines[i], CV_E_CLOSED);
    cv__turn_end_drop(&sharing->turn);
    if (sharing->main)
        cv__timer_stop(sharing->main, &sharing->silence);
}

void cv__pg_sharing_stats(const cv__pg_sharing *sharing, size_t *ret_open, uint64_t *ret_resent)
{
    size_t open = 0;
    for (size_t i = 0; i < sharing->count; i++)
        open += sharing->lines[i].conn != NULL;
    if (ret_open)
        *ret_open = open;
    if (ret_resent)
        *ret_resent = sharing->resent;
}

void cv__pg_sharing_free(cv__pg_sharing *sharing)
{
    if (!sharing)
        return;
    free_spares(sharing);
    sharing->left = true;
    if (sharing->lent == 0)
        free(sharing);
}
