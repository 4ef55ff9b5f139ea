/* Reading PostgreSQL's log: logical decoding over the replication protocol, on a connection of the reader's own. Here
 * are the driver's functions, and what reading gets over by itself: a lost connection, types that are new, values that
 * ours cannot hold. reader.h has the states. */
#include "db/postgres/changes/reader.h"
#include "db/postgres/connect.h"

#include "base/ctx.h"
#include <covet/log.h>
#include <stdlib.h>

static cv__pg_reader *reader_of(cv_changes *changes)
{
    return (cv__pg_reader *)(void *)changes;
}

/* --- what reading gets over --- */

/* A type that was made since the beginning is learned, and the transaction read again; otherwise, and for a value that
 * ours cannot hold, reading goes on as text. */
static void read_again(cv_ctx *cx, cv__pg_reader *r, int code)
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
        cv__pg_reader_disconnect(r);
}

static bool is_lost(const cv__pg_reader *r, int code)
{
    return cv__pg_reader_is_passing(code) && code != CV_E_NOMEM && (code != CV_E_TIMEOUT || r->conn->base.broken);
}

/* 0 when reading can go on after an error, perhaps over another connection; or the error. */
static int get_over(cv_ctx *cx, cv__pg_reader *r, int code)
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
        cv__pg_reader_disconnect(r);
        return 0;
    }
    return code;
}

static int fail_closed(cv_ctx *cx)
{
    return cv_fail(cx, CV_E_CLOSED, "could not read changes: the database was closed");
}

static int go_on(cv_ctx *cx, cv__pg_reader *r, cv_change *ret_change)
{
    if (r->interrupted)
        return fail_closed(cx);
    bool away = !r->conn || r->renewing;
    if (away && r->failure.code)
        return cv__kept_error_fail(cx, &r->failure);
    if (away)
        return cv__pg_reader_await_connection(cx, r);
    int rc = cv__pg_stream_read(cx, r, ret_change);
    return rc == 0 ? cv__pg_stream_wait(cx, r) : rc;
}

static int read_next(cv_ctx *cx, void *shared, cv_changes *changes, cv_change *ret_change)
{
    (void)shared;
    cv__pg_reader *r = reader_of(changes);
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
static void make_up_names(cv__pg_reader *r, const cv_changes_options *options)
{
    uint64_t tables = 0;
    cv__pg_reader_make_name(r->name);
    for (size_t i = 0; i < options->table_count; i++)
        for (const char *at = options->tables[i]; at == options->tables[i] || at[-1]; at++)
            tables = (tables ^ (unsigned char)*at) * UINT64_C(1099511628211);
    if (options->table_count > 0)
        snprintf(r->publication, sizeof r->publication, "covet_%016llx", (unsigned long long)tables);
    else
        snprintf(r->publication, sizeof r->publication, "covet_all");
}

static cv__pg_reader *new_reader(cv_ctx *cx, cv__pg_shared *shared, const cv_changes_options *options)
{
    cv__pg_reader *r = calloc(1, sizeof *r);
    cv__pgoutput *output = r ? cv__pgoutput_new() : NULL;
    if (!output) {
        free(r);
        return NULL;
    }
    r->output = output;
    r->owners = 1;
    r->shared = shared;
    r->main = cv__main_ctx(cx);
    r->silent_ns = options->heartbeat_ms * CV__PG_SILENT_BEATS * INT64_C(1000000);
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
    cv__pg_reader *r = new_reader(cx, shared, options);
    if (!r)
        return cv_fail(cx, CV_E_NOMEM, "no memory for a reader of changes");
    int rc = options->position ? cv__pg_position_parse(options->position, &r->reached) : 0;
    if (rc == 0)
        rc = cv__pg_reader_connect(cx, r, options);
    if (rc < 0)
        cv__pg_reader_release(r);
    else
        *ret_changes = &r->base;
    return rc;
}

static const char *position_of(const cv_changes *changes)
{
    return ((const cv__pg_reader *)(const void *)changes)->position;
}

static int acknowledge(cv_ctx *cx, void *shared, cv_changes *changes, const char *text)
{
    (void)shared;
    cv__pg_reader *r = reader_of(changes);
    uint64_t position;
    if (cv__pg_position_parse(text, &position) < 0 || position > r->reached)
        return cv_fail(cx, CV_E_INVALID, "cannot acknowledge the position %s: the stream has only come to %s", text,
                       r->position);
    if (position <= r->acknowledged)
        return 0;
    r->acknowledged = position;
    cv__pg_stream_acknowledge(r);
    return 0;
}

static void interrupt(cv_changes *changes)
{
    cv__pg_reader *r = reader_of(changes);
    r->interrupted = true;
    cv__pg_stream_interrupt(r);
    cv__pg_reader_interrupt(r);
}

static void close_reader(cv_ctx *cx, cv_changes *changes)
{
    cv__pg_reader *r = reader_of(changes);
    r->closed = true;
    cv__pg_reader_interrupt(r);
    if (r->conn && !r->conn->base.broken)
        cv__pg_stream_end(cx, r);
    cv__pg_reader_disconnect(r);
    cv__pg_reader_release(r);
}

static int drop(cv_ctx *cx, void *shared, const char *name)
{
    cv__conn *conn;
    CV_TRY(cv__pg_connect(cx, shared, CV__WRITER, &conn));
    int rc = cv__pg_slot_drop(cx, cv__pg_conn_of(conn), name);
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
