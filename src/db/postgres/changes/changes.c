/* Reading PostgreSQL's log: logical decoding over the replication protocol, on a connection of the reader's own.
 *
 * Nothing is queued here: a message is taken from libpq when it is asked for, and the socket is read only while the
 * reader waits. So a slow reader makes the server wait, by TCP. A timer tells the server now and then that the reader
 * lives and what it has acknowledged, also while nobody reads, or the server would give the reader up
 * (wal_sender_timeout). It also finds a server that has fallen silent, while the reader waits for it.
 *
 * A lost connection is made again by a fiber of its own, so that it comes about even when every call of the reader has
 * a short deadline. Reading goes on behind the last transaction that was told as a whole.
 *
 * States:   streaming (conn) -> none -> connecting (the fiber runs) -> streaming
 *           any -> failed (the fiber found what only people can change), interrupted (the database is closed)
 *
 * A reader belongs to its user until close, and to the fiber while it runs: the last one frees it. As long as it lives
 * it counts as an errand of the database, whose shared state stays.
 *
 * Source: https://www.postgresql.org/docs/15/protocol-replication.html */
#include "db/postgres/changes/changes.h"

#include "base/ctx.h"
#include "db/postgres/types.h"
#include <covet/fiber.h>
#include <covet/log.h>
#include <covet/runtime.h>
#include <covet/time.h>
#include <covet/uuid.h>
#include <endian.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    FIRST_PAUSE_MS = 50,
    LONGEST_PAUSE_MS = 5000,
    ACKNOWLEDGE_MS = 100, /* at most so often the server is told what was acknowledged */
    GATHER_MS = 2,        /* in this time the socket is read so often as soon as something comes, */
    GATHER_READS = 4,     /* unless more is waiting than this */
    GATHER_BYTES = 16384,
    SILENT_BEATS = 3,
    IDENTIFIER_BYTES = 64,
};
#define MS INT64_C(1000000)

typedef struct reader {
    cv_changes base; /* first */
    unsigned owners; /* the user, and the fiber */
    cv__pg_shared *shared;
    cv_ctx *main;
    char name[IDENTIFIER_BYTES], publication[IDENTIFIER_BYTES];
    cv__pg_slot slot;
    cv__pg_conn *conn; /* NULL: none */
    int former_pid;    /* of the connection before */
    cv__pgoutput *output;
    char *message; /* read last; libpq's */
    bool interrupted, closed;
    bool renewing; /* another connection is made, with a copy of the slot of this one */
    /* the log */
    uint64_t reached;                     /* behind the last transaction that was told, or had nothing to tell */
    uint64_t received;                    /* what the server has sent goes up to here */
    uint64_t acknowledged;                /* by the user */
    uint64_t told;                        /* of that, to the server */
    uint64_t relearned;                   /* `reached`, when types were last learned anew; 0: never */
    char position[CV__PG_POSITION_BYTES]; /* `reached` */
    /* the timer */
    cv__timer timer;
    int64_t beat_ns, silent_ns;
    int64_t sent_ns, heard_ns;
    bool waiting; /* for the server to say something */
    int64_t gather_ns;
    int reads; /* since then */
    /* the fiber that connects */
    cv_fiber *connector;
    bool connecting;
    cv__waiter *waiter; /* somebody waits for it */
    int failure;
    char *failure_message, *failure_hint;
} reader;

static reader *reader_of(cv_changes *changes)
{
    return (reader *)(void *)changes;
}

/* --- what the server is told --- */

static void put_u64(char *at, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(at, &big, sizeof big);
}

/* Standby status update: received; stored and applied, which is what is acknowledged; the time; whether to answer. */
static void tell_server(reader *r, bool answer)
{
    char message[34] = {'r'};
    put_u64(message + 1, r->received > r->acknowledged ? r->received : r->acknowledged);
    put_u64(message + 9, r->acknowledged);
    put_u64(message + 17, r->acknowledged);
    put_u64(message + 25, (uint64_t)(cv_time_now().us - CV__PG_EPOCH_US));
    message[33] = answer;
    r->sent_ns = cv__loop_now_ns(r->main);
    if (PQputCopyData(r->conn->pg, message, sizeof message) > 0 && PQflush(r->conn->pg) >= 0)
        r->told = r->acknowledged;
}

/* The reader, which waits for the socket, sees its end. */
static void end_wait(const reader *r)
{
    if (r->conn && PQsocket(r->conn->pg) >= 0)
        (void)shutdown(PQsocket(r->conn->pg), SHUT_RDWR);
}

static void arm(reader *r, int64_t at_ns)
{
    if (!r->timer.armed || at_ns < r->timer.at_ns)
        cv__timer_start(r->main, &r->timer, at_ns);
}

static void on_timer(cv__timer *timer)
{
    reader *r = (reader *)(void *)((char *)timer - offsetof(reader, timer));
    int64_t now_ns = cv__loop_now_ns(r->main);
    if (!r->conn)
        return;
    if (r->waiting && now_ns - r->heard_ns >= r->silent_ns) {
        end_wait(r);
        return;
    }
    tell_server(r, now_ns - r->heard_ns >= r->beat_ns);
    arm(r, now_ns + r->beat_ns);
}

/* --- the connection --- */

static void drop_message(reader *r)
{
    PQfreemem(r->message);
    r->message = NULL;
}

static void drop_connection(reader *r)
{
    drop_message(r);
    if (!r->conn)
        return;
    cv__timer_stop(r->main, &r->timer);
    r->former_pid = PQbackendPID(r->conn->pg);
    cv__pg_disconnect(&r->conn->base);
    r->conn = NULL;
    cv__pgoutput_restart(r->output);
}

static int explain_pooler(cv_ctx *cx, int rc)
{
    const cv_error *error = cv_error_last(cx);
    if (rc >= 0 || !error || !error->message || !strstr(error->message, "unsupported startup parameter"))
        return rc;
    cv_fail(cx, CV_E_UNSUPPORTED, "cannot read changes: a pooler is in between, which does not pass replication on");
    cv_error_hint(cx, "open a second database with the URL of the server itself, and read there");
    return CV_E_UNSUPPORTED;
}

static void begin_streaming(reader *r, cv__pg_conn *conn, const cv__pg_log *log)
{
    int64_t now_ns = cv__loop_now_ns(r->main);
    int64_t beat_ms = r->silent_ns / SILENT_BEATS / MS;
    if (log->sender_timeout_ms > 0 && log->sender_timeout_ms / 3 < beat_ms)
        beat_ms = log->sender_timeout_ms / 3;
    r->beat_ns = (beat_ms > 0 ? beat_ms : 1) * MS;
    r->conn = conn;
    r->heard_ns = now_ns;
    r->reached = r->reached > log->start ? r->reached : log->start;
    r->received = r->received > r->reached ? r->received : r->reached;
    r->acknowledged = r->acknowledged ? r->acknowledged : log->confirmed;
    cv__pg_position_format(r->reached, r->position);
    r->renewing = false;
    cv__pgoutput_restart(r->output);
    tell_server(r, false);
    arm(r, now_ns + r->beat_ns);
}

static void choose_name(char name[IDENTIFIER_BYTES])
{
    uint64_t random;
    cv_random_bytes(&random, sizeof random);
    snprintf(name, IDENTIFIER_BYTES, "covet_%016llx", (unsigned long long)random);
}

/* Beside the connection there is, whose slot is copied. */
static int stream_copy(cv_ctx *cx, reader *r, cv__pg_conn *conn, cv__pg_log *ret_log)
{
    char name[IDENTIFIER_BYTES];
    cv__pg_slot copy = r->slot;
    choose_name(name);
    copy.name = name;
    copy.copy_of = r->name;
    CV_TRY(cv__pg_stream(cx, conn, &copy, r->reached, 0, r->output, ret_log));
    memcpy(r->name, name, sizeof name);
    return 0;
}

/* Tables are published at the beginning only: `options` is NULL later. */
static int start_on(cv_ctx *cx, reader *r, cv__pg_conn *conn, const cv_changes_options *options)
{
    cv__pg_log log;
    if (options)
        CV_TRY(cv__pg_publish(cx, conn, &r->slot, options->tables, options->table_count));
    if (r->renewing)
        CV_TRY(stream_copy(cx, r, conn, &log));
    else
        CV_TRY(cv__pg_stream(cx, conn, &r->slot, r->reached, r->former_pid, r->output, &log));
    drop_connection(r);
    begin_streaming(r, conn, &log);
    return 0;
}

static int connect_reader(cv_ctx *cx, reader *r, const cv_changes_options *options)
{
    cv__pg_conn *conn;
    CV_TRY(explain_pooler(cx, cv__pg_connect_replication(cx, r->shared, &conn)));
    int rc = start_on(cx, r, conn, options);
    if (rc < 0)
        cv__pg_disconnect(&conn->base);
    return rc;
}

/* --- the fiber that makes a lost connection again --- */

static void free_reader(reader *r)
{
    cv__pg_shared *shared = r->shared;
    drop_connection(r);
    cv__timer_stop(r->main, &r->timer);
    cv__pgoutput_free(r->output);
    free(r->failure_message);
    free(r->failure_hint);
    free(r);
    shared->errands--;
    if (shared->closed)
        cv__pg_shared_close(shared);
}

static void release(reader *r)
{
    if (--r->owners == 0)
        free_reader(r);
}

static void wake(reader *r)
{
    cv__waiter *waiter = r->waiter;
    r->waiter = NULL;
    if (waiter)
        cv__wake(waiter, 0);
}

/* What may pass by itself. */
static bool is_passing(int code)
{
    switch (code) {
    case CV_E_CONNECTION_LOST:
    case CV_E_REFUSED:
    case CV_E_UNREACHABLE:
    case CV_E_TIMEOUT:
    case CV_E_RESOLVE:
    case CV_E_NO_SERVER:
    case CV_E_TOO_MANY_CONNECTIONS:
    case CV_E_NOMEM:
        return true;
    default:
        return false;
    }
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void keep_failure(cv_ctx *cx, reader *r, int code)
{
    const cv_error *error = cv_error_last(cx);
    r->failure = code;
    r->failure_message = copy_text(error ? error->message : NULL);
    r->failure_hint = copy_text(error ? error->hint : NULL);
}

static int fail_kept(cv_ctx *cx, const reader *r)
{
    cv_fail(cx, r->failure, "%s", r->failure_message ? r->failure_message : "the change stream has ended");
    if (r->failure_hint)
        cv_error_hint(cx, "%s", r->failure_hint);
    return r->failure;
}

static int64_t choose_pause_ms(unsigned failures)
{
    uint64_t random;
    int64_t longest_ms = (int64_t)FIRST_PAUSE_MS << (failures < 8 ? failures : 8);
    longest_ms = longest_ms < LONGEST_PAUSE_MS ? longest_ms : LONGEST_PAUSE_MS;
    cv_random_bytes(&random, sizeof random);
    return longest_ms / 2 + (int64_t)(random % (uint64_t)(longest_ms / 2 + 1));
}

static bool is_over(const reader *r)
{
    return r->closed || r->interrupted;
}

static int try_to_connect(cv_ctx *cx, reader *r)
{
    int rc = CV_E_TIMEOUT;
    CV_SCOPE(cx)
    {
        CV_WITHIN(cx, r->shared->connect_timeout_ms * 2) /* a slot may have to be waited for */
        {
            rc = connect_reader(cx, r, NULL);
        }
    }
    return rc;
}

static void connect_until_done(cv_ctx *cx, reader *r)
{
    for (unsigned failures = 0; !is_over(r); failures++) {
        int rc = try_to_connect(cx, r);
        if (rc == 0 || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
            return;
        if (!is_passing(rc)) {
            keep_failure(cx, r, rc);
            return;
        }
        cv_error_clear(cx);
        if (cv_sleep_ms(cx, choose_pause_ms(failures)) < 0)
            return;
    }
}

static int run_connector(cv_ctx *cx, void *arg)
{
    reader *r = arg;
    r->connector = cx->fiber;
    cv_ctx_restore_deadline_ns(cx, INT64_MAX);
    connect_until_done(cx, r);
    cv_error_clear(cx);
    r->connector = NULL;
    r->connecting = false;
    wake(r);
    release(r);
    return 0;
}

static int start_connector(cv_ctx *cx, reader *r)
{
    if (r->connecting)
        return 0;
    if (cv_spawn(r->main, "read changes of PostgreSQL", run_connector, r, NULL) < 0) {
        if (r->main != cx)
            cv_error_clear(r->main);
        return cv_fail(cx, CV_E_LIMIT, "could not start the fiber that connects a reader of changes");
    }
    r->connecting = true;
    r->owners++;
    return 0;
}

/* 0: something has changed. */
static int wait_for_connection(cv_ctx *cx, reader *r)
{
    CV_TRY(start_connector(cx, r));
    cv__waiter waiter;
    cv__waiter_init(cx, &waiter);
    waiter.what = "read changes: the server is not there";
    r->waiter = &waiter;
    int rc = cv__wait(cx, &waiter);
    r->waiter = NULL;
    return rc;
}

/* --- the stream --- */

static bool is_much_waiting(const cv__pg_conn *conn)
{
    int bytes = 0;
    return ioctl(PQsocket(conn->pg), FIONREAD, &bytes) == 0 && bytes >= GATHER_BYTES;
}

/* The server sends each row by itself. Were each read as soon as it is there, the two would take turns on a processor,
 * which costs more than reading: so what comes after the first messages is let gather for a moment. */
static int let_gather(cv_ctx *cx, reader *r)
{
    int64_t now_ns = cv_now_ns(cx);
    if (now_ns - r->gather_ns >= GATHER_MS * MS) {
        r->gather_ns = now_ns;
        r->reads = 0;
    }
    bool at_once = r->reads++ < GATHER_READS || is_much_waiting(r->conn) || cv__deadline_left_ms(cx) <= GATHER_MS;
    return at_once ? 0 : cv_sleep_ms(cx, GATHER_MS);
}

static int wait_for_data(cv_ctx *cx, reader *r)
{
    cv__pg_conn *conn = r->conn;
    int unsent = PQflush(conn->pg);
    if (unsent < 0)
        return cv__pg_lost(cx, conn);
    int64_t now_ns = cv__loop_now_ns(cx);
    r->heard_ns = r->heard_ns > now_ns - r->beat_ns ? r->heard_ns : now_ns; /* nobody listened before */
    r->waiting = true;
    int rc = let_gather(cx, r);
    if (rc == 0)
        rc = cv__poll_wait(cx, conn->poll, UV_READABLE | (unsent > 0 ? UV_WRITABLE : 0), NULL);
    r->waiting = false;
    if (rc == CV_E_TIMEOUT || rc == CV_E_CANCELLED || rc == CV_E_CONTEXT)
        return rc;
    if (rc < 0)
        cv_error_clear(cx); /* libpq knows more */
    r->heard_ns = cv__loop_now_ns(cx);
    return PQconsumeInput(conn->pg) ? 0 : cv__pg_lost(cx, conn);
}

static uint64_t u64_at(const char *at)
{
    uint64_t big;
    memcpy(&big, at, sizeof big);
    return be64toh(big);
}

static void reach(reader *r, uint64_t position)
{
    if (position <= r->reached)
        return;
    r->reached = position;
    cv__pg_position_format(position, r->position);
    if (r->slot.temporary) /* nothing is kept for it */
        r->acknowledged = position;
}

static void receive(reader *r, uint64_t position)
{
    r->received = position > r->received ? position : r->received;
}

/* Where the server is in its log; between transactions everything before was told. */
static void take_keepalive(reader *r, const char *message)
{
    uint64_t end = u64_at(message + 1);
    receive(r, end);
    if (!cv__pgoutput_in_transaction(r->output))
        reach(r, end);
    if (message[17])
        tell_server(r, false);
}

static int take_data(cv_ctx *cx, reader *r, cv_str message, cv_change *ret_change)
{
    enum { HEAD = 25 }; /* 'w', where it lies in the log, where the log ends, the time */
    receive(r, u64_at(message.ptr + 1));
    int rc = cv__pgoutput_read(cx, r->output, &r->base, cv_str_sub(message, HEAD, message.len), ret_change);
    if (rc >= 0 && !cv__pgoutput_in_transaction(r->output))
        reach(r, cv__pgoutput_end(r->output));
    return rc;
}

static int take_message(cv_ctx *cx, reader *r, cv_str message, cv_change *ret_change)
{
    if (message.len >= 25 && message.ptr[0] == 'w')
        return take_data(cx, r, message, ret_change);
    if (message.len >= 18 && message.ptr[0] == 'k')
        take_keepalive(r, message.ptr);
    return CV__PGOUTPUT_NOTHING;
}

/* The server has ended the stream, and says why, or not. */
static int fail_ended(cv_ctx *cx, reader *r)
{
    PGresult *result = NULL;
    CV_TRY(cv__pg_next_result(cx, r->conn, &result));
    bool said = PQresultStatus(result) == PGRES_FATAL_ERROR;
    int rc = said ? cv__pg_fail_result(cx, r->conn, result) : cv__pg_lost(cx, r->conn);
    r->conn->base.broken = true;
    PQclear(result);
    return rc;
}

/* 1: an event; 0: more has to come. */
static int next_event(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    int rc = cv__pgoutput_more(r->output, ret_change);
    while (rc == CV__PGOUTPUT_NOTHING) {
        drop_message(r);
        int len = PQgetCopyData(r->conn->pg, &r->message, 1);
        if (len == 0)
            return 0;
        if (len < 0)
            return len == -1 ? fail_ended(cx, r) : cv__pg_lost(cx, r->conn);
        rc = take_message(cx, r, cv_str_make(r->message, (size_t)len), ret_change);
    }
    return rc;
}

/* --- what reading gets over --- */

/* The end of our side, and what is left of the server's. */
static int end_streaming(cv_ctx *cx, reader *r)
{
    int len = 0;
    tell_server(r, false);
    if (PQputCopyEnd(r->conn->pg, NULL) <= 0)
        return cv__pg_lost(cx, r->conn);
    while (len >= 0) {
        drop_message(r);
        len = PQgetCopyData(r->conn->pg, &r->message, 1);
        if (len == 0)
            CV_TRY(wait_for_data(cx, r));
    }
    return 0;
}

/* A type that was made since the beginning is learned, and the transaction read again; otherwise, and for a value that
 * ours cannot hold, reading goes on as text. */
static void read_again(cv_ctx *cx, reader *r, int code)
{
    const cv_error *error = cv_error_last(cx);
    if (code == CV_E_RANGE || r->relearned == r->reached) {
        CV_LOG_WARN(cx->log, "a change cannot be read in its binary form: reading goes on as text",
                    CV_F("reason", error ? error->message : cv_error_text(code)));
        cv__pgoutput_use_text(r->output);
    }
    r->relearned = r->reached;
    cv_error_clear(cx);
    if (r->slot.temporary)
        r->renewing = true; /* the slot ends with its connection, so it is copied first */
    else
        drop_connection(r);
}

static bool is_lost(const reader *r, int code)
{
    return is_passing(code) && code != CV_E_NOMEM && (code != CV_E_TIMEOUT || r->conn->base.broken);
}

/* 0 when reading can go on after an error, perhaps over another connection; or the error. */
static int get_over(cv_ctx *cx, reader *r, int code)
{
    if ((code == CV_E_TYPE || code == CV_E_RANGE) && !cv__pgoutput_uses_text(r->output)) {
        read_again(cx, r, code);
        return 0;
    }
    if (is_lost(r, code)) {
        const cv_error *error = cv_error_last(cx);
        CV_LOG_WARN(cx->log, "the connection of a reader of changes was lost, and is made again",
                    CV_F("server", r->shared->place), CV_F("reason", error ? error->message : cv_error_text(code)));
        cv_error_clear(cx);
        drop_connection(r);
        return 0;
    }
    return code;
}

static int fail_closed(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_CLOSED, "could not read changes: the database was closed");
}

static int go_on(cv_ctx *cx, reader *r, cv_change *ret_change)
{
    if (r->interrupted)
        return fail_closed(cx);
    bool away = !r->conn || r->renewing;
    if (away && r->failure)
        return fail_kept(cx, r);
    if (away)
        return wait_for_connection(cx, r);
    int rc = next_event(cx, r, ret_change);
    return rc == 0 ? wait_for_data(cx, r) : rc;
}

static int read_next(cv_ctx *cx, void *shared, cv_changes *changes, cv_change *ret_change)
{
    (void)shared;
    reader *r = reader_of(changes);
    for (;;) {
        int rc = go_on(cx, r, ret_change);
        if (rc == CV__PGOUTPUT_EVENT) {
            ret_change->position = r->position;
            return 0;
        }
        if (rc < 0 && r->interrupted)
            return fail_closed(cx);
        if (rc < 0)
            CV_TRY(r->conn && !r->renewing ? get_over(cx, r, rc) : rc);
    }
}

/* --- the driver's functions --- */

/* Without a name: a slot of the connection's own, and a publication that all readers of the same tables share. */
static void make_up_names(reader *r, const cv_changes_options *options)
{
    uint64_t tables = 0;
    choose_name(r->name);
    for (size_t i = 0; i < options->table_count; i++)
        for (const char *at = options->tables[i]; at == options->tables[i] || at[-1]; at++)
            tables = (tables ^ (unsigned char)*at) * UINT64_C(1099511628211);
    if (options->table_count > 0)
        snprintf(r->publication, sizeof r->publication, "covet_%016llx", (unsigned long long)tables);
    else
        snprintf(r->publication, sizeof r->publication, "covet_all");
}

static reader *new_reader(cv_ctx *cx, cv__pg_shared *shared, const cv_changes_options *options)
{
    reader *r = calloc(1, sizeof *r);
    cv__pgoutput *output = r ? cv__pgoutput_new() : NULL;
    if (!output) {
        free(r);
        return NULL;
    }
    r->output = output;
    r->owners = 1;
    r->shared = shared;
    r->main = cv__main_ctx(cx);
    r->timer.fire = on_timer;
    r->silent_ns = options->heartbeat_ms * SILENT_BEATS * MS;
    if (options->name) {
        snprintf(r->name, sizeof r->name, "%s", options->name);
        snprintf(r->publication, sizeof r->publication, "%s", options->name);
    } else {
        make_up_names(r, options);
    }
    r->slot = (cv__pg_slot){.name = r->name, .publication = r->publication, .temporary = !options->name};
    shared->errands++;
    return r;
}

static int open_reader(cv_ctx *cx, void *shared, const cv_changes_options *options, cv_changes **ret_changes)
{
    reader *r = new_reader(cx, shared, options);
    if (!r)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a reader of changes");
    int rc = options->position ? cv__pg_position_parse(options->position, &r->reached) : 0;
    if (rc == 0)
        rc = connect_reader(cx, r, options);
    if (rc < 0)
        release(r);
    else
        *ret_changes = &r->base;
    return rc;
}

static const char *position_of(const cv_changes *changes)
{
    return ((const reader *)(const void *)changes)->position;
}

static int acknowledge(cv_ctx *cx, void *shared, cv_changes *changes, const char *text)
{
    (void)shared;
    reader *r = reader_of(changes);
    uint64_t position;
    if (cv__pg_position_parse(text, &position) < 0 || position > r->reached)
        return cv_fail(cx, CV_E_INVALID, "cannot acknowledge the position %s: the stream has only come to %s", text,
                       r->position);
    if (position <= r->acknowledged)
        return 0;
    r->acknowledged = position;
    int64_t due_ns = r->sent_ns + ACKNOWLEDGE_MS * MS;
    if (r->conn && cv__loop_now_ns(cx) >= due_ns)
        tell_server(r, false);
    else if (r->conn)
        arm(r, due_ns);
    return 0;
}

static void interrupt(cv_changes *changes)
{
    reader *r = reader_of(changes);
    r->interrupted = true;
    if (r->connector)
        cv_cancel(r->connector);
    cv__timer_stop(r->main, &r->timer);
    if (r->conn && r->acknowledged > r->told)
        tell_server(r, false);
    if (r->waiting)
        end_wait(r);
    wake(r);
}

static void close_reader(cv_ctx *cx, cv_changes *changes)
{
    reader *r = reader_of(changes);
    r->closed = true;
    cv__timer_stop(r->main, &r->timer);
    if (r->connector)
        cv_cancel(r->connector);
    if (r->conn && !r->conn->base.broken)
        (void)end_streaming(cx, r); /* in order, so that the server lets go of the slot */
    drop_connection(r);
    release(r);
}

static int drop(cv_ctx *cx, void *shared, const char *name)
{
    cv__conn *conn;
    CV_TRY(cv__pg_connect(cx, shared, CV__WRITER, &conn));
    int rc = cv__pg_unpublish(cx, cv__pg_conn_of(conn), name);
    cv__pg_disconnect(conn);
    return rc;
}

static int compare(cv_ctx *cx, const char *a, const char *b, int *ret_order)
{
    uint64_t first = 0, second = 0;
    const char *wrong = cv__pg_position_parse(a, &first) < 0 ? a : cv__pg_position_parse(b, &second) < 0 ? b : NULL;
    if (wrong)
        return cv_fail(cx, CV_E_INVALID, "\"%.60s\" is no position in the log of PostgreSQL", wrong);
    *ret_order = first < second ? -1 : first > second;
    return 0;
}

const cv__changes_driver cv__changes_postgres = {
    .open = open_reader,
    .next = read_next,
    .position = position_of,
    .acknowledge = acknowledge,
    .interrupt = interrupt,
    .close = close_reader,
    .drop = drop,
    .compare = compare,
};
