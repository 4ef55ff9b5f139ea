/* The stream of a reader: messages from the server, and what it is told.
 *
 * Nothing is queued here: a message is taken from libpq when it is asked for, and the socket is read only while the
 * reader waits. So a slow reader makes the server wait, by TCP. A timer tells the server now and then that the reader
 * lives and what it has acknowledged, also while nobody reads, or the server would give the reader up
 * (wal_sender_timeout). It also finds a server that has fallen silent, while the reader waits for it.
 *
 * Source: https://www.postgresql.org/docs/15/protocol-replication.html */
#include "db/postgres/changes/reader.h"
#include "db/postgres/wire.h"

#include "db/postgres/types.h"
#include <covet/fiber.h>
#include <covet/runtime.h>
#include <covet/time.h>
#include <endian.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    ACKNOWLEDGE_MS = 100, /* at most so often the server is told what was acknowledged */
    GATHER_MS = 2,        /* in this time the socket is read so often as soon as something comes, */
    GATHER_READS = 4,     /* unless more is waiting than this */
    GATHER_BYTES = 16384,
};
#define MS INT64_C(1000000)

/* --- what the server is told --- */

static void put_u64(char *at, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(at, &big, sizeof big);
}

/* Standby status update: received; stored and applied, which is what is acknowledged; the time; whether to answer. */
static void tell_server(cv__pg_reader *r, bool answer)
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
static void end_wait(const cv__pg_reader *r)
{
    if (r->conn && PQsocket(r->conn->pg) >= 0)
        (void)shutdown(PQsocket(r->conn->pg), SHUT_RDWR);
}

static void arm(cv__pg_reader *r, int64_t at_ns)
{
    if (!r->timer.armed || at_ns < r->timer.at_ns)
        cv__timer_start(r->main, &r->timer, at_ns);
}

static void on_timer(cv__timer *timer)
{
    cv__pg_reader *r = (cv__pg_reader *)(void *)((char *)timer - offsetof(cv__pg_reader, timer));
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

void cv__pg_stream_acknowledge(cv__pg_reader *r)
{
    int64_t due_ns = r->sent_ns + ACKNOWLEDGE_MS * MS;
    if (r->conn && cv__loop_now_ns(r->main) >= due_ns)
        tell_server(r, false);
    else if (r->conn)
        arm(r, due_ns);
}

/* --- beginning --- */

void cv__pg_stream_begin(cv__pg_reader *r, cv__pg_conn *conn, const cv__pg_log *log)
{
    int64_t now_ns = cv__loop_now_ns(r->main);
    int64_t beat_ms = r->silent_ns / CV__PG_SILENT_BEATS / MS;
    if (log->sender_timeout_ms > 0 && log->sender_timeout_ms / 3 < beat_ms)
        beat_ms = log->sender_timeout_ms / 3;
    r->timer.fire = on_timer;
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

/* --- waiting --- */

static bool is_much_waiting(const cv__pg_conn *conn)
{
    int bytes = 0;
    return ioctl(PQsocket(conn->pg), FIONREAD, &bytes) == 0 && bytes >= GATHER_BYTES;
}

/* The server sends each row by itself. Were each read as soon as it is there, the two would take turns on a processor,
 * which costs more than reading: so what comes after the first messages is let gather for a moment. */
static int let_gather(cv_ctx *cx, cv__pg_reader *r)
{
    int64_t now_ns = cv_now_ns(cx);
    if (now_ns - r->gather_ns >= GATHER_MS * MS) {
        r->gather_ns = now_ns;
        r->reads = 0;
    }
    bool at_once = r->reads++ < GATHER_READS || is_much_waiting(r->conn) || cv__deadline_left_ms(cx) <= GATHER_MS;
    return at_once ? 0 : cv_sleep_ms(cx, GATHER_MS);
}

int cv__pg_stream_wait(cv_ctx *cx, cv__pg_reader *r)
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

/* --- messages --- */

static void drop_message(cv__pg_reader *r)
{
    PQfreemem(r->message);
    r->message = NULL;
}

static uint64_t u64_at(const char *at)
{
    uint64_t big;
    memcpy(&big, at, sizeof big);
    return be64toh(big);
}

static void reach(cv__pg_reader *r, uint64_t position)
{
    if (position <= r->reached)
        return;
    r->reached = position;
    cv__pg_position_format(position, r->position);
    if (r->slot.temporary) /* nothing is kept for it */
        r->acknowledged = position;
}

static void receive(cv__pg_reader *r, uint64_t position)
{
    r->received = position > r->received ? position : r->received;
}

/* Where the server is in its log; between transactions everything before was told. */
static void take_keepalive(cv__pg_reader *r, const char *message)
{
    uint64_t end = u64_at(message + 1);
    receive(r, end);
    if (!cv__pgoutput_in_transaction(r->output))
        reach(r, end);
    if (message[17])
        tell_server(r, false);
}

static int take_data(cv_ctx *cx, cv__pg_reader *r, cv_str message, cv_change *ret_change)
{
    enum { HEAD = 25 }; /* 'w', where it lies in the log, where the log ends, the time */
    receive(r, u64_at(message.ptr + 1));
    int rc = cv__pgoutput_read(cx, r->output, &r->base, cv_str_sub(message, HEAD, message.len), ret_change);
    if (rc >= 0 && !cv__pgoutput_in_transaction(r->output))
        reach(r, cv__pgoutput_end(r->output));
    return rc;
}

static int take_message(cv_ctx *cx, cv__pg_reader *r, cv_str message, cv_change *ret_change)
{
    if (message.len >= 25 && message.ptr[0] == 'w')
        return take_data(cx, r, message, ret_change);
    if (message.len >= 18 && message.ptr[0] == 'k')
        take_keepalive(r, message.ptr);
    return CV__PGOUTPUT_NOTHING;
}

/* The server has ended the stream, and says why, or not. */
static int fail_ended(cv_ctx *cx, cv__pg_reader *r)
{
    PGresult *result = NULL;
    CV_TRY(cv__pg_next_result(cx, r->conn, &result));
    bool said = PQresultStatus(result) == PGRES_FATAL_ERROR;
    int rc = said ? cv__pg_fail_result(cx, r->conn, result) : cv__pg_lost(cx, r->conn);
    rc = cv__pg_slot_explain(cx, r->conn, &r->slot, rc);
    r->conn->base.broken = true;
    PQclear(result);
    return rc;
}

/* 1: an event; 0: more has to come. */
int cv__pg_stream_read(cv_ctx *cx, cv__pg_reader *r, cv_change *ret_change)
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

/* --- ending --- */

/* The end of our side, and what is left of the server's. */
static int end_stream(cv_ctx *cx, cv__pg_reader *r)
{
    int len = 0;
    cv__timer_stop(r->main, &r->timer);
    tell_server(r, false);
    if (PQputCopyEnd(r->conn->pg, NULL) <= 0)
        return cv__pg_lost(cx, r->conn);
    while (len >= 0) {
        drop_message(r);
        len = PQgetCopyData(r->conn->pg, &r->message, 1);
        if (len == 0)
            CV_TRY(cv__pg_stream_wait(cx, r));
    }
    return 0;
}

void cv__pg_stream_end(cv_ctx *cx, cv__pg_reader *r)
{
    if (end_stream(cx, r) < 0)
        cv_error_clear(cx);
}

void cv__pg_stream_interrupt(cv__pg_reader *r)
{
    cv__timer_stop(r->main, &r->timer);
    if (r->conn && r->acknowledged > r->told)
        tell_server(r, false);
    if (r->waiting)
        end_wait(r);
}

void cv__pg_stream_forget(cv__pg_reader *r)
{
    drop_message(r);
    cv__timer_stop(r->main, &r->timer);
}
